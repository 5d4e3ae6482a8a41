//! The client over TLS: one provider for the process, and the machine's own trust.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "support/server.rs"]
mod server;

use std::sync::Arc;

use privlink_azure::ErrorKind;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use server::{LIST, ONCE, client_at, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/test-only-server.pem");
/// Set in the process that plays the client.
const SERVER: &str = "PRIVLINK_TEST_TLS_SERVER";

/// A TLS server that answers every connection with an empty list.
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
            let _ = stream.write_all(json(r#"{"value": []}"#).as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    url
}

#[tokio::test]
async fn a_certificate_nobody_trusts_is_refused_with_the_reason() {
    let error = client_at(&serve().await, ONCE).list(LIST).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Tls, "{error}");
    assert!(error.to_string().contains("certificate"), "{error}");
}

/// The trust store is read once a process, so the trusting client is a process of its own: this test
/// again, with the server's address.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_the_machine_trusts_is_accepted() {
    if let Ok(url) = std::env::var(SERVER) {
        assert_eq!(client_at(&url, ONCE).list(LIST).await.unwrap(), Some(Vec::new()));
        return;
    }
    let url = serve().await;
    let client = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_certificate_the_machine_trusts_is_accepted"])
        .env(SERVER, &url)
        .env("SSL_CERT_FILE", CERTIFICATE)
        .output()
        .await
        .unwrap();
    let shown = String::from_utf8_lossy(&client.stdout);
    assert!(client.status.success() && shown.contains("1 passed"), "{shown}");
}
