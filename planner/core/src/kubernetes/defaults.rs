//! What the API server makes of a Service: what it fills in when one is created, and what it keeps
//! when one is updated.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::unknown;

use super::service::Key;

/// What of the cluster the API server's defaults hang on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// The IP families of Services; the first is the default.
    pub ip_families: Vec<String>,
}

impl Default for Network {
    fn default() -> Self {
        Self { ip_families: vec!["IPv4".to_owned()] }
    }
}

/// Gives out what the API server gives out.
pub trait Issuer {
    /// A uid.
    fn uid(&mut self, service: &Key) -> Value;
    /// A cluster IP of a family.
    fn cluster_ip(&mut self, service: &Key, family: &str) -> Value;
    /// A node port; `port` tells it from others of the Service: a new Service's `80`, an old
    /// one's `80/TCP`, or `health-check`.
    fn node_port(&mut self, service: &Key, port: &str) -> Value;
}

/// The issuer of a prediction: everything it gives is an unknown mark.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marks;

impl Issuer for Marks {
    fn uid(&mut self, service: &Key) -> Value {
        Value::from(unknown::mark("uid", &service.to_string()))
    }

    fn cluster_ip(&mut self, service: &Key, family: &str) -> Value {
        Value::from(unknown::mark("clusterIP", &format!("{service} {family}")))
    }

    fn node_port(&mut self, service: &Key, port: &str) -> Value {
        Value::from(unknown::mark("node port", &format!("{service} {port}")))
    }
}

/// The Service as the API server would store it on creation: the defaults of `core/v1`, then what it
/// allocates. What is of a wrong type is left as it is: the API server would refuse it.
pub fn create(service: Value, network: &Network, issuer: &mut dyn Issuer) -> Value {
    let mut service = service;
    let key = key_of(&service);
    fill_defaults(&mut service);
    fill_families(&mut service, network);
    allocate(&mut service, &key, true, issuer);
    let uid = (!has(&service, "/metadata/uid")).then(|| issuer.uid(&key));
    if let Some(metadata) = fields(&mut service, "metadata") {
        metadata.entry("namespace").or_insert_with(|| Value::from(key.namespace.clone()));
        if let Some(uid) = uid {
            metadata.insert("uid".to_owned(), uid);
        }
    }
    if let Some(object) = service.as_object_mut() {
        object.insert("status".to_owned(), json!({"loadBalancer": {}}));
    }
    service
}

/// The Service as the API server would store it when it replaces `live`: `service` is the whole new
/// object (what server-side apply merged).
pub fn update(service: Value, live: &Value, network: &Network, issuer: &mut dyn Issuer) -> Value {
    let mut service = service;
    let key = key_of(&service);
    fill_defaults(&mut service);
    keep_allocated(&mut service, live);
    drop_what_the_type_lacks(&mut service, live);
    trim_families(&mut service, live);
    fill_families(&mut service, network);
    allocate(&mut service, &key, false, issuer);
    if let Some(metadata) = fields(&mut service, "metadata") {
        for field in ["uid", "creationTimestamp", "namespace", "resourceVersion"] {
            if let Some(kept) = live.pointer(&format!("/metadata/{field}")) {
                metadata.insert(field.to_owned(), kept.clone());
            }
        }
    }
    if let (Some(object), Some(status)) = (service.as_object_mut(), live.get("status")) {
        object.insert("status".to_owned(), status.clone());
    }
    service
}

fn key_of(service: &Value) -> Key {
    let namespace = text(service, "/metadata/namespace");
    let namespace = if namespace.is_empty() { "default" } else { namespace };
    Key::new(namespace, text(service, "/metadata/name"))
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Whether a field is there and says something.
fn has(value: &Value, pointer: &str) -> bool {
    match value.pointer(pointer) {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Number(number)) => number.as_i64() != Some(0),
        Some(_) => true,
    }
}

fn fields<'v>(value: &'v mut Value, field: &str) -> Option<&'v mut Map<String, Value>> {
    let object = value.as_object_mut()?;
    object.entry(field).or_insert_with(|| json!({})).as_object_mut()
}

fn set_default(spec: &mut Map<String, Value>, field: &str, value: Value) {
    let given = spec.get(field).is_some_and(|it| !it.is_null() && it.as_str() != Some(""));
    if !given {
        spec.insert(field.to_owned(), value);
    }
}

