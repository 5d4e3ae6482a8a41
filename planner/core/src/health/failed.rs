//! What Azure failed of the things that the controller writes for a stack, and of those around them. A plan
//! finds no field that differs, and the controller writes most of them again only when something changes.

use std::collections::{BTreeMap, BTreeSet};

use crate::arm::resource::{LoadBalancer, Reference};
use crate::arm::world::World;
use crate::join::Join;
use crate::node::dns_record::{self, Entry};
use crate::node_id::{Kind, NodeId};
use crate::plan::Finding;
use crate::provisioning;
use crate::resource_id::ResourceId;
use crate::rule::{Example, basis, rules};

use super::{Check, finding};

/// Things in Azure whose state is not `Succeeded`, by their address.
#[derive(Default)]
struct Unsettled(BTreeMap<NodeId, Footing>);

/// Something in Azure, in a state.
struct Footing {
    name: String,
    state: String,
}

impl Unsettled {
    /// Adds a thing, unless its state is the usual one, or it shows none.
    fn add(&mut self, id: &ResourceId, state: Option<&str>, at: impl FnOnce() -> NodeId) {
        let Some(state) = state.filter(|it| *it != "Succeeded") else { return };
        let (name, state) = (id.name().to_owned(), state.to_owned());
        self.0.insert(at(), Footing { name, state });
    }

    /// Adds a subnet that something has its addresses in.
    fn add_subnet(&mut self, world: &World, reference: &Reference) {
        let id = ResourceId::new(reference.id());
        let Some(live) = world.subnets.get(&id.key()) else { return };
        self.add(&id, live.properties.provisioning_state.as_deref(), || {
            let network = id.parent().unwrap_or_default();
            NodeId::new(Kind::Subnet, format!("{}/{}", network.name(), id.name()))
        });
    }

    /// Adds a load balancer that a frontend of the stack is on, and the subnets of its frontends.
    fn add_load_balancer(&mut self, world: &World, id: &ResourceId, live: &LoadBalancer) {
        let properties = &live.properties;
        self.add(id, properties.provisioning_state.as_deref(), || {
            NodeId::new(Kind::LoadBalancer, id.name())
        });
        let frontends = properties.frontend_ip_configurations.iter().flatten();
        let mut subnets: Vec<&Reference> =
            frontends.filter_map(|it| it.properties.subnet.as_ref()).collect();
        subnets.dedup_by(|one, other| one.id() == other.id());
        subnets.into_iter().for_each(|it| self.add_subnet(world, it));
    }
}

/// What the stack's Services need in Azure.
fn footing(join: &Join<'_>) -> Unsettled {
    let world = &join.prediction.before;
    let mut found = Unsettled::default();
    let (mut balancers, mut is_any) = (BTreeSet::new(), false);
    for (at, node) in join.prediction.nodes_before() {
        if !join.input.wanted.has_node(node) {
            continue;
        }
        is_any = true;
        let key = || node.id.key();
        match at.kind {
            Kind::FrontendIp => {
                let Some(id) = node.id.parent() else { continue };
                let Some(live) = world.load_balancers.get(&id.key()) else { continue };
                let mut frontends = live.properties.frontend_ip_configurations.iter().flatten();
                let own = frontends.find(|it| it.name().eq_ignore_ascii_case(node.id.name()));
                let state = own.and_then(|it| it.properties.provisioning_state.as_deref());
                found.add(&node.id, state, || at.clone());
                if balancers.insert(id.key()) {
                    found.add_load_balancer(world, &id, live);
                }
            }
            Kind::PrivateLinkService => {
                let Some(live) = world.private_link_services.get(&key()) else { continue };
                let addresses = live.properties.ip_configurations.iter().flatten();
                let used = addresses.filter_map(|it| it.properties.subnet.as_ref());
                used.for_each(|it| found.add_subnet(world, it));
                let state = live.properties.provisioning_state.as_deref();
                found.add(&node.id, state, || at.clone());
            }
            Kind::PublicIp => {
                let live = world.public_ip_addresses.get(&key());
                let state = live.and_then(|it| it.properties.provisioning_state.as_deref());
                found.add(&node.id, state, || at.clone());
            }
            _ => {}
        }
    }
    let group = &join.input.facts.security_group;
    if is_any && !group.is_empty() {
        let groups = world.network_security_groups.values();
        for live in groups.filter(|it| it.name().eq_ignore_ascii_case(group)) {
            let at = || NodeId::new(Kind::SecurityRule, format!("{}/*", live.name()));
            let state = live.properties.provisioning_state.as_deref();
            found.add(&ResourceId::new(live.id()), state, at);
        }
    }
    found
}

/// What the stack itself writes.
fn written(join: &Join<'_>) -> Unsettled {
    let mut found = Unsettled::default();
    for endpoint in join.endpoints() {
        let Some(live) = endpoint.seen() else { continue };
        let state = live.properties.provisioning_state.as_deref();
        found.add(&endpoint.id, state, || endpoint.at.clone());
        let Some((at, id)) = dns_record::target(endpoint.wanted, &endpoint.id) else { continue };
        let Some(record) = Entry::of(&join.prediction.before, &id) else { continue };
        found.add(&id, record.provisioning_state(), || at);
    }
    found
}

fn resource_failed(join: &Join<'_>, findings: &mut Vec<Finding>) {
    // What is decided on it is written again instead.
    for endpoint in join.endpoints() {
        let failed = endpoint.judged().filter(|it| it.has_failed && it.decision.is_none());
        let at = NodeId::new(Kind::EndpointConnection, endpoint.at.name.clone());
        if failed.is_some() && join.input.covers(&endpoint.at) {
            findings.push(finding(
                RESOURCE_FAILED,
                at,
                "Azure failed to provision the connection at its Private Link Service: it may serve or not".to_owned(),
                "Look at both ends of the connection in Azure; `--replace` of the endpoint creates another one.",
            ));
        }
    }
    for (at, Footing { name, state }) in footing(join).0 {
        let state = provisioning::failure(&state);
        let Some(state) = state.filter(|_| join.input.covers(&at)) else { continue };
        findings.push(finding(
            RESOURCE_FAILED,
            at,
            format!("Azure failed to provision {name}: its provisioningState is {state}"),
            "Azure's activity log says why. What the controller wrote it writes again at a sync that changes it.",
        ));
    }
}

fn resource_state(join: &Join<'_>, findings: &mut Vec<Finding>) {
    for (at, Footing { name, state }) in footing(join).0.into_iter().chain(written(join).0) {
        let state = provisioning::unusual(&state);
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
    /// public address, security group or subnet that the stack's Services stand on, or of a connection of its endpoints.
    /// It may serve or not. What
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
