//! Safety rules: what a plan must not do unless somebody says so.

use crate::address::Address;
use crate::change::{Action, Actor, Change};
use crate::code::Code;
use crate::diagnostic::Severity;
use crate::diff::Input;
use crate::plan::{Finding, Mode, Refusal, disconnected};
use crate::render::summary::count;

/// Checks the changes against the Stack's policy and the flags that override it.
pub fn check(input: &Input<'_>, changes: &[Change]) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    refusals.extend(disconnects(input, changes));
    refusals.extend(deletes(input, changes));
    refusals.extend(protected(input, changes));
    refusals
}

/// Consumers that are cut off: none, unless the policy or the flag allows for some.
fn disconnects(input: &Input<'_>, changes: &[Change]) -> Option<Refusal> {
    let policy =
        input.desired.stack.as_ref().and_then(|stack| stack.policy.max_disconnects.as_ref());
    let allowed = input
        .options
        .max_disconnects
        .or_else(|| policy.and_then(|limit| usize::try_from(limit.value).ok()))
        .unwrap_or(0);
    let cut = disconnected(changes).len();
    (cut > allowed).then(|| Refusal {
        code: Code::TooManyDisconnects,
        message: format!("{} would be cut off; {allowed} may be", count(cut, "consumer")),
        overridden_by: format!("--max-disconnects {cut}, or maxDisconnects of the Stack"),
    })
}

/// Nodes that privlink deletes or replaces.
fn deletes(input: &Input<'_>, changes: &[Change]) -> Option<Refusal> {
    let policy = input.desired.stack.as_ref().and_then(|stack| stack.policy.max_deletes.as_ref());
    let allowed = input
        .options
        .max_deletes
        .or_else(|| policy.and_then(|limit| usize::try_from(limit.value).ok()))?;
    if input.options.mode == Mode::Destroy {
        return None;
    }
    let gone = changes
        .iter()
        .filter(|change| change.actor == Actor::Privlink)
        .filter(|change| matches!(change.action, Action::Delete | Action::Replace))
        .count();
    (gone > allowed).then(|| Refusal {
        code: Code::TooManyDeletes,
        message: format!("{} would be deleted; {allowed} may be", count(gone, "object")),
        overridden_by: format!("--max-deletes {gone}, or maxDeletes of the Stack"),
    })
}

/// Nodes the Stack protects.
fn protected(input: &Input<'_>, changes: &[Change]) -> Vec<Refusal> {
    let Some(stack) = &input.desired.stack else { return Vec::new() };
    let protects = |address: &Address| {
        let name = address.to_string();
        stack.policy.protect.iter().any(|it| it.value == name)
            && !input.options.unprotect.contains(&name)
    };
    changes
        .iter()
        .filter(|change| matches!(change.action, Action::Delete | Action::Replace))
        .filter(|change| protects(&change.address))
        .map(|change| Refusal {
            code: Code::Protected,
            message: format!("{} is protected and would go", change.address),
            overridden_by: format!("--unprotect {}", change.address),
        })
        .collect()
}

/// Findings that are errors hold a plan back: what is predicted is not what anybody wants.
pub fn findings(input: &Input<'_>, findings: &[Finding]) -> Vec<Refusal> {
    findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .filter(|finding| !input.options.accept.contains(&finding.code))
        .map(|finding| Refusal {
            code: finding.code,
            message: format!("{}: {}", finding.address, finding.message),
            overridden_by: format!("--accept {}", finding.code),
        })
        .collect()
}
