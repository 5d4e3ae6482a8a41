//! What a plan comes to in a line, the same in every format: what it does to consumers, then how much.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::style::Label;
use privlink_core::change::{Action, Change};
use privlink_core::node_id::{Kind, NodeId};
use privlink_core::plan::{Counts, Plan, RouteNote, Scope, Summary, disconnected};
use privlink_core::plural::count;
use privlink_core::rule;

/// The one line that says what a plan comes to: the verdict first.
pub fn line(plan: &Plan) -> String {
    let counts = counts(plan);
    let is_harmless = plan.refusals.is_empty() && plan.summary.consumers_disconnected == 0;
    if is_harmless { counts } else { format!("{} {counts}", verdict(plan).0) }
}

/// What happens to consumers, or what holds the plan back, in one sentence, and how bad that is.
pub fn verdict(plan: &Plan) -> (String, Label) {
    let cut = plan.summary.consumers_disconnected;
    let mut refusals: Vec<_> = plan.refusals.iter().collect();
    refusals.sort_by_key(|it| it.code != rule::TOO_MANY_DISCONNECTS);
    match refusals.split_first() {
        Some((first, more)) => {
            let more = match more.len() {
                0 => String::new(),
                1 => "; and for 1 more reason".to_owned(),
                more => format!("; and for {more} more reasons"),
            };
            (format!("Refused (exit 3): {}{more}.", first.message), Label::Error)
        }
        None if cut > 0 => {
            let by = allowed_by(plan);
            let by = if by.is_empty() { by } else { format!(" ({by})") };
            let text = format!("{} will be disconnected{by}.", count(cut, "consumer"));
            (text, Label::Warning)
        }
        None => {
            let label = if deleted_endpoints(plan) > 0 { Label::Warning } else { Label::Success };
            (format!("{}.", nobody(plan)), label)
        }
    }
}

/// That a plan disconnects nobody, but for the endpoints that it deletes on purpose.
pub(crate) fn nobody(plan: &Plan) -> String {
    match deleted_endpoints(plan) {
        0 => "Nobody is disconnected".to_owned(),
        1 => "1 endpoint is deleted; nobody else is disconnected".to_owned(),
        many => format!("{many} endpoints are deleted; nobody else is disconnected"),
    }
}

fn deleted_endpoints(plan: &Plan) -> usize {
    let is_one =
        |it: &&Change| it.action == Action::Delete && it.address.kind == Kind::PrivateEndpoint;
    plan.changes.iter().filter(is_one).count()
}

/// A route, in words: `0 instead of 3 disconnected, in 4 steps`.
pub(crate) fn route(route: RouteNote) -> String {
    let RouteNote { disconnects, at_once, steps } = route;
    format!("{disconnects} instead of {at_once} disconnected, in {}", count(steps, "step"))
}

/// What allows the disconnects of a plan that is not refused.
pub(crate) fn allowed_by(plan: &Plan) -> String {
    if !plan.refusals.is_empty() {
        return String::new();
    }
    let untils: BTreeSet<&str> = plan.consents.iter().map(|it| it.until.as_str()).collect();
    match untils.iter().collect::<Vec<_>>().as_slice() {
        [] => "allowed by number".to_owned(),
        [until] => format!("allowed until {until}"),
        _ => "allowed by name".to_owned(),
    }
}

