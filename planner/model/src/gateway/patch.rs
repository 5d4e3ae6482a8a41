//! What parameters lay over a Service: a strategic merge patch, or a merge patch of JSON.

use serde_json::Value;

/// What comes of a patch: mappings are merged, null removes, ports are merged by their number, other lists are replaced.
/// Nothing where the patch has directives (`$patch`, `$setElementOrder`), which are not followed, or is no mapping.
pub fn laid(object: &Value, patch: &Value) -> Option<Value> {
    let mut object = object.clone();
    match patch {
        Value::Null => Some(object),
        Value::Object(_) => lay(&mut object, patch, "").then_some(object),
        _ => None,
    }
}

/// What comes of a merge patch (RFC 7386): mappings are merged, null removes, everything else is replaced.
pub fn merged(object: &Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut object = object.as_object().cloned().unwrap_or_default();
    for (name, value) in patch {
        if value.is_null() {
            object.shift_remove(name);
        } else {
            let own = merged(object.get(name).unwrap_or(&Value::Null), value);
            object.insert(name.clone(), own);
        }
    }
    object.into()
}

fn lay(object: &mut Value, patch: &Value, field: &str) -> bool {
    match (object, patch) {
        (Value::Object(object), Value::Object(patch)) => patch.iter().all(|(name, value)| {
            if name.starts_with('$') {
                return false;
            }
            if value.is_null() {
                object.shift_remove(name);
                return true;
            }
            match object.get_mut(name) {
                Some(own) => lay(own, value, name),
                None => {
                    object.insert(name.clone(), value.clone());
                    !has_directive(value)
                }
            }
        }),
        (Value::Array(object), Value::Array(patch)) if field == "ports" => {
            patch.iter().all(|port| {
                let number = port.get("port");
                let same =
                    object.iter_mut().find(|it| number.is_some() && it.get("port") == number);
                match same {
                    Some(own) => lay(own, port, ""),
                    None => {
                        object.push(port.clone());
                        !has_directive(port)
                    }
                }
            })
        }
        (object, patch) => {
            *object = patch.clone();
            !has_directive(patch)
        }
    }
}

/// Whether something in it is a directive.
fn has_directive(value: &Value) -> bool {
    match value {
        Value::Object(fields) => {
            fields.iter().any(|(name, value)| name.starts_with('$') || has_directive(value))
        }
        Value::Array(items) => items.iter().any(has_directive),
        _ => false,
    }
}
