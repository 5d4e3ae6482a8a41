//! Where the frontends of a load balancer are: in a subnet or at a public address, in its region.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::arm::azure::{Azure, missing_reference};
use crate::arm::error::ArmError;
use crate::arm::resource::{Frontend, LoadBalancer, PublicIpAddress, Reference};
use crate::location;
use crate::resource_id::ResourceId;

impl Azure<'_> {
    /// Refuses frontends whose place is not one for this load balancer. Those that stay as they are are not looked
    /// at again.
    pub(super) fn check_places(
        &self,
        id: &ResourceId,
        body: &LoadBalancer,
        existing: Option<&LoadBalancer>,
    ) -> Result<(), ArmError> {
        let before = existing.and_then(|it| it.properties.frontend_ip_configurations.as_deref());
        let before = before.unwrap_or_default();
        let frontends = body.properties.frontend_ip_configurations.as_deref().unwrap_or_default();
        let stays =
            |at: usize, frontend| before.get(at).is_some_and(|it| Arc::ptr_eq(it, frontend));
        let mut has_new_address = false;
        for (at, frontend) in frontends.iter().enumerate() {
            if stays(at, frontend) {
                continue;
            }
            let own = id.child("frontendIPConfigurations", frontend.name());
            self.check_region(&own, body, frontend)?;
            let public = frontend.properties.public_ip_address.as_ref().map(Reference::id);
            let public = public.map(str::to_ascii_lowercase);
            let addresses = &self.world.public_ip_addresses;
            if let Some(address) = public.and_then(|public| addresses.get(&public)) {
                has_new_address = true;
                check_free(id, &own, address)?;
                check_skus(id, (body, existing), address)?;
            }
        }
        if has_new_address { check_shared(id, frontends) } else { Ok(()) }
    }

    /// What a frontend refers to is in the load balancer's region, as the words of the refusal say.
    fn check_region(
        &self,
        own: &ResourceId,
        body: &LoadBalancer,
        frontend: &Frontend,
    ) -> Result<(), ArmError> {
        let Some(wanted) = body.location.as_deref() else { return Ok(()) };
        let it = &frontend.properties;
        if let Some(subnet) = &it.subnet
            && self.is_elsewhere(subnet.id(), wanted)
        {
            return Err(missing_reference(subnet.id(), own));
        }
        let Some(public) = &it.public_ip_address else { return Ok(()) };
        let live = self.world.public_ip_addresses.get(&public.id().to_ascii_lowercase());
        let region = live.and_then(|live| live.location.as_deref());
        match region.is_some_and(|region| !location::is_same(region, wanted)) {
            true => Err(missing_reference(public.id(), own)),
            false => Ok(()),
        }
    }

    /// Whether a subnet is known to be in another region.
    pub(crate) fn is_elsewhere(&self, subnet: &str, region: &str) -> bool {
        let network = ResourceId::new(subnet).parent().unwrap_or_default();
        let network = self.world.virtual_networks.get(&network.key());
        let of_network = network.and_then(|network| network.location.as_deref());
        of_network.is_some_and(|of_network| !location::is_same(of_network, region))
    }
}

/// A public address is one resource's. Programs that match Azure's answer have the code and the words.
fn check_free(
    id: &ResourceId,
    own: &ResourceId,
    address: &PublicIpAddress,
) -> Result<(), ArmError> {
    let user = address.properties.ip_configuration.as_ref().map(Reference::id).unwrap_or_default();
    let inside = user.get(..id.as_str().len());
    let is_own = inside.is_some_and(|inside| inside.eq_ignore_ascii_case(id.as_str()))
        && user.get(id.as_str().len()..).is_some_and(|rest| rest.starts_with('/'));
    if user.is_empty() || is_own {
        return Ok(());
    }
    let address = address.id();
    let message = format!(
        "Resource {own} is referencing public IP address {address} that is already allocated to resource {user}."
    );
    Err(ArmError::new(400, "PublicIPAddressInUse", message))
}

