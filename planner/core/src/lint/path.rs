//! Paths that no packet takes, and ranges that keep nobody out.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::annotation::keys;
use crate::arm::address::{is_ipv4, parse_range, ranges};
use crate::arm::resource::{NetworkSecurityGroup, PrivateLinkService, SecurityRule};
use crate::plan::Finding;
use crate::resource_id::ResourceId;
use crate::rule::{At, Example, basis, rules};

use super::{Check, Subject};

/// Where a Private Link Service's traffic comes from: its static NAT addresses, or else the ranges of
/// its subnets.
struct Nat {
    subnet: String,
    ranges: Vec<IpNet>,
}

impl Nat {
    fn of(subject: &Subject<'_>, link: &PrivateLinkService) -> Self {
        let mut nat = Self { subnet: String::new(), ranges: Vec::new() };
        for configuration in link.properties.ip_configurations.iter().flatten() {
            let properties = &configuration.properties;
            let subnet = properties.subnet.as_ref().map(|it| it.id()).unwrap_or_default();
            nat.subnet = ResourceId::new(subnet).name().to_owned();
            let is_static = properties.private_ip_allocation_method.as_deref() == Some("Static");
            let address = properties.private_ip_address.as_deref().filter(|_| is_static);
            match address.and_then(|it| it.parse::<IpAddr>().ok()) {
                Some(address) => nat.ranges.push(IpNet::from(address)),
                None => {
                    let subnet = subject.prediction.after.subnets.get(&subnet.to_lowercase());
                    let known = subnet.into_iter().flat_map(|it| ranges(it).collect::<Vec<_>>());
                    nat.ranges.extend(known.filter_map(parse_range).filter(is_ipv4));
                }
            }
        }
        nat.ranges.sort();
        nat.ranges.dedup();
        nat
    }

    fn is_within(&self, allowed: &[IpNet]) -> bool {
        self.ranges.iter().all(|own| allowed.iter().any(|it| it.contains(own)))
    }

    /// `pls-subnet, 10.242.0.0/24`.
    fn shown(&self) -> String {
        let ranges: Vec<String> = self.ranges.iter().map(ToString::to_string).collect();
        format!("{}, {}", self.subnet, ranges.join(", "))
    }
}

/// All traffic of private endpoints comes from the NAT addresses. kube-proxy drops what
/// `spec.loadBalancerSourceRanges` does not have (`newBaseServiceInfo`), and a security rule that denies
/// drops it before.
fn nat_addresses_shut_out(subject: &Subject<'_>) -> Option<Finding> {
    let link = subject.link_after()?;
    let nat = Nat::of(subject, link);
    if nat.ranges.is_empty() {
        return None;
    }
    let said = &subject.service.spec.load_balancer_source_ranges;
    let allowed: Vec<IpNet> = said.iter().filter_map(|it| parse_range(it.trim())).collect();
    let (span, why) = if !said.is_empty() && allowed.len() == said.len() && !nat.is_within(&allowed)
    {
        let first = said.first()?;
        (
            &first.span,
            "they are not in spec.loadBalancerSourceRanges, and kube-proxy drops everything else"
                .to_owned(),
        )
    } else {
        let rule = denying(subject, &nat)?;
        let keys = [keys::ALLOWED_IP_RANGES, keys::SOURCE_RANGES, DENY_ALL];
        let place = keys.iter().find_map(|key| subject.service.annotation(key));
        let span = place.map_or(&subject.service.span, |value| &value.span);
        (span, format!("the security rule {rule} denies them"))
    };
    Some(subject.finding_at(
        NAT_ADDRESSES_SHUT_OUT,
        span,
        format!(
            "no consumer of the Private Link Service gets through: its NAT addresses ({}) are blocked, since {why}",
            nat.shown()
        ),
        "Add the NAT subnet's range to the ranges.",
    ))
}

const DENY_ALL: &str =
    "service.beta.kubernetes.io/azure-deny-all-except-load-balancer-source-ranges";

/// The rule of the cluster's security group that denies what comes from the NAT addresses to a frontend
/// port of the Service.
fn denying<'a>(subject: &Subject<'a>, nat: &Nat) -> Option<&'a str> {
    let facts = subject.facts;
    let groups = &subject.prediction.after.network_security_groups;
    let group = groups.values().find(|it| it.name().eq_ignore_ascii_case(&facts.security_group))?;
    let frontend = crate::node::private_link_service::frontend(subject.link_after()?)?;
    let balancer = subject.prediction.after.load_balancers.get(&frontend.parent()?.key())?;
    let frontends = balancer.properties.frontend_ip_configurations.iter().flatten();
    let own = frontends.into_iter().find(|it| it.name().eq_ignore_ascii_case(frontend.name()))?;
    let address = own.properties.private_ip_address.as_deref()?;
    let service = subject.prediction.services.get(&subject.outcome.service)?;
    service.ports.iter().find_map(|port| {
        let packet = Packet { nat, address, port: port.port, protocol: &port.protocol };
        packet.denied_by(group)
    })
}

/// What comes from the NAT addresses to one port.
struct Packet<'a> {
    nat: &'a Nat,
    address: &'a str,
    port: i64,
    protocol: &'a str,
}

