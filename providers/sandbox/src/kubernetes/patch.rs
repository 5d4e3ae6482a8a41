//! PATCH, in its four forms.

use privlink_model::kubernetes::server_side_apply::{self, Conflict};
use serde_json::Value;

use crate::clock;
use crate::server::{Answer, Call};
use crate::state::State;

use super::admission;
use super::status::Refusal;
use super::write::Write;
use super::{object, service};
use privlink_model::kubernetes::validation::Cause;

/// Answers a PATCH.
pub(super) fn patch(state: &mut State, call: &Call, write: &Write) -> Result<Answer, Refusal> {
    let content_type = call.header("content-type").unwrap_or_default();
    let form = content_type.split(';').next().unwrap_or_default().trim();
    match form {
        "application/apply-patch+yaml" | "application/apply-patch+cbor" => {
            if call.parameter("fieldManager").unwrap_or_default().is_empty() {
                let causes = [Cause {
                    reason: "FieldValueRequired",
                    message: "Required value: is required for apply patch".to_owned(),
                    field: "fieldManager".to_owned(),
                }];
                return Err(Refusal::invalid("PatchOptions.meta.k8s.io", "", &causes));
            }
            apply(state, write)
        }
        "application/merge-patch+json" => change(state, write, merge_patch),
        "application/strategic-merge-patch+json" => change(state, write, strategic_patch),
        "application/json-patch+json" => {
            let live = object::live(state, write)?;
            let patched = json_patch(&live, &write.body)?;
            Ok(Answer::json(200, object::update(state, write, patched)?))
        }
        _ => Err(Refusal::unsupported_media_type()),
    }
}

fn change(
    state: &mut State,
    write: &Write,
    patch: fn(&Value, &Value) -> Value,
) -> Result<Answer, Refusal> {
    let live = object::live(state, write)?;
    object::check_preconditions(write, &live, &write.body, false)?;
    let patched = patch(&live, &write.body);
    if write.target.resource.kind == "Service"
        && let Some(wrong) = service::wrong_type(&patched)
    {
        // The API server quotes the object as it would be, not as it is decoded.
        let why = format!(
            "Invalid value: {:?}: json: cannot unmarshal {} into Go struct field {} of type {}",
            patched.to_string(),
            wrong.found,
            wrong.go_field,
            wrong.expected
        );
        let cause = Cause { reason: "FieldValueInvalid", message: why, field: "patch".to_owned() };
        return Err(Refusal::invalid("", "", &[cause]));
    }
    Ok(Answer::json(200, object::update(state, write, patched)?))
}

fn apply(state: &mut State, write: &Write) -> Result<Answer, Refusal> {
    if write.body.pointer("/metadata/managedFields").is_some_and(|fields| !fields.is_null()) {
        return Err(Refusal::bad_request("metadata.managedFields must be nil"));
    }
    let resource = write.target.resource;
    let config = admission::named(state, write, write.body.clone())?;
    let config = admission::applied(write, config)?;
    let key = write.target.key();
    let Some(live) = state.world.kubernetes.get(resource, &key).cloned() else {
        if write.target.status {
            return Err(Refusal::not_found(&resource.qualified(), &key.name));
        }
        let allocator = state.world.allocator.clone();
        let created = object::insert(state, write, config, |config, writer, schema| {
            server_side_apply::apply(schema, None, &config, writer, write.force)
                .map_err(|conflicts| conflict(&conflicts))
        });
        if created.is_err() || write.dry_run {
            state.world.allocator = allocator;
        }
        return Ok(Answer::json(201, created?));
    };
    object::check_preconditions(write, &live, &config, false)?;
    // What the object's own endpoint may not write, its status may, and the other way round.
    let mut config = config;
    if let Some(config) = config.as_object_mut() {
        config.shift_remove(if write.target.status { "spec" } else { "status" });
    }
    let now = clock::now();
    let version = resource.api_version();
    let applied = server_side_apply::apply(
        resource.schema,
        Some(&live),
        &config,
        &write.writer(&now, &version),
        write.force,
    )
    .map_err(|conflicts| conflict(&conflicts))?;
    Ok(Answer::json(200, object::finish(state, write, applied, &live)?))
}

