//! Private link services, endpoints and their connections over HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use serde_json::{Value, json};
use support::azure::{endpoint, endpoint_body, make_service, options, sandbox, service};
use support::{Arm, NODE_GROUP, SUBSCRIPTION, network, start};

const CONSUMER: &str = "11111111-1111-1111-1111-111111111111";
const PARTNER: &str = "99999999-9999-9999-9999-999999999999";

fn state<'a>(endpoint: &'a Value, list: &str) -> &'a Value {
    &endpoint["properties"][list][0]["properties"]["privateLinkServiceConnectionState"]
}

fn connection(service: &Value) -> &Value {
    &service["properties"]["privateEndpointConnections"][0]
}

#[tokio::test]
async fn an_endpoint_of_the_same_subscription_is_approved_at_once() {
    let (_running, arm) = sandbox().await;
    let pls = make_service(&arm, json!({})).await;
    assert!(pls["properties"]["alias"].as_str().unwrap().starts_with("pls."));
    assert!(
        pls["properties"]["alias"].as_str().unwrap().ends_with(".eastus.azure.privatelinkservice")
    );
    let path = endpoint(SUBSCRIPTION, "myOtherResourceGroup", "pe");
    let body = endpoint_body(
        SUBSCRIPTION,
        "myOtherResourceGroup",
        "myOtherVNET",
        pls["id"].as_str().unwrap(),
        false,
    );
    let done = arm.finish("PUT", &path, Some(&body)).await;
    assert_eq!(done.body["status"], "Succeeded", "{done:?}");
    let live = arm.get(&path).await.body;
    let expected =
        json!({"status": "Approved", "description": "Auto Approved", "actionsRequired": "None"});
    assert_eq!(state(&live, "privateLinkServiceConnections"), &expected);
    let pls = arm.get(&service("pls")).await.body;
    assert_eq!(connection(&pls)["properties"]["privateLinkServiceConnectionState"], expected);
    assert_eq!(connection(&pls)["properties"]["privateEndpoint"]["id"], live["id"]);
    // The address is on the interface.
    let interface = live["properties"]["networkInterfaces"][0]["id"].as_str().unwrap();
    let interface = arm.get(interface).await.body;
    let address = &interface["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"];
    assert_eq!(address, "10.1.0.4");
    let expanded = arm.get(&format!("{path}?$expand=networkInterfaces")).await.body;
    assert_eq!(expanded["properties"]["networkInterfaces"][0]["name"], interface["name"]);
    let subnet = network(
        SUBSCRIPTION,
        "myOtherResourceGroup",
        "virtualNetworks/myOtherVNET/subnets/pe-subnet",
    );
    assert_eq!(arm.get(&subnet).await.body["properties"]["privateEndpoints"][0]["id"], live["id"]);
    // Putting it again changes nothing but the etag.
    let done = arm.finish("PUT", &path, Some(&live)).await;
    assert_eq!(done.body["status"], "Succeeded", "{done:?}");
    // Deleting it clears both sides.
    arm.finish("DELETE", &path, None).await;
    assert_eq!(arm.get(&path).await.status, 404);
    let pls = arm.get(&service("pls")).await.body;
    assert_eq!(pls["properties"]["privateEndpointConnections"], json!([]));
    assert_eq!(arm.get(interface["id"].as_str().unwrap()).await.status, 404);
}

