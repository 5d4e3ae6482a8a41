//! What Azure allocates, drawn from the world's allocator.

use privlink_model::arm::allocator;
use privlink_model::arm::world::World;
use privlink_model::resource_id::ResourceId;

use crate::world::allocator::Allocator;

/// Allocates real values.
#[derive(Debug)]
pub(crate) struct AzureAllocator<'a> {
    /// Where they come from.
    pub allocator: &'a mut Allocator,
}

impl allocator::Allocator for AzureAllocator<'_> {
    fn etag(&mut self, id: &ResourceId) -> String {
        let guid = self.allocator.guid(&format!("etag {id}"));
        // Private DNS does not quote its etags.
        if id.segment("privateDnsZones").is_some() { guid } else { format!("W/\"{guid}\"") }
    }

    fn guid(&mut self, of: &ResourceId) -> String {
        self.allocator.guid(&format!("guid {of}"))
    }

    fn private_address(
        &mut self,
        world: &World,
        subnet: &ResourceId,
        version: &str,
        _of: &ResourceId,
    ) -> Option<String> {
        world.lowest_free_address(subnet, version).map(|address| address.to_string())
    }

    fn public_address(&mut self, _of: &ResourceId, version: &str) -> String {
        let count = self.allocator.count(&format!("public {version}")) + 10;
        if version == "IPv6" {
            format!("2603:1030::{count:x}")
        } else {
            format!("20.0.{}.{}", count / 256, count % 256)
        }
    }
}
