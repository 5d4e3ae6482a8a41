//! Services: what is to be written to the Kubernetes API.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::arm::world::World;
use crate::change::{Action, Actor, Change, FieldDiff};
use crate::controller::outcome::{Outcome, Write};
use crate::controller::predict;
use crate::desired::{self, refusal};
use crate::field_diff;
use crate::input::Input;
use crate::join::{self, service::actor, service::changed};
use crate::kubernetes::managers;
use crate::kubernetes::server_side_apply::Conflict;
use crate::kubernetes::service::{Key, Service};
use crate::kubernetes::sync_events;
use crate::kubernetes::validation::minor_version;
use crate::kubernetes::validation::{self, Cause, Cluster, Taken};
use crate::marks::SYNC_ANNOTATION;
use crate::node::fields;
use crate::node::service::{address, comparable, stack_of};
use crate::node_id::{Kind, NodeId};
use crate::plan::{Finding, Mode, Op, Override, Refusal};
use crate::pointer::At;
use crate::prediction::Prediction;
use crate::rule;
use crate::snapshot::Reading;
use crate::unknown;
use privlink_model::gateway::{self, made_of};

use super::Part;
use super::draft::{Draft, DraftKey, Stage};

mod written;

pub use written::written;

/// Diffs all Services. Returns what the controller will see, for the prediction: changes, and a nudge
/// for every Service that stays, which shows whether Azure is as the controller would leave it.
pub fn diff(input: &Input<'_>) -> (Part, Vec<predict::Change>) {
    let mut whole = Part::default();
    let part = &mut whole;
    if let Some(why) = input.live.services_unread() {
        unreadable(input, why, part);
        return (whole, Vec::new());
    }
    let mut seen = Vec::new();
    if input.options.mode == Mode::Apply {
        for service in join::services(input).filter(|service| input.covers(&service.at)) {
            seen.extend(apply(input, &service, part));
        }
    }
    let gone = input.options.guard.iter().flat_map(|guarded| guarded.gone.keys());
    for key in gone.filter(|it| !input.wanted.has(it)) {
        let Some(object) = input.live.service(key) else { continue };
        if input.covers(&address(key)) && !is_left_behind(input, object) {
            let (one, changes) = written(input, key, None);
            part.add(one);
            seen.extend(changes);
        }
    }
    for (key, object) in input.live.service_objects() {
        let wanted = input.options.mode == Mode::Apply && input.wanted.has(key);
        let is_ours = input.wanted.owns(stack_of(object));
        if wanted || !is_ours || !input.prunes() || !input.covers(&address(key)) {
            continue;
        }
        match made_of(object) {
            // It is deleted with its Gateway, which only its owner deletes: a stack that is destroyed leaves it.
            Some(_) if input.options.mode == Mode::Destroy || is_left_behind(input, object) => {}
            Some(_) => {
                let (one, changes) = written(input, key, None);
                part.add(one);
                seen.extend(changes);
            }
            None => seen.extend(delete(input, key, object, part)),
        }
    }
    (whole, seen)
}

/// Whether a live Service was made of a Gateway of the input that comes to it no longer, and whose controller leaves it.
pub fn is_left_behind(input: &Input<'_>, object: &Value) -> bool {
    let is_there = |made: String| input.wanted.gateway(&made).is_some();
    gateway::is_left_behind(object) && made_of(object).is_some_and(is_there)
}

/// The live Services that carry this stack's label.
pub fn of_stack(input: &Input<'_>) -> Vec<Key> {
    let is_ours = |object: &&Value| input.wanted.owns(stack_of(object));
    let live = input.live.service_objects();
    live.filter(|(_, it)| is_ours(it)).map(|(key, _)| key.clone()).collect()
}

fn unreadable(input: &Input<'_>, why: &str, part: &mut Part) {
    let message = format!("the Services could not be read ({why}), so nothing is planned for them");
    for name in input.wanted.keys() {
        let address = NodeId::new(Kind::Service, name.to_string());
        let change = Change::new(
            address,
            Action::Keep,
            Actor::Privlink,
            "it could not be read, and an object that could not be read is never taken for absent",
        );
        part.changes.push(change);
    }
    let instead = Override::never("make them readable");
    part.refusals.push(Refusal::of_plan(rule::UNREADABLE, message, instead));
}

