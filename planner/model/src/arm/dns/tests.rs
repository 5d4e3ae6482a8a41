use serde_json::json;

use super::*;
use crate::arm::allocator::Unknowns;
use crate::arm::rules::Rules;
use crate::arm::world::World;

const GROUP: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network";

fn with_azure<T>(world: &mut World, act: impl FnOnce(&mut Azure<'_>) -> T) -> T {
    let mut allocator = Unknowns::default();
    let mut faults = Vec::new();
    act(&mut Azure::new(world, Rules::Azure, &mut allocator, &mut faults))
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
    let body = json!({"properties": {"ttl": 60, "aRecords": [{"ipv4Address": "10.0.0.4"}]}});
    assert_eq!(put(&zone.child("A", "@"), &body), Ok(Done::Created));
    let live = world.get(&zone).unwrap();
    assert_eq!(live["properties"]["numberOfRecordSets"], 3);
    let apex = world.get(&zone.child("A", "@")).unwrap();
    assert_eq!(apex["properties"]["fqdn"], "z.example.");
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
        let nested =
            "include: 'Microsoft.Network/privateDnsZones/z.example/virtualNetworkLinks/v'.";
        assert!(refused.message.contains(nested), "{}", refused.message);
        azure.delete_private_dns(&link, None).unwrap();
        assert_eq!(azure.delete_private_dns(&zone, None), Ok(Done::Deleted));
    });
    assert_eq!(world.get(&zone), None);
}

#[test]
fn a_network_is_linked_to_one_zone_of_a_name() {
    let mut world = World::default();
    let network = format!("{GROUP}/virtualNetworks/v");
    world.insert(json!({"id": network, "name": "v", "properties": {}})).unwrap();
    let elsewhere = GROUP.replace("/g/", "/h/");
    let zone = |group: &str, name: &str| ResourceId::new(format!("{group}/privateDnsZones/{name}"));
    let body = json!({"location": "global", "properties": {"virtualNetwork": {"id": network}}});
    let first = zone(GROUP, "z.example");
    with_azure(&mut world, |azure| {
        for zone in [&first, &zone(&elsewhere, "z.example"), &zone(GROUP, "a.z.example")] {
            azure.put_private_dns(zone, &json!({"location": "global"}), None, false).unwrap();
        }
        let mut put = |zone: &ResourceId, name: &str| {
            let link = zone.child("virtualNetworkLinks", name);
            azure.put_private_dns(&link, &body, None, false)
        };
        assert_eq!(put(&first, "v"), Ok(Done::Created));
        assert_eq!(put(&first, "v"), Ok(Done::Updated));
        for (zone, name) in [(first.clone(), "again"), (zone(&elsewhere, "z.example"), "v")] {
            let refused = put(&zone, name).unwrap_err();
            assert_eq!((refused.status, refused.code.as_str()), (400, "BadRequest"));
            assert!(refused.message.ends_with("with 'z.example' and 'z.example' zones."));
        }
        assert_eq!(put(&zone(GROUP, "a.z.example"), "v"), Ok(Done::Created));
    });
}

#[test]
fn only_creating_refuses_what_is_there() {
    let mut world = World::default();
    let zone = ResourceId::new(format!("{GROUP}/privateDnsZones/z.example"));
    let body = json!({"location": "global"});
    with_azure(&mut world, |azure| {
        assert_eq!(azure.put_private_dns(&zone, &body, None, true), Ok(Done::Created));
        let refused = azure.put_private_dns(&zone, &body, None, true).unwrap_err();
        assert_eq!((refused.status, refused.code.as_str()), (412, "PreconditionFailed"));
        assert_eq!(
            refused.message,
            "The Zone z.example exists already and hence cannot be created again."
        );
        let refused = azure.put_private_dns(&zone, &body, Some("x"), false).unwrap_err();
        assert_eq!(refused.message, "The Zone z.example has been modified (etag mismatch).");
    });
}
