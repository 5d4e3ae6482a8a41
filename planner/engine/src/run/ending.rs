//! How a run ended.

use std::fmt;
use std::path::PathBuf;

use privlink_core::plan::Plan;
use privlink_core::report::{Outcome, Report};

/// How a run ended.
#[derive(Debug)]
#[must_use = "a run may have ended without what it was for"]
pub struct Ending {
    /// What was planned, if it came to that.
    pub plan: Option<Plan>,
    /// What came of it.
    pub end: End,
}

/// What came of a plan.
#[derive(Debug)]
pub enum End {
    /// The session was stopped before anything was changed.
    Interrupted,
    /// A check before the plan found something missing.
    Unmet,
    /// The plan may not be carried out; it says why.
    Refused,
    /// The audience said no.
    Declined,
    /// Steps were carried out, or there were none.
    Executed(Box<Execution>),
}

/// What was carried out.
#[derive(Debug)]
pub struct Execution {
    /// Each step's outcome.
    pub report: Report,
    /// Why it was stopped, if nobody asked for it.
    pub stopped: Option<Stopped>,
    /// A plan made afterwards, where one was asked for.
    pub again: Option<Plan>,
}

/// Why an execution was stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Another run may have the lock.
    LockLost(String),
    /// What happens can no longer be written down.
    Unjournaled {
        /// The journal.
        path: PathBuf,
        /// Why.
        error: String,
    },
}

impl Ending {
    pub(super) const INTERRUPTED: Self = Self { plan: None, end: End::Interrupted };
}

impl Execution {
    /// Whether all that was planned was done, whoever is still to approve.
    pub fn is_done(&self) -> bool {
        !self.is_partial() && !self.is_cancelled()
    }

    /// Whether a step failed, or was left in the middle.
    pub fn is_partial(&self) -> bool {
        self.report.count(|it| matches!(it, Outcome::Failed { .. } | Outcome::Unfinished)) > 0
    }

    /// Whether a step was not started, since the run was stopped.
    pub fn is_cancelled(&self) -> bool {
        self.report.count(|it| matches!(it, Outcome::Cancelled)) > 0
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LockLost(why) => write!(f, "the stack's lock was lost: {why}"),
            Self::Unjournaled { path, error } => {
                write!(f, "the journal {} could not be written: {error}", path.display())
            }
        }
    }
}
