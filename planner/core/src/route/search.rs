//! The search: the cheapest sequence of edits, by uniform cost.
//!
//! An edit makes another variant of one Service, and the prediction says what comes of it. States are the
//! variants with what Azure shows; one that was reached more cheaply is not looked at again. A state in
//! which a sync fails is no way to anywhere, and one that disconnects as many consumers as doing all at once
//! is no better.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde_json::Value;

use crate::arm::rules::Rules;
use crate::arm::world::World;
use crate::controller::cluster::Cluster;
use crate::controller::predict::{self, Change};
use crate::kubernetes::service::{Key, Service};
use crate::marks::FIELD_MANAGER;
use crate::node::private_link_service as link_node;
use crate::prediction;

use super::Bounds;
use super::course::{self, Course, Variant};
use super::harm::{Cost, Harm, Needs, Port};

/// What is searched: Services that share something, with the world around them.
pub(super) struct Problem<'a> {
    /// The Services.
    pub(super) courses: Vec<&'a Course>,
    /// Whether they are one Service, on frontends on which nothing else has rules.
    pub(super) is_alone: bool,
    /// Who is written as whom: the Services that another tool writes, with the tool's field manager.
    pub(super) managers: &'a BTreeMap<Key, String>,
    /// The name of the stack, whose label every manifest carries.
    pub(super) stack: &'a str,
    /// What consumers need all the way.
    pub(super) needs: &'a Needs,
    /// How many consumers are disconnected by doing all at once.
    pub(super) at_once: usize,
    /// Where the search ends.
    pub(super) bounds: Bounds,
}

/// A point on the way.
#[derive(Clone)]
pub(super) struct State {
    /// How far each Service has come, in order of the courses.
    pub(super) variants: Vec<Variant>,
    /// Azure.
    pub(super) world: World,
    /// The cluster.
    pub(super) cluster: Cluster,
}

/// A state that was reached, and how.
pub(super) struct Reached {
    pub(super) state: State,
    /// The course that was edited to come here.
    pub(super) edited: usize,
    /// Its manifest then; none where the Service is deleted.
    pub(super) manifest: Option<Value>,
    /// What that did.
    pub(super) harm: Harm,
    from: Option<usize>,
    /// What the way to it costs.
    pub(super) cost: Cost,
}

/// What the search came to.
pub(super) struct Searched {
    /// The steps of the best way, first to last; none if there is none within the bounds.
    pub(super) way: Option<Vec<Reached>>,
    /// How many states were looked at.
    pub(super) states: usize,
    /// Whether all there are within the bounds were.
    pub(super) exhausted: bool,
}

