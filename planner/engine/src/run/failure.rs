//! Why a run could not go on.

use std::fmt;
use std::io;
use std::path::PathBuf;

use privlink_azure::ArmError;
use privlink_core::forget;
use privlink_core::planning;
use privlink_core::plural::count;
use privlink_core::staleness::Moved;
use privlink_core::unread::{NoCluster, Unread};
use privlink_kubernetes::{Holder, KubernetesError};

use crate::journal::Earlier;

/// Why a run could not go on. Nothing was changed by it.
#[derive(Debug)]
pub enum Failure {
    /// The stack's lock cannot be read or written.
    Lock(KubernetesError),
    /// Another run has the stack's lock.
    Held {
        /// The stack.
        stack: String,
        /// Who has it.
        holder: Holder,
    },
    /// The cluster is not there.
    NoCluster(NoCluster),
    /// What every prediction rests on could not be read.
    Unread(Unread),
    /// Nothing can be planned.
    Plan(planning::Error),
    /// An address names nothing that is the stack's.
    Forget(forget::Error),
    /// Nobody could be asked.
    Unasked(io::Error),
    /// No journal can be begun.
    Journal {
        /// The folder of journals.
        folder: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Which cluster this is, or which subscription, cannot be read.
    NowhereKubernetes(KubernetesError),
    /// The same, of Azure.
    NowhereAzure(ArmError),
    /// A saved plan was made for another cluster or another Azure.
    Elsewhere(String),
    /// What a saved plan is about has moved.
    Stale {
        /// How.
        moved: Vec<Moved>,
        /// An earlier run of the same plan.
        earlier: Option<Earlier>,
    },
}

impl Failure {
    /// What to do.
    pub fn help(&self) -> Vec<String> {
        let one = |text: &str| vec![text.to_owned()];
        match self {
            Self::Lock(error) | Self::NowhereKubernetes(error) => one(error.help()),
            Self::NowhereAzure(error) => one(error.help()),
            Self::Held { .. } => {
                one("Wait until it is done, with --lock-timeout SECONDS, or apply again later.")
            }
            Self::NoCluster(missing) => one(&missing.help),
            Self::Unread(unread) => unread.help(),
            Self::Plan(error) => error.help().into_iter().collect(),
            Self::Forget(error) => one(&error.help()),
            Self::Unasked(_) => one("Give --auto-approve to go on without being asked."),
            Self::Journal { .. } => one(
                "privlink changes nothing without a journal: run it in a folder that it can write to.",
            ),
            Self::Elsewhere(_) => {
                one("Choose the context and the cloud that it was made with, or plan again.")
            }
            Self::Stale { earlier, .. } => stale(earlier.as_ref()),
        }
    }
}

/// A plan that was carried out in part is not gone on with: what is left of it is another plan.
fn stale(earlier: Option<&Earlier>) -> Vec<String> {
    let again = "Plan again, look at it, and apply the new plan";
    let Some(Earlier { journal, done, steps }) = earlier else { return vec![format!("{again}.")] };
    let was = if done == steps {
        "This plan was carried out already".to_owned()
    } else {
        format!("A run of this plan did {done} of its {}", count(*steps, "step"))
    };
    vec![
        format!("{was}: `privlink show {}` shows it.", journal.display()),
        format!("{again}: it continues from what is live."),
    ]
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lock(error) => write!(f, "the stack's lock: {error}"),
            Self::Held { stack, holder: Holder { identity, since, .. } } => {
                write!(f, "{identity} works on stack {stack} since {since}")
            }
            Self::NoCluster(missing) => missing.fmt(f),
            Self::Unread(unread) => unread.fmt(f),
            Self::Plan(error) => error.fmt(f),
            Self::Forget(error) => error.fmt(f),
            Self::Unasked(error) => error.fmt(f),
            Self::Journal { folder, error } => {
                write!(f, "no journal can be written under {}: {error}", folder.display())
            }
            Self::NowhereKubernetes(error) => error.fmt(f),
            Self::NowhereAzure(error) => error.fmt(f),
            Self::Elsewhere(why) => write!(f, "the saved plan is not for here: {why}"),
            Self::Stale { moved, .. } => {
                let lines: Vec<String> = moved.iter().map(ToString::to_string).collect();
                write!(f, "the saved plan is stale: {}", lines.join("; "))
            }
        }
    }
}

impl std::error::Error for Failure {}
