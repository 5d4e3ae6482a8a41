//! Zone groups of private endpoints, through which Azure keeps their names in private DNS.
//!
//! A zone group makes an A record for every name its endpoint has in one of the group's zones; endpoints of a
//! PLS have the PLS's `fqdns` (guessed: the documentation speaks of Azure services only).

use std::sync::Arc;

use crate::resource_id::ResourceId;

use super::arm_type::ArmType;
use super::azure::{Azure, Done, check_match, missing_reference, succeeded};
use super::dns::ZONES;
use super::error::{ArmError, missing_parent};
use super::name::{check_child_names, check_name};
use super::private_endpoint::addresses_of;
use super::resource::{
    ARecord, GroupRecord, PrivateEndpoint, RecordSet, RecordSetProperties, ZoneConfig,
    ZoneConfigProperties, ZoneGroup, ZoneGroupProperties,
};

/// The time to live of the records of zone groups, in seconds.
const GROUP_TTL: u64 = 10;
/// How many zones a group can have (arm-contract, section 3).
const ZONES_IN_GROUP: usize = 5;

impl Azure<'_> {
    /// A PUT of a zone group of an endpoint. An endpoint has one at most.
    ///
    /// # Errors
    /// 404 without the endpoint, 412, a missing zone, a second group.
    pub fn put_zone_group(
        &mut self,
        id: &ResourceId,
        body: &ZoneGroup,
        if_match: Option<&str>,
    ) -> Result<Done, ArmError> {
        self.strike("PUT", id.as_str())?;
        check_name(id)?;
        let endpoint_id = id.parent().unwrap_or_default();
        let Some(endpoint) = self.world.private_endpoints.get(&endpoint_id.key()).cloned() else {
            let path = endpoint_id.as_str().rsplit_once("/providers/").map_or("", |(_, path)| path);
            return Err(missing_parent("write", ArmType::ZoneGroup.name(), path));
        };
        let existing = self.world.zone_groups.get(&id.key()).cloned();
        check_match(id, existing.as_ref().and_then(|it| it.etag.as_deref()), if_match)?;
        let others = format!("{}/privatednszonegroups/", endpoint_id.key());
        if existing.is_none() && self.world.keys_below(&others).next().is_some() {
            // The limit is documented (arm-contract, section 3), the code is synthetic.
            return Err(ArmError::new(
                400,
                "PrivateEndpointCannotHaveMoreThanOnePrivateDnsZoneGroup",
                format!("Private endpoint {endpoint_id} already has a private DNS zone group."),
            ));
        }
        let zones = self.zones_of_group(id, body)?;
        self.remove_group_records(existing.as_deref());
        let etag = self.allocator.etag(id);
        let mut configs = Vec::new();
        for (config, zone) in body.properties.private_dns_zone_configs.iter().flatten().zip(zones) {
            let records = self.add_group_records(&endpoint, &zone);
            let name = config.name();
            configs.push(ZoneConfig {
                name: Some(name.to_owned()),
                id: Some(id.child("privateDnsZoneConfigs", name).as_str().to_owned()),
                etag: Some(etag.clone()),
                kind: Some(ArmType::ZoneGroup.child("privateDnsZoneConfigs")),
                properties: ZoneConfigProperties {
                    provisioning_state: succeeded(),
                    private_dns_zone_id: Some(config.zone().to_owned()),
                    record_sets: Some(records),
                    ..ZoneConfigProperties::default()
                },
                ..ZoneConfig::default()
            });
        }
        let group = ZoneGroup {
            name: Some(id.name().to_owned()),
            id: Some(id.as_str().to_owned()),
            etag: Some(etag),
            kind: Some(ArmType::ZoneGroup.name().to_owned()),
            properties: ZoneGroupProperties {
                provisioning_state: succeeded(),
                private_dns_zone_configs: Some(configs),
                ..ZoneGroupProperties::default()
            },
            ..ZoneGroup::default()
        };
        self.world.zone_groups.insert(id.key(), Arc::new(group));
        Ok(if existing.is_some() { Done::Updated } else { Done::Created })
    }

    /// The zones of a group, in its order, as they spell themselves. Two with one name are refused
    /// (hashicorp/terraform-provider-azurerm#28966), and more than five (arm-contract, section 3; the code
    /// is synthetic).
    fn zones_of_group(
        &self,
        id: &ResourceId,
        body: &ZoneGroup,
    ) -> Result<Vec<ResourceId>, ArmError> {
        let configs = body.properties.private_dns_zone_configs.as_deref().unwrap_or_default();
        check_child_names(id, configs.iter().map(|config| config.name()))?;
        if configs.len() > ZONES_IN_GROUP {
            return Err(ArmError::new(
                400,
                "PrivateDnsZoneGroupHasTooManyPrivateDnsZoneConfigs",
                format!(
                    "Private DNS zone group {id} has {} zones; it can have {ZONES_IN_GROUP} at most.",
                    configs.len()
                ),
            ));
        }
        let zones = configs.iter().map(|config| {
            let live = self.world.private_dns_zones.get(&config.zone().to_ascii_lowercase());
            let live = live.ok_or_else(|| missing_reference(config.zone(), id))?;
            Ok(ResourceId::new(live.id()))
        });
        zones.collect()
    }

    fn add_group_records(
        &mut self,
        endpoint: &PrivateEndpoint,
        zone: &ResourceId,
    ) -> Vec<GroupRecord> {
        let interfaces = endpoint.properties.network_interfaces.as_deref().unwrap_or_default();
        let addresses = addresses_of(self.world, interfaces);
        let suffix = format!(".{}", zone.name().to_lowercase());
        let mut records = Vec::new();
        for config in endpoint.properties.custom_dns_configs.iter().flatten() {
            let fqdn = config.fqdn.as_deref().unwrap_or_default().to_lowercase();
            let Some(name) = fqdn.strip_suffix(&suffix) else { continue };
            let id = zone.child("A", name);
            let items = addresses.iter().map(|address| ARecord::to(address.as_str()));
            let record = RecordSet {
                id: Some(id.as_str().to_owned()),
                name: Some(name.to_owned()),
                kind: Some(format!("{ZONES}/A")),
                etag: Some(self.allocator.etag(&id)),
                properties: RecordSetProperties {
                    ttl: Some(GROUP_TTL),
                    fqdn: Some(format!("{name}.{}.", zone.name())),
                    a_records: Some(items.collect()),
                    is_auto_registered: Some(false),
                    ..RecordSetProperties::default()
                },
                ..RecordSet::default()
            };
            self.world.record_sets.insert(id.key(), Arc::new(record));
            records.push(GroupRecord {
                record_type: Some("A".to_owned()),
                record_set_name: Some(name.to_owned()),
                fqdn: Some(format!("{name}.{}", zone.name())),
                ttl: Some(GROUP_TTL),
                provisioning_state: succeeded(),
                ip_addresses: Some(addresses.clone()),
                ..GroupRecord::default()
            });
        }
        self.count_records(zone);
        records
    }

    fn remove_group_records(&mut self, group: Option<&ZoneGroup>) {
        let configs = group.and_then(|group| group.properties.private_dns_zone_configs.as_ref());
        for config in configs.into_iter().flatten() {
            let zone = ResourceId::new(config.zone());
            for record in config.properties.record_sets.iter().flatten() {
                let name = record.record_set_name.as_deref().unwrap_or_default();
                self.world.remove(&zone.child("A", name));
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
        let Some(existing) = self.world.zone_groups.get(&id.key()).cloned() else {
            return Ok(Done::Absent);
        };
        self.remove_group_records(Some(&existing));
        self.world.remove(id);
        Ok(Done::Deleted)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::arm::allocator::Unknowns;
    use crate::arm::azure::parse;
    use crate::arm::rules::Rules;
    use crate::arm::world::World;

    const GROUP: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network";

    fn group() -> ResourceId {
        ResourceId::new(format!("{GROUP}/privateEndpoints/pe/privateDnsZoneGroups/default"))
    }

    /// An endpoint with the name `app.a.example`, and six zones.
    fn world() -> World {
        let mut world = World::default();
        let interface = format!("{GROUP}/networkInterfaces/nic");
        world
            .insert(
                json!({"id": format!("{GROUP}/privateEndpoints/pe"), "name": "pe", "properties": {
                    "networkInterfaces": [{"id": interface}],
                    "customDnsConfigs": [{"fqdn": "app.a.example"}],
                }}),
            )
            .unwrap();
        world
            .insert(json!({"id": interface, "name": "nic", "properties": {
                "ipConfigurations": [{"properties": {"privateIPAddress": "10.0.0.4"}}],
            }}))
            .unwrap();
        for name in ["a", "b", "c", "d", "e", "f"] {
            let zone = format!("{GROUP}/privateDnsZones/{name}.example");
            world.insert(json!({"id": zone, "name": format!("{name}.example")})).unwrap();
        }
        world
    }

    /// Puts a group of zones, each under a name.
    fn put(world: &mut World, zones: &[(&str, &str)]) -> Result<Done, ArmError> {
        let config = |(name, zone): &(&str, &str)| {
            json!({"name": name, "properties": {
                "privateDnsZoneId": format!("{GROUP}/privateDnsZones/{zone}.example"),
            }})
        };
        let configs: Vec<Value> = zones.iter().map(config).collect();
        let body = json!({"properties": {"privateDnsZoneConfigs": configs}});
        let mut allocator = Unknowns::default();
        let mut faults = Vec::new();
        let mut azure = Azure::new(world, Rules::Azure, &mut allocator, &mut faults);
        azure.put_zone_group(&group(), &parse(body)?, None)
    }

    #[test]
    fn zones_of_one_name_are_refused() {
        let refused = put(&mut world(), &[("x", "a"), ("X", "b")]).unwrap_err();
        assert_eq!(refused.code, "InvalidRequestFormat");
        let words = format!("Resource {} has two child resources with the same name (X).", group());
        assert_eq!(refused.reason(), ("DuplicateResourceName", words.as_str()));
    }

    #[test]
    fn a_group_that_is_refused_keeps_its_records() {
        let mut world = world();
        put(&mut world, &[("a", "a")]).unwrap();
        assert_eq!(world.record_sets.len(), 1);
        let before = world.clone();
        let refused = put(&mut world, &[("a", "a"), ("missing", "missing")]).unwrap_err();
        assert_eq!(refused.code, "InvalidResourceReference");
        assert!(world == before);
    }

    #[test]
    fn five_zones_are_the_most() {
        let zones = ["a", "b", "c", "d", "e", "f"].map(|name| (name, name));
        assert_eq!(put(&mut world(), &zones[..5]), Ok(Done::Created));
        assert!(put(&mut world(), &zones).is_err());
    }
}