impl Packet<'_> {
    /// The first rule that is about it, if that denies.
    fn denied_by<'a>(&self, group: &'a NetworkSecurityGroup) -> Option<&'a str> {
        let mut rules: Vec<&SecurityRule> =
            group.properties.security_rules.iter().flatten().map(AsRef::as_ref).collect();
        rules.sort_by_key(|rule| rule.properties.priority);
        let first = rules.into_iter().find(|rule| self.is_met_by(rule))?;
        let access = first.properties.access.as_deref().unwrap_or_default();
        access.eq_ignore_ascii_case("Deny").then(|| first.name())
    }

    fn is_met_by(&self, rule: &SecurityRule) -> bool {
        let it = &rule.properties;
        let all = |one: &Option<String>, many: &Option<Vec<String>>| -> Vec<String> {
            one.iter().chain(many.iter().flatten()).filter(|it| !it.is_empty()).cloned().collect()
        };
        let is = |text: &Option<String>, word: &str| {
            text.as_deref().is_some_and(|text| text.eq_ignore_ascii_case(word))
        };
        let source = |text: &String| {
            let whole = text == "*" || text.eq_ignore_ascii_case("VirtualNetwork");
            whole || range(text).is_some_and(|range| self.nat.is_within(&[range]))
        };
        let destination = |text: &String| {
            let whole = text == "*" || text.eq_ignore_ascii_case("VirtualNetwork");
            let holds = || {
                let address = self.address.parse::<IpAddr>().ok();
                range(text).zip(address).is_some_and(|(range, own)| range.contains(&own))
            };
            whole || text.eq_ignore_ascii_case(self.address) || holds()
        };
        let port = |text: &String| {
            let bounds = text.split_once('-').unwrap_or((text, text));
            let number = |text: &str| text.trim().parse::<i64>().ok();
            text == "*"
                || number(bounds.0)
                    .zip(number(bounds.1))
                    .is_some_and(|(from, to)| (from..=to).contains(&self.port))
        };
        is(&it.direction, "Inbound")
            && (is(&it.protocol, "*") || is(&it.protocol, self.protocol))
            && all(&it.source_address_prefix, &it.source_address_prefixes).iter().any(source)
            && all(&it.destination_address_prefix, &it.destination_address_prefixes)
                .iter()
                .any(destination)
            && all(&it.destination_port_range, &it.destination_port_ranges).iter().any(port)
    }
}

/// A range, or an address as a range of one.
fn range(text: &str) -> Option<IpNet> {
    parse_range(text).or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// Ranges in an annotation allow, and nothing denies the rest: every security group lets the virtual
/// network in (default rule `AllowVnetInBound`, 65000).
fn ranges_open(subject: &Subject<'_>) -> Option<Finding> {
    let service = subject.service;
    let internal = service.annotation(keys::INTERNAL).is_some_and(|it| it.value == "true");
    let denies = service.annotation(DENY_ALL).is_some_and(|it| it.eq_ignore_ascii_case("true"));
    let key = [keys::ALLOWED_IP_RANGES, keys::SOURCE_RANGES];
    let said =
        key.iter().find_map(|key| service.annotation(key)).filter(|it| !it.trim().is_empty())?;
    (internal && !denies && subject.outcome.error.is_none()).then(|| {
        subject.finding_at(
            RANGES_KEEP_NOBODY_OUT,
            &said.span,
            "the ranges do not keep the virtual network out: on an internal load balancer they only add to what the network's own rule allows".to_owned(),
            "Set azure-deny-all-except-load-balancer-source-ranges: \"true\", with the NAT subnet's range among the ranges if there is a Private Link Service; or leave the ranges out.",
        )
    })
}

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[nat_addresses_shut_out, ranges_open];

rules! {
    /// What comes through the Private Link Service comes from its NAT addresses, and something drops that:
    /// ranges in `spec.loadBalancerSourceRanges` that do not have them (kube-proxy drops the rest), or a
    /// security rule, such as that of `azure-deny-all-except-load-balancer-source-ranges`. No consumer gets
    /// through, although everything looks healthy.
    NAT_ADDRESSES_SHUT_OUT = "nat-addresses-shut-out", Warning, [Desired, Live, Predicted], {
        basis: basis::documented("which packets security rules and kube-proxy drop", basis::link::LINK),
        advice: "Add the NAT subnet's range.",
        example: Example::new(
            At::Service,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-pls-ip-configuration-subnet: "pls-subnet"
            loadBalancerSourceRanges: [10.1.0.0/24]
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-pls-ip-configuration-subnet: "pls-subnet"
            loadBalancerSourceRanges: [10.0.0.0/8]
            "#,
        ),
    }

    /// Ranges in an annotation on an internal Service only allow. The default rule 65000 still lets the
    /// whole virtual network in.
    RANGES_KEEP_NOBODY_OUT = "ranges-keep-nobody-out", Warning, [Desired, Live, Predicted], {
        basis: basis::documented("which packets security rules and kube-proxy drop", basis::link::LINK),
        advice: "Set `azure-deny-all-except-load-balancer-source-ranges: \"true\"` beside them, with the \
            NAT subnet's range among them if there is a Private Link Service; or leave them out.",
        example: Example::new(
            At::Service,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-allowed-ip-ranges: "10.1.0.0/24"
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-allowed-ip-ranges: "10.1.0.0/24"
            service.beta.kubernetes.io/azure-deny-all-except-load-balancer-source-ranges: "true"
            "#,
        ),
    }
}
