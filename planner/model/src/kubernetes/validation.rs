//! What the API server refuses of a Service, in its words: the rules of `ValidateService`,
//! `ValidateServiceUpdate` and of the allocators (`pkg/apis/core/validation/validation.go`,
//! `pkg/registry/core/service/storage/alloc.go` of Kubernetes 1.33), compared with what kube-apiserver
//! 1.33.1 answered.
//!
//! One place for both: what is checked before anything is sent, and what the sandbox's API server
//! refuses. What is unknown before an apply ([`crate::unknown`]) is taken to be right.

mod address;
mod allocation;
mod metadata;
mod name;
mod port;
mod traffic;
mod update;

use serde_json::Value;

pub use allocation::{Cluster, NODE_PORTS, Taken, allocated};
pub use update::{replaced, updated};

use crate::pointer::{At, text};

/// One thing that the API server holds against an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// `FieldValueRequired`, `FieldValueInvalid`, `FieldManagerConflict`, ...
    pub reason: &'static str,
    /// What is wrong, with the field's name left out.
    pub message: String,
    /// The field, such as `spec.ports[0].name`.
    pub field: String,
}

impl Cause {
    /// A field that must be there.
    pub fn required(field: impl Into<String>) -> Self {
        let (reason, message) = ("FieldValueRequired", "Required value".to_owned());
        Self { reason, message, field: field.into() }
    }

    /// A field with a value that cannot be; `value` as the API server quotes it.
    pub fn invalid(field: impl Into<String>, value: &Value, why: &str) -> Self {
        Self::invalid_as_printed(field, &value.to_string(), why)
    }

    /// A field with a value that cannot be, as Go prints it: a list of text, or a type of the API.
    pub fn invalid_as_printed(field: impl Into<String>, printed: &str, why: &str) -> Self {
        let message = format!("Invalid value: {printed}: {why}");
        Self { reason: "FieldValueInvalid", message, field: field.into() }
    }

    /// A field that may not be there.
    pub fn forbidden(field: impl Into<String>, why: &str) -> Self {
        let message = format!("Forbidden: {why}");
        Self { reason: "FieldValueForbidden", message, field: field.into() }
    }

    /// A second item with the same value.
    pub fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        let message = format!("Duplicate value: {value}");
        Self { reason: "FieldValueDuplicate", message, field: field.into() }
    }

    /// A value that is none of those there are.
    pub fn unsupported(field: impl Into<String>, value: &Value, supported: &[&str]) -> Self {
        let quoted: Vec<String> = supported.iter().map(|one| format!("{one:?}")).collect();
        let message =
            format!("Unsupported value: {value}: supported values: {}", quoted.join(", "));
        Self { reason: "FieldValueNotSupported", message, field: field.into() }
    }
}

/// What is wrong with a Service that has its defaults, whatever the cluster and whatever it was before
/// (`ValidateService`). `version`: the API server's, where it is known; without it, what any supported
/// version takes is right.
pub fn service(object: &Value, version: Option<(u32, u32)>) -> Vec<Cause> {
    let mut causes = Vec::new();
    metadata::check(object, &mut causes);
    type_of_service(object, &mut causes);
    port::check(object, &mut causes);
    name::check_labels(object.at("/spec/selector"), "spec.selector", &mut causes);
    affinity(object, &mut causes);
    address::check_cluster_ips(object, &mut causes);
    address::check_external_ips(object, &mut causes);
    let types = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    word(object, "type", &types, &mut causes);
    port::check_twice(object, &mut causes);
    address::check_source_ranges(object, &mut causes);
    of_load_balancers(object, &mut causes);
    traffic::check(object, version, &mut causes);
    causes
}

/// `spec.type`.
fn kind(object: &Value) -> &str {
    text(object, "/spec/type")
}

/// Whether a Service has no address of its own.
fn is_headless(object: &Value) -> bool {
    text(object, "/spec/clusterIPs/0") == "None" || text(object, "/spec/clusterIP") == "None"
}

fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.at(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Whether a field says something: it is there, and neither null nor empty.
fn is_there(object: &Value, pointer: &str) -> bool {
    match object.at(pointer) {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(_) => true,
    }
}

/// A word that must be one of a few; nothing is one of them where it may be left out.
fn word(object: &Value, field: &str, supported: &[&str], causes: &mut Vec<Cause>) {
    let value = object.at("/spec").and_then(|spec| spec.field(field)?.as_str());
    let value = value.unwrap_or_default();
    if !value.is_empty() && !supported.contains(&value) {
        causes.push(Cause::unsupported(format!("spec.{field}"), &value.into(), supported));
    }
}

fn type_of_service(object: &Value, causes: &mut Vec<Cause>) {
    match kind(object) {
        kind @ ("LoadBalancer" | "NodePort") if is_headless(object) => {
            let why = format!("may not be set to 'None' for {kind} services");
            causes.push(Cause::invalid("spec.clusterIPs[0]", &"None".into(), &why));
        }
        "ExternalName" => external_name(object, causes),
        _ => {}
    }
}

fn external_name(object: &Value, causes: &mut Vec<Cause>) {
    let why = "may not be set for ExternalName services";
    for field in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        if is_there(object, &format!("/spec/{field}")) {
            causes.push(Cause::forbidden(format!("spec.{field}"), why));
        }
    }
    let name = text(object, "/spec/externalName");
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() {
        causes.push(Cause::required("spec.externalName"));
        return;
    }
    for why in name::subdomain(name) {
        causes.push(Cause::invalid("spec.externalName", &name.into(), &why));
    }
}

/// Seconds that a client stays with its pod at most: a day.
const LONGEST_AFFINITY: i64 = 86_400;

fn affinity(object: &Value, causes: &mut Vec<Cause>) {
    word(object, "sessionAffinity", &["ClientIP", "None"], causes);
    if text(object, "/spec/sessionAffinity") != "ClientIP" {
        return;
    }
    const FIELD: &str = "spec.sessionAffinityConfig.clientIP.timeoutSeconds";
    let seconds = object.at("/spec/sessionAffinityConfig/clientIP/timeoutSeconds");
    let seconds = seconds.and_then(Value::as_i64);
    if let Some(seconds) = seconds.filter(|it| !(1..=LONGEST_AFFINITY).contains(it)) {
        let why = format!("must be greater than 0 and less than {LONGEST_AFFINITY}");
        causes.push(Cause::invalid(FIELD, &seconds.into(), &why));
    }
}

fn of_load_balancers(object: &Value, causes: &mut Vec<Cause>) {
    let class = object.at("/spec/loadBalancerClass").and_then(Value::as_str);
    if kind(object) == "LoadBalancer" {
        for why in class.into_iter().flat_map(name::qualified) {
            let class = class.unwrap_or_default();
            causes.push(Cause::invalid("spec.loadBalancerClass", &class.into(), &why));
        }
        return;
    }
    let why = "may only be used when `type` is 'LoadBalancer'";
    for field in ["allocateLoadBalancerNodePorts", "loadBalancerClass"] {
        if object.at(&format!("/spec/{field}")).is_some_and(|value| !value.is_null()) {
            causes.push(Cause::forbidden(format!("spec.{field}"), why));
        }
    }
}

/// Major and minor of a version of Kubernetes: `v1.33.1` gives 1 and 33.
pub fn minor_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.strip_prefix('v').unwrap_or(text).split('.');
    let major = parts.next()?.parse().ok()?;
    let minor = parts.next()?.parse().ok()?;
    Some((major, minor))
}

#[cfg(test)]
mod tests;
