//! What kinds there are, as far as kube and kubectl ask.

use serde_json::json;

use crate::server::{Answer, Call};
use crate::state::State;

use super::resource::{self, GROUPS};

/// Answers a request for what is served; nothing if it is none.
pub(super) fn answer(state: &State, call: &Call) -> Option<Answer> {
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    let body = match segments.as_slice() {
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
        _ => return None,
    };
    Some(Answer::json(200, body))
}
