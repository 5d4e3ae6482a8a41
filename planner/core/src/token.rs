//! Request messages that are tokens: what an EndpointApproval expects of a consumer, and what an endpoint sends to a
//! provider whose Offer says so. Whoever knows one is let in, so that none is shown.

use crate::change::Effect;
use crate::desired::Desired;
use crate::plan::Plan;

/// What stands in place of a token.
const HIDDEN: &str = "[token]";

/// The tokens of a desired state.
pub fn tokens(desired: &Desired) -> impl Iterator<Item = &str> {
    let admitted = desired.approvals.values().flat_map(|approval| &approval.approve);
    let expected = admitted.filter_map(|it| it.request_message.as_ref());
    let sent = desired
        .endpoints
        .values()
        .filter(|it| it.offer.as_ref().is_some_and(|offered| offered.needs_message))
        .filter_map(|it| it.request_message.as_ref());
    expected.chain(sent).map(|text| text.value.as_str())
}

/// Whether a text is a token.
pub(crate) fn is_token(desired: &Desired, text: &str) -> bool {
    tokens(desired).any(|token| token == text)
}

/// Takes tokens out of what a plan tells of consumers, and out of the lines of the input that it shows. What it would
/// write stays as it is.
pub(crate) fn hide(desired: &Desired, plan: &mut Plan) {
    let tokens: Vec<&str> = tokens(desired).collect();
    if tokens.is_empty() {
        return;
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
