//! Security groups, and what load balancers and groups hold, over HTTP.

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

fn rule(priority: i64) -> Value {
    json!({"properties": {
        "priority": priority, "direction": "Inbound", "access": "Allow", "protocol": "Tcp",
        "sourceAddressPrefix": "*", "destinationAddressPrefix": "*",
        "sourcePortRange": "*", "destinationPortRange": "80",
    }})
}

fn names(group: &Value, list: &str) -> Vec<String> {
    let list = group["properties"][list].as_array().unwrap().iter();
    list.map(|it| it["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_group_has_default_rules_and_shows_its_subnets() {
    let (_running, arm) = sandbox().await;
    let group = network(SUBSCRIPTION, NODE_GROUP, "networkSecurityGroups/g");
    let reply = arm.send("PUT", &group, Some(&json!({"location": "eastus"}))).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let defaults = names(&reply.body, "defaultSecurityRules");
    assert_eq!(
        defaults,
        [
            "AllowVnetInBound",
            "AllowAzureLoadBalancerInBound",
            "DenyAllInBound",
            "AllowVnetOutBound",
            "AllowInternetOutBound",
            "DenyAllOutBound"
        ]
    );
    assert_eq!(reply.body["properties"]["defaultSecurityRules"][0]["etag"], reply.body["etag"]);
    arm.follow(&reply).await;
    let path = subnet("apps-subnet");
    let mut body = arm.get(&path).await.body;
    body["properties"]["networkSecurityGroup"] = json!({"id": group});
    arm.finish("PUT", &path, Some(&body)).await;
    assert_eq!(arm.get(&group).await.body["properties"]["subnets"], json!([{"id": path}]));
}

#[tokio::test]
async fn rules_of_a_group_are_written_one_by_one() {
    let (_running, arm) = sandbox().await;
    let group = network(SUBSCRIPTION, NODE_GROUP, "networkSecurityGroups/aks-agentpool-nsg");
    let path = |name: &str| format!("{group}/securityRules/{name}");
    let done = arm.finish("PUT", &path("a"), Some(&rule(100))).await;
    assert_eq!(done.body["status"], "Succeeded", "{done:?}");
    assert_eq!(names(&arm.get(&group).await.body, "securityRules"), ["a"]);
    assert_eq!(arm.get(&path("a")).await.body["properties"]["priority"], 100);
    let list = arm.get(&format!("{group}/securityRules")).await.body;
    assert_eq!(list["value"].as_array().unwrap().len(), 1);
    for (priority, code, words) in [
        (50, "SecurityRuleInvalidPriority", "Value provided: 50 Allowed range 100-4096."),
        (100, "SecurityRuleConflict", "Security rule b conflicts with rule a."),
    ] {
        let reply = arm.send("PUT", &path("b"), Some(&rule(priority))).await;
        assert_eq!((reply.status, reply.code()), (400, code));
        assert!(reply.body["error"]["message"].as_str().unwrap().contains(words));
    }
    arm.finish("DELETE", &path("a"), None).await;
    assert_eq!(arm.get(&path("a")).await.status, 404);
    assert_eq!(names(&arm.get(&group).await.body, "securityRules"), [""; 0]);
}

#[tokio::test]
async fn nat_rules_of_a_load_balancer_are_written_one_by_one() {
    let (_running, arm) = sandbox().await;
    let balancer = network(SUBSCRIPTION, NODE_GROUP, "loadBalancers/lb");
    let frontend = json!([{"name": "f", "properties": {"subnet": {"id": subnet("aks-subnet")}}}]);
    let body = json!({"location": "eastus", "sku": {"name": "Standard"},
        "properties": {"frontendIPConfigurations": frontend}});
    arm.finish("PUT", &balancer, Some(&body)).await;
    let path = format!("{balancer}/inboundNatRules/n");
    let rule = json!({"properties": {"frontendPort": 22, "backendPort": 22, "protocol": "Tcp",
        "frontendIPConfiguration": {"id": format!("{balancer}/frontendIPConfigurations/f")}}});
    let done = arm.finish("PUT", &path, Some(&rule)).await;
    assert_eq!(done.body["status"], "Succeeded", "{done:?}");
    let live = arm.get(&balancer).await.body;
    assert_eq!(names(&live, "inboundNatRules"), ["n"]);
    let shown = &live["properties"]["frontendIPConfigurations"][0]["properties"]["inboundNatRules"];
    assert_eq!(shown, &json!([{"id": path}]));
    assert_eq!(arm.get(&path).await.body["properties"]["enableFloatingIP"], false);
    arm.finish("DELETE", &path, None).await;
    assert_eq!(names(&arm.get(&balancer).await.body, "inboundNatRules"), [""; 0]);
}
