//! Envoy Gateway.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::pointer::{At, text};

use super::{Controller, Given, Made, laid, listeners, metadata, service, short_hash, texts};

/// Where Envoy Gateway is installed by its guides, and makes its Services unless it is told to make them beside Gateways.
const NAMESPACE: &str = "envoy-gateway-system";

/// What nobody says who writes Gateways.
const ASSUMED: &str =
    "that Envoy Gateway runs in `envoy-gateway-system` and makes its Services there";

/// The most characters of a Gateway's name within a Service's.
const LONGEST: usize = 48;

/// One Service, named `envoy-NAMESPACE-GATEWAY-HASH`, in Envoy Gateway's own namespace, owned by the class
/// (`ResourceRender.Service`).
pub(super) fn make(_: &Controller, given: &Given<'_>) -> Made {
    let is_merged = |it: &Value| it.at("/spec/mergeGateways").and_then(Value::as_bool);
    if given.of_class.and_then(is_merged) == Some(true) {
        return Made::Unknown("its class makes one Service of all its Gateways (mergeGateways)");
    }
    let Some(proxy) = settled(given) else {
        return Made::Unknown("its EnvoyProxy is merged with that of its class by directives");
    };
    let gateway = given.gateway;
    let (namespace, name) = (text(gateway, "/metadata/namespace"), text(gateway, "/metadata/name"));
    let nothing = Value::Null;
    let said = proxy.at("/spec/provider/kubernetes/envoyService").unwrap_or(&nothing);
    let infrastructure = |part: &str| {
        texts(
            gateway.at("/spec/infrastructure").and_then(|infrastructure| infrastructure.get(part)),
        )
    };
    let mut annotations = infrastructure("annotations");
    annotations.extend(texts(said.get("annotations")));
    let selector = selected(infrastructure("labels"), (namespace, name));
    let mut labels = selector.clone();
    labels.extend(texts(said.get("labels")));
    let mut spec = of_service(said);
    spec.insert("ports".to_owned(), ports(gateway, &proxy).into());
    spec.insert("selector".to_owned(), selector.into());
    let addresses = super::addresses(gateway);
    if !addresses.is_empty() && text(said, "/type") != "ClusterIP" {
        spec.insert("externalIPs".to_owned(), addresses.into());
    }
    spec.extend(families(&proxy));
    let named = hashed(namespace, name);
    let named = said.get("name").and_then(Value::as_str).unwrap_or(&named);
    let made = service(metadata((NAMESPACE, named), annotations, labels), spec);
    let made = match said.get("patch") {
        None => Some(made),
        Some(patch) => laid(&made, patch.get("value").unwrap_or(&Value::Null)),
    };
    match made {
        Some(service) => Made::Service { service: Box::new(service), assumed: vec![ASSUMED] },
        None => Made::Unknown("its EnvoyProxy patches the Service with directives"),
    }
}

/// The EnvoyProxy that counts: the Gateway's own, in place of that of its class unless it says how to merge them
/// (`MergeEnvoyProxyConfigs`).
fn settled(given: &Given<'_>) -> Option<Value> {
    match (given.of_class, given.of_gateway) {
        (Some(class), Some(own)) => match text(own, "/spec/mergeType") {
            "" | "Replace" => Some(own.clone()),
            _ => laid(class, own),
        },
        (one, other) => Some(other.or(one).cloned().unwrap_or_default()),
    }
}

/// The Service's name (`ExpectedResourceHashedName`).
fn hashed(namespace: &str, name: &str) -> String {
    let hash = short_hash(&format!("{namespace}/{name}"));
    let joined = format!("{namespace}-{name}");
    let cut: String = joined.chars().take(LONGEST).collect();
    let kept = if cut.len() < joined.len() { cut.strip_suffix('-').unwrap_or(&cut) } else { &cut };
    format!("envoy-{kept}-{hash}")
}

/// The labels that the proxy's Pods are found by.
fn selected(labels: Map<String, Value>, (namespace, name): (&str, &str)) -> Map<String, Value> {
    let own = [
        ("app.kubernetes.io/name", "envoy"),
        ("app.kubernetes.io/component", "proxy"),
        ("app.kubernetes.io/managed-by", "envoy-gateway"),
    ];
    let owner = [
        ("gateway.envoyproxy.io/owning-gateway-name", name),
        ("gateway.envoyproxy.io/owning-gateway-namespace", namespace),
    ];
    let text = |(key, value): (&str, &str)| (key.to_owned(), Value::from(value));
    own.map(text).into_iter().chain(labels).chain(owner.map(text)).collect()
}

/// What an EnvoyProxy says of the Service, with what holds without it (`ExpectedServiceSpec`).
fn of_service(said: &Value) -> Map<String, Value> {
    let kind = said.get("type").and_then(Value::as_str).unwrap_or("LoadBalancer");
    let mut spec = Map::from_iter([("type".to_owned(), Value::from(kind))]);
    let fields: &[&str] = match kind {
        "LoadBalancer" => &[
            "loadBalancerClass",
            "allocateLoadBalancerNodePorts",
            "loadBalancerSourceRanges",
            "loadBalancerIP",
        ],
        _ => &[],
    };
    let found =
        fields.iter().filter_map(|name| Some(((*name).to_owned(), said.get(*name)?.clone())));
    spec.extend(found);
    if kind != "ClusterIP" {
        let policy = said.get("externalTrafficPolicy").cloned().unwrap_or_else(|| "Local".into());
        spec.insert("externalTrafficPolicy".to_owned(), policy);
    }
    spec
}

fn families(proxy: &Value) -> Map<String, Value> {
    let (policy, families) = match text(proxy, "/spec/ipFamily") {
        "IPv6" => ("SingleStack", json!(["IPv6"])),
        "DualStack" => ("RequireDualStack", json!(["IPv4", "IPv6"])),
        _ => return Map::new(),
    };
    Map::from_iter([
        ("ipFamilies".to_owned(), families),
        ("ipFamilyPolicy".to_owned(), policy.into()),
    ])
}

/// One port for each number and kind of protocol among the listeners (`containsPort`); those below 1024 are 10,000 higher
/// in the proxy (`servicePortToContainerPort`).
fn ports(gateway: &Value, proxy: &Value) -> Vec<Value> {
    let kept = proxy.at("/spec/provider/kubernetes/useListenerPortAsContainerPort");
    let kept = kept.and_then(Value::as_bool) == Some(true);
    let mut seen = BTreeSet::new();
    let mut ports = Vec::new();
    for (_, protocol, number) in listeners(gateway) {
        let (transport, layer) = match protocol {
            "HTTP" | "HTTPS" | "TLS" => ("TCP", 7),
            "TCP" => ("TCP", 4),
            _ => ("UDP", 4),
        };
        if seen.insert((transport, layer, number)) {
            let target = if kept || number >= 1024 { number } else { number + 10_000 };
            ports.push(json!({
                "name": format!("{}-{number}", protocol.to_lowercase()),
                "port": number,
                "protocol": transport,
                "targetPort": target,
            }));
        }
    }
    ports
}
