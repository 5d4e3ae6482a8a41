//! Gateways of the Gateway API, with their classes and parameters, as they were written.

use std::collections::BTreeMap;

use privlink_model::gateway::GROUP;
use serde_json::Value;

use crate::diagnostic::{Source, Span, Spanned};
use crate::yaml;

use super::passed::Passed;
use super::reader::Reader;
use super::service::Annotation;

/// What decides about the Services of Gateways.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gateways {
    /// The Gateways.
    pub gateways: Vec<Gateway>,
    /// Their classes.
    pub classes: Vec<GatewayClass>,
    /// What classes and Gateways refer to.
    pub parameters: Vec<Parameters>,
    /// Policies that turn HTTP/3 on.
    pub http3: Vec<Http3>,
}

impl Gateways {
    /// Adds what another source held.
    pub fn append(&mut self, other: Self) {
        self.gateways.extend(other.gateways);
        self.classes.extend(other.classes);
        self.parameters.extend(other.parameters);
        self.http3.extend(other.http3);
    }
}

/// A Gateway.
#[derive(Clone, Debug, PartialEq)]
pub struct Gateway {
    /// Its name.
    pub name: Spanned<String>,
    /// Its namespace, where it was written.
    pub namespace: Option<Spanned<String>>,
    /// `spec.gatewayClassName`.
    pub class: Spanned<String>,
    /// Its own annotations.
    pub own: Passed,
    /// `spec.infrastructure.annotations`.
    pub infrastructure: Passed,
    /// Where the port of each listener was written, by number.
    pub ports: BTreeMap<i64, Span>,
    /// Where `spec.addresses` begins.
    pub addresses: Option<Span>,
    /// What `spec.infrastructure.parametersRef` names.
    pub parameters: Option<ParametersRef>,
    /// The object as it was written.
    pub manifest: Value,
}

impl Gateway {
    /// Whether a listener of it is for HTTPS.
    pub fn asks_for_https(&self) -> bool {
        let listeners = self.manifest.pointer("/spec/listeners").and_then(Value::as_array);
        listeners.into_iter().flatten().any(|it| it["protocol"] == "HTTPS")
    }
}

/// A GatewayClass.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayClass {
    /// Its name.
    pub name: Spanned<String>,
    /// `spec.controllerName`.
    pub controller: Spanned<String>,
    /// What `spec.parametersRef` names.
    pub parameters: Option<ParametersRef>,
}

/// A reference to parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct ParametersRef {
    /// Where it names them.
    pub span: Span,
    /// The group of what is named.
    pub group: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace; a Gateway's own where it is not said.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// What says more of the Services of Gateways.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// Its group.
    pub group: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace, where it was written.
    pub namespace: Option<String>,
    /// Its name.
    pub name: Spanned<String>,
    /// The class whose Gateways all take it, if a label says so (Istio).
    pub of_class: Option<String>,
    /// The annotations that it gives to Services.
    pub passed: Vec<Passed>,
    /// What is laid over the Service: of a ConfigMap its entries, with `service` as what that says; the object itself else.
    pub value: Value,
}

/// A ClientTrafficPolicy of Envoy Gateway that turns HTTP/3 on, which gives HTTPS listeners a second port.
#[derive(Clone, Debug, PartialEq)]
pub struct Http3 {
    /// Its namespace, where it was written: that of the Gateways it is about.
    pub namespace: Option<String>,
    /// The names of Gateways that it is about; nothing where labels select them.
    pub gateways: Option<Vec<String>>,
}

/// The label of a ConfigMap that Istio lays over all Services of a class.
const DEFAULTS_FOR_CLASS: &str = "gateway.istio.io/defaults-for-class";

