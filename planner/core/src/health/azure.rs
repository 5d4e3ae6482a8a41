//! Rules over what is live in Azure.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::arm::resource::{ARecord, GroupRecord, PrivateEndpoint, Reference, Rule, SecurityRule};
use crate::connection_status::ConnectionStatus;
use crate::join::{Join, Link, When, connection, decision, links};
use crate::node::dns_record::Entry;
use crate::node::endpoint_connection::address as connection_address;
use crate::node::private_link_service::consumers;
use crate::node_id::{Kind, NodeId};
use crate::plan::Finding;
use crate::resource_id::ResourceId;
use crate::rule::{Example, basis, rules};
use crate::snapshot::Observation;

use super::{Check, finding};

/// States of connections that nobody knows are never taken for connected: of the stack's endpoints, and of
/// whoever connects to its Services.
fn connection_unknown(join: &Join<'_>, findings: &mut Vec<Finding>) {
    let mut told = BTreeSet::new();
    let mut tell = |at: NodeId, status: &ConnectionStatus, of: &str| {
        let message = match status {
            ConnectionStatus::Other(other) if other.is_empty() => {
                format!("{of} shows no state of the connection, which is not taken for connected")
            }
            ConnectionStatus::Other(other) => format!(
                "{of} shows the connection as {other}, a state that privlink does not know; it is not taken for connected"
            ),
            _ => return,
        };
        if join.input.covers(&at) && told.insert(at.clone()) {
            findings.push(finding(
                CONNECTION_UNKNOWN,
                at,
                message,
                "Look at both ends of the connection in Azure; `--replace` of the endpoint creates another one.",
            ));
        }
    };
    for endpoint in join.endpoints() {
        if let Some(connection) = endpoint.connection() {
            let at = NodeId::new(Kind::EndpointConnection, endpoint.at.name.clone());
            tell(at, &connection.status, "the endpoint");
        }
    }
    for Link { live, .. } in live_links(join) {
        for consumer in consumers(live) {
            let at = connection_address(&consumer.endpoint, join.input.own());
            tell(at, &consumer.status, &format!("Private Link Service {}", live.name()));
        }
    }
}

/// The Private Link Services of the stack, as they are.
fn live_links<'a>(join: &'a Join<'_>) -> Vec<Link<'a>> {
    links(join.input, join.prediction, When::Before)
}

/// Somebody else is connected whom neither an EndpointApproval names nor the Private Link Service lets in by
/// itself.
fn stranger_approved(join: &Join<'_>, findings: &mut Vec<Finding>) {
    // A stack that says of nobody whom it lets in leaves that to others.
    if join.input.wanted.approvals().next().is_none() {
        return;
    }
    for Link { live, services } in live_links(join) {
        let approved = live.properties.auto_approval.as_ref();
        let approved = approved.and_then(|set| set.subscriptions.as_ref());
        for consumer in consumers(live) {
            let status = connection::of_other(live, &consumer);
            let id = ResourceId::new(&consumer.endpoint);
            let by_itself = approved
                .into_iter()
                .flatten()
                .any(|it| it == "*" || it.eq_ignore_ascii_case(&consumer.subscription));
            let at = connection_address(&consumer.endpoint, join.input.own());
            if !status.is_connected()
                || join.input.own().contains_key(&id.key())
                || by_itself
                || decision::names(join.input, &services, &id)
                || !join.input.covers(&at)
            {
                continue;
            }
            findings.push(finding(
                STRANGER_APPROVED,
                at,
                format!(
                    "{} of subscription {} is connected, and neither an EndpointApproval nor azure-pls-auto-approval names it",
                    consumer.endpoint, consumer.subscription
                ),
                "List it under `approve` or `reject` of an EndpointApproval.",
            ));
        }
    }
}

/// A rule of the nodes' security group that lets nothing in, with none before it that lets anything in:
/// rules count in order of their priority, and the first that fits decides.
pub(crate) fn traffic_denied(join: &Join<'_>, findings: &mut Vec<Finding>) {
    let facts = join.input.facts;
    let group = facts.security_group.to_lowercase();
    for live in join.prediction.before.network_security_groups.values() {
        let is_it = live.name().to_lowercase() == group || group.is_empty();
        if !is_it || !has_frontends(join) {
            continue;
        }
        let rules = live.properties.security_rules.iter().flatten();
        let inbound = rules.filter(|rule| {
            rule.properties
                .direction
                .as_deref()
                .is_some_and(|it| it.eq_ignore_ascii_case("Inbound"))
        });
        let first = inbound.min_by_key(|rule| rule.properties.priority.unwrap_or(i64::MAX));
        if let Some(rule) = first.filter(|rule| denies_all(rule)) {
            findings.push(finding(
                TRAFFIC_DENIED,
                NodeId::new(Kind::SecurityRule, format!("{}/{}", live.name(), rule.name())),
                format!(
                    "it denies all that comes in, and with priority {} it is the first rule: nothing reaches the nodes",
                    rule.properties.priority.unwrap_or_default()
                ),
                "Take it out, or put a rule that lets the Services' traffic in before it.",
            ));
        }
    }
}

