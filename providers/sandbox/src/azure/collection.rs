//! Lists, by pages.

use privlink_model::arm::dns::missing_zone;
use privlink_model::arm::error::ArmError;
use privlink_model::arm::world::World;
use privlink_model::resource_id::ResourceId;
use serde_json::{Value, json};

use crate::fault::Effect;
use crate::server::{Answer, Call};
use crate::state::State;

use super::path::{Named, Path};
use super::resource::shown;
use super::{error, soa};

/// A list of a group, of a subscription, or of a parent's children.
pub(super) fn list(
    state: &State,
    call: &Call,
    path: &Path,
    named: &Named,
) -> Result<Answer, ArmError> {
    let show = |item: Value| shown(state, item);
    if named.depth > 1 {
        return page_of(state, call, children(state, &path.id, &named.kind)?, show);
    }
    // Only the resources of the page asked for are rendered.
    let keys = if path.id.resource_group().is_some() {
        of_group(state, &path.id)
    } else {
        of_subscription(state, path.subscription(), &named.kind)
    };
    page_of(state, call, keys, |key| {
        show(state.world.azure.get(&ResourceId::new(key)).unwrap_or_default())
    })
}

/// The children of a resource, held by themselves or in it.
fn children(state: &State, collection: &ResourceId, kind: &str) -> Result<Vec<Value>, ArmError> {
    let world = &state.world.azure;
    let Some((parent, name)) = collection.as_str().rsplit_once('/') else {
        return Ok(Vec::new());
    };
    let parent = ResourceId::new(parent);
    let is_dns = parent.segment("privateDnsZones").is_some();
    if is_dns && !world.holds(&parent) {
        return Err(missing_zone("read", name, &parent));
    }
    // All records of a zone are listed by type, or under `ALL`.
    if is_dns && name.eq_ignore_ascii_case("all") {
        let all = ["A", "AAAA", "CNAME", "MX", "PTR", "SOA", "SRV", "TXT"];
        return Ok(all.iter().flat_map(|kind| records(world, &parent, kind)).collect());
    }
    if is_dns {
        return Ok(records(world, &parent, name));
    }
    let holder = world.get(&parent).ok_or_else(|| error::no_parent("read", kind, &parent))?;
    let inside = holder.get("properties").and_then(Value::as_object).and_then(|properties| {
        properties.iter().find(|(other, _)| other.eq_ignore_ascii_case(name))
    });
    Ok(match inside {
        Some((_, Value::Array(items))) => items.clone(),
        _ => world.list(collection.as_str()),
    })
}

/// The records of a type, or the links, of a zone.
fn records(world: &World, zone: &ResourceId, kind: &str) -> Vec<Value> {
    let soa = soa::record(world, &zone.child(kind, "@"));
    soa.into_iter().chain(world.list(&format!("{zone}/{kind}"))).collect()
}

fn of_group<'a>(state: &'a State, collection: &ResourceId) -> Vec<&'a str> {
    let prefix = format!("{}/", collection.key());
    let keys = state.world.azure.keys_below(&prefix);
    let own = keys.filter(|key| key.get(prefix.len()..).is_some_and(|name| !name.contains('/')));
    own.collect()
}

fn of_subscription<'a>(state: &'a State, subscription: &str, kind: &str) -> Vec<&'a str> {
    let start = format!("/subscriptions/{subscription}/resourcegroups/").to_lowercase();
    let middle = format!("/providers/{kind}/").to_lowercase();
    let mut keys: Vec<&str> = state
        .world
        .azure
        .keys_below(&start)
        .filter(|key| {
            let rest = key.strip_prefix(start.as_str()).and_then(|rest| rest.split_once(&*middle));
            rest.is_some_and(|(group, name)| !group.contains('/') && !name.contains('/'))
        })
        .collect();
    keys.sort_unstable();
    keys
}

/// One page of a list that is rendered already.
pub(super) fn page(state: &State, call: &Call, items: Vec<Value>) -> Result<Answer, ArmError> {
    page_of(state, call, items, |item| item)
}

/// One page of a list: `$top` items, or as many as a page has, from `$skiptoken` on.
fn page_of<T>(
    state: &State,
    call: &Call,
    items: Vec<T>,
    render: impl Fn(T) -> Value,
) -> Result<Answer, ArmError> {
    let number = |name: &str| {
        call.parameter(name)
            .map(str::parse::<usize>)
            .transpose()
            .map_err(|_| error::malformed(&format!("The query parameter '{name}' is not valid.")))
    };
    let size = number("$top")?.unwrap_or(usize::MAX).min(state.options.page_size).max(1);
    let from = number("$skiptoken")?.unwrap_or(0);
    let more = items.len() > from.saturating_add(size);
    let page: Vec<Value> = items.into_iter().skip(from).take(size).map(render).collect();
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
    if let (Effect::NextLink { url }, Some(body)) = (&call.effect, body.as_object_mut()) {
        let own = format!("{}{}", call.base, call.target);
        body.insert("nextLink".to_owned(), json!(if url.is_empty() { &own } else { url }));
    }
    Ok(Answer::json(200, body))
}

fn escape(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
