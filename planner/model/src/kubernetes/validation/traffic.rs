//! Where traffic is sent: the policies, the health check's port, and which pods are preferred.

use serde_json::{Value, json};

use crate::pointer::{At, text};

use super::{Cause, is_there, kind, word};

/// The version that knows more than `PreferClose` (KEP 3015, on by default since).
const MORE_DISTRIBUTIONS: (u32, u32) = (1, 34);

/// Whether something outside the cluster reaches it (`ExternallyAccessible`).
fn is_external(object: &Value) -> bool {
    match kind(object) {
        "LoadBalancer" | "NodePort" => true,
        "ClusterIP" => is_there(object, "/spec/externalIPs"),
        _ => false,
    }
}

/// Whether it has a port that is probed (`NeedsHealthCheck`).
pub(super) fn needs_health_check(object: &Value) -> bool {
    kind(object) == "LoadBalancer" && text(object, "/spec/externalTrafficPolicy") == "Local"
}

pub(super) fn check(object: &Value, version: Option<(u32, u32)>, causes: &mut Vec<Cause>) {
    let policies = ["Cluster", "Local"];
    if is_external(object) {
        word(object, "externalTrafficPolicy", &policies, causes);
    } else if is_there(object, "/spec/externalTrafficPolicy") {
        let value = json!(text(object, "/spec/externalTrafficPolicy"));
        let why = "may only be set for externally-accessible services";
        causes.push(Cause::invalid("spec.externalTrafficPolicy", &value, why));
    }
    const HEALTH: &str = "spec.healthCheckNodePort";
    let port = object.at("/spec/healthCheckNodePort").and_then(Value::as_i64);
    if let Some(port) = port.filter(|port| *port != 0) {
        if !needs_health_check(object) {
            let why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` \
                       is 'Local'";
            causes.push(Cause::invalid(HEALTH, &json!(port), why));
        } else if !(1..=65535).contains(&port) {
            let why = "must be between 1 and 65535, inclusive";
            causes.push(Cause::invalid(HEALTH, &json!(port), why));
        }
    }
    word(object, "internalTrafficPolicy", &policies, causes);
    let supported: &[&str] = if version.is_none_or(|version| version >= MORE_DISTRIBUTIONS) {
        &["PreferClose", "PreferSameNode", "PreferSameZone"]
    } else {
        &["PreferClose"]
    };
    let distribution = object.at("/spec/trafficDistribution").and_then(Value::as_str);
    if let Some(value) = distribution.filter(|value| !supported.contains(value)) {
        causes.push(Cause::unsupported("spec.trafficDistribution", &json!(value), supported));
    }
}
