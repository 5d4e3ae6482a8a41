//! What the controller makes of Services: changes of the nodes it owns.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::change::{Action, Actor, Change, Effect, FieldDiff};
use crate::consumer::Consumer;
use crate::controller::outcome::{self, Outcome, Reason};
use crate::evidence::Evidence;
use crate::field_diff;
use crate::join::Join;
use crate::kubernetes::service::Key;
use crate::node::{Node, endpoint_connection};
use crate::node_id::{Kind, NodeId};
use crate::unknown;

use super::{Part, awaited};

/// Diffs all that the controller owns.
pub fn diff(join: &Join<'_>, so_far: &Part) -> Part {
    let mut part = Part::default();
    let (prediction, own) = (join.prediction, join.input.own());
    let (before, after) = (prediction.nodes_before(), prediction.nodes_after());
    let addresses: BTreeSet<&NodeId> = before.keys().chain(after.keys()).collect();
    let effects = effects(prediction.syncs());
    let handed_over = handed_over(prediction.syncs());
    for address in addresses {
        let sides = (before.get(address), after.get(address));
        if let (Some(before), Some(after)) = sides
            && Arc::ptr_eq(before, after)
            && !effects.contains_key(&after.id.key())
        {
            continue;
        }
        let sides = (sides.0.map(AsRef::as_ref), sides.1.map(AsRef::as_ref));
        if let Some(mut change) = node(address, sides, &effects, own) {
            let id = sides.0.map(|node| node.id.key());
            let is_shared = address.kind == Kind::LoadBalancer && change.action == Action::Replace;
            if is_shared && id.is_some_and(|id| handed_over.contains(&id)) {
                change.reason =
                    "its last Service is deleted and another is created: re-created if the \
                                 controller handles the deleted one first, and stays otherwise"
                        .to_owned();
                change.evidence = Some(Evidence::Guessed);
            }
            part.changes.extend(connections(&change, sides, own));
            part.changes.push(change);
        }
    }
    part.add(awaited::draft(join.input.facts, prediction, so_far));
    part
}

type Effects<'a> = BTreeMap<String, &'a outcome::Effect>;

/// What the syncs did to each resource: the last of it, unless something before says better why.
fn effects<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> Effects<'a> {
    let mut effects = Effects::new();
    let tells_why = |effect: &outcome::Effect| {
        !matches!(effect.reason, Reason::Wanted | Reason::Unwanted | Reason::Differs)
    };
    for effect in outcomes.flat_map(|outcome| &outcome.effects) {
        let known = effects.get(&effect.id.key()).copied();
        if !known.is_some_and(tells_why) || tells_why(effect) {
            effects.insert(effect.id.key(), effect);
        }
    }
    effects
}

/// The load balancers that go with one Service and come back with another. The steps of the two need not
/// wait for each other, so the order of their syncs is the controller's to choose.
fn handed_over<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> BTreeSet<String> {
    let mut gone: BTreeMap<String, &'a Key> = BTreeMap::new();
    let mut handed_over = BTreeSet::new();
    for outcome in outcomes {
        for write in outcome.writes.iter().filter(|write| write.answer.is_ok()) {
            let id = write.id.key();
            if write.method == outcome::Method::Delete {
                gone.insert(id, &outcome.service);
            } else if gone.get(&id).is_some_and(|it| **it != outcome.service) {
                handed_over.insert(id);
            }
        }
    }
    handed_over
}

fn node(
    address: &NodeId,
    sides: (Option<&Node>, Option<&Node>),
    effects: &Effects<'_>,
    own: &BTreeMap<String, NodeId>,
) -> Option<Change> {
    let (before, after) = sides;
    let node = after.or(before)?;
    let effect =
        [after, before].into_iter().flatten().find_map(|node| effects.get(&node.id.key()).copied());
    let fields = field_diff::fields(before.map(Node::fields), after.map(Node::fields));
    let action = action(address.kind, before, after, effect, &fields)?;
    let mut change = Change::new(
        address.clone(),
        action,
        Actor::Controller,
        reason(action, node.service.as_ref(), effect),
    );
    change.evidence = effect.map(|effect| effect.evidence);
    change.object = Some(unknown::show(node.id.as_str()));
    change.fields = shown(address.kind, action, fields);
    change.effect = traffic(address.kind, action, before, own);
    Some(change)
}

fn action(
    kind: Kind,
    before: Option<&Node>,
    after: Option<&Node>,
    effect: Option<&outcome::Effect>,
    fields: &[FieldDiff],
) -> Option<Action> {
    match (before, after) {
        (None, None) => None,
        (None, Some(_)) => Some(Action::Create),
        (Some(_), None) => Some(Action::Delete),
        (Some(before), Some(after)) => {
            let another = before.identity.is_some() && before.identity != after.identity;
            let recreated =
                effect.is_some_and(|effect| effect.action == outcome::Action::Recreated);
            let other_name = kind == Kind::FrontendIp && before.id != after.id;
            if another || recreated || other_name {
                Some(Action::Replace)
            } else {
                (!fields.is_empty()).then_some(Action::Update)
            }
        }
    }
}