#[tokio::test]
async fn a_manual_request_waits_for_the_provider() {
    let (_running, arm) = sandbox().await;
    let pls = make_service(&arm, json!({})).await;
    let path = endpoint(CONSUMER, "consumerResourceGroup", "pe");
    let target = pls["id"].as_str().unwrap();
    let body = endpoint_body(CONSUMER, "consumerResourceGroup", "consumer-vnet", target, true);
    arm.finish("PUT", &path, Some(&body)).await;
    let live = arm.get(&path).await.body;
    let manual = "manualPrivateLinkServiceConnections";
    assert_eq!(state(&live, manual)["status"], "Pending");
    assert_eq!(state(&live, manual)["description"], "Awaiting Approval");
    let pls = arm.get(&service("pls")).await.body;
    let pending = &connection(&pls)["properties"]["privateLinkServiceConnectionState"];
    assert_eq!(
        (&pending["status"], &pending["description"]),
        (&json!("Pending"), &json!("please"))
    );
    let id = connection(&pls)["id"].as_str().unwrap().to_owned();
    for status in ["Approved", "Rejected", "Approved"] {
        let body = json!({"properties": {"privateLinkServiceConnectionState":
            {"status": status, "description": "by hand"}}});
        let done = arm.finish("PUT", &id, Some(&body)).await;
        assert_eq!(done.body, json!({"status": "Succeeded"}));
        let live = arm.get(&path).await.body;
        assert_eq!(state(&live, manual)["status"], status);
        assert_eq!(state(&live, manual)["description"], "by hand");
        let shown = arm.get(&id).await.body;
        assert_eq!(shown["properties"]["privateLinkServiceConnectionState"]["status"], status);
    }
    // The PLS cannot go while it has a connection; without it the endpoint is cut off for good.
    let reply = arm.send("DELETE", &service("pls"), None).await;
    assert_eq!(reply.code(), "PrivateLinkServiceWithPrivateEndpointConnectionsCannotBeDeleted");
    arm.finish("DELETE", &id, None).await;
    let live = arm.get(&path).await.body;
    assert_eq!(state(&live, manual)["status"], "Disconnected");
    let done = arm.finish("DELETE", &service("pls"), None).await;
    assert_eq!(done.body["status"], "Succeeded", "{done:?}");
    assert_eq!(arm.get(&service("pls")).await.status, 404);
    assert_eq!(arm.get(&path).await.status, 200);
}

#[tokio::test]
async fn auto_approval_is_by_subscription() {
    let (_running, arm) = sandbox().await;
    let lists = json!({
        "visibility": {"subscriptions": [PARTNER]},
        "autoApproval": {"subscriptions": [PARTNER]},
    });
    let pls = make_service(&arm, lists).await;
    let path = endpoint(PARTNER, "partnerResourceGroup", "pe");
    let alias = pls["properties"]["alias"].as_str().unwrap();
    let body = endpoint_body(PARTNER, "partnerResourceGroup", "partner-vnet", alias, true);
    arm.finish("PUT", &path, Some(&body)).await;
    let live = arm.get(&path).await.body;
    let manual = "manualPrivateLinkServiceConnections";
    assert_eq!(state(&live, manual)["status"], "Approved");
    assert_eq!(live["properties"][manual][0]["properties"]["privateLinkServiceId"], alias);
    let check = format!(
        "/subscriptions/{PARTNER}/providers/Microsoft.Network/locations/eastus/checkPrivateLinkServiceVisibility"
    );
    let reply = arm.send("POST", &check, Some(&json!({"privateLinkServiceAlias": alias}))).await;
    assert_eq!(reply.body["visible"], true);
}

#[tokio::test]
async fn a_foreign_tenant_sees_only_what_is_shown_to_it() {
    let (_running, arm) = sandbox().await;
    let pls = make_service(&arm, json!({})).await;
    let path = endpoint(PARTNER, "partnerResourceGroup", "pe");
    let target = pls["id"].as_str().unwrap();
    let body = endpoint_body(PARTNER, "partnerResourceGroup", "partner-vnet", target, true);
    let hidden = arm.send("PUT", &path, Some(&body)).await;
    let body =
        endpoint_body(PARTNER, "partnerResourceGroup", "partner-vnet", &service("nope"), true);
    let missing = arm.send("PUT", &path, Some(&body)).await;
    assert_eq!(
        hidden.code(),
        "ThirdPartyPrivateLinkServiceProvidedDuringPrivateEndpointCreationDoesNotExistOrIsNotVisible"
    );
    assert_eq!(missing.code(), hidden.code());
    let mut open = pls.clone();
    open["properties"]["visibility"] = json!({"subscriptions": ["*"]});
    arm.finish("PUT", &service("pls"), Some(&open)).await;
    let body = endpoint_body(PARTNER, "partnerResourceGroup", "partner-vnet", target, false);
    let reply = arm.send("PUT", &path, Some(&body)).await;
    assert_eq!((reply.status, reply.code()), (403, "LinkedAuthorizationFailed"));
    let body = endpoint_body(PARTNER, "partnerResourceGroup", "partner-vnet", target, true);
    let reply = arm.send("PUT", &path, Some(&body)).await;
    assert_eq!(reply.status, 201, "{reply:?}");
}

