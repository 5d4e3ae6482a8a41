//! Private endpoints, and the connections they make: changes and drafts of what is joined.

mod connection;

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::Value;

use crate::arm::private_endpoint::addresses_of;
use crate::arm::resource::PrivateEndpoint as Live;
use crate::arm::world::group_key;
use crate::change::shown;
use crate::change::{Action, Actor, Change, Effect, FieldDiff};
use crate::connection_status::ConnectionStatus;
use crate::consumer::Consumer;
use crate::controller::outcome::Outcome;
use crate::desired::{Approval, Target};
use crate::field_diff;
use crate::join::{Endpoint, Join, Region, updated};
use crate::node::private_endpoint::{comparable, live_connection, service_of};
use crate::node_id::{Kind, NodeId};
use crate::plan::{Finding, Mode, Op};
use crate::provisioning;
use crate::resource_id::ResourceId;
use crate::rule;

use connection::connection;

use super::draft::{Draft, DraftKey, Stage};
use super::trial::{self, Answer, Trial};
use super::{Part, dns, ownership};

/// Diffs all endpoints of the stack. Those in `leaving` are deleted.
pub fn diff(join: &Join<'_>, leaving: &[Arc<Live>], trial: &mut Trial<'_>) -> Part {
    let mut part = dns::prune(join.input, trial);
    for live in leaving {
        part.add(delete(join, live, trial).unwrap_or_default());
    }
    if join.input.options.mode == Mode::Apply {
        for endpoint in join.endpoints() {
            part.findings.extend(endpoint.renamed());
            if join.input.covers(&endpoint.at) {
                part.add(write_endpoint(join, endpoint, trial));
                part.needs.extend(addresses_freed(join, endpoint, leaving));
            }
        }
    }
    part
}

/// Deletes an endpoint that left; whatever Service it reached is deleted after it.
fn delete(join: &Join<'_>, live: &Live, trial: &mut Trial<'_>) -> Option<Part> {
    let id = ResourceId::new(live.id());
    let at = join.input.own().get(&id.key())?;
    let mut part = Part::default();
    trial.delete(&id);
    let reason = match join.input.options.mode {
        Mode::Destroy => "the stack is destroyed",
        Mode::Apply => "no longer in the stack's files",
    };
    let mut change = Change::new(at.clone(), Action::Delete, Actor::Privlink, reason);
    change.object = Some(id.as_str().to_owned());
    part.changes.push(change);
    part.changes.push(Change::new(
        NodeId::new(Kind::EndpointConnection, at.name.clone()),
        Action::Delete,
        Actor::Azure,
        "deleted with its endpoint",
    ));
    let op = Op::DeleteResource { id: id.as_str().to_owned() };
    part.drafts.push(Draft::new(at, Stage::Delete, op).locking(live.subnet().to_lowercase()));
    let prediction = join.prediction;
    if let Some(service) = service_of(live, &prediction.before, prediction.owners()) {
        part.needs.push((DraftKey::new(&service, Stage::Delete), DraftKey::new(at, Stage::Delete)));
    }
    Some(part)
}

/// An address that is asked for and that an endpoint which is deleted has: Azure gives it out once that is gone.
fn addresses_freed(
    join: &Join<'_>,
    endpoint: &Endpoint<'_>,
    leaving: &[Arc<Live>],
) -> Vec<(DraftKey, DraftKey)> {
    let Some(wanted) = &endpoint.wanted.address else { return Vec::new() };
    let has_it = |live: &&Arc<Live>| {
        let interfaces = live.properties.network_interfaces.as_deref().unwrap_or_default();
        let addresses = addresses_of(&join.prediction.before, interfaces);
        let is_it = |it: &String| it.parse() == Ok(IpAddr::from(wanted.value));
        ResourceId::new(live.subnet()) == endpoint.subnet && addresses.iter().any(is_it)
    };
    let freed = leaving.iter().filter(has_it);
    let freed = freed.filter_map(|live| join.input.own().get(&live.id().to_ascii_lowercase()));
    let write = DraftKey::new(&endpoint.at, Stage::Write);
    freed.map(|at| (write.clone(), DraftKey::new(at, Stage::Delete))).collect()
}

