//! Desired Services against live ones.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::change::{Actor, FieldDiff};
use crate::diff::service::is_left_behind;
use crate::input::Input;
use crate::join::{self, Service, Set};
use crate::kubernetes::server_side_apply::Manager;
use crate::kubernetes::service::Key;
use crate::node::service::{address, stack_of};

use super::Class;
use super::Look;
use super::gathered::{Gathered, difference, fields};
use super::repair::{self, Repair};
use super::report::{By, Cause, Difference, Heals};
use crate::unknown;
use crate::writer::{Writers, is_own};
use privlink_model::gateway::made_of;

/// Compares all Services.
pub(super) fn compare(input: &Input<'_>, look: &Look<'_>, gathered: &mut Gathered) {
    if input.live.services_unread().is_some() {
        gathered.unreadable_nodes.extend(input.wanted.keys().map(address));
        return;
    }
    for service in join::services(input) {
        match service.live {
            None => gathered.push(missing(look, &service)),
            Some(live) => differing(look, &service, live, gathered),
        }
    }
    let stack = input.wanted.name();
    let leaving = input
        .live
        .service_objects()
        .filter(|(key, object)| stack_of(object) == Some(stack) && !input.wanted.has(key));
    for (key, object) in leaving.filter(|_| input.prunes()) {
        gathered.push(orphan(input, look, key, object));
    }
}

fn missing(look: &Look<'_>, service: &Service<'_>) -> Difference {
    let Service { key, at, actor, .. } = service;
    let before = look.since.and_then(|since| since.identity(at, &key.to_string()).zip(since.at()));
    let external = matches!(actor, Actor::External(_));
    let (message, mut cause) = match before {
        Some(_) => ("it is gone from the cluster", Cause::by(By::SomebodyInKubernetes)),
        None => (
            "it is not in the cluster: it was never applied, or somebody deleted it",
            Cause::by(By::Unknown),
        ),
    };
    cause.after = before.map(|(_, at)| at.to_owned());
    let mut difference = difference(Class::Missing, at, Some(&key.to_string()), message, cause);
    if external {
        difference.heals = Heals::Tool;
    } else {
        difference.repair = Some(Repair::apply(look.apply));
    }
    difference
}

fn orphan(input: &Input<'_>, look: &Look<'_>, key: &Key, object: &Value) -> Difference {
    let message = "it carries the stack's label, and is not in desired state";
    let mut cause = Cause::by(By::DesiredState);
    cause.at = object
        .pointer("/metadata/creationTimestamp")
        .and_then(Value::as_str)
        .map(ToOwned::to_owned);
    let mut difference =
        difference(Class::Orphan, &address(key), Some(&key.to_string()), message, cause);
    if is_left_behind(input, object) {
        difference.repair = Some(Repair::advice(
            "Its Gateway comes to another Service or to none, and its controller leaves this one: move who is connected, and \
             delete it.",
        ));
    } else if made_of(object).is_some() {
        difference.heals = Heals::Tool;
    } else {
        difference.repair = Some(Repair::apply(look.apply).saying("deletes it"));
    }
    difference
}

/// Fields that one writer, or nobody known, made differ.
type Groups = BTreeMap<(Class, Option<(String, String)>), Vec<FieldDiff>>;

fn differing(look: &Look<'_>, service: &Service<'_>, live: &Value, gathered: &mut Gathered) {
    let (Some(differing), Some(writers)) = (service.differing(), service.writers()) else { return };
    let mut groups = Groups::new();
    for Set { field, manager, time } in service.set_by_hand(&differing) {
        let by = Some((manager, time));
        groups.entry((Class::EditedInKubernetes, by)).or_default().push(field);
    }
    let mut blamed = Groups::new();
    let is_handed_out = |it: &FieldDiff| {
        it.after.as_ref().is_some_and(|value| unknown::is_unknown(&value.to_string()))
    };
    // What the API server hands out follows from another field, such as the type.
    let follows = !differing.iter().all(is_handed_out);
    for field in differing.into_iter().filter(|it| !(follows && is_handed_out(it))) {
        let (class, by) = blame(look, service, (&writers, live), &field);
        blamed.entry((class, by)).or_default().push(field);
    }
    for (group, set) in groups {
        blamed.entry(group).or_default().extend(set);
    }
    for ((class, by), diffs) in blamed {
        gathered.push(edited(look, service, (class, by), diffs));
    }
}

