//! Request messages that are tokens: what an EndpointApproval expects of a consumer, and what an endpoint sends to a
//! provider whose Offer says so. Whoever knows one is let in, so that none is shown.

use serde_json::Value;

use crate::change::{Effect, FieldDiff};
use crate::plan::{Op, Plan, Step};
use crate::pointer::At;
use crate::wanted::Wanted;

/// What stands in place of a token.
const HIDDEN: &str = "[token]";

/// The tokens of a desired state.
pub fn tokens<'a>(wanted: &'a Wanted<'_>) -> impl Iterator<Item = &'a str> {
    let admitted = wanted.approvals().flat_map(|approval| &approval.approve);
    let expected = admitted.filter_map(|it| it.request_message.as_ref());
    let sent = wanted
        .endpoints()
        .filter(|it| it.offer.as_ref().is_some_and(|offered| offered.needs_message))
        .filter_map(|it| it.request_message.as_ref());
    expected.chain(sent).map(|text| text.value.as_str())
}

/// Whether a text is a token.
pub(crate) fn is_token(wanted: &Wanted<'_>, text: &str) -> bool {
    tokens(wanted).any(|token| token == text)
}

/// The field of an endpoint's change that holds its request message.
const FIELD: &str = "requestMessage";

/// Whether a change shows a field as a token: what is written of it is not to be shown.
pub(crate) fn is_hidden(field: &FieldDiff) -> bool {
    field.path == FIELD && field.after.as_ref().is_some_and(|it| it == HIDDEN)
}

/// The tokens that a plan would write, by the changes that do not show them.
pub fn written(plan: &Plan) -> impl Iterator<Item = &str> {
    let is_hiding = |step: &&Step| {
        let mut of_step = plan.changes.iter().filter(|change| change.address == step.change);
        of_step.any(|change| change.fields.iter().any(is_hidden))
    };
    plan.steps.iter().filter(is_hiding).filter_map(|step| match &step.op {
        Op::PutResource { body, .. } => body
            .at("/properties/manualPrivateLinkServiceConnections/0/properties/requestMessage")?
            .as_str(),
        _ => None,
    })
}

/// Takes tokens out of what a plan shows: of changes, of consumers, of the lines of the input. What its steps write
/// stays as it is.
pub(crate) fn hide(wanted: &Wanted<'_>, plan: &mut Plan) {
    let tokens: Vec<&str> = tokens(wanted).collect();
    if tokens.is_empty() {
        return;
    }
    for side in plan.changes.iter_mut().flat_map(|change| &mut change.fields).flat_map(sides) {
        if side.as_str().is_some_and(|text| tokens.contains(&text)) {
            *side = HIDDEN.into();
        }
    }
    let effects = plan.changes.iter_mut().filter_map(|change| match &mut change.effect {
        Effect::ConsumersDisconnected(consumers) => Some(consumers),
        Effect::None | Effect::BriefInterruption => None,
    });
    for consumer in effects.flatten().chain(&mut plan.awaiting_approval) {
        if tokens.contains(&consumer.request_message.as_str()) {
            HIDDEN.clone_into(&mut consumer.request_message);
        }
    }
    for line in plan.excerpts.iter_mut().flat_map(|excerpt| &mut excerpt.lines) {
        for token in &tokens {
            if line.contains(token) {
                *line = line.replace(token, HIDDEN);
            }
        }
    }
}

/// What a field that holds a request message was and becomes.
fn sides(field: &mut FieldDiff) -> impl Iterator<Item = &mut Value> {
    let is_message = field.path == FIELD;
    field.before.iter_mut().chain(&mut field.after).filter(move |_| is_message)
}
