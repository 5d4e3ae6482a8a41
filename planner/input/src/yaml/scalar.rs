//! What a scalar means.

use std::borrow::Cow;

use super::Value;

/// The value of a plain scalar without a tag: the core schema (YAML 1.2.2, section 10.3.2), but
/// numbers with a leading zero and those that JSON has not (`.inf`, `.nan`) stay text.
pub(super) fn plain(text: Cow<'_, str>) -> Value<'_> {
    match text.as_ref() {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let may_be_number =
        text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '.'));
    if may_be_number {
        if let Some(number) = int(&text) {
            return Value::Int(number);
        }
        if let Some(number) = float(&text) {
            return Value::Float(number);
        }
    }
    Value::Text(text)
}

/// The value of a scalar with a tag of the core schema; none if the text does not fit the tag.
pub(super) fn tagged<'a>(tag: &str, text: Cow<'a, str>) -> Option<Value<'a>> {
    if tag == "str" {
        return Some(Value::Text(text));
    }
    let value = plain(text);
    let fits = match value {
        Value::Null => tag == "null",
        Value::Bool(_) => tag == "bool",
        Value::Int(_) => matches!(tag, "int" | "float"),
        Value::Float(_) => tag == "float",
        _ => false,
    };
    fits.then_some(value)
}

fn int(text: &str) -> Option<i64> {
    if let Some(digits) = text.strip_prefix("0x") {
        return i64::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with(['+', '-']));
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return i64::from_str_radix(digits, 8).ok().filter(|_| !digits.starts_with(['+', '-']));
    }
    if has_leading_zero(text) {
        return None;
    }
    text.parse().ok()
}

fn float(text: &str) -> Option<f64> {
    let is_number = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    if !is_number || has_leading_zero(text) {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

fn has_leading_zero(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    digits.starts_with('0') && digits.chars().nth(1).is_some_and(|next| next.is_ascii_digit())
}

/// What `kubectl` makes of a plain scalar that is text here, if it makes something else of it: it
/// reads YAML 1.1 (sigs.k8s.io/yaml), where `yes` is true and `010` is eight.
pub fn kubectl_reads_otherwise(text: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    if matches!(lower.as_str(), "y" | "yes" | "n" | "no" | "on" | "off") {
        return Some("a boolean");
    }
    let digits = text.trim_start_matches(['+', '-']);
    let is_number = digits.starts_with(|first: char| first.is_ascii_digit())
        && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    is_number.then_some("a number")
}
