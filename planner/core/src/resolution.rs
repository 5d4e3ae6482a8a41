//! Values of the unknowns a plan was made with, as they become known, and whether Azure shows what was
//! predicted.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use crate::controller::digest_once_known;
use crate::unknown::{self, CLOSE, OPEN, Segment, is_unknown, mark, segments};

/// Values for marks ([`crate::unknown`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    values: BTreeMap<String, String>,
}

impl Resolved {
    /// Learns all that another knows.
    pub fn extend(&mut self, other: Self) {
        self.values.extend(other.values);
    }

    /// Learns what a mark stands for.
    pub fn learn(&mut self, mark: &str, value: impl Into<String>) {
        self.values.insert(mark.to_owned(), value.into());
    }

    /// Learns all that another knows.
    pub fn learn_all(&mut self, other: Self) {
        self.values.extend(other.values);
    }

    /// Learns what the API server allocated to a Service: its uid as it stands in names, its node
    /// ports.
    pub fn learn_service(&mut self, service: &Value) {
        let text = |pointer: &str| service.pointer(pointer).and_then(Value::as_str);
        let (Some(namespace), Some(name)) = (text("/metadata/namespace"), text("/metadata/name"))
        else {
            return;
        };
        let key = format!("{namespace}/{name}");
        if let Some(uid) = text("/metadata/uid") {
            // The controller's names hold `a` and the uid without dashes, cut to 32 characters
            // (k8s.io/cloud-provider DefaultLoadBalancerName).
            let short: String = uid.chars().filter(|c| *c != '-').take(31).collect();
            self.learn(&mark("uid", &key), short);
        }
        let ports = service.pointer("/spec/ports").and_then(Value::as_array);
        for port in ports.into_iter().flatten() {
            let number = port.get("port").and_then(Value::as_i64).unwrap_or_default();
            let protocol = port.get("protocol").and_then(Value::as_str).unwrap_or("TCP");
            if let Some(node_port) = port.get("nodePort").and_then(Value::as_i64) {
                let mark = mark("node port", &format!("{key} {number}/{protocol}"));
                self.learn(&mark, node_port.to_string());
            }
        }
        if let Some(port) = service.pointer("/spec/healthCheckNodePort").and_then(Value::as_i64) {
            self.learn(&mark("node port", &format!("{key} health-check")), port.to_string());
        }
    }

    /// The text with every mark that is known replaced by its value.
    pub fn fill(&self, text: &str) -> String {
        if !is_unknown(text) {
            return text.to_owned();
        }
        unknown::fill(text, |mark| self.value(mark))
    }

    /// What a mark stands for, if it is known or follows from what is.
    fn value(&self, text: &str) -> Option<Cow<'_, str>> {
        if let Some(value) = self.values.get(text) {
            return Some(Cow::Borrowed(value));
        }
        let Some(Segment::Unknown(unknown)) = segments(text).into_iter().next() else {
            return None;
        };
        let node_port = |of: &str| self.values.get(&mark("node port", of));
        digest_once_known(&unknown, node_port).map(Cow::Owned)
    }

    /// The value with every mark in it that is known replaced.
    #[must_use]
    pub fn fill_value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.fill(text)),
            Value::Array(items) => items.iter().map(|item| self.fill_value(item)).collect(),
            Value::Object(fields) => {
                fields.iter().map(|(key, value)| (self.fill(key), self.fill_value(value))).collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    /// The fields of `expected` that `live` does not show, as `path: what is there instead`. Fields
    /// that are not expected are ignored; a mark that is not known yet matches anything, and becomes
    /// known. ARM ids compare case-insensitively, lists of named entries by name, other lists
    /// without regard to order.
    pub fn missing(&mut self, expected: &Value, live: &Value) -> Vec<String> {
        let mut missing = Vec::new();
        self.compare("", expected, live, &mut missing);
        missing
    }

    fn compare(&mut self, path: &str, expected: &Value, live: &Value, missing: &mut Vec<String>) {
        let differs =
            || format!("{path} is {live}, not {}", crate::change::show_value(expected.clone()));
        match (expected, live) {
            (Value::Object(wanted), Value::Object(_)) => {
                for (key, wanted) in wanted {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    match live.get(key) {
                        Some(live) => self.compare(&path, wanted, live, missing),
                        None if is_nothing(wanted) => {}
                        None => missing.push(format!(
                            "{path} is not set, not {}",
                            crate::change::show_value(wanted.clone())
                        )),
                    }
                }
            }
            (Value::Array(wanted), Value::Array(live)) => {
                self.compare_lists(path, wanted, live, missing);
            }
            (Value::String(text), _) => {
                let shown = live.as_str().map_or_else(|| live.to_string(), ToOwned::to_owned);
                if !self.text_matches(text, &shown) {
                    missing.push(differs());
                }
            }
            _ if expected == live => {}
            _ => missing.push(differs()),
        }
    }

    fn text_matches(&mut self, expected: &str, live: &str) -> bool {
        let filled = self.fill(expected);
        if !is_unknown(&filled) {
            let is_id =
                filled.get(..15).is_some_and(|start| start.eq_ignore_ascii_case("/subscriptions/"));
            return if is_id { filled.eq_ignore_ascii_case(live) } else { filled == live };
        }
        let alone =
            filled.starts_with(OPEN) && filled.find(CLOSE) == Some(filled.len() - CLOSE.len_utf8());
        if alone {
            self.learn(&filled, live);
            return true;
        }
        // Text around an unknown must be there; what the unknown is cannot be told.
        let start = filled.split(OPEN).next().unwrap_or_default();
        let end = filled.rsplit(CLOSE).next().unwrap_or_default();
        let (live, start, end) = (live.to_lowercase(), start.to_lowercase(), end.to_lowercase());
        live.starts_with(&start) && live.ends_with(&end)
    }

    fn compare_lists(
        &mut self,
        path: &str,
        expected: &[Value],
        live: &[Value],
        missing: &mut Vec<String>,
    ) {
        if expected.len() != live.len() {
            missing.push(format!("{path} has {} entries, not {}", live.len(), expected.len()));
            return;
        }
        let name = |value: &Value| value.get("name").and_then(Value::as_str).map(ToOwned::to_owned);
        let mut left: Vec<&Value> = live.iter().collect();
        // Those whose name is known take theirs first; a name unknown yet is told by all else.
        let named = |wanted: &&Value| name(wanted).is_some_and(|it| !is_unknown(&self.fill(&it)));
        let (known, unknown): (Vec<&Value>, Vec<&Value>) = expected.iter().partition(named);
        for wanted in known.into_iter().chain(unknown) {
            let wanted_name = name(wanted).map(|it| self.fill(&it)).filter(|it| !is_unknown(it));
            let at = match wanted_name {
                Some(wanted) => {
                    left.iter().position(|live| name(live).is_some_and(|live| live == wanted))
                }
                None => left.iter().position(|live| self.clone().missing(wanted, live).is_empty()),
            };
            match at {
                Some(at) => {
                    let live = left.remove(at);
                    self.compare(path, wanted, live, missing);
                }
                None => missing.push(format!(
                    "{path} does not hold {}",
                    crate::change::show_value(wanted.clone())
                )),
            }
        }
    }
}

