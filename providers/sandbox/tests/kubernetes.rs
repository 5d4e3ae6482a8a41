//! The Kubernetes API as the kube client meets it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Event, Namespace, Node, Service};
use kube::api::{
    DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
};
use kube::{Api, Error};
use privlink_sandbox::{ControllerMode, SandboxOptions};
use serde_json::{Value, json};
use support::{apply, first, internal_app, kube, services, start};

fn plain(name: &str, port: i64) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name},
        "spec": {"ports": [{"port": port}], "selector": {"app": name}},
    })
}

fn status(error: Error) -> kube::core::Status {
    match error {
        Error::Api(status) => *status,
        other => panic!("no refusal: {other}"),
    }
}

/// A sandbox in which nothing but the client writes.
async fn quiet() -> privlink_sandbox::Running {
    let mut options = SandboxOptions::in_memory();
    options.controller = ControllerMode::None;
    start(options).await
}

#[tokio::test]
async fn the_server_says_its_version_and_its_kinds() {
    let running = quiet().await;
    let client = kube(&running);
    assert_eq!(client.apiserver_version().await.unwrap().git_version, "v1.33.1");
    let resources = client.list_core_api_resources("v1").await.unwrap();
    assert!(resources.resources.iter().any(|resource| resource.name == "services"));
    let groups = client.list_api_groups().await.unwrap();
    assert!(groups.groups.iter().any(|group| group.name == "coordination.k8s.io"));
    let nodes = Api::<Node>::all(client).list(&ListParams::default()).await.unwrap();
    assert_eq!(nodes.items.len(), 2);
}

#[tokio::test]
async fn a_created_service_gets_what_the_server_gives() {
    let running = quiet().await;
    let api = services(&running);
    let service = apply(&api, &internal_app(json!({}))).await.unwrap();
    let spec = service.spec.unwrap();
    let port = &spec.ports.unwrap()[0];
    assert!((30_000..=32_767).contains(&port.node_port.unwrap()));
    assert_eq!(port.protocol.as_deref(), Some("TCP"));
    assert!(spec.cluster_ip.unwrap().starts_with("10.0."));
    assert_eq!(spec.ip_families.unwrap(), ["IPv4"]);
    assert_eq!(service.metadata.uid.unwrap().len(), 36);
    let managed = service.metadata.managed_fields.unwrap();
    assert_eq!(managed.len(), 1);
    assert_eq!(managed[0].manager.as_deref(), Some("privlink"));
}

