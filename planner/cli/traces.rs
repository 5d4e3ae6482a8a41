//! Traces by OTLP: on where `OTEL_EXPORTER_OTLP_ENDPOINT` says where to, and nothing of them is there otherwise.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Status, TracerProvider};
use opentelemetry::{Array, KeyValue, StringValue, Value};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider, SpanData,
};
use opentelemetry_sdk::{Resource, trace};
use privlink_core::reason;
use privlink_http::failure::shown;
use privlink_http::secret;
use privlink_http::span::TARGET;
use reqwest::Url;
use tokio::runtime::Runtime;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::exit::Exit;

/// How long one export may take, and how long the end of the process waits for the last one.
const EXPORT: Duration = Duration::from_secs(3);
const END: Duration = Duration::from_secs(4);
/// A collector's answer is some bytes.
const MOST_BYTES: usize = 1 << 20;
/// How many spans wait for a collector that is slow: a fleet has thousands.
const QUEUE: usize = 1 << 16;

/// What is said of the environment.
type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The export of spans.
#[derive(Debug)]
pub(crate) struct Traces {
    provider: SdkTracerProvider,
    failed: Failed,
    root: Span,
}

/// Why the last export failed.
type Failed = Arc<Mutex<Option<String>>>;

impl Traces {
    /// What the environment asks for: nothing, an export, or one that cannot be, and why.
    pub(crate) fn of_environment() -> Result<Option<Self>, String> {
        Self::of(&|name| std::env::var(name).ok().filter(|it| !it.trim().is_empty()))
    }

    fn of(variable: Variable<'_>) -> Result<Option<Self>, String> {
        let either = |name: &str| {
            let own = variable(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}"));
            own.or_else(|| variable(&format!("OTEL_EXPORTER_OTLP_{name}")))
        };
        let is_off = variable("OTEL_SDK_DISABLED")
            .is_some_and(|it| it.eq_ignore_ascii_case("true"))
            || variable("OTEL_TRACES_EXPORTER").is_some_and(|it| it == "none");
        let Some(endpoint) = either("ENDPOINT").filter(|_| !is_off) else { return Ok(None) };
        let headers = either("HEADERS").unwrap_or_default();
        hold(&headers);
        if let Some(other) = either("PROTOCOL").filter(|it| it != "http/protobuf") {
            return Err(format!(
                "OTEL_EXPORTER_OTLP_PROTOCOL is {other}, and traces are sent by http/protobuf alone"
            ));
        }
        let url = Url::parse(&endpoint)
            .map_err(|why| format!("OTEL_EXPORTER_OTLP_ENDPOINT is not a URL: {why}"))?;
        secret::hold(url.password().unwrap_or_default());
        let host = url.host_str().unwrap_or_default();
        if !headers.is_empty() && url.scheme() != "https" && !privlink_http::is_loopback(host) {
            return Err(
                "OTEL_EXPORTER_OTLP_HEADERS go to https or to loopback addresses only".into()
            );
        }
        Self::to(host, variable).map(Some)
    }

    fn to(host: &str, variable: Variable<'_>) -> Result<Self, String> {
        let why = |why: &dyn std::error::Error| shown(&reason::chain(why));
        let failed = Failed::default();
        let client = Collector::new(host, &failed)?;
        let exporter = SpanExporter::builder().with_http().with_http_client(client);
        let exporter = Hiding(exporter.build().map_err(|error| why(&error))?);
        let mut config = BatchConfigBuilder::default();
        if variable("OTEL_BSP_MAX_QUEUE_SIZE").is_none() {
            config = config.with_max_queue_size(QUEUE);
        }
        let batches = BatchSpanProcessor::builder(exporter).with_batch_config(config.build());
        let provider = SdkTracerProvider::builder()
            .with_span_processor(batches.build())
            .with_resource(resource(variable))
            .build();
        Ok(Self { provider, failed, root: Span::none() })
    }

    /// What makes spans.
    pub(crate) fn tracer(&self) -> SdkTracer {
        self.provider.tracer("privlink")
    }

    /// Begins the span that all others of the command are within, itself within the one that started the process. A
    /// command that serves has none: it would last as long as the process.
    pub(crate) fn begin(&mut self, command: &str) -> Span {
        if !matches!(command, "guard" | "sandbox") {
            self.root = tracing::info_span!(
                target: TARGET,
                "command",
                otel.name = format!("privlink {command}"),
                otel.status_code = tracing::field::Empty,
                process.exit.code = tracing::field::Empty,
            );
            let said = ["traceparent", "tracestate"].into_iter().filter_map(|name| {
                Some((name.to_owned(), std::env::var(name.to_uppercase()).ok()?))
            });
            let parent = TraceContextPropagator::new().extract(&said.collect::<HashMap<_, _>>());
            // Without a layer that takes it there is no trace.
            let _ = self.root.set_parent(parent);
        }
        self.root.clone()
    }