/// Reads a document if it decides about the Services of Gateways. Whether it is of no use for anything else.
pub(super) fn read(
    document: Reader<'_>,
    (group, kind): (&str, &str),
    passed: impl Fn(Reader<'_>) -> Vec<Passed>,
    into: &mut Gateways,
) -> bool {
    match (group, kind) {
        (GROUP, "Gateway") => gateway(document).is_some_and(|it| {
            into.gateways.push(it);
            true
        }),
        (GROUP, "GatewayClass") => class(document).is_some_and(|it| {
            into.classes.push(it);
            true
        }),
        ("gateway.envoyproxy.io", "EnvoyProxy") | ("gateway.nginx.org", "NginxProxy") => {
            let Some((name, namespace)) = named(document) else { return false };
            into.parameters.push(Parameters {
                group: group.to_owned(),
                kind: kind.to_owned(),
                namespace: namespace.map(|it| it.value),
                name,
                of_class: None,
                passed: document.get("spec").map(passed).unwrap_or_default(),
                value: document.node.to_json(),
            });
            true
        }
        ("gateway.envoyproxy.io", "ClientTrafficPolicy") => {
            into.http3.extend(http3(document));
            false
        }
        ("", "ConfigMap") => {
            into.parameters.extend(overlay(document));
            false
        }
        _ => false,
    }
}

fn named(document: Reader<'_>) -> Option<(Spanned<String>, Option<Spanned<String>>)> {
    let metadata = document.get("metadata")?;
    Some((metadata.text("name")?, metadata.text("namespace")))
}

fn gateway(document: Reader<'_>) -> Option<Gateway> {
    let (name, namespace) = named(document)?;
    let spec = document.get("spec")?;
    let infrastructure = spec.get("infrastructure");
    let port = |listener: Reader<'_>| {
        let port = listener.integer("port")?;
        Some((port.value, port.span))
    };
    Some(Gateway {
        name,
        namespace,
        class: spec.text("gatewayClassName")?,
        own: document.get("metadata").map(annotations).unwrap_or_default(),
        infrastructure: infrastructure.map(annotations).unwrap_or_default(),
        ports: spec.items("listeners").filter_map(port).collect(),
        addresses: spec.get("addresses").map(Reader::span),
        parameters: infrastructure.and_then(|it| reference(it.get("parametersRef")?)),
        manifest: document.node.to_json(),
    })
}

/// The field `annotations` of a mapping.
fn annotations(holder: Reader<'_>) -> Passed {
    let texts = holder.text_map("annotations");
    Passed {
        annotations: texts.map(|(name, key, value)| (name, Annotation { key, value })).collect(),
        misread: holder.misread("annotations"),
    }
}

fn class(document: Reader<'_>) -> Option<GatewayClass> {
    let spec = document.get("spec")?;
    Some(GatewayClass {
        name: named(document)?.0,
        controller: spec.text("controllerName")?,
        parameters: spec.get("parametersRef").and_then(reference),
    })
}

fn reference(field: Reader<'_>) -> Option<ParametersRef> {
    let name = field.text("name")?;
    Some(ParametersRef {
        span: name.span,
        group: field.text("group").map(|it| it.value).unwrap_or_default(),
        kind: field.text("kind")?.value,
        namespace: field.text("namespace").map(|it| it.value),
        name: name.value,
    })
}

fn http3(document: Reader<'_>) -> Option<Http3> {
    let spec = document.get("spec")?;
    spec.get("http3")?;
    let of_gateway = |target: Reader<'_>| {
        let kind = target.text("kind")?;
        (kind.value == "Gateway").then(|| Some(target.text("name")?.value)).flatten()
    };
    let targets = spec.items("targetRefs").chain(spec.get("targetRef"));
    let gateways = targets.filter_map(of_gateway).collect();
    Some(Http3 {
        namespace: named(document)?.1.map(|it| it.value),
        gateways: spec.get("targetSelectors").is_none().then_some(gateways),
    })
}

/// A ConfigMap, as Istio lays one over the objects it makes. Its entry `service` is YAML within text: its places are that of
/// the entry.
fn overlay(document: Reader<'_>) -> Option<Parameters> {
    let (name, namespace) = named(document)?;
    let data = document.get("data");
    let mut value: serde_json::Map<String, Value> =
        data.map(|it| it.node.to_json()).and_then(|it| it.as_object().cloned()).unwrap_or_default();
    let entry = data.and_then(|it| it.text("service"));
    let mut passed = Vec::new();
    if let Some(entry) = entry {
        let source = Source::generated("service", entry.value).ok()?;
        let read = yaml::documents(&source).next().and_then(|it| it.root);
        let service = read.map_or(Value::Null, |it| it.to_json());
        let annotations = service.pointer("/metadata/annotations").and_then(Value::as_object);
        let at_entry = |(key, value): (&String, &Value)| {
            let value = Spanned::new(value.as_str()?.to_owned(), entry.span.clone());
            Some((key.clone(), Annotation { key: entry.span.clone(), value }))
        };
        let annotations = annotations.into_iter().flatten().filter_map(at_entry).collect();
        passed.push(Passed { annotations, misread: BTreeMap::new() });
        value.insert("service".to_owned(), service);
    }
    let labels = document.get("metadata").and_then(|metadata| metadata.get("labels"));
    Some(Parameters {
        group: String::new(),
        kind: "ConfigMap".to_owned(),
        namespace: namespace.map(|it| it.value),
        name,
        of_class: labels.and_then(|it| it.text(DEFAULTS_FOR_CLASS)).map(|it| it.value),
        passed,
        value: value.into(),
    })
}
