use serde_json::{Value, json};

use super::*;
use crate::kubernetes::defaults::{self, Network, Unknowns};

fn service_of(spec: Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": spec,
    })
}

fn plain() -> Value {
    service_of(json!({"type": "LoadBalancer", "ports": [{"name": "http", "port": 80}]}))
}

/// Without a part, or with another value for it.
fn with(pointer: &str, value: Value) -> Value {
    let mut object = plain();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = match object.pointer_mut(parent) {
        Some(parent) => parent,
        None => panic!("no {parent}"),
    };
    parent[name] = value;
    object
}

fn families() -> Vec<String> {
    vec!["IPv4".to_owned()]
}

/// What is refused, as `field: message`, on a cluster of IPv4 with AKS's ranges.
fn refused(object: Value, live: Option<&Value>) -> Vec<String> {
    let network = Network { ip_families: families() };
    let taken = Taken::of([&service_of(json!({
        "ports": [{"port": 1, "nodePort": 30_001}], "clusterIPs": ["10.0.0.77"],
    }))]);
    let ranges = ["10.0.0.0/16".to_owned()];
    let cluster = Cluster { families: &network.ip_families, ranges: &ranges, taken: &taken };
    let object = match live {
        Some(live) => defaults::update(object, live, &network, &mut Unknowns),
        None => defaults::create(object, &network, &mut Unknowns),
    };
    let mut causes = allocated(&object, live, &cluster);
    if causes.is_empty() {
        causes.extend(live.map(|live| updated(&object, live)).unwrap_or_default());
        causes.extend(service(&object, Some((1, 33))));
    }
    causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
}

#[track_caller]
fn check(object: Value, expected: &str) {
    let found = refused(object, None);
    assert!(found.iter().any(|it| it.starts_with(expected)), "{expected}\n{found:#?}");
}

#[test]
fn a_plain_service_is_taken_and_stays_so() {
    assert_eq!(refused(plain(), None), Vec::<String>::new());
    let live = defaults::create(plain(), &Network::default(), &mut Unknowns);
    assert_eq!(refused(plain(), Some(&live)), Vec::<String>::new());
}

