//! The ranges of subnets: well formed, within their network, apart from each other, kept while in use.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use serde_json::Value;

use crate::arm::address::{parse_range, ranges};
use crate::arm::azure::Azure;
use crate::arm::error::ArmError;
use crate::arm::resource::Subnet;
use crate::pointer::At;
use crate::resource_id::ResourceId;

impl Azure<'_> {
    /// Refuses ranges that a subnet cannot have. Those that it has already are not looked at again.
    pub(super) fn check_ranges(
        &self,
        id: &ResourceId,
        subnet: &Subnet,
        existing: Option<&Subnet>,
    ) -> Result<(), ArmError> {
        if existing.is_some_and(|existing| ranges(existing).eq(ranges(subnet))) {
            return Ok(());
        }
        for text in ranges(subnet) {
            parsed(id, text)?;
        }
        for gone in existing.into_iter().flat_map(ranges) {
            let stays = ranges(subnet).any(|it| it == gone);
            if !stays && self.is_allocated(id, gone) {
                return Err(prefix_in_use(id, gone));
            }
        }
        let network = id.parent().unwrap_or_default();
        let spaces = self.spaces_of(&network);
        let others = self.subnets_of(&network).filter(|(key, _)| **key != id.key());
        let others: Vec<IpNet> =
            others.flat_map(|(_, other)| ranges(other).filter_map(parse_range)).collect();
        for text in ranges(subnet) {
            let range = parsed(id, text)?;
            if !spaces.is_empty() && !spaces.iter().any(|space| space.contains(&range)) {
                return Err(misplaced(
                    id,
                    "NetcfgSubnetRangeOutsideVnet",
                    "is outside the IP address range of",
                ));
            }
            if others.iter().any(|other| other.contains(&range) || range.contains(other)) {
                let how = "overlaps with that of an existing subnet in";
                return Err(misplaced(id, "NetcfgSubnetRangesOverlap", how));
            }
        }
        Ok(())
    }

    /// Whether something in a subnet has an address of a range. One that shows none counts.
    fn is_allocated(&self, id: &ResourceId, range: &str) -> bool {
        let inside = self.world.inside_subnets().remove(&id.key()).unwrap_or_default();
        let range = parse_range(range);
        let is_in = |address: Option<IpAddr>| match (address, &range) {
            (Some(address), Some(range)) => range.contains(&address),
            _ => true,
        };
        let taken = self.world.taken.get(&id.key());
        inside.iter().any(|user| is_in(self.address_of(user)))
            || taken.is_some_and(|taken| taken.keys().any(|address| is_in(Some(*address))))
    }

    /// The private address of a frontend, or of a network interface's IP configuration.
    fn address_of(&self, configuration: &str) -> Option<IpAddr> {
        if let Some(frontend) = self.world.frontend(configuration) {
            return frontend.properties.private_ip_address.as_deref()?.parse().ok();
        }
        let id = ResourceId::new(configuration);
        let interface = self.world.network_interfaces.get(&id.parent()?.key())?;
        let mut all = interface.properties.ip_configurations.iter().flatten();
        all.find(|it| it.name().eq_ignore_ascii_case(id.name()))?.address().parse().ok()
    }

    /// The subnets of a network.
    pub(super) fn subnets_of<'a>(
        &'a self,
        network: &ResourceId,
    ) -> impl Iterator<Item = (&'a String, &'a Arc<Subnet>)> {
        let prefix = format!("{}/subnets/", network.key());
        let subnets = self.world.subnets.range(prefix.clone()..);
        subnets.take_while(move |(key, _)| key.starts_with(&prefix))
    }

    /// The address space of a network; nothing where it shows none.
    fn spaces_of(&self, network: &ResourceId) -> Vec<IpNet> {
        let network = self.world.virtual_networks.get(&network.key());
        let space = network.and_then(|it| it.properties.address_space.as_ref());
        let prefixes = space.and_then(|it| it.at("/addressPrefixes")?.as_array());
        let prefixes = prefixes.into_iter().flatten().filter_map(Value::as_str);
        prefixes.filter_map(parse_range).collect()
    }
}

/// A range whose bits behind its length are none (Azure/azure-service-operator#997 has the words of a text that
/// is no range; the words of the other are Azure's too).
fn parsed(id: &ResourceId, text: &str) -> Result<IpNet, ArmError> {
    let Some(range) = parse_range(text) else {
        return Err(ArmError::new(
            400,
            "InvalidAddressPrefixFormat",
            format!(
                "Address prefix {text} of resource {id} is not formatted correctly. It should follow CIDR notation, for example 10.0.0.0/24."
            ),
        ));
    };
    if range.addr() == range.network() {
        return Ok(range);
    }
    Err(ArmError::new(
        400,
        "InvalidCIDRNotation",
        format!(
            "The address prefix {text} in resource {id} has an invalid CIDR notation. For the given prefix length, the address prefix should be {}.",
            range.trunc()
        ),
    ))
}

/// A subnet keeps a range while something has an address of it, even for one that holds it
/// (hashicorp/terraform-provider-azurerm's users quote the whole answer).
fn prefix_in_use(id: &ResourceId, range: &str) -> ArmError {
    let name = id.name();
    let message =
        format!("IpPrefix {range} on Subnet {name} has active allocations and cannot be deleted.");
    ArmError::new(400, "InUsePrefixCannotBeDeleted", message)
}

