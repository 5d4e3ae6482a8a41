//! What must hold between the annotations about the probes of one Service.

use super::super::effect::{Ports, is_about_probes};
use crate::annotation::{Kind, PREFIX, find, find_per_port, keys, short};
use crate::desired::{Annotation, Service};
use crate::diagnostic::Diagnostic;
use crate::rule::{self, Severity};

/// Reports probes that take too long, and annotations about probes that nothing reads.
pub(super) fn check(service: &Service, ports: &Ports<'_>, problems: &mut Vec<Diagnostic>) {
    problems.extend(probe_time(service, ports));
    // What the cluster's shared probe does not read is reported with what is predicted.
    if ports.has_shared_probe() {
        return;
    }
    for (key, annotation) in service.annotations.iter().filter(|(key, _)| is_about_probes(key)) {
        if is_known(service, key) && !ports.reads(key) {
            problems.push(not_read(service, key, annotation));
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

/// An annotation about probes that no probe depends on, and why.
fn not_read(service: &Service, key: &str, annotation: &Annotation) -> Diagnostic {
    let local = service.spec.external_traffic_policy.as_ref().filter(|it| it.value == "Local");
    let ignored = |message: String| Diagnostic::new(rule::ANNOTATION_IGNORED, message);
    let name = short(key);
    // With externalTrafficPolicy Local one HTTP probe asks the health check node port, but for ports that
    // name a probe's port of their own, which are probed like those of Cluster (106, 107, 122).
    if let Some(local) = local.filter(|_| !has_probe_port(service, key)) {
        return ignored(format!("`{name}` has no effect with externalTrafficPolicy Local"))
            .at(&annotation.key, "the health check node port is probed instead")
            .at(&local.span, "because of this")
            .help("remove it, use the policy Cluster, or name the port that is probed with port_<port>_health-probe_port");
    }
    if name.ends_with("path") {
        // The path is ignored for TCP (112).
        let own = match find_per_port(key) {
            Some((port, _)) => format!("{PREFIX}port_{port}_health-probe_protocol"),
            None => keys::PROBE_PROTOCOL.to_owned(),
        };
        return ignored(format!("`{name}` has no effect on TCP probes"))
            .at(&annotation.key, "no port is probed by HTTP, or each has a path of its own")
            .help(format!("add {own}: \"Http\", or remove it"));
    }
    ignored(format!("`{name}` has no effect"))
        .at(&annotation.key, "no probe of the Service depends on it")
        .help("remove it: ports say their own, or are not probed")
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
