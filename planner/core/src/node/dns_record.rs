//! Names of endpoints: A records, and zone groups through which Azure keeps them.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::arm::arm_type::ArmType;
use crate::arm::resource::{
    ARecord, PrivateEndpoint as Live, RecordSet, RecordSetProperties, ZoneConfig,
    ZoneConfigProperties, ZoneGroup, ZoneGroupProperties,
};
use crate::arm::world::World;
use crate::desired::{Dns, PrivateEndpoint};
use crate::marks::{DNS_TAG, STACK_TAG, zone_config_name};
use crate::node_id::{Kind, NodeId};
use crate::pointer::At;
use crate::resource_id::ResourceId;

/// How long resolvers may keep a record, in seconds: what Azure's own zone groups use.
pub(crate) const TTL: u64 = 10;

/// The id of a private DNS zone that was written as a name or as an id.
pub fn zone_id(zone: &str, endpoint: &ResourceId) -> ResourceId {
    if zone.starts_with('/') {
        return ResourceId::new(zone);
    }
    let (subscription, group) = (
        endpoint.subscription().unwrap_or_default(),
        endpoint.resource_group().unwrap_or_default(),
    );
    ResourceId::in_group(subscription, group, ArmType::PrivateDnsZone.name(), zone)
}

/// The resource an endpoint's name is kept in, and its address.
pub fn target(endpoint: &PrivateEndpoint, id: &ResourceId) -> Option<(NodeId, ResourceId)> {
    match endpoint.dns.as_ref()? {
        Dns::Record { zone, name } => {
            let zone = zone_id(zone, id);
            let address = NodeId::new(Kind::DnsRecord, format!("{}/{}", zone.name(), name.value));
            Some((address, zone.child("A", name)))
        }
        Dns::ZoneGroup { name, .. } => {
            let name = name.as_ref().map_or("default", |name| name.as_str());
            let address = NodeId::new(Kind::DnsRecord, format!("{}/{name}", id.name()));
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

/// Where the name of a live endpoint is kept, by ARM's JSON of it.
pub fn tag(live: &Value) -> Option<&str> {
    live.get("tags")?.get(DNS_TAG)?.as_str()
}

/// Where the name of a live endpoint is kept.
pub(crate) fn place_of(live: &Live) -> Option<&str> {
    live.tags.as_ref()?.get(DNS_TAG).map(String::as_str)
}

pub(crate) fn stack_of(record: &Value) -> Option<&str> {
    record.at("/properties/metadata")?.get(STACK_TAG)?.as_str()
}

/// The record that is written.
pub(crate) fn record(address: &str, stack: &str) -> RecordSet {
    RecordSet {
        properties: RecordSetProperties {
            ttl: Some(TTL),
            a_records: Some(vec![ARecord::to(address)]),
            metadata: Some([(STACK_TAG.to_owned(), stack.to_owned())].into()),
            ..RecordSetProperties::default()
        },
        ..RecordSet::default()
    }
}

/// The zone group that is written.
pub(crate) fn group(zones: &[ResourceId]) -> ZoneGroup {
    let config = |zone: &ResourceId| ZoneConfig {
        name: Some(zone_config_name(zone.name())),
        properties: ZoneConfigProperties {
            private_dns_zone_id: Some(zone.as_str().to_owned()),
            ..ZoneConfigProperties::default()
        },
        ..ZoneConfig::default()
    };
    ZoneGroup {
        properties: ZoneGroupProperties {
            private_dns_zone_configs: Some(zones.iter().map(config).collect()),
            ..ZoneGroupProperties::default()
        },
        ..ZoneGroup::default()
    }
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

/// What of a record or zone group is compared, by ARM's JSON of it. One that does not fit its type is none: it
/// equals no other.
pub(crate) fn comparable(value: &Value) -> Value {
    match value.at("/properties/privateDnsZoneConfigs") {
        Some(Value::Array(_)) => {
            comparable_group(&ZoneGroup::deserialize(value).unwrap_or_default())
        }
        _ => comparable_record(&RecordSet::deserialize(value).unwrap_or_default()),
    }
}

/// What of a zone group is compared: its zones, in any order and spelling.
pub(crate) fn comparable_group(group: &ZoneGroup) -> Value {
    let configs = group.properties.private_dns_zone_configs.iter().flatten();
    let mut zones: Vec<String> = configs.map(|config| config.zone().to_lowercase()).collect();
    zones.sort();
    json!({"privateDnsZoneConfigs": zones})
}

/// What of a record is compared.
pub(crate) fn comparable_record(record: &RecordSet) -> Value {
    json!({
        "ttl": record.properties.ttl,
        "aRecords": record.properties.a_records,
        "metadata": {STACK_TAG: owner(record)},
    })
}

/// The stack whose mark a live record carries.
pub(crate) fn owner(record: &RecordSet) -> Option<&str> {
    record.properties.metadata.as_ref()?.get(STACK_TAG).map(String::as_str)
}

/// What keeps an endpoint's name, live or wanted: a record, or a zone group through which Azure keeps one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Entry<'a> {
    /// A record.
    Record(Cow<'a, RecordSet>),
    /// A zone group.
    Group(Cow<'a, ZoneGroup>),
}

impl<'a> Entry<'a> {
    /// The live one of an id, as far as the world shows it.
    pub(crate) fn of(world: &'a World, id: &ResourceId) -> Option<Self> {
        let key = id.key();
        let record = world.record_sets.get(&key).map(|it| Self::Record(Cow::Borrowed(it)));
        let group = || world.zone_groups.get(&key).map(|it| Self::Group(Cow::Borrowed(it)));
        record.or_else(group)
    }

    /// What of it is compared.
    pub(crate) fn comparable(&self) -> Value {
        match self {
            Self::Record(record) => comparable_record(record),
            Self::Group(group) => comparable_group(group),
        }
    }

    /// The body that is written.
    pub(crate) fn body(&self) -> Value {
        let body = match self {
            Self::Record(record) => serde_json::to_value(record),
            Self::Group(group) => serde_json::to_value(group),
        };
        body.unwrap_or_default()
    }

    /// Its etag.
    pub(crate) fn etag(&self) -> Option<&str> {
        match self {
            Self::Record(record) => record.etag.as_deref(),
            Self::Group(group) => group.etag.as_deref(),
        }
    }

    /// The stack whose mark it carries: a zone group carries none.
    pub(crate) fn owner(&self) -> Option<&str> {
        match self {
            Self::Record(record) => owner(record),
            Self::Group(_) => None,
        }
    }

    /// How it is provisioned; records show nothing.
    pub(crate) fn provisioning_state(&self) -> Option<&str> {
        match self {
            Self::Record(record) => {
                record.properties.other.get("provisioningState").and_then(Value::as_str)
            }
            Self::Group(group) => group.properties.provisioning_state.as_deref(),
        }
    }

    /// Who made and changed it, as Azure says it (`systemData`).
    pub(crate) fn system_data(&self) -> Option<&Value> {
        match self {
            Self::Record(record) => record.other.get("systemData"),
            Self::Group(group) => group.other.get("systemData"),
        }
    }
}
