//! What a prediction assumes to be in Azure when nobody has looked.

use std::collections::BTreeSet;

use serde_json::json;

use crate::arm::arm_type::ArmType;
use crate::arm::world::World;
use crate::facts::Facts;
use crate::kubernetes::service::Service;
use crate::resource_id::ResourceId;

use crate::annotation;

/// Adds, as far as they are not there, the virtual network, the subnets that the facts and the Services
/// name, and the security group. Their address ranges stay unknown.
pub fn assume<'s>(
    world: &mut World,
    facts: &Facts,
    services: impl IntoIterator<Item = &'s Service>,
) {
    let network = facts.virtual_network_id();
    let mut subnets = BTreeSet::from([facts.subnet.clone()]);
    for service in services {
        for key in [annotation::INTERNAL_SUBNET, annotation::PLS_SUBNET] {
            let named = service.annotations.get(key).map(|name| name.trim().to_owned());
            subnets.extend(named.filter(|name| !name.is_empty()));
        }
    }
    let group = facts.security_group_resource_group.as_ref().unwrap_or(&facts.resource_group);
    let group = ResourceId::in_group(
        facts.network_subscription(),
        group,
        ArmType::NetworkSecurityGroup.name(),
        &facts.security_group,
    );
    let mut assumed = vec![
        json!({
            "id": network.as_str(),
            "name": facts.virtual_network,
            "location": facts.location,
            "type": ArmType::VirtualNetwork.name(),
            "properties": {"provisioningState": "Succeeded"},
        }),
        json!({
            "id": group.as_str(),
            "name": facts.security_group,
            "location": facts.location,
            "type": ArmType::NetworkSecurityGroup.name(),
            "properties": {"provisioningState": "Succeeded", "securityRules": []},
        }),
    ];
    for name in subnets {
        assumed.push(json!({
            "id": network.child("subnets", &name).as_str(),
            "name": name,
            "type": ArmType::Subnet.name(),
            "properties": {
                "privateLinkServiceNetworkPolicies": "Enabled",
                "provisioningState": "Succeeded",
            },
        }));
    }
    for resource in assumed {
        let id = resource.get("id").and_then(serde_json::Value::as_str).unwrap_or_default();
        if world.get(&ResourceId::new(id)).is_none() {
            // Made here, with an id: it cannot be malformed.
            let _ = world.insert(resource);
        }
    }
}
