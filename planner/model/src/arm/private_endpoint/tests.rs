use serde_json::{Value, json};

use super::*;
use crate::arm::allocator::Unknowns;
use crate::arm::rules::Rules;
use crate::arm::world::World;
use crate::pointer::text;
use crate::unknown;

/// Subscriptions that begin alike are of one tenant; the caller has its rights where a test says so.
struct Rights(bool);

impl Directory for Rights {
    fn tenant_of(&self, subscription: &str) -> Option<String> {
        Some(subscription.chars().take(1).collect())
    }

    fn may_read(&self, _service: &ResourceId) -> bool {
        true
    }

    fn may_approve(&self, _service: &ResourceId) -> bool {
        self.0
    }
}

fn network(subscription: &str, rest: &str) -> String {
    format!("/subscriptions/{subscription}/resourceGroups/g/providers/Microsoft.Network/{rest}")
}

/// A PLS in `a1`, and a network for endpoints in `a1`, `a2` and `b1`.
fn world(lists: Value) -> World {
    let mut world = World::default();
    let mut properties = json!({
        "alias": "pls.guid.eastus.azure.privatelinkservice",
        "ipConfigurations": [],
        "privateEndpointConnections": [],
    });
    properties.as_object_mut().unwrap().extend(lists.as_object().unwrap().clone());
    let service = network("a1", "privateLinkServices/pls");
    world
        .insert(
            json!({"id": service, "name": "pls", "location": "eastus", "properties": properties}),
        )
        .unwrap();
    for subscription in ["a1", "a2", "b1"] {
        let id = network(subscription, "virtualNetworks/v");
        let subnet = json!({
            "id": format!("{id}/subnets/s"), "name": "s",
            "properties": {"addressPrefix": "10.0.0.0/24"},
        });
        world
            .insert(json!({
                "id": id, "name": "v", "location": "eastus", "properties": {"subnets": [subnet]},
            }))
            .unwrap();
    }
    world
}

fn body(subscription: &str, list: &str, target: &str) -> PrivateEndpoint {
    let body = json!({
        "location": "eastus",
        "properties": {
            "subnet": {"id": network(subscription, "virtualNetworks/v/subnets/s")},
            list: [{"name": "c", "properties": {
                "privateLinkServiceId": target, "requestMessage": "please",
            }}],
        },
    });
    serde_json::from_value(body).unwrap()
}

fn put(
    world: &mut World,
    subscription: &str,
    list: &str,
    target: &str,
    approver: bool,
) -> Result<Done, ArmError> {
    let mut allocator = Unknowns::default();
    let mut faults = Vec::new();
    let mut azure = Azure::new(world, Rules::Azure, &mut allocator, &mut faults);
    let id = ResourceId::new(network(subscription, "privateEndpoints/pe"));
    azure.put_private_endpoint(&id, &body(subscription, list, target), None, &Rights(approver))
}

fn both_views(world: &World, subscription: &str, list: &str) -> (String, String) {
    let endpoint =
        world.get(&ResourceId::new(network(subscription, "privateEndpoints/pe"))).unwrap();
    let service = world.get(&ResourceId::new(network("a1", "privateLinkServices/pls"))).unwrap();
    let status = "properties/privateLinkServiceConnectionState/status";
    (
        text(&endpoint, &format!("/properties/{list}/0/{status}")).to_owned(),
        text(&service, &format!("/properties/privateEndpointConnections/0/{status}")).to_owned(),
    )
}

fn service() -> String {
    network("a1", "privateLinkServices/pls")
}

