//! What the sandbox's ARM refuses as Azure does, and that a refusal changes nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use serde_json::{Value, json};
use support::azure::{options, sandbox};
use support::{Arm, NODE_GROUP, SUBSCRIPTION, network, start};

/// What is in the resource group of the nodes.
fn here(rest: &str) -> String {
    network(SUBSCRIPTION, NODE_GROUP, rest)
}

#[tokio::test]
async fn a_write_that_is_refused_leaves_nothing_behind() {
    let (_running, arm) = sandbox().await;
    let path = here("virtualNetworks/aks-vnet");
    let before = arm.get(&path).await.body;
    let mut body = before.clone();
    body["tags"] = json!({"a": "b"});
    let subnets = body["properties"]["subnets"].as_array_mut().unwrap();
    subnets.push(json!({"name": "new", "properties": {"addressPrefix": "10.243.0.0/24"}}));
    subnets.push(json!({"name": "bad", "properties": 5}));
    let reply = arm.send("PUT", &path, Some(&body)).await;
    assert_eq!((reply.status, reply.code()), (400, "InvalidRequestFormat"));
    assert_eq!(arm.get(&path).await.body, before);
}

/// A load balancer with these frontends.
fn balancer(frontends: Value) -> Value {
    json!({
        "location": "eastus",
        "sku": {"name": "Standard"},
        "properties": {"frontendIPConfigurations": frontends},
    })
}

/// A frontend in a subnet of `aks-vnet`, at an address if one is given.
fn frontend(name: &str, subnet: &str, address: &str) -> Value {
    let mut frontend = json!({"name": name, "properties": {
        "subnet": {"id": here(&format!("virtualNetworks/aks-vnet/subnets/{subnet}"))},
    }});
    if !address.is_empty() {
        frontend["properties"]["privateIPAllocationMethod"] = json!("Static");
        frontend["properties"]["privateIPAddress"] = json!(address);
    }
    frontend
}

/// A Private Link Service on the first frontend of the load balancer `lb`, with NAT addresses of
/// `pls-subnet`: those that are empty are dynamic.
async fn put_service(arm: &Arm, addresses: &[&str]) -> support::Reply {
    let subnet = here("virtualNetworks/aks-vnet/subnets/pls-subnet");
    let mut open = arm.get(&subnet).await.body;
    open["properties"]["privateLinkServiceNetworkPolicies"] = json!("Disabled");
    arm.finish("PUT", &subnet, Some(&open)).await;
    let nat = addresses.iter().enumerate().map(|(at, address)| {
        let mut nat = frontend(&format!("nat-{at}"), "pls-subnet", address);
        nat["properties"]["primary"] = json!(at == 0);
        nat
    });
    let nat: Vec<Value> = nat.collect();
    let body = json!({"location": "eastus", "properties": {
        "loadBalancerFrontendIpConfigurations":
            [{"id": here("loadBalancers/lb/frontendIPConfigurations/a")}],
        "ipConfigurations": nat,
    }});
    let reply = arm.send("PUT", &here("privateLinkServices/pls"), Some(&body)).await;
    arm.follow(&reply).await;
    reply
}

