//! Work on many items at once, with what comes of each taken in the items' order.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::command_error::CommandError;
use crate::progress::Passing;

/// Whose turn it is.
struct Turns {
    state: Mutex<State>,
    moved: Condvar,
    /// How many items there are.
    items: usize,
    /// How far from the item whose turn it is one may be that is begun.
    ahead: usize,
}

#[derive(Default)]
struct State {
    /// The item that is begun next.
    next: usize,
    /// The item whose turn it is.
    turn: usize,
    /// Whether nothing is begun any more.
    is_over: bool,
}

impl Turns {
    fn of(items: usize, ahead: usize) -> Self {
        let (state, moved) = (Mutex::default(), Condvar::new());
        Self { state, moved, items, ahead: ahead.max(1) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next item to begin, once it is near enough; none if there is none left.
    fn take(&self) -> Option<usize> {
        let is_far = |it: &mut State| !it.is_over && it.next >= it.turn + self.ahead;
        let state = self.moved.wait_while(self.state(), is_far);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.is_over || state.next >= self.items {
            return None;
        }
        state.next += 1;
        Some(state.next - 1)
    }

    /// It is the next one's turn.
    fn advance(&self) {
        self.state().turn += 1;
        self.moved.notify_all();
    }
}

/// Ends all work when it is dropped, whatever the reason is: nobody waits for what never comes.
struct Over<'a>(&'a Turns);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.state().is_over = true;
        self.0.moved.notify_all();
    }
}

/// Does work on each item, several at once, and gives the results in the items' order. What the work awaits runs in one
/// runtime, so that clients may be shared.
///
/// # Errors
///
/// When no runtime can be started.
pub(super) fn side_by_side<T: Sync, R: Send>(
    items: &[T],
    jobs: usize,
    work: impl Fn(&T) -> R + Sync,
) -> Result<Vec<R>, CommandError> {
    let mut all = Vec::with_capacity(items.len());
    in_turn(items, (jobs, items.len()), work, |came| {
        all.push(came);
        Ok(())
    })?;
    Ok(all)
}

/// As [`side_by_side`], but what comes of an item is handed over as soon as it is its turn. Each job takes the next item
/// when it is done with one, if it is no further than `ahead` from the one whose turn it is: so many results are held.
///
/// # Errors
///
/// When no runtime can be started, and what `each` gives; then no further item is begun.
pub(super) fn in_turn<T: Sync, R: Send>(
    items: &[T],
    (jobs, ahead): (usize, usize),
    work: impl Fn(&T) -> R + Sync,
    mut each: impl FnMut(R) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    let runtime = super::runtime()?;
    let passing = Passing::count(items.len(), "Reading stacks");
    let turns = Turns::of(items.len(), ahead);
    let span = tracing::Span::current();
    let (sender, receiver) = mpsc::channel();
    let job = |sender: mpsc::Sender<(usize, R)>| {
        let _inside = (runtime.enter(), span.enter());
        let _over = Over(&turns);
        while let Some(at) = turns.take() {
            let Some(item) = items.get(at) else { break };
            if sender.send((at, work(item))).is_err() {
                break;
            }
            passing.advance();
        }
    };
    std::thread::scope(|scope| {
        let job = &job;
        for _ in 0..jobs.min(items.len()) {
            let sender = sender.clone();
            scope.spawn(move || job(sender));
        }
        drop(sender);
        let _over = Over(&turns);
        let mut early = BTreeMap::new();
        for turn in 0..items.len() {
            // Nothing comes any more where a job panicked, which the scope passes on.
            let Some(came) = awaited(turn, &receiver, &mut early) else { break };
            turns.advance();
            passing.aside(|| each(came))?;
        }
        Ok(())
    })
}

/// What comes of an item; what comes of others before is kept.
fn awaited<R>(
    turn: usize,
    receiver: &Receiver<(usize, R)>,
    early: &mut BTreeMap<usize, R>,
) -> Option<R> {
    loop {
        if let Some(came) = early.remove(&turn) {
            return Some(came);
        }
        let (at, came) = receiver.recv().ok()?;
        early.insert(at, came);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn what_comes_is_in_order_whoever_is_done_first() {
        let items: Vec<u64> = (0..40).collect();
        let late_first = |item: &u64| {
            std::thread::sleep(std::time::Duration::from_micros((7 - item % 7) * 100));
            *item
        };
        for (jobs, ahead) in [(1, 1), (3, 1), (3, 4), (8, 40), (50, 50)] {
            let mut came = Vec::new();
            in_turn(&items, (jobs, ahead), late_first, |it| {
                came.push(it);
                Ok(())
            })
            .unwrap();
            assert_eq!(came, items, "{jobs} jobs, {ahead} ahead");
        }
    }

    #[test]
    fn no_more_is_held_than_asked_for() {
        let (begun, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let items: Vec<usize> = (0..60).collect();
        let work = |_: &usize| {
            let begun = begun.fetch_add(1, Ordering::SeqCst) + 1;
            // One is handed over at a time, beside those that are ahead.
            assert!(begun <= taken.load(Ordering::SeqCst) + 5 + 1);
        };
        in_turn(&items, (4, 5), work, |()| {
            taken.fetch_add(1, Ordering::SeqCst);
            Ok(())
        })
        .unwrap();
        assert_eq!(begun.into_inner(), 60);
    }

    #[test]
    fn nothing_is_begun_after_an_error() {
        let begun = AtomicUsize::new(0);
        let items = [(); 100];
        let work = |(): &()| begun.fetch_add(1, Ordering::SeqCst);
        let ended = in_turn(&items, (2, 3), work, |_| Err(CommandError::new("it is full")));
        assert!(ended.is_err());
        assert!(begun.into_inner() < 10);
    }

    #[test]
    #[should_panic(expected = "panicked")]
    fn a_panic_is_passed_on() {
        let items: Vec<usize> = (0..20).collect();
        let _ = side_by_side(&items, 3, |item| assert!(*item != 4, "the fifth"));
    }
}
