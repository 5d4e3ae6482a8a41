//! Private endpoints, and the connections they make: changes and drafts of what is joined.

mod connection;
mod trial;

use serde_json::Value;

use crate::address::{Address, Kind};
use crate::arm::world::group_key;
use crate::change::shown;
use crate::change::{Action, Actor, Change, Effect, FieldDiff};
use crate::consumer::Consumer;
use crate::controller::outcome::Outcome;
use crate::desired::{Approval, Target};
use crate::field_diff;
use crate::join::{Endpoint, Join, updated};
use crate::node::private_endpoint::{comparable, live_connection, service_of};
use crate::plan::{Finding, Mode, Op};
use crate::pointer::At;
use crate::provisioning;
use crate::resource_id::ResourceId;
use crate::rule;

use connection::connection;
pub(crate) use trial::RULES;
use trial::{Answer, Trial};

use super::draft::{Draft, DraftKey, Stage};
use super::{Gathered, dns, ownership};

/// Diffs all endpoints of the stack.
pub fn diff(join: &Join<'_>, leaving: &[&Value], gathered: &mut Gathered) {
    for live in leaving {
        delete(join, live, gathered);
    }
    if join.input.options.mode == Mode::Apply {
        let mut trial = Trial::new(join);
        for endpoint in join.endpoints() {
            gathered.findings.extend(endpoint.renamed());
            if join.input.covers(&endpoint.at) {
                write_endpoint(join, &endpoint, &mut trial, gathered);
            }
        }
    }
    dns::prune(join.input, gathered);
}

/// Deletes an endpoint that left; whatever Service it reached is deleted after it.
fn delete(join: &Join<'_>, live: &Value, gathered: &mut Gathered) {
    let Some(id) = live.get("id").and_then(Value::as_str).map(ResourceId::new) else { return };
    let Some(at) = join.input.own().get(&id.key()).cloned() else { return };
    let reason = match join.input.options.mode {
        Mode::Destroy => "the stack is destroyed",
        Mode::Apply => "no longer in the stack's files",
    };
    let mut change = Change::new(at.clone(), Action::Delete, Actor::Privlink, reason);
    change.object = Some(id.as_str().to_owned());
    gathered.changes.push(change);
    gathered.changes.push(Change::new(
        Address::new(Kind::EndpointConnection, at.name.clone()),
        Action::Delete,
        Actor::Azure,
        "deleted with its endpoint",
    ));
    let op = Op::DeleteResource { id: id.as_str().to_owned() };
    let subnet = live.at("/properties/subnet/id").and_then(Value::as_str);
    let draft =
        Draft::new(&at, Stage::Delete, op).locking(subnet.unwrap_or_default().to_lowercase());
    gathered.drafts.push(draft);
    let prediction = join.prediction;
    let Some(service) = service_of(live, &prediction.before, prediction.owners()) else { return };
    for draft in &mut gathered.drafts {
        if draft.key == DraftKey::new(&service, Stage::Delete) {
            draft.needs.insert(DraftKey::new(&at, Stage::Delete));
        }
    }
}

