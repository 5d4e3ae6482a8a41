//! What the controller would leave of the live Services, against Azure.
//!
//! Every live Service of the stack is synced once in the model. Where that changes something, Azure is
//! not as the controller would leave it, and the Service's events tell whether the controller failed,
//! is still to come, or was done before somebody changed Azure.

mod failed;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::arm::world::World;
use crate::change::FieldDiff;
use crate::controller::outcome::Outcome;
use crate::controller::predict::Change;
use crate::diff::service::Groups;
use crate::drift::assumption::members;
use crate::facts::{BackendPoolType, Facts};
use crate::field_diff;
use crate::input::Input;
use crate::kubernetes::service::{Key, Service};
use crate::lint;
use crate::node::Node;
use crate::node::service::{address, stack_of};
use crate::node::sides::Nodes;
use crate::node_id::NodeId;
use crate::prediction::{self, Prediction};
use crate::resource_id::ResourceId;
use crate::sync_progress::{Progress, progress};
use crate::unread;

use super::Class;
use super::Look;
use super::assumption::{self, Found, Proof, hanging, status, unverified};
use super::gathered::{Gathered, difference, fields};
use super::repair::{self, Repair};
use super::report::{By, Cause, Difference, Heals, LastModified, Unread};

/// What was seen of Azure and of the controller.
pub(super) struct Seen {
    /// What a sync of every Service would leave.
    pub(super) prediction: Prediction,
}

/// What the comparison works on.
struct Work<'a> {
    input: &'a Input<'a>,
    look: &'a Look<'a>,
    world: &'a World,
    prediction: &'a Prediction,
    changes: &'a [Change],
    nodes: (&'a Nodes, &'a Nodes),
}

/// Compares all that the controller makes of the stack's Services. Nothing if a part of it could not be
/// read: what is not there would look as if somebody had deleted it.
pub(super) fn compare(
    input: &Input<'_>,
    look: &Look<'_>,
    world: &World,
    gathered: &mut Gathered,
) -> Option<Seen> {
    let unread = unread::of_controller(input.live, input.facts);
    if !unread.is_empty() {
        not_compared(input, &unread, gathered);
        return None;
    }
    let changes = syncs(input);
    let predict = |facts: &Facts| {
        let cluster = prediction::cluster(input.live, facts);
        prediction::predict(world.clone(), cluster, &changes)
    };
    let prediction = predict(input.facts);
    let nodes = (prediction.nodes_before(), prediction.nodes_after());
    for (at, node) in nodes.0.iter().chain(nodes.1) {
        if node.service.as_ref().is_some_and(|key| changes.iter().any(|it| it.key() == key)) {
            gathered.nodes.insert(at.clone());
        }
    }
    let work = Work { input, look, world, prediction: &prediction, changes: &changes, nodes };
    let failed = work.unprovisioned();
    let mut found = work.differences(&failed);
    if !found.is_empty() {
        for (fact, facts) in assumption::alternatives(input.facts, world) {
            found = unverified(found, fact, (&prediction, &predict(&facts)));
        }
    }
    found.into_iter().for_each(|it| gathered.push(it.difference));
    work.subnets().into_iter().chain(failed).for_each(|it| gathered.push(it));
    Some(Seen { prediction })
}

/// Says that what the controller made is not compared, and for want of what.
fn not_compared(input: &Input<'_>, unread: &[(&str, &str)], gathered: &mut Gathered) {
    for key in input.wanted.keys() {
        gathered.unreadable_nodes.insert(address(key));
    }
    let lists: Vec<&str> = unread.iter().map(|(what, _)| *what).collect();
    let what = "what the controller made of the Services".to_owned();
    let why = format!("it was not compared with Azure, for want of {}", lists.join(", "));
    gathered.unreadable.push(Unread { what, why });
}

/// One sync of every live Service of the stack that the controller looks after. What one that is being deleted has goes
/// with it, which is reported by itself.
fn syncs(input: &Input<'_>) -> Vec<Change> {
    let is_ours = |key: &Key, service: &Service| {
        input.wanted.has(key) || input.wanted.owns(stack_of(&service.object))
    };
    input
        .live
        .services()
        .iter()
        .filter(|(key, service)| is_ours(key, service) && !service.deleting)
        .filter(|(_, service)| service.wants_load_balancer() || !service.finalizers.is_empty())
        .map(|(key, _)| Change::Nudge(key.clone()))
        .collect()
}

