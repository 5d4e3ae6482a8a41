//! The client over real sockets: what servers on the way to ARM can do to it.
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

use std::time::Duration;

use client::{LIST, ONCE, TOKEN, client_at, endpoint};
use privlink_azure::{ArmClient, Cloud, Environment, ErrorKind, Identity, Retry, Settings};
use server::{ENDLESS, RESET, Server, dripping, endless, json, reply};
use tokio::net::TcpListener;

const QUICKLY: Retry = Retry {
    attempts: 3,
    first_delay: Duration::from_millis(5),
    longest_delay: Duration::from_millis(10),
};

#[tokio::test]
async fn a_request_says_who_sends_it() {
    let server = Server::start(vec![json(r#"{"value": [{"name": "e"}]}"#)]).await;
    let list = client_at(&server.url(), ONCE).list(LIST).await.unwrap().unwrap();
    assert_eq!(list.len(), 1);
    let request = server.requests.lock().unwrap()[0].to_lowercase();
    assert!(request.starts_with("get /subscriptions/s/"), "{request}");
    assert!(request.contains(&format!("authorization: bearer {TOKEN}")), "{request}");
    assert!(request.contains("user-agent: privlink/"), "{request}");
    assert!(request.contains("x-ms-client-request-id: "), "{request}");
}

#[tokio::test]
async fn a_reply_that_breaks_off_is_transient_and_read_again() {
    let half =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"val";
    let server = Server::start(vec![half.to_owned()]).await;
    let error = client_at(&server.url(), ONCE).list(LIST).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient, "{error}");

    let server = Server::start(vec![half.to_owned(), json(r#"{"value": []}"#)]).await;
    assert_eq!(client_at(&server.url(), QUICKLY).list(LIST).await.unwrap(), Some(Vec::new()));
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_connection_that_is_reset_is_made_again() {
    let server = Server::start(vec![RESET.to_owned(), json(r#"{"value": []}"#)]).await;
    assert_eq!(client_at(&server.url(), QUICKLY).list(LIST).await.unwrap(), Some(Vec::new()));
    let server = Server::start(vec![RESET.to_owned()]).await;
    let error = client_at(&server.url(), ONCE).get(&endpoint()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient, "{error}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_network_error_that_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = client_at(&url, ONCE).get(&endpoint()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Network, "{error}");
    assert!(error.to_string().contains("refused"), "the whole chain of reasons: {error}");
}

#[tokio::test]
async fn a_page_of_a_proxy_is_no_reply_of_arms() {
    let page = reply("200 OK", "text/html", "<html>Sign in to the network</html>");
    let server = Server::start(vec![page]).await;
    let error = client_at(&server.url(), ONCE).get(&endpoint()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Protocol);
    assert!(error.to_string().contains("text/html"), "{error}");
}

#[tokio::test]
async fn links_and_redirects_to_another_server_are_not_followed() {
    let other = Server::start(vec![json(r#"{"value": []}"#)]).await;
    let next = format!(r#"{{"value": [], "nextLink": "{}/x?api-version=1"}}"#, other.url());
    let server = Server::start(vec![json(&next)]).await;
    let error = client_at(&server.url(), QUICKLY).list(LIST).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::UntrustedUrl, "{error}");

    let redirect =
        format!("HTTP/1.1 302 Found\r\nlocation: {}/x\r\ncontent-length: 0\r\n\r\n", other.url());
    let server = Server::start(vec![redirect]).await;
    let error = client_at(&server.url(), QUICKLY).list(LIST).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Protocol, "{error}");
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn a_reply_that_is_too_large_is_not_read_to_its_end() {
    let (url, sent) = endless().await;
    let client = client_at(&url, QUICKLY);
    let error = client.list(LIST).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Protocol, "{error}");
    assert!(error.to_string().contains("the reply is larger than 1 MiB"), "{error}");
    assert_eq!(client.calls().reads, 1);
    let sent = sent.await.unwrap();
    assert!(sent < ENDLESS, "all {sent} bytes were taken");
}

/// GitHub's own endpoint stands for whoever issues tokens and assertions: all are asked by one transport.
#[tokio::test]
async fn an_issuers_reply_that_is_too_large_is_not_read_to_its_end() {
    let (url, sent) = endless().await;
    let variables = [
        ("AZURE_CLIENT_ID", "c11e47"),
        ("AZURE_TENANT_ID", "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"),
        ("ACTIONS_ID_TOKEN_REQUEST_URL", &url),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", TOKEN),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let environment = Environment::of(variables.into());
    let settings = Settings { reads: QUICKLY, most_bytes: 1 << 20, ..Settings::default() };
    let client = ArmClient::new(&Cloud::public(), &Identity::GitHub, &environment, settings);
    let error = client.unwrap().list(LIST).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Protocol, "{error}");
    assert!(error.to_string().contains("the reply is larger than 1 MiB"), "{error}");
    let sent = sent.await.unwrap();
    assert!(sent < ENDLESS, "all {sent} bytes were taken");
}

/// 4 MiB of spaces, in 4 KiB.
#[tokio::test]
async fn a_reply_counts_as_it_is_when_decompressed() {
    let bomb = include_bytes!("data/spaces.json.gz");
    let mut reply = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n\
         content-length: {}\r\n\r\n",
        bomb.len()
    )
    .into_bytes();
    reply.extend_from_slice(bomb);
    let server = Server::start([reply]).await;
    let error = client_at(&server.url(), QUICKLY).list(LIST).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Protocol, "{error}");
    assert!(error.to_string().contains("the reply is larger than 1 MiB"), "{error}");
    let asked = server.requests.lock().unwrap()[0].to_lowercase();
    assert!(asked.contains("accept-encoding: gzip"), "{asked}");
}

#[tokio::test]
async fn a_server_that_drips_is_cut_off() {
    let cloud = Cloud::custom(&dripping().await, "https://arm", "https://login.invalid").unwrap();
    let settings = Settings {
        reads: Retry { attempts: 100, ..QUICKLY },
        reply_timeout: Duration::from_millis(200),
        read_timeout: Duration::from_millis(600),
        ..Settings::default()
    };
    let environment = Environment::of(std::collections::BTreeMap::new());
    let client = ArmClient::new(&cloud, &Identity::Token(TOKEN.into()), &environment, settings);
    let begun = std::time::Instant::now();
    let error = client.unwrap().list(LIST).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient, "{error}");
    assert!(error.to_string().contains("no whole reply within"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
