//! What of a resource is compared, and what of it Azure must show.

use serde::Serialize;
use serde_json::{Value, json};

use super::kept::{Choice, Kept};

/// Fields that only the server knows, or that say again what other nodes say; and those that Azure adds to rules and
/// probes by itself, which the controller never writes: not every live one shows them.
const VOLATILE: [&str; 17] = [
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
    "enableDestinationServiceEndpoint",
    "allowBackendPortConflict",
    "numberOfProbes",
];

/// A resource's JSON without volatile fields, nulls and empty lists; references become short names.
pub(crate) fn clean<T: Serialize + ?Sized>(resource: &T) -> Value {
    resource.serialize(Kept(Compared)).unwrap_or_default()
}

/// How Azure must show a predicted resource: without volatile fields, those that Azure alone fills in, and `unsure` ones;
/// with references as they are.
pub(crate) const fn expected<'a>(unsure: &'a [&'a str]) -> Kept<Expected<'a>> {
    Kept(Expected(unsure))
}

#[derive(Clone, Copy)]
struct Compared;

impl Choice for Compared {
    fn leaves_out(self, name: &str) -> bool {
        VOLATILE.contains(&name)
    }

    fn is_dropped(self, value: &Value) -> bool {
        is_empty(value)
    }

    fn reference(self, id: String) -> Value {
        Value::String(short_id(&id))
    }
}

/// What Azure must show, but for fields that nobody is sure of.
#[derive(Clone, Copy)]
pub(crate) struct Expected<'a>(&'a [&'a str]);

impl Choice for Expected<'_> {
    fn leaves_out(self, name: &str) -> bool {
        const FILLED_IN: [&str; 3] = ["alias", "noHealthyBackendsBehavior", "backendAddressPools"];
        VOLATILE.contains(&name) || FILLED_IN.contains(&name) || self.0.contains(&name)
    }

    fn is_dropped(self, _value: &Value) -> bool {
        false
    }

    fn reference(self, id: String) -> Value {
        json!({"id": id})
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::resource::{Frontend, FrontendProperties, Reference};

    const SUBNET: &str =
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/a";

    fn frontend() -> Frontend {
        let other = json!({"zones": [], "unknown": {"id": SUBNET, "etag": "1"}, "none": null});
        let properties = FrontendProperties {
            subnet: Some(Reference::to(SUBNET)),
            provisioning_state: Some("Succeeded".to_owned()),
            load_balancing_rules: Some(vec![Reference::to("/rule")]),
            other: other.as_object().cloned().unwrap_or_default(),
            ..FrontendProperties::default()
        };
        Frontend {
            name: Some("f".to_owned()),
            id: Some("/f".to_owned()),
            etag: Some("1".to_owned()),
            properties,
            ..Frontend::default()
        }
    }

    #[test]
    fn what_is_compared_has_short_names_and_nothing_that_says_nothing() {
        let compared =
            json!({"name": "f", "properties": {"subnet": "virtualNetworks/v/subnets/a"}});
        assert_eq!(clean(&frontend()), compared);
    }

    #[test]
    fn what_azure_must_show_has_references_as_they_are() {
        let shown = frontend().serialize(expected(&["zones"])).unwrap();
        let subnet = json!({"id": SUBNET});
        let properties = json!({"subnet": subnet, "unknown": {}, "none": null});
        assert_eq!(shown, json!({"name": "f", "properties": properties}));
    }

    /// Whether a live rule or probe shows what Azure adds by itself makes no difference.
    #[test]
    fn what_azure_alone_adds_to_rules_and_probes_is_not_compared() {
        let with = json!({"name": "r", "properties": {
            "enableDestinationServiceEndpoint": false, "allowBackendPortConflict": false,
            "numberOfProbes": 2, "probeThreshold": 2, "backendAddressPools": [{"id": SUBNET}],
        }});
        let without = json!({"name": "r", "properties": {"probeThreshold": 2}});
        assert_eq!(with.serialize(expected(&[])).unwrap(), without);
        let compared = clean(&with);
        assert_eq!(compared["properties"]["numberOfProbes"], Value::Null);
        assert_eq!(compared["properties"]["allowBackendPortConflict"], Value::Null);
    }
}
