//! Paths that no packet takes.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use crate::annotation::keys;
use crate::arm::address::{is_ipv4, parse_range, ranges};
use crate::arm::resource::{NetworkSecurityGroup, PrivateLinkService};
use crate::controller::is_deny_all;
use crate::diagnostic::Span;
use crate::node::private_link_service;
use crate::plan::Finding;
use crate::resource_id::ResourceId;
use crate::rule::{At, Example, basis, rules};

use super::packet::{self, Addresses, Loss, Traffic, together};
use super::probe::probed;
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

    /// `pls-subnet, 10.242.0.0/24`.
    fn shown(&self) -> String {
        let ranges: Vec<String> = self.ranges.iter().map(ToString::to_string).collect();
        format!("{}, {}", self.subnet, ranges.join(", "))
    }
}

/// All traffic of private endpoints comes from the NAT addresses: what keeps them out keeps consumers out.
fn nat_addresses_shut_out(subject: &Subject<'_>) -> Option<Finding> {
    let nat = Nat::of(subject, subject.link_after()?);
    let from = Addresses::of(nat.ranges.iter().copied());
    if from.is_empty() {
        return None;
    }
    let dropped = dropped(subject, &from).map(|whole| {
        let why =
            "they are not in spec.loadBalancerSourceRanges, and kube-proxy drops everything else";
        let first = subject.service.spec.load_balancer_source_ranges.first();
        let span = first.map_or(&subject.service.span, |range| &range.span);
        Loss { whole, by: (span, why.to_owned()) }
    });
    let denied = || {
        let loss = denied(subject, &from)?;
        let why = format!("the security rule {} denies them", loss.by);
        Some(Loss { whole: loss.whole, by: (ranges_span(subject), why) })
    };
    // What keeps all of them out says more than what keeps out some.
    let loss = match dropped {
        Some(loss) if loss.whole => loss,
        some => denied().filter(|it| it.whole || some.is_none()).or(some)?,
    };
    let (span, why) = loss.by;
    let shown = nat.shown();
    let message = if loss.whole {
        format!(
            "no consumer of the Private Link Service gets through: its NAT addresses ({shown}) are blocked, since {why}"
        )
    } else {
        format!(
            "some connections through the Private Link Service may be lost: some of its NAT addresses ({shown}) or ports are blocked, since {why}"
        )
    };
    let help = "Add the NAT subnet's range to the ranges.";
    Some(subject.finding_at(NAT_ADDRESSES_SHUT_OUT, span, message, help))
}

/// Where a Service says who may reach it.
fn ranges_span<'a>(subject: &Subject<'a>) -> &'a Span {
    let keys = [keys::ALLOWED_IP_RANGES, keys::SOURCE_RANGES, keys::DENY_ALL_EXCEPT_SOURCE_RANGES];
    let place = keys.iter().find_map(|key| subject.service.annotation(key));
    place.map_or(&subject.service.span, |value| &value.span)
}

/// Whether kube-proxy drops all of what comes from addresses, or some; nothing if none. It has ranges for each
/// family (`newBaseServiceInfo`), and looks at them where a packet is for the load balancer's address
/// (`syncProxyRules`): without floating IP packets come to a node's address, where it does not.
fn dropped(subject: &Subject<'_>, from: &Addresses) -> Option<bool> {
    let said = &subject.service.spec.load_balancer_source_ranges;
    let ranges: Vec<IpNet> = said.iter().filter_map(|it| parse_range(it.trim())).collect();
    let allowed = Addresses::of(ranges.iter().copied());
    if ranges.len() != said.len() || allowed.is_empty() || !floats(subject) {
        return None;
    }
    let lost = from.without(&allowed);
    (!lost.is_empty()).then(|| lost == *from)
}

/// Whether packets keep the load balancer's address on their way to the nodes.
pub(super) fn floats(subject: &Subject<'_>) -> bool {
    let off = subject.service.annotation(keys::DISABLE_FLOATING_IP);
    !off.is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// The cluster's security group.
pub(super) fn security_group<'a>(subject: &Subject<'a>) -> Option<&'a NetworkSecurityGroup> {
    let mut groups = subject.prediction.after.network_security_groups.values();
    let name = &subject.facts.security_group;
    groups.find(|it| it.name().eq_ignore_ascii_case(name)).map(AsRef::as_ref)
}

/// The cluster's security group, if it denies anything.
fn denying_group<'a>(subject: &Subject<'a>) -> Option<&'a NetworkSecurityGroup> {
    let group = security_group(subject)?;
    let mut rules = group.properties.security_rules.iter().flatten();
    rules.any(|rule| packet::denies(rule)).then_some(group)
}

/// The first IPv4 address of each node.
pub(super) fn nodes(subject: &Subject<'_>) -> Vec<String> {
    let is_ipv4 = |it: &&String| it.parse::<IpAddr>().is_ok_and(|address| address.is_ipv4());
    let machines = subject.prediction.machines.iter();
    machines.filter_map(|node| node.internal_addresses.iter().find(is_ipv4).cloned()).collect()
}

