//! Long-running operations: they are accepted, answer `InProgress` for a while, and end.

use privlink_model::arm::arm_type::{ArmType, is_private_dns, type_of};
use privlink_model::arm::error::ArmError;
use privlink_model::location::plain;
use privlink_model::resource_id::ResourceId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock;
use crate::fault::Effect;
use crate::server::{Answer, Call};
use crate::state::State;

use super::path::Path;
use super::resource;

/// An operation that nobody asks about ends by itself after this long, in milliseconds, and so many
/// times what clients are told to wait.
const UNATTENDED: (u64, u64) = (1_000, 20);

/// What an operation does when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// The resource was written, and becomes `Succeeded`.
    Put,
    /// The resource goes.
    Delete,
    /// The resource group goes.
    DeleteGroup,
}

/// A long-running operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// What it does.
    pub kind: Kind,
    /// On what.
    pub target: String,
    /// How often its status is yet `InProgress`.
    pub polls: u32,
    /// When it was accepted, in milliseconds since 1970.
    pub accepted: u64,
    /// When it ends by itself, in milliseconds since 1970.
    pub deadline: u64,
    /// The region of what it is on, which its URLs name.
    #[serde(default)]
    pub region: String,
    /// Whether it is done.
    pub done: bool,
    /// How it failed or will: a code and a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<(String, String)>,
    /// Whether it ends `Canceled` then, and not `Failed`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub canceled: bool,
}

impl Operation {
    /// What it and its resource show when it failed.
    const fn ending(&self) -> &'static str {
        if self.canceled { "Canceled" } else { "Failed" }
    }
}

/// Accepts an operation. Answers its id. A deletion that is to take no time is done at once; a write
/// ends by [`end_if_due`], when its answer is made: that still says `Updating`.
pub(super) fn accept(state: &mut State, call: &Call, kind: Kind, target: &ResourceId) -> String {
    let mut polls = state.options.operation_polls;
    let (mut failure, mut is_canceled) = (None, false);
    match &call.effect {
        Effect::SlowOperation { polls: slow } => polls = *slow,
        Effect::FailedOperation { code, message, canceled } => {
            failure = Some((code.clone(), message.clone()));
            is_canceled = *canceled;
        }
        _ => {}
    }
    let now = clock::millis();
    let wait = u64::try_from(state.options.retry_after.as_millis()).unwrap_or(u64::MAX);
    let (least, times) = UNATTENDED;
    let patience = wait.saturating_mul(times).saturating_mul(u64::from(polls) + 1);
    let operation = Operation {
        kind,
        target: target.as_str().to_owned(),
        polls,
        accepted: now,
        deadline: now.saturating_add(patience.max(least)),
        region: region_of(state, target),
        done: false,
        failure,
        canceled: is_canceled,
    };
    let id = state.world.allocator.guid(&format!("operation {target}"));
    state.world.operations.insert(id.clone(), operation);
    state.touch();
    if polls == 0 && kind != Kind::Put {
        end(state, &id);
    }
    id
}

/// Notes a write that had no work to do: its operation is done. Answers the operation's id.
pub(super) fn note_done(state: &mut State, target: &ResourceId) -> String {
    let now = clock::millis();
    let operation = Operation {
        kind: Kind::Put,
        target: target.as_str().to_owned(),
        polls: 0,
        accepted: now,
        deadline: now,
        region: region_of(state, target),
        done: true,
        failure: None,
        canceled: false,
    };
    let id = state.world.allocator.guid(&format!("operation {target}"));
    state.world.operations.insert(id.clone(), operation);
    state.touch();
    id
}

/// Ends an operation that is to take no time.
pub(super) fn end_if_due(state: &mut State, id: &str) {
    if state.world.operations.get(id).is_some_and(|it| !it.done && it.polls == 0) {
        end(state, id);
    }
}

/// The region of a resource, or of what it is in.
fn region_of(state: &State, target: &ResourceId) -> String {
    let mut at = Some(target.clone());
    while let Some(id) = at {
        let resource = state.world.azure.get(&id);
        let location = resource.as_ref().and_then(|it| it.get("location")?.as_str());
        if let Some(location) = location.filter(|it| !it.is_empty()) {
            return plain(location);
        }
        at = id.parent();
    }
    "eastus".to_owned()
}

/// The operation that still runs on a resource.
pub(super) fn running(state: &State, target: &ResourceId) -> Option<(String, Kind)> {
    let key = target.key();
    state
        .world
        .operations
        .iter()
        .find(|(_, operation)| !operation.done && operation.target.to_lowercase() == key)
        .map(|(id, operation)| (id.clone(), operation.kind))
}

