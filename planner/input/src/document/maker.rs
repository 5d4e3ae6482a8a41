//! Documents that are not read, and that Services come of, or the namespaces of Services.

use std::collections::BTreeMap;

use crate::diagnostic::{Span, Spanned};

use super::Annotation;
use super::reader::Reader;

/// A document that makes something privlink looks at.
#[derive(Clone, Debug, PartialEq)]
pub struct Maker {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: Spanned<String>,
    /// Its namespace, where it was written.
    pub namespace: Option<String>,
    /// The annotations it gives to the Service it makes (a Gateway's `spec.infrastructure`).
    pub annotations: BTreeMap<String, Annotation>,
    /// The keys of those that are not text.
    pub misread: BTreeMap<String, Span>,
}

impl Maker {
    /// Whether a Namespace is what it makes.
    pub fn is_namespace(&self) -> bool {
        self.kind == "Namespace"
    }

    /// Whether it is a Gateway of the Gateway API.
    pub fn is_gateway(&self) -> bool {
        self.kind == "Gateway"
    }

    /// Whether it may make a Service of this name. Gateways name theirs after themselves
    /// (`<gateway>-<class>` of Istio and NGINX Gateway Fabric, `envoy-<namespace>-<gateway>-<hash>` of Envoy
    /// Gateway); what installs charts may make any.
    pub fn may_make(&self, service: &str) -> bool {
        !self.is_namespace() && (!self.is_gateway() || service.contains(self.name.as_str()))
    }
}

/// Kinds by group that make Services: the Gateway API, Flux, K3s' Helm controller, Argo CD, AKS's
/// application routing, Istio's operator, Knative.
const KINDS: [(&str, &str); 9] = [
    ("", "Namespace"),
    ("gateway.networking.k8s.io", "Gateway"),
    ("helm.toolkit.fluxcd.io", "HelmRelease"),
    ("kustomize.toolkit.fluxcd.io", "Kustomization"),
    ("helm.cattle.io", "HelmChart"),
    ("argoproj.io", "Application"),
    ("approuting.kubernetes.azure.com", "NginxIngressController"),
    ("install.istio.io", "IstioOperator"),
    ("serving.knative.dev", "Service"),
];

/// What a document makes, if it is of a kind that makes something.
pub(super) fn maker(document: Reader<'_>, group: &str, kind: &str) -> Option<Maker> {
    if !KINDS.contains(&(group, kind)) {
        return None;
    }
    let metadata = document.get("metadata")?;
    let name = metadata.text("name")?;
    let infrastructure = document.get("spec").and_then(|spec| spec.get("infrastructure"));
    let annotations = infrastructure.map(|it| {
        let all = it.text_map("annotations");
        all.map(|(name, key, value)| (name, Annotation { key, value })).collect()
    });
    Some(Maker {
        kind: kind.to_owned(),
        name,
        namespace: metadata.text("namespace").map(|text| text.value),
        annotations: annotations.unwrap_or_default(),
        misread: infrastructure.map(|it| it.misread("annotations")).unwrap_or_default(),
    })
}
