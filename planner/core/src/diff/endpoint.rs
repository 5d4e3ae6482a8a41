//! Private endpoints, and the connections they make.

mod body;
mod connection;
mod link;
mod place;
mod reached;
mod renamed;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::address::{Address, Kind};
use crate::arm::resource::PrivateLinkService;
use crate::arm::world::World;
use crate::change::shown;
use crate::change::{Action, Actor, Change, Effect, FieldDiff};
use crate::code::Code;
use crate::compare;
use crate::controller::outcome::Outcome;
use crate::desired::{PrivateEndpoint, Target};
use crate::diff::ownership::{refuse_unreadable, unmarked};
use crate::input::Input;
use crate::node::consumer::Consumer;
use crate::node::private_endpoint::{TYPE, id, own, service_of, subnet_id};
use crate::node::private_endpoint::{address, comparable, live_connection, stack_of};
use crate::node::{private_endpoint, private_link_service};
use crate::plan::{Finding, Mode, Op, Refusal};
use crate::pointer::At;
use crate::prediction::Prediction;
use crate::provisioning;
use crate::resource_id::ResourceId;
use crate::snapshot::Observation;

pub use renamed::settled;

use body::{body, updated};
use connection::connection;
use reached::{Reached, reached};

use super::draft::{Draft, DraftKey, Stage};
use super::{Gathered, approval, dns};
use place::{location, misplaced};

/// The live endpoints of this stack that are to go.
pub fn leaving<'a>(input: &Input<'a>) -> Vec<&'a Value> {
    if !input.prunes() {
        return Vec::new();
    }
    let wanted: BTreeSet<ResourceId> = match input.options.mode {
        Mode::Destroy => BTreeSet::new(),
        Mode::Apply => input.desired.endpoints.values().map(|wanted| id(input, wanted)).collect(),
    };
    let own = own(input);
    let mut leaving: Vec<&Value> = input
        .snapshot
        .resources_of_type(TYPE)
        .filter(|live| stack_of(live) == Some(input.desired.name.as_str()))
        .filter(|live| {
            let id = live.get("id").and_then(Value::as_str).map(ResourceId::new);
            let covered = |id: &ResourceId| own.get(&id.key()).is_some_and(|at| input.covers(at));
            id.is_some_and(|id| !wanted.contains(&id) && covered(&id))
        })
        .collect();
    leaving.sort_by_key(|live| live.get("id").and_then(Value::as_str).map(str::to_lowercase));
    leaving.dedup_by_key(|live| live.get("id").and_then(Value::as_str).map(str::to_lowercase));
    leaving
}

/// Azure without the connections of endpoints that are to go: they go first.
pub fn without(mut world: World, leaving: &[&Value]) -> World {
    let gone: Vec<ResourceId> =
        leaving.iter().filter_map(|live| live.get("id")?.as_str()).map(ResourceId::new).collect();
    if gone.is_empty() {
        return world;
    }
    for link in world.private_link_services.values_mut() {
        let holds = |link: &PrivateLinkService| {
            private_link_service::consumers(link)
                .iter()
                .any(|it| gone.contains(&ResourceId::new(&it.endpoint)))
        };
        if holds(link) {
            let link = std::sync::Arc::make_mut(link);
            if let Some(connections) = &mut link.properties.private_endpoint_connections {
                connections.retain(|connection| {
                    let endpoint = connection.properties.private_endpoint.as_ref();
                    !endpoint.is_some_and(|it| gone.contains(&ResourceId::new(it.id())))
                });
            }
        }
    }
    world
}

/// Diffs all endpoints of the stack.
pub fn diff(
    input: &Input<'_>,
    prediction: &Prediction,
    leaving: &[&Value],
    gathered: &mut Gathered,
) {
    let own = own(input);
    for live in leaving {
        delete(input, prediction, (live, &own), gathered);
    }
    if input.options.mode == Mode::Apply {
        all(input, prediction, gathered);
    }
    dns::prune(input, gathered);
}

fn all(input: &Input<'_>, prediction: &Prediction, gathered: &mut Gathered) {
    for (name, endpoint) in &input.desired.endpoints {
        let at = address(name);
        gathered.findings.extend(renamed::finding(&at, endpoint));
        if input.covers(&at) {
            one(input, prediction, (&at, endpoint), gathered);
        }
    }
}

