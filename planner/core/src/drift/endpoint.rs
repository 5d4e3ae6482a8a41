//! Desired endpoints, approvals and names against Azure; and both ends of every connection.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::address::{Address, Kind};
use crate::arm::resource::PrivateLinkService;
use crate::arm::world::World;
use crate::change::{Action, Change};
use crate::controller::predict;
use crate::diff;
use crate::diff::approval::{self, Decision};
use crate::input::Input;
use crate::node::endpoint_connection::address as connection_address;
use crate::node::private_endpoint::{bound, id, subnet_id};
use crate::node::{dns_record, private_endpoint, private_link_service};
use crate::plan::Finding;
use crate::prediction::{self, Prediction};
use crate::provisioning;
use crate::resource_id::ResourceId;
use crate::rule;
use crate::snapshot::Observation;

use super::Look;
use super::class::Class;
use super::controller::of_system_data;
use super::gathered::{Gathered, difference, fields};
use super::report::{By, Cause, Difference};

/// Compares endpoints, connections and names.
pub(super) fn compare(
    input: &Input<'_>,
    look: &Look<'_>,
    (world, own): (&World, &BTreeMap<String, Address>),
    gathered: &mut Gathered,
) {
    let prediction = as_it_is(input, world);
    bodies(input, look, &prediction, gathered);
    for (name, endpoint) in &input.desired.endpoints {
        let at = private_endpoint::address(name);
        let id = id(input, endpoint);
        if let Observation::Present(live) = input.snapshot.resource(&id) {
            connection(look, world, (&at, &id, live), gathered);
            unprovisioned(look, (&at, &id, live), gathered);
        }
        if let Some((at, id)) = dns_record::target(endpoint, &id)
            && let Observation::Present(live) = input.snapshot.resource(&id)
        {
            unprovisioned(look, (&at, &id, live), gathered);
        }
    }
    consumers(input, look, &prediction, own, gathered);
}

/// Azure as it is, with the Services as they are: nothing is synced.
pub(super) fn as_it_is(input: &Input<'_>, world: &World) -> Prediction {
    let cluster = prediction::cluster(input.snapshot, input.facts);
    prediction::predict(world.clone(), cluster, &[] as &[predict::Change])
}

/// What a plan would write of endpoints and names.
fn bodies(input: &Input<'_>, look: &Look<'_>, prediction: &Prediction, gathered: &mut Gathered) {
    let mut planned = diff::Gathered::default();
    let leaving = diff::endpoint::leaving(input);
    diff::endpoint::diff(input, prediction, &leaving, &mut planned);
    let unread = |at: &Address| {
        planned.refusals.iter().find(|refusal| {
            refusal.code == rule::UNREADABLE
                && refusal.message.starts_with(&format!("{at} could not"))
        })
    };
    let names = input.desired.endpoints.iter();
    let nodes: Vec<Address> = names
        .flat_map(|(name, it)| {
            let record = dns_record::target(it, &id(input, it)).map(|(at, _)| at);
            std::iter::once(private_endpoint::address(name)).chain(record)
        })
        .collect();
    for at in &nodes {
        if let Some(refusal) = unread(at) {
            gathered.unread(at, &refusal.message);
        }
    }
    for finding in &planned.findings {
        gathered.nodes.insert(finding.address.clone());
        if let Some(why) = network_unread(input, finding) {
            gathered.unread(&finding.address, &why);
            continue;
        }
        if let Some(found) = in_the_way(input, look, finding) {
            gathered.push(found);
        }
    }
    for mut change in planned.changes {
        // That Azure failed it is told by itself.
        change.fields.retain(|field| field.path != provisioning::FIELD);
        if matches!(change.address.kind, Kind::PrivateEndpoint | Kind::DnsRecord) {
            gathered.differences.extend(body(input, look, change));
        }
    }
}

