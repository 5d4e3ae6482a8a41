//! What somebody set by hand on a Service of the stack and an apply leaves alone: server-side apply takes
//! nothing from another field manager, so it is no change of a plan. Plan and drift tell of it alike.

use std::collections::BTreeSet;

use crate::join::{Join, Set};
use crate::plan::Finding;
use crate::rule::{Example, basis, rules};
use crate::writer::Writers;

/// What a plan says of the fields of the stack's live Services that were set by hand: one line for each.
pub(crate) fn find(join: &Join<'_>) -> Vec<Finding> {
    let input = join.input;
    let mut findings = Vec::new();
    for service in join.services().iter().filter(|service| input.covers(&service.at)) {
        let has_others = service.live.is_some_and(Writers::has_others);
        if !service.is_ours() || input.replaces(&service.at) || !has_others {
            continue;
        }
        let differing = service.differing();
        let set = differing.map(|differing| service.set_by_hand(&differing)).unwrap_or_default();
        if !set.is_empty() {
            findings.push(Finding::new(SET_BY_HAND, service.at.clone(), message(&set)));
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
