//! Merging, pruning and comparing by a schema.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::pointer::At;

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
                    path.push(Element::Field(name.as_str().into()));
                    collect(child, schema, path, set);
                    path.pop();
                }
            }
        }
        (Schema::Deduced, Value::Object(object)) if !object.is_empty() => {
            for (name, child) in object {
                path.push(Element::Field(name.as_str().into()));
                collect(child, schema, path, set);
                path.pop();
            }
        }
        (Schema::Map, Value::Object(object)) => {
            if object.is_empty() {
                set.insert(path.clone());
            }
            for name in object.keys() {
                path.push(Element::Field(name.as_str().into()));
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
                path.push(Element::Value(item.to_string().into()));
                set.insert(path.clone());
                path.pop();
            }
        }
        _ => set.insert(path.clone()),
    }
}

/// Lays what `config` says over `live`.
pub(super) fn merge(live: &mut Value, config: &Value, schema: &Schema) {
    match (schema, live, config) {
        (Schema::Struct(known), Value::Object(old), Value::Object(new)) => {
            for (name, child) in new {
                let schema = known.iter().find(|(field, _)| field == name).map(|(_, s)| s);
                lay(old, name, child, schema);
            }
        }
        (Schema::Deduced, Value::Object(old), Value::Object(new)) => {
            for (name, child) in new {
                lay(old, name, child, Some(schema));
            }
        }
        (Schema::Map, Value::Object(old), Value::Object(new)) => {
            for (name, child) in new {
                lay(old, name, child, None);
            }
        }
        (Schema::Keyed(keys, schema), Value::Array(old), Value::Array(new)) => {
            merge_lists(old, new, |item| item_key(item, keys), |a, b| merge(a, b, schema));
        }
        (Schema::Set, Value::Array(old), Value::Array(new)) => {
            let key = |item: &Value| Element::Value(item.to_string().into());
            merge_lists(old, new, key, |a, b| a.clone_from(b));
        }
        (_, live, config) => live.clone_from(config),
    }
}

/// Whether laying those fields of `config` that `counts` names over `live` leaves it as it is. May say
/// no where it does: where items of a list stand in another order.
pub(super) fn says_nothing_new_of(
    live: &Value,
    config: &Value,
    schema: &Schema,
    counts: impl Fn(&str) -> bool,
) -> bool {
    let (Schema::Struct(known), Value::Object(old), Value::Object(new)) = (schema, live, config)
    else {
        return says_nothing_new(live, config, schema);
    };
    new.iter().filter(|(name, child)| counts(name) && !child.is_null()).all(|(name, child)| {
        let of_it = known.iter().find(|(field, _)| field == name).map(|(_, s)| s);
        let of_it = of_it.unwrap_or(&Schema::Atomic);
        old.get(name).is_some_and(|old| says_nothing_new(old, child, of_it))
    })
}

fn says_nothing_new(live: &Value, config: &Value, schema: &Schema) -> bool {
    let has = |old: &Map<String, Value>, name: &str, child: &Value, schema: &Schema| {
        child.is_null() || old.get(name).is_some_and(|old| says_nothing_new(old, child, schema))
    };
    match (schema, live, config) {
        (Schema::Struct(known), Value::Object(old), Value::Object(new)) => {
            new.iter().all(|(name, child)| {
                let of_it = known.iter().find(|(field, _)| field == name).map(|(_, s)| s);
                has(old, name, child, of_it.unwrap_or(&Schema::Atomic))
            })
        }
        (Schema::Deduced, Value::Object(old), Value::Object(new)) => {
            new.iter().all(|(name, child)| has(old, name, child, schema))
        }
        (Schema::Map, Value::Object(old), Value::Object(new)) => {
            new.iter().all(|(name, child)| has(old, name, child, &Schema::Atomic))
        }
        (Schema::Keyed(keys, schema), Value::Array(old), Value::Array(new)) => {
            let same_item = |a: &Value, b: &Value| item_key(a, keys) == item_key(b, keys);
            let mut pairs = old.iter().zip(new);
            old.len() == new.len()
                && pairs.all(|(a, b)| same_item(a, b) && says_nothing_new(a, b, schema))
        }
        (_, live, config) => live == config,
    }
}

fn lay(old: &mut Map<String, Value>, name: &str, child: &Value, schema: Option<&Schema>) {
    match (old.get_mut(name), schema) {
        (Some(before), Some(schema)) => merge(before, child, schema),
        (Some(before), None) => before.clone_from(child),
        (None, _) => {
            old.insert(name.to_owned(), child.clone());
        }
    }
}

