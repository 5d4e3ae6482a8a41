//! What somebody set by hand on a Service of the stack and an apply leaves alone: server-side apply takes
//! nothing from another field manager, so it is no change of a plan. Plan and drift tell of it alike.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::change::{Actor, FieldDiff};
use crate::compare;
use crate::desired;
use crate::input::Input;
use crate::kubernetes::defaults::{self, Marks, Network};
use crate::kubernetes::managers;
use crate::kubernetes::server_side_apply::{self, Manager, SERVICE, Writer};
use crate::marks::FIELD_MANAGER;
use crate::node::service::{actor, address, comparable, mark, stack_of};
use crate::plan::Finding;
use crate::rule::{Example, basis, rules};
use crate::unknown;
use crate::writer::{Writers, is_own};

/// What the controller reads begins so.
const ANNOTATION: &str = "metadata.annotations[\"service.beta.kubernetes.io/azure-";

/// A desired Service beside the live one.
pub(crate) struct Compared<'a> {
    live: &'a Value,
    /// Who writes it.
    pub(crate) actor: Actor,
    /// Who wrote which of its fields.
    pub(crate) writers: Writers,
    /// What an apply would change of it.
    pub(crate) differing: Vec<FieldDiff>,
    manifest: Value,
    network: Network,
}

/// A field that stays as somebody set it.
pub(crate) struct Set {
    /// The field, from what it is to what the manifest alone would make it.
    pub(crate) field: FieldDiff,
    /// The field manager that set it.
    pub(crate) manager: String,
    /// When, in RFC 3339.
    pub(crate) time: String,
}

impl<'a> Compared<'a> {
    /// Compares; nothing if the manifest cannot be merged at all.
    pub(crate) fn of(
        input: &Input<'_>,
        wanted: &desired::Service,
        live: &'a Value,
        actor: Actor,
    ) -> Option<Self> {
        let mut manifest = wanted.manifest.clone();
        if actor == Actor::Privlink {
            mark(&mut manifest, &input.desired.name);
        }
        let network = Network { ip_families: input.facts.ip_families.clone() };
        let stored =
            defaults::update(merged(Some(live), &manifest, &actor)?, live, &network, &mut Marks);
        let differing = compare::fields(Some(&comparable(live)), Some(&comparable(&stored)));
        Some(Self { live, actor, writers: Writers::of(live), differing, manifest, network })
    }

    /// What somebody else set and an apply leaves.
    pub(crate) fn set_by_hand(&self) -> Vec<Set> {
        if !self.writers.any(|manager| !is_own(manager) && !keeps(&self.actor, manager)) {
            return Vec::new();
        }
        let of = |field: FieldDiff| {
            let owners = self.writers.owners(&field.path);
            let others = |it: &&&Manager| !is_own(it) && !keeps(&self.actor, it);
            let Manager { name, time, .. } = owners.iter().rev().find(others)?;
            Some(Set { field, manager: name.clone(), time: time.clone() })
        };
        self.added().into_iter().filter_map(of).collect()
    }

    /// What is set on the live Service that the manifest alone would not set. Only what the controller looks
    /// at counts, and only if it is not what the API server fills in.
    fn added(&self) -> Vec<FieldDiff> {
        let Some(alone) = merged(None, &self.manifest, &Actor::Privlink) else { return Vec::new() };
        // Node ports are handed out.
        let shown = |object: &Value| without_node_ports(comparable(object));
        let alone = shown(&defaults::create(alone, &self.network, &mut Marks));
        let is_unknown = |field: &FieldDiff| {
            field.after.as_ref().is_some_and(|value| unknown::is_unknown(&value.to_string()))
        };
        let is_change = |field: &FieldDiff| self.differing.iter().any(|it| it.path == field.path);
        let handed_out = ["spec.clusterIP", "spec.healthCheckNodePort", "spec.ipFamil"];
        compare::fields(Some(&shown(self.live)), Some(&alone))
            .into_iter()
            .filter(|field| field.path.starts_with(ANNOTATION) || field.path.starts_with("spec."))
            .filter(|field| !handed_out.iter().any(|path| field.path.starts_with(path)))
            .filter(|field| !is_unknown(field) && !is_change(field))
            .collect()
    }
}

/// Whether a manager is the tool that keeps the Service.
pub(crate) fn keeps(actor: &Actor, manager: &Manager) -> bool {
    let tool = managers::tool_of(&manager.name).map(|tool| tool.to_string());
    matches!(actor, Actor::External(name) if *name == manager.name || Some(name) == tool.as_ref())
}

fn merged(live: Option<&Value>, manifest: &Value, actor: &Actor) -> Option<Value> {
    let manager = match actor {
        Actor::External(tool) => tool,
        _ => FIELD_MANAGER,
    };
    let writer = Writer { manager, api_version: "v1", time: "", subresource: None };
    server_side_apply::apply(&SERVICE, live, manifest, &writer, true).ok()
}

fn without_node_ports(mut object: Value) -> Value {
    let ports = object.pointer_mut("/spec/ports").and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
        port.shift_remove("nodePort");
    }
    object
}

/// What a plan says of the fields of the stack's live Services that were set by hand: one line for each.
pub(crate) fn find(input: &Input<'_>) -> Vec<Finding> {
    let live = input.snapshot.kubernetes.services_by_key();
    let mut findings = Vec::new();
    for (key, wanted) in &input.desired.services {
        let at = address(key);
        let Some(live) = live.get(key).filter(|_| input.covers(&at)) else { continue };
        let actor = actor(input, Some(live));
        let ours = stack_of(live) == Some(input.desired.name.as_str());
        if !ours || input.replaces(&at) || !Writers::has_others(live) {
            continue;
        }
        let set = Compared::of(input, wanted, live, actor).map(|it| it.set_by_hand());
        let set = set.unwrap_or_default();
        if !set.is_empty() {
            findings.push(Finding::new(SET_BY_HAND, at, message(&set)));
        }
    }
    findings
}

fn message(set: &[Set]) -> String {
    let is_annotation = |it: &&Set| it.field.path.starts_with("metadata.annotations[");
    let annotations = set.iter().filter(is_annotation).count();
    let count = |noun: &str, number: usize| match number {
        0 => None,
        1 => Some(format!("1 {noun}")),
        _ => Some(format!("{number} {noun}s")),
    };
    let parts = [count("annotation", annotations), count("field", set.len() - annotations)];
    let what: Vec<String> = parts.into_iter().flatten().collect();
    let verbs = if set.len() == 1 { ["was", "stays"] } else { ["were", "stay"] };
    let managers: BTreeSet<&str> = set.iter().map(|it| it.manager.as_str()).collect();
    let managers = managers.into_iter().collect::<Vec<_>>().join(", ");
    format!(
        "{} {} set by hand and {} ({managers}): privlink drift",
        what.join(" and "),
        verbs[0],
        verbs[1]
    )
}

rules! {
    /// Somebody set annotations of the controller or fields of `spec` on a live Service of the stack, with
    /// a field manager of their own. Server-side apply takes nothing from another manager, so an apply
    /// leaves them, and the plan changes nothing of them. Drift shows each with who set it and when.
    SET_BY_HAND = "set-by-hand", Note, [Desired, Live], {
        basis: basis::APPLY,
        advice: "`privlink drift` prints how to undo each. To keep one, write it into the manifest.",
        example: Example::live(
            r#"service.beta.kubernetes.io/azure-pls-proxy-protocol: "true"   # kubectl annotate; not in the manifest"#,
        ),
    }
}
