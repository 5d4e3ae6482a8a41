//! Merging, pruning and comparing by a schema.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::field_set::{Element, FieldSet, Path};
use super::schema::{Schema, item_key};

/// What differs between two objects.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) added: FieldSet,
    pub(super) modified: FieldSet,
    pub(super) removed: FieldSet,
}

/// The value without nulls in objects: `null` in a configuration says nothing.
pub(super) fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(object) => Value::Object(
            object
                .iter()
                .filter(|(_, child)| !child.is_null())
                .map(|(name, child)| (name.clone(), without_nulls(child)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        scalar => scalar.clone(),
    }
}

/// The fields an apply of this object owns (`typed/tofieldset.go`).
pub(super) fn fields(value: &Value, schema: &Schema) -> FieldSet {
    let mut set = FieldSet::default();
    collect(value, schema, &mut Vec::new(), &mut set);
    set
}

fn collect(value: &Value, schema: &Schema, path: &mut Path, set: &mut FieldSet) {
    match (schema, value) {
        (Schema::Struct(known), Value::Object(object)) => {
            if object.is_empty() && !path.is_empty() {
                set.insert(path.clone());
            }
            for (name, child) in object {
                if let Some((_, schema)) = known.iter().find(|(field, _)| field == name) {
                    path.push(Element::Field(name.clone()));
                    collect(child, schema, path, set);
                    path.pop();
                }
            }
        }
        (Schema::Deduced, Value::Object(object)) if !object.is_empty() => {
            for (name, child) in object {
                path.push(Element::Field(name.clone()));
                collect(child, schema, path, set);
                path.pop();
            }
        }
        (Schema::Map, Value::Object(object)) => {
            if object.is_empty() {
                set.insert(path.clone());
            }
            for name in object.keys() {
                path.push(Element::Field(name.clone()));
                set.insert(path.clone());
                path.pop();
            }
        }
        (Schema::Keyed(keys, schema), Value::Array(items)) => {
            for item in items {
                path.push(item_key(item, keys));
                set.insert(path.clone());
                collect(item, schema, path, set);
                path.pop();
            }
        }
        (Schema::Set, Value::Array(items)) => {
            for item in items {
                path.push(Element::Value(item.to_string()));
                set.insert(path.clone());
                path.pop();
            }
        }
        _ => set.insert(path.clone()),
    }
}

/// `live` with what `config` says laid over it.
pub(super) fn merge(live: &Value, config: &Value, schema: &Schema) -> Value {
    match (schema, live, config) {
        (Schema::Struct(known), Value::Object(old), Value::Object(new)) => {
            let mut merged = old.clone();
            for (name, child) in new {
                let schema = known.iter().find(|(field, _)| field == name).map(|(_, s)| s);
                let value = match (schema, old.get(name)) {
                    (Some(schema), Some(before)) => merge(before, child, schema),
                    _ => child.clone(),
                };
                merged.insert(name.clone(), value);
            }
            Value::Object(merged)
        }
        (Schema::Deduced, Value::Object(old), Value::Object(new)) => {
            let mut merged = old.clone();
            for (name, child) in new {
                let value =
                    old.get(name).map_or_else(|| child.clone(), |o| merge(o, child, schema));
                merged.insert(name.clone(), value);
            }
            Value::Object(merged)
        }
        (Schema::Map, Value::Object(old), Value::Object(new)) => {
            let mut merged = old.clone();
            merged.extend(new.iter().map(|(name, child)| (name.clone(), child.clone())));
            Value::Object(merged)
        }
        (Schema::Keyed(keys, schema), Value::Array(old), Value::Array(new)) => {
            merge_lists(old, new, |item| item_key(item, keys), |a, b| merge(a, b, schema))
        }
        (Schema::Set, Value::Array(old), Value::Array(new)) => {
            merge_lists(old, new, |item| Element::Value(item.to_string()), |_, b| b.clone())
        }
        _ => config.clone(),
    }
}

/// Items of both lists; those that both have keep the order of the new one, as
/// `typed/merge.go` (`mergeListItems`) has it.
fn merge_lists(
    old: &[Value],
    new: &[Value],
    key: impl Fn(&Value) -> Element,
    merge: impl Fn(&Value, &Value) -> Value,
) -> Value {
    let old_keys: Vec<Element> = old.iter().map(&key).collect();
    let new_keys: BTreeSet<Element> = new.iter().map(&key).collect();
    let mut waiting = old.iter().zip(&old_keys).peekable();
    let mut merged = Vec::new();
    for item in new {
        let item_key = key(item);
        let before = old.iter().zip(&old_keys).find(|(_, other)| **other == item_key);
        if let Some((before, _)) = before {
            // Items only the old list has stay in front of the shared item they stood before.
            while let Some((other, _)) = waiting.next_if(|(_, other)| !new_keys.contains(other)) {
                merged.push(other.clone());
            }
            waiting.next();
            merged.push(merge(before, item));
        } else {
            merged.push(item.clone());
        }
    }
    for (other, other_key) in waiting {
        if !new_keys.contains(other_key) {
            merged.push(other.clone());
        }
    }
    Value::Array(merged)
}

/// Removes `gone` from the object, but for what is still owned (`merge/update.go`, `prune`). An item
/// of a keyed list goes with everything in it that nobody owns.
pub(super) fn prune(object: &mut Value, gone: &FieldSet, owned: &FieldSet, schema: &Schema) {
    for path in gone.iter() {
        if owned.contains(path) || owned.has_below(path) {
            continue;
        }
        // The keys of an item that stays, stay.
        if let [.., Element::Key(keys), Element::Field(name)] = path.as_slice()
            && keys.contains(&format!("\"{name}\":"))
            && let Some(item) = path.split_last().map(|(_, item)| item)
            && (owned.contains(item) || owned.has_below(item))
        {
            continue;
        }
        remove(object, path, schema);
    }
}

fn remove(value: &mut Value, path: &[Element], schema: &Schema) {
    let Some((first, rest)) = path.split_first() else { return };
    match (first, schema) {
        (Element::Field(name), Schema::Struct(_) | Schema::Deduced) => {
            let Some(object) = value.as_object_mut() else { return };
            let field = match schema {
                Schema::Struct(known) => {
                    known.iter().find(|(field, _)| field == name).map(|(_, s)| s)
                }
                _ => Some(schema),
            };
            if rest.is_empty() {
                object.shift_remove(name);
            } else if let (Some(child), Some(schema)) = (object.get_mut(name), field) {
                remove(child, rest, schema);
                let emptied = match child {
                    Value::Object(fields) => fields.is_empty(),
                    Value::Array(items) => items.is_empty(),
                    _ => false,
                };
                if emptied {
                    object.shift_remove(name);
                }
            }
        }
        (Element::Field(name), Schema::Map) => {
            if let Some(object) = value.as_object_mut() {
                object.shift_remove(name);
            }
        }
        (Element::Key(_), Schema::Keyed(keys, item_schema)) => {
            let Some(items) = value.as_array_mut() else { return };
            if rest.is_empty() {
                items.retain(|item| item_key(item, keys) != *first);
            } else if let Some(item) = items.iter_mut().find(|item| item_key(item, keys) == *first)
            {
                remove(item, rest, item_schema);
            }
        }
        (Element::Value(_), Schema::Set) => {
            if let Some(items) = value.as_array_mut() {
                items.retain(|item| Element::Value(item.to_string()) != *first);
            }
        }
        _ => {}
    }
}

/// What differs between `old` and `new` (`typed/compare.go`).
pub(super) fn compare(old: &Value, new: &Value, schema: &Schema) -> Changes {
    let mut changes = Changes::default();
    walk(Some(old), Some(new), schema, &mut Vec::new(), &mut changes);
    changes
}

fn walk(
    old: Option<&Value>,
    new: Option<&Value>,
    schema: &Schema,
    path: &mut Path,
    changes: &mut Changes,
) {
    let leaf = match schema {
        Schema::Atomic => true,
        Schema::Deduced => !old.or(new).is_some_and(Value::is_object),
        _ => false,
    };
    if leaf {
        match (old, new) {
            (None, Some(_)) => changes.added.insert(path.clone()),
            (Some(_), None) => changes.removed.insert(path.clone()),
            (Some(a), Some(b)) if a != b => changes.modified.insert(path.clone()),
            _ => {}
        }
        return;
    }
    match (old, new) {
        (None, Some(_)) => changes.added.insert(path.clone()),
        (Some(_), None) => changes.removed.insert(path.clone()),
        _ => {}
    }
    match schema {
        Schema::Atomic => {}
        Schema::Deduced => {
            let none = Map::new();
            let (old, new) = (
                old.and_then(Value::as_object).unwrap_or(&none),
                new.and_then(Value::as_object).unwrap_or(&none),
            );
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                path.push(Element::Field(name.clone()));
                walk(old.get(name), new.get(name), schema, path, changes);
                path.pop();
            }
        }
        Schema::Struct(known) => {
            for (name, schema) in *known {
                let (old, new) =
                    (old.and_then(|object| object.get(name)), new.and_then(|o| o.get(name)));
                if old.is_some() || new.is_some() {
                    path.push(Element::Field((*name).to_owned()));
                    walk(old, new, schema, path, changes);
                    path.pop();
                }
            }
        }
        Schema::Map => {
            let none = Map::new();
            let (old, new) = (
                old.and_then(Value::as_object).unwrap_or(&none),
                new.and_then(Value::as_object).unwrap_or(&none),
            );
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                path.push(Element::Field(name.clone()));
                walk(old.get(name), new.get(name), &Schema::Atomic, path, changes);
                path.pop();
            }
        }
        Schema::Keyed(keys, item) => {
            walk_items(old, new, |value| item_key(value, keys), item, path, changes);
        }
        Schema::Set => {
            let key = |value: &Value| Element::Value(value.to_string());
            walk_items(old, new, key, &Schema::Atomic, path, changes);
        }
    }
}

fn walk_items(
    old: Option<&Value>,
    new: Option<&Value>,
    key: impl Fn(&Value) -> Element,
    schema: &Schema,
    path: &mut Path,
    changes: &mut Changes,
) {
    let items = |list: Option<&'_ Value>| -> Vec<(Element, Value)> {
        list.and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(|item| (key(item), item.clone()))
            .collect()
    };
    let (old, new) = (items(old), items(new));
    let keys: BTreeSet<&Element> = old.iter().chain(&new).map(|(key, _)| key).collect();
    let find = |list: &'_ [(Element, Value)], key: &Element| {
        list.iter().find(|(other, _)| other == key).map(|(_, item)| item.clone())
    };
    for key in keys {
        path.push(key.clone());
        walk(find(&old, key).as_ref(), find(&new, key).as_ref(), schema, path, changes);
        path.pop();
    }
}
