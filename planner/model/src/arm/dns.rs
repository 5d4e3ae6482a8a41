//! Private DNS: zones, their links to virtual networks, and records.
//!
//! Zones are `Microsoft.Network/privateDnsZones`, records `.../privateDnsZones/ZONE/TYPE/NAME`. Etags
//! are bare, but for those of links, which are quoted; ids and names come back in lower case, those of
//! records aside (recorded).

mod precondition;

use std::sync::Arc;

use serde_json::Value;

use crate::resource_id::ResourceId;

use super::arm_type::{ArmType, type_of};
use super::azure::{Azure, Done, missing_reference, parse, succeeded};
use super::error::ArmError;
use super::resource::{
    PrivateDnsZone, PrivateDnsZoneProperties, RecordSet, RecordSetProperties, Reference, ZoneLink,
    ZoneLinkProperties,
};

pub(super) const ZONES: &str = ArmType::PrivateDnsZone.name();
/// The record types private DNS has.
const TYPES: [&str; 8] = ["A", "AAAA", "CNAME", "MX", "PTR", "SOA", "SRV", "TXT"];

fn zone_of(id: &ResourceId) -> Option<ResourceId> {
    let name = id.segment("privateDnsZones")?;
    let key = id.key();
    let at = key.find("/privatednszones/")? + "/privatednszones/".len() + name.len();
    id.as_str().get(..at).map(ResourceId::new)
}

/// 404 of the zone that a link or a record is to be in. Private DNS leaves out its namespace, and names the
/// whole id of the zone.
pub fn missing_zone(verb: &str, kind: &str, zone: &ResourceId) -> ArmError {
    let kind = format!("privateDnsZones/{kind}");
    super::error::missing_parent(verb, &kind, zone.as_str())
}