/// Why an endpoint's virtual network could not be read, if that is what was found.
fn network_unread(input: &Input<'_>, finding: &Finding) -> Option<String> {
    let wanted = input.desired.endpoints.get(&finding.address.name)?;
    let network = subnet_id(wanted, &id(input, wanted)).parent()?;
    let why = match input.snapshot.resource(&network) {
        _ if finding.code != rule::NETWORK_MISSING => return None,
        Observation::Present(_) | Observation::Absent => return None,
        Observation::Unreadable(why) => why,
        Observation::NotObserved => "it was not asked for",
    };
    Some(format!("its virtual network {network}: {why}"))
}

/// What an endpoint needs and has no longer: its network, its zone, its Private Link Service.
fn in_the_way(input: &Input<'_>, look: &Look<'_>, finding: &Finding) -> Option<Difference> {
    let wanted = input.desired.endpoints.get(&finding.address.name);
    let is_absent = wanted
        .is_some_and(|wanted| input.snapshot.resource(&id(input, wanted)) == Observation::Absent);
    let (class, message) = match finding.code {
        // The endpoint is told of by its own state, if it is there.
        rule::NO_PRIVATE_LINK_SERVICE if is_absent => (
            Class::Missing,
            "it is not in Azure, and neither is a Private Link Service for it to reach".to_owned(),
        ),
        rule::NETWORK_MISSING | rule::ZONE_MISSING => (Class::Missing, finding.message.clone()),
        _ => return None,
    };
    let cause = Cause::by(By::Unknown);
    let mut found = difference(class, &finding.address, None, message, cause);
    found.repair =
        Some(finding.help.clone().filter(|_| !is_absent).unwrap_or_else(|| look.apply.to_owned()));
    Some(found)
}

fn body(input: &Input<'_>, look: &Look<'_>, change: Change) -> Option<Difference> {
    let object = change.object.as_deref()?;
    let live = match input.snapshot.resource(&ResourceId::new(object)) {
        Observation::Present(live) => Some(live),
        _ => None,
    };
    let at = &change.address;
    let before = look.since.and_then(|since| since.identity(at, object));
    let mut found = match change.action {
        Action::Create => {
            let mut cause = Cause::by(By::Unknown);
            let message = if before.is_some() {
                cause = Cause::by(By::AzureOrSomebodyInIt);
                cause.after = look.since.and_then(|since| since.at()).map(ToOwned::to_owned);
                "it is gone from Azure"
            } else {
                "it is not in Azure: it was never applied, or somebody deleted it"
            };
            difference(Class::Missing, at, Some(object), message, cause)
        }
        Action::Delete => {
            let message = "it carries the stack's mark, and is not in desired state";
            let cause = Cause::by(By::DesiredState);
            difference(Class::Orphan, at, Some(object), message, cause)
        }
        _ if change.fields.is_empty() => return None,
        _ => {
            let message = "it is not as desired state says: it was changed in Azure, or desired state moved on";
            let mut cause = Cause::by(By::AzureOrSomebodyInIt);
            cause.last_modified = live.and_then(of_system_data);
            let mut found = difference(Class::ChangedInAzure, at, Some(object), message, cause);
            found.fields = fields(change.fields);
            found
        }
    };
    found.repair = Some(look.apply.to_owned());
    Some(found)
}

