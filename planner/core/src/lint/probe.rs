//! Probes that cannot succeed.

use std::collections::BTreeMap;

use crate::arm::resource::{PrivateLinkService, Probe, Rule};
use crate::kubernetes::service::Key;
use crate::node::private_link_service;
use crate::plan::Finding;
use crate::resource_id::ResourceId;
use crate::rule::{At, Example, basis, rules};

use super::{Check, PREFIX, Subject};

/// Proxy protocol puts a header before every probe too, which kube-proxy's health server cannot read
/// (controller's documentation of Private Link Services).
fn proxied(subject: &Subject<'_>) -> Option<Finding> {
    let on = subject.says_true("azure-pls-create") && subject.says_true("azure-pls-proxy-protocol");
    let untrimmed =
        |key: &str| subject.annotation(key).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let probes_ports = untrimmed("azure-pls-create") && untrimmed("azure-pls-proxy-protocol");
    let is_shared = subject.facts.is_probe_shared();
    (on && (subject.is_local() || is_shared)).then(|| {
        if !subject.is_local() {
            return subject.finding(
                PROXY_PROTOCOL_PROBE,
                "azure-pls-proxy-protocol",
                "with proxy protocol and the cluster's health probe mode shared, kube-proxy is asked, which cannot read \
                 the header: nodes count as down unless AKS's health-probe-proxy runs on them"
                    .to_owned(),
                "See that the pods of health-probe-proxy run, or use no PROXY protocol on this cluster.",
            );
        }
        let what = if probes_ports {
            "the probes go to the Service's own ports, on nodes without a pod too"
        } else {
            "the probe stays kube-proxy's, which cannot read the header, and fails everywhere"
        };
        subject.finding(
            PROXY_PROTOCOL_PROBE,
            "azure-pls-proxy-protocol",
            format!("with proxy protocol and externalTrafficPolicy Local, {what}"),
            "Use externalTrafficPolicy Cluster, or write both annotations as exactly \"true\" and let the application answer probes.",
        )
    })
}

/// A rule of a load balancer with its probe, if it has one.
pub(super) struct Probed<'a> {
    pub(super) service: &'a Key,
    rule: &'a Rule,
    pub(super) probe: Option<&'a Probe>,
}

/// The rules of a load balancer that Services own.
pub(super) fn probed<'a>(subject: &Subject<'a>, balancer: &str) -> Vec<Probed<'a>> {
    let owners = subject.prediction.owners();
    let Some(balancer) = subject.prediction.after.load_balancers.get(balancer) else {
        return Vec::new();
    };
    let properties = &balancer.properties;
    let probes: BTreeMap<String, &Probe> = properties
        .probes
        .iter()
        .flatten()
        .map(|probe| (probe.name().to_lowercase(), probe.as_ref()))
        .collect();
    let rules = properties.load_balancing_rules.iter().flatten();
    let rules = rules.filter_map(|rule| Some((owners.of_name(rule.name())?, rule)));
    rules
        .map(|(service, rule)| {
            let id = rule.properties.probe.as_ref().map(|probe| ResourceId::new(probe.id()));
            let probe = id.and_then(|id| probes.get(&id.name().to_lowercase()).copied());
            Probed { service, rule, probe }
        })
        .collect()
}

fn is_http(probe: &Probe) -> bool {
    let protocol = probe.properties.protocol.as_deref().unwrap_or_default();
    protocol.eq_ignore_ascii_case("Http") || protocol.eq_ignore_ascii_case("Https")
}

fn is_proxied(link: &PrivateLinkService) -> bool {
    link.properties.enable_proxy_protocol == Some(true)
}

