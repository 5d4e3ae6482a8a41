//! The facts about the cluster that a Stack pins.

use privlink_model::facts::{BackendPoolType, Facts, LoadBalancerSku, Origin};

use crate::diagnostic::Spanned;
use crate::document;

use super::Desired;

/// The facts that a Stack pins, and the subscription, wherever it was said.
pub fn pinned(desired: &Desired, subscription: Option<&str>) -> Facts {
    let mut facts = Facts::default();
    let mut pinned = Vec::new();
    if let Some(subscription) = subscription {
        facts.subscription = subscription.to_owned();
        pinned.push("subscription");
    }
    if let Some(stack) = &desired.stack {
        pin(&stack.facts, &mut facts, &mut pinned);
    }
    for name in pinned {
        facts.sources.insert(name.to_owned(), Origin::Pinned);
    }
    facts
}

fn pin(from: &document::Facts, facts: &mut Facts, pinned: &mut Vec<&'static str>) {
    let mut text = |name: &'static str, from: &Option<Spanned<String>>, to: &mut String| {
        if let Some(value) = from {
            to.clone_from(&value.value);
            pinned.push(name);
        }
    };
    text("resourceGroup", &from.node_resource_group, &mut facts.resource_group);
    text("location", &from.location, &mut facts.location);
    text("clusterName", &from.cluster_name, &mut facts.cluster_name);
    text("virtualNetwork", &from.virtual_network, &mut facts.virtual_network);
    text("subnet", &from.subnet, &mut facts.subnet);
    text("securityGroup", &from.security_group, &mut facts.security_group);
    let mut maybe =
        |name: &'static str, from: &Option<Spanned<String>>, to: &mut Option<String>| {
            if let Some(value) = from {
                *to = Some(value.value.clone());
                pinned.push(name);
            }
        };
    let group = &from.virtual_network_resource_group;
    maybe("virtualNetworkResourceGroup", group, &mut facts.virtual_network_resource_group);
    let group = &from.security_group_resource_group;
    maybe("securityGroupResourceGroup", group, &mut facts.security_group_resource_group);
    maybe("networkSubscription", &from.network_subscription, &mut facts.network_subscription);
    maybe("loadBalancerName", &from.load_balancer_name, &mut facts.load_balancer_name);
    let group = &from.load_balancer_resource_group;
    maybe("loadBalancerResourceGroup", group, &mut facts.load_balancer_resource_group);
    let group = &from.private_link_service_resource_group;
    maybe("privateLinkServiceResourceGroup", group, &mut facts.private_link_service_resource_group);
    if let Some(sku) = &from.load_balancer_sku {
        let is_basic = sku.eq_ignore_ascii_case("basic");
        facts.load_balancer_sku =
            if is_basic { LoadBalancerSku::Basic } else { LoadBalancerSku::Standard };
        pinned.push("loadBalancerSku");
    }
    if let Some(kind) = &from.backend_pool_type {
        facts.backend_pool_type = match kind.to_lowercase().as_str() {
            "nodeip" => BackendPoolType::NodeIp,
            "podip" => BackendPoolType::PodIp,
            _ => BackendPoolType::NodeIpConfiguration,
        };
        pinned.push("backendPoolType");
    }
    if let Some(disabled) = &from.disable_outbound_snat {
        facts.disable_outbound_snat = disabled.value;
        pinned.push("disableOutboundSnat");
    }
    if let Some(mode) = &from.health_probe_mode {
        facts.shared_probe = mode.eq_ignore_ascii_case("shared");
        pinned.push("sharedProbe");
    }
    if let Some(families) = &from.ip_families {
        facts.ip_families = families.iter().map(|family| family.value.clone()).collect();
        pinned.push("ipFamilies");
    }
    if !from.tags.is_empty() {
        let tags = from.tags.iter().map(|(key, value)| (key.clone(), value.value.clone()));
        facts.tags = tags.collect();
        pinned.push("tags");
    }
    if let Some(zones) = &from.zones {
        facts.zones = zones.iter().map(|zone| zone.value.clone()).collect();
        pinned.push("zones");
    }
}
