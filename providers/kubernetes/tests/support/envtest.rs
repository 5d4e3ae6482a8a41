//! A real kube-apiserver with its etcd, when `KUBEBUILDER_ASSETS` names a folder with both
//! (`.ci/envtest/build` makes one). Says so when it does not.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use privlink_kubernetes::{Connection, KubernetesClient, Settings};
use serde_json::json;

/// A program that ends with the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An API server with its etcd, and kubeconfigs for somebody who may all and somebody who may nothing.
pub(crate) struct ApiServer {
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
    pub(crate) async fn start() -> Option<Self> {
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
            "--service-cluster-ip-range=10.0.0.0/16,fd00:10::/108".to_owned(),
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

    /// The kubeconfig of `boss` or `guest`.
    pub(crate) fn kubeconfig(&self, who: &str) -> PathBuf {
        self.folder.path().join(who)
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

    /// A client as one of them. One object a page, so that lists come in pages.
    pub(crate) async fn client(&self, who: &str) -> KubernetesClient {
        let connection = Connection::Kubeconfig { path: self.kubeconfig(who), context: None };
        let settings = Settings { page_size: 1, ..Settings::default() };
        KubernetesClient::connect(&connection, settings).await.unwrap()
    }
}
