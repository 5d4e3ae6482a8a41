//! What could not be read although every prediction rests on it, and a cluster that is not there: nothing is
//! planned as if either were absent.

use std::collections::BTreeSet;
use std::fmt;

use crate::annotation::keys;
use crate::desired::Stack;
use crate::diagnostic::Span;
use crate::facts::{Facts, Missing};
use crate::group::Cluster;
use crate::inventory::Inventory;
use crate::resource_id::ResourceId;
use crate::snapshot::{List, Reading};

/// Lists of the cluster's own groups that every prediction rests on.
const ESSENTIAL: [&str; 5] = [
    "loadbalancers",
    "privatelinkservices",
    "virtualnetworks",
    "publicipaddresses",
    "networksecuritygroups",
];

/// A reading of a list, with what is called of it.
pub(crate) type Named<'a> = (&'a str, &'a Reading<List>);

/// A list that could not be read, and why.
fn failed<'a>((what, reading): Named<'a>) -> Option<(&'a str, &'a str)> {
    match reading {
        Reading::Unreadable(why) => Some((what, why)),
        Reading::Present(_) | Reading::Absent => None,
    }
}

/// All that could not be read, with the reason: the lists of the cluster, and those of Azure; where Azure does not know
/// a subscription, that alone.
pub fn all<'a>(live: &'a Inventory<'_>) -> Vec<(&'a str, &'a str)> {
    let mut all: Vec<(&str, &str)> = live.kubernetes().filter_map(failed).collect();
    let mut missing = BTreeSet::new();
    for (path, reading) in live.lists() {
        let Some((what, why)) = failed((path, reading)) else { continue };
        match subscription(path).filter(|it| is_missing(live, it)) {
            None => all.push((what, why)),
            Some(within) if missing.insert(within) => all.push((within, why)),
            Some(_) => {}
        }
    }
    all
}

/// The part of a list's path that names its subscription.
pub fn subscription(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/subscriptions/")?;
    let end = path.len() - rest.len() + rest.find('/')?;
    path.get(..end)
}

/// All that could not be read, a line each, with the reason.
pub fn lines(live: &Inventory<'_>) -> Vec<String> {
    let told = |(what, why)| format!("unreadable: {what}: {why}");
    all(live).into_iter().map(told).collect()
}

/// Why what every prediction rests on could not be read: the cluster's Services and Nodes, and what the controller
/// works with in Azure. Endpoints, zones and other networks are left to the findings about those who want them. Where
/// there is no cluster, nothing is.
pub fn essential<'a>(live: &'a Inventory<'_>, facts: &Facts) -> Vec<&'a str> {
    if !live.has_cluster() {
        return Vec::new();
    }
    let kubernetes = live.kubernetes().filter(|(what, _)| ["Services", "Nodes"].contains(what));
    let needed = live.lists().filter(|(path, _)| is_essential(path, facts));
    kubernetes.chain(needed).filter_map(failed).map(|(_, why)| why).collect()
}