#[tokio::test]
async fn the_same_story_gives_the_same_values() {
    let mut seen = Vec::new();
    for _ in 0..2 {
        let running = quiet().await;
        let service = apply(&services(&running), &internal_app(json!({}))).await.unwrap();
        let spec = service.spec.unwrap();
        seen.push((service.metadata.uid, spec.cluster_ip, spec.ports.unwrap()[0].node_port));
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn applying_again_keeps_the_resource_version() {
    let running = quiet().await;
    let api = services(&running);
    let one = apply(&api, &internal_app(json!({}))).await.unwrap();
    let two = apply(&api, &internal_app(json!({}))).await.unwrap();
    assert_eq!(one, two);
}

#[tokio::test]
async fn a_dry_run_leaves_no_trace() {
    let running = quiet().await;
    let api = services(&running);
    let object = internal_app(json!({}));
    let dry = PatchParams { dry_run: true, ..PatchParams::apply("privlink") };
    let shown = api.patch("internal-app", &dry, &Patch::Apply(&object)).await.unwrap();
    assert_eq!(api.get_opt("internal-app").await.unwrap(), None);
    let real = apply(&api, &object).await.unwrap();
    assert_eq!(real.spec, shown.spec, "a dry run shows what will be");
}

#[tokio::test]
async fn a_conflict_names_field_and_manager() {
    let running = quiet().await;
    let api = services(&running);
    apply(&api, &internal_app(json!({}))).await.unwrap();
    let name = "service.beta.kubernetes.io/azure-load-balancer-internal";
    let patch = json!({"metadata": {"annotations": {name: "false"}}});
    let edit = PatchParams { field_manager: Some("kubectl-edit".into()), ..PatchParams::default() };
    api.patch("internal-app", &edit, &Patch::Merge(&patch)).await.unwrap();
    let refused = status(apply(&api, &internal_app(json!({}))).await.unwrap_err());
    assert_eq!((refused.code, refused.reason.as_str()), (409, "Conflict"));
    let details = refused.details.unwrap();
    assert_eq!(details.causes.len(), 1);
    assert_eq!(details.causes[0].reason, "FieldManagerConflict");
    assert_eq!(details.causes[0].field, format!(".metadata.annotations.{name}"));
    assert!(details.causes[0].message.starts_with("conflict with \"kubectl-edit\" using v1"));
    let force = PatchParams::apply("privlink").force();
    let object = internal_app(json!({}));
    let forced = api.patch("internal-app", &force, &Patch::Apply(&object)).await.unwrap();
    assert_eq!(forced.metadata.annotations.unwrap()[name], "true");
}

#[tokio::test]
async fn bad_services_are_refused_in_the_servers_words() {
    let running = quiet().await;
    let api = services(&running);
    let mut object = plain("web", 80);
    object["metadata"]["annotations"] = json!({"a": 1});
    let refused = status(apply(&api, &object).await.unwrap_err());
    assert!(refused.message.contains(".metadata.annotations.a: expected string"), "{refused:?}");
    object = plain("web", 80);
    object["spec"]["ports"] = json!([{"port": 80}, {"port": 80}]);
    // An apply has no two entries of one key; what else is wrong with them is told of a create.
    let twice = status(apply(&api, &object).await.unwrap_err());
    assert!(twice.message.contains("duplicate entries for key"), "{twice:?}");
    let typed: Service = serde_json::from_value(object.clone()).unwrap();
    let refused = status(api.create(&PostParams::default(), &typed).await.unwrap_err());
    assert_eq!(refused.code, 422);
    let fields: Vec<String> =
        refused.details.unwrap().causes.into_iter().map(|cause| cause.field).collect();
    assert_eq!(fields, ["spec.ports[0].name", "spec.ports[1].name", "spec.ports[1]"]);
    let refused = status(apply(&api, &plain("Web", 80)).await.unwrap_err());
    assert!(refused.message.contains("a DNS-1035 label"), "{refused:?}");
    object = plain("web", 80);
    object["spec"]["ports"] = json!([]);
    let refused = status(apply(&api, &object).await.unwrap_err());
    assert_eq!(refused.message, "Service \"web\" is invalid: spec.ports: Required value");
    object = plain("web", 80);
    object["spec"]["prots"] = json!([]);
    let refused = status(apply(&api, &object).await.unwrap_err());
    assert!(refused.message.contains(".spec.prots: field not declared in schema"), "{refused:?}");
    let elsewhere: Api<Service> = Api::namespaced(kube(&running), "nowhere");
    let refused = status(apply(&elsewhere, &plain("web", 80)).await.unwrap_err());
    assert_eq!((refused.code, refused.message.as_str()), (404, "namespaces \"nowhere\" not found"));
}

/// A Service of type `LoadBalancer` named `shop`, with these fields of `spec`.
fn shop(more: &Value) -> Value {
    let mut object = plain("shop", 443);
    object["spec"]["type"] = json!("LoadBalancer");
    for (field, value) in more.as_object().unwrap() {
        object["spec"][field] = value.clone();
    }
    object
}

/// As kube-apiserver 1.33.1 says it, word for word.
#[tokio::test]
async fn what_a_cluster_of_one_family_refuses_is_refused_in_the_servers_words() {
    let running = quiet().await;
    let api = services(&running);
    let port = |more: Value| {
        let mut port = json!({"port": 443});
        port.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"ports": [port]})
    };
    let sticky = json!({"clientIP": {"timeoutSeconds": 86_401}});
    for (spec, words) in [
        (
            json!({"ipFamilies": ["IPv6"], "ipFamilyPolicy": "SingleStack"}),
            "spec.ipFamilies[0]: Invalid value: \"IPv6\": not configured on this cluster",
        ),
        (
            json!({"ipFamilyPolicy": "RequireDualStack"}),
            "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": this cluster is not configured for dual-stack services",
        ),
        (
            port(json!({"nodePort": 443})),
            "spec.ports[0].nodePort: Invalid value: 443: provided port is not in the valid range. The range of valid ports is 30000-32767",
        ),
        (
            json!({"clusterIP": "192.168.7.7"}),
            "spec.clusterIPs: Invalid value: []string{\"192.168.7.7\"}: failed to allocate IP 192.168.7.7: the provided network does not match the current range",
        ),
        (
            json!({"healthCheckNodePort": 32001}),
            "spec.healthCheckNodePort: Invalid value: 32001: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
        ),
        (
            json!({"sessionAffinity": "ClientIP", "sessionAffinityConfig": sticky}),
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and less than 86400",
        ),
        (
            json!({"type": "ClusterIP", "externalTrafficPolicy": "Local"}),
            "spec.externalTrafficPolicy: Invalid value: \"Local\": may only be set for externally-accessible services",
        ),
        (
            json!({"trafficDistribution": "Close"}),
            "spec.trafficDistribution: Unsupported value: \"Close\": supported values: \"PreferClose\"",
        ),
    ] {
        let refused = status(apply(&api, &shop(&spec)).await.unwrap_err());
        assert_eq!(refused.message, format!("Service \"shop\" is invalid: {words}"));
        assert_eq!(refused.code, 422);
    }
    for spec in [
        port(json!({"name": "longer-than-fifteen-characters"})),
        json!({"loadBalancerSourceRanges": ["10.3.0.7/16"]}),
    ] {
        apply(&api, &shop(&spec)).await.unwrap();
        api.delete("shop", &DeleteParams::default()).await.unwrap();
    }
    let mut named = shop(&json!({}));
    named["metadata"]["name"] = json!("s".repeat(64));
    let refused = status(apply(&api, &named).await.unwrap_err());
    assert!(refused.message.ends_with("must be no more than 63 characters"), "{refused:?}");
}

