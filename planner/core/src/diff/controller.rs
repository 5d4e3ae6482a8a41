//! What the controller makes of Services: changes of the nodes it owns, and what to wait for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::address::{Address, Kind};
use crate::arm::world::World;
use crate::change::{Action, Actor, Change, Effect, FieldDiff};
use crate::compare;
use crate::controller::outcome::{self, Outcome, Reason};
use crate::evidence::Evidence;
use crate::facts::{Facts, Origin};
use crate::kubernetes::service::Key;
use crate::node::consumer::Consumer;
use crate::node::service::address;
use crate::node::{Owners, View, endpoint_connection, fields};
use crate::plan::{Expectation, Op};
use crate::pointer::At;
use crate::prediction::Prediction;
use crate::resource_id::ResourceId;
use crate::unknown;

use super::Gathered;
use super::draft::{Draft, DraftKey, Stage};

/// Diffs all that the controller owns. `own` are the ids, in lower case, of endpoints of this stack,
/// with their address.
pub fn diff(
    facts: &Facts,
    prediction: &Prediction,
    own: &BTreeMap<String, Address>,
    gathered: &mut Gathered,
) {
    let (before, after) = (prediction.nodes_before(), prediction.nodes_after());
    let addresses: BTreeSet<&Address> = before.keys().chain(after.keys()).collect();
    let effects = effects(&prediction.outcomes);
    let handed_over = handed_over(&prediction.outcomes);
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
            let id = sides.0.map(|view| view.id.key());
            let is_shared = address.kind == Kind::LoadBalancer && change.action == Action::Replace;
            if is_shared && id.is_some_and(|id| handed_over.contains(&id)) {
                change.reason =
                    "its last Service is deleted and another is created: re-created if the \
                                 controller handles the deleted one first, and stays otherwise"
                        .to_owned();
                change.evidence = Some(Evidence::Guessed);
            }
            connections(&change, sides, own, gathered);
            gathered.changes.push(change);
        }
    }
    await_controller(facts, prediction, gathered);
    order_sharers(prediction, gathered);
}

type Effects<'a> = BTreeMap<String, &'a outcome::Effect>;

/// What the syncs did to each resource: the last of it, unless something before says better why.
fn effects(outcomes: &[Outcome]) -> Effects<'_> {
    let mut effects = Effects::new();
    let tells_why = |effect: &outcome::Effect| {
        !matches!(effect.reason, Reason::Wanted | Reason::Unwanted | Reason::Differs)
    };
    for effect in outcomes.iter().flat_map(|outcome| &outcome.effects) {
        let known = effects.get(&effect.id.key()).copied();
        if !known.is_some_and(tells_why) || tells_why(effect) {
            effects.insert(effect.id.key(), effect);
        }
    }
    effects
}

/// The load balancers that go with one Service and come back with another. The steps of the two need not
/// wait for each other, so the order of their syncs is the controller's to choose.
fn handed_over(outcomes: &[Outcome]) -> BTreeSet<String> {
    let mut gone: BTreeMap<String, &Key> = BTreeMap::new();
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
    address: &Address,
    sides: (Option<&View>, Option<&View>),
    effects: &Effects<'_>,
    own: &BTreeMap<String, Address>,
) -> Option<Change> {
    let (before, after) = sides;
    let view = after.or(before)?;
    let effect =
        [after, before].into_iter().flatten().find_map(|view| effects.get(&view.id.key()).copied());
    let fields = compare::fields(before.map(|view| &view.fields), after.map(|view| &view.fields));
    let action = action(address.kind, before, after, effect, &fields)?;
    let mut change = Change::new(
        address.clone(),
        action,
        Actor::Controller,
        reason(action, view.service.as_ref(), effect),
    );
    change.evidence = effect.map(|effect| effect.evidence);
    change.object = Some(unknown::show(view.id.as_str()));
    change.fields = shown(address.kind, action, fields);
    change.effect = traffic(address.kind, action, before, own);
    Some(change)
}

fn action(
    kind: Kind,
    before: Option<&View>,
    after: Option<&View>,
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
        (None, Some(_), _) => "its Service says otherwise".to_owned(),
        (None, None, Action::Create) => "asked for by a Service".to_owned(),
        (None, None, Action::Delete) => "no longer needed".to_owned(),
        (None, None, _) => "the Services on it say otherwise".to_owned(),
    }
}

