//! Values within JSON, by their place.

use serde_json::{Map, Value};

/// Finds what is at a place.
pub trait At {
    /// What a pointer such as `/spec/ports/0` names. As `Value::pointer`, which copies every name to
    /// unescape it: names here hold no `~` and no `/`.
    fn at(&self, pointer: &str) -> Option<&Value>;

    /// The field of an object; nothing of other values.
    fn field(&self, name: &str) -> Option<&Value>;
}

impl At for Value {
    fn at(&self, pointer: &str) -> Option<&Value> {
        let (mut value, mut rest) = (self, pointer);
        while let Some(path) = rest.strip_prefix('/') {
            // Names are short: their bytes are looked at one by one sooner than a search is set up.
            let end = path.bytes().position(|byte| byte == b'/').unwrap_or(path.len());
            let (name, behind) = path.split_at_checked(end)?;
            value = match value {
                Value::Object(fields) => field(fields, name)?,
                Value::Array(items) => items.get(name.parse::<usize>().ok()?)?,
                _ => return None,
            };
            rest = behind;
        }
        Some(value)
    }

    fn field(&self, name: &str) -> Option<&Value> {
        field(self.as_object()?, name)
    }
}

/// The field of this name. Few names are compared sooner than one is hashed.
pub fn field<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if fields.len() > 16 {
        return fields.get(name);
    }
    fields.iter().find_map(|(key, value)| (key == name).then_some(value))
}

/// The text at a place; an empty one if there is none.
pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.at(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_is_found_as_serde_json_finds_it() {
        let value = json!({"a": {"b": [{"c": null}, 1]}, "": 2});
        for pointer in ["", "/a", "/a/b/0/c", "/a/b/1", "/a/b/2", "/a/b/x", "/a/c", "/a/b/1/d", "/"]
        {
            assert_eq!(value.at(pointer), value.pointer(pointer), "{pointer}");
        }
    }
}
