//! Desired Services against live ones.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::change::{Actor, FieldDiff};
use crate::compare;
use crate::desired;
use crate::input::Input;
use crate::kubernetes::defaults::{self, Marks, Network};
use crate::kubernetes::managers;
use crate::kubernetes::server_side_apply::{self, Manager, SERVICE, Writer};
use crate::kubernetes::service::Key;
use crate::marks::FIELD_MANAGER;
use crate::node::service::{actor, address, comparable, mark, stack_of};
use crate::snapshot::Reading;
use crate::unknown;

use super::Look;
use super::class::Class;
use super::gathered::{Gathered, difference, fields};
use super::repair::word;
use super::report::{By, Cause, Difference, Heals};
use super::writer::{Writers, is_own};

/// What the controller reads begins so.
const ANNOTATION: &str = "metadata.annotations[\"service.beta.kubernetes.io/azure-";

/// Compares all Services.
pub(super) fn compare(input: &Input<'_>, look: &Look<'_>, gathered: &mut Gathered) {
    if matches!(input.snapshot.kubernetes.services, Reading::Unreadable(_)) {
        gathered.unreadable_nodes.extend(input.desired.services.keys().map(address));
        return;
    }
    let live = input.snapshot.kubernetes.services_by_key();
    for (key, wanted) in &input.desired.services {
        match live.get(key) {
            None => gathered.push(missing(input, look, key)),
            Some(live) => one(input, look, (key, wanted), live, gathered),
        }
    }
    let stack = input.desired.name.as_str();
    let leaving = live.iter().filter(|(key, object)| {
        stack_of(object) == Some(stack) && !input.desired.services.contains_key(key)
    });
    for (key, object) in leaving.filter(|_| input.prunes()) {
        gathered.push(orphan(look, key, object));
    }
}

fn missing(input: &Input<'_>, look: &Look<'_>, key: &Key) -> Difference {
    let at = address(key);
    let before = look.since.and_then(|since| since.identity(&at, &key.to_string()).zip(since.at()));
    let external = matches!(actor(input, None), Actor::External(_));
    let (message, mut cause) = match before {
        Some(_) => ("it is gone from the cluster", Cause::by(By::SomebodyInKubernetes)),
        None => (
            "it is not in the cluster: it was never applied, or somebody deleted it",
            Cause::by(By::Unknown),
        ),
    };
    cause.after = before.map(|(_, at)| at.to_owned());
    let mut difference = difference(Class::Missing, &at, Some(&key.to_string()), message, cause);
    if external {
        difference.heals = Heals::Tool;
    } else {
        difference.repair = Some(look.apply.to_owned());
    }
    difference
}

fn orphan(look: &Look<'_>, key: &Key, object: &Value) -> Difference {
    let message = "it carries the stack's label, and is not in desired state";
    let mut cause = Cause::by(By::DesiredState);
    cause.at = object
        .pointer("/metadata/creationTimestamp")
        .and_then(Value::as_str)
        .map(ToOwned::to_owned);
    let mut difference =
        difference(Class::Orphan, &address(key), Some(&key.to_string()), message, cause);
    difference.repair = Some(format!("{}  # deletes it", look.apply));
    difference
}

/// Fields that one writer, or nobody known, made differ.
type Groups = BTreeMap<(Class, Option<(String, String)>), Vec<FieldDiff>>;

fn one(
    input: &Input<'_>,
    look: &Look<'_>,
    (key, wanted): (&Key, &desired::Service),
    live: &Value,
    gathered: &mut Gathered,
) {
    let actor = actor(input, Some(live));
    let mut manifest = wanted.manifest.clone();
    if actor == Actor::Privlink {
        mark(&mut manifest, &input.desired.name);
    }
    let network = Network { ip_families: input.facts.ip_families.clone() };
    let Some(stored) = merged(Some(live), &manifest, &actor) else { return };
    let stored = defaults::update(stored, live, &network, &mut Marks);
    let differing = compare::fields(Some(&comparable(live)), Some(&comparable(&stored)));
    let added = added(live, &manifest, &differing, &network);
    let writers = Writers::of(live);
    let mut groups = Groups::new();
    for field in differing {
        let (class, by) = blame(&writers, &field, &actor, look, key, live);
        groups.entry((class, by)).or_default().push(field);
    }
    for field in added {
        let owners = writers.owners(&field.path);
        if let Some(owner) = owners.iter().rev().find(|it| !is_own(it) && !keeps(&actor, it)) {
            let by = Some((owner.name.clone(), owner.time.clone()));
            groups.entry((Class::EditedInKubernetes, by)).or_default().push(field);
        }
    }
    let adopted = stack_of(live) == Some(input.desired.name.as_str());
    for ((class, by), diffs) in groups {
        gathered.push(edited(look, key, (&actor, adopted), (class, by), diffs));
    }
}

fn merged(live: Option<&Value>, manifest: &Value, actor: &Actor) -> Option<Value> {
    let manager = match actor {
        Actor::External(tool) => tool,
        _ => FIELD_MANAGER,
    };
    let writer = Writer { manager, api_version: "v1", time: "", subresource: None };
    server_side_apply::apply(&SERVICE, live, manifest, &writer, true).ok()
}

