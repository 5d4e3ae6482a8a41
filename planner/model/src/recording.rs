//! Recordings of the real controller: replaying and comparing them.
//!
//! [`case::Recording`] is a file. [`replay::replay`] predicts each of its steps from what the controller
//! had before the step, as [`shape::StepPrediction`]s in the shape of a recording's step result;
//! [`compare::compare`] tells how a prediction differs from what was recorded.

pub mod case;
pub mod compare;
pub mod replay;
mod seed;
pub mod shape;
mod substitute;
