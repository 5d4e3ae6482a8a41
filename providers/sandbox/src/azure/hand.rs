//! What Azure hands out, drawn from the world's issuer.

use privlink_model::arm::hand::Hand;
use privlink_model::arm::world::World;
use privlink_model::resource_id::ResourceId;

use crate::world::issuer::Issuer;

/// Hands out real values.
#[derive(Debug)]
pub(crate) struct AzureHand<'a> {
    /// Where they come from.
    pub issuer: &'a mut Issuer,
}

impl Hand for AzureHand<'_> {
    fn etag(&mut self, id: &ResourceId) -> String {
        let guid = self.issuer.guid(&format!("etag {id}"));
        // Private DNS does not quote its etags.
        if id.segment("privateDnsZones").is_some() { guid } else { format!("W/\"{guid}\"") }
    }

    fn guid(&mut self, of: &ResourceId) -> String {
        self.issuer.guid(&format!("guid {of}"))
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
        let count = self.issuer.count(&format!("public {version}")) + 10;
        if version == "IPv6" {
            format!("2603:1030::{count:x}")
        } else {
            format!("20.0.{}.{}", count / 256, count % 256)
        }
    }
}