/// Whether a value says the same as its absence: null, or an empty list or object.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(set) => !set,
        Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_two_learnt_is_kept() {
        let mut all = Resolved::default();
        let mut look = all.clone();
        all.learn(&mark("uid", "default/other"), "b");
        look.learn(&mark("uid", "default/app"), "a");
        all.extend(look);
        let text = format!("{} {}", mark("uid", "default/app"), mark("uid", "default/other"));
        assert_eq!(all.fill(&text), "a b");
    }

    #[test]
    fn a_name_that_hangs_on_a_uid_is_filled_once_the_service_is_there() {
        let mut known = Resolved::default();
        known.learn_service(&json!({
            "metadata": {
                "namespace": "default", "name": "web",
                "uid": "257b9655-5137-4ad2-b091-ef3f07043ad3",
            },
            "spec": {"ports": [{"port": 80, "protocol": "TCP", "nodePort": 31000}]},
        }));
        let name = format!("pls-a{}", mark("uid", "default/web"));
        assert_eq!(known.fill(&name), "pls-a257b965551374ad2b091ef3f07043ad");
        assert_eq!(known.fill(&mark("node port", "default/web 80/TCP")), "31000");
    }

    #[test]
    fn an_entry_with_a_name_unknown_as_a_whole_is_told_by_what_it_holds() {
        let name = mark("name", "cut somewhere in an address");
        let expected = json!([{"name": name, "port": 1}, {"name": "b", "port": 2}]);
        let live = json!([{"name": "b", "port": 2}, {"name": "x-10.0", "port": 1}]);
        assert_eq!(Resolved::default().missing(&expected, &live), [] as [&str; 0]);
        let live = json!([{"name": "b", "port": 2}, {"name": "x-10.0", "port": 3}]);
        assert_eq!(Resolved::default().missing(&expected, &live).len(), 1);
    }

    #[test]
    fn an_unknown_learns_what_azure_shows() {
        let mut known = Resolved::default();
        let address = mark("address", "x");
        let expected = json!({"properties": {"privateIPAddress": address}});
        let live = json!({"etag": "1", "properties": {"privateIPAddress": "10.0.0.4"}});
        assert_eq!(known.missing(&expected, &live), [] as [&str; 0]);
        assert_eq!(known.fill(&address), "10.0.0.4");
    }

    #[test]
    fn ids_match_in_any_case_and_lists_in_any_order() {
        let expected = json!({"a": [{"name": "x", "id": "/subscriptions/S/x"}, {"name": "y"}], "b": ["1", "2"]});
        let live = json!({"a": [{"name": "y"}, {"name": "x", "id": "/subscriptions/s/X"}], "b": ["2", "1"]});
        assert_eq!(Resolved::default().missing(&expected, &live), [] as [&str; 0]);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let missing = Resolved::default()
            .missing(&json!({"a": {"b": 1}, "c": true, "d": []}), &json!({"a": {"b": 2}}));
        assert_eq!(missing, ["a.b is 2, not 1", "c is not set, not true"]);
    }
}
