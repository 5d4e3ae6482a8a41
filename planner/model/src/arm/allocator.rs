//! What Azure allocates: etags, guids, addresses, aliases, names of interfaces.

use crate::resource_id::ResourceId;
use crate::unknown;

use super::arm_type::{ArmType, type_of};
use super::world::World;

/// Allocates what Azure allocates. Each method is called once for each new value.
pub trait Allocator {
    /// A new etag, quoted as in a body (`W/"..."`). No two writes get the same.
    fn etag(&mut self, id: &ResourceId) -> String;
    /// What a load balancer's children show for an etag when it has this one: the same.
    fn etag_of_children(&mut self, etag: &str) -> String {
        etag.to_owned()
    }
    /// A new guid: a `resourceGuid`, or a part of a name.
    fn guid(&mut self, of: &ResourceId) -> String;
    /// An address of a subnet for the IP configuration `of`. `None`: the subnet is full.
    fn private_address(
        &mut self,
        world: &World,
        subnet: &ResourceId,
        version: &str,
        of: &ResourceId,
    ) -> Option<String>;
    /// A public address for the public IP `of`.
    fn public_address(&mut self, of: &ResourceId, version: &str) -> String;
    /// The alias of a PLS.
    fn alias(&mut self, of: &ResourceId, location: &str) -> String {
        let guid = self.guid(of);
        format!("{}.{guid}.{location}.azure.privatelinkservice", of.name().to_ascii_lowercase())
    }
    /// The id of the network interface of a PLS or a private endpoint.
    fn network_interface(&mut self, of: &ResourceId) -> String {
        let guid = self.guid(of);
        let group = of.as_str().rsplit_once("/providers/").map_or("", |(group, _)| group);
        format!("{}/{}.nic.{guid}", ArmType::NetworkInterface.list_in(group), of.name())
    }
}

/// The allocator of a prediction: everything it allocates is unknown.
#[derive(Clone, Debug, Default)]
pub struct Unknowns {
    given: u64,
}

/// The mark of an address. It tells the family, which is known.
fn address_mark(of: &ResourceId, version: &str, number: u64) -> String {
    unknown::mark("address", &format!("{version} {} {number}", of.key()))
}

/// The mark of the address that a private endpoint gets.
pub fn endpoint_address(endpoint: &ResourceId) -> String {
    unknown::mark("address", &endpoint.key())
}

/// The family of an address, known or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// The family of an address or of the mark of one; `None` for other texts.
pub fn family(text: &str) -> Option<Family> {
    if let Some((_, of)) = text.split_once('|').filter(|_| unknown::is_unknown(text)) {
        return Some(if of.starts_with("IPv6 ") { Family::V6 } else { Family::V4 });
    }
    match text.parse::<std::net::IpAddr>().ok()? {
        std::net::IpAddr::V4(_) => Some(Family::V4),
        // Go's To4 takes mapped addresses for IPv4.
        std::net::IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => Some(Family::V4),
        std::net::IpAddr::V6(_) => Some(Family::V6),
    }
}

impl Unknowns {
    fn next(&mut self, what: &str, of: &ResourceId) -> String {
        self.given += 1;
        let given = self.given.to_string();
        unknown::mark(what, &[of.key().as_str(), " ", given.as_str()].concat())
    }
}

impl Allocator for Unknowns {
    fn etag(&mut self, _id: &ResourceId) -> String {
        // Every write gives another etag, or a stale If-Match would go unnoticed.
        self.given += 1;
        unknown::mark("etag", &self.given.to_string())
    }

    fn etag_of_children(&mut self, _etag: &str) -> String {
        // Nobody sends it as If-Match. That it stays the same saves copying every child at every write.
        unknown::mark("etag", "child")
    }

    fn guid(&mut self, of: &ResourceId) -> String {
        self.next("guid", of)
    }

    fn private_address(
        &mut self,
        _world: &World,
        _subnet: &ResourceId,
        version: &str,
        of: &ResourceId,
    ) -> Option<String> {
        if type_of(&of.key()) == ArmType::PrivateEndpoint {
            return Some(endpoint_address(of));
        }
        self.given += 1;
        Some(address_mark(of, version, self.given))
    }

    fn public_address(&mut self, of: &ResourceId, version: &str) -> String {
        self.given += 1;
        address_mark(of, version, self.given)
    }

    fn alias(&mut self, of: &ResourceId, _location: &str) -> String {
        self.next("alias", of)
    }

    fn network_interface(&mut self, of: &ResourceId) -> String {
        self.next("network interface", of)
    }
}