fn conflict(conflicts: &[Conflict]) -> Refusal {
    let causes: Vec<Cause> = conflicts
        .iter()
        .map(|conflict| Cause {
            reason: "FieldManagerConflict",
            message: format!("conflict with {}", conflict.manager),
            field: conflict.field.clone(),
        })
        .collect();
    Refusal::apply_conflict(server_side_apply::conflict_message(conflicts), &causes)
}

/// RFC 7386.
fn merge_patch(live: &Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut merged = live.as_object().cloned().unwrap_or_default();
    for (name, value) in patch {
        if value.is_null() {
            merged.shift_remove(name);
        } else {
            let before = merged.get(name).unwrap_or(&Value::Null);
            merged.insert(name.clone(), merge_patch(before, value));
        }
    }
    Value::Object(merged)
}

/// Kubernetes' own patch, as far as kubectl's `edit`, `label`, `annotate`, `apply` and `patch` need
/// it for Services: ports merge by `port`, finalizers as a set, other lists are replaced; `$patch:
/// delete` and `$deleteFromPrimitiveList/` are honoured, `$setElementOrder` is not.
fn strategic_patch(live: &Value, patch: &Value) -> Value {
    strategic(live, patch, "")
}

fn strategic(live: &Value, patch: &Value, path: &str) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    if patch.get("$patch").and_then(Value::as_str) == Some("replace") {
        let mut replaced = patch.clone();
        replaced.shift_remove("$patch");
        return Value::Object(replaced);
    }
    let mut merged = live.as_object().cloned().unwrap_or_default();
    for (name, value) in patch {
        if let Some(list) = name.strip_prefix("$deleteFromPrimitiveList/") {
            let gone = value.as_array().cloned().unwrap_or_default();
            if let Some(items) = merged.get_mut(list).and_then(Value::as_array_mut) {
                items.retain(|item| !gone.contains(item));
            }
            continue;
        }
        if name.starts_with('$') {
            continue;
        }
        let child = format!("{path}.{name}");
        let before = merged.get(name).cloned().unwrap_or(Value::Null);
        let value = match (child.as_str(), value) {
            (_, Value::Null) => {
                merged.shift_remove(name);
                continue;
            }
            (".spec.ports", Value::Array(items)) => merge_items(&before, items, "port", &child),
            (".status.conditions", Value::Array(items)) => {
                merge_items(&before, items, "type", &child)
            }
            (".metadata.finalizers", Value::Array(items)) => {
                let mut all = before.as_array().cloned().unwrap_or_default();
                all.extend(
                    items.iter().filter(|item| !all.contains(item)).cloned().collect::<Vec<_>>(),
                );
                Value::Array(all)
            }
            _ => strategic(&before, value, &child),
        };
        merged.insert(name.clone(), value);
    }
    Value::Object(merged)
}

/// Items that are new come before those that were there.
fn merge_items(before: &Value, items: &[Value], key: &str, path: &str) -> Value {
    let mut merged = before.as_array().cloned().unwrap_or_default();
    let mut added = Vec::new();
    for item in items {
        let same = |other: &Value| other.get(key) == item.get(key);
        if item.get("$patch").and_then(Value::as_str) == Some("delete") {
            merged.retain(|other| !same(other));
        } else if let Some(other) = merged.iter_mut().find(|other| same(other)) {
            *other = strategic(other, item, path);
        } else {
            added.push(item.clone());
        }
    }
    added.append(&mut merged);
    Value::Array(added)
}

