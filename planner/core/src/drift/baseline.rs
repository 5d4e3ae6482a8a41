//! An earlier look: what tells a resource from another one of the same name, and who was connected.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::change::Action;
use crate::consumer::Consumer;
use crate::field_diff;
use crate::input::{Input, Named};
use crate::inventory::Inventory;
use crate::kubernetes::service::Key;
use crate::node::service::comparable;
use crate::node::{Node, endpoint_connection, service};
use crate::node_id::{Kind, NodeId};
use crate::resource_id::ResourceId;
use crate::saved::SavedPlan;

use super::Class;
use super::gathered::{Gathered, difference};
use super::repair::Repair;
use super::report::{By, Cause, Difference, Field};

/// An earlier look, at a snapshot or at what a plan was bound to.
#[derive(Clone, Debug, Default)]
pub struct Baseline {
    at: Option<String>,
    /// Uid, alias or guid, by kind and object in lower case.
    identities: BTreeMap<(Kind, String), String>,
    /// Services without what servers write, by `namespace/name`.
    services: BTreeMap<String, Value>,
    /// What the controller made, by id in lower case.
    nodes: BTreeMap<String, Arc<Node>>,
}

impl Baseline {
    /// What was live.
    pub fn of_inventory(live: &Inventory<'_>) -> Self {
        let mut since = Self { at: Some(live.taken_at().to_owned()), ..Self::default() };
        for (key, service) in live.services() {
            let name = key.to_string();
            since.know(Kind::Service, &name, Some(&service.uid));
            since.services.insert(name, comparable(&service.object));
        }
        for (address, node) in live.nodes() {
            since.know(address.kind, node.id.as_str(), node.identity.as_deref());
            since.nodes.insert(node.id.key(), Arc::clone(node));
        }
        for endpoint in live.world().private_endpoints.values() {
            let guid = endpoint.properties.resource_guid.as_deref();
            since.know(Kind::PrivateEndpoint, endpoint.id(), guid);
        }
        since
    }

    /// What a saved plan was made from. What the plan itself deletes or re-creates does not count.
    pub fn of_plan(saved: &SavedPlan) -> Self {
        let mut since = Self::default();
        let remade = |address: &NodeId| {
            saved.plan.changes.iter().any(|change| {
                change.address == *address
                    && matches!(change.action, Action::Create | Action::Replace | Action::Delete)
            })
        };
        for binding in saved.bindings.iter().filter(|it| !remade(&it.address)) {
            let text = |pointer: &str| binding.observed.pointer(pointer).and_then(Value::as_str);
            let identity = text("/uid").or_else(|| text("/identity"));
            since.know(binding.address.kind, &binding.object, identity);
        }
        since
    }

    fn know(&mut self, kind: Kind, object: &str, identity: Option<&str>) {
        if let Some(identity) = identity.filter(|identity| !identity.is_empty()) {
            self.identities.insert((kind, object.to_lowercase()), identity.to_owned());
        }
    }

    /// When it was, in RFC 3339; a plan does not tell.
    pub fn at(&self) -> Option<&str> {
        self.at.as_deref()
    }

    /// What told a node from another of the same name.
    pub(super) fn identity(&self, address: &NodeId, object: &str) -> Option<&str> {
        self.identities.get(&(address.kind, object.to_lowercase())).map(String::as_str)
    }

    /// A field of a live Service, as it was.
    pub(super) fn service_field(&self, service: &str, path: &str) -> Option<Value> {
        let fields = field_diff::fields(None, Some(self.services.get(service)?));
        fields.into_iter().find(|field| field.path == path)?.after
    }

    /// What the controller had made, as it was.
    pub(super) fn node(&self, id: &ResourceId) -> Option<&Value> {
        self.nodes.get(&id.key()).map(|node| node.fields())
    }
}

