use serde_json::{Value, json};

use super::*;
use crate::unknown::{is_unknown, show};

fn manifest(spec: Value) -> Value {
    let mut all = json!({"ports": [{"port": 80}], "selector": {"app": "internal-app"}});
    all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    json!({"metadata": {"name": "internal-app", "namespace": "default"}, "spec": all})
}

fn created(spec: Value) -> Value {
    create(manifest(spec), &Network::default(), &mut Unknowns)
}

fn dual() -> Network {
    Network { ip_families: vec!["IPv4".into(), "IPv6".into()] }
}

/// Recording 005-aks-pls-create: the Service as the API server stored it.
#[test]
fn a_created_service_is_as_recorded() {
    let service = created(json!({"type": "LoadBalancer"}));
    let mut spec = service["spec"].clone();
    assert!(is_unknown(spec["clusterIP"].as_str().unwrap()));
    spec["clusterIP"] = json!("10.0.172.5");
    spec["clusterIPs"] = json!(["10.0.172.5"]);
    spec["ports"][0]["nodePort"] = json!(32332);
    assert_eq!(
        spec,
        json!({
            "ports": [{"protocol": "TCP", "port": 80, "targetPort": 80, "nodePort": 32332}],
            "selector": {"app": "internal-app"},
            "clusterIP": "10.0.172.5",
            "clusterIPs": ["10.0.172.5"],
            "type": "LoadBalancer",
            "sessionAffinity": "None",
            "externalTrafficPolicy": "Cluster",
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
            "allocateLoadBalancerNodePorts": true,
            "internalTrafficPolicy": "Cluster",
        })
    );
    assert!(is_unknown(service["metadata"]["uid"].as_str().unwrap()));
}

#[test]
fn a_cluster_ip_service_has_no_node_port_and_no_external_policy() {
    let spec = created(json!({}))["spec"].clone();
    assert_eq!(spec["type"], "ClusterIP");
    assert_eq!(spec["ports"][0].get("nodePort"), None);
    assert_eq!(spec.get("externalTrafficPolicy"), None);
    assert_eq!(spec.get("allocateLoadBalancerNodePorts"), None);
}

/// Recording 106-etp-local: a Service with policy Local has a health check node port.
#[test]
fn a_local_service_gets_a_health_check_port() {
    let spec =
        created(json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local"}))["spec"].clone();
    assert!(is_unknown(spec["healthCheckNodePort"].as_str().unwrap()));
}

/// Recording 149: without node ports, none are handed out.
#[test]
fn node_ports_can_be_left_out() {
    let spec = json!({"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false});
    assert_eq!(created(spec)["spec"]["ports"][0].get("nodePort"), None);
}

#[test]
fn families_follow_the_policy_and_the_cluster() {
    let families = |spec: Value, network: &Network| {
        let spec = create(manifest(spec), network, &mut Unknowns)["spec"].clone();
        (spec["ipFamilies"].clone(), spec["clusterIPs"].as_array().unwrap().len())
    };
    let prefer = json!({"ipFamilyPolicy": "PreferDualStack"});
    assert_eq!(families(prefer.clone(), &dual()), (json!(["IPv4", "IPv6"]), 2));
    assert_eq!(families(prefer, &Network::default()), (json!(["IPv4"]), 1));
    assert_eq!(families(json!({}), &dual()), (json!(["IPv4"]), 1));
    let six = json!({"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6"]});
    assert_eq!(families(six, &dual()), (json!(["IPv6", "IPv4"]), 2));
    assert_eq!(families(json!({"ipFamilies": ["IPv6"]}), &dual()), (json!(["IPv6"]), 1));
    assert_eq!(families(json!({"clusterIP": "None"}), &dual()), (json!(["IPv4"]), 1));
}

#[test]
fn an_update_keeps_what_was_handed_out() {
    let mut live = created(json!({"type": "LoadBalancer"}));
    live["spec"]["ports"][0]["nodePort"] = json!(32332);
    live["spec"]["clusterIP"] = json!("10.0.172.5");
    live["spec"]["clusterIPs"] = json!(["10.0.172.5"]);
    let mut new = manifest(json!({"type": "LoadBalancer"}));
    new["spec"]["ports"] = json!([{"port": 8080}]);
    let after = update(new, &live, &Network::default(), &mut Unknowns);
    assert_eq!(after["spec"]["clusterIPs"], json!(["10.0.172.5"]));
    assert_eq!(after["spec"]["ports"][0]["nodePort"], 32332, "kept by the port's name");
    let two = json!([{"port": 80, "name": "a"}, {"port": 81, "name": "b"}]);
    let after = update(
        manifest(json!({"type": "LoadBalancer", "ports": two})),
        &live,
        &Network::default(),
        &mut Unknowns,
    );
    let shown: Vec<String> = after["spec"]["ports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|port| show(port["nodePort"].as_str().unwrap()))
        .collect();
    assert_eq!(shown, ["(known after apply)", "(known after apply)"]);
}

#[test]
fn a_type_that_needs_less_drops_the_rest() {
    let live = created(json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local"}));
    let mut new = live.clone();
    new["spec"]["type"] = json!("ClusterIP");
    let spec = update(new, &live, &Network::default(), &mut Unknowns)["spec"].clone();
    for field in ["allocateLoadBalancerNodePorts", "externalTrafficPolicy", "healthCheckNodePort"] {
        assert_eq!(spec.get(field), None, "{field}");
    }
    assert_eq!(spec["ports"][0].get("nodePort"), None);
    let mut new = live.clone();
    new["spec"]["type"] = json!("ExternalName");
    new["spec"]["externalName"] = json!("example.com");
    let spec = update(new, &live, &Network::default(), &mut Unknowns)["spec"].clone();
    assert_eq!(spec.get("clusterIPs"), None);
}
