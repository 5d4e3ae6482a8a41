//! The summary line, the same in every format.

use std::collections::BTreeSet;

use privlink_core::address::Address;
use privlink_core::plan::{Counts, Mode, Plan, Scope, Summary, disconnected};
use privlink_core::plural::count;

/// The one line that says what a plan comes to. Its wording is that of Terraform, which people and
/// scripts know, followed by what only privlink can tell.
pub fn line(plan: &Plan) -> String {
    let mut sentences = sentences(plan.mode, plan.is_empty(), plan.summary);
    sentences.extend(limits(&plan.scope));
    sentences.join(" ")
}

/// The same of several plans together. Consumers are counted once.
pub fn total(plans: &[&Plan]) -> String {
    let mut total = Total::default();
    plans.iter().for_each(|plan| total.add(&Total::of(plan)));
    total.line()
}

/// What the line over several plans needs of them.
#[derive(Clone, Debug, Default)]
pub struct Total {
    plans: usize,
    changing: usize,
    destroying: usize,
    summary: Summary,
    consumers: BTreeSet<String>,
}

impl Total {
    /// What it needs of one plan.
    pub fn of(plan: &Plan) -> Self {
        let consumers = disconnected(&plan.changes).into_iter();
        Self {
            plans: 1,
            changing: usize::from(!plan.is_empty()),
            destroying: usize::from(plan.mode == Mode::Destroy),
            summary: plan.summary,
            consumers: consumers.map(|consumer| consumer.endpoint.to_lowercase()).collect(),
        }
    }

    /// Adds what it needs of others.
    pub fn add(&mut self, other: &Self) {
        self.plans += other.plans;
        self.changing += other.changing;
        self.destroying += other.destroying;
        self.summary += other.summary;
        self.consumers.extend(other.consumers.iter().cloned());
    }

    /// How many plans there are.
    pub fn plans(&self) -> usize {
        self.plans
    }

    /// The line.
    pub fn line(&self) -> String {
        let destroys = self.destroying == self.plans;
        let mode = if destroys { Mode::Destroy } else { Mode::Apply };
        let summary = Summary { consumers_disconnected: self.consumers.len(), ..self.summary };
        sentences(mode, self.changing == 0, summary).join(" ")
    }
}

fn sentences(mode: Mode, is_empty: bool, summary: Summary) -> Vec<String> {
    let Summary { privlink, controller, awaited, consumers_disconnected, awaiting_approval } =
        summary;
    let mut sentences = Vec::new();
    if is_empty {
        sentences.push("No changes.".to_owned());
    } else {
        let Counts { add, change, destroy } = privlink;
        let verb = match mode {
            Mode::Apply => "Plan",
            Mode::Destroy => "Destroy plan",
        };
        sentences.push(format!("{verb}: {add} to add, {change} to change, {destroy} to destroy."));
    }
    let made: Vec<String> =
        [("add", controller.add), ("change", controller.change), ("destroy", controller.destroy)]
            .into_iter()
            .filter(|(_, number)| *number > 0)
            .map(|(verb, number)| format!("{verb} {number}"))
            .collect();
    if !made.is_empty() {
        sentences.push(format!("The controller will {}.", made.join(", ")));
    }
    if awaited > 0 {
        sentences.push(format!("{} awaited from other tools.", count(awaited, "change")));
    }
    if consumers_disconnected > 0 {
        sentences.push(format!("{} disconnected.", count(consumers_disconnected, "consumer")));
    }
    if awaiting_approval > 0 {
        let verb = if awaiting_approval == 1 { "awaits" } else { "await" };
        sentences.push(format!("{} {verb} approval.", count(awaiting_approval, "connection")));
    }
    sentences
}

/// What a plan is limited to, if it is.
fn limits(scope: &Scope) -> Option<String> {
    let Scope { targets, excludes, replaces: _ } = scope;
    let names = |addresses: &[Address]| {
        addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    match (targets.is_empty(), excludes.is_empty()) {
        (true, true) => None,
        (false, true) => Some(format!("Limited to {} and what it needs.", names(targets))),
        (true, false) => Some(format!("Left out: {} and what needs it.", names(excludes))),
        (false, false) => Some(format!(
            "Limited to {} and what it needs, without {} and what needs it.",
            names(targets),
            names(excludes)
        )),
    }
}
