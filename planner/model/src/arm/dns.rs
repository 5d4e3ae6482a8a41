//! Private DNS: zones, their links to virtual networks, records, and the zone groups of endpoints.
//!
//! Zones are `Microsoft.Network/privateDnsZones`, records `.../privateDnsZones/ZONE/TYPE/NAME`. Etags
//! are bare, but for those of links, which are quoted; ids and names come back in lower case, those of
//! records aside (recorded). A zone group makes an A record for every name its endpoint
//! has in one of the group's zones; endpoints of a PLS have the PLS's `fqdns` (guessed: the
//! documentation speaks of Azure services only).

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::pointer::{At, text};
use crate::resource_id::ResourceId;

use super::azure::{Azure, Done, check_match, missing_reference};
use super::error::ArmError;
use super::private_endpoint::addresses_of;

const ZONES: &str = "Microsoft.Network/privateDnsZones";
/// The record types private DNS has.
const TYPES: [&str; 8] = ["A", "AAAA", "CNAME", "MX", "PTR", "SOA", "SRV", "TXT"];
/// The time to live of the records of zone groups, in seconds.
const GROUP_TTL: u32 = 10;

fn zone_of(id: &ResourceId) -> Option<ResourceId> {
    let name = id.segment("privateDnsZones")?;
    let key = id.key();
    let at = key.find("/privatednszones/")? + "/privatednszones/".len() + name.len();
    id.as_str().get(..at).map(ResourceId::new)
}