impl Work<'_> {
    /// What differs, beside what Azure failed.
    fn differences(&self, failed: &[Difference]) -> Vec<Found> {
        let (before, after) = self.nodes;
        let addresses: BTreeSet<&NodeId> = before.keys().chain(after.keys()).collect();
        let mut found: Vec<Found> = addresses
            .into_iter()
            .filter_map(|at| {
                let sides = (before.get(at), after.get(at));
                self.node(at, sides.0.map(AsRef::as_ref), sides.1.map(AsRef::as_ref))
            })
            .collect();
        found.extend(self.pools());
        for change in self.changes {
            found.extend(self.service(change.key()));
        }
        let others = self.writes_beside(&found, failed);
        found.extend(others);
        found
    }

    /// What syncs would write of which nothing is compared, such as who is in a pool of network interfaces: the Services
    /// of which no other difference speaks.
    fn writes_beside(&self, found: &[Found], failed: &[Difference]) -> Vec<Found> {
        let differences = found.iter().map(|it| &it.difference).chain(failed);
        let (before, after) = self.nodes;
        let nodes =
            differences.filter_map(|it| before.get(&it.address).or_else(|| after.get(&it.address)));
        let mut spoken_of: BTreeSet<&Key> = nodes.flat_map(|node| self.menders(node)).collect();
        let services = self.changes.iter().map(Change::key);
        let is_found = |key: &&Key| found.iter().any(|it| it.difference.address == address(key));
        spoken_of.extend(services.filter(is_found));
        let mut groups = Groups::of(self.world);
        let mut writes = Vec::new();
        for outcome in &self.prediction.outcomes {
            let key = &outcome.service;
            if groups.are_mended_by(outcome) && !spoken_of.contains(key) {
                writes.push(self.written_by(key, outcome));
            }
        }
        writes
    }

    fn written_by(&self, key: &Key, outcome: &Outcome) -> Found {
        let names: BTreeSet<&str> = outcome.writes.iter().map(|write| write.id.name()).collect();
        let names: Vec<&str> = names.into_iter().collect();
        let message = format!(
            "Azure is not as the controller leaves it: its sync writes {}",
            names.join(", ")
        );
        let live = self.prediction.live.get(key);
        let progress = live.map_or(Progress::Unknown, |it| progress(self.input.live, it));
        let class = match progress {
            Progress::Failed(_) => Class::ControllerFailed,
            Progress::Behind(_) => Class::ControllerBehind,
            _ => Class::ChangedInAzure,
        };
        let cause = cause(class, &progress);
        let object = key.to_string();
        let mut difference = difference(class, &address(key), Some(&object), message, cause);
        (difference.heals, difference.repair) = self.remedy(class, &[key]);
        Found { difference, fields: whole(), proof: Proof::Writes }
    }

    /// The Services whose sync writes what is at a node: those that do, of those on a frontend, or of all where it is
    /// no single Service's. Where none does, the node's own.
    fn menders(&self, node: &Node) -> Vec<&Key> {
        let keys = || self.changes.iter().map(Change::key);
        let writes = |key: &Key, is_it: &dyn Fn(&ResourceId) -> bool| {
            self.prediction.outcome(key).is_some_and(|outcome| {
                let affected = outcome.effects.iter().map(|effect| &effect.id);
                affected.chain(outcome.writes.iter().map(|write| &write.id)).any(is_it)
            })
        };
        let itself = |id: &ResourceId| *id == node.id;
        // A load balancer is written whole.
        let holder = |id: &ResourceId| node.id.key().starts_with(&id.key());
        let Some(service) = &node.service else {
            return keys().filter(|key| writes(key, &itself) || writes(key, &holder)).collect();
        };
        let owners = self.prediction.owners();
        let is_on = |key: &&Key| *key == service || owners.sharing(&node.id).any(|it| it == *key);
        let mut found: Vec<&Key> = keys().filter(|key| writes(key, &itself)).collect();
        if found.is_empty() {
            found = keys().filter(is_on).filter(|key| writes(key, &holder)).collect();
        }
        if found.is_empty() {
            found = keys().filter(|key| *key == service).collect();
        }
        found
    }

    /// How far the controller is with what is at a node, the worst of the Services that write it; and which of them
    /// mend it: all that are on a frontend, and one of those on what is no single Service's.
    fn progress(&self, node: &Node) -> (Vec<&Key>, Progress) {
        let rank = |it: &Progress| match it {
            Progress::Failed(_) => 3,
            Progress::Behind(_) => 2,
            Progress::Done(_) => 1,
            Progress::Unknown => 0,
        };
        let menders = self.menders(node);
        let all = menders.iter().filter_map(|key| {
            let service = self.prediction.live.get(*key)?;
            Some((*key, progress(self.input.live, service)))
        });
        match all.max_by_key(|(_, progress)| rank(progress)) {
            None => (Vec::new(), Progress::Unknown),
            Some((_, progress)) if node.service.is_some() => (menders, progress),
            Some((key, progress)) => (vec![key], progress),
        }
    }

    fn node(&self, at: &NodeId, before: Option<&Node>, after: Option<&Node>) -> Option<Found> {
        let diffs = field_diff::fields(before.map(|it| it.fields()), after.map(|it| it.fields()));
        let node = before.or(after)?;
        let anew = before.zip(after).is_some_and(|(before, after)| {
            before.identity.is_some() && before.identity != after.identity
        });
        if diffs.is_empty() && !anew {
            return None;
        }
        let (services, progress) = self.progress(node);
        let (class, what) = match (&progress, before, after) {
            (_, Some(_), None)
                if !matches!(progress, Progress::Failed(_) | Progress::Behind(_)) =>
            {
                (Class::Orphan, "no Service needs it, and the controller left it behind".to_owned())
            }
            (Progress::Failed(_), ..) => (
                Class::ControllerFailed,
                "the controller failed to bring it in line with its Service".to_owned(),
            ),
            (Progress::Behind(_), ..) => (
                Class::ControllerBehind,
                "the controller has not brought it in line with its Service yet".to_owned(),
            ),
            (_, None, _) => (Class::DeletedInAzure, "it is gone from Azure".to_owned()),
            _ => (
                Class::ChangedInAzure,
                "it is not as the controller leaves it for its Service".to_owned(),
            ),
        };
        let mut cause = cause(class, &progress);
        if class == Class::ChangedInAzure {
            cause.last_modified = last_modified(self.world, &node.id);
        }
        cause.after = self.was_otherwise(before, node);
        let object = Some(node.id.as_str());
        let mut difference = difference(class, at, object, what, cause);
        if before.is_some() && after.is_some() {
            difference.fields = fields(diffs.clone());
        }
        if anew {
            difference.disconnects = before.map(approved).unwrap_or_default();
        }
        (difference.heals, difference.repair) = self.remedy(class, &services);
        let diffs = if diffs.is_empty() { whole() } else { diffs };
        Some(Found { difference, fields: diffs, proof: Proof::Fields })
    }

    /// Whether the node was as the controller leaves it in an earlier look: when that was.
    fn was_otherwise(&self, now: Option<&Node>, node: &Node) -> Option<String> {
        let since = self.look.since?;
        let was = since.node(&node.id)?;
        (now.map(|it| it.fields()) != Some(was)).then(|| since.at().map(ToOwned::to_owned))?
    }

    /// Whether it heals, and how it is repaired.
    fn remedy(&self, class: Class, services: &[&Key]) -> (Heals, Option<Repair>) {
        let apply = Some(Repair::apply(self.look.apply));
        match (class, services) {
            (Class::ControllerFailed, [service, ..]) => {
                (Heals::No, Some(self.correct(service, true)))
            }
            (Class::ControllerBehind, _) => (Heals::Soon, None),
            (_, []) => (Heals::NextSync, apply),
            (_, services) => (Heals::NextSync, Some(repair::nudge_all(services))),
        }
    }

    /// What a plan advises where the next sync is predicted to fail; what the last event names where there is one, and
    /// the plan knows no better.
    fn correct(&self, service: &Key, has_event: bool) -> Repair {
        let Input { wanted, facts, .. } = self.input;
        match lint::failure::advice(wanted, facts, self.prediction, service) {
            Some(advice) => Repair::advice(advice),
            None if has_event => repair::describe(service),
            None => Repair::advice(lint::failure::CORRECT),
        }
    }

    /// Members of backend pools.
    fn pools(&self) -> Vec<Found> {
        let mut found = Vec::new();
        if self.input.facts.backend_pool_type == BackendPoolType::NodeIpConfiguration {
            // Scale sets say who is in such a pool, and their instances are not looked at.
            return found;
        }
        for (at, diffs) in members(self.prediction) {
            let Some(node) = self.nodes.0.get(&at) else { continue };
            let (services, progress) = self.progress(node);
            let class = match progress {
                Progress::Failed(_) => Class::ControllerFailed,
                Progress::Behind(_) => Class::ControllerBehind,
                _ => Class::ChangedInAzure,
            };
            let cause = cause(class, &progress);
            let message = "its members are not those that the controller would put there";
            let object = Some(node.id.as_str());
            let mut difference = difference(class, &at, object, message, cause);
            difference.fields = fields(diffs.clone());
            (difference.heals, difference.repair) = self.remedy(class, &services);
            found.push(Found { difference, fields: diffs, proof: Proof::Fields });
        }
        found
    }

    /// A Service that the controller fails at, or that announces other addresses than it has.
    fn service(&self, key: &Key) -> Vec<Found> {
        let Some(live) = self.prediction.live.get(key) else { return Vec::new() };
        let at = address(key);
        let progress = progress(self.input.live, live);
        let error = self
            .prediction
            .outcome(key)
            .and_then(|outcome| Some(outcome.error.as_ref()?.in_short()));
        let mut found = Vec::new();
        let object = key.to_string();
        if let (Some(_), _) | (None, Progress::Failed(_)) = (&error, &progress) {
            let message = match (&progress, &error) {
                (Progress::Failed(event), _) => {
                    format!("the controller fails: {}: {}", event.reason, brief(&event.message))
                }
                (_, error) => {
                    format!(
                        "its next sync will fail: {}",
                        brief(error.as_deref().unwrap_or_default())
                    )
                }
            };
            let cause = cause(Class::ControllerFailed, &progress);
            let mut difference =
                difference(Class::ControllerFailed, &at, Some(&object), message, cause);
            let told = matches!(progress, Progress::Failed(_));
            difference.repair = Some(self.correct(key, told));
            match assumption::unknown_place(self.input.facts).filter(|_| !told) {
                Some(fact) => difference = hanging(difference, fact),
                None if told => difference.heals = Heals::No,
                None => {}
            }
            // What its events say is no matter of facts.
            let proof = if told { Proof::Event } else { Proof::PredictedError };
            found.push(Found { difference, fields: whole(), proof });
        }
        // The controller announces an address once it no longer fails.
        let diffs = status(self.prediction, &at);
        if !diffs.is_empty() && found.is_empty() {
            let class = Class::ControllerBehind;
            let message = if live.ingress.is_empty() {
                "it announces no address, and its load balancer has one"
            } else {
                "it announces another address than its load balancer has"
            };
            let cause = cause(class, &progress);
            let mut difference = difference(class, &at, Some(&object), message, cause);
            difference.fields = fields(diffs.clone());
            difference.heals = match progress {
                Progress::Behind(_) => Heals::Soon,
                _ => Heals::NextSync,
            };
            difference.repair = Some(repair::nudge(key));
            found.push(Found { difference, fields: diffs, proof: Proof::Fields });
        }
        found
    }
}

