//! The scheduler against what must hold of every run: random graphs, failures and cancellations.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Frontier, State};
use crate::node_id::{Kind, NodeId};
use crate::plan::{Op, Step};

/// Steps that need steps before them, and want some of three locks.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let one =
        (prop::collection::btree_set(0_usize..16, 0..4), prop::collection::btree_set(0..3, 0..3));
    prop::collection::vec(one, 0..16).prop_map(|drafts| {
        let numbered = (1..).zip(drafts);
        numbered
            .map(|(id, (needs, locks))| Step {
                id,
                change: NodeId::new(Kind::PrivateEndpoint, id.to_string()),
                op: Op::DeleteResource { id: id.to_string() },
                needs: needs.into_iter().filter(|need| (1..id).contains(need)).collect(),
                locks: locks.into_iter().map(|lock| format!("Lock{lock}")).collect(),
            })
            .collect()
    })
}

/// What happens next: which of the running steps ends, and whether well; or the run is stopped.
#[derive(Clone, Debug)]
enum Happening {
    Ends(prop::sample::Index, bool),
    Stops,
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let ends = (any::<prop::sample::Index>(), prop::bool::weighted(0.8))
        .prop_map(|(which, well)| Happening::Ends(which, well));
    let stops = Just(Happening::Stops);
    prop::collection::vec(prop_oneof![30 => ends, 1 => stops], 40)
}

/// What is known of a run, told from what the frontier answered.
#[derive(Default)]
struct Run {
    running: BTreeSet<usize>,
    ended: BTreeMap<usize, bool>,
    skipped: BTreeMap<usize, usize>,
    cancelled: BTreeSet<usize>,
}

impl Run {
    fn is_over(&self, id: usize) -> bool {
        self.ended.contains_key(&id)
            || self.skipped.contains_key(&id)
            || self.cancelled.contains(&id)
    }

    /// Steps were started: each may, and none that may was left out.
    fn started(&mut self, started: &[usize], steps: &[Step], limit: usize) {
        for id in started {
            assert!(!self.is_over(*id) && self.running.insert(*id), "{id} starts once");
            let step = &steps[id - 1];
            assert!(step.needs.iter().all(|need| self.ended.get(need) == Some(&true)), "{step:?}");
        }
        assert!(self.running.len() <= limit);
        let held: Vec<&String> = self.running.iter().flat_map(|id| &steps[id - 1].locks).collect();
        let different: BTreeSet<&&String> = held.iter().collect();
        assert_eq!(held.len(), different.len(), "one holder for each lock");
        if self.running.len() < limit {
            let idle = steps.iter().find(|step| {
                !self.is_over(step.id)
                    && !self.running.contains(&step.id)
                    && step.needs.iter().all(|need| self.ended.get(need) == Some(&true))
                    && !step.locks.iter().any(|lock| held.contains(&lock))
            });
            assert!(idle.is_none(), "{idle:?} could run");
        }
    }

    /// A step ended: what needs it and waits is skipped, and nothing else.
    fn finished(&mut self, id: usize, well: bool, skipped: &[usize], steps: &[Step]) {
        self.running.remove(&id);
        self.ended.insert(id, well);
        let mut expected = BTreeSet::new();
        for step in steps {
            let hit = |need: &usize| expected.contains(need) || *need == id;
            if !well && !self.is_over(step.id) && step.needs.iter().any(hit) {
                expected.insert(step.id);
            }
        }
        assert_eq!(skipped.iter().copied().collect::<BTreeSet<_>>(), expected);
        self.skipped.extend(expected.into_iter().map(|skipped| (skipped, id)));
    }
}

proptest! {
    #[test]
    fn every_run_keeps_order_locks_and_limit_and_comes_to_an_end(
        steps in steps(),
        happenings in happenings(),
        limit in 1_usize..5,
    ) {
        let mut frontier = Frontier::new(&steps, limit);
        let mut run = Run::default();
        let mut stopped = false;
        for happening in happenings {
            if !stopped {
                let started = frontier.start();
                run.started(&started, &steps, limit);
            }
            match happening {
                Happening::Stops => {
                    stopped = true;
                    let cancelled = frontier.cancel();
                    prop_assert!(cancelled.iter().all(|id| !run.is_over(*id) && !run.running.contains(id)));
                    run.cancelled.extend(cancelled);
                }
                Happening::Ends(which, well) => {
                    let running: Vec<usize> = run.running.iter().copied().collect();
                    if running.is_empty() {
                        break;
                    }
                    let id = *which.get(&running);
                    let skipped = frontier.finish(id, well);
                    run.finished(id, well, &skipped, &steps);
                }
            }
        }
        // What still runs ends well; then nothing is left that could start.
        while !frontier.is_done() {
            if !stopped {
                let started = frontier.start();
                run.started(&started, &steps, limit);
            }
            let Some(id) = run.running.first().copied() else {
                panic!("nothing runs, and it is not done");
            };
            let skipped = frontier.finish(id, true);
            run.finished(id, true, &skipped, &steps);
        }
        for step in &steps {
            let expected = match (run.ended.get(&step.id), run.skipped.get(&step.id)) {
                (Some(true), _) => State::Succeeded,
                (Some(false), _) => State::Failed,
                (None, Some(because)) => State::Skipped { because: *because },
                (None, None) => State::Cancelled,
            };
            prop_assert_eq!(frontier.state(step.id), Some(expected));
        }
    }
}
