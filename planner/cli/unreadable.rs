//! What could not be read, and what that means: nothing is planned as if it were not there.

use privlink_core::facts::Facts;
use privlink_core::snapshot::{List, Reading, Snapshot};

use crate::command_error::CommandError;

/// Lists of the cluster's own groups that every prediction rests on.
const ESSENTIAL: [&str; 5] = [
    "loadbalancers",
    "privatelinkservices",
    "virtualnetworks",
    "publicipaddresses",
    "networksecuritygroups",
];

/// All that could not be read, each with the reason.
pub(crate) fn lines(snapshot: &Snapshot) -> Vec<String> {
    let azure = snapshot.azure.iter().map(|(path, reading)| (path.as_str(), reading));
    let line = |(what, why): (&str, &str)| format!("unreadable: {what}: {why}");
    azure.chain(of_kubernetes(snapshot)).filter_map(failed).map(line).collect()
}

/// Says why nothing can be predicted, if something could not be read that every prediction rests on:
/// the cluster's Services and Nodes, and what the controller works with in Azure. Endpoints, zones and
/// other networks are left to the findings about those who want them.
///
/// # Errors
/// If so.
pub(crate) fn check(snapshot: &Snapshot, facts: &Facts) -> Result<(), CommandError> {
    let kubernetes = of_kubernetes(snapshot).into_iter().filter(|(what, _)| *what != "Events");
    let azure = snapshot.azure.iter().map(|(path, reading)| (path.as_str(), reading));
    let needed = azure.filter(|(path, _)| is_essential(path, facts));
    let mut failures: Vec<&str> = Vec::new();
    for (_, why) in kubernetes.chain(needed).filter_map(failed) {
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
            .hint(format!("{more} more could not be read; `privlink observe` tells all."))
            .hint(rest),
    })
}

type Named<'a> = (&'a str, &'a Reading<List>);

fn of_kubernetes(snapshot: &Snapshot) -> [Named<'_>; 3] {
    let kubernetes = &snapshot.kubernetes;
    [
        ("Services", &kubernetes.services),
        ("Nodes", &kubernetes.nodes),
        ("Events", &kubernetes.events),
    ]
}

fn failed<'a>((what, reading): Named<'a>) -> Option<(&'a str, &'a str)> {
    match reading {
        Reading::Unreadable(why) => Some((what, why)),
        Reading::Present(_) | Reading::Absent => None,
    }
}

fn is_essential(path: &str, facts: &Facts) -> bool {
    // Where the cluster itself is not known, everything hangs on reading it.
    if facts.resource_group.is_empty() {
        return true;
    }
    let groups = [
        Some(&facts.resource_group),
        facts.virtual_network_resource_group.as_ref(),
        facts.load_balancer_resource_group.as_ref(),
        facts.private_link_service_resource_group.as_ref(),
    ];
    let kind = path.rsplit('/').next().unwrap_or_default();
    ESSENTIAL.contains(&kind)
        && groups
            .into_iter()
            .flatten()
            .any(|group| path.contains(&format!("/resourcegroups/{}/", group.to_lowercase())))
}
