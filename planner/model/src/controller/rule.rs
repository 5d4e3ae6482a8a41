//! Rules (reference: cloud-controller, section 6; `getExpectedLBRules`).

use std::sync::Arc;

use serde_json::Value;

use crate::arm::resource::{LoadBalancer, Probe, Reference, Rule, RuleProperties};
use crate::facts::{Facts, LoadBalancerSku};
use crate::kubernetes::service::{Service, ServicePort};
use crate::pointer::{At, text};

use super::failure::Failure;
use super::name::{self, IsIpv6};
use super::probe::{self, owns};
use super::value::{int32, is_internal_in_rules, is_true, same};
use crate::annotation;

/// Where the rules of one family go.
pub(crate) struct Target<'a> {
    /// The load balancer's name.
    pub(crate) balancer: &'a str,
    /// The frontend's id.
    pub(crate) frontend: &'a str,
    /// The pool's id.
    pub(crate) pool: &'a str,
    /// The family.
    pub(crate) ipv6: IsIpv6,
}

/// Rules and probes a Service wants.
#[derive(Default)]
pub(crate) struct Wanted {
    pub(crate) rules: Vec<Arc<Rule>>,
    pub(crate) probes: Vec<Arc<Probe>>,
}

/// The rules and probes of one family.
pub(crate) fn wanted(
    facts: &Facts,
    service: &Service,
    target: &Target<'_>,
) -> Result<Wanted, Failure> {
    let all_ports = probe::of_all_ports(facts, service, target.ipv6)?;
    let high_availability = is_internal_in_rules(service)
        && facts.load_balancer_sku == LoadBalancerSku::Standard
        && is_true(service, annotation::HIGH_AVAILABILITY_PORTS);
    if high_availability {
        return one_for_all(facts, service, target, all_ports);
    }
    let mut wanted = Wanted::default();
    let mut added = false;
    let is_shared = facts.is_probe_shared() && !super::value::is_local(service);
    for port in &service.ports {
        let number = port.port.to_string();
        if is_true(service, &annotation::of_port(&number, "no_lb_rule")) {
            continue;
        }
        let rule_name = name::rule(service, &port.protocol, &number, target.ipv6);
        let standard_internal =
            facts.load_balancer_sku == LoadBalancerSku::Standard && is_internal_in_rules(service);
        if port.protocol == "SCTP" && !standard_internal {
            return Err(Failure::new(
                "SCTP is only supported on standard loadbalancer in internal mode",
            ));
        }
        let mut properties = properties(facts, service, target, Some(port))?;
        if !is_true(service, &annotation::of_port(&number, "no_probe_rule")) {
            let own =
                probe::of_port(facts, service, port, &rule_name, all_ports.is_some(), is_shared)?;
            if let Some(own) = own {
                properties.probe = Some(probe_reference(facts, target, own.name()));
                wanted.probes.push(own);
            } else if let Some(all_ports) = &all_ports {
                properties.probe = Some(probe_reference(facts, target, all_ports.name()));
                if !added {
                    wanted.probes.push(all_ports.clone());
                    added = true;
                }
            }
        }
        if is_true(service, annotation::DISABLE_FLOATING_IP) {
            properties.backend_port = Some(port.node_port.to_value());
            properties.enable_floating_ip = Some(false);
        }
        wanted.rules.push(rule(rule_name, properties));
    }
    Ok(wanted)
}

/// The probes of a Service on a cluster of which nothing is known; nothing if the controller would refuse it.
pub fn probes(service: &Service) -> Option<Vec<Arc<Probe>>> {
    let target = Target { balancer: "", frontend: "", pool: "", ipv6: false };
    Some(wanted(&Facts::default(), service, &target).ok()?.probes)
}

/// High-availability ports: one rule for everything, named after the first port, with the first probe
/// that any port has.
fn one_for_all(
    facts: &Facts,
    service: &Service,
    target: &Target<'_>,
    all_ports: Option<Arc<Probe>>,
) -> Result<Wanted, Failure> {
    let Some(first) = service.ports.first() else {
        return Ok(Wanted::default());
    };
    let rule_name = name::rule(service, &first.protocol, &first.port.to_string(), target.ipv6);
    let mut properties = properties(facts, service, target, None)
        .map_err(|failure| failure.within("error generate lb rule for ha mod loadbalancer. err"))?;
    properties.enable_tcp_reset = Some(!is_true(service, annotation::DISABLE_TCP_RESET));
    let of_ports = || {
        service.ports.iter().find_map(|port| {
            probe::of_port(facts, service, port, &rule_name, false, false).ok().flatten()
        })
    };
    let mut probes = Vec::new();
    if let Some(probe) = all_ports.or_else(of_ports) {
        properties.probe = Some(probe_reference(facts, target, probe.name()));
        probes.push(probe);
    }
    Ok(Wanted { rules: vec![rule(rule_name, properties)], probes })
}

