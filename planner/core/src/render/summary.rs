//! The summary line, the same in every format.

use crate::plan::{Counts, Mode, Plan, Summary};

/// `1 consumer`, `2 consumers`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// The one line that says what a plan comes to. Its wording is that of Terraform, which people and
/// scripts know, followed by what only privlink can tell.
pub fn line(plan: &Plan) -> String {
    sentences(plan.mode, plan.is_empty(), plan.summary)
}

/// The one line for several plans together.
pub fn total<'a>(mode: Mode, plans: impl IntoIterator<Item = &'a Total>) -> String {
    let mut all = Total::default();
    let mut stacks = 0;
    for plan in plans {
        stacks += 1;
        all.is_empty &= plan.is_empty;
        all.summary += plan.summary;
    }
    format!("{}. {}", count(stacks, "stack"), sentences(mode, all.is_empty, all.summary))
}

/// What the line over several plans needs of one.
#[derive(Clone, Copy, Debug)]
pub struct Total {
    is_empty: bool,
    summary: Summary,
}

impl Default for Total {
    fn default() -> Self {
        Self { is_empty: true, summary: Summary::default() }
    }
}

impl From<&Plan> for Total {
    fn from(plan: &Plan) -> Self {
        Self { is_empty: plan.is_empty(), summary: plan.summary }
    }
}

fn sentences(mode: Mode, is_empty: bool, summary: Summary) -> String {
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
    sentences.join(" ")
}