/// What to do where a Service will have no Private Link Service: one that the controller fails at has a
/// finding of its own.
fn help_without_link(join: &Join<'_>, endpoint: &Endpoint<'_>) -> String {
    let Target::Service(target) = &endpoint.wanted.target else {
        return "Look at what it is to reach.".to_owned();
    };
    let key = &target.value;
    let is_it = |outcome: &&Outcome| outcome.service == *key;
    let outcome = join.prediction.outcomes.iter().find(is_it);
    if outcome.is_some_and(|outcome| outcome.error.is_some()) {
        return "Correct the Service's findings: the controller fails before it makes a Private Link Service.".to_owned();
    }
    let asks = join.input.wanted.service(key).is_none_or(|it| it.asks_for_link());
    match join.prediction.services.get(key) {
        Some(service) if service.deleting => {
            format!(
                "Wait until Service {key}, which is being deleted, is gone, and apply: it is re-created then."
            )
        }
        Some(service) if service.load_balancer_class.is_some() => {
            format!(
                "Take the loadBalancerClass from Service {key}: the controller makes nothing for one of another class."
            )
        }
        Some(service) if !service.wants_load_balancer() => format!(
            "Service {key} is of type {}: the controller makes a Private Link Service for the type LoadBalancer only.",
            service.kind
        ),
        Some(_) if asks => {
            format!("Correct the other findings of Service {key}, and apply.")
        }
        _ => "Set azure-pls-create to \"true\" on the Service, and correct its other findings."
            .to_owned(),
    }
}

fn no_link(join: &Join<'_>, endpoint: &Endpoint<'_>) -> Finding {
    Finding::new(
        rule::NO_PRIVATE_LINK_SERVICE,
        endpoint.at.clone(),
        "its Service will have no Private Link Service to connect to",
    )
    .help(help_without_link(join, endpoint))
    .at(&endpoint.wanted.name.span)
}

/// The endpoint's resource group is not there: Azure answers 404 to its PUT (recorded: `ResourceGroupNotFound`).
fn group_missing(join: &Join<'_>, endpoint: &Endpoint<'_>) -> Option<Finding> {
    let key = group_key(&endpoint.id)?;
    let group = &endpoint.wanted.resource_group;
    join.prediction.before.missing_groups.contains(&key).then(|| {
        Finding::new(
            rule::RESOURCE_GROUP_MISSING,
            endpoint.at.clone(),
            format!("its resource group {} does not exist", group.value),
        )
        .help(format!(
            "Make the group first (az group create --name {} --location LOCATION), or name one that exists.",
            group.value
        ))
        .at(&group.span)
    })
}

