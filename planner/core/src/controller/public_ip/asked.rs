//! Public addresses that Services ask for.

use std::net::IpAddr;

use crate::arm::address::Prefix;
use crate::controller::failure::Failure;
use crate::controller::value::quote;
use crate::kubernetes::service::Service;

/// An address that is none.
const INVALID: &str = "invalid LoadBalancer IP";
/// An address that is not public.
const NOT_PUBLIC: &str = "non-public LoadBalancer IP";
/// What Azure keeps for itself (`azureReservedIPPrefixes`).
const RESERVED: [&str; 2] = ["100.64.0.0/10", "168.63.129.16/32"];

/// What may be asked for as a public address (`validatePublicIPCandidate`).
pub(super) fn check_public(address: &str) -> Result<(), Failure> {
    let quoted = quote(address);
    let Ok(parsed) = address.parse::<IpAddr>() else {
        return Err(Failure::new(format!("{INVALID} {quoted}")));
    };
    let is_public = match parsed.to_canonical() {
        IpAddr::V4(address) => {
            let reserved = RESERVED.into_iter().filter_map(Prefix::parse);
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_broadcast()
                || reserved.into_iter().any(|prefix| prefix.contains(IpAddr::V4(address))))
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