fn traffic(
    kind: Kind,
    action: Action,
    before: Option<&View>,
    own: &BTreeMap<String, Address>,
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
fn connected(before: Option<&View>, own: &BTreeMap<String, Address>) -> Vec<Consumer> {
    let consumers = before.into_iter().flat_map(|view| &view.consumers);
    consumers
        .filter(|consumer| consumer.status == "Approved")
        .map(|consumer| {
            let own = own.contains_key(&consumer.endpoint.to_lowercase());
            Consumer { own, ..consumer.clone() }
        })
        .collect()
}

/// The connections that go with a Private Link Service.
fn connections(
    change: &Change,
    sides: (Option<&View>, Option<&View>),
    own: &BTreeMap<String, Address>,
    gathered: &mut Gathered,
) {
    let goes = matches!(change.action, Action::Delete | Action::Replace);
    if change.address.kind != Kind::PrivateLinkService || !goes {
        return;
    }
    for consumer in sides.0.into_iter().flat_map(|view| &view.consumers) {
        let mut gone = Change::new(
            endpoint_connection::address(&consumer.endpoint, own),
            Action::Delete,
            Actor::Controller,
            "deleted with its Private Link Service",
        );
        gone.object = Some(consumer.endpoint.clone());
        gone.evidence = Some(Evidence::Recorded);
        gathered.changes.push(gone);
    }
}

/// Drafts the waits for what syncs make.
fn await_controller(facts: &Facts, prediction: &Prediction, gathered: &mut Gathered) {
    let drafts: BTreeSet<DraftKey> = gathered.drafts.iter().map(|it| it.key.clone()).collect();
    let wrote = |draft: &&Draft| matches!(draft.op, Op::ApplyService { .. } | Op::Nudge { .. });
    let writes = gathered.drafts.iter().filter(wrote);
    let written: BTreeSet<Address> = writes.map(|draft| draft.key.address.clone()).collect();
    let is_pending =
        |change: &&Change| change.action == Action::Await && change.actor == Actor::Controller;
    let pending = gathered.changes.iter().filter(is_pending);
    let pending: BTreeSet<Address> = pending.map(|change| change.address.clone()).collect();
    let owners = prediction.owners();
    let mut owned = Owned::new();
    if !drafts.is_empty() || !pending.is_empty() {
        own(&prediction.before, owners, &mut owned);
        own(&prediction.after, owners, &mut owned);
    }
    let mut outcomes = prediction.outcomes.iter().peekable();
    while let Some(outcome) = outcomes.next() {
        // Of a Service that is deleted and made again, what is left in the end is waited for.
        if outcomes.peek().is_some_and(|later| later.service == outcome.service) {
            continue;
        }
        let at = address(&outcome.service);
        let has = |stage| drafts.contains(&DraftKey::new(&at, stage));
        let gone = has(Stage::Delete) && !has(Stage::Write);
        if !gone && !has(Stage::Write) && !pending.contains(&at) {
            continue;
        }
        let expect = expectations(facts, prediction, outcome, &owned);
        let again = written.contains(&at);
        let op = Op::AwaitController { service: outcome.service.to_string(), expect, gone, again };
        let draft = Draft::new(&at, Stage::Await, op)
            .needing(&at, Stage::Write)
            .needing(&at, Stage::Delete);
        gathered.drafts.push(draft);
    }
}

/// Fields that hang on facts nobody knows: they are predicted, but not waited for.
fn unsure(facts: &Facts) -> Vec<&'static str> {
    let hanging = [("zones", "zones"), ("disableOutboundSnat", "disableOutboundSnat")];
    let is_assumed = |fact: &str| facts.source(fact) == Origin::Assumed;
    hanging.into_iter().filter(|(fact, _)| is_assumed(fact)).map(|(_, field)| field).collect()
}

/// What ARM must show once the controller is done with a Service.
fn expectations(
    facts: &Facts,
    prediction: &Prediction,
    outcome: &Outcome,
    owned: &Owned<'_>,
) -> Vec<Expectation> {
    let unsure = unsure(facts);
    let mut ids = owned.get(&outcome.service).cloned().unwrap_or_default();
    for effect in &outcome.effects {
        // The load balancer is shared: what of it is the Service's is expected child by child.
        let shared = effect.id.parent().is_some_and(|parent| {
            parent.as_str().to_lowercase().ends_with("/providers/microsoft.network")
                && effect.id.as_str().to_lowercase().contains("/loadbalancers/")
        });
        // One that goes with its last Service and comes back with another may as well stay: that
        // follows from the order in which the controller gets to them.
        let goes = || prediction.after.get(&effect.id).is_none();
        if !shared || effect.action == outcome::Action::Deleted && goes() {
            ids.insert(effect.id.clone());
        }
    }
    let rules = rules(prediction, outcome).into_iter().map(|(id, stays)| {
        let present = stays.then(|| json!({"name": id.name()}));
        Expectation { id: id.as_str().to_owned(), present, instead_of: None }
    });
    ids.into_iter()
        .map(|id| {
            let after = prediction.after.get(&id);
            let identity = |value: &Value| {
                let text = |pointer: &str| value.at(pointer).and_then(Value::as_str);
                let found = text("/properties/alias").or_else(|| text("/properties/resourceGuid"));
                found.map(ToOwned::to_owned)
            };
            let new = after.as_ref().and_then(identity);
            let instead_of = new.and_then(|new| {
                let old = prediction.before.get(&id).as_ref().and_then(identity);
                old.filter(|old| new != *old)
            });
            let present = after.map(|value| expected(&id, value, &unsure));
            Expectation { id: id.as_str().to_owned(), present, instead_of }
        })
        .chain(rules)
        .collect()
}