/// Basic and Standard do not go together. A load balancer without a SKU is Basic. The words of the pair Basic and
/// Standard are quoted; those of the other follow them.
fn check_skus(
    id: &ResourceId,
    (body, existing): (&LoadBalancer, Option<&LoadBalancer>),
    address: &PublicIpAddress,
) -> Result<(), ArmError> {
    let sku = |balancer: &LoadBalancer| balancer.sku.as_ref().and_then(|sku| sku.name.clone());
    let own = sku(body).or_else(|| existing.and_then(sku)).unwrap_or_else(|| "Basic".to_owned());
    let other = address.sku.as_ref().and_then(|sku| sku.name.as_deref());
    let is_basic = |sku: &str| sku.eq_ignore_ascii_case("Basic");
    match other.filter(|other| is_basic(other) != is_basic(&own)) {
        None => Ok(()),
        Some(other) => Err(ArmError::new(
            400,
            "PublicIPAndLBSkuDoNotMatch",
            format!(
                "{own} sku load balancer {id} cannot reference {other} sku publicIP {}.",
                address.id()
            ),
        )),
    }
}

/// Each frontend has a public address of its own (Azure/ACS#102 has the code; of the words "is referenced by multiple
/// ipconfigs in resource" is quoted).
fn check_shared(id: &ResourceId, frontends: &[Arc<Frontend>]) -> Result<(), ArmError> {
    let mut seen = BTreeSet::new();
    for public in frontends.iter().filter_map(|it| it.properties.public_ip_address.as_ref()) {
        if !seen.insert(public.id().to_ascii_lowercase()) {
            let message = format!(
                "Public IP address {} is referenced by multiple ipconfigs in resource {id}.",
                public.id()
            );
            return Err(ArmError::new(400, "PublicIPReferencedByMultipleIPConfigs", message));
        }
    }
    Ok(())
}