/// The words of kube-apiserver 1.33.1.
#[test]
fn what_is_refused_is_told_in_the_api_servers_words() {
    let port = |port: Value| with("/spec/ports", json!([port]));
    check(
        with("/spec/ipFamilies", json!(["IPv6"])),
        "spec.ipFamilies[0]: Invalid value: \"IPv6\": not configured on this cluster",
    );
    check(
        with("/spec/ipFamilyPolicy", json!("RequireDualStack")),
        "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": this cluster is not configured for dual-stack",
    );
    check(
        port(json!({"name": "Web_Port", "port": 80})),
        "spec.ports[0].name: Invalid value: \"Web_Port\": a lowercase RFC 1123 label must consist of",
    );
    check(
        port(json!({"port": 80, "nodePort": 8443})),
        "spec.ports[0].nodePort: Invalid value: 8443: provided port is not in the valid range. The range of \
         valid ports is 30000-32767",
    );
    check(
        port(json!({"port": 80, "nodePort": 30_001})),
        "spec.ports[0].nodePort: Invalid value: 30001: provided port is already allocated",
    );
    check(
        with("/spec/clusterIP", json!("10.9.0.5")),
        "spec.clusterIPs: Invalid value: []string{\"10.9.0.5\"}: failed to allocate IP 10.9.0.5: the provided \
         network does not match the current range",
    );
    check(
        with("/spec/clusterIP", json!("10.0.0.77")),
        "spec.clusterIPs: Invalid value: []string{\"10.0.0.77\"}: failed to allocate IP 10.0.0.77: provided IP",
    );
    check(
        with("/metadata/labels", json!({"app": "not a label"})),
        "metadata.labels: Invalid value: \"not a label\": a valid label must be an empty string or consist of",
    );
    check(
        with("/spec/selector", json!({"app": "not a label"})),
        "spec.selector: Invalid value: \"not a label\": a valid label must be",
    );
    check(
        with("/metadata/annotations", json!({"x/y/z": "1"})),
        "metadata.annotations: Invalid value: \"x/y/z\": a qualified name must consist of alphanumeric",
    );
    let owner = |name: &str| json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "uid": "u", "controller": true});
    let without = |field: &str| {
        let mut owner = owner("a");
        owner.as_object_mut().unwrap().remove(field);
        with("/metadata/ownerReferences", json!([owner]))
    };
    for (field, why) in [
        ("uid", "uid must not be empty"),
        ("name", "name must not be empty"),
        ("kind", "kind must not be empty"),
        ("apiVersion", "version must not be empty"),
    ] {
        let expected = format!("metadata.ownerReferences.{field}: Invalid value: \"\": {why}");
        check(without(field), &expected);
    }
    check(
        with(
            "/metadata/ownerReferences",
            json!([{"apiVersion": "v1", "kind": "Event", "name": "a", "uid": "u"}]),
        ),
        "metadata.ownerReferences: Invalid value: ",
    );
    check(
        with("/metadata/ownerReferences", json!([owner("a"), owner("b")])),
        "metadata.ownerReferences: Invalid value: ",
    );
    assert_eq!(refused(with("/metadata/ownerReferences", json!([owner("a")])), None), [""; 0]);
    check(
        with("/spec/healthCheckNodePort", json!(31_000)),
        "spec.healthCheckNodePort: Invalid value: 31000: may only be set when `type` is 'LoadBalancer' and \
         `externalTrafficPolicy` is 'Local'",
    );
    check(
        service_of(json!({
            "ports": [{"port": 80}], "sessionAffinity": "ClientIP",
            "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 86_401}},
        })),
        "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and \
         less than 86400",
    );
    check(
        service_of(json!({"externalTrafficPolicy": "Local", "ports": [{"port": 80}]})),
        "spec.externalTrafficPolicy: Invalid value: \"Local\": may only be set for externally-accessible services",
    );
    check(
        with("/spec/trafficDistribution", json!("Near")),
        "spec.trafficDistribution: Unsupported value: \"Near\": supported values: \"PreferClose\"",
    );
    check(
        with("/metadata/name", json!("w".repeat(64))),
        "metadata.name: Invalid value: \"wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww\": must be \
         no more than 63 characters",
    );
    check(
        port(json!({"port": 80, "targetPort": "a-name-of-16-char"})),
        "spec.ports[0].targetPort: Invalid value: \"a-name-of-16-char\": must be no more than 15 characters",
    );
    check(
        port(json!({"port": 80, "targetPort": "8080"})),
        "spec.ports[0].targetPort: Invalid value: \"8080\": must contain at least one letter",
    );
    check(
        port(json!({"port": 80, "appProtocol": "a b"})),
        "spec.ports[0].appProtocol: Invalid value: \"a b\": name part must consist of",
    );
    check(
        with("/spec/externalIPs", json!(["127.0.0.5"])),
        "spec.externalIPs[0]: Invalid value: \"127.0.0.5\": may not be in the loopback range",
    );
    check(
        with("/spec/clusterIP", json!("None")),
        "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for LoadBalancer services",
    );
    check(
        with("/spec/loadBalancerClass", json!("a/b/c")),
        "spec.loadBalancerClass: Invalid value: \"a/b/c\": a qualified name must",
    );
    check(
        with("/spec/ports", json!([{"port": 80}, {"port": 81}])),
        "spec.ports[0].name: Required value",
    );
    check(service_of(json!({"type": "LoadBalancer"})), "spec.ports: Required value");
    check(
        service_of(json!({"type": "LoadBalancer", "ports": [{"port": 80}],
            "ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "SingleStack"})),
        "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' or 'PreferDualStack'",
    );
}

#[test]
fn what_the_api_server_takes_is_taken() {
    for object in [
        // Names of ports are labels, longer than names of the pods' ports.
        with("/spec/ports", json!([{"name": "a-very-long-name-of-a-port", "port": 80}])),
        // Blanks around ranges do not matter.
        with("/spec/loadBalancerSourceRanges", json!([" 10.0.0.0/8 "])),
        with("/spec/clusterIP", json!("10.0.3.4")),
        with("/spec/trafficDistribution", json!("PreferClose")),
        with("/metadata/annotations", json!({"Example.COM/Key": "v"})),
        with("/metadata/labels", json!({"app": ""})),
        service_of(json!({"ports": [{"port": 80}], "sessionAffinity": "ClientIP",
            "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 86_400}}})),
        service_of(json!({"ports": [{"port": 80}], "sessionAffinity": "ClientIP",
            "sessionAffinityConfig": {"clientIP": {}}})),
        service_of(json!({"ports": [
            {"port": 53, "name": "tcp"}, {"port": 53, "protocol": "UDP", "name": "udp"},
        ]})),
        service_of(json!({"clusterIP": "None", "selector": {"a": "b"}})),
        service_of(json!({"type": "ExternalName", "externalName": "shop.example.com."})),
    ] {
        assert_eq!(refused(object.clone(), None), Vec::<String>::new(), "{object}");
    }
}

#[test]
fn later_versions_know_more() {
    let network = Network::default();
    let object = with("/spec/trafficDistribution", json!("PreferSameZone"));
    let object = defaults::create(object, &network, &mut Unknowns);
    assert_eq!(service(&object, Some((1, 33))).len(), 1);
    assert_eq!(service(&object, Some((1, 34))), []);
    assert_eq!(service(&object, None), []);
}

#[test]
fn what_may_not_change_is_refused_to_change() {
    let mut live = defaults::create(plain(), &Network::default(), &mut Unknowns);
    live["spec"]["clusterIP"] = json!("10.0.12.34");
    live["spec"]["clusterIPs"] = json!(["10.0.12.34"]);
    let of = |object: Value| refused(object, Some(&live));
    assert_eq!(
        of(with("/spec/loadBalancerClass", json!("example.com/other"))),
        ["spec.loadBalancerClass: Invalid value: \"example.com/other\": may not change once set"]
    );
    assert_eq!(
        of(with("/spec/clusterIP", json!("10.0.98.98"))),
        ["spec.clusterIPs[0]: Invalid value: []string{\"10.0.98.98\"}: may not change once set"]
    );
    assert_eq!(
        of(with("/spec/ipFamilies", json!(["IPv6"]))),
        [
            "spec.clusterIPs[0]: Invalid value: \"10.0.12.34\": expected an IPv6 value as indicated by `ipFamilies[0]`"
        ]
    );
    // To another type a class may come and go.
    let other = service_of(json!({"type": "ClusterIP", "ports": [{"name": "http", "port": 80}]}));
    assert_eq!(of(other), Vec::<String>::new());
}
