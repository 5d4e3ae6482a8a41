//! Spans of what is done, for traces: see [`privlink_http::span`]. The core has none, since it does nothing; its calls
//! are within those made here.

use std::any::Any;

use privlink_core::input::{Input, Stage};
use privlink_core::plan::Step;
use privlink_core::planned::Planned;
use privlink_core::planning;
use privlink_core::route;
use privlink_http::span::TARGET;
use tracing::Span;
use tracing::field::Empty;

/// All work on one stack.
pub fn stack(name: &str) -> Span {
    tracing::info_span!(target: TARGET, "stack", privlink.stack = name)
}

/// Reading what is live.
pub(crate) fn read() -> Span {
    tracing::info_span!(target: TARGET, "read")
}

/// Carrying a plan out.
pub(crate) fn apply(steps: usize) -> Span {
    tracing::info_span!(target: TARGET, "apply", privlink.steps = steps)
}

/// One step, with an outcome to be recorded.
pub(crate) fn step(step: &Step) -> Span {
    tracing::info_span!(
        target: TARGET,
        "step",
        otel.name = format!("{} {}", step.op.verb(), step.change.kind),
        otel.status_code = Empty,
        privlink.step = step.id,
        privlink.address = %step.change,
        privlink.kind = %step.change.kind,
        privlink.outcome = Empty,
    )
}

/// Plans, within a span of its own and with one for what the plan predicts.
///
/// # Errors
///
/// As for [`route::planned`].
pub fn planned(input: &Input<'_>) -> Result<Planned, planning::Error> {
    let span = tracing::info_span!(target: TARGET, "plan", privlink.steps = Empty);
    span.in_scope(|| {
        let planned = route::planned(&input.heard_by(entered))?;
        Span::current().record("privlink.steps", planned.plan.steps.len());
        Ok(planned)
    })
}

/// Looks for drift, as [`planned`] plans.
pub fn look(
    input: &Input<'_>,
    look: &privlink_core::drift::Look<'_>,
) -> privlink_core::drift::StackReport {
    let span = tracing::info_span!(target: TARGET, "drift");
    span.in_scope(|| privlink_core::drift::look(&input.heard_by(entered), look))
}

/// Predicts, within a span of its own.
pub fn predicted<T>(predict: impl FnOnce() -> T) -> T {
    tracing::info_span!(target: TARGET, "predict").in_scope(predict)
}

/// A span around a stage of the core, which ends when what is returned is dropped.
fn entered(stage: Stage) -> Box<dyn Any> {
    match stage {
        Stage::Predict => Box::new(tracing::info_span!(target: TARGET, "predict").entered()),
    }
}
