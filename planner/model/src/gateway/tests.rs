//! What is expected here is what the templates and tests in the controllers' sources say.

use super::*;
use serde_json::json;

fn gateway(class: &str, more: &Value) -> Value {
    let tls = json!({"certificateRefs": [{"name": "shop-tls"}]});
    let mut gateway = json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "edge", "namespace": "shop"},
        "spec": {
            "gatewayClassName": class,
            "infrastructure": {"annotations": {"a": "1"}, "labels": {"l": "2"}},
            "listeners": [
                {"name": "http", "port": 80, "protocol": "HTTP"},
                {"name": "https.shop", "port": 443, "protocol": "HTTPS", "tls": tls},
                {"name": "more", "port": 443, "protocol": "HTTPS", "hostname": "more.shop", "tls": tls},
            ],
        },
    });
    merge(&mut gateway, more);
    gateway
}

fn merge(into: &mut Value, more: &Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more.clone(),
    }
}

fn made(gateway: &Value, of_class: Option<&Value>, of_gateway: Option<&Value>) -> Made {
    let class = text(gateway, "/spec/gatewayClassName");
    let row = controller(class, None).unwrap();
    row.make(&Given { gateway, of_class, of_gateway })
}

fn service_of(made: Made) -> Value {
    match made {
        Made::Service { service, .. } => *service,
        other => panic!("{other:?}"),
    }
}

fn plain(class: &str) -> Value {
    service_of(made(&gateway(class, &json!({})), None, None))
}

#[test]
fn a_class_belongs_to_whom_its_gateway_class_names() {
    let name = |class: &str, named: Option<&str>| controller(class, named).map(|it| it.name);
    assert_eq!(name("istio", None), Some("Istio"));
    assert_eq!(name("approuting-istio", None), Some("AKS application routing (Istio)"));
    let other = Some("gateway.envoyproxy.io/gatewayclass-controller");
    assert_eq!(name("public", other), Some("Envoy Gateway"));
    assert_eq!(name("nginx", Some("k8s.nginx.org/another")), None);
    assert_eq!(
        name("approuting-istio", Some("any")),
        Some("AKS application routing (Istio)"),
        "AKS makes that class"
    );
    assert_eq!(name("cilium", None), None);
    assert!(makes_none("azure-alb-external", None));
    assert!(makes_none("mine", Some("alb.networking.azure.io/alb-controller")));
    assert!(!makes_none("istio", None));
}

#[test]
fn istio_makes_a_service_of_the_gateways_name_and_class() {
    assert_eq!(
        plain("approuting-istio"),
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": "edge-approuting-istio",
                "namespace": "shop",
                "annotations": {"a": "1"},
                "labels": {"l": "2", "gateway.networking.k8s.io/gateway-name": "edge"},
            },
            "spec": {
                "type": "LoadBalancer",
                "ipFamilyPolicy": "PreferDualStack",
                "ports": [
                    {"name": "status-port", "port": 15021, "protocol": "TCP", "appProtocol": "tcp"},
                    {"name": "http", "port": 80, "protocol": "TCP", "appProtocol": "http"},
                    {"name": "https-shop", "port": 443, "protocol": "TCP", "appProtocol": "https"},
                ],
                "selector": {"gateway.networking.k8s.io/gateway-name": "edge"},
            },
        })
    );
}

#[test]
fn istio_reads_annotations_of_its_own_and_copies_those_of_the_gateway_where_infrastructure_has_none()
 {
    let own = json!({
        "metadata": {"annotations": {
            "gateway.istio.io/name-override": "front",
            "networking.istio.io/service-type": "ClusterIP",
            "b": "3",
        }},
        "spec": {"infrastructure": null},
    });
    let service = service_of(made(&gateway("istio", &own), None, None));
    assert_eq!(service["metadata"]["name"], "front");
    assert_eq!(service["spec"]["type"], "ClusterIP");
    let annotations = json!({"b": "3", "networking.istio.io/service-type": "ClusterIP"});
    assert_eq!(service["metadata"]["annotations"], annotations);
    let both = json!({"metadata": {"annotations": {"b": "3"}}});
    let service = service_of(made(&gateway("istio", &both), None, None));
    assert_eq!(service["metadata"]["annotations"], json!({"a": "1"}));
}