fn apply(input: &Input<'_>, joined: &join::Service<'_>, part: &mut Part) -> Vec<predict::Change> {
    let join::Service { key, at, live, actor, .. } = joined;
    let (key, live) = (*key, *live);
    let stays = || vec![predict::Change::Nudge(key.clone())];
    if !input.replaces(at) && joined.is_unmarked() {
        part.findings.push(super::ownership::unmarked(at, &[]));
        return stays();
    }
    if let Some(live) = live.filter(|_| input.replaces(at)) {
        return replace(input, joined, live, part);
    }
    if joined.is_applied() {
        return stays();
    }
    let stored = match joined.stored() {
        Ok(stored) => stored,
        Err(conflicts) => {
            refuse_conflicts(key, &conflicts, part);
            return Vec::new();
        }
    };
    let fields = match live {
        None => created(joined.manifest()),
        Some(live) => changed(live, &stored),
    };
    if live.is_some() && fields.is_empty() {
        return stays();
    }
    let adopts = live.is_some() && !joined.is_ours() && *actor == Actor::Privlink;
    if let Some(live) = live.filter(|_| adopts && !input.options.adopt) {
        refuse_adoption(key, live, part);
    }
    refuse_invalid(input, joined, live, &stored, part);
    let mut change = change(key, actor.clone(), live, adopts, fields);
    if let Some(by) = &joined.wanted.made_by {
        change.reason = format!("made of Gateway {}", by.gateway);
    }
    part.changes.push(change);
    let uid = live.and_then(|live| live.at("/metadata/uid")?.as_str()).map(ToOwned::to_owned);
    let (namespace, name) = (key.namespace.clone(), key.name.clone());
    let manifest = joined.manifest().clone();
    let op = match actor {
        Actor::Privlink => Op::ApplyService { namespace, name, manifest, uid },
        _ => Op::AwaitService { namespace, name, manifest },
    };
    part.drafts.push(Draft::new(at, Stage::Write, op));
    let service = Service::from_value(stored).ok();
    service.map(|service| predict::Change::Apply(Arc::new(service))).into_iter().collect()
}

/// Deletes a Service and makes it again, as `--replace` asks: with another uid, and hence another
/// frontend and Private Link Service. Fields that others wrote are not made again.
fn replace(
    input: &Input<'_>,
    joined: &join::Service<'_>,
    live: &Value,
    part: &mut Part,
) -> Vec<predict::Change> {
    let join::Service { key, at, actor, .. } = joined;
    let key = *key;
    if *actor != Actor::Privlink {
        part.refusals.push(Refusal::of(
            rule::NOT_REPLACEABLE,
            at,
            format!("{at} is written by {}", actor.as_str()),
            Override::never("delete it there, and let that tool create it again"),
        ));
        return vec![predict::Change::Nudge(key.clone())];
    }
    if !joined.is_ours() && !input.options.adopt {
        refuse_adoption(key, live, part);
    }
    let Ok(stored) = joined.created() else { return Vec::new() };
    refuse_invalid(input, joined, None, &stored, part);
    let reason = "--replace asks for it: deleted and created again, with another uid";
    let mut change = Change::new(at.clone(), Action::Replace, actor.clone(), reason);
    change.object = Some(key.to_string());
    change.fields = changed(live, &stored);
    part.changes.push(change);
    let (namespace, name) = (key.namespace.clone(), key.name.clone());
    let uid = live.at("/metadata/uid").and_then(Value::as_str).unwrap_or_default().to_owned();
    let delete = Op::DeleteService { namespace: namespace.clone(), name: name.clone(), uid };
    let gone = Op::AwaitController {
        namespace: namespace.clone(),
        name: name.clone(),
        expect: Vec::new(),
        gone: true,
        again: false,
    };
    let apply =
        Op::ApplyService { namespace, name, manifest: joined.manifest().clone(), uid: None };
    part.drafts.push(Draft::new(at, Stage::Delete, delete));
    part.drafts.push(Draft::new(at, Stage::Gone, gone).needing(at, Stage::Delete));
    part.drafts.push(Draft::new(at, Stage::Write, apply).needing(at, Stage::Gone));
    let service = Service::from_value(stored).ok().map(Arc::new);
    let made = service.map(predict::Change::Apply);
    std::iter::once(predict::Change::Delete(key.clone())).chain(made).collect()
}

