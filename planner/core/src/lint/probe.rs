//! Probes that cannot succeed.

use std::collections::BTreeMap;

use crate::arm::resource::{PrivateLinkService, Probe, Rule};
use crate::kubernetes::service::Key;
use crate::node::private_link_service;
use crate::plan::Finding;
use crate::resource_id::ResourceId;
use crate::rule::{At, Example, basis, rules};

use super::{Check, Subject};

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
    pub(super) rule: &'a Rule,
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

pub(super) fn is_http(probe: &Probe) -> bool {
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

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[proxied, neighbours];

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
}
