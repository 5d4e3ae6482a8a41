//! ARM over HTTP: the wire, private link services and endpoints, DNS.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use privlink_sandbox::{ControllerMode, Effect, Fault, Running, SandboxOptions};
use serde_json::{Value, json};
use support::{Arm, NODE_GROUP, SUBSCRIPTION, network, start};

const CONSUMER: &str = "11111111-1111-1111-1111-111111111111";
const PARTNER: &str = "99999999-9999-9999-9999-999999999999";

fn options() -> SandboxOptions {
    let mut options = SandboxOptions::in_memory();
    options.controller = ControllerMode::None;
    options
}

async fn sandbox() -> (Running, Arm) {
    let running = start(options()).await;
    let arm = Arm::new(&running);
    (running, arm)
}

fn subnet(name: &str) -> String {
    network(SUBSCRIPTION, NODE_GROUP, &format!("virtualNetworks/aks-vnet/subnets/{name}"))
}

fn service(name: &str) -> String {
    network(SUBSCRIPTION, NODE_GROUP, &format!("privateLinkServices/{name}"))
}

fn endpoint(subscription: &str, group: &str, name: &str) -> String {
    network(subscription, group, &format!("privateEndpoints/{name}"))
}

/// A load balancer and a PLS on it, made as any ARM client makes them.
async fn make_service(arm: &Arm, extra: Value) -> Value {
    let balancer = network(SUBSCRIPTION, NODE_GROUP, "loadBalancers/lb");
    let body = json!({
        "location": "eastus",
        "sku": {"name": "Standard"},
        "properties": {"frontendIPConfigurations": [{
            "name": "fe", "properties": {"subnet": {"id": subnet("aks-subnet")}},
        }]},
    });
    let done = arm.finish("PUT", &balancer, Some(&body)).await;
    assert_eq!(done.body["status"], "Succeeded", "{done:?}");
    let mut pls_subnet = arm.get(&subnet("pls-subnet")).await.body;
    pls_subnet["properties"]["privateLinkServiceNetworkPolicies"] = json!("Disabled");
    let done = arm.finish("PUT", &subnet("pls-subnet"), Some(&pls_subnet)).await;
    assert_eq!(done.body["status"], "Succeeded", "{done:?}");
    let mut body = json!({
        "location": "eastus",
        "properties": {
            "loadBalancerFrontendIpConfigurations":
                [{"id": format!("{balancer}/frontendIPConfigurations/fe")}],
            "ipConfigurations": [{"name": "nat-0", "properties": {
                "subnet": {"id": subnet("pls-subnet")},
                "privateIPAllocationMethod": "Dynamic",
                "primary": true,
            }}],
        },
    });
    body["properties"].as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    let done = arm.finish("PUT", &service("pls"), Some(&body)).await;
    assert_eq!(done.body["status"], "Succeeded", "{done:?}");
    arm.get(&service("pls")).await.body
}

fn endpoint_body(subscription: &str, group: &str, vnet: &str, target: &str, manual: bool) -> Value {
    let list = if manual {
        "manualPrivateLinkServiceConnections"
    } else {
        "privateLinkServiceConnections"
    };
    let subnet = network(subscription, group, &format!("virtualNetworks/{vnet}/subnets/pe-subnet"));
    let mut connection = json!({"name": "c", "properties": {"privateLinkServiceId": target}});
    if manual {
        connection["properties"]["requestMessage"] = json!("please");
    }
    json!({
        "location": "eastus",
        "properties": {"subnet": {"id": subnet}, list: [connection]},
    })
}

fn state<'a>(endpoint: &'a Value, list: &str) -> &'a Value {
    &endpoint["properties"][list][0]["properties"]["privateLinkServiceConnectionState"]
}

fn connection(service: &Value) -> &Value {
    &service["properties"]["privateEndpointConnections"][0]
}