/// What to do where a Service will have no Private Link Service: one that the controller fails at has a
/// finding of its own.
fn help_without_link(join: &Join<'_>, endpoint: &Endpoint<'_>) -> &'static str {
    let Target::Service(target) = &endpoint.wanted.target else {
        return "Look at what it is to reach.";
    };
    let is_it = |outcome: &&Outcome| outcome.service == target.value;
    let outcome = join.prediction.outcomes.iter().find(is_it);
    if outcome.is_some_and(|outcome| outcome.error.is_some()) {
        "Mend what is found of the Service: the controller fails before it makes one."
    } else {
        "Set azure-pls-create to \"true\" on the Service, and look at what else is found of it."
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

fn write_endpoint(
    join: &Join<'_>,
    endpoint: &Endpoint<'_>,
    trial: &mut Trial<'_>,
    gathered: &mut Gathered,
) {
    let Endpoint { at, id, .. } = endpoint;
    if endpoint.reached.is_none() {
        gathered.findings.push(no_link(join, endpoint));
        return;
    }
    if let Err(why) = endpoint.live {
        return ownership::refuse_unreadable(at, why, gathered);
    }
    if let Some(missing) = group_missing(join, endpoint) {
        // What else is missing may be of that group, and follows from it.
        gathered.findings.push(missing);
    } else {
        gathered.findings.extend(endpoint.region.finding(at, endpoint.wanted));
        gathered.findings.extend(endpoint.misplaced());
    }
    let Some(body) = endpoint.body() else { return };
    let mut fields = endpoint.fields(&body);
    // Only the mark is missing: what nobody owns stays nobody's.
    let is_mark = |it: &FieldDiff| it.path.starts_with("tags") || it.path == provisioning::FIELD;
    if endpoint.is_unmarked() && !fields.is_empty() && fields.iter().all(is_mark) {
        gathered.findings.push(ownership::unmarked(at));
        fields.clear();
    }
    gathered.findings.extend(endpoint.disagreement());
    gathered.findings.extend(re_offered(endpoint, &fields));
    let replaced = join.input.replaces(at);
    let action = decide(endpoint, &fields, replaced);
    if matches!(action, Some((Action::Create, _))) {
        fields = field_diff::fields(None, Some(&comparable(&body)));
    }
    let overwrites = matches!(action, Some((Action::Adopt | Action::Replace, _)));
    if overwrites && !endpoint.is_ours() && !join.input.options.adopt {
        gathered.refusals.push(ownership::not_adopted(at, "is not marked as this stack's"));
    }
    let remade = matches!(action, Some((Action::Create | Action::Replace, _)));
    if !remade {
        gathered.findings.extend(endpoint.message_that_stays(&body));
    }
    let stays = endpoint.seen().filter(|_| !remade);
    let written = match stays {
        // Fields that privlink does not know stay as they are.
        Some(live) => updated(live, &body),
        None => body,
    };
    let answer = match &action {
        Some((action, _)) if *action != Action::Keep => trial.write(endpoint, *action, &written),
        _ => Answer::Unknown,
    };
    if let Answer::Refused(error) = &answer {
        let refused = trial::refused(endpoint, error, &gathered.findings);
        gathered.findings.extend(refused);
    }
    let dropped = dns::drop_group(join.input, endpoint.wanted, id, stays, gathered);
    if let Some((action, reason)) = &action {
        let mut change = Change::new(at.clone(), *action, Actor::Privlink, reason.clone());
        change.object = Some(id.as_str().to_owned());
        change.fields = shown(fields);
        if *action == Action::Replace {
            change.effect = cut_off(id, endpoint.seen());
        }
        gathered.changes.push(change);
        if *action != Action::Keep {
            draft_write(endpoint, *action, written, dropped.clone(), gathered);
        }
    }
    let begun = begins(endpoint, answer);
    connection(join, endpoint, (remade, begun), gathered);
    if let Some(record) = endpoint.record(remade) {
        dns::diff(join.input, &record, at, dropped, gathered);
    }
}

/// The state that a new connection begins in. Where Azure's answer is not known, it is what is asked for.
fn begins(endpoint: &Endpoint<'_>, answer: Answer) -> String {
    match (answer, endpoint.wanted.approval) {
        (Answer::Taken(status), _) => status,
        _ if endpoint.wanted.offer.as_ref().is_some_and(|it| it.is_automatic) => {
            "Approved".to_owned()
        }
        (_, Approval::Automatic) => "Approved".to_owned(),
        (_, Approval::Manual) => "Pending".to_owned(),
    }
}

/// What replacing an endpoint does to whoever uses it: it is cut off, if it is connected, until the
/// endpoint is made again.
fn cut_off(id: &ResourceId, live: Option<&Value>) -> Effect {
    let status = live.and_then(live_connection).map(|connection| connection.status);
    if status.as_deref() != Some("Approved") {
        return Effect::None;
    }
    Effect::ConsumersDisconnected(vec![Consumer {
        endpoint: id.as_str().to_owned(),
        subscription: id.subscription().unwrap_or_default().to_owned(),
        request_message: String::new(),
        status: "Approved".to_owned(),
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
        "the Offer {} says another alias than {before}: {provider} re-created the Private Link Service",
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
    let rejected = status == "Rejected";
    let rejected_by = endpoint.rejected_by();
    if replaced {
        return replace("--replace asks for it");
    }
    if re_offered(endpoint, fields).is_some() {
        return replace("its Offer says another alias, and an endpoint cannot connect again");
    }
    if status == "Disconnected" || rejected && rejected_by.is_none() {
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
            true => (Action::Update, "its document says otherwise"),
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
    body: Value,
    first: Option<DraftKey>,
    gathered: &mut Gathered,
) {
    let Endpoint { at, id, subnet, .. } = endpoint;
    let Some(reached) = &endpoint.reached else { return };
    let service = reached.service.as_ref().map(crate::node::service::address);
    let needing = |draft: Draft| match &service {
        Some(service) => draft.needing(service, Stage::Await),
        None => draft,
    };
    if action == Action::Replace {
        let op = Op::DeleteResource { id: id.as_str().to_owned() };
        let draft = Draft::new(at, Stage::Delete, op).locking(subnet.key());
        gathered.drafts.push(needing(draft));
    }
    let stays = endpoint.seen().filter(|_| action != Action::Replace);
    let etag = stays.and_then(|live| live.get("etag")?.as_str()).map(ToOwned::to_owned);
    let op = Op::PutResource { id: id.as_str().to_owned(), body, etag };
    let mut draft = Draft::new(at, Stage::Write, op)
        .needing(at, Stage::Delete)
        .locking(subnet.key())
        .locking(reached.target.to_lowercase());
    draft.needs.extend(first);
    gathered.drafts.push(needing(draft));
}
