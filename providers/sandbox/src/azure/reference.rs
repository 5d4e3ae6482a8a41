//! References of a write to what is still being written.

use privlink_model::arm::arm_type::{ArmType, type_of};
use privlink_model::arm::error::ArmError;
use privlink_model::arm::provisioned::not_provisioned;
use privlink_model::arm::write;
use privlink_model::pointer::text;
use privlink_model::resource_id::ResourceId;
use serde_json::Value;

use crate::state::State;

use super::operation::{self, Kind};

/// Refuses a private link service on a load balancer or in a subnet that is being written, and a new endpoint to such
/// a service or in such a subnet.
pub(super) fn check(state: &State, id: &ResourceId, body: &Value) -> Result<(), ArmError> {
    let used = match type_of(&id.key()) {
        ArmType::PrivateLinkService => of_service(body),
        ArmType::PrivateEndpoint if !state.world.azure.holds(id) => of_endpoint(body),
        _ => return Ok(()),
    };
    let is_written =
        |id: &ResourceId| operation::running(state, id).is_some_and(|(_, kind)| kind == Kind::Put);
    for used in used {
        let with_parent = || write::shows_state_of(&used).is_some_and(|it| is_written(&it));
        if is_written(&used) || with_parent() {
            return Err(not_provisioned(&used, id, "Updating"));
        }
    }
    Ok(())
}

fn of_service(body: &Value) -> Vec<ResourceId> {
    let frontends = items(body, "loadBalancerFrontendIpConfigurations");
    let balancers = frontends.filter_map(|it| ResourceId::new(text(it, "/id")).parent());
    let addresses = items(body, "ipConfigurations");
    let subnets = addresses.map(|it| ResourceId::new(text(it, "/properties/subnet/id")));
    balancers.chain(subnets).collect()
}

fn of_endpoint(body: &Value) -> Vec<ResourceId> {
    let lists = ["privateLinkServiceConnections", "manualPrivateLinkServiceConnections"];
    let connections = lists.into_iter().flat_map(|list| items(body, list));
    let services = connections.map(|it| text(it, "/properties/privateLinkServiceId"));
    let subnet = text(body, "/properties/subnet/id");
    services.chain([subnet]).filter(|id| id.starts_with('/')).map(ResourceId::new).collect()
}

fn items<'a>(body: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> {
    let list = body.pointer(&format!("/properties/{list}")).and_then(Value::as_array);
    list.into_iter().flatten()
}
