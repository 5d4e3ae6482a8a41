//! Who a run is for: it hears what happens, and is asked.

use std::future::Future;
use std::io;

use privlink_azure::ArmError;
use privlink_core::event::Event;
use privlink_core::plan::Plan;
use privlink_core::preflight::Report;
use privlink_core::resource_id::ResourceId;
use privlink_kubernetes::{Holder, KubernetesError};

/// Who a run is for.
pub trait Audience {
    /// Hears what happens, in its order.
    fn hear(&mut self, happening: &Happening<'_>);

    /// Whether a plan that has steps, and that no rule refuses, is to be carried out.
    fn confirm(&mut self, plan: &Plan) -> impl Future<Output = io::Result<bool>>;
}

/// What happens in a run.
#[derive(Clone, Copy, Debug)]
pub enum Happening<'a> {
    /// Another run has the stack's lock, and is waited for.
    WaitsForLock {
        /// The stack.
        stack: &'a str,
        /// Who has it.
        holder: &'a Holder,
    },
    /// There is no cluster to keep a lock in: nothing holds another run of the stack back.
    Unlocked {
        /// The stack.
        stack: &'a str,
    },
    /// The lock was taken from a run that gave no sign of life.
    TookOver {
        /// Whose it was.
        dead: &'a Holder,
    },
    /// The lock could not be given back; it runs out by itself.
    NotFreed {
        /// Why.
        error: &'a KubernetesError,
    },
    /// What the run before left under way is followed to its end.
    Follows {
        /// What Azure works on.
        resource: &'a ResourceId,
    },
    /// Azure still works on one of the stack's endpoints, whoever began that.
    StillWorks {
        /// The endpoint.
        resource: &'a ResourceId,
    },
    /// What was under way failed.
    FollowedFailed {
        /// What Azure worked on.
        resource: &'a ResourceId,
        /// Why.
        error: &'a ArmError,
    },
    /// The cluster and Azure are being read.
    Reading,
    /// They were read.
    HasRead,
    /// Rights, room and rules were checked.
    Preflighted {
        /// What came of it.
        report: &'a Report,
    },
    /// This is the plan.
    Planned {
        /// It.
        plan: &'a Plan,
    },
    /// Something happened to a step, or to the execution.
    Step {
        /// The plan.
        plan: &'a Plan,
        /// What happened. It is in the journal.
        event: &'a Event,
    },
    /// A plan was made after the execution: there is nothing left to do if it is empty.
    Verified {
        /// It.
        again: &'a Plan,
    },
}
