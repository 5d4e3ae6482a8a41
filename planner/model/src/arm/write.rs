//! How a write ends: whether it has work to do behind its answer, what is shown meanwhile, and which
//! etags it leaves. Recorded from Azure (`tests/recordings/azure`).

use std::sync::Arc;

use serde_json::Value;

use crate::pointer::{At, text};
use crate::resource_id::ResourceId;

use super::arm_type::{ArmType, is_private_dns, is_zone_group, type_of};
use super::azure::Azure;
use super::resource::{PrivateEndpoint, PrivateLinkService};
use super::world::Shelf;

/// Whether a PUT continues after its answer, which then says `Updating`. One that changes nothing, or
/// tags alone, is `Succeeded` at once; so is that of a load balancer without an internal frontend. A
/// virtual network and a connection always go on.
pub fn has_work(id: &ResourceId, before: Option<&Value>, after: &Value) -> bool {
    match type_of(&id.key()) {
        ArmType::VirtualNetwork | ArmType::EndpointConnection => return true,
        ArmType::LoadBalancer => {
            let internal = |balancer: &Value| {
                let frontends = balancer.at("/properties/frontendIPConfigurations");
                let mut frontends = frontends.and_then(Value::as_array).into_iter().flatten();
                frontends.any(|frontend| frontend.at("/properties/subnet").is_some())
            };
            if !internal(after) && !before.is_some_and(internal) {
                return false;
            }
        }
        _ => {}
    }
    let unfinished = |before: &Value| {
        let state = text(before, "/properties/provisioningState");
        !state.is_empty() && state != "Succeeded"
    };
    before.is_none_or(|before| unfinished(before) || !same(before, after))
}

/// Whether a PUT of what is there already answers 201: that of a virtual network does.
pub fn repeats_as_created(id: &ResourceId, before: &Value, after: &Value) -> bool {
    type_of(&id.key()) == ArmType::VirtualNetwork && same(before, after)
}

/// Whether two answers tell of the same resource: their tags, versions and states aside.
fn same(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let aside = |name: &str| matches!(name, "etag" | "provisioningState" | "tags");
            let is_in = |name: &String, value: &Value, other: &serde_json::Map<String, Value>| {
                aside(name) || other.get(name).is_some_and(|other| same(value, other))
            };
            before.iter().all(|(name, value)| is_in(name, value, after))
                && after.keys().all(|name| aside(name) || before.contains_key(name))
        }
        (Value::Array(before), Value::Array(after)) => {
            before.len() == after.len()
                && before.iter().zip(after).all(|(before, after)| same(before, after))
        }
        (before, after) => before == after,
    }
}

/// Shows a resource in a state that passes. The children of load balancers, virtual networks, security
/// groups and zone groups are in it too; those of private link services and endpoints stay `Succeeded`.
pub fn show_state(id: &ResourceId, resource: &mut Value, state: &str) {
    let with_children = is_zone_group(id)
        || matches!(
            type_of(&id.key()),
            ArmType::LoadBalancer
                | ArmType::BackendPool
                | ArmType::InboundNatRule
                | ArmType::VirtualNetwork
                | ArmType::NetworkSecurityGroup
        );
    let Some(properties) = resource.get_mut("properties").and_then(Value::as_object_mut) else {
        return;
    };
    properties.insert("provisioningState".to_owned(), Value::from(state));
    if with_children {
        properties.values_mut().for_each(|value| set_all(value, "provisioningState", state));
    }
}

/// What a child shows the state of: its load balancer, virtual network or security group. Nothing for other resources.
pub fn shows_state_of(id: &ResourceId) -> Option<ResourceId> {
    let parent = id.parent()?;
    use ArmType as T;
    matches!(type_of(&parent.key()), T::LoadBalancer | T::VirtualNetwork | T::NetworkSecurityGroup)
        .then_some(parent)
}

