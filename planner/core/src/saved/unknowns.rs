//! Unknowns in a saved plan: typed, and not the characters that marks are made of. A text that holds unknowns is
//! `{"$unknown": ["pls-a", {"what": "uid", "of": "default/web"}, "-TCP-80"]}`; an object with such a name among its
//! fields, or one that could be taken for these, is `{"$fields": [[NAME, VALUE], ...]}`.

use serde_json::{Map, Value, json};

use crate::unknown::{Segment, Unknown, is_reserved, segments};

/// The field of a text's parts.
const TEXT: &str = "$unknown";

/// The field of an object's fields.
const FIELDS: &str = "$fields";

/// A value as it is saved.
pub(super) fn typed(value: Value) -> Value {
    match value {
        Value::String(text) => typed_text(text),
        Value::Array(items) => Value::Array(items.into_iter().map(typed).collect()),
        Value::Object(fields) => {
            let is_special = |name: &String| {
                name.contains(is_reserved) || [TEXT, FIELDS].contains(&name.as_str())
            };
            if !fields.keys().any(is_special) {
                return fields.into_iter().map(|(name, it)| (name, typed(it))).collect();
            }
            let pair = |(name, it)| json!([typed_text(name), typed(it)]);
            json!({FIELDS: fields.into_iter().map(pair).collect::<Vec<_>>()})
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

fn typed_text(text: String) -> Value {
    if !text.contains(is_reserved) {
        return Value::String(text);
    }
    let parts: Vec<Value> = segments(&text).into_iter().map(part).collect();
    json!({TEXT: parts})
}

fn part(segment: Segment<'_>) -> Value {
    match segment {
        Segment::Text(text) => text.into(),
        Segment::Unknown(Unknown { what, of, first: None }) => json!({"what": what, "of": of}),
        Segment::Unknown(Unknown { what, of, first }) => {
            json!({"what": what, "of": of, "first": first})
        }
        // What is live may hold any character.
        Segment::Stray(character) => json!({"character": u32::from(character)}),
    }
}

/// The value that was saved.
///
/// # Errors
///
/// Says what is not as [`typed`] makes it.
pub(super) fn untyped(value: Value) -> Result<Value, String> {
    match value {
        Value::String(text) => plain(text).map(Value::String),
        Value::Array(items) => items.into_iter().map(untyped).collect(),
        Value::Object(mut fields) => {
            if let Some(parts) = fields.shift_remove(TEXT) {
                return alone(&fields, TEXT).and_then(|()| text(&parts)).map(Value::String);
            }
            if let Some(pairs) = fields.shift_remove(FIELDS) {
                return alone(&fields, FIELDS).and_then(|()| object(pairs));
            }
            let field = |(name, it)| Ok((plain(name)?, untyped(it)?));
            fields.into_iter().map(field).collect::<Result<Map<_, _>, String>>().map(Value::Object)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(value),
    }
}

fn alone(rest: &Map<String, Value>, field: &str) -> Result<(), String> {
    if rest.is_empty() { Ok(()) } else { Err(format!("{field} stands beside other fields")) }
}

fn plain(text: String) -> Result<String, String> {
    if text.contains(is_reserved) {
        return Err("a text holds characters of U+E000 to U+E003".to_owned());
    }
    Ok(text)
}

fn object(pairs: Value) -> Result<Value, String> {
    let wrong = || format!("{FIELDS} is no list of names with their values");
    let Value::Array(pairs) = pairs else { return Err(wrong()) };
    let mut fields = Map::new();
    for pair in pairs {
        let Value::Array(pair) = pair else { return Err(wrong()) };
        let Ok([name, it]) = <[Value; 2]>::try_from(pair) else { return Err(wrong()) };
        let name = match name {
            Value::String(name) => plain(name)?,
            Value::Object(name) => text(name.get(TEXT).ok_or_else(wrong)?)?,
            _ => return Err(wrong()),
        };
        fields.insert(name, untyped(it)?);
    }
    Ok(Value::Object(fields))
}

/// The text of its parts.
fn text(parts: &Value) -> Result<String, String> {
    let wrong = || format!("{TEXT} is no list of texts and unknowns");
    let mut whole = String::new();
    for part in parts.as_array().ok_or_else(wrong)? {
        if let Some(text) = part.as_str() {
            whole.push_str(&plain(text.to_owned())?);
            continue;
        }
        if let Some(character) = part.get("character").and_then(Value::as_u64) {
            let character = u32::try_from(character).ok().and_then(char::from_u32);
            whole.push(character.filter(|it| is_reserved(*it)).ok_or_else(wrong)?);
            continue;
        }
        let field = |name| part.get(name).and_then(Value::as_str).ok_or_else(wrong);
        let (what, of) = (plain(field("what")?.to_owned())?, plain(field("of")?.to_owned())?);
        let first = match part.get("first") {
            None => None,
            Some(first) => {
                Some(first.as_u64().and_then(|it| usize::try_from(it).ok()).ok_or_else(wrong)?)
            }
        };
        whole.push_str(&Unknown { what: &what, of, first }.to_mark());
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unknown::{CLOSE, OPEN, cut, mark};

    #[test]
    fn an_unknown_is_saved_by_what_it_is() {
        let uid = mark("uid", "default/web");
        let value = json!({"name": format!("pls-a{uid}-TCP-80"), "first": cut(&uid, 3)});
        let saved = json!({
            "name": {"$unknown": ["pls-a", {"what": "uid", "of": "default/web"}, "-TCP-80"]},
            "first": {"$unknown": [{"what": "uid", "of": "default/web", "first": 3}]},
        });
        assert_eq!(typed(value.clone()), saved);
        assert_eq!(untyped(saved), Ok(value));
    }

    #[test]
    fn whatever_is_saved_comes_back() {
        let uid = mark("uid", "default/web");
        for value in [
            json!({uid.clone(): 1, "b": {uid: [null, true]}}),
            json!({"$unknown": "x"}),
            json!({"tags": {"$fields": ["a"], "$unknown": []}}),
            json!([format!("{OPEN}x"), format!("{CLOSE}"), ""]),
        ] {
            let saved = typed(value.clone());
            assert!(!saved.to_string().contains(is_reserved), "{saved}");
            assert_eq!(untyped(saved), Ok(value));
        }
    }

    #[test]
    fn marks_as_characters_are_refused() {
        for value in [
            json!({"a": mark("uid", "default/web")}),
            json!({mark("uid", "default/web"): 1}),
            json!({"$unknown": [mark("uid", "default/web")]}),
            json!({"$unknown": [{"what": mark("uid", "a"), "of": "b"}]}),
            json!({"$unknown": [{"character": 65}]}),
            json!({"$unknown": ["a"], "b": 1}),
            json!({"$fields": [["a"]]}),
        ] {
            assert!(untyped(value.clone()).is_err(), "{value}");
        }
    }
}
