//! What Azure hands out.

use crate::resource_id::ResourceId;
use crate::unknown;

use super::world::World;

/// Gives out what Azure gives out. Each method is asked once for each new value.
pub trait Hand {
    /// A new etag, quoted as in a body (`W/"..."`).
    fn etag(&mut self, id: &ResourceId) -> String;
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
}

/// The hand of a prediction: everything it gives is an unknown mark.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    given: u64,
}

impl Hand for Marks {
    fn etag(&mut self, _id: &ResourceId) -> String {
        // Every write gives another etag, or a stale If-Match would go unnoticed.
        self.given += 1;
        unknown::mark("etag", &self.given.to_string())
    }

    fn guid(&mut self, of: &ResourceId) -> String {
        self.given += 1;
        unknown::mark("guid", &format!("{} {}", of.key(), self.given))
    }

    fn private_address(
        &mut self,
        _world: &World,
        _subnet: &ResourceId,
        _version: &str,
        of: &ResourceId,
    ) -> Option<String> {
        self.given += 1;
        Some(unknown::mark("address", &format!("{} {}", of.key(), self.given)))
    }

    fn public_address(&mut self, of: &ResourceId, _version: &str) -> String {
        unknown::mark("address", &of.key())
    }
}
