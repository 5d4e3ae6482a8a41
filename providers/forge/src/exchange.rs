//! One exchange with a forge: a request with its token, its answer, what a failure is, and when to try
//! again.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::TryStreamExt;
use privlink_http::failure::{ErrorKind, Failure, log_unanswered};
use privlink_http::is_loopback;
use privlink_http::reply::{Reply, TooLarge, read_bounded};
use privlink_http::retry::{Retry, retried};
use privlink_http::span::Called;
use privlink_model::reason::chain;
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use crate::error::ForgeError;

const USER_AGENT: &str = concat!("privlink/", env!("CARGO_PKG_VERSION"));
/// A token. It is not shown.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// A token.
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    pub(crate) fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// What can be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How often a request is made at most, the first time included.
    pub attempts: u32,
    /// The delay before the second try; it doubles from there.
    pub first_delay: Duration,
    /// How long one request may take with all its tries and waits, those that the forge asks for included.
    pub patience: Duration,
    /// How many bytes one answer may have, after decompression: more than a page of 100 comments of the
    /// largest size GitLab takes.
    pub most_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            attempts: 4,
            first_delay: Duration::from_secs(1),
            patience: Duration::from_secs(120),
            most_bytes: 128 << 20,
        }
    }
}

/// What a request carries.
pub(crate) enum Sent {
    Nothing,
    Json(Value),
}

/// An answer, and its body as JSON.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) body: Value,
    reply: Reply,
}

/// A client of one API.
#[derive(Debug)]
pub(crate) struct Exchange {
    client: reqwest::Client,
    base: Url,
    headers: HeaderMap,
    pub(crate) settings: Settings,
}

impl Exchange {
    /// A client of the API at an address, which must use TLS unless it is on this machine.
    pub(crate) fn new(
        api: &str,
        (name, value): (HeaderName, String),
        settings: Settings,
    ) -> Result<Self, ForgeError> {
        let base = base(api)?;
        let direct = base.host_str().is_some_and(is_loopback);
        let builder =
            privlink_http::client(direct).user_agent(USER_AGENT).timeout(Duration::from_secs(60));
        let client = builder.build().map_err(|error| {
            ForgeError::new(ErrorKind::Protocol, format!("no HTTP client: {}", chain(&error)))
        })?;
        let mut value = HeaderValue::try_from(value).map_err(|_| {
            ForgeError::new(ErrorKind::Unconfigured, "the token holds what no header can")
        })?;
        value.set_sensitive(true);
        let headers = HeaderMap::from_iter([
            (name, value),
            (ACCEPT, HeaderValue::from_static("application/json")),
        ]);
        Ok(Self { client, base, headers, settings })
    }

    /// Adds a header to every request.
    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        self
    }

    /// The address of these segments below the API's.
    pub(crate) fn at(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// Reads an address.
    pub(crate) async fn get(&self, url: Url) -> Result<Answer, ForgeError> {
        self.send(Method::GET, url, &Sent::Nothing).await
    }

    /// Follows the pages of a list, at most 100 of them.
    pub(crate) async fn pages(&self, url: Url) -> Result<Vec<Value>, ForgeError> {
        let mut items = Vec::new();
        let mut next = Some(url);
        for _ in 0..100 {
            let Some(url) = next else { break };
            let answer = self.get(url).await?;
            next = self.next(&answer)?;
            match answer.body {
                Value::Array(page) => items.extend(page),
                _ => return Err(ForgeError::new(ErrorKind::Protocol, "the list is not a list")),
            }
        }
        Ok(items)
    }

    /// The next page's address, which must be on the API's host: the token goes there.
    fn next(&self, answer: &Answer) -> Result<Option<Url>, ForgeError> {
        let Some(link) = answer.reply.header("link") else { return Ok(None) };
        for part in link.split(',') {
            let mut words = part.split(';').map(str::trim);
            let address = words.next().unwrap_or_default();
            if !words.any(|word| word == "rel=\"next\"" || word == "rel=next") {
                continue;
            }
            let address = address.trim_start_matches('<').trim_end_matches('>');
            let url = self.base.join(address).map_err(|error| {
                ForgeError::new(ErrorKind::Protocol, format!("the next page's address: {error}"))
            })?;
            if url.origin() != self.base.origin() {
                let message = format!(
                    "the next page is on another host, {}",
                    url.origin().ascii_serialization()
                );
                return Err(ForgeError::new(ErrorKind::UntrustedUrl, message));
            }
            return Ok(Some(url));
        }
        Ok(None)
    }

    /// Sends a request; again after failures that pass, if it can be sent twice.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: Url,
        sent: &Sent,
    ) -> Result<Answer, ForgeError> {
        let Settings { attempts, first_delay, patience, .. } = self.settings;
        let retry = Retry { attempts, first_delay, longest_delay: patience };
        // What was throttled was not done.
        let may_pass = |error: &Failure<_>| match error.kind {
            ErrorKind::Throttled => true,
            ErrorKind::Transient => method != Method::POST,
            _ => false,
        };
        let again = |error: &ForgeError, delay: Duration| {
            tracing::debug!(?delay, %error, "trying again");
        };
        let once = async || self.send_once(method.clone(), url.clone(), sent).await;
        retried(&retry, Some(Instant::now() + patience), may_pass, again, once).await
    }

    async fn send_once(&self, method: Method, url: Url, sent: &Sent) -> Result<Answer, ForgeError> {
        tracing::debug!(%method, path = url.path(), "request");
        let path = url.path().to_owned();
        let mut request = self.client.request(method.clone(), url).headers(self.headers.clone());
        if let Sent::Json(body) = sent {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let lost = |error: reqwest::Error| {
            let error = error.without_url();
            log_unanswered(self.host(), &error);
            let message = format!("{} did not answer: {}", self.host(), chain(&error));
            ForgeError::new(ErrorKind::Transient, message)
        };
        let too_large = |why: TooLarge| {
            let message =
                format!("{}'s answer is larger than {} MiB", self.host(), why.most_bytes >> 20);
            ForgeError::new(ErrorKind::Protocol, message)
        };
        let exchange = async {
            let response = request.send().await.map_err(lost)?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let chunks = response.bytes_stream().map_err(lost);
            let body = read_bounded(chunks, self.settings.most_bytes, too_large).await?;
            Ok(Reply { status, headers, body })
        };
        let called = Called { method: method.as_str(), host: self.host(), path: &path };
        let reply = called.traced(|reply: &Reply| reply.status, exchange).await?;
        let status = reply.status;
        let body = reply.json().ok().filter(|body| !body.is_null());
        // Azure DevOps answers 203 with a page to sign in to.
        if !reply.is_success() || status == 203 {
            return Err(self.failure(&reply, body.as_ref()));
        }
        match body {
            Some(body) => Ok(Answer { body, reply }),
            None => {
                let message = format!("{} answered {status} with what is not JSON", self.host());
                Err(ForgeError::new(ErrorKind::Protocol, message))
            }
        }
    }

    fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }

    fn failure(&self, reply: &Reply, body: Option<&Value>) -> ForgeError {
        let said = ["message", "error", "error_description"]
            .into_iter()
            .find_map(|key| body?.get(key))
            .map(|said| said.as_str().map_or_else(|| said.to_string(), str::to_owned))
            .map(|said| format!(": {said}"))
            .unwrap_or_default();
        let wait = wait(reply);
        let kind = match reply.status {
            429 => ErrorKind::Throttled,
            403 if wait.is_some() => ErrorKind::Throttled,
            203 | 301..=308 | 401 | 403 => ErrorKind::Denied,
            404 | 410 => ErrorKind::Missing,
            408 | 500.. => ErrorKind::Transient,
            _ => ErrorKind::Invalid,
        };
        let mut message = format!("{} answered {}{said}", self.host(), reply.status);
        if let (ErrorKind::Throttled, Some(wait)) = (kind, wait) {
            message.push_str(&format!("; it asks to wait {} s", wait.as_secs()));
        }
        let mut error = ForgeError::new(kind, message);
        (error.0.status, error.0.retry_after) = (Some(reply.status), wait);
        error
    }
}

