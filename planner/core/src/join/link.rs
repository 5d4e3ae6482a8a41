//! The Private Link Services of a stack, each with the Services that are reached through it.

use std::collections::{BTreeMap, BTreeSet};

use crate::arm::resource::PrivateLinkService;
use crate::input::Input;
use crate::kubernetes::service::Key;
use crate::prediction::Prediction;

/// A Private Link Service of the stack.
pub(crate) struct Link<'a> {
    /// As it is, or as it will be.
    pub(crate) live: &'a PrivateLinkService,
    /// The Services that are reached through it: an approval that names any of them is about its connections.
    pub(crate) services: BTreeSet<&'a Key>,
}

/// When a Private Link Service is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// As it is.
    Before,
    /// As the controller leaves it.
    After,
}

/// The Private Link Services that belong to Services of the stack, and those that its approvals are about. On a frontend
/// that several Services share, the owner's tag says whose it is
/// ([`Owners::of_link`](crate::node::Owners::of_link)).
pub(crate) fn links<'a>(
    input: &Input<'_>,
    prediction: &'a Prediction,
    when: When,
) -> Vec<Link<'a>> {
    let (by_service, world) = match when {
        When::Before => (prediction.links_before(), &prediction.before),
        When::After => (prediction.links_after(), &prediction.after),
    };
    let mut by_id: BTreeMap<&str, BTreeSet<&Key>> = BTreeMap::new();
    for (service, id) in by_service {
        by_id.entry(id).or_default().insert(service);
    }
    let approved: BTreeSet<&Key> = input.wanted.approvals().map(|it| &it.service.value).collect();
    let of = |(id, services): (&str, BTreeSet<&'a Key>)| {
        let live = world.private_link_services.get(id)?;
        let owner = prediction.owners().of_link(live);
        let is_ours = owner.is_some_and(|key| input.wanted.has(key))
            || services.iter().any(|key| approved.contains(key));
        is_ours.then_some(Link { live, services })
    };
    by_id.into_iter().filter_map(of).collect()
}