/// What tells what the controller made for the stack's cluster and could not be read, with why: the Services, the Nodes,
/// the load balancers, public IP addresses and Private Link Services of its groups and of those that annotations of
/// live Services name, and the networks that its subnets are in. What is read for endpoints does not tell.
pub(crate) fn of_controller<'a>(live: &'a Inventory<'_>, facts: &Facts) -> Vec<(&'a str, &'a str)> {
    let by_annotation = |annotation: &str| {
        let services = live.services().values();
        let groups = services.filter_map(|it| it.annotations.get(annotation).cloned());
        groups.collect::<Vec<String>>()
    };
    let balancers = vec![facts.controller_resource_group(), facts.load_balancer_group()];
    let addresses = [balancers.clone(), by_annotation(keys::RESOURCE_GROUP)].concat();
    let links = [facts.controller_resource_group(), facts.private_link_service_group()].to_vec();
    let links = [links, by_annotation(keys::PLS_RESOURCE_GROUP)].concat();
    let wanted = [
        ("loadbalancers", balancers),
        ("publicipaddresses", addresses),
        ("privatelinkservices", links),
        ("virtualnetworks", vec![facts.virtual_network_group()]),
    ];
    let subscriptions = [facts.subscription.as_str(), facts.network_subscription()];
    let tells = |path: &str| {
        let list = ResourceId::new(path);
        let is_in = |group: &String| list.resource_group().is_some_and(|it| same(it, group));
        let kind = path.rsplit('/').next().unwrap_or_default();
        subscriptions.iter().any(|it| list.subscription().is_some_and(|own| same(own, it)))
            && wanted.iter().any(|(of, groups)| *of == kind && groups.iter().any(is_in))
    };
    let kubernetes = live.kubernetes().filter(|(what, _)| ["Services", "Nodes"].contains(what));
    // Where the cluster itself is not known, everything depends on reading it.
    let all = facts.resource_group.is_empty();
    let azure = live.lists().filter(|(path, _)| all || tells(path));
    kubernetes.chain(azure).filter_map(failed).collect()
}

fn same(one: &str, other: &str) -> bool {
    one.trim().eq_ignore_ascii_case(other.trim())
}

/// That nothing can be predicted, since something was not read: who is not reached at all is reported once, and
/// not for every list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Why the first of the lists was not read.
    pub why: String,
    /// How many more were not, for other reasons.
    pub more: usize,
    /// Where the Stack names the subscription, if Azure does not know it.
    pub place: Option<Span>,
}

impl Unread {
    /// What every prediction rests on and was not read; nothing if all of it was. The Stack document says where the
    /// subscription is named.
    pub fn of(live: &Inventory<'_>, facts: &Facts, stack: Option<&Stack>) -> Option<Self> {
        let mut reasons: Vec<&str> = Vec::new();
        for why in essential(live, facts) {
            if !reasons.contains(&why) {
                reasons.push(why);
            }
        }
        let (first, others) = reasons.split_first()?;
        let named = stack.and_then(|stack| stack.subscription.as_ref());
        let id = |name: &str| format!("/subscriptions/{}", name.to_lowercase());
        let named = named.filter(|it| is_missing(live, &id(&it.value)));
        let place = named.map(|it| it.span.clone());
        let more = if place.is_some() { 0 } else { others.len() };
        Some(Self { why: (*first).to_owned(), more, place })
    }

    /// What that means, and what shows more.
    pub fn help(&self) -> Vec<String> {
        let rest = "What cannot be read is not taken for absent, so nothing is planned.".to_owned();
        match self.more {
            0 => vec![rest],
            more => {
                vec![format!("{more} more could not be read; `privlink observe` shows all."), rest]
            }
        }
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Unread {}

/// Whether Azure does not know a subscription, by its path in lower case: what holds its lists is not there.
fn is_missing(live: &Inventory<'_>, subscription: &str) -> bool {
    live.list(subscription) == Some(&Reading::Absent)
}

/// That the cluster which desired state names is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoCluster {
    /// Where desired state names what is not there; nowhere if a flag did.
    pub place: Option<Span>,
    /// What to do: the names there are.
    pub help: String,
    message: String,
}

impl NoCluster {
    /// Whether the cluster is missing; nothing if it is there, or if the list that would have it was not read.
    pub fn of(live: &Inventory<'_>, cluster: &Cluster, stack: Option<&Stack>) -> Option<Self> {
        let missing = live.missing_cluster(cluster)?;
        let (name, group) = (&cluster.name, &cluster.group.name);
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
                    [] => "it has none at all: correct the resource group or the subscription"
                        .to_owned(),
                    [only] => format!("it has one: {only}"),
                    others => format!("it has {}", others.join(", ")),
                },
            ),
        };
        Some(Self { place: place.map(|place| place.span.clone()), help, message })
    }
}

impl fmt::Display for NoCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for NoCluster {}

fn is_essential(path: &str, facts: &Facts) -> bool {
    // Where the cluster itself is not known, everything depends on reading it.
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
