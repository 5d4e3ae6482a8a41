//! Probes (reference: cloud-controller, section 6; `azure_loadbalancer_healthprobe.go`).

use std::sync::Arc;

use serde_json::Value;

use crate::arm::resource::{LoadBalancer, Probe, ProbeProperties};
use crate::facts::{Facts, LoadBalancerSku};
use crate::kubernetes::service::{Number, Service, ServicePort};
use crate::unknown;

use super::failure::Failure;
use super::name::{self, IsIpv6};
use super::value::{get, int32, is_local, is_true, parse_int32, same};
use crate::annotation;

const DEFAULT_INTERVAL: i32 = 5;
const DEFAULT_COUNT: i32 = 2;

fn probe(name: String, properties: ProbeProperties) -> Arc<Probe> {
    Arc::new(Probe { name: Some(name), properties, ..Probe::default() })
}

/// The probe of shared-probe mode.
pub(crate) fn shared(facts: &Facts) -> Arc<Probe> {
    let properties = ProbeProperties {
        protocol: Some("Http".to_owned()),
        port: Some(Value::from(facts.shared_probe_port)),
        request_path: Some(facts.shared_probe_path.clone()),
        interval_in_seconds: Some(DEFAULT_INTERVAL.into()),
        probe_threshold: Some(DEFAULT_COUNT.into()),
        ..ProbeProperties::default()
    };
    probe(name::SHARED_PROBE.to_owned(), properties)
}

/// The probe that all ports of a Service depend on: the node's health server of a local Service, unless
/// a PLS puts PROXY headers before its requests, or the shared one.
pub(crate) fn of_all_ports(
    facts: &Facts,
    service: &Service,
    ipv6: IsIpv6,
) -> Result<Option<Arc<Probe>>, Failure> {
    if facts.is_probe_shared() && !is_local(service) {
        return Ok(Some(shared(facts)));
    }
    let proxied = is_true(service, annotation::PLS_CREATE)
        && is_true(service, annotation::PLS_PROXY_PROTOCOL);
    if service.kind != "LoadBalancer" || !is_local(service) || proxied {
        return Ok(None);
    }
    let port = &service.health_check_node_port;
    let (interval, count) = interval_and_count(service, &port.to_string())?;
    let properties = ProbeProperties {
        protocol: Some("Http".to_owned()),
        port: Some(port.to_value()),
        request_path: Some("/healthz".to_owned()),
        interval_in_seconds: Some(interval.into()),
        probe_threshold: Some(count.into()),
        ..ProbeProperties::default()
    };
    let name = name::rule(service, "TCP", &port.to_string(), ipv6);
    Ok(Some(probe(name, properties)))
}

/// The probe of one port (`buildHealthProbeRulesForPort`); none for UDP and SCTP, or where the probe
/// of all ports serves. `rule`: the name it gets.
pub(crate) fn of_port(
    facts: &Facts,
    service: &Service,
    port: &ServicePort,
    rule: &str,
    serves_all: bool,
    is_shared: bool,
) -> Result<Option<Arc<Probe>>, Failure> {
    if is_shared || port.protocol == "UDP" || port.protocol == "SCTP" {
        return Ok(None);
    }
    let number = port.port.to_string();
    let probed = match probed_port(service, &number)? {
        Some(probed) => probed,
        None if serves_all => return Ok(None),
        None => port.node_port.clone(),
    };
    let protocol = protocol(facts, service, port);
    let by_port = |parameter: &str| get(service, &annotation::of_port(&number, parameter));
    let request_path = (protocol != "Tcp").then(|| {
        let path = by_port("health-probe_request-path")
            .or_else(|| get(service, annotation::PROBE_REQUEST_PATH));
        path.unwrap_or("/").to_owned()
    });
    let (interval, count) = interval_and_count(service, &number).map_err(|failure| {
        failure.within(&format!("failed to parse health probe config for port {number}"))
    })?;
    let properties = ProbeProperties {
        protocol: Some(protocol.to_owned()),
        port: Some(probed.to_value()),
        request_path,
        interval_in_seconds: Some(interval.into()),
        probe_threshold: Some(count.into()),
        ..ProbeProperties::default()
    };
    Ok(Some(probe(rule.to_owned(), properties)))
}

/// The port named by `port_N_health-probe_port`: by a port's name, by a port's number, or a number of
/// its own.
fn probed_port(service: &Service, number: &str) -> Result<Option<Number>, Failure> {
    let key = annotation::of_port(number, "health-probe_port");
    let Some(value) = get(service, &key) else {
        return Ok(None);
    };
    let mut by_name = service.ports.iter().filter(|port| same(&port.name, value));
    let failed = |why: String| Failure::new(format!("failed to parse annotation {key}: {why}"));
    if by_name.clone().next().is_none() {
        let parsed = parse_wide(value)
            .ok_or_else(|| failed(format!("port {value} not found in service")))?;
        if !(0..=65535).contains(&parsed) {
            return Err(failed(format!("port {parsed} is out of range")));
        }
    }
    match parse_int32(value) {
        // Names win the check above, but a number is read as a number.
        Ok(parsed) => {
            let parsed = i64::from(parsed);
            let port = service.ports.iter().find(|port| port.port == parsed);
            Ok(Some(port.map_or(Number::Known(parsed), |port| port.node_port.clone())))
        }
        // The last port of that name: they are unique but for case.
        Err(_) => Ok(by_name.next_back().map(|port| port.node_port.clone())),
    }
}