/// What is set on the live Service that the manifest alone would not set: an apply leaves fields of
/// others alone, so they are no change of a plan, and all the same they may be somebody's edit. Only
/// what the controller looks at counts, and only if it is not what the API server fills in.
fn added(
    live: &Value,
    manifest: &Value,
    differing: &[FieldDiff],
    network: &Network,
) -> Vec<FieldDiff> {
    let Some(alone) = merged(None, manifest, &Actor::Privlink) else { return Vec::new() };
    // Node ports are handed out.
    let shown = |object: &Value| without_node_ports(comparable(object));
    let alone = shown(&defaults::create(alone, network, &mut Marks));
    let is_unknown = |field: &FieldDiff| {
        field.after.as_ref().is_some_and(|value| unknown::is_unknown(&value.to_string()))
    };
    let told = |field: &FieldDiff| differing.iter().any(|it| it.path == field.path);
    let handed_out = ["spec.clusterIP", "spec.healthCheckNodePort", "spec.ipFamil"];
    compare::fields(Some(&shown(live)), Some(&alone))
        .into_iter()
        .filter(|field| field.path.starts_with(ANNOTATION) || field.path.starts_with("spec."))
        .filter(|field| !handed_out.iter().any(|path| field.path.starts_with(path)))
        .filter(|field| !is_unknown(field) && !told(field))
        .collect()
}

fn without_node_ports(mut object: Value) -> Value {
    let ports = object.pointer_mut("/spec/ports").and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
        port.shift_remove("nodePort");
    }
    object
}

/// Whether a manager is the tool that keeps the Service.
fn keeps(actor: &Actor, manager: &Manager) -> bool {
    let tool = managers::tool_of(&manager.name).map(|tool| tool.to_string());
    matches!(actor, Actor::External(name) if *name == manager.name || Some(name) == tool.as_ref())
}

/// Who made a field differ: its owner, if that is somebody else; for one that was taken away whoever
/// wrote after privlink; and else nobody, so that it was not applied.
fn blame(
    writers: &Writers,
    field: &FieldDiff,
    actor: &Actor,
    look: &Look<'_>,
    key: &Key,
    live: &Value,
) -> (Class, Option<(String, String)>) {
    let edited =
        |by: &Manager| (Class::EditedInKubernetes, Some((by.name.clone(), by.time.clone())));
    let owners = writers.owners(&field.path);
    let other = |it: &&&Manager| !is_own(it) && !keeps(actor, it);
    // What kubectl wrote before the stack took the Service over is no edit of the stack's Service.
    let is_ours = stack_of(live).is_some() || matches!(actor, Actor::External(_));
    if let Some(owner) = owners.iter().rev().find(other).filter(|_| is_ours) {
        return edited(owner);
    }
    let was_as_wanted = look.since.is_some_and(|since| {
        since.service_field(&key.to_string(), &field.path).as_ref() == field.after.as_ref()
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
    key: &Key,
    (actor, adopted): (&Actor, bool),
    (class, by): (Class, Option<(String, String)>),
    diffs: Vec<FieldDiff>,
) -> Difference {
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
            "it exists, and this stack did not make it".to_owned(),
            Cause::by(By::DesiredState),
        ),
        _ => (
            "desired state says what was not applied, or somebody took it away, which leaves no trace"
                .to_owned(),
            Cause::by(By::DesiredState),
        ),
    };
    let mut difference = difference(class, &address(key), Some(&key.to_string()), message, cause);
    difference.heals = if external { Heals::Tool } else { Heals::No };
    difference.repair = Some(repair(look, key, (external, adopted), (class, &diffs)));
    difference.fields = fields(diffs);
    difference
}

/// An apply takes nothing from another manager: what somebody set must be taken back first.
fn repair(
    look: &Look<'_>,
    key: &Key,
    (external, adopted): (bool, bool),
    (class, diffs): (Class, &[FieldDiff]),
) -> String {
    if external {
        return "let the tool that keeps the Service sync it, or write the change where it reads"
            .to_owned();
    }
    if class != Class::EditedInKubernetes {
        let adopt = if adopted { "" } else { " --adopt" };
        return format!("{}{adopt}", look.apply);
    }
    let (namespace, name) = (word(&key.namespace), word(&key.name));
    let annotations: Vec<String> = diffs
        .iter()
        .filter(|field| field.before.is_some())
        .filter_map(|field| field.path.strip_prefix("metadata.annotations[")?.strip_suffix(']'))
        .filter_map(|quoted| serde_json::from_str::<String>(quoted).ok())
        .map(|annotation| word(&format!("{annotation}-")))
        .collect();
    let set_elsewhere = diffs
        .iter()
        .any(|field| field.before.is_some() && !field.path.starts_with("metadata.annotations["));
    let mut commands = Vec::new();
    if !annotations.is_empty() {
        let annotations = annotations.join(" ");
        commands.push(format!("kubectl annotate service -n {namespace} {name} {annotations}"));
    }
    if set_elsewhere {
        commands.push(format!("kubectl edit service -n {namespace} {name}"));
    }
    commands.push(look.apply.to_owned());
    commands.join(" && ")
}
