//! What to wait for, and where: each result of the controller's syncs is waited for behind the last sync
//! that brings it about, since Services share frontends, Private Link Services and security rules.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::arm::world::World;
use crate::change::{Action, Actor, Change};
use crate::controller::outcome::{self, Outcome};
use crate::facts::{Fact, Facts, Origin};
use crate::kubernetes::service::Key;
use crate::node::service::address;
use crate::node::{Owners, fields, identity};
use crate::node_id::{Kind, NodeId};
use crate::plan::{Expectation, Op};
use crate::pointer::At;
use crate::prediction::Prediction;
use crate::resource_id::ResourceId;

use super::Part;
use super::draft::{Draft, DraftKey, Stage};

/// Drafts the waits for what syncs make, and puts behind them what depends on it.
pub(super) fn draft(facts: &Facts, prediction: &Prediction, so_far: &Part) -> Part {
    let mut part = Part::default();
    let waits = waits(prediction, so_far);
    if waits.is_empty() {
        return part;
    }
    let awaited: BTreeSet<&Key> = waits.iter().map(|wait| wait.service).collect();
    let round = Round {
        before: &prediction.before,
        after: prediction.between(),
        outcomes: &prediction.outcomes,
    };
    let looked = Looked::at(facts, prediction.owners(), &round, &awaited);
    for Wait { service, gone, again } in waits {
        let at = address(service);
        let expect = looked.expectations(service);
        let op = await_controller(service, expect, gone, again);
        let draft = Draft::new(&at, Stage::Await, op)
            .needing(&at, Stage::Write)
            .needing(&at, Stage::Delete);
        part.drafts.push(draft);
    }
    part.drafts.extend(looked.shared());
    let waits: BTreeMap<NodeId, &Key> = awaited.iter().map(|it| (address(it), *it)).collect();
    for draft in so_far.drafts.iter().filter(|it| it.key.address.kind == Kind::PrivateEndpoint) {
        part.needs.extend(need_link(draft, prediction, (&looked, &waits)));
    }
    part.drafts.extend(second_syncs(facts, prediction, so_far));
    let drafted = so_far.drafts.iter().chain(&part.drafts);
    let needs = order_sharers(prediction, &drafted.map(|it| &it.key.address).collect());
    part.needs.extend(needs);
    part
}

/// Waits for the controller's sync of a Service; `gone` and `again` as in the step.
fn await_controller(service: &Key, expect: Vec<Expectation>, gone: bool, again: bool) -> Op {
    let Key { namespace, name } = service.clone();
    Op::AwaitController { namespace, name, expect, gone, again }
}

/// Drafts the waits for second syncs.
fn second_syncs(facts: &Facts, prediction: &Prediction, so_far: &Part) -> Vec<Draft> {
    if prediction.finishing.is_empty() {
        return Vec::new();
    }
    let (before, after) = (prediction.between(), &prediction.after);
    let round = Round { before, after, outcomes: &prediction.finishing };
    let drafts = so_far.drafted();
    let is_made = |it: &&Key| drafts.contains(&DraftKey::new(&address(it), Stage::Finish));
    let services = round.outcomes.iter().map(|it| &it.service);
    let awaited: BTreeSet<&Key> = services.filter(is_made).collect();
    let looked = Looked::at(facts, prediction.owners(), &round, &awaited);
    let waits = awaited.iter().map(|service| {
        let at = address(service);
        let mut expect = looked.expectations(service);
        // They follow one another: what several bring about is there behind the last.
        expect.extend(looked.shared_until(service));
        let op = await_controller(service, expect, false, true);
        Draft::new(&at, Stage::Settle, op).needing(&at, Stage::Finish)
    });
    waits.collect()
}

/// A wait for the controller's sync of a Service.
struct Wait<'a> {
    service: &'a Key,
    /// Whether the Service itself must be gone.
    gone: bool,
    /// Whether the plan writes the Service, so that the controller may be made to sync again.
    again: bool,
}

