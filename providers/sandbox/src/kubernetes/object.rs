//! Creating, replacing and deleting objects.

use privlink_model::kubernetes::server_side_apply::{self, Writer};
use privlink_model::kubernetes::service::Key;
use serde_json::{Value, json};

use crate::clock;
use crate::server::Answer;
use crate::state::State;

use super::resource::Resource;
use super::status::Refusal;
use super::write::Write;
use super::{admission, store};

/// POST.
pub(super) fn create(state: &mut State, write: &Write) -> Result<Answer, Refusal> {
    let allocator = state.world.allocator.clone();
    let object = admission::named(state, write, write.body.clone())?;
    let created = insert(state, write, object, |object, writer, schema| {
        let object = admission::read(write.target.resource, object);
        Ok(server_side_apply::track_update(schema, None, object, writer))
    });
    if created.is_err() || write.dry_run {
        state.world.allocator = allocator;
    }
    Ok(Answer::json(201, created?))
}

/// Stores a new object; `track` says who owns its fields.
pub(super) fn insert(
    state: &mut State,
    write: &Write,
    object: Value,
    track: impl FnOnce(Value, &Writer<'_>, &'static server_side_apply::Schema) -> Result<Value, Refusal>,
) -> Result<Value, Refusal> {
    let resource = write.target.resource;
    let key = store::key_of(&object);
    if state.world.kubernetes.get(resource, &key).is_some() {
        return Err(Refusal::already_exists(&resource.qualified(), &key.name));
    }
    let missing_namespace = resource.namespaced
        && Resource::find("", "namespaces").is_none_or(|namespaces| {
            state.world.kubernetes.get(namespaces, &Key::new("", &key.namespace)).is_none()
        });
    if missing_namespace {
        return Err(Refusal::not_found("namespaces", &key.namespace));
    }
    let now = clock::now();
    let version = resource.api_version();
    let mut object = admission::checked(write, object)?;
    let is_service = resource.kind == "Service";
    if let (true, Some(object)) = (is_service, object.as_object_mut()) {
        object.shift_remove("status");
    }
    let mut object = track(object, &write.writer(&now, &version), resource.schema)?;
    object = admission::completed(state, resource, object, None)?;
    if is_service {
        // The server's own; nobody manages it.
        set(&mut object, "status", json!({"loadBalancer": {}}));
    }
    let uid = object.pointer("/metadata/uid").and_then(Value::as_str).map(ToOwned::to_owned);
    let uid =
        uid.unwrap_or_else(|| state.world.allocator.guid(&format!("{}/{key}", resource.kind)));
    if let Some(metadata) = store::metadata(&mut object) {
        metadata.insert("uid".to_owned(), json!(uid));
        metadata.insert("creationTimestamp".to_owned(), json!(now));
    }
    Ok(write.store(state, object))
}

/// PUT.
pub(super) fn replace(state: &mut State, write: &Write) -> Result<Answer, Refusal> {
    let object = admission::named(state, write, write.body.clone())?;
    let key = write.target.key();
    if state.world.kubernetes.get(write.target.resource, &key).is_none() && !write.target.status {
        // As the API server: a PUT may create, but not of these kinds.
        return Err(Refusal::not_found(&write.target.resource.qualified(), &key.name));
    }
    Ok(Answer::json(200, update(state, write, object)?))
}

/// Stores a changed object in place of the live one.
pub(super) fn update(state: &mut State, write: &Write, object: Value) -> Result<Value, Refusal> {
    let live = live(state, write)?;
    check_preconditions(write, &live, &object, false)?;
    let object = admission::checked(write, object)?;
    let object = admission::read(write.target.resource, object);
    let object = restrict(write, object, &live);
    let now = clock::now();
    let version = write.target.resource.api_version();
    let tracked = server_side_apply::track_update(
        write.target.resource.schema,
        Some(&live),
        object,
        &write.writer(&now, &version),
    );
    finish(state, write, tracked, &live)
}

/// The live object of a write.
pub(super) fn live(state: &State, write: &Write) -> Result<Value, Refusal> {
    let key = write.target.key();
    state
        .world
        .kubernetes
        .get(write.target.resource, &key)
        .cloned()
        .ok_or_else(|| Refusal::not_found(&write.target.resource.qualified(), &key.name))
}

/// Completes and stores what a write made of the live object. What changes nothing gets no new
/// resource version.
pub(super) fn finish(
    state: &mut State,
    write: &Write,
    object: Value,
    live: &Value,
) -> Result<Value, Refusal> {
    let resource = write.target.resource;
    let allocator = state.world.allocator.clone();
    let completed = if write.target.status {
        Ok(object)
    } else {
        admission::completed(state, resource, object, Some(live))
    };
    if completed.is_err() || write.dry_run {
        state.world.allocator = allocator;
    }
    let mut object = completed?;
    keep_identity(&mut object, live);
    if without_times(&object) == without_times(live) {
        return Ok(live.clone());
    }
    let deleted = object.pointer("/metadata/deletionTimestamp").is_some();
    if deleted && finalizers(&object).is_empty() && !write.dry_run {
        store::remove(state, resource, &store::key_of(live));
        return Ok(object);
    }
    Ok(write.store(state, object))
}

