//! What somebody else does to the world of a stack.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::generated::{self, CONSUMER, ENDPOINTS, SERVICES};
use crate::served::Served;
use crate::support::http::call;

const MANAGED: &str = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/\
                       MC_myResourceGroup_myAKSCluster_eastus/providers/Microsoft.Network";

/// What somebody else does before the stack is applied again.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Nothing,
    /// A consumer of another subscription connects to a Service, and is approved.
    Consume(usize),
    /// The owner of a Private Link Service turns the connection of an own endpoint down.
    Reject(usize),
    /// An own endpoint is deleted.
    Delete(usize),
    /// An annotation that the stack says nothing of is set by hand.
    Annotate(usize, u8),
    /// The controller starts anew, and forgets its caches.
    Restart,
}

/// Any of them.
pub(crate) fn any() -> impl Strategy<Value = Deed> {
    let service = || 0..SERVICES.len();
    let endpoint = || 0..ENDPOINTS.len();
    prop_oneof![
        4 => Just(Deed::Nothing),
        2 => service().prop_map(Deed::Consume),
        1 => endpoint().prop_map(Deed::Reject),
        1 => endpoint().prop_map(Deed::Delete),
        1 => (service(), 2_u8..9).prop_map(|(at, probes)| Deed::Annotate(at, probes)),
        1 => Just(Deed::Restart),
    ]
}

/// One request of somebody else, again while another operation holds the thing. What is not there is
/// nobody's to change.
pub(crate) fn ask(served: &Served, method: &str, path: &str, body: &Value) {
    let is_azure = path.starts_with("/subscriptions");
    let (server, path, content) = if is_azure {
        (&served.running.arm_url, format!("{path}?api-version=2024-05-01"), "application/json")
    } else {
        let path = format!("{path}?fieldManager=somebody");
        (&served.running.kubernetes_url, path, "application/merge-patch+json")
    };
    let mut refused = String::new();
    for _ in 0..500 {
        let (status, reply) = call(server, method, &path, content, body);
        // A deletion goes on for a while after it was accepted.
        let is_done = if method == "DELETE" { status == 204 } else { status < 300 };
        if is_done || status == 404 {
            return;
        }
        refused = format!("{method} {path}: {status} {reply}");
        let held = reply["error"]["code"] == "AnotherOperationInProgress";
        assert!(held || status < 300, "{refused}");
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{refused}");
}

fn get(served: &Served, path: &str) -> Option<Value> {
    let path = format!("{path}?api-version=2024-05-01");
    let (status, reply) =
        call(&served.running.arm_url, "GET", &path, "application/json", &Value::Null);
    (status == 200).then_some(reply)
}

fn link_id(service: usize) -> String {
    format!("{MANAGED}/privateLinkServices/{}-pls", SERVICES[service])
}

fn consumer_group() -> String {
    format!(
        "/subscriptions/{CONSUMER}/resourceGroups/consumerResourceGroup/providers/Microsoft.Network"
    )
}

/// The connections of a Private Link Service: of which endpoint, and as ARM shows them.
fn connections(served: &Served, service: usize) -> Vec<(String, Value)> {
    let link = get(served, &link_id(service)).unwrap_or_default();
    let list = link["properties"]["privateEndpointConnections"].as_array().cloned();
    let named = |connection: Value| {
        let endpoint = connection["properties"]["privateEndpoint"]["id"].as_str().unwrap();
        (endpoint.to_lowercase(), connection)
    };
    list.unwrap_or_default().into_iter().map(named).collect()
}

fn decide(served: &Served, mut connection: Value, status: &str) {
    connection["properties"]["privateLinkServiceConnectionState"] =
        json!({"status": status, "description": "by hand", "actionsRequired": "None"});
    let id = connection["id"].as_str().unwrap().to_owned();
    ask(served, "PUT", &id, &connection);
}

/// Does it. The number tells strangers apart.
pub(crate) fn doing(served: &Served, deed: &Deed, number: usize) {
    match *deed {
        Deed::Nothing => {}
        Deed::Consume(service) => {
            if get(served, &link_id(service)).is_none() {
                return;
            }
            let group = consumer_group();
            let subnet = format!("{group}/virtualNetworks/consumer-vnet/subnets/pe-subnet");
            let body = json!({"location": "eastus", "properties": {
                "subnet": {"id": subnet},
                "manualPrivateLinkServiceConnections": [{"name": "theirs", "properties": {
                    "privateLinkServiceId": link_id(service), "requestMessage": "we are tenants",
                }}],
            }});
            let id = format!("{group}/privateEndpoints/stranger-{number}");
            ask(served, "PUT", &id, &body);
            let is_it = |(endpoint, _): &(String, Value)| *endpoint == id.to_lowercase();
            let settle = Instant::now();
            while settle.elapsed() < Duration::from_secs(10) {
                if let Some((_, connection)) = connections(served, service).into_iter().find(is_it)
                {
                    return decide(served, connection, "Approved");
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            unreachable!("the endpoint of the stranger never asks to connect");
        }
        Deed::Reject(endpoint) => {
            let end = format!("/privateendpoints/{}", ENDPOINTS[endpoint]);
            for service in 0..SERVICES.len() {
                for (of, connection) in connections(served, service) {
                    if of.ends_with(&end) {
                        decide(served, connection, "Rejected");
                    }
                }
            }
        }
        Deed::Delete(endpoint) => {
            let group = generated::ZONE.split("/privateDnsZones").next().unwrap();
            let id = format!("{group}/privateEndpoints/{}", ENDPOINTS[endpoint]);
            ask(served, "DELETE", &id, &Value::Null);
        }
        Deed::Annotate(service, probes) => {
            let path = format!("/api/v1/namespaces/default/services/{}", SERVICES[service]);
            let key = "service.beta.kubernetes.io/azure-load-balancer-health-probe-num-of-probe";
            let body = json!({"metadata": {"annotations": {key: probes.to_string()}}});
            ask(served, "PATCH", &path, &body);
        }
        Deed::Restart => served.running.restart_controller(),
    }
}
