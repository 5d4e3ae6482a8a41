//! ARM over HTTP: the wire, operations, lists, rights, faults.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use privlink_sandbox::{Effect, Fault};
use serde_json::json;
use support::azure::{options, sandbox, service, subnet};
use support::{Arm, NODE_GROUP, SUBSCRIPTION, network, start};

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
    let missing = network(SUBSCRIPTION, NODE_GROUP, "virtualNetworks/nope");
    let body = json!({"properties": {"addressPrefix": "10.0.0.0/24"}});
    for (method, path, body, verb) in [
        ("GET", format!("{missing}/subnets/s"), None, "read"),
        ("GET", format!("{missing}/subnets"), None, "read"),
        ("PUT", format!("{missing}/subnets/s"), Some(&body), "write"),
    ] {
        let reply = arm.send(method, &path, body).await;
        assert_eq!((reply.status, reply.code()), (404, "ParentResourceNotFound"));
        assert_eq!(reply.header("x-ms-failure-cause"), "gateway");
        let words = format!(
            "Failed to perform '{verb}' on resource(s) of type 'virtualNetworks/subnets', because the parent resource '{missing}' could not be found."
        );
        assert_eq!(reply.body["error"]["message"], words);
    }
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
async fn clients_are_told_to_wait_as_long_as_by_azure_and_to_poll_sooner() {
    let mut options = options();
    options.operation_polls = 1;
    let running = start(options).await;
    let arm = Arm::new(&running);
    let balancer = network(SUBSCRIPTION, NODE_GROUP, "loadBalancers/lb");
    let body = json!({"location": "eastus", "sku": {"name": "Standard"}, "properties":
        {"frontendIPConfigurations": [{"name": "fe", "properties": {"subnet": {"id": subnet("aks-subnet")}}}]}});
    let zone = network(SUBSCRIPTION, NODE_GROUP, "privateDnsZones/a.example");
    let global = json!({"location": "global"});
    for (path, body, seconds) in [(&balancer, &body, "3"), (&zone, &global, "30")] {
        let reply = arm.send("PUT", path, Some(body)).await;
        let url = reply.header("azure-asyncoperation").to_owned();
        let token = [("authorization", "Bearer t")];
        let working = arm.raw("GET", &url, None, &token).await;
        for reply in [&reply, &working] {
            assert_eq!(reply.header("retry-after"), seconds);
            assert_eq!(reply.header("retry-after-ms"), "20");
        }
        let done = arm.raw("GET", &url, None, &token).await;
        assert_eq!(done.body["status"], "Succeeded");
        assert_eq!((done.header("retry-after"), done.header("retry-after-ms")), ("", ""));
    }
    let again = arm.send("PUT", &balancer, Some(&body)).await;
    assert_eq!((again.status, again.header("retry-after")), (200, ""));
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
