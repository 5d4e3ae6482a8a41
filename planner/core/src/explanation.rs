//! Why an object is as it is, what the plan does with it and why, and how that is avoided.

mod edit;
mod kinds;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::change::{Actor, Change, Effect, FieldDiff};
use crate::consumer::Consumer;
use crate::diff::selection;
use crate::diff::selection::Misnamed;
use crate::evidence::Evidence;
use crate::graph::Ownership;
use crate::input::Input;
use crate::node::{Node, private_endpoint};
use crate::node_id::{Kind, NodeId};
use crate::plan::{Alternative, Finding, Mode, Refusal, RouteNote};
use crate::planned::Planned;
use crate::rule;
use crate::snapshot::Observation;

pub use edit::Beside;
pub(crate) use edit::second_name;

/// The version of the JSON. Minor: a new optional field; major: all else.
pub const FORMAT_VERSION: &str = "3.0";

/// All there is to say of an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// See [`FORMAT_VERSION`].
    pub format_version: String,
    /// The object's address.
    pub address: NodeId,
    /// What such an object is.
    pub what: String,
    /// Who writes it: `privlink`, `controller`, `azure`, `consumer`, or the name of another tool.
    pub owner: String,
    /// The object in its own control plane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// How it is now.
    pub state: State,
    /// What the plan does with it; nothing if it stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// The changes that bring that about, each brought about by the next; the last is the root.
    pub causes: Vec<Change>,
    /// How sure that is, in words.
    pub certainty: String,
    /// What was found of it, and of what brings its change about.
    pub findings: Vec<Finding>,
    /// The refusals of the plan that are about it.
    pub refusals: Vec<Refusal>,
    /// The smallest edit that avoids the effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edit: Option<String>,
    /// The route that disconnects fewer, if one was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<RouteNote>,
    /// How the same comes about with no consumer disconnected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<Beside>,
    /// Where to read more.
    pub links: Vec<String>,
}

/// How an object is now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// `present`, `absent` or `unknown`.
    pub presence: String,
    /// What is worth knowing of it, as `name: value`.
    pub details: Vec<String>,
    /// Who is connected to it.
    pub consumers: Vec<Consumer>,
}

/// Explains an object.
///
/// # Errors
///
/// There is no such object.
pub fn of(input: &Input<'_>, planned: &Planned, address: &NodeId) -> Result<Explanation, Misnamed> {
    let is_planned = planned.plan.changes.iter().any(|change| change.address == *address);
    if !is_planned && planned.graph.node(address).is_none() {
        selection::check(input, "explain", &address.to_string())?;
    }
    let change = planned.plan.changes.iter().find(|it| it.address == *address).cloned();
    let causes = causes(planned, address);
    let chain: BTreeSet<&NodeId> =
        causes.iter().map(|it| &it.address).chain(std::iter::once(address)).collect();
    let findings = planned.plan.findings.iter().filter(|it| chain.contains(&it.address));
    let cuts =
        matches!(change.as_ref().map(|it| &it.effect), Some(Effect::ConsumersDisconnected(_)));
    let refusals = planned.plan.refusals.iter().filter(|refusal| {
        refusal.address.as_ref() == Some(address)
            || cuts && refusal.code == rule::TOO_MANY_DISCONNECTS
    });
    Ok(Explanation {
        format_version: FORMAT_VERSION.to_owned(),
        address: address.clone(),
        what: kinds::what(address.kind).to_owned(),
        owner: owner(planned, address, change.as_ref()),
        object: object(input, planned, address, change.as_ref()),
        state: state(input, planned, address),
        certainty: certainty(change.as_ref(), &causes),
        findings: findings.cloned().collect(),
        refusals: refusals.cloned().collect(),
        edit: change.as_ref().and_then(|change| edit::smallest(change, &causes)),
        route: planned.plan.route.filter(|_| cuts),
        beside: edit::beside(input, planned, change.as_ref(), &causes),
        links: kinds::links(address.kind).iter().map(|link| (*link).to_owned()).collect(),
        change,
        causes,
    })
}

fn owner(planned: &Planned, address: &NodeId, change: Option<&Change>) -> String {
    if let Some(change) = change.filter(|it| matches!(it.actor, Actor::External(_))) {
        return change.actor.as_str().to_owned();
    }
    match (planned.graph.node(address).map(|node| node.ownership), address.kind) {
        (Some(Ownership::External), _) => "another tool",
        (Some(Ownership::Observed), Kind::Subnet) => {
            "not managed here; the controller sets its policy"
        }
        (_, Kind::Service | Kind::PrivateEndpoint | Kind::DnsRecord) => "privlink",
        (Some(_), Kind::EndpointConnection) => "azure; privlink decides on it",
        (None, Kind::EndpointConnection) => "its consumer; the stack decides on it",
        _ => "controller",
    }
    .to_owned()
}

