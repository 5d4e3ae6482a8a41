//! The client over TLS: one provider for the process, and the machine's own trust.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "support/client.rs"]
mod client;

#[path = "support/tls_server.rs"]
mod tls_server;

use client::{LIST, ONCE, client_at};
use privlink_azure::ErrorKind;
use tls_server::{CERTIFICATE, serve};

/// An empty list.
const EMPTY: &str = r#"{"value": []}"#;
/// Set in the process that plays the client.
const SERVER: &str = "PRIVLINK_TEST_TLS_SERVER";

#[tokio::test]
async fn a_certificate_nobody_trusts_is_refused_with_the_reason() {
    let error = client_at(&serve(EMPTY).await, ONCE).list(LIST).await.unwrap_err();
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
    let url = serve(EMPTY).await;
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
