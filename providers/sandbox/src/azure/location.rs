//! Where resources are: what the resource manager itself checks of those that it tracks.

use privlink_model::arm::error::ArmError;
use privlink_model::location::plain;
use privlink_model::resource_id::ResourceId;
use serde_json::{Value, json};

use crate::state::State;

/// The body of a PUT with its location as Azure spells it. A resource needs one
/// (pulumi/pulumi-azure-native#215), and keeps it (Azure/bicep#12046).
pub(super) fn settle(state: &State, id: &ResourceId, mut body: Value) -> Result<Value, ArmError> {
    let wanted = wanted(&body)?;
    let live = state.world.azure.get(id);
    let live = live.as_ref().and_then(|live| live.get("location")?.as_str()).map(plain);
    if let Some(live) = live.filter(|live| !live.is_empty() && *live != wanted) {
        let name = id.name();
        let group = id.resource_group().unwrap_or_default();
        let message = format!(
            "The resource '{name}' already exists in location '{live}' in resource group '{group}'. A resource with the same name cannot be created in location '{wanted}'. Please select a new resource name."
        );
        return Err(ArmError::new(409, "InvalidResourceLocation", message));
    }
    if let Some(body) = body.as_object_mut() {
        body.insert("location".to_owned(), json!(wanted));
    }
    Ok(body)
}

/// The location of a resource group that is put: it keeps the one that it has (Azure/azure-cli#22242).
pub(super) fn of_group(body: &Value, live: Option<&Value>) -> Result<String, ArmError> {
    let wanted = wanted(body)?;
    let live = live.and_then(|live| live.get("location")?.as_str()).map(plain);
    match live.filter(|live| *live != wanted) {
        None => Ok(wanted),
        Some(live) => {
            let message = format!(
                "Invalid resource group location '{wanted}'. The Resource group already exists in location '{live}'."
            );
            Err(ArmError::new(409, "InvalidResourceGroupLocation", message))
        }
    }
}

fn wanted(body: &Value) -> Result<String, ArmError> {
    let wanted = body.get("location").and_then(Value::as_str).unwrap_or_default();
    if wanted.is_empty() {
        let message = "The location property is required for this definition.";
        return Err(ArmError::new(400, "LocationRequired", message));
    }
    Ok(plain(wanted))
}
