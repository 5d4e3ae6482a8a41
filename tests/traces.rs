//! Traces by OTLP: what a collector gets of a plan and of an apply, and that it gets no secret.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here fails the test")]

mod support;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use support::serving::Serving;
use support::{Run, Workplace};

const IDENTITY: [(&str, &str); 3] = [
    ("AZURE_TENANT_ID", "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"),
    ("AZURE_CLIENT_ID", "c11e47"),
    ("AZURE_CLIENT_SECRET", "azure-s3cret"),
];
/// What must be in nothing that a collector gets in a body: secrets, and what only queries and headers hold.
const NEVER: [&str; 6] = [
    "azure-s3cret",
    "kubernetes-s3cret",
    "collector-k3y",
    "Bearer",
    "api-version=",
    "fieldManager",
];
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A request that came.
struct Got {
    head: String,
    body: Vec<u8>,
}

/// A collector on loopback that keeps what it gets. It ends with the process.
struct Collector {
    address: String,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Collector {
    fn start(status: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let got = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&got);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                keep.lock().unwrap().push(receive(&mut stream));
                let reply =
                    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                let _ = stream.write_all(reply.as_bytes());
            }
        });
        Self { address, got }
    }

    /// The spans that came; nothing that must not be in them is.
    fn spans(&self) -> Vec<Span> {
        let got = self.got.lock().unwrap();
        let mut spans = Vec::new();
        for Got { head, body } in got.iter() {
            assert!(head.starts_with("POST /v1/traces "), "{head}");
            assert!(head.contains("api-key: collector-k3y"), "{head}");
            let text = String::from_utf8_lossy(body);
            for never in NEVER {
                assert!(!text.contains(never), "{never}: {text}");
            }
            let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
            for of_resource in request.resource_spans {
                let resource = of_resource.resource.unwrap();
                let name = resource.attributes.iter().find(|it| it.key == "service.name").unwrap();
                assert_eq!(text_of(name.value.clone().unwrap().value.unwrap()), "privlink");
                spans.extend(of_resource.scope_spans.into_iter().flat_map(|it| it.spans));
            }
        }
        spans
    }
}

fn receive(stream: &mut TcpStream) -> Got {
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut read = Vec::new();
    let mut chunk = [0; 65536];
    loop {
        let at = read.windows(4).position(|it| it == b"\r\n\r\n");
        if let Some(at) = at {
            let head = String::from_utf8(read[..at].to_vec()).unwrap();
            let length = head.to_lowercase();
            let length = length.split("content-length: ").nth(1).unwrap();
            let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
            if read.len() >= at + 4 + length {
                return Got { head, body: read[at + 4..].to_vec() };
            }
        }
        let count = stream.read(&mut chunk).unwrap();
        assert!(count > 0, "the request broke off");
        read.extend_from_slice(&chunk[..count]);
    }
}

fn text_of(value: Value) -> String {
    match value {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

/// An attribute of a span.
fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|it| it.key == key)?;
    Some(text_of(found.value.clone()?.value?))
}

/// The names of a span and of those around it, from the outermost.
fn path(span: &Span, all: &BTreeMap<Vec<u8>, Span>) -> String {
    match all.get(&span.parent_span_id) {
        Some(parent) => format!("{} > {}", path(parent, all), span.name),
        None => span.name.clone(),
    }
}

/// The paths of all spans, each once, but for calls.
fn tree(spans: &[Span]) -> Vec<String> {
    let all = spans.iter().map(|it| (it.span_id.clone(), it.clone())).collect();
    let mut paths: Vec<_> = spans
        .iter()
        .filter(|it| attribute(it, "http.request.method").is_none())
        .map(|it| path(it, &all))
        .collect();
    paths.sort();
    paths.dedup();
    paths
}

/// The example in a served sandbox, with secrets of every kind.
struct Shop {
    place: Workplace,
    serving: Serving,
}

impl Shop {
    fn new() -> Self {
        let place = Workplace::with_example("private-link");
        let serving = Serving::start(&place, &["--tls"]);
        Self { place, serving }
    }

    fn run(&self, command: &str, more: &[(&str, &str)]) -> Run {
        let mut variables = IDENTITY.to_vec();
        variables.push(("OTEL_EXPORTER_OTLP_HEADERS", "api-key=collector-k3y"));
        variables.extend(more);
        let place = "--subscription 00000000-0000-0000-0000-000000000000 --resource-group myResourceGroup --cluster myAKSCluster";
        let words = format!("{command} -f examples/private-link --auth client-secret {place}");
        self.serving.run(&self.place, &words, &variables)
    }
}

