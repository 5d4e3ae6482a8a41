//! Public addresses that Services ask for.

use std::net::IpAddr;

use crate::annotation;
use crate::arm::address::parse_range;
use crate::arm::allocator::{Family, family};
use crate::controller::failure::Failure;
use crate::controller::name::IsIpv6;
use crate::controller::value::{families, get, is_dual_stack, quote};
use crate::kubernetes::service::Service;

/// An address that is none.
const INVALID: &str = "invalid LoadBalancer IP";
/// An address that is not public.
const NOT_PUBLIC: &str = "non-public LoadBalancer IP";
/// What Azure keeps for itself (`azureReservedIPPrefixes`).
const RESERVED: [&str; 2] = ["100.64.0.0/10", "168.63.129.16/32"];

/// The address a Service asks for in a family (`getServiceLoadBalancerIP`).
pub(crate) fn pinned(service: &Service, ipv6: IsIpv6) -> &str {
    let key = if ipv6 { annotation::IPV6 } else { annotation::IPV4 };
    if let Some(address) = get(service, key).filter(|address| !address.is_empty()) {
        return address;
    }
    let address = service.load_balancer_ip.as_str();
    // What does not parse counts as IPv6.
    let is_ipv4 = family(address) == Some(Family::V4);
    if is_ipv4 == ipv6 { "" } else { address }
}

/// All addresses a Service asks for: the annotations, else `spec.loadBalancerIP`
/// (`getServiceLoadBalancerIPs`).
pub(crate) fn all_pinned(service: &Service) -> Vec<&str> {
    let annotated: Vec<&str> = [annotation::IPV4, annotation::IPV6]
        .into_iter()
        .filter_map(|key| get(service, key))
        .filter(|address| !address.is_empty())
        .collect();
    if !annotated.is_empty() {
        return annotated;
    }
    Some(service.load_balancer_ip.as_str()).into_iter().filter(|it| !it.is_empty()).collect()
}

pub(super) fn by_family<'a>(
    service: &'a Service,
    ipv4: &str,
    ipv6_key: &str,
    ipv6: IsIpv6,
) -> &'a str {
    let value = |key: &str| get(service, key).unwrap_or_default();
    if is_dual_stack(service) {
        return value(if ipv6 { ipv6_key } else { ipv4 });
    }
    let only_ipv6 = families(service) == (false, true);
    let own = value(ipv6_key);
    if ipv6 && only_ipv6 && !own.is_empty() { own } else { value(ipv4) }
}

/// The public IP named for a family (`getServicePIPName`).
pub(super) fn named(service: &Service, ipv6: IsIpv6) -> &str {
    by_family(service, annotation::PIP_NAME, annotation::PIP_NAME_IPV6, ipv6)
}

/// The public IPs named, per family; empty where none is.
pub(crate) fn names(service: &Service) -> [&str; 2] {
    [named(service, false), named(service, true)]
}

/// What may be asked for as a public address (`validatePublicIPCandidate`).
pub(crate) fn check_public(address: &str) -> Result<(), Failure> {
    let quoted = quote(address);
    let Ok(parsed) = address.parse::<IpAddr>() else {
        return Err(Failure::new(format!("{INVALID} {quoted}")));
    };
    let is_public = match parsed.to_canonical() {
        IpAddr::V4(address) => {
            let mut reserved = RESERVED.into_iter().filter_map(parse_range);
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_broadcast()
                || reserved.any(|range| range.contains(&IpAddr::V4(address))))
        }
        IpAddr::V6(address) => {
            !(address.is_loopback()
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_unique_local()
                || address.is_unicast_link_local())
        }
    };
    if !is_public {
        return Err(Failure::new(format!("{NOT_PUBLIC} {quoted}")));
    }
    Ok(())
}

/// The error about an address asked for (`NewExternalServiceLoadBalancerIPError`).
pub(crate) fn asked_address_error(service: &Service, asked: &str, failure: Failure) -> Failure {
    let name = quote(&service.key.to_string());
    let asked = quote(asked);
    if failure.text == format!("{INVALID} {asked}") {
        return Failure::new(format!(
            "external Service {name} has invalid LoadBalancer IP {asked}"
        ));
    }
    if failure.text == format!("{NOT_PUBLIC} {asked}") {
        return Failure::new(format!(
            "external Service {name} cannot use non-public LoadBalancer IP {asked}; use an internal LoadBalancer annotation or a valid Azure Public IP address"
        ));
    }
    failure
}
