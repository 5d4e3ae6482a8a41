//! Putting what Azure handed out in place of marks.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::controller::memory::Memory;
use crate::unknown;

/// What marks turned out to be.
#[derive(Debug, Default)]
pub(crate) struct Known {
    values: BTreeMap<String, String>,
}

impl Known {
    /// Learns from what was predicted and what came.
    pub(crate) fn learn(&mut self, predicted: &Value, came: &Value) {
        match (predicted, came) {
            (Value::String(mark), Value::String(value)) if unknown::is_unknown(mark) => {
                // What came first is what was allocated; a list without names may be in another order.
                self.values.entry(mark.clone()).or_insert_with(|| value.clone());
            }
            (Value::Object(predicted), Value::Object(came)) => {
                for (name, field) in predicted {
                    if let Some(other) = came.get(name) {
                        self.learn(field, other);
                    }
                }
            }
            (Value::Array(predicted), Value::Array(came)) => {
                for (at, item) in predicted.iter().enumerate() {
                    let named = item.get("name").and_then(Value::as_str);
                    let other = match named {
                        Some(name) => came
                            .iter()
                            .find(|it| it.get("name").and_then(Value::as_str) == Some(name)),
                        None => came.get(at),
                    };
                    if let Some(other) = other {
                        self.learn(item, other);
                    }
                }
            }
            _ => {}
        }
    }

    /// The text with what is known of it in place.
    pub(crate) fn text(&self, text: &str) -> String {
        self.values.get(text).cloned().unwrap_or_else(|| text.to_owned())
    }

    fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) if unknown::is_unknown(text) => {
                *text = self.text(text);
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.value(field)),
            _ => {}
        }
    }

    /// Anything that goes through JSON unharmed.
    pub(crate) fn in_place<T: Serialize + DeserializeOwned>(&self, it: &mut T) {
        let Ok(mut value) = serde_json::to_value(&*it) else {
            return;
        };
        self.value(&mut value);
        if let Ok(known) = serde_json::from_value(value) {
            *it = known;
        }
    }

    /// The controller's caches.
    pub(crate) fn memory(&self, memory: &mut Memory) {
        for cached in memory.load_balancers.values_mut() {
            self.in_place(&mut cached.value);
        }
        for cached in memory.private_link_services.values_mut() {
            self.in_place(&mut cached.value);
        }
        for cached in memory.public_ips.values_mut() {
            self.in_place(&mut cached.value);
        }
        for cached in memory.security_groups.values_mut() {
            self.in_place(&mut cached.value);
            // The controller sorted addresses that were marks here.
            let group = Arc::make_mut(&mut cached.value);
            for rule in group.properties.security_rules.iter_mut().flatten() {
                let rule = Arc::make_mut(rule);
                rule.properties.destination_address_prefixes.iter_mut().for_each(|it| it.sort());
            }
        }
    }
}