/// RFC 6902, without `move` and `copy`.
fn json_patch(live: &Value, patch: &Value) -> Result<Value, Refusal> {
    let refuse = |why: String| Refusal {
        code: 422,
        ..Refusal::bad_request(format!(
            "the server rejected our request due to an error in our request: {why}"
        ))
    };
    let operations = patch.as_array().ok_or_else(|| refuse("a JSON patch is a list".to_owned()))?;
    let mut object = live.clone();
    for operation in operations {
        let text = |name: &str| operation.get(name).and_then(Value::as_str).unwrap_or_default();
        let (op, path) = (text("op"), text("path"));
        let value = operation.get("value").cloned().unwrap_or(Value::Null);
        let (parent, last) = path.rsplit_once('/').unwrap_or(("", ""));
        let last = last.replace("~1", "/").replace("~0", "~");
        let done = match (op, object.pointer_mut(parent)) {
            ("test", Some(parent)) => parent.get(&last) == Some(&value),
            ("add" | "replace", Some(Value::Object(parent))) => {
                let fits = op == "add" || parent.contains_key(&last);
                parent.insert(last, value);
                fits
            }
            ("remove", Some(Value::Object(parent))) => parent.shift_remove(&last).is_some(),
            (_, Some(Value::Array(items))) => edit_list(items, op, &last, value),
            _ => false,
        };
        if !done {
            return Err(refuse(format!("{op} operation does not apply: {path}")));
        }
    }
    Ok(object)
}

fn edit_list(items: &mut Vec<Value>, op: &str, last: &str, value: Value) -> bool {
    if op == "add" && last == "-" {
        items.push(value);
        return true;
    }
    let Ok(index) = last.parse::<usize>() else { return false };
    match op {
        "add" if index <= items.len() => items.insert(index, value),
        "replace" => match items.get_mut(index) {
            Some(item) => *item = value,
            None => return false,
        },
        "remove" if index < items.len() => drop(items.remove(index)),
        _ => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn null_removes_in_a_merge_patch() {
        let live = json!({"metadata": {"annotations": {"a": "1", "b": "2"}}});
        let patch = json!({"metadata": {"annotations": {"a": null, "c": "3"}}});
        let merged = json!({"metadata": {"annotations": {"b": "2", "c": "3"}}});
        assert_eq!(merge_patch(&live, &patch), merged);
        assert_eq!(merge_patch(&json!({}), &json!({"a": {"b": null}})), json!({"a": {}}));
    }

    #[test]
    fn a_strategic_patch_merges_ports_and_finalizers() {
        let live = json!({
            "metadata": {"finalizers": ["x"]},
            "spec": {"ports": [{"port": 80, "nodePort": 30000}, {"port": 81}]},
        });
        let patch = json!({
            "metadata": {"finalizers": ["y"]},
            "spec": {"ports": [
                {"port": 80, "name": "web"}, {"port": 81, "$patch": "delete"}, {"port": 82},
            ]},
        });
        let patched = strategic_patch(&live, &patch);
        assert_eq!(patched["metadata"]["finalizers"], json!(["x", "y"]));
        assert_eq!(
            patched["spec"]["ports"],
            json!([{"port": 82}, {"port": 80, "nodePort": 30000, "name": "web"}])
        );
        let patch = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["x"]}});
        assert_eq!(strategic_patch(&live, &patch)["metadata"]["finalizers"], json!([]));
    }

    #[test]
    fn a_json_patch_that_does_not_fit_is_refused() {
        let live = json!({"spec": {"ports": [{"port": 80}]}});
        let patch = json!([
            {"op": "test", "path": "/spec/ports/0/port", "value": 80},
            {"op": "replace", "path": "/spec/ports/0", "value": {"port": 81}},
            {"op": "add", "path": "/spec/ports/-", "value": {"port": 82}},
        ]);
        let patched = json_patch(&live, &patch).expect("it fits");
        assert_eq!(patched["spec"]["ports"], json!([{"port": 81}, {"port": 82}]));
        let patch = json!([{"op": "remove", "path": "/spec/type"}]);
        assert_eq!(json_patch(&live, &patch).expect_err("nothing there").code, 422);
    }
}
