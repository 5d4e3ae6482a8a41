//! Probes that ask what nobody answers, since `appProtocol` makes them HTTP.

use serde_json::Value;

use crate::arm::resource::Probe;
use crate::document::Port;
use crate::kubernetes::managers::Tool;
use crate::plan::Finding;
use crate::rule::{At, Example, basis, rules};

use super::probe::{Probed, is_http, probed};
use super::{Check, PREFIX, Subject};

/// Who answers probes behind a Service.
#[derive(Clone, Copy, PartialEq)]
enum Gateway {
    Nginx,
    Istio,
    Other,
}

/// Gateways by a label of their Services, or by what those select.
const LABELS: [(&str, &str, Gateway); 2] = [
    ("app.kubernetes.io/name", "ingress-nginx", Gateway::Nginx),
    ("istio", "ingressgateway", Gateway::Istio),
];

/// The port on which Istio's gateways say whether they are ready, in plain HTTP, at `/healthz/ready`.
const STATUS_PORT: i64 = 15021;

impl Gateway {
    fn of(subject: &Subject<'_>) -> Self {
        let service = subject.service;
        if service.made_by.as_ref().is_some_and(|by| by.tool == Tool::Istio) {
            return Self::Istio;
        }
        let labels = service.manifest.get("metadata").and_then(|it| it.get("labels"));
        let selector = service.manifest.get("spec").and_then(|it| it.get("selector"));
        let has = |(key, value, _): &&(&str, &str, Self)| {
            let of = |map: Option<&Value>| map?.get(*key)?.as_str().map(|it| it == *value);
            of(labels) == Some(true) || of(selector) == Some(true)
        };
        LABELS.iter().find(has).map_or(Self::Other, |(_, _, gateway)| *gateway)
    }
}

/// The probes of a Service's own rules.
fn own_probes<'a>(subject: &Subject<'a>) -> Vec<Probed<'a>> {
    let key = &subject.outcome.service;
    let balancers = subject.prediction.after.load_balancers.keys();
    balancers
        .flat_map(|balancer| probed(subject, balancer))
        .filter(|it| it.service == key)
        .collect()
}

/// The port whose probe a rule has. The one rule for high-availability ports has frontend port 0, and the probe
/// of the first port that has any, which one of UDP or SCTP has not (`buildHealthProbeRulesForPort`).
fn port_of<'a>(subject: &Subject<'a>, probed: &Probed<'_>) -> Option<&'a Port> {
    let number = probed.rule.properties.frontend_port?;
    let is_probed =
        |port: &&Port| port.protocol.as_ref().is_none_or(|it| it.value.eq_ignore_ascii_case("TCP"));
    let mut ports = subject.service.spec.ports.iter();
    match number {
        0 => ports.find(is_probed),
        _ => ports.find(|port| port.port.as_ref().is_some_and(|it| it.value == number)),
    }
}

/// A port's annotation, by what is behind its number.
fn of_port(port: i64, parameter: &str) -> String {
    format!("port_{port}_health-probe_{parameter}")
}

/// `appProtocol` makes the probe HTTP, and nobody says which path: a gateway without a default backend
/// answers 404 to `/`, which counts as down (kubernetes/ingress-nginx 8501, cloud-provider-azure 1763).
fn without_path(subject: &Subject<'_>) -> Option<Finding> {
    let says = subject.service.spec.ports.iter().any(|port| port.app_protocol.is_some());
    if !says || subject.annotation("azure-load-balancer-health-probe-request-path").is_some() {
        return None;
    }
    let is_asked_for = |port: i64| {
        let has = |it: &&str| subject.annotation(&of_port(port, it)).is_some();
        ["protocol", "request-path"].iter().any(has)
    };
    let is_root =
        |probe: &Probe| is_http(probe) && probe.properties.request_path.as_deref() == Some("/");
    let own = own_probes(subject);
    let asked = own.iter().filter(|it| it.probe.is_some_and(is_root));
    let asked: Vec<&Port> = asked.filter_map(|it| port_of(subject, it)).collect();
    let found: Vec<(i64, &Port)> = subject
        .service
        .spec
        .ports
        .iter()
        .filter(|port| port.app_protocol.is_some() && asked.contains(port))
        .filter_map(|port| Some((port.port.as_ref()?.value, port)))
        .filter(|(number, _)| !is_asked_for(*number))
        .collect();
    let (number, first) = found.first()?;
    let span = &first.app_protocol.as_ref()?.span;
    let named: Vec<String> = found.iter().map(|(number, port)| name(*number, port)).collect();
    let ports = match named.as_slice() {
        [one] => format!("port {one} is"),
        all => format!("ports {} are", all.join(", ")),
    };
    let message = format!(
        "{ports} probed by GET / on the node port, since appProtocol says so; a gateway without a default backend answers 404, and no traffic comes through"
    );
    Some(subject.finding_at(
        PROBE_WITHOUT_PATH,
        span,
        message,
        &help(subject, *number, found.len() > 1),
    ))
}

/// What a port is called.
fn name(number: i64, port: &Port) -> String {
    port.name.as_ref().map_or_else(|| number.to_string(), |name| name.value.clone())
}

