//! Addresses and ranges.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::resource_id::ResourceId;

use super::error::ArmError;
use super::resource::Subnet;

/// A range from its text, `10.0.0.0/8`. Bits behind its length stay as they are written. Its length has no
/// leading zero, as Go has it.
pub fn parse_range(text: &str) -> Option<IpNet> {
    let (address, bits) = text.split_once('/')?;
    let is_plain = bits == "0" || !bits.starts_with(['0', '+']);
    let bits = is_plain.then(|| bits.parse().ok())??;
    IpNet::new(address.parse().ok()?, bits).ok()
}

/// The address at an offset from the start of a range, if it is within the range.
pub fn nth_address(range: IpNet, offset: u128) -> Option<IpAddr> {
    let address = match range.network() {
        IpAddr::V4(first) => {
            let bits = first.to_bits().checked_add(u32::try_from(offset).ok()?)?;
            IpAddr::V4(Ipv4Addr::from_bits(bits))
        }
        IpAddr::V6(first) => IpAddr::V6(Ipv6Addr::from_bits(first.to_bits().checked_add(offset)?)),
    };
    range.contains(&address).then_some(address)
}

/// Whether a range holds addresses of IPv4.
pub fn is_ipv4(range: &IpNet) -> bool {
    matches!(range, IpNet::V4(_))
}

/// The ranges of a subnet: `addressPrefix`, then `addressPrefixes`.
pub fn ranges(subnet: &Subnet) -> impl Iterator<Item = &str> {
    let one = subnet.properties.address_prefix.as_deref();
    let several = subnet.properties.address_prefixes.as_deref().unwrap_or_default();
    one.into_iter().chain(several.iter().map(String::as_str))
}

/// Whether an address lies in a subnet. Azure's subnets all have ranges: one without is assumed, and
/// any address may lie in it.
pub fn in_subnet(address: IpAddr, subnet: &Subnet) -> bool {
    let mut ranges = ranges(subnet).peekable();
    ranges.peek().is_none() || ranges.filter_map(parse_range).any(|range| range.contains(&address))
}

/// IP configurations of one write ask for addresses that differ (Azure/sap-hana#552). Each is given with its
/// subnet and the address that it asks for.
pub(super) fn check_distinct<'a>(
    asked: impl Iterator<Item = (ResourceId, &'a str, &'a str)>,
) -> Result<(), ArmError> {
    let mut seen: BTreeMap<(String, IpAddr), ResourceId> = BTreeMap::new();
    for (by, subnet, text) in asked {
        let Ok(address) = text.parse() else { continue };
        let key = (subnet.to_ascii_lowercase(), address);
        if let Some(first) = seen.get(&key) {
            return Err(ArmError::new(
                400,
                "MultipleIpConfigsRequestSamePrivateIpAddress",
                format!(
                    "IP configuration {first} is requesting the same private IP address {address} as IP Configurations {by}. Private IP address {address} from the subnet can be assigned to only one IP configuration."
                ),
            ));
        }
        seen.insert(key, by);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_counted_from_their_start() {
        let range = parse_range("10.240.3.0/16").unwrap();
        assert_eq!(nth_address(range, 4), Some("10.240.0.4".parse().unwrap()));
        assert_eq!(nth_address(range, 1 << 16), None);
        let last = parse_range("255.255.255.0/24").unwrap();
        assert_eq!(nth_address(last, 1 << 8), None);
        let six = parse_range("fd00::/64").unwrap();
        assert_eq!(nth_address(six, 4), Some("fd00::4".parse().unwrap()));
    }

    #[test]
    fn what_is_not_a_range_does_not_parse() {
        for text in ["10.0.0.0", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/08", "10.0.0.0/+8", "x/8", ""]
        {
            assert_eq!(parse_range(text), None, "{text}");
        }
        assert_eq!(parse_range("10.1.2.3/8").unwrap().to_string(), "10.1.2.3/8");
    }
}