#[tokio::test]
async fn addresses_are_allocated_and_checked() {
    let (_running, arm) = sandbox().await;
    let pls = make_service(&arm, json!({})).await;
    let target = pls["id"].as_str().unwrap();
    let group = "myOtherResourceGroup";
    let with = |address: &str| {
        let mut body = endpoint_body(SUBSCRIPTION, group, "myOtherVNET", target, false);
        body["properties"]["ipConfigurations"] =
            json!([{"name": "ip", "properties": {"privateIPAddress": address}}]);
        body
    };
    let put = |name: &str, address: &str| {
        let (path, body) = (endpoint(SUBSCRIPTION, group, name), with(address));
        let arm = &arm;
        async move { arm.send("PUT", &path, Some(&body)).await }
    };
    assert_eq!(put("a", "10.1.0.9").await.status, 201);
    assert_eq!(put("b", "10.1.0.9").await.code(), "PrivateIPAddressIsAllocated");
    assert_eq!(put("b", "10.9.0.9").await.code(), "PrivateIPAddressNotInSubnet");
    assert_eq!(put("b", "10.1.0.1").await.code(), "PrivateIPAddressInReservedRange");
    let check = network(
        SUBSCRIPTION,
        group,
        "virtualNetworks/myOtherVNET/CheckIPAddressAvailability?ipAddress=10.1.0.9",
    );
    let reply = arm.get(&check).await.body;
    assert_eq!(
        (&reply["available"], &reply["availableIPAddresses"]),
        (&json!(false), &json!(["10.1.0.4"]))
    );
    let check = network(
        SUBSCRIPTION,
        NODE_GROUP,
        "virtualNetworks/aks-vnet/CheckIPAddressAvailability?ipAddress=10.240.0.4",
    );
    assert_eq!(arm.get(&check).await.body["available"], false, "a node has it");
}

#[tokio::test]
async fn an_endpoint_cannot_be_moved() {
    let (_running, arm) = sandbox().await;
    let pls = make_service(&arm, json!({})).await;
    let path = endpoint(SUBSCRIPTION, "myOtherResourceGroup", "pe");
    let target = pls["id"].as_str().unwrap();
    let mut body =
        endpoint_body(SUBSCRIPTION, "myOtherResourceGroup", "myOtherVNET", target, false);
    arm.finish("PUT", &path, Some(&body)).await;
    body["tags"] = json!({"a": "b"});
    arm.finish("PUT", &path, Some(&body)).await;
    assert_eq!(arm.get(&path).await.body["tags"], json!({"a": "b"}));
    let manual = endpoint_body(SUBSCRIPTION, "myOtherResourceGroup", "myOtherVNET", target, true);
    assert_eq!(
        arm.send("PUT", &path, Some(&manual)).await.code(),
        "CannotChangePrivateLinkConnectionOnPrivateEndpoint"
    );
}

#[tokio::test]
async fn what_is_in_use_cannot_go() {
    let (_running, arm) = sandbox().await;
    let pls = make_service(&arm, json!({})).await;
    let path = endpoint(SUBSCRIPTION, "myOtherResourceGroup", "pe");
    let target = pls["id"].as_str().unwrap();
    let body = endpoint_body(SUBSCRIPTION, "myOtherResourceGroup", "myOtherVNET", target, false);
    arm.finish("PUT", &path, Some(&body)).await;
    let live = arm.get(&path).await.body;
    let interface = live["properties"]["networkInterfaces"][0]["id"].as_str().unwrap().to_owned();
    let network = network(SUBSCRIPTION, "myOtherResourceGroup", "virtualNetworks/myOtherVNET");
    let subnet = format!("{network}/subnets/pe-subnet");
    let inside = arm.get(&subnet).await.body["properties"]["ipConfigurations"][0]["id"].clone();
    let inside = inside.as_str().unwrap().to_owned();
    assert!(inside.starts_with(&format!("{interface}/ipConfigurations/privateEndpointIpConfig.")));
    for path in [&subnet, &network] {
        let reply = arm.send("DELETE", path, None).await;
        assert_eq!((reply.status, reply.code()), (400, "InUseSubnetCannotBeDeleted"));
        assert!(reply.body["error"]["message"].as_str().unwrap().contains(&inside));
    }
    let reply = arm.send("DELETE", &interface, None).await;
    assert_eq!((reply.status, reply.code()), (400, "NicInUseWithPrivateEndpoint"));
    let of_service = pls["properties"]["networkInterfaces"][0]["id"].as_str().unwrap();
    assert_eq!(arm.send("DELETE", of_service, None).await.status, 400);
    // Once the endpoint went, the network may.
    arm.finish("DELETE", &path, None).await;
    assert_eq!(arm.get(&subnet).await.body["properties"].get("ipConfigurations"), None);
    let done = arm.finish("DELETE", &network, None).await;
    assert_eq!(done.body["status"], "Succeeded", "{done:?}");
    assert_eq!(arm.get(&subnet).await.status, 404);
}

