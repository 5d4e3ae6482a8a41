//! Names and labels (`apimachinery/pkg/util/validation`).

use serde_json::Value;

use super::Cause;

/// `must be no more than N characters`.
pub(super) fn too_long(most: usize) -> String {
    format!("must be no more than {most} characters")
}

/// What a text does not match, as the API server tells it.
fn unlike(what: &str, pattern: &str, examples: &[&str]) -> String {
    let examples: Vec<String> = examples.iter().map(|it| format!("'{it}', ")).collect();
    format!("{what} (e.g. {}regex used for validation is '{pattern}')", examples.join(" or "))
}

const fn is_lower_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn is_label_text(text: &str) -> bool {
    is_label(text.as_bytes())
}

/// Whether all parts of a domain name are labels.
fn are_labels(text: &str) -> bool {
    text.as_bytes().split(|byte| *byte == b'.').all(is_label)
}

fn is_label(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|it| is_lower_alphanumeric(*it))
        && bytes.last().is_some_and(|it| is_lower_alphanumeric(*it))
        && bytes.iter().all(|it| is_lower_alphanumeric(*it) || *it == b'-')
}

/// A DNS label of RFC 1123.
pub(super) fn label(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 63 {
        wrong.push(too_long(63));
    }
    if !is_label_text(text) {
        wrong.push(if are_labels(text) {
            "must not contain dots".to_owned()
        } else {
            unlike(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or \
                 '-', and must start and end with an alphanumeric character",
                "[a-z0-9]([-a-z0-9]*[a-z0-9])?",
                &["my-name", "123-abc"],
            )
        });
    }
    wrong
}

/// A DNS label of RFC 1035, which begins with a letter: a Service's name.
pub(super) fn service_name(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 63 {
        wrong.push(too_long(63));
    }
    if !is_label_text(text) || !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        wrong.push(unlike(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start \
             with an alphabetic character, and end with an alphanumeric character",
            "[a-z]([-a-z0-9]*[a-z0-9])?",
            &["my-name", "abc-123"],
        ));
    }
    wrong
}

/// A domain name of RFC 1123.
pub(super) fn subdomain(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 253 {
        wrong.push(too_long(253));
    }
    if !are_labels(text) {
        wrong.push(unlike(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, \
             '-' or '.', and must start and end with an alphanumeric character",
            "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*",
            &["example.com"],
        ));
    }
    wrong
}

fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b'.'))
}

/// A name with an optional domain before it: a label's key, a class, a protocol.
pub(super) fn qualified(text: &str) -> Vec<String> {
    const PATTERN: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
    const EXAMPLES: &[&str] = &["MyName", "my.name", "123-abc"];
    const MUST: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start \
                        and end with an alphanumeric character";
    let (prefix, name) = match text.split_once('/') {
        None => (None, text),
        Some((_, rest)) if rest.contains('/') => {
            let why = unlike(&format!("a qualified name {MUST}"), PATTERN, EXAMPLES);
            let domain =
                "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
            return vec![format!("{why} {domain}")];
        }
        Some((prefix, name)) => (Some(prefix), name),
    };
    let mut wrong = Vec::new();
    match prefix {
        Some("") => wrong.push("prefix part must be non-empty".to_owned()),
        Some(prefix) => {
            wrong.extend(subdomain(prefix).iter().map(|why| format!("prefix part {why}")));
        }
        None => {}
    }
    if name.is_empty() {
        wrong.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        wrong.push(format!("name part {}", too_long(63)));
    }
    if !is_name(name) {
        wrong.push(format!("name part {}", unlike(MUST, PATTERN, EXAMPLES)));
    }
    wrong
}

/// A label's value.
fn label_value(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 63 {
        wrong.push(too_long(63));
    }
    if !text.is_empty() && !is_name(text) {
        wrong.push(unlike(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', \
             '_' or '.', and must start and end with an alphanumeric character",
            "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?",
            &["MyValue", "my_value", "12345"],
        ));
    }
    wrong
}

/// Keys and values of labels.
pub(super) fn check_labels(labels: Option<&Value>, field: &str, causes: &mut Vec<Cause>) {
    for (key, value) in labels.and_then(Value::as_object).into_iter().flatten() {
        for why in qualified(key) {
            causes.push(Cause::invalid(field, &key.as_str().into(), &why));
        }
        for why in label_value(value.as_str().unwrap_or_default()) {
            causes.push(Cause::invalid(field, value, &why));
        }
    }
}
