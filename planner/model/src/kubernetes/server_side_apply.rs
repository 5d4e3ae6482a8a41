//! Server-side apply: who manages which field of an object, and what an apply makes of it.
//!
//! A pure rendering of the algorithm of `sigs.k8s.io/structured-merge-diff` (`merge/update.go`) with
//! the API server's layer around it (`apimachinery/pkg/util/managedfields`): fields are owned by
//! managers; an apply owns what its configuration says, removes what it said before and says no
//! longer (unless another manager owns it too), and conflicts when it would change a field that
//! another manager owns. Not modelled: conversion between versions, since only `v1` is served, and
//! the cap on the number of managers.

mod field_set;
mod merge;
mod schema;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};

use crate::pointer::At;

pub use field_set::{Element, FieldSet, Path};
pub use schema::{SERVICE, Schema};

/// Who writes, and when.
#[derive(Clone, Debug)]
pub struct Writer<'a> {
    /// The field manager's name.
    pub manager: &'a str,
    /// The version of the object written, such as `v1`.
    pub api_version: &'a str,
    /// The time of the write, in RFC 3339 with seconds.
    pub time: &'a str,
    /// `status` for a write to the status subresource.
    pub subresource: Option<&'a str>,
}

/// One entry's identity in `metadata.managedFields`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Manager {
    /// The field manager's name.
    pub name: String,
    /// `Apply` or `Update`: the same name may own fields by either.
    pub operation: String,
    /// The version it wrote in.
    pub api_version: String,
    /// The subresource it wrote to, empty for the object itself.
    pub subresource: String,
    /// When it last wrote. Part of the message of a conflict.
    pub time: String,
}

impl fmt::Display for Manager {
    /// As the API server names a manager in a conflict (`managedfields/internal/conflict.go`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.name)?;
        if !self.subresource.is_empty() {
            write!(f, " with subresource {:?}", self.subresource)?;
        }
        if self.operation == "Update" {
            write!(f, " using {}", self.api_version)?;
            if !self.time.is_empty() {
                write!(f, " at {}", self.time)?;
            }
        }
        Ok(())
    }
}

/// A field that another manager owns and the apply would change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The manager that owns it.
    pub manager: Manager,
    /// The field, as the API server writes it (`.spec.ports[port=80,protocol="TCP"].targetPort`).
    pub field: String,
}

/// The message of an apply that met conflicts, as the API server words it.
pub fn conflict_message(conflicts: &[Conflict]) -> String {
    if let [conflict] = conflicts {
        let Conflict { manager, field } = conflict;
        return format!("Apply failed with 1 conflict: conflict with {manager}: {field}");
    }
    let mut by_manager: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for conflict in conflicts {
        by_manager.entry(conflict.manager.to_string()).or_default().push(&conflict.field);
    }
    let mut lines = Vec::new();
    for (manager, fields) in by_manager {
        lines.push(format!("conflicts with {manager}:"));
        lines.extend(fields.into_iter().map(|field| format!("- {field}")));
    }
    format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
}

/// What tells managers apart: name, operation and subresource.
type ManagerKey = (String, String, String);

/// The managers of an object, decoded from its `metadata.managedFields`.
type Managers = BTreeMap<ManagerKey, (Manager, FieldSet)>;

fn key_of(manager: &Manager) -> ManagerKey {
    (manager.name.clone(), manager.operation.clone(), manager.subresource.clone())
}

impl Writer<'_> {
    fn manager(&self, operation: &str) -> Manager {
        Manager {
            name: self.manager.to_owned(),
            operation: operation.to_owned(),
            api_version: self.api_version.to_owned(),
            subresource: self.subresource.unwrap_or_default().to_owned(),
            time: self.time.to_owned(),
        }
    }
}

/// The managers of an object with what they own.
pub fn managers(object: &Value) -> Vec<(Manager, FieldSet)> {
    decode(object).into_values().collect()
}

/// Whether applying `config` to `live` changes nothing: it says what is there, and all that the writer
/// owns. The API server then writes nothing, whoever else owns what. Items of a list come without
/// `apiVersion` and `kind`, which nobody owns.
pub fn is_applied(schema: &Schema, live: &Value, config: &Value, writer: &Writer<'_>) -> bool {
    let of_object =
        |name: &str| !["apiVersion", "kind"].contains(&name) || live.get(name).is_some();
    merge::says_nothing_new_of(live, config, schema, of_object)
        && decoded(live, &key_of(&writer.manager("Apply"))).is_some_and(|(_, last)| {
            let config = merge::without_nulls(config);
            last == merge::fields(&config, schema).without_identity()
        })
}

