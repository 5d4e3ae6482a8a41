//! Private endpoints: which of them, and as which documents.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::arm::resource::{
    PrivateEndpoint, PrivateEndpointProperties, PrivateLinkService, ZoneConfig, ZoneGroup,
};
use crate::inventory::Inventory;
use crate::join;
use crate::kubernetes::service::Key;
use crate::location;
use crate::marks::{MARKS, PROTECT_LABEL, PROTECT_TAG, STACK_TAG};
use crate::node::private_endpoint::owner;
use crate::pointer::text;
use crate::resource_id::ResourceId;
use crate::snapshot::Observation;

use super::{API_VERSION, Seen, free_name};

/// The Private Link Services of the imported Services.
pub(super) type Links<'a> = BTreeMap<Key, &'a PrivateLinkService>;

/// A live endpoint that is imported.
#[derive(Debug)]
pub(super) struct Selected<'a> {
    /// Its id.
    pub(super) id: ResourceId,
    /// As ARM shows it.
    pub(super) live: &'a PrivateEndpoint,
    /// The Service that it reaches, if it is an imported one.
    pub(super) service: Option<Key>,
}

/// The endpoints that are imported, in order of their ids: those that carry the stack's mark, and those
/// without any that reach an imported Service, in the subscriptions that were read.
pub(super) fn select<'a>(
    seen: &Seen<'a>,
    links: &Links<'_>,
    notes: &mut Vec<String>,
) -> Vec<Selected<'a>> {
    let mut selected = Vec::new();
    for live in seen.live.world().private_endpoints.values() {
        let id = ResourceId::new(live.id());
        let Some((asked, _)) = live.connection() else { continue };
        let service = links.iter().find(|(_, link)| reaches(asked.target(), link));
        match (owner(live), service) {
            (Some(stack), _) if stack == seen.stack => {}
            (Some(stack), Some(_)) => {
                notes.push(format!(
                    "the private endpoint {id} is taken for a consumer: it belongs to stack {stack}"
                ));
                continue;
            }
            (None, Some(_)) => {}
            (_, None) => continue,
        }
        // An alias stays one: an endpoint cannot change from it to an id.
        let service =
            service.filter(|_| asked.target().starts_with('/')).map(|(key, _)| key.clone());
        selected.push(Selected { id, live, service });
    }
    selected
}

fn reaches(target: &str, link: &PrivateLinkService) -> bool {
    let is_alias =
        || link.properties.alias.as_deref().is_some_and(|it| it.eq_ignore_ascii_case(target));
    link.id().eq_ignore_ascii_case(target) || is_alias()
}

