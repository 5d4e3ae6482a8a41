//! What could not be read, and what that means: nothing is planned as if it were not there.

use privlink_core::desired::Desired;
use privlink_core::diagnostic::Diagnostic;
use privlink_core::facts::{Facts, Missing, missing_cluster};
use privlink_core::rule;
use privlink_core::snapshot::Snapshot;
use privlink_core::unread;
use privlink_engine::observe::Targets;

use crate::command_error::CommandError;

/// All that could not be read, each with the reason.
pub(crate) fn lines(snapshot: &Snapshot) -> Vec<String> {
    let azure = snapshot.azure.iter().map(|(path, reading)| (path.as_str(), reading));
    let line = |(what, why): (&str, &str)| format!("unreadable: {what}: {why}");
    let all = azure.chain(unread::of_kubernetes(snapshot));
    all.filter_map(unread::failed).map(line).collect()
}

/// Says why nothing can be predicted, if something could not be read that every prediction rests on.
///
/// # Errors
/// If so.
pub(crate) fn check(snapshot: &Snapshot, facts: &Facts) -> Result<(), CommandError> {
    let mut failures: Vec<&str> = Vec::new();
    for why in unread::essential(snapshot, facts) {
        // Who is not reached at all is told of once, and not for every list.
        if !failures.contains(&why) {
            failures.push(why);
        }
    }
    let Some((first, others)) = failures.split_first() else { return Ok(()) };
    let error = CommandError::new(privlink_core::escape::terminal(first));
    let rest = "What cannot be read is not taken for absent, so nothing is planned.";
    Err(match others.len() {
        0 => error.hint(rest),
        more => error
            .hint(format!("{more} more could not be read; `privlink observe` shows all."))
            .hint(rest),
    })
}

/// Says that the cluster is not there, once and before anything that would follow from it.
///
/// # Errors
/// If so.
pub(crate) fn cluster(
    snapshot: &Snapshot,
    targets: &Targets,
    desired: &Desired,
) -> Result<(), CommandError> {
    let Some(cluster) = &targets.cluster else { return Ok(()) };
    let Some(missing) = missing_cluster(snapshot, cluster) else { return Ok(()) };
    let (name, group) = (&cluster.name, &cluster.group.name);
    let stack = desired.stack.as_ref();
    let (place, message, help) = match missing {
        Missing::Group => (
            stack.and_then(|stack| stack.resource_group.as_ref()),
            format!(
                "the resource group {group} does not exist in subscription {}",
                cluster.group.subscription
            ),
            "name the resource group that the cluster itself is in, or correct the subscription"
                .to_owned(),
        ),
        Missing::Name(others) => (
            stack.and_then(|stack| stack.cluster.as_ref()),
            format!("the resource group {group} has no AKS cluster {name}"),
            match others.as_slice() {
                [] => {
                    "it has none at all: correct the resource group or the subscription".to_owned()
                }
                [only] => format!("it has one: {only}"),
                others => format!("it has {}", others.join(", ")),
            },
        ),
    };
    let message = privlink_core::escape::terminal(&message);
    let help = privlink_core::escape::terminal(&help);
    Err(match place {
        Some(place) => CommandError::diagnostics(vec![
            Diagnostic::new(rule::CLUSTER_MISSING, message).at(&place.span, "").help(help),
        ]),
        None => CommandError::new(message).hint(help),
    })
}
