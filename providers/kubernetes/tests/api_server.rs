//! The client against a real kube-apiserver and etcd, when `KUBEBUILDER_ASSETS` names a folder with both
//! (`.ci/envtest/build` makes one). Says so when it does not.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use privlink_kubernetes::{
    Acquisition, Connection, Deletion, ErrorKind, KubernetesClient, Lock, Settings,
};
use serde_json::{Value, json};

/// A program that ends with the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An API server with its etcd, and kubeconfigs for somebody who may all and somebody who may nothing.
struct ApiServer {
    folder: tempfile::TempDir,
    _programs: [Program; 2],
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn start(program: &Path, args: &[String], log: &Path) -> Program {
    let log = std::fs::File::create(log).unwrap();
    let child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn();
    Program(child.unwrap_or_else(|error| panic!("{}: {error}", program.display())))
}

impl ApiServer {
    /// Starts both, if there are such programs.
    async fn start() -> Option<Self> {
        let assets = PathBuf::from(std::env::var_os("KUBEBUILDER_ASSETS").or_else(|| {
            eprintln!("not run: KUBEBUILDER_ASSETS names no folder with kube-apiserver and etcd");
            None
        })?);
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let shown = |name: &str| at(name).display().to_string();
        let [store, peer, port] = [free_port(), free_port(), free_port()];
        let store = format!("http://127.0.0.1:{store}");
        let etcd = [
            format!("--data-dir={}", shown("etcd")),
            format!("--listen-client-urls={store}"),
            format!("--advertise-client-urls={store}"),
            format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
            "--unsafe-no-fsync=true".to_owned(),
        ];
        let etcd = start(&assets.join("etcd"), &etcd, &at("etcd.log"));
        let key = rcgen::KeyPair::generate().unwrap();
        std::fs::write(at("accounts.key"), key.serialize_pem()).unwrap();
        std::fs::write(at("accounts.pub"), key.public_key_pem()).unwrap();
        let tokens = "boss-token,boss,1,system:masters\nguest-token,guest,2\n";
        std::fs::write(at("tokens.csv"), tokens).unwrap();
        let api = [
            format!("--etcd-servers={store}"),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={port}"),
            format!("--cert-dir={}", shown("certificates")),
            format!("--token-auth-file={}", shown("tokens.csv")),
            "--authorization-mode=RBAC".to_owned(),
            "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", shown("accounts.pub")),
            format!("--service-account-signing-key-file={}", shown("accounts.key")),
            "--endpoint-reconciler-type=none".to_owned(),
        ];
        let api = start(&assets.join("kube-apiserver"), &api, &at("api.log"));
        let server = Self { folder, _programs: [etcd, api] };
        for who in ["boss", "guest"] {
            server.write_kubeconfig(who, port);
        }
        server.wait().await;
        Some(server)
    }

    fn write_kubeconfig(&self, who: &str, port: u16) {
        let folder = self.folder.path();
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {
                "server": format!("https://127.0.0.1:{port}"),
                "certificate-authority": folder.join("certificates/apiserver.crt"),
            }}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": who}}],
            "users": [{"name": who, "user": {"token": format!("{who}-token")}}],
        });
        std::fs::write(folder.join(who), config.to_string()).unwrap();
    }

    /// Waits until it answers, and has its first namespace and the roles it begins with.
    async fn wait(&self) {
        for _ in 0..600 {
            if self.folder.path().join("certificates/apiserver.crt").exists() {
                let client = self.client("boss").await;
                let service = json!({
                    "apiVersion": "v1", "kind": "Service",
                    "metadata": {"name": "probe", "namespace": "default"},
                    "spec": {"ports": [{"port": 1}]},
                });
                let guest = self.client("guest").await;
                let has_roles = guest.may("list", "", "services", None).await.is_ok();
                if has_roles && client.apply_service(&service, true).await.is_ok() {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let log = std::fs::read_to_string(self.folder.path().join("api.log")).unwrap_or_default();
        panic!("the API server does not come up:\n{log}");
    }

    async fn client(&self, who: &str) -> KubernetesClient {
        let connection =
            Connection::Kubeconfig { path: self.folder.path().join(who), context: None };
        // One object a page, so that lists come in pages.
        let settings = Settings { page_size: 1, ..Settings::default() };
        KubernetesClient::connect(&connection, settings).await.unwrap()
    }
}

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
    let kubeconfig =
        kube::config::Kubeconfig::read_from(server.folder.path().join("boss")).unwrap();
    let config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.unwrap();
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
    let first = lock().await.acquire("first", duration).await.unwrap();
    let Acquisition::Acquired(kept) = first else { panic!("it was free") };
    let second = lock().await.acquire("second", duration).await.unwrap();
    assert!(matches!(&second, Acquisition::HeldBy(it) if it.identity == "first"));
    kept.release().await.unwrap();
    let third = lock().await.acquire("third", duration).await.unwrap();
    let Acquisition::Acquired(kept) = third else { panic!("it was released") };
    kept.release().await.unwrap();
}