fn write_endpoint(join: &Join<'_>, endpoint: &Endpoint<'_>, trial: &mut Trial<'_>) -> Part {
    let mut part = Part::default();
    let Endpoint { at, id, .. } = endpoint;
    if endpoint.reached.is_none() {
        part.findings.push(no_link(join, endpoint));
        part.add(name_of_live(join, endpoint, trial));
        return part;
    }
    if let Err(why) = endpoint.live {
        part.refusals.push(ownership::refuse_unreadable(at, why));
        return part;
    }
    if let Region::Unread(network, why) = &endpoint.region {
        part.refusals.push(ownership::refuse_unread_network(at, network, why));
    }
    if let Some(missing) = group_missing(join, endpoint) {
        // What else is missing may be of that group, and follows from it.
        part.findings.push(missing);
    } else {
        part.findings.extend(endpoint.region.finding(at, endpoint.wanted));
        part.findings.extend(endpoint.misplaced());
    }
    let Some(body) = endpoint.body() else {
        part.add(name_of_live(join, endpoint, trial));
        return part;
    };
    let mut fields = endpoint.fields(&body);
    // Only the mark is missing: what nobody owns stays nobody's.
    let is_mark = |it: &FieldDiff| it.path.starts_with("tags") || it.path == provisioning::FIELD;
    let is_left = endpoint.is_unmarked() && !fields.is_empty() && fields.iter().all(is_mark);
    let left = if is_left { std::mem::take(&mut fields) } else { Vec::new() };
    part.findings.extend(endpoint.disagreement());
    part.findings.extend(re_offered(endpoint, &fields));
    let action = decide(endpoint, &fields, join.input.replaces(at));
    if matches!(action, Some((Action::Create, _))) {
        fields = field_diff::fields(None, Some(&comparable(&body)));
    }
    if is_left && action.is_none() {
        part.findings.push(ownership::unmarked(at, &left));
    }
    let overwrites = matches!(action, Some((Action::Adopt | Action::Replace, _)));
    if overwrites && !endpoint.is_ours() && !join.input.options.adopt {
        part.refusals.push(ownership::not_adopted(at, "is not marked as this stack's"));
    }
    let remade = matches!(action, Some((Action::Create | Action::Replace, _)));
    if !remade {
        part.findings.extend(endpoint.message_that_stays(&body));
    }
    let stays = endpoint.seen().filter(|_| !remade);
    let written = match stays {
        // Fields that privlink does not know stay as they are.
        Some(live) => updated(live, &body),
        None => body,
    };
    let group = dns::drop_group(join, endpoint, stays, trial);
    let dropped = group.as_ref().and_then(|part| part.drafts.first()).map(|it| it.key.clone());
    part.add(group.unwrap_or_default());
    let answer = match &action {
        Some((action, _)) if *action != Action::Keep => {
            trial.put_endpoint(endpoint, *action, &written)
        }
        _ => Answer::Unknown,
    };
    if let Answer::Refused(error) = &answer {
        let wanted = endpoint.wanted;
        let place = wanted.address.as_ref().map_or(&wanted.name.span, |address| &address.span);
        part.findings.extend(trial::refused((at, Some(place)), error, &part.findings));
    }
    if let Some((action, reason)) = &action {
        let mut change = Change::new(at.clone(), *action, Actor::Privlink, reason.clone());
        change.object = Some(id.as_str().to_owned());
        change.fields = shown(fields);
        if *action == Action::Replace {
            change.effect = cut_off(id, endpoint.seen());
        }
        part.changes.push(change);
        if *action != Action::Keep {
            part.drafts.extend(draft_write(endpoint, *action, &written, dropped.clone()));
        }
    }
    let begun = begins(endpoint, &answer, trial);
    part.add(connection(join, endpoint, (remade, begun), trial));
    if let Some(record) = endpoint.record(remade) {
        part.add(dns::diff(join, &record, endpoint, dropped, trial));
    }
    part
}

/// The name of an endpoint that is there and of which nothing is planned: what keeps that from being planned does not keep
/// its name from leading to it.
fn name_of_live(join: &Join<'_>, endpoint: &Endpoint<'_>, trial: &mut Trial<'_>) -> Part {
    let record = endpoint.seen().and_then(|_| endpoint.record(false));
    record.map(|it| dns::diff(join, &it, endpoint, None, trial)).unwrap_or_default()
}

/// The state that a new connection begins in. Where Azure's answer is not known, it is what is asked for.
fn begins(endpoint: &Endpoint<'_>, answer: &Answer, trial: &Trial<'_>) -> ConnectionStatus {
    let is_taken = matches!(answer, Answer::Taken);
    match (trial.status(&endpoint.id).filter(|_| is_taken), endpoint.wanted.approval) {
        (Some(status), _) => status,
        _ if endpoint.wanted.offer.as_ref().is_some_and(|it| it.is_automatic) => {
            ConnectionStatus::Approved
        }
        (_, Approval::Automatic) => ConnectionStatus::Approved,
        (_, Approval::Manual) => ConnectionStatus::Pending,
    }
}

/// What replacing an endpoint does to whoever uses it: it is disconnected, if it may be connected, until the
/// endpoint is re-created.
fn cut_off(id: &ResourceId, live: Option<&Live>) -> Effect {
    let status = live.and_then(live_connection).map(|connection| connection.status);
    let Some(status) = status.filter(ConnectionStatus::may_be_connected) else {
        return Effect::None;
    };
    Effect::ConsumersDisconnected(vec![Consumer {
        endpoint: id.as_str().to_owned(),
        subscription: id.subscription().unwrap_or_default().to_owned(),
        request_message: String::new(),
        status,
        own: true,
        owner: None,
    }])
}