#[tokio::test]
async fn addresses_of_one_write_differ() {
    let (_running, arm) = sandbox().await;
    let path = here("loadBalancers/lb");
    let three = json!([
        frontend("a", "apps-subnet", ""),
        frontend("b", "apps-subnet", "10.241.0.5"),
        frontend("c", "apps-subnet", ""),
    ]);
    let reply = arm.send("PUT", &path, Some(&balancer(three))).await;
    let address = |at: usize| {
        reply.body["properties"]["frontendIPConfigurations"][at]["properties"]["privateIPAddress"]
            .as_str()
            .unwrap()
    };
    assert_eq!([address(0), address(1), address(2)], ["10.241.0.4", "10.241.0.5", "10.241.0.6"]);
    arm.follow(&reply).await;
    let two = json!([
        frontend("a", "apps-subnet", "10.241.0.9"),
        frontend("b", "apps-subnet", "10.241.0.9"),
    ]);
    let other = here("loadBalancers/other");
    let reply = arm.send("PUT", &other, Some(&balancer(two))).await;
    assert_eq!((reply.status, reply.code()), (400, "MultipleIpConfigsRequestSamePrivateIpAddress"));
    assert_eq!(
        reply.body["error"]["message"],
        format!(
            "IP configuration {other}/frontendIPConfigurations/a is requesting the same private IP address 10.241.0.9 as IP Configurations {other}/frontendIPConfigurations/b. Private IP address 10.241.0.9 from the subnet can be assigned to only one IP configuration."
        )
    );
    let reply = put_service(&arm, &["10.242.0.9", "10.242.0.9"]).await;
    assert_eq!(reply.code(), "MultipleIpConfigsRequestSamePrivateIpAddress");
    let reply = put_service(&arm, &["", "10.242.0.4"]).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let interface = reply.body["properties"]["networkInterfaces"][0]["id"].as_str().unwrap();
    let interface = arm.get(interface).await.body;
    let items = interface["properties"]["ipConfigurations"].as_array().unwrap();
    let given: Vec<&Value> =
        items.iter().map(|item| &item["properties"]["privateIPAddress"]).collect();
    assert_eq!(given, ["10.242.0.5", "10.242.0.4"]);
}

#[tokio::test]
async fn parts_of_a_load_balancer_go_with_it_alone() {
    let (_running, arm) = sandbox().await;
    let path = here("loadBalancers/lb");
    let one = balancer(json!([frontend("a", "apps-subnet", "")]));
    arm.finish("PUT", &path, Some(&one)).await;
    let part = format!("{path}/frontendIPConfigurations/a");
    for method in ["PUT", "DELETE"] {
        let reply = arm.send(method, &part, Some(&json!({}))).await;
        assert_eq!((reply.status, reply.code()), (405, "MethodNotAllowed"));
    }
    let mut missing = one.clone();
    missing["properties"]["loadBalancingRules"] = json!([{"name": "r", "properties": {
        "frontendIPConfiguration": {"id": part},
        "probe": {"id": format!("{path}/probes/none")},
        "protocol": "Tcp", "frontendPort": 80, "backendPort": 80,
    }}]);
    let reply = arm.send("PUT", &path, Some(&missing)).await;
    assert_eq!((reply.status, reply.code()), (400, "InvalidResourceReference"));
    assert_eq!(reply.body["error"]["details"], json!([]));
}

/// An endpoint `name` to the Private Link Service `pls`, in `pls-subnet`.
fn endpoint(connection: Value) -> Value {
    let mut properties = frontend("", "pls-subnet", "")["properties"].clone();
    properties["privateLinkServiceConnections"] = json!([{"name": "c", "properties": connection}]);
    json!({"location": "eastus", "properties": properties})
}

/// Makes the load balancer, the service and an endpoint `pe` to it.
async fn put_endpoint(arm: &Arm) -> Value {
    let one = balancer(json!([frontend("a", "apps-subnet", "")]));
    arm.finish("PUT", &here("loadBalancers/lb"), Some(&one)).await;
    put_service(arm, &[""]).await;
    let body = endpoint(json!({"privateLinkServiceId": here("privateLinkServices/pls")}));
    let done = arm.finish("PUT", &here("privateEndpoints/pe"), Some(&body)).await;
    assert_eq!(done.body["status"], "Succeeded", "{done:?}");
    arm.get(&here("privateEndpoints/pe")).await.body
}

#[tokio::test]
async fn of_an_endpoints_interface_tags_alone_can_be_written() {
    let (_running, arm) = sandbox().await;
    let endpoint = put_endpoint(&arm).await;
    let path = endpoint["properties"]["networkInterfaces"][0]["id"].as_str().unwrap();
    let live = arm.get(path).await.body;
    let reply = arm.send("PUT", path, Some(&live)).await;
    assert_eq!((reply.status, reply.code()), (400, "CannotModifyNicAttachedToPrivateEndpoint"));
    let reply = arm.send("PATCH", path, Some(&json!({"tags": {"a": "b"}}))).await;
    assert_eq!((reply.status, &reply.body["tags"]), (200, &json!({"a": "b"})));
    let after = arm.get(path).await.body;
    assert_eq!(after["properties"], live["properties"]);
}

