//! The real clients against the sandbox.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use privlink_kubernetes::{
    Acquisition, Connection, Deletion, ErrorKind, KubernetesClient, Lock, Settings,
};
use privlink_sandbox::{Running, Sandbox, SandboxOptions};
use serde_json::{Value, json};

const LONG: Duration = Duration::from_secs(20);

async fn sandbox() -> Running {
    Sandbox::start(SandboxOptions::in_memory()).await.unwrap()
}

async fn kubernetes(sandbox: &Running) -> KubernetesClient {
    let connection = Connection::Url {
        url: sandbox.kubernetes_url.clone(),
        token: Some(String::from("sandbox")),
        namespace: String::from("default"),
    };
    KubernetesClient::connect(&connection, Settings::default()).await.unwrap()
}

/// The AKS documentation's internal load balancer with a Private Link Service.
fn internal_app(port: u16) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": "internal-app", "namespace": "default",
            "annotations": {
                "service.beta.kubernetes.io/azure-load-balancer-internal": "true",
                "service.beta.kubernetes.io/azure-pls-create": "true",
            },
        },
        "spec": {
            "type": "LoadBalancer", "selector": {"app": "internal-app"},
            "ports": [{"port": port, "protocol": "TCP"}],
        },
    })
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[tokio::test]
async fn a_service_is_applied_changed_and_deleted() {
    let sandbox = sandbox().await;
    let client = kubernetes(&sandbox).await;
    assert!(client.version().await.unwrap().starts_with("v1."));
    assert!(!client.nodes().await.unwrap().is_empty());

    let tried = client.apply_service(&internal_app(80), true).await.unwrap();
    assert!(!text(&tried, "/metadata/uid").is_empty());
    assert_eq!(client.service("default", "internal-app").await.unwrap(), None, "a dry run");

    let live = client.apply_service(&internal_app(80), false).await.unwrap();
    let uid = text(&live, "/metadata/uid").to_owned();
    let managers = live.pointer("/metadata/managedFields/0/manager");
    assert_eq!(managers, Some(&Value::from("privlink")));
    let services = client.services().await.unwrap();
    assert!(services.iter().any(|service| text(service, "/metadata/uid") == uid));

    let annotations =
        BTreeMap::from([(String::from("privlink.dev/sync"), Some(String::from("1")))]);
    let stale = client.annotate_service("default", "internal-app", Some("1"), &annotations).await;
    assert_eq!(stale.unwrap_err().kind, ErrorKind::Stale);
    client.annotate_service("default", "internal-app", None, &annotations).await.unwrap();
    let again = client.apply_service(&internal_app(80), false).await.unwrap();
    let sync = again.pointer("/metadata/annotations/privlink.dev~1sync");
    assert_eq!(sync, Some(&Value::from("1")), "the next apply leaves the annotation");

    let other = client.delete_service("default", "internal-app", Some("not-it")).await;
    assert_eq!(other.unwrap_err().kind, ErrorKind::Stale);
    let deleted = client.delete_service("default", "internal-app", Some(&uid)).await.unwrap();
    assert_eq!(deleted, Deletion::Deleted);
    assert!(sandbox.controller_idle(LONG).await);
    assert_eq!(client.service("default", "internal-app").await.unwrap(), None);
    let gone = client.delete_service("default", "internal-app", None).await.unwrap();
    assert_eq!(gone, Deletion::WasAbsent);
}

#[tokio::test]
async fn a_field_of_another_manager_is_a_conflict_that_names_it() {
    let sandbox = sandbox().await;
    let client = kubernetes(&sandbox).await;
    // Another tool applies it first, over the same API.
    let mut config = kube::Config::new(sandbox.kubernetes_url.parse().unwrap());
    config.auth_info.token = Some(String::from("sandbox").into());
    let other = kube::Client::try_from(config).unwrap();
    let path = "/api/v1/namespaces/default/services/internal-app?fieldManager=argocd-controller";
    let request = http::Request::patch(path)
        .header("content-type", "application/apply-patch+yaml")
        .body(internal_app(80).to_string().into_bytes())
        .unwrap();
    let live: Value = other.request(request).await.unwrap();
    let mut ours = internal_app(80);
    ours["spec"]["ports"][0]["targetPort"] = Value::from(8080);
    ours["spec"]["selector"]["app"] = Value::from("another");
    let error = client.apply_service(&ours, false).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict, "{error}");
    assert!(error.detail.conflicts.iter().all(|conflict| conflict.manager == "argocd-controller"));
    assert!(error.detail.conflicts.iter().any(|conflict| conflict.field == ".spec.selector"));
    let author = privlink_core::kubernetes::managers::author(&live);
    assert_eq!(author.tool, Some(privlink_core::kubernetes::managers::Tool::ArgoCd));
}

#[tokio::test]
async fn a_watch_wakes_when_a_service_changes() {
    let sandbox = sandbox().await;
    let client = kubernetes(&sandbox).await;
    let mut wakeups = client.watch();
    client.apply_service(&internal_app(80), false).await.unwrap();
    tokio::time::timeout(LONG, wakeups.next()).await.unwrap();
}

#[tokio::test]
async fn a_lock_is_held_by_one_and_taken_over_from_the_dead() {
    let sandbox = sandbox().await;
    let lock = Lock::new(&kubernetes(&sandbox).await, "default", "privlink-shop");
    let second = Duration::from_secs(1);
    let Acquisition::Acquired(kept) = lock.acquire("a", second, Duration::ZERO).await.unwrap()
    else {
        panic!("it is free");
    };
    let Acquisition::HeldBy(holder) = lock.acquire("b", second, Duration::ZERO).await.unwrap()
    else {
        panic!("it is held");
    };
    assert_eq!(holder.identity, "a");
    drop(kept);
    let Acquisition::Acquired(kept) = lock.acquire("b", second, Duration::ZERO).await.unwrap()
    else {
        panic!("its holder is dead");
    };
    assert_eq!(kept.taken_from.as_ref().map(|holder| holder.identity.as_str()), Some("a"));
    kept.release().await.unwrap();
    assert_eq!(lock.holder().await.unwrap(), None);
}