/// Who made a field differ: its owner, if that is somebody else; for one that was taken away whoever
/// wrote after privlink; and else nobody, so that it was not applied.
fn blame(
    look: &Look<'_>,
    service: &Service<'_>,
    (writers, live): (&Writers, &Value),
    field: &FieldDiff,
) -> (Class, Option<(String, String)>) {
    let edited =
        |by: &Manager| (Class::EditedInKubernetes, Some((by.name.clone(), by.time.clone())));
    let owners = writers.owners(&field.path);
    let other = |it: &&&Manager| !is_own(it) && !service.keeps(it);
    // What kubectl wrote before the stack took the Service over is no edit of the stack's Service.
    let is_ours = stack_of(live).is_some() || matches!(service.actor, Actor::External(_));
    if let Some(owner) = owners.iter().rev().find(other).filter(|_| is_ours) {
        return edited(owner);
    }
    let was_as_wanted = look.since.is_some_and(|since| {
        since.service_field(&service.key.to_string(), &field.path).as_ref() == field.after.as_ref()
    });
    if owners.is_empty() && is_ours && (was_as_wanted || field.after.is_some()) {
        if let Some(later) = writers.later_than_own() {
            return edited(later);
        }
        if was_as_wanted {
            return (Class::EditedInKubernetes, None);
        }
    }
    (Class::NotApplied, None)
}

fn edited(
    look: &Look<'_>,
    service: &Service<'_>,
    (class, by): (Class, Option<(String, String)>),
    diffs: Vec<FieldDiff>,
) -> Difference {
    let Service { key, at, actor, .. } = service;
    let adopted = service.is_ours();
    let external = matches!(actor, Actor::External(_));
    let (message, cause) = match (class, &by) {
        (Class::EditedInKubernetes, Some((manager, time))) => {
            let mut cause = Cause::by(By::SomebodyInKubernetes);
            cause.manager = Some(manager.clone());
            cause.at = (!time.is_empty()).then(|| time.clone());
            ("it was edited in Kubernetes".to_owned(), cause)
        }
        (Class::EditedInKubernetes, None) => {
            let mut cause = Cause::by(By::SomebodyInKubernetes);
            cause.after = look.since.and_then(|since| since.at()).map(ToOwned::to_owned);
            ("it was edited in Kubernetes; a removal leaves no field manager".to_owned(), cause)
        }
        _ if external => {
            let message = format!("{} has not written this yet", actor.as_str());
            (message, Cause::by(By::Tool))
        }
        _ if !adopted => (
            "it exists, and this stack did not create it".to_owned(),
            Cause::by(By::DesiredState),
        ),
        _ => (
            "desired state says what was not applied, or somebody removed it, which leaves no trace"
                .to_owned(),
            Cause::by(By::DesiredState),
        ),
    };
    let mut difference = difference(class, at, Some(&key.to_string()), message, cause);
    difference.heals = if external { Heals::Tool } else { Heals::No };
    difference.repair = Some(self::repair(look, key, (external, adopted), (class, &diffs)));
    difference.fields = fields(diffs);
    difference
}

/// An apply takes nothing from another manager: what somebody set must be taken back first.
fn repair(
    look: &Look<'_>,
    key: &Key,
    (external, adopted): (bool, bool),
    (class, diffs): (Class, &[FieldDiff]),
) -> Repair {
    if external {
        return Repair::advice(
            "let the tool that keeps the Service sync it, or write the change where it reads",
        );
    }
    if class != Class::EditedInKubernetes {
        let apply = if adopted { repair::apply } else { repair::adopt };
        return Repair::command(apply(look.apply));
    }
    let annotations: Vec<String> = diffs
        .iter()
        .filter(|field| field.before.is_some())
        .filter_map(|field| field.path.strip_prefix("metadata.annotations[")?.strip_suffix(']'))
        .filter_map(|quoted| serde_json::from_str::<String>(quoted).ok())
        .collect();
    let set_elsewhere = diffs
        .iter()
        .any(|field| field.before.is_some() && !field.path.starts_with("metadata.annotations["));
    let mut commands = Vec::new();
    if !annotations.is_empty() {
        let annotations: Vec<&str> = annotations.iter().map(String::as_str).collect();
        commands.push(repair::unannotate(key, &annotations));
    }
    if set_elsewhere {
        commands.push(repair::edit(key));
    }
    commands.push(repair::apply(look.apply));
    Repair { commands, ..Repair::default() }
}
