//! Addresses, their families and ranges (`ValidateServiceClusterIPsRelatedFields` and others).

use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};

use crate::annotation::SOURCE_RANGES;
use crate::pointer::{At, text};
use crate::unknown;

use super::{Cause, is_headless, kind, list};

/// `IsValidIP`.
const ADDRESS: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
/// `IsValidCIDR`.
const RANGE: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

/// An address as the API server reads it: leading zeros do not matter (`ParseIPSloppy`).
pub(super) fn parse(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let mut octets = [0u8; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next().filter(|part| part.bytes().all(|it| it.is_ascii_digit()))?;
        *octet = part.parse().ok()?;
    }
    parts.next().is_none().then(|| Ipv4Addr::from(octets).into())
}

/// Whether a text is a range as the API server reads it.
fn is_range(text: &str) -> bool {
    text.split_once('/').is_some_and(|(address, length)| {
        let most = match parse(address) {
            Some(IpAddr::V4(_)) => 32,
            Some(IpAddr::V6(_)) => 128,
            None => return false,
        };
        length.bytes().all(|it| it.is_ascii_digit())
            && length.parse::<u8>().is_ok_and(|length| length <= most)
    })
}

/// A list of text as Go prints it, with the name of its type.
pub(super) fn printed(kind: &str, items: &[Value]) -> String {
    let items: Vec<String> = items.iter().map(Value::to_string).collect();
    format!("{kind}{{{}}}", items.join(", "))
}

pub(super) fn check_cluster_ips(object: &Value, causes: &mut Vec<Cause>) {
    if kind(object) == "ExternalName" {
        return;
    }
    const FIELD: &str = "spec.clusterIPs";
    let addresses = list(object, "/spec/clusterIPs");
    let families = list(object, "/spec/ipFamilies");
    let shown = || printed("[]string", addresses);
    let mut invalid = |why| causes.push(Cause::invalid_as_printed(FIELD, &shown(), why));
    match (text(object, "/spec/clusterIP"), addresses) {
        ("", []) => {}
        ("", _) => invalid("must be empty when `clusterIP` is not specified"),
        (_, []) => causes.push(Cause::required(FIELD)),
        (one, [first, ..]) if first != one => invalid("first value must match `clusterIP`"),
        _ => {}
    }
    check_families(object, families, causes);
    if !are_addresses(addresses, causes) {
        return;
    }
    let of = |value: &Value| value.as_str().and_then(parse);
    let known: Vec<IpAddr> = addresses.iter().filter_map(of).collect();
    if addresses.len() > 2 {
        causes.push(Cause::invalid_as_printed(FIELD, &shown(), "may only hold up to 2 values"));
    }
    if let [one, other, ..] = known.as_slice()
        && one.is_ipv6() == other.is_ipv6()
    {
        let why = "may specify no more than one IP for each IP family";
        causes.push(Cause::invalid_as_printed(FIELD, &shown(), why));
    }
    if is_headless(object) {
        return;
    }
    for (index, (address, family)) in addresses.iter().zip(families).enumerate() {
        let Some(own) = of(address) else { continue };
        let family = family.as_str().unwrap_or_default();
        if own.is_ipv6() != (family == "IPv6") {
            let why = format!("expected an {family} value as indicated by `ipFamilies[{index}]`");
            causes.push(Cause::invalid(format!("{FIELD}[{index}]"), address, &why));
        }
    }
}

/// Whether all are addresses, or the first alone is `None`.
fn are_addresses(addresses: &[Value], causes: &mut Vec<Cause>) -> bool {
    let before = causes.len();
    for (index, address) in addresses.iter().enumerate() {
        let own = address.as_str().unwrap_or_default();
        if index == 0 && own == "None" {
            if addresses.len() > 1 {
                let shown = printed("[]string", addresses);
                let why = "'None' must be the first and only value";
                causes.push(Cause::invalid_as_printed("spec.clusterIPs", &shown, why));
            }
        } else if !unknown::is_unknown(own) && parse(own).is_none() {
            causes.push(Cause::invalid(format!("spec.clusterIPs[{index}]"), address, ADDRESS));
        }
    }
    causes.len() == before
}

fn check_families(object: &Value, families: &[Value], causes: &mut Vec<Cause>) {
    let supported = ["IPv4", "IPv6"];
    for (index, family) in families.iter().enumerate() {
        let field = || format!("spec.ipFamilies[{index}]");
        if !supported.iter().any(|known| family == known) {
            causes.push(Cause::unsupported(field(), family, &supported));
        }
        if families.iter().take(index).any(|before| before == family) {
            causes.push(Cause::duplicate(field(), family));
        }
    }
    let policies = ["PreferDualStack", "RequireDualStack", "SingleStack"];
    super::word(object, "ipFamilyPolicy", &policies, causes);
}

/// Addresses of one's own, which must be none of the special ones (`ValidateNonSpecialIP`).
pub(super) fn check_external_ips(object: &Value, causes: &mut Vec<Cause>) {
    for (index, value) in list(object, "/spec/externalIPs").iter().enumerate() {
        let field = format!("spec.externalIPs[{index}]");
        let own = value.as_str().unwrap_or_default();
        let Some(address) = parse(own) else {
            causes.push(Cause::invalid(field, value, ADDRESS));
            continue;
        };
        if address.is_unspecified() {
            let why = format!("may not be unspecified ({own})");
            causes.push(Cause::invalid(field.clone(), value, &why));
        }
        let (link_local, link_local_multicast) = match address {
            IpAddr::V4(it) => (it.is_link_local(), matches!(it.octets(), [224, 0, 0, _])),
            IpAddr::V6(it) => (
                it.is_unicast_link_local(),
                it.segments().first().is_some_and(|it| it & 0xff0f == 0xff02),
            ),
        };
        let special = [
            (address.is_loopback(), "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
            (link_local, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
            (
                link_local_multicast,
                "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)",
            ),
        ];
        for (_, why) in special.iter().filter(|(is_so, _)| *is_so) {
            causes.push(Cause::invalid(field.clone(), value, why));
        }
    }
}

/// Ranges of the spec, or else those of the annotation; blanks around them do not matter.
pub(super) fn check_source_ranges(object: &Value, causes: &mut Vec<Cause>) {
    let ranges = list(object, "/spec/loadBalancerSourceRanges");
    let why = "may only be used when `type` is 'LoadBalancer'";
    if !ranges.is_empty() {
        const FIELD: &str = "spec.LoadBalancerSourceRanges";
        if kind(object) != "LoadBalancer" {
            causes.push(Cause::forbidden(FIELD, why));
        }
        for (index, range) in ranges.iter().enumerate() {
            let range = range.as_str().unwrap_or_default().trim();
            if !is_range(range) {
                causes.push(Cause::invalid(format!("{FIELD}[{index}]"), &json!(range), RANGE));
            }
        }
        return;
    }
    let annotations = object.at("/metadata/annotations");
    let Some(ranges) = annotations.and_then(|all| all.get(SOURCE_RANGES)?.as_str()) else { return };
    let field = format!("metadata.annotations[{SOURCE_RANGES}]");
    if kind(object) != "LoadBalancer" {
        causes.push(Cause::forbidden(field.clone(), why));
    }
    if ranges.trim().is_empty() {
        return;
    }
    for range in ranges.trim().split(',').map(str::trim).filter(|range| !is_range(range)) {
        causes.push(Cause::invalid(field.clone(), &json!(range), RANGE));
    }
}
