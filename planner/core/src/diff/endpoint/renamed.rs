//! Documents that were renamed: Azure cannot rename an endpoint, so the live one is kept under its name.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::code::Code;
use crate::desired::{Desired, PrivateEndpoint, Target};
use crate::input::Input;
use crate::node::private_endpoint::{address, id, live_connection, subnet_id};
use crate::node::{Owners, private_link_service};
use crate::plan::{Finding, Mode};
use crate::pointer::text;
use crate::prediction;
use crate::resource_id::ResourceId;
use crate::snapshot::Observation;

use super::leaving;

/// Desired state with the names in Azure of endpoints whose documents were renamed, and what to say of
/// them; nothing if there is none. A document was renamed if there is no endpoint of its name, and of the
/// stack's endpoints that no document names just one is in its group and subnet and reaches what it wants.
pub fn settle(input: &Input<'_>) -> Option<(Desired, Vec<Finding>)> {
    if input.options.mode != Mode::Apply || !input.prunes() {
        return None;
    }
    let wanted: Vec<&PrivateEndpoint> = input
        .desired
        .endpoints
        .values()
        .filter(|wanted| wanted.azure_name.is_none())
        .filter(|wanted| input.snapshot.resource(&id(input, wanted)) == Observation::Absent)
        .collect();
    if wanted.is_empty() {
        return None;
    }
    let leaving = leaving(input);
    if leaving.is_empty() {
        return None;
    }
    let (world, _) = prediction::world(input.snapshot);
    let services = prediction::services(input.snapshot);
    let owners = Owners::of(services.values().map(AsRef::as_ref));
    let reaches = |live: &Value, wanted: &PrivateEndpoint| {
        let Some(target) = live_connection(live).and_then(|connection| connection.target) else {
            return false;
        };
        match &wanted.target {
            Target::Id(id) => id.value == ResourceId::new(target),
            Target::Alias(alias) => alias.value.eq_ignore_ascii_case(&target),
            Target::Service(key) => {
                let link = world.private_link_services.get(&target.to_lowercase());
                let frontend = link.and_then(|link| private_link_service::frontend(link));
                frontend.is_some_and(|it| owners.of_name(it.name()) == Some(&key.value))
            }
        }
    };
    let is_it = |live: &Value, wanted: &PrivateEndpoint| {
        let (own, live_id) = (id(input, wanted), ResourceId::new(text(live, "/id")));
        let subnet = ResourceId::new(text(live, "/properties/subnet/id"));
        own.collection() == live_id.collection()
            && subnet == subnet_id(wanted, &own)
            && reaches(live, wanted)
    };
    let mut desired = input.desired.clone();
    let mut findings = Vec::new();
    let mut claimed = BTreeSet::new();
    for one in &wanted {
        let mut lives = leaving.iter().filter(|live| is_it(live, one));
        let (Some(live), None) = (lives.next(), lives.next()) else { continue };
        let is_shared = wanted.iter().filter(|other| is_it(live, other)).count() > 1;
        let live = ResourceId::new(text(live, "/id"));
        if is_shared || !claimed.insert(live.key()) {
            continue;
        }
        let Some(endpoint) = desired.endpoints.get_mut(&one.name.value) else { continue };
        if endpoint.connection_name == endpoint.name.value {
            endpoint.connection_name = live.name().to_owned();
        }
        let name = endpoint.name.clone().map(|_| live.name().to_owned());
        endpoint.azure_name = Some(name);
        findings.push(Finding {
            code: Code::EndpointRenamed,
            severity: Code::EndpointRenamed.severity(),
            address: address(&one.name.value),
            message: format!(
                "its document was renamed; the endpoint keeps its name in Azure, {}",
                live.name()
            ),
            help: Some(format!(
                "Write `name: {}` under `spec` to say so. To have an endpoint of the new name instead, \
                 write that one there.",
                live.name()
            )),
            place: Some(one.name.span.place().to_string()),
        });
    }
    (!findings.is_empty()).then_some((desired, findings))
}