/// What the cluster's security group takes of what comes from the NAT addresses. Without floating IP it goes
/// to the nodes' addresses, and to node ports.
fn denied<'a>(subject: &Subject<'a>, from: &Addresses) -> Option<Loss<&'a str>> {
    let group = denying_group(subject)?;
    let floats = floats(subject);
    let to = if floats { vec![frontend_address(subject)?] } else { nodes(subject) };
    let service = subject.prediction.services.get(&subject.outcome.service)?;
    together(service.ports.iter().map(|port| {
        let port_of_packets =
            if floats { port.port.to_string() } else { port.node_port.to_string() };
        let traffic = Traffic {
            from,
            tags: &["VirtualNetwork"],
            to: &to,
            port: &port_of_packets,
            protocol: &port.protocol,
        };
        traffic.denied_by(group)
    }))
}

/// The address that the Private Link Service leads to.
fn frontend_address(subject: &Subject<'_>) -> Option<String> {
    let frontend = private_link_service::frontend(subject.link_after()?)?;
    let balancer = subject.prediction.after.load_balancers.get(&frontend.parent()?.key())?;
    let mut frontends = balancer.properties.frontend_ip_configurations.iter().flatten();
    let own = frontends.find(|it| it.name().eq_ignore_ascii_case(frontend.name()))?;
    own.properties.private_ip_address.clone()
}

/// Where the probes of Azure's load balancers come from, and the service tags that hold it (Azure's list of
/// service tags: `VirtualNetwork` has the host's virtual address too).
const PROBES: &str = "168.63.129.16";
const PROBES_TAGS: [&str; 2] = ["AzureLoadBalancer", "VirtualNetwork"];

/// Probes come to the nodes' addresses, whatever the address of the frontend. A node whose probes are denied
/// counts as down.
fn probes_denied(subject: &Subject<'_>) -> Option<Finding> {
    let group = denying_group(subject)?;
    let from = Addresses::of(PROBES.parse::<IpAddr>().ok().map(IpNet::from));
    let to = nodes(subject);
    let balancers = subject.prediction.after.load_balancers.keys();
    let own = balancers.flat_map(|balancer| probed(subject, balancer));
    let own = own.filter(|it| *it.service == subject.outcome.service);
    let ports: BTreeSet<String> =
        own.filter_map(|it| it.probe?.properties.port.as_ref().map(text_of)).collect();
    let loss = together(ports.iter().map(|port| {
        let tags = &PROBES_TAGS;
        Traffic { from: &from, tags, to: &to, port, protocol: "TCP" }.denied_by(group)
    }))?;
    let rule = loss.by;
    let what = if loss.whole {
        "every node counts as down, and no traffic comes through"
    } else {
        "nodes count as down that are not"
    };
    let help = if is_deny_all(rule) {
        "The rule is the controller's: without floating IP it denies all that comes to the nodes. Use floating IP, or leave azure-deny-all-except-load-balancer-source-ranges out of every Service without it."
    } else {
        "Put a rule before it that lets the service tag AzureLoadBalancer in, or take it out."
    };
    let message = format!("the security rule {rule} denies the load balancer's probes: {what}");
    Some(subject.finding_at(PROBES_DENIED, ranges_span(subject), message, help))
}

/// A port as a probe has it: a number, or what stands for an unknown one.
fn text_of(port: &Value) -> String {
    port.as_str().map_or_else(|| port.to_string(), ToOwned::to_owned)
}

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[nat_addresses_shut_out, probes_denied];

rules! {
    /// What comes through the Private Link Service comes from its NAT addresses, and something drops that:
    /// ranges in `spec.loadBalancerSourceRanges` that do not have them (kube-proxy drops the rest, unless
    /// floating IP is off), or a security rule, such as that of
    /// `azure-deny-all-except-load-balancer-source-ranges`. No consumer gets through, although everything
    /// looks healthy; if only a part of the addresses is blocked, some connections are lost.
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

    /// A rule of the nodes' security group denies what the load balancer's probes come from, before Azure's
    /// default rule lets them in: every node counts as down, and no traffic comes through. The rule may be the
    /// controller's own: without floating IP, `azure-deny-all-except-load-balancer-source-ranges` denies what
    /// comes to the nodes' addresses, probes included.
    PROBES_DENIED = "probes-denied", Warning, [Desired, Live, Predicted], {
        basis: basis::documented("probes come from AzureLoadBalancer, and the first rule that fits decides", basis::link::SECURITY),
        advice: "Put a rule before it that lets the service tag `AzureLoadBalancer` in, or take it out; of \
            the controller's own rule, use floating IP, or do without the annotation.",
        example: Example::new(
            At::Service,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-allowed-ip-ranges: "10.0.0.0/8"
            service.beta.kubernetes.io/azure-deny-all-except-load-balancer-source-ranges: "true"
            service.beta.kubernetes.io/azure-disable-load-balancer-floating-ip: "true"
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-allowed-ip-ranges: "10.0.0.0/8"
            service.beta.kubernetes.io/azure-deny-all-except-load-balancer-source-ranges: "true"
            "#,
        ),
    }
}
