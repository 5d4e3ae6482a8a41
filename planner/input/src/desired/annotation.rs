//! Annotations one by one.

mod effect;
pub(crate) mod relations;

use std::collections::BTreeSet;

use crate::annotation::{KNOWN, Kind, Known, PER_PORT, PREFIX, find, find_per_port, short};
use crate::desired::{Annotation, Maker, Passed, Service, ServiceSpec};
use crate::diagnostic::{Diagnostic, Place, Span, Spanned};
use crate::document::Gateway;
use crate::kubernetes::service::Key;
use crate::rule::{self, At, Example, Severity, basis, rules};
use crate::schema;
use crate::schema::text::Refusal;
use effect::{Ports, is_about_probes};
use privlink_model::facts::Facts;

/// Reports what the controller would refuse, misread or ignore in a Service's annotations.
///
/// A Service that the controller leaves alone (another type, or a load balancer class) is only told
/// so.
pub(super) fn lint(service: &Service, facts: &Facts, problems: &mut Vec<Diagnostic>) {
    if let Some((reason, span)) = left_alone(service) {
        let first = service.annotations.iter().filter(|(key, _)| is_azures(key));
        if let Some(annotation) = first.map(|(_, annotation)| annotation).min_by_key(|a| &a.key) {
            problems.push(
                Diagnostic::new(ANNOTATION_IGNORED, reason)
                    .at(&annotation.key, "nothing reads it")
                    .at(&span, "because of this")
                    .help("remove the annotations, or make it a plain LoadBalancer Service"),
            );
        }
        return;
    }
    let ports = Ports::of(service, facts);
    lint_each(service, ports.as_ref(), problems);
    relations::check(service, facts, ports.as_ref(), problems);
}

/// Looks at each annotation alone, and at what the controller makes of the Service's ports, where that can be told.
fn lint_each(service: &Service, ports: Option<&Ports<'_>>, problems: &mut Vec<Diagnostic>) {
    for (key, annotation) in &service.annotations {
        let first = problems.len();
        if let Some(known) = find(key) {
            check_value(key, known.kind, annotation, problems);
        } else if let Some((port, known)) = find_per_port(key) {
            check_per_port(service, key, port, known, annotation, problems);
        } else {
            split_key(key, annotation, problems);
            unknown(key, &annotation.key, problems);
        }
        if let Some(ports) = ports.filter(|it| is_about_probes(key) && !it.is_refused()) {
            soften(ports, key, first, problems);
        }
    }
    // That a value is not text was reported; its key may be wrong all the same.
    for (key, span) in &service.misread {
        if find(key).is_none() && find_per_port(key).is_none_or(|(_, known)| known.is_none()) {
            unknown(key, span, problems);
        }
    }
}

/// Where the controller takes a Service with a wrong value about probes, nothing reads the value, which is reported
/// apart, or the one rule for all ports goes without that probe.
fn soften(ports: &Ports<'_>, key: &str, first: usize, problems: &mut Vec<Diagnostic>) {
    let refuses =
        |it: &Diagnostic| [rule::ANNOTATION_OUT_OF_RANGE, UNKNOWN_PORT].contains(&it.code);
    if !ports.reads(key) {
        let own = problems.split_off(first);
        problems.extend(own.into_iter().filter(|it| !refuses(it)));
        return;
    }
    for problem in problems.iter_mut().skip(first).filter(|it| refuses(it)) {
        problem.severity = Severity::Warning;
        problem.message.push_str(": ");
        problem.message.push_str(ports.without_it());
    }
}

