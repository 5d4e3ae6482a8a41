//! An API server that is a function, so that tests need neither sockets nor real time.

use std::sync::{Arc, Mutex};

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use crate::client::KubernetesClient;
use crate::connection::Settings;

/// A request as the function sees it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Method and path: `GET /api/v1/services`.
    pub(crate) line: String,
    pub(crate) query: String,
    pub(crate) content_type: String,
    pub(crate) body: Value,
}

/// What it answers.
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: String,
}

impl Answer {
    pub(crate) fn new(status: u16, body: &Value) -> Self {
        Self { status, headers: Vec::new(), body: body.to_string() }
    }

    pub(crate) fn ok(body: &Value) -> Self {
        Self::new(200, body)
    }

    pub(crate) fn text(status: u16, kind: &'static str, body: &str) -> Self {
        Self { status, headers: vec![("content-type", kind)], body: body.to_owned() }
    }

    pub(crate) fn refusal(status: u16, reason: &str) -> Self {
        let message = format!("{reason} happened");
        let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
            "reason": reason, "message": message, "code": status});
        Self::new(status, &body)
    }

    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// A client of the function, and what the function was asked.
pub(crate) fn client(
    answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
) -> (KubernetesClient, Arc<Mutex<Vec<Seen>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (answer, kept) = (Arc::new(answer), asked.clone());
    let service = tower::service_fn(move |request: Request<Body>| {
        let (answer, kept) = (answer.clone(), kept.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect_bytes().await?;
            let header = |name| head.headers.get(name).map(|value| value.to_str().unwrap());
            let seen = Seen {
                line: format!("{} {}", head.method, head.uri.path()),
                query: head.uri.query().unwrap_or_default().to_owned(),
                content_type: header("content-type").unwrap_or_default().to_owned(),
                body: serde_json::from_slice(&body).unwrap_or_default(),
            };
            kept.lock().unwrap().push(seen.clone());
            let answer = answer(&seen);
            let mut response = Response::builder().status(answer.status);
            for (name, value) in answer.headers {
                response = response.header(name, value);
            }
            let body = Body::from(answer.body.into_bytes());
            Ok::<_, kube::Error>(response.body(body).unwrap())
        }
    });
    let client = Client::new(service, "shop");
    (KubernetesClient::with_client(client, "context test", Settings::default()), asked)
}
