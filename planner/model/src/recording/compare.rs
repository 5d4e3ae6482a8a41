//! Comparing a prediction with what was recorded.
//!
//! Compared are the final state, the ordered writes with bodies, status and finalizers, events by
//! object, type, reason and the controller's own words, and of ARM errors quoted in them verb, path,
//! status and code. Pool members, static NAT addresses and the writes of instances compare as sets; of
//! writes of scale sets and instances only method and resource count. What is unknown equals whatever
//! came.

use serde_json::{Map, Value};

use crate::pointer::text;
use crate::unknown;

use super::shape::StepPrediction;

/// The fields of a step result that are compared.
const FIELDS: [&str; 10] = [
    "loadBalancers",
    "privateLinkServices",
    "publicIPAddresses",
    "networkSecurityGroups",
    "subnetsChanged",
    "backendNics",
    "armWrites",
    "serviceStatus",
    "serviceFinalizers",
    "events",
];

/// How a prediction differs from a recorded step result: one line a difference, with the place. Fields
/// the result does not have are not compared.
pub fn compare(prediction: &StepPrediction, recorded: &Map<String, Value>) -> Vec<String> {
    let prediction = prediction.with_marks();
    let mut differences = Vec::new();
    for field in FIELDS {
        let Some(came) = recorded.get(field) else {
            continue;
        };
        let predicted = prediction.get(field).unwrap_or(&Value::Null);
        let (predicted, came) = match field {
            "armWrites" => (writes(predicted), writes(came)),
            "events" => (events(predicted), events(came)),
            _ => (normal(predicted), normal(came)),
        };
        differ(field, &predicted, &came, &mut differences);
    }
    differences
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The value with lists whose order is drawn at random in a fixed order.
fn normal(value: &Value) -> Value {
    match value {
        Value::Array(list) => Value::Array(list.iter().map(normal).collect()),
        Value::Object(fields) => {
            let normal_field = |(name, field): (&String, &Value)| {
                let mut field = normal(field);
                if matches!(name.as_str(), "loadBalancerBackendAddresses" | "ipConfigurations")
                    && let Some(list) = field.as_array_mut()
                {
                    list.sort_by(|a, b| text(a, "/name").cmp(text(b, "/name")));
                }
                (name.clone(), field)
            };
            Value::Object(fields.iter().map(normal_field).collect())
        }
        other => other.clone(),
    }
}

/// Writes with what counts of them. Runs of writes of scale sets' instances are sorted.
fn writes(value: &Value) -> Value {
    let mut list: Vec<Value> = Vec::new();
    let mut run_start = None;
    for write in items(value) {
        let resource = text(write, "/resource");
        let of_machine = resource.starts_with("virtualMachineScaleSets/");
        let of_instance = of_machine && resource.contains("/virtualMachines/");
        let fields: &[&str] = if of_machine {
            &["method", "resource"]
        } else {
            &["method", "resource", "status", "path", "ifMatch", "body"]
        };
        let mut kept: Map<String, Value> = fields
            .iter()
            .filter_map(|field| Some(((*field).to_owned(), normal(write.get(*field)?))))
            .filter(|(_, value)| !value.is_null())
            .collect();
        if let Some(code) = write.pointer("/error/code") {
            kept.insert("code".to_owned(), code.clone());
        }
        if of_instance {
            run_start.get_or_insert(list.len());
        } else if let Some(start) = run_start.take() {
            sort_run(&mut list, start);
        }
        list.push(Value::Object(kept));
    }
    if let Some(start) = run_start {
        sort_run(&mut list, start);
    }
    Value::Array(list)
}

fn sort_run(list: &mut [Value], start: usize) {
    if let Some(run) = list.get_mut(start..) {
        run.sort_by(|a, b| text(a, "/resource").cmp(text(b, "/resource")));
    }
}

/// Events in a fixed order, with the words that are the controller's own.
fn events(value: &Value) -> Value {
    let of = |event: &Value| {
        let words = own_words(text(event, "/message"));
        let fields = ["/object", "/type", "/reason"].map(|field| text(event, field).to_owned());
        let [object, kind, reason] = fields;
        (object, reason, kind, words)
    };
    let mut list: Vec<_> = items(value).iter().map(of).collect();
    list.sort();
    list.dedup();
    Value::Array(
        list.into_iter()
            .map(|(object, reason, kind, words)| {
                Value::from(format!("{object} {kind} {reason}: {words}"))
            })
            .collect(),
    )
}

/// A message without what an ARM error quoted in it adds: host and port, and the JSON.
fn own_words(message: &str) -> String {
    let mut words = String::new();
    let mut rules = 0;
    for line in message.lines() {
        if line.len() >= 40 && line.bytes().all(|byte| byte == b'-') {
            rules += 1;
            continue;
        }
        // Between the second and the third line of dashes is the JSON.
        if rules % 3 != 2 {
            words.push_str(line);
            words.push('\n');
        }
    }
    let mut shown = String::new();
    let mut rest = words.as_str();
    while let Some((before, after)) = rest.split_once("https://") {
        shown.push_str(before);
        rest = after.find('/').and_then(|at| after.get(at..)).unwrap_or_default();
    }
    shown.push_str(rest);
    shown.trim_end().to_owned()
}

fn not_there(place: &str, predicted: &Value) -> String {
    let predicted = unknown::show_value(predicted.clone());
    format!("{place}: predicted {predicted}, not there")
}

fn differ(place: &str, predicted: &Value, came: &Value, differences: &mut Vec<String>) {
    match (predicted, came) {
        (Value::String(predicted), Value::String(came)) if unknown::may_become(predicted, came) => {
        }
        (Value::Object(predicted), Value::Object(came)) => {
            for (name, field) in predicted {
                let place = format!("{place}.{name}");
                match came.get(name) {
                    Some(other) => differ(&place, field, other, differences),
                    None => differences.push(not_there(&place, field)),
                }
            }
            for (name, field) in came {
                if !predicted.contains_key(name) {
                    differences.push(format!("{place}.{name}: not predicted, there is {field}"));
                }
            }
        }
        (Value::Array(predicted), Value::Array(came)) => {
            for (at, pair) in predicted.iter().zip(came).enumerate() {
                differ(&format!("{place}[{at}]"), pair.0, pair.1, differences);
            }
            let common = predicted.len().min(came.len());
            for (at, extra) in predicted.iter().enumerate().skip(common) {
                differences.push(not_there(&format!("{place}[{at}]"), extra));
            }
            for (at, extra) in came.iter().enumerate().skip(common) {
                differences.push(format!("{place}[{at}]: not predicted, there is {extra}"));
            }
        }
        (predicted, came) if predicted == came => {}
        (predicted, came) => {
            let predicted = unknown::show_value(predicted.clone());
            differences.push(format!("{place}: predicted {predicted}, came {came}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_arm_error_verb_path_status_and_code_count() {
        let line = "-".repeat(80);
        let message = |host: &str, text: &str| {
            format!(
                "x: PUT https://{host}/a/b\n{line}\nRESPONSE 400: 400 Bad Request\nERROR CODE: C\n{line}\n{text}\n{line}\n"
            )
        };
        let one = own_words(&message("127.0.0.1:28443", "{\n \"a\": 1}"));
        assert_eq!(one, own_words(&message("management.azure.com", "{}")));
        assert_eq!(one, "x: PUT /a/b\nRESPONSE 400: 400 Bad Request\nERROR CODE: C");
    }
}
