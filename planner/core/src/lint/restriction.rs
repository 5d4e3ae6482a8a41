//! Words of a Service that are to keep somebody out, and keep nobody out.

use crate::annotation::keys;
use crate::controller::left_rules;
use crate::desired::Service;
use crate::diagnostic::{Span, Spanned};
use crate::plan::Finding;
use crate::resource_id::ResourceId;
use crate::rule::{At, Example, basis, rules};

use super::packet::{Addresses, Traffic};
use super::path::{floats, nodes, security_group};
use super::{Check, Subject};

/// What a Service says about who may reach it, as far as security rules are made of it.
struct Restriction<'a> {
    /// Ranges in an annotation.
    ranges: Option<&'a Span>,
    /// Ranges in `spec.loadBalancerSourceRanges`.
    spec: Option<&'a Span>,
    /// Service tags.
    tags: Option<&'a Span>,
    /// That all others are to be denied.
    denies: Option<&'a Span>,
}

/// An annotation's place, if it says anything.
fn said<'a>(service: &'a Service, key: &str) -> Option<&'a Spanned<String>> {
    service.annotation(key).filter(|value| !value.trim().is_empty())
}

fn is_true<'a>(service: &'a Service, key: &str) -> Option<&'a Spanned<String>> {
    service.annotation(key).filter(|value| value.eq_ignore_ascii_case("true"))
}

/// Exactly `true` is internal (finding 17).
fn is_internal(service: &Service) -> bool {
    service.annotation(keys::INTERNAL).is_some_and(|it| it.value == "true")
}

impl<'a> Restriction<'a> {
    fn of(service: &'a Service) -> Self {
        let span = |value: &'a Spanned<String>| &value.span;
        let ranges = [keys::ALLOWED_IP_RANGES, keys::SOURCE_RANGES];
        let spec = service.spec.load_balancer_source_ranges.first();
        Self {
            ranges: ranges.iter().find_map(|key| said(service, key)).map(span),
            spec: spec.map(span),
            tags: said(service, keys::ALLOWED_SERVICE_TAGS).map(span),
            denies: is_true(service, keys::DENY_ALL_EXCEPT_SOURCE_RANGES).map(span),
        }
    }
}

/// Whether predicted security rules deny what the Service does not let in. Without a load balancer, or after
/// a sync that fails, nobody can say.
fn rest_is_denied(subject: &Subject<'_>) -> Option<bool> {
    let service = subject.prediction.services.get(&subject.outcome.service)?;
    let to = if floats(subject) { service.ingress.clone() } else { nodes(subject) };
    let failed = subject.outcome.error.is_some();
    if failed || to.is_empty() || !service.wants_load_balancer() {
        return None;
    }
    let group = security_group(subject)?;
    let from = Addresses::everywhere();
    let denied = service.ports.iter().all(|port| {
        let number =
            if floats(subject) { port.port.to_string() } else { port.node_port.to_string() };
        let traffic = Traffic {
            from: &from,
            tags: &["VirtualNetwork"],
            to: &to,
            port: &number,
            protocol: &port.protocol,
        };
        traffic.rest_is_denied(group)
    });
    Some(denied)
}

/// The controller writes a rule that denies the rest only where there are ranges too, and service tags are none
/// (`DenyAllExceptSourceRanges`); and with `azure-disable-load-balancer-nsg-rule` no rule at all.
fn restriction_ignored(subject: &Subject<'_>) -> Option<Finding> {
    let service = subject.service;
    let said = Restriction::of(service);
    let off =
        is_true(service, keys::DISABLE_NSG_RULE).filter(|_| subject.facts.knows_disable_nsg_rule);
    // kube-proxy looks at the spec's ranges by itself, unless floating IP is off.
    let spec = said.spec.filter(|_| !floats(subject));
    let (span, message, help) = if off.is_some() {
        let first = said.denies.or(said.ranges).or(said.tags).or(spec)?;
        (
            first,
            "what it says about who may reach it is ignored: azure-disable-load-balancer-nsg-rule keeps the controller from writing any security rule for it".to_owned(),
            "Leave azure-disable-load-balancer-nsg-rule out, or keep others out by rules of your own.",
        )
    } else {
        let denies = said.denies.filter(|_| said.ranges.is_none() && said.spec.is_none())?;
        let beside = if said.tags.is_some() { ", and service tags are none" } else { "" };
        let closed = is_internal(service) || said.tags.is_some();
        let who = if closed { "the virtual network" } else { "everybody" };
        (
            denies,
            format!(
                "azure-deny-all-except-load-balancer-source-ranges is ignored: the controller denies the rest only where there are ranges{beside}, and {who} still gets in"
            ),
            "Add azure-allowed-ip-ranges, with the NAT subnet's range among the ranges if there is a Private Link Service; or leave the annotation out.",
        )
    };
    (!rest_is_denied(subject)?)
        .then(|| subject.finding_at(RESTRICTION_IGNORED, span, message, help))
}

