//! Reading, creating, replacing and deleting objects.

use privlink_core::kubernetes::server_side_apply::{self, Writer};
use privlink_core::kubernetes::service::Key;
use serde_json::{Map, Value, json};

use crate::clock;
use crate::server::{Answer, Call};
use crate::state::State;

use super::resource::Resource;
use super::selector::Selector;
use super::status::{Cause, Refusal};
use super::{admission, store, table};

/// What a path names.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The kind.
    pub resource: &'static Resource,
    /// The group it was asked under.
    pub group: String,
    /// The namespace, if one was named.
    pub namespace: Option<String>,
    /// The name, if one object was named.
    pub name: Option<String>,
    /// Whether its status was named.
    pub status: bool,
}

impl Target {
    /// The object's key.
    pub(super) fn key(&self) -> Key {
        Key::new(self.namespace.clone().unwrap_or_default(), self.name.clone().unwrap_or_default())
    }
}

/// A request that writes.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) target: Target,
    pub(super) body: Value,
    pub(super) manager: String,
    pub(super) force: bool,
    pub(super) dry_run: bool,
    pub(super) strict: bool,
}

impl Write {
    pub(super) fn of(call: &Call, target: Target) -> Result<Self, Refusal> {
        if is_protobuf(call) {
            return Err(Refusal::no_protobuf());
        }
        let body = if call.body.is_empty() {
            Value::Null
        } else {
            call.json().map_err(|error| {
                Refusal::bad_request(format!("the body of the request is not JSON: {error}"))
            })?
        };
        let dry_run = match call.parameter("dryRun").unwrap_or_default() {
            "" => body.get("dryRun").is_some_and(|stages| *stages == json!(["All"])),
            "All" => true,
            other => {
                let value = format!("[]string{{{other:?}}}");
                let cause = Cause {
                    reason: "FieldValueNotSupported",
                    message: format!("Unsupported value: {value}: supported values: \"All\""),
                    field: "dryRun".to_owned(),
                };
                let options = match call.method.as_str() {
                    "POST" => "CreateOptions",
                    "PUT" => "UpdateOptions",
                    "DELETE" => "DeleteOptions",
                    _ => "PatchOptions",
                };
                return Err(Refusal::invalid(&format!("{options}.meta.k8s.io"), "", &[cause]));
            }
        };
        // Who names no manager is known by the program's name, as in the API server.
        let program = call.header("user-agent").unwrap_or("unknown");
        let program = program.split('/').next().unwrap_or("unknown");
        let manager = call.parameter("fieldManager").unwrap_or(program).to_owned();
        Ok(Self {
            target,
            body,
            manager,
            force: call.flag("force"),
            dry_run,
            strict: call.parameter("fieldValidation") == Some("Strict"),
        })
    }

    pub(super) fn writer<'a>(&'a self, time: &'a str, version: &'a str) -> Writer<'a> {
        let subresource = self.target.status.then_some("status");
        Writer { manager: &self.manager, api_version: version, time, subresource }
    }

    /// Stores the object, unless this is a dry run.
    pub(super) fn store(&self, state: &mut State, object: Value) -> Value {
        let key = store::key_of(&object);
        if self.dry_run { object } else { store::put(state, self.target.resource, &key, object) }
    }
}

/// Whether a request's body is in Kubernetes' protobuf encoding.
pub(super) fn is_protobuf(call: &Call) -> bool {
    call.header("content-type").is_some_and(|kind| kind.contains("protobuf"))
}

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
    let selector = Selector::parse(
        target.resource.kind,
        target.namespace.as_deref(),
        call.parameter("fieldSelector"),
        call.parameter("labelSelector"),
    )?;
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

/// POST.
pub(super) fn create(state: &mut State, write: &Write) -> Result<Answer, Refusal> {
    let issuer = state.world.issuer.clone();
    let object = admission::named(state, write, write.body.clone())?;
    let created = insert(state, write, object, |object, writer, schema| {
        let object = admission::read(write.target.resource, object);
        Ok(server_side_apply::track_update(schema, None, object, writer))
    });
    if created.is_err() || write.dry_run {
        state.world.issuer = issuer;
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
    let uid = uid.unwrap_or_else(|| state.world.issuer.guid(&format!("{}/{key}", resource.kind)));
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
    let issuer = state.world.issuer.clone();
    let completed = if write.target.status {
        Ok(object)
    } else {
        admission::completed(state, resource, object, Some(live))
    };
    if completed.is_err() || write.dry_run {
        state.world.issuer = issuer;
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
    if write.target.status {
        // Metadata may be written either way: controllers add finalizers through the status.
        match live.get("spec") {
            Some(spec) => set(&mut object, "spec", spec.clone()),
            None => drop(object.as_object_mut().and_then(|object| object.shift_remove("spec"))),
        }
        return object;
    }
    if write.target.resource.has_status {
        match live.get("status") {
            Some(status) => set(&mut object, "status", status.clone()),
            None => {
                if let Some(object) = object.as_object_mut() {
                    object.shift_remove("status");
                }
            }
        }
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