/// What the API server would refuse of the Service that comes of the manifest, of what others wrote on
/// the live one, and of what other Services have. A port that somebody else added to the live Service
/// stays beside the manifest's, since server-side apply merges ports by number and protocol.
fn refuse_invalid(
    input: &Input<'_>,
    joined: &join::Service<'_>,
    live: Option<&Value>,
    stored: &Value,
    part: &mut Part,
) {
    let join::Service { key, wanted, .. } = joined;
    let (key, wanted) = (*key, *wanted);
    let others = input.live.service_objects().filter(|(it, _)| *it != key);
    let taken = match pins_anything(stored, live) {
        true => Taken::of(others.map(|(_, object)| object)),
        false => Taken::default(),
    };
    let families = &input.facts.ip_families;
    let cluster = Cluster { families, ranges: &[], taken: &taken };
    let mut causes = validation::allocated(stored, live, &cluster);
    if causes.is_empty() {
        let version = input.live.version().and_then(minor_version);
        causes.extend(validation::replaced(stored, live, version));
        causes.dedup();
    }
    for cause in &causes {
        let place = refusal::locate(&wanted.span, cause);
        let place = place.map_or_else(|| wanted.span.place(), |place| place.span.place());
        let message = unknown::show(&refusal::message(cause));
        let mut found = Finding::new(rule::SERVICE_INVALID, address(key), message).help(
            live.and_then(|live| added_by(cause, wanted, live)).unwrap_or_else(|| {
                let mut help = refusal::help(cause).to_owned();
                if let Some(first) = help.get_mut(..1) {
                    first.make_ascii_uppercase();
                }
                help + "."
            }),
        );
        found.place = Some(place.to_string());
        part.findings.push(found);
    }
}

/// Whether a Service asks for a node port or an address that it has not got yet.
fn pins_anything(stored: &Value, live: Option<&Value>) -> bool {
    let given = |object: &Value| -> Vec<Value> {
        let ports = object.at("/spec/ports").and_then(Value::as_array).into_iter().flatten();
        let ports = ports.filter_map(|port| port.get("nodePort").filter(|it| it.is_i64()));
        let addresses = object.at("/spec/clusterIPs").and_then(Value::as_array);
        let known = |it: &&Value| it.as_str().is_some_and(|it| !unknown::is_unknown(it));
        ports.chain(addresses.into_iter().flatten().filter(known)).cloned().collect()
    };
    let had = live.map(given).unwrap_or_default();
    given(stored).iter().any(|it| !had.contains(it))
}

