//! Comparing JSON values field by field.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::Value;

use crate::change::FieldDiff;
use crate::unknown;

/// The fields in which two values differ, in the order of the keys. Objects are compared key by key;
/// lists whose entries have names, entry by entry; everything else as a whole.
pub fn fields(before: Option<&Value>, after: Option<&Value>) -> Vec<FieldDiff> {
    let mut diffs = Vec::new();
    compare(&mut String::new(), before, after, &mut diffs);
    diffs
}

fn compare(
    path: &mut String,
    before: Option<&Value>,
    after: Option<&Value>,
    diffs: &mut Vec<FieldDiff>,
) {
    if before == after {
        return;
    }
    match (before.map(entries), after.map(entries)) {
        (Some(Some(old)), Some(Some(new))) => {
            let old: BTreeMap<Key<'_>, &Value> = old.into_iter().collect();
            let new: BTreeMap<Key<'_>, &Value> = new.into_iter().collect();
            let keys: BTreeSet<&Key<'_>> = old.keys().chain(new.keys()).collect();
            for key in keys {
                let (old, new) = (old.get(key).copied(), new.get(key).copied());
                key.below(path, |path| compare(path, old, new, diffs));
            }
        }
        (Some(Some(mut only)), None) | (None, Some(Some(mut only))) => {
            only.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            for (key, value) in only {
                key.below(path, |path| match before {
                    Some(_) => compare(path, Some(value), None, diffs),
                    None => compare(path, None, Some(value), diffs),
                });
            }
        }
        _ => diffs.push(FieldDiff::new(path.clone(), before.cloned(), after.cloned())),
    }
}

/// What names an entry of an object or list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    Field(&'a str),
    Named(&'a str),
}

impl Key<'_> {
    /// Does something at this key below `path`.
    fn below(&self, path: &mut String, act: impl FnOnce(&mut String)) {
        let above = path.len();
        let plain =
            |key: &str| key.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_' || c == b'-');
        // Writing to a String cannot fail.
        let _ = match self {
            // With its marks as they are: they are shown as words with the whole path.
            Self::Field(key) if unknown::is_unknown(key) => {
                if path.is_empty() {
                    path.write_str(key)
                } else {
                    write!(path, ".{key}")
                }
            }
            Self::Field(key) if !plain(key) => write!(path, "[{key:?}]"),
            Self::Field(key) if path.is_empty() => path.write_str(key),
            Self::Field(key) => path.write_char('.').and_then(|()| path.write_str(key)),
            Self::Named(name) => write!(path, "[{name}]"),
        };
        act(path);
        path.truncate(above);
    }
}

/// A value's entries: an object's fields, or a list's if each has a name of its own. Nothing for a
/// value that is compared as a whole.
fn entries(value: &Value) -> Option<Vec<(Key<'_>, &Value)>> {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            Some(fields.iter().map(|(key, value)| (Key::Field(key), value)).collect())
        }
        Value::Array(items) if !items.is_empty() => {
            let named: Option<Vec<_>> = items
                .iter()
                .map(|item| Some((Key::Named(item.get("name")?.as_str()?), item)))
                .collect();
            let mut names: Vec<_> = named.iter().flatten().map(|(key, _)| key.clone()).collect();
            names.sort_unstable();
            names.dedup();
            named.filter(|named| named.len() == names.len())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(before: Value, after: Value, expected: &[(&str, Option<Value>, Option<Value>)]) {
        let got: Vec<_> = fields(Some(&before), Some(&after))
            .into_iter()
            .map(|diff| (diff.path, diff.before, diff.after))
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(path, before, after)| ((*path).to_owned(), before.clone(), after.clone()))
            .collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn equal_values_do_not_differ() {
        check(json!({"a": [1, {"b": null}]}), json!({"a": [1, {"b": null}]}), &[]);
    }

    #[test]
    fn objects_are_compared_key_by_key() {
        check(
            json!({"a": {"x": 1, "y": 2}}),
            json!({"a": {"y": 3, "z": 4}}),
            &[
                ("a.x", Some(json!(1)), None),
                ("a.y", Some(json!(2)), Some(json!(3))),
                ("a.z", None, Some(json!(4))),
            ],
        );
    }

    #[test]
    fn lists_of_named_entries_are_compared_by_name() {
        check(
            json!([{"name": "a", "v": 1}, {"name": "b", "v": 1}]),
            json!([{"name": "b", "v": 2}, {"name": "a", "v": 1}]),
            &[("[b].v", Some(json!(1)), Some(json!(2)))],
        );
    }

    #[test]
    fn keys_that_are_no_words_are_quoted() {
        check(
            json!({"annotations": {"a.b/c": "1"}}),
            json!({"annotations": {"a.b/c": "2"}}),
            &[("annotations[\"a.b/c\"]", Some(json!("1")), Some(json!("2")))],
        );
    }

    #[test]
    fn unknown_parts_of_keys_are_shown_as_in_values() {
        let probe = format!("TCP-{}", unknown::mark("node port", "default/web health-check"));
        let after = json!({"probes": {probe: {"port": 1}}});
        let diffs = fields(None, Some(&after));
        let [diff] = diffs.as_slice() else { panic!("{diffs:?}") };
        assert_eq!(diff.clone().shown().path, "probes.TCP-(node port known after apply).port");
    }

    #[test]
    fn a_whole_object_that_comes_is_listed_by_its_fields() {
        let diffs = fields(None, Some(&json!({"a": {"b": 1}})));
        assert_eq!(diffs.len(), 1);
        assert_eq!(diffs[0].path, "a.b");
        assert_eq!(diffs[0].before, None);
    }
}
