//! What could not be read although every prediction rests on it.

use crate::facts::Facts;
use crate::snapshot::{List, Reading, Snapshot};

/// Lists of the cluster's own groups that every prediction rests on.
const ESSENTIAL: [&str; 5] = [
    "loadbalancers",
    "privatelinkservices",
    "virtualnetworks",
    "publicipaddresses",
    "networksecuritygroups",
];

/// A reading of a list, with what is called of it.
pub type Named<'a> = (&'a str, &'a Reading<List>);

/// The lists of the cluster.
pub fn of_kubernetes(snapshot: &Snapshot) -> impl Iterator<Item = Named<'_>> {
    let kubernetes = &snapshot.kubernetes;
    let lists = [
        ("Services", &kubernetes.services),
        ("Nodes", &kubernetes.nodes),
        ("Events", &kubernetes.events),
    ];
    lists.into_iter().chain(kubernetes.namespaces.iter().map(|list| ("Namespaces", list)))
}

/// A list that could not be read, and why.
pub fn failed<'a>((what, reading): Named<'a>) -> Option<(&'a str, &'a str)> {
    match reading {
        Reading::Unreadable(why) => Some((what, why)),
        Reading::Present(_) | Reading::Absent => None,
    }
}

/// Why what every prediction rests on could not be read: the cluster's Services and Nodes, and what the controller
/// works with in Azure. Endpoints, zones and other networks are left to the findings about those who want them.
pub fn essential<'a>(snapshot: &'a Snapshot, facts: &Facts) -> Vec<&'a str> {
    let kubernetes =
        of_kubernetes(snapshot).filter(|(what, _)| ["Services", "Nodes"].contains(what));
    let azure = snapshot.azure.iter().map(|(path, reading)| (path.as_str(), reading));
    let needed = azure.filter(|(path, _)| is_essential(path, facts));
    kubernetes.chain(needed).filter_map(failed).map(|(_, why)| why).collect()
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
