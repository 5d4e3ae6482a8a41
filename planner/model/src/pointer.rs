//! Values within JSON, by their place.

use serde_json::Value;

/// Finds what is at a place.
pub trait At {
    /// What a pointer such as `/spec/ports/0` names. As `Value::pointer`, which copies every name to
    /// unescape it: names here hold no `~` and no `/`.
    fn at(&self, pointer: &str) -> Option<&Value>;
}

impl At for Value {
    fn at(&self, pointer: &str) -> Option<&Value> {
        pointer.split('/').skip(1).try_fold(self, |value, name| match value {
            // Few names are compared sooner than one is hashed.
            Value::Object(fields) if fields.len() <= 8 => {
                fields.iter().find_map(|(key, value)| (key == name).then_some(value))
            }
            Value::Object(fields) => fields.get(name),
            Value::Array(items) => items.get(name.parse::<usize>().ok()?),
            _ => None,
        })
    }
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
