//! The client over TLS: one provider for the process, and the kubeconfig's authority.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;

use privlink_kubernetes::{Connection, ErrorKind, KubernetesClient, KubernetesError, Settings};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/test-only-server.pem");

/// A TLS server that answers every connection with a version.
async fn serve() -> String {
    let pem = std::fs::read(CERTIFICATE).unwrap();
    let certificate = CertificateDer::from_pem_slice(&pem).unwrap();
    let key = PrivateKeyDer::from_pem_slice(&pem).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // A client that does not trust the certificate hangs up.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let body = r#"{"gitVersion": "v1.33.1"}"#;
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
            let reply = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
            let _ = stream.write_all(reply.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    url
}

async fn version(authority: &str) -> Result<String, KubernetesError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    let server = serve().await;
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