    /// Sends what is left, within some seconds; why not all was sent.
    pub(crate) fn end(self, exit: Exit) -> Option<String> {
        let Self { provider, failed, root } = self;
        root.record("process.exit.code", i64::from(exit.code()));
        if exit == Exit::Error {
            root.record("otel.status_code", "ERROR");
        }
        drop(root);
        let ended = provider.shutdown_with_timeout(END);
        let why = failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        why.or_else(|| Some(shown(&ended.err()?.to_string())))
    }
}

/// Keeps the values of headers from being shown: `api-key=secret,authorization=Bearer%20secret`.
fn hold(headers: &str) {
    secret::hold(headers);
    for (_, value) in headers.split(',').filter_map(|it| it.split_once('=')) {
        secret::hold(value);
        // Percent-encoded, as baggage is.
        let query = format!("http://h/?{}", value.trim().replace('+', "%2B").replace('&', "%26"));
        let Ok(url) = Url::parse(&query) else { continue };
        for (value, _) in url.query_pairs() {
            secret::hold(&value);
            value.split_whitespace().for_each(secret::hold);
        }
    }
}

/// What sends the spans. What the environment says of it comes first.
fn resource(variable: Variable<'_>) -> Resource {
    let attributes = variable("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let is_named = variable("OTEL_SERVICE_NAME").is_some() || attributes.contains("service.name=");
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_attribute(version);
    if is_named { resource.build() } else { resource.with_service_name("privlink").build() }
}

/// The way to the collector. The thread that exports is none of a runtime.
struct Collector {
    client: reqwest::Client,
    runtime: Runtime,
    failed: Failed,
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").finish_non_exhaustive()
    }
}

impl Collector {
    fn new(host: &str, failed: &Failed) -> Result<Self, String> {
        let client = privlink_http::client(privlink_http::is_loopback(host)).timeout(EXPORT);
        let client = client.build().map_err(|error| shown(&reason::chain(&error)))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        Ok(Self { client, runtime, failed: Arc::clone(failed) })
    }

    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.client.execute(request.try_into()?).await;
        let answer = answer.map_err(reqwest::Error::without_url)?;
        let status = answer.status();
        let mut answer = answer;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
            if body.len() + chunk.len() > MOST_BYTES {
                return Err("the answer is larger than 1 MiB".into());
            }
            body.extend_from_slice(&chunk);
        }
        if !status.is_success() {
            self.fail(format!("it answered {status}"));
        }
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = status;
        Ok(response)
    }

    fn fail(&self, why: String) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown(&why));
    }
}

#[async_trait::async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let outcome = self.runtime.block_on(self.exchange(request));
        outcome.inspect_err(|error| self.fail(reason::chain(error.as_ref())))
    }
}

/// Sends spans without secrets and control characters, whatever they name.
#[derive(Debug)]
struct Hiding(SpanExporter);

impl trace::SpanExporter for Hiding {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        for span in &mut batch {
            span.name = shown(&span.name).into();
            for attribute in &mut span.attributes {
                hide(&mut attribute.value);
            }
            if let Status::Error { description } = &mut span.status {
                *description = shown(description).into();
            }
        }
        self.0.export(batch).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

fn hide(value: &mut Value) {
    let hidden = |text: &StringValue| StringValue::from(shown(text.as_str()));
    match value {
        Value::String(text) => *text = hidden(text),
        Value::Array(Array::String(texts)) => texts.iter_mut().for_each(|it| *it = hidden(it)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Option<Traces>, String> {
        let said: HashMap<_, _> = variables.iter().copied().collect();
        Traces::of(&|name| said.get(name).map(|it| (*it).to_owned()))
    }

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");

    #[test]
    fn nothing_is_there_unless_it_is_asked_for() {
        for variables in [
            &[][..],
            &[ENDPOINT, ("OTEL_SDK_DISABLED", "True")],
            &[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")],
        ] {
            assert!(of(variables).unwrap().is_none(), "{variables:?}");
        }
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        let grpc = of(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).unwrap_err();
        assert!(grpc.contains("grpc"), "{grpc}");
        let plain = of(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=held-k3y")]);
        assert!(plain.unwrap_err().contains("https"));
        let url = of(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector")]).unwrap_err();
        assert!(url.contains("not a URL"), "{url}");
    }

    #[test]
    fn values_of_headers_are_secrets() {
        hold("x-one=an-api-k3y, authorization=Bearer%20a-bearer-t0ken");
        let text = shown("an-api-k3y and a-bearer-t0ken");
        assert_eq!(text, "[token] and [token]");
    }
}
