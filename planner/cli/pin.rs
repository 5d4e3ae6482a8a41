//! Which cluster a Stack and the flags are about, and which lists are read of it.

use privlink_core::annotation::keys::PLS_RESOURCE_GROUP;
use privlink_core::desired::{Desired, Dns, Subnet, Target};
use privlink_core::diagnostic::Spanned;
use privlink_core::facts::Facts;
use privlink_core::group::{Cluster, Group};
use privlink_core::node::dns_record;
use privlink_core::resource_id::ResourceId;
use privlink_core::snapshot::Snapshot;
use privlink_engine::observe::Targets;

use crate::args::Where;
use crate::command_error::CommandError;

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
        // Its own group too, where its network is elsewhere: a list of it says whether it is there.
        let own = Group::new(of, wanted.resource_group.value.clone());
        targets.virtual_network_groups.insert(own);
        if let Subnet::Id(id) = &wanted.subnet {
            targets.virtual_network_groups.extend(Group::of(id));
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
                targets.zones.extend(zones.iter().map(|zone| dns_record::zone_id(zone, &id)));
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
