//! What may not change (`ValidateServiceUpdate`).

use serde_json::Value;

use crate::pointer::At;

use super::address::printed;
use super::traffic::needs_health_check;
use super::{Cause, is_headless, kind, list};

/// What is wrong with a Service that replaces another, if one is there, in the order in which the API server says it:
/// metadata, what may not change, all else. Both have their defaults.
pub fn replaced(object: &Value, live: Option<&Value>, version: Option<(u32, u32)>) -> Vec<Cause> {
    let mut causes = super::service(object, version);
    let of_metadata = causes.iter().take_while(|it| it.field.starts_with("metadata.")).count();
    let fixed = live.map(|live| updated(object, live)).unwrap_or_default();
    causes.splice(of_metadata..of_metadata, fixed);
    causes
}

/// What of a Service may not become what it would. Both have their defaults.
pub fn updated(object: &Value, live: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let is_name = |object: &Value| kind(object) == "ExternalName";
    let headless = (is_headless(live), is_headless(object));
    if !is_name(object) && !is_name(live) {
        let addresses = Members { field: "clusterIPs", kind: "[]string", one: "clusterIP" };
        if headless != (true, true) {
            addresses.compare(object, live, &mut causes);
        }
        if headless == (false, false) {
            let families =
                Members { field: "ipFamilies", kind: "[]core.IPFamily", one: "ipFamily" };
            families.compare(object, live, &mut causes);
        }
    }
    let class =
        |object: &Value| object.at("/spec/loadBalancerClass").filter(|it| !it.is_null()).cloned();
    let balanced = |object: &Value| kind(object) == "LoadBalancer";
    if balanced(object) && balanced(live) && class(live) != class(object) {
        // The API server prints a class that is not there so.
        let value = class(object).unwrap_or_else(|| Value::from("null"));
        let why = "may not change once set";
        causes.push(Cause::invalid("spec.loadBalancerClass", &value, why));
    }
    let health = |object: &Value| object.at("/spec/healthCheckNodePort").cloned();
    if needs_health_check(object) && needs_health_check(live) && health(object) != health(live) {
        causes.push(Cause::forbidden("spec.healthCheckNodePort", "field is immutable"));
    }
    causes
}

/// A list of one member or two, of which the second may come and go.
struct Members {
    field: &'static str,
    kind: &'static str,
    one: &'static str,
}

impl Members {
    fn compare(&self, object: &Value, live: &Value, causes: &mut Vec<Cause>) {
        let pointer = format!("/spec/{}", self.field);
        let (old, new) = (list(live, &pointer), list(object, &pointer));
        let mut refuse = |index: usize, why: &str| {
            let field = format!("spec.{}[{index}]", self.field);
            causes.push(Cause::invalid_as_printed(field, &printed(self.kind, new), why));
        };
        let compared = if old.len() == new.len() { old.len() } else { 1 };
        for (index, (before, after)) in old.iter().zip(new).take(compared).enumerate() {
            if before != after {
                refuse(index, "may not change once set");
            }
        }
        if !old.is_empty() && new.is_empty() {
            refuse(0, &format!("primary {} can not be unset", self.one));
        }
    }
}