/// A frontend is either in a subnet or at a public address (ernestio/ernest#480,
/// hashicorp/terraform-provider-azurerm#1622).
pub(super) fn check_place(id: &ResourceId, frontend: &Frontend) -> Result<(), ArmError> {
    let it = &frontend.properties;
    let is = |reference: &Option<Reference>| reference.is_some();
    let is_public = is(&it.public_ip_address) || is(&it.public_ip_prefix);
    let (code, must) = match (is(&it.subnet), is_public) {
        (true, false) | (false, true) => return Ok(()),
        (true, true) => ("FrontendIPConfigHasBothSubnetAndPublicIP", "must not reference both"),
        (false, false) => ("FrontendIPConfigHasNoSubnetOrPublicIP", "must reference either"),
    };
    let joint = if is_public { "and" } else { "or" };
    let message =
        format!("Frontend IP Configuration {id} {must} a Subnet {joint} a Public IP Address.");
    Err(ArmError::new(400, code, message))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::arm::allocator::Unknowns;
    use crate::arm::azure::{Done, parse};
    use crate::arm::rules::Rules;
    use crate::arm::world::World;

    fn network(rest: &str) -> String {
        format!("/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/{rest}")
    }

    fn id(rest: &str) -> String {
        network(&format!("loadBalancers/lb{rest}"))
    }

    #[test]
    fn a_frontend_is_in_a_subnet_or_at_a_public_address() {
        let own = ResourceId::new(id("/frontendIPConfigurations/f"));
        for (properties, expected) in [
            (json!({"subnet": {"id": "/s"}}), None),
            (json!({"publicIPPrefix": {"id": "/p"}}), None),
            (
                json!({}),
                Some(format!("{own} must reference either a Subnet or a Public IP Address.")),
            ),
            (
                json!({"subnet": {"id": "/s"}, "publicIPAddress": {"id": "/p"}}),
                Some(format!("{own} must not reference both a Subnet and a Public IP Address.")),
            ),
        ] {
            let frontend: Frontend = parse(json!({"name": "f", "properties": properties})).unwrap();
            let refused = check_place(&own, &frontend).err().map(|refused| refused.message);
            let expected = expected.map(|words| format!("Frontend IP Configuration {words}"));
            assert_eq!(refused, expected);
        }
    }

    fn put(world: &mut World, name: &str, body: Value) -> Result<Done, ArmError> {
        let (mut allocator, mut faults) = (Unknowns::default(), Vec::new());
        let mut azure = Azure::new(world, Rules::Azure, &mut allocator, &mut faults);
        let id = ResourceId::new(network(&format!("loadBalancers/{name}")));
        azure.put_load_balancer(&id, &parse(body)?, None)
    }

    /// A load balancer of a SKU whose frontends have these properties.
    fn balancer(sku: &str, places: &[Value]) -> Value {
        let frontends = places.iter().enumerate();
        let frontends =
            frontends.map(|(at, it)| json!({"name": format!("f{at}"), "properties": it}));
        json!({"location": "eastus", "sku": {"name": sku}, "properties": {
            "frontendIPConfigurations": frontends.collect::<Vec<_>>(),
        }})
    }

    fn world() -> World {
        let address = |name: &str, sku: &str, location: &str| {
            json!({"id": network(&format!("publicIPAddresses/{name}")), "name": name,
                "location": location, "sku": {"name": sku}, "properties": {}})
        };
        let mut world = World::default();
        let all = [
            address("a", "Standard", "East US"),
            address("b", "Basic", "eastus"),
            address("c", "Standard", "westus"),
            json!({"id": network("virtualNetworks/v"), "name": "v", "location": "westus", "properties": {
                "subnets": [{"id": network("virtualNetworks/v/subnets/s"), "name": "s",
                    "properties": {"addressPrefix": "10.0.0.0/24"}}],
            }}),
        ];
        all.into_iter().for_each(|it| world.insert(it).unwrap());
        world
    }

    fn at(name: &str) -> Value {
        json!({"publicIPAddress": {"id": network(&format!("publicIPAddresses/{name}"))}})
    }

    #[test]
    fn a_public_address_is_one_frontends() {
        let mut world = world();
        let refused = put(&mut world, "lb", balancer("Standard", &[at("a"), at("a")])).unwrap_err();
        assert_eq!(refused.code, "PublicIPReferencedByMultipleIPConfigs");
        assert_eq!(put(&mut world, "lb", balancer("Standard", &[at("a")])), Ok(Done::Created));
        // Another frontend of the same load balancer may take it over.
        let mut renamed = balancer("Standard", &[at("a")]);
        renamed["properties"]["frontendIPConfigurations"][0]["name"] = json!("other");
        assert_eq!(put(&mut world, "lb", renamed), Ok(Done::Updated));
        let refused = put(&mut world, "lb2", balancer("Standard", &[at("a")])).unwrap_err();
        assert_eq!(refused.code, "PublicIPAddressInUse");
        let words = format!(
            "Resource {} is referencing public IP address {} that is already allocated to resource {}.",
            network("loadBalancers/lb2/frontendIPConfigurations/f0"),
            network("publicIPAddresses/a"),
            id("/frontendIPConfigurations/other")
        );
        assert_eq!(refused.message, words);
    }

    #[test]
    fn skus_go_together() {
        let refused = put(&mut world(), "lb", balancer("Basic", &[at("a")])).unwrap_err();
        assert_eq!(refused.code, "PublicIPAndLBSkuDoNotMatch");
        let words = format!(
            "Basic sku load balancer {} cannot reference Standard sku publicIP {}.",
            id(""),
            network("publicIPAddresses/a")
        );
        assert_eq!(refused.message, words);
        assert!(put(&mut world(), "lb", balancer("Standard", &[at("b")])).is_err());
        let mut without = balancer("Basic", &[at("b")]);
        without.as_object_mut().unwrap().remove("sku");
        assert_eq!(put(&mut world(), "lb", without), Ok(Done::Created));
    }

    #[test]
    fn frontends_are_in_the_region_of_their_load_balancer() {
        let subnet = json!({"subnet": {"id": network("virtualNetworks/v/subnets/s")}});
        for place in [at("c"), subnet] {
            let body = balancer("Standard", &[place]);
            let refused = put(&mut world(), "lb", body.clone()).unwrap_err();
            assert_eq!(refused.code, "InvalidResourceReference");
            let mut there = body;
            there["location"] = json!("West US");
            assert_eq!(put(&mut world(), "lb", there), Ok(Done::Created));
        }
    }
}
