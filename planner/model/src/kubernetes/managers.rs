//! Which tool writes a Service, told from the Service itself.

use std::fmt;

use serde_json::Value;

use crate::marks::{FIELD_MANAGER, SYNC_FIELD_MANAGER};
use crate::pointer::{At, text};

/// A tool that writes Services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tool {
    /// Argo CD.
    ArgoCd,
    /// Flux, its kustomize-controller.
    FluxKustomize,
    /// Flux, its helm-controller.
    FluxHelm,
    /// Helm, from a command line or a pipeline.
    Helm,
    /// Istio, which makes Services of Gateways.
    Istio,
    /// Envoy Gateway.
    EnvoyGateway,
    /// NGINX Gateway Fabric.
    NginxGateway,
    /// Another controller of the Gateway API.
    Gateway,
    /// privlink.
    Privlink,
    /// kubectl.
    Kubectl,
}

impl Tool {
    /// Whether it keeps writing by itself, so that what somebody else writes does not last.
    pub fn is_external(self) -> bool {
        let deploys =
            matches!(self, Self::ArgoCd | Self::FluxKustomize | Self::FluxHelm | Self::Helm);
        deploys || self.is_gateways()
    }

    /// Whether it makes Services of Gateways, which nobody else writes, whatever marks they carry.
    pub fn is_gateways(self) -> bool {
        matches!(self, Self::Istio | Self::EnvoyGateway | Self::NginxGateway | Self::Gateway)
    }
}

impl fmt::Display for Tool {
    /// The name of the field manager it goes by, as in `awaited (argocd-controller)`; for controllers of Gateways a short
    /// name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ArgoCd => "argocd-controller",
            Self::FluxKustomize => "kustomize-controller",
            Self::FluxHelm => "helm-controller",
            Self::Helm => "helm",
            Self::Istio => "istio",
            Self::EnvoyGateway => "envoy-gateway",
            Self::NginxGateway => "nginx-gateway",
            Self::Gateway => "gateway",
            Self::Privlink => FIELD_MANAGER,
            Self::Kubectl => "kubectl",
        })
    }
}

/// Who writes a Service, and how that shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The tool; nothing when no known one shows.
    pub tool: Option<Tool>,
    /// The field manager that wrote last, those of the cluster's own controllers aside.
    pub manager: Option<String>,
    /// What says so: `label kustomize.toolkit.fluxcd.io/name`, `field manager helm`.
    pub evidence: String,
}

/// Marks that a tool puts on what it owns: annotations (first) and labels, and their value if it
/// matters. Sources: Argo CD, "Resource tracking"; Flux, "Kustomization" and "HelmRelease"; Helm, the
/// ownership metadata it checks before it adopts anything. A tool that drives another comes first:
/// Flux's HelmReleases carry Helm's marks too, and Argo CD may apply either's output.
///
/// Controllers of Gateways come before all of them: a Gateway's labels and annotations are copied to its Service, marks of who
/// applies the Gateway among them.
const MARKS: [(Tool, &str, &str, Option<&str>); 8] = [
    (Tool::Istio, "labels", "gateway.istio.io/managed", None),
    (Tool::EnvoyGateway, "labels", "app.kubernetes.io/managed-by", Some("envoy-gateway")),
    (Tool::ArgoCd, "annotations", "argocd.argoproj.io/tracking-id", None),
    (Tool::ArgoCd, "labels", "argocd.argoproj.io/instance", None),
    (Tool::FluxKustomize, "labels", "kustomize.toolkit.fluxcd.io/name", None),
    (Tool::FluxHelm, "labels", "helm.toolkit.fluxcd.io/name", None),
    (Tool::Helm, "annotations", "meta.helm.sh/release-name", None),
    (Tool::Helm, "labels", "app.kubernetes.io/managed-by", Some("Helm")),
];

/// Who writes this Service, in this order: marks of tools that keep writing, their field managers,
/// privlink's field manager, and otherwise the field manager that wrote last.
pub fn author(service: &Value) -> Author {
    let managers = managers(service);
    let last = managers.iter().max_by_key(|manager| manager.time).map(|manager| manager.name);
    let found = |tool, evidence| Author { tool, manager: last.map(str::to_owned), evidence };
    let metadata = service.field("metadata");
    let mark = |place: &str, key: &str| metadata?.field(place)?.field(key)?.as_str();
    if let Some(tool) = owned_by_gateway(service) {
        return found(Some(tool), "owner Gateway".to_owned());
    }
    for (tool, place, key, expected) in MARKS {
        let value = mark(place, key);
        if value.is_some_and(|value| expected.is_none_or(|expected| value == expected)) {
            let kind = place.trim_end_matches('s');
            return found(Some(tool), format!("{kind} {key}"));
        }
    }
    let is_external = |tool: &Tool| tool.is_external();
    let by_manager = |wanted: &dyn Fn(&Tool) -> bool| {
        managers.iter().find_map(|manager| {
            let tool = tool_of(manager.name).filter(|tool| wanted(tool))?;
            Some((tool, manager.name))
        })
    };
    let known = by_manager(&is_external).or_else(|| by_manager(&|tool| *tool == Tool::Privlink));
    match (known, last) {
        (Some((tool, name)), _) => found(Some(tool), format!("field manager {name}")),
        (None, Some(name)) => found(tool_of(name), format!("field manager {name}")),
        (None, None) => found(None, String::from("no field manager shows")),
    }
}

