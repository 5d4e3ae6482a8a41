//! Requests whose answers are compared, whoever answers.

use serde_json::{Value, json};

/// A request: method, path, type of the body, body.
pub(crate) struct Request(
    pub(crate) &'static str,
    pub(crate) String,
    pub(crate) &'static str,
    pub(crate) Value,
);

const JSON: &str = "application/json";
const APPLY: &str = "application/apply-patch+yaml";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";

fn service(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    })
}

/// Requests in an order in which each finds what it is about.
pub(crate) fn requests() -> Vec<Request> {
    let all = "/api/v1/namespaces/default/services";
    let create =
        |name: &str, spec: Value| Request("POST", all.to_owned(), JSON, service(name, &spec));
    let apply = |name: &str, query: &str, spec: Value| {
        let path = format!("{all}/{name}?force=false&fieldValidation=Strict{query}");
        Request("PATCH", path, APPLY, service(name, &spec))
    };
    let get = |path: &str| Request("GET", path.to_owned(), JSON, Value::Null);
    let patch = |name: &str, kind, body| Request("PATCH", format!("{all}/{name}"), kind, body);
    let port = json!([{"port": 80}]);
    let lease = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
    vec![
        create("plain", json!({"ports": port})),
        create("plain", json!({"ports": port})),
        create("headless", json!({"clusterIP": "None", "selector": {"app": "a"}, "ports": port})),
        create("named", json!({"type": "ExternalName", "externalName": "example.com"})),
        create("sticky", json!({"sessionAffinity": "ClientIP", "ports": port})),
        create("node", json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 31999}]})),
        create(
            "node-again",
            json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 31999}]}),
        ),
        create("low", json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]})),
        create(
            "local",
            json!({
                "type": "LoadBalancer", "externalTrafficPolicy": "Local", "ports": port,
            }),
        ),
        create(
            "two",
            json!({"type": "LoadBalancer", "ports": [
                {"name": "a", "port": 80, "targetPort": "http"},
                {"name": "b", "port": 80, "protocol": "UDP"},
            ]}),
        ),
        create("Upper", json!({"ports": port})),
        create("no-ports", json!({"type": "LoadBalancer"})),
        create("unnamed", json!({"ports": [{"port": 80}, {"port": 81}]})),
        create("twice", json!({"ports": [{"name": "a", "port": 80}, {"name": "b", "port": 80}]})),
        create(
            "wrong",
            json!({"type": "LoadBalanced", "ports": [
                {"port": 0, "protocol": "ICMP"}, {"name": "B_", "port": 70000},
            ]}),
        ),
        create("typed", json!({"ports": [{"port": "eighty"}]})),
        create(
            "ranges",
            json!({
                "type": "LoadBalancer", "ports": port, "loadBalancerSourceRanges": ["10.0.0.0/33"],
            }),
        ),
        create("external", json!({"ports": port, "externalTrafficPolicy": "Local"})),
        create("class", json!({"ports": port, "loadBalancerClass": "example.com/a"})),
        Request(
            "POST",
            "/api/v1/namespaces/nowhere/services".to_owned(),
            JSON,
            json!({
                "apiVersion": "v1", "kind": "Service",
                "metadata": {"name": "a", "namespace": "nowhere"}, "spec": {"ports": port},
            }),
        ),
        apply("app", "&fieldManager=first", json!({"type": "LoadBalancer", "ports": port})),
        apply("app", "&fieldManager=second", json!({"type": "ClusterIP", "ports": [{"port": 81}]})),
        apply(
            "app",
            "&fieldManager=first",
            json!({"type": "LoadBalancer", "port": [{"port": 80}]}),
        ),
        apply(
            "app",
            "&fieldManager=first",
            json!({"type": "LoadBalancer", "ports": [
                {"port": 80, "targetPort": 8080}, {"name": "b", "port": 81},
            ]}),
        ),
        apply(
            "app",
            "&fieldManager=first",
            json!({"type": "LoadBalancer", "ports": [
                {"name": "a", "port": 80, "targetPort": 8080}, {"name": "b", "port": 81},
            ]}),
        ),
        apply("app", "", json!({"type": "LoadBalancer", "ports": port})),
        apply("app", "&fieldManager=first&dryRun=Some", json!({"ports": port})),
        apply("app", "&fieldManager=first", json!({"type": "ClusterIP", "ports": port})),
        apply("other", "&fieldManager=first", json!({"type": "Nothing", "ports": port})),
        patch("app", MERGE, json!({"spec": {"ports": [{"port": -1}]}})),
        patch("app", MERGE, json!({"spec": {"clusterIP": "10.0.77.77"}})),
        patch("app", MERGE, json!({"metadata": {"resourceVersion": "1"}})),
        patch("app", MERGE, json!({"metadata": {"annotations": {"a": 1}}})),
        patch("app", MERGE, json!({"metadata": {"annotations": {"a": "1"}, "labels": {"-": "x"}}})),
        patch("app", STRATEGIC, json!({"spec": {"ports": [{"port": 82, "name": "c"}]}})),
        patch("app", "text/plain", json!({})),
        patch("nobody", MERGE, json!({"metadata": {"annotations": {"a": "1"}}})),
        Request("PUT", format!("{all}/app"), JSON, service("app", &json!({"ports": port}))),
        Request("PUT", format!("{all}/app"), JSON, service("plain", &json!({"ports": port}))),
        Request(
            "DELETE",
            format!("{all}/app"),
            JSON,
            json!({
                "kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "another"},
            }),
        ),
        Request("DELETE", format!("{all}/nobody"), JSON, Value::Null),
        get(&format!("{all}/nobody")),
        get(&format!("{all}?fieldSelector=spec.nothing%3Da")),
        get(&format!("{all}?labelSelector=a%20b")),
        get(&format!("{all}?limit=some")),
        get("/api/v1/nothings"),
        get("/apis/none.example.com/v1/things"),
        Request(
            "POST",
            lease.to_owned(),
            JSON,
            json!({
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": "a", "namespace": "default"},
                "spec": {"holderIdentity": "me", "leaseDurationSeconds": 0},
            }),
        ),
        Request(
            "POST",
            lease.to_owned(),
            JSON,
            json!({
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": "a", "namespace": "default"},
                "spec": {"holderIdentity": "me", "leaseDurationSeconds": 15,
                         "acquireTime": "2026-01-01T00:00:00.000000Z"},
            }),
        ),
        Request(
            "PUT",
            format!("{lease}/a"),
            JSON,
            json!({
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": "a", "namespace": "default", "resourceVersion": "1"},
                "spec": {"holderIdentity": "you", "leaseDurationSeconds": 15},
            }),
        ),
    ]
}
