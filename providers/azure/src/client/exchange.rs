//! One exchange with ARM: a request, its reply, and what a failure is.

use std::sync::atomic::Ordering;
use std::time::Duration;

use azure_core::http::headers::{ACCEPT, CLIENT_REQUEST_ID, CONTENT_TYPE, HeaderName, IF_MATCH};
use azure_core::http::{Context, Method, PipelineSendOptions, RawResponse, Request};
use azure_core::time::{OffsetDateTime, to_rfc3339};
use privlink_http::failure::{Doing, ErrorKind, Failure, log_unanswered};
use privlink_http::reply::{LONGEST_WAIT, Reply, TooLarge, within};
use privlink_http::retry::retried;
use privlink_model::reason::{chain, is_tls, root};
use privlink_model::resource_id::ResourceId;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use super::{ArmClient, Precondition};
use crate::api_version;
use crate::authorization::Refused;
use crate::budget::Class;
use crate::clock;
use crate::error::{ArmError, classify};

/// One request.
pub(crate) struct Call<'a> {
    pub(crate) doing: Doing,
    /// What errors name: the path, without the query.
    pub(crate) resource: &'a str,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) body: Option<&'a Value>,
    pub(crate) precondition: &'a Precondition,
    /// Until when the call may wait for its turn; five minutes where nothing says.
    pub(crate) deadline: Option<Instant>,
}

