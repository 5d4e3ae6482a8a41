//! Ranges that let traffic in (`iputil`).

use std::net::IpAddr;

use crate::arm::address::{Prefix, bits_of};

use super::value::quote;

/// A range as the controller takes it: only if it is properly masked.
pub(crate) fn parse(text: &str) -> Option<Prefix> {
    Prefix::parse(text).filter(|prefix| prefix.masked() == *prefix)
}

/// Ranges merged: none within another, and two halves made one. IPv4 first, each in ascending order.
pub(crate) fn aggregate(prefixes: &[Prefix]) -> Vec<Prefix> {
    let of = |ipv6: bool| {
        let mut found: Vec<(u128, u8)> = prefixes
            .iter()
            .filter(|prefix| prefix.address.is_ipv6() == ipv6)
            .map(|prefix| (bits_of(prefix.address).0, prefix.bits))
            .collect();
        found.sort_unstable();
        let width = if ipv6 { 128 } else { 32 };
        let mut merged: Vec<Prefix> = Vec::new();
        for (bits, length) in found {
            push(&mut merged, Prefix::new(bits, length, width), width);
        }
        merged
    };
    let mut all = of(false);
    all.extend(of(true));
    all
}

fn push(merged: &mut Vec<Prefix>, mut prefix: Prefix, width: u8) {
    if merged.last().is_some_and(|last| last.contains(prefix.address)) {
        return;
    }
    while let Some(last) = merged.last().copied() {
        let (bits, _) = bits_of(last.address);
        let parent =
            |it: Prefix| Prefix::new(bits_of(it.address).0, it.bits.saturating_sub(1), width);
        let halves = last.bits == prefix.bits
            && prefix.bits > 0
            && parent(last) == parent(prefix)
            && bits != bits_of(prefix.address).0;
        if !halves {
            break;
        }
        prefix = parent(prefix);
        merged.pop();
    }
    merged.push(prefix);
}

/// An address that parses, as Go prints it.
pub(crate) fn parse_address(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

/// What Go's `netip.ParseAddr` says of a text that is no address. Of IPv6 addresses only that they are
/// none.
pub(crate) fn address_error(text: &str) -> String {
    let (message, at) = match text.chars().find(|c| matches!(c, '.' | ':' | '%')) {
        Some('.') => ipv4_error(text),
        Some('%') => ("missing IPv6 address", ""),
        _ => ("unable to parse IP", ""),
    };
    let at = if at.is_empty() { String::new() } else { format!(" (at {})", quote(at)) };
    format!("ParseAddr({}): {message}{at}", quote(text))
}

fn ipv4_error(text: &str) -> (&'static str, &str) {
    let (mut value, mut digits, mut dots) = (0u32, 0, 0);
    for (at, c) in text.char_indices() {
        let rest = text.get(at..).unwrap_or_default();
        match c.to_digit(10) {
            Some(_) if digits == 1 && value == 0 => {
                return ("IPv4 field has octet with leading zero", "");
            }
            Some(digit) => {
                value = value * 10 + digit;
                digits += 1;
                if value > 255 {
                    return ("IPv4 field has value >255", "");
                }
            }
            None if c != '.' => return ("unexpected character", rest),
            None if digits == 0 || rest.len() == 1 => {
                return ("IPv4 field must have at least one digit", rest);
            }
            None if dots == 3 => return ("IPv4 address too long", ""),
            None => {
                (value, digits) = (0, 0);
                dots += 1;
            }
        }
    }
    ("IPv4 address too short", "")
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_no_address_is_called_so_in_gos_words() {
        // net/netip.
        let says = |text: &str| super::address_error(text);
        assert_eq!(says("abc"), "ParseAddr(\"abc\"): unable to parse IP");
        assert_eq!(says("1.2.3"), "ParseAddr(\"1.2.3\"): IPv4 address too short");
        assert_eq!(says("1.2.3.256"), "ParseAddr(\"1.2.3.256\"): IPv4 field has value >255");
        assert_eq!(
            says(" 1.2.3.4"),
            "ParseAddr(\" 1.2.3.4\"): unexpected character (at \" 1.2.3.4\")"
        );
    }

    use super::*;

    fn merged(texts: &[&str]) -> Vec<String> {
        let prefixes: Vec<Prefix> = texts.iter().filter_map(|text| parse(text)).collect();
        aggregate(&prefixes).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn halves_become_one_and_parts_vanish() {
        // Recording 133.
        assert_eq!(merged(&["10.9.0.0/16", "10.8.0.0/16"]), ["10.8.0.0/15"]);
        assert_eq!(merged(&["10.0.0.0/8", "10.1.0.0/16", "10.0.0.0/8"]), ["10.0.0.0/8"]);
        let quarters = ["10.0.0.0/10", "10.64.0.0/10", "10.128.0.0/10", "10.192.0.0/10"];
        assert_eq!(merged(&quarters), ["10.0.0.0/8"]);
        assert_eq!(merged(&["0.0.0.0/1", "128.0.0.0/1"]), ["0.0.0.0/0"]);
        assert_eq!(merged(&["fd00::/8", "10.0.0.0/8"]), ["10.0.0.0/8", "fd00::/8"]);
        assert_eq!(merged(&["10.1.0.0/16", "10.2.0.0/16"]), ["10.1.0.0/16", "10.2.0.0/16"]);
    }

    #[test]
    fn a_range_must_be_masked() {
        assert_eq!(parse("10.0.0.1/8"), None);
        assert!(parse("10.0.0.0/8").is_some());
    }
}