#[tokio::test]
async fn a_request_needs_a_token_and_a_version() {
    let (running, arm) = sandbox().await;
    let reply = arm.raw("GET", &arm.url("/subscriptions"), None, &[]).await;
    assert_eq!((reply.status, reply.code()), (401, "AuthenticationFailed"));
    assert!(reply.header("www-authenticate").starts_with("Bearer authorization_uri="));
    let url = format!("{}/subscriptions", running.arm_url);
    let reply = arm.raw("GET", &url, None, &[("authorization", "Bearer t")]).await;
    assert_eq!((reply.status, reply.code()), (400, "MissingApiVersionParameter"));
    let reply = arm.get("/subscriptions").await;
    assert_eq!(reply.body["value"].as_array().unwrap().len(), 3);
    assert!(!reply.header("x-ms-request-id").is_empty());
}

#[tokio::test]
async fn what_is_missing_is_missing_in_arms_words() {
    let (_running, arm) = sandbox().await;
    let reply = arm.get(&service("nope")).await;
    assert_eq!((reply.status, reply.code()), (404, "ResourceNotFound"));
    assert_eq!(reply.header("x-ms-failure-cause"), "gateway");
    let reply = arm.get(&subnet("nope")).await;
    assert_eq!((reply.status, reply.code()), (404, "NotFound"));
    assert_eq!(reply.body["error"]["message"], format!("Resource {} not found.", subnet("nope")));
    let reply = arm.get(&network(SUBSCRIPTION, "nope", "loadBalancers")).await;
    assert_eq!(reply.code(), "ResourceGroupNotFound");
    let reply = arm.get("/subscriptions/22222222-0000-0000-0000-000000000000/resourceGroups").await;
    assert_eq!(reply.code(), "SubscriptionNotFound");
    let reply = arm.send("DELETE", &service("nope"), None).await;
    assert_eq!(reply.status, 204);
}