/// Reports what the controller would refuse, misread or ignore in the annotations that a document gives to Services that
/// are made of it: those that do not hang on the Service's ports, which only its maker knows. A Gateway gives all that
/// its Service has; others may add to what they say here, so that of theirs each is looked at alone. What is `settled` was
/// looked at on the Service that is made of it.
pub(super) fn lint_passed(
    maker: &Maker,
    settled: &BTreeSet<Place>,
    facts: &Facts,
    problems: &mut Vec<Diagnostic>,
) {
    let hangs_on_ports = |key: &str| find_per_port(key).is_some() || is_about_probes(key);
    for passed in &maker.passed {
        let is_open =
            |key: &str, span: &Span| !hangs_on_ports(key) && !settled.contains(&span.place());
        let annotations = passed.annotations.iter().filter(|(key, it)| is_open(key, &it.key));
        let kind = Spanned::new("LoadBalancer".to_owned(), maker.name.span.clone());
        let service = Service {
            name: Key::new(maker.namespace.clone().unwrap_or_default(), maker.name.value.clone()),
            span: maker.name.span.clone(),
            annotations: annotations.map(|(key, it)| (key.clone(), it.clone())).collect(),
            misread: passed.misread.clone(),
            spec: ServiceSpec { service_type: Some(kind), ..ServiceSpec::default() },
            manifest: serde_json::Value::Null,
            made_by: None,
        };
        not_text(maker, passed, problems);
        if settled.contains(&maker.name.span.place()) {
            continue;
        }
        if !service.annotations.keys().chain(service.misread.keys()).any(|key| is_azures(key)) {
            continue;
        }
        if maker.is_gateway() {
            lint(&service, facts, problems);
        } else {
            lint_each(&service, None, problems);
        }
    }
}

/// Reports annotations of a Gateway itself that its Service does not get.
pub(super) fn lint_uncopied(gateway: &Gateway, made: &Service, problems: &mut Vec<Diagnostic>) {
    let Some(by) = &made.made_by else { return };
    let azures = super::gateway::uncopied(gateway, made).filter(|(key, _)| is_azures(key));
    if let Some((_, first)) = azures.min_by_key(|(_, span)| *span) {
        problems.push(
            Diagnostic::new(
                ANNOTATION_IGNORED,
                format!("{} copies no annotation of this Gateway's own metadata", by.controller),
            )
            .at(first, "its Service does not get it")
            .help("move it to `spec.infrastructure.annotations`"),
        );
    }
}

/// Every annotation is text. What renders a chart writes a boolean as one, unless the chart has quotes for it.
fn not_text(maker: &Maker, passed: &Passed, problems: &mut Vec<Diagnostic>) {
    for (key, span) in passed.misread.iter().filter(|(key, _)| find(key).is_some()) {
        let name = short(key);
        let mut problem = Diagnostic::new(
            rule::ANNOTATION_NOT_TEXT,
            format!("the annotation `{name}` is not text"),
        )
        .at(span, format!("{} `{}` gives it to a Service", maker.kind, maker.name.value))
        .help(way_to_text(span.text()));
        if !maker.is_gateway() {
            problem.severity = Severity::Warning;
        }
        problems.push(problem);
    }
}

/// How an annotation comes to be text, by what is written where its key is.
fn way_to_text(written: &str) -> &'static str {
    let is_escaped = written.contains("\\.");
    match () {
        () if is_escaped => {
            "give it `forceString: true`: Helm takes true, false and numbers for what they are"
        }
        () if !written.contains("azure") || written.contains("annotations.") => {
            "its key was split at its dots: write `\\.` for each in `--set`, or the whole key in a file of values"
        }
        () => {
            "write its value in quotes: every annotation is text, and the API server refuses others"
        }
    }
}

/// Reports what a chart renders of a key that was split at its dots, where it writes whatever it finds as text.
fn split_key(key: &str, annotation: &Annotation, problems: &mut Vec<Diagnostic>) {
    if key == "service" && annotation.value.starts_with("map[beta:map[kubernetes:map[io/azure-") {
        problems.push(
            Diagnostic::new(
                UNKNOWN_ANNOTATION,
                "the annotation `service` holds annotations whose keys were split at their dots",
            )
            .at(&annotation.key, "has no effect")
            .help("write `\\.` for each dot in `--set`, or the whole key in a file of values"),
        );
    }
}