/// The header comes before the probes of other Services on the load balancer too, and on one frontend
/// before all connections (kubernetes/kubernetes pull request 121819; reported, and documented badly).
/// Reported where the Private Link Service is, whatever is written there by now, or at the neighbour if it
/// belongs to no Service of the input.
fn neighbours(subject: &Subject<'_>) -> Option<Finding> {
    let key = &subject.outcome.service;
    let links = subject.prediction.after.private_link_services.values();
    let mut proxied = links.map(AsRef::as_ref).filter(|link| is_proxied(link));
    let owner = |link: &PrivateLinkService| subject.prediction.owners().of_link(link);
    match proxied.clone().find(|link| owner(link) == Some(key)) {
        Some(own) => reaching(subject, own),
        None => proxied.find_map(|link| {
            let of_input = owner(link).filter(|owner| subject.wanted.has(owner));
            let is_told = of_input.is_some_and(|it| subject.prediction.outcome(it).is_some());
            if is_told { None } else { reached(subject, link) }
        }),
    }
}

/// The Services that the header of a Private Link Service reaches, and why.
fn hit_by<'a>(
    subject: &Subject<'a>,
    link: &PrivateLinkService,
) -> Option<(ResourceId, BTreeMap<&'a Key, &'static str>)> {
    let frontend = private_link_service::frontend(link)?;
    // The frontend is a child of its load balancer, in a collection.
    let balancer = frontend.parent()?;
    let mut hit = BTreeMap::new();
    for Probed { service, rule, probe } in probed(subject, &balancer.key()) {
        let on = rule.properties.frontend_ip_configuration.as_ref();
        if on.is_some_and(|on| frontend.key().eq_ignore_ascii_case(on.id())) {
            hit.insert(service, "shares its frontend");
        } else if probe.is_some_and(is_http) {
            hit.entry(service).or_insert("is probed by HTTP");
        }
    }
    Some((balancer, hit))
}

/// The PROXY protocol of a Service's own Private Link Service, and whom else it reaches.
fn reaching(subject: &Subject<'_>, own: &PrivateLinkService) -> Option<Finding> {
    let (balancer, mut hit) = hit_by(subject, own)?;
    hit.remove(&subject.outcome.service);
    if hit.is_empty() {
        return None;
    }
    let named: Vec<String> = hit.iter().map(|(key, why)| format!("{key} ({why})")).collect();
    Some(subject.finding(
        PROXY_PROTOCOL_PROBE,
        "azure-pls-proxy-protocol",
        format!(
            "the PROXY protocol of {} reaches other Services on load balancer {}, which do not expect its header: {}",
            own.name(),
            balancer.name(),
            named.join(", ")
        ),
        "Give those Services TCP probes (azure-load-balancer-health-probe-protocol: tcp) and this one an address of its own, or use no PROXY protocol.",
    ))
}

/// The PROXY protocol of another owner's Private Link Service, which reaches a Service.
fn reached(subject: &Subject<'_>, link: &PrivateLinkService) -> Option<Finding> {
    let (balancer, hit) = hit_by(subject, link)?;
    let why = hit.get(&subject.outcome.service)?;
    let owner = subject.prediction.owners().of_link(link);
    let whose = owner.map(|owner| format!(" of Service {owner}")).unwrap_or_default();
    Some(subject.finding(
        PROXY_PROTOCOL_PROBE,
        "azure-load-balancer-health-probe-protocol",
        format!(
            "the PROXY protocol of {}{whose} on load balancer {} reaches this Service, which does not expect its header: it {why}",
            link.name(),
            balancer.name(),
        ),
        "Use TCP probes here (azure-load-balancer-health-probe-protocol: tcp) and an address of its own, or no PROXY protocol there.",
    ))
}

/// A gateway by its labels, and what answers probes of it.
const GATEWAYS: [(&str, &str, &str); 2] = [
    (
        "app.kubernetes.io/name",
        "ingress-nginx",
        "Set azure-load-balancer-health-probe-request-path: /healthz, which ingress-nginx answers, or appProtocol: tcp.",
    ),
    (
        "istio",
        "ingressgateway",
        "Set port_<port>_health-probe_port: 15021 and port_<port>_health-probe_request-path: /healthz/ready, which Istio answers, or appProtocol: tcp.",
    ),
];