#[test]
fn a_plan_and_an_apply_are_traced() {
    let shop = Shop::new();
    let collector = Collector::start("200 OK");
    let on = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.address.as_str()), ("TRACEPARENT", PARENT)];

    let untraced = shop.run("plan", &[]).expect(0);
    assert!(collector.got.lock().unwrap().is_empty());
    let off = [on[0], ("OTEL_SDK_DISABLED", "true")];
    shop.run("plan", &off).expect(0);
    assert!(collector.got.lock().unwrap().is_empty());

    let traced = shop.run("plan", &on).expect(0);
    assert_eq!((&traced.stdout, &traced.stderr), (&untraced.stdout, &untraced.stderr));
    let spans = collector.spans();
    let stack = "privlink plan > stack";
    let expected = [
        "privlink plan".to_owned(),
        stack.to_owned(),
        format!("{stack} > plan"),
        format!("{stack} > plan > predict"),
        format!("{stack} > read"),
    ];
    assert_eq!(tree(&spans), expected);
    let is_of_pipeline = |it: &&Span| it.parent_span_id == 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes();
    assert_eq!(spans.iter().filter(is_of_pipeline).count(), 1);
    let trace = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes();
    assert!(spans.iter().all(|it| it.trace_id == trace));

    collector.got.lock().unwrap().clear();
    shop.run("apply --auto-approve", &on).expect(0);
    let spans = collector.spans();
    let tree = tree(&spans);
    let stack = "privlink apply > stack";
    for step in ["apply Service", "await controller for Service", "write PrivateEndpoint"] {
        let path = format!("{stack} > apply > {step}");
        assert!(tree.contains(&path), "{path}: {tree:#?}");
    }
    let steps: Vec<_> =
        spans.iter().filter(|it| attribute(it, "privlink.step").is_some()).collect();
    assert!(steps.len() > 2, "{tree:#?}");
    for step in steps {
        assert_eq!(attribute(step, "privlink.outcome").as_deref(), Some("succeeded"), "{step:?}");
        let address = attribute(step, "privlink.address").unwrap();
        assert!(address.starts_with(&attribute(step, "privlink.kind").unwrap()), "{address}");
    }
    calls_are_told(&spans);
}

/// Calls of both control planes are there, each with what it was and no more.
fn calls_are_told(spans: &[Span]) {
    let calls: Vec<_> =
        spans.iter().filter(|it| attribute(it, "http.request.method").is_some()).collect();
    let has = |method: &str, part: &str| {
        calls.iter().any(|it| {
            let path = attribute(it, "url.path").unwrap_or_default();
            it.name == method && path.contains(part)
        })
    };
    for (method, part) in [
        ("POST", "/oauth2/v2.0/token"),
        ("PATCH", "/services/"),
        ("PUT", "/Microsoft.Network/privateEndpoints/"),
        ("GET", "/Microsoft.Network/privateEndpoints"),
        ("GET", "/api/v1/services"),
        ("POST", "/leases"),
    ] {
        assert!(has(method, part), "{method} {part}");
    }
    for call in calls {
        assert!(!call.parent_span_id.is_empty(), "{call:?}");
        assert_eq!(attribute(call, "server.address").as_deref(), Some("127.0.0.1"), "{call:?}");
        assert!(
            attribute(call, "http.response.status_code").is_some() || call.status.is_some(),
            "{call:?}"
        );
        assert!(!attribute(call, "url.path").unwrap().contains('?'), "{call:?}");
        assert!(call.events.is_empty(), "{call:?}");
    }
}

#[test]
fn a_collector_that_fails_is_one_warning() {
    let shop = Shop::new();
    let refusing = Collector::start("503 Service Unavailable");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_address = format!("http://{}", silent.local_addr().unwrap());
    for (address, why) in [(&refusing.address, "503"), (&silent_address, "")] {
        let began = Instant::now();
        let run = shop.run("plan", &[("OTEL_EXPORTER_OTLP_ENDPOINT", address)]).expect(0);
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        let warnings: Vec<_> =
            run.stderr.lines().filter(|it| it.starts_with("warning: no traces")).collect();
        assert!(matches!(warnings[..], [one] if one.contains(why)), "{}", run.stderr);
        assert!(!run.stderr.contains("collector-k3y"), "{}", run.stderr);
    }
    let grpc = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", refusing.address.as_str()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ];
    let run = shop.run("plan", &grpc).expect(0);
    assert!(run.stderr.contains("http/protobuf alone"), "{}", run.stderr);
}
