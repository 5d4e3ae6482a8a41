//! Differences that depend on assumed facts.
//!
//! Nobody knows what an assumed fact really is. A difference that is not there when the fact has
//! another value, one that Azure itself suggests, shows nothing of Azure but only that the fact may be
//! wrong: it is unverified.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::arm::resource::LoadBalancer;
use crate::arm::world::World;
use crate::change::FieldDiff;
use crate::facts::{BackendPoolType, Fact, Facts, HealthProbeMode, Origin, TakenPlsName};
use crate::field_diff;
use crate::kubernetes::service::Key;
use crate::node::service::address;
use crate::node_id::{Kind, NodeId};
use crate::prediction::Prediction;
use crate::resource_id::ResourceId;

use super::Class;
use super::gathered::fields;
use super::repair::Repair;
use super::report::{By, Cause, Difference, Heals};

/// Other values of the assumed facts, one at a time, with the fact's name.
pub(super) fn alternatives(facts: &Facts, world: &World) -> Vec<(Fact, Facts)> {
    let mut others = Vec::new();
    let mut try_one = |fact: Fact, assign: &dyn Fn(&mut Facts)| {
        let mut other = facts.clone();
        assign(&mut other);
        if facts.source(fact) == Origin::Assumed && other != *facts {
            others.push((fact, other));
        }
    };
    for zones in [Vec::new(), ["1", "2", "3"].map(str::to_owned).to_vec()] {
        try_one(Fact::Zones, &|it| it.zones.clone_from(&zones));
    }
    try_one(Fact::DisableOutboundSnat, &|it| it.disable_outbound_snat = !it.disable_outbound_snat);
    for mode in [HealthProbeMode::ServiceNodePort, HealthProbeMode::Shared] {
        try_one(Fact::HealthProbeMode, &|it| it.health_probe_mode = mode);
    }
    try_one(Fact::ExcludeControlPlane, &|it| it.exclude_control_plane = !it.exclude_control_plane);
    for kind in
        [BackendPoolType::NodeIpConfiguration, BackendPoolType::NodeIp, BackendPoolType::PodIp]
    {
        try_one(Fact::BackendPoolType, &|it| it.backend_pool_type = kind);
    }
    for taken in [TakenPlsName::TakenOver, TakenPlsName::Refused] {
        try_one(Fact::TakenPlsName, &|it| it.taken_pls_name = taken);
    }
    try_one(Fact::KnowsDisableNsgRule, &|it| {
        it.knows_disable_nsg_rule = !it.knows_disable_nsg_rule
    });
    let seen = Seen::of(world);
    for name in &seen.clusters {
        try_one(Fact::ClusterName, &|it| it.cluster_name.clone_from(name));
    }
    for name in &seen.balancers {
        try_one(Fact::LoadBalancerName, &|it| it.load_balancer_name = Some(name.clone()));
    }
    for subnet in &seen.subnets {
        try_one(Fact::Subnet, &|it| subnet.name().clone_into(&mut it.subnet));
        let network = subnet.segment("virtualNetworks").unwrap_or_default();
        try_one(Fact::VirtualNetwork, &|it| {
            network.clone_into(&mut it.virtual_network);
            subnet.name().clone_into(&mut it.subnet);
        });
    }
    for group in &seen.link_groups {
        try_one(Fact::PrivateLinkServiceResourceGroup, &|it| {
            it.private_link_service_resource_group = Some(group.clone());
        });
    }
    for location in &seen.locations {
        try_one(Fact::Location, &|it| it.location.clone_from(location));
    }
    others
}

/// The facts without which the model can only guess that the controller fails.
pub(super) fn unknown_place(facts: &Facts) -> Option<Fact> {
    let place = [
        (Fact::ResourceGroup, &facts.resource_group),
        (Fact::VirtualNetwork, &facts.virtual_network),
        (Fact::Subnet, &facts.subnet),
        (Fact::SecurityGroup, &facts.security_group),
    ];
    place
        .into_iter()
        .find(|(fact, value)| value.is_empty() && facts.source(*fact) == Origin::Assumed)
        .map(|(fact, _)| fact)
}

