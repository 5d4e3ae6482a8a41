//! What must hold between the annotations and fields of one Service.

pub(crate) mod private_link;
mod probes;

use std::net::IpAddr;

use super::effect::Ports;
use super::meant;
use crate::annotation::{Scope, bad_cidr, find, is_true, keys, short};
use crate::desired::{Annotation, Service};
use crate::diagnostic::{Diagnostic, Spanned};
use crate::rule::{self, At, Example, Severity, basis, rules};
use crate::schema::Text;
use privlink_model::annotation::{CONFIGURATIONS, PIP_NAME, PIP_NAME_IPV6, PIP_PREFIX_ID_IPV6};
use privlink_model::facts::{Fact, Facts, LoadBalancerSku, Origin};

/// Reports what does not hold between the annotations and fields of a Service of type LoadBalancer.
pub(super) fn check(
    service: &Service,
    facts: &Facts,
    ports: Option<&Ports<'_>>,
    problems: &mut Vec<Diagnostic>,
) {
    let reading = Reading::of(service);
    scopes(service, facts, reading, problems);
    load_balancer_ip(service, problems);
    addresses_asked_for(service, reading, problems);
    source_ranges(service, problems);
    if let Some(ports) = ports {
        probes::check(service, ports, problems);
    }
    sctp(service, problems);
    private_link::check(service, reading, problems);
}

/// How the controller reads the Service.
#[derive(Clone, Copy)]
struct Reading {
    /// Exactly `true` (recordings 072 to 076).
    internal: bool,
    /// Whether what says so is itself wrong, and was reported: advice that follows from it would be as
    /// wrong.
    internal_unclear: bool,
    private_link: bool,
    /// The same of `private_link`.
    private_link_unclear: bool,
}

impl Reading {
    fn of(service: &Service) -> Self {
        let value = |key: &str| service.annotation(key).map(|value| value.value.as_str());
        let meant = meant(service);
        let unclear = |key: &str| {
            let is_refused = |value| find(key).is_some_and(|it| !it.kind.check(value).is_empty());
            value(key).map_or_else(|| meant.contains(key), is_refused)
        };
        Self {
            internal: value(keys::INTERNAL) == Some("true"),
            internal_unclear: unclear(keys::INTERNAL),
            private_link: value(keys::PLS_CREATE).is_some_and(is_true),
            private_link_unclear: unclear(keys::PLS_CREATE),
        }
    }
}

/// Whether a Service may ask for a Private Link Service, as far as can be told: it does, or the annotation
/// that would say so is itself wrong, which was reported.
pub(crate) fn may_ask_for_private_link(service: &Service) -> bool {
    let reading = Reading::of(service);
    reading.private_link || reading.private_link_unclear
}

/// Whether an annotation that ignores case, but not blanks, is true.
fn is_set(service: &Service, key: &str) -> bool {
    service.annotation(key).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Whether a name of a public IP is read on an internal Service as well: of several load balancers none may be named
/// beside it, and the controller fails (`getServiceLoadBalancerName`).
fn clashes(service: &Service, key: &str) -> bool {
    let names_balancer =
        service.annotations.keys().any(|it| it.eq_ignore_ascii_case(CONFIGURATIONS));
    names_balancer && [PIP_NAME, PIP_NAME_IPV6].contains(&key)
}

/// Why an annotation of one IP family is not read, if the Service is of the other alone
/// (`getServiceLoadBalancerIP`, `getServicePIPName`). Of several load balancers the controller chooses by the
/// addresses of both.
fn other_family(service: &Service, facts: &Facts, key: &str) -> Option<&'static str> {
    let is_address = key == keys::IPV4 || key == keys::IPV6;
    if is_address && facts.has_several_load_balancers() {
        return None;
    }
    match (key, only_family(service, facts)?) {
        (keys::IPV6 | PIP_NAME_IPV6 | PIP_PREFIX_ID_IPV6, "IPv4") => {
            Some("the Service has no IPv6 frontend")
        }
        (keys::IPV4, "IPv6") => Some("the Service has no IPv4 frontend"),
        _ => None,
    }
}

/// The only IP family that a Service has, where that can be told: the cluster has one, or the Service asks for one.
fn only_family<'a>(service: &'a Service, facts: &'a Facts) -> Option<&'a str> {
    let pinned = facts.source(Fact::IpFamilies) == Origin::Pinned;
    let of_cluster = facts.ip_families.as_slice();
    if let ([only], true) = (of_cluster, pinned) {
        return Some(only);
    }
    let policy = service.spec.ip_family_policy.as_ref().map(|it| it.value.as_str());
    match (service.spec.ip_families.as_slice(), policy) {
        ([only], None | Some("SingleStack")) => Some(&only.value),
        ([], Some("SingleStack")) => of_cluster.first().filter(|_| pinned).map(String::as_str),
        _ => None,
    }
}