/// Items of both lists, as `typed/merge.go` (`mergeListItems`) puts them in order: those that both have in the order of
/// the new one, those of the old one alone where they stood before the next that both have, and those of the new one
/// alone behind them.
fn merge_lists(
    old: &mut Vec<Value>,
    new: &[Value],
    key: impl Fn(&Value) -> Element,
    merge: impl Fn(&mut Value, &Value),
) {
    let live = std::mem::take(old);
    let live: Vec<(Element, Value)> = live.into_iter().map(|it| (key(&it), it)).collect();
    let new: Vec<(Element, &Value)> = new.iter().map(|it| (key(it), it)).collect();
    let is_new = |wanted: &Element| new.iter().any(|(key, _)| key == wanted);
    let before = |wanted: &Element| live.iter().find(|(key, _)| key == wanted);
    let mut shared = new.iter().map(|(key, _)| key).filter(|key| before(key).is_some()).peekable();
    let (mut left, mut right) = (live.iter().peekable(), new.iter().peekable());
    let mut merged: BTreeSet<&Element> = BTreeSet::new();
    while left.peek().is_some() || right.peek().is_some() {
        if let (Some((here, _)), Some((there, _))) = (left.peek(), right.peek())
            && here != there
            && is_new(here)
            && shared.peek().is_some_and(|next| *next != here)
        {
            // Both have it, and another of those comes first.
            left.next();
            continue;
        }
        if let Some((_, item)) = left.next_if(|(key, _)| !is_new(key)) {
            old.push(item.clone());
            continue;
        }
        left.next_if(|(key, _)| {
            merged.contains(key) || right.peek().is_some_and(|(it, _)| it == key)
        });
        let Some((key, item)) = right.next() else { continue };
        shared.next_if(|next| *next == key);
        merged.insert(key);
        match before(key) {
            Some((_, live)) => {
                let mut both = live.clone();
                merge(&mut both, item);
                old.push(both);
            }
            None => old.push((*item).clone()),
        }
    }
}

/// Removes `gone` from the object, but for what is still owned (`merge/update.go`, `prune`). An item
/// of a keyed list is removed with everything in it that has no owner.
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
                    known.iter().find(|(field, _)| *field == name.as_ref()).map(|(_, s)| s)
                }
                _ => Some(schema),
            };
            if rest.is_empty() {
                object.shift_remove(name.as_ref());
            } else if let (Some(child), Some(schema)) = (object.get_mut(name.as_ref()), field) {
                remove(child, rest, schema);
                let emptied = match child {
                    Value::Object(fields) => fields.is_empty(),
                    Value::Array(items) => items.is_empty(),
                    _ => false,
                };
                if emptied {
                    object.shift_remove(name.as_ref());
                }
            }
        }
        (Element::Field(name), Schema::Map) => {
            if let Some(object) = value.as_object_mut() {
                object.shift_remove(name.as_ref());
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
                items.retain(|item| Element::Value(item.to_string().into()) != *first);
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
        // Nothing below differs either, so that no path to it need be made.
        (Some(old), Some(new)) if !matches!(schema, Schema::Struct(_)) && old == new => return,
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
                path.push(Element::Field(name.as_str().into()));
                walk(old.get(name), new.get(name), schema, path, changes);
                path.pop();
            }
        }
        Schema::Struct(known) => {
            for (name, schema) in *known {
                let (old, new) =
                    (old.and_then(|it| it.field(name)), new.and_then(|it| it.field(name)));
                if old.is_some() || new.is_some() {
                    path.push(Element::Field((*name).into()));
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
                path.push(Element::Field(name.as_str().into()));
                walk(old.get(name), new.get(name), &Schema::Atomic, path, changes);
                path.pop();
            }
        }
        Schema::Keyed(keys, item) => {
            walk_items(old, new, |value| item_key(value, keys), item, path, changes);
        }
        Schema::Set => {
            let key = |value: &Value| Element::Value(value.to_string().into());
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
    let old = keyed(old, &key);
    let new = keyed(new, &key);
    let keys: BTreeSet<&Element> = old.iter().chain(&new).map(|(key, _)| key).collect();
    for key in keys {
        path.push(key.clone());
        walk(find(&old, key), find(&new, key), schema, path, changes);
        path.pop();
    }
}

fn keyed<'a>(
    list: Option<&'a Value>,
    key: &impl Fn(&Value) -> Element,
) -> Vec<(Element, &'a Value)> {
    let items = list.and_then(Value::as_array).into_iter().flatten();
    items.map(|item| (key(item), item)).collect()
}

fn find<'a>(list: &[(Element, &'a Value)], key: &Element) -> Option<&'a Value> {
    list.iter().find(|(other, _)| other == key).map(|(_, item)| *item)
}
