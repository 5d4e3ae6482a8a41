//! A server that is not ARM.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test binary uses its part")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use privlink_azure::retry::Retry;
use privlink_azure::{ArmClient, Cloud, Environment, Identity, Settings};
use privlink_core::resource_id::ResourceId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

pub const TOKEN: &str = "t0p-s3cret";
pub const ONCE: Retry = Retry::NONE;

/// A server that sends these bytes to each connection, one after the other, and keeps what it got.
#[derive(Clone)]
pub struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    pub requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub async fn start(replies: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            connections: Arc::default(),
            requests: Arc::default(),
        };
        let (connections, requests) = (server.connections.clone(), server.requests.clone());
        tokio::spawn(async move {
            for reply in replies {
                let (mut stream, _) = listener.accept().await.unwrap();
                connections.fetch_add(1, Ordering::SeqCst);
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
                requests.lock().unwrap().push(String::from_utf8(request).unwrap());
                stream.write_all(reply.as_bytes()).await.unwrap();
            }
        });
        server
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn client(&self, reads: Retry) -> ArmClient {
        client_at(&self.url(), reads)
    }
}

pub const RESET: &str = "";
pub fn client_at(url: &str, reads: Retry) -> ArmClient {
    let cloud = Cloud::custom(url, "https://arm", "https://login.invalid").unwrap();
    let identity = Identity::Token(TOKEN.into());
    let environment = Environment::of(BTreeMap::new());
    let settings = Settings { reads, ..Settings::default() };
    ArmClient::new(&cloud, &identity, &environment, settings).unwrap()
}

pub fn reply(status: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    )
}

pub fn json(body: &str) -> String {
    reply("200 OK", "application/json", body)
}

pub fn endpoint() -> ResourceId {
    ResourceId::in_group("s", "g", "Microsoft.Network/privateEndpoints", "e")
}

pub const LIST: &str = "/subscriptions/s/providers/Microsoft.Network/privateEndpoints";