/// The Services whose sync is waited for: those that are written or deleted, and those that the controller
/// has yet to sync. One that is deleted and made again is waited for in the end.
fn waits<'a>(prediction: &'a Prediction, so_far: &Part) -> Vec<Wait<'a>> {
    let drafts = so_far.drafted();
    let wrote = |draft: &&Draft| {
        let writes = matches!(draft.op, Op::ApplyService { .. } | Op::Nudge { .. });
        writes && draft.key.stage == Stage::Write
    };
    let written: BTreeSet<&NodeId> =
        so_far.drafts.iter().filter(wrote).map(|draft| &draft.key.address).collect();
    let is_pending =
        |change: &&Change| change.action == Action::Await && change.actor == Actor::Controller;
    let pending: BTreeSet<&NodeId> =
        so_far.changes.iter().filter(is_pending).map(|change| &change.address).collect();
    let mut seen = BTreeSet::new();
    let services = prediction.outcomes.iter().map(|outcome| &outcome.service);
    let services = services.filter(|it| seen.insert(*it));
    services
        .filter_map(|service| {
            let at = address(service);
            let has = |stage| drafts.contains(&DraftKey::new(&at, stage));
            let gone = has(Stage::Delete) && !has(Stage::Write);
            let is_awaited = gone || has(Stage::Write) || pending.contains(&at);
            is_awaited.then(|| Wait { service, gone, again: written.contains(&at) })
        })
        .collect()
}

/// Syncs that follow one another, and Azure before and after.
struct Round<'a> {
    before: &'a World,
    after: &'a World,
    outcomes: &'a [Outcome],
}

/// By which syncs a thing is brought about, in order.
type Writers<'a> = Vec<&'a Key>;

/// What the syncs of a round bring about, and which of them.
struct Looked<'a, 'r> {
    round: &'r Round<'a>,
    awaited: &'r BTreeSet<&'a Key>,
    unsure: Vec<&'static str>,
    /// What belongs to each Service.
    owned: Owned<'a>,
    /// What each sync has an effect on, or writes.
    touched: BTreeMap<&'a Key, BTreeSet<ResourceId>>,
    /// The last sync that touches a thing, by its id in lower case.
    last: BTreeMap<String, &'a Key>,
    /// The security rules that change.
    rules: BTreeMap<ResourceId, Writers<'a>>,
}

impl<'a, 'r> Looked<'a, 'r> {
    fn at(
        facts: &Facts,
        owners: &'a Owners,
        round: &'r Round<'a>,
        awaited: &'r BTreeSet<&'a Key>,
    ) -> Self {
        let mut owned = Owned::new();
        own(round.before, owners, &mut owned);
        own(round.after, owners, &mut owned);
        let (mut touched, mut last) = (BTreeMap::<_, BTreeSet<_>>::new(), BTreeMap::new());
        for outcome in round.outcomes {
            for id in touches(outcome, round.after) {
                last.insert(id.key(), &outcome.service);
                touched.entry(&outcome.service).or_default().insert(id);
            }
        }
        let (unsure, rules) = (unsure(facts), rules(round));
        Self { round, awaited, unsure, owned, touched, last, rules }
    }

    /// What ARM must show once the controller is done with a Service: what is its own, and what no later
    /// sync changes once more.
    fn expectations(&self, service: &Key) -> Vec<Expectation> {
        let owned = self.owned.get(service).into_iter().flatten();
        let touched = self.touched.get(service).into_iter().flatten();
        let is_last = |id: &&ResourceId| self.last.get(&id.key()).is_none_or(|it| *it == service);
        let ids: BTreeSet<&ResourceId> = owned.chain(touched).filter(is_last).collect();
        let rules = self.rules.iter().filter(|(_, writers)| writers.as_slice() == [service]);
        let rules = rules.map(|(id, _)| self.rule(id));
        ids.into_iter().map(|id| self.expectation(id)).chain(rules).collect()
    }

    fn expectation(&self, id: &ResourceId) -> Expectation {
        let old = identity(self.round.before, id);
        let new = old.as_ref().and_then(|_| identity(self.round.after, id));
        let instead_of = old.filter(|old| new.as_ref().is_some_and(|new| new != old));
        let present = expected(id, self.round.after, &self.unsure);
        Expectation { id: id.as_str().to_owned(), present, instead_of }
    }

