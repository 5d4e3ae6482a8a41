//! How the controller reads values.

use crate::kubernetes::service::Service;

use crate::annotation;

/// `strings.EqualFold` on what annotations hold.
pub(crate) fn same(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    // From the end: names and ids that differ do so there.
    for (a, b) in one.bytes().rev().zip(other.bytes().rev()) {
        if a == b || a.eq_ignore_ascii_case(&b) {
            continue;
        }
        if a.is_ascii() && b.is_ascii() {
            return false;
        }
        let other = other.chars().flat_map(char::to_lowercase);
        return one.chars().flat_map(char::to_lowercase).eq(other);
    }
    one.len() == other.len()
}

/// An annotation's value, as it is.
pub(crate) fn get<'a>(service: &'a Service, key: &str) -> Option<&'a str> {
    service.annotations.get(key).map(String::as_str)
}

/// Whether a value is `true` in any case; blanks count.
pub(crate) fn is_true(service: &Service, key: &str) -> bool {
    get(service, key).is_some_and(|value| same(value, "true"))
}

/// Whether a value is `true` in any case, blanks around it aside.
pub(crate) fn is_true_trimmed(service: &Service, key: &str) -> bool {
    get(service, key).is_some_and(|value| same(value.trim(), "true"))
}

/// Whether load balancer and frontends are internal: exactly `true` (`requiresInternalLoadBalancer`).
pub(crate) fn is_internal(service: &Service) -> bool {
    get(service, annotation::INTERNAL) == Some("true")
}

/// Whether rules and security rules take the Service for internal: `true` in any case.
pub(crate) fn is_internal_in_rules(service: &Service) -> bool {
    is_true(service, annotation::INTERNAL)
}

/// A value that is not blank, as it is.
pub(crate) fn not_blank<'a>(service: &'a Service, key: &str) -> Option<&'a str> {
    get(service, key).filter(|value| !value.trim().is_empty())
}

/// The internal subnet's annotation, of an internal Service (`getInternalSubnet`).
pub(crate) fn internal_subnet(service: &Service) -> Option<&str> {
    not_blank(service, annotation::INTERNAL_SUBNET).filter(|_| is_internal(service))
}

/// `strconv.ParseInt(text, 10, 32)` with its errors.
pub(crate) fn parse_int32(text: &str) -> Result<i32, String> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("strconv.ParseInt: parsing {}: invalid syntax", quote(text)));
    }
    text.parse()
        .map_err(|_| format!("strconv.ParseInt: parsing {}: value out of range", quote(text)))
}

/// Go's `strconv.Quote`, for what an annotation may hold.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{b}' => quoted.push_str("\\v"),
            '\u{c}' => quoted.push_str("\\f"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => {
                quoted.push_str(&format!("\\x{:02x}", c as u32));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A whole number of an annotation (`extractInt32FromString`): trimmed, then checked.
pub(crate) fn int32(
    service: &Service,
    key: &str,
    check: impl Fn(i32) -> Result<(), String>,
) -> Result<Option<i32>, String> {
    let Some(value) = get(service, key) else {
        return Ok(None);
    };
    let value = value.trim();
    let number = parse_int32(value)
        .map_err(|error| format!("error value: {error}: {value} value must be a whole number"))?;
    check(number).map_err(|error| format!("error parsing value: {error}"))?;
    Ok(Some(number))
}

/// A list with blanks between its entries: only the ASCII space separates.
pub(crate) fn words(value: &str) -> impl Iterator<Item = &str> {
    value.trim().split(' ').map(str::trim).filter(|word| !word.is_empty())
}

/// Whether the Service's traffic stays on the node.
pub(crate) fn is_local(service: &Service) -> bool {
    service.external_traffic_policy == "Local"
}

/// Whether a Service has two IP families.
pub(crate) fn is_dual_stack(service: &Service) -> bool {
    service.ip_families.len() == 2
}

/// The families of a Service: IPv4, IPv6 (`getIPFamiliesEnabled`).
pub(crate) fn families(service: &Service) -> (bool, bool) {
    let has = |family: &str| service.ip_families.iter().any(|it| it == family);
    match (has("IPv4"), has("IPv6")) {
        (false, false) => (true, false),
        found => found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fail_in_gos_words() {
        assert_eq!(parse_int32("12"), Ok(12));
        assert_eq!(parse_int32("+3"), Ok(3));
        let error = parse_int32("abc").unwrap_err();
        assert_eq!(error, "strconv.ParseInt: parsing \"abc\": invalid syntax");
        let error = parse_int32("2147483648").unwrap_err();
        assert_eq!(error, "strconv.ParseInt: parsing \"2147483648\": value out of range");
        assert!(parse_int32("1.5").is_err());
        assert!(parse_int32("").is_err());
    }

    #[test]
    fn only_the_space_separates() {
        let found: Vec<&str> = words(" a  b,c\td\ne ").collect();
        assert_eq!(found, ["a", "b,c\td\ne"]);
    }
}
