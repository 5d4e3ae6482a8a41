//! The generated client lists, creates and deletes against the sandbox.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here fails the test")]

use std::sync::Arc;

use azure_core_legacy::auth::{AccessToken, TokenCredential};
use azure_core_legacy::{StatusCode, Url};
use azure_mgmt_network::{Client, models};
use futures::StreamExt;
use privlink_sandbox::{Running, Sandbox, SandboxOptions};
use serde_json::{Value, json};

const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000000";
const GROUP: &str = "MC_myResourceGroup_myAKSCluster_eastus";

#[derive(Debug)]
struct Anybody;

#[async_trait::async_trait]
impl TokenCredential for Anybody {
    async fn get_token(&self, _: &[&str]) -> azure_core_legacy::Result<AccessToken> {
        let far = azure_core_legacy::date::parse_rfc3339("2100-01-01T00:00:00Z")?;
        Ok(AccessToken::new("token", far))
    }

    async fn clear_cache(&self) -> azure_core_legacy::Result<()> {
        Ok(())
    }
}

async fn start() -> (Running, Client) {
    let mut options = SandboxOptions::in_memory();
    // The client takes what is not whole seconds for 30 of them.
    options.operation_polls = 0;
    options.page_size = 1;
    let running = Sandbox::start(options).await.unwrap();
    let url = Url::parse(&running.arm_url).unwrap();
    let client = Client::builder(Arc::new(Anybody)).endpoint(url).build().unwrap();
    (running, client)
}

fn id(kind: &str, name: &str) -> String {
    format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Network/{kind}/{name}"
    )
}

fn model<M: serde::de::DeserializeOwned>(body: Value) -> M {
    serde_json::from_value(body).unwrap()
}

fn json_of(resource: &impl serde::Serialize) -> Value {
    serde_json::to_value(resource).unwrap()
}

/// Names of a list's entries, page after page.
async fn networks(client: &Client) -> Vec<String> {
    let pages = client.virtual_networks_client().list_all(SUBSCRIPTION).into_stream();
    let mut names = Vec::new();
    let mut pages = std::pin::pin!(pages);
    while let Some(page) = pages.next().await {
        let page = json_of(&page.unwrap());
        let entries = page.pointer("/value").and_then(Value::as_array).cloned().unwrap_or_default();
        names.extend(entries.iter().filter_map(|it| it.get("name")?.as_str().map(str::to_owned)));
    }
    names.sort();
    names
}

#[tokio::test]
async fn lists_come_in_pages() {
    let (running, client) = start().await;
    assert_eq!(networks(&client).await, ["aks-vnet", "myOtherVNET"]);
    let pages = running.requests().iter().filter(|it| it.path.contains("skiptoken")).count();
    assert!(pages >= 1, "{:?}", running.requests());
    running.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_load_balancer_its_private_link_service_and_an_endpoint_come_and_go() {
    let (running, client) = start().await;
    let subnets = client.subnets_client();
    let subnet = subnets.get(GROUP, "aks-vnet", "pls-subnet", SUBSCRIPTION).await.unwrap();
    let mut body = json_of(&subnet);
    *body.pointer_mut("/properties/privateLinkServiceNetworkPolicies").unwrap() = json!("Disabled");
    let put = subnets.create_or_update(
        GROUP,
        "aks-vnet",
        "pls-subnet",
        model::<models::Subnet>(body),
        SUBSCRIPTION,
    );
    put.await.unwrap();

    let front = json!({"name": "front", "properties": {
        "subnet": {"id": format!("{}/subnets/apps-subnet", id("virtualNetworks", "aks-vnet"))},
    }});
    let body = json!({
        "location": "eastus", "sku": {"name": "Standard"},
        "properties": {"frontendIPConfigurations": [front], "backendAddressPools": [{"name": "back"}]},
    });
    let balancers = client.load_balancers_client();
    let made =
        balancers.create_or_update(GROUP, "own", model::<models::LoadBalancer>(body), SUBSCRIPTION);
    let made = json_of(&made.await.unwrap());
    assert_eq!(made.pointer("/properties/provisioningState"), Some(&json!("Succeeded")), "{made}");

    let nat = json!({"name": "nat", "properties": {
        "primary": true,
        "subnet": {"id": format!("{}/subnets/pls-subnet", id("virtualNetworks", "aks-vnet"))},
    }});
    let frontend = format!("{}/frontendIPConfigurations/front", id("loadBalancers", "own"));
    let body = json!({"location": "eastus", "properties": {
        "loadBalancerFrontendIpConfigurations": [{"id": frontend}],
        "ipConfigurations": [nat],
        "visibility": {"subscriptions": ["*"]},
    }});
    let links = client.private_link_services_client();
    let made = links.create_or_update(
        GROUP,
        "own-pls",
        model::<models::PrivateLinkService>(body),
        SUBSCRIPTION,
    );
    let made = json_of(&made.await.unwrap());
    assert!(made.pointer("/properties/alias").is_some(), "{made}");

    let other = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/myOtherResourceGroup/providers/Microsoft.Network"
    );
    let body = json!({"location": "eastus", "properties": {
        "subnet": {"id": format!("{other}/virtualNetworks/myOtherVNET/subnets/pe-subnet")},
        "manualPrivateLinkServiceConnections": [{
            "name": "ask", "properties": {"privateLinkServiceId": id("privateLinkServices", "own-pls")},
        }],
    }});
    let endpoints = client.private_endpoints_client();
    let body = model::<models::PrivateEndpoint>(body);
    endpoints.create_or_update("myOtherResourceGroup", "own-pe", body, SUBSCRIPTION).await.unwrap();

    let link = json_of(&links.get(GROUP, "own-pls", SUBSCRIPTION).await.unwrap());
    let connection = link.pointer("/properties/privateEndpointConnections/0").unwrap().clone();
    let name = connection.get("name").and_then(Value::as_str).unwrap().to_owned();
    let mut approved = connection;
    let status = "/properties/privateLinkServiceConnectionState/status";
    assert_eq!(approved.pointer(status), Some(&json!("Pending")));
    *approved.pointer_mut(status).unwrap() = json!("Approved");
    let approved = model::<models::PrivateEndpointConnection>(approved);
    links
        .update_private_endpoint_connection(GROUP, "own-pls", &name, approved, SUBSCRIPTION)
        .await
        .unwrap();
    let endpoint = endpoints.get("myOtherResourceGroup", "own-pe", SUBSCRIPTION).await.unwrap();
    let status = "/properties/manualPrivateLinkServiceConnections/0/properties\
                  /privateLinkServiceConnectionState/status";
    assert_eq!(json_of(&endpoint).pointer(status), Some(&json!("Approved")));

    // The client does not follow deletions, which the sandbox has done at once.
    endpoints.delete("myOtherResourceGroup", "own-pe", SUBSCRIPTION).send().await.unwrap();
    links.delete(GROUP, "own-pls", SUBSCRIPTION).send().await.unwrap();
    balancers.delete(GROUP, "own", SUBSCRIPTION).send().await.unwrap();
    let gone = balancers.get(GROUP, "own", SUBSCRIPTION).await.unwrap_err();
    let error = gone.as_http_error().unwrap();
    assert_eq!(error.status(), StatusCode::NotFound);
    assert_eq!(error.error_code(), Some("ResourceNotFound"));
    running.shutdown().await.unwrap();
}
