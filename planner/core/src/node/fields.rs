//! What of a resource is compared, and what of it Azure must show.

use serde::Serialize;
use serde_json::Value;

/// Fields that only the server knows, or that say again what other nodes say.
const VOLATILE: [&str; 14] = [
    "etag",
    "id",
    "type",
    "provisioningState",
    "resourceGuid",
    "loadBalancingRules",
    "inboundNatRules",
    "inboundNatPools",
    "outboundRules",
    "privateLinkService",
    "privateEndpointConnections",
    "networkInterfaces",
    "ipConfiguration",
    "backendIPConfigurations",
];

/// A resource's JSON without volatile fields, nulls and empty lists; references become short names.
pub(crate) fn clean<T: Serialize>(resource: &T) -> Value {
    strip(serde_json::to_value(resource).unwrap_or_default())
}

/// What of a predicted resource Azure must show: without volatile fields, those that Azure alone fills
/// in, and `unsure` ones; with references as they are.
pub(crate) fn expected(mut value: Value, unsure: &[&str]) -> Value {
    keep_expected(&mut value, unsure);
    value
}

fn keep_expected(value: &mut Value, unsure: &[&str]) {
    const FILLED_IN: [&str; 2] = ["alias", "noHealthyBackendsBehavior"];
    let is_left_out =
        |key: &str| VOLATILE.contains(&key) || FILLED_IN.contains(&key) || unsure.contains(&key);
    match value {
        Value::Object(fields) => {
            if let (1, Some(Value::String(_))) = (fields.len(), fields.get("id")) {
                return;
            }
            fields.retain(|key, _| !is_left_out(key));
            fields.values_mut().for_each(|value| keep_expected(value, unsure));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| keep_expected(item, unsure)),
        _ => {}
    }
}

pub(crate) fn strip(mut value: Value) -> Value {
    strip_in_place(&mut value);
    value
}

fn strip_in_place(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let (1, Some(Value::String(id))) = (fields.len(), fields.get("id")) {
                *value = Value::String(short_id(id));
                return;
            }
            fields.retain(|key, value| {
                let is_kept = !VOLATILE.contains(&key.as_str());
                if is_kept {
                    strip_in_place(value);
                }
                is_kept && !is_empty(value)
            });
        }
        Value::Array(items) => items.iter_mut().for_each(strip_in_place),
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// What follows the provider in an id, such as `virtualNetworks/aks-vnet/subnets/apps-subnet`.
fn short_id(id: &str) -> String {
    id.rsplit_once("/Microsoft.Network/").map_or(id, |(_, short)| short).to_owned()
}
