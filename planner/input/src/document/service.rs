//! A Service's manifest.

use std::collections::BTreeMap;

use serde_json::Value;

use super::reader::Reader;
use crate::diagnostic::{Span, Spanned};

/// A `v1 Service`, as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Its name.
    pub name: Spanned<String>,
    /// Its namespace, where it was written.
    pub namespace: Option<Spanned<String>>,
    /// Its annotations that are text, by key.
    pub annotations: BTreeMap<String, Annotation>,
    /// The keys of its annotations that are not text, which the API server refuses.
    pub misread: BTreeMap<String, Span>,
    /// What the checks need of its spec, with places.
    pub spec: ServiceSpec,
    /// The object as it was written, without what only servers write: what is to be applied.
    pub manifest: Value,
}

/// One annotation.
#[derive(Clone, Debug, PartialEq)]
pub struct Annotation {
    /// Where its key was written.
    pub key: Span,
    /// Its value.
    pub value: Spanned<String>,
}

/// A part of a Service's spec, with places. The whole is in [`Service::manifest`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceSpec {
    /// `spec.type`.
    pub service_type: Option<Spanned<String>>,
    /// `spec.loadBalancerIP`.
    pub load_balancer_ip: Option<Spanned<String>>,
    /// `spec.loadBalancerClass`.
    pub load_balancer_class: Option<Spanned<String>>,
    /// `spec.loadBalancerSourceRanges`.
    pub load_balancer_source_ranges: Vec<Spanned<String>>,
    /// `spec.externalTrafficPolicy`.
    pub external_traffic_policy: Option<Spanned<String>>,
    /// `spec.ipFamilyPolicy`.
    pub ip_family_policy: Option<Spanned<String>>,
    /// `spec.ipFamilies`.
    pub ip_families: Vec<Spanned<String>>,
    /// `spec.ports`.
    pub ports: Vec<Port>,
}

/// A part of one entry of `spec.ports`.
#[derive(Clone, Debug, PartialEq)]
pub struct Port {
    /// `name`.
    pub name: Option<Spanned<String>>,
    /// `port`.
    pub port: Option<Spanned<i64>>,
    /// `protocol`; TCP where it was not written.
    pub protocol: Option<Spanned<String>>,
    /// `appProtocol`.
    pub app_protocol: Option<Spanned<String>>,
}

impl Service {
    /// An annotation's value.
    pub fn annotation(&self, key: &str) -> Option<&Spanned<String>> {
        self.annotations.get(key).map(|annotation| &annotation.value)
    }
}

/// Metadata that only servers and kubectl write (`kubectl get -o yaml` shows it).
const SERVER_METADATA: &[&str] = &[
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "selfLink",
];

/// kubectl's own note of what it applied last.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The finalizer of the service controller.
const CLEANUP_FINALIZER: &str = "service.kubernetes.io/load-balancer-cleanup";

/// A Service from its tree.
pub(super) fn service(document: Reader<'_>) -> Option<Service> {
    let metadata = document.get("metadata")?;
    let name = metadata.text("name")?;
    let annotations = metadata
        .text_map("annotations")
        .filter(|(key, _, _)| key != LAST_APPLIED)
        .map(|(name, key, value)| (name, Annotation { key, value }))
        .collect();
    Some(Service {
        name,
        namespace: metadata.text("namespace"),
        annotations,
        misread: metadata.misread("annotations"),
        spec: document.get("spec").map(spec).unwrap_or_default(),
        manifest: manifest(document),
    })
}

fn spec(spec: Reader<'_>) -> ServiceSpec {
    let port = |port: Reader<'_>| Port {
        name: port.text("name"),
        port: port.integer("port"),
        protocol: port.text("protocol"),
        app_protocol: port.text("appProtocol"),
    };
    ServiceSpec {
        service_type: spec.text("type"),
        load_balancer_ip: spec.text("loadBalancerIP"),
        load_balancer_class: spec.text("loadBalancerClass"),
        load_balancer_source_ranges: spec.texts("loadBalancerSourceRanges"),
        external_traffic_policy: spec.text("externalTrafficPolicy"),
        ip_family_policy: spec.text("ipFamilyPolicy"),
        ip_families: spec.texts("ipFamilies"),
        ports: spec.items("ports").map(port).collect(),
    }
}

/// The object as written, without what only servers write.
fn manifest(document: Reader<'_>) -> Value {
    let mut manifest = document.node.to_json();
    let Some(object) = manifest.as_object_mut() else { return manifest };
    object.shift_remove("status");
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
        return manifest;
    };
    for field in SERVER_METADATA {
        metadata.shift_remove(*field);
    }
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.shift_remove(LAST_APPLIED);
    }
    if let Some(finalizers) = metadata.get_mut("finalizers").and_then(Value::as_array_mut) {
        finalizers.retain(|finalizer| finalizer != CLEANUP_FINALIZER);
    }
    for name in ["annotations", "finalizers"] {
        let is_empty = metadata.get(name).is_some_and(|value| {
            value.is_null()
                || value.as_array().is_some_and(Vec::is_empty)
                || value.as_object().is_some_and(serde_json::Map::is_empty)
        });
        if is_empty {
            metadata.shift_remove(name);
        }
    }
    manifest
}
