//! What kinds there are, as far as kube and kubectl ask.

use serde_json::{Map, Value, json};

use crate::server::{Answer, Call};
use crate::state::State;

use super::resource::{self, GROUPS, RESOURCES};

/// Answers a request for what is served; nothing if it is none.
pub(super) fn answer(state: &State, call: &Call) -> Option<Answer> {
    let body = match call.segments().as_slice() {
        ["version"] => {
            let version = &state.world.kubernetes.version;
            let mut parts = version.trim_start_matches('v').split('.');
            json!({
                "major": parts.next().unwrap_or_default(),
                "minor": parts.next().unwrap_or_default(),
                "gitVersion": version,
                "gitCommit": "", "gitTreeState": "clean", "buildDate": "2025-01-01T00:00:00Z",
                "goVersion": "", "compiler": "", "platform": "linux/amd64",
            })
        }
        ["healthz" | "livez" | "readyz"] => return Some(Answer::text(200, "text/plain", "ok")),
        ["api"] => {
            let address = json!({"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"});
            json!({
                "kind": "APIVersions", "versions": ["v1"],
                "serverAddressByClientCIDRs": [address],
            })
        }
        ["apis"] => resource::group_list(),
        ["apis", group] if GROUPS.contains(group) => resource::group_entry(group),
        ["api", "v1"] => resource::resource_list(""),
        ["apis", group, "v1"] if GROUPS.contains(group) => resource::resource_list(group),
        ["openapi", "v3"] => documents(),
        ["openapi", "v3", "api", "v1"] => document(""),
        ["openapi", "v3", "apis", group, "v1"] if GROUPS.contains(group) => document(group),
        _ => return None,
    };
    Some(Answer::json(200, body))
}

/// The OpenAPI documents there are.
fn documents() -> Value {
    let entry =
        |path: &str| (path.to_owned(), json!({"serverRelativeURL": format!("/openapi/v3/{path}")}));
    let groups = GROUPS.iter().map(|group| entry(&format!("apis/{group}/v1")));
    let paths: Map<String, Value> = std::iter::once(entry("api/v1")).chain(groups).collect();
    json!({"paths": paths})
}

/// The OpenAPI document of a group, as far as kubectl reads it before it writes: that the server
/// itself validates fields (`fieldValidation`). It has no schemas.
fn document(group: &str) -> Value {
    let base = if group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{group}/v1") };
    let mut paths = Map::new();
    for resource in RESOURCES.iter().filter(|resource| resource.group == group) {
        let namespace = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
        let parameter =
            |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string"}});
        let operation = json!({
            "x-kubernetes-action": "patch",
            "x-kubernetes-group-version-kind":
                {"group": resource.group, "version": "v1", "kind": resource.kind},
            "parameters": [parameter("dryRun"), parameter("fieldManager"), parameter("fieldValidation")],
            "responses": {"200": {"description": "OK"}},
        });
        paths.insert(
            format!("{base}{namespace}/{}/{{name}}", resource.plural),
            json!({"patch": operation}),
        );
    }
    let info = json!({"title": "Kubernetes", "version": "unversioned"});
    json!({"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": {}}})
}