fn is_load_balancer(service: &Value) -> bool {
    text(service, "/spec/type") == "LoadBalancer"
}

fn needs_node_port(service: &Value) -> bool {
    let allocates = service.pointer("/spec/allocateLoadBalancerNodePorts");
    match text(service, "/spec/type") {
        "NodePort" => true,
        "LoadBalancer" => allocates.and_then(Value::as_bool) != Some(false),
        _ => false,
    }
}

fn needs_health_check_port(service: &Value) -> bool {
    is_load_balancer(service) && text(service, "/spec/externalTrafficPolicy") == "Local"
}

fn needs_cluster_ip(service: &Value) -> bool {
    matches!(text(service, "/spec/type"), "" | "ClusterIP" | "NodePort" | "LoadBalancer")
}

fn reachable_from_outside(service: &Value) -> bool {
    matches!(text(service, "/spec/type"), "NodePort" | "LoadBalancer")
        || (text(service, "/spec/type") == "ClusterIP" && has(service, "/spec/externalIPs"))
}

fn fill_defaults(service: &mut Value) {
    let Some(spec) = fields(service, "spec") else {
        return;
    };
    set_default(spec, "type", json!("ClusterIP"));
    set_default(spec, "sessionAffinity", json!("None"));
    if spec.get("sessionAffinity").and_then(Value::as_str) == Some("ClientIP") {
        let given = spec.get("sessionAffinityConfig");
        let seconds = given.and_then(|it| it.pointer("/clientIP/timeoutSeconds"));
        if seconds.is_none() {
            let config = json!({"clientIP": {"timeoutSeconds": 10_800}});
            spec.insert("sessionAffinityConfig".to_owned(), config);
        }
    } else {
        spec.shift_remove("sessionAffinityConfig");
    }
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        let number = port.get("port").cloned().unwrap_or_default();
        let Some(port) = port.as_object_mut() else {
            continue;
        };
        set_default(port, "protocol", json!("TCP"));
        let target = port.get("targetPort");
        if target.is_none_or(|it| it.is_null() || *it == json!(0) || *it == json!("")) {
            port.insert("targetPort".to_owned(), number);
        }
    }
    if spec.get("type").and_then(Value::as_str) == Some("LoadBalancer") {
        set_default(spec, "allocateLoadBalancerNodePorts", json!(true));
    }
    if spec.get("type").and_then(Value::as_str) != Some("ExternalName") {
        set_default(spec, "internalTrafficPolicy", json!("Cluster"));
    }
    if reachable_from_outside(service)
        && let Some(spec) = fields(service, "spec")
    {
        set_default(spec, "externalTrafficPolicy", json!("Cluster"));
    }
}

/// `ipFamilyPolicy` and `ipFamilies`, as far as they are not given.
fn fill_families(service: &mut Value, network: &Network) {
    if !needs_cluster_ip(service) {
        return;
    }
    let Some(spec) = fields(service, "spec") else {
        return;
    };
    set_default(spec, "ipFamilyPolicy", json!("SingleStack"));
    let dual = spec.get("ipFamilyPolicy").and_then(Value::as_str) != Some("SingleStack");
    let given = spec.get("ipFamilies").and_then(Value::as_array);
    let mut families: Vec<Value> = given.cloned().unwrap_or_default();
    for family in &network.ip_families {
        let enough = if dual { 2 } else { 1 };
        if families.len() < enough && !families.iter().any(|it| it == family.as_str()) {
            families.push(Value::from(family.clone()));
        }
    }
    spec.insert("ipFamilies".to_owned(), Value::from(families));
}