/// How much of what, who writes it, what is awaited, and what the plan is limited to.
pub fn counts(plan: &Plan) -> String {
    let mut sentences = sentences(plan.is_empty(), plan.summary);
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
    refused: usize,
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
            refused: usize::from(!plan.refusals.is_empty()),
            summary: plan.summary,
            consumers: consumers.map(|consumer| consumer.endpoint.to_lowercase()).collect(),
        }
    }

    /// Adds what it needs of others.
    pub fn add(&mut self, other: &Self) {
        self.plans += other.plans;
        self.changing += other.changing;
        self.refused += other.refused;
        self.summary += other.summary;
        self.consumers.extend(other.consumers.iter().cloned());
    }

    /// How many plans there are.
    pub fn plans(&self) -> usize {
        self.plans
    }

    /// The line.
    pub fn line(&self) -> String {
        self.line_of(self.plans)
    }

    /// The line, of so many stacks, some of which may have no plan.
    pub fn line_of(&self, stacks: usize) -> String {
        let mut all = Vec::new();
        let would = if self.refused > 0 { "would" } else { "will" };
        if self.refused > 0 {
            all.push(format!("{} of {} refused.", self.refused, count(stacks, "stack")));
        }
        if !self.consumers.is_empty() {
            let whom = count(self.consumers.len(), "consumer");
            all.push(format!("{whom} {would} be disconnected."));
        }
        all.extend(sentences(self.changing == 0, self.summary));
        all.join(" ")
    }
}

fn sentences(is_empty: bool, summary: Summary) -> Vec<String> {
    let mut sentences = Vec::new();
    if is_empty {
        sentences.push("No changes.".to_owned());
    } else {
        sentences.extend(written(summary));
    }
    let Summary { awaited, awaiting_approval, .. } = summary;
    if awaited > 0 {
        sentences.push(format!("{} awaited from other tools.", count(awaited, "change")));
    }
    if awaiting_approval > 0 {
        let verb = if awaiting_approval == 1 { "awaits" } else { "await" };
        sentences.push(format!("{} {verb} approval.", count(awaiting_approval, "connection")));
    }
    sentences
}

/// How many objects, what becomes of them, and who writes them.
fn written(summary: Summary) -> Option<String> {
    let Summary { privlink, controller, .. } = summary;
    let mut all = privlink;
    all += controller;
    let Counts { create, update, replace, delete } = all;
    let parts: Vec<String> =
        [(create, "created"), (update, "changed"), (replace, "re-created"), (delete, "deleted")]
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, word)| format!("{number} {word}"))
            .collect();
    if parts.is_empty() {
        return None;
    }
    let who = match (privlink.all(), controller.all()) {
        (0, controller) => format!("privlink itself writes nothing, the controller {controller}"),
        (privlink, 0) => format!(
            "privlink writes {}",
            if privlink == 1 { "it".to_owned() } else { format!("all {privlink}") }
        ),
        (privlink, controller) => {
            format!("privlink writes {privlink}, the controller {controller}")
        }
    };
    Some(format!("{}: {}; {who}.", count(all.all(), "object"), parts.join(", ")))
}

/// What a plan is limited to, if it is.
fn limits(scope: &Scope) -> Option<String> {
    let Scope { targets, excludes, replaces: _ } = scope;
    let names = |addresses: &[NodeId]| {
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

/// A value as people write it: text without quotes.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

/// File, line and column of a place of the form `file:line:column`; the file may hold colons.
pub(crate) fn parts(place: &str) -> Option<(&str, usize, usize)> {
    let mut parts = place.rsplitn(3, ':');
    let column = parts.next()?.parse().ok()?;
    let line = parts.next()?.parse().ok()?;
    Some((parts.next()?, line, column))
}

/// A place without its column.
pub(crate) fn line_of(place: &str) -> String {
    match parts(place) {
        Some((file, line, _)) => format!("{file}:{line}"),
        None => place.to_owned(),
    }
}

/// A place's line.
pub(crate) fn line_number(place: &str) -> Option<usize> {
    parts(place).map(|(_, line, _)| line)
}

#[cfg(test)]
mod tests {
    use privlink_core::change::Actor;

    use super::*;

    #[test]
    fn who_deletes_an_endpoint_is_not_told_that_nobody_is_disconnected() {
        let mut plan = Plan::default();
        assert_eq!(verdict(&plan).0, "Nobody is disconnected.");
        for name in ["one", "other"] {
            let at = NodeId::new(Kind::PrivateEndpoint, name);
            plan.changes.push(Change::new(at, Action::Delete, Actor::Privlink, String::new()));
        }
        assert_eq!(verdict(&plan).0, "2 endpoints are deleted; nobody else is disconnected.");
    }
}
