//! Room in subnets, their policies, and Azure's limits ([`crate::limit`]).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::Value;

use crate::arm::address::{is_ipv4, parse_range, ranges};
use crate::arm::delegation::delegated_to;
use crate::arm::resource::Subnet;
use crate::arm::world::World;
use crate::desired::Target;
use crate::limit::{self, Limit, network};
use crate::node::private_link_service;
use crate::preflight::check::{check, tally};
use crate::resource_id::ResourceId;
use crate::snapshot::Observation;

use super::right::is_policy_disabled;
use super::{Area, Check, Subject, Verdict};

/// Addresses of a subnet that Azure keeps: the first four and the last.
const RESERVED: u128 = 5;

/// The addresses that frontends and NAT addresses take, by subnet.
fn of_controller(world: &World) -> BTreeMap<String, usize> {
    let frontends = world
        .load_balancers
        .values()
        .flat_map(|it| it.properties.frontend_ip_configurations.iter().flatten());
    let frontends = frontends.filter_map(|it| it.properties.subnet.as_ref());
    let nat = world.private_link_services.values();
    let nat = nat.flat_map(|it| it.properties.ip_configurations.iter().flatten());
    let nat = nat.filter_map(|it| it.properties.subnet.as_ref());
    tally(frontends.chain(nat).map(|subnet| subnet.id().to_lowercase()))
}

/// Whether the subnets in use have room for what comes, and let it in.
pub(super) fn rooms(subject: &Subject<'_>, checks: &mut Vec<Check>) {
    let prediction = subject.prediction;
    let (before, after) = (of_controller(&prediction.before), of_controller(&prediction.after));
    let endpoints = tally(network::coming(subject.input).values().map(ResourceId::key));
    // Without a cluster, what is in other subnets is somebody else's.
    let has_cluster = subject.input.live.has_cluster();
    let of_cluster = after.keys().filter(|_| has_cluster);
    let subnets: BTreeSet<&String> = of_cluster.chain(endpoints.keys()).collect();
    for key in subnets {
        let count = |counts: &BTreeMap<String, usize>| counts.get(key).copied().unwrap_or(0);
        let more = count(&after).saturating_sub(count(&before)) + count(&endpoints);
        let Some(subnet) = prediction.before.subnets.get(key) else {
            let reason = match subject.input.live.resource(&network_of(key)) {
                Observation::Present(_) | Observation::Absent => "it is not there",
                Observation::Unreadable(_) | Observation::NotObserved => {
                    let why = "its virtual network could not be read";
                    checks.push(check(Area::Subnet, key, "exists", Verdict::Unknown, why));
                    continue;
                }
            };
            checks.push(
                check(Area::Subnet, key, "exists", Verdict::Missing, reason)
                    .or("Create the subnet, or name another."),
            );
            continue;
        };
        let free = size(subnet).saturating_sub(RESERVED).saturating_sub(used(subject, subnet));
        let fits = u128::try_from(more).is_ok_and(|more| more <= free);
        let verdict = if fits { Verdict::Met } else { Verdict::Missing };
        let required = format!("{more} more addresses");
        let found = format!("{free} are free, as far as was observed");
        checks.push(
            check(Area::Subnet, subnet.id(), required, verdict, found)
                .or("Name a larger subnet, or make room in this one."),
        );
        if endpoints.contains_key(key) {
            checks.push(delegation(subnet));
        }
    }
    if has_cluster {
        policies(subject, checks);
    }
}

/// Whether a subnet that endpoints come into takes them: one that is delegated does not.
fn delegation(subnet: &Subnet) -> Check {
    let services: Vec<&str> = delegated_to(subnet).collect();
    let (verdict, found) = if services.is_empty() {
        (Verdict::Met, "it has no delegations".to_owned())
    } else {
        (Verdict::Missing, format!("it is delegated to {}", services.join(", ")))
    };
    let required = "no delegation, for private endpoints";
    check(Area::Policy, subnet.id(), required, verdict, found)
        .or("Name another subnet, or remove the delegation.")
}

fn network_of(subnet: &str) -> ResourceId {
    ResourceId::new(subnet).parent().unwrap_or_default()
}

/// How many addresses the IPv4 ranges of a subnet hold.
fn size(subnet: &Subnet) -> u128 {
    let ranges = ranges(subnet).filter_map(parse_range).filter(is_ipv4);
    ranges.map(|range| 1u128 << (range.max_prefix_len() - range.prefix_len())).sum()
}

