//! NGINX Gateway Fabric.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::pointer::{At, text};

use super::{
    Controller, GATEWAY_NAME, Given, Made, laid, listeners, metadata, service, short_hash, texts,
};

/// The most characters that the name of a Service has.
const LONGEST: usize = 63;

/// Keys that are the controller's own, whatever a Gateway says.
const RESERVED: [&str; 4] = [
    GATEWAY_NAME,
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
];

/// One Service of the Gateway's name and class, in the Gateway's namespace, owned by the Gateway (`buildNginxService`).
pub(super) fn make(_: &Controller, given: &Given<'_>) -> Made {
    let gateway = given.gateway;
    if !super::addresses(gateway).is_empty() {
        return Made::Unknown(
            "it asks for addresses: versions to 2.6 make them external IPs, later ones give the Service a load balancer \
             class of their own",
        );
    }
    let proxy = match (given.of_class, given.of_gateway) {
        (Some(class), Some(own)) => laid(class, own),
        (one, other) => Some(other.or(one).cloned().unwrap_or_default()),
    };
    let Some(proxy) = proxy else {
        return Made::Unknown("its NginxProxy is merged with that of its class by directives");
    };
    let (name, class) = (text(gateway, "/metadata/name"), text(gateway, "/spec/gatewayClassName"));
    let full = named(name, class);
    let nothing = Value::Null;
    let said = proxy.at("/spec/kubernetes/service").unwrap_or(&nothing);
    let copied = |part: &str| {
        let mut copied = texts(gateway.at("/spec/infrastructure").and_then(|it| it.get(part)));
        copied.retain(|key, _| !RESERVED.contains(&key.as_str()));
        copied
    };
    let selector = json!({GATEWAY_NAME: name, "app.kubernetes.io/name": full});
    let mut labels = copied("labels");
    labels.extend(texts(Some(&selector)));
    let mut spec = of_service(said, &proxy);
    spec.insert("ports".to_owned(), ports(gateway, said, &proxy).into());
    spec.insert("selector".to_owned(), selector);
    let key = (text(gateway, "/metadata/namespace"), full.as_str());
    let mut made = service(metadata(key, copied("annotations"), labels), spec);
    for patch in said.get("patches").and_then(Value::as_array).into_iter().flatten() {
        let laid = match text(patch, "/type") {
            "JSONPatch" => None,
            _ => laid(&made, patch.get("value").unwrap_or(&Value::Null)),
        };
        match laid {
            Some(laid) => made = laid,
            None => return Made::Unknown("its NginxProxy patches the Service by operations"),
        }
    }
    Made::Service { service: Box::new(made), assumed: Vec::new() }
}

/// The Service's name: cut, with a hash, where it is too long (`CreateNginxResourceName`).
fn named(name: &str, class: &str) -> String {
    let full = format!("{name}-{class}");
    if full.len() <= LONGEST {
        return full;
    }
    let hash = short_hash(&full);
    let room = LONGEST.saturating_sub(class.len() + hash.len() + 2);
    let cut: String = name.chars().take(room).collect();
    format!("{}-{hash}-{class}", cut.trim_end_matches('-'))
}

/// What a NginxProxy says of the Service, with what holds without it.
fn of_service(said: &Value, proxy: &Value) -> Map<String, Value> {
    let kind = said.get("type").and_then(Value::as_str).unwrap_or("LoadBalancer");
    let mut spec = Map::from_iter([("type".to_owned(), Value::from(kind))]);
    if kind != "ClusterIP" {
        let policy = said.get("externalTrafficPolicy").cloned().unwrap_or_else(|| "Local".into());
        spec.insert("externalTrafficPolicy".to_owned(), policy);
    }
    for name in ["loadBalancerIP", "loadBalancerClass", "loadBalancerSourceRanges"] {
        if let Some(value) = said.get(name).filter(|it| it.as_str() != Some("")) {
            spec.insert(name.to_owned(), value.clone());
        }
    }
    let (policy, families) = match text(proxy, "/spec/ipFamily") {
        "ipv4" => ("SingleStack", Some("IPv4")),
        "ipv6" => ("SingleStack", Some("IPv6")),
        _ => ("PreferDualStack", None),
    };
    spec.insert("ipFamilyPolicy".to_owned(), policy.into());
    if let Some(family) = families {
        spec.insert("ipFamilies".to_owned(), json!([family]));
    }
    spec
}

/// One port for each number and protocol among the listeners, and that of the readiness probe where it is exposed, in
/// order of number.
fn ports(gateway: &Value, said: &Value, proxy: &Value) -> Vec<Value> {
    let transport = |protocol: &str| if protocol == "UDP" { "UDP" } else { "TCP" };
    let mut all: BTreeSet<(i64, &str)> =
        listeners(gateway).map(|(_, protocol, number)| (number, transport(protocol))).collect();
    let health = health_port(proxy);
    all.extend(health.map(|number| (number, "TCP")));
    let mut how_many: BTreeMap<i64, usize> = BTreeMap::new();
    for (number, _) in &all {
        *how_many.entry(*number).or_default() += 1;
    }
    let node_ports = said.get("nodePorts").and_then(Value::as_array).into_iter().flatten();
    let node_ports: BTreeMap<i64, &Value> = node_ports
        .filter_map(|it| Some((it.get("listenerPort")?.as_i64()?, it.get("port")?)))
        .collect();
    let port = |(number, protocol): (i64, &str)| {
        let name = match how_many.get(&number) {
            _ if health == Some(number) && protocol == "TCP" => "health".to_owned(),
            Some(2..) => format!("port-{number}-{}", protocol.to_lowercase()),
            _ => format!("port-{number}"),
        };
        let mut port =
            json!({"name": name, "port": number, "protocol": protocol, "targetPort": number});
        if let (Some(port), Some(node_port)) = (port.as_object_mut(), node_ports.get(&number)) {
            port.insert("nodePort".to_owned(), (*node_port).clone());
        }
        port
    };
    all.into_iter().map(port).collect()
}

/// The port of the readiness probe, where the proxy's parameters expose it.
fn health_port(proxy: &Value) -> Option<i64> {
    let pods = ["deployment", "daemonSet"].iter().find_map(|kind| {
        proxy.at("/spec/kubernetes").and_then(|it| it.get(*kind)).filter(|it| it.is_object())
    })?;
    let probe = pods.at("/container/readinessProbe")?;
    probe.get("expose").and_then(Value::as_bool).filter(|it| *it)?;
    Some(probe.get("port").and_then(Value::as_i64).unwrap_or(8081))
}