/// The operation that keeps a resource from being written: one on it, on what holds it, on what it holds, or on
/// anything of its virtual network or load balancer ("on this or dependent resource": Azure/terraform-provider-azapi#503,
/// of two subnets). Private DNS is another provider, of which nothing of this kind is known.
pub(super) fn in_the_way(state: &State, target: &ResourceId) -> Option<String> {
    let key = target.key();
    let is_dns = is_private_dns(target);
    let whole = |key: &str| is_within(key).then(|| holder_of(key).to_owned());
    let is_it = |other: &str| {
        let is_below = |one: &str, other: &str| {
            one.strip_prefix(other).is_some_and(|rest| rest.starts_with('/'))
        };
        let are_bound = is_below(other, &key)
            || is_below(&key, other)
            || whole(other).is_some_and(|it| whole(&key) == Some(it));
        other == key || (!is_dns && are_bound)
    };
    let mut running = state.world.operations.iter().filter(|(_, operation)| !operation.done);
    let found = running.find(|(_, operation)| is_it(&operation.target.to_lowercase()));
    found.map(|(id, _)| id.clone())
}

/// Whether a key is that of a virtual network, a load balancer or a security group, or of something of one.
fn is_within(key: &str) -> bool {
    use ArmType as T;
    matches!(type_of(holder_of(key)), T::VirtualNetwork | T::LoadBalancer | T::NetworkSecurityGroup)
}

/// The key of the top-level resource that holds what has this key.
fn holder_of(key: &str) -> &str {
    let start = key.rfind("/providers/").map_or(0, |at| at + "/providers/".len());
    let rest = key.get(start..).unwrap_or_default();
    let slashes = rest.match_indices('/').nth(2);
    slashes.map_or(key, |(at, _)| key.get(..start + at).unwrap_or(key))
}

/// Ends the operations whose time has come, and forgets the old ones.
pub(super) fn finish_due(state: &mut State) {
    let now = clock::millis();
    let due: Vec<String> = state
        .world
        .operations
        .iter()
        .filter(|(_, operation)| !operation.done && operation.deadline <= now)
        .map(|(id, _)| id.clone())
        .collect();
    for id in due {
        end(state, &id);
    }
    let hour = 3_600_000;
    let before = state.world.operations.len();
    state
        .world
        .operations
        .retain(|_, operation| !operation.done || operation.accepted.saturating_add(hour) > now);
    if state.world.operations.len() != before {
        state.touch();
    }
}

/// Ends an operation: does what it puts off, or fails.
fn end(state: &mut State, id: &str) {
    let Some(operation) = state.world.operations.get_mut(id) else { return };
    operation.done = true;
    let (kind, failed) = (operation.kind, operation.failure.is_some());
    let ending = operation.ending();
    let target = ResourceId::new(operation.target.as_str());
    let result = match (kind, failed) {
        (Kind::Put, true) => {
            resource::mark_failed(state, &target, ending);
            Ok(())
        }
        (Kind::Put, false) => {
            super::with_azure(state, |azure| azure.renew_etag(&target));
            Ok(())
        }
        (_, true) => Ok(()),
        (Kind::Delete, false) => resource::remove(state, &target),
        (Kind::DeleteGroup, false) => resource::remove_group(state, &target),
    };
    if let (Err(error), Some(operation)) = (result, state.world.operations.get_mut(id)) {
        operation.failure = Some((error.code, error.message));
    }
    state.touch();
}

/// Where the status of an operation is asked for, and where its result.
fn urls(call: &Call, id: &str, operation: &Operation) -> (String, String) {
    let target = ResourceId::new(operation.target.as_str());
    let subscription = target.subscription().unwrap_or_default();
    let version = call.parameter("api-version").unwrap_or_default();
    let url = |what: &str| {
        format!("{}/subscriptions/{subscription}{what}/{id}?api-version={version}", call.base)
    };
    if target.segment("privateDnsZones").is_some() {
        let group = target.resource_group().unwrap_or_default();
        let base = format!("/resourceGroups/{group}/providers/Microsoft.Network");
        return (
            url(&format!("{base}/privateDnsOperationStatuses")),
            url(&format!("{base}/privateDnsOperationResults")),
        );
    }
    let base = format!("/providers/Microsoft.Network/locations/{}", operation.region);
    (url(&format!("{base}/operations")), url(&format!("{base}/operationResults")))
}

/// Where the status of an operation is asked for.
pub(super) fn status_url(state: &State, call: &Call, id: &str) -> String {
    state.world.operations.get(id).map(|it| urls(call, id, it).0).unwrap_or_default()
}