#[test]
fn istio_takes_one_address_and_leaves_gateways_with_others_alone() {
    let address = json!({"spec": {"addresses": [{"value": "10.240.0.25"}]}});
    let service = service_of(made(&gateway("istio", &address), None, None));
    assert_eq!(service["spec"]["loadBalancerIP"], "10.240.0.25");
    let elsewhere =
        json!({"spec": {"addresses": [{"type": "Hostname", "value": "ingress.local"}]}});
    assert!(matches!(made(&gateway("istio", &elsewhere), None, None), Made::Nothing(_)));
    let several = json!({"spec": {"addresses": [{"value": "10.0.0.1"}, {"value": "10.0.0.2"}]}});
    assert!(matches!(made(&gateway("istio", &several), None, None), Made::Nothing(_)));
}

#[test]
fn istio_lays_the_parameters_of_class_and_gateway_over_the_service() {
    let gateway = gateway("istio", &json!({}));
    let entry = |service: Value| json!({"service": service, "deployment": "spec: {replicas: 2}"});
    let class = entry(json!({"spec": {"externalTrafficPolicy": "Local", "ipFamilyPolicy": null}}));
    let own = entry(json!({
        "metadata": {"annotations": {"c": "4"}},
        "spec": {"ports": [{"port": 80, "appProtocol": "tcp"}, {"port": 90}]},
    }));
    let service = service_of(made(&gateway, Some(&class), Some(&own)));
    assert_eq!(service["metadata"]["annotations"], json!({"a": "1", "c": "4"}));
    assert_eq!(service["spec"]["externalTrafficPolicy"], "Local");
    assert_eq!(service["spec"].get("ipFamilyPolicy"), None);
    let ports = service["spec"]["ports"].as_array().unwrap();
    assert_eq!((ports.len(), &ports[1]["appProtocol"]), (4, &json!("tcp")));
    assert_eq!(made(&gateway, Some(&entry(Value::Null)), None), made(&gateway, None, None));
    let directive = entry(json!({"spec": {"ports": [{"port": 80, "$patch": "delete"}]}}));
    assert!(matches!(made(&gateway, None, Some(&directive)), Made::Unknown(_)));
    // What Istio refuses leaves the Gateway without a Service.
    for refused in [
        entry(json!("text")),
        entry(json!({"metadata": {"name": "front"}})),
        json!({"services": "spec: {}"}),
    ] {
        assert!(matches!(made(&gateway, None, Some(&refused)), Made::Nothing(_)), "{refused}");
    }
}

#[test]
fn ports_have_names_that_the_api_server_takes() {
    let long = "x".repeat(70);
    let listeners = json!({"spec": {"listeners": [
        {"name": "a.b", "port": 1, "protocol": "HTTP"},
        {"name": "a-b", "port": 2, "protocol": "HTTP"},
        {"name": long, "port": 3, "protocol": "TLS"},
        {"name": format!("{long}y"), "port": 4, "protocol": "TCP"},
    ]}});
    let service = service_of(made(&gateway("istio", &listeners), None, None));
    let names: Vec<&str> =
        service["spec"]["ports"].as_array().unwrap().iter().map(|it| text(it, "/name")).collect();
    let (first, second) = ("x".repeat(63), "x".repeat(61) + "-4");
    assert_eq!(names, ["status-port", "a-b", "a-b-2", first.as_str(), second.as_str()]);
}

#[test]
fn envoy_gateway_names_its_service_by_a_hash_in_its_own_namespace() {
    // The name that the quickstart of Envoy Gateway shows.
    let quickstart = json!({"metadata": {"name": "eg", "namespace": "default"}});
    let Made::Service { service, assumed } = made(&gateway("eg", &quickstart), None, None) else {
        panic!("a Service");
    };
    assert_eq!(service["metadata"]["name"], "envoy-default-eg-e41e7b31");
    assert_eq!(service["metadata"]["namespace"], "envoy-gateway-system");
    assert!(assumed.iter().any(|it| it.contains("`envoy-gateway-system`")), "{assumed:?}");
    let spec = &service["spec"];
    assert_eq!(
        (&spec["type"], &spec["externalTrafficPolicy"]),
        (&json!("LoadBalancer"), &json!("Local"))
    );
    assert_eq!(spec.get("ipFamilyPolicy"), None);
    assert_eq!(
        spec["ports"],
        json!([
            {"name": "http-80", "port": 80, "protocol": "TCP", "targetPort": 10080},
            {"name": "https-443", "port": 443, "protocol": "TCP", "targetPort": 10443},
        ])
    );
    let owner = &service["metadata"]["labels"]["gateway.envoyproxy.io/owning-gateway-name"];
    assert_eq!(owner, "eg");
    let long = json!({"metadata": {"name": "g".repeat(60)}});
    let service = service_of(made(&gateway("eg", &long), None, None));
    let name = text(&service, "/metadata/name");
    assert!(name.starts_with(&format!("envoy-shop-{}-", "g".repeat(43))), "{name}");
    assert_eq!(name.len(), 63);
}