impl ArmClient {
    /// A request for the resource, list or action at `path`.
    pub(crate) fn call<'a>(
        &self,
        doing: Doing,
        method: Method,
        path: &'a str,
    ) -> Result<Call<'a>, ArmError> {
        let invalid = |message: &str| {
            let about = (doing, path, self.inner.identity.as_str());
            ArmError::new(ErrorKind::Invalid, about, message)
        };
        let segments = path.strip_prefix('/').ok_or_else(|| invalid("it is not an ARM path"))?;
        if segments.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(invalid("it has an empty or relative segment"));
        }
        let version = api_version::of(path)
            .ok_or_else(|| invalid("its resource provider has no api-version here"))?;
        let mut url = self.inner.endpoint.clone();
        url.set_path(path);
        url.query_pairs_mut().append_pair("api-version", version);
        let precondition = &Precondition::None;
        Ok(Call { doing, resource: path, method, url, body: None, precondition, deadline: None })
    }

    /// An absolute URL from a reply.
    pub(crate) fn parse(&self, call: &Call<'_>, url: &str) -> Result<Url, ArmError> {
        Url::parse(url).map_err(|why| {
            self.error(
                call,
                ErrorKind::Protocol,
                format!("a link in the reply is not a URL: {why}"),
            )
        })
    }

    /// A GET, repeated as the settings say, until the deadline: a server that answers byte by byte, or not at
    /// all, is given up then.
    pub(crate) async fn read(
        &self,
        call: &Call<'_>,
        deadline: Option<Instant>,
    ) -> Result<Reply, ArmError> {
        let settings = &self.inner.settings;
        let end = deadline.or(call.deadline).unwrap_or(Instant::now() + settings.read_timeout);
        let again = |error: &ArmError, delay: Duration| {
            tracing::debug!(?delay, %error, "trying again");
        };
        let once = async || {
            let reply = self.send_until(call, Some(end)).await?;
            self.check(call, reply)
        };
        let outcome = retried(&settings.reads, Some(end), Failure::is_retryable, again, once).await;
        // Reports leave the request's ids out, which Azure's support asks for.
        outcome.inspect_err(|error| tracing::info!(%error, "not read"))
    }

    /// One request and its reply, whatever its status.
    pub(crate) async fn send(&self, call: &Call<'_>) -> Result<Reply, ArmError> {
        self.send_until(call, call.deadline).await
    }

    async fn send_until(
        &self,
        call: &Call<'_>,
        deadline: Option<Instant>,
    ) -> Result<Reply, ArmError> {
        let class = class(call);
        let subscription = subscription(&call.url);
        let counter = match (class, call.doing) {
            (Class::Read, Doing::Poll) => &self.inner.polls,
            (Class::Read | Class::Query, _) => &self.inner.reads,
            (Class::Write | Class::Delete, _) => &self.inner.writes,
        };
        let told = |wait: Duration| {
            tracing::info!(seconds = wait.as_secs(), subscription, "Azure asked to wait");
            (self.inner.settings.told)(&format!("Azure asked to wait: {} s", wait.as_secs()));
        };
        let turn = self.inner.budget.spend(&subscription, class, deadline, &told).await;
        if let Err(wait) = turn {
            let until = OffsetDateTime::now_utc() + wait;
            let message = format!("throttled until {}", to_rfc3339(&until));
            let mut error = self.error(call, ErrorKind::Throttled, message);
            error.failure_mut().retry_after = Some(wait);
            return Err(error);
        }
        let mut request = self.request(call);
        counter.fetch_add(1, Ordering::Relaxed);
        let options = PipelineSendOptions { skip_checks: true, ..PipelineSendOptions::default() };
        let context = Context::new();
        let exchange = self.inner.pipeline.send(&context, &mut request, Some(options));
        // What became of a write must be known, so it is not left for a deadline.
        let left = deadline
            .filter(|_| matches!(class, Class::Read | Class::Query))
            .map(|it| it.saturating_duration_since(Instant::now()));
        let most = self.inner.settings.reply_timeout;
        let timeout = left.map_or(most, |left| left.min(most));
        let exchange = async { exchange.await.map_err(|why| self.unanswered(call, &why)) };
        let late = |message: &str| self.error(call, ErrorKind::Transient, message);
        let mut error = match within(timeout, exchange, late).await {
            Ok(response) => {
                let reply = reply(response);
                if let (Class::Query, Some((left, resets_after))) = (class, quota(&reply)) {
                    self.inner.budget.correct(&subscription, class, left, resets_after);
                }
                return Ok(reply);
            }
            Err(error) => error,
        };
        error.failure_mut().detail.client_request_id =
            request.headers().get_optional_string(&CLIENT_REQUEST_ID);
        Err(error)
    }

    /// The error where nobody replied.
    fn unanswered(&self, call: &Call<'_>, why: &azure_core::Error) -> ArmError {
        log_unanswered("Azure", why);
        let kind = kind_of(why);
        let mut text = match kind {
            ErrorKind::Network => self.unreached(why),
            ErrorKind::Denied => without_pointers(&chain(why)),
            _ => chain(why),
        };
        if let Some(note) = issuer_clock(why) {
            text.push_str(&note);
        }
        self.error(call, kind, text)
    }

    /// Who was not reached, ARM or who gives tokens for it, and the first reason.
    fn unreached(&self, why: &azure_core::Error) -> String {
        let mut host = None;
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(why);
        while let Some(current) = source {
            let url = current.downcast_ref::<reqwest::Error>().and_then(reqwest::Error::url);
            host = host.or_else(|| Some(url?.origin().ascii_serialization()));
            source = current.source();
        }
        let endpoint = || self.inner.endpoint.origin().ascii_serialization();
        format!("{}: {}", host.unwrap_or_else(endpoint), root(why))
    }

    fn request(&self, call: &Call<'_>) -> Request {
        let mut request = Request::new(call.url.clone(), call.method);
        request.insert_header(ACCEPT, "application/json");
        if let Some(body) = call.body {
            request.insert_header(CONTENT_TYPE, "application/json");
            request.set_body(body.to_string());
        }
        match call.precondition {
            Precondition::None => {}
            Precondition::IfMatch(etag) => request.insert_header(IF_MATCH, etag.clone()),
            Precondition::Absent => request.insert_header("if-none-match", "*"),
        }
        request
    }

    /// The reply, if it is a success; otherwise the error it describes.
    pub(crate) fn check(&self, call: &Call<'_>, reply: Reply) -> Result<Reply, ArmError> {
        if reply.is_success() {
            return Ok(reply);
        }
        let body = reply.json();
        let mut error = self.error(call, ErrorKind::Invalid, "no message");
        match &body {
            Ok(body) => match body.get("error") {
                Some(inner @ Value::Object(_)) => error.describe(inner),
                _ => error.describe(body),
            },
            Err(why) => error.failure_mut().message.clone_from(why),
        }
        // A 4xx without ARM's error object is somebody else's answer: a proxy's page, say.
        let foreign = error.code.is_none() && (300..500).contains(&reply.status);
        error.failure_mut().kind = match classify(Some(reply.status), &error) {
            ErrorKind::Invalid | ErrorKind::Missing if foreign => ErrorKind::Protocol,
            kind => kind,
        };
        let failure = error.failure_mut();
        failure.status = Some(reply.status);
        let quota = || quota(&reply).map(|(_, resets_after)| resets_after);
        failure.retry_after = reply.retry_after().or_else(quota).filter(|it| !it.is_zero());
        if reply.status == 401
            && let Some(note) = clock::note(reply.header("date"))
        {
            failure.message.push_str(&note);
        }
        self.note_ids(&mut error, &reply);
        if error.kind == ErrorKind::Throttled
            && let Some(pause) = error.retry_after
        {
            self.inner.budget.close(&subscription(&call.url), class(call), pause);
        }
        Err(error)
    }

    /// Adds the ids by which Azure's support finds the request.
    pub(crate) fn note_ids(&self, error: &mut ArmError, reply: &Reply) {
        let failure = &mut error.failure_mut().detail;
        failure.request_id = reply.header("x-ms-request-id").map(str::to_owned);
        failure.correlation_id = reply.header("x-ms-correlation-request-id").map(str::to_owned);
    }

    /// The body of a successful reply.
    pub(crate) fn json(&self, call: &Call<'_>, reply: &Reply) -> Result<Value, ArmError> {
        reply.json().map_err(|why| {
            let mut error = self.error(call, ErrorKind::Protocol, why);
            self.note_ids(&mut error, reply);
            error.failure_mut().status = Some(reply.status);
            error
        })
    }

    pub(crate) fn error(
        &self,
        call: &Call<'_>,
        kind: ErrorKind,
        message: impl AsRef<str>,
    ) -> ArmError {
        ArmError::new(kind, (call.doing, call.resource, &self.inner.identity), message)
    }
}