/// How long a forge asks to wait: `Retry-After`, or until its budget is filled again (GitHub:
/// `x-ratelimit-remaining` and `x-ratelimit-reset`; GitLab: `RateLimit-Reset`).
fn wait(reply: &Reply) -> Option<Duration> {
    let number = |name: &str| reply.header(name)?.trim().parse::<u64>().ok();
    let prefixes = ["x-ratelimit", "ratelimit"];
    let refilled = prefixes.iter().find_map(|prefix| {
        if number(&format!("{prefix}-remaining"))? > 0 {
            return None;
        }
        let reset = Duration::from_secs(number(&format!("{prefix}-reset"))?);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // A second more, since clocks differ.
        Some(reset.saturating_sub(now) + Duration::from_secs(1))
    });
    reply.retry_after().or(refilled)
}

fn base(api: &str) -> Result<Url, ForgeError> {
    let bad = |why: &str| {
        ForgeError::new(
            ErrorKind::Unconfigured,
            format!("`{api}` is not the address of an API: {why}"),
        )
    };
    let url = Url::parse(api).map_err(|error| bad(&error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("it holds a user's name"));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if url.host_str().is_some_and(is_loopback) => Ok(url),
        _ => Err(bad("tokens are sent with TLS only")),
    }
}

/// The header of a bearer token.
pub(crate) fn bearer(token: &Token) -> (HeaderName, String) {
    (AUTHORIZATION, format!("Bearer {}", token.secret()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_sent_with_tls_or_on_this_machine() {
        for good in ["https://api.github.com", "http://127.0.0.1:1", "http://[::1]:1"] {
            assert!(base(good).is_ok(), "{good}");
        }
        for bad in
            ["http://api.github.com", "http://localhost", "ftp://localhost", "x", "https://a@b"]
        {
            assert_eq!(base(bad).unwrap_err().kind, ErrorKind::Unconfigured, "{bad}");
        }
    }

    #[test]
    fn a_budget_that_is_used_up_is_waited_for() {
        let headers = |pairs: &[(&'static str, String)]| {
            let pairs = pairs.iter().map(|(name, value)| {
                (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
            });
            Reply { status: 429, headers: pairs.collect(), body: Vec::new() }
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let reset = (now + 30).to_string();
        assert_eq!(wait(&headers(&[("retry-after", "7".into())])), Some(Duration::from_secs(7)));
        let left = |left: &str| {
            headers(&[("x-ratelimit-remaining", left.into()), ("x-ratelimit-reset", reset.clone())])
        };
        let waited = wait(&left("0")).unwrap().as_secs();
        assert!((29..=31).contains(&waited), "{waited}");
        assert_eq!(wait(&left("1")), None);
    }

    #[test]
    fn a_token_is_not_shown() {
        assert_eq!(format!("{:?}", Token::new("s3cret")), "Token");
    }
}