/// The object as Azure shows it.
fn live<'a>(planned: &'a Planned, address: &NodeId) -> Option<&'a Node> {
    let prediction = &planned.prediction;
    prediction.nodes_before().get(address).map(AsRef::as_ref)
}

fn object(
    input: &Input<'_>,
    planned: &Planned,
    address: &NodeId,
    change: Option<&Change>,
) -> Option<String> {
    if let Some(object) = change.and_then(|change| change.object.clone()) {
        return Some(object);
    }
    match address.kind {
        Kind::Service => Some(address.name.clone()),
        Kind::PrivateEndpoint | Kind::EndpointConnection => {
            Some(input.endpoint(&address.name)?.id.as_str().to_owned())
        }
        _ => live(planned, address).map(|node| node.id.as_str().to_owned()),
    }
}

fn state(input: &Input<'_>, planned: &Planned, address: &NodeId) -> State {
    let known = |presence: &str| State { presence: presence.to_owned(), ..State::default() };
    match address.kind {
        Kind::Service => {
            let live = planned.prediction.live.iter();
            let mut live = live.filter(|(key, _)| key.to_string() == address.name);
            let Some((_, service)) = live.next() else { return known("absent") };
            let mut state = known("present");
            state.details.push(format!("uid: {}", service.uid));
            let addresses = service.object.pointer("/status/loadBalancer/ingress");
            let ips = addresses.and_then(Value::as_array).into_iter().flatten();
            let ips: Vec<&str> = ips.filter_map(|it| it.get("ip")?.as_str()).collect();
            if !ips.is_empty() {
                state.details.push(format!("address: {}", ips.join(", ")));
            }
            state
        }
        Kind::PrivateEndpoint | Kind::EndpointConnection => {
            let Some(endpoint) = input.endpoint(&address.name) else { return known("unknown") };
            match input.live.resource(&endpoint.id) {
                Observation::Present(live) => {
                    let mut state = known("present");
                    state.details.extend(
                        private_endpoint::status(live).map(|it| format!("connection: {it}")),
                    );
                    state
                }
                Observation::Absent => known("absent"),
                Observation::Unreadable(_) | Observation::NotObserved => known("unknown"),
            }
        }
        Kind::DnsRecord => known("unknown"),
        _ => {
            let Some(node) = live(planned, address) else { return known("absent") };
            let mut state = known("present");
            let details = [
                ("address", "/properties/privateIPAddress"),
                ("address", "/properties/ipAddress"),
                ("alias", "/properties/alias"),
                ("policy", "/properties/privateLinkServiceNetworkPolicies"),
            ];
            for (name, pointer) in details {
                let value = node.fields().pointer(pointer).and_then(Value::as_str);
                state.details.extend(value.map(|value| format!("{name}: {value}")));
            }
            state.consumers.clone_from(&node.consumers);
            state
        }
    }
}

/// How what disconnects comes about with nobody disconnected, for each Private Link Service.
pub(crate) fn alternatives(input: &Input<'_>, planned: &Planned) -> Vec<Alternative> {
    // What is to be gone needs no second one beside it.
    if input.options.mode == Mode::Destroy {
        return Vec::new();
    }
    let cutting = planned.plan.changes.iter().filter(|change| {
        change.address.kind == Kind::PrivateLinkService
            && matches!(change.effect, Effect::ConsumersDisconnected(_))
    });
    let alternative = |change: &Change| {
        let causes = causes(planned, &change.address);
        // What --replace asks for is no edit, and `explain` knows nothing of it.
        let root = causes.last().unwrap_or(change);
        if input.options.scope.replaces.contains(&root.address) {
            return None;
        }
        let beside = edit::beside(input, planned, Some(change), &causes)?;
        let summary = edit::in_short(&beside, &causes);
        Some(Alternative { address: change.address.clone(), summary, steps: beside.steps })
    };
    cutting.filter_map(alternative).collect()
}

/// The fields of a change at the root of a disconnect that bring it about.
pub(crate) fn edited(root: &Change) -> Vec<&FieldDiff> {
    edit::telling(root, true)
}

/// The changes that bring an object's change about, from the next to the root.
fn causes(planned: &Planned, address: &NodeId) -> Vec<Change> {
    let change = planned.plan.change(address).filter(|it| it.is_change());
    let chain = change.map(|it| planned.plan.chain_to(it)).unwrap_or_default();
    chain.into_iter().cloned().collect()
}

/// How sure a change is: as sure as the least sure link of its chain.
fn certainty(change: Option<&Change>, causes: &[Change]) -> String {
    let Some(change) = change else { return "it was read, not predicted".to_owned() };
    let evidence = causes.iter().chain(std::iter::once(change)).filter_map(|it| it.evidence).max();
    evidence.map_or("it is privlink's own doing", Evidence::in_words).to_owned()
}
