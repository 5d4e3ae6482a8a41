//! What the controller tells the API server: finalizers, status, events.

use privlink_model::controller::outcome::{Event, EventType, Outcome};
use privlink_model::kubernetes::server_side_apply::{SERVICE, Writer, track_update};
use privlink_model::kubernetes::service::Key;
use serde_json::{Value, json};

use crate::clock;
use crate::kubernetes::resource::Resource;
use crate::kubernetes::{object, store};
use crate::state::State;

/// The controller's field manager.
pub(crate) const MANAGER: &str = "cloud-controller-manager";
/// How long events are kept, as the API server's `--event-ttl`.
const EVENT_SECONDS: i64 = 3600;

/// Whether an event is said before anything is written.
pub(super) fn is_first(event: &Event) -> bool {
    ["EnsuringLoadBalancer", "DeletingLoadBalancer"].contains(&event.reason.as_str())
}

/// Records that a sync has begun, which shows write by write from here on; and its finalizer, which the
/// controller adds before it writes to Azure (`addFinalizer`).
pub(super) fn begun(state: &mut State, outcome: &Outcome) {
    for event in outcome.events.iter().filter(|event| is_first(event)) {
        record(state, event);
    }
    if !outcome.finalizers.is_empty() {
        write_finalizers(state, outcome);
    }
}

/// Stores what a sync said.
pub(super) fn store(state: &mut State, outcome: &Outcome) {
    for event in &outcome.events {
        record(state, event);
    }
    write_status(state, outcome);
    write_finalizers(state, outcome);
}

fn live(state: &State, key: &Key) -> Option<(&'static Resource, Value)> {
    let services = Resource::find("", "services")?;
    Some((services, state.world.kubernetes.get(services, key)?.clone()))
}

fn write_finalizers(state: &mut State, outcome: &Outcome) {
    let Some((services, object)) = live(state, &outcome.service) else { return };
    if object::finalizers(&object) == outcome.finalizers {
        return;
    }
    let mut changed = object.clone();
    if let Some(metadata) = store::metadata(&mut changed) {
        if outcome.finalizers.is_empty() {
            metadata.shift_remove("finalizers");
        } else {
            metadata.insert("finalizers".to_owned(), json!(outcome.finalizers));
        }
    }
    put(state, services, &object, changed);
}

fn write_status(state: &mut State, outcome: &Outcome) {
    let Some(addresses) = &outcome.status else { return };
    let Some((services, object)) = live(state, &outcome.service) else { return };
    let ingress: Vec<Value> =
        addresses.iter().map(|address| json!({"ip": address, "ipMode": "VIP"})).collect();
    let mut changed = object.clone();
    let balancer = if ingress.is_empty() { json!({}) } else { json!({"ingress": ingress}) };
    if object.pointer("/status/loadBalancer") == Some(&balancer) {
        return;
    }
    let conditions = object.pointer("/status/conditions").cloned();
    let mut status = json!({"loadBalancer": balancer});
    if let (Some(conditions), Some(status)) = (conditions, status.as_object_mut()) {
        status.insert("conditions".to_owned(), conditions);
    }
    object::set(&mut changed, "status", status);
    put(state, services, &object, changed);
}

/// The controller patches status and finalizers alike through `status` (`PatchService` of
/// k8s.io/cloud-provider).
fn put(state: &mut State, services: &'static Resource, live: &Value, changed: Value) {
    let key = store::key_of(live);
    let gone = changed.pointer("/metadata/deletionTimestamp").is_some()
        && object::finalizers(&changed).is_empty();
    if gone {
        store::remove(state, services, &key);
        return;
    }
    let now = clock::now();
    let subresource = Some("status");
    let writer = Writer { manager: MANAGER, api_version: "v1", time: &now, subresource };
    let tracked = track_update(&SERVICE, Some(live), changed, &writer);
    store::put(state, services, &key, tracked);
}

/// Records an event; one that was there already is counted.
fn record(state: &mut State, event: &Event) {
    let Some(events) = Resource::find("", "events") else { return };
    let Some((_, service)) = live(state, &event.service) else { return };
    let kind = type_name(event);
    let uid = service.pointer("/metadata/uid").cloned().unwrap_or(Value::Null);
    let now = clock::now();
    forget_old(state, events);
    let same = |object: &Value| {
        object.pointer("/involvedObject/uid") == Some(&uid)
            && object.get("reason") == Some(&json!(event.reason))
            && object.get("message") == Some(&json!(event.message))
            && object.get("type") == Some(&json!(kind))
    };
    let known = state
        .world
        .kubernetes
        .shelf(events)
        .find(|(_, object)| same(object))
        .map(|(key, object)| (key.clone(), object.clone()));
    if let Some((key, mut object)) = known {
        let count = object.get("count").and_then(Value::as_u64).unwrap_or(1);
        object::set(&mut object, "count", json!(count + 1));
        object::set(&mut object, "lastTimestamp", json!(now));
        store::put(state, events, &key, object);
        return;
    }
    let guid = state.world.allocator.guid(&format!("Event/{}", event.service));
    let suffix: String = guid.replace('-', "").chars().take(16).collect();
    let mut object = event_object(event, &service, &suffix, &now);
    if let Some(metadata) = store::metadata(&mut object) {
        metadata.insert("uid".to_owned(), json!(guid));
        metadata.insert("creationTimestamp".to_owned(), json!(now));
    }
    let key = store::key_of(&object);
    store::put(state, events, &key, object);
}

fn type_name(event: &Event) -> &'static str {
    match event.kind {
        EventType::Normal => "Normal",
        EventType::Warning => "Warning",
    }
}

/// An event as its Kubernetes object, with a name that ends in `suffix`.
pub(crate) fn event_object(event: &Event, service: &Value, suffix: &str, now: &str) -> Value {
    let Key { namespace, name } = &event.service;
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": format!("{name}.{suffix}"), "namespace": namespace},
        "involvedObject": {
            "kind": "Service", "namespace": namespace, "name": name,
            "uid": service.pointer("/metadata/uid"),
            "apiVersion": "v1",
            "resourceVersion": service.pointer("/metadata/resourceVersion"),
        },
        "reason": event.reason,
        "message": event.message,
        "source": {"component": event.source},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
        "type": type_name(event),
        "eventTime": null,
        "reportingComponent": event.source,
        "reportingInstance": "",
    })
}

fn forget_old(state: &mut State, events: &'static Resource) {
    let limit = jiff::Timestamp::now().as_second() - EVENT_SECONDS;
    let old = |object: &Value| {
        object
            .get("lastTimestamp")
            .and_then(Value::as_str)
            .and_then(|text| text.parse::<jiff::Timestamp>().ok())
            .is_some_and(|time| time.as_second() < limit)
    };
    let gone: Vec<Key> = state
        .world
        .kubernetes
        .shelf(events)
        .filter(|(_, object)| old(object))
        .map(|(key, _)| key.clone())
        .collect();
    for key in gone {
        store::remove(state, events, &key);
    }
}