/// The way out where the manifest and another manager's port are in conflict.
fn added_by(cause: &Cause, wanted: &desired::Service, live: &Value) -> Option<String> {
    if !cause.field.starts_with("spec.ports[") {
        return None;
    }
    let number = |port: &Value| port.get("port").and_then(Value::as_i64);
    let ports = |object: &Value| -> Vec<Value> {
        object.at("/spec/ports").and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let own = ports(&wanted.manifest);
    let is_own = |port: &Value| own.iter().any(|own| number(own) == number(port));
    let other = ports(live).into_iter().find(|port| !is_own(port))?;
    let author = managers::author(live);
    let whose = author.tool.map_or_else(|| "another field manager".to_owned(), |it| it.to_string());
    let port = number(&other)?;
    let named = match other.get("name").and_then(Value::as_str) {
        Some(name) => format!("port {port}, named {name}"),
        None => format!("port {port}"),
    };
    Some(format!(
        "The live Service has {named}, which the manifest has not and {whose} owns: take it out there first, or name the ports apart."
    ))
}

fn refuse_conflicts(key: &Key, conflicts: &[Conflict], part: &mut Part) {
    let address = address(key);
    for Conflict { manager, field } in conflicts {
        part.findings.push(
            Finding::new(
                rule::FIELD_CONFLICT,
                address.clone(),
                format!("{field} belongs to field manager {manager}, with another value"),
            )
            .help("Remove the field from the manifest, or have that manager give it up: `privlink drift` prints how."),
        );
    }
    let message = format!("{address} has fields that another manager owns");
    let never = Override::never("a conflict is never forced");
    part.refusals.push(Refusal::of(rule::FIELD_CONFLICT, &address, message, never));
}

fn refuse_adoption(key: &Key, live: &Value, part: &mut Part) {
    let owner = stack_of(live).map_or_else(
        || "privlink did not create it".to_owned(),
        |stack| format!("it belongs to stack {stack}"),
    );
    part.refusals.push(super::ownership::not_adopted(&address(key), &owner));
}

/// The fields of a new object, as they are written.
pub(crate) fn created(manifest: &Value) -> Vec<FieldDiff> {
    let mut shown = comparable(manifest);
    if let Some(metadata) = shown.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("name");
        metadata.shift_remove("namespace");
    }
    field_diff::fields(None, Some(&shown)).into_iter().map(FieldDiff::shown).collect()
}

fn change(
    key: &Key,
    actor: Actor,
    live: Option<&Value>,
    adopts: bool,
    fields: Vec<FieldDiff>,
) -> Change {
    let (action, reason) = match (&actor, live) {
        (Actor::External(_), _) => (Action::Await, "another tool has yet to write it"),
        (_, None) => (Action::Create, "not in the cluster yet"),
        (_, Some(_)) if adopts => (Action::Adopt, "exists, and this stack takes it over"),
        (_, Some(_)) => (Action::Update, "differs from the manifest"),
    };
    let mut change = Change::new(address(key), action, actor, reason);
    change.object = Some(key.to_string());
    change.fields = fields;
    change
}

fn delete(input: &Input<'_>, key: &Key, live: &Value, part: &mut Part) -> Option<predict::Change> {
    let uid = live.at("/metadata/uid")?.as_str()?.to_owned();
    let reason = match input.options.mode {
        Mode::Destroy => "the stack is destroyed",
        Mode::Apply => "no longer in the stack's files",
    };
    let mut change = Change::new(address(key), Action::Delete, Actor::Privlink, reason);
    change.object = Some(key.to_string());
    part.changes.push(change);
    let op = Op::DeleteService { namespace: key.namespace.clone(), name: key.name.clone(), uid };
    part.drafts.push(Draft::new(&address(key), Stage::Delete, op));
    Some(predict::Change::Delete(key.clone()))
}

/// Security groups as they were last written, to tell writes that change something from those that repeat
/// what is there.
pub(crate) struct Groups(BTreeMap<String, Value>);

impl Groups {
    /// The security groups of a world.
    pub(crate) fn of(world: &World) -> Self {
        let groups = world.network_security_groups.values();
        Self(groups.map(|it| (it.id().to_lowercase(), fields::clean(it.as_ref()))).collect())
    }

    /// Whether a sync writes anything, once it is done. Writes to a security group that change no rule do
    /// not count: those of public Services are repeated at every sync (finding 28). What Azure refuses
    /// mends nothing.
    pub(crate) fn are_mended_by(&mut self, outcome: &Outcome) -> bool {
        let mut writes = false;
        for write in &outcome.writes {
            writes |= match self.0.get_mut(&write.id.key()) {
                Some(group) => changes_group(write, group),
                None => write.answer.is_ok(),
            };
        }
        writes
    }
}