#[test]
fn an_envoy_proxy_says_more_of_the_service_and_that_of_the_gateway_replaces_that_of_the_class() {
    let gateway = gateway("eg", &json!({}));
    let proxy =
        |service: Value| json!({"spec": {"provider": {"kubernetes": {"envoyService": service}}}});
    let class = proxy(json!({
        "annotations": {"a": "9", "c": "4"},
        "externalTrafficPolicy": "Cluster",
        "loadBalancerSourceRanges": ["10.0.0.0/8"],
        "patch": {"value": {"spec": {"loadBalancerIP": "10.240.0.25"}}},
    }));
    let service = service_of(made(&gateway, Some(&class), None));
    assert_eq!(service["metadata"]["annotations"], json!({"a": "9", "c": "4"}));
    let spec = &service["spec"];
    assert_eq!(spec["externalTrafficPolicy"], "Cluster");
    assert_eq!(spec["loadBalancerSourceRanges"], json!(["10.0.0.0/8"]));
    assert_eq!(spec["loadBalancerIP"], "10.240.0.25");
    let own = proxy(json!({"name": "front", "type": "ClusterIP"}));
    let service = service_of(made(&gateway, Some(&class), Some(&own)));
    assert_eq!(service["metadata"]["name"], "front");
    assert_eq!(service["spec"].get("externalTrafficPolicy"), None);
    assert_eq!(service["metadata"]["annotations"], json!({"a": "1"}));
    let mut merging = own.clone();
    merging["spec"]["mergeType"] = json!("StrategicMerge");
    let service = service_of(made(&gateway, Some(&class), Some(&merging)));
    assert_eq!(service["metadata"]["annotations"], json!({"a": "9", "c": "4"}));
    let merged = json!({"spec": {"mergeGateways": true}});
    assert!(matches!(made(&gateway, Some(&merged), None), Made::Unknown(_)));
}

#[test]
fn nginx_gateway_fabric_makes_a_service_of_policy_local() {
    let service = plain("nginx");
    assert_eq!(service["metadata"]["name"], "edge-nginx");
    assert_eq!(service["metadata"]["annotations"], json!({"a": "1"}));
    let spec = &service["spec"];
    assert_eq!(spec["externalTrafficPolicy"], "Local");
    assert_eq!(spec["ipFamilyPolicy"], "PreferDualStack");
    assert_eq!(
        spec["ports"],
        json!([
            {"name": "port-80", "port": 80, "protocol": "TCP", "targetPort": 80},
            {"name": "port-443", "port": 443, "protocol": "TCP", "targetPort": 443},
        ])
    );
    let proxy = json!({"spec": {"ipFamily": "ipv4", "kubernetes": {
        "service": {"externalTrafficPolicy": "Cluster", "loadBalancerClass": "", "nodePorts": [{"port": 30080, "listenerPort": 80}]},
        "deployment": {"container": {"readinessProbe": {"expose": true}}},
    }}});
    let gateway = gateway("nginx", &json!({}));
    let spec = service_of(made(&gateway, Some(&proxy), None))["spec"].clone();
    assert_eq!(spec["externalTrafficPolicy"], "Cluster");
    assert_eq!(spec["ipFamilies"], json!(["IPv4"]));
    assert_eq!(spec.get("loadBalancerClass"), None);
    assert_eq!(spec["ports"][0]["nodePort"], 30080);
    assert_eq!(spec["ports"][2]["name"], "health");
    let patched = json!({"spec": {"kubernetes": {"service": {"patches": [{"type": "JSONPatch", "value": []}]}}}});
    assert!(matches!(made(&gateway, None, Some(&patched)), Made::Unknown(_)));
    let asks = json!({"spec": {"addresses": [{"type": "IPAddress", "value": "10.0.0.9"}]}});
    assert!(matches!(made(&self::gateway("nginx", &asks), None, None), Made::Unknown(_)));
}

#[test]
fn a_live_service_shows_of_which_gateway_it_was_made() {
    let owned = json!({"metadata": {"namespace": "shop", "ownerReferences": [
        {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "name": "edge"},
    ]}});
    assert_eq!(made_of(&owned).as_deref(), Some("shop/edge"));
    let envoy = service_of(made(&gateway("eg", &json!({})), None, None));
    assert_eq!(made_of(&envoy).as_deref(), Some("shop/edge"));
    assert_eq!(made_of(&json!({"metadata": {"namespace": "shop"}})), None);
}