/// `strconv.Atoi`.
fn parse_wide(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

/// The protocol: the port's annotation, else its `appProtocol`, else the Service's annotation; what is
/// unknown is Tcp.
fn protocol(facts: &Facts, service: &Service, port: &ServicePort) -> &'static str {
    let key = annotation::of_port(&port.port.to_string(), "health-probe_protocol");
    let named = get(service, &key)
        .or(port.app_protocol.as_deref())
        .or_else(|| get(service, annotation::PROBE_PROTOCOL))
        .unwrap_or("Tcp")
        .trim();
    if same(named, "https") && facts.load_balancer_sku == LoadBalancerSku::Standard {
        "Https"
    } else if same(named, "http") {
        "Http"
    } else {
        "Tcp"
    }
}

/// Interval and count: the port's annotations, else the Service's, else the defaults.
fn interval_and_count(service: &Service, port: &str) -> Result<(i32, i32), Failure> {
    let count = either(
        service,
        &annotation::of_port(port, "health-probe_num-of-probe"),
        ": ",
        annotation::PROBE_COUNT,
        at_least("num-of-probe", 2),
    )?;
    let interval = either(
        service,
        &annotation::of_port(port, "health-probe_interval"),
        // The controller's own text lacks the blank here.
        ":",
        annotation::PROBE_INTERVAL,
        at_least("interval", 5),
    )?;
    let (interval, count) = (interval.unwrap_or(DEFAULT_INTERVAL), count.unwrap_or(DEFAULT_COUNT));
    if interval.wrapping_mul(count) >= 120 {
        return Err(Failure::new(
            "total probe should be less than 120, please adjust interval and number of probe accordingly",
        ));
    }
    Ok((interval, count))
}

fn at_least(what: &'static str, minimum: i32) -> impl Fn(i32) -> Result<(), String> {
    move |value| {
        if value < minimum {
            return Err(format!("the minimum value of {what} is {minimum}"));
        }
        Ok(())
    }
}

fn either(
    service: &Service,
    of_port: &str,
    separator: &str,
    of_service: &str,
    check: impl Fn(i32) -> Result<(), String>,
) -> Result<Option<i32>, Failure> {
    let failed = |key: &str, separator: &str, why: String| {
        Failure::new(format!("failed to parse annotation {key}{separator}{why}"))
    };
    match int32(service, of_port, &check).map_err(|why| failed(of_port, separator, why))? {
        Some(value) => Ok(Some(value)),
        None => int32(service, of_service, &check).map_err(|why| failed(of_service, ": ", why)),
    }
}

/// Whether two probes are the same to the controller (`findProbe`): the threshold in its newer form.
fn same_probe(one: &Probe, other: &Probe) -> bool {
    let (a, b) = (&one.properties, &other.properties);
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    same(one.name(), other.name())
        && a.port == b.port
        && same(&text(&a.protocol), &text(&b.protocol))
        && same(&text(&a.request_path), &text(&b.request_path))
        && a.interval_in_seconds.unwrap_or(0) == b.interval_in_seconds.unwrap_or(0)
        && a.probe_threshold.unwrap_or(0) == b.probe_threshold.unwrap_or(0)
}

/// Whether a rule or probe is the Service's, by its name (`serviceOwnsRule`).
pub(crate) fn owns(service: &Service, name: &str) -> bool {
    if !is_local(service) && name == name::SHARED_PROBE {
        return true;
    }
    if unknown::is_unknown(&service.uid) {
        let own = name.strip_prefix('a').and_then(|rest| rest.get(..service.uid.len()));
        return own.is_some_and(|uid| uid == service.uid);
    }
    name::has_base_in_any_case(name, service)
}

/// Brings the probes in line: what is wanted stays where it is, the rest is deleted, new ones come last
/// (`reconcileLBProbes`). Whether anything changed.
pub(crate) fn reconcile(
    facts: &Facts,
    balancer: &mut LoadBalancer,
    service: &Service,
    want: bool,
    mut wanted: Vec<Arc<Probe>>,
) -> bool {
    keep_shared(facts, balancer, service, want, &mut wanted);
    let mut probes = balancer.properties.probes.clone().unwrap_or_default();
    let before = probes.len();
    probes.retain(|probe| {
        !owns(service, probe.name()) || wanted.iter().any(|wanted| same_probe(wanted, probe))
    });
    let mut changed = probes.len() != before;
    for wanted in wanted {
        if !probes.iter().any(|probe| same_probe(probe, &wanted)) {
            probes.push(wanted);
            changed = true;
        }
    }
    if changed {
        balancer.properties.probes = Some(probes);
    }
    changed
}

/// Keeps the shared probe while other Services' rules use it (`keepSharedProbe`).
fn keep_shared(
    facts: &Facts,
    balancer: &mut LoadBalancer,
    service: &Service,
    want: bool,
    wanted: &mut Vec<Arc<Probe>>,
) {
    let probes = balancer.properties.probes.clone().unwrap_or_default();
    let Some((at, shared_probe)) =
        probes.iter().enumerate().find(|(_, probe)| same(probe.name(), name::SHARED_PROBE))
    else {
        return;
    };
    let Some(rules) = &shared_probe.properties.load_balancing_rules else {
        return;
    };
    let rule_name = |id: &str| id.rsplit('/').next().unwrap_or_default().to_owned();
    if let [only] = rules.as_slice()
        && owns(service, &rule_name(only.id()))
        && is_local(service)
    {
        let mut probes = probes;
        probes.remove(at);
        balancer.properties.probes = Some(probes);
        return;
    }
    let may_go = !want || !facts.is_probe_shared();
    if may_go && rules.iter().any(|rule| !owns(service, &rule_name(rule.id()))) {
        wanted.push(shared(facts));
    }
}