/// Their documents.
pub(super) fn documents(
    seen: &Seen<'_>,
    endpoints: &[Selected<'_>],
    notes: &mut Vec<String>,
) -> Vec<Value> {
    let mut taken = BTreeSet::new();
    endpoints.iter().map(|endpoint| document(seen, endpoint, &mut taken, notes)).collect()
}

fn document(
    seen: &Seen<'_>,
    endpoint: &Selected<'_>,
    taken: &mut BTreeSet<String>,
    notes: &mut Vec<String>,
) -> Value {
    let Selected { id, live, service } = endpoint;
    let group = id.resource_group().unwrap_or_default();
    let name = free_name(taken, &[id.name().to_owned(), format!("{}-{group}", id.name())]);
    let mut spec = Map::new();
    if name != id.name() {
        spec.insert("name".to_owned(), id.name().into());
    }
    let subscription = id.subscription().unwrap_or_default();
    if !subscription.eq_ignore_ascii_case(&seen.place.subscription) {
        spec.insert("subscription".to_owned(), subscription.into());
    }
    spec.insert("resourceGroup".to_owned(), group.into());
    let subnet = ResourceId::new(live.subnet());
    if let Some(location) = region(seen.live, live, &subnet) {
        spec.insert("location".to_owned(), location.into());
    }
    spec.insert("subnet".to_owned(), subnet_of(id, &subnet));
    if let Some((asked, is_manual)) = live.connection() {
        if asked.name() != id.name() {
            spec.insert("connectionName".to_owned(), asked.name().into());
        }
        spec.insert("target".to_owned(), target(asked.target(), service.as_ref()));
        let approval = if is_manual { "Manual" } else { "Automatic" };
        spec.insert("approval".to_owned(), approval.into());
        let message = asked.properties.request_message.as_deref().unwrap_or_default();
        if !message.is_empty() {
            spec.insert("requestMessage".to_owned(), message.into());
        }
    }
    if let Some(address) = live.asked_address().filter(|address| !address.is_empty()) {
        spec.insert("address".to_owned(), address.into());
    }
    if let Some(dns) = dns(seen, id, live, notes) {
        spec.insert("dns".to_owned(), dns);
    }
    note_unsaid(id, live, notes);
    let mut metadata = json!({"name": name});
    let tags = live.tags.as_ref();
    let is_protected =
        tags.is_some_and(|tags| tags.get(PROTECT_TAG).is_some_and(|it| it == "true"));
    if let Some(metadata) = metadata.as_object_mut().filter(|_| is_protected) {
        metadata.insert("labels".to_owned(), json!({PROTECT_LABEL: "true"}));
    }
    json!({
        "apiVersion": API_VERSION,
        "kind": "PrivateEndpoint",
        "metadata": metadata,
        "spec": spec,
    })
}

/// The endpoint's region, unless its virtual network tells it.
fn region(
    inventory: &Inventory<'_>,
    live: &PrivateEndpoint,
    subnet: &ResourceId,
) -> Option<String> {
    let own = location::plain(live.location.as_deref().unwrap_or_default());
    let network = subnet.parent()?;
    let of_network = match inventory.resource(&network) {
        Observation::Present(network) => location::plain(text(network, "/location")),
        _ => String::new(),
    };
    (own != of_network && !own.is_empty()).then_some(own)
}

fn subnet_of(endpoint: &ResourceId, subnet: &ResourceId) -> Value {
    let network = subnet.parent();
    let group_of = |id: &ResourceId| {
        Some((id.subscription()?.to_lowercase(), id.resource_group()?.to_lowercase()))
    };
    match network.filter(|_| group_of(endpoint) == group_of(subnet)) {
        Some(network) => json!({"virtualNetwork": network.name(), "name": subnet.name()}),
        None => json!({"id": subnet.as_str()}),
    }
}

fn target(asked: &str, service: Option<&Key>) -> Value {
    match (service, asked) {
        (Some(key), _) => json!({"service": {"namespace": key.namespace, "name": key.name}}),
        (None, id) if id.starts_with('/') => json!({"id": id}),
        (None, alias) => json!({"alias": alias}),
    }
}

/// The endpoint's name in a private DNS zone.
fn dns(
    seen: &Seen<'_>,
    id: &ResourceId,
    live: &PrivateEndpoint,
    notes: &mut Vec<String>,
) -> Option<Value> {
    if seen.live.zone_groups(id).any(|group| join::is_of_policy(group.name())) {
        notes.push(format!(
            "the zone group deployedByPolicy of private endpoint {id} is left to Azure Policy, which made it"
        ));
        return None;
    }
    let mut groups = seen.live.zone_groups(id);
    if let Some(group) = groups.next() {
        if groups.next().is_some() {
            notes.push(format!(
                "the private endpoint {id} has several DNS zone groups, of which one is imported"
            ));
        }
        return Some(zone_group(id, group));
    }
    match seen.live.address_of(live) {
        Ok(address) => record(seen, id, address?, notes),
        Err(why) => {
            notes.push(format!(
                "whether a DNS record leads to the private endpoint {id} is not known, since its address is not: \
                 {why}; add `dns.record` where one does, or an apply may delete it"
            ));
            None
        }
    }
}

fn zone_group(endpoint: &ResourceId, group: &ZoneGroup) -> Value {
    let configs = group.properties.private_dns_zone_configs.iter().flatten();
    let zones = configs.map(ZoneConfig::zone).filter(|zone| !zone.is_empty());
    let zones: Vec<Value> = zones.map(|zone| zone_of(endpoint, &ResourceId::new(zone))).collect();
    let mut said = Map::new();
    let name = group.name();
    if name != "default" && !name.is_empty() {
        said.insert("name".to_owned(), name.into());
    }
    said.insert("zones".to_owned(), zones.into());
    json!({"zoneGroup": said})
}

/// A zone: by name, where it lies with the endpoint, else by id.
fn zone_of(endpoint: &ResourceId, zone: &ResourceId) -> Value {
    let by_name = crate::node::dns_record::zone_id(zone.name(), endpoint);
    if by_name == *zone { zone.name().into() } else { zone.as_str().into() }
}

/// The record that leads to an address, if privlink would write just that one.
fn record(
    seen: &Seen<'_>,
    endpoint: &ResourceId,
    address: &str,
    notes: &mut Vec<String>,
) -> Option<Value> {
    let mut found: Vec<(bool, ResourceId)> = Vec::new();
    for record in seen.live.records() {
        let property = |name: &str| record.get("properties").and_then(|it| it.get(name));
        let leads = |it: &Value| it.as_str() == Some(address);
        if !crate::node::dns_record::addresses(record).any(leads) {
            continue;
        }
        let id = ResourceId::new(text(record, "/id"));
        let stack = property("metadata").and_then(|it| it.get(STACK_TAG)?.as_str());
        let ttl = property("ttl").or_else(|| property("TTL")).and_then(Value::as_u64);
        match stack {
            Some(stack) if stack == seen.stack => found.push((true, id)),
            None if crate::node::dns_record::addresses(record).count() == 1
                && ttl == Some(crate::node::dns_record::TTL) =>
            {
                found.push((false, id));
            }
            _ => notes.push(format!(
                "the DNS record {id} leads to {} and is not one that privlink keeps",
                endpoint.name()
            )),
        }
    }
    // The stack's own goes before one that just looks alike.
    found.sort_by(|one, other| (!one.0, &one.1).cmp(&(!other.0, &other.1)));
    let mut found = found.into_iter().map(|(_, id)| id);
    let record = found.next()?;
    notes.extend(found.map(|id| {
        format!("the DNS record {id} leads to {} too, and a document has one", endpoint.name())
    }));
    let zone = zone_of(endpoint, &record.parent()?);
    Some(json!({"record": {"zone": zone, "name": record.name()}}))
}

/// Says what a document cannot.
fn note_unsaid(id: &ResourceId, live: &PrivateEndpoint, notes: &mut Vec<String>) {
    let mut unsaid = Vec::new();
    let PrivateEndpointProperties {
        private_link_service_connections: automatic,
        manual_private_link_service_connections: manual,
        ip_configurations,
        custom_network_interface_name,
        application_security_groups,
        ..
    } = &live.properties;
    if live.tags.iter().flatten().any(|(tag, _)| !MARKS.contains(&tag.as_str())) {
        unsaid.push("tags");
    }
    if application_security_groups.iter().flatten().next().is_some() {
        unsaid.push("application security groups");
    }
    if ip_configurations.iter().flatten().count() > 1 {
        unsaid.push("further addresses");
    }
    if automatic.iter().flatten().chain(manual.iter().flatten()).count() > 1 {
        unsaid.push("further connections");
    }
    if custom_network_interface_name.as_ref().is_some_and(|name| !name.is_empty()) {
        unsaid.push("the name of its network interface");
    }
    if !unsaid.is_empty() {
        notes.push(format!(
            "the private endpoint {id} has what a document cannot say; it stays until the endpoint is re-created: {}",
            unsaid.join(", ")
        ));
    }
}