/// A difference, with what it was told from: to be told again from other facts.
pub(super) struct Found {
    pub(super) difference: Difference,
    pub(super) fields: Vec<FieldDiff>,
    pub(super) proof: Proof,
}

/// What a difference rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// Fields that a prediction has otherwise.
    Fields,
    /// An error that is predicted.
    PredictedError,
    /// What a sync writes.
    Writes,
    /// What an event says, whatever the facts.
    Event,
}

/// The fields that a sync of every Service would change, by node; and the Services it would fail at.
fn changed(prediction: &Prediction) -> BTreeSet<(NodeId, String)> {
    let (before, after) = (prediction.nodes_before(), prediction.nodes_after());
    let mut changed = BTreeSet::new();
    for at in before.keys().chain(after.keys()) {
        let sides = (before.get(at), after.get(at));
        for field in
            field_diff::fields(sides.0.map(|it| it.fields()), sides.1.map(|it| it.fields()))
        {
            changed.insert((at.clone(), field.path));
        }
    }
    for (at, fields) in members(prediction) {
        changed.extend(fields.into_iter().map(|field| (at.clone(), field.path)));
    }
    let failed = prediction.outcomes.iter().filter(|outcome| outcome.error.is_some());
    changed.extend(failed.map(|it| (address(&it.service), "error".to_owned())));
    changed
}

/// Takes out of the differences what is none with other facts. Facts that would make something else
/// differ are no explanation: Azure contradicts them.
pub(super) fn unverified(
    found: Vec<Found>,
    fact: Fact,
    (first, other): (&Prediction, &Prediction),
) -> Vec<Found> {
    if !changed(other).is_subset(&changed(first)) {
        return found;
    }
    let (before, after) = (other.nodes_before(), other.nodes_after());
    let mut members = members(other);
    let mut kept = Vec::new();
    for mut it in found {
        if it.difference.class == Class::Unverified || it.proof == Proof::Event {
            kept.push(it);
            continue;
        }
        let at = &it.difference.address;
        let still: Vec<FieldDiff> = if at.kind == Kind::Service {
            status(other, at)
        } else {
            let sides = (before.get(at), after.get(at));
            let mut fields =
                field_diff::fields(sides.0.map(|it| it.fields()), sides.1.map(|it| it.fields()));
            fields.extend(members.remove(at).unwrap_or_default());
            fields
        };
        let mut outcomes = other.outcomes.iter().filter(|outcome| address(&outcome.service) == *at);
        let stays = match it.proof {
            Proof::PredictedError => Some(outcomes.any(|outcome| outcome.error.is_some())),
            Proof::Writes => Some(outcomes.any(|outcome| !outcome.writes.is_empty())),
            Proof::Fields | Proof::Event => None,
        };
        if let Some(stays) = stays {
            if !stays {
                it.difference = hanging(it.difference, fact);
            }
            kept.push(it);
            continue;
        }
        let remains = |field: &FieldDiff| still.iter().any(|other| other.path == field.path);
        let (real, gone): (Vec<FieldDiff>, Vec<FieldDiff>) =
            it.fields.into_iter().partition(remains);
        if !gone.is_empty() {
            let mut difference = hanging(it.difference.clone(), fact);
            difference.fields = fields(gone.clone());
            kept.push(Found { difference, fields: gone, proof: Proof::Fields });
        }
        if !real.is_empty() {
            let whole = it.difference.fields.is_empty();
            it.difference.fields = if whole { Vec::new() } else { fields(real.clone()) };
            kept.push(Found { fields: real, ..it });
        }
    }
    kept
}