/// Whether a live frontend belongs to the stack.
fn has_frontends(join: &Join<'_>) -> bool {
    let mut nodes = join.prediction.nodes_before().iter();
    nodes.any(|(at, node)| at.kind == Kind::FrontendIp && join.input.wanted.has_node(node))
}

fn denies_all(rule: &SecurityRule) -> bool {
    let it = &rule.properties;
    let any = |one: &Option<String>, many: &Option<Vec<String>>, all: &[&str]| {
        let many = many.iter().flatten();
        one.iter().chain(many).any(|text| all.iter().any(|it| it.eq_ignore_ascii_case(text)))
    };
    let everywhere = ["*", "0.0.0.0/0", "Any"];
    let everything = ["*", "0-65535"];
    it.access.as_deref().is_some_and(|access| access.eq_ignore_ascii_case("Deny"))
        && it.protocol.as_deref().is_some_and(|it| it == "*")
        && any(&it.source_address_prefix, &it.source_address_prefixes, &everywhere)
        && any(&it.destination_address_prefix, &it.destination_address_prefixes, &everywhere)
        && any(&it.source_port_range, &it.source_port_ranges, &everything)
        && any(&it.destination_port_range, &it.destination_port_ranges, &everything)
}

/// Whether a rule sends to a pool: to it alone, or to it among others.
fn leads_to(rule: &Rule, pool: &ResourceId) -> bool {
    let one = rule.properties.backend_address_pool.iter().map(Reference::id);
    let several = rule.properties.other.get("backendAddressPools").and_then(Value::as_array);
    let several = several.into_iter().flatten().filter_map(|it| it.get("id")?.as_str());
    one.chain(several).any(|id| id.eq_ignore_ascii_case(pool.as_str()))
}

/// Rules of the stack's Services lead to a pool that nobody is in.
pub(crate) fn empty_pool(join: &Join<'_>, findings: &mut Vec<Finding>) {
    let ours = |name: &str| {
        let owner = join.prediction.owners().of_name(name);
        owner.is_some_and(|key| join.input.wanted.has(key))
    };
    for balancer in join.prediction.before.load_balancers.values() {
        let rules = balancer.properties.load_balancing_rules.iter().flatten();
        if !rules.clone().any(|rule| ours(rule.name())) {
            continue;
        }
        for pool in balancer.properties.backend_address_pools.iter().flatten() {
            let id = ResourceId::new(balancer.id()).child("backendAddressPools", pool.name());
            let members = &pool.properties;
            let is_empty =
                members.backend_ip_configurations.as_deref().unwrap_or_default().is_empty()
                    && members
                        .load_balancer_backend_addresses
                        .as_deref()
                        .unwrap_or_default()
                        .is_empty();
            let mut used = rules.clone().filter(|rule| ours(rule.name()));
            if is_empty && used.any(|rule| leads_to(rule, &id)) {
                findings.push(finding(
                    EMPTY_POOL,
                    NodeId::new(
                        Kind::BackendPool,
                        format!("{}/{}", balancer.name(), pool.name()),
                    ),
                    "rules of the stack's Services lead to it, and it has no members: nothing answers"
                        .to_owned(),
                    "Look at the Nodes, and at what took them out of the pool; the controller puts them back at its next sync.",
                ));
            }
        }
    }
}

/// A record that a zone group keeps, or should keep for a name of its endpoint's, is not there, or leads elsewhere.
fn record_lost(join: &Join<'_>, findings: &mut Vec<Finding>) {
    for endpoint in join.endpoints() {
        let (Some(record), Some(live)) = (endpoint.record(false), endpoint.seen()) else {
            continue;
        };
        let Some(Entry::Group(group)) = record.seen() else { continue };
        for config in group.properties.private_dns_zone_configs.iter().flatten() {
            let zone = ResourceId::new(config.zone());
            let kept = || config.properties.record_sets.iter().flatten();
            let unkept = unkept(live, &zone, kept());
            let lost = kept().filter_map(|record| lost(join, live, &zone, record));
            findings.extend(unkept.into_iter().chain(lost).map(|message| {
                finding(
                    RECORD_LOST,
                    record.at.clone(),
                    message,
                    "Delete the zone group and apply: Azure writes its records when it creates it.",
                )
            }));
        }
    }
}

/// The names of an endpoint that lie in a zone of its group, and of which the group keeps no record.
fn unkept<'a>(
    endpoint: &PrivateEndpoint,
    zone: &ResourceId,
    kept: impl Iterator<Item = &'a GroupRecord>,
) -> Vec<String> {
    let kept: BTreeSet<String> =
        kept.filter_map(|it| it.record_set_name.as_deref()).map(str::to_lowercase).collect();
    let suffix = format!(".{}", zone.name().to_lowercase());
    let names = endpoint.properties.custom_dns_configs.iter().flatten();
    let names = names.filter_map(|it| it.fqdn.as_deref().map(str::to_lowercase));
    let names = names.filter_map(|it| it.strip_suffix(&suffix).map(ToOwned::to_owned));
    let missing = names.filter(|it| !kept.contains(it));
    missing
        .map(|name| format!("its zone group keeps no record {name} in {}", zone.name()))
        .collect()
}