/// A range that is not where it can be (MicrosoftDocs/azure-docs#123869).
fn misplaced(id: &ResourceId, code: &str, how: &str) -> ArmError {
    let network = id.parent().unwrap_or_default();
    let message = format!(
        "Subnet '{}' is not valid because its IP address range {how} virtual network '{}'.",
        id.name(),
        network.name()
    );
    ArmError::new(400, code, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::arm::allocator::Unknowns;
    use crate::arm::azure::Done;
    use crate::arm::rules::Rules;
    use crate::arm::world::World;

    const NETWORK: &str =
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v";

    fn with_azure<T>(world: &mut World, act: impl FnOnce(&mut Azure<'_>) -> T) -> T {
        let mut allocator = Unknowns::default();
        let mut faults = Vec::new();
        act(&mut Azure::new(world, Rules::Azure, &mut allocator, &mut faults))
    }

    /// A network of 10.0.0.0/16 with subnets, each a name and a range.
    fn put(world: &mut World, subnets: Option<&[(&str, &str)]>) -> Result<Done, ArmError> {
        let mut properties = json!({"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}});
        if let Some(subnets) = subnets {
            let subnet = |(name, range): &(&str, &str)| json!({"name": name, "properties": {"addressPrefix": range}});
            properties["subnets"] = Value::Array(subnets.iter().map(subnet).collect());
        }
        let body = json!({"location": "eastus", "properties": properties});
        with_azure(world, |azure| azure.put_virtual_network(&ResourceId::new(NETWORK), body, None))
    }

    #[test]
    fn ranges_are_well_formed_within_and_apart() {
        let mut world = World::default();
        put(&mut world, Some(&[("a", "10.0.0.0/24")])).unwrap();
        for (range, code) in [
            ("10.0.1.0/24", ""),
            ("10.0.0.128/25", "NetcfgSubnetRangesOverlap"),
            ("10.0.0.0/23", "NetcfgSubnetRangesOverlap"),
            ("10.1.0.0/24", "NetcfgSubnetRangeOutsideVnet"),
            ("10.0.0.0/8", "NetcfgSubnetRangeOutsideVnet"),
            ("10.0.2.1/24", "InvalidCIDRNotation"),
            ("nothing", "InvalidAddressPrefixFormat"),
        ] {
            let id = ResourceId::new(NETWORK).child("subnets", "b");
            let body = serde_json::from_value(json!({"properties": {"addressPrefix": range}}));
            let done =
                with_azure(&mut world.clone(), |azure| azure.put_subnet(&id, &body.unwrap(), None));
            let refused = done.err().map(|refused| refused.code).unwrap_or_default();
            assert_eq!(refused, code, "{range}");
        }
    }

    #[test]
    fn subnets_that_are_not_listed_go_unless_none_is() {
        let mut world = World::default();
        put(&mut world, Some(&[("a", "10.0.0.0/24"), ("b", "10.0.1.0/24")])).unwrap();
        put(&mut world, None).unwrap();
        assert_eq!(world.subnets.len(), 2);
        // The range of one that goes is free for another.
        put(&mut world, Some(&[("a", "10.0.0.0/24"), ("c", "10.0.1.0/24")])).unwrap();
        let frontend =
            json!({"name": "f", "properties": {"subnet": {"id": format!("{NETWORK}/subnets/a")}}});
        let balancer = json!({
            "id": NETWORK.replace("virtualNetworks/v", "loadBalancers/lb"),
            "properties": {"frontendIPConfigurations": [frontend]},
        });
        world.insert(balancer).unwrap();
        let before = world.clone();
        let refused = put(&mut world, Some(&[])).unwrap_err();
        assert_eq!(refused.code, "InUseSubnetCannotBeDeleted");
        assert!(world == before);
        put(&mut world, Some(&[("a", "10.0.0.0/24")])).unwrap();
        assert_eq!(world.subnets.len(), 1);
    }

    #[test]
    fn a_range_in_use_is_kept() {
        let mut world = World::default();
        put(&mut world, Some(&[("a", "10.0.0.0/24"), ("b", "10.0.9.0/24")])).unwrap();
        // Nothing is in it yet.
        put(&mut world, Some(&[("a", "10.0.1.0/24"), ("b", "10.0.9.0/24")])).unwrap();
        let balancer = NETWORK.replace("virtualNetworks/v", "loadBalancers/lb");
        let id = format!("{balancer}/frontendIPConfigurations/f");
        let frontend = json!({"name": "f", "id": id, "properties": {
            "subnet": {"id": format!("{NETWORK}/subnets/a")}, "privateIPAddress": "10.0.1.4",
        }});
        let balancer =
            json!({"id": balancer, "properties": {"frontendIPConfigurations": [frontend]}});
        world.insert(balancer).unwrap();
        for range in ["10.0.2.0/24", "10.0.0.0/23"] {
            let refused = put(&mut world, Some(&[("a", range), ("b", "10.0.9.0/24")])).unwrap_err();
            assert_eq!(
                (refused.status, refused.code.as_str()),
                (400, "InUsePrefixCannotBeDeleted")
            );
            assert_eq!(
                refused.message,
                "IpPrefix 10.0.1.0/24 on Subnet a has active allocations and cannot be deleted."
            );
        }
        put(&mut world, Some(&[("a", "10.0.1.0/24"), ("b", "10.0.10.0/24")])).unwrap();
    }
}
