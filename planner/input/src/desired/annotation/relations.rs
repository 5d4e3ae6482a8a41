//! What must hold between the annotations and fields of one Service.

pub(crate) mod private_link;

use std::net::IpAddr;

use super::effect::{Probes, is_about_probes};
use super::meant;
use crate::annotation::{PREFIX, Scope, bad_cidr, find, find_per_port, is_true, keys, short};
use crate::desired::{Annotation, Service};
use crate::diagnostic::{Diagnostic, Spanned};
use crate::rule::{self, At, Example, Severity, basis, rules};
use crate::schema::Text;
use privlink_model::annotation::{CONFIGURATIONS, PIP_NAME, PIP_NAME_IPV6};

/// Reports what does not hold between the annotations and fields of a Service of type LoadBalancer.
pub(super) fn check(service: &Service, problems: &mut Vec<Diagnostic>) {
    let reading = Reading::of(service);
    scopes(service, reading, problems);
    load_balancer_ip(service, problems);
    addresses_asked_for(service, reading, problems);
    source_ranges(service, problems);
    probes(service, problems);
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

/// Annotations where they are not read.
fn scopes(service: &Service, reading: Reading, problems: &mut Vec<Diagnostic>) {
    let mut settings: Vec<(&str, &Annotation)> = Vec::new();
    for (key, annotation) in &service.annotations {
        let Some(known) = find(key) else { continue };
        let reason = match known.scope {
            Scope::Any => continue,
            Scope::PrivateLink => {
                settings.push((key, annotation));
                continue;
            }
            Scope::Internal | Scope::Public if reading.internal_unclear => continue,
            Scope::Public if clashes(service, key) => continue,
            Scope::Internal if !reading.internal => "it is read on internal load balancers only",
            Scope::Public if reading.internal => "it is read on public load balancers only",
            Scope::Internal | Scope::Public => continue,
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

fn probes(service: &Service, problems: &mut Vec<Diagnostic>) {
    probe_time(service, problems);
    let about: Vec<_> =
        service.annotations.iter().filter(|(key, _)| is_about_probes(key)).collect();
    if about.is_empty() {
        return;
    }
    let Some(probes) = Probes::of(service) else { return };
    for (key, annotation) in about {
        // Keys of ports that are not there, and keys that are not known, were reported.
        let is_known = match find_per_port(key) {
            Some((port, known)) => known.is_some() && has_port(service, port),
            None => find(key).is_some(),
        };
        if is_known && !probes.reads(key) {
            problems.push(not_read(service, &probes, key, annotation));
        }
    }
}

fn has_port(service: &Service, port: &str) -> bool {
    let mut ports = service.spec.ports.iter().filter_map(|it| it.port.as_ref());
    ports.any(|it| it.value.to_string() == port)
}

/// An annotation about probes that no probe hangs on. With externalTrafficPolicy Local one HTTP probe
/// asks the health check node port, but for ports that name a probe's port of their own (106, 107, 122).
fn not_read(service: &Service, probes: &Probes, key: &str, annotation: &Annotation) -> Diagnostic {
    let local = service.spec.external_traffic_policy.as_ref().filter(|it| it.value == "Local");
    let ignored = |message: String| Diagnostic::new(rule::ANNOTATION_IGNORED, message);
    let key = short(key);
    if let Some(local) = local {
        return ignored(format!("`{key}` has no effect with externalTrafficPolicy Local"))
            .at(&annotation.key, "the health check node port is probed instead")
            .at(&local.span, "because of this")
            .help("remove it, use the policy Cluster, or name the port that is probed with port_<port>_health-probe_port");
    }
    let own = match find_per_port(&annotation_key(key)) {
        Some((port, _)) => format!("{PREFIX}port_{port}_health-probe_protocol"),
        None => keys::PROBE_PROTOCOL.to_owned(),
    };
    // The path is ignored for TCP (112).
    if key.ends_with("path") && probes.with(&own, "http").reads(&annotation_key(key)) {
        return ignored(format!("`{key}` has no effect on TCP probes"))
            .at(&annotation.key, "no port is probed by HTTP, or each has a path of its own")
            .help(format!("add {own}: \"Http\", or remove it"));
    }
    ignored(format!("`{key}` has no effect"))
        .at(&annotation.key, "no probe of the Service depends on it")
        .help("remove it: ports say their own, or are not probed (high-availability ports have one probe, that of the first port)")
}

fn annotation_key(short: &str) -> String {
    format!("{PREFIX}{short}")
}

/// Interval times number of probes stays below 120 (116).
fn probe_time(service: &Service, problems: &mut Vec<Diagnostic>) {
    let number = |key: &str, default: i64| {
        let text = service.annotation(key);
        text.map_or(Some(default), |text| text.trim().parse().ok())
    };
    if let (Some(interval), Some(count)) =
        (number(keys::PROBE_INTERVAL, 5), number(keys::PROBE_COUNT, 2))
        && interval.saturating_mul(count) >= 120
    {
        let place = service.annotation(keys::PROBE_INTERVAL);
        let place = place.or_else(|| service.annotation(keys::PROBE_COUNT));
        let message =
            format!("{count} probes at intervals of {interval} seconds take 120 seconds or more");
        let diagnostic = Diagnostic::new(rule::ANNOTATION_OUT_OF_RANGE, message)
            .help("lower the interval or the number of probes: the product must be below 120");
        problems.push(match place {
            Some(place) => diagnostic.at(&place.span, "the controller refuses this"),
            None => diagnostic,
        });
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
