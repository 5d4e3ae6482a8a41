//! What else must be read before an import can be made.

use std::collections::BTreeSet;

use crate::annotation::keys;
use crate::arm::arm_type::ArmType;
use crate::facts::Facts;
use crate::group::Group;
use crate::inventory::Inventory;
use crate::resource_id::ResourceId;

use super::endpoint;
use super::{Error, Place, Seen, Selection, service, stack};

/// The lists that an import needs and that the snapshot has not: groups of Private Link Services that
/// Services name, and of each endpoint the virtual networks, zone groups and private DNS zones. What is
/// read shows what else is to be read, so this is to be asked until nothing is left.
///
/// # Errors
///
/// See [`Error`].
pub fn reads(
    live: &Inventory<'_>,
    facts: &Facts,
    place: &Place,
    selection: &Selection,
) -> Result<BTreeSet<String>, Error> {
    let stack = stack::name(live, place, selection)?;
    let seen = Seen::of(live, facts, place, &stack);
    let mut unheard = Vec::new();
    let services = service::select(&seen, selection, &mut unheard)?;
    let mut lists = BTreeSet::new();
    for (key, _) in &services {
        let service = seen.prediction.live.get(key);
        let group =
            service.and_then(|it| it.annotations.get(keys::PLS_RESOURCE_GROUP)).map(|it| it.trim());
        if let Some(group) = group.filter(|group| !group.is_empty()) {
            let subscription = &facts.subscription;
            lists.insert(Group::new(subscription, group).list(ArmType::PrivateLinkService));
        }
    }
    let links =
        services.iter().filter_map(|(key, _)| Some((key.clone(), seen.link(key)?))).collect();
    let endpoints = endpoint::select(&seen, &links, &mut unheard);
    for endpoint in &endpoints {
        let network = ResourceId::new(endpoint.live.subnet()).parent();
        lists.extend(network.and_then(|it| it.collection()).map(|it| it.as_str().to_owned()));
        lists.insert(format!("{}/privateDnsZoneGroups", endpoint.id));
        // Azure keeps the records of endpoints with a zone group.
        if live.zone_groups(&endpoint.id).next().is_none()
            && let Some(subscription) = endpoint.id.subscription()
        {
            lists
                .insert(ArmType::PrivateDnsZone.list_in(&format!("/subscriptions/{subscription}")));
            lists.extend(zones_of(live, subscription).map(|zone| format!("{zone}/A")));
        }
    }
    lists.retain(|list| live.list(&list.to_lowercase()).is_none());
    Ok(lists)
}

/// The private DNS zones of a subscription that were read.
fn zones_of(live: &Inventory<'_>, subscription: &str) -> impl Iterator<Item = ResourceId> {
    live.resources_of_type(ArmType::PrivateDnsZone.name())
        .filter_map(|zone| zone.get("id")?.as_str().map(ResourceId::new))
        .filter(move |zone| {
            zone.subscription().is_some_and(|it| it.eq_ignore_ascii_case(subscription))
        })
}