/// The headers that tell a client where to ask and how soon.
pub(super) fn with_headers(
    state: &State,
    call: &Call,
    answer: Answer,
    id: &str,
    kind: Kind,
) -> Answer {
    let Some(operation) = state.world.operations.get(id) else { return answer };
    let target = ResourceId::new(operation.target.as_str());
    if kind == Kind::DeleteGroup {
        let subscription = target.subscription().unwrap_or_default();
        let version = call.parameter("api-version").unwrap_or_default();
        let url = format!(
            "{}/subscriptions/{subscription}/operationresults/{id}?api-version={version}",
            call.base
        );
        return retry_after(state, answer.header("Location", &url), operation);
    }
    let private_dns = target.segment("privateDnsZones").is_some();
    let (statuses, results) = urls(call, id, operation);
    // Recorded: of subnets with 201 alone, of connections and private DNS never.
    let notifies = !private_dns
        && target.segment("privateEndpointConnections").is_none()
        && !(target.segment("subnets").is_some() && answer.status == 200);
    let mut answer = answer.header("Azure-AsyncOperation", &statuses);
    if notifies {
        answer = answer.header("Azure-AsyncNotification", "Enabled");
    }
    if kind != Kind::Put || private_dns {
        answer = answer.header("Location", &results);
    }
    if operation.done && kind == Kind::Put { answer } else { retry_after(state, answer, operation) }
}

/// How soon to ask again: `Retry-After` as Azure says it, unless the options ask for whole seconds, and for clients that
/// read it the little time that it takes here.
fn retry_after(state: &State, answer: Answer, operation: &Operation) -> Answer {
    let wait = state.options.retry_after;
    let answer = answer.header("retry-after-ms", &wait.as_millis().max(1).to_string());
    let asked = Some(wait.as_secs()).filter(|seconds| *seconds > 0);
    match asked.or_else(|| recorded_wait(operation)) {
        Some(seconds) => answer.header("Retry-After", &seconds.to_string()),
        None => answer,
    }
}

/// The seconds of Azure's `Retry-After`, by type (recorded); nothing for types of which it is not recorded.
fn recorded_wait(operation: &Operation) -> Option<u64> {
    if operation.kind == Kind::DeleteGroup {
        return Some(15);
    }
    match type_of(&operation.target.to_lowercase()) {
        ArmType::LoadBalancer
        | ArmType::BackendPool
        | ArmType::VirtualNetwork
        | ArmType::Subnet => Some(3),
        ArmType::PrivateLinkService
        | ArmType::EndpointConnection
        | ArmType::PrivateEndpoint
        | ArmType::ZoneGroup => Some(10),
        ArmType::PrivateDnsZone | ArmType::ZoneLink => Some(30),
        _ => None,
    }
}

/// Answers a request for an operation's status or result.
pub(super) fn answer(state: &mut State, call: &Call) -> Option<Result<Answer, ArmError>> {
    let path = Path::of(call);
    let lower = path.lower();
    let (id, wants_status) = match lower.as_slice() {
        ["subscriptions", _, "operationresults", id] => (*id, false),
        ["subscriptions", _, "providers", _, "locations", _, "operations", id] => (*id, true),
        ["subscriptions", _, "providers", _, "locations", _, "operationresults", id] => {
            (*id, false)
        }
        [.., "microsoft.network", "privatednsoperationstatuses", id] => (*id, true),
        [.., "microsoft.network", "privatednsoperationresults", id] => (*id, false),
        _ => return None,
    };
    let id = id.to_owned();
    if call.method != "GET" {
        return Some(Err(super::error::no_method(&call.method)));
    }
    let Some(operation) = state.world.operations.get_mut(&id) else {
        let message = format!("Operation {id} not found.");
        return Some(Err(ArmError::new(404, "OperationNotFound", message)));
    };
    if !operation.done && wants_status && operation.polls > 0 {
        operation.polls -= 1;
        let operation = operation.clone();
        let body = json!({"status": "InProgress"});
        // Private DNS says 202 while it works, with all the headers once more.
        return Some(Ok(if operation.target.to_lowercase().contains("/privatednszones/") {
            with_headers(state, call, Answer::json(202, body), &id, operation.kind)
        } else {
            retry_after(state, Answer::json(200, body), &operation)
        }));
    }
    if !operation.done && !wants_status && operation.polls > 0 {
        operation.polls -= 1;
        let kind = operation.kind;
        let answer = Answer::status_only(202);
        return Some(Ok(with_headers(state, call, answer, &id, kind)));
    }
    if !operation.done {
        end(state, &id);
    }
    let operation = state.world.operations.get(&id)?;
    let failure = operation
        .failure
        .as_ref()
        .map(|(code, message)| json!({"code": code, "message": message, "details": []}));
    let body = match (&failure, wants_status) {
        (Some(error), true) => json!({"status": operation.ending(), "error": error}),
        (None, true) => json!({"status": "Succeeded"}),
        (Some(error), false) => return Some(Ok(Answer::json(400, json!({"error": error})))),
        (None, false) => Value::Null,
    };
    Some(Ok(match (wants_status, operation.kind) {
        (true, _) => Answer::json(200, body),
        (false, Kind::Put) => {
            let target = ResourceId::new(operation.target.as_str());
            Answer::json(200, state.world.azure.get(&target).unwrap_or_default())
        }
        (false, Kind::Delete) => Answer::status_only(204),
        (false, Kind::DeleteGroup) => Answer::status_only(200),
    }))
}
