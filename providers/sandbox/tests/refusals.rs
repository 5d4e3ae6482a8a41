//! What the sandbox's ARM refuses as Azure does, and that a refusal changes nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use privlink_sandbox::{ControllerMode, Running, SandboxOptions};
use serde_json::{Value, json};
use support::{Arm, NODE_GROUP, SUBSCRIPTION, network, start};

async fn sandbox() -> (Running, Arm) {
    let mut options = SandboxOptions::in_memory();
    options.controller = ControllerMode::None;
    let running = start(options).await;
    let arm = Arm::new(&running);
    (running, arm)
}

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