/// What to write so that the probe of a port is answered.
fn help(subject: &Subject<'_>, port: i64, is_one_of_several: bool) -> String {
    // What a Gateway's Service has beside annotations is its controller's.
    let (place, or) = match &subject.service.made_by {
        Some(_) => (" under spec.infrastructure.annotations of the Gateway", ""),
        None => ("", ", or appProtocol: tcp"),
    };
    match Gateway::of(subject) {
        Gateway::Nginx => format!(
            "Set azure-load-balancer-health-probe-request-path: /healthz{place}, which ingress-nginx answers{or}."
        ),
        Gateway::Istio => {
            let own = |parameter: &str, value: &str| {
                format!("{PREFIX}{}: {value}", of_port(port, parameter))
            };
            let others = if is_one_of_several { ", and the same of the other ports" } else { "" };
            format!(
                "Set {}, {} and {}{others}{place}, since Istio answers there in plain HTTP{or}.",
                own("port", "\"15021\""),
                own("protocol", "http"),
                own("request-path", "/healthz/ready")
            )
        }
        Gateway::Other => format!(
            "Set azure-load-balancer-health-probe-request-path{place} to a path that is answered with 200{or}."
        ),
    }
}

/// A probe of the status port of Istio's gateways that asks by HTTPS: `appProtocol` decides on the protocol,
/// whichever port is probed, and that one speaks plain HTTP.
fn https_to_status_port(subject: &Subject<'_>) -> Option<Finding> {
    if !may_probe_by_https(subject) {
        return None;
    }
    let stored = subject.prediction.services.get(&subject.outcome.service)?;
    let mut there = vec![Value::from(STATUS_PORT)];
    let status_ports = stored.ports.iter().filter(|port| port.port == STATUS_PORT);
    there.extend(status_ports.map(|port| port.node_port.to_value()));
    let is_wrong = |probe: &Probe| {
        let of = &probe.properties;
        let protocol = of.protocol.as_deref().unwrap_or_default();
        protocol.eq_ignore_ascii_case("Https")
            && of.port.as_ref().is_some_and(|port| there.contains(port))
    };
    let own = own_probes(subject);
    let wrong = own.iter().find(|it| it.probe.is_some_and(is_wrong))?;
    let port = port_of(subject, wrong)?;
    let number = port.port.as_ref()?.value;
    let key = of_port(number, "port");
    let message = format!(
        "the probe of port {} asks port 15021 by HTTPS, where Istio's gateways speak plain HTTP: every node counts as down, and no traffic comes through",
        name(number, port)
    );
    let help = format!("Set {PREFIX}{}: http.", of_port(number, "protocol"));
    let span = subject.annotation(&key).map(|it| &it.span);
    let span = span.or_else(|| Some(&port.app_protocol.as_ref()?.span));
    let span = span.unwrap_or(&subject.service.span);
    Some(subject.finding_at(PROBE_BY_HTTPS, span, message, &help))
}

/// Whether a Service asks for HTTPS anywhere.
fn may_probe_by_https(subject: &Subject<'_>) -> bool {
    let service = subject.service;
    let is_https = |text: &str| text.trim().eq_ignore_ascii_case("https");
    let of_port = |port: &Port| port.app_protocol.as_ref().is_some_and(|it| is_https(&it.value));
    service.spec.ports.iter().any(of_port)
        || service.annotations.values().any(|it| is_https(&it.value.value))
}

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[without_path, https_to_status_port];

rules! {
    /// `appProtocol: http` or `https` makes the probe of a port GET `/` on its node port. A gateway without
    /// a default backend answers 404, every node counts as down, and no traffic comes through. Reported
    /// again and again of ingress-nginx, whose chart sets `appProtocol`.
    PROBE_WITHOUT_PATH = "probe-without-path", Warning, [Desired, Live, Predicted], {
        basis: basis::recorded("appProtocol makes a probe of GET / (finding 26)", basis::link::BALANCER),
        advice: "Set `azure-load-balancer-health-probe-request-path` to what is answered with 200 \
            (`/healthz` of ingress-nginx), or `appProtocol: tcp`.",
        example: Example::new(
            At::Service,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            ports: [{name: http, port: 80, appProtocol: http}]
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            ports: [{name: http, port: 80, appProtocol: tcp}]
            "#,
        ),
    }

    /// A probe asks port 15021 by HTTPS. There Istio's gateways say whether they are ready, in plain HTTP:
    /// every node counts as down, and no traffic comes through. `port_<port>_health-probe_port` says which port
    /// is probed, and not how: that follows from the `appProtocol` of the port that is served.
    PROBE_BY_HTTPS = "probe-by-https", Warning, [Desired, Live, Predicted], {
        basis: basis::documented("the protocol of a probe follows from appProtocol, and 15021 is HTTP", basis::link::BALANCER),
        advice: "Set `port_<port>_health-probe_protocol: http` beside it.",
        example: Example::new(
            At::Service,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/port_443_health-probe_port: "15021"
            service.beta.kubernetes.io/port_443_health-probe_request-path: /healthz/ready
            ports: [{name: status-port, port: 15021}, {name: https, port: 443, appProtocol: https}]
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/port_443_health-probe_port: "15021"
            service.beta.kubernetes.io/port_443_health-probe_protocol: http
            service.beta.kubernetes.io/port_443_health-probe_request-path: /healthz/ready
            ports: [{name: status-port, port: 15021}, {name: https, port: 443, appProtocol: https}]
            "#,
        ),
    }
}
