//! Desired endpoints, approvals and names against Azure; and both ends of every connection.

use serde_json::Value;

use crate::arm::resource::PrivateLinkService;
use crate::change::FieldDiff;
use crate::connection_status::ConnectionStatus;
use crate::desired::Target;
use crate::diff::dns::{zone_group_held, zone_missing};
use crate::diff::endpoint::re_offered;
use crate::diff::ownership::network_help;
use crate::join::connection::{Connection, of_other};
use crate::join::decision::{self, Asker, Decision};
use crate::join::{
    Endpoint, Join, Link, Peer, Record, Region, When, leaving, links, records_leaving,
};
use crate::node::endpoint_connection::address as connection_address;
use crate::node::private_link_service;
use crate::node_id::{Kind, NodeId};
use crate::plan::Finding;
use crate::provisioning;
use crate::resource_id::ResourceId;

use super::Class;
use super::Look;
use super::controller::of_system_data;
use super::gathered::{Gathered, difference, fields};
use super::repair::Repair;
use super::report::{By, Cause, Difference};

/// Compares endpoints, connections and names.
pub(super) fn compare(join: &Join<'_>, look: &Look<'_>, gathered: &mut Gathered) {
    for endpoint in join.endpoints() {
        body(look, endpoint, gathered);
        connection(look, endpoint, gathered);
        if let Some(live) = endpoint.seen() {
            let state = live.properties.provisioning_state.as_deref();
            let object = (&endpoint.at, &endpoint.id, live.other.get("systemData"));
            unprovisioned(look, object, state).into_iter().for_each(|it| gathered.push(it));
        }
        if let Some(record) = endpoint.record(endpoint.live == Ok(None)) {
            name(look, endpoint, &record, gathered);
            if let Some(live) = record.seen() {
                let object = (&record.at, &record.id, live.system_data());
                let found = unprovisioned(look, object, live.provisioning_state());
                found.into_iter().for_each(|it| gathered.push(it));
            }
        }
    }
    for (at, id) in left(join) {
        let message = "it carries the stack's mark, and is not in desired state";
        let cause = Cause::by(By::DesiredState);
        let mut found = difference(Class::Orphan, &at, Some(id.as_str()), message, cause);
        found.repair = Some(Repair::apply(look.apply));
        gathered.push(found);
    }
    consumers(join, look, gathered);
}

/// What carries the stack's mark and no document names.
fn left(join: &Join<'_>) -> Vec<(NodeId, ResourceId)> {
    let leaving = leaving(join.input);
    let endpoints = leaving.into_iter().filter_map(|live| {
        let id = ResourceId::new(live.id());
        Some((join.input.own().get(&id.key())?.clone(), id))
    });
    let records = records_leaving(join.input).into_iter().map(|(at, id, _)| (at, id));
    endpoints.chain(records).collect()
}

/// An endpoint, as it was written.
fn body(look: &Look<'_>, endpoint: &Endpoint<'_>, gathered: &mut Gathered) {
    let at = &endpoint.at;
    let live = match endpoint.live {
        Ok(live) => live,
        Err(why) => return gathered.unread(at, why),
    };
    if endpoint.reached.is_none() {
        // What is live is told of by its connection.
        if live.is_none() {
            let message =
                "it is not in Azure, and neither is a Private Link Service for it to reach";
            let cause = Cause::by(By::Unknown);
            let mut found = difference(Class::Missing, at, None, message, cause);
            found.repair = Some(Repair::apply(look.apply));
            gathered.push(found);
        }
        return;
    }
    if let Region::Unread(network, why) = &endpoint.region {
        if live.is_none() {
            // That it is not there was read.
            let mut found = missing(look, at, &endpoint.id);
            found.repair = Some(Repair::advice(network_help(why)));
            return gathered.push(found);
        }
        return gathered.unread(at, &format!("its virtual network {network}: {why}"));
    }
    let gone = endpoint.region.finding(at, endpoint.wanted).or_else(|| endpoint.misplaced());
    if let Some(finding) = gone {
        gathered.push(in_the_way(look, &finding, live.is_none()));
    }
    let Some(body) = endpoint.body() else { return };
    let found = match live {
        None => Some(missing(look, at, &endpoint.id)),
        Some(live) => {
            let fields = endpoint.fields(&body);
            let offer = re_offered(endpoint, &fields);
            let object = (at, &endpoint.id, live.other.get("systemData"));
            let found = changed(look, object, fields);
            match offer {
                // Desired state moved on, and it is known who moved it.
                Some(offer) => found.map(|found| by_provider(look, offer, found)),
                None => found.map(|found| owned(found, endpoint.is_ours())),
            }
        }
    };
    found.into_iter().for_each(|found| gathered.push(found));
}