fn missing_parent(id: &ResourceId, kind: &str, parent: &ResourceId) -> ArmError {
    let provider = parent.as_str().rsplit_once("/providers/").map_or("", |(_, path)| path);
    ArmError::new(
        404,
        "ParentResourceNotFound",
        format!(
            "Failed to perform 'write' on resource(s) of type '{kind}', because the parent resource '{provider}' could not be found. ({})",
            id.name()
        ),
    )
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
        let existing = self.world.get(id);
        let etag = existing.as_ref().map(|it| text(it, "/etag").to_owned());
        check_match(id, etag.as_deref(), if_match)?;
        if if_none_match && existing.is_some() {
            return Err(ArmError::new(
                412,
                "PreconditionFailed",
                format!("The resource {id} already exists."),
            ));
        }
        let zone = zone_of(id).unwrap_or_default();
        let resource = if zone == *id {
            self.zone(id, body, existing.as_ref())?
        } else if self.world.get(&zone).is_none() {
            return Err(missing_parent(id, ZONES, &zone));
        } else if id.segment("virtualNetworkLinks").is_some() {
            self.link(id, body)?
        } else {
            self.record(id, &zone, body)?
        };
        self.world.others.insert(id.key(), Arc::new(resource));
        self.count_records(&zone);
        Ok(if existing.is_some() { Done::Updated } else { Done::Created })
    }

    fn zone(
        &mut self,
        id: &ResourceId,
        body: &Value,
        existing: Option<&Value>,
    ) -> Result<Value, ArmError> {
        if !text(body, "/location").eq_ignore_ascii_case("global") {
            return Err(ArmError::new(
                400,
                "LocationNotAvailableForResourceType",
                format!(
                    "The provided location '{}' is not available for resource type '{ZONES}'. List of available regions for the resource type is 'global'.",
                    text(body, "/location")
                ),
            ));
        }
        let properties = existing.and_then(|existing| existing.get("properties").cloned());
        let own = in_lower_case(id);
        let guid = self.hand.guid(id);
        let mut zone = json!({
            "id": own.as_str(),
            "name": own.name(),
            "type": ZONES,
            "etag": self.hand.etag(id),
            "location": "global",
            "properties": properties.unwrap_or_else(|| json!({
                "internalId": guid,
                "provisioningState": "Succeeded",
                "maxNumberOfRecordSets": 25000,
                "maxNumberOfVirtualNetworkLinks": 1000,
                "maxNumberOfVirtualNetworkLinksWithRegistration": 100,
                "numberOfRecordSets": 1,
                "numberOfVirtualNetworkLinks": 0,
                "numberOfVirtualNetworkLinksWithRegistration": 0,
            })),
        });
        keep_tags(&mut zone, body);
        Ok(zone)
    }

    fn link(&mut self, id: &ResourceId, body: &Value) -> Result<Value, ArmError> {
        let network = text(body, "/properties/virtualNetwork/id");
        if !self.world.virtual_networks.contains_key(&network.to_lowercase()) {
            return Err(missing_reference(network, id));
        }
        let registration = body.at("/properties/registrationEnabled").and_then(Value::as_bool);
        let registration = registration.unwrap_or_default();
        let own = in_lower_case(id);
        let mut link = json!({
            "id": own.as_str(),
            "name": own.name(),
            "type": format!("{ZONES}/virtualNetworkLinks"),
            "etag": format!("\"{}\"", self.hand.etag(id)),
            "location": "global",
            "properties": {
                "provisioningState": "Succeeded",
                "registrationEnabled": registration,
                "virtualNetwork": {"id": network},
                "virtualNetworkLinkState": "Completed",
            },
        });
        // Recorded where records are not registered; a link that registers shows none.
        let policy = body.at("/properties/resolutionPolicy").cloned();
        if let Some(policy) = policy.or_else(|| (!registration).then(|| json!("Default")))
            && let Some(properties) = link.get_mut("properties").and_then(Value::as_object_mut)
        {
            properties.insert("resolutionPolicy".to_owned(), policy);
        }
        keep_tags(&mut link, body);
        Ok(link)
    }

    fn record(
        &mut self,
        id: &ResourceId,
        zone: &ResourceId,
        body: &Value,
    ) -> Result<Value, ArmError> {
        let kind = id.collection().map(|it| it.name().to_uppercase()).unwrap_or_default();
        let bad = |message: String| Err(ArmError::new(400, "BadRequest", message));
        if !TYPES.contains(&kind.as_str()) {
            return bad(format!("The record type '{kind}' is not supported."));
        }
        let mut properties: Map<String, Value> =
            body.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        if kind == "A" {
            let records = properties.get("aRecords").and_then(Value::as_array);
            let records = records.cloned().unwrap_or_default();
            let good = !records.is_empty()
                && records.iter().all(|record| {
                    let address = text(record, "/ipv4Address");
                    address.parse::<std::net::Ipv4Addr>().is_ok()
                        || crate::unknown::is_unknown(address)
                });
            if !good {
                return bad(format!("The record set '{}' has no valid IPv4 address.", id.name()));
            }
        }
        if !properties.get("ttl").is_some_and(Value::is_u64) {
            return bad(format!("The record set '{}' has no TTL.", id.name()));
        }
        properties.insert("fqdn".to_owned(), json!(format!("{}.{}.", id.name(), zone.name())));
        properties.insert("isAutoRegistered".to_owned(), json!(false));
        Ok(json!({
            "id": in_lower_case(zone).child(&kind, id.name()).as_str(),
            "name": id.name(),
            "type": format!("{ZONES}/{kind}"),
            "etag": self.hand.etag(id),
            "properties": properties,
        }))
    }

    /// Shows in a zone how many records and links it has.
    fn count_records(&mut self, zone: &ResourceId) {
        let prefix = format!("{}/", zone.key());
        let links = format!("{prefix}virtualnetworklinks/");
        let (mut records, mut linked, mut registering) = (1_u64, 0_u64, 0_u64);
        for (key, resource) in self.world.others.range(prefix.clone()..) {
            if !key.starts_with(&prefix) {
                break;
            }
            *if key.starts_with(&links) { &mut linked } else { &mut records } += 1;
            let registers = resource.at("/properties/registrationEnabled");
            registering += u64::from(registers == Some(&json!(true)));
        }
        let Some(resource) = self.world.others.get_mut(&zone.key()) else { return };
        let counts =
            Arc::make_mut(resource).pointer_mut("/properties").and_then(Value::as_object_mut);
        if let Some(counts) = counts {
            counts.insert("numberOfRecordSets".to_owned(), json!(records));
            counts.insert("numberOfVirtualNetworkLinks".to_owned(), json!(linked));
            let name = "numberOfVirtualNetworkLinksWithRegistration";
            counts.insert(name.to_owned(), json!(registering));
        }
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
        let Some(existing) = self.world.get(id) else { return Ok(Done::Absent) };
        check_match(id, Some(text(&existing, "/etag")), if_match)?;
        let zone = zone_of(id).unwrap_or_default();
        if zone == *id {
            if let Some(link) = self.world.list(&format!("{id}/virtualNetworkLinks")).first() {
                return Err(ArmError::new(
                    409,
                    "CannotDeleteResource",
                    format!(
                        "Cannot delete resource while nested resources exist. Some existing nested resource IDs include: '{}'. Please delete all nested resources before deleting this resource.",
                        text(link, "/id")
                    ),
                ));
            }
            let prefix = format!("{}/", id.key());
            self.world.others.retain(|key, _| !key.starts_with(&prefix));
        }
        self.world.remove(id);
        self.count_records(&zone);
        Ok(Done::Deleted)
    }

    /// A PUT of a zone group of an endpoint. An endpoint has one at most.
    ///
    /// # Errors
    /// 404 without the endpoint, 412, a missing zone, a second group.
    pub fn put_zone_group(
        &mut self,
        id: &ResourceId,
        body: &Value,
        if_match: Option<&str>,
    ) -> Result<Done, ArmError> {
        self.strike("PUT", id.as_str())?;
        let endpoint_id = id.parent().unwrap_or_default();
        let Some(endpoint) = self.world.get(&endpoint_id) else {
            return Err(missing_parent(
                id,
                "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
                &endpoint_id,
            ));
        };
        let existing = self.world.get(id);
        let etag = existing.as_ref().map(|it| text(it, "/etag").to_owned());
        check_match(id, etag.as_deref(), if_match)?;
        let groups = self.world.list(&format!("{endpoint_id}/privateDnsZoneGroups"));
        if existing.is_none() && !groups.is_empty() {
            // The limit is documented (arm-contract, section 3), the code is synthetic.
            return Err(ArmError::new(
                400,
                "PrivateEndpointCannotHaveMoreThanOnePrivateDnsZoneGroup",
                format!("Private endpoint {endpoint_id} already has a private DNS zone group."),
            ));
        }
        self.remove_group_records(existing.as_ref());
        let etag = self.hand.etag(id);
        let mut configs = Vec::new();
        let wanted = body.at("/properties/privateDnsZoneConfigs").and_then(Value::as_array);
        for config in wanted.into_iter().flatten() {
            let zone = text(config, "/properties/privateDnsZoneId");
            let Some(live) = self.world.get(&ResourceId::new(zone)) else {
                return Err(missing_reference(zone, id));
            };
            let records = self.add_group_records(&endpoint, &ResourceId::new(text(&live, "/id")));
            let name = text(config, "/name");
            configs.push(json!({
                "name": name,
                "id": id.child("privateDnsZoneConfigs", name).as_str(),
                "etag": etag,
                "type": "Microsoft.Network/privateEndpoints/privateDnsZoneGroups/privateDnsZoneConfigs",
                "properties": {
                    "provisioningState": "Succeeded",
                    "privateDnsZoneId": zone,
                    "recordSets": records,
                },
            }));
        }
        let group = json!({
            "name": id.name(),
            "id": id.as_str(),
            "etag": etag,
            "type": "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
            "properties": {"provisioningState": "Succeeded", "privateDnsZoneConfigs": configs},
        });
        self.world.others.insert(id.key(), Arc::new(group));
        Ok(if existing.is_some() { Done::Updated } else { Done::Created })
    }

    fn add_group_records(&mut self, endpoint: &Value, zone: &ResourceId) -> Vec<Value> {
        let addresses = addresses_of(self.world, endpoint);
        let names = endpoint.at("/properties/customDnsConfigs").and_then(Value::as_array);
        let names: Vec<String> = names
            .into_iter()
            .flatten()
            .map(|config| text(config, "/fqdn").to_lowercase())
            .collect();
        let suffix = format!(".{}", zone.name().to_lowercase());
        let mut records = Vec::new();
        for name in names.iter().filter_map(|name| name.strip_suffix(&suffix)) {
            let id = zone.child("A", name);
            let items: Vec<Value> =
                addresses.iter().map(|address| json!({"ipv4Address": address})).collect();
            let record = json!({
                "id": id.as_str(),
                "name": name,
                "type": format!("{ZONES}/A"),
                "etag": self.hand.etag(&id),
                "properties": {
                    "ttl": GROUP_TTL,
                    "fqdn": format!("{name}.{}.", zone.name()),
                    "aRecords": items,
                    "isAutoRegistered": false,
                },
            });
            self.world.others.insert(id.key(), Arc::new(record));
            records.push(json!({
                "recordType": "A",
                "recordSetName": name,
                "fqdn": format!("{name}.{}", zone.name()),
                "ttl": GROUP_TTL,
                "provisioningState": "Succeeded",
                "ipAddresses": addresses,
            }));
        }
        self.count_records(zone);
        records
    }

    fn remove_group_records(&mut self, group: Option<&Value>) {
        let configs = group.and_then(|group| group.at("/properties/privateDnsZoneConfigs"));
        for config in configs.and_then(Value::as_array).into_iter().flatten() {
            let zone = ResourceId::new(text(config, "/properties/privateDnsZoneId"));
            let records = config.at("/properties/recordSets").and_then(Value::as_array);
            for record in records.into_iter().flatten() {
                self.world.remove(&zone.child("A", text(record, "/recordSetName")));
            }
            self.count_records(&zone);
        }
    }

    /// A DELETE of a zone group, with the records it made.
    ///
    /// # Errors
    /// None of its own; an injected one.
    pub fn delete_zone_group(&mut self, id: &ResourceId) -> Result<Done, ArmError> {
        self.strike("DELETE", id.as_str())?;
        let Some(existing) = self.world.get(id) else { return Ok(Done::Absent) };
        self.remove_group_records(Some(&existing));
        self.world.remove(id);
        Ok(Done::Deleted)
    }
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