/// Whose Service it is that a Gateway owns. NGINX Gateway Fabric names its application after the Service.
fn owned_by_gateway(service: &Value) -> Option<Tool> {
    let owners = service.at("/metadata/ownerReferences").and_then(Value::as_array);
    let is_gateway = |owner: &Value| {
        text(owner, "/kind") == "Gateway"
            && text(owner, "/apiVersion").starts_with("gateway.networking.k8s.io/")
    };
    if !owners.into_iter().flatten().any(is_gateway) {
        return None;
    }
    let label = |name: &str| service.at("/metadata/labels")?.get(name)?.as_str();
    let is_own = |it: &str| it == text(service, "/metadata/name");
    Some(match label("app.kubernetes.io/name") {
        _ if label("gateway.istio.io/managed").is_some() => Tool::Istio,
        Some("envoy") if label("app.kubernetes.io/component") == Some("proxy") => {
            Tool::EnvoyGateway
        }
        Some(application) if is_own(application) => Tool::NginxGateway,
        _ => Tool::Gateway,
    })
}

struct Manager<'a> {
    name: &'a str,
    time: &'a str,
}

/// The field managers of a Service's spec and metadata, in the order of the list. Authors of status,
/// and the cluster's own controllers, which put finalizers on it, are not its authors.
fn managers(service: &Value) -> Vec<Manager<'_>> {
    let fields = service.at("/metadata/managedFields").and_then(Value::as_array);
    let mut managers = Vec::new();
    for entry in fields.into_iter().flatten() {
        let name = text(entry, "/manager");
        let is_controller = name.ends_with("cloud-controller-manager")
            || name == "kube-controller-manager"
            || name == SYNC_FIELD_MANAGER;
        if !name.is_empty() && !is_controller && text(entry, "/subresource").is_empty() {
            managers.push(Manager { name, time: text(entry, "/time") });
        }
    }
    managers
}

/// The tool that a field manager belongs to.
pub fn tool_of(manager: &str) -> Option<Tool> {
    match manager {
        "argocd-controller" | "argocd-application-controller" => Some(Tool::ArgoCd),
        "kustomize-controller" => Some(Tool::FluxKustomize),
        "helm-controller" => Some(Tool::FluxHelm),
        "helm" => Some(Tool::Helm),
        "envoy-gateway" => Some(Tool::EnvoyGateway),
        "gateway" => Some(Tool::NginxGateway),
        _ if manager.ends_with("/gateway-controller") => Some(Tool::Istio),
        FIELD_MANAGER => Some(Tool::Privlink),
        _ if manager == "kubectl" || manager.starts_with("kubectl-") => Some(Tool::Kubectl),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn service(metadata: Value) -> Value {
        json!({"kind": "Service", "metadata": metadata})
    }

    fn by(managers: &[(&str, &str)]) -> Value {
        let fields: Vec<Value> = managers
            .iter()
            .map(|(name, time)| json!({"manager": name, "operation": "Update", "time": time}))
            .collect();
        service(json!({"managedFields": fields}))
    }

    #[test]
    fn marks_name_the_tool_that_keeps_writing() {
        let flux_release = service(json!({
            "labels": {"app.kubernetes.io/managed-by": "Helm", "helm.toolkit.fluxcd.io/name": "shop"},
            "annotations": {"meta.helm.sh/release-name": "shop"},
        }));
        assert_eq!(author(&flux_release).tool, Some(Tool::FluxHelm));
        let argo = service(json!({
            "annotations": {"argocd.argoproj.io/tracking-id": "shop:/Service:default/app"},
            "managedFields": [{"manager": "kubectl-edit", "time": "2026-01-02T00:00:00Z"}],
        }));
        let found = author(&argo);
        assert_eq!(found.tool, Some(Tool::ArgoCd));
        assert_eq!(found.manager.as_deref(), Some("kubectl-edit"));
        assert_eq!(found.evidence, "annotation argocd.argoproj.io/tracking-id");
        let by_hand = service(json!({"labels": {"app.kubernetes.io/managed-by": "me"}}));
        assert_eq!(author(&by_hand).tool, None);
    }

    #[test]
    fn field_managers_tell_where_no_mark_does() {
        let early = "2026-01-01T00:00:00Z";
        let late = "2026-01-02T00:00:00Z";
        let tool = |managers: &[(&str, &str)]| author(&by(managers)).tool;
        assert_eq!(
            tool(&[("kustomize-controller", early), ("kubectl-edit", late)]),
            Some(Tool::FluxKustomize)
        );
        assert_eq!(tool(&[("privlink", early), ("kubectl-edit", late)]), Some(Tool::Privlink));
        assert_eq!(tool(&[("kubectl-client-side-apply", early)]), Some(Tool::Kubectl));
        assert_eq!(tool(&[("terraform", late), ("kubectl-create", early)]), None);
        assert_eq!(
            tool(&[("kubectl-create", early), ("azure-cloud-controller-manager", late)]),
            Some(Tool::Kubectl)
        );
        assert_eq!(tool(&[]), None);
    }

    #[test]
    fn writers_of_status_are_no_authors() {
        let fields = json!([
            {"manager": "kubectl-create", "time": "2026-01-01T00:00:00Z"},
            {"manager": "status-writer", "subresource": "status", "time": "2026-01-02T00:00:00Z"},
        ]);
        let found = author(&service(json!({"managedFields": fields})));
        assert_eq!(found.manager.as_deref(), Some("kubectl-create"));
    }
}