/// Deletes an endpoint that left; whatever Service it reached is deleted after it.
fn delete(
    input: &Input<'_>,
    prediction: &Prediction,
    (live, own): (&Value, &BTreeMap<String, Address>),
    gathered: &mut Gathered,
) {
    let Some(id) = live.get("id").and_then(Value::as_str).map(ResourceId::new) else { return };
    let Some(at) = own.get(&id.key()).cloned() else { return };
    let reason = match input.options.mode {
        Mode::Destroy => "the stack is to go",
        Mode::Apply => "no longer in the stack's files",
    };
    let mut change = Change::new(at.clone(), Action::Delete, Actor::Privlink, reason);
    change.object = Some(id.as_str().to_owned());
    gathered.changes.push(change);
    gathered.changes.push(Change::new(
        Address::new(Kind::EndpointConnection, at.name.clone()),
        Action::Delete,
        Actor::Azure,
        "goes with its endpoint",
    ));
    let op = Op::DeleteResource { id: id.as_str().to_owned() };
    let subnet = live.at("/properties/subnet/id").and_then(Value::as_str);
    let draft =
        Draft::new(&at, Stage::Delete, op).locking(subnet.unwrap_or_default().to_lowercase());
    gathered.drafts.push(draft);
    let Some(service) = service_of(live, &prediction.before, prediction.owners()) else { return };
    for draft in &mut gathered.drafts {
        if draft.key == DraftKey::new(&service, Stage::Delete) {
            draft.needs.insert(DraftKey::new(&at, Stage::Delete));
        }
    }
}

/// What to do where a Service will have no Private Link Service: one that the controller fails at has a
/// finding of its own.
fn help_without_link(prediction: &Prediction, endpoint: &PrivateEndpoint) -> &'static str {
    let Target::Service(target) = &endpoint.target else { return "Look at what it is to reach." };
    let is_it = |outcome: &&Outcome| outcome.service == target.value;
    let outcome = prediction.outcomes.iter().find(is_it);
    if outcome.is_some_and(|outcome| outcome.error.is_some()) {
        "Mend what is found of the Service: the controller fails before it makes one."
    } else {
        "Set azure-pls-create to \"true\" on the Service, and look at what else is found of it."
    }
}

fn one(
    input: &Input<'_>,
    prediction: &Prediction,
    (at, endpoint): (&Address, &PrivateEndpoint),
    gathered: &mut Gathered,
) {
    let id = id(input, endpoint);
    let Some(reached) = reached(prediction, endpoint) else {
        gathered.findings.push(Finding {
            code: Code::NoPrivateLinkService,
            severity: Code::NoPrivateLinkService.severity(),
            address: at.clone(),
            message: "its Service will have no Private Link Service to connect to".to_owned(),
            help: Some(help_without_link(prediction, endpoint).to_owned()),
            place: Some(endpoint.name.span.place().to_string()),
        });
        return;
    };
    let live = match input.snapshot.resource(&id) {
        Observation::Present(live) => Some(live),
        Observation::Absent => None,
        Observation::Unreadable(why) => return refuse_unreadable(at, why, gathered),
        Observation::NotObserved => return refuse_unreadable(at, "it was not asked for", gathered),
    };
    let subnet = subnet_id(endpoint, &id);
    let Some(location) = location(input, endpoint, &subnet, at, gathered) else { return };
    gathered.findings.extend(misplaced(input, endpoint, &subnet, at));
    let body = body(input, endpoint, &reached, &subnet, &location);
    let fields = live.map(|live| body::compare(live, &body));
    let owner = live.and_then(stack_of);
    // Only the mark is missing: what nobody owns stays nobody's.
    let is_unmarked = live.is_some() && owner.is_none() && !input.options.adopt;
    let is_mark = |it: &FieldDiff| it.path.starts_with("tags") || it.path == provisioning::FIELD;
    let fields = fields.map(|fields| match fields.iter().all(is_mark) {
        true if is_unmarked && !fields.is_empty() => {
            gathered.findings.push(unmarked(at));
            Vec::new()
        }
        _ => fields,
    });
    let wishes = Wishes {
        remade: reached.remade,
        replaced: input.replaces(at),
        rejected_by: approval::rejecting(input, reached.service.as_ref(), &id),
        unknown_to_link: live.is_some_and(|live| link::forgot(input, prediction, &id, live)),
        ours: owner == Some(input.desired.name.as_str()),
    };
    gathered.findings.extend(live.and_then(|live| link::disagreement(prediction, (at, &id), live)));
    let action = decide(live, fields.as_deref(), &wishes);
    let fields = match (&action, fields) {
        (Some((Action::Create, _)), _) => compare::fields(None, Some(&comparable(&body))),
        (_, fields) => fields.unwrap_or_default(),
    };
    let overwrites = matches!(action, Some((Action::Adopt | Action::Replace, _)));
    if overwrites && !wishes.ours && !input.options.adopt {
        gathered.refusals.push(Refusal {
            code: Code::NotAdopted,
            message: format!("{at} exists already, and is not marked as this stack's"),
            overridden_by: "--adopt".to_owned(),
        });
    }
    let stays = live.filter(|_| !matches!(action, Some((Action::Create | Action::Replace, _))));
    let dropped = dns::drop_group(input, endpoint, &id, stays, gathered);
    if let Some((action, reason)) = &action {
        let mut change = Change::new(at.clone(), *action, Actor::Privlink, reason.clone());
        change.object = Some(id.as_str().to_owned());
        change.fields = shown(fields);
        if *action == Action::Replace {
            change.effect = cut_off(&id, live);
        }
        gathered.changes.push(change);
        if *action != Action::Keep {
            let first = dropped.clone();
            write(at, &id, (*action, live), (body, &subnet), (&reached, first), gathered);
        }
    }
    let remade = matches!(action, Some((Action::Create | Action::Replace, _)));
    connection(input, (at, &id, endpoint), (&reached, live, remade), gathered);
    let address = current_address(input, endpoint, &id, live.filter(|_| !remade));
    dns::diff(input, endpoint, (at, &id), &address, (remade, dropped), gathered);
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
    }])
}

