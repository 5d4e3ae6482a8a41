//! What tests of ARM share: a sandbox without a controller, and what is made in it.

use privlink_sandbox::{ControllerMode, Running, SandboxOptions};
use serde_json::{Value, json};

use super::{Arm, NODE_GROUP, SUBSCRIPTION, network, start};

pub fn options() -> SandboxOptions {
    let mut options = SandboxOptions::in_memory();
    options.controller = ControllerMode::None;
    options
}

pub async fn sandbox() -> (Running, Arm) {
    let running = start(options()).await;
    let arm = Arm::new(&running);
    (running, arm)
}

pub fn subnet(name: &str) -> String {
    network(SUBSCRIPTION, NODE_GROUP, &format!("virtualNetworks/aks-vnet/subnets/{name}"))
}

pub fn service(name: &str) -> String {
    network(SUBSCRIPTION, NODE_GROUP, &format!("privateLinkServices/{name}"))
}

pub fn endpoint(subscription: &str, group: &str, name: &str) -> String {
    network(subscription, group, &format!("privateEndpoints/{name}"))
}

/// A load balancer and a PLS on it, made as any ARM client makes them.
pub async fn make_service(arm: &Arm, extra: Value) -> Value {
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

pub fn endpoint_body(
    subscription: &str,
    group: &str,
    vnet: &str,
    target: &str,
    manual: bool,
) -> Value {
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