#[test]
fn the_state_follows_from_the_two_subscriptions() {
    let approved = || ("Approved".to_owned(), "Approved".to_owned());
    let pending = || ("Pending".to_owned(), "Pending".to_owned());
    let listed = json!({"visibility": {"subscriptions": ["*"]}, "autoApproval": {"subscriptions": ["a2", "b1"]}});
    let open = json!({"visibility": {"subscriptions": ["*"]}});
    let closed = json!({});
    for (lists, subscription, list, approver, expected) in [
        (&closed, "a1", AUTOMATIC, true, Ok(approved())),
        (&closed, "a2", AUTOMATIC, true, Ok(approved())),
        (&closed, "a2", AUTOMATIC, false, Err("LinkedAuthorizationFailed")),
        (&listed, "a2", AUTOMATIC, false, Ok(approved())),
        (&closed, "a1", MANUAL, true, Ok(pending())),
        (&closed, "a2", MANUAL, false, Ok(pending())),
        (&listed, "b1", MANUAL, false, Ok(approved())),
        (&open, "b1", MANUAL, false, Ok(pending())),
        (&open, "b1", AUTOMATIC, true, Err("LinkedAuthorizationFailed")),
        (
            &closed,
            "b1",
            MANUAL,
            false,
            Err(
                "ThirdPartyPrivateLinkServiceProvidedDuringPrivateEndpointCreationDoesNotExistOrIsNotVisible",
            ),
        ),
    ] {
        let mut world = world(lists.clone());
        let case = format!("{lists} {subscription} {list} {approver}");
        match (put(&mut world, subscription, list, &service(), approver), expected) {
            (Ok(_), Ok(expected)) => {
                assert_eq!(both_views(&world, subscription, list), expected, "{case}");
            }
            (Err(refused), Err(expected)) => assert_eq!(refused.code, expected, "{case}"),
            (result, _) => panic!("{case}: {result:?}"),
        }
    }
}

#[test]
fn an_alias_goes_into_the_manual_list() {
    let mut world = world(json!({"visibility": {"subscriptions": ["*"]}}));
    let alias = "pls.guid.eastus.azure.privatelinkservice";
    assert!(put(&mut world, "a1", AUTOMATIC, alias, true).is_err());
    assert_eq!(put(&mut world, "b1", MANUAL, alias, false), Ok(Done::Created));
    assert!(alias_is_visible(&world, alias, "b1"));
}

#[test]
fn what_azure_hands_out_is_unknown_in_a_prediction() {
    let mut world = world(json!({}));
    put(&mut world, "a1", AUTOMATIC, &service(), true).unwrap();
    let endpoint = &world.private_endpoints[&network("a1", "privateEndpoints/pe").to_lowercase()];
    let interfaces = endpoint.properties.network_interfaces.as_deref().unwrap();
    let addresses = addresses_of(&world, interfaces);
    assert_eq!(addresses.len(), 1);
    assert!(unknown::is_unknown(&addresses[0]));
}

#[test]
fn reflecting_twice_changes_nothing() {
    let mut world = world(json!({"networkInterfaces": [
        {"id": network("a1", "networkInterfaces/pls.nic.guid")},
    ], "ipConfigurations": [
        {"name": "one", "properties": {"subnet": {"id": network("a1", "virtualNetworks/v/subnets/s")}, "primary": true}},
        {"name": "two", "properties": {"subnet": {"id": network("a1", "virtualNetworks/v/subnets/s")}, "privateIPAddress": "10.0.0.9"}},
    ]}));
    put(&mut world, "a1", AUTOMATIC, &service(), true).unwrap();
    let mut allocator = Unknowns::default();
    let mut faults = Vec::new();
    let mut azure = Azure::new(&mut world, Rules::Azure, &mut allocator, &mut faults);
    reflect(&mut azure);
    let once = azure.world.clone();
    reflect(&mut azure);
    assert!(*azure.world == once);
    let interface =
        once.get(&ResourceId::new(network("a1", "networkInterfaces/pls.nic.guid"))).unwrap();
    let addresses = |at: usize| {
        text(&interface, &format!("/properties/ipConfigurations/{at}/properties/privateIPAddress"))
            .to_owned()
    };
    assert!(unknown::is_unknown(&addresses(0)));
    assert_eq!(addresses(1), "10.0.0.9");
    // Without its PLS the interface goes.
    azure.world.private_link_services.clear();
    reflect(&mut azure);
    assert_eq!(world.get(&ResourceId::new(network("a1", "networkInterfaces/pls.nic.guid"))), None);
}

