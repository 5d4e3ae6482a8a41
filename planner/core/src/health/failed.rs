//! What Azure failed of the things that the controller writes for a stack, and of those around them. A plan
//! finds no field that differs, and the controller writes most of them again only when something changes.

use std::collections::BTreeMap;

use crate::arm::resource::Reference;
use crate::arm::world::World;
use crate::join::Join;
use crate::node_id::{Kind, NodeId};
use crate::plan::Finding;
use crate::provisioning;
use crate::resource_id::ResourceId;
use crate::rule::{Example, basis, rules};

use super::{Check, finding};

/// The state of each thing in Azure that the stack's Services stand on, by its address; none where Azure shows none.
fn footing(join: &Join<'_>) -> BTreeMap<NodeId, Footing> {
    let world = &join.prediction.before;
    let mut found = BTreeMap::new();
    for (at, node) in join.prediction.nodes_before() {
        if !join.input.wanted.has_node(node) {
            continue;
        }
        match at.kind {
            Kind::FrontendIp => {
                let Some(id) = node.id.parent() else { continue };
                let Some(live) = world.load_balancers.get(&id.key()) else { continue };
                let properties = &live.properties;
                let mut frontends = properties.frontend_ip_configurations.iter().flatten();
                let own = frontends.find(|it| it.name().eq_ignore_ascii_case(node.id.name()));
                let state = own.and_then(|it| it.properties.provisioning_state.as_ref());
                found.insert(at.clone(), Footing::new(&node.id, state));
                let at = NodeId::new(Kind::LoadBalancer, id.name());
                if found.contains_key(&at) {
                    continue;
                }
                let frontends = properties.frontend_ip_configurations.iter().flatten();
                let used = frontends.filter_map(|it| it.properties.subnet.as_ref());
                found.extend(used.filter_map(|it| subnet(world, it)));
                found.insert(at, Footing::new(&id, properties.provisioning_state.as_ref()));
            }
            Kind::PrivateLinkService => {
                let live = world.private_link_services.get(&node.id.key());
                let Some(live) = live else { continue };
                let properties = &live.properties;
                let addresses = properties.ip_configurations.iter().flatten();
                let used = addresses.filter_map(|it| it.properties.subnet.as_ref());
                found.extend(used.filter_map(|it| subnet(world, it)));
                let state = properties.provisioning_state.as_ref();
                found.insert(at.clone(), Footing::new(&node.id, state));
            }
            Kind::PublicIp => {
                let live = world.public_ip_addresses.get(&node.id.key());
                let state = live.and_then(|it| it.properties.provisioning_state.as_ref());
                found.insert(at.clone(), Footing::new(&node.id, state));
            }
            _ => {}
        }
    }
    let group = &join.input.facts.security_group;
    if !found.is_empty() && !group.is_empty() {
        let groups = world.network_security_groups.values();
        for live in groups.filter(|it| it.name().eq_ignore_ascii_case(group)) {
            let at = NodeId::new(Kind::SecurityRule, format!("{}/*", live.name()));
            let state = live.properties.provisioning_state.as_ref();
            found.insert(at, Footing::new(&ResourceId::new(live.id()), state));
        }
    }
    found
}

/// Something in Azure that Services stand on.
struct Footing {
    name: String,
    state: Option<String>,
}

impl Footing {
    fn new(id: &ResourceId, state: Option<&String>) -> Self {
        Self { name: id.name().to_owned(), state: state.cloned() }
    }
}

/// A subnet that something has its addresses in.
fn subnet(world: &World, reference: &Reference) -> Option<(NodeId, Footing)> {
    let id = ResourceId::new(reference.id());
    let live = world.subnets.get(&id.key())?;
    let network = id.parent().unwrap_or_default();
    let at = NodeId::new(Kind::Subnet, format!("{}/{}", network.name(), id.name()));
    Some((at, Footing::new(&id, live.properties.provisioning_state.as_ref())))
}

fn resource_failed(join: &Join<'_>, findings: &mut Vec<Finding>) {
    for (at, Footing { name, state }) in footing(join) {
        let state = state.as_deref().and_then(provisioning::failure);
        let Some(state) = state.filter(|_| join.input.covers(&at)) else { continue };
        findings.push(finding(
            RESOURCE_FAILED,
            at,
            format!("Azure failed to provision {name}: its provisioningState is {state}"),
            "Azure's activity log says why. What the controller wrote it writes again at a sync that changes it.",
        ));
    }
}

/// The state of each thing in Azure that the stack itself writes, by its address.
fn written(join: &Join<'_>) -> BTreeMap<NodeId, Footing> {
    let mut found = BTreeMap::new();
    for endpoint in join.endpoints() {
        let Some(live) = endpoint.seen() else { continue };
        let state = live.properties.provisioning_state.as_ref();
        found.insert(endpoint.at.clone(), Footing::new(&endpoint.id, state));
        let Some(record) = endpoint.record(false) else { continue };
        let state = record.seen().and_then(|it| it.provisioning_state()).map(ToOwned::to_owned);
        found.insert(record.at.clone(), Footing::new(&record.id, state.as_ref()));
    }
    found
}

fn resource_state(join: &Join<'_>, findings: &mut Vec<Finding>) {
    for (at, Footing { name, state }) in footing(join).into_iter().chain(written(join)) {
        let state = state.as_deref().and_then(provisioning::unusual);
        let Some(state) = state.filter(|_| join.input.covers(&at)) else { continue };
        let (message, help) = if state.eq_ignore_ascii_case("Deleting") {
            (
                format!("Azure is deleting {name}, and what is planned takes it to stay"),
                "Wait until it is deleted, and plan again.",
            )
        } else {
            (
                format!("Azure shows {name} in a state that is not known: `{state}`"),
                "Look at it in Azure, and plan again once it is in the state Succeeded.",
            )
        };
        findings.push(finding(RESOURCE_STATE, at, message, help));
    }
}

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[resource_failed, resource_state];

rules! {
    /// Azure shows `Failed` or `Canceled` as the provisioning state of a load balancer, Private Link Service,
    /// public address, security group or subnet that the stack's Services stand on. It may serve or not. What
    /// privlink itself writes is planned again instead, and drift reports either as `provisioning-failed`.
    RESOURCE_FAILED = "resource-failed", Warning, [Desired, Live], {
        basis: basis::documented("provisioning states of resources", basis::link::SERVICE),
        advice: "Azure's activity log says why. What the controller wrote it writes again at a sync that \
            changes it.",
        example: Example::live("provisioningState: Failed   # of the load balancer"),
    }

    /// Azure shows a provisioning state of an endpoint, a record, a zone group or something that the stack's Services
    /// need that is neither `Succeeded`, `Updating` or `Creating` nor a failure: it is being deleted, or in a state that
    /// privlink does not know. What is planned takes it to stay as it is.
    RESOURCE_STATE = "resource-state", Warning, [Desired, Live], {
        basis: basis::documented("provisioning states of resources", basis::link::SERVICE),
        advice: "Look at it in Azure, and plan again once it is in the state Succeeded.",
        example: Example::live("provisioningState: Deleting   # of the private endpoint"),
    }
}