/// An endpoint whose Offer was published again.
fn by_provider(look: &Look<'_>, offer: Finding, found: Difference) -> Difference {
    let object = found.object.as_deref();
    let cause = Cause::by(By::Provider);
    let mut moved = difference(Class::NotApplied, &found.address, object, offer.message, cause);
    moved.fields = found.fields;
    moved.repair = Some(Repair::apply(look.apply).saying("re-creates the endpoint"));
    moved
}

/// The name of an endpoint, as it was written.
fn name(look: &Look<'_>, endpoint: &Endpoint<'_>, record: &Record<'_>, gathered: &mut Gathered) {
    if let Some(unzoned) = &record.unzoned {
        return gathered.push(in_the_way(look, &zone_missing(&record.at, unzoned), false));
    }
    if let Some(held) = &record.held {
        return gathered.push(in_the_way(look, &zone_group_held(&record.at, held), false));
    }
    let (at, id) = (&record.at, &record.id);
    let found = match &record.live {
        Err(why) => return gathered.unread(at, why),
        // What the endpoint misses keeps its name from being written as well.
        Ok(None) if endpoint.seen().is_none() && endpoint.body().is_none() => None,
        Ok(None) => Some(missing(look, at, id)),
        // Its address is not known before it is made again.
        Ok(Some(_)) if endpoint.live == Ok(None) => None,
        Ok(Some(live)) => {
            let found = changed(look, (at, id, live.system_data()), record.fields());
            let is_ours = !record.is_record || endpoint.is_owner(record.owner());
            found.map(|found| owned(found, is_ours))
        }
    };
    found.into_iter().for_each(|found| gathered.push(found));
}

/// What an endpoint needs and has no longer: its network, its subnet, its zone.
fn in_the_way(look: &Look<'_>, finding: &Finding, is_absent: bool) -> Difference {
    let cause = Cause::by(By::Unknown);
    let message = finding.message.clone();
    let mut found = difference(Class::Missing, &finding.address, None, message, cause);
    let help = finding.help.clone().filter(|_| !is_absent);
    found.repair = Some(help.map_or_else(|| Repair::apply(look.apply), Repair::advice));
    found
}

fn missing(look: &Look<'_>, at: &NodeId, id: &ResourceId) -> Difference {
    let mut cause = Cause::by(By::Unknown);
    let before = look.since.and_then(|since| since.identity(at, id.as_str()));
    let message = if before.is_some() {
        cause = Cause::by(By::AzureOrSomebodyInIt);
        cause.after = look.since.and_then(|since| since.at()).map(ToOwned::to_owned);
        "it is gone from Azure"
    } else {
        "it is not in Azure: it was never applied, or somebody deleted it"
    };
    let mut found = difference(Class::Missing, at, Some(id.as_str()), message, cause);
    found.repair = Some(Repair::apply(look.apply));
    found
}

/// A difference of an object, as of one that this stack did not create where it is not its own.
fn owned(found: Difference, is_ours: bool) -> Difference {
    if is_ours {
        return found;
    }
    let object = found.object.as_deref();
    let message = "it exists, and this stack did not create it";
    let cause = Cause::by(By::DesiredState);
    let mut other = difference(Class::NotApplied, &found.address, object, message, cause);
    (other.fields, other.repair) = (found.fields, found.repair);
    other
}