/// The object without the times of its managers, which alone are no change.
fn without_times(object: &Value) -> Value {
    let mut bare = object.clone();
    let entries = bare.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut);
    for entry in entries.into_iter().flatten() {
        if let Some(entry) = entry.as_object_mut() {
            entry.shift_remove("time");
        }
    }
    bare
}

/// What a write may not change: the status by the object, the spec by its status.
pub(super) fn restrict(write: &Write, mut object: Value, live: &Value) -> Value {
    // Metadata may be written either way: controllers add finalizers through the status.
    let kept = match (write.target.status, write.target.resource.has_status) {
        (true, _) => "spec",
        (false, true) => "status",
        (false, false) => return object,
    };
    match (live.get(kept), object.as_object_mut()) {
        (Some(value), _) => set(&mut object, kept, value.clone()),
        (None, Some(object)) => drop(object.shift_remove(kept)),
        (None, None) => {}
    }
    object
}

/// What the server alone writes.
fn keep_identity(object: &mut Value, live: &Value) {
    const KEPT: [&str; 6] = [
        "uid",
        "creationTimestamp",
        "resourceVersion",
        "generation",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ];
    let Some(metadata) = store::metadata(object) else { return };
    for name in KEPT {
        match live.pointer("/metadata").and_then(|metadata| metadata.get(name)) {
            Some(value) => metadata.insert(name.to_owned(), value.clone()),
            None => metadata.shift_remove(name),
        };
    }
}

/// Refuses a write that was made for another version or another object.
pub(super) fn check_preconditions(
    write: &Write,
    live: &Value,
    object: &Value,
    is_delete: bool,
) -> Result<(), Refusal> {
    let text = |object: &Value, pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
            .map(ToOwned::to_owned)
    };
    let (resource, name) = (write.target.resource.qualified(), write.target.key().name);
    let version = text(object, "/metadata/resourceVersion");
    if version.is_some() && version != text(live, "/metadata/resourceVersion") {
        return Err(Refusal::modified(&resource, &name));
    }
    let (wanted, uid) = (text(object, "/metadata/uid"), text(live, "/metadata/uid"));
    if let (Some(wanted), Some(uid)) = (wanted, uid)
        && wanted != uid
    {
        let why = if is_delete {
            format!(
                "the UID in the precondition ({wanted}) does not match the UID in record ({uid}). \
                 The object might have been deleted and then recreated"
            )
        } else {
            format!("Precondition failed: UID in precondition: {wanted}, UID in object meta: {uid}")
        };
        // A deletion is refused before it comes to the store, which names the resource.
        let kind = write.target.resource.kind;
        let of = if is_delete { kind } else { resource.as_str() };
        return Err(Refusal::conflict(of, &name, &why));
    }
    Ok(())
}

/// DELETE. An object with finalizers is marked, and goes when the last of them is removed.
pub(super) fn delete(state: &mut State, write: &Write) -> Result<Answer, Refusal> {
    let live = live(state, write)?;
    let conditions = write.body.get("preconditions").cloned().unwrap_or(Value::Null);
    check_preconditions(write, &live, &json!({"metadata": conditions}), true)?;
    let resource = write.target.resource;
    let key = store::key_of(&live);
    if finalizers(&live).is_empty() {
        if !write.dry_run {
            store::remove(state, resource, &key);
        }
        let details = json!({
            "name": key.name, "kind": resource.plural, "group": resource.group,
            "uid": live.pointer("/metadata/uid"),
        });
        return Ok(Answer::json(
            200,
            json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                "details": details,
            }),
        ));
    }
    let mut marked = live.clone();
    if let Some(metadata) = store::metadata(&mut marked)
        && !metadata.contains_key("deletionTimestamp")
    {
        metadata.insert("deletionTimestamp".to_owned(), json!(clock::now()));
        metadata.insert("deletionGracePeriodSeconds".to_owned(), json!(0));
        return Ok(Answer::json(200, write.store(state, marked)));
    }
    Ok(Answer::json(200, live))
}

/// `metadata.finalizers`.
pub(crate) fn finalizers(object: &Value) -> Vec<String> {
    object
        .pointer("/metadata/finalizers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|item| item.as_str().map(ToOwned::to_owned))
        .collect()
}

/// Sets a top-level field.
pub(crate) fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}
