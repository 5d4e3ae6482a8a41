//! Static addresses: in the subnet, not Azure's own, and free. What Azure answers otherwise:
//! `PrivateIPAddressNotInSubnet`, `PrivateIPAddressInReservedRange`, `PrivateIPAddressIsAllocated`.

use std::net::IpAddr;

use crate::annotation::keys;
use crate::arm::address::{in_subnet, ranges};
use crate::arm::resource::Reference;
use crate::desired::Service;
use crate::node::base_name;
use crate::prediction::Prediction;
use crate::preflight::check::{check, text};
use crate::resource_id::ResourceId;

use super::{Area, Check, Subject, Verdict};

/// Whether the static addresses of endpoints, frontends and NAT can be had.
pub(super) fn addresses(subject: &Subject<'_>, checks: &mut Vec<Check>) {
    let input = subject.input;
    for endpoint in input.endpoints() {
        let Some(address) = &endpoint.wanted.address else { continue };
        let is_own = |holder: &str| is_interface_of(subject, holder, &endpoint.id);
        let (at, subnet) = (endpoint.at.to_string(), endpoint.subnet());
        checks.extend(one(subject, &at, IpAddr::V4(address.value), &subnet, &is_own));
    }
    for service in input.wanted.services() {
        of_service(subject, service, checks);
    }
}

fn of_service(subject: &Subject<'_>, service: &Service, checks: &mut Vec<Check>) {
    let at = format!("Service/{}", service.name);
    let said = |key: &str| {
        let text = service.annotation(key).map(|text| text.trim());
        text.filter(|text| !text.is_empty())
    };
    let facts = subject.input.facts;
    let internal = said(keys::INTERNAL).is_some_and(|text| text == "true");
    let frontend_subnet = said(keys::INTERNAL_SUBNET).unwrap_or(&facts.subnet);
    let spec = text(&service.manifest, "/spec/loadBalancerIP").filter(|text| !text.is_empty());
    let base = subject
        .prediction
        .services
        .get(&service.name)
        .map(|stored| base_name(&stored.uid))
        .unwrap_or_default();
    if let Some(address) = said(keys::IPV4).or(spec)
        && internal
        && let Ok(address) = address.parse()
    {
        let subnet = facts.subnet_id(frontend_subnet);
        let is_own = |holder: &str| is_frontend_of(subject.prediction, holder, &base);
        checks.extend(one(subject, &at, address, &subnet, &is_own));
    }
    let wants_link = said(keys::PLS_CREATE).is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let nat = said(keys::PLS_ADDRESS).filter(|_| wants_link).unwrap_or_default();
    let subnet = facts.subnet_id(said(keys::PLS_SUBNET).unwrap_or(frontend_subnet));
    let link = subject.prediction.link_after(&service.name);
    let is_own = |holder: &str| {
        link.is_some_and(|link| {
            let own = link.id().to_lowercase();
            holder.to_lowercase().starts_with(&format!("{own}/"))
                || holder.contains(&format!("/{}.nic.", link.name()))
        })
    };
    for address in nat.split_whitespace().filter_map(|text| text.parse().ok()) {
        checks.extend(one(subject, &at, address, &subnet, &is_own));
    }
}

/// Whether what holds an address is the network interface of an endpoint.
fn is_interface_of(subject: &Subject<'_>, holder: &str, endpoint: &ResourceId) -> bool {
    let interfaces = &subject.prediction.before.network_interfaces;
    let owner = interfaces
        .get(&holder.to_lowercase())
        .and_then(|interface| interface.properties.private_endpoint.as_ref().map(Reference::id));
    owner.is_some_and(|owner| owner.eq_ignore_ascii_case(endpoint.as_str()))
}

/// Whether what holds an address is the frontend a Service is on: its own, or one that it shares.
fn is_frontend_of(prediction: &Prediction, holder: &str, base: &str) -> bool {
    let holder = ResourceId::new(holder);
    if base.is_empty() {
        return false;
    }
    let balancers = prediction.after.load_balancers.values();
    let rules = balancers.flat_map(|it| it.properties.load_balancing_rules.iter().flatten());
    rules.filter(|rule| rule.name().starts_with(base)).any(|rule| {
        let frontend = rule.properties.frontend_ip_configuration.as_ref();
        frontend.is_some_and(|frontend| ResourceId::new(frontend.id()) == holder)
    })
}

fn one(
    subject: &Subject<'_>,
    at: &str,
    address: IpAddr,
    subnet: &ResourceId,
    is_own: &dyn Fn(&str) -> bool,
) -> Option<Check> {
    let world = &subject.prediction.before;
    // That it is not there is said where room is looked for.
    let found = world.subnets.get(&subnet.key())?;
    let (verdict, reason) = if !in_subnet(address, found) {
        let ranges: Vec<&str> = ranges(found).collect();
        (Verdict::Missing, format!("{} is {}", subnet.name(), ranges.join(", ")))
    } else if world.is_reserved(address, found) {
        (Verdict::Missing, "Azure keeps the first four addresses and the last".to_owned())
    } else {
        match world.holder_of(address, found.id()).filter(|holder| !is_own(holder)) {
            Some(holder) => (Verdict::Missing, format!("{holder} has it")),
            None => (Verdict::Met, "nothing that was observed has it".to_owned()),
        }
    };
    let required = format!("{address} is free in {}", subnet.name());
    Some(check(Area::Address, at, required, verdict, reason).or("Choose another address."))
}