#[tokio::test]
async fn an_address_that_is_taken_is_refused_with_its_holder() {
    let (_running, arm) = sandbox().await;
    let holder = put_endpoint(&arm).await;
    let interface = holder["properties"]["networkInterfaces"][0]["id"].as_str().unwrap();
    let inside = arm.get(interface).await.body["properties"]["ipConfigurations"][0].clone();
    let address = inside["properties"]["privateIPAddress"].as_str().unwrap();
    let mut body = endpoint(json!({"privateLinkServiceId": here("privateLinkServices/pls")}));
    body["properties"]["ipConfigurations"] =
        json!([{"name": "ip", "properties": {"privateIPAddress": address}}]);
    body["properties"]["customNetworkInterfaceName"] = json!("nic");
    let reply = arm.send("PUT", &here("privateEndpoints/other"), Some(&body)).await;
    assert_eq!((reply.status, reply.code()), (400, "PrivateIPAddressIsAllocated"));
    let message = reply.body["error"]["message"].as_str().unwrap();
    let own = here("networkInterfaces/nic/ipConfigurations/privateEndpointIpConfig.");
    assert!(message.starts_with(&format!("IP configuration {own}")), "{message}");
    let words = format!(
        "is using the private IP address {address} which is already allocated to resource {}.",
        inside["id"].as_str().unwrap()
    );
    assert!(message.ends_with(&words), "{message}");
}

#[tokio::test]
async fn a_resource_has_a_location_and_keeps_it() {
    let (_running, arm) = sandbox().await;
    let path = here("loadBalancers/lb");
    let mut body = balancer(json!([frontend("a", "apps-subnet", "")]));
    body["location"] = json!("East US");
    let reply = arm.send("PUT", &path, Some(&body)).await;
    assert_eq!((reply.status, &reply.body["location"]), (201, &json!("eastus")));
    assert!(reply.header("azure-asyncoperation").contains("/locations/eastus/operations/"));
    arm.finish("PUT", &path, Some(&body)).await;
    body["location"] = json!("westus");
    let reply = arm.send("PUT", &path, Some(&body)).await;
    assert_eq!((reply.status, reply.code()), (409, "InvalidResourceLocation"));
    assert_eq!(
        reply.body["error"]["message"],
        format!(
            "The resource 'lb' already exists in location 'eastus' in resource group '{NODE_GROUP}'. A resource with the same name cannot be created in location 'westus'. Please select a new resource name."
        )
    );
    body.as_object_mut().unwrap().remove("location");
    let reply = arm.send("PUT", &path, Some(&body)).await;
    assert_eq!((reply.status, reply.code()), (400, "LocationRequired"));
    let group = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{NODE_GROUP}");
    let reply = arm.send("PUT", &group, Some(&json!({"location": "westus"}))).await;
    assert_eq!((reply.status, reply.code()), (409, "InvalidResourceGroupLocation"));
    let reply = arm.send("PUT", &group, Some(&json!({"location": "East US"}))).await;
    assert_eq!((reply.status, &reply.body["location"]), (200, &json!("eastus")));
}

