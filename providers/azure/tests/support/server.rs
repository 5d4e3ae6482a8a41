//! A server that says what it is told to. The tests of the other clients use it too.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test binary uses its part")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// In place of a reply: the connection is closed at once.
pub const RESET: &str = "";

/// A server that sends these bytes to each connection, one after the other, and keeps what it got.
#[derive(Clone)]
pub struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    pub requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub async fn start<T: Into<Vec<u8>>>(replies: impl IntoIterator<Item = T>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            connections: Arc::default(),
            requests: Arc::default(),
        };
        let (connections, requests) = (server.connections.clone(), server.requests.clone());
        let replies: Vec<Vec<u8>> = replies.into_iter().map(Into::into).collect();
        tokio::spawn(async move {
            for reply in replies {
                let (mut stream, _) = listener.accept().await.unwrap();
                connections.fetch_add(1, Ordering::SeqCst);
                if reply == RESET.as_bytes() {
                    continue;
                }
                let request = head(&mut stream).await;
                requests.lock().unwrap().push(request);
                stream.write_all(&reply).await.unwrap();
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
}

/// A server that answers each connection byte by byte, and never comes to an end; its URL.
pub async fn dripping() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                head(&mut stream).await;
                let begin = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99999\r\n\r\n";
                let mut next = begin.as_bytes();
                while stream.write_all(next).await.is_ok() {
                    next = b" ";
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
            });
        }
    });
    url
}

/// What the server of an endless reply sends if it is let, in bytes.
pub const ENDLESS: usize = 64 << 20;

/// A server that answers one connection with JSON that does not end; its URL, and how many bytes it could send.
pub async fn endless() -> (String, JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let sent = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        drop(listener);
        head(&mut stream).await;
        let start = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n[";
        stream.write_all(start).await.unwrap();
        let more = [b' '; 1 << 16];
        let mut sent = 0;
        while sent < ENDLESS && stream.write_all(&more).await.is_ok() {
            sent += more.len();
        }
        sent
    });
    (url, sent)
}

/// A request up to its body.
async fn head(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut chunk = [0; 1024];
        let read = stream.read(&mut chunk).await.unwrap();
        request.extend_from_slice(&chunk[..read]);
        if read == 0 {
            break;
        }
    }
    String::from_utf8(request).unwrap()
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