/// The endpoint's address: the one asked for, the one it has, or the mark of the one it will get.
fn current_address(
    input: &Input<'_>,
    endpoint: &PrivateEndpoint,
    id: &ResourceId,
    live: Option<&Value>,
) -> String {
    if let Some(address) = &endpoint.address {
        return address.value.to_string();
    }
    let nic = live.and_then(|live| live.at("/properties/networkInterfaces/0/id")?.as_str());
    let nic = nic.map(|nic| input.snapshot.resource(&ResourceId::new(nic)));
    if let Some(Observation::Present(nic)) = nic
        && let Some(address) = nic.at("/properties/ipConfigurations/0/properties/privateIPAddress")
        && let Some(address) = address.as_str()
    {
        return address.to_owned();
    }
    private_endpoint::address_mark(id)
}

/// What decides on an endpoint beside its fields.
struct Wishes<'a> {
    /// The Private Link Service it reaches is made anew.
    remade: bool,
    /// It is to be made anew whatever is found.
    replaced: bool,
    /// The EndpointApproval that would reject it again.
    rejected_by: Option<&'a str>,
    /// The Private Link Service it says it is connected to does not know it.
    unknown_to_link: bool,
    /// It carries this stack's mark.
    ours: bool,
}

fn decide(
    live: Option<&Value>,
    fields: Option<&[FieldDiff]>,
    wishes: &Wishes<'_>,
) -> Option<(Action, String)> {
    let replace = |reason: &str| Some((Action::Replace, reason.to_owned()));
    let Some(live) = live else {
        return Some((Action::Create, "not in Azure yet".to_owned()));
    };
    let status = live_connection(live).map(|connection| connection.status).unwrap_or_default();
    let fields = fields.unwrap_or_default();
    let forced = fields.iter().any(|field| field.forces_replacement);
    let rejected = status == "Rejected";
    if wishes.replaced {
        return replace("--replace asks for it");
    }
    if status == "Disconnected" || rejected && wishes.rejected_by.is_none() {
        let reason = format!("its connection is {status}, and an endpoint cannot connect again");
        return Some((Action::Replace, reason));
    }
    if wishes.remade {
        return replace("cannot connect again");
    }
    if wishes.unknown_to_link {
        return replace(
            "the Private Link Service it reaches is no longer the one it connected to, and has no connection of it",
        );
    }
    if forced {
        return replace("a field differs that cannot change in place");
    }
    if !fields.is_empty() {
        let (action, reason) = match wishes.ours {
            true if provisioning::is_only(fields) => (Action::Update, provisioning::AGAIN),
            true => (Action::Update, "its document says otherwise"),
            false => (Action::Adopt, "exists, and this stack takes it over"),
        };
        return Some((action, reason.to_owned()));
    }
    let approval = wishes.rejected_by.filter(|_| rejected)?;
    let reason = format!(
        "its connection is Rejected, as EndpointApproval {approval} wants: re-created, it would be rejected again"
    );
    Some((Action::Keep, reason))
}

fn write(
    at: &Address,
    id: &ResourceId,
    (action, live): (Action, Option<&Value>),
    (body, subnet): (Value, &ResourceId),
    (reached, first): (&Reached<'_>, Option<DraftKey>),
    gathered: &mut Gathered,
) {
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
    let etag = live
        .filter(|_| action != Action::Replace)
        .and_then(|live| live.get("etag")?.as_str())
        .map(ToOwned::to_owned);
    let body = match live {
        // Fields that privlink does not know stay as they are.
        Some(live) if action != Action::Replace => updated(live, &body),
        _ => body,
    };
    let op = Op::PutResource { id: id.as_str().to_owned(), body, etag };
    let mut draft = Draft::new(at, Stage::Write, op)
        .needing(at, Stage::Delete)
        .locking(subnet.key())
        .locking(reached.target.to_lowercase());
    draft.needs.extend(first);
    gathered.drafts.push(needing(draft));
}
