//! Names of endpoints: A records, and zone groups through which Azure keeps them.

use serde_json::{Value, json};

use crate::address::{Address, Kind};
use crate::desired::{Dns, PrivateEndpoint};
use crate::marks::{DNS_TAG, STACK_TAG};
use crate::pointer::At;
use crate::resource_id::ResourceId;

/// How long resolvers may keep a record, in seconds: what Azure's own zone groups use.
pub(crate) const TTL: u32 = 10;

/// The id of a private DNS zone that was written as a name or as an id.
pub fn zone_id(zone: &str, endpoint: &ResourceId) -> ResourceId {
    if zone.starts_with('/') {
        return ResourceId::new(zone);
    }
    let (subscription, group) = (
        endpoint.subscription().unwrap_or_default(),
        endpoint.resource_group().unwrap_or_default(),
    );
    ResourceId::in_group(subscription, group, "Microsoft.Network/privateDnsZones", zone)
}

/// The resource an endpoint's name is kept in, and its address.
pub fn target(endpoint: &PrivateEndpoint, id: &ResourceId) -> Option<(Address, ResourceId)> {
    match endpoint.dns.as_ref()? {
        Dns::Record { zone, name } => {
            let zone = zone_id(zone, id);
            let address = Address::new(Kind::DnsRecord, format!("{}/{}", zone.name(), name.value));
            Some((address, zone.child("A", name)))
        }
        Dns::ZoneGroup { name, .. } => {
            let name = name.as_ref().map_or("default", |name| name.as_str());
            let address = Address::new(Kind::DnsRecord, format!("{}/{name}", id.name()));
            Some((address, id.child("privateDnsZoneGroups", name)))
        }
    }
}

/// Where privlink keeps the name of an endpoint, as its tag says: the id of a record, or the name of a
/// zone group. ARM takes 256 characters for a tag; a longer id is left out.
pub fn place(endpoint: &PrivateEndpoint, id: &ResourceId) -> Option<String> {
    let (_, target) = target(endpoint, id)?;
    let place = match endpoint.dns.as_ref()? {
        Dns::Record { .. } => target.as_str().to_owned(),
        Dns::ZoneGroup { .. } => target.name().to_owned(),
    };
    (place.len() <= 256).then_some(place)
}

/// Where the name of a live endpoint is kept.
pub fn tag(live: &Value) -> Option<&str> {
    live.get("tags")?.get(DNS_TAG)?.as_str()
}

pub(crate) fn stack_of(record: &Value) -> Option<&str> {
    record.at("/properties/metadata")?.get(STACK_TAG)?.as_str()
}

pub(crate) fn record(address: &str, stack: &str) -> Value {
    json!({"properties": {
        "ttl": TTL,
        "aRecords": [{"ipv4Address": address}],
        "metadata": {STACK_TAG: stack},
    }})
}

pub(crate) fn group(zones: &[ResourceId]) -> Value {
    let configs: Vec<Value> = zones
        .iter()
        .map(|zone| {
            let name = zone.name().replace('.', "-");
            json!({"name": name, "properties": {"privateDnsZoneId": zone.as_str()}})
        })
        .collect();
    json!({"properties": {"privateDnsZoneConfigs": configs}})
}

/// What a plan uses of a live record or zone group.
pub fn bound(live: &Value) -> Value {
    comparable(live)
}

/// The addresses a record leads to. Azure spells the field both ways, by API version.
pub(crate) fn addresses(record: &Value) -> impl Iterator<Item = &Value> {
    let property = |name: &str| record.get("properties").and_then(|it| it.get(name));
    let list = property("aRecords").or_else(|| property("ARecords")).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|entry| entry.get("ipv4Address"))
}

/// What of a record or zone group is compared.
pub(crate) fn comparable(value: &Value) -> Value {
    let property = |name: &str| value.at(&format!("/properties/{name}")).cloned();
    if let Some(Value::Array(configs)) = property("privateDnsZoneConfigs") {
        let mut zones: Vec<String> = configs
            .iter()
            .filter_map(|config| config.at("/properties/privateDnsZoneId")?.as_str())
            .map(str::to_lowercase)
            .collect();
        zones.sort();
        return json!({"privateDnsZoneConfigs": zones});
    }
    // Azure spells the field both ways, by API version.
    json!({
        "ttl": property("ttl").or_else(|| property("TTL")),
        "aRecords": property("aRecords").or_else(|| property("ARecords")),
        "metadata": {STACK_TAG: stack_of(value)},
    })
}
