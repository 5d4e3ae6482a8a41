//! Spans of HTTP calls, for traces. They are made where a subscriber asks for [`TARGET`], and cost a comparison
//! elsewhere. A span names the method, the server and the path; queries, headers and bodies may hold secrets,
//! and are in none.

use std::future::Future;

use tracing::field::{Empty, display};
use tracing::{Instrument, Span};

/// What spans are told from the lines of a log by.
pub const TARGET: &str = "trace";

tokio::task_local! {
    static RESENT: u32;
}

/// How often the request was sent already, as far as the rules of repetition know.
fn resent() -> u32 {
    RESENT.try_with(|times| *times).unwrap_or_default()
}

/// Makes a call that was made `times` before. Calls within calls add up.
pub fn resending<T>(times: u32, call: impl Future<Output = T>) -> impl Future<Output = T> {
    RESENT.scope(resent().saturating_add(times), call)
}

/// One HTTP call, as a span names it.
#[derive(Clone, Copy, Debug)]
pub struct Called<'a> {
    /// The method.
    pub method: &'a str,
    /// The server's host.
    pub host: &'a str,
    /// The path, without the query; nothing where the path is a secret itself.
    pub path: &'a str,
}

impl Called<'_> {
    /// Makes the call within a span of its own. `status` is the reply's, if there was one.
    pub fn traced<T, E>(
        self,
        status: impl Fn(&T) -> u16,
        call: impl Future<Output = Result<T, E>>,
    ) -> impl Future<Output = Result<T, E>> {
        let span = self.span();
        // A future that is handed on is kept twice, and calls are deep within others: the stack would not hold them.
        let call = Box::pin(call.instrument(span.clone()));
        async move {
            let outcome = call.await;
            if !span.is_disabled() {
                tell(&span, outcome.as_ref().ok().map(status));
            }
            outcome
        }
    }

    fn span(self) -> Span {
        let Self { method, host, path } = self;
        // Names as the semantic conventions of OpenTelemetry for HTTP clients have them.
        let span = tracing::info_span!(
            target: TARGET,
            "http",
            otel.name = method,
            otel.kind = "client",
            otel.status_code = Empty,
            http.request.method = method,
            server.address = host,
            url.path = path,
            http.request.resend_count = Empty,
            http.response.status_code = Empty,
            error.r#type = Empty,
        );
        let resent = resent();
        if resent > 0 {
            span.record("http.request.resend_count", i64::from(resent));
        }
        span
    }
}

/// Records how a call ended: with a status, or without a reply.
fn tell(span: &Span, status: Option<u16>) {
    match status {
        Some(status) => {
            span.record("http.response.status_code", i64::from(status));
            if status >= 400 {
                fail(span, &status.to_string());
            }
        }
        None => fail(span, "no reply"),
    }
}

fn fail(span: &Span, kind: &str) {
    span.record("error.type", display(kind));
    span.record("otel.status_code", "ERROR");
}
