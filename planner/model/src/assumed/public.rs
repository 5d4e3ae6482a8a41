//! What public Services of a cluster that nobody has looked at rest on: public addresses of the user's own,
//! and the load balancer that AKS makes for outbound traffic.

use serde_json::json;

use crate::arm::allocator::{Allocator as _, Unknowns};
use crate::arm::arm_type::ArmType;
use crate::arm::world::World;
use crate::controller::name;
use crate::controller::public_ip::{self, asked};
use crate::controller::value::{families, is_internal};
use crate::facts::{Facts, LoadBalancerSku, OutboundType};
use crate::kubernetes::service::Service;
use crate::resource_id::ResourceId;

use super::insert;

/// Adds what is there before public Services are, as far as it is not there.
pub(super) fn add<'s>(
    world: &mut World,
    facts: &Facts,
    services: impl IntoIterator<Item = &'s Service>,
) {
    let is_public = |it: &&Service| it.wants_load_balancer() && !is_internal(it);
    let mut unknowns = Unknowns::default();
    let mut any = false;
    for service in services.into_iter().filter(is_public) {
        any = true;
        add_own_addresses(world, facts, service, &mut unknowns);
    }
    // Other clusters get their first public load balancer from the controller.
    let by_load_balancer = facts.outbound_type == OutboundType::LoadBalancer
        && facts.load_balancer_sku == LoadBalancerSku::Standard;
    if any && by_load_balancer {
        add_outbound(world, facts, &mut unknowns);
    }
}

/// The public IPs that a Service asks for, by name or by address, are taken to exist: the controller never
/// makes these, so whoever names one has it.
fn add_own_addresses(world: &mut World, facts: &Facts, service: &Service, unknowns: &mut Unknowns) {
    let group = public_ip::group(facts, service);
    // A name that is given once belongs to the Service's own family.
    let own = if families(service).0 { [false, true] } else { [true, false] };
    for ipv6 in own {
        let address = asked::pinned(service, ipv6);
        let address = Some(address).filter(|it| asked::check_public(it).is_ok());
        let address = address.filter(|it| !has_address(world, facts, &group, it));
        let [ipv4_name, ipv6_name] = asked::names(service);
        let named = if ipv6 { ipv6_name } else { ipv4_name };
        let id = |name: &str| public_ip_id(facts, &group, name);
        let version = if ipv6 { "IPv6" } else { "IPv4" };
        if !named.is_empty() && !world.holds(&id(named)) {
            let unknown = || unknowns.public_address(&id(named), version);
            let address = address.map_or_else(unknown, ToOwned::to_owned);
            add_public_ip(world, facts, &id(named), version, &address);
        } else if let Some(address) = address {
            // Its name is nobody's to know here, and names have no colons.
            let name = format!("public-ip-{}", address.replace(':', "-"));
            add_public_ip(world, facts, &id(&name), version, address);
        }
    }
}

fn has_address(world: &World, facts: &Facts, group: &str, address: &str) -> bool {
    let collection = public_ip_id(facts, group, "").key();
    world
        .public_ip_addresses
        .range(collection.clone()..)
        .take_while(|(id, _)| id.starts_with(&collection))
        .any(|(_, it)| it.properties.ip_address.as_deref() == Some(address))
}

fn public_ip_id(facts: &Facts, group: &str, name: &str) -> ResourceId {
    let subscription = facts.network_subscription();
    ResourceId::in_group(subscription, group, ArmType::PublicIpAddress.name(), name)
}

fn add_public_ip(world: &mut World, facts: &Facts, id: &ResourceId, version: &str, address: &str) {
    let sku = match facts.load_balancer_sku {
        LoadBalancerSku::Standard => "Standard",
        LoadBalancerSku::Basic => "Basic",
    };
    insert(
        world,
        json!({
            "id": id.as_str(),
            "name": id.name(),
            "location": facts.location,
            "type": ArmType::PublicIpAddress.name(),
            "sku": {"name": sku, "tier": "Regional"},
            "properties": {
                "provisioningState": "Succeeded",
                "publicIPAllocationMethod": "Static",
                "publicIPAddressVersion": version,
                "ipAddress": address,
            },
        }),
    );
}

/// The public load balancer of a cluster whose outbound type is `loadBalancer`, as AKS makes it with the
/// cluster: one frontend of IPv4, which an outbound rule uses. AKS names frontend and address by a guid.
fn add_outbound(world: &mut World, facts: &Facts, unknowns: &mut Unknowns) {
    const FRONTEND: &str = "aks-outbound";
    const POOL: &str = "aksOutboundBackendPool";
    let own = facts.load_balancer_name.as_deref().filter(|name| !name.is_empty());
    let id = name::load_balancer_id(facts, own.unwrap_or(&facts.cluster_name));
    if world.holds(&id) {
        return;
    }
    let address = public_ip_id(facts, &facts.controller_resource_group(), FRONTEND);
    let text = unknowns.public_address(&address, "IPv4");
    add_public_ip(world, facts, &address, "IPv4", &text);
    let frontend = id.child("frontendIPConfigurations", FRONTEND);
    let pool = id.child("backendAddressPools", POOL);
    let rule = id.child("outboundRules", "aksOutboundRule");
    insert(
        world,
        json!({
            "id": id.as_str(),
            "name": id.name(),
            "location": facts.location,
            "type": ArmType::LoadBalancer.name(),
            "sku": {"name": "Standard", "tier": "Regional"},
            "properties": {
                "provisioningState": "Succeeded",
                "frontendIPConfigurations": [{
                    "id": frontend.as_str(), "name": FRONTEND,
                    "properties": {"provisioningState": "Succeeded",
                        "privateIPAllocationMethod": "Dynamic",
                        "publicIPAddress": {"id": address.as_str()},
                        "outboundRules": [{"id": rule.as_str()}]},
                }],
                "backendAddressPools": [{
                    "id": pool.as_str(), "name": POOL,
                    "properties": {"provisioningState": "Succeeded",
                        "outboundRule": {"id": rule.as_str()}},
                }],
                "outboundRules": [{
                    "id": rule.as_str(), "name": rule.name(),
                    "properties": {"provisioningState": "Succeeded",
                        "allocatedOutboundPorts": 0, "protocol": "All",
                        "enableTcpReset": true, "idleTimeoutInMinutes": 30,
                        "backendAddressPool": {"id": pool.as_str()},
                        "frontendIPConfigurations": [{"id": frontend.as_str()}]},
                }],
            },
        }),
    );
}