/// Ranges and service tags of an internal Service allow, and nothing denies the rest: every security group lets
/// the virtual network in (default rule `AllowVnetInBound`, 65000).
fn ranges_open(subject: &Subject<'_>) -> Option<Finding> {
    let service = subject.service;
    let said = Restriction::of(service);
    // kube-proxy looks at the spec's ranges by itself, unless floating IP is off.
    let kept_by_kube_proxy = said.spec.is_some() && floats(subject);
    if !is_internal(service) || said.denies.is_some() || kept_by_kube_proxy {
        return None;
    }
    let ranges = said.ranges.or(said.spec);
    let span = ranges.or(said.tags)?;
    let what = match (ranges, said.tags) {
        (Some(_), Some(_)) => "the ranges and service tags do",
        (Some(_), None) => "the ranges do",
        _ => "the service tags do",
    };
    let help = if ranges.is_some() {
        "Set azure-deny-all-except-load-balancer-source-ranges: \"true\", with the NAT subnet's range among the ranges if there is a Private Link Service; or leave the ranges out."
    } else {
        "Add azure-allowed-ip-ranges and azure-deny-all-except-load-balancer-source-ranges: \"true\", which has no effect without ranges; or leave the tags out."
    };
    let is_reported =
        is_true(service, keys::DISABLE_NSG_RULE).is_some() && subject.facts.knows_disable_nsg_rule;
    (!is_reported && !rest_is_denied(subject)?).then(|| {
        let message = format!(
            "{what} not keep the virtual network out: on an internal load balancer they only add to what the network's own rule allows"
        );
        subject.finding_at(RANGES_KEEP_NOBODY_OUT, span, message, help)
    })
}

/// Who turns floating IP on leaves the controller's rules for the nodes behind.
fn rules_left_behind(subject: &Subject<'_>) -> Option<Finding> {
    let prediction = subject.prediction;
    let live = prediction.live.get(&subject.outcome.service)?;
    let was_off = live.annotations.get(keys::DISABLE_FLOATING_IP);
    if !was_off.is_some_and(|value| value.eq_ignore_ascii_case("true")) || !floats(subject) {
        return None;
    }
    let group = security_group(subject)?;
    let key = ResourceId::new(group.id()).key();
    let before = prediction.before.network_security_groups.get(&key);
    let live = prediction.live.values().map(AsRef::as_ref);
    let before = before.map(|group| left_rules(group, live, &prediction.machines));
    let is_new = |name: &&str| !before.iter().flatten().any(|it| it.rule.name() == *name);
    let services = prediction.services.values().map(AsRef::as_ref);
    let left = left_rules(group, services, &prediction.machines);
    let names: Vec<&str> = left.iter().map(|it| it.rule.name()).filter(is_new).collect();
    (!names.is_empty()).then(|| {
        subject.finding_at(
            RULES_LEFT_BEHIND,
            &subject.service.span,
            format!(
                "with floating IP on, the controller leaves its security rules for the nodes behind: {} of {}",
                names.join(", "),
                group.name()
            ),
            "Delete them after the apply: `privlink drift` lists them with the commands.",
        )
    })
}

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[restriction_ignored, ranges_open, rules_left_behind];

rules! {
    /// Floating IP of the Service is off and will be on. The controller's rules for it name the nodes; it looks for
    /// rules to take away by where packets go from now on, and its clean-up keeps every node's address
    /// (`reconcileSecurityGroup`, `listAvailableSecurityGroupDestinations`). So no sync ever takes those rules away:
    /// what they allow stays open, and a rule that denies the rest keeps others from the nodes.
    RULES_LEFT_BEHIND = "rules-left-behind", Warning, [Desired, Live, Predicted], {
        basis: basis::documented("which destinations a sync takes out of the rules", basis::link::BALANCER),
        advice: "Delete the rules after the apply: `privlink drift` lists them as orphans, with the commands.",
        example: Example::change(
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-allowed-ip-ranges: "10.1.0.0/24"
            service.beta.kubernetes.io/azure-disable-load-balancer-floating-ip: "true"
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-allowed-ip-ranges: "10.1.0.0/24"
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-allowed-ip-ranges: "10.2.0.0/24"
            service.beta.kubernetes.io/azure-disable-load-balancer-floating-ip: "true"
            "#,
        ),
    }

    /// What a Service says about who may reach it has no effect, and others get in. The controller writes the
    /// rule of `azure-deny-all-except-load-balancer-source-ranges` only where there are ranges, in
    /// `spec.loadBalancerSourceRanges` or `azure-allowed-ip-ranges`: service tags are none. With
    /// `azure-disable-load-balancer-nsg-rule` it writes no security rule at all for the Service.
    RESTRICTION_IGNORED = "restriction-ignored", Warning, [Desired, Live, Predicted], {
        basis: basis::documented("the controller denies the rest only where there are ranges", basis::link::BALANCER),
        advice: "Add `azure-allowed-ip-ranges`; leave `azure-disable-load-balancer-nsg-rule` out, or keep \
            others out by rules of your own.",
        example: Example::new(
            At::Service,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-deny-all-except-load-balancer-source-ranges: "true"
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-allowed-ip-ranges: "10.1.0.0/24"
            service.beta.kubernetes.io/azure-deny-all-except-load-balancer-source-ranges: "true"
            "#,
        ),
    }

    /// Ranges in an annotation and service tags on an internal Service only allow, and so do ranges in
    /// `spec.loadBalancerSourceRanges` without floating IP. The default rule 65000 still lets the whole
    /// virtual network in.
    RANGES_KEEP_NOBODY_OUT = "ranges-keep-nobody-out", Warning, [Desired, Live, Predicted], {
        basis: basis::documented("which packets security rules and kube-proxy drop", basis::link::LINK),
        advice: "Set `azure-deny-all-except-load-balancer-source-ranges: \"true\"` beside ranges, with the \
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