pub(super) fn hanging(mut difference: Difference, fact: Fact) -> Difference {
    let fact = fact.shown_name();
    difference.class = Class::Unverified;
    difference.weight = Class::Unverified.weight();
    difference.message = format!("there would be no difference if {fact} had another value");
    difference.cause = Cause::by(By::Unknown);
    difference.heals = Heals::No;
    difference.disconnects = Vec::new();
    difference.hangs_on = Some(fact.to_owned());
    difference.repair = Some(Repair::advice(format!("pin {fact} under `facts` of the Stack")));
    difference
}

/// The addresses that a Service announces, where the controller would announce others.
pub(super) fn status(prediction: &Prediction, at: &NodeId) -> Vec<FieldDiff> {
    let is_it = |key: &&Key| address(key) == *at;
    let Some(key) = prediction.live.keys().find(is_it) else { return Vec::new() };
    let told = prediction.outcome(key).and_then(|outcome| outcome.status.as_ref());
    let live = prediction.live.get(key).map(|service| &service.ingress);
    match (told, live) {
        (Some(told), Some(live)) if told != live => vec![FieldDiff::new(
            "status.loadBalancer.ingress",
            Some(live.clone().into()),
            Some(told.clone().into()),
        )],
        _ => Vec::new(),
    }
}

/// What Azure suggests the facts to be.
#[derive(Default)]
struct Seen {
    clusters: BTreeSet<String>,
    balancers: BTreeSet<String>,
    subnets: BTreeSet<ResourceId>,
    link_groups: BTreeSet<String>,
    locations: BTreeSet<String>,
}

impl Seen {
    fn of(world: &World) -> Self {
        let mut seen = Self::default();
        for balancer in world.load_balancers.values() {
            seen.balancers.insert(balancer.name().trim_end_matches("-internal").to_owned());
            seen.locations.extend(balancer.location.clone());
            for frontend in balancer.properties.frontend_ip_configurations.iter().flatten() {
                let subnet = frontend.properties.subnet.as_ref();
                seen.subnets.extend(subnet.map(|subnet| ResourceId::new(subnet.id())));
            }
        }
        for link in world.private_link_services.values() {
            let name = link.tags.as_ref().and_then(|tags| tags.get("k8s-azure-cluster-name"));
            seen.clusters.extend(name.cloned());
            let group = ResourceId::new(link.id()).resource_group().map(ToOwned::to_owned);
            seen.link_groups.extend(group);
        }
        seen
    }
}

/// What a sync of every Service would change of the members of backend pools, which nodes do not show.
pub(super) fn members(prediction: &Prediction) -> BTreeMap<NodeId, Vec<FieldDiff>> {
    let mut found = BTreeMap::new();
    for (key, balancer) in &prediction.before.load_balancers {
        let Some(after) = prediction.after.load_balancers.get(key) else { continue };
        let pools = |it: &LoadBalancer| -> BTreeMap<String, Value> {
            let pools = it.properties.backend_address_pools.iter().flatten();
            pools
                .map(|pool| (pool.name().to_owned(), crate::node::fields::clean(pool.as_ref())))
                .collect()
        };
        let (before, after) = (pools(balancer), pools(after));
        for (pool, now) in &before {
            let mut diffs = field_diff::fields(Some(now), after.get(pool));
            diffs.retain(|it| it.path.starts_with("properties.loadBalancerBackendAddresses"));
            if !diffs.is_empty() {
                let at = NodeId::new(Kind::BackendPool, format!("{}/{pool}", balancer.name()));
                found.insert(at, diffs);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_assumed_facts_have_alternatives() {
        let mut facts = Facts::default();
        let names = |facts: &Facts| -> BTreeSet<Fact> {
            alternatives(facts, &World::default()).into_iter().map(|(fact, _)| fact).collect()
        };
        let both = BTreeSet::from([Fact::Zones, Fact::DisableOutboundSnat]);
        assert!(names(&facts).is_superset(&both));
        facts.sources.insert(Fact::Zones, Origin::Read);
        assert!(!names(&facts).contains(&Fact::Zones));
    }
}
