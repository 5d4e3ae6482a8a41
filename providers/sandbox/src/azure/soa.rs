//! The SOA record that Azure makes with each private DNS zone.

use privlink_model::arm::dns::fqdn;
use privlink_model::arm::world::World;
use privlink_model::resource_id::ResourceId;
use serde_json::{Value, json};

/// The SOA record of a zone; nothing if the id is not that of one, or if somebody wrote it, so that the world holds it.
/// Its values are those that exported templates show.
pub(super) fn record(world: &World, id: &ResourceId) -> Option<Value> {
    let kind = id.collection()?;
    let zone = id.parent()?;
    let live = world.private_dns_zones.get(&zone.key())?;
    if id.name() != "@" || !kind.name().eq_ignore_ascii_case("SOA") || world.holds(id) {
        return None;
    }
    Some(json!({
        "id": ResourceId::new(live.id()).child("SOA", "@").as_str(),
        "name": "@",
        "type": "Microsoft.Network/privateDnsZones/SOA",
        "etag": live.etag,
        "properties": {
            "fqdn": fqdn("@", live.name()),
            "ttl": 3600,
            "soaRecord": {
                "email": "azureprivatedns-host.microsoft.com",
                "expireTime": 2_419_200,
                "host": "azureprivatedns.net",
                "minimumTtl": 10,
                "refreshTime": 3600,
                "retryTime": 300,
                "serialNumber": 1,
            },
            "isAutoRegistered": false,
        },
    }))
}