/// What may not change of a Service that is there.
#[tokio::test]
async fn what_is_fixed_stays_in_the_servers_words() {
    let running = quiet().await;
    let api = services(&running);
    let first = json!({"loadBalancerClass": "example.org/one"});
    let made = apply(&api, &shop(&first)).await.unwrap();
    let address = made.spec.unwrap().cluster_ip.unwrap();
    for (spec, words) in [
        (json!({"loadBalancerClass": "example.org/two"}),
            "spec.loadBalancerClass: Invalid value: \"example.org/two\": may not change once set".to_owned()),
        (json!({"loadBalancerClass": "example.org/one", "clusterIP": "10.0.200.200"}),
            "spec.clusterIPs[0]: Invalid value: []string{\"10.0.200.200\"}: may not change once set".to_owned()),
        (json!({"loadBalancerClass": "example.org/one", "ipFamilies": ["IPv6"]}),
            format!("spec.clusterIPs[0]: Invalid value: \"{address}\": expected an IPv6 value as indicated by `ipFamilies[0]`")),
    ] {
        let refused = status(apply(&api, &shop(&spec)).await.unwrap_err());
        assert_eq!(refused.message, format!("Service \"shop\" is invalid: {words}"));
    }
}

/// Fields that say nothing are not stored, and are nobody's but an apply's.
#[tokio::test]
async fn empty_values_are_left_out() {
    let running = quiet().await;
    let api = services(&running);
    let empty = json!({
        "externalIPs": [], "loadBalancerSourceRanges": [], "selector": {}, "clusterIP": "",
        "publishNotReadyAddresses": false, "healthCheckNodePort": 0,
        "ports": [{"port": 53, "name": "t"}, {"port": 53, "name": "u", "protocol": "UDP"}],
    });
    let typed: Service = serde_json::from_value(shop(&empty)).unwrap();
    let made = api.create(&PostParams::default(), &typed).await.unwrap();
    let spec = serde_json::to_value(made.spec.unwrap()).unwrap();
    for field in ["externalIPs", "loadBalancerSourceRanges", "selector", "publishNotReadyAddresses"]
    {
        assert!(spec.get(field).is_none(), "{spec}");
    }
    // One number, two protocols: one node port.
    assert_eq!(spec["ports"][0]["nodePort"], spec["ports"][1]["nodePort"], "{spec}");
}

#[tokio::test]
async fn lists_come_by_pages_and_by_namespace() {
    let running = quiet().await;
    let client = kube(&running);
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let shop: Namespace = serde_json::from_value(json!({"metadata": {"name": "shop"}})).unwrap();
    namespaces.create(&PostParams::default(), &shop).await.unwrap();
    let shop: Api<Service> = Api::namespaced(client.clone(), "shop");
    for index in 0..5 {
        apply(&shop, &plain(&format!("s{index}"), 80)).await.unwrap();
    }
    let all: Api<Service> = Api::all(client);
    let mut names = Vec::new();
    let mut pages = 0;
    let mut params = ListParams::default().limit(2);
    loop {
        let page = all.list(&params).await.unwrap();
        pages += 1;
        names.extend(page.items.into_iter().map(|service| service.metadata.name.unwrap()));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => break,
        }
    }
    assert_eq!(pages, 3);
    assert_eq!(names, ["kubernetes", "s0", "s1", "s2", "s3", "s4"]);
    assert_eq!(shop.list(&ListParams::default()).await.unwrap().items.len(), 5);
}

