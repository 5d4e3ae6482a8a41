//! When to try again: exponential backoff with jitter, under a deadline, and never sooner than asked.

use std::ops::Deref;
use std::time::Duration;

use tokio::time::Instant;

use crate::failure::Failure;
use crate::span::resending;

/// How failed calls are repeated.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// How often a call is made at most, the first time included.
    pub attempts: u32,
    /// The delay before the second try; it doubles from there.
    pub first_delay: Duration,
    /// The longest delay of our own choosing.
    pub longest_delay: Duration,
}

impl Retry {
    /// For reads: four tries within a few seconds.
    pub const READS: Self = Self {
        attempts: 4,
        first_delay: Duration::from_millis(500),
        longest_delay: Duration::from_secs(10),
    };

    /// The longest wait that a server may ask for where no deadline says.
    const LONGEST_ASKED: Duration = Duration::from_secs(300);

    /// No repetition.
    pub const NONE: Self =
        Self { attempts: 1, first_delay: Duration::ZERO, longest_delay: Duration::ZERO };

    /// How long to wait after failed try `attempt` (from 1); `None` when it was the last or the wait
    /// would end after the deadline, or, without one, after five minutes. What the server asks for is a
    /// minimum. `jitter` (0 to 1) spreads our own delay over its upper half, so that calls that failed
    /// together do not return together.
    pub fn delay(
        &self,
        attempt: u32,
        asked: Option<Duration>,
        jitter: f64,
        deadline: Option<Instant>,
    ) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        let doubled = self.first_delay.saturating_mul(1_u32 << attempt.saturating_sub(1).min(16));
        let own = doubled.min(self.longest_delay).mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0));
        let delay = asked.map_or(own, |asked| asked.max(own));
        let too_late = match deadline {
            None => delay > Self::LONGEST_ASKED,
            Some(deadline) => Instant::now().checked_add(delay).is_none_or(|then| then >= deadline),
        };
        (!too_late).then_some(delay)
    }
}

/// Makes a call until it succeeds, fails with what no repetition helps against, or its tries or its time are
/// used up. `again` hears of each failure that is followed by a try, and of the delay before that.
///
/// # Errors
/// The last failure.
pub async fn retried<T, E, D>(
    retry: &Retry,
    deadline: Option<Instant>,
    may_pass: impl Fn(&Failure<D>) -> bool,
    again: impl Fn(&E, Duration),
    mut call: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T, E>
where
    E: Deref<Target = Failure<D>>,
{
    let mut attempt = 1;
    loop {
        let error = match resending(attempt - 1, call()).await {
            Err(error) if may_pass(&error) => error,
            outcome => return outcome,
        };
        let delay = retry.delay(attempt, error.retry_after, jitter(), deadline);
        let Some(delay) = delay else { return Err(error) };
        again(&error, delay);
        tokio::time::sleep(delay).await;
        attempt += 1;
    }
}

/// A number from 0 to 1, different for every call.
fn jitter() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    // Every RandomState has keys of its own, which is all the randomness that spreading needs.
    let bits = RandomState::new().hash_one(0_u8);
    f64::from(u32::try_from(bits >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::ErrorKind;

    const RETRY: Retry = Retry {
        attempts: 5,
        first_delay: Duration::from_secs(1),
        longest_delay: Duration::from_secs(3),
    };

    #[tokio::test(start_paused = true)]
    async fn delays_double_up_to_the_longest_and_end() {
        let delays: Vec<_> = (1..=5).map(|attempt| RETRY.delay(attempt, None, 1.0, None)).collect();
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(delays, [seconds(1), seconds(2), seconds(3), seconds(3), None]);
        assert_eq!(RETRY.delay(1, None, 0.0, None), Some(Duration::from_millis(500)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_server_decides_the_least_and_the_deadline_the_most() {
        let asked = Some(Duration::from_secs(17));
        assert_eq!(RETRY.delay(1, asked, 1.0, None), asked);
        let soon = Some(Instant::now() + Duration::from_secs(10));
        assert_eq!(RETRY.delay(1, asked, 1.0, soon), None);
        assert!(RETRY.delay(1, None, 1.0, soon).is_some());
        assert_eq!(RETRY.delay(1, Some(Duration::MAX), 1.0, soon), None);
        assert_eq!(RETRY.delay(1, Some(Duration::MAX), 1.0, None), None);
    }

    async fn run(outcomes: &mut Vec<Result<u8, Box<Failure<()>>>>) -> Result<u8, ErrorKind> {
        let call = async || outcomes.remove(0);
        let outcome = retried(&RETRY, None, Failure::is_retryable, |_, _| {}, call).await;
        outcome.map_err(|error| error.kind)
    }

    fn failed(kind: ErrorKind, asked: Option<Duration>) -> Result<u8, Box<Failure<()>>> {
        Err(Box::new(Failure { retry_after: asked, ..Failure::new(kind, "", ()) }))
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_tried_again_after_the_time_asked() {
        let asked = Some(Duration::from_secs(42));
        let start = Instant::now();
        let mut outcomes = vec![failed(ErrorKind::Throttled, asked), Ok(7), Ok(8)];
        assert_eq!(run(&mut outcomes).await, Ok(7));
        assert_eq!((outcomes.len(), Some(start.elapsed())), (1, asked));
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_for_good_is_not() {
        let mut outcomes = vec![failed(ErrorKind::Invalid, None), Ok(7)];
        assert_eq!(run(&mut outcomes).await, Err(ErrorKind::Invalid));
        let mut tired: Vec<_> = (0..9).map(|_| failed(ErrorKind::Transient, None)).collect();
        assert_eq!(run(&mut tired).await, Err(ErrorKind::Transient));
        assert_eq!(tired.len(), 4);
    }

    #[test]
    fn jitter_is_a_share() {
        let shares: Vec<f64> = (0..100).map(|_| jitter()).collect();
        assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)));
        assert!(shares.iter().any(|share| share.to_bits() != shares[0].to_bits()));
    }
}
