//! The client against a real kube-apiserver and etcd, when `KUBEBUILDER_ASSETS` names a folder with both
//! (`.ci/envtest/build` makes one). Says so when it does not.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]

#[path = "support/envtest.rs"]
mod envtest;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use envtest::ApiServer;
use privlink_kubernetes::{Acquisition, Deletion, ErrorKind, Lock};
use serde_json::{Value, json};

fn service(name: &str, annotations: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": "default", "annotations": annotations},
        "spec": {
            "type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"app": name},
        },
    })
}

/// One start of the server, since it takes seconds: what the sandbox shows of it is what it does.
#[tokio::test(flavor = "multi_thread")]
async fn the_client_works_with_a_real_api_server() {
    let Some(server) = ApiServer::start().await else { return };
    let client = server.client("boss").await;
    assert_eq!(client.version().await.unwrap(), "v1.33.1");

    let internal = "service.beta.kubernetes.io/azure-load-balancer-internal";
    let stored = client.apply_service(&service("a", &json!({internal: "true"})), false).await;
    let stored = stored.unwrap();
    let uid = stored["metadata"]["uid"].as_str().unwrap().to_owned();
    assert!(stored["spec"]["ports"][0]["nodePort"].as_u64().is_some(), "{stored}");
    client.apply_service(&service("b", &json!({})), false).await.unwrap();
    let names: Vec<String> = client
        .services()
        .await
        .unwrap()
        .iter()
        .map(|it| it["metadata"]["name"].as_str().unwrap().to_owned())
        .filter(|name| name != "kubernetes")
        .collect();
    assert_eq!(names, ["a", "b"]);

    // The dry run of apply_service stores nothing.
    client.apply_service(&service("c", &json!({})), true).await.unwrap();
    assert_eq!(client.service("default", "c").await.unwrap(), None);

    manifests(&server).await;
    field_conflict(&server).await;
    rights(&server).await;
    lock(&server).await;

    let refused = client.delete_service("default", "a", Some("another")).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Stale, "{refused}");
    let gone = client.delete_service("default", "a", Some(&uid)).await.unwrap();
    assert_eq!(gone, Deletion::Deleted);
    let gone = client.delete_service("default", "a", None).await.unwrap();
    assert_eq!(gone, Deletion::WasAbsent);
}

/// The manifests of examples/drift are taken as they are, but for custom resources, whose definitions are
/// not there. The namespace is made; all else is a dry run.
async fn manifests(server: &ApiServer) {
    let kubeconfig = kube::config::Kubeconfig::read_from(server.kubeconfig("boss")).unwrap();
    let config = kube::Config::from_custom_kubeconfig(
        kubeconfig,
        &kube::config::KubeConfigOptions::default(),
    )
    .await
    .unwrap();
    let client = kube::Client::try_from(config).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/drift/manifests");
    let mut taken = Vec::new();
    for file in ["rbac.yaml", "cronjob.yaml", "metrics.yaml"] {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        for document in text.split("\n---\n") {
            let field = |name: &str| {
                let line = document.lines().find(|line| line.trim_start().starts_with(name));
                line.unwrap().split_once(':').unwrap().1.trim().to_owned()
            };
            let (kind, name) = (field("kind:"), field("name:"));
            let (path, of_namespace) = match kind.as_str() {
                "Namespace" => ("/api/v1", None),
                "ServiceAccount" | "PersistentVolumeClaim" => ("/api/v1", Some("privlink")),
                "ClusterRole" | "ClusterRoleBinding" => {
                    ("/apis/rbac.authorization.k8s.io/v1", None)
                }
                "CronJob" => ("/apis/batch/v1", Some("privlink")),
                "Deployment" => ("/apis/apps/v1", Some("privlink")),
                other => panic!("{other} is not looked at"),
            };
            let namespace = of_namespace.map(|it| format!("/namespaces/{it}")).unwrap_or_default();
            let plural = format!("{}s", kind.to_lowercase());
            let dry_run = if kind == "Namespace" { "" } else { "&dryRun=All" };
            let query = format!("fieldManager=test&fieldValidation=Strict{dry_run}");
            let request =
                http::Request::patch(format!("{path}{namespace}/{plural}/{name}?{query}"))
                    .header("content-type", "application/apply-patch+yaml")
                    .body(document.as_bytes().to_vec())
                    .unwrap();
            let stored = client.request_text(request).await;
            assert!(stored.is_ok(), "{file}: {kind} {name}: {stored:?}");
            taken.push(kind);
        }
    }
    assert_eq!(taken.len(), 7, "{taken:?}");
}

/// A field that another manager holds is not taken from it.
async fn field_conflict(server: &ApiServer) {
    let client = server.client("boss").await;
    let key = "service.beta.kubernetes.io/azure-pls-name";
    let annotations = BTreeMap::from([(key.to_owned(), Some("theirs".to_owned()))]);
    let stored = client.annotate_service("default", "a", None, &annotations).await.unwrap();
    assert_eq!(stored["metadata"]["annotations"][key], "theirs");
    let ours = client.apply_service(&service("a", &json!({key: "ours"})), false).await;
    let refused = ours.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict, "{refused}");
    assert!(refused.to_string().contains("azure-pls-name"), "{refused}");
    let live = client.service("default", "a").await.unwrap().unwrap();
    assert_eq!(live["metadata"]["annotations"][key], "theirs");
}

/// Somebody without rights is told so, and what is refused is no absence.
async fn rights(server: &ApiServer) {
    let (boss, guest) = (server.client("boss").await, server.client("guest").await);
    assert!(boss.may("delete", "", "services", Some("default")).await.unwrap());
    assert!(!guest.may("list", "", "services", None).await.unwrap());
    let refused = guest.services().await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Denied, "{refused}");
    assert!(refused.to_string().contains("guest"), "{refused}");
    assert!(!refused.to_string().contains("guest-token"), "{refused}");
}

/// A Lease is held by one.
async fn lock(server: &ApiServer) {
    let lock = || async { Lock::new(&server.client("boss").await, "default", "privlink-test") };
    let duration = Duration::from_secs(15);
    let first = lock().await.acquire("first", duration, Duration::ZERO).await.unwrap();
    let Acquisition::Acquired(kept) = first else { panic!("it was free") };
    let second = lock().await.acquire("second", duration, Duration::ZERO).await.unwrap();
    assert!(matches!(&second, Acquisition::HeldBy(it) if it.identity == "first"));
    kept.release().await.unwrap();
    let third = lock().await.acquire("third", duration, Duration::ZERO).await.unwrap();
    let Acquisition::Acquired(kept) = third else { panic!("it was released") };
    kept.release().await.unwrap();
}