#[tokio::test]
async fn private_dns_has_words_of_its_own_for_what_is_missing() {
    let (_running, arm) = sandbox().await;
    let zone = here("privateDnsZones/nope.example");
    let record = json!({"properties": {"ttl": 60, "aRecords": [{"ipv4Address": "10.0.0.4"}]}});
    for (method, path, body, verb, kind) in [
        ("PUT", format!("{zone}/A/app"), Some(&record), "write", "A"),
        ("GET", format!("{zone}/A"), None, "read", "A"),
        ("GET", format!("{zone}/virtualNetworkLinks"), None, "read", "virtualNetworkLinks"),
    ] {
        let reply = arm.send(method, &path, body).await;
        assert_eq!((reply.status, reply.code()), (404, "ParentResourceNotFound"));
        assert_eq!(
            reply.body["error"]["message"],
            format!(
                "Failed to perform '{verb}' on resource(s) of type 'privateDnsZones/{kind}', because the parent resource '{zone}' could not be found."
            )
        );
    }
    let record = network(
        SUBSCRIPTION,
        "myOtherResourceGroup",
        "privateDnsZones/privatelink.contoso.com/A/nope",
    );
    let reply = arm.get(&record).await;
    assert_eq!((reply.status, reply.code()), (404, "NotFound"));
    assert_eq!(
        reply.body["error"]["message"],
        format!(
            "The resource record 'nope' does not exist in resource group 'myotherresourcegroup' of subscription '{SUBSCRIPTION}'."
        )
    );
}

#[tokio::test]
async fn limits_and_skus_are_kept() {
    let (_running, arm) = sandbox().await;
    let path = here("loadBalancers/lb");
    let mut body = balancer(json!([frontend("a", "apps-subnet", "")]));
    arm.finish("PUT", &path, Some(&body)).await;
    assert_eq!(
        put_service(&arm, &[""; 9]).await.code(),
        "PrivateLinkServiceHasTooManyIpConfigurations"
    );
    assert_eq!(put_service(&arm, &[""; 8]).await.status, 201);
    body["sku"]["name"] = json!("Basic");
    let reply = arm.send("PUT", &path, Some(&body)).await;
    assert_eq!(reply.status, 400);
    assert_eq!(
        reply.body["error"]["message"],
        format!(
            "Sku property is set at creation time and cannot be changed from Standard to Basic on resource update for resource {path}."
        )
    );
}

#[tokio::test]
async fn a_resource_group_has_the_tags_that_were_sent() {
    let (_running, arm) = sandbox().await;
    let group = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/new");
    let body = json!({"location": "eastus", "tags": {"a": "b"}});
    let reply = arm.send("PUT", &group, Some(&body)).await;
    assert_eq!((reply.status, &reply.body["tags"]), (201, &json!({"a": "b"})));
    assert_eq!(arm.get(&group).await.body["tags"], json!({"a": "b"}));
}

#[tokio::test]
async fn what_depends_on_a_write_is_busy_with_it() {
    let mut options = options();
    options.operation_polls = 2;
    let running = start(options).await;
    let arm = Arm::new(&running);
    let network = here("virtualNetworks/aks-vnet");
    let subnet = |name: &str| format!("{network}/subnets/{name}");
    let live = arm.get(&network).await.body;
    let body = |range: &str| json!({"properties": {"addressPrefix": range}});
    let reply = arm.send("PUT", &subnet("new"), Some(&body("10.243.0.0/24"))).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let url = reply.header("azure-asyncoperation").to_owned();
    let sibling = subnet("other");
    for (path, body) in [(&sibling, body("10.244.0.0/24")), (&network, live)] {
        let reply = arm.send("PUT", path, Some(&body)).await;
        assert_eq!((reply.status, reply.code()), (409, "AnotherOperationInProgress"));
        let words = format!(
            "Another operation on this or dependent resource is in progress. To retrieve status of the operation use uri: {url}."
        );
        assert_eq!(reply.body["error"]["message"], words);
    }
    // What is in another resource is not in the way.
    let balancer = balancer(json!([frontend("a", "apps-subnet", "")]));
    let reply = arm.send("PUT", &here("loadBalancers/lb"), Some(&balancer)).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    for _ in 0..3 {
        arm.raw("GET", &url, None, &[("authorization", "Bearer t")]).await;
    }
    let reply = arm.send("PUT", &sibling, Some(&body("10.244.0.0/24"))).await;
    assert_eq!(reply.status, 201, "{reply:?}");
}
