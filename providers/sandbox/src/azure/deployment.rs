//! Deployments of literal resources, which `az network lb create` uses instead of a PUT: the
//! resources of an inline template are put in their order. Expressions are not evaluated.

use privlink_model::arm::arm_type::ArmType;
use privlink_model::arm::error::ArmError;
use privlink_model::resource_id::ResourceId;
use serde_json::{Value, json};

use crate::server::{Answer, Call};
use crate::state::State;

use super::path::Path;
use super::{error, location, write_azure};

/// Answers a request for a deployment; nothing if it is none.
pub(super) fn answer(state: &mut State, call: &Call) -> Option<Result<Answer, ArmError>> {
    let path = Path::of(call);
    let lower = path.lower();
    let [
        "subscriptions",
        _,
        "resourcegroups",
        group,
        "providers",
        "microsoft.resources",
        "deployments",
        _,
    ] = lower.as_slice()
    else {
        return None;
    };
    if state.world.directory.group(path.subscription(), group).is_none() {
        return Some(Err(error::no_group(group)));
    }
    Some(match call.method.as_str() {
        "PUT" => deploy(state, call, &path.id),
        "GET" => state
            .world
            .azure
            .get(&path.id)
            .map(|deployment| Answer::json(200, deployment))
            .ok_or_else(|| {
                let message = format!("Deployment '{}' could not be found.", path.id.name());
                ArmError::new(404, "DeploymentNotFound", message)
            }),
        method => Err(error::no_method(method)),
    })
}

fn deploy(state: &mut State, call: &Call, id: &ResourceId) -> Result<Answer, ArmError> {
    let body = call.json().map_err(|why| error::malformed(&why))?;
    let resources = body.pointer("/properties/template/resources").and_then(Value::as_array);
    let mut outputs = serde_json::Map::new();
    for resource in resources.into_iter().flatten() {
        let text = |name: &str| resource.get(name).and_then(Value::as_str).unwrap_or_default();
        let (kind, name) = (text("type"), text("name"));
        if [kind, name].iter().any(|text| text.starts_with('[')) {
            let message = "Template expressions are not supported by the sandbox.";
            return Err(ArmError::new(400, "InvalidTemplate", message));
        }
        let target = ResourceId::in_group(
            id.subscription().unwrap_or_default(),
            id.resource_group().unwrap_or_default(),
            kind,
            name,
        );
        let resource = location::settle(state, &target, resource.clone())?;
        write_azure(state, |azure| azure.put(&target, resource, None))?;
        if kind.eq_ignore_ascii_case(ArmType::LoadBalancer.name()) {
            let properties =
                state.world.azure.get(&target).and_then(|it| it.get("properties").cloned());
            outputs
                .insert("loadBalancer".to_owned(), json!({"type": "Object", "value": properties}));
        }
    }
    let deployment = json!({
        "id": id.as_str(),
        "name": id.name(),
        "type": "Microsoft.Resources/deployments",
        "properties": {"provisioningState": "Succeeded", "mode": "Incremental", "outputs": outputs},
    });
    state
        .world
        .azure
        .insert(deployment.clone())
        .map_err(|error| error::malformed(&error.to_string()))?;
    state.touch();
    Ok(Answer::json(201, deployment))
}