/// What applying `config` makes of `live`, as [`apply`] does, but for who then manages what: the
/// result has no `metadata.managedFields`.
///
/// # Errors
/// As for [`apply`].
pub fn applied(
    schema: &Schema,
    live: Option<&Value>,
    config: &Value,
    writer: &Writer<'_>,
    force: bool,
) -> Result<Value, Vec<Conflict>> {
    let config = said(config);
    match live {
        None => Ok(created(&config, schema)),
        Some(live) => {
            let wanted = merge::fields(&config, schema).without_identity();
            Laid::over(schema, live, &config, (writer, wanted), force).map(|laid| laid.object)
        }
    }
}

/// What applying `config` makes of `live` (nothing there: a create).
///
/// The result carries the new `metadata.managedFields`; server defaults are the caller's. When the
/// apply changes nothing, the result equals `live`, times included.
///
/// # Errors
/// The fields that other managers own and that the apply would change, unless `force`.
pub fn apply(
    schema: &Schema,
    live: Option<&Value>,
    config: &Value,
    writer: &Writer<'_>,
    force: bool,
) -> Result<Value, Vec<Conflict>> {
    let config = said(config);
    let wanted = merge::fields(&config, schema).without_identity();
    let Some(live) = live else {
        let own = writer.manager("Apply");
        let mut object = created(&config, schema);
        encode(&mut object, Managers::from([(key_of(&own), (own, wanted))]));
        return Ok(object);
    };
    let Laid { mut object, managers, changed } =
        Laid::over(schema, live, &config, (writer, wanted), force)?;
    if !changed {
        return Ok(live.clone());
    }
    encode(&mut object, managers);
    Ok(object)
}

/// What a configuration says: nulls say nothing, and managers are not part of one.
fn said(config: &Value) -> Value {
    let mut config = merge::without_nulls(config);
    remove_managed_fields(&mut config);
    config
}

fn created(config: &Value, schema: &Schema) -> Value {
    let mut object = json!({});
    merge::merge(&mut object, config, schema);
    object
}

/// A configuration laid over a live object.
struct Laid {
    /// The object, without its managers.
    object: Value,
    managers: Managers,
    /// Whether the object or its managers are others than before.
    changed: bool,
}