fn changed(
    look: &Look<'_>,
    (at, id, system_data): (&NodeId, &ResourceId, Option<&Value>),
    mut differing: Vec<FieldDiff>,
) -> Option<Difference> {
    // That Azure failed it is told by itself.
    differing.retain(|field| field.path != provisioning::FIELD);
    if differing.is_empty() {
        return None;
    }
    let message =
        "it is not as desired state says: it was changed in Azure, or desired state moved on";
    let mut cause = Cause::by(By::AzureOrSomebodyInIt);
    cause.last_modified = of_system_data(system_data);
    let mut found = difference(Class::ChangedInAzure, at, Some(id.as_str()), message, cause);
    found.fields = fields(differing);
    found.repair = Some(Repair::apply(look.apply));
    Some(found)
}

/// A connection, from both its ends.
fn connection(look: &Look<'_>, endpoint: &Endpoint<'_>, gathered: &mut Gathered) {
    let Some(judged) = endpoint.judged() else { return };
    let peer = endpoint.peer();
    // On a connection that its target knows nothing of, nothing can be decided.
    let is_lost = matches!(peer, Peer::Unknown(_)) || endpoint.is_forgotten();
    if let Some(decision) = judged.decision.filter(|_| !is_lost) {
        return undecided(look, endpoint, (&judged, decision), gathered);
    }
    let shown = &judged.shown.status;
    let (class, by, message) = match (shown, &peer) {
        // The endpoint remembers a connection that its target knows nothing of.
        (ConnectionStatus::Approved | ConnectionStatus::Pending, Peer::Unknown(link)) => (
            Class::Recreated,
            By::Provider,
            format!(
                "it says {shown}, and {} has no such connection: it is another one than the endpoint was connected to",
                link.name()
            ),
        ),
        (ConnectionStatus::Approved | ConnectionStatus::Pending, _) if is_lost => {
            let message = format!("it says {shown}, and its Private Link Service is gone");
            (Class::Recreated, By::Provider, message)
        }
        (ConnectionStatus::Rejected, _) => {
            (Class::Disconnected, By::Provider, "the provider rejected it".to_owned())
        }
        (ConnectionStatus::Disconnected, Peer::Unseen) => (
            Class::Disconnected,
            By::Provider,
            "it is disconnected; its Private Link Service is gone, or was not looked at".to_owned(),
        ),
        (ConnectionStatus::Disconnected, Peer::Unknown(link) | Peer::Shows(link, _)) => (
            Class::Disconnected,
            By::Provider,
            format!(
                "it is disconnected; {} was re-created under its name, or the provider removed the connection",
                link.name()
            ),
        ),
        (_, Peer::Shows(link, _)) if *shown != judged.status => {
            let message = format!("it says {shown}, and {} says {}", link.name(), judged.status);
            (Class::Disconnected, By::Provider, message)
        }
        (ConnectionStatus::Pending, _) => {
            let message = "the provider has not approved it yet".to_owned();
            (Class::AwaitingApproval, By::Provider, message)
        }
        _ => return,
    };
    let at = NodeId::new(Kind::EndpointConnection, endpoint.at.name.clone());
    let object = Some(endpoint.id.as_str());
    let is_decided = *shown == ConnectionStatus::Rejected;
    let is_kept = is_decided || class == Class::AwaitingApproval;
    let by = if is_kept { by } else { of_own_target(endpoint, gathered).unwrap_or(by) };
    let mut found = difference(class, &at, object, message, Cause::by(by));
    found.repair = match class {
        Class::AwaitingApproval => Some(Repair::advice("ask the provider to approve it")),
        _ => Some(
            Repair::apply(look.apply).saying("re-creates the endpoint: it cannot connect again"),
        ),
    };
    gathered.push(found);
}

/// A connection of the stack's own endpoint on which what its approvals decide is not in force.
fn undecided(
    look: &Look<'_>,
    endpoint: &Endpoint<'_>,
    (judged, decision): (&Connection, Decision),
    gathered: &mut Gathered,
) {
    let at = NodeId::new(Kind::EndpointConnection, endpoint.at.name.clone());
    let message = match judged.has_failed {
        true => {
            format!("an EndpointApproval wants it {}, and Azure failed that", decision.status())
        }
        false => wanted_otherwise(decision, &judged.status),
    };
    let cause = Cause::by(By::DesiredState);
    let object = Some(endpoint.id.as_str());
    let mut found = difference(Class::NotApplied, &at, object, message, cause);
    found.repair = Some(Repair::apply(look.apply));
    gathered.push(found);
}

