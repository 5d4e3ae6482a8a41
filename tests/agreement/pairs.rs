//! A world that is broken in two ways: plan and drift are compared object by object. What one breakage explains must not
//! hide the other.

use std::collections::{BTreeMap, BTreeSet};

use privlink_core::change::{Action, Actor, Change};
use privlink_core::drift::{Class, Difference, StackReport};
use privlink_core::node_id::{Kind, NodeId};
use privlink_core::plan::Plan;

use crate::broken::{BROKEN, Broken};
use crate::ends::ENDS;
use crate::is_only_drift;
use crate::world::{Applied, shared_frontend};

/// What a plan says of each object, in short.
fn said(plan: &Plan) -> BTreeMap<&NodeId, Vec<String>> {
    let mut said: BTreeMap<&NodeId, Vec<String>> = BTreeMap::new();
    for change in &plan.changes {
        said.entry(&change.address).or_default().push(change.action.word().to_owned());
    }
    for finding in &plan.findings {
        said.entry(&finding.address).or_default().push(finding.code.as_str().to_owned());
    }
    for refusal in &plan.refusals {
        if let Some(at) = &refusal.address {
            said.entry(at).or_default().push(refusal.code.as_str().to_owned());
        }
    }
    said
}

/// An object that another one's difference stands for, and why: what is there differs only in what follows from that.
fn follows(change: &Change, plan: &Plan, told: &BTreeSet<&NodeId>) -> bool {
    let at = &change.address;
    let is_told = |kind: Kind| told.iter().any(|it| it.kind == kind);
    let of_services = [Kind::Service, Kind::FrontendIp, Kind::PrivateLinkService];
    let is_made = |it: &&Change| {
        it.address.kind == Kind::PrivateEndpoint
            && matches!(it.action, Action::Create | Action::Replace)
    };
    let mut made = plan.changes.iter().filter(is_made);
    match at.kind {
        // The controller makes it of Services, and a sync of those writes it: one difference, and not one for each of its
        // consequences.
        _ if change.actor == Actor::Controller => of_services.into_iter().any(is_told),
        Kind::Service => told.iter().any(|it| !is_of_privlink(it)),
        // It goes and comes with its endpoint.
        Kind::EndpointConnection => {
            let endpoint = NodeId::new(Kind::PrivateEndpoint, at.name.clone());
            told.contains(&endpoint) || plan.changes.iter().any(|it| it.address == endpoint)
        }
        // Its connection tells why, or what it reaches is made anew.
        Kind::PrivateEndpoint if change.action == Action::Replace => {
            told.contains(&NodeId::new(Kind::EndpointConnection, at.name.clone()))
                || of_services.into_iter().any(is_told)
        }
        // It is to hold the address of an endpoint that is made anew; a zone group goes with it.
        Kind::DnsRecord => {
            let is_group =
                made.clone().any(|it| at.name.starts_with(&format!("{}/", it.address.name)));
            is_group || change.action != Action::Create && made.next().is_some()
        }
        _ => false,
    }
}

/// What privlink itself writes to Azure.
fn is_of_privlink(at: &NodeId) -> bool {
    matches!(at.kind, Kind::PrivateEndpoint | Kind::EndpointConnection | Kind::DnsRecord)
}

/// Whether a plan says something of what differs: of its object, or of the endpoint that a connection is of. That
/// something is as its document says does not stand for a failure.
fn is_said(difference: &Difference, said: &BTreeMap<&NodeId, Vec<String>>) -> bool {
    let counts = |at: &NodeId| {
        said.get(at).is_some_and(|all| {
            all.iter().any(|it| it != "unmarked" || difference.class == Class::NotApplied)
        })
    };
    let at = &difference.address;
    let of = |kind: Kind| NodeId::new(kind, at.name.clone());
    counts(at)
        || at.kind == Kind::EndpointConnection && counts(&of(Kind::PrivateEndpoint))
        || at.kind == Kind::PrivateEndpoint && counts(&of(Kind::EndpointConnection))
        // The controller fails at all that it makes of a Service, or mends all of it with one sync.
        || !is_of_privlink(at) && said.keys().any(|it| !is_of_privlink(it))
}

/// Where plan and drift disagree about an object.
fn apart(
    (plan, report): &(Plan, StackReport),
    (whole, at_rest): &(Plan, StackReport),
) -> Vec<String> {
    let mut apart = Vec::new();
    let told: BTreeSet<&NodeId> = report.differences.iter().map(|it| &it.address).collect();
    let unread: BTreeSet<&str> = report.unreadable.iter().map(|it| it.what.as_str()).collect();
    let acts = |it: &&Change| it.is_change() && !whole.changes.contains(it);
    for change in plan.changes.iter().filter(acts) {
        let is_unread = unread.contains(change.address.to_string().as_str());
        if !told.contains(&change.address) && !is_unread && !follows(change, plan, &told) {
            apart.push(format!(
                "only the plan: {} {} {}",
                change.address,
                change.action.word(),
                change.reason
            ));
        }
    }
    let said = said(plan);
    let new = report.differences.iter().filter(|it| !at_rest.differences.contains(it));
    for difference in new.filter(|it| !is_only_drift(it)) {
        if !is_said(difference, &said) {
            let Difference { address, class, message, .. } = difference;
            apart.push(format!("only drift: {address} {} {message}", class.as_str()));
        }
    }
    apart
}

/// Breakages that take away what others depend on: each is paired with all.
const FIRST: [&str; 5] =
    ["no rules", "no links", "no services", "networks of consumers unread", "no link asked for"];

/// Every which pair is looked at beside those, so that each breakage is in some.
const EVERY: usize = 23;

#[test]
fn what_one_breakage_explains_hides_no_other() {
    let applied = Applied::of(&shared_frontend());
    let at_rest = applied.broken(|_| {});
    let all: Vec<&Broken> = BROKEN.iter().chain(ENDS).collect();
    let every = std::env::var("LAW_CASES").map_or(EVERY, |_| 1);
    let pairs = all.iter().flat_map(|one| all.iter().map(move |other| (one, other)));
    let is_looked_at = |(at, (one, _)): &(usize, (&&Broken, &&Broken))| {
        FIRST.contains(&one.name) || at % every == 0
    };
    let mut disagreements = Vec::new();
    for (_, (one, other)) in pairs.enumerate().filter(is_looked_at) {
        eprintln!("{} + {}", one.name, other.name);
        let both = applied.broken(|it| {
            (other.by)(it);
            (one.by)(it);
        });
        let apart = apart(&both, &at_rest);
        disagreements
            .extend(apart.into_iter().map(|it| format!("{} + {}: {it}", one.name, other.name)));
    }
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
}