    /// A security rule as it is in the end; of its priority only Azure knows, since it follows from the
    /// order in which the controller gets to Services.
    fn rule(&self, id: &ResourceId) -> Expectation {
        let present = expected(id, self.round.after, &self.unsure).map(|mut rule| {
            if let Some(properties) = rule.get_mut("properties").and_then(Value::as_object_mut) {
                properties.shift_remove("priority");
            }
            rule
        });
        Expectation { id: id.as_str().to_owned(), present, instead_of: None }
    }

    /// Waits for the security rules that several syncs change: behind all of those.
    fn shared(&self) -> Vec<Draft> {
        let mut drafts: BTreeMap<&Key, (BTreeSet<&Key>, Vec<Expectation>)> = BTreeMap::new();
        for (id, writers) in self.rules.iter().filter(|(_, writers)| writers.len() > 1) {
            let all_are_awaited = writers.iter().all(|it| self.awaited.contains(it));
            if let Some(last) = writers.last().filter(|_| all_are_awaited) {
                let (needs, expect) = drafts.entry(last).or_default();
                needs.extend(writers);
                expect.push(self.rule(id));
            }
        }
        let draft = |(last, (needs, expect)): (&Key, (BTreeSet<&Key>, Vec<Expectation>))| {
            let op = await_controller(last, expect, false, false);
            let draft = Draft::new(&address(last), Stage::Share, op);
            needs.into_iter().fold(draft, |it, need| it.needing(&address(need), Stage::Await))
        };
        drafts.into_iter().map(draft).collect()
    }

    /// The security rules that several syncs change and this one last.
    fn shared_until(&self, service: &Key) -> Vec<Expectation> {
        let rules = self.rules.iter().filter(|(_, writers)| {
            writers.len() > 1 && writers.last().is_some_and(|last| *last == service)
        });
        rules.map(|(id, _)| self.rule(id)).collect()
    }
}

/// What a sync has an effect on, and the pools that it fills. A load balancer is shared: what of it is a
/// Service's is expected child by child, and that it is deleted. One that is deleted with its last Service and
/// created again with another may as well stay: that follows from the order in which the controller gets to them.
fn touches(outcome: &Outcome, after: &World) -> Vec<ResourceId> {
    let is_balancer = |id: &ResourceId| {
        let collection = id.collection();
        collection.is_some_and(|it| it.name().eq_ignore_ascii_case("loadBalancers"))
    };
    let counts = |effect: &&outcome::Effect| {
        !is_balancer(&effect.id)
            || effect.action == outcome::Action::Deleted && after.get(&effect.id).is_none()
    };
    let effects = outcome.effects.iter().filter(counts).map(|effect| effect.id.clone());
    let is_pool = |id: &ResourceId| id.segment("backendAddressPools").is_some();
    let pools = outcome.writes.iter().filter(|it| it.answer.is_ok() && is_pool(&it.id));
    effects.chain(pools.map(|write| write.id.clone())).collect()
}

/// Fields that depend on unknown facts: they are predicted, but not waited for.
fn unsure(facts: &Facts) -> Vec<&'static str> {
    let hanging = [(Fact::Zones, "zones"), (Fact::DisableOutboundSnat, "disableOutboundSnat")];
    let is_assumed = |fact: Fact| facts.source(fact) == Origin::Assumed;
    hanging.into_iter().filter(|(fact, _)| is_assumed(*fact)).map(|(_, field)| field).collect()
}

/// The rules of a security group, by name.
type Rules = BTreeMap<String, Value>;

fn rules_of(group: &Value) -> Rules {
    let rules = group.at("/properties/securityRules").and_then(Value::as_array);
    let named = |rule: &Value| {
        let properties = rule.get("properties").cloned().unwrap_or_default();
        Some((rule.get("name")?.as_str()?.to_owned(), fields::clean(&properties)))
    };
    rules.into_iter().flatten().filter_map(named).collect()
}

