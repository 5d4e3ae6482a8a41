//! The questions Microsoft.Network answers besides its resources: visibility, free addresses, usage.

use std::net::IpAddr;

use privlink_model::arm::azure::not_found;
use privlink_model::arm::error::ArmError;
use privlink_model::arm::private_endpoint::{alias_is_visible, approves_at_once};
use privlink_model::resource_id::ResourceId;
use serde_json::{Value, json};

use crate::server::{Answer, Call};
use crate::state::State;

use super::path::Path;
use super::{collection, error, occupy_node_addresses};

/// Answers such a question; nothing if it is none.
pub(super) fn answer(state: &mut State, call: &Call) -> Option<Result<Answer, ArmError>> {
    let path = Path::of(call);
    let lower = path.lower();
    let answer = match (call.method.as_str(), lower.as_slice()) {
        ("POST", [.., "locations", _, "checkprivatelinkservicevisibility"]) => {
            visibility(state, call, &path)
        }
        ("GET", [.., "locations", _, "autoapprovedprivatelinkservices"]) => {
            let subscription = path.subscription();
            let services = state.world.azure.private_link_services.values();
            let found = services
                .filter(|service| approves_at_once(service, subscription))
                .map(|service| json!({"privateLinkService": service.id()}));
            collection::page(state, call, found.collect())
        }
        ("GET", [.., "locations", _, "availableprivateendpointtypes"]) => {
            Ok(Answer::json(200, json!({"value": []})))
        }
        ("GET", [.., "microsoft.network", "locations", _, "usages"]) => {
            collection::page(state, call, usages(state, path.subscription()))
        }
        ("GET", [.., "virtualnetworks", _, "checkipaddressavailability"]) => {
            occupy_node_addresses(state);
            availability(state, call, &path)
        }
        _ => return None,
    };
    Some(answer)
}

fn visibility(state: &State, call: &Call, path: &Path) -> Result<Answer, ArmError> {
    let body = call.json().map_err(|why| error::malformed(&why))?;
    let alias = body.get("privateLinkServiceAlias").and_then(Value::as_str).unwrap_or_default();
    if alias.is_empty() {
        return Err(error::malformed("privateLinkServiceAlias is required."));
    }
    let visible = alias_is_visible(&state.world.azure, alias, path.subscription());
    Ok(Answer::json(200, json!({"visible": visible})))
}

fn availability(state: &State, call: &Call, path: &Path) -> Result<Answer, ArmError> {
    let text = call.parameter("ipAddress").unwrap_or_default();
    let address: IpAddr =
        text.parse().map_err(|_| error::malformed(&format!("'{text}' is not an IP address.")))?;
    let network = path.id.as_str().rsplit_once('/').map_or("", |(network, _)| network);
    let network = ResourceId::new(network);
    let world = &state.world.azure;
    if world.get(&network).is_none() {
        return Err(not_found(&network));
    }
    let prefix = format!("{}/subnets/", network.key());
    let subnet = world.subnets.iter().find(|(key, subnet)| {
        key.starts_with(&prefix) && privlink_model::arm::address::in_subnet(address, subnet)
    });
    let free = |subnet: &ResourceId| {
        let version = if address.is_ipv4() { "IPv4" } else { "IPv6" };
        world.lowest_free_address(subnet, version).map(|address| address.to_string())
    };
    let (available, others) = match subnet {
        None => (false, Vec::new()),
        Some((_, subnet)) => {
            let id = ResourceId::new(subnet.id());
            let available = world.holder_of(address, subnet.id()).is_none();
            let others = if available { Vec::new() } else { free(&id).into_iter().collect() };
            (available, others)
        }
    };
    Ok(Answer::json(
        200,
        json!({
            "available": available, "availableIPAddresses": others, "isPlatformReserved": false,
        }),
    ))
}

/// The limits that matter here (arm-contract, section 3), with what is used of them.
fn usages(state: &State, subscription: &str) -> Vec<Value> {
    let prefix = format!("/subscriptions/{subscription}/").to_lowercase();
    let count = |part: &str| {
        state
            .world
            .azure
            .keys()
            .filter(|key| {
                key.starts_with(&prefix)
                    && key.rsplit_once(part).is_some_and(|(_, rest)| !rest.contains('/'))
            })
            .count()
    };
    [
        ("PrivateEndpoints", "/privateendpoints/", 64_000),
        ("PrivateLinkServices", "/privatelinkservices/", 800),
        ("LoadBalancers", "/loadbalancers/", 1_000),
        ("VirtualNetworks", "/virtualnetworks/", 1_000),
    ]
    .iter()
    .map(|(name, part, limit)| {
        json!({
            "name": {"value": name, "localizedValue": name},
            "unit": "Count", "currentValue": count(part), "limit": limit,
        })
    })
    .collect()
}
