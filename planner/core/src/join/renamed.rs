//! Documents that were renamed: Azure cannot rename an endpoint, so the live one is kept under its name.

use std::collections::BTreeSet;

use crate::arm::resource::PrivateEndpoint as Live;
use crate::desired::{PrivateEndpoint, Target};
use crate::facts::Facts;
use crate::input::{Input, Named, Options};
use crate::inventory::Inventory;
use crate::node::private_endpoint::live_connection;
use crate::node_id::NodeId;
use crate::plan::{Finding, Mode};
use crate::resource_id::ResourceId;
use crate::rule;
use crate::snapshot::Observation;
use crate::wanted::{Identified, Wanted};

use super::marked::leaving;

/// What a stack wants, with the names in Azure of endpoints whose documents were renamed, marked as such. A
/// document was renamed if there is no endpoint of its name, and of the stack's endpoints that no document
/// names just one is in its group and subnet and reaches what it wants.
///
/// Nothing reads desired state beside what is live but through this, so that all agree on which endpoint is which.
pub fn identify<'a>(
    wanted: impl Into<Wanted<'a>>,
    live: &Inventory<'_>,
    facts: &Facts,
    options: &Options,
) -> Identified<'a> {
    let identified = Identified::new(wanted.into(), live, &facts.subscription);
    let renamed = renamed(&Input::new(&identified, live, facts, options));
    if renamed.is_empty() {
        return identified;
    }
    let wanted = identified.into_wanted().with_endpoints(renamed);
    Identified::new(wanted, live, &facts.subscription)
}

/// The endpoints whose documents were renamed.
fn renamed(input: &Input<'_>) -> Vec<PrivateEndpoint> {
    if input.options.mode != Mode::Apply || !input.prunes() {
        return Vec::new();
    }
    let unnamed = input.endpoints().filter(|it| it.wanted.azure_name.is_none());
    let wanted: Vec<Named<'_>> =
        unnamed.filter(|it| input.live.resource(&it.id) == Observation::Absent).collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let leaving = leaving(input);
    let is_it = |live: &Live, it: &Named<'_>| {
        it.id.collection() == ResourceId::new(live.id()).collection()
            && it.subnet() == ResourceId::new(live.subnet())
            && reaches(input.live, live, it.wanted)
    };
    let mut renamed = Vec::new();
    let mut claimed = BTreeSet::new();
    for one in &wanted {
        let mut lives = leaving.iter().filter(|live| is_it(live, one));
        let (Some(live), None) = (lives.next(), lives.next()) else { continue };
        let is_shared = wanted.iter().filter(|other| is_it(live, other)).count() > 1;
        let live = ResourceId::new(live.id());
        if is_shared || !claimed.insert(live.key()) {
            continue;
        }
        let mut endpoint = one.wanted.clone();
        if endpoint.connection_name == endpoint.name.value {
            endpoint.connection_name = live.name().to_owned();
        }
        endpoint.azure_name = Some(endpoint.name.clone().map(|_| live.name().to_owned()));
        endpoint.is_renamed = true;
        renamed.push(endpoint);
    }
    renamed
}

/// Whether a live endpoint reaches what a document wants.
fn reaches(inventory: &Inventory<'_>, live: &Live, wanted: &PrivateEndpoint) -> bool {
    let Some(target) = live_connection(live).and_then(|connection| connection.target) else {
        return false;
    };
    match &wanted.target {
        Target::Id(id) => id.value == ResourceId::new(target),
        Target::Alias(alias) => alias.value.eq_ignore_ascii_case(&target),
        Target::Service(key) => {
            let link = inventory.world().private_link_services.get(&target.to_lowercase());
            link.is_some_and(|link| inventory.owners().of_link(link) == Some(&key.value))
        }
    }
}

/// What a plan says of an endpoint whose document was renamed.
pub(super) fn finding(at: &NodeId, endpoint: &PrivateEndpoint) -> Option<Finding> {
    let name = &endpoint.resource_name().value;
    endpoint.is_renamed.then(|| Finding::new(rule::ENDPOINT_RENAMED, at.clone(), format!("its document was renamed; the endpoint keeps its name in Azure, {name}")).help(format!(
            "Write `name: {name}` under `spec` to say so. To get an endpoint with the new name instead, \
             write that one there."
        )).at(&endpoint.name.span))
}
