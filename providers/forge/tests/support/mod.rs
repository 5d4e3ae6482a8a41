//! A server on this machine that plays a forge and keeps what it was asked.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test binary uses its part")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use privlink_forge::Settings;
use serde_json::Value;
use tokio::net::TcpListener;

pub const TOKEN: &str = "s3cret-token";
pub const MARKER: &str = "<!-- privlink:default -->";

/// A request that came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub line: String,
    pub headers: BTreeMap<String, String>,
    pub body: Value,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Reply {
    pub fn json(status: u16, body: &Value) -> Self {
        Self { status, headers: Vec::new(), body: body.to_string() }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

type Handler = dyn Fn(&Asked) -> Reply + Send + Sync;

#[derive(Clone)]
pub struct Fake {
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    handler: Arc<Handler>,
}

impl Fake {
    /// A server that answers as `handler` says. It is given the server's own address.
    pub async fn start<H>(handler: impl FnOnce(&str) -> H) -> Self
    where
        H: Fn(&Asked) -> Reply + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let fake = Self { handler: Arc::new(handler(&url)), url, asked: Arc::default() };
        let router = Router::new().fallback(answer).with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        fake
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Method, path and query of all requests.
    pub fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

async fn answer(
    State(fake): State<Fake>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
    let asked = Asked {
        line: format!("{method} {uri}"),
        headers: headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    fake.asked.lock().unwrap().push(asked.clone());
    let reply = (fake.handler)(&asked);
    let headers: HeaderMap = reply
        .headers
        .into_iter()
        .map(|(name, value)| {
            (HeaderName::from_static(name), HeaderValue::from_str(&value).unwrap())
        })
        .collect();
    (StatusCode::from_u16(reply.status).unwrap(), headers, reply.body).into_response()
}

/// For tests: tries follow each other at once, and answers have a mebibyte at most.
pub fn settings() -> Settings {
    Settings {
        attempts: 3,
        first_delay: Duration::from_millis(1),
        patience: Duration::from_secs(5),
        most_bytes: 1 << 20,
    }
}
