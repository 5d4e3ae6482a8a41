//! Defaults (`pkg/apis/core/v1/defaults.go`, `SetDefaults_Service`), allocation
//! (`pkg/registry/core/service/storage/alloc.go`) and what an update keeps
//! (`pkg/registry/core/service/strategy.go` and `storage.go`, `patchAllocatedValues`).

use serde_json::{Map, Value, json};

use crate::kubernetes::service::Key;
use crate::pointer::{At, field, text};

use super::{Allocator, Network};

/// How long a client sticks to a backend, in seconds.
const AFFINITY_SECONDS: u64 = 10_800;

pub(super) fn key_of(service: &Value) -> Key {
    let namespace = match text(service, "/metadata/namespace") {
        "" => "default",
        namespace => namespace,
    };
    Key::new(namespace, text(service, "/metadata/name"))
}

fn spec_of(service: &mut Value) -> Option<&mut Map<String, Value>> {
    service.as_object_mut()?.entry("spec").or_insert_with(|| json!({})).as_object_mut()
}

fn is_external(service: &Value) -> bool {
    matches!(text(service, "/spec/type"), "LoadBalancer" | "NodePort")
}

fn needs_cluster_ip(service: &Value) -> bool {
    text(service, "/spec/type") != "ExternalName"
}

fn needs_node_ports(service: &Value) -> bool {
    let without = service.at("/spec/allocateLoadBalancerNodePorts") == Some(&json!(false));
    match text(service, "/spec/type") {
        "NodePort" => true,
        "LoadBalancer" => !without,
        _ => false,
    }
}

fn needs_health_port(service: &Value) -> bool {
    text(service, "/spec/type") == "LoadBalancer"
        && text(service, "/spec/externalTrafficPolicy") == "Local"
}

/// Whether a field says nothing: absent, null, empty, or 0.
fn is_unset(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Number(number)) => number.as_i64() == Some(0),
        Some(Value::Bool(_) | Value::Object(_)) => false,
    }
}

fn fill(object: &mut Map<String, Value>, name: &str, value: Value) {
    if is_unset(field(object, name)) {
        object.insert(name.to_owned(), value);
    }
}

/// Fields of `spec` that are not stored when they say nothing (`omitempty` of the type in Go). Those that are
/// pointers there keep what they say.
const OMITTED: [&str; 9] = [
    "clusterIP",
    "clusterIPs",
    "externalIPs",
    "externalName",
    "healthCheckNodePort",
    "ipFamilies",
    "loadBalancerIP",
    "loadBalancerSourceRanges",
    "ports",
];

/// Takes away what says nothing.
fn omit_empty(service: &mut Value) {
    let is_empty = |it: &Value| {
        is_unset(Some(it)) || it.as_object().is_some_and(Map::is_empty) || *it == Value::Bool(false)
    };
    if let Some(metadata) = service.get_mut("metadata").and_then(Value::as_object_mut) {
        for name in ["labels", "annotations", "finalizers"] {
            if field(metadata, name).is_some_and(is_empty) {
                metadata.shift_remove(name);
            }
        }
    }
    let Some(spec) = service.get_mut("spec").and_then(Value::as_object_mut) else { return };
    for name in OMITTED.into_iter().chain(["publishNotReadyAddresses", "selector"]) {
        if field(spec, name).is_some_and(is_empty) {
            spec.shift_remove(name);
        }
    }
    let ports = spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten();
    for port in ports.filter_map(Value::as_object_mut) {
        for name in ["name", "nodePort"] {
            if field(port, name).is_some_and(is_empty) {
                port.shift_remove(name);
            }
        }
    }
}

