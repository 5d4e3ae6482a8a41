//! How Azure says that it did not bring about what was written: a resource exists anyway, and shows
//! what it was asked to be, so that no other field shows it.

use serde_json::Value;

use crate::change::FieldDiff;
use crate::pointer::At;

/// The field, as changes name it.
pub(crate) const FIELD: &str = "provisioningState";

/// Why such a resource is written again.
pub(crate) const AGAIN: &str = "Azure failed it: it is written again";

/// The state of a resource that Azure gave up on: `Failed` or `Canceled`
/// (`ProvisioningState` of Microsoft.Network), by ARM's JSON of it.
pub(crate) fn failed(resource: &Value) -> Option<&'static str> {
    resource.at("/properties/provisioningState").and_then(Value::as_str).and_then(failure)
}

/// A state in which Azure gave up, in its spelling.
pub(crate) fn failure(state: &str) -> Option<&'static str> {
    FAILURES.into_iter().find(|it| it.eq_ignore_ascii_case(state))
}

const FAILURES: [&str; 2] = ["Failed", "Canceled"];

/// Whether a state is one in which Azure gave up.
pub(crate) fn is_failure(state: &str) -> bool {
    failure(state).is_some()
}

/// A state in which a resource neither is what it shows, nor becomes it, nor failed to: it is being deleted, or nobody
/// knows what it means.
pub(crate) fn unusual(state: &str) -> Option<&str> {
    let is_usual = |it: &&str| it.eq_ignore_ascii_case(state);
    let usual = ["Succeeded", "Updating", "Creating"].iter().any(is_usual);
    (!usual && !is_failure(state)).then_some(state)
}

/// What is to change of a resource in a state, if Azure gave it up.
pub(crate) fn field(state: Option<&str>) -> Option<FieldDiff> {
    let state = state.and_then(failure)?;
    Some(FieldDiff::new(FIELD, Some(state.into()), Some("Succeeded".into())))
}

/// Whether nothing else is to change of a resource.
pub(crate) fn is_only(fields: &[FieldDiff]) -> bool {
    !fields.is_empty() && fields.iter().all(|field| field.path == FIELD)
}
