//! The fold of events into a report.

use crate::report::{Outcome, Report, StepReport};

use super::{Event, EventKind};

impl Report {
    /// The report of these events.
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut report = Self::default();
        for event in events {
            report.add(event);
        }
        report
    }

    /// Takes one more event in.
    pub fn add(&mut self, event: &Event) {
        let outcome = match &event.kind {
            EventKind::Begun { stack, mode, .. } => {
                self.stack.clone_from(stack);
                self.mode = *mode;
                return;
            }
            EventKind::Ended => {
                self.ended = true;
                return;
            }
            EventKind::Progress { .. }
            | EventKind::Accepted { .. }
            | EventKind::Refused { .. }
            | EventKind::Reported { .. } => return,
            EventKind::Retried { .. } => {
                self.retries += 1;
                return;
            }
            EventKind::Started { .. } => Outcome::Unfinished,
            EventKind::Succeeded { .. } => Outcome::Succeeded,
            EventKind::AwaitingApproval { detail } => {
                Outcome::AwaitingApproval { detail: detail.clone() }
            }
            EventKind::Failed { error, otherwise } => {
                Outcome::Failed { error: error.clone(), otherwise: *otherwise }
            }
            EventKind::Skipped { because } => Outcome::Skipped { because: *because },
            EventKind::Cancelled => Outcome::Cancelled,
        };
        let (Some(step), Some(address)) = (event.step, &event.address) else {
            return;
        };
        let entry = self.steps.entry(step).or_insert_with(|| StepReport {
            address: address.clone(),
            doing: String::new(),
            outcome: Outcome::Unfinished,
        });
        if let EventKind::Started { doing } = &event.kind {
            entry.doing.clone_from(doing);
        }
        entry.outcome = outcome;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node_id::{Kind, NodeId};

    fn event(step: usize, kind: EventKind) -> Event {
        let address = Some(NodeId::new(Kind::Service, "default/web"));
        Event { at: String::new(), step: Some(step), address, kind }
    }

    #[test]
    fn the_last_word_on_a_step_counts() {
        let events = [
            event(1, EventKind::Started { doing: "apply".into() }),
            event(1, EventKind::Retried { error: "429".into(), seconds: 1 }),
            event(1, EventKind::Succeeded { detail: String::new() }),
            event(2, EventKind::Started { doing: "apply".into() }),
            event(3, EventKind::Skipped { because: 2 }),
        ];
        let report = Report::of(&events);
        assert_eq!(report.retries, 1);
        assert_eq!(report.steps[&1].outcome, Outcome::Succeeded);
        assert_eq!(report.steps[&2].outcome, Outcome::Unfinished);
        assert_eq!(report.steps[&3].outcome, Outcome::Skipped { because: 2 });
        assert!(!report.ended);
    }
}