/// The Service with the defaults that depend on nothing but itself.
pub(super) fn defaulted(mut service: Value) -> Value {
    omit_empty(&mut service);
    if let Some(spec) = spec_of(&mut service) {
        fill(spec, "type", json!("ClusterIP"));
        fill(spec, "sessionAffinity", json!("None"));
        for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(port) = port.as_object_mut() {
                fill(port, "protocol", json!("TCP"));
                let number = port.get("port").cloned().unwrap_or(Value::Null);
                fill(port, "targetPort", number);
            }
        }
    }
    let (external, inside) = (is_external(&service), needs_cluster_ip(&service));
    let has_external_addresses = !is_unset(service.at("/spec/externalIPs"));
    let balanced = text(&service, "/spec/type") == "LoadBalancer";
    let seconds = service.at("/spec/sessionAffinityConfig/clientIP/timeoutSeconds");
    let for_how_long = seconds.filter(|seconds| !seconds.is_null()).is_some();
    if let Some(spec) = spec_of(&mut service) {
        if spec.get("sessionAffinity") == Some(&json!("ClientIP")) {
            if !for_how_long {
                let config = json!({"clientIP": {"timeoutSeconds": AFFINITY_SECONDS}});
                spec.insert("sessionAffinityConfig".to_owned(), config);
            }
        } else {
            spec.shift_remove("sessionAffinityConfig");
        }
        if external || (inside && has_external_addresses) {
            fill(spec, "externalTrafficPolicy", json!("Cluster"));
        }
        if inside {
            fill(spec, "internalTrafficPolicy", json!("Cluster"));
        }
        if balanced {
            fill(spec, "allocateLoadBalancerNodePorts", json!(true));
        }
    }
    service
}

/// Gives a Service that replaces another what that one was given, where it says nothing.
pub(super) fn keep_allocated(service: &mut Value, live: &Value) {
    if needs_cluster_ip(live) && needs_cluster_ip(service) {
        keep(service, live, "clusterIP");
        if text(service, "/spec/clusterIP") == text(live, "/spec/clusterIP") {
            keep(service, live, "clusterIPs");
        } else if service.at("/spec/clusterIPs") == live.at("/spec/clusterIPs") {
            // Whoever changes the one and not the other knows only the one (`NormalizeClusterIPs`).
            let first = service.at("/spec/clusterIP").cloned().unwrap_or_default();
            if let Some(spec) = spec_of(service) {
                spec.insert("clusterIPs".to_owned(), json!([first]));
            }
        }
        keep(service, live, "ipFamilyPolicy");
        keep(service, live, "ipFamilies");
        release_second(service, live);
    }
    if needs_node_ports(live) && needs_node_ports(service) {
        keep_node_ports(service, live);
    }
    if needs_health_port(live) && needs_health_port(service) {
        keep(service, live, "healthCheckNodePort");
    }
}

/// With the policy `SingleStack`, a second family and address that were not asked for go. Two families
/// that the request itself names with that policy stay, and are refused.
fn release_second(service: &mut Value, live: &Value) {
    if text(service, "/spec/ipFamilyPolicy") != "SingleStack" {
        return;
    }
    for field in ["clusterIPs", "ipFamilies"] {
        let pointer = format!("/spec/{field}");
        if service.at(&pointer) == live.at(&pointer)
            && let Some(items) = service.pointer_mut(&pointer).and_then(Value::as_array_mut)
        {
            items.truncate(1);
        }
    }
}

fn keep(service: &mut Value, live: &Value, field: &str) {
    let Some(value) = live.get("spec").and_then(|spec| spec.get(field)).cloned() else { return };
    if let Some(spec) = spec_of(service) {
        fill(spec, field, value);
    }
}

fn ports_mut(service: &mut Value) -> impl Iterator<Item = &mut Value> {
    let spec = service.get_mut("spec");
    let ports = spec.and_then(|spec| spec.get_mut("ports")?.as_array_mut());
    ports.into_iter().flatten()
}

