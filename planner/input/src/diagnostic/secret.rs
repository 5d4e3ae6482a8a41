//! Secrets that stand in the input beside what is read, kept out of what is shown.

use std::borrow::Cow;

use crate::yaml;

/// Keys whose values are shown even in a document that holds a Secret.
const HARMLESS: &[&str] = &["apiVersion", "kind", "metadata", "name", "namespace", "type"];

/// Replaces the values in every document that holds a Secret, byte for byte by `*`, so that places
/// stay right. It goes by lines and not by structure, since such a document may not be YAML at all.
pub(super) fn hide_secrets(text: &str) -> Cow<'_, str> {
    if !text.contains("Secret") {
        return Cow::Borrowed(text);
    }
    let mut hidden = String::with_capacity(text.len());
    for (start, chunk) in yaml::chunks(text) {
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

fn holds_secret(chunk: &str) -> bool {
    chunk.split("Secret").any(|before| {
        let before = before.trim_end_matches(['"', '\'']).trim_end();
        let key = before.strip_suffix(':').map(|key| key.trim_end_matches(['"', '\'']));
        key.is_some_and(|key| key.ends_with("kind"))
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
