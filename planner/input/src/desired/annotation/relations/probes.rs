//! What must hold between the annotations about the rules and probes of one Service.

use super::super::effect::{Ports, is_about_ports, is_about_probes};
use crate::annotation::{Kind, PREFIX, find, find_per_port, keys, short};
use crate::desired::{Annotation, Service};
use crate::diagnostic::Diagnostic;
use crate::rule::{self, Severity};

/// Reports probes that take too long, and annotations about rules and probes of ports that nothing reads.
pub(super) fn check(service: &Service, ports: &Ports<'_>, problems: &mut Vec<Diagnostic>) {
    problems.extend(probe_time(service, ports));
    for (key, annotation) in service.annotations.iter().filter(|(key, _)| is_about_ports(key)) {
        // What the cluster's shared probe does not read is reported with what is predicted. Security rules
        // read the choice of floating IP too, so that it has an effect unless one rule serves all ports.
        let is_elsewhere = (ports.has_shared_probe() && is_about_probes(key))
            || (key == keys::DISABLE_FLOATING_IP && !ports.has_one_rule());
        if !is_elsewhere && is_known(service, key) && !ports.reads(key) {
            problems.push(not_read(service, ports, key, annotation));
        }
    }
}

/// Keys of ports that are not there, and keys that are not known, were reported.
fn is_known(service: &Service, key: &str) -> bool {
    match find_per_port(key) {
        Some((port, known)) => known.is_some() && has_port(service, port),
        None => find(key).is_some(),
    }
}

fn has_port(service: &Service, port: &str) -> bool {
    let mut ports = service.spec.ports.iter().filter_map(|it| it.port.as_ref());
    ports.any(|it| it.value.to_string() == port)
}

/// An annotation that no rule and no probe depends on, and why.
fn not_read(
    service: &Service,
    ports: &Ports<'_>,
    key: &str,
    annotation: &Annotation,
) -> Diagnostic {
    let ignored = |why: &str| {
        let message = format!("`{}` has no effect{why}", short(key));
        Diagnostic::new(rule::ANNOTATION_IGNORED, message)
    };
    if !is_about_probes(key) {
        return rule_not_read(ports, key, annotation, ignored);
    }
    let of_port = |parameter: &str| {
        find_per_port(key).map(|(port, _)| format!("{PREFIX}port_{port}_health-probe_{parameter}"))
    };
    // With externalTrafficPolicy Local one HTTP probe asks the health check node port, but for ports that
    // name a probe's port of their own, which are probed like those of Cluster (106, 107, 122). With one rule
    // for all ports none is.
    let local = service.spec.external_traffic_policy.as_ref().filter(|_| ports.has_one_probe());
    if let Some(local) = local.filter(|_| ports.has_one_rule() || !has_probe_port(service, key)) {
        let help = if ports.has_one_rule() {
            "remove it, or use the policy Cluster"
        } else {
            "remove it, use the policy Cluster, or name the port that is probed with port_<port>_health-probe_port"
        };
        return ignored(" with externalTrafficPolicy Local")
            .at(&annotation.key, "the health check node port is probed instead")
            .at(&local.span, "because of this")
            .help(help);
    }
    // Of a port that is probed, at least the protocol is read.
    if ports.has_one_rule() && of_port("protocol").is_some_and(|protocol| !ports.reads(&protocol)) {
        return ignored(" with high-availability ports")
            .at(&annotation.key, "the one rule has the probe of the first TCP port")
            .help("remove it, or say it for the first TCP port");
    }
    if key.ends_with("path") {
        // The path is ignored for TCP (112).
        let own = of_port("protocol").unwrap_or_else(|| keys::PROBE_PROTOCOL.to_owned());
        return ignored(" on TCP probes")
            .at(&annotation.key, "no port is probed by HTTP, or each has a path of its own")
            .help(format!("add {own}: \"Http\", or remove it"));
    }
    ignored("")
        .at(&annotation.key, "no probe of the Service depends on it")
        .help("remove it: ports say their own, or are not probed")
}

/// The same of one about rules. With high-availability ports one rule serves all ports: it reads no port's wish to have
/// no rule or no probe, and keeps its floating IP, while security rules name the nodes in place of the
/// frontend (`getExpectedLBRules`, `reconcileSecurityGroup`).
fn rule_not_read(
    ports: &Ports<'_>,
    key: &str,
    annotation: &Annotation,
    ignored: impl Fn(&str) -> Diagnostic,
) -> Diagnostic {
    if key == keys::DISABLE_FLOATING_IP {
        return ignored(" on the rule of high-availability ports")
            .at(&annotation.key, "only security rules read it, which no longer name the frontend")
            .help("remove it, or the high-availability ports");
    }
    if ports.has_one_rule() {
        return ignored(" with high-availability ports")
            .at(&annotation.key, "one rule serves all ports")
            .help("remove it, or the high-availability ports");
    }
    ignored("")
        .at(&annotation.key, "the port has no probe without it either, or no rule")
        .help("remove it")
}

/// Whether a port that a key is about names the port that is probed for it.
fn has_probe_port(service: &Service, key: &str) -> bool {
    let port = find_per_port(key).map(|(port, _)| port);
    service.annotations.keys().filter_map(|key| find_per_port(key)).any(|(of, known)| {
        known.is_some_and(|it| it.kind == Kind::Port) && port.is_none_or(|port| port == of)
    })
}

/// Interval times number of probes stays below 120 for each port that is probed (116).
fn probe_time(service: &Service, ports: &Ports<'_>) -> Option<Diagnostic> {
    let (interval, count) = ports.too_long()?;
    let is_about_time = |key: &str| key.ends_with("interval") || key.ends_with("num-of-probe");
    let read = service
        .annotations
        .iter()
        .filter(|(key, _)| is_about_probes(key) && is_about_time(key) && ports.depends_on(key));
    let (_, place) = read.min_by_key(|(key, _)| !key.ends_with("interval"))?;
    let message =
        format!("{count} probes at intervals of {interval} seconds take 120 seconds or more");
    let label = if ports.is_refused() { "the controller refuses this" } else { ports.without_it() };
    let mut problem = Diagnostic::new(rule::ANNOTATION_OUT_OF_RANGE, message)
        .at(&place.value.span, label)
        .help("lower the interval or the number of probes: the product must be below 120");
    if !ports.is_refused() {
        problem.severity = Severity::Warning;
    }
    Some(problem)
}