/// How many of its addresses are taken: what Azure says of the subnet, or what was observed in it,
/// whichever is more. Machines of others are only in the former.
fn used(subject: &Subject<'_>, subnet: &Subnet) -> u128 {
    let listed = subnet.properties.other.get("ipConfigurations").and_then(Value::as_array);
    let listed = listed.map_or(0, Vec::len);
    let interfaces = subject.input.live.world().network_interfaces.values();
    let of_interfaces: BTreeSet<&str> = interfaces
        .flat_map(|it| it.properties.ip_configurations.iter().flatten())
        .filter(|it| {
            let own = it.properties.subnet.as_ref();
            own.is_some_and(|own| own.id().eq_ignore_ascii_case(subnet.id()))
        })
        .filter_map(|it| it.properties.private_ip_address.as_deref())
        .collect();
    let balancers = subject.prediction.before.load_balancers.values();
    let frontends = balancers
        .flat_map(|it| it.properties.frontend_ip_configurations.iter().flatten())
        .filter_map(|it| it.properties.subnet.as_ref())
        .filter(|own| own.id().eq_ignore_ascii_case(subnet.id()))
        .count();
    let links = subject.prediction.before.private_link_services.values();
    let nat = links
        .flat_map(|it| it.properties.ip_configurations.iter().flatten())
        .filter_map(|it| it.properties.subnet.as_ref())
        .filter(|own| own.id().eq_ignore_ascii_case(subnet.id()))
        .count();
    let nodes: BTreeSet<IpAddr> = subject
        .input
        .live
        .controller_nodes()
        .flat_map(|node| node.internal_addresses)
        .filter_map(|address| address.parse().ok())
        .filter(|address| crate::arm::address::in_subnet(*address, subnet))
        .collect();
    // A Private Link Service's network interface holds its NAT addresses.
    let observed = frontends + of_interfaces.len().max(nat) + nodes.len();
    u128::try_from(observed.max(listed)).unwrap_or(u128::MAX)
}

/// NAT subnets whose policy the controller will disable.
fn policies(subject: &Subject<'_>, checks: &mut Vec<Check>) {
    let links = subject.prediction.after.private_link_services.values();
    let nat = links.flat_map(|it| it.properties.ip_configurations.iter().flatten());
    let subnets: BTreeSet<String> = nat
        .filter_map(|it| it.properties.subnet.as_ref())
        .map(|subnet| subnet.id().to_lowercase())
        .collect();
    for key in subnets {
        let Some(subnet) = subject.prediction.before.subnets.get(&key) else { continue };
        let reason = if is_policy_disabled(subnet) {
            "it is disabled"
        } else {
            "it is enabled; the controller disables it, if the cluster's identity may write the \
             subnet"
        };
        let required = "privateLinkServiceNetworkPolicies: Disabled";
        checks.push(check(Area::Policy, subnet.id(), required, Verdict::Met, reason));
    }
}

fn limit(subject: &str, count: usize, limit: &Limit) -> Check {
    let verdict = if count <= limit.most { Verdict::Met } else { Verdict::Missing };
    let required = format!("at most {} {}", limit.most, limit.what);
    check(Area::Quota, subject, required, verdict, format!("it will be {count}")).or(limit.help)
}

/// Azure's limits, once all is done.
pub(super) fn limits(subject: &Subject<'_>, checks: &mut Vec<Check>) {
    let input = subject.input;
    let after = &subject.prediction.after;
    let new = network::coming(input);
    for it in limit::of_controller(after) {
        checks.push(limit(&it.of, it.count, it.limit));
    }
    for link in after.private_link_services.values() {
        let shown = crate::unknown::show(link.id());
        let nat = link.properties.ip_configurations.iter().flatten().count();
        checks.push(limit(&shown, nat, &limit::NAT_ADDRESSES));
        let coming = input.endpoints().filter(|it| {
            let reaches = match &it.wanted.target {
                Target::Service(key) => {
                    subject.prediction.link_after(&key.value).is_some_and(|it| it.id() == link.id())
                }
                Target::Id(id) => id.as_str().eq_ignore_ascii_case(link.id()),
                Target::Alias(alias) => link
                    .properties
                    .alias
                    .as_deref()
                    .is_some_and(|it| it.eq_ignore_ascii_case(&alias.value)),
            };
            reaches && new.contains_key(&it.id.key())
        });
        let count = private_link_service::consumers(link).len() + coming.count();
        checks.push(limit(&shown, count, &limit::ENDPOINTS_OF_LINK));
    }
    for found in network::networks(input) {
        checks.push(limit(found.network.as_str(), found.count, found.limit));
    }
}
