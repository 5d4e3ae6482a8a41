//! The client over TLS: one provider for the process, and the kubeconfig's authority.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../../azure/tests/support/tls_server.rs"]
mod tls_server;

use privlink_kubernetes::{Connection, ErrorKind, KubernetesClient, KubernetesError, Settings};
use tls_server::{CERTIFICATE, serve};

async fn version(authority: &str) -> Result<String, KubernetesError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    let server = serve(r#"{"gitVersion": "v1.33.1"}"#).await;
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
         contexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n\
         clusters: [{{name: c, cluster: {{server: \"{server}\"{authority}}}}}]\n\
         users: [{{name: u, user: {{}}}}]\n"
    );
    std::fs::write(&path, text).unwrap();
    let connection = Connection::Kubeconfig { path, context: None };
    KubernetesClient::connect(&connection, Settings::default()).await?.version().await
}

#[tokio::test]
async fn a_certificate_of_the_kubeconfigs_authority_is_accepted() {
    let authority = format!(", certificate-authority: \"{CERTIFICATE}\"");
    assert_eq!(version(&authority).await.unwrap(), "v1.33.1");
}

#[tokio::test]
async fn a_certificate_nobody_trusts_is_refused_with_the_reason() {
    let error = version("").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Tls, "{error}");
    assert!(error.to_string().contains("certificate"), "{error}");
}