impl Azure<'_> {
    /// A PUT of a private DNS zone, a link of one, or a record. `if_none_match` is true for
    /// `If-None-Match: *`: only create.
    ///
    /// # Errors
    /// ARM's refusal: 412, a missing zone or network, a bad record.
    pub fn put_private_dns(
        &mut self,
        id: &ResourceId,
        body: &Value,
        if_match: Option<&str>,
        if_none_match: bool,
    ) -> Result<Done, ArmError> {
        self.strike("PUT", id.as_str())?;
        let key = id.key();
        let is_there = self.world.holds(id);
        precondition::check_etag(id, self.etag_of_dns(&key).as_deref(), if_match)?;
        if if_none_match && is_there {
            return Err(precondition::exists(id));
        }
        let zone = zone_of(id).unwrap_or_default();
        let kind = type_of(&key);
        if kind != ArmType::PrivateDnsZone
            && !self.world.private_dns_zones.contains_key(&zone.key())
        {
            let kind = id.collection().map(|it| it.name().to_owned()).unwrap_or_default();
            return Err(missing_zone("write", &kind, &zone));
        }
        match kind {
            ArmType::PrivateDnsZone => {
                let zone = self.zone(id, parse(body.clone())?)?;
                self.world.private_dns_zones.insert(key, Arc::new(zone));
            }
            ArmType::ZoneLink => {
                let link = self.link(id, parse(body.clone())?)?;
                self.world.zone_links.insert(key, Arc::new(link));
            }
            _ => {
                let record = self.record(id, &zone, parse(body.clone())?)?;
                self.world.record_sets.insert(key, Arc::new(record));
            }
        }
        self.count_records(&zone);
        Ok(if is_there { Done::Updated } else { Done::Created })
    }

    /// The etag of a zone, a link or a record.
    fn etag_of_dns(&self, key: &str) -> Option<String> {
        let zone = self.world.private_dns_zones.get(key).map(|it| it.etag.clone());
        let link = || self.world.zone_links.get(key).map(|it| it.etag.clone());
        let record = || self.world.record_sets.get(key).map(|it| it.etag.clone());
        zone.or_else(link).or_else(record).flatten()
    }

    fn zone(&mut self, id: &ResourceId, body: PrivateDnsZone) -> Result<PrivateDnsZone, ArmError> {
        let location = body.location.unwrap_or_default();
        if !location.eq_ignore_ascii_case("global") {
            return Err(ArmError::new(
                400,
                "LocationNotAvailableForResourceType",
                format!(
                    "The provided location '{location}' is not available for resource type '{ZONES}'. List of available regions for the resource type is 'global'."
                ),
            ));
        }
        let own = in_lower_case(id);
        let guid = self.allocator.guid(id);
        let existing = self.world.private_dns_zones.get(&id.key());
        let properties = existing.map(|existing| existing.properties.clone());
        Ok(PrivateDnsZone {
            id: Some(own.as_str().to_owned()),
            name: Some(own.name().to_owned()),
            kind: Some(ZONES.to_owned()),
            etag: Some(self.allocator.etag(id)),
            location: Some("global".to_owned()),
            tags: body.tags.filter(|tags| !tags.is_empty()),
            properties: properties.unwrap_or_else(|| PrivateDnsZoneProperties {
                internal_id: Some(guid),
                provisioning_state: succeeded(),
                max_number_of_record_sets: Some(25_000),
                max_number_of_virtual_network_links: Some(1_000),
                max_number_of_virtual_network_links_with_registration: Some(100),
                ..PrivateDnsZoneProperties::default()
            }),
            ..PrivateDnsZone::default()
        })
    }

    fn link(&mut self, id: &ResourceId, body: ZoneLink) -> Result<ZoneLink, ArmError> {
        let asked = body.properties;
        let network = asked.virtual_network.unwrap_or_default();
        if !self.world.virtual_networks.contains_key(&network.id().to_lowercase()) {
            return Err(missing_reference(network.id(), id));
        }
        self.check_namespace(id, network.id())?;
        let registration = asked.registration_enabled.unwrap_or_default();
        let own = in_lower_case(id);
        // Recorded where records are not registered; a link that registers shows none.
        let usual = (!registration).then(|| "Default".to_owned());
        Ok(ZoneLink {
            id: Some(own.as_str().to_owned()),
            name: Some(own.name().to_owned()),
            kind: Some(format!("{ZONES}/virtualNetworkLinks")),
            etag: Some(format!("\"{}\"", self.allocator.etag(id))),
            location: Some("global".to_owned()),
            tags: body.tags.filter(|tags| !tags.is_empty()),
            properties: ZoneLinkProperties {
                provisioning_state: succeeded(),
                registration_enabled: Some(registration),
                virtual_network: Some(Reference::to(network.id())),
                virtual_network_link_state: Some("Completed".to_owned()),
                resolution_policy: asked.resolution_policy.or(usual),
                ..ZoneLinkProperties::default()
            },
            ..ZoneLink::default()
        })
    }

    /// A virtual network is linked to one zone of a name (MicrosoftDocs/azure-aks-docs#212). Azure says so of
    /// names that overlap, but all that are quoted are the same.
    fn check_namespace(&self, id: &ResourceId, network: &str) -> Result<(), ArmError> {
        let zone = id.segment("privateDnsZones").unwrap_or_default();
        let is_in_the_way = |(key, link): &(&String, &Arc<ZoneLink>)| {
            let linked = link.properties.virtual_network.as_ref().map(Reference::id);
            let other = ResourceId::new(link.id());
            let other = other.segment("privateDnsZones").unwrap_or_default();
            **key != id.key()
                && linked.is_some_and(|linked| linked.eq_ignore_ascii_case(network))
                && other.eq_ignore_ascii_case(zone)
        };
        if !self.world.zone_links.iter().any(|it| is_in_the_way(&it)) {
            return Ok(());
        }
        Err(ArmError::new(
            400,
            "BadRequest",
            format!(
                "A virtual network cannot be linked to multiple zones with overlapping namespaces. You tried to link virtual network with '{zone}' and '{zone}' zones."
            ),
        ))
    }

    fn record(
        &mut self,
        id: &ResourceId,
        zone: &ResourceId,
        body: RecordSet,
    ) -> Result<RecordSet, ArmError> {
        let kind = id.collection().map(|it| it.name().to_uppercase()).unwrap_or_default();
        let bad = |message: String| Err(ArmError::new(400, "BadRequest", message));
        if !TYPES.contains(&kind.as_str()) {
            return bad(format!("The record type '{kind}' is not supported."));
        }
        if kind == "A" {
            let records = body.properties.a_records.as_deref().unwrap_or_default();
            let good = !records.is_empty()
                && records.iter().all(|record| {
                    let address = record.address();
                    address.parse::<std::net::Ipv4Addr>().is_ok()
                        || crate::unknown::is_unknown(address)
                });
            if !good {
                return bad(format!("The record set '{}' has no valid IPv4 address.", id.name()));
            }
        }
        if body.properties.ttl.is_none() {
            return bad(format!("The record set '{}' has no TTL.", id.name()));
        }
        Ok(RecordSet {
            id: Some(in_lower_case(zone).child(&kind, id.name()).as_str().to_owned()),
            name: Some(id.name().to_owned()),
            kind: Some(format!("{ZONES}/{kind}")),
            etag: Some(self.allocator.etag(id)),
            properties: RecordSetProperties {
                fqdn: Some(fqdn(id.name(), zone.name())),
                is_auto_registered: Some(false),
                ..body.properties
            },
            ..RecordSet::default()
        })
    }

    /// Shows in a zone how many records and links it has.
    pub(super) fn count_records(&mut self, zone: &ResourceId) {
        let prefix = format!("{}/", zone.key());
        let below = |key: &&String| key.starts_with(&prefix);
        let records = self.world.record_sets.range(prefix.clone()..).map(|(key, _)| key);
        let records = records.take_while(below).filter(|key| !key.ends_with("/soa/@"));
        let records = records.count() as u64;
        let links = self.world.zone_links.range(prefix.clone()..);
        let links = links.take_while(|(key, _)| below(key)).map(|(_, link)| link);
        let (mut linked, mut registering) = (0, 0);
        for link in links {
            linked += 1;
            registering += u64::from(link.properties.registration_enabled == Some(true));
        }
        let Some(zone) = self.world.private_dns_zones.get_mut(&zone.key()) else { return };
        let counts = &mut Arc::make_mut(zone).properties;
        // Its SOA record is one more.
        counts.number_of_record_sets = Some(records + 1);
        counts.number_of_virtual_network_links = Some(linked);
        counts.number_of_virtual_network_links_with_registration = Some(registering);
    }

    /// A DELETE of a private DNS zone, a link of one, or a record. Records go with their zone.
    ///
    /// # Errors
    /// 412; 409 for a zone that has links.
    pub fn delete_private_dns(
        &mut self,
        id: &ResourceId,
        if_match: Option<&str>,
    ) -> Result<Done, ArmError> {
        self.strike("DELETE", id.as_str())?;
        let key = id.key();
        if !self.world.holds(id) {
            return Ok(Done::Absent);
        }
        precondition::check_etag(id, self.etag_of_dns(&key).as_deref(), if_match)?;
        let zone = zone_of(id).unwrap_or_default();
        if zone == *id {
            let prefix = format!("{key}/");
            let mut links = self.world.zone_links.range(prefix.clone()..);
            if let Some((_, link)) = links.next().filter(|(key, _)| key.starts_with(&prefix)) {
                let nested = link.id();
                let nested = nested.rsplit_once("/providers/").map_or(nested, |(_, nested)| nested);
                return Err(ArmError::new(
                    409,
                    "CannotDeleteResource",
                    format!(
                        "Cannot delete resource while nested resources exist. Some existing nested resource IDs include: '{nested}'. Please delete all nested resources before deleting this resource.",
                    ),
                ));
            }
            self.world.record_sets.retain(|key, _| !key.starts_with(&prefix));
        }
        self.world.remove(id);
        self.count_records(&zone);
        Ok(Done::Deleted)
    }
}

/// The full name of a record. `@` is the zone itself.
pub fn fqdn(name: &str, zone: &str) -> String {
    if name == "@" { format!("{zone}.") } else { format!("{name}.{zone}.") }
}

/// An id of private DNS as Azure spells it: the group, the zone and the link in lower case.
fn in_lower_case(id: &ResourceId) -> ResourceId {
    let mut spelled: Vec<String> = Vec::new();
    for segment in id.as_str().split('/') {
        let named = spelled.last().is_some_and(|kind| {
            ["resourceGroups", "privateDnsZones", "virtualNetworkLinks"]
                .iter()
                .any(|name| name.eq_ignore_ascii_case(kind))
        });
        spelled.push(if named { segment.to_lowercase() } else { segment.to_owned() });
    }
    ResourceId::new(spelled.join("/"))
}

#[cfg(test)]
mod tests;