/// Whether a write to a security group changes it; the group is then as written.
fn changes_group(write: &Write, group: &mut Value) -> bool {
    let written = write.body.as_ref().map(|body| fields::clean(&body.to_value()));
    let rules = |group: &Value| group.at("/properties/securityRules").cloned();
    match written.filter(|_| write.answer.is_ok()) {
        Some(written) if rules(&written) != rules(group) => {
            *group = written;
            true
        }
        _ => false,
    }
}

/// Whether the controller will sync a Service without a nudge: it has not, since the last write.
fn is_pending(input: &Input<'_>, live: &Value) -> bool {
    let events = input.live.events();
    if !matches!(events, Reading::Present(_)) {
        return false;
    }
    let now = input.live.taken_at().parse();
    now.is_ok_and(|now| sync_events::is_pending(live, events.objects(), now))
}

/// Whether a sync brings the Service's own status or its cleanup finalizer back.
fn mends(live: &Service, outcome: &Outcome) -> bool {
    let lost = |finalizer: &&String| !live.finalizers.contains(*finalizer);
    outcome.error.is_none()
        && (outcome.status.is_some() || outcome.finalizers.iter().any(|it| lost(&it)))
}

/// Plans a nudge for every Service that stays and whose Azure side is not as the controller would
/// leave it: a sync that is predicted to write says so. The controller does not look by itself (finding
/// 33).
pub fn nudge(input: &Input<'_>, prediction: &Prediction, so_far: &Part) -> Part {
    let mut part = Part::default();
    let written = so_far.drafted();
    let mut groups = Groups::of(&prediction.before);
    for outcome in &prediction.outcomes {
        let at = address(&outcome.service);
        let is_written = [Stage::Write, Stage::Delete]
            .iter()
            .any(|stage| written.contains(&DraftKey::new(&at, *stage)));
        let writes = groups.are_mended_by(outcome);
        let Some(live) = prediction.live.get(&outcome.service) else { continue };
        if is_written || !writes && !mends(live, outcome) {
            continue;
        }
        if live.deleting {
            // Nothing that is written keeps it, and nothing is waited for before it is gone.
            let (by, reason) = (Actor::External("kubernetes".to_owned()), "it is being deleted");
            let mut change = Change::new(at.clone(), Action::Await, by, reason);
            change.object = Some(outcome.service.to_string());
            part.changes.push(change);
            continue;
        }
        if is_pending(input, &live.object) {
            // The wait for it is drafted with those for what this plan writes.
            let reason = "the controller has yet to sync what was written last";
            let mut change = Change::new(at.clone(), Action::Await, Actor::Controller, reason);
            change.object = Some(outcome.service.to_string());
            part.changes.push(change);
            continue;
        }
        if actor(input, &outcome.service, Some(&live.object)) != Actor::Privlink {
            continue;
        }
        let ours = input.wanted.owns(stack_of(&live.object));
        if !ours && !input.options.adopt {
            refuse_adoption(&outcome.service, &live.object, &mut part);
        }
        let reason = "it is not as the controller would leave it, and only a sync mends that";
        let mut change = Change::new(at.clone(), Action::Update, Actor::Privlink, reason);
        let before = live.annotations.get(SYNC_ANNOTATION);
        let to = next_sync(before);
        change.object = Some(outcome.service.to_string());
        change.fields = vec![sync_field(before, &to)];
        part.changes.push(change);
        let Key { namespace, name } = outcome.service.clone();
        let op = Op::Nudge { namespace, name, to };
        part.drafts.push(Draft::new(&at, Stage::Write, op));
    }
    part
}

/// What the annotation of syncs becomes.
pub(super) fn next_sync(before: Option<&String>) -> String {
    before.and_then(|it| it.parse::<u64>().ok()).map_or(1, |it| it.saturating_add(1)).to_string()
}

/// How the annotation of syncs changes.
pub(super) fn sync_field(before: Option<&String>, to: &str) -> FieldDiff {
    let path = format!("metadata.annotations[{SYNC_ANNOTATION:?}]");
    FieldDiff::new(path, before.map(|it| it.clone().into()), Some(to.into()))
}