fn wanted_otherwise(decision: Decision, status: &ConnectionStatus) -> String {
    format!("an EndpointApproval wants it {}, and it is {status}", decision.status())
}

/// Who made an own Service, or what the controller makes for it, another than its endpoint was connected to.
fn of_own_target(endpoint: &Endpoint<'_>, gathered: &Gathered) -> Option<By> {
    let Target::Service(key) = &endpoint.wanted.target else { return None };
    let name = key.value.to_string();
    let kinds = [Kind::Service, Kind::FrontendIp, Kind::PrivateLinkService];
    let of_service = kinds.map(|kind| NodeId::new(kind, name.clone()));
    let at = |at: &NodeId| gathered.differences.iter().find(|it| it.address == *at);
    Some(of_service.iter().find_map(at).map_or(By::Unknown, |it| it.cause.by))
}

/// Something that privlink writes and that Azure gave up on.
fn unprovisioned(
    look: &Look<'_>,
    (at, id, system_data): (&NodeId, &ResourceId, Option<&Value>),
    state: Option<&str>,
) -> Option<Difference> {
    let state = state.and_then(provisioning::failure)?;
    let mut cause = Cause::by(By::AzureOrSomebodyInIt);
    cause.last_modified = of_system_data(system_data);
    let message = format!("Azure failed to provision it: its provisioningState is {state}");
    let mut found = difference(Class::ProvisioningFailed, at, Some(id.as_str()), message, cause);
    found.repair = Some(Repair::apply(look.apply).saying("writes it again"));
    Some(found)
}

/// Connections of others to the stack's Private Link Services, as their provider sees them. Those of the stack's own
/// endpoints are judged from both ends.
fn consumers(join: &Join<'_>, look: &Look<'_>, gathered: &mut Gathered) {
    let Join { input, prediction, .. } = join;
    let own = input.own();
    for Link { live: link, services } in links(input, prediction, When::Before) {
        for consumer in private_link_service::consumers(link) {
            let endpoint = ResourceId::new(&consumer.endpoint);
            if own.contains_key(&endpoint.key()) {
                continue;
            }
            let asker = Asker {
                services: &services,
                endpoint: &endpoint,
                status: &of_other(link, &consumer),
                message: &consumer.request_message,
            };
            let other = decision::expecting_other(input, &asker);
            let judged = judge(look, link, asker.status, decision::decision(input, &asker));
            let Some((class, by, mut message, mut repair)) = judged else { continue };
            if let Some((approval, _)) = other {
                message = format!(
                    "a consumer asks to connect to {} with another request message than EndpointApproval {} expects",
                    link.name(),
                    approval.name.value
                );
                repair = Repair::advice(
                    "ask the consumer for the message you agreed on, or list it under `reject`",
                );
            }
            let at = connection_address(&consumer.endpoint, own);
            let object = Some(consumer.endpoint.as_str());
            let mut found = difference(class, &at, object, message, Cause::by(by));
            found.repair = Some(repair);
            gathered.push(found);
        }
    }
}

type Judged = (Class, By, String, Repair);

fn judge(
    look: &Look<'_>,
    link: &PrivateLinkService,
    status: &ConnectionStatus,
    decision: Option<Decision>,
) -> Option<Judged> {
    let name = link.name();
    if let Some(decision) = decision {
        let message = wanted_otherwise(decision, status);
        return Some((Class::NotApplied, By::DesiredState, message, Repair::apply(look.apply)));
    }
    match status {
        ConnectionStatus::Disconnected => Some((
            Class::ConsumerGone,
            By::Consumer,
            format!("the consumer is disconnected from {name}"),
            Repair::advice("ask the consumer; its endpoint must be re-created"),
        )),
        ConnectionStatus::Pending => Some((
            Class::AwaitingApproval,
            By::Consumer,
            format!("a consumer asks to connect to {name}, and no EndpointApproval names it"),
            Repair::advice("list it under `approve` or `reject` of an EndpointApproval"),
        )),
        _ => None,
    }
}
