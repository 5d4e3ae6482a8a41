//! Requests and answers, free of HTTP machinery.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;

use crate::fault::Effect;
use crate::kubernetes::watch::{self, WatchCall};
use crate::state::Shared;

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// In upper case.
    pub method: String,
    /// The path, as sent.
    pub path: String,
    /// The path with its query, as sent.
    pub target: String,
    /// The query's parameters, decoded; of repeated ones the last.
    pub query: BTreeMap<String, String>,
    /// Where it was sent: `http://127.0.0.1:PORT`.
    pub base: String,
    /// The body.
    pub body: Vec<u8>,
    /// The fault that struck it and leaves it to be carried out.
    pub effect: Effect,
    headers: HeaderMap,
    segments: Vec<String>,
    by_path: bool,
}

impl Call {
    /// A request from its parts. Below `secret` the paths are the same, and need no token.
    pub(crate) fn new(
        parts: &http::request::Parts,
        body: Vec<u8>,
        base: &str,
        secret: &str,
    ) -> Self {
        let below = |path: &str| {
            let rest = path.strip_prefix('/')?.strip_prefix(secret)?;
            rest.starts_with('/').then(|| rest.to_owned())
        };
        let path = parts.uri.path().to_owned();
        let target = parts.uri.path_and_query().map_or("/", |it| it.as_str()).to_owned();
        let by_path = below(&path).is_some();
        let (path, target) = (below(&path).unwrap_or(path), below(&target).unwrap_or(target));
        let segments = path.split('/').filter(|segment| !segment.is_empty()).map(decode).collect();
        let query = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
        Self {
            method: parts.method.as_str().to_uppercase(),
            path,
            target,
            segments,
            query,
            base: base.to_owned(),
            body,
            effect: Effect::None,
            headers: parts.headers.clone(),
            by_path,
        }
    }

    /// The path's segments, decoded.
    pub(crate) fn segments(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    /// A header, if it is there and is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Whether the client has a token, or came by the path that needs none.
    pub(crate) fn is_let_in(&self) -> bool {
        self.by_path || !self.bearer().is_empty()
    }

    /// The bearer token; empty if there is none.
    pub(crate) fn bearer(&self) -> &str {
        let authorization = self.header("authorization").unwrap_or_default();
        authorization
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map_or("", |(_, token)| token.trim())
    }

    /// A parameter of the query, its name without regard to case.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Whether a parameter is there and not false.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.parameter(name).is_some_and(|value| !matches!(value, "false" | "0"))
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn json(&self) -> Result<Value, String> {
        serde_json::from_slice(&self.body).map_err(|error| error.to_string())
    }
}

/// A segment of a path, its percent escapes undone.
fn decode(segment: &str) -> String {
    // A `+` stands for itself in a path.
    let escaped = segment.replace('+', "%2B");
    url::form_urlencoded::parse(format!("s={escaped}").as_bytes())
        .next()
        .map_or_else(String::new, |(_, value)| value.into_owned())
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Headers besides the content type.
    pub headers: Vec<(String, String)>,
    /// What it says.
    pub content: Content,
}

/// What an answer says.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// Nothing.
    Empty,
    /// JSON.
    Json(Value),
    /// Text of a content type.
    Text(String, String),
    /// Changes as they come.
    Watch(Box<WatchCall>),
}

impl Answer {
    /// An answer with a JSON body.
    pub(crate) fn json(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), content: Content::Json(body) }
    }

    /// An answer without a body.
    pub(crate) fn status_only(status: u16) -> Self {
        Self { status, headers: Vec::new(), content: Content::Empty }
    }

    /// An answer with a text.
    pub(crate) fn text(status: u16, content_type: &str, text: &str) -> Self {
        let content = Content::Text(content_type.to_owned(), text.to_owned());
        Self { status, headers: Vec::new(), content }
    }

    /// Adds a header.
    #[must_use]
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn into_response(self, shared: &Arc<Shared>) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let (content_type, body) = match self.content {
            Content::Empty => (None, Body::empty()),
            Content::Json(value) => {
                (Some("application/json".to_owned()), Body::from(value.to_string()))
            }
            Content::Text(content_type, text) => (Some(content_type), Body::from(text)),
            Content::Watch(call) => (
                Some("application/json".to_owned()),
                Body::from_stream(watch::stream(Arc::clone(shared), *call)),
            ),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let mut insert = |name: &str, value: &str| {
            if let (Ok(name), Ok(value)) =
                (name.parse::<http::HeaderName>(), HeaderValue::from_str(value))
            {
                response.headers_mut().append(name, value);
            }
        };
        if let Some(content_type) = content_type {
            insert("content-type", &content_type);
        }
        for (name, value) in &self.headers {
            insert(name, value);
        }
        response
    }
}
