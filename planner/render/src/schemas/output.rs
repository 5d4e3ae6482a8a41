//! JSON Schemas of what is printed and saved, from the types themselves.

use std::collections::BTreeMap;

use schemars::schema_for;
use serde_json::{Map, Value, json};

use privlink_core::difference::SnapshotDiff;
use privlink_core::drift;
use privlink_core::event::Event;
use privlink_core::explanation::Explanation;
use privlink_core::plan::Plan;
use privlink_core::preflight;
use privlink_core::report::Report;
use privlink_core::route::Route;
use privlink_core::saved::SavedPlan;
use privlink_core::snapshot::Snapshot;
use privlink_core::version::Version;

use crate::fleet::record::FleetReport;

/// The schema files of plans, runs over many stacks, snapshots, drift, preflights, explanations, routes, events, reports and versions, by name.
pub fn output_files() -> BTreeMap<&'static str, Value> {
    BTreeMap::from([
        ("plan.schema.json", schema_for!(Plan).to_value()),
        ("snapshot.schema.json", schema_for!(Snapshot).to_value()),
        ("diff.schema.json", schema_for!(SnapshotDiff).to_value()),
        ("drift.schema.json", schema_for!(drift::Report).to_value()),
        ("preflight.schema.json", schema_for!(preflight::Report).to_value()),
        ("fleet.schema.json", schema_for!(FleetReport).to_value()),
        ("event.schema.json", schema_for!(Event).to_value()),
        ("explanation.schema.json", schema_for!(Explanation).to_value()),
        ("saved-plan.schema.json", saved_plan()),
        ("route.schema.json", schema_for!(Route).to_value()),
        ("report.schema.json", schema_for!(Report).to_value()),
        ("version.schema.json", schema_for!(Version).to_value()),
    ])
}

/// The schema of saved plans. Each text of the plan and of what it is bound to may be unknown in part.
fn saved_plan() -> Value {
    let mut schema = schema_for!(SavedPlan).to_value();
    let Some(definitions) = schema.get_mut("$defs").and_then(Value::as_object_mut) else {
        return schema;
    };
    for (name, definition) in definitions.iter_mut() {
        // A home was read, and holds nothing that is unknown.
        if name != "Home" {
            allow_unknown(definition);
        }
    }
    definitions.insert("PartlyUnknown".to_owned(), partly_unknown());
    schema
}

/// Lets fields of texts hold texts that are unknown in part.
fn allow_unknown(schema: &mut Value) {
    match schema {
        Value::Array(schemas) => schemas.iter_mut().for_each(allow_unknown),
        Value::Object(fields) => {
            let is_any_text = !fields.contains_key("enum") && !fields.contains_key("const");
            let of_text = fields.get("type").is_some_and(|it| {
                let kinds = it.as_array().map_or(std::slice::from_ref(it), Vec::as_slice);
                kinds.contains(&json!("string"))
            });
            if is_any_text && of_text {
                let mut text = Map::new();
                for keyword in ["type", "pattern", "format"] {
                    text.extend(fields.shift_remove_entry(keyword));
                }
                let unknown = json!({"$ref": "#/$defs/PartlyUnknown"});
                fields.insert("anyOf".to_owned(), json!([text, unknown]));
            } else {
                fields.values_mut().for_each(allow_unknown);
            }
        }
        _ => {}
    }
}

fn partly_unknown() -> Value {
    json!({
        "description": "A text of which a part is unknown until something else is created: its parts, in order.",
        "type": "object",
        "properties": {
            "$unknown": {"type": "array", "items": {"anyOf": [
                {"type": "string"},
                {
                    "type": "object",
                    "properties": {
                        "what": {"type": "string", "description": "What is unknown, such as `uid`."},
                        "of": {"type": "string", "description": "Of which object."},
                        "first": {
                            "type": "integer",
                            "minimum": 0,
                            "description": "How many of its first characters are meant, if not all.",
                        },
                    },
                    "required": ["what", "of"],
                    "additionalProperties": false,
                },
                {
                    "type": "object",
                    "properties": {
                        "character": {
                            "type": "integer",
                            "description": "One of U+E000 to U+E003, as it was read.",
                        },
                    },
                    "required": ["character"],
                    "additionalProperties": false,
                },
            ]}},
        },
        "required": ["$unknown"],
        "additionalProperties": false,
    })
}