fn ports(service: &Value) -> &[Value] {
    service.at("/spec/ports").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Node ports are kept by the port's name, unless another port has them now.
fn keep_node_ports(service: &mut Value, live: &Value) {
    let given = |service: &Value| -> Vec<Value> {
        let ports = ports(service).iter().filter_map(|port| port.get("nodePort"));
        ports.filter(|value| !is_unset(Some(value))).cloned().collect()
    };
    let mut used = given(service);
    let before: Vec<(String, Value)> = ports(live)
        .iter()
        .filter_map(|port| Some((text(port, "/name").to_owned(), port.get("nodePort")?.clone())))
        .collect();
    let new = service.pointer_mut("/spec/ports").and_then(Value::as_array_mut);
    for port in new.into_iter().flatten() {
        if !is_unset(port.get("nodePort")) {
            continue;
        }
        let name = text(port, "/name").to_owned();
        let old = before.iter().find(|(other, _)| *other == name).map(|(_, value)| value.clone());
        if let (Some(old), Some(port)) =
            (old.filter(|old| !used.contains(old)), port.as_object_mut())
        {
            used.push(old.clone());
            port.insert("nodePort".to_owned(), old);
        }
    }
}

/// Takes away what the new type has no use for, where it was not changed by hand
/// (`dropTypeDependentFields`).
pub(super) fn drop_what_the_type_has_not(service: &mut Value, live: &Value) {
    let same = |service: &Value, field: &str| {
        let of = |service: &Value| service.at(&format!("/spec/{field}")).cloned();
        of(service) == of(live)
    };
    let mut gone: Vec<&str> = Vec::new();
    if needs_cluster_ip(live) && !needs_cluster_ip(service) {
        gone.extend(["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"]);
        gone.push("internalTrafficPolicy");
    }
    if text(service, "/spec/type") != "LoadBalancer" {
        gone.extend(["allocateLoadBalancerNodePorts", "loadBalancerClass"]);
    }
    if is_external(live) && !is_external(service) {
        gone.push("externalTrafficPolicy");
    }
    if needs_health_port(live) && !needs_health_port(service) {
        gone.push("healthCheckNodePort");
    }
    gone.retain(|field| same(service, field));
    if text(service, "/spec/type") != "LoadBalancer"
        && let Some(status) = service.get_mut("status").and_then(Value::as_object_mut)
    {
        status.insert("loadBalancer".to_owned(), json!({}));
    }
    // Ports may come and go, as long as no node port is new (`sameNodePorts`).
    let node_ports = |service: &Value| -> Vec<i64> {
        ports(service).iter().filter_map(|port| port.get("nodePort")?.as_i64()).collect()
    };
    let had = node_ports(live);
    let without_node_ports = is_external(live)
        && !is_external(service)
        && node_ports(service).iter().all(|port| had.contains(port));
    if let Some(spec) = spec_of(service) {
        for field in gone {
            spec.shift_remove(field);
        }
        let ports =
            spec.get_mut("ports").and_then(Value::as_array_mut).filter(|_| without_node_ports);
        for port in ports.into_iter().flatten() {
            if let Some(port) = port.as_object_mut() {
                port.shift_remove("nodePort");
            }
        }
    }
}

/// Hands out what a Service needs and does not have: families, cluster IPs, node ports.
pub(super) fn allocate(
    service: &mut Value,
    live: Option<&Value>,
    network: &Network,
    allocator: &mut dyn Allocator,
) {
    let key = &key_of(service);
    if needs_cluster_ip(service) {
        allocate_families(service, live, network);
        allocate_cluster_ips(service, key, allocator);
    }
    if needs_node_ports(service) {
        for port in ports_mut(service).filter(|port| is_unset(port.at("/nodePort"))) {
            let number = port.get("port").map(Value::to_string).unwrap_or_default();
            let name = format!("{number}/{}", text(port, "/protocol"));
            if let Some(port) = port.as_object_mut() {
                port.insert("nodePort".to_owned(), allocator.node_port(key, &name));
            }
        }
    }
    if needs_health_port(service)
        && is_unset(service.at("/spec/healthCheckNodePort"))
        && let Some(spec) = spec_of(service)
    {
        spec.insert("healthCheckNodePort".to_owned(), allocator.node_port(key, "health-check"));
    }
}

/// Ports of one number, of TCP and of UDP, share a node port when a Service is made (`initNodePorts`).
pub(super) fn share_node_ports(service: &mut Value, key: &Key, allocator: &mut dyn Allocator) {
    if !needs_node_ports(service) {
        return;
    }
    let number = |port: &Value| port.at("/port").cloned().unwrap_or_default();
    let has_one = |port: &&Value| !is_unset(port.at("/nodePort"));
    let ports = ports(service);
    let given = ports.iter().filter(has_one);
    let given = given.map(|port| (number(port), port.at("/nodePort").cloned().unwrap_or_default()));
    let mut given: Vec<(Value, Value)> = given.collect();
    let mut drawn = Vec::new();
    for port in ports {
        if has_one(&port) {
            drawn.push(None);
            continue;
        }
        let number = number(port);
        let shared = given.iter().find(|(other, _)| *other == number).map(|(_, it)| it.clone());
        let own = shared.unwrap_or_else(|| {
            // Whichever of them comes first, what is drawn for both has one name.
            let alike = ports.iter().filter(|it| it.at("/port").unwrap_or(&Value::Null) == &number);
            let protocol = alike.map(|it| text(it, "/protocol")).min().unwrap_or_default();
            allocator.node_port(key, &format!("{number}/{protocol}"))
        });
        given.push((number, own.clone()));
        drawn.push(Some(own));
    }
    for (port, own) in ports_mut(service).zip(drawn) {
        if let (Some(port), Some(own)) = (port.as_object_mut(), own) {
            port.insert("nodePort".to_owned(), own);
        }
    }
}

/// The families of a Service: those it names, else those of its addresses, else the cluster's first;
/// both, if its policy says so and the cluster has both.
fn allocate_families(service: &mut Value, live: Option<&Value>, network: &Network) {
    let named = texts(service, "/spec/ipFamilies");
    let mut addresses = texts(service, "/spec/clusterIPs");
    let one = text(service, "/spec/clusterIP");
    if addresses.is_empty() && !one.is_empty() {
        addresses.push(one.to_owned());
    }
    let headless = addresses.first().is_some_and(|address| address == "None");
    let without_selector =
        is_unset(service.at("/spec/selector")) || service.at("/spec/selector") == Some(&json!({}));
    let policy = match text(service, "/spec/ipFamilyPolicy") {
        "" if headless && without_selector => "RequireDualStack",
        "" => "SingleStack",
        given => given,
    }
    .to_owned();
    // Who names one family where there are two wants the second to go, which `SingleStack` alone may.
    let had = live.map_or(0, |live| texts(live, "/spec/ipFamilies").len());
    let releases = had == 2 && named.len() == 1;
    let mut families = named;
    if families.is_empty() && !headless {
        families = addresses.iter().map(|address| family_of(address).to_owned()).collect();
    }
    if families.is_empty() {
        families.extend(network.ip_families.first().cloned());
    }
    if policy != "SingleStack" && !releases {
        let headless_pair = ["IPv4", "IPv6"].map(ToOwned::to_owned);
        let all: &[String] =
            if headless && without_selector { &headless_pair } else { &network.ip_families };
        for family in all {
            if !families.contains(family) {
                families.push(family.clone());
            }
        }
    }
    if let Some(spec) = spec_of(service) {
        spec.insert("ipFamilyPolicy".to_owned(), json!(policy));
        spec.insert("ipFamilies".to_owned(), json!(families));
    }
}

fn family_of(address: &str) -> &'static str {
    if address.contains(':') { "IPv6" } else { "IPv4" }
}

