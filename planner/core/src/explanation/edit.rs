//! The smallest edit that avoids an effect, and how the same comes about with nobody disconnected.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::change::short;
use crate::change::{Action, Actor, Change, Effect, FieldDiff, one_line as shown};
use crate::consumer::Consumer;
use crate::desired::Target;
use crate::input::Input;
use crate::kubernetes::service::Key;
use crate::marks::SYNC_ANNOTATION;
use crate::names::folded;
use crate::node::private_link_service;
use crate::node_id::{Kind, NodeId};
use crate::planned::Planned;
use crate::resource_id::ResourceId;

/// How a change comes about with nobody disconnected: a second Service beside the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Beside {
    /// The Service that stays unchanged until no consumer uses it.
    pub service: String,
    /// The Service to make beside it.
    pub second: String,
    /// What to do, in order.
    pub steps: Vec<String>,
    /// Who has to move, and is not of this stack.
    pub consumers: Vec<Consumer>,
}

/// What in a Service makes its frontend another one (controller: isFrontendIPChanged, and the name of the
/// frontend, which follows from subnet and families).
const OF_FRONTEND: [&str; 10] = [
    "azure-load-balancer-configurations",
    "azure-load-balancer-ipv4",
    "azure-load-balancer-ipv6",
    "azure-load-balancer-internal",
    "azure-load-balancer-internal-subnet",
    "azure-pip-name",
    "azure-pip-prefix-id",
    "loadBalancerIP",
    "ipFamil",
    "spec.type",
];

/// The smallest edit that avoids a change.
pub(super) fn smallest(change: &Change, causes: &[Change]) -> Option<String> {
    let root = causes.last().unwrap_or(change);
    let at = &root.address;
    match (root.action, &root.actor) {
        (Action::Keep | Action::Create | Action::Approve | Action::Adopt, _) => None,
        (Action::Reject, _) => Some("Take it off the list under `reject`.".to_owned()),
        (Action::Delete, Actor::Privlink) => Some(format!("Keep the document of {at}.")),
        (Action::Replace | Action::Update | Action::Await, _) => {
            let goes = matches!(change.action, Action::Delete | Action::Replace);
            let edits: Vec<String> = telling(root, goes).into_iter().map(back).collect();
            (!edits.is_empty()).then(|| format!("In {at}: {}.", edits.join("; ")))
        }
        (Action::Delete, _) => None,
    }
}

/// The fields of a root that bring about what follows; all of them, where none is known to.
pub(super) fn telling(root: &Change, goes: bool) -> Vec<&FieldDiff> {
    let matters = |field: &&FieldDiff| match root.address.kind {
        Kind::Service if is_nudge(field) => false,
        Kind::Service if goes => OF_FRONTEND.iter().any(|it| field.path.contains(it)),
        Kind::PrivateEndpoint => field.forces_replacement || !goes,
        _ => true,
    };
    let fields: Vec<&FieldDiff> = root.fields.iter().filter(matters).collect();
    if fields.is_empty() { root.fields.iter().filter(|it| !is_nudge(it)).collect() } else { fields }
}

/// Whether a field is privlink's own, which makes the controller sync: nobody has written it into a file.
fn is_nudge(field: &FieldDiff) -> bool {
    field.path.contains(SYNC_ANNOTATION)
}

/// The way round in one sentence.
pub(super) fn in_short(beside: &Beside, causes: &[Change]) -> String {
    let service = causes.iter().find(|it| it.address.kind == Kind::Service);
    let edited = service.map(|it| telling(it, true)).unwrap_or_default();
    let keeps = match edited.as_slice() {
        [field] if field.before.is_some() && field.after.is_some() => {
            let plain = |value: &Option<serde_json::Value>| match value {
                Some(serde_json::Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None => String::new(),
            };
            format!("keep {}; put {} on", plain(&field.before), plain(&field.after))
        }
        _ => format!("keep Service {} unchanged; create", beside.service),
    };
    format!("{keeps} a second Service beside this one, and move the endpoints to it")
}

/// How one field is put back.
fn back(field: &FieldDiff) -> String {
    let name = short(&field.path);
    match &field.before {
        Some(before) => format!("set `{name}` to `{}`", value(before)),
        None => format!("leave out `{name}`"),
    }
}

/// A value as it is written, fit to stand between backticks.
fn value(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) if !text.contains('`') => text.clone(),
        other => shown(other).replace('`', "\\u0060"),
    }
}

