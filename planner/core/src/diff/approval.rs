//! Approvals: what becomes of connections that others, or endpoints of this stack, asked for.

use crate::change::{Action, Actor, Change, Effect};
use crate::connection_status::ConnectionStatus;
use crate::consumer::Consumer;
use crate::input::Input;
use crate::join::connection;
use crate::join::decision::{Asker, Decision, decision, expecting_other};
use crate::join::{Join, Link, When, links};
use crate::node::endpoint_connection::address as connection_address;
use crate::node::private_link_service;
use crate::node_id::NodeId;
use crate::plan::{Finding, Mode, Op};
use crate::resource_id::ResourceId;
use crate::rule;
use crate::token;

use super::Part;
use super::draft::{Draft, Stage};
use super::trial::{self, Answer, Trial};

/// The request message that the provider's side still shows once it is approved: a token is not left there.
pub(super) fn kept<'a>(input: &Input<'_>, message: &'a str) -> &'a str {
    if token::is_token(input.wanted, message) { "" } else { message }
}

/// A decision as a change and a draft.
pub(crate) fn decide(
    at: &NodeId,
    link: &str,
    endpoint: &ResourceId,
    (decision, message): (Decision, &str),
) -> Part {
    let mut part = Part::default();
    let (action, reason) = match decision {
        Decision::Approve => (Action::Approve, "an EndpointApproval lets it in"),
        Decision::Reject => (Action::Reject, "an EndpointApproval turns it away"),
    };
    let mut change = Change::new(at.clone(), action, Actor::Privlink, reason);
    change.object = Some(endpoint.as_str().to_owned());
    part.changes.push(change);
    let op = Op::SetConnection {
        service: link.to_owned(),
        endpoint: endpoint.as_str().to_owned(),
        status: decision.status(),
        // The provider's side shows one text: the request message, until somebody writes another.
        description: match (decision, message) {
            (Decision::Approve, message) if !message.is_empty() => message.to_owned(),
            _ => format!("{} by privlink", decision.status()),
        },
    };
    part.drafts.push(Draft::new(at, Stage::Decide, op).locking(link.to_lowercase()));
    part
}

/// Decides on the live connections of others.
pub fn diff(join: &Join<'_>, trial: &mut Trial<'_>) -> Part {
    let Join { input, prediction, .. } = join;
    let own = input.own();
    let mut part = Part::default();
    if input.options.mode == Mode::Destroy {
        return part;
    }
    for link in links(input, prediction, When::After) {
        for mut consumer in private_link_service::consumers(link.live) {
            consumer.status = connection::of_other(link.live, &consumer);
            if !own.contains_key(&consumer.endpoint.to_lowercase()) {
                part.add(foreign(join, &link, &consumer, trial));
            }
        }
    }
    part
}

fn foreign(join: &Join<'_>, link: &Link<'_>, consumer: &Consumer, trial: &mut Trial<'_>) -> Part {
    let (input, own) = (join.input, join.input.own());
    let mut part = Part::default();
    let endpoint = ResourceId::new(&consumer.endpoint);
    let at = connection_address(&consumer.endpoint, own);
    if !input.covers(&at) {
        return part;
    }
    let Consumer { status, request_message, .. } = consumer;
    let (services, link) = (&link.services, link.live.id());
    let asker = Asker { services, endpoint: &endpoint, status, message: request_message };
    match decision(input, &asker) {
        Some(decision) => {
            let message = kept(input, request_message);
            if let Answer::Refused(error) = trial.decide(link, &endpoint, &decision.status()) {
                part.findings.extend(trial::refused((&at, None), &error, &[]));
            }
            part.add(decide(&at, link, &endpoint, (decision, message)));
            let cuts = decision == Decision::Reject && consumer.status.may_be_connected();
            if let Some(change) = part.changes.last_mut().filter(|_| cuts) {
                change.effect = Effect::ConsumersDisconnected(vec![consumer.clone()]);
            }
        }
        None if let Some((approval, place)) = expecting_other(input, &asker) => {
            // Its message may be nearly the one that is expected.
            let finding = Finding::new(
                rule::WRONG_REQUEST_MESSAGE,
                at,
                format!(
                    "{} of subscription {} asks to connect with another request message than EndpointApproval {} \
                     expects: it is not approved",
                    consumer.endpoint, consumer.subscription, approval.name.value
                ),
            )
            .help("Ask the consumer for the message you agreed on; or name the endpoint under `reject`.")
            .at(place);
            part.findings.push(finding);
        }
        None if consumer.status == ConnectionStatus::Pending => {
            let finding = Finding::new(
                rule::STRANGER_PENDING,
                at,
                format!(
                    "{} of subscription {} asks to connect{}, and no EndpointApproval names it",
                    consumer.endpoint,
                    consumer.subscription,
                    match consumer.request_message.as_str() {
                        "" => String::new(),
                        message => format!(" ({message:?})"),
                    },
                ),
            )
            .help("List it under `approve` or `reject` of an EndpointApproval.");
            part.findings.push(finding);
        }
        None => {}
    }
    part
}