/// Annotations where they are not read.
fn scopes(service: &Service, facts: &Facts, reading: Reading, problems: &mut Vec<Diagnostic>) {
    let mut settings: Vec<(&str, &Annotation)> = Vec::new();
    for (key, annotation) in &service.annotations {
        let Some(known) = find(key) else { continue };
        let other_family = other_family(service, facts, key);
        let reason = match known.scope {
            Scope::Any if other_family.is_none() => continue,
            Scope::Any => other_family.unwrap_or_default(),
            Scope::PrivateLink => {
                settings.push((key, annotation));
                continue;
            }
            Scope::Internal | Scope::Public if reading.internal_unclear => continue,
            Scope::Public if clashes(service, key) => continue,
            Scope::Internal if !reading.internal => "it is read on internal load balancers only",
            Scope::Public if reading.internal => "it is read on public load balancers only",
            Scope::Internal | Scope::Public if other_family.is_none() => continue,
            Scope::Internal | Scope::Public => other_family.unwrap_or_default(),
            Scope::Basic if facts.load_balancer_sku == LoadBalancerSku::Basic => continue,
            Scope::Basic => "it is read with Basic load balancers only, which Azure retired",
            Scope::Nowhere => "the controller no longer reads it",
        };
        problems.push(
            Diagnostic::new(rule::ANNOTATION_IGNORED, format!("`{}` has no effect", short(key)))
                .at(&annotation.key, reason)
                .help("remove it"),
        );
    }
    if reading.private_link || reading.private_link_unclear {
        return;
    }
    settings.sort_by_key(|(_, annotation)| &annotation.key);
    let Some((_, first)) = settings.first() else { return };
    let names: Vec<String> = settings.iter().map(|(key, _)| format!("`{}`", short(key))).collect();
    // Without azure-pls-create the settings do nothing (recording 065).
    problems.push(
        Diagnostic::new(
            PRIVATE_LINK_OFF,
            format!("without `azure-pls-create` these do nothing: {}", names.join(", ")),
        )
        .at(&first.key, "no Private Link Service is asked for")
        .help(format!("add {}: \"true\", or remove the settings", keys::PLS_CREATE)),
    );
}

/// `spec.loadBalancerIP` is deprecated; the annotations win over it (recording 081).
fn load_balancer_ip(service: &Service, problems: &mut Vec<Diagnostic>) {
    let Some(address) = service.spec.load_balancer_ip.as_ref().filter(|ip| !ip.is_empty()) else {
        return;
    };
    if let Err(refusal) = Text::Address.check(address) {
        problems.push(
            Diagnostic::new(refusal.code, refusal.message)
                .at(&address.span, "in `spec.loadBalancerIP`")
                .help(refusal.help),
        );
    }
    let key = if address.contains(':') { keys::IPV6 } else { keys::IPV4 };
    let help = match service.annotations.get(key) {
        Some(annotation) if !annotation.value.is_empty() => {
            format!("remove it: `{}` wins over it", short(key))
        }
        _ => format!("write the annotation {key}: \"{}\" instead", address.value),
    };
    problems.push(
        Diagnostic::new(
            DEPRECATED_LOAD_BALANCER_IP,
            "`spec.loadBalancerIP` is deprecated since Kubernetes 1.24",
        )
        .at(&address.span, "")
        .help(help),
    );
}

/// Addresses that do not go with the rest: a public one on an internal load balancer, and any beside a
/// choice of load balancers, which the controller refuses where there are several (`azure_loadbalancer.go`,
/// `getEligibleLoadBalancersForService`) and reads nowhere where there is one.
fn addresses_asked_for(service: &Service, reading: Reading, problems: &mut Vec<Diagnostic>) {
    let annotated = [keys::IPV4, keys::IPV6].into_iter().filter_map(|key| service.annotation(key));
    let asked = annotated.chain(&service.spec.load_balancer_ip).filter(|it| !it.trim().is_empty());
    let asked: Vec<&Spanned<String>> = asked.collect();
    for address in asked.iter().filter(|_| reading.internal) {
        let Ok(IpAddr::V4(own)) = address.parse() else { continue };
        let shared = own.octets().first() == Some(&100)
            && own.octets().get(1).is_some_and(|it| it & 0xc0 == 64);
        if !own.is_private() && !shared && !own.is_loopback() && !own.is_link_local() {
            let message =
                format!("`{own}` is not a private address, and the load balancer is internal");
            let mut problem = Diagnostic::new(rule::BAD_ADDRESS, message)
                .at(&address.span, "it must be in the frontend's subnet")
                .help("choose an address of the subnet, or leave it out");
            // Networks may have public ranges.
            problem.severity = Severity::Warning;
            problems.push(problem);
        }
    }
    if let (Some(first), Some(chosen)) =
        (asked.first(), service.annotations.get(keys::CONFIGURATIONS))
    {
        problems.push(
            Diagnostic::new(
                rule::ANNOTATION_IGNORED,
                format!("`{}` has no effect beside an address", short(keys::CONFIGURATIONS)),
            )
            .at(&chosen.key, "with several load balancers the controller refuses both at once")
            .at(&first.span, "the address")
            .help("remove one of the two"),
        );
    }
}