/// Which fields of a node cannot change in place (controller: isFrontendIPChanged; ARM contract,
/// table "In place?").
fn forces(kind: Kind, path: &str) -> bool {
    match kind {
        Kind::FrontendIp => matches!(
            path,
            "name"
                | "loadBalancer"
                | "properties.subnet"
                | "properties.privateIPAddress"
                | "properties.publicIPAddress"
        ),
        _ => false,
    }
}

fn shown(kind: Kind, action: Action, fields: Vec<FieldDiff>) -> Vec<FieldDiff> {
    if action == Action::Delete {
        return Vec::new();
    }
    fields
        .into_iter()
        .map(|field| FieldDiff {
            forces_replacement: action == Action::Replace && forces(kind, &field.path),
            ..field
        })
        .map(FieldDiff::shown)
        .collect()
}

fn reason(action: Action, service: Option<&Key>, effect: Option<&outcome::Effect>) -> String {
    // What is created under the id of something that is deleted has another object's effect.
    let of_what_is_live = |it: &&outcome::Effect| {
        use Reason::{AddressChanged, Failed, FrontendWent, PublicIpChanged, SubnetChanged};
        let reasons = [AddressChanged, Failed, FrontendWent, PublicIpChanged, SubnetChanged];
        reasons.contains(&it.reason)
    };
    let effect = effect.filter(|it| action != Action::Create || !of_what_is_live(it));
    let because = effect.and_then(|effect| match effect.reason {
        Reason::Wanted | Reason::Unwanted | Reason::Differs => None,
        Reason::NameChanged => Some("its name follows from its Service's subnet and IP families"),
        Reason::SubnetChanged => Some("cannot move to another subnet"),
        Reason::AddressChanged => Some("cannot change its address"),
        Reason::PublicIpChanged => Some("its public IP address is another"),
        Reason::FrontendWent => Some("deleted with its frontend"),
        Reason::Failed => Some("its provisioning had failed"),
        Reason::LoadBalancerChanged => Some("the Service moves to the other load balancer"),
        Reason::TakenOver => Some("its name is in use on another frontend: it is taken over"),
        Reason::PolicyEnabled => Some("a Private Link Service needs its network policy disabled"),
    });
    match (because, service, action) {
        (Some(because), _, _) => because.to_owned(),
        (None, Some(_), Action::Create) => "asked for by its Service".to_owned(),
        (None, Some(_), Action::Delete) => "no longer needed by its Service".to_owned(),
        (None, Some(_), _) => "differs from what its Service asks for".to_owned(),
        (None, None, Action::Create) => "asked for by a Service".to_owned(),
        (None, None, Action::Delete) => "no longer needed".to_owned(),
        (None, None, _) => "differs from what its Services ask for".to_owned(),
    }
}

fn traffic(
    kind: Kind,
    action: Action,
    before: Option<&Node>,
    own: &BTreeMap<String, NodeId>,
) -> Effect {
    let goes = matches!(action, Action::Delete | Action::Replace);
    match kind {
        Kind::PrivateLinkService if goes => {
            let cut = connected(before, own);
            if cut.is_empty() { Effect::None } else { Effect::ConsumersDisconnected(cut) }
        }
        Kind::FrontendIp if goes => Effect::BriefInterruption,
        _ => Effect::None,
    }
}

/// The consumers whose connection is in use.
fn connected(before: Option<&Node>, own: &BTreeMap<String, NodeId>) -> Vec<Consumer> {
    let consumers = before.into_iter().flat_map(|node| &node.consumers);
    consumers
        .filter(|consumer| consumer.status.may_be_connected())
        .map(|consumer| {
            let own = own.contains_key(&consumer.endpoint.to_lowercase());
            Consumer { own, ..consumer.clone() }
        })
        .collect()
}

/// The connections that go with a Private Link Service.
fn connections(
    change: &Change,
    sides: (Option<&Node>, Option<&Node>),
    own: &BTreeMap<String, NodeId>,
) -> Vec<Change> {
    let goes = matches!(change.action, Action::Delete | Action::Replace);
    if change.address.kind != Kind::PrivateLinkService || !goes {
        return Vec::new();
    }
    let consumers = sides.0.into_iter().flat_map(|node| &node.consumers);
    let gone = consumers.map(|consumer| {
        let mut gone = Change::new(
            endpoint_connection::address(&consumer.endpoint, own),
            Action::Delete,
            Actor::Controller,
            "deleted with its Private Link Service",
        );
        gone.object = Some(consumer.endpoint.clone());
        gone.evidence = Some(Evidence::Recorded);
        gone
    });
    gone.collect()
}
