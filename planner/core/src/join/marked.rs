//! What carries the stack's mark: all that is live and the stack's, whether a document names it or not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::arm::resource::{PrivateEndpoint, PrivateLinkService};
use crate::arm::world::World;
use crate::input::Input;
use crate::node::dns_record::{self, tag};
use crate::node::private_endpoint::{owner, stack_of};
use crate::node::{private_link_service, service};
use crate::node_id::{Kind, NodeId};
use crate::plan::Mode;
use crate::resource_id::ResourceId;
use crate::snapshot::Observation;

/// A live object with the stack's mark.
#[derive(Clone, Debug)]
pub(crate) struct Marked<'a> {
    /// Its address.
    pub(crate) at: NodeId,
    /// The object.
    pub(crate) live: &'a Value,
}

/// All that carries the stack's mark, as far as it was read, in order of address.
pub(crate) fn marked<'a>(input: &Input<'a>) -> Vec<Marked<'a>> {
    let stack = Some(input.wanted.name());
    let mut marked = Vec::new();
    let services = input.live.service_objects();
    for (key, live) in services.filter(|(_, live)| service::stack_of(live) == stack) {
        marked.push(Marked { at: service::address(key), live });
    }
    let own = input.own();
    for live in endpoints(input) {
        let at = live.get("id").and_then(Value::as_str).map(ResourceId::new);
        if let Some(at) = at.and_then(|id| own.get(&id.key())) {
            marked.push(Marked { at: at.clone(), live });
        }
    }
    for (at, id) in records_written(input) {
        if let Observation::Present(live) = input.live.resource(&id) {
            marked.push(Marked { at, live });
        }
    }
    marked.sort_by(|one, other| one.at.cmp(&other.at));
    marked.dedup_by(|one, other| one.at == other.at);
    marked
}

/// The live endpoints with the stack's mark.
fn endpoints<'a>(input: &Input<'a>) -> impl Iterator<Item = &'a Value> + use<'a> {
    let stack = input.wanted.name();
    input.live.endpoints().filter(move |live| stack_of(live) == Some(stack))
}

/// The live endpoints of this stack that are to be deleted, in order of their ids.
pub(crate) fn leaving(input: &Input<'_>) -> Vec<Arc<PrivateEndpoint>> {
    if !input.prunes() {
        return Vec::new();
    }
    let wanted: BTreeSet<ResourceId> = match input.options.mode {
        Mode::Destroy => BTreeSet::new(),
        Mode::Apply => input.endpoints().map(|it| it.id).collect(),
    };
    let own = input.own();
    let ours = input
        .live
        .world()
        .private_endpoints
        .iter()
        .filter(|(_, live)| input.wanted.owns(owner(live)));
    let leaving = ours.filter(|(key, live)| {
        let covered = own.get(*key).is_some_and(|at| input.covers(at));
        covered && !wanted.contains(&ResourceId::new(live.id()))
    });
    leaving.map(|(_, live)| live.clone()).collect()
}

/// Azure without the connections of endpoints that are to be deleted: they are deleted first.
pub(crate) fn without(mut world: World, leaving: &[Arc<PrivateEndpoint>]) -> World {
    let gone: Vec<ResourceId> = leaving.iter().map(|live| ResourceId::new(live.id())).collect();
    if gone.is_empty() {
        return world;
    }
    let holds = |link: &PrivateLinkService| {
        let consumers = private_link_service::consumers(link);
        consumers.iter().any(|it| gone.contains(&ResourceId::new(&it.endpoint)))
    };
    for link in world.private_link_services.values_mut().filter(|link| holds(link)) {
        let link = Arc::make_mut(link);
        if let Some(connections) = &mut link.properties.private_endpoint_connections {
            connections.retain(|connection| {
                let endpoint = connection.properties.private_endpoint.as_ref();
                !endpoint.is_some_and(|it| gone.contains(&ResourceId::new(it.id())))
            });
        }
    }
    world
}

/// The live records of this stack.
pub(crate) fn records_written(input: &Input<'_>) -> Vec<(NodeId, ResourceId)> {
    let of_record = |id: ResourceId| {
        let zone = id.parent()?;
        Some((NodeId::new(Kind::DnsRecord, format!("{}/{}", zone.name(), id.name())), id))
    };
    let ours = |record: &&Value| input.wanted.owns(dns_record::stack_of(record));
    let ids = input.live.records().filter(ours).filter_map(|record| record.get("id")?.as_str());
    ids.map(ResourceId::new).filter_map(of_record).collect()
}

/// The live records of this stack that are to be deleted, each with the endpoint whose tag names it.
pub(crate) fn records_leaving(input: &Input<'_>) -> Vec<(NodeId, ResourceId, Option<NodeId>)> {
    if !input.prunes() {
        return Vec::new();
    }
    let wanted: BTreeSet<ResourceId> = match input.options.mode {
        Mode::Destroy => BTreeSet::new(),
        Mode::Apply => input.endpoints().filter_map(|it| Some(it.record()?.1)).collect(),
    };
    let mut leaving = records_written(input);
    leaving.retain(|(_, id)| !wanted.contains(id));
    if leaving.is_empty() {
        return Vec::new();
    }
    let keepers = keepers(input);
    let kept = |(at, id): (NodeId, ResourceId)| {
        let keeper = keepers.get(&id.key()).cloned();
        (at, id, keeper)
    };
    leaving.into_iter().map(kept).collect()
}

/// The live endpoints of this stack, by the record that their tag names, in lower case.
fn keepers(input: &Input<'_>) -> BTreeMap<String, NodeId> {
    let own = input.own();
    let kept = input.live.endpoints().filter_map(|live| {
        let id = ResourceId::new(live.get("id")?.as_str()?);
        Some((tag(live)?.to_lowercase(), own.get(&id.key())?.clone()))
    });
    kept.collect()
}
