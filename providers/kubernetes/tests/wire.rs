//! The client over real sockets: what API servers and those on the way can do to it, and what shows.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../../azure/tests/support/server.rs"]
mod server;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

use privlink_kubernetes::{Connection, ErrorKind, KubernetesClient, KubernetesError, Settings};
use server::{ENDLESS, RESET, Server, dripping, endless, json, reply};
use tokio::net::TcpListener;

const TOKEN: &str = "t0p-s3cret";

async fn version_at(url: &str) -> Result<String, KubernetesError> {
    let connection =
        Connection::Url { url: url.to_owned(), token: None, namespace: String::from("default") };
    let settings = Settings { most_bytes: 1 << 20, ..Settings::default() };
    KubernetesClient::connect(&connection, settings).await?.version().await
}

#[tokio::test]
async fn a_request_says_who_sends_it() {
    let server = Server::start([json(r#"{"gitVersion": "v1.33.1"}"#)]).await;
    assert_eq!(version_at(&server.url()).await.unwrap(), "v1.33.1");
    let request = server.requests.lock().unwrap()[0].to_lowercase();
    assert!(request.contains("user-agent: privlink/"), "{request}");
}

#[tokio::test]
async fn resets_and_halves_are_transient_and_nothing_there_is_a_network_error() {
    let half = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{";
    for reply in [RESET, half] {
        let server = Server::start([reply]).await;
        let error = version_at(&server.url()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Transient, "{error}");
        assert!(error.is_retryable());
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = version_at(&url).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Network, "{error}");
    assert!(error.to_string().contains("refused"), "the whole chain of reasons: {error}");
}

#[tokio::test]
async fn a_reply_that_is_too_large_is_not_read_to_its_end() {
    let (url, sent) = endless().await;
    let error = version_at(&url).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Protocol, "{error}");
    assert!(error.to_string().contains("the reply is larger than 1 MiB"), "{error}");
    assert!(!error.is_retryable());
    let sent = sent.await.unwrap();
    assert!(sent < ENDLESS, "all {sent} bytes were taken");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A kubeconfig whose user is an exec plugin, as kubelogin is.
fn kubeconfig(folder: &std::path::Path, server: &str, script: &str) -> Connection {
    let plugin = folder.join("plugin");
    std::fs::write(&plugin, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&plugin, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = folder.join("config");
    let text = format!(
        r#"
apiVersion: v1
kind: Config
current-context: prod
contexts: [{{name: prod, context: {{cluster: c, user: u, namespace: shop}}}}]
clusters: [{{name: c, cluster: {{server: "{server}"}}}}]
users:
- name: u
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: {}
      interactiveMode: Never
"#,
        plugin.display()
    );
    std::fs::write(&path, text).unwrap();
    Connection::Kubeconfig { path, context: Some(String::from("prod")) }
}

#[tokio::test]
async fn an_exec_plugins_token_is_sent_and_no_log_level_shows_it() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let refusal = r#"{"kind": "Status", "reason": "Forbidden", "message": "no"}"#;
    let server = Server::start([
        json(r#"{"gitVersion": "v1.33.1"}"#),
        reply("403 Forbidden", "application/json", refusal),
        RESET.to_owned(),
    ])
    .await;
    let folder = tempfile::tempdir().unwrap();
    let credential = format!(
        "echo '{{\"apiVersion\": \"client.authentication.k8s.io/v1\", \"kind\": \"ExecCredential\", \
         \"status\": {{\"token\": \"{TOKEN}\"}}}}'"
    );
    let connection = kubeconfig(folder.path(), &server.url(), &credential);
    let client = KubernetesClient::connect(&connection, Settings::default()).await.unwrap();
    assert_eq!(client.default_namespace(), "shop");
    client.version().await.unwrap();
    let request = server.requests.lock().unwrap()[0].to_lowercase();
    assert!(request.contains(&format!("authorization: bearer {TOKEN}")), "{request}");
    let errors = [client.nodes().await.unwrap_err(), client.nodes().await.unwrap_err()];
    assert_eq!(errors[0].kind, ErrorKind::Denied);
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(!logged.is_empty());
    for text in [logged, format!("{errors:?} {} {client:?} {connection:?}", errors[0])] {
        assert!(!text.contains(TOKEN), "{text}");
    }
}

#[tokio::test]
async fn an_exec_plugin_that_fails_is_named() {
    let server = Server::start([RESET]).await;
    let folder = tempfile::tempdir().unwrap();
    let connection = kubeconfig(folder.path(), &server.url(), "echo 'not logged in' >&2; exit 3");
    let outcome = match KubernetesClient::connect(&connection, Settings::default()).await {
        Ok(client) => client.version().await.map(|_| ()),
        Err(error) => Err(error),
    };
    let error = outcome.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied, "{error}");
    assert!(error.to_string().contains("plugin"), "{error}");
}

#[tokio::test]
async fn a_server_that_drips_is_cut_off() {
    let connection =
        Connection::Url { url: dripping().await, token: None, namespace: String::from("default") };
    let settings =
        Settings { reply_timeout: std::time::Duration::from_millis(200), ..Settings::default() };
    let begun = std::time::Instant::now();
    let client = KubernetesClient::connect(&connection, settings).await.unwrap();
    let error = client.version().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient, "{error}");
    assert!(error.to_string().contains("no whole reply within"), "{error}");
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
}
