//! The Kubernetes API, as kube and kubectl speak it.

mod admission;
mod discovery;
pub(crate) mod object;
mod patch;
mod read;
pub(crate) mod resource;
mod selector;
mod service;
pub(crate) mod status;
pub(crate) mod store;
mod table;
mod target;
pub(crate) mod watch;
mod write;

use serde_json::{Value, json};

use crate::server::{Answer, Call};
use crate::state::State;

use status::Refusal;
use target::Target;
use write::Write;

/// Answers a request to the Kubernetes API.
pub(crate) fn answer(state: &mut State, call: &Call) -> Answer {
    // What probes ask for is open to everybody (`system:public-info-viewer`).
    let is_open =
        matches!(call.segments().as_slice(), ["version" | "healthz" | "livez" | "readyz", ..]);
    if !is_open && !call.is_let_in() {
        return Refusal::unauthorized().into();
    }
    if let Some(answer) = discovery::answer(state, call) {
        return answer;
    }
    if let ["apis", group, ..] = call.segments().as_slice()
        && !group.ends_with(".k8s.io")
        && resource::RESOURCES.iter().all(|resource| resource.group != *group)
    {
        // Below a group that nobody serves there is not even a Status.
        return Answer::text(404, "text/plain", "404 page not found\n");
    }
    route(state, call).unwrap_or_else(Answer::from)
}

fn route(state: &mut State, call: &Call) -> Result<Answer, Refusal> {
    if let ["apis", group, "v1", plural] = call.segments().as_slice()
        && let Some(answer) = review(call, group, plural)
    {
        return answer;
    }
    let target = Target::of(call)?;
    match (call.method.as_str(), target.name.as_deref()) {
        ("GET", None) if call.flag("watch") => watch::open(state, call, &target),
        ("GET", None) => read::list(state, call, &target),
        ("GET", Some(name)) => {
            let field = call.parameter("fieldSelector").unwrap_or_default();
            if call.flag("watch") && field.is_empty() {
                return Err(Refusal::bad_request(format!("watch {name} by a field selector")));
            }
            let object = read::get(state, &target)?;
            if table::is_wanted(call) {
                let table = table::table(target.resource, &[object], json!({}));
                return Ok(Answer::json(200, table));
            }
            Ok(Answer::json(200, object))
        }
        ("POST", None) => object::create(state, &Write::of(call, target)?),
        ("PUT", Some(_)) => object::replace(state, &Write::of(call, target)?),
        ("PATCH", Some(_)) => patch::patch(state, call, &Write::of(call, target)?),
        ("DELETE", Some(_)) => object::delete(state, &Write::of(call, target)?),
        _ => Err(Refusal::method_not_allowed()),
    }
}

/// Reviews: what the caller may do, and who it is. In the sandbox it may do everything.
fn review(call: &Call, group: &str, plural: &str) -> Option<Result<Answer, Refusal>> {
    let status = match (group, plural) {
        ("authorization.k8s.io", "selfsubjectaccessreviews" | "subjectaccessreviews") => {
            json!({"allowed": true, "reason": "the sandbox allows everything"})
        }
        ("authorization.k8s.io", "selfsubjectrulesreviews") => json!({
            "incomplete": false,
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
        }),
        ("authentication.k8s.io", "selfsubjectreviews") => {
            json!({"userInfo": {"username": "sandbox", "groups": ["system:masters"]}})
        }
        _ => return None,
    };
    if call.method != "POST" {
        return Some(Err(Refusal::method_not_allowed()));
    }
    if write::is_protobuf(call) {
        return Some(Err(Refusal::no_protobuf()));
    }
    let answer = call.json().map_err(Refusal::bad_request).map(|mut body: Value| {
        if let Some(body) = body.as_object_mut() {
            body.insert("status".to_owned(), status);
        }
        Answer::json(201, body)
    });
    Some(answer)
}