/// Compares identities and connections with those of an earlier look.
pub(super) fn compare(input: &Input<'_>, since: &Baseline, gathered: &mut Gathered) {
    let is_wanted = |key: &Key| input.wanted.has(key);
    for (key, live) in input.live.services().iter().filter(|(key, _)| is_wanted(key)) {
        let at = service::address(key);
        let mut cause = Cause::by(By::SomebodyInKubernetes);
        let made = live.object.pointer("/metadata/creationTimestamp").and_then(Value::as_str);
        cause.at = made.map(ToOwned::to_owned);
        gathered_if_another(since, &at, &key.to_string(), Some(&live.uid), cause, gathered);
    }
    for Named { at, id, .. } in input.endpoints() {
        let live = input.live.world().private_endpoints.get(&id.key());
        let guid = live.and_then(|live| live.properties.resource_guid.as_deref());
        let cause = Cause::by(By::AzureOrSomebodyInIt);
        gathered_if_another(since, &at, id.as_str(), guid, cause, gathered);
    }
    let own = input.own();
    for (at, node) in input.live.nodes() {
        if !input.wanted.has_node(node) || node.identity.is_none() {
            continue;
        }
        let cause = Cause::by(By::AzureOrSomebodyInIt);
        let (id, identity) = (node.id.as_str(), node.identity.as_deref());
        let another = gathered_if_another(since, at, id, identity, cause, gathered);
        if !another {
            let before = since.nodes.get(&node.id.key()).into_iter().flat_map(|it| &it.consumers);
            for was in before.filter(|it| !own.contains_key(&it.endpoint.to_lowercase())) {
                let now = node
                    .consumers
                    .iter()
                    .find(|it| ResourceId::new(&it.endpoint) == ResourceId::new(&was.endpoint));
                gathered.differences.extend(consumer(since, at, was, now));
            }
        }
    }
}

/// Adds a difference if a resource is another than it was; whether it is.
fn gathered_if_another(
    since: &Baseline,
    at: &NodeId,
    object: &str,
    now: Option<&str>,
    mut cause: Cause,
    gathered: &mut Gathered,
) -> bool {
    let Some((was, now)) = since.identity(at, object).zip(now).filter(|(was, now)| was != now)
    else {
        return false;
    };
    cause.after = since.at.clone();
    let message = match at.kind {
        Kind::Service => {
            "it was re-created: its uid is another, and so is the default name of all that the controller creates for it"
        }
        Kind::PrivateLinkService => {
            "it was re-created under its name: its alias is another, and whoever was connected is not"
        }
        _ => "it was re-created under its name",
    };
    let mut difference = difference(Class::Recreated, at, Some(object), message, cause);
    difference.fields = vec![Field {
        path: match at.kind {
            Kind::Service => "metadata.uid",
            Kind::PrivateLinkService => "properties.alias",
            _ => "properties.resourceGuid",
        }
        .to_owned(),
        wanted_unknown: false,
        wanted: Some(was.into()),
        found: Some(now.into()),
    }];
    difference.repair = Some(Repair::advice(match at.kind {
        Kind::PrivateLinkService => {
            "every consumer must delete its private endpoint and create it again; take a new snapshot for the next look"
        }
        _ => "nothing brings the old one back; take a new snapshot for the next look",
    }));
    gathered.push(difference);
    true
}

/// A consumer that was let in and no longer is.
fn consumer(
    since: &Baseline,
    link: &NodeId,
    was: &Consumer,
    now: Option<&Consumer>,
) -> Option<Difference> {
    if !was.status.is_connected() || now.is_some_and(|now| now.status.is_connected()) {
        return None;
    }
    let at = endpoint_connection::address(&was.endpoint, &BTreeMap::new());
    let (message, by) = match now {
        None => (
            format!(
                "the consumer was connected to {link}, and its endpoint or its connection is gone"
            ),
            By::Consumer,
        ),
        Some(now) => (
            format!("the consumer was connected to {link}, and its connection is {}", now.status),
            By::Provider,
        ),
    };
    let mut cause = Cause::by(by);
    cause.after = since.at.clone();
    let object = Some(was.endpoint.as_str());
    let mut difference = difference(Class::ConsumerGone, &at, object, message, cause);
    let advice =
        "ask the consumer; if it was removed on purpose, take a new snapshot for the next look";
    difference.repair = Some(Repair::advice(advice));
    Some(difference)
}
