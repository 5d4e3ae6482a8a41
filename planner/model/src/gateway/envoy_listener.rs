//! Listeners that Envoy Gateway serves: those that are valid and in conflict with no other. Only they have ports.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::pointer::{At, text};

/// A listener.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listener<'a> {
    /// Its protocol.
    pub(super) protocol: &'a str,
    /// Its port.
    pub(super) port: i64,
    /// Its host name; empty for all.
    hostname: &'a str,
    /// Whether it ends TLS, and is served only with a certificate that can be read.
    pub(super) needs_certificates: bool,
}

/// The listeners of a Gateway that are served, in their order (`ProcessListeners`).
pub(super) fn served(gateway: &Value) -> Vec<Listener<'_>> {
    let all = gateway.at("/spec/listeners").and_then(Value::as_array).into_iter().flatten();
    let valid: Vec<Listener<'_>> = all.filter_map(valid).collect();
    let mut protocols: BTreeMap<i64, BTreeSet<&str>> = BTreeMap::new();
    for it in valid.iter().filter(|it| it.protocol != "UDP") {
        protocols.entry(it.port).or_default().insert(it.family());
    }
    let agree = |it: &Listener<'_>| {
        it.protocol == "UDP" || protocols.get(&it.port).is_none_or(|all| all.len() < 2)
    };
    let valid: Vec<Listener<'_>> = valid.into_iter().filter(agree).collect();
    let mut names: BTreeMap<(i64, &str), usize> = BTreeMap::new();
    for it in valid.iter().filter(|it| it.has_hostname()) {
        *names.entry((it.port, it.hostname)).or_default() += 1;
    }
    let is_alone = |it: &&Listener<'_>| {
        !it.has_hostname() || names.get(&(it.port, it.hostname)).is_none_or(|count| *count < 2)
    };
    valid.iter().filter(is_alone).copied().collect()
}

impl<'a> Listener<'a> {
    /// What must be the same on a port: HTTPS and TLS go together (`getProtocolForListener`).
    fn family(&self) -> &'a str {
        match self.protocol {
            "HTTPS" => "TLS",
            other => other,
        }
    }

    fn has_hostname(&self) -> bool {
        !matches!(self.protocol, "TCP" | "UDP")
    }
}

/// A listener, if what it says is valid (`validateListenerSpec`).
fn valid(listener: &Value) -> Option<Listener<'_>> {
    let protocol = text(listener, "/protocol");
    let tls = listener.get("tls").filter(|it| it.is_object());
    let mode = tls.map(|it| text(it, "/mode"));
    let has_certificates =
        tls.and_then(|it| it.get("certificateRefs")?.as_array()).is_some_and(|all| !all.is_empty());
    let ends = matches!(mode, Some("" | "Terminate"));
    let is_valid = match protocol {
        "HTTP" | "TCP" | "UDP" => tls.is_none(),
        "HTTPS" => ends && has_certificates,
        "TLS" => (mode == Some("Passthrough") && !has_certificates) || (ends && has_certificates),
        _ => false,
    };
    let routes = listener.at("/allowedRoutes/kinds").and_then(Value::as_array);
    let are_routed = routes.into_iter().flatten().all(|it| is_routed(it, protocol, ends));
    (is_valid && are_routed && selects(listener)).then_some(Listener {
        protocol,
        port: listener.get("port")?.as_i64()?,
        hostname: text(listener, "/hostname"),
        needs_certificates: ends,
    })
}

/// Whether a listener of a protocol takes routes of a kind (`allowedRouteKindsForProtocol`).
fn is_routed(route: &Value, protocol: &str, ends: bool) -> bool {
    let kinds: &[&str] = match protocol {
        "HTTP" | "HTTPS" => &["HTTPRoute", "GRPCRoute"],
        "TLS" if ends => &["TCPRoute", "TLSRoute"],
        "TLS" => &["TLSRoute"],
        "TCP" => &["TCPRoute"],
        _ => &["UDPRoute"],
    };
    let group = route.get("group").and_then(Value::as_str);
    group.is_none_or(|it| it == super::GROUP) && kinds.contains(&text(route, "/kind"))
}

/// Whether a listener that takes routes of some namespaces says of which (`validateAllowedNamespaces`).
fn selects(listener: &Value) -> bool {
    let namespaces = listener.at("/allowedRoutes/namespaces");
    namespaces.is_none_or(|it| text(it, "/from") != "Selector" || it.get("selector").is_some())
}