#[tokio::test]
async fn a_finalizer_holds_a_deleted_object() {
    let running = quiet().await;
    let api = services(&running);
    let mut object = plain("web", 80);
    object["metadata"]["finalizers"] = json!(["service.kubernetes.io/load-balancer-cleanup"]);
    apply(&api, &object).await.unwrap();
    let deleted = api.delete("web", &DeleteParams::default()).await.unwrap();
    assert!(deleted.left().unwrap().metadata.deletion_timestamp.is_some());
    let patch = json!({"metadata": {"finalizers": null}});
    api.patch("web", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    assert_eq!(api.get_opt("web").await.unwrap(), None);
    apply(&api, &plain("web", 80)).await.unwrap();
    let gone = api.delete("web", &DeleteParams::default()).await.unwrap();
    assert!(gone.is_right(), "without finalizers it goes at once");
}

#[tokio::test]
async fn a_delete_for_another_uid_is_refused() {
    let running = quiet().await;
    let api = services(&running);
    apply(&api, &plain("web", 80)).await.unwrap();
    let params = DeleteParams {
        preconditions: Some(kube::api::Preconditions {
            uid: Some("11111111-1111-4111-8111-111111111111".into()),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    assert_eq!(status(api.delete("web", &params).await.unwrap_err()).code, 409);
}

#[tokio::test]
async fn a_watch_tells_what_changes() {
    let running = quiet().await;
    let api = services(&running);
    let from = api.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    let params = WatchParams::default().fields("metadata.name=web").timeout(2);
    let mut stream = api.watch(&params, &from).await.unwrap().boxed();
    apply(&api, &plain("other", 80)).await.unwrap();
    apply(&api, &plain("web", 80)).await.unwrap();
    apply(&api, &plain("web", 81)).await.unwrap();
    api.delete("web", &DeleteParams::default()).await.unwrap();
    let mut kinds = Vec::new();
    while let Some(event) = stream.try_next().await.unwrap() {
        kinds.push(match event {
            WatchEvent::Added(service) => format!("added {}", service.metadata.name.unwrap()),
            WatchEvent::Modified(service) => format!("modified {}", service.metadata.name.unwrap()),
            WatchEvent::Deleted(service) => format!("deleted {}", service.metadata.name.unwrap()),
            WatchEvent::Bookmark(_) => "bookmark".into(),
            WatchEvent::Error(error) => format!("{error}"),
        });
    }
    assert_eq!(kinds, ["added web", "modified web", "deleted web", "bookmark"]);
}

#[tokio::test]
async fn a_watch_from_too_long_ago_is_told_to_list_again() {
    let running = quiet().await;
    let api = services(&running);
    let mut stream = api.watch(&WatchParams::default().timeout(1), "1").await.unwrap().boxed();
    match stream.try_next().await.unwrap() {
        Some(WatchEvent::Error(error)) => assert_eq!(error.code, 410),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_lease_is_won_by_one() {
    let running = quiet().await;
    let leases: Api<Lease> = Api::namespaced(kube(&running), "default");
    let lease: Lease = serde_json::from_value(json!({
        "metadata": {"name": "privlink-shop"},
        "spec": {"holderIdentity": "a", "leaseDurationSeconds": 15},
    }))
    .unwrap();
    let held = leases.create(&PostParams::default(), &lease).await.unwrap();
    let refused = status(leases.create(&PostParams::default(), &lease).await.unwrap_err());
    assert_eq!((refused.code, refused.reason.as_str()), (409, "AlreadyExists"));
    let mut mine = held.clone();
    mine.spec.as_mut().unwrap().holder_identity = Some("b".into());
    let renewed = leases.replace("privlink-shop", &PostParams::default(), &mine).await.unwrap();
    assert_ne!(renewed.metadata.resource_version, held.metadata.resource_version);
    let refused =
        status(leases.replace("privlink-shop", &PostParams::default(), &mine).await.unwrap_err());
    assert_eq!((refused.code, refused.reason.as_str()), (409, "Conflict"));
}

#[tokio::test]
async fn everything_is_allowed() {
    use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
    let running = first().await;
    let reviews: Api<SelfSubjectAccessReview> = Api::all(kube(&running));
    let review: SelfSubjectAccessReview = serde_json::from_value(json!({
        "metadata": {}, "spec": {"resourceAttributes": {"verb": "patch", "resource": "services"}},
    }))
    .unwrap();
    let answer = reviews.create(&PostParams::default(), &review).await.unwrap();
    assert!(answer.status.unwrap().allowed);
    let events: Api<Event> = Api::default_namespaced(kube(&running));
    assert_eq!(events.list(&ListParams::default()).await.unwrap().items.len(), 0);
}

#[tokio::test]
async fn the_node_ports_of_one_service_differ() {
    let running = quiet().await;
    let api = services(&running);
    let mut service = internal_app(json!({}));
    // So many of 2768 that two draws of one number are as good as certain.
    service["spec"]["ports"] =
        (1..=250).map(|port| json!({"name": format!("p{port}"), "port": port})).collect();
    let made = apply(&api, &service).await.unwrap();
    let ports = made.spec.unwrap().ports.unwrap();
    let node_ports: std::collections::BTreeSet<_> =
        ports.iter().filter_map(|port| port.node_port).collect();
    assert_eq!(node_ports.len(), 250);
}
