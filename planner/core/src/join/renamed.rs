//! Documents that were renamed: Azure cannot rename an endpoint, so the live one is kept under its name.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::address::Address;
use crate::arm::resource::PrivateEndpoint as Live;
use crate::desired::{Desired, PrivateEndpoint, Target};
use crate::input::Input;
use crate::inventory::Inventory;
use crate::node::private_endpoint::{id, live_connection, subnet_id};
use crate::plan::{Finding, Mode};
use crate::resource_id::ResourceId;
use crate::rule;
use crate::snapshot::Observation;

use super::marked::leaving;

/// Desired state with the names in Azure of endpoints whose documents were renamed, marked as such. A
/// document was renamed if there is no endpoint of its name, and of the stack's endpoints that no document
/// names just one is in its group and subnet and reaches what it wants.
///
/// Whoever reads desired state beside what is live reads this, so that all of them agree on which endpoint
/// is which.
pub(crate) fn settled<'a>(input: &Input<'a>, inventory: &Inventory) -> Cow<'a, Desired> {
    let as_written = Cow::Borrowed(input.desired);
    if input.options.mode != Mode::Apply || !input.prunes() {
        return as_written;
    }
    let wanted: Vec<&PrivateEndpoint> = input
        .desired
        .endpoints
        .values()
        .filter(|wanted| wanted.azure_name.is_none())
        .filter(|wanted| input.snapshot.resource(&id(input, wanted)) == Observation::Absent)
        .collect();
    if wanted.is_empty() {
        return as_written;
    }
    let leaving = leaving(input, &inventory.world);
    let is_it = |live: &Live, wanted: &PrivateEndpoint| {
        let (own, live_id) = (id(input, wanted), ResourceId::new(live.id()));
        let subnet = ResourceId::new(live.subnet());
        own.collection() == live_id.collection()
            && subnet == subnet_id(wanted, &own)
            && reaches(inventory, live, wanted)
    };
    let mut desired = as_written;
    let mut claimed = BTreeSet::new();
    for one in &wanted {
        let mut lives = leaving.iter().filter(|live| is_it(live, one));
        let (Some(live), None) = (lives.next(), lives.next()) else { continue };
        let is_shared = wanted.iter().filter(|other| is_it(live, other)).count() > 1;
        let live = ResourceId::new(live.id());
        if is_shared || !claimed.insert(live.key()) {
            continue;
        }
        let endpoints = &mut desired.to_mut().endpoints;
        let Some(endpoint) = endpoints.get_mut(&one.name.value) else { continue };
        if endpoint.connection_name == endpoint.name.value {
            endpoint.connection_name = live.name().to_owned();
        }
        endpoint.azure_name = Some(endpoint.name.clone().map(|_| live.name().to_owned()));
        endpoint.is_renamed = true;
    }
    desired
}

/// Whether a live endpoint reaches what a document wants.
fn reaches(inventory: &Inventory, live: &Live, wanted: &PrivateEndpoint) -> bool {
    let Some(target) = live_connection(live).and_then(|connection| connection.target) else {
        return false;
    };
    match &wanted.target {
        Target::Id(id) => id.value == ResourceId::new(target),
        Target::Alias(alias) => alias.value.eq_ignore_ascii_case(&target),
        Target::Service(key) => {
            let link = inventory.world.private_link_services.get(&target.to_lowercase());
            link.is_some_and(|link| inventory.owners.of_link(link) == Some(&key.value))
        }
    }
}

/// What a plan says of an endpoint whose document was renamed.
pub(super) fn finding(at: &Address, endpoint: &PrivateEndpoint) -> Option<Finding> {
    let name = &endpoint.resource_name().value;
    endpoint.is_renamed.then(|| Finding::new(rule::ENDPOINT_RENAMED, at.clone(), format!("its document was renamed; the endpoint keeps its name in Azure, {name}")).help(format!(
            "Write `name: {name}` under `spec` to say so. To get an endpoint with the new name instead, \
             write that one there."
        )).at(&endpoint.name.span))
}