/// What is found where an Offer says another alias than its endpoint was connected to, and who made it so: a Private
/// Link Service keeps its alias as long as it exists.
pub(crate) fn re_offered(endpoint: &Endpoint<'_>, fields: &[FieldDiff]) -> Option<Finding> {
    let wanted = endpoint.wanted;
    let (offered, Target::Alias(alias)) = (wanted.offer.as_ref()?, &wanted.target) else {
        return None;
    };
    let field = fields.iter().find(|field| field.path == "privateLinkServiceId")?;
    let before = field.before.as_ref().and_then(Value::as_str)?;
    let provider = match &offered.stack {
        Some(stack) => format!("its provider (stack {stack})"),
        None => "its provider".to_owned(),
    };
    let message = format!(
        "the Offer {} has another alias than {before}: {provider} re-created the Private Link Service",
        offered.name
    );
    let help = "The endpoint is re-created, and connects to the new one. Ask the provider if it was not expected.";
    Some(Finding::new(rule::OFFER_CHANGED, endpoint.at.clone(), message).help(help).at(&alias.span))
}

fn decide(
    endpoint: &Endpoint<'_>,
    fields: &[FieldDiff],
    replaced: bool,
) -> Option<(Action, String)> {
    let replace = |reason: &str| Some((Action::Replace, reason.to_owned()));
    let Some(live) = endpoint.seen() else {
        return Some((Action::Create, "not in Azure yet".to_owned()));
    };
    let status = live_connection(live).map(|connection| connection.status).unwrap_or_default();
    let rejected = status == ConnectionStatus::Rejected;
    let rejected_by = endpoint.rejected_by();
    if replaced {
        return replace("--replace asks for it");
    }
    if re_offered(endpoint, fields).is_some() {
        return replace("its Offer has another alias, and an endpoint cannot reconnect");
    }
    if status == ConnectionStatus::Disconnected || rejected && rejected_by.is_none() {
        let reason = format!("its connection is {status}, and an endpoint cannot connect again");
        return Some((Action::Replace, reason));
    }
    if endpoint.reached.as_ref().is_some_and(|reached| reached.remade) {
        return replace("cannot connect again");
    }
    if endpoint.is_forgotten() {
        return replace(
            "the Private Link Service it reaches is no longer the one it connected to, and has no connection of it",
        );
    }
    if fields.iter().any(|field| field.forces_replacement) {
        return replace("a field differs that cannot change in place");
    }
    if !fields.is_empty() {
        let (action, reason) = match endpoint.is_ours() {
            true if provisioning::is_only(fields) => (Action::Update, provisioning::AGAIN),
            true => (Action::Update, "differs from its document"),
            false => (Action::Adopt, "exists, and this stack takes it over"),
        };
        return Some((action, reason.to_owned()));
    }
    let approval = rejected_by.filter(|_| rejected)?;
    let reason = format!(
        "its connection is Rejected, as EndpointApproval {approval} wants: re-created, it would be rejected again"
    );
    Some((Action::Keep, reason))
}

fn draft_write(
    endpoint: &Endpoint<'_>,
    action: Action,
    body: &Live,
    first: Option<DraftKey>,
) -> Vec<Draft> {
    let Endpoint { at, id, subnet, .. } = endpoint;
    let Some(reached) = &endpoint.reached else { return Vec::new() };
    let service = reached.service.as_ref().map(crate::node::service::address);
    let needing = |draft: Draft| match &service {
        Some(service) => draft.needing(service, Stage::Await),
        None => draft,
    };
    let delete = (action == Action::Replace).then(|| {
        let op = Op::DeleteResource { id: id.as_str().to_owned() };
        needing(Draft::new(at, Stage::Delete, op).locking(subnet.key()))
    });
    let stays = endpoint.seen().filter(|_| action != Action::Replace);
    let etag = stays.and_then(|live| live.etag.clone());
    let body = serde_json::to_value(body).unwrap_or_default();
    let op = Op::PutResource { id: id.as_str().to_owned(), body, etag };
    let mut draft = Draft::new(at, Stage::Write, op)
        .needing(at, Stage::Delete)
        .locking(subnet.key())
        .locking(reached.target.to_lowercase());
    draft.needs.extend(first);
    delete.into_iter().chain([needing(draft)]).collect()
}