/// Sets a field wherever it is, at any depth.
pub(super) fn set_all(value: &mut Value, name: &str, new: &str) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                if field == name && value.is_string() {
                    *value = Value::from(new);
                } else {
                    set_all(value, name, new);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| set_all(item, name, new)),
        _ => {}
    }
}

impl Azure<'_> {
    /// Gives a resource a new etag, and whatever shows the same one: children that are held in it, the
    /// load balancer, virtual network or private link service that a child is in. Every write does so,
    /// and once more when its operation ends; private DNS but once.
    pub fn renew_etag(&mut self, id: &ResourceId) {
        if is_private_dns(id) {
            return;
        }
        let parent = id.parent().unwrap_or_default();
        match type_of(&id.key()) {
            ArmType::LoadBalancer => self.touch_load_balancer(id),
            ArmType::BackendPool | ArmType::InboundNatRule => self.touch_load_balancer(&parent),
            ArmType::SecurityRule => self.renew_etag(&parent),
            ArmType::PrivateLinkService => self.touch_private_link_service(id),
            ArmType::EndpointConnection => self.touch_private_link_service(&parent),
            ArmType::VirtualNetwork => self.touch_virtual_network(id),
            ArmType::Subnet => self.touch_virtual_network(&parent),
            ArmType::PublicIpAddress => {
                let etag = self.allocator.etag(id);
                if let Some(address) = self.world.public_ip_addresses.get_mut(&id.key()) {
                    Arc::make_mut(address).etag = Some(etag);
                }
            }
            ArmType::NetworkSecurityGroup => {
                let etag = self.allocator.etag(id);
                let Some(group) = self.world.network_security_groups.get_mut(&id.key()) else {
                    return;
                };
                let group = Arc::make_mut(group);
                for rule in group.properties.security_rules.iter_mut().flatten() {
                    Arc::make_mut(rule).etag = Some(etag.clone());
                }
                group.properties.other.values_mut().for_each(|it| set_all(it, "etag", &etag));
                group.etag = Some(etag);
            }
            ArmType::PrivateEndpoint => {
                let etag = self.allocator.etag(id);
                change(&mut self.world.private_endpoints, id, |it| {
                    set_etags_of_endpoint(it, &etag)
                });
            }
            ArmType::NetworkInterface => {
                let etag = self.allocator.etag(id);
                change(&mut self.world.network_interfaces, id, |interface| {
                    let addresses = interface.properties.ip_configurations.iter_mut().flatten();
                    addresses.for_each(|address| address.etag = Some(etag.clone()));
                    interface.etag = Some(etag);
                });
            }
            ArmType::ZoneGroup => {
                let etag = self.allocator.etag(id);
                change(&mut self.world.zone_groups, id, |group| {
                    let configs = group.properties.private_dns_zone_configs.iter_mut().flatten();
                    configs.for_each(|config| config.etag = Some(etag.clone()));
                    group.etag = Some(etag);
                });
            }
            // Private DNS has gone above.
            ArmType::PrivateDnsZone | ArmType::ZoneLink | ArmType::RecordSet => {}
            _ => {
                let etag = self.allocator.etag(id);
                if let Some(resource) = self.world.others.get_mut(&id.key()) {
                    set_all(Arc::make_mut(resource), "etag", &etag);
                }
            }
        }
    }

    /// A private link service and all in it show a new etag.
    pub(crate) fn touch_private_link_service(&mut self, id: &ResourceId) {
        let Some(service) = self.world.private_link_services.get_mut(&id.key()) else { return };
        let etag = self.allocator.etag(id);
        set_etags(Arc::make_mut(service), &etag);
    }

    /// A virtual network and its subnets show one new etag.
    pub(crate) fn touch_virtual_network(&mut self, id: &ResourceId) {
        let key = id.key();
        let Some(network) = self.world.virtual_networks.get_mut(&key) else { return };
        let etag = self.allocator.etag(id);
        Arc::make_mut(network).etag = Some(etag.clone());
        let prefix = format!("{key}/subnets/");
        let subnets = self.world.subnets.range_mut(prefix.clone()..);
        for (_, subnet) in subnets.take_while(|(key, _)| key.starts_with(&prefix)) {
            Arc::make_mut(subnet).etag = Some(etag.clone());
        }
    }
}

