//! Envoy Gateway.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::pointer::{At, text};

use super::envoy_listener::{self, Listener};
use super::{Controller, Given, Made, laid, merged, metadata, service, short_hash, texts};

/// Where Envoy Gateway is installed by its guides, and makes its Services unless it is configured to make them beside Gateways.
const NAMESPACE: &str = "envoy-gateway-system";

/// What nobody says who writes Gateways.
const ASSUMED: &str =
    "that Envoy Gateway runs in `envoy-gateway-system` and makes its Services there";

/// A listener whose certificates cannot be read has no port.
const ASSUMED_CERTIFICATES: &str = "that the certificates of its listeners can be read";

/// Labels that the proxy's Pods are found by, which cannot differ from Pod to Service.
const FOUND_BY: [(&str, &str); 3] = [
    ("app.kubernetes.io/name", "envoy"),
    ("app.kubernetes.io/component", "proxy"),
    ("app.kubernetes.io/managed-by", "envoy-gateway"),
];

/// The most characters of a Gateway's name within a Service's.
const LONGEST: usize = 48;

/// One Service, named `envoy-NAMESPACE-GATEWAY-HASH`, in Envoy Gateway's own namespace, owned by the class
/// (`ResourceRender.Service`).
pub(super) fn make(_: &Controller, given: &Given<'_>) -> Made {
    let is_merged = |it: &Value| it.at("/spec/mergeGateways").and_then(Value::as_bool);
    if given.of_class.and_then(is_merged) == Some(true) {
        return Made::Unknown("its class makes one Service of all its Gateways (mergeGateways)");
    }
    let Some(proxy) = effective(given) else {
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
    let listeners = envoy_listener::served(gateway);
    if listeners.is_empty() {
        return Made::Nothing("its listeners are invalid, or in conflict with each other");
    }
    let own_labels = infrastructure("labels");
    if FOUND_BY.iter().any(|(key, value)| own_labels.get(*key).is_some_and(|it| it != value)) {
        return Made::Nothing("its labels change those that Envoy Gateway finds its Pods by");
    }
    let mut annotations = infrastructure("annotations");
    annotations.extend(texts(said.get("annotations")));
    let selector = selected(own_labels, (namespace, name));
    let mut labels = selector.clone();
    labels.extend(texts(said.get("labels")));
    let mut spec = of_service(said);
    spec.insert("ports".to_owned(), ports(&listeners, &proxy).into());
    spec.insert("selector".to_owned(), selector.into());
    let addresses = super::addresses(gateway);
    match addresses.first() {
        Some(first) if text(said, "/type") == "ClusterIP" => {
            spec.insert("clusterIP".to_owned(), (*first).into());
            spec.insert("clusterIPs".to_owned(), json!([first]));
        }
        Some(_) => {
            spec.insert("externalIPs".to_owned(), addresses.into());
        }
        None => {}
    }
    spec.extend(families(&proxy));
    let named = hashed(namespace, name);
    let named = said.get("name").and_then(Value::as_str).unwrap_or(&named);
    let made = service(metadata((NAMESPACE, named), annotations, labels), spec);
    let made = match said.get("patch") {
        None => Some(made),
        Some(patch) => laid_as(text(patch, "/type"), &made, patch.get("value")),
    };
    let assumed = listeners.iter().any(|it| it.needs_certificates).then_some(ASSUMED_CERTIFICATES);
    match made {
        Some(service) => Made::Service {
            service: Box::new(service),
            assumed: [ASSUMED].into_iter().chain(assumed).collect(),
        },
        None => Made::Unknown("its EnvoyProxy patches the Service with directives"),
    }
}

/// The EnvoyProxy that counts: the Gateway's own, in place of that of its class unless it says how to merge them
/// (`MergeEnvoyProxyConfigs`).
fn effective(given: &Given<'_>) -> Option<Value> {
    let of_class = given.of_class.map(stored);
    let own = given.of_gateway.map(stored);
    match (of_class, own) {
        (Some(class), Some(own)) => match text(&own, "/spec/mergeType") {
            "" | "Replace" => Some(own),
            by => laid_as(by, &class, Some(&own)),
        },
        (one, other) => Some(other.or(one).unwrap_or_default()),
    }
}

/// An EnvoyProxy as the API server stores it: with what its definition says by default of the Service, where it says anything.
fn stored(proxy: &Value) -> Value {
    let mut proxy = proxy.clone();
    let said = proxy.pointer_mut("/spec/provider/kubernetes/envoyService");
    if let Some(said) = said.and_then(Value::as_object_mut) {
        said.entry("type").or_insert_with(|| "LoadBalancer".into());
        said.entry("externalTrafficPolicy").or_insert_with(|| "Local".into());
    }
    proxy
}

/// What comes of a patch by its type; a strategic one where none is said.
fn laid_as(by: &str, object: &Value, patch: Option<&Value>) -> Option<Value> {
    let patch = patch.unwrap_or(&Value::Null);
    if by == "JSONMerge" && patch.is_object() {
        return Some(merged(object, patch));
    }
    laid(object, patch)
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
    let owner = [
        ("gateway.envoyproxy.io/owning-gateway-name", name),
        ("gateway.envoyproxy.io/owning-gateway-namespace", namespace),
    ];
    let text = |(key, value): (&str, &str)| (key.to_owned(), Value::from(value));
    FOUND_BY.map(text).into_iter().chain(labels).chain(owner.map(text)).collect()
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
fn ports(listeners: &[Listener<'_>], proxy: &Value) -> Vec<Value> {
    let kept = proxy.at("/spec/provider/kubernetes/useListenerPortAsContainerPort");
    let kept = kept.and_then(Value::as_bool) == Some(true);
    let mut seen = BTreeSet::new();
    let mut ports = Vec::new();
    for Listener { protocol, port: number, .. } in listeners {
        let transport = if *protocol == "UDP" { "UDP" } else { "TCP" };
        if seen.insert((transport, number)) {
            let target = if kept || *number >= 1024 { *number } else { number + 10_000 };
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
