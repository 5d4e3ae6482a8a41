//! How the stacks of a report stand to each other: the worst first.

use privlink_core::drift::{StackReport, State, Urgency, Weight};
use privlink_core::names::natural;

use crate::fleet::Row;
use crate::style::Label;

/// How a stack stands, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// Something could not be read, and so nobody knows.
    Unread,
    /// Something does not work now.
    Broken,
    /// Something differs.
    Drifted,
    /// There is something to say, and no drift.
    Noted,
    /// It is as it should be.
    Quiet,
}

impl Standing {
    pub(super) fn of(stack: &StackReport) -> Self {
        let is_broken = |stack: &StackReport| {
            stack
                .counted()
                .any(|it| it.class.urgency() == Urgency::Broken && it.weight == Weight::Drift)
        };
        match stack {
            _ if !stack.is_complete() => Self::Unread,
            _ if is_broken(stack) => Self::Broken,
            _ if stack.count(Weight::Drift) > 0 => Self::Drifted,
            _ if is_quiet(stack) => Self::Quiet,
            _ => Self::Noted,
        }
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Unread => "not read",
            Self::Broken => "broken now",
            Self::Drifted => "drifted",
            Self::Noted => "to note",
            Self::Quiet => NO_DRIFT,
        }
    }

    pub(super) const fn label(self) -> Label {
        match self {
            Self::Unread | Self::Broken => Label::Error,
            Self::Drifted => Label::Warning,
            Self::Noted | Self::Quiet => Label::Faint,
        }
    }
}

/// What stacks are called that are as they should be.
pub(super) const NO_DRIFT: &str = "no drift";

/// Whether nothing is to be said of a stack.
pub(super) fn is_quiet(stack: &StackReport) -> bool {
    stack.is_complete()
        && stack.differences.is_empty()
        && stack.unused_ignores.is_empty()
        && stack.gone.is_empty()
        && stack.nodes.iter().all(|it| it.state == State::InSync)
}

/// The stacks, the worst first, then as people sort their paths.
pub(super) fn sorted(stacks: &[StackReport]) -> Vec<&StackReport> {
    let mut sorted: Vec<&StackReport> = stacks.iter().collect();
    sorted.sort_by(|one, other| {
        let rank = |it: &StackReport| (Standing::of(it), usize::MAX - it.count(Weight::Drift));
        let by_path =
            || natural(&one.source, &other.source).then_with(|| one.stack.cmp(&other.stack));
        rank(one).cmp(&rank(other)).then_with(by_path)
    });
    sorted
}

/// The row of a stack in a table.
pub(super) fn row(folder: &str, stack: &StackReport) -> Row {
    let standing = Standing::of(stack);
    let below = stack.below(folder);
    Row {
        word: standing.word(),
        label: standing.label(),
        path: if below.is_empty() { stack.stack.clone() } else { below.to_owned() },
        said: said(stack),
    }
}

/// What is to be said of a stack, in a line.
fn said(stack: &StackReport) -> String {
    if let Some(first) = stack.error.as_deref().and_then(|it| it.lines().next()) {
        return first.to_owned();
    }
    let mut parts = Vec::new();
    if let Some(unread) = stack.unreadable.first() {
        parts.push(format!("{}: {}", unread.what, unread.why));
    }
    let differ = super::how_many(&[stack]);
    parts.extend((!differ.is_empty()).then_some(differ));
    let new = stack.counted().filter(|it| it.is_new).count();
    let ignored = stack.differences.iter().filter(|it| it.ignored.is_some()).count();
    let counts = [
        (new, "new"),
        (stack.count(Weight::Unverified), "unverified"),
        (stack.count(Weight::Note), "to note"),
        (ignored, "ignored"),
        (stack.unused_ignores.len(), "unused in ignoreDrift"),
        (stack.gone.len(), "gone"),
    ];
    parts.extend(
        counts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}")),
    );
    parts.join("; ")
}
