//! Field and label selectors.

use serde_json::Value;

use crate::server::Call;

use super::status::Refusal;
use super::target::Target;

/// What of a list or watch is asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Selector {
    namespace: Option<String>,
    requirements: Vec<Requirement>,
}

#[derive(Clone, Debug)]
struct Requirement {
    /// A path of fields, or the name of a label.
    subject: Subject,
    condition: Condition,
}

#[derive(Clone, Debug)]
enum Subject {
    Field(String),
    Label(String),
}

#[derive(Clone, Debug)]
enum Condition {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
}

impl Selector {
    /// What a call to list or watch asks for.
    pub(super) fn of(call: &Call, target: &Target) -> Result<Self, Refusal> {
        Self::parse(
            target.resource.kind,
            target.namespace.as_deref(),
            call.parameter("fieldSelector"),
            call.parameter("labelSelector"),
        )
    }

    /// A selector from its parameters.
    fn parse(
        kind: &str,
        namespace: Option<&str>,
        fields: Option<&str>,
        labels: Option<&str>,
    ) -> Result<Self, Refusal> {
        let mut requirements = Vec::new();
        for part in fields.unwrap_or_default().split(',').filter(|part| !part.is_empty()) {
            let (name, condition) = equality(part).ok_or_else(|| {
                Refusal::bad_request(format!("invalid field selector: '{part}'; can't understand"))
            })?;
            if !is_selectable(kind, &name) {
                return Err(Refusal::bad_request(format!("field label not supported: {name}")));
            }
            let subject = Subject::Field(format!("/{}", name.replace('.', "/")));
            requirements.push(Requirement { subject, condition });
        }
        for part in split_labels(labels.unwrap_or_default()) {
            let (name, condition) = label(&part).ok_or_else(|| {
                let found = part.split_whitespace().nth(1).unwrap_or(&part);
                Refusal::bad_request(format!(
                    "unable to parse requirement: found '{found}', expected: in, notin, =, ==, \
                     !=, gt, lt"
                ))
            })?;
            requirements.push(Requirement { subject: Subject::Label(name), condition });
        }
        Ok(Self { namespace: namespace.map(ToOwned::to_owned), requirements })
    }

    /// Whether an object is asked for.
    pub(super) fn matches(&self, object: &Value) -> bool {
        let text = |pointer: &str| object.pointer(pointer).map(show);
        if let Some(namespace) = &self.namespace
            && text("/metadata/namespace").as_deref() != Some(namespace)
        {
            return false;
        }
        self.requirements.iter().all(|requirement| {
            let value = match &requirement.subject {
                Subject::Field(pointer) => Some(text(pointer).unwrap_or_default()),
                Subject::Label(name) => {
                    object.pointer("/metadata/labels").and_then(|labels| labels.get(name)).map(show)
                }
            };
            match (&requirement.condition, value) {
                (Condition::In(values), Some(value)) => values.contains(&value),
                (Condition::In(_), None) | (Condition::Absent, Some(_)) => false,
                (Condition::NotIn(values), Some(value)) => !values.contains(&value),
                (Condition::NotIn(_), None) | (Condition::Absent, None) => true,
                (Condition::Exists, value) => value.is_some(),
            }
        })
    }
}

/// The fields that objects are selected by (`AddFieldLabelConversionsFor...`).
fn is_selectable(kind: &str, field: &str) -> bool {
    let own: &[&str] = match kind {
        "Event" => &["reason", "reportingComponent", "source", "type"],
        "Namespace" => &["status.phase"],
        "Node" => &["spec.unschedulable"],
        "Service" => &["spec.clusterIP", "spec.type"],
        _ => &[],
    };
    ["metadata.name", "metadata.namespace"].contains(&field)
        || own.contains(&field)
        || (kind == "Event" && field.starts_with("involvedObject."))
}

fn show(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

fn equality(part: &str) -> Option<(String, Condition)> {
    let list = |value: &str| vec![value.trim().to_owned()];
    if let Some((name, value)) = part.split_once("!=") {
        return Some((name.trim().to_owned(), Condition::NotIn(list(value))));
    }
    let (name, value) = part.split_once("==").or_else(|| part.split_once('='))?;
    Some((name.trim().to_owned(), Condition::In(list(value))))
}

fn label(part: &str) -> Option<(String, Condition)> {
    if let Some(found) = equality(part) {
        return Some(found);
    }
    let part = part.trim();
    if let Some((head, values)) = part.split_once('(') {
        let values: Vec<String> =
            values.strip_suffix(')')?.split(',').map(|value| value.trim().to_owned()).collect();
        let mut words = head.split_whitespace();
        let name = words.next()?.to_owned();
        return match words.next()? {
            "in" => Some((name, Condition::In(values))),
            "notin" => Some((name, Condition::NotIn(values))),
            _ => None,
        };
    }
    match part.strip_prefix('!') {
        Some(name) => Some((name.trim().to_owned(), Condition::Absent)),
        None if part.contains(char::is_whitespace) => None,
        None => Some((part.to_owned(), Condition::Exists)),
    }
}

/// The requirements of a label selector: split at commas outside of parentheses.
fn split_labels(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut inside = false;
    for character in text.chars() {
        match character {
            '(' => inside = true,
            ')' => inside = false,
            ',' if !inside => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(character);
        }
    }
    parts.retain(|part| !part.trim().is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn matches(fields: &str, labels: &str) -> bool {
        let object = json!({
            "metadata": {"name": "a", "namespace": "n", "labels": {"app": "web", "tier": "x"}},
            "involvedObject": {"kind": "Service", "name": "web"},
        });
        Selector::parse("Event", Some("n"), Some(fields), Some(labels))
            .expect("a selector")
            .matches(&object)
    }

    #[test]
    fn fields_and_labels_are_compared() {
        assert!(matches("involvedObject.kind=Service,involvedObject.name==web", ""));
        assert!(!matches("involvedObject.name!=web", ""));
        assert!(matches("", "app in (web, api),tier,!none,tier!=y"));
        assert!(!matches("", "app notin (web)"));
        assert!(Selector::parse("Event", None, None, Some("a b")).is_err());
    }
}
