//! The summary line, the same in every format.

use std::collections::BTreeSet;

use crate::address::Address;
use crate::plan::{Counts, Mode, Plan, Scope, Summary, disconnected};

/// `1 consumer`, `2 consumers`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// The one line that says what a plan comes to. Its wording is that of Terraform, which people and
/// scripts know, followed by what only privlink can tell.
pub fn line(plan: &Plan) -> String {
    let mut sentences = sentences(plan.mode, plan.is_empty(), plan.summary);
    sentences.extend(limits(&plan.scope));
    sentences.join(" ")
}

/// The same of several plans together. Consumers are counted once.
pub fn total(plans: &[&Plan]) -> String {
    let mut sum = Summary::default();
    let mut consumers = BTreeSet::new();
    for plan in plans {
        let one = &plan.summary;
        for (all, some) in
            [(&mut sum.privlink, one.privlink), (&mut sum.controller, one.controller)]
        {
            all.add += some.add;
            all.change += some.change;
            all.destroy += some.destroy;
        }
        sum.awaited += one.awaited;
        sum.awaiting_approval += one.awaiting_approval;
        let endpoints = disconnected(&plan.changes).into_iter();
        consumers.extend(endpoints.map(|consumer| consumer.endpoint.to_lowercase()));
    }
    sum.consumers_disconnected = consumers.len();
    let destroys = plans.iter().all(|plan| plan.mode == Mode::Destroy);
    let mode = if destroys { Mode::Destroy } else { Mode::Apply };
    sentences(mode, plans.iter().all(|plan| plan.is_empty()), sum).join(" ")
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
