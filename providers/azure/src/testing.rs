//! A transport that plays a script, so that tests need neither sockets nor real time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Request, StatusCode, Transport};
use azure_core::time::{Duration, OffsetDateTime};
use serde_json::{Value, json};

use crate::client::{ArmClient, Settings};
use crate::cloud::Cloud;

pub(crate) const TOKEN: &str = "t0p-s3cret";
pub(crate) const ENDPOINT: &str = "https://management.azure.com";
pub(crate) const GROUP: &str = "/subscriptions/s/resourceGroups/g";

/// A reply to come.
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Answer {
    pub(crate) fn new(status: u16, body: &Value) -> Self {
        Self { status, headers: Vec::new(), body: body.to_string() }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new() }
    }

    pub(crate) fn text(status: u16, kind: &str, body: &str) -> Self {
        Self { status, headers: Vec::new(), body: body.to_owned() }.with("content-type", kind)
    }

    pub(crate) fn error(status: u16, code: &str) -> Self {
        Self::new(status, &json!({"error": {"code": code, "message": format!("{code} happened.")}}))
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) line: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// The transport: answers in order, whatever is asked; what was asked is kept.
#[derive(Clone, Default)]
pub(crate) struct Script {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Script")
    }
}

impl Script {
    pub(crate) fn of(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers = answers.into_iter().collect();
        Self { answers: Arc::new(Mutex::new(answers)), ..Self::default() }
    }

    pub(crate) fn client(&self) -> ArmClient {
        self.client_with(Settings::default())
    }

    pub(crate) fn client_with(&self, settings: Settings) -> ArmClient {
        let credentials = Box::new(|tenant: Option<&str>| {
            Ok(Arc::new(Given(tenant.map(str::to_owned))) as Arc<dyn TokenCredential>)
        });
        let transport = Transport::new(Arc::new(self.clone()));
        let identity = String::from("a tester");
        ArmClient::with_transport(&Cloud::public(), identity, credentials, transport, settings)
            .unwrap()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Method, path and query of all requests.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }

    pub(crate) fn is_played(&self) -> bool {
        self.answers.lock().unwrap().is_empty()
    }
}

#[async_trait::async_trait]
impl HttpClient for Script {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let body = match request.body() {
            Body::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            Body::SeekableStream(_) => panic!("a stream is not expected"),
        };
        let url = request.url().as_str().trim_start_matches(ENDPOINT);
        let headers = request.headers().iter();
        self.seen.lock().unwrap().push(Seen {
            line: format!("{} {url}", request.method().as_ref()),
            headers: headers.map(|(k, v)| (k.as_str().to_owned(), v.as_str().to_owned())).collect(),
            body,
        });
        let answer = self.answers.lock().unwrap().pop_front();
        let answer = answer.unwrap_or_else(|| panic!("nothing to answer: {url}"));
        let mut headers = Headers::new();
        for (name, value) in answer.headers {
            headers.insert(name, value);
        }
        let status = StatusCode::from(answer.status);
        Ok(AsyncRawResponse::from_bytes(status, headers, answer.body.into_bytes()))
    }
}

/// Gives a token that names its tenant, new each time.
#[derive(Debug)]
struct Given(Option<String>);

#[async_trait::async_trait]
impl TokenCredential for Given {
    async fn get_token(
        &self,
        _: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let expires_on = OffsetDateTime::now_utc() + Duration::hours(1);
        let tenant = self.0.as_deref().unwrap_or("home");
        Ok(AccessToken::new(format!("{TOKEN}-{tenant}"), expires_on))
    }
}
