//! Lists, by pages.

use privlink_core::arm::azure::not_found;
use privlink_core::arm::error::ArmError;
use privlink_core::resource_id::ResourceId;
use serde_json::{Value, json};

use crate::server::{Answer, Call};
use crate::state::State;

use super::error;
use super::path::{Named, Path};
use super::resource::shown;

/// A list of a group, of a subscription, or of a parent's children.
pub(super) fn list(
    state: &State,
    call: &Call,
    path: &Path,
    named: &Named,
) -> Result<Answer, ArmError> {
    let mut items = if named.depth > 1 {
        children(state, &path.id)?
    } else if path.id.resource_group().is_some() {
        state.world.azure.list(path.id.as_str())
    } else {
        of_subscription(state, path.subscription(), &named.kind)
    };
    items = items.into_iter().map(|item| shown(state, item)).collect();
    page(state, call, items)
}

/// The children of a resource, held by themselves or in it.
fn children(state: &State, collection: &ResourceId) -> Result<Vec<Value>, ArmError> {
    let world = &state.world.azure;
    let Some((parent, name)) = collection.as_str().rsplit_once('/') else {
        return Ok(Vec::new());
    };
    let parent = ResourceId::new(parent);
    // All records of a zone are listed by type, or under `ALL`.
    if parent.segment("privateDnsZones").is_some() && name.eq_ignore_ascii_case("all") {
        let all = ["A", "AAAA", "CNAME", "MX", "PTR", "SOA", "SRV", "TXT"];
        return Ok(all.iter().flat_map(|kind| world.list(&format!("{parent}/{kind}"))).collect());
    }
    let holder = world.get(&parent).ok_or_else(|| not_found(&parent))?;
    let inside = holder.get("properties").and_then(Value::as_object).and_then(|properties| {
        properties.iter().find(|(other, _)| other.eq_ignore_ascii_case(name))
    });
    Ok(match inside {
        Some((_, Value::Array(items))) => items.clone(),
        _ => world.list(collection.as_str()),
    })
}

fn of_subscription(state: &State, subscription: &str, kind: &str) -> Vec<Value> {
    let start = format!("/subscriptions/{subscription}/resourcegroups/").to_lowercase();
    let middle = format!("/providers/{kind}/").to_lowercase();
    let world = &state.world.azure;
    let mut keys: Vec<&str> = world
        .keys()
        .filter(|key| {
            let rest = key.strip_prefix(start.as_str()).and_then(|rest| rest.split_once(&*middle));
            rest.is_some_and(|(group, name)| !group.contains('/') && !name.contains('/'))
        })
        .collect();
    keys.sort_unstable();
    keys.into_iter().filter_map(|key| world.get(&ResourceId::new(key))).collect()
}

/// One page of a list: `$top` items, or as many as a page has, from `$skiptoken` on.
pub(super) fn page(state: &State, call: &Call, items: Vec<Value>) -> Result<Answer, ArmError> {
    let number = |name: &str| {
        call.parameter(name)
            .map(str::parse::<usize>)
            .transpose()
            .map_err(|_| error::malformed(&format!("The query parameter '{name}' is not valid.")))
    };
    let size = number("$top")?.unwrap_or(usize::MAX).min(state.options.page_size).max(1);
    let from = number("$skiptoken")?.unwrap_or(0);
    let more = items.len() > from.saturating_add(size);
    let page: Vec<Value> = items.into_iter().skip(from).take(size).collect();
    let mut body = json!({"value": page});
    if let (true, Some(body)) = (more, body.as_object_mut()) {
        let mut query: Vec<String> = call
            .query
            .iter()
            .filter(|(name, _)| !name.eq_ignore_ascii_case("$skiptoken"))
            .map(|(name, value)| format!("{}={}", escape(name), escape(value)))
            .collect();
        query.push(format!("%24skiptoken={}", from + size));
        let next = format!("{}{}?{}", call.base, call.path, query.join("&"));
        body.insert("nextLink".to_owned(), json!(next));
    }
    Ok(Answer::json(200, body))
}

fn escape(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