fn rule(name: String, properties: RuleProperties) -> Arc<Rule> {
    Arc::new(Rule { name: Some(name), properties, ..Rule::default() })
}

fn probe_reference(facts: &Facts, target: &Target<'_>, probe: &str) -> Reference {
    let balancer = name::load_balancer_id(facts, target.balancer);
    Reference::to(balancer.child("probes", probe).as_str())
}

/// The properties of a port's rule, or of the rule for all ports.
fn properties(
    facts: &Facts,
    service: &Service,
    target: &Target<'_>,
    port: Option<&ServicePort>,
) -> Result<RuleProperties, Failure> {
    let idle_timeout = int32(service, annotation::IDLE_TIMEOUT, |minutes| {
        if (4..=100).contains(&minutes) {
            return Ok(());
        }
        Err(format!(
            "idle timeout value must be a whole number representing minutes between 4 and 100, actual value: {minutes}"
        ))
    })
    .map_err(|why| {
        Failure::new(format!(
            "error generate lb rule for ha mod loadbalancer. err: error parsing idle timeout key: {}, err: {why}",
            annotation::IDLE_TIMEOUT
        ))
    })?;
    let protocol = match port.map(|port| port.protocol.as_str()) {
        Some("TCP") => "Tcp",
        Some("UDP") => "Udp",
        Some("SCTP") | None => "All",
        Some(_) => {
            return Err(Failure::new(
                "failed to parse transport protocol: only TCP, UDP and SCTP are supported for Azure LoadBalancers",
            ));
        }
    };
    let standard = facts.load_balancer_sku == LoadBalancerSku::Standard;
    let number = port.map_or(0, |port| port.port);
    let affinity = if service.session_affinity == "ClientIP" { "SourceIP" } else { "Default" };
    let mut properties = RuleProperties {
        frontend_ip_configuration: Some(Reference::to(target.frontend)),
        backend_address_pool: Some(Reference::to(target.pool)),
        protocol: Some(protocol.to_owned()),
        frontend_port: Some(number),
        backend_port: Some(Value::from(number)),
        disable_outbound_snat: Some(standard && facts.disable_outbound_snat),
        enable_floating_ip: Some(true),
        load_distribution: Some(affinity.to_owned()),
        idle_timeout_in_minutes: Some(idle_timeout.unwrap_or(4).into()),
        ..RuleProperties::default()
    };
    if protocol == "Tcp" && standard {
        properties.enable_tcp_reset = Some(!is_true(service, annotation::DISABLE_TCP_RESET));
    }
    // An internal frontend cannot float an IPv6 address: the rule goes to the node port.
    if is_internal_in_rules(service) && name::is_ipv6(target.pool) {
        let node_port = port.map_or(Value::from(0), |port| port.node_port.to_value());
        properties.backend_port = Some(node_port);
        properties.enable_floating_ip = Some(false);
    }
    Ok(properties)
}

