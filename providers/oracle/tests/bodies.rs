//! Every body that privlink sends survives the generated models: a field that they do not know, or
//! know by another name or type, would be dropped or refused.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here fails the test")]

use std::collections::BTreeMap;
use std::path::Path;

use azure_mgmt_network::models;
use privlink_core::change::show_value;
use privlink_core::plan::{Op, Plan};
use privlink_core::resource_id::ResourceId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What a body loses on its way through a model. The models drop empty lists, which say nothing to
/// ARM that their absence does not say in a whole write.
fn lost(sent: &Value, back: &Value, path: &str, found: &mut Vec<String>) {
    match sent {
        Value::Array(items) if items.is_empty() => {}
        Value::Object(fields) => {
            for (name, value) in fields {
                let other = back.get(name).unwrap_or(&Value::Null);
                lost(value, other, &format!("{path}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let other = back.get(index).unwrap_or(&Value::Null);
                lost(item, other, &format!("{path}/{index}"), found);
            }
        }
        _ if sent == back => {}
        _ => found.push(format!("{path}: {sent} became {back}")),
    }
}

#[track_caller]
fn survives<M: Serialize + DeserializeOwned>(sent: &Value) {
    let model: M = serde_json::from_value(sent.clone()).unwrap();
    let back = serde_json::to_value(&model).unwrap();
    let mut found = Vec::new();
    lost(sent, &back, "", &mut found);
    assert!(found.is_empty(), "{found:#?}");
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The plans of all examples.
fn plans() -> Vec<Plan> {
    let mut plans = Vec::new();
    for entry in std::fs::read_dir(root().join("golden")).unwrap() {
        if let Ok(text) = std::fs::read(entry.unwrap().path().join("plan.json")) {
            plans.push(serde_json::from_slice(&text).unwrap());
        }
    }
    plans
}

#[test]
fn what_the_plans_of_all_examples_write_survives() {
    let mut written = BTreeMap::new();
    for plan in plans() {
        for step in &plan.steps {
            let Op::PutResource { id, body, .. } = &step.op else { continue };
            // What is not known yet is text once it is.
            let body = show_value(body.clone());
            let id = ResourceId::new(id);
            let kind = match id.key().rsplit('/').nth(1) {
                Some("privatednszonegroups") => {
                    survives::<models::PrivateDnsZoneGroup>(&body);
                    "zone group"
                }
                Some("privateendpoints") => {
                    survives::<models::PrivateEndpoint>(&body);
                    "endpoint"
                }
                Some("a") => {
                    survives::<azure_mgmt_privatedns::models::RecordSet>(&body);
                    "record"
                }
                _ => panic!("what is {id}?"),
            };
            *written.entry(kind).or_insert(0) += 1;
        }
    }
    let kinds: Vec<&str> = written.into_keys().collect();
    assert_eq!(kinds, ["endpoint", "record", "zone group"]);
}

#[test]
fn an_update_of_an_endpoint_survives() {
    survives::<models::PrivateEndpoint>(&json!({
        "location": "eastus",
        "tags": {"privlink-stack": "shop", "team": "a"},
        "properties": {
            "subnet": {"id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/n"},
            "customNetworkInterfaceName": "nic",
            "manualPrivateLinkServiceConnections": [{
                "name": "c",
                "properties": {
                    "privateLinkServiceId": "a.guid.eastus.azure.privatelinkservice",
                    "requestMessage": "please",
                },
            }],
            "ipConfigurations": [{
                "name": "privlink", "properties": {"privateIPAddress": "10.1.0.9"},
            }],
        },
    }));
}

#[test]
fn a_decision_on_a_connection_survives() {
    survives::<models::PrivateEndpointConnection>(&json!({
        "name": "pe.guid",
        "id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/privateLinkServices/p/privateEndpointConnections/pe.guid",
        "properties": {
            "privateEndpoint": {"id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/privateEndpoints/pe"},
            "privateLinkServiceConnectionState": {
                "status": "Approved", "description": "Approved by privlink", "actionsRequired": "None",
            },
            "linkIdentifier": "536890001",
        },
    }));
}

#[test]
fn a_misspelt_field_would_be_noticed() {
    let sent = json!({"location": "eastus", "properties": {"subnets": {"id": "x"}}});
    let model: models::PrivateEndpoint = serde_json::from_value(sent.clone()).unwrap();
    let mut found = Vec::new();
    lost(&sent, &serde_json::to_value(&model).unwrap(), "", &mut found);
    assert_eq!(found, ["/properties/subnets/id: \"x\" became null"]);
}
