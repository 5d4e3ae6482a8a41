//! What happens while a plan is carried out: the only interface between apply and whoever reports.

mod fold;

use serde::{Deserialize, Serialize};

use crate::node_id::NodeId;
use crate::plan::{Mode, Refusal, Summary};
use crate::report::Report;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When, in RFC 3339.
    pub at: String,
    /// The step, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<usize>,
    /// The object, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<NodeId>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum EventKind {
    /// The run began.
    Begun {
        /// The stack.
        stack: String,
        /// What the run is for.
        mode: Mode,
        /// How many steps there are.
        steps: usize,
        /// The digest of the plan, by which a run is known to be of it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        plan: String,
    },
    /// A step began.
    Started {
        /// What it does, for a person.
        doing: String,
    },
    /// A step reports its progress.
    Progress {
        /// What is seen, for a person.
        state: String,
    },
    /// Azure accepted what a step writes or deletes, and works on it.
    Accepted {
        /// All that another run needs to follow it to its end, without anything secret.
        operation: serde_json::Value,
    },
    /// A step failed and is tried again.
    Retried {
        /// Why.
        error: String,
        /// In how many seconds.
        seconds: u64,
    },
    /// A step succeeded.
    Succeeded {
        /// The outcome, if there is more to say.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        detail: String,
    },
    /// A step ended with a connection that waits for somebody's approval.
    AwaitingApproval {
        /// Whose, for a person.
        detail: String,
    },
    /// A step failed.
    Failed {
        /// Why.
        error: String,
        /// Whether the controller did something else than was predicted.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        otherwise: bool,
    },
    /// A step was not started.
    Skipped {
        /// The step that failed before it.
        because: usize,
    },
    /// A step was not started, or a wait was left, since the run was stopped.
    Cancelled,
    /// The run ended.
    Ended,
    /// The plan may not be carried out; nothing was done.
    Refused {
        /// Why it is refused.
        refusals: Vec<Refusal>,
    },
    /// The outcome: the last event of a command.
    Reported {
        /// The code the command exits with.
        exit_code: u8,
        /// What was planned.
        summary: Summary,
        /// Each step's outcome.
        report: Report,
        /// Why nothing was done, or no more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
}

/// The events of a journal; nothing if its first line is none. A run that was killed may have left half a
/// line, which is passed over.
pub fn read(journal: &str) -> Option<Vec<Event>> {
    let mut lines = journal.lines();
    let first = serde_json::from_str(lines.next()?).ok()?;
    let rest = lines.filter_map(|line| serde_json::from_str(line).ok());
    Some(std::iter::once(first).chain(rest).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_line_is_passed_over() {
        let event = Event { at: "t".into(), step: None, address: None, kind: EventKind::Ended };
        let line = serde_json::to_string(&event).unwrap();
        let half = line.get(..line.len() / 2).unwrap();
        let events = read(&format!("{line}\n{half}\n{line}\n{half}"));
        assert_eq!(events, Some(vec![event.clone(), event]));
        assert_eq!(read(half), None);
        assert_eq!(read("{}"), None);
    }
}