/// The security rules that syncs change, with the syncs that do.
fn rules<'a>(round: &Round<'a>) -> BTreeMap<ResourceId, Writers<'a>> {
    let mut groups: BTreeMap<String, Rules> = BTreeMap::new();
    let mut writers: BTreeMap<ResourceId, Writers<'a>> = BTreeMap::new();
    for outcome in round.outcomes {
        for write in outcome.writes.iter().filter(|write| write.answer.is_ok()) {
            let Some(group) = round.before.network_security_groups.get(&write.id.key()) else {
                continue;
            };
            let Some(written) = write.body.as_ref().map(|body| rules_of(&body.to_value())) else {
                continue;
            };
            let known = groups.entry(write.id.key()).or_insert_with(|| {
                rules_of(&serde_json::to_value(group.as_ref()).unwrap_or_default())
            });
            let names = known.keys().chain(written.keys());
            for name in names.filter(|name| known.get(*name) != written.get(*name)) {
                let id = ResourceId::new(group.id()).child("securityRules", name);
                let writers = writers.entry(id).or_default();
                writers.retain(|it| *it != &outcome.service);
                writers.push(&outcome.service);
            }
            *known = written;
        }
    }
    writers
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
fn expected(id: &ResourceId, after: &World, unsure: &[&str]) -> Option<Value> {
    let subnet = after.subnets.get(&id.key());
    let policy = subnet.and_then(|it| it.properties.private_link_service_network_policies.as_ref());
    if let Some(policy) = policy {
        return Some(json!({"properties": {"privateLinkServiceNetworkPolicies": policy}}));
    }
    after.write(id, fields::expected(unsure))?.ok()
}

/// What depends on the Private Link Service of a Service waits for whichever sync makes that: of Services
/// that share a frontend it may be another's.
fn need_link(
    draft: &Draft,
    prediction: &Prediction,
    (looked, waits): (&Looked<'_, '_>, &BTreeMap<NodeId, &Key>),
) -> Vec<(DraftKey, DraftKey)> {
    let mut more = Vec::new();
    for need in draft.needs.iter().filter(|need| need.stage == Stage::Await) {
        let service = waits.get(&need.address);
        let link = service.and_then(|service| prediction.link_after(service));
        let Some(link) = link else { continue };
        let last = looked.last.get(&link.id().to_lowercase());
        let last = last.filter(|it| looked.awaited.contains(**it));
        let last = last.map(|last| DraftKey::new(&address(last), Stage::Await));
        more.extend(last.map(|last| (draft.key.clone(), last)));
    }
    more
}

/// The Services that share a frontend, for each frontend that has several.
pub(super) fn sharers<'a>(world: &World, owners: &'a Owners) -> Vec<BTreeSet<&'a Key>> {
    let mut sharers: BTreeMap<String, BTreeSet<&Key>> = BTreeMap::new();
    for balancer in world.load_balancers.values() {
        for rule in balancer.properties.load_balancing_rules.iter().flatten() {
            let frontend = rule.properties.frontend_ip_configuration.as_ref();
            if let (Some(frontend), Some(key)) = (frontend, owners.of_name(rule.name())) {
                sharers.entry(frontend.id().to_lowercase()).or_default().insert(key);
            }
        }
    }
    sharers.into_values().filter(|keys| keys.len() > 1).collect()
}

/// Services that share a frontend are written one after the other, in the order they were predicted.
fn order_sharers(
    prediction: &Prediction,
    drafted: &BTreeSet<&NodeId>,
) -> Vec<(DraftKey, DraftKey)> {
    let owners = prediction.owners();
    let mut seen = BTreeSet::new();
    let services = prediction.outcomes.iter().map(|outcome| &outcome.service);
    let in_order: Vec<&Key> =
        services.filter(|key| drafted.contains(&address(key)) && seen.insert(*key)).collect();
    let mut needs = Vec::new();
    let worlds = [&prediction.before, prediction.between()];
    for keys in worlds.iter().flat_map(|world| sharers(world, owners)) {
        let sharers: Vec<&Key> =
            in_order.iter().copied().filter(|key| keys.contains(key)).collect();
        for pair in sharers.windows(2) {
            if let [first, second] = pair {
                let first = DraftKey::new(&address(first), Stage::Await);
                for stage in [Stage::Write, Stage::Delete] {
                    needs.push((DraftKey::new(&address(second), stage), first.clone()));
                }
            }
        }
    }
    needs
}
