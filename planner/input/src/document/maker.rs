//! Documents that are not read, and that Services come of, or the namespaces of Services.

use crate::diagnostic::Spanned;

use super::passed::{Passed, passed_below};
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
    /// What it gives to the Services it makes: each mapping in it that has annotations of the controller, such as a
    /// Gateway's `spec.infrastructure.annotations` or the values of a chart.
    pub passed: Vec<Passed>,
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

/// What a document makes, if it is of a kind that makes something, or has annotations of the controller in its `spec`:
/// nobody but the controller reads those, and it reads them on Services.
pub(super) fn maker(document: Reader<'_>, group: &str, kind: &str) -> Option<Maker> {
    let all = document.get("spec").map(passed_below).unwrap_or_default();
    if !KINDS.contains(&(group, kind)) && all.is_empty() {
        return None;
    }
    let metadata = document.get("metadata")?;
    let name = metadata.text("name")?;
    Some(Maker {
        kind: kind.to_owned(),
        name,
        namespace: metadata.text("namespace").map(|text| text.value),
        passed: all,
    })
}