/// What is wrong with one record of a zone group, as far as the zone and the endpoint's address were read.
fn lost(
    join: &Join<'_>,
    endpoint: &PrivateEndpoint,
    zone: &ResourceId,
    record: &GroupRecord,
) -> Option<String> {
    if !record.record_type.as_deref()?.eq_ignore_ascii_case("A") {
        return None;
    }
    let name = record.record_set_name.as_deref()?;
    let kept: BTreeSet<&str> = record.ip_addresses.as_ref()?.iter().map(String::as_str).collect();
    let own = join.input.live.address_of(endpoint).ok().flatten();
    if let Some(own) = own.filter(|own| !kept.contains(own)) {
        let kept: Vec<&str> = kept.into_iter().collect();
        let (zone, kept) = (zone.name(), kept.join(", "));
        return Some(format!(
            "its record {name} in {zone} leads to {kept}, and its address is {own}"
        ));
    }
    let id = zone.child("A", name);
    match join.input.live.resource(&id) {
        Observation::Absent => Some(format!("its record {name} in {} is not there", zone.name())),
        Observation::Present(_) => {
            let live = join.prediction.before.record_sets.get(&id.key())?;
            let found = live.properties.a_records.iter().flatten().map(ARecord::address);
            let found: BTreeSet<&str> = found.collect();
            let shown: Vec<&str> = found.iter().copied().collect();
            (found != kept).then(|| {
                format!("its record {name} in {} leads to {}", zone.name(), shown.join(", "))
            })
        }
        Observation::Unreadable(_) | Observation::NotObserved => None,
    }
}

/// The checks of this file.
pub(super) const CHECKS: &[Check] =
    &[connection_unknown, stranger_approved, traffic_denied, empty_pool, record_lost];

rules! {
    /// Azure shows a state of a connection that is none of `Approved`, `Pending`, `Rejected` and
    /// `Disconnected`, or none at all. Nothing is done about it. What would delete it counts as disconnecting a consumer.
    CONNECTION_UNKNOWN = "connection-unknown", Warning, [Desired, Live], {
        basis: basis::CONNECTION,
        advice: "Look at both ends in Azure. `--replace PrivateEndpoint/NAME` creates a new connection.",
        example: Example::live("privateLinkServiceConnectionState: {status: Removed}"),
    }

    /// A private endpoint of another owner is connected to a Service of the stack. No EndpointApproval
    /// names it, and its subscription is not in `azure-pls-auto-approval`: it was approved by hand. A stack
    /// without any EndpointApproval leaves approvals to others, and reports nothing.
    STRANGER_APPROVED = "stranger-approved", Note, [Desired, Live], {
        basis: basis::CONNECTION,
        advice: "List it under `approve`, or under `reject` to disconnect it.",
        example: Example::live(
            "
            kind: EndpointApproval
            spec: {approve: []}
            ",
        ),
    }

    /// The first inbound rule of the nodes' security group denies everything, so nothing reaches the nodes,
    /// whatever the load balancer does. Rules count in order of their priority, and the first that fits
    /// decides.
    TRAFFIC_DENIED = "traffic-denied", Warning, [Desired, Live], {
        basis: basis::documented("the first rule that fits decides", basis::link::SECURITY),
        advice: "Take the rule out, or put one that lets the Services' traffic in before it.",
        example: Example::live(
            r#"{priority: 100, direction: Inbound, access: Deny, protocol: "*", sourceAddressPrefix: "*", destinationAddressPrefix: "*"}"#,
        ),
    }

    /// Load balancing rules of the stack's Services lead to a backend pool without members.
    EMPTY_POOL = "empty-pool", Warning, [Desired, Live], {
        basis: basis::documented("traffic needs a member of the pool", basis::link::BALANCER),
        advice: "Look at the Nodes, and at what took them out of the pool. The controller puts them back \
            at its next sync.",
        example: Example::live(
            "backendAddressPools: [{name: kubernetes, properties: {backendIPConfigurations: []}}]",
        ),
    }

    /// A zone group says that it keeps a record, and that record is not in the zone, or leads to another
    /// address. Azure writes it when the zone group is made, and does not look again.
    RECORD_LOST = "record-lost", Warning, [Desired, Live], {
        basis: basis::documented("a zone group keeps its records", basis::link::DNS),
        advice: "Delete the zone group and apply: it is created again, with its records.",
        example: Example::live(
            "recordSets: [{recordType: A, recordSetName: web, ipAddresses: [10.1.0.5]}]   # and no such record in the zone",
        ),
    }
}
