//! Ports (`validateServicePort`), and what of them may not be twice.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::pointer::At;

use super::{Cause, is_headless, kind, list, name};

/// `IsValidPortNum`.
const NUMBER: &str = "must be between 1 and 65535, inclusive";

/// `IsValidPortName`: a port of the pods by name, of at most 15 characters (RFC 6335).
fn port_name(text: &str) -> Vec<String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let mut wrong = Vec::new();
    if text.len() > 15 {
        wrong.push(name::too_long(15));
    }
    if text.is_empty() || !text.chars().all(allowed) {
        wrong.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".into());
    }
    if !text.contains(|c: char| c.is_ascii_lowercase()) {
        wrong.push("must contain at least one letter (a-z)".to_owned());
    }
    if text.contains("--") {
        wrong.push("must not contain consecutive hyphens".to_owned());
    }
    if text.starts_with('-') || text.ends_with('-') {
        wrong.push("must not begin or end with a hyphen".to_owned());
    }
    wrong
}

fn number(port: &Value, name: &str) -> i64 {
    port.field(name).and_then(Value::as_i64).unwrap_or_default()
}

fn word<'a>(port: &'a Value, name: &str) -> &'a str {
    port.field(name).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn check(object: &Value, causes: &mut Vec<Cause>) {
    let ports = list(object, "/spec/ports");
    if ports.is_empty() && !is_headless(object) && kind(object) != "ExternalName" {
        causes.push(Cause::required("spec.ports"));
    }
    let mut names = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        let field = |name: &str| format!("spec.ports[{index}].{name}");
        let own = word(port, "name");
        if own.is_empty() && ports.len() > 1 {
            causes.push(Cause::required(field("name")));
        } else if !own.is_empty() {
            for why in name::label(own) {
                causes.push(Cause::invalid(field("name"), &json!(own), &why));
            }
            if !names.insert(own) {
                causes.push(Cause::duplicate(field("name"), &json!(own)));
            }
        }
        one(port, &field, causes);
        let node_port = port.field("nodePort").filter(|number| **number != json!(0));
        if kind(object) == "ClusterIP" && node_port.is_some_and(|number| !number.is_null()) {
            let why = "may not be used when `type` is 'ClusterIP'";
            causes.push(Cause::forbidden(field("nodePort"), why));
        }
    }
}

/// What is wrong with a port, but for its name.
fn one(port: &Value, field: &impl Fn(&str) -> String, causes: &mut Vec<Cause>) {
    let own = number(port, "port");
    if !(1..=65535).contains(&own) {
        causes.push(Cause::invalid(field("port"), &json!(own), NUMBER));
    }
    let protocol = word(port, "protocol");
    let supported = ["SCTP", "TCP", "UDP"];
    if !supported.contains(&protocol) {
        causes.push(Cause::unsupported(field("protocol"), &json!(protocol), &supported));
    }
    match port.field("targetPort") {
        Some(Value::String(target)) => {
            for why in port_name(target) {
                causes.push(Cause::invalid(field("targetPort"), &json!(target), &why));
            }
        }
        Some(target) if !target.is_null() => {
            let target = target.as_i64().unwrap_or_default();
            if !(1..=65535).contains(&target) {
                causes.push(Cause::invalid(field("targetPort"), &json!(target), NUMBER));
            }
        }
        _ => {}
    }
    let protocol = port.field("appProtocol").and_then(Value::as_str);
    for why in protocol.into_iter().flat_map(name::qualified) {
        let protocol = protocol.unwrap_or_default();
        causes.push(Cause::invalid(field("appProtocol"), &json!(protocol), &why));
    }
}

/// What must not be twice: node ports, and pairs of port and protocol.
pub(super) fn check_twice(object: &Value, causes: &mut Vec<Cause>) {
    let mut pairs = BTreeSet::new();
    let mut node_ports = BTreeSet::new();
    for (index, port) in list(object, "/spec/ports").iter().enumerate() {
        let protocol = word(port, "protocol");
        let (own, node_port) = (number(port, "port"), number(port, "nodePort"));
        if node_port != 0 && !node_ports.insert((protocol, node_port)) {
            let field = format!("spec.ports[{index}].nodePort");
            causes.push(Cause::duplicate(field, &json!(node_port)));
        }
        if !pairs.insert((protocol, own)) {
            // The API server shows what it compares as Go prints it.
            let message = format!(
                "Duplicate value: core.ServicePort{{Name:\"\", Protocol:{protocol:?}, \
                 AppProtocol:(*string)(nil), Port:{own}, \
                 TargetPort:intstr.IntOrString{{Type:0, IntVal:0, StrVal:\"\"}}, NodePort:0}}"
            );
            let field = format!("spec.ports[{index}]");
            causes.push(Cause { reason: "FieldValueDuplicate", message, field });
        }
    }
}
