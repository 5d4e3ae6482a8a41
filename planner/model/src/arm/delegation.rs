//! Delegations of subnets to services of Azure.

use serde_json::Value;

use crate::pointer::text;
use crate::resource_id::ResourceId;

use super::azure::Azure;
use super::error::ArmError;
use super::resource::Subnet;

/// The code for a new endpoint in a delegated subnet.
pub const SUBNET_IS_DELEGATED: &str = "PrivateEndpointCreationNotAllowedAsSubnetIsDelegated";

/// The services that a subnet is delegated to.
pub fn delegated_to(subnet: &Subnet) -> impl Iterator<Item = &str> {
    let all = subnet.properties.other.get("delegations").and_then(Value::as_array);
    all.into_iter().flatten().map(|it| text(it, "/properties/serviceName"))
}

/// No endpoint is created in a delegated subnet (Microsoft's support page on private endpoints of Container
/// Instances and Container Registry has the words; hashicorp/terraform-provider-azurerm quotes the code).
/// One that is there already stays when its subnet is delegated (MicrosoftDocs/azure-docs#47048).
///
/// # Errors
/// ARM's 400.
pub fn check_endpoint(endpoint: &ResourceId, subnet: &Subnet) -> Result<(), ArmError> {
    if delegated_to(subnet).next().is_none() {
        return Ok(());
    }
    let message = format!(
        "Private endpoint {endpoint} cannot be created as subnet {} is delegated.",
        subnet.id()
    );
    Err(ArmError::new(400, SUBNET_IS_DELEGATED, message))
}

impl Azure<'_> {
    /// The delegations of a subnet stay as they are while something else than an endpoint is in it
    /// (MicrosoftDocs/azure-docs#39112; of endpoints #47048).
    pub(super) fn check_delegations(
        &self,
        id: &ResourceId,
        subnet: &Subnet,
        existing: Option<&Subnet>,
    ) -> Result<(), ArmError> {
        let Some(existing) = existing else { return Ok(()) };
        if delegated_to(existing).eq(delegated_to(subnet)) {
            return Ok(());
        }
        let inside = self.world.inside_subnets().remove(&id.key()).unwrap_or_default();
        let Some(user) = inside.iter().find(|user| !self.is_of_endpoint(user)) else {
            return Ok(());
        };
        let list = |subnet: &Subnet| delegated_to(subnet).collect::<Vec<_>>().join(", ");
        Err(ArmError::new(
            400,
            "SubnetDelegationsCannotChangeWhenSubnetUsedByResource",
            format!(
                "Delegations of subnet {id} cannot be changed from [{}] to [{}] because it is being used by the resource {user}.",
                list(existing),
                list(subnet)
            ),
        ))
    }

    /// Whether an IP configuration is that of an endpoint's interface.
    fn is_of_endpoint(&self, configuration: &str) -> bool {
        let interface = ResourceId::new(configuration).parent().unwrap_or_default();
        let interface = self.world.network_interfaces.get(&interface.key());
        interface.is_some_and(|it| it.properties.private_endpoint.is_some())
    }
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

    fn subnet(services: &[&str]) -> Value {
        let delegations = services
            .iter()
            .map(|service| json!({"name": service, "properties": {"serviceName": service}}));
        json!({
            "id": format!("{NETWORK}/subnets/s"), "name": "s",
            "properties": {
                "addressPrefix": "10.0.0.0/24",
                "delegations": delegations.collect::<Vec<_>>(),
            },
        })
    }

    #[test]
    fn a_delegated_subnet_takes_no_new_endpoint() {
        let endpoint = ResourceId::new(NETWORK.replace("virtualNetworks/v", "privateEndpoints/e"));
        let checked = |services: &[&str]| {
            check_endpoint(&endpoint, &serde_json::from_value(subnet(services)).unwrap())
        };
        assert_eq!(checked(&[]), Ok(()));
        let refused = checked(&["Microsoft.Web/serverFarms"]).unwrap_err();
        assert_eq!((refused.status, refused.code.as_str()), (400, SUBNET_IS_DELEGATED));
        let words = format!("as subnet {NETWORK}/subnets/s is delegated.");
        assert!(refused.message.ends_with(&words), "{}", refused.message);
    }

    #[test]
    fn delegations_stay_while_something_but_an_endpoint_is_in_the_subnet() {
        let put = |world: &mut World, services: &[&str]| {
            let (mut allocator, mut faults) = (Unknowns::default(), Vec::new());
            let mut azure = Azure::new(world, Rules::Azure, &mut allocator, &mut faults);
            let body = serde_json::from_value(subnet(services)).unwrap();
            azure.put_subnet(&ResourceId::new(format!("{NETWORK}/subnets/s")), &body, None)
        };
        let interface = |properties: Value| {
            let id = NETWORK.replace("virtualNetworks/v", "networkInterfaces/n");
            let configuration = json!({"name": "c", "id": format!("{id}/ipConfigurations/c"), "properties": {
                "subnet": {"id": format!("{NETWORK}/subnets/s")},
            }});
            let mut resource = json!({"id": id, "name": "n", "properties": properties});
            resource["properties"]["ipConfigurations"] = json!([configuration]);
            resource
        };
        let mut world = World::default();
        let network = json!({"id": NETWORK, "name": "v", "properties": {"subnets": [subnet(&[])]}});
        world.insert(network).unwrap();
        world.insert(interface(json!({"privateEndpoint": {"id": "/e"}}))).unwrap();
        assert_eq!(put(&mut world, &["Microsoft.Web/serverFarms"]), Ok(Done::Updated));
        world.insert(interface(json!({}))).unwrap();
        assert_eq!(put(&mut world, &["Microsoft.Web/serverFarms"]), Ok(Done::Updated));
        let refused = put(&mut world, &[]).unwrap_err();
        assert_eq!(refused.code, "SubnetDelegationsCannotChangeWhenSubnetUsedByResource");
        assert!(refused.message.contains("from [Microsoft.Web/serverFarms] to [] because"));
        assert!(refused.message.ends_with("networkInterfaces/n/ipConfigurations/c."));
    }
}