/// Refuses a port that something else on the frontend has (`checkLoadBalancerResourcesConflicts`).
/// Rules for protocol `All` never match a Service's protocol here.
pub(crate) fn check_conflicts(
    balancer: &LoadBalancer,
    frontend: &str,
    service: &Service,
) -> Result<(), Failure> {
    let words = "checkLoadBalancerResourcesConflicts: service port";
    for port in &service.ports {
        for rule in balancer.properties.load_balancing_rules.iter().flatten() {
            let it = &rule.properties;
            let its_frontend = it.frontend_ip_configuration.as_ref().map(Reference::id);
            let protocol = it.protocol.as_deref().unwrap_or_default();
            let conflicts = its_frontend.is_some_and(|id| same(id, frontend))
                && same(protocol, &port.protocol)
                && it.frontend_port == Some(port.port);
            if conflicts && !owns(service, rule.name()) {
                return Err(Failure::new(format!(
                    "{words} {} is trying to consume the port {} which is being referenced by an existing loadBalancing rule {} with the same protocol {protocol} and frontend IP config with ID {}",
                    port.name,
                    port.port,
                    rule.name(),
                    its_frontend.unwrap_or_default()
                )));
            }
        }
        for rule in balancer.properties.inbound_nat_rules.iter().flatten() {
            let on_it = nat_conflicts(rule, frontend, port);
            if on_it && number(rule, "/properties/frontendPort") == Some(port.port) {
                return Err(Failure::new(format!(
                    "{words} {} is trying to consume the port {} which is being referenced by an existing inbound NAT rule {} with the same protocol {} and frontend IP config with ID {}",
                    port.name,
                    port.port,
                    text(rule, "/name"),
                    text(rule, "/properties/protocol"),
                    text(rule, "/properties/frontendIPConfiguration/id")
                )));
            }
        }
        for pool in balancer.properties.inbound_nat_pools.iter().flatten() {
            let start = number(pool, "/properties/frontendPortRangeStart");
            let end = number(pool, "/properties/frontendPortRangeEnd");
            let (Some(start), Some(end)) = (start, end) else {
                continue;
            };
            if nat_conflicts(pool, frontend, port) && (start..=end).contains(&port.port) {
                return Err(Failure::new(format!(
                    "{words} {} is trying to consume the port {} which is being in the range ({start}-{end}) of an existing inbound NAT pool {} with the same protocol {} and frontend IP config with ID {}",
                    port.name,
                    port.port,
                    text(pool, "/name"),
                    text(pool, "/properties/protocol"),
                    text(pool, "/properties/frontendIPConfiguration/id")
                )));
            }
        }
    }
    Ok(())
}

fn number(value: &Value, pointer: &str) -> Option<i64> {
    value.at(pointer).and_then(Value::as_i64)
}

fn nat_conflicts(nat: &Value, frontend: &str, port: &ServicePort) -> bool {
    same(text(nat, "/properties/frontendIPConfiguration/id"), frontend)
        && same(text(nat, "/properties/protocol"), &port.protocol)
}

/// Whether two rules are the same to the controller (`equalLoadBalancingRulePropertiesFormat`).
fn same_rule(existing: &Rule, wanted: &Rule, want: bool) -> bool {
    if !same(existing.name(), wanted.name()) {
        return false;
    }
    let (a, b) = (&existing.properties, &wanted.properties);
    let same_id = |one: &Option<Reference>, other: &Option<Reference>| match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => same(one.id(), other.id()),
        _ => false,
    };
    let reset = a.protocol.as_deref() != Some("Tcp")
        || a.enable_tcp_reset.unwrap_or(false) == b.enable_tcp_reset.unwrap_or(false);
    let idle = match (a.idle_timeout_in_minutes, b.idle_timeout_in_minutes) {
        (Some(one), Some(other)) if want => one == other,
        _ => true,
    };
    a.protocol == b.protocol
        && reset
        && same_id(&a.frontend_ip_configuration, &b.frontend_ip_configuration)
        && same_id(&a.backend_address_pool, &b.backend_address_pool)
        && a.load_distribution == b.load_distribution
        && a.frontend_port == b.frontend_port
        && a.backend_port == b.backend_port
        && same_id(&a.probe, &b.probe)
        && a.enable_floating_ip == b.enable_floating_ip
        && a.disable_outbound_snat.unwrap_or(false) == b.disable_outbound_snat.unwrap_or(false)
        && idle
}

/// Brings the rules in line, as probes are (`reconcileLBRules`). Whether anything changed.
pub(crate) fn reconcile(
    balancer: &mut LoadBalancer,
    service: &Service,
    want: bool,
    wanted: Vec<Arc<Rule>>,
) -> bool {
    let mut rules = balancer.properties.load_balancing_rules.clone().unwrap_or_default();
    let before = rules.len();
    rules.retain(|rule| {
        !owns(service, rule.name()) || wanted.iter().any(|wanted| same_rule(wanted, rule, want))
    });
    let mut changed = rules.len() != before;
    for wanted in wanted {
        if !rules.iter().any(|rule| same_rule(rule, &wanted, want)) {
            rules.push(wanted);
            changed = true;
        }
    }
    if changed {
        balancer.properties.load_balancing_rules = Some(rules);
    }
    changed
}