#[tokio::test]
async fn paths_have_no_case() {
    let (_running, arm) = sandbox().await;
    let reply = arm.get(&subnet("AKS-SUBNET").to_uppercase()).await;
    assert_eq!((reply.status, &reply.body["name"]), (200, &json!("aks-subnet")));
    let list = network(SUBSCRIPTION, &NODE_GROUP.to_lowercase(), "VIRTUALNETWORKS");
    assert_eq!(arm.get(&list).await.body["value"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_write_is_an_operation_that_is_polled() {
    let mut options = options();
    options.operation_polls = 2;
    options.retry_after = std::time::Duration::from_secs(2);
    let running = start(options).await;
    let arm = Arm::new(&running);
    let balancer = network(SUBSCRIPTION, NODE_GROUP, "loadBalancers/lb");
    let body = json!({
        "location": "eastus",
        "sku": {"name": "Standard"},
        "properties": {"frontendIPConfigurations": [{
            "name": "fe", "properties": {"subnet": {"id": subnet("aks-subnet")}},
        }]},
    });
    let reply = arm.send("PUT", &balancer, Some(&body)).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    assert_eq!(reply.body["properties"]["provisioningState"], "Updating");
    assert_eq!(reply.header("retry-after"), "2");
    assert_eq!(reply.header("location"), "");
    let again = arm.send("PUT", &balancer, Some(&body)).await;
    assert_eq!((again.status, again.code()), (409, "AnotherOperationInProgress"));
    let url = reply.header("azure-asyncoperation").to_owned();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let status = arm.raw("GET", &url, None, &[("authorization", "Bearer t")]).await;
        seen.push(status.body["status"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen, ["InProgress", "InProgress", "Succeeded"]);
    assert_eq!(arm.get(&balancer).await.body["properties"]["provisioningState"], "Succeeded");
    let reply = arm.send("DELETE", &balancer, None).await;
    assert_eq!(reply.status, 202);
    assert_eq!(arm.get(&balancer).await.body["properties"]["provisioningState"], "Deleting");
    let result = reply.header("location").to_owned();
    for expected in [202, 202, 204] {
        let reply = arm.raw("GET", &result, None, &[("authorization", "Bearer t")]).await;
        assert_eq!(reply.status, expected);
    }
    assert_eq!(arm.get(&balancer).await.status, 404);
}

#[tokio::test]
async fn if_match_is_honoured() {
    let (_running, arm) = sandbox().await;
    let balancer = network(SUBSCRIPTION, NODE_GROUP, "loadBalancers/lb");
    let body = json!({"location": "eastus", "sku": {"name": "Standard"}, "properties": {}});
    arm.finish("PUT", &balancer, Some(&body)).await;
    let live = arm.get(&balancer).await;
    let etag = live.body["etag"].as_str().unwrap();
    assert_eq!(live.header("etag"), etag);
    let stale = [("authorization", "Bearer t"), ("if-match", "W/\"x\"")];
    let reply = arm.raw("PUT", &arm.url(&balancer), Some(&body), &stale).await;
    assert_eq!((reply.status, reply.code()), (412, "PreconditionFailed"));
    assert_eq!(reply.body["error"]["details"][0]["code"], "PreconditionFailedEtagMismatch");
    let fresh = [("authorization", "Bearer t"), ("if-match", etag)];
    assert_eq!(arm.raw("PUT", &arm.url(&balancer), Some(&body), &fresh).await.status, 200);
}

#[tokio::test]
async fn lists_come_by_pages() {
    let mut options = options();
    options.page_size = 2;
    let running = start(options).await;
    let arm = Arm::new(&running);
    for index in 0..5 {
        let balancer = network(SUBSCRIPTION, NODE_GROUP, &format!("loadBalancers/lb{index}"));
        let body = json!({"location": "eastus", "sku": {"name": "Standard"}, "properties": {}});
        arm.finish("PUT", &balancer, Some(&body)).await;
    }
    let path = format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Network/loadBalancers");
    let mut url = arm.url(&path);
    let mut sizes = Vec::new();
    loop {
        let page = arm.raw("GET", &url, None, &[("authorization", "Bearer t")]).await;
        sizes.push(page.body["value"].as_array().unwrap().len());
        match page.body["nextLink"].as_str() {
            Some(next) => url = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(sizes, [2, 2, 1]);
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
async fn the_cluster_and_its_rights_are_shown() {
    let (running, arm) = sandbox().await;
    let clusters = format!(
        "/subscriptions/{SUBSCRIPTION}/providers/Microsoft.ContainerService/managedClusters"
    );
    let list = arm.get(&clusters).await.body;
    let cluster = &list["value"][0];
    assert_eq!(cluster["properties"]["nodeResourceGroup"], NODE_GROUP);
    let identity = cluster["identity"]["principalId"].as_str().unwrap();
    let group = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{NODE_GROUP}");
    let roles = format!(
        "{group}/providers/Microsoft.Authorization/roleAssignments?$filter=assignedTo('{identity}')"
    );
    let roles = arm.get(&roles).await.body;
    let role = roles["value"][0]["properties"]["roleDefinitionId"].as_str().unwrap();
    assert_eq!(arm.get(role).await.body["properties"]["roleName"], "Network Contributor");
    let permissions = format!("{group}/providers/Microsoft.Authorization/permissions");
    assert_eq!(arm.get(&permissions).await.body["value"][0]["actions"], json!(["*"]));
    running
        .edit(|world| {
            let reader = privlink_sandbox::Permission {
                actions: vec!["*/read".into()],
                ..Default::default()
            };
            world
                .directory
                .permissions
                .insert(format!("/subscriptions/{SUBSCRIPTION}"), vec![reader]);
        })
        .unwrap();
    let balancer = network(SUBSCRIPTION, NODE_GROUP, "loadBalancers/lb");
    let reply = arm.send("PUT", &balancer, Some(&json!({}))).await;
    assert_eq!((reply.status, reply.code()), (403, "AuthorizationFailed"));
    let filter = format!(
        "/subscriptions/{SUBSCRIPTION}/resources?$filter=resourceGroup%20eq%20'{NODE_GROUP}'%20and%20name%20eq%20'aks-vnet'%20and%20resourceType%20eq%20'Microsoft.Network/virtualNetworks'"
    );
    assert_eq!(arm.get(&filter).await.body["value"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn faults_strike_as_asked() {
    let mut options = options();
    options.faults = vec![Fault {
        path: Some("/subscriptions?".into()),
        times: 1,
        effect: Effect::Status {
            status: 429,
            code: String::new(),
            message: String::new(),
            retry_after: Some(1),
        },
        ..Fault::default()
    }];
    let running = start(options).await;
    let arm = Arm::new(&running);
    let reply = arm.get("/subscriptions").await;
    assert_eq!((reply.status, reply.code()), (429, "SubscriptionRequestsThrottled"));
    assert_eq!(reply.header("retry-after"), "1");
    assert_eq!(arm.get("/subscriptions").await.status, 200);
    let fault = json!([{
        "method": "PUT", "path": "/loadBalancers/",
        "effect": {"failedOperation": {"code": "SubnetIsFull", "message": "no room"}},
    }]);
    let url = format!("{}/sandbox/faults", running.arm_url);
    assert_eq!(
        arm.raw("POST", &url, Some(&fault), &[("authorization", "Bearer t")]).await.status,
        204
    );
    let balancer = network(SUBSCRIPTION, NODE_GROUP, "loadBalancers/lb");
    let body = json!({"location": "eastus", "sku": {"name": "Standard"}, "properties": {}});
    let done = arm.finish("PUT", &balancer, Some(&body)).await;
    assert_eq!(done.body["status"], "Failed");
    assert_eq!(done.body["error"]["code"], "SubnetIsFull");
    assert_eq!(arm.get(&balancer).await.body["properties"]["provisioningState"], "Failed");
    let statuses: Vec<u16> = running.requests().iter().map(|entry| entry.status).collect();
    assert_eq!(statuses.first(), Some(&429));
}

#[tokio::test]
async fn connections_can_break() {
    let (running, arm) = sandbox().await;
    let client = privlink_http::client(true).build().unwrap();
    let url = arm.url("/subscriptions");
    for effect in [Effect::Reset, Effect::LostAnswer] {
        running.add_faults([Fault { times: 1, effect, ..Fault::default() }]);
        let result = client.get(&url).bearer_auth("t").send().await;
        assert!(result.is_err(), "{result:?}");
    }
    running.add_faults([Fault { times: 1, effect: Effect::HalfAnswer, ..Fault::default() }]);
    let response = client.get(&url).bearer_auth("t").send().await.unwrap();
    assert!(response.bytes().await.is_err());
    running.add_faults([Fault { times: 1, effect: Effect::WrongContentType, ..Fault::default() }]);
    let response = client.get(&url).bearer_auth("t").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/html");
    assert_eq!(client.get(&url).bearer_auth("t").send().await.unwrap().status(), 200);
    let statuses: Vec<u16> = running.requests().iter().map(|entry| entry.status).collect();
    assert_eq!(statuses, [0, 0, 200, 200, 200]);
}

#[tokio::test]
async fn tokens_are_given_to_everybody() {
    let (running, arm) = sandbox().await;
    let url = format!("{}/metadata/endpoints?api-version=2022-09-01", running.arm_url);
    assert_eq!(arm.raw("GET", &url, None, &[]).await.body["resourceManager"], running.arm_url);
    let url = format!("{}/metadata/endpoints?api-version=2019-05-01", running.arm_url);
    assert!(arm.raw("GET", &url, None, &[]).await.body.is_array());
    let url = format!("{}/common/v2.0/.well-known/openid-configuration", running.arm_url);
    let configuration = arm.raw("GET", &url, None, &[]).await.body;
    let token = configuration["token_endpoint"].as_str().unwrap();
    let answer = arm.raw("POST", token, None, &[]).await.body;
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["access_token"].as_str().unwrap().split('.').count(), 3);
}

async fn query(arm: &Arm, text: &str, options: Value) -> support::Reply {
    let body = json!({"subscriptions": [SUBSCRIPTION], "query": text, "options": options});
    arm.send("POST", "/providers/Microsoft.ResourceGraph/resources", Some(&body)).await
}

#[tokio::test]
async fn resource_graph_shows_rows_by_pages_and_counts_queries() {
    let (_running, arm) = sandbox().await;
    make_service(&arm, json!({})).await;
    let kinds = "resources | where type in~ ('microsoft.network/virtualnetworks', 'microsoft.network/privateLinkServices') \
                 | order by id asc";
    let all = query(&arm, kinds, json!({"resultFormat": "objectArray"})).await;
    assert_eq!((all.status, all.header("x-ms-user-quota-remaining")), (200, "14"));
    assert_eq!(all.header("x-ms-user-quota-resets-after"), "00:00:05");
    assert_eq!(all.body["resultTruncated"], "false");
    let rows = all.body["data"].as_array().unwrap();
    assert_eq!(all.body["totalRecords"], rows.len());
    let service = rows.iter().find(|row| row["name"] == "pls").unwrap();
    assert_eq!(service["type"], "microsoft.network/privatelinkservices");
    assert_eq!(service["resourceGroup"], NODE_GROUP.to_lowercase());
    assert_eq!((&service["tags"], &service["kind"]), (&Value::Null, &json!("")));
    assert!(service["properties"]["alias"].is_string() && service["etag"].is_null(), "{service:#}");
    // Subnets are in their networks, and in no table.
    assert!(rows.iter().all(|row| !row["type"].as_str().unwrap().contains("subnets")));
    let mut paged = Vec::new();
    let mut token = Value::Null;
    loop {
        let page = query(&arm, kinds, json!({"$top": 1, "$skipToken": token})).await.body;
        paged.extend(page["data"].as_array().unwrap().clone());
        token = page["$skipToken"].clone();
        assert_eq!(page["resultTruncated"] == "true", token.is_string());
        if token.is_null() {
            break;
        }
    }
    assert_eq!(&paged, rows);
    let groups =
        "resourcecontainers | where type =~ 'microsoft.resources/subscriptions/resourcegroups'";
    let groups = query(&arm, groups, json!({})).await.body;
    assert!(groups["data"].as_array().unwrap().iter().any(|row| row["name"] == NODE_GROUP));
    assert_eq!(query(&arm, "nothing | where a", json!({})).await.code(), "BadRequest");
    let mut last = 200;
    for _ in 0..15 {
        let reply = query(&arm, kinds, json!({})).await;
        last = reply.status;
        if last == 429 {
            assert_eq!(reply.header("x-ms-user-quota-remaining"), "0");
            break;
        }
    }
    assert_eq!(last, 429);
}

#[tokio::test]
async fn resource_graph_lags_as_it_is_told_to() {
    let mut options = options();
    options.graph_lag = std::time::Duration::from_millis(600);
    let running = start(options).await;
    let arm = Arm::new(&running);
    let zones = "resources | where type =~ 'microsoft.network/privatednszones'";
    let zone = network(SUBSCRIPTION, NODE_GROUP, "privateDnsZones/late.example");
    let first = query(&arm, zones, json!({})).await.body["totalRecords"].as_u64().unwrap();
    let body = json!({"location": "global"});
    arm.finish("PUT", &zone, Some(&body)).await;
    assert_eq!(arm.get(&zone).await.status, 200);
    assert_eq!(query(&arm, zones, json!({})).await.body["totalRecords"], first);
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    assert_eq!(query(&arm, zones, json!({})).await.body["totalRecords"], first + 1);
}
