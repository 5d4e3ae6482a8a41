//! ARM's wire.

pub mod directory;
pub mod error;
pub mod hand;
pub mod operation;

use crate::server::{Answer, Call};
use crate::state::State;

/// Answers a request to ARM.
pub fn answer(state: &mut State, call: &Call) -> Answer {
    let _ = (state, call);
    error::injected(404, "NotFound", "")
}
