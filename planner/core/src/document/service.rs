//! A Service's manifest.

use std::collections::BTreeMap;

use serde_json::Value;

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
}

impl Service {
    /// An annotation's value.
    pub fn annotation(&self, key: &str) -> Option<&Spanned<String>> {
        self.annotations.get(key).map(|annotation| &annotation.value)
    }
}