fn keep_tags(resource: &mut Value, body: &Value) {
    let tags =
        body.get("tags").filter(|tags| tags.as_object().is_some_and(|tags| !tags.is_empty()));
    if let (Some(tags), Some(resource)) = (tags, resource.as_object_mut()) {
        resource.insert("tags".to_owned(), tags.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::hand::Marks;
    use crate::arm::rules::Rules;
    use crate::arm::world::World;

    const GROUP: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network";

    fn with_azure<T>(world: &mut World, act: impl FnOnce(&mut Azure<'_>) -> T) -> T {
        let mut hand = Marks::default();
        let mut faults = Vec::new();
        act(&mut Azure::new(world, Rules::Azure, &mut hand, &mut faults))
    }

    #[test]
    fn a_record_needs_its_zone_an_address_and_a_ttl() {
        let mut world = World::default();
        let zone = ResourceId::new(format!("{GROUP}/privateDnsZones/z.example"));
        let record = zone.child("A", "app");
        let body = json!({"properties": {"ttl": 60, "aRecords": [{"ipv4Address": "10.0.0.4"}]}});
        let mut put = |id: &ResourceId, body: &Value| {
            with_azure(&mut world, |azure| azure.put_private_dns(id, body, None, false))
        };
        assert_eq!(put(&record, &body).unwrap_err().code, "ParentResourceNotFound");
        assert_eq!(
            put(&zone, &json!({"location": "eastus"})).unwrap_err().code,
            "LocationNotAvailableForResourceType"
        );
        assert_eq!(put(&zone, &json!({"location": "global"})), Ok(Done::Created));
        assert_eq!(put(&record, &body), Ok(Done::Created));
        let bad = json!({"properties": {"ttl": 60, "aRecords": [{"ipv4Address": "app"}]}});
        assert_eq!(put(&record, &bad).unwrap_err().code, "BadRequest");
        let bad = json!({"properties": {"aRecords": [{"ipv4Address": "10.0.0.4"}]}});
        assert_eq!(put(&record, &bad).unwrap_err().code, "BadRequest");
        let unknown = crate::unknown::mark("address", "pe");
        let body = json!({"properties": {"ttl": 60, "aRecords": [{"ipv4Address": unknown}]}});
        assert_eq!(put(&record, &body), Ok(Done::Updated), "a prediction may not know it yet");
        let live = world.get(&zone).unwrap();
        assert_eq!(live["properties"]["numberOfRecordSets"], 2);
    }

    #[test]
    fn a_zone_with_links_cannot_go() {
        let mut world = World::default();
        let network = format!("{GROUP}/virtualNetworks/v");
        world.insert(json!({"id": network, "name": "v", "properties": {}})).unwrap();
        let zone = ResourceId::new(format!("{GROUP}/privateDnsZones/z.example"));
        let link = zone.child("virtualNetworkLinks", "v");
        let body = json!({"location": "global", "properties": {"virtualNetwork": {"id": network}}});
        with_azure(&mut world, |azure| {
            azure.put_private_dns(&zone, &json!({"location": "global"}), None, false).unwrap();
            azure.put_private_dns(&link, &body, None, false).unwrap();
            let refused = azure.delete_private_dns(&zone, None).unwrap_err();
            assert_eq!((refused.status, refused.code.as_str()), (409, "CannotDeleteResource"));
            azure.delete_private_dns(&link, None).unwrap();
            assert_eq!(azure.delete_private_dns(&zone, None), Ok(Done::Deleted));
        });
        assert_eq!(world.get(&zone), None);
    }

    #[test]
    fn only_creating_refuses_what_is_there() {
        let mut world = World::default();
        let zone = ResourceId::new(format!("{GROUP}/privateDnsZones/z.example"));
        let body = json!({"location": "global"});
        with_azure(&mut world, |azure| {
            assert_eq!(azure.put_private_dns(&zone, &body, None, true), Ok(Done::Created));
            assert_eq!(azure.put_private_dns(&zone, &body, None, true).unwrap_err().status, 412);
        });
    }
}