/// `appProtocol` makes the probe HTTP, and nobody says which path: a gateway without a default backend
/// answers 404 to `/`, which counts as down (kubernetes/ingress-nginx 8501, cloud-provider-azure 1763).
fn without_path(subject: &Subject<'_>) -> Option<Finding> {
    let key = &subject.outcome.service;
    if subject.service.spec.ports.iter().all(|port| port.app_protocol.is_none()) {
        return None;
    }
    let balancers = subject.prediction.after.load_balancers.keys();
    let own: Vec<Probed<'_>> = balancers
        .flat_map(|balancer| probed(subject, balancer))
        .filter(|it| it.service == key)
        .collect();
    let is_asked_for = |port: i64| {
        let of_port = |suffix: &str| {
            let own = format!("{PREFIX}port_{port}_health-probe_{suffix}");
            subject.service.annotation(&own).is_some()
        };
        of_port("protocol") || of_port("request-path")
    };
    if subject.annotation("azure-load-balancer-health-probe-request-path").is_some() {
        return None;
    }
    let mut found = Vec::new();
    for port in &subject.service.spec.ports {
        let (Some(number), Some(protocol)) = (&port.port, &port.app_protocol) else { continue };
        let is_root = |it: &&Probed<'_>| {
            it.rule.properties.frontend_port == Some(number.value)
                && it.probe.is_some_and(|probe| {
                    is_http(probe) && probe.properties.request_path.as_deref() == Some("/")
                })
        };
        if own.iter().any(|it| is_root(&it)) && !is_asked_for(number.value) {
            let name = port.name.as_ref().map(|name| name.value.clone());
            found.push((name.unwrap_or_else(|| number.value.to_string()), protocol));
        }
    }
    let (_, first) = found.first()?;
    let named: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    let ports = if let [one] = named.as_slice() {
        format!("port {one} is")
    } else {
        format!("ports {} are", named.join(", "))
    };
    let labels = subject.service.manifest.get("metadata").and_then(|it| it.get("labels"));
    let selector = subject.service.manifest.get("spec").and_then(|it| it.get("selector"));
    let has = |(key, value, _): &&(&str, &str, &str)| {
        let of = |map: Option<&serde_json::Value>| map?.get(*key)?.as_str().map(|it| it == *value);
        of(labels) == Some(true) || of(selector) == Some(true)
    };
    let help = GATEWAYS.iter().find(has).map_or(
        "Set azure-load-balancer-health-probe-request-path to a path that is answered with 200, or appProtocol: tcp.",
        |(_, _, help)| help,
    );
    Some(subject.finding_at(
        PROBE_WITHOUT_PATH,
        &first.span,
        format!(
            "{ports} probed by GET / on the node port, since appProtocol says so; a gateway without a default backend answers 404, and no traffic comes through"
        ),
        help,
    ))
}

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[proxied, neighbours, without_path];

rules! {
    /// Proxy protocol puts a header before everything that comes through, probes included. With
    /// externalTrafficPolicy Local the probe asks kube-proxy, which cannot read the header; only if both
    /// annotations are exactly true does the controller probe the Service's ports instead. Other Services
    /// on the load balancer are named where the header reaches them: those on the same frontend, and those
    /// probed by HTTP, as is every one with externalTrafficPolicy Local (reported; how far Azure spreads it
    /// is documented badly).
    PROXY_PROTOCOL_PROBE = "proxy-protocol-probe", Warning, [Desired, Live, Predicted], {
        basis: basis::documented("limits of Private Link Services on AKS", basis::link::LINK),
        advice: "Use externalTrafficPolicy Cluster, or let the application answer probes; give neighbours \
            TCP probes, or this Service an address of its own.",
        example: Example::new(
            At::Service,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-pls-proxy-protocol: "true"
            externalTrafficPolicy: Local
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-pls-proxy-protocol: "true"
            externalTrafficPolicy: Cluster
            "#,
        ),
    }

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
}