/// The security rules that come or go with one sync, and whether they stay. Services share a group's
/// rules, so nothing is said of a group that several syncs write: each would wait for the other.
fn rules(prediction: &Prediction, outcome: &Outcome) -> BTreeMap<ResourceId, bool> {
    let writes = |outcome: &Outcome, group: &str| {
        outcome.writes.iter().any(|write| write.id.key() == group && write.answer.is_ok())
    };
    let names = |world: &World, group: &str| -> BTreeSet<String> {
        let group = world.network_security_groups.get(group);
        let rules = group.and_then(|group| group.properties.security_rules.as_ref());
        rules.into_iter().flatten().map(|rule| rule.name().to_owned()).collect()
    };
    let mut rules = BTreeMap::new();
    for (key, group) in &prediction.after.network_security_groups {
        let writers = prediction.outcomes.iter().filter(|it| writes(it, key));
        if !writes(outcome, key) || writers.count() != 1 {
            continue;
        }
        let (before, after) = (names(&prediction.before, key), names(&prediction.after, key));
        for name in before.symmetric_difference(&after) {
            let id = ResourceId::new(group.id()).child("securityRules", name);
            rules.insert(id, after.contains(name));
        }
    }
    rules
}

/// The ids of what belongs to each Service: its frontends, rules and probes, its public addresses, and
/// the Private Link Services on its frontends.
type Owned<'a> = BTreeMap<&'a Key, BTreeSet<ResourceId>>;

fn own<'a>(world: &World, owners: &'a Owners, owned: &mut Owned<'a>) {
    let mut add = |owner: Option<&'a Key>, id: &dyn Fn() -> ResourceId| {
        if let Some(service) = owner {
            owned.entry(service).or_default().insert(id());
        }
    };
    for balancer in world.load_balancers.values() {
        let id = ResourceId::new(balancer.id());
        let properties = &balancer.properties;
        for child in properties.frontend_ip_configurations.iter().flatten() {
            let id = id.child("frontendIPConfigurations", child.name());
            add(owners.of_frontend(&id), &|| id.clone());
        }
        for child in properties.load_balancing_rules.iter().flatten() {
            let owner = owners.of_name(child.name());
            add(owner, &|| id.child("loadBalancingRules", child.name()));
        }
        for child in properties.probes.iter().flatten() {
            add(owners.of_name(child.name()), &|| id.child("probes", child.name()));
        }
    }
    for link in world.private_link_services.values() {
        add(owners.of_link(link), &|| ResourceId::new(link.id()));
    }
}

/// The part of a predicted resource that Azure must show. Subnets are others' but for their flag.
fn expected(id: &ResourceId, value: Value, unsure: &[&str]) -> Value {
    if let Some(policy) = value.at("/properties/privateLinkServiceNetworkPolicies")
        && id.segment("subnets").is_some()
    {
        return json!({"properties": {"privateLinkServiceNetworkPolicies": policy}});
    }
    fields::expected(value, unsure)
}

/// Services that share a frontend are written one after the other, in the order they were predicted.
fn order_sharers(prediction: &Prediction, gathered: &mut Gathered) {
    let owners = prediction.owners();
    let mut needs: BTreeMap<Address, Address> = BTreeMap::new();
    for world in [&prediction.before, &prediction.after] {
        for balancer in world.load_balancers.values() {
            let mut sharers: BTreeMap<String, BTreeSet<&Key>> = BTreeMap::new();
            for rule in balancer.properties.load_balancing_rules.iter().flatten() {
                let frontend = rule.properties.frontend_ip_configuration.as_ref();
                if let (Some(frontend), Some(key)) = (frontend, owners.of_name(rule.name())) {
                    sharers.entry(frontend.id().to_lowercase()).or_default().insert(key);
                }
            }
            for keys in sharers.values().filter(|keys| keys.len() > 1) {
                let in_order: Vec<&Key> = prediction
                    .outcomes
                    .iter()
                    .map(|outcome| &outcome.service)
                    .filter(|key| keys.contains(key))
                    .collect();
                for pair in in_order.windows(2) {
                    if let [first, second] = pair
                        && first != second
                    {
                        needs.insert(address(second), address(first));
                    }
                }
            }
        }
    }
    for draft in &mut gathered.drafts {
        if !matches!(draft.key.stage, Stage::Write | Stage::Delete) {
            continue;
        }
        if let Some(first) = needs.get(&draft.key.address) {
            draft.needs.insert(DraftKey::new(first, Stage::Await));
        }
    }
}
