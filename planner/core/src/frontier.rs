//! The scheduler: which steps may start, a pure state machine.
//!
//! A step may start when every step it needs has succeeded and nobody holds a lock it wants. When one
//! fails, what needs it is skipped, and the rest continues.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::Step;

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It has not started.
    Waiting,
    /// It has started.
    Running,
    /// It has succeeded.
    Succeeded,
    /// It has failed.
    Failed,
    /// It will not start, because this step before it failed or was skipped.
    Skipped {
        /// The step that failed first.
        because: usize,
    },
    /// It will not start, because the run was stopped.
    Cancelled,
}

/// The steps of a plan and how each stands.
#[derive(Clone, Debug)]
pub struct Frontier {
    steps: BTreeMap<usize, Pending>,
    limit: usize,
}

#[derive(Clone, Debug)]
struct Pending {
    needs: BTreeSet<usize>,
    locks: BTreeSet<String>,
    state: State,
}

impl Frontier {
    /// A frontier of which at most `limit` steps run at once; a limit of 0 counts as 1.
    pub fn new(steps: &[Step], limit: usize) -> Self {
        let steps = steps
            .iter()
            .map(|step| {
                let pending = Pending {
                    needs: step.needs.iter().copied().collect(),
                    locks: step.locks.iter().map(|lock| lock.to_lowercase()).collect(),
                    state: State::Waiting,
                };
                (step.id, pending)
            })
            .collect();
        Self { steps, limit: limit.max(1) }
    }

    /// Starts what may start, lowest number first, and returns it.
    pub fn start(&mut self) -> Vec<usize> {
        let mut held: BTreeSet<String> = BTreeSet::new();
        let mut running = 0;
        for step in self.steps.values().filter(|step| step.state == State::Running) {
            held.extend(step.locks.iter().cloned());
            running += 1;
        }
        let succeeded: BTreeSet<usize> = self
            .steps
            .iter()
            .filter(|(_, step)| step.state == State::Succeeded)
            .map(|(id, _)| *id)
            .collect();
        let mut started = Vec::new();
        for (id, step) in &mut self.steps {
            if running + started.len() >= self.limit {
                break;
            }
            if step.state == State::Waiting
                && step.needs.is_subset(&succeeded)
                && step.locks.is_disjoint(&held)
            {
                step.state = State::Running;
                held.extend(step.locks.iter().cloned());
                started.push(*id);
            }
        }
        started
    }

    /// Records that a running step has ended; returns what is skipped for it.
    pub fn finish(&mut self, id: usize, succeeded: bool) -> Vec<usize> {
        let Some(step) = self.steps.get_mut(&id) else {
            return Vec::new();
        };
        step.state = if succeeded { State::Succeeded } else { State::Failed };
        if succeeded { Vec::new() } else { self.skip_dependents(id) }
    }

    fn skip_dependents(&mut self, failed: usize) -> Vec<usize> {
        let mut gone = BTreeSet::from([failed]);
        let mut skipped = Vec::new();
        loop {
            let next: Vec<usize> = self
                .steps
                .iter()
                .filter(|(_, step)| step.state == State::Waiting && !step.needs.is_disjoint(&gone))
                .map(|(id, _)| *id)
                .collect();
            if next.is_empty() {
                return skipped;
            }
            for id in next {
                if let Some(step) = self.steps.get_mut(&id) {
                    step.state = State::Skipped { because: failed };
                }
                gone.insert(id);
                skipped.push(id);
            }
        }
    }

    /// Lets nothing more start; returns what will not.
    pub fn cancel(&mut self) -> Vec<usize> {
        let mut cancelled = Vec::new();
        for (id, step) in &mut self.steps {
            if step.state == State::Waiting {
                step.state = State::Cancelled;
                cancelled.push(*id);
            }
        }
        cancelled
    }

    /// Whether nothing runs and nothing can start any more.
    pub fn is_done(&self) -> bool {
        !self.steps.values().any(|step| matches!(step.state, State::Waiting | State::Running))
    }

    /// How a step stands.
    pub fn state(&self, id: usize) -> Option<State> {
        self.steps.get(&id).map(|step| step.state)
    }
}

#[cfg(test)]
#[path = "frontier/model.rs"]
mod model;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node_id::{Kind, NodeId};
    use crate::plan::Op;

    fn step(id: usize, needs: &[usize], locks: &[&str]) -> Step {
        Step {
            id,
            change: NodeId::new(Kind::PrivateEndpoint, id.to_string()),
            op: Op::DeleteResource { id: id.to_string() },
            needs: needs.to_vec(),
            locks: locks.iter().map(|lock| (*lock).to_owned()).collect(),
        }
    }

    #[test]
    fn a_step_waits_for_what_it_needs() {
        let mut frontier = Frontier::new(&[step(1, &[], &[]), step(2, &[1], &[])], 9);
        assert_eq!(frontier.start(), [1]);
        assert_eq!(frontier.start(), [] as [usize; 0]);
        frontier.finish(1, true);
        assert_eq!(frontier.start(), [2]);
        frontier.finish(2, true);
        assert!(frontier.is_done());
    }

    #[test]
    fn steps_that_want_one_lock_run_one_after_the_other() {
        let mut frontier = Frontier::new(&[step(1, &[], &["LB"]), step(2, &[], &["lb"])], 9);
        assert_eq!(frontier.start(), [1]);
        frontier.finish(1, true);
        assert_eq!(frontier.start(), [2]);
    }

    #[test]
    fn no_more_run_than_the_limit_allows() {
        let steps: Vec<Step> = (1..=5).map(|id| step(id, &[], &[])).collect();
        let mut frontier = Frontier::new(&steps, 2);
        assert_eq!(frontier.start(), [1, 2]);
        frontier.finish(2, true);
        assert_eq!(frontier.start(), [3]);
    }

    #[test]
    fn a_failure_skips_its_dependents_and_the_rest_goes_on() {
        let steps = [step(1, &[], &[]), step(2, &[1], &[]), step(3, &[2], &[]), step(4, &[], &[])];
        let mut frontier = Frontier::new(&steps, 9);
        assert_eq!(frontier.start(), [1, 4]);
        assert_eq!(frontier.finish(1, false), [2, 3]);
        assert_eq!(frontier.state(3), Some(State::Skipped { because: 1 }));
        frontier.finish(4, true);
        assert!(frontier.is_done());
    }

    #[test]
    fn a_cancelled_run_finishes_what_is_in_flight() {
        let mut frontier = Frontier::new(&[step(1, &[], &[]), step(2, &[1], &[])], 9);
        frontier.start();
        assert_eq!(frontier.cancel(), [2]);
        assert!(!frontier.is_done());
        frontier.finish(1, true);
        assert!(frontier.is_done());
    }
}