#[test]
fn the_interface_of_an_endpoint_is_its_own() {
    let mut world = world(json!({}));
    let asked = |name: &str| {
        let id = ResourceId::new(network("a1", &format!("privateEndpoints/{name}")));
        let mut body = body("a1", AUTOMATIC, &service());
        body.properties.custom_network_interface_name = Some("nic".to_owned());
        (id, body)
    };
    let mut allocator = Unknowns::default();
    let mut faults = Vec::new();
    let mut azure = Azure::new(&mut world, Rules::Azure, &mut allocator, &mut faults);
    let (id, body) = asked("pe");
    azure.put_private_endpoint(&id, &body, None, &Rights(true)).unwrap();
    let (other, body) = asked("other");
    let refused = azure.put_private_endpoint(&other, &body, None, &Rights(true)).unwrap_err();
    assert_eq!(
        refused.message,
        format!("{other} contains custom NIC name nic which already exists.")
    );
    let interface = ResourceId::new(network("a1", "networkInterfaces/nic"));
    let live = azure.get(&interface).unwrap();
    let refused = azure.put(&interface, live, None).unwrap_err();
    assert_eq!(refused.code, "CannotModifyNicAttachedToPrivateEndpoint");
    let tags = [("a".to_owned(), "b".to_owned())].into();
    assert_eq!(azure.tag_network_interface(&interface, Some(tags)), Ok(Done::Updated));
    assert_eq!(azure.get(&interface).unwrap()["tags"], json!({"a": "b"}));
}

#[test]
fn an_endpoint_has_a_name_that_azure_takes() {
    let mut world = world(json!({}));
    let mut allocator = Unknowns::default();
    let mut faults = Vec::new();
    let mut azure = Azure::new(&mut world, Rules::Azure, &mut allocator, &mut faults);
    let id = ResourceId::new(network("a1", "privateEndpoints/-pe"));
    let body = body("a1", AUTOMATIC, &service());
    let refused = azure.put_private_endpoint(&id, &body, None, &Rights(true)).unwrap_err();
    assert_eq!(refused.code, "InvalidResourceName");
    let group = ResourceId::new(network("a1", "privateEndpoints/pe/privateDnsZoneGroups/a b"));
    let refused = azure.put_zone_group(&group, &Default::default(), None).unwrap_err();
    assert_eq!(refused.code, "InvalidResourceName");
}

/// Puts an endpoint to the PLS, and the same with something changed.
fn changed(first: &PrivateEndpoint, second: &PrivateEndpoint) -> Result<Done, ArmError> {
    let mut world = world(json!({}));
    let subnet = network("a1", "virtualNetworks/v/subnets/other");
    world.insert(json!({"id": subnet, "name": "other", "properties": {}})).unwrap();
    let mut allocator = Unknowns::default();
    let mut faults = Vec::new();
    let mut azure = Azure::new(&mut world, Rules::Azure, &mut allocator, &mut faults);
    let id = ResourceId::new(network("a1", "privateEndpoints/pe"));
    azure.put_private_endpoint(&id, first, None, &Rights(true)).unwrap();
    azure.put_private_endpoint(&id, second, None, &Rights(true))
}

#[test]
fn a_live_connection_keeps_its_groups_and_its_subnet() {
    let body = body("a1", AUTOMATIC, &service());
    assert_eq!(changed(&body, &body), Ok(Done::Updated));
    let mut groups = body.clone();
    groups.connections_mut().for_each(|it| it.properties.group_ids = Some(vec!["blob".to_owned()]));
    assert_eq!(changed(&groups, &groups), Ok(Done::Updated));
    let refused = changed(&body, &groups).unwrap_err();
    assert_eq!(refused.code, "CannotChangePrivateLinkConnectionOnPrivateEndpoint");
    let mut moved = body.clone();
    let other = network("a1", "virtualNetworks/v/subnets/other");
    moved.properties.subnet = Some(Reference::to(other.as_str()));
    let refused = changed(&body, &moved).unwrap_err();
    assert_eq!(
        refused.message,
        format!(
            "Cannot change the subnet in which the network interface for private endpoint {} is created. Current subnet: '{}.' Requested subnet: '{other}.'",
            network("a1", "privateEndpoints/pe"),
            body.subnet()
        )
    );
}

#[test]
fn a_message_may_be_long() {
    let mut body = body("a1", MANUAL, &service());
    let long = "a".repeat(1_000);
    body.connections_mut().for_each(|it| it.properties.request_message = Some(long.clone()));
    assert_eq!(changed(&body, &body), Ok(Done::Updated));
}

#[test]
fn what_it_reaches_has_not_failed() {
    let mut world = world(json!({"provisioningState": "Failed"}));
    let refused = put(&mut world, "a1", AUTOMATIC, &service(), true).unwrap_err();
    assert_eq!((refused.status, refused.code.as_str()), (400, "ReferencedResourceNotProvisioned"));
    let words = format!(
        "resource {} used by resource {} is not in Succeeded state.",
        service(),
        network("a1", "privateEndpoints/pe")
    );
    assert!(refused.message.contains(&words), "{}", refused.message);
}
