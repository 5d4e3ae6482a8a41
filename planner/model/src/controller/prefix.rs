//! Ranges that let traffic in (`iputil`).

use std::net::IpAddr;

use ipnet::IpNet;

use crate::arm::address::parse_range;

use super::value::quote;

/// A range as the controller takes it: only if it is properly masked.
pub(crate) fn parse(text: &str) -> Option<IpNet> {
    parse_range(text).filter(|range| range.trunc() == *range)
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
        let ranges: Vec<IpNet> = texts.iter().filter_map(|text| parse(text)).collect();
        IpNet::aggregate(&ranges).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn ranges_are_merged_as_the_controller_does() {
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
