//! Notices as SARIF 2.1.0 (OASIS), which code scanning and editors read.

use privlink_core::rule::{self, Code, Severity};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::notice::Notice;

/// The most results that GitHub takes in one run.
const MOST: usize = 25_000;

/// One log with one run. `file` makes a path one from the root of the repository.
pub fn log(notices: &[Notice], tool_version: &str, file: &dyn Fn(&str) -> String) -> Value {
    let mut codes: Vec<Code> = notices.iter().map(|notice| notice.code).collect();
    codes.sort_by_key(|code| code.as_str());
    codes.dedup();
    let rules: Vec<Value> = codes.iter().map(|code| rule(*code)).collect();
    let results: Vec<Value> = notices
        .iter()
        .take(MOST)
        .map(|notice| {
            let index = codes.iter().position(|code| *code == notice.code);
            result(notice, index.unwrap_or_default(), file)
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "privlink",
                "version": tool_version,
                "semanticVersion": tool_version,
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

fn rule(code: Code) -> Value {
    let mut value = json!({
        "id": code.as_str(),
        "defaultConfiguration": {"level": level(code.severity())},
    });
    if let (Some(rule), Some(value)) = (rule::find(code.as_str()), value.as_object_mut()) {
        let meaning = rule.paragraphs().next().unwrap_or_default();
        value.insert("shortDescription".to_owned(), json!({"text": meaning}));
        value.insert("help".to_owned(), json!({"text": rule.advice}));
        value.insert("helpUri".to_owned(), rule.basis.link.into());
    }
    value
}

fn result(notice: &Notice, index: usize, file: &dyn Fn(&str) -> String) -> Value {
    let mut result = json!({
        "ruleId": notice.code.as_str(),
        "ruleIndex": index,
        "level": level(notice.severity),
        "message": {"text": notice.text()},
        "partialFingerprints": {"privlink/v1": fingerprint(notice)},
    });
    let mut location = serde_json::Map::new();
    if let Some(place) = &notice.place {
        location.insert(
            "physicalLocation".to_owned(),
            json!({
                "artifactLocation": {"uri": uri(&file(&place.file)), "uriBaseId": "%SRCROOT%"},
                "region": {"startLine": place.line, "startColumn": place.column},
            }),
        );
    }
    if let Some(address) = &notice.address {
        location.insert("logicalLocations".to_owned(), json!([{"fullyQualifiedName": address}]));
    }
    if let (false, Some(result)) = (location.is_empty(), result.as_object_mut()) {
        result.insert("locations".to_owned(), json!([location]));
    }
    result
}

/// What stays the same while lines move: code, file and message.
fn fingerprint(notice: &Notice) -> String {
    let file = notice.place.as_ref().map(|place| place.file.as_str()).unwrap_or_default();
    let text = [notice.code.as_str(), file, &notice.message].join("\n");
    Sha256::digest(text).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// A path as a relative URI reference (RFC 3986).
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_uri() {
        assert_eq!(uri("deploy/a b:ü.yaml"), "deploy/a%20b%3A%C3%BC.yaml");
    }
}
