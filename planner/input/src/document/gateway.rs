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
}

impl Gateways {
    /// Adds what another source held.
    pub fn append(&mut self, other: Self) {
        self.gateways.extend(other.gateways);
        self.classes.extend(other.classes);
        self.parameters.extend(other.parameters);
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
    /// What is laid over the Service: of a ConfigMap what its entry `service` says; the object itself else.
    pub value: Value,
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

/// A ConfigMap whose entry `service` Istio lays over Services. It is YAML within text: its places are that of the entry.
fn overlay(document: Reader<'_>) -> Option<Parameters> {
    let (name, namespace) = named(document)?;
    let entry = document.get("data")?.text("service")?;
    let source = Source::generated("service", entry.value).ok()?;
    let value = yaml::documents(&source).next()?.root?.to_json();
    if !value.is_object() {
        return None;
    }
    let annotations = value.pointer("/metadata/annotations").and_then(Value::as_object);
    let at_entry = |(key, value): (&String, &Value)| {
        let value = Spanned::new(value.as_str()?.to_owned(), entry.span.clone());
        Some((key.clone(), Annotation { key: entry.span.clone(), value }))
    };
    let annotations = annotations.into_iter().flatten().filter_map(at_entry).collect();
    let labels = document.get("metadata").and_then(|metadata| metadata.get("labels"));
    Some(Parameters {
        group: String::new(),
        kind: "ConfigMap".to_owned(),
        namespace: namespace.map(|it| it.value),
        name,
        of_class: labels.and_then(|it| it.text(DEFAULTS_FOR_CLASS)).map(|it| it.value),
        passed: vec![Passed { annotations, misread: BTreeMap::new() }],
        value,
    })
}
