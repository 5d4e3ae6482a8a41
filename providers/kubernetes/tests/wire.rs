//! The client over real sockets: what API servers and those on the way can do to it, and what shows.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

use privlink_kubernetes::{Connection, ErrorKind, KubernetesClient, KubernetesError, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const TOKEN: &str = "t0p-s3cret";
const RESET: &str = "";

/// A server that sends these bytes to each connection, one after the other, and keeps what it got.
async fn serve(replies: Vec<String>) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = requests.clone();
    tokio::spawn(async move {
        for reply in replies {
            let (mut stream, _) = listener.accept().await.unwrap();
            if reply == RESET {
                continue;
            }
            let mut request = Vec::new();
            while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                let mut chunk = [0; 1024];
                let read = stream.read(&mut chunk).await.unwrap();
                request.extend_from_slice(&chunk[..read]);
                if read == 0 {
                    break;
                }
            }
            kept.lock().unwrap().push(String::from_utf8(request).unwrap());
            stream.write_all(reply.as_bytes()).await.unwrap();
        }
    });
    (address, requests)
}

fn json(body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    )
}

async fn version_at(address: SocketAddr) -> Result<String, KubernetesError> {
    let url = format!("http://{address}");
    let connection = Connection::Url { url, namespace: String::from("default") };
    KubernetesClient::connect(&connection, Settings::default()).await?.version().await
}

#[tokio::test]
async fn a_request_says_who_sends_it() {
    let (address, requests) = serve(vec![json(r#"{"gitVersion": "v1.33.1"}"#)]).await;
    assert_eq!(version_at(address).await.unwrap(), "v1.33.1");
    let request = requests.lock().unwrap()[0].to_lowercase();
    assert!(request.contains("user-agent: privlink/"), "{request}");
}

#[tokio::test]
async fn resets_and_halves_are_transient_and_nothing_there_is_a_network_error() {
    let half = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{";
    for reply in [RESET, half] {
        let (address, _) = serve(vec![reply.to_owned()]).await;
        let error = version_at(address).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Transient, "{error}");
        assert!(error.is_retryable());
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = version_at(address).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Network, "{error}");
    assert!(error.to_string().contains("refused"), "the whole chain of reasons: {error}");
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
fn kubeconfig(folder: &std::path::Path, address: SocketAddr, script: &str) -> Connection {
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
clusters: [{{name: c, cluster: {{server: "http://{address}"}}}}]
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
    let refused = json(refusal).replacen("200 OK", "403 Forbidden", 1);
    let (address, requests) =
        serve(vec![json(r#"{"gitVersion": "v1.33.1"}"#), refused, RESET.to_owned()]).await;
    let folder = tempfile::tempdir().unwrap();
    let credential = format!(
        "echo '{{\"apiVersion\": \"client.authentication.k8s.io/v1\", \"kind\": \"ExecCredential\", \
         \"status\": {{\"token\": \"{TOKEN}\"}}}}'"
    );
    let connection = kubeconfig(folder.path(), address, &credential);
    let client = KubernetesClient::connect(&connection, Settings::default()).await.unwrap();
    assert_eq!(client.default_namespace(), "shop");
    client.version().await.unwrap();
    let request = requests.lock().unwrap()[0].to_lowercase();
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
    let (address, _) = serve(Vec::new()).await;
    let folder = tempfile::tempdir().unwrap();
    let connection = kubeconfig(folder.path(), address, "echo 'not logged in' >&2; exit 3");
    let outcome = match KubernetesClient::connect(&connection, Settings::default()).await {
        Ok(client) => client.version().await.map(|_| ()),
        Err(error) => Err(error),
    };
    let error = outcome.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied, "{error}");
    assert!(error.to_string().contains("plugin"), "{error}");
}
