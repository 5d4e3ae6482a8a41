//! Lists and objects as tables, which kubectl asks for to print columns
//! (`pkg/printers/internalversion`).

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::server::Call;

use super::resource::Resource;
use super::store::text;

/// Whether a client would rather have a table.
pub(super) fn is_wanted(call: &Call) -> bool {
    call.header("accept").is_some_and(|accept| {
        accept.split(',').next().is_some_and(|first| first.contains("as=Table"))
    })
}

/// The table of some objects, with the metadata of their list.
pub(super) fn table(resource: &Resource, objects: &[Value], metadata: Value) -> Value {
    let columns: Vec<Value> = columns(resource.kind)
        .iter()
        .map(|name| {
            let format = if *name == "Name" { "name" } else { "" };
            json!({
                "name": name, "type": "string", "format": format, "description": "", "priority": 0,
            })
        })
        .collect();
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let partial = json!({
                "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                "metadata": object.get("metadata"),
            });
            json!({"cells": cells(resource.kind, object), "object": partial})
        })
        .collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": columns, "rows": rows,
    })
}

fn columns(kind: &str) -> &'static [&'static str] {
    match kind {
        "Service" => &["Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age"],
        "Node" => &["Name", "Status", "Age", "Version"],
        "Namespace" => &["Name", "Status", "Age"],
        "Event" => &["Last Seen", "Type", "Reason", "Object", "Message"],
        "Lease" => &["Name", "Holder", "Age"],
        _ => &["Name", "Age"],
    }
}

fn or_none(text: &str) -> String {
    if text.is_empty() { "<none>".to_owned() } else { text.to_owned() }
}

fn cells(kind: &str, object: &Value) -> Vec<String> {
    let name = text(object, "/metadata/name").to_owned();
    let age = age(text(object, "/metadata/creationTimestamp"));
    match kind {
        "Service" => vec![
            name,
            text(object, "/spec/type").to_owned(),
            or_none(text(object, "/spec/clusterIP")),
            external(object),
            ports(object),
            age,
        ],
        "Node" => {
            let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
            let ready = conditions.into_iter().flatten().any(|condition| {
                text(condition, "/type") == "Ready" && text(condition, "/status") == "True"
            });
            let status = if ready { "Ready" } else { "NotReady" };
            let version = text(object, "/status/nodeInfo/kubeletVersion").to_owned();
            vec![name, status.to_owned(), age, version]
        }
        "Namespace" => vec![name, text(object, "/status/phase").to_owned(), age],
        "Event" => {
            let of = format!(
                "{}/{}",
                text(object, "/involvedObject/kind").to_lowercase(),
                text(object, "/involvedObject/name")
            );
            vec![
                self::age(text(object, "/lastTimestamp")),
                text(object, "/type").to_owned(),
                text(object, "/reason").to_owned(),
                of,
                text(object, "/message").to_owned(),
            ]
        }
        "Lease" => vec![name, text(object, "/spec/holderIdentity").to_owned(), age],
        _ => vec![name, age],
    }
}

/// The addresses of a load balancer; `<pending>` while it has none.
fn external(object: &Value) -> String {
    let ingress = object.pointer("/status/loadBalancer/ingress").and_then(Value::as_array);
    let addresses: Vec<&str> = ingress
        .into_iter()
        .flatten()
        .filter_map(|ingress| ingress.get("ip").or_else(|| ingress.get("hostname"))?.as_str())
        .collect();
    match (addresses.is_empty(), text(object, "/spec/type")) {
        (false, _) => addresses.join(","),
        (true, "LoadBalancer") => "<pending>".to_owned(),
        (true, "ExternalName") => text(object, "/spec/externalName").to_owned(),
        (true, _) => "<none>".to_owned(),
    }
}

fn ports(object: &Value) -> String {
    let ports = object.pointer("/spec/ports").and_then(Value::as_array);
    let shown: Vec<String> = ports
        .into_iter()
        .flatten()
        .map(|port| {
            let number = |name: &str| port.get(name).and_then(Value::as_i64).unwrap_or_default();
            let node_port = match number("nodePort") {
                0 => String::new(),
                node_port => format!(":{node_port}"),
            };
            format!("{}{node_port}/{}", number("port"), text(port, "/protocol"))
        })
        .collect();
    or_none(&shown.join(","))
}

/// How long ago something was, in the largest unit that fits.
fn age(time: &str) -> String {
    let Ok(time) = time.parse::<Timestamp>() else { return "<unknown>".to_owned() };
    let seconds = (Timestamp::now().as_second() - time.as_second()).max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_shown_as_kubectl_shows_it() {
        let object = json!({
            "metadata": {"name": "web"},
            "spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.9",
                "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}]},
        });
        let cells = cells("Service", &object);
        let expected =
            ["web", "LoadBalancer", "10.0.0.9", "<pending>", "80:30080/TCP", "<unknown>"];
        assert_eq!(cells, expected);
        assert_eq!(cells.len(), columns("Service").len());
    }
}