/// A connection, from both its ends.
fn connection(
    look: &Look<'_>,
    world: &World,
    (at, id, live): (&Address, &ResourceId, &Value),
    gathered: &mut Gathered,
) {
    let of = bound(live);
    let status = of.get("status").and_then(Value::as_str).unwrap_or_default();
    let target = of.pointer("/fields/privateLinkServiceId").and_then(Value::as_str);
    let link = target.and_then(|target| {
        let links = &world.private_link_services;
        let by_alias = || {
            links.values().find(|it| {
                it.properties.alias.as_deref().is_some_and(|it| it.eq_ignore_ascii_case(target))
            })
        };
        links.get(&target.to_lowercase()).or_else(by_alias)
    });
    let other_end = link.map(|link| {
        private_link_service::consumers(link)
            .into_iter()
            .find(|it| ResourceId::new(&it.endpoint) == *id)
    });
    let at = Address::new(Kind::EndpointConnection, at.name.clone());
    let name = link.map(|link| link.name()).unwrap_or_default();
    let (class, by, message) = match (status, &other_end) {
        ("Pending", _) => {
            let message = "the provider has not approved it yet".to_owned();
            (Class::AwaitingApproval, By::Provider, message)
        }
        ("Rejected", _) => {
            (Class::Disconnected, By::Provider, "the provider rejected it".to_owned())
        }
        ("Disconnected", None) => (
            Class::Disconnected,
            By::Provider,
            "it is disconnected; its Private Link Service is gone, or was not looked at".to_owned(),
        ),
        ("Disconnected", Some(_)) => (
            Class::Disconnected,
            By::Provider,
            format!(
                "it is disconnected; {name} was re-created under its name, or the provider removed the connection"
            ),
        ),
        // The endpoint remembers a connection that its target knows nothing of.
        ("Approved", Some(None)) => (
            Class::Recreated,
            By::Provider,
            format!(
                "it says Approved, and {name} has no such connection: it is another one than the endpoint was connected to"
            ),
        ),
        ("Approved", Some(Some(other))) if other.status != "Approved" => (
            Class::Disconnected,
            By::Provider,
            format!("it says Approved, and {name} says {}", other.status),
        ),
        _ => return,
    };
    let cause = Cause::by(by);
    let mut found = difference(class, &at, Some(id.as_str()), message, cause);
    found.repair = match class {
        Class::AwaitingApproval => Some("ask the provider to approve it".to_owned()),
        _ => Some(format!("{}  # re-creates the endpoint: it cannot connect again", look.apply)),
    };
    gathered.push(found);
}

/// Something that privlink writes and that Azure gave up on.
fn unprovisioned(
    look: &Look<'_>,
    (at, id, live): (&Address, &ResourceId, &Value),
    gathered: &mut Gathered,
) {
    if let Some(state) = provisioning::failed(live) {
        let mut cause = Cause::by(By::AzureOrSomebodyInIt);
        cause.last_modified = of_system_data(live);
        let message = format!("Azure failed to provision it: its provisioningState is {state}");
        let mut found =
            difference(Class::ProvisioningFailed, at, Some(id.as_str()), message, cause);
        found.repair = Some(format!("{}  # writes it again", look.apply));
        gathered.push(found);
    }
}

/// Connections to the stack's Private Link Services, as their provider sees them.
fn consumers(
    input: &Input<'_>,
    look: &Look<'_>,
    prediction: &Prediction,
    own: &BTreeMap<String, Address>,
    gathered: &mut Gathered,
) {
    for service in input.desired.services.keys() {
        let Some(link) = prediction.link_before(service) else { continue };
        for consumer in private_link_service::consumers(link) {
            let endpoint = ResourceId::new(&consumer.endpoint);
            let is_own = own.contains_key(&endpoint.key());
            let decision = approval::decision(input, Some(service), &endpoint, &consumer.status);
            let told = told(look, link, (&consumer.status, is_own), decision);
            let Some((class, by, message, repair)) = told else { continue };
            let at = connection_address(&consumer.endpoint, own);
            let object = Some(consumer.endpoint.as_str());
            let mut found = difference(class, &at, object, message, Cause::by(by));
            found.repair = Some(repair);
            gathered.push(found);
        }
    }
}

type Told = (Class, By, String, String);

fn told(
    look: &Look<'_>,
    link: &PrivateLinkService,
    (status, is_own): (&str, bool),
    decision: Option<Decision>,
) -> Option<Told> {
    let name = link.name();
    if let Some(decision) = decision {
        let wanted = decision.status();
        let message = format!("an EndpointApproval wants it {wanted}, and it is {status}");
        return Some((Class::NotApplied, By::DesiredState, message, look.apply.to_owned()));
    }
    match status {
        "Disconnected" if !is_own => Some((
            Class::ConsumerGone,
            By::Consumer,
            format!("the consumer is disconnected from {name}"),
            "ask the consumer; its endpoint must be re-created".to_owned(),
        )),
        "Pending" if !is_own => Some((
            Class::AwaitingApproval,
            By::Consumer,
            format!("a consumer asks to connect to {name}, and no EndpointApproval names it"),
            "list it under `approve` or `reject` of an EndpointApproval".to_owned(),
        )),
        _ => None,
    }
}
