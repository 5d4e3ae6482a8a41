//! Secrets that stand in the input beside what is read, kept out of what is shown.

use std::borrow::Cow;

use crate::chunk;

/// Keys whose values are shown even in a document that holds a Secret.
const HARMLESS: &[&str] = &["apiVersion", "kind", "metadata", "name", "namespace", "type"];

/// Replaces the values in every document that holds a Secret, byte for byte by `*`, so that places
/// stay right. It goes by lines and not by structure, since such a document may not be YAML at all.
pub(super) fn hide_secrets(text: &str) -> Cow<'_, str> {
    if !may_hold_secret(text) {
        return Cow::Borrowed(text);
    }
    let mut hidden = String::with_capacity(text.len());
    for (start, chunk) in chunk::chunks(text) {
        // A byte order mark is in no chunk.
        hidden.push_str(text.get(hidden.len()..start).unwrap_or_default());
        if holds_secret(chunk) {
            chunk.split_inclusive('\n').for_each(|line| hide_line(line, &mut hidden));
        } else {
            hidden.push_str(chunk);
        }
    }
    Cow::Owned(hidden)
}

/// Whether a text has the word, or an escape by which it may be written.
fn may_hold_secret(text: &str) -> bool {
    text.contains("Secret") || text.contains('\\')
}

/// Whether a document is a Secret or holds one. What names its kind may be quoted, escaped, tagged,
/// anchored, folded or on the next line, so every kind counts that is not plainly another.
fn holds_secret(chunk: &str) -> bool {
    let mut others = 0;
    for (at, word) in chunk.match_indices("kind") {
        match kind(chunk.get(at + word.len()..).unwrap_or_default()) {
            Some(name) if name.is_empty() || name == "Secret" => return true,
            Some(_) => others += 1,
            None => {}
        }
    }
    has_escaped_key(chunk) || others == 0 && chunk.contains("Secret")
}

/// The kind that stands behind the key; empty if it is not written plainly, nothing if this is no key.
fn kind(behind: &str) -> Option<&str> {
    let behind = behind.trim_start_matches(['"', '\'']).trim_start();
    if behind.starts_with('#') {
        return Some("");
    }
    let value = behind.strip_prefix(':')?.trim_start();
    let line = value.split(['\n', ',', '}']).next().unwrap_or_default();
    let name = line.split(" #").next().unwrap_or_default().trim().trim_matches(['"', '\'']);
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    Some(if is_plain { name } else { "" })
}

/// Whether a quoted key has an escape, by which it may be any key.
fn has_escaped_key(chunk: &str) -> bool {
    let quoted = chunk.split('"').collect::<Vec<_>>();
    quoted.windows(2).any(|pair| {
        matches!(pair, [key, behind] if key.contains('\\') && behind.trim_start().starts_with(':'))
    })
}

fn hide_line(line: &str, hidden: &mut String) {
    let shown = match line.split_once(':') {
        Some((key, _)) if HARMLESS.contains(&key.trim_matches([' ', '-', '"', '\''])) => {
            line.len() - line.split_once([',', '{']).map_or(0, |(_, rest)| rest.len())
        }
        Some((key, _)) => key.len() + 1,
        None => line.len() - line.trim_start_matches([' ', '-']).len(),
    };
    for (index, character) in line.char_indices() {
        if index < shown || character.is_whitespace() {
            hidden.push(character);
        } else {
            hidden.extend(std::iter::repeat_n('*', character.len_utf8()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_secrets_are_hidden() {
        let text = "kind: ConfigMap\ndata: {a: b}\n---\napiVersion: v1\nkind: Secret\nmetadata:\n  \
                    name: db\nstringData:\n  p: hunter2 ü\n  q: |\n    hunter3\n";
        let hidden = hide_secrets(text);
        assert_eq!(hidden.len(), text.len());
        assert_eq!(
            hidden,
            "kind: ConfigMap\ndata: {a: b}\n---\napiVersion: v1\nkind: Secret\nmetadata:\n  \
             name: db\nstringData:\n  p: ******* **\n  q: *\n    *******\n"
        );
    }

    #[test]
    fn secrets_are_hidden_however_their_kind_is_spelled() {
        for kind in [
            "kind: &k Secret",
            "kind: !!str Secret",
            "kind: \"Sec\\u0072et\"",
            "kind: >-\n  Secret",
            "? kind\n: Secret",
            "kind:\n  Secret",
            "\"kind\" : Secret",
            "kind: *k # Secret",
            "kind: Secret # a",
            "\"k\\u0069nd\": Secret",
            "? \"kind\"\n: Secret",
            "kind: |\n  Secret",
            "? kind # a\n: Secret",
        ] {
            let text = format!("apiVersion: v1\n{kind}\nstringData:\n  password: hunter2\n");
            let hidden = hide_secrets(&text);
            assert!(!hidden.contains("hunter2"), "{hidden}");
            assert_eq!(hidden.len(), text.len());
        }
        let other = "kind: Service\nmetadata: {name: a}\nspec: {a: Secret}\n";
        assert_eq!(hide_secrets(other), other);
        let none = "metadata: {name: a, x: \"\\n\"}\n---\nkind: Service # Secret\nb: c\n";
        assert_eq!(hide_secrets(none), none);
    }

    #[test]
    fn secrets_in_lists_and_json_are_hidden() {
        for text in [
            "{\"kind\": \"Secret\", \"data\": {\"p\": \"hunter2\"}}",
            "kind: List\nitems:\n- kind: 'Secret'\n  data:\n    p: hunter2\n",
            "- {kind: Secret, data: {p: hunter2}}",
            "\u{feff}metadata: {name: a, annotations: {p: hunter2}}\nkind: Secret\n",
        ] {
            let hidden = hide_secrets(text);
            assert!(!hidden.contains("hunter2"), "{hidden}");
            assert_eq!(hidden.len(), text.len());
        }
    }
}