impl Laid {
    fn over(
        schema: &Schema,
        live: &Value,
        config: &Value,
        (writer, wanted): (&Writer<'_>, FieldSet),
        force: bool,
    ) -> Result<Self, Vec<Conflict>> {
        let own = writer.manager("Apply");
        let own_key = key_of(&own);
        let bare_live = bare(live);
        let mut object = bare_live.clone();
        merge::merge(&mut object, config, schema);
        let mut managers = decode(live);
        let before = managers.insert(own_key.clone(), (own.clone(), wanted.clone()));
        let gone = before.as_ref().map(|(_, last)| last.difference(&wanted)).unwrap_or_default();
        if !gone.is_empty() {
            let owned = managers.values().fold(FieldSet::default(), |all, (_, set)| all.union(set));
            merge::prune(&mut object, &gone, &owned, schema);
        }

        let changes = merge::compare(&bare_live, &object, schema);
        let touched = changes.modified.union(&changes.added);
        let mut conflicts = Vec::new();
        for (key, (manager, fields)) in &mut managers {
            if *key == own_key {
                continue;
            }
            let contested = fields.intersection(&touched);
            let conflict =
                |path| Conflict { manager: manager.clone(), field: field_set::show(path) };
            conflicts.extend(contested.iter().map(|path| conflict(path)));
            *fields = fields.difference(&contested).difference(&changes.removed);
        }
        if !force && !conflicts.is_empty() {
            return Err(conflicts);
        }
        let unchanged = object == bare_live
            && before.is_some_and(|(old, fields)| fields == wanted && old.name == own.name);
        Ok(Self { object, managers, changed: !unchanged || !conflicts.is_empty() })
    }
}

/// `new` with its `metadata.managedFields` brought up to date after a write that was no apply: the
/// writer owns what it changed, and takes it from whoever owned it.
#[must_use]
pub fn track_update(
    schema: &Schema,
    live: Option<&Value>,
    mut new: Value,
    writer: &Writer<'_>,
) -> Value {
    // A created object is compared with an empty one of its kind, whose struct fields exist.
    let empty = json!({"metadata": {}, "spec": {}, "status": {"loadBalancer": {}}});
    let live = live.unwrap_or(&empty);
    let mut managers = decode(live);
    remove_managed_fields(&mut new);
    let changes = merge::compare(&bare(live), &new, schema);
    let touched = changes.modified.union(&changes.added).without_identity();
    let own = writer.manager("Update");
    let own_key = key_of(&own);
    for (key, (_, fields)) in &mut managers {
        *fields = fields.difference(&changes.removed);
        if *key != own_key {
            *fields = fields.difference(&touched);
        }
    }
    if !touched.is_empty() {
        let entry = managers.entry(own_key).or_insert_with(|| (own.clone(), FieldSet::default()));
        entry.0 = own;
        entry.1 = entry.1.union(&touched);
    }
    encode(&mut new, managers);
    new
}

/// A copy of an object without its managers.
fn bare(object: &Value) -> Value {
    let Value::Object(fields) = object else { return object.clone() };
    let copy = |(name, value): (&String, &Value)| {
        let value = match value {
            Value::Object(metadata) if name == "metadata" => {
                let kept = metadata.iter().filter(|(name, _)| *name != "managedFields");
                Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
            }
            value => value.clone(),
        };
        (name.clone(), value)
    };
    Value::Object(fields.iter().map(copy).collect())
}

fn remove_managed_fields(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("managedFields");
    }
}

fn entries(object: &Value) -> impl DoubleEndedIterator<Item = &Value> {
    let entries = object.at("/metadata/managedFields").and_then(Value::as_array);
    entries.into_iter().flatten()
}

fn manager_of(entry: &Value) -> Manager {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Manager {
        name: text("manager"),
        operation: text("operation"),
        api_version: text("apiVersion"),
        subresource: text("subresource"),
        time: text("time"),
    }
}

fn fields_of(entry: &Value) -> FieldSet {
    entry.get("fieldsV1").map(FieldSet::decode).unwrap_or_default()
}

fn decode(object: &Value) -> Managers {
    let decoded = entries(object).map(|entry| {
        let manager = manager_of(entry);
        (key_of(&manager), (manager, fields_of(entry)))
    });
    decoded.collect()
}

/// What one manager owns. Of several entries the last counts, as in [`decode`].
fn decoded(object: &Value, key: &ManagerKey) -> Option<(Manager, FieldSet)> {
    entries(object).rev().find_map(|entry| {
        let manager = manager_of(entry);
        (key_of(&manager) == *key).then(|| (manager, fields_of(entry)))
    })
}

fn encode(object: &mut Value, managers: Managers) {
    // The API server's order: applies first, then by time, then by name.
    let mut entries: Vec<(Manager, FieldSet)> =
        managers.into_values().filter(|(_, fields)| !fields.is_empty()).collect();
    entries.sort_by(|(a, _), (b, _)| {
        (&a.operation, &a.time, &a.name, &a.subresource).cmp(&(
            &b.operation,
            &b.time,
            &b.name,
            &b.subresource,
        ))
    });
    let encoded: Vec<Value> = entries
        .into_iter()
        .map(|(manager, fields)| {
            let mut entry = json!({
                "manager": manager.name,
                "operation": manager.operation,
                "apiVersion": manager.api_version,
                "time": manager.time,
                "fieldsType": "FieldsV1",
                "fieldsV1": fields.encode(),
            });
            if let (false, Some(entry)) = (manager.subresource.is_empty(), entry.as_object_mut()) {
                entry.insert("subresource".to_owned(), Value::String(manager.subresource));
            }
            entry
        })
        .collect();
    let Some(object) = object.as_object_mut() else { return };
    let metadata = object.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    if let (false, Some(metadata)) = (encoded.is_empty(), metadata.as_object_mut()) {
        metadata.insert("managedFields".to_owned(), Value::Array(encoded));
    }
}

#[cfg(test)]
mod tests;
