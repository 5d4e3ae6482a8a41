//! Istio, and AKS's application routing, which runs it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::pointer::{At, text};

use super::{Controller, GATEWAY_NAME, Given, Made, laid, listeners, metadata, service, texts};

/// Annotations that the template leaves out.
const OMITTED: [&str; 4] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "gateway.istio.io/name-override",
    "gateway.istio.io/service-account",
    "gateway.istio.io/controller-version",
];

/// The most characters that the name of a port has.
const LONGEST_PORT: usize = 63;

/// One Service of the Gateway's name and class, in the Gateway's namespace, owned by the Gateway.
pub(super) fn make(_: &Controller, given: &Given<'_>) -> Made {
    let gateway = given.gateway;
    if !is_managed(gateway) {
        return Made::Nothing("its addresses name what serves it already");
    }
    let own = gateway.at("/metadata/annotations");
    let said = |key: &str| own.and_then(|it| it.get(key)).and_then(Value::as_str);
    let (name, class) = (text(gateway, "/metadata/name"), text(gateway, "/spec/gatewayClassName"));
    let named = format!("{name}-{class}");
    let full = said("gateway.istio.io/name-override").filter(|it| !it.is_empty()).unwrap_or(&named);
    let mut annotations = copied(gateway, "annotations");
    annotations.retain(|key, _| !OMITTED.contains(&key.as_str()));
    let mut labels = copied(gateway, "labels");
    labels.insert(GATEWAY_NAME.to_owned(), name.into());
    let kind = said("networking.istio.io/service-type").unwrap_or("LoadBalancer");
    let mut spec = Map::new();
    spec.insert("type".to_owned(), kind.into());
    spec.insert("ipFamilyPolicy".to_owned(), "PreferDualStack".into());
    let address = super::addresses(gateway).first().copied();
    if let Some(address) = address.filter(|_| kind == "LoadBalancer") {
        spec.insert("loadBalancerIP".to_owned(), address.into());
    }
    spec.insert("ports".to_owned(), ports(gateway).into());
    spec.insert("selector".to_owned(), json!({GATEWAY_NAME: name}));
    let key = (text(gateway, "/metadata/namespace"), full);
    let mut made = service(metadata(key, annotations, labels), spec);
    for entries in [given.of_class, given.of_gateway].into_iter().flatten() {
        if let Some(why) = refused(entries) {
            return Made::Nothing(why);
        }
        let Some(overlay) = entries.get("service") else { continue };
        let Some(laid) = laid(&made, overlay) else {
            return Made::Unknown("its parameters patch the Service with directives");
        };
        if fixed(&laid) != fixed(&made) {
            return Made::Nothing("its parameters change what Istio does not let them change");
        }
        made = laid;
    }
    Made::Service { service: Box::new(made), assumed: Vec::new() }
}

/// Entries of a ConfigMap that Istio knows (`supportedOverlays`).
const ENTRIES: [&str; 5] =
    ["deployment", "service", "serviceAccount", "horizontalPodAutoscaler", "podDisruptionBudget"];

/// Why Istio does not take parameters, and makes nothing of a Gateway that has them (`applyOverlay`).
fn refused(entries: &Value) -> Option<&'static str> {
    let names = entries.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    if names.into_iter().any(|name| !ENTRIES.contains(&name)) {
        return Some("its parameters have an entry that Istio does not know");
    }
    let service = entries.get("service").unwrap_or(&Value::Null);
    (!service.is_object() && !service.is_null())
        .then_some("the entry `service` of its parameters is no mapping")
}

/// What parameters may not change.
fn fixed(service: &Value) -> Vec<Option<&Value>> {
    let names = ["name", "namespace", "generateName", "uid", "ownerReferences", "finalizers"];
    names.iter().map(|name| service.at("/metadata")?.get(*name)).collect()
}

/// Whether Istio makes a Service for a Gateway: it has no address, or one that is an IP address (`IsManaged`).
fn is_managed(gateway: &Value) -> bool {
    let all = gateway.at("/spec/addresses").and_then(Value::as_array);
    let all = all.map(Vec::as_slice).unwrap_or_default();
    match all {
        [] => true,
        [one] => matches!(text(one, "/type"), "" | "IPAddress"),
        _ => false,
    }
}

/// What is copied to the Service: what `spec.infrastructure` says, or else what the Gateway itself has
/// (`extractInfrastructureMetadata`).
fn copied(gateway: &Value, part: &str) -> Map<String, Value> {
    let infrastructure = gateway.at("/spec/infrastructure").and_then(|it| it.get(part));
    match infrastructure.filter(|it| it.is_object()) {
        Some(said) => {
            let mut said = texts(Some(said));
            said.retain(|key, _| !key.starts_with("gateway.networking.k8s.io/"));
            said
        }
        None => texts(gateway.at("/metadata").and_then(|it| it.get(part))),
    }
}

/// The status port, and one port for each number among the listeners (`extractServicePorts`).
fn ports(gateway: &Value) -> Vec<Value> {
    let port = |name: &str, number: i64, app: &str| json!({"name": name, "port": number, "protocol": "TCP", "appProtocol": app});
    let mut ports = vec![port("status-port", 15021, "tcp")];
    let mut numbers = BTreeSet::new();
    let mut names = BTreeSet::from(["status-port".to_owned()]);
    for (name, protocol, number) in listeners(gateway) {
        if numbers.insert(number) {
            let name = port_name(name, number, &mut names);
            ports.push(port(&name, number, &protocol.to_lowercase()));
        }
    }
    ports
}

/// A name that no other port has: of a listener's name, which may have dots and be longer (`uniquePortName`).
fn port_name(listener: &str, number: i64, taken: &mut BTreeSet<String>) -> String {
    let name: String = listener.replace('.', "-").chars().take(LONGEST_PORT).collect();
    let mut candidate = name.clone();
    let mut suffix = format!("-{number}");
    while !taken.insert(candidate.clone()) {
        let room = LONGEST_PORT.saturating_sub(suffix.len());
        candidate = name.chars().take(room).collect::<String>() + &suffix;
        suffix.push('x');
    }
    candidate
}
