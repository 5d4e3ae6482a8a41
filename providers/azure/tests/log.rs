//! No log level shows a token. A binary of its own, since it listens to the whole process.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "support/client.rs"]
mod client;

#[path = "support/server.rs"]
mod server;

use std::io::Write;
use std::sync::{Arc, Mutex};

use client::{LIST, ONCE, TOKEN, client_at, endpoint};
use server::{RESET, Server, json, reply};

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

#[tokio::test]
async fn no_log_level_shows_the_token() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let refusal = r#"{"error": {"code": "AuthorizationFailed", "message": "no"}}"#;
    let server = Server::start(vec![
        json(r#"{"value": []}"#),
        reply("403 Forbidden", "application/json", refusal),
        RESET.to_owned(),
    ])
    .await;
    let client = client_at(&server.url(), ONCE);
    client.list(LIST).await.unwrap();
    let errors =
        [client.get(&endpoint()).await.unwrap_err(), client.get(&endpoint()).await.unwrap_err()];
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("Request: url"), "the pipeline logs at all: {logged}");
    for text in [logged, format!("{errors:?} {} {client:?}", errors[0])] {
        assert!(!text.contains(TOKEN), "{text}");
    }
}