/// Node ports and cluster IPs, as far as they are not given. In a new Service a TCP and a UDP port of
/// one number share a node port.
fn allocate(service: &mut Value, key: &Key, new: bool, issuer: &mut dyn Issuer) {
    let node_ports = needs_node_port(service);
    let health_check = needs_health_check_port(service);
    let cluster_ip = needs_cluster_ip(service);
    let Some(spec) = fields(service, "spec") else {
        return;
    };
    if cluster_ip {
        let of_families = spec.get("ipFamilies").and_then(Value::as_array);
        let families: Vec<Value> = of_families.cloned().unwrap_or_default();
        let first = spec.get("clusterIP").filter(|it| it.as_str() != Some("")).cloned();
        let all = spec.get("clusterIPs").and_then(Value::as_array);
        let mut addresses: Vec<Value> = all.cloned().unwrap_or_default();
        if addresses.is_empty() {
            addresses.extend(first.clone());
        }
        let headless = addresses.first().and_then(Value::as_str) == Some("None");
        for family in families.iter().skip(addresses.len()).filter_map(Value::as_str) {
            if !headless {
                addresses.push(issuer.cluster_ip(key, family));
            }
        }
        if let Some(first) = addresses.first() {
            spec.insert("clusterIP".to_owned(), first.clone());
        }
        spec.insert("clusterIPs".to_owned(), Value::from(addresses));
    }
    if node_ports {
        let mut of_number: BTreeMap<String, Value> = BTreeMap::new();
        for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            let number = port.get("port").cloned().unwrap_or_default().to_string();
            let name =
                if new { number.clone() } else { format!("{number}/{}", text(port, "/protocol")) };
            let given = has(port, "/nodePort").then(|| port.get("nodePort").cloned()).flatten();
            let node_port = given
                .or_else(|| of_number.get(&number).filter(|_| new).cloned())
                .unwrap_or_else(|| issuer.node_port(key, &name));
            of_number.entry(number).or_insert_with(|| node_port.clone());
            if let Some(port) = port.as_object_mut() {
                port.insert("nodePort".to_owned(), node_port);
            }
        }
    }
    let given = spec.get("healthCheckNodePort").is_some_and(|it| *it != json!(0));
    if health_check && !given {
        let port = issuer.node_port(key, "health-check");
        spec.insert("healthCheckNodePort".to_owned(), port);
    }
}

fn node_ports(service: &Value) -> Vec<Value> {
    let ports = service.pointer("/spec/ports").and_then(Value::as_array);
    let of = |port: &Value| port.get("nodePort").cloned().unwrap_or_default();
    ports.into_iter().flatten().map(of).collect()
}

/// What an update leaves out although it was allocated stays (`patchAllocatedValues`): node ports by
/// the port's name.
fn keep_allocated(service: &mut Value, live: &Value) {
    let node_ports_stay = needs_node_port(live) && needs_node_port(service);
    let cluster_ip_stays = needs_cluster_ip(live) && needs_cluster_ip(service);
    let health_check_stays = needs_health_check_port(live) && needs_health_check_port(service);
    let mut used = node_ports(service);
    let Some(spec) = fields(service, "spec") else {
        return;
    };
    let mut keep = |field: &str| {
        if let Some(kept) = live.pointer(&format!("/spec/{field}")) {
            set_default(spec, field, kept.clone());
        }
    };
    if cluster_ip_stays {
        keep("clusterIP");
        keep("clusterIPs");
        keep("ipFamilies");
        keep("ipFamilyPolicy");
    }
    if health_check_stays {
        keep("healthCheckNodePort");
    }
    if !node_ports_stay {
        return;
    }
    let of_live = live.pointer("/spec/ports").and_then(Value::as_array);
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        if has(port, "/nodePort") {
            continue;
        }
        let name = text(port, "/name").to_owned();
        let same = of_live.into_iter().flatten().find(|it| text(it, "/name") == name);
        let kept = same.and_then(|it| it.get("nodePort")).filter(|it| !used.contains(it)).cloned();
        if let (Some(kept), Some(port)) = (kept, port.as_object_mut()) {
            used.push(kept.clone());
            port.insert("nodePort".to_owned(), kept);
        }
    }
}

/// What the new type has no use for goes, if the update did not change it (`dropTypeDependentFields`).
fn drop_what_the_type_lacks(service: &mut Value, live: &Value) {
    let mut gone = Vec::new();
    if needs_cluster_ip(live) && !needs_cluster_ip(service) {
        gone.extend(["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"]);
    }
    if needs_health_check_port(live) && !needs_health_check_port(service) {
        gone.push("healthCheckNodePort");
    }
    if is_load_balancer(live) && !is_load_balancer(service) {
        gone.extend(["allocateLoadBalancerNodePorts", "loadBalancerClass"]);
    }
    if reachable_from_outside(live) && !reachable_from_outside(service) {
        gone.push("externalTrafficPolicy");
    }
    let no_node_ports = needs_node_port(live)
        && !needs_node_port(service)
        && node_ports(service) == node_ports(live);
    let Some(spec) = fields(service, "spec") else {
        return;
    };
    for field in gone {
        if spec.get(field) == live.pointer(&format!("/spec/{field}")) {
            spec.shift_remove(field);
        }
    }
    if no_node_ports {
        for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(port) = port.as_object_mut() {
                port.shift_remove("nodePort");
            }
        }
    }
}

