//! Addresses and ranges.

use std::net::IpAddr;

use super::resource::Subnet;

/// A range in CIDR notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    /// Its first address as written, not masked.
    pub address: IpAddr,
    /// Its length in bits.
    pub bits: u8,
}

/// The bits of an address, left-aligned, and how many there are.
pub fn bits_of(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

fn address_of(bits: u128, width: u8) -> IpAddr {
    if width == 32 {
        IpAddr::from(u32::try_from(bits >> 96).unwrap_or_default().to_be_bytes())
    } else {
        IpAddr::from(bits.to_be_bytes())
    }
}

/// The mask of a length, left-aligned.
pub fn mask(bits: u8) -> u128 {
    if bits == 0 { 0 } else { u128::MAX << (128 - u32::from(bits.min(128))) }
}

impl Prefix {
    /// A range from its text, `10.0.0.0/8`. Nothing is masked.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let canonical = !bits.is_empty()
            && bits.bytes().all(|byte| byte.is_ascii_digit())
            && (bits == "0" || !bits.starts_with('0'));
        let bits: u8 = canonical.then(|| bits.parse().ok())??;
        (bits <= bits_of(address).1).then_some(Self { address, bits })
    }

    /// A range of left-aligned bits.
    pub fn new(bits: u128, length: u8, width: u8) -> Self {
        Self { address: address_of(bits & mask(length), width), bits: length }
    }

    /// The range with the bits behind its length cleared.
    #[must_use]
    pub fn masked(self) -> Self {
        let (bits, width) = bits_of(self.address);
        Self::new(bits, self.bits, width)
    }

    /// Whether an address lies in it.
    pub fn contains(self, address: IpAddr) -> bool {
        let (mine, my_width) = bits_of(self.address);
        let (other, width) = bits_of(address);
        width == my_width && (mine ^ other) & mask(self.bits) == 0
    }

    /// The address at an offset from its start, if it lies in the range.
    pub fn nth(self, offset: u128) -> Option<IpAddr> {
        let (bits, width) = bits_of(self.masked().address);
        let shifted = offset.checked_mul(1u128.checked_shl(u32::from(128 - width))?)?;
        let address = address_of(bits.checked_add(shifted)?, width);
        self.contains(address).then_some(address)
    }
}

impl std::fmt::Display for Prefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
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
    ranges.peek().is_none() || ranges.filter_map(Prefix::parse).any(|range| range.contains(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_contain_their_addresses() {
        let range = Prefix::parse("10.240.0.0/16").unwrap();
        assert!(range.contains("10.240.255.255".parse().unwrap()));
        assert!(!range.contains("10.241.0.0".parse().unwrap()));
        assert!(!range.contains("fd00::1".parse().unwrap()));
        assert_eq!(range.nth(4), Some("10.240.0.4".parse().unwrap()));
        assert_eq!(range.nth(1 << 16), None);
    }

    #[test]
    fn what_is_not_a_range_does_not_parse() {
        for text in ["10.0.0.0", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/08", "10.0.0.0/+8", "x/8", ""]
        {
            assert_eq!(Prefix::parse(text), None, "{text}");
        }
        assert_eq!(Prefix::parse("10.1.2.3/8").unwrap().masked().to_string(), "10.0.0.0/8");
        assert_eq!(Prefix::parse("fd00::/7").unwrap().masked().to_string(), "fc00::/7");
    }
}
