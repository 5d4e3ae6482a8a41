use serde_json::{Value, json};

use super::*;
use crate::arm::allocator::Unknowns;
use crate::arm::azure::Done;
use crate::arm::world::World;

fn id(rest: &str) -> String {
    format!("/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/{rest}")
}

/// A network with the subnets `open`, whose policy is disabled, and `closed`, and a load balancer with the
/// frontends `F` and `g`.
fn world() -> World {
    let subnet = |name: &str, policy: &str| {
        json!({"id": id(&format!("virtualNetworks/v/subnets/{name}")), "name": name, "properties": {
            "addressPrefix": "10.0.0.0/24", "privateLinkServiceNetworkPolicies": policy,
        }})
    };
    let frontend = |name: &str| {
        json!({"id": id(&format!("loadBalancers/lb/frontendIPConfigurations/{name}")), "name": name,
            "properties": {"subnet": {"id": id("virtualNetworks/v/subnets/open")}}})
    };
    let mut world = World::default();
    let all = [
        json!({"id": id("virtualNetworks/v"), "name": "v", "location": "eastus", "properties": {
            "subnets": [subnet("open", "Disabled"), subnet("closed", "Enabled")],
        }}),
        json!({"id": id("loadBalancers/lb"), "name": "lb", "location": "eastus",
        "sku": {"name": "Standard"}, "properties": {
            "frontendIPConfigurations": [frontend("F"), frontend("g")],
        }}),
    ];
    all.into_iter().for_each(|it| world.insert(it).unwrap());
    world
}

/// A service on a frontend with a NAT address in a subnet.
fn body(frontend: &str, subnet: &str) -> Value {
    json!({"location": "eastus", "properties": {
        "loadBalancerFrontendIpConfigurations":
            [{"id": id(&format!("loadBalancers/lb/frontendIPConfigurations/{frontend}"))}],
        "ipConfigurations": [{"name": "nat", "properties": {
            "subnet": {"id": id(&format!("virtualNetworks/v/subnets/{subnet}"))}, "primary": true,
        }}],
    }})
}

fn put(world: &mut World, name: &str, body: Value) -> Result<Done, ArmError> {
    let (mut allocator, mut faults) = (Unknowns::default(), Vec::new());
    let mut azure = Azure::new(world, Rules::Azure, &mut allocator, &mut faults);
    let id = ResourceId::new(id(&format!("privateLinkServices/{name}")));
    azure.put_private_link_service(&id, &serde_json::from_value(body).unwrap(), None)
}

#[test]
fn the_policy_of_its_subnet_is_disabled() {
    let refused = put(&mut world(), "p", body("g", "closed")).unwrap_err();
    assert_eq!(
        (refused.status, refused.code.as_str()),
        (400, "PrivateLinkServiceCannotBeCreatedInSubnetThatHasNetworkPoliciesEnabled")
    );
    let words = format!(
        "Private link service {} cannot be created in a subnet {} since it has private link service network policies enabled.",
        id("privateLinkServices/p"),
        id("virtualNetworks/v/subnets/closed")
    );
    assert_eq!(refused.message, words);
    assert_eq!(put(&mut world(), "p", body("g", "open")), Ok(Done::Created));
}

#[test]
fn a_frontend_has_one_service() {
    let mut world = world();
    assert_eq!(put(&mut world, "p", body("F", "open")), Ok(Done::Created));
    let refused = put(&mut world, "q", body("f", "open")).unwrap_err();
    assert_eq!(
        refused.code,
        "PrivateLinkServiceCannotReferenceFrontendIpConfigurationReferencedByDifferentPrivateLinkService"
    );
    let frontend = id("loadBalancers/lb/frontendIPConfigurations/F");
    assert!(refused.message.contains(&frontend), "{}", refused.message);
    assert_eq!(put(&mut world, "q", body("g", "open")), Ok(Done::Created));
}

#[test]
fn its_load_balancer_has_not_failed() {
    let mut world = world();
    let balancer = ResourceId::new(id("loadBalancers/lb"));
    let mut live = world.get(&balancer).unwrap();
    live["properties"]["provisioningState"] = json!("Failed");
    world.insert(live.clone()).unwrap();
    let refused = put(&mut world, "p", body("g", "open")).unwrap_err();
    assert_eq!((refused.status, refused.code.as_str()), (400, "ReferencedResourceNotProvisioned"));
    let words = "Resource is in Failed state and the last operation that updated/is updating the resource is PutLoadBalancerOperation.";
    assert!(refused.message.ends_with(words), "{}", refused.message);
    // A plan does not refuse what will be done by then.
    live["properties"]["provisioningState"] = json!("Updating");
    world.insert(live).unwrap();
    assert_eq!(put(&mut world, "p", body("g", "open")), Ok(Done::Created));
}

#[test]
fn it_is_on_a_standard_load_balancer_of_its_region_with_nat_addresses_in_the_same_network() {
    let mut world = world();
    let subnet = |network: &str| {
        json!({"id": id(&format!("virtualNetworks/{network}/subnets/s")), "name": "s", "properties": {
            "addressPrefix": "10.1.0.0/24", "privateLinkServiceNetworkPolicies": "Disabled",
        }})
    };
    for (network, location) in [("w", "eastus"), ("far", "westus")] {
        let subnets = json!({"subnets": [subnet(network)]});
        let id = id(&format!("virtualNetworks/{network}"));
        world
            .insert(json!({"id": id, "name": network, "location": location, "properties": subnets}))
            .unwrap();
    }
    let code = |world: &World, body: Value| {
        put(&mut world.clone(), "p", body).map_err(|refused| refused.code)
    };
    let nat = |network: &str| {
        let mut body = body("g", "open");
        body["properties"]["ipConfigurations"][0]["properties"]["subnet"]["id"] =
            json!(id(&format!("virtualNetworks/{network}/subnets/s")));
        body
    };
    let missing = || Err("InvalidResourceReference".to_owned());
    assert_eq!(code(&world, nat("far")), missing());
    let other = "PrivateLinkServiceSubnetNotInVirtualNetworkOfLoadBalancer".to_owned();
    assert_eq!(code(&world, nat("w")), Err(other));
    let mut west = body("g", "open");
    west["location"] = json!("westus");
    assert_eq!(code(&world, west), missing());
    let mut nowhere = body("g", "open");
    nowhere["properties"]["loadBalancerFrontendIpConfigurations"] = json!([]);
    let none = "PrivateLinkServiceMustHaveLoadBalancerFrontendIpConfiguration".to_owned();
    assert_eq!(code(&world, nowhere.clone()), Err(none));
    // By Direct Connect it has none.
    nowhere["properties"]["destinationIPAddress"] = json!("10.0.0.9");
    assert_eq!(code(&world, nowhere), Ok(Done::Created));
    let mut basic = world.get(&ResourceId::new(id("loadBalancers/lb"))).unwrap();
    basic["sku"]["name"] = json!("Basic");
    world.insert(basic).unwrap();
    let basic = "PrivateLinkServiceRequiresStandardLoadBalancer".to_owned();
    assert_eq!(code(&world, body("g", "open")), Err(basic));
}
