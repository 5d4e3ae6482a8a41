//! Private DNS over HTTP: zones, records, zone groups.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use serde_json::json;
use support::azure::{endpoint, endpoint_body, make_service, sandbox};
use support::{SUBSCRIPTION, network};

#[tokio::test]
async fn names_are_recorded_in_zones() {
    let (_running, arm) = sandbox().await;
    let zone =
        network(SUBSCRIPTION, "myOtherResourceGroup", "privateDnsZones/privatelink.contoso.com");
    let record = format!("{zone}/A/app");
    let body = json!({"properties": {"ttl": 300, "aRecords": [{"ipv4Address": "10.1.0.4"}]}});
    let reply = arm.send("PUT", &record, Some(&body)).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    assert_eq!(reply.body["properties"]["fqdn"], "app.privatelink.contoso.com.");
    assert!(!reply.body["etag"].as_str().unwrap().starts_with("W/"));
    assert_eq!(arm.send("PUT", &record, Some(&body)).await.status, 200);
    assert_eq!(arm.get(&format!("{zone}/A")).await.body["value"].as_array().unwrap().len(), 1);
    assert_eq!(arm.send("DELETE", &record, None).await.status, 200);
    assert_eq!(arm.send("DELETE", &record, None).await.status, 204);
    let orphan =
        network(SUBSCRIPTION, "myOtherResourceGroup", "privateDnsZones/nope.example/A/app");
    assert_eq!(arm.send("PUT", &orphan, Some(&body)).await.code(), "ParentResourceNotFound");
    let new = network(SUBSCRIPTION, "myOtherResourceGroup", "privateDnsZones/b.example");
    let reply = arm.send("PUT", &new, Some(&json!({"location": "global"}))).await;
    assert_eq!((reply.status, &reply.body), (202, &json!({})));
    assert!(
        !reply.header("azure-asyncoperation").is_empty() && !reply.header("location").is_empty()
    );
}

#[tokio::test]
async fn a_zone_group_records_the_names_of_the_service() {
    let (_running, arm) = sandbox().await;
    let pls = make_service(&arm, json!({"fqdns": ["app.privatelink.contoso.com"]})).await;
    let path = endpoint(SUBSCRIPTION, "myOtherResourceGroup", "pe");
    let target = pls["id"].as_str().unwrap();
    let body = endpoint_body(SUBSCRIPTION, "myOtherResourceGroup", "myOtherVNET", target, false);
    arm.finish("PUT", &path, Some(&body)).await;
    let zone =
        network(SUBSCRIPTION, "myOtherResourceGroup", "privateDnsZones/privatelink.contoso.com");
    let group = format!("{path}/privateDnsZoneGroups/default");
    let body = json!({"properties": {"privateDnsZoneConfigs": [
        {"name": "contoso", "properties": {"privateDnsZoneId": zone}},
    ]}});
    let done = arm.finish("PUT", &group, Some(&body)).await;
    assert_eq!(done.body["status"], "Succeeded", "{done:?}");
    let record = arm.get(&format!("{zone}/A/app")).await.body;
    assert_eq!(record["properties"]["aRecords"], json!([{"ipv4Address": "10.1.0.4"}]));
    let list = arm.get(&format!("{path}/privateDnsZoneGroups")).await.body;
    assert_eq!(list["value"].as_array().unwrap().len(), 1);
    arm.finish("DELETE", &path, None).await;
    assert_eq!(arm.get(&format!("{zone}/A/app")).await.status, 404);
}

#[tokio::test]
async fn a_zone_has_its_soa_record() {
    let (_running, arm) = sandbox().await;
    let zone = network(SUBSCRIPTION, "myOtherResourceGroup", "privateDnsZones/a.example");
    arm.finish("PUT", &zone, Some(&json!({"location": "global"}))).await;
    let soa = arm.get(&format!("{zone}/SOA/@")).await.body;
    assert_eq!(soa["properties"]["fqdn"], "a.example.");
    assert_eq!(soa["properties"]["soaRecord"]["host"], "azureprivatedns.net");
    for list in ["SOA", "ALL"] {
        assert_eq!(arm.get(&format!("{zone}/{list}")).await.body["value"], json!([soa]));
    }
    assert_eq!(arm.get(&format!("{zone}/A")).await.body["value"], json!([]));
    assert_eq!(arm.get(&zone).await.body["properties"]["numberOfRecordSets"], 1);
}

#[tokio::test]
async fn private_dns_has_words_of_its_own_for_what_does_not_fit() {
    let (_running, arm) = sandbox().await;
    let zone = network(SUBSCRIPTION, "myOtherResourceGroup", "privateDnsZones/a.example");
    let body = json!({"location": "global"});
    arm.finish("PUT", &zone, Some(&body)).await;
    for (header, value, words) in [
        (
            "if-none-match",
            "*",
            "The Zone a.example exists already and hence cannot be created again.",
        ),
        ("if-match", "x", "The Zone a.example has been modified (etag mismatch)."),
    ] {
        let headers = [("authorization", "Bearer t"), (header, value)];
        let reply = arm.raw("PUT", &arm.url(&zone), Some(&body), &headers).await;
        assert_eq!((reply.status, reply.code()), (412, "PreconditionFailed"));
        assert_eq!(reply.body["error"]["message"], words);
    }
    let link = format!("{zone}/virtualNetworkLinks/v");
    let vnet = network(SUBSCRIPTION, "myOtherResourceGroup", "virtualNetworks/myOtherVNET");
    let body = json!({"location": "global", "properties": {"virtualNetwork": {"id": vnet}}});
    let reply = arm.send("PUT", &link, Some(&body)).await;
    let again = arm.send("PUT", &link, Some(&body)).await;
    let message = again.body["error"]["message"].as_str().unwrap();
    assert!(message.contains(reply.header("azure-asyncoperation")), "{message}");
    arm.follow(&reply).await;
    let reply = arm.send("DELETE", &zone, None).await;
    assert_eq!((reply.status, reply.code()), (409, "CannotDeleteResource"));
    assert_eq!(reply.body["error"].get("details"), None);
    let nested = "'Microsoft.Network/privateDnsZones/a.example/virtualNetworkLinks/v'";
    assert!(reply.body["error"]["message"].as_str().unwrap().contains(nested));
}