/// Ranges of the spec, and both kinds at once (recordings 136, 137).
fn source_ranges(service: &Service, problems: &mut Vec<Diagnostic>) {
    let ranges = &service.spec.load_balancer_source_ranges;
    for range in ranges {
        if let Some(refusal) = bad_cidr(range.trim()) {
            problems.push(
                Diagnostic::new(refusal.code, refusal.message)
                    .at(&range.span, "in `spec.loadBalancerSourceRanges`")
                    .help(refusal.help),
            );
        }
    }
    let Some(first) = ranges.first() else { return };
    for key in [keys::ALLOWED_IP_RANGES, keys::SOURCE_RANGES] {
        let annotation = service.annotations.get(key).filter(|a| !a.value.trim().is_empty());
        if let Some(annotation) = annotation {
            problems.push(
                Diagnostic::new(
                    SOURCE_RANGES_CONFLICT,
                    format!(
                        "`spec.loadBalancerSourceRanges` and `{}` exclude each other",
                        short(key)
                    ),
                )
                .at(
                    &annotation.key,
                    "the controller refuses both, after it wrote the load balancer",
                )
                .at(&first.span, "ranges of the other kind")
                .help("move all ranges to one of the two"),
            );
        }
    }
}

/// SCTP is for internal Standard load balancers (`SCTP is only supported on standard loadbalancer in
/// internal mode`). The controller ignores case here, unlike elsewhere.
fn sctp(service: &Service, problems: &mut Vec<Diagnostic>) {
    if is_set(service, keys::INTERNAL) {
        return;
    }
    let protocols = service.spec.ports.iter().filter_map(|port| port.protocol.as_ref());
    for protocol in protocols.filter(|protocol| protocol.value == "SCTP") {
        problems.push(
            Diagnostic::new(PUBLIC_SCTP, "a public load balancer cannot serve SCTP")
                .at(&protocol.span, "the controller refuses this")
                .help(format!("add {}: \"true\"", keys::INTERNAL)),
        );
    }
}

rules! {
    /// There are `azure-pls-*` settings, but no `azure-pls-create: "true"`. They do nothing. A Private Link
    /// Service that exists already stays unchanged.
    PRIVATE_LINK_OFF = "private-link-off", Warning, [Desired], {
        basis: basis::recorded("without azure-pls-create the rest does nothing (finding 24)", basis::link::LINK),
        advice: "Add `service.beta.kubernetes.io/azure-pls-create: \"true\"`, or remove the settings.",
        example: Example::new(
            At::Service,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-name: "myPLS"
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-pls-name: "myPLS"
            "#,
        ),
    }

    /// `spec.loadBalancerIP` is deprecated since Kubernetes 1.24. It still works, but the annotation wins
    /// over it, and only annotations can pin both addresses of a dual-stack Service.
    DEPRECATED_LOAD_BALANCER_IP = "deprecated-load-balancer-ip", Warning, [Desired], {
        basis: basis::SHAPE,
        advice: "Replace it by `service.beta.kubernetes.io/azure-load-balancer-ipv4` or `-ipv6`. With the \
            same address nothing is re-created.",
        example: Example::new(
            At::Service,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            loadBalancerIP: 10.240.0.25
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-load-balancer-ipv4: "10.240.0.25"
            "#,
        ),
    }

    /// Both `spec.loadBalancerSourceRanges` and an annotation with ranges are there. The controller refuses
    /// this, after it wrote the load balancer.
    SOURCE_RANGES_CONFLICT = "source-ranges-conflict", Error, [Desired], {
        basis: basis::SHAPE,
        advice: "Move all ranges to one of the two.",
        example: Example::new(
            At::Service,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-allowed-ip-ranges: "10.9.0.0/16"
            loadBalancerSourceRanges: [10.9.0.0/16]
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            loadBalancerSourceRanges: [10.9.0.0/16]
            "#,
        ),
    }

    /// A port with protocol SCTP on a public load balancer. The controller refuses it.
    PUBLIC_SCTP = "public-sctp", Error, [Desired], {
        basis: basis::SHAPE,
        advice: "Make the load balancer internal.",
        example: Example::new(
            At::Service,
            "ports: [{port: 80, protocol: SCTP}]",
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            ports: [{port: 80, protocol: SCTP}]
            "#,
        ),
    }
}