fn texts(service: &Value, pointer: &str) -> Vec<String> {
    let items = service.at(pointer).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(|item| item.as_str().map(ToOwned::to_owned)).collect()
}

/// One cluster IP for each family; `None` stands for all.
fn allocate_cluster_ips(service: &mut Value, key: &Key, allocator: &mut dyn Allocator) {
    let families = texts(service, "/spec/ipFamilies");
    let mut addresses: Vec<Value> =
        service.at("/spec/clusterIPs").and_then(Value::as_array).cloned().unwrap_or_default();
    let one = service.at("/spec/clusterIP").cloned();
    if addresses.is_empty() && !is_unset(one.as_ref()) {
        addresses.extend(one);
    }
    // Families that no Service can have are refused before an address is given out.
    let single = text(service, "/spec/ipFamilyPolicy") == "SingleStack";
    let is_sound = match families.as_slice() {
        [one, other] => one != other && !single,
        several => several.len() < 2,
    };
    if addresses.first() != Some(&json!("None")) && is_sound {
        addresses.truncate(families.len().max(1));
        for family in families.iter().skip(addresses.len()) {
            addresses.push(allocator.cluster_ip(key, family));
        }
    }
    let Some(first) = addresses.first().cloned() else { return };
    if let Some(spec) = spec_of(service) {
        spec.insert("clusterIP".to_owned(), first);
        spec.insert("clusterIPs".to_owned(), Value::Array(addresses));
    }
}
