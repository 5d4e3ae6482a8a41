//! Reading: one object, and lists by pages.

use privlink_model::kubernetes::service::Key;
use serde_json::{Map, Value, json};

use crate::server::{Answer, Call};
use crate::state::State;

use super::resource::Resource;
use super::selector::Selector;
use super::status::Refusal;
use super::table;
use super::target::Target;

/// An object as it is served under a group: events have two forms.
pub(super) fn as_served(object: &Value, resource: &Resource, group: &str) -> Value {
    let mut served = object.clone();
    if resource.kind == "Event" && group == "events.k8s.io" {
        served = event_of_the_new_group(object);
    }
    served
}

fn event_of_the_new_group(object: &Value) -> Value {
    let field = |name: &str| object.get(name).cloned().unwrap_or(Value::Null);
    json!({
        "kind": "Event",
        "apiVersion": "events.k8s.io/v1",
        "metadata": field("metadata"),
        "eventTime": field("eventTime"),
        "reportingController": field("reportingComponent"),
        "reportingInstance": field("reportingInstance"),
        "reason": field("reason"),
        "regarding": field("involvedObject"),
        "note": field("message"),
        "type": field("type"),
        "deprecatedSource": field("source"),
        "deprecatedFirstTimestamp": field("firstTimestamp"),
        "deprecatedLastTimestamp": field("lastTimestamp"),
        "deprecatedCount": field("count"),
    })
}

/// A list: by pages if `limit` is given.
pub(super) fn list(state: &State, call: &Call, target: &Target) -> Result<Answer, Refusal> {
    let selector = Selector::of(call, target)?;
    let limit = call
        .parameter("limit")
        .filter(|text| !text.is_empty())
        .map(|text| {
            text.parse::<usize>().map_err(|_| {
                let why = format!("strconv.ParseInt: parsing {text:?}: invalid syntax");
                Refusal::bad_request(why)
            })
        })
        .transpose()?
        .filter(|limit| *limit > 0)
        .unwrap_or(usize::MAX);
    let after = match call.parameter("continue").filter(|token| !token.is_empty()) {
        Some(token) => Some(decode_token(token)?),
        None => None,
    };
    let store = &state.world.kubernetes;
    let mut found = store
        .shelf(target.resource)
        .filter(|(key, object)| {
            after.as_ref().is_none_or(|after| *key > after) && selector.matches(object)
        })
        .peekable();
    let mut items = Vec::new();
    let mut last = None;
    while items.len() < limit
        && let Some((key, object)) = found.next()
    {
        let mut item = as_served(object, target.resource, &target.group);
        // Items of a list do not repeat their kind.
        if let Some(item) = item.as_object_mut() {
            item.shift_remove("kind");
            item.shift_remove("apiVersion");
        }
        items.push(item);
        last = Some(key);
    }
    let mut metadata = Map::new();
    metadata.insert("resourceVersion".to_owned(), json!(store.resource_version.to_string()));
    if let (Some(last), Some(_)) = (last, found.peek()) {
        metadata.insert("continue".to_owned(), json!(encode_token(last)));
        metadata.insert("remainingItemCount".to_owned(), json!(found.count()));
    }
    if table::is_wanted(call) {
        let table = table::table(target.resource, &items, Value::Object(metadata));
        return Ok(Answer::json(200, table));
    }
    let group = if target.group.is_empty() { String::new() } else { format!("{}/", target.group) };
    Ok(Answer::json(
        200,
        json!({
            "kind": format!("{}List", target.resource.kind),
            "apiVersion": format!("{group}v1"),
            "metadata": metadata,
            "items": items,
        }),
    ))
}

/// Tokens are opaque to clients: the last key, in hexadecimal.
fn encode_token(key: &Key) -> String {
    format!("{}/{}", key.namespace, key.name).bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn decode_token(token: &str) -> Result<Key, Refusal> {
    let bytes: Option<Vec<u8>> = token
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| text.split_once('/').map(|(namespace, name)| Key::new(namespace, name)))
        .ok_or_else(|| Refusal::bad_request("continue key is not valid"))
}

/// One object.
pub(super) fn get(state: &State, target: &Target) -> Result<Value, Refusal> {
    let key = target.key();
    let object = state
        .world
        .kubernetes
        .get(target.resource, &key)
        .ok_or_else(|| Refusal::not_found(&target.resource.qualified(), &key.name))?;
    Ok(as_served(object, target.resource, &target.group))
}
