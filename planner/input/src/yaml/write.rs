//! A value as YAML that every reader takes for the same value: `kubectl`, which reads YAML 1.1, as well as
//! readers of YAML 1.2.

use std::fmt::Write;

use serde_json::Value as Json;

use super::{Value, kubectl_reads_otherwise, scalar};
use crate::escape::is_hidden;

/// A value as one YAML document in block style, without a marker, ending with a line break. Mappings keep
/// their order.
pub fn to_text(value: &Json) -> String {
    let mut text = String::new();
    match value {
        Json::Object(entries) if !entries.is_empty() => mapping(entries, 0, &mut text),
        Json::Array(items) if !items.is_empty() => sequence(items, 0, &mut text),
        other => {
            text.push_str(&leaf(other));
            text.push('\n');
        }
    }
    text
}

/// Documents as one stream.
pub fn stream<'a>(documents: impl IntoIterator<Item = &'a Json>) -> String {
    let texts: Vec<String> = documents.into_iter().map(to_text).collect();
    texts.join("---\n")
}

fn mapping(entries: &serde_json::Map<String, Json>, indent: usize, text: &mut String) {
    for (at, (key, value)) in entries.iter().enumerate() {
        if at > 0 {
            pad(indent, text);
        }
        text.push_str(&string(key));
        text.push(':');
        match value {
            Json::Object(inner) if !inner.is_empty() => {
                text.push('\n');
                pad(indent + 2, text);
                mapping(inner, indent + 2, text);
            }
            // Sequences in mappings are not indented, as kubectl writes them.
            Json::Array(items) if !items.is_empty() => {
                text.push('\n');
                pad(indent, text);
                sequence(items, indent, text);
            }
            other => {
                text.push(' ');
                text.push_str(&leaf(other));
                text.push('\n');
            }
        }
    }
}

fn sequence(items: &[Json], indent: usize, text: &mut String) {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            pad(indent, text);
        }
        text.push_str("- ");
        match item {
            Json::Object(inner) if !inner.is_empty() => mapping(inner, indent + 2, text),
            Json::Array(inner) if !inner.is_empty() => sequence(inner, indent + 2, text),
            other => {
                text.push_str(&leaf(other));
                text.push('\n');
            }
        }
    }
}

fn pad(indent: usize, text: &mut String) {
    text.extend(std::iter::repeat_n(' ', indent));
}

fn leaf(value: &Json) -> String {
    match value {
        Json::String(value) => string(value),
        Json::Array(_) => "[]".to_owned(),
        Json::Object(_) => "{}".to_owned(),
        // JSON's words and numbers are those of YAML.
        other => other.to_string(),
    }
}

/// Text without quotes where no reader can take it for anything else, and else in double quotes.
fn string(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

fn is_plain(text: &str) -> bool {
    // Numbers, dates, `.inf` and `=` of YAML 1.1 do not begin with a letter or a slash.
    let begins = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/');
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_./@+=*()".contains(c);
    begins
        && text.chars().all(allowed)
        && matches!(scalar::plain(text.into()), Value::Text(_))
        && kubectl_reads_otherwise(text).is_none()
}

fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if is_hidden(c) || is_unprintable(c) => {
                let code = u32::from(c);
                // Writing to a String cannot fail.
                let _ = if code <= 0xffff {
                    write!(quoted, "\\u{code:04x}")
                } else {
                    write!(quoted, "\\U{code:08x}")
                };
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// What YAML does not take as it is (1.2.2, production 1), though it is no control character.
fn is_unprintable(c: char) -> bool {
    matches!(c, '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::diagnostic::Source;
    use crate::yaml::documents;

    fn read(text: &str) -> Vec<Json> {
        let source: Arc<Source> = Source::new("a.yaml", text).unwrap();
        let documents = documents(&source).map(|document| {
            assert!(document.problems.is_empty(), "{text}: {:?}", document.problems);
            document.root.map_or(Json::Null, |root| root.to_json())
        });
        documents.collect()
    }

    #[test]
    fn text_that_looks_like_another_type_is_quoted() {
        let words = [
            "true",
            "Yes",
            "on",
            "N",
            "null",
            "~",
            "",
            "8080",
            "010",
            "1e3",
            "0x1f",
            "1_000",
            ".inf",
            "=",
            "2026-01-01",
            "1:20",
            "- a",
            "a: b",
            "a #b",
            "#",
            "&a",
            "*",
            "!t",
            "a\nb",
            " a",
            "a ",
            "<<",
            "@a",
            "`a",
            "%a",
            "[a]",
            "{a}",
            "a,b",
            "'a'",
            "\"a\"",
            "---",
            "a:",
        ];
        for word in words {
            assert!(string(word).starts_with('"'), "{word}");
        }
        for word in
            ["app", "Microsoft.Network/x", "/subscriptions/0", "azure-pls-create", "TCP", "nope"]
        {
            assert_eq!(string(word), word);
        }
    }

    #[test]
    fn blocks_read_as_kubectl_writes_them() {
        let value = json!({
            "kind": "Service",
            "metadata": {"name": "app", "annotations": {"a/b": "true"}},
            "spec": {"ports": [{"port": 80, "name": "http"}, {"port": 81}], "none": [], "nothing": {}},
            "lists": [[1, 2], [], ["x"]],
        });
        let text = "kind: Service\nmetadata:\n  name: app\n  annotations:\n    a/b: \"true\"\nspec:\n  ports:\n  \
                    - port: 80\n    name: http\n  - port: 81\n  none: []\n  nothing: {}\nlists:\n- - 1\n  - 2\n\
                    - []\n- - x\n";
        assert_eq!(to_text(&value), text);
        assert_eq!(read(text), [value]);
    }

    fn value() -> impl Strategy<Value = Json> {
        let text = prop_oneof![
            "[a-zA-Z0-9:#,&*!|>'\"%@` ./~=<\\-]{0,8}",
            "\\PC{0,8}",
            "[\\x00-\\x20\u{85}\u{a0}\u{2028}\u{feff}\u{fffe}\u{1f980}]{0,4}",
            Just("yes".to_owned()),
        ];
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            text.clone().prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
                prop::collection::hash_map(text.clone(), inner, 0..4)
                    .prop_map(|map| Json::Object(map.into_iter().collect())),
            ]
        })
    }

    fn has_marks(value: &Json) -> bool {
        value.to_string().contains(['\u{e000}', '\u{e001}', '\u{e002}'])
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_reads_as_the_same(values in prop::collection::vec(value(), 1..3)) {
            // The reader takes the marks of unknown values for what they are.
            prop_assume!(!values.iter().any(has_marks));
            let values: Vec<Json> = values.into_iter().map(|value| json!({"v": value})).collect();
            prop_assert_eq!(read(&stream(&values)), values);
        }
    }
}