/// Stands for a difference that no field tells.
fn whole() -> Vec<FieldDiff> {
    let path = String::new();
    vec![FieldDiff::new(path, None, None)]
}

fn cause(class: Class, progress: &Progress) -> Cause {
    let by = match class {
        Class::ControllerFailed | Class::ControllerBehind | Class::Orphan => By::Controller,
        _ => By::AzureOrSomebodyInIt,
    };
    let mut cause = Cause::by(by);
    cause.event = progress.event().cloned();
    cause
}

/// The consumers that are disconnected when it is deleted.
fn approved(node: &Node) -> Vec<String> {
    let approved = node.consumers.iter().filter(|consumer| consumer.status.may_be_connected());
    approved.map(|consumer| consumer.endpoint.clone()).collect()
}

/// Who changed a resource last, or what holds it, as far as Azure tells.
pub(super) fn last_modified(world: &World, id: &ResourceId) -> Option<LastModified> {
    let of = |id: &ResourceId| of_system_data(world.get(id)?.get("systemData"));
    of(id).or_else(|| of(&id.parent()?))
}

/// What `systemData` of a resource says.
pub(super) fn of_system_data(data: Option<&Value>) -> Option<LastModified> {
    let data = data?;
    let text = |field: &str| data.get(field).and_then(Value::as_str).map(ToOwned::to_owned);
    let found = LastModified { by: text("lastModifiedBy"), at: text("lastModifiedAt") };
    (found.by.is_some() || found.at.is_some()).then_some(found)
}

/// An error on one line.
fn brief(text: &str) -> String {
    let line = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>();
    let line = line.join("; ");
    crate::reason::clean(&crate::unknown::show(&line))
}