/// A Service that becomes `SingleStack` loses its second family and cluster IP.
fn trim_families(service: &mut Value, live: &Value) {
    let single = text(service, "/spec/ipFamilyPolicy") == "SingleStack";
    let was_single = text(live, "/spec/ipFamilyPolicy") == "SingleStack";
    let Some(spec) = fields(service, "spec") else {
        return;
    };
    if !single || was_single {
        return;
    }
    for field in ["ipFamilies", "clusterIPs"] {
        if spec.get(field) == live.pointer(&format!("/spec/{field}"))
            && let Some(items) = spec.get_mut(field).and_then(Value::as_array_mut)
        {
            items.truncate(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(service: &Value) -> Value {
        service.pointer("/spec/ports/0/nodePort").cloned().unwrap_or_default()
    }

    fn service(spec: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec})
    }

    #[test]
    fn a_load_balancer_gets_what_the_api_server_allocates() {
        let spec = json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local", "ports": [
            {"name": "t", "port": 53}, {"name": "u", "port": 53, "protocol": "UDP"},
        ]});
        let made = create(service(spec), &Network::default(), &mut Marks);
        assert!(unknown::is_unknown(text(&made, "/spec/ports/0/nodePort")));
        assert_eq!(made.pointer("/spec/ports/1/nodePort"), Some(&port(&made)));
        assert!(unknown::is_unknown(text(&made, "/spec/healthCheckNodePort")));
        assert_eq!(text(&made, "/metadata/namespace"), "default");
        assert_eq!(made.pointer("/spec/ipFamilies"), Some(&json!(["IPv4"])));
    }

    #[test]
    fn an_update_keeps_what_was_allocated() {
        let spec = json!({"type": "LoadBalancer", "ports": [{"port": 80}]});
        let mut live = create(service(spec), &Network::default(), &mut Marks);
        live["spec"]["ports"][0]["nodePort"] = json!(30080);
        let spec = json!({"type": "LoadBalancer", "ports": [{"port": 81}]});
        let new = update(service(spec), &live, &Network::default(), &mut Marks);
        // The one port has no name, before and after.
        assert_eq!(port(&new), json!(30080));
        assert_eq!(new.pointer("/metadata/uid"), live.pointer("/metadata/uid"));
        assert_eq!(new.pointer("/spec/clusterIP"), live.pointer("/spec/clusterIP"));
    }

    #[test]
    fn a_type_that_has_no_use_for_it_loses_it() {
        let spec = json!({"type": "LoadBalancer", "ports": [{"port": 80}]});
        let live = create(service(spec), &Network::default(), &mut Marks);
        let mut merged = live.clone();
        merged["spec"]["type"] = json!("ClusterIP");
        let new = update(merged, &live, &Network::default(), &mut Marks);
        assert_eq!(port(&new), Value::Null);
        assert!(!has(&new, "/spec/allocateLoadBalancerNodePorts"));
        assert!(!has(&new, "/spec/externalTrafficPolicy"));
        assert!(has(&new, "/spec/clusterIP"));
    }

    #[test]
    fn a_second_family_comes_and_goes_with_the_policy() {
        let network = Network { ip_families: vec!["IPv4".to_owned(), "IPv6".to_owned()] };
        let spec = json!({"ipFamilyPolicy": "PreferDualStack", "ports": [{"port": 80}]});
        let live = create(service(spec), &network, &mut Marks);
        assert_eq!(live.pointer("/spec/ipFamilies"), Some(&json!(["IPv4", "IPv6"])));
        let mut merged = live.clone();
        merged["spec"]["ipFamilyPolicy"] = json!("SingleStack");
        let new = update(merged, &live, &network, &mut Marks);
        assert_eq!(new.pointer("/spec/ipFamilies"), Some(&json!(["IPv4"])));
        assert_eq!(
            new.pointer("/spec/clusterIPs").and_then(Value::as_array).map(Vec::len),
            Some(1)
        );
    }
}