impl Problem<'_> {
    /// Searches from a state.
    pub(super) fn search(&self, start: State) -> Searched {
        let mut arena = vec![Reached {
            state: start,
            edited: 0,
            manifest: None,
            harm: Harm::default(),
            from: None,
            cost: Cost::default(),
        }];
        let mut open = BTreeSet::from([(Cost::default(), 0)]);
        let mut seen = BTreeSet::new();
        let mut states = 0;
        while let Some((cost, at)) = open.pop_first() {
            let Some(reached) = arena.get(at) else { break };
            if !seen.insert(digest(&reached.state)) {
                continue;
            }
            states += 1;
            if self.is_end(&reached.state) {
                return Searched { way: Some(way(arena, at)), states, exhausted: false };
            }
            if states >= self.bounds.states {
                return Searched { way: None, states, exhausted: false };
            }
            if cost.edits >= self.bounds.edits {
                continue;
            }
            for (edited, state, harm) in self.next(&reached.state) {
                let cost = cost.plus(harm.cost()).plus(self.absence(&state));
                if cost.disconnects < self.at_once && !seen.contains(&digest(&state)) {
                    open.insert((cost, arena.len()));
                    let variant = state.variants.get(edited);
                    let course = self.courses.get(edited);
                    let manifest = course.zip(variant).and_then(|(course, at)| course.manifest(at));
                    arena.push(Reached { state, edited, manifest, harm, from: Some(at), cost });
                }
            }
        }
        Searched { way: None, states, exhausted: true }
    }

    fn is_end(&self, state: &State) -> bool {
        self.courses.iter().zip(&state.variants).all(|(course, at)| course.end() == *at)
    }

    /// A Service that is to stay and is away, or on other ports, interrupts whoever uses it.
    fn absence(&self, state: &State) -> Cost {
        let stays = |course: &Course| course.from.is_some() && course.to.is_some();
        let away = |at: &Variant| !matches!(at, Variant::Present { shift: 0, .. });
        let all = self.courses.iter().zip(&state.variants);
        let interruptions = all.filter(|(course, at)| stays(course) && away(at)).count();
        Cost { interruptions, ..Cost::default() }
    }

    /// The states that one edit leads to.
    fn next(&self, state: &State) -> Vec<(usize, State, Harm)> {
        let mut next = Vec::new();
        for (number, course) in self.courses.iter().enumerate() {
            let Some(at) = state.variants.get(number) else { continue };
            let taken = self.taken(state, number);
            for variant in
                course.edits(at, &taken).into_iter().filter(|it| self.may_help(course, it))
            {
                let change = self.change(course, &variant, &state.cluster);
                next.extend(change.and_then(|change| self.step(state, (number, variant), &change)));
            }
            // A sync of a Service that stays as it is may move what it owns.
            if matches!(at, Variant::Present { .. }) {
                let nudge = Change::Nudge(course.key.clone());
                let synced = self.step(state, (number, at.clone()), &nudge);
                next.extend(synced.filter(|(_, it, _)| digest(it) != digest(state)));
            }
        }
        next
    }

    /// Whether a variant can lead to a better way. Spare ports make room for another Service, and there may be none;
    /// a Service that shares nothing loses by its deletion all that it has, which is no better than doing all at once.
    /// Where something fails at once, all that gets past it is better.
    fn may_help(&self, course: &Course, variant: &Variant) -> bool {
        if !self.is_alone || self.at_once == usize::MAX || *variant == course.end() {
            return true;
        }
        matches!(variant, Variant::Present { shift: 0, .. })
    }

    /// The ports of all other Services, now and at the end.
    fn taken(&self, state: &State, number: usize) -> BTreeSet<Port> {
        let all = self.courses.iter().zip(&state.variants).enumerate();
        all.flat_map(|(it, (course, at))| {
            let now = if it == number { BTreeSet::new() } else { course.ports(at) };
            course.ports(&course.end()).into_iter().chain(now)
        })
        .collect()
    }

    /// What an edit is to the API server.
    fn change(&self, course: &Course, variant: &Variant, cluster: &Cluster) -> Option<Change> {
        let Some(mut manifest) = course.manifest(variant) else {
            return Some(Change::Delete(course.key.clone()));
        };
        let manager = self.managers.get(&course.key);
        if manager.is_none() {
            crate::node::service::mark(&mut manifest, self.stack);
        }
        let live = cluster.services.get(&course.key).map(|it| it.object.clone());
        let manager = manager.map_or(FIELD_MANAGER, String::as_str);
        let stored = prediction::stored_by(&manifest, live.as_deref(), &cluster.facts, manager);
        let service = stored.ok().and_then(|it| Service::from_value(it).ok());
        service.map(|it| Change::Apply(Arc::new(it)))
    }

    /// What comes of an edit; nothing if a sync fails.
    fn step(
        &self,
        state: &State,
        (number, variant): (usize, Variant),
        change: &Change,
    ) -> Option<(usize, State, Harm)> {
        let changes = with_nudges(std::slice::from_ref(change), &state.cluster);
        let predicted =
            predict::predict(state.world.clone(), state.cluster.clone(), &changes, Rules::Azure);
        if predicted.outcomes.iter().any(|outcome| outcome.error.is_some())
            || !names_are_apart(&predicted.services)
        {
            return None;
        }
        let harm = Harm::between(&state.world, &predicted.world, self.needs);
        let mut variants = state.variants.clone();
        *variants.get_mut(number)? = variant;
        let cluster = Cluster { services: predicted.services, ..state.cluster.clone() };
        Some((number, State { variants, world: predicted.world, cluster }, harm))
    }
}

/// Changes with what makes them take effect: the controller reacts to no label by itself, and reads some at its next
/// sync.
pub(super) fn with_nudges(changes: &[Change], cluster: &Cluster) -> Vec<Change> {
    let is_unnoticed = |change: &&Change| match change {
        Change::Apply(service) => cluster.services.get(change.key()).is_some_and(|live| {
            let spec = |it: &Service| it.object.get("spec").cloned();
            live.annotations == service.annotations && spec(live) == spec(service)
        }),
        Change::Delete(_) | Change::Nudge(_) => false,
    };
    let nudges = changes.iter().filter(is_unnoticed).map(|it| Change::Nudge(it.key().clone()));
    changes.iter().cloned().chain(nudges).collect()
}

/// Whether no two Services name one Private Link Service, which is no valid input.
fn names_are_apart(services: &BTreeMap<Key, Arc<Service>>) -> bool {
    let mut seen = BTreeSet::new();
    let mut names = services.values().filter_map(|it| course::link_name(&it.annotations));
    names.all(|name| seen.insert(name))
}

/// The way to a state.
fn way(arena: Vec<Reached>, end: usize) -> Vec<Reached> {
    let mut arena: Vec<Option<Reached>> = arena.into_iter().map(Some).collect();
    let mut way = Vec::new();
    let mut at = end;
    while let Some(reached) = arena.get_mut(at).and_then(Option::take) {
        let Some(from) = reached.from else { break };
        way.push(reached);
        at = from;
    }
    way.reverse();
    way
}

/// What tells a state from others: how far the Services have come, and what of Azure decides what comes
/// next. Etags and what follows from the rest are left out.
fn digest(state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.variants.hash(&mut hasher);
    for (id, balancer) in &state.world.load_balancers {
        id.hash(&mut hasher);
        for frontend in balancer.properties.frontend_ip_configurations.iter().flatten() {
            (frontend.name(), &frontend.properties.private_ip_address).hash(&mut hasher);
        }
        for rule in balancer.properties.load_balancing_rules.iter().flatten() {
            let frontend = rule.properties.frontend_ip_configuration.as_ref();
            (rule.name(), frontend.map(|it| it.id()), rule.properties.frontend_port)
                .hash(&mut hasher);
        }
    }
    for (id, link) in &state.world.private_link_services {
        let connections = link.properties.private_endpoint_connections.iter().flatten();
        (id, link_node::identity(link), &link.tags, connections.count()).hash(&mut hasher);
        crate::node::fields::clean(link).to_string().hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests;