/// The way round a change that disconnects consumers, if it is one and a Service is at its root.
pub(super) fn beside(
    input: &Input<'_>,
    planned: &Planned,
    change: Option<&Change>,
    causes: &[Change],
) -> Option<Beside> {
    let change = change?;
    let chain = || std::iter::once(change).chain(causes);
    let service = chain().find(|it| it.address.kind == Kind::Service)?;
    let link = NodeId::new(Kind::PrivateLinkService, service.address.name.clone());
    let cut = planned.plan.changes.iter().find(|it| it.address == link)?;
    let Effect::ConsumersDisconnected(consumers) = &cut.effect else { return None };
    let (namespace, name) = service.address.name.split_once('/')?;
    let wanted = input.wanted.service(&Key::new(namespace, name))?;
    let prediction = &planned.prediction;
    let old = prediction.link_before(&wanted.name)?.name().to_owned();
    let second = second_name(name, |it| input.wanted.has(&Key::new(namespace, it)));
    let links = prediction.before.private_link_services.values();
    let names: Vec<String> = links.map(|link| link.name().to_owned()).collect();
    let new = second_name(&old, |it| names.iter().any(|name| name.eq_ignore_ascii_case(it)));
    let steps = steps(input, planned, service, (namespace, name, &second), (&old, &new));
    let consumers: Vec<Consumer> = consumers.iter().filter(|it| !it.own).cloned().collect();
    let second = format!("{namespace}/{second}");
    Some(Beside { service: service.address.name.clone(), second, steps, consumers })
}

/// A name that is free: `app-2`, `app-3` and so on. Names have 63 characters at most.
pub(crate) fn second_name(name: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let base: String = name.chars().take(58).collect();
    let names = (2..1000).map(|number| format!("{base}-{number}"));
    let mut free = names.filter(|name| !is_taken(name));
    free.next().unwrap_or(base)
}

fn steps(
    input: &Input<'_>,
    planned: &Planned,
    service: &Change,
    (namespace, name, second): (&str, &str, &str),
    (old, new): (&str, &str),
) -> Vec<String> {
    let mut steps = Vec::new();
    let matters = |field: &&FieldDiff| OF_FRONTEND.iter().any(|it| field.path.contains(it));
    let fields = || service.fields.iter().filter(matters);
    let put_back: Vec<String> = fields().map(back).collect();
    steps.push(if put_back.is_empty() {
        format!("Keep Service {namespace}/{name} unchanged.")
    } else {
        format!("Keep Service {namespace}/{name} unchanged: {}.", put_back.join("; "))
    });
    let set: Vec<String> = fields()
        .filter_map(|field| {
            Some(format!("`{}` set to `{}`", short(&field.path), value(field.after.as_ref()?)))
        })
        .collect();
    let with = if set.is_empty() { String::new() } else { format!(", {}", set.join(", ")) };
    steps.push(format!(
        "Add a second Service {namespace}/{second}: a copy of it with `azure-pls-name` set to `{new}`{with}."
    ));
    let of_first = |approval: &&crate::desired::EndpointApproval| {
        approval.service.value.namespace == namespace && approval.service.value.name == name
    };
    for approval in input.wanted.approvals().filter(of_first) {
        steps.push(format!(
            "Copy EndpointApproval {} for Service {namespace}/{second}.",
            approval.name.value
        ));
    }
    steps.push(format!(
        "Apply: Private Link Service {new} is created beside {old}, and nobody is disconnected. `privlink output` shows its alias."
    ));
    for wanted in input.wanted.endpoints() {
        let endpoint = &wanted.name.value;
        let reaches = |it: &Key| it.namespace == namespace && it.name == name;
        if matches!(&wanted.target, Target::Service(it) if reaches(&it.value)) {
            let dns = if wanted.dns.is_some() { ", move `dns` to it" } else { "" };
            steps.push(format!(
                "Add PrivateEndpoint {endpoint}-2 to Service {namespace}/{second}, apply{dns}, move what uses it, then remove PrivateEndpoint {endpoint}."
            ));
        }
    }
    let prediction = &planned.prediction;
    let key = Key::new(namespace, name);
    let link = prediction.link_before(&key);
    let others = link.map(private_link_service::consumers).unwrap_or_default();
    let own = input.own();
    steps.extend(asked(others.iter().filter(|it| !own.contains_key(&it.endpoint.to_lowercase()))));
    steps.push(format!(
        "When `privlink explain PrivateLinkService/{namespace}/{name}` shows no approved connection, remove Service {namespace}/{name} and apply."
    ));
    steps
}

/// Whom to ask for new endpoints: one step for each subscription and group.
fn asked<'a>(others: impl Iterator<Item = &'a Consumer>) -> Vec<String> {
    let mut groups: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for consumer in others {
        let id = ResourceId::new(&consumer.endpoint);
        let group = id.resource_group().unwrap_or_default().to_owned();
        let place = (consumer.subscription.clone(), group);
        groups.entry(place).or_default().push(id.name().to_owned());
    }
    let step = |((subscription, group), names): ((String, String), Vec<String>)| {
        let place = format!("resource group {group} of subscription {subscription}");
        match names.len() {
            1 => format!(
                "Ask the owner of {}, in {place}, for a new endpoint to the new alias.",
                names.concat()
            ),
            _ => format!(
                "Ask the owners of {}, in {place}, for new endpoints to the new alias.",
                folded(names).join(", ")
            ),
        }
    };
    groups.into_iter().map(step).collect()
}
