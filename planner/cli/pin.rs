//! What a Stack and the flags pin of the cluster, and which lists follow from it.

use privlink_core::annotation::keys::PLS_RESOURCE_GROUP;
use privlink_core::desired::{Desired, Dns, Subnet, Target};
use privlink_core::diagnostic::Spanned;
use privlink_core::document;
use privlink_core::facts::{BackendPoolType, Facts, LoadBalancerSku, Origin};
use privlink_core::node::dns_record;
use privlink_core::resource_id::ResourceId;
use privlink_core::snapshot::Snapshot;
use privlink_engine::observe::{Cluster, Group, Targets};

use crate::args::Where;
use crate::command_error::CommandError;

/// The facts a Stack pins.
pub(crate) fn facts(desired: &Desired, subscription: Option<&str>) -> Facts {
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

/// The subscription of the cluster: the Stack's, or the flag's.
pub(crate) fn subscription(desired: &Desired, place: &Where) -> Option<String> {
    let stack = desired.stack.as_ref().and_then(|stack| stack.subscription.as_ref());
    stack.map(|it| it.value.clone()).or_else(|| place.subscription.clone())
}

/// Which lists are to be read.
pub(crate) fn targets(
    desired: &Desired,
    place: &Where,
    facts: &Facts,
) -> Result<Targets, CommandError> {
    let stack = desired.stack.as_ref();
    let said = |from: Option<&Option<Spanned<String>>>, flag: &Option<String>| {
        from.and_then(Option::as_ref).map(|it| it.value.clone()).or_else(|| flag.clone())
    };
    let subscription = &facts.subscription;
    let group = said(stack.map(|stack| &stack.resource_group), &place.resource_group);
    let cluster = said(stack.map(|stack| &stack.cluster), &place.cluster);
    let mut targets = Targets::default();
    if let (Some(group), Some(name)) = (group, cluster) {
        targets.cluster = Some(Cluster { group: Group::new(subscription, group), name });
    }
    if !facts.resource_group.is_empty() {
        targets.node_resource_group = Some(Group::new(subscription, &facts.resource_group));
    }
    if subscription.is_empty() || targets.cluster.is_none() && targets.node_resource_group.is_none()
    {
        return Err(CommandError::new("it is not said which cluster this is for")
            .hint("Write a Stack document with subscription, resourceGroup and cluster,")
            .hint("or give --subscription, --resource-group and --cluster."));
    }
    extend(&mut targets, desired, facts);
    Ok(targets)
}

/// Lists that Services, endpoints and pinned facts ask for.
fn extend(targets: &mut Targets, desired: &Desired, facts: &Facts) {
    let subscription = &facts.subscription;
    targets.stack.clone_from(&desired.name);
    let network = facts.network_subscription();
    if let Some(group) = &facts.load_balancer_resource_group {
        targets.load_balancer_groups.insert(Group::new(network, group));
    }
    if let Some(group) = &facts.private_link_service_resource_group {
        targets.private_link_service_groups.insert(Group::new(subscription, group));
    }
    if let Some(group) = &facts.virtual_network_resource_group {
        targets.virtual_network_groups.insert(Group::new(network, group));
    }
    for service in desired.services.values() {
        if let Some(group) =
            service.annotation(PLS_RESOURCE_GROUP).map(|group| group.trim().to_owned())
            && !group.is_empty()
        {
            targets.private_link_service_groups.insert(Group::new(subscription, group));
        }
    }
    targets.endpoint_subscriptions.insert(subscription.clone());
    for wanted in desired.endpoints.values() {
        let of = wanted.subscription.as_ref().map_or(subscription.as_str(), |it| it.as_str());
        targets.endpoint_subscriptions.insert(of.to_owned());
        match &wanted.subnet {
            Subnet::Id(id) => targets.virtual_network_groups.extend(Group::of(id)),
            Subnet::Named { .. } => {
                targets
                    .virtual_network_groups
                    .insert(Group::new(of, wanted.resource_group.value.clone()));
            }
        }
        if let Target::Id(id) = &wanted.target {
            targets.private_link_service_groups.extend(Group::of(id));
        }
        let id = ResourceId::in_group(
            of,
            &wanted.resource_group,
            "Microsoft.Network/privateEndpoints",
            wanted.resource_name(),
        );
        match &wanted.dns {
            Some(Dns::Record { zone, .. }) => {
                targets.zones.insert(dns_record::zone_id(zone, &id));
            }
            Some(Dns::ZoneGroup { zones, .. }) => {
                let groups =
                    zones.iter().filter_map(|zone| Group::of(&dns_record::zone_id(zone, &id)));
                targets.zone_groups.extend(groups);
                targets.zone_group_endpoints.insert(id);
            }
            None => {}
        }
    }
}

/// The cluster of a snapshot: what desired state says, and else the only one in it.
pub(crate) fn targets_of_snapshot(
    desired: &Desired,
    place: &Where,
    facts: &Facts,
    snapshot: &Snapshot,
) -> Targets {
    if let Ok(targets) = targets(desired, place, facts) {
        return targets;
    }
    let mut found = Targets::default();
    let ids = snapshot
        .resources_of_type("Microsoft.ContainerService/managedClusters")
        .filter_map(|cluster| cluster.get("id")?.as_str().map(ResourceId::new));
    if let Some(id) = ids.min()
        && let Some(group) = Group::of(&id)
    {
        found.cluster = Some(Cluster { group, name: id.name().to_owned() });
    }
    found
}