#[tokio::test]
async fn etags_move_twice_with_each_write_and_once_without_work() {
    let (_running, arm) = sandbox().await;
    let pls = make_service(&arm, json!({})).await;
    let mut body = pls.clone();
    body["properties"]["enableProxyProtocol"] = json!(true);
    let reply = arm.send("PUT", &service("pls"), Some(&body)).await;
    assert_eq!(reply.body["properties"]["provisioningState"], "Updating");
    let url = reply.header("azure-asyncoperation").to_owned();
    while arm.raw("GET", &url, None, &[("authorization", "Bearer t")]).await.body["status"]
        != "Succeeded"
    {}
    let live = arm.get(&service("pls")).await.body;
    assert_ne!(live["etag"], reply.body["etag"]);
    assert_eq!(live["etag"], live["properties"]["ipConfigurations"][0]["etag"]);
    body["tags"] = json!({"a": "b"});
    let reply = arm.send("PUT", &service("pls"), Some(&body)).await;
    assert_eq!(reply.body["properties"]["provisioningState"], "Succeeded");
    assert_eq!(reply.header("retry-after-ms"), "");
    assert_eq!(arm.get(&service("pls")).await.body["etag"], reply.body["etag"]);
}

#[tokio::test]
async fn a_connection_that_is_not_there_cannot_be_made_by_the_provider() {
    let (_running, arm) = sandbox().await;
    make_service(&arm, json!({})).await;
    let id = format!("{}/privateEndpointConnections/pe.nobody", service("pls"));
    let body = json!({"properties": {"privateLinkServiceConnectionState": {"status": "Approved"}}});
    let reply = arm.send("PUT", &id, Some(&body)).await;
    assert_eq!(
        (reply.status, reply.code()),
        (400, "PrivateEndpointConnectionCannotBeCreatedByServiceProvider")
    );
}

#[tokio::test]
async fn what_is_being_written_cannot_be_referred_to() {
    let mut options = options();
    options.operation_polls = 2;
    let running = start(options).await;
    let arm = Arm::new(&running);
    let mut pls = make_service(&arm, json!({})).await;
    let path = endpoint(SUBSCRIPTION, "myOtherResourceGroup", "pe");
    let target = pls["id"].as_str().unwrap().to_owned();
    let body = endpoint_body(SUBSCRIPTION, "myOtherResourceGroup", "myOtherVNET", &target, false);
    pls["properties"]["enableProxyProtocol"] = json!(true);
    let writing = arm.send("PUT", &service("pls"), Some(&pls)).await;
    let reply = arm.send("PUT", &path, Some(&body)).await;
    assert_eq!((reply.status, reply.code()), (400, "ReferencedResourceNotProvisioned"));
    let words = format!(
        "Cannot proceed with operation because resource {target} used by resource {path} is not in Succeeded state. Resource is in Updating state and the last operation that updated/is updating the resource is PutPrivateLinkServiceOperation."
    );
    assert_eq!(reply.body["error"]["message"], words);
    let url = writing.header("azure-asyncoperation");
    while arm.raw("GET", url, None, &[("authorization", "Bearer t")]).await.body["status"]
        != "Succeeded"
    {}
    let done = arm.finish("PUT", &path, Some(&body)).await;
    assert_eq!(done.body["status"], "Succeeded", "{done:?}");
}