/// The known keys that the keys of a Service which the controller does not know are probably meant for,
/// and those whose values were not text: nobody can tell what holds of them.
pub(super) fn meant(service: &Service) -> BTreeSet<String> {
    let unknown = service.annotations.keys().chain(service.misread.keys());
    let unknown = unknown.filter(|key| find(key).is_none() && find_per_port(key).is_none());
    let meant = unknown.filter_map(|key| close_to(key)).map(|suffix| format!("{PREFIX}{suffix}"));
    meant.chain(service.misread.keys().cloned()).collect()
}

/// Why the controller has nothing to do with a Service (`wantsLoadBalancer`).
fn left_alone(service: &Service) -> Option<(String, Span)> {
    if let Some(class) = &service.spec.load_balancer_class {
        let reason =
            format!("a Service with a load balancer class is not Azure's: `{}`", class.value);
        return Some((reason, class.span.clone()));
    }
    match &service.spec.service_type {
        Some(kind) if kind.value == "LoadBalancer" => None,
        Some(kind) => {
            let reason = format!("a Service of type {} gets no load balancer", kind.value);
            Some((reason, kind.span.clone()))
        }
        None => {
            let reason = "a Service without a type is ClusterIP and gets no load balancer";
            Some((reason.to_owned(), service.span.clone()))
        }
    }
}

pub(super) fn is_azures(key: &str) -> bool {
    key.strip_prefix(PREFIX).is_some_and(|suffix| suffix.starts_with("azure-"))
}

fn check_value(key: &str, kind: Kind, annotation: &Annotation, problems: &mut Vec<Diagnostic>) {
    for Refusal { code, message, help } in kind.check(&annotation.value.value) {
        let name = short(key);
        problems.push(
            Diagnostic::new(code, message)
                .at(&annotation.value.span, format!("in `{name}`"))
                .help(help),
        );
    }
}

fn check_per_port(
    service: &Service,
    key: &str,
    port: &str,
    known: Option<&'static Known>,
    annotation: &Annotation,
    problems: &mut Vec<Diagnostic>,
) {
    let Some(known) = known else {
        unknown(key, &annotation.key, problems);
        return;
    };
    let is_its = |number: i64| number.to_string() == port;
    let mut ports = service.spec.ports.iter();
    let check = service.manifest.pointer("/spec/healthCheckNodePort");
    let is_health_check = check.and_then(serde_json::Value::as_i64).is_some_and(is_its);
    if !is_health_check
        && !ports.any(|port| port.port.as_ref().is_some_and(|number| is_its(number.value)))
    {
        let message = format!("the Service has no port {port}");
        problems.push(
            Diagnostic::new(ANNOTATION_IGNORED, message)
                .at(&annotation.key, "nothing reads it")
                .help(format!("the ports of the Service: {}", port_numbers(service))),
        );
        return;
    }
    check_value(key, known.kind, annotation, problems);
    if known.kind == Kind::Port {
        check_probe_port(service, annotation, problems);
    }
}

fn port_numbers(service: &Service) -> String {
    let numbers = service.spec.ports.iter().filter_map(|port| port.port.as_ref());
    let numbers: Vec<String> = numbers.map(|number| number.value.to_string()).collect();
    if numbers.is_empty() { "none".to_owned() } else { numbers.join(", ") }
}

/// A port's name in any case, or a number from 0 to 65535 without blanks (recording 121).
fn check_probe_port(service: &Service, annotation: &Annotation, problems: &mut Vec<Diagnostic>) {
    let text = &annotation.value.value;
    let is_number = text.parse().is_ok_and(|number: i64| (0..=65535).contains(&number));
    let mut names = service.spec.ports.iter().filter_map(|port| port.name.as_ref());
    if is_number || names.any(|name| name.eq_ignore_ascii_case(text)) {
        return;
    }
    let names = service.spec.ports.iter().filter_map(|port| port.name.as_ref());
    let names: Vec<String> = names.map(|name| format!("`{}`", name.value)).collect();
    let help = if names.is_empty() {
        "write a number; the Service's ports have no names".to_owned()
    } else {
        format!("write a number, or one of {}", names.join(", "))
    };
    problems.push(
        Diagnostic::new(UNKNOWN_PORT, format!("the Service has no port named `{text}`"))
            .at(&annotation.value.span, "")
            .help(help),
    );
}

