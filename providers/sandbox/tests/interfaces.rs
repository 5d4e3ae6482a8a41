//! Network interfaces that a client writes, over HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use serde_json::{Value, json};
use support::azure::{sandbox, subnet};
use support::{NODE_GROUP, SUBSCRIPTION, network};

fn body(subnet: &str, addresses: &[&str]) -> Value {
    let configurations = addresses.iter().enumerate().map(|(at, address)| {
        let mut properties = json!({"subnet": {"id": subnet}});
        if !address.is_empty() {
            properties["privateIPAllocationMethod"] = json!("Static");
            properties["privateIPAddress"] = json!(address);
        }
        json!({"name": format!("c{at}"), "properties": properties})
    });
    json!({"location": "eastus", "properties": {
        "enableIPForwarding": true,
        "ipConfigurations": configurations.collect::<Vec<_>>(),
    }})
}

#[tokio::test]
async fn an_interface_has_addresses_of_its_subnet() {
    let (_running, arm) = sandbox().await;
    let nic = |name: &str| network(SUBSCRIPTION, NODE_GROUP, &format!("networkInterfaces/{name}"));
    let apps = subnet("apps-subnet");
    let two = body(&apps, &["", "10.241.0.9"]);
    let done = arm.finish("PUT", &nic("n"), Some(&two)).await;
    assert_eq!(done.body["status"], "Succeeded", "{done:?}");
    let live = arm.get(&nic("n")).await.body;
    let properties = &live["properties"];
    assert_eq!(
        (&properties["enableIPForwarding"], &properties["nicType"]),
        (&json!(true), &json!("Standard"))
    );
    let item = |at: usize| &properties["ipConfigurations"][at];
    assert_eq!(item(0)["id"], format!("{}/ipConfigurations/c0", nic("n")));
    for (at, address, primary) in [(0, "10.241.0.4", true), (1, "10.241.0.9", false)] {
        assert_eq!(item(at)["properties"]["privateIPAddress"], address);
        assert_eq!(item(at)["properties"]["primary"], primary);
    }
    let inside = arm.get(&apps).await.body["properties"]["ipConfigurations"].clone();
    assert_eq!(inside, json!([{"id": item(0)["id"]}, {"id": item(1)["id"]}]));
    // Putting it again keeps addresses and guid.
    arm.finish("PUT", &nic("n"), Some(&two)).await;
    let again = arm.get(&nic("n")).await.body;
    assert_eq!(again["properties"]["resourceGuid"], properties["resourceGuid"]);
    assert_eq!(
        again["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"],
        "10.241.0.4"
    );
    for (subnet, address, code) in [
        (&subnet("nope"), "", "InvalidResourceReference"),
        (&apps, "10.241.0.9", "PrivateIPAddressIsAllocated"),
        (&apps, "10.9.0.9", "PrivateIPAddressNotInSubnet"),
    ] {
        let reply = arm.send("PUT", &nic("other"), Some(&body(subnet, &[address]))).await;
        assert_eq!((reply.status, reply.code()), (400, code));
    }
    assert_eq!(arm.send("DELETE", &apps, None).await.code(), "InUseSubnetCannotBeDeleted");
    arm.finish("DELETE", &nic("n"), None).await;
    assert_eq!(arm.get(&apps).await.body["properties"].get("ipConfigurations"), None);
}