/// The reply, with what HTTP itself can hold of its headers.
fn reply(response: RawResponse) -> Reply {
    let (status, headers, body) = response.deconstruct();
    let headers = headers.iter().filter_map(|(name, value)| {
        let name = http::HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
        Some((name, http::HeaderValue::from_str(value.as_str()).ok()?))
    });
    Reply { status: u16::from(status), headers: headers.collect(), body: body.to_vec() }
}

/// What a credential says without the words around it, which name its type and a page on the web.
fn without_pointers(text: &str) -> String {
    let said = text.split_once(" authentication failed. ").map_or(text, |(_, said)| said);
    let said = said.split("\nTo troubleshoot, visit").next().unwrap_or(said);
    said.to_owned()
}

fn class(call: &Call<'_>) -> Class {
    match (call.method, call.doing) {
        (Method::Get | Method::Head, _) => Class::Read,
        (Method::Post, Doing::List) => Class::Query,
        (Method::Delete, _) => Class::Delete,
        _ => Class::Write,
    }
}

/// How many queries Azure Resource Graph will still take, and after how long it begins to count anew (`hh:mm:ss`).
fn quota(reply: &Reply) -> Option<(u32, Duration)> {
    let left = reply.header("x-ms-user-quota-remaining")?.trim().parse().ok()?;
    let text = reply.header("x-ms-user-quota-resets-after")?.trim();
    let mut parts = text.split(':').map(|part| part.parse::<u32>().ok());
    let (Some(Some(hours)), Some(Some(minutes)), Some(Some(seconds)), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let seconds = u64::from(hours) * 3600 + u64::from(minutes) * 60 + u64::from(seconds);
    Some((left, Duration::from_secs(seconds).min(LONGEST_WAIT)))
}

/// The subscription whose budget a request draws on; requests above subscriptions share one.
fn subscription(url: &Url) -> String {
    ResourceId::new(url.path()).subscription().unwrap_or_default().to_owned()
}

/// What the clock of whoever refused a token shows, if it is not ours.
fn issuer_clock(error: &azure_core::Error) -> Option<String> {
    use azure_core::error::ErrorKind as Core;
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = source {
        if let Some(Core::HttpResponse { raw_response: Some(reply), .. }) =
            current.downcast_ref::<azure_core::Error>().map(azure_core::Error::kind)
        {
            return clock::note(reply.headers().get_optional_str(&HeaderName::from_static("date")));
        }
        source = current.source();
    }
    None
}

/// What kind of failure kept the reply from arriving.
fn kind_of(error: &azure_core::Error) -> ErrorKind {
    use azure_core::error::ErrorKind as Core;
    if is_tls(&chain(error)) {
        return ErrorKind::Tls;
    }
    let mut credential = false;
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = source {
        if current.is::<Refused>() {
            return ErrorKind::UntrustedUrl;
        }
        if current.is::<TooLarge>() {
            return ErrorKind::Protocol;
        }
        match current.downcast_ref::<azure_core::Error>().map(azure_core::Error::kind) {
            Some(Core::Connection) => return ErrorKind::Network,
            // While getting a token nothing has been sent to ARM. Unreadable files are Io too.
            Some(Core::Io) if credential => {
                let http = current.source().is_some_and(|source| source.is::<reqwest::Error>());
                return if http { ErrorKind::Network } else { ErrorKind::Denied };
            }
            Some(Core::Io) => return ErrorKind::Transient,
            Some(Core::Credential) => credential = true,
            Some(Core::HttpResponse { status, .. }) if credential => {
                return match u16::from(*status) {
                    408 | 429 | 500.. => ErrorKind::Transient,
                    _ => ErrorKind::Denied,
                };
            }
            _ => {}
        }
        source = current.source();
    }
    if credential { ErrorKind::Denied } else { ErrorKind::Protocol }
}