/// Whether a key looks as if it was meant for the controller. Keys of others are none of our business.
pub fn is_meant(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or(key);
    let lower = name.to_lowercase();
    let mut suffixes = KNOWN.iter().map(|known| known.suffix);
    is_azures(key)
        || (key.starts_with(PREFIX) && (name.starts_with("port_") || lower.starts_with("azure")))
        || suffixes.any(|suffix| suffix == lower && suffix.starts_with("azure-"))
}

/// The known suffix that a key was probably meant to have.
fn close_to(key: &str) -> Option<&'static str> {
    if !is_meant(key) {
        return None;
    }
    let name = key.rsplit('/').next().unwrap_or(key);
    let suffixes = || KNOWN.iter().map(|known| known.suffix);
    // Some keep to `azure-load-balancer-` where the controller says `azure-` alone
    // (`azure-load-balancer-pip-name` was documented).
    let shorter = || {
        let own = format!("azure-{}", name.strip_prefix("azure-load-balancer-")?);
        suffixes().find(|suffix| *suffix == own)
    };
    schema::closest(name, suffixes()).or_else(shorter)
}

/// Reports a key that looks as if it was meant for the controller but is none that it knows.
fn unknown(key: &str, span: &Span, problems: &mut Vec<Diagnostic>) {
    if !is_meant(key) {
        return;
    }
    let name = key.rsplit('/').next().unwrap_or(key);
    let per_port = find_per_port(key).and_then(|(port, _)| {
        let rest = name.strip_prefix("port_")?.strip_prefix(port)?.strip_prefix('_')?;
        let suffixes = PER_PORT.iter().map(|known| known.suffix);
        schema::closest(rest, suffixes).map(|close| format!("port_{port}_{close}"))
    });
    let close = per_port.or_else(|| close_to(key).map(ToOwned::to_owned));
    let help = match close {
        Some(close) => format!("did you mean `{PREFIX}{close}`?"),
        None => "remove it: the controller ignores keys that it does not know".to_owned(),
    };
    problems.push(
        Diagnostic::new(UNKNOWN_ANNOTATION, format!("the controller knows no `{key}`"))
            .at(span, "has no effect")
            .help(help),
    );
}

rules! {
    /// An annotation that looks as if it was meant for Azure's controller, but that it does not know, or
    /// not in the pinned version. It ignores such keys silently. Keys are compared byte for byte.
    UNKNOWN_ANNOTATION = "unknown-annotation", Warning, [Desired], {
        basis: basis::ANNOTATIONS,
        advice: "Correct the spelling, or remove the annotation.",
        example: Example::new(
            At::Service,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-craete: "true"
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            "#,
        ),
    }

    /// An annotation that has no effect where it is: on a Service without a load balancer of Azure's, on
    /// the other flavour (internal, public), for a port that the Service does not have, on probes that do
    /// not use it, with high-availability ports, whose one rule does not use it, beside what it does not go
    /// with, or that the controller no longer reads. For rules and probes of ports, this is found by
    /// predicting without the annotation. Where the annotation that decides
    /// (`azure-load-balancer-internal`, `azure-pls-create`) is itself wrong, nothing that follows from it
    /// is reported.
    ANNOTATION_IGNORED = "annotation-ignored", Warning, [Desired], {
        basis: basis::ANNOTATIONS,
        advice: "Remove it, or change what makes it ineffective.",
        example: Example::new(
            At::Service,
            r#"service.beta.kubernetes.io/azure-load-balancer-internal-subnet: "apps""#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-load-balancer-internal-subnet: "apps"
            "#,
        ),
    }

    /// A `port_<port>_health-probe_port` names a port that the Service does not have. The controller
    /// refuses the Service.
    UNKNOWN_PORT = "unknown-port", Error, [Desired], {
        basis: basis::VALUES,
        advice: "Write a number, or the name of one of the Service's ports.",
        example: Example::new(
            At::Service,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/port_80_health-probe_port: "https"
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/port_80_health-probe_port: "8080"
            "#,
        ),
    }
}

#[cfg(test)]
mod tests;
