//! What Azure showed, taken in as its type and shown again: nothing of it is lost.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use privlink_model::arm::world::World;
use privlink_model::resource_id::ResourceId;
use serde_json::Value;

/// Every resource within a recording: what has an id and properties.
fn resources(value: &Value, found: &mut Vec<Value>) {
    match value {
        Value::Object(fields) => {
            let id = fields.get("id").and_then(Value::as_str).unwrap_or_default();
            if id.starts_with("/subscriptions/") && fields.contains_key("properties") {
                found.push(value.clone());
            }
            fields.values().for_each(|value| resources(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| resources(item, found)),
        _ => {}
    }
}

/// The value without fields that are null, which say no more than absent ones.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
            fields.map(|(name, value)| (name, without_nulls(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

#[test]
fn what_azure_shows_survives_its_type() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/recordings/azure");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "json") {
            resources(&serde_json::from_slice(&fs::read(path).unwrap()).unwrap(), &mut found);
        }
    }
    let mut types = BTreeSet::new();
    for resource in found {
        let id = ResourceId::new(resource["id"].as_str().unwrap());
        let mut world = World::default();
        world.insert(resource.clone()).unwrap();
        let shown = world.get(&id).unwrap();
        assert_eq!(without_nulls(shown), without_nulls(resource));
        types.insert(id.collection().unwrap_or_default().name().to_lowercase());
    }
    for typed in
        ["privateendpoints", "privatednszonegroups", "privatednszones", "virtualnetworklinks"]
    {
        assert!(types.contains(typed), "{typed} is in no recording: {types:?}");
    }
}