/// A private link service, its NAT addresses and its connections show one etag.
pub(super) fn set_etags(service: &mut PrivateLinkService, etag: &str) {
    service.etag = Some(etag.to_owned());
    for address in service.properties.ip_configurations.iter_mut().flatten() {
        address.etag = Some(etag.to_owned());
    }
    for connection in service.properties.private_endpoint_connections.iter_mut().flatten() {
        connection.etag = Some(etag.to_owned());
    }
}

/// Changes a resource, if it is held.
fn change<T: Clone>(shelf: &mut Shelf<T>, id: &ResourceId, edit: impl FnOnce(&mut T)) {
    if let Some(resource) = shelf.get_mut(&id.key()) {
        edit(Arc::make_mut(resource));
    }
}

/// A private endpoint, its connections and the addresses asked for show one etag.
fn set_etags_of_endpoint(endpoint: &mut PrivateEndpoint, etag: &str) {
    endpoint.etag = Some(etag.to_owned());
    let properties = &mut endpoint.properties;
    let automatic = properties.private_link_service_connections.iter_mut();
    let manual = properties.manual_private_link_service_connections.iter_mut();
    for connection in automatic.chain(manual).flatten() {
        connection.etag = Some(etag.to_owned());
    }
    for address in properties.ip_configurations.iter_mut().flatten() {
        address.etag = address.etag.take().map(|_| etag.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn id(rest: &str) -> ResourceId {
        ResourceId::new(format!(
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/{rest}"
        ))
    }

    #[test]
    fn a_write_of_the_same_or_of_tags_alone_is_done_at_once() {
        let service = id("privateLinkServices/p");
        let before =
            json!({"etag": "1", "properties": {"fqdns": [], "provisioningState": "Succeeded"}});
        let tagged = json!({"etag": "2", "tags": {"a": "b"}, "properties": {"fqdns": [], "provisioningState": "Succeeded"}});
        let other =
            json!({"etag": "2", "properties": {"fqdns": ["a"], "provisioningState": "Succeeded"}});
        assert!(has_work(&service, None, &before));
        assert!(!has_work(&service, Some(&before), &tagged));
        assert!(has_work(&service, Some(&before), &other));
        let failed = json!({"properties": {"fqdns": [], "provisioningState": "Failed"}});
        assert!(has_work(&service, Some(&failed), &before));
        let network = id("virtualNetworks/v");
        assert!(has_work(&network, Some(&before), &before));
        assert!(repeats_as_created(&network, &before, &tagged));
        assert!(!repeats_as_created(&service, &before, &tagged));
    }

    #[test]
    fn a_load_balancer_without_internal_frontends_is_done_at_once() {
        let balancer = id("loadBalancers/l");
        let with = |frontend: Value| json!({"properties": {"frontendIPConfigurations": [{"properties": frontend}]}});
        let public = with(json!({"publicIPAddress": {"id": "/a"}}));
        let internal = with(json!({"subnet": {"id": "/s"}}));
        assert!(!has_work(&balancer, None, &public));
        assert!(has_work(&balancer, None, &internal));
        assert!(has_work(&balancer, Some(&internal), &public));
    }

    #[test]
    fn children_pass_through_states_with_some_parents_only() {
        let resource = || {
            json!({"properties": {"provisioningState": "Succeeded", "children": [
                {"properties": {"provisioningState": "Succeeded"}},
            ]}})
        };
        for (kind, state) in
            [("loadBalancers/l", "Updating"), ("privateLinkServices/p", "Succeeded")]
        {
            let mut shown = resource();
            show_state(&id(kind), &mut shown, "Updating");
            assert_eq!(text(&shown, "/properties/provisioningState"), "Updating");
            assert_eq!(text(&shown, "/properties/children/0/properties/provisioningState"), state);
        }
    }
}
