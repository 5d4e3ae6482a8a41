//! A way from what is live to desired state that disconnects fewer consumers than doing all at once: a
//! sequence of edits, each of one Service; or the proof that there is none.
//!
//! The prediction is the oracle. The search is over edits of the Services that differ and of those beside
//! them: all that differs at once, a part of it, spare ports for a while, deletion, a sync. It is bounded
//! and deterministic; parts of a stack that share nothing are searched apart.

mod course;
mod documents;
mod edited_gateway;
pub mod gate;
mod harm;
mod parts;
mod search;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::arm::resource::EndpointConnection;
use crate::arm::world::World;
use crate::change::FieldDiff;
use crate::consumer::Consumer;
use crate::controller::cluster::Cluster;
use crate::controller::predict::Change;
use crate::diff;
use crate::evidence::Evidence;
use crate::field_diff;
use crate::import;
use crate::input::Input;
use crate::kubernetes::service::Key;
use crate::plan::{Mode, RouteNote, Scope};
use crate::planned::Planned;
use crate::prediction::{self, Prediction};

pub use documents::documents;
pub use harm::Cost;

use course::Course;
use gate::Gated;
use harm::{Harm, Needs};
use search::{Problem, Reached, State};

/// The version of the JSON. Minor: a new optional field; major: all else.
pub const FORMAT_VERSION: &str = "1.3";

/// Where a search ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bounds {
    /// How many edits a way may have.
    pub edits: usize,
    /// How many states are looked at.
    pub states: usize,
}

impl Default for Bounds {
    /// Ways of up to eight edits, among up to 5,000 states.
    fn default() -> Self {
        Self { edits: 8, states: 5_000 }
    }
}

impl Bounds {
    /// What a plan can wait for: up to 300 states.
    const fn short() -> Self {
        Self { edits: 8, states: 300 }
    }
}

/// From what is live to desired state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// See [`FORMAT_VERSION`].
    pub format_version: String,
    /// The stack's name.
    pub stack: String,
    /// What it comes to.
    pub verdict: Verdict,
    /// Whom doing all at once disconnects.
    pub at_once: Vec<Consumer>,
    /// What the controller fails at when all is done at once, by Service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fails: Vec<String>,
    /// What the steps cost together.
    pub cost: Cost,
    /// The steps, in order; none where there is no better way than doing all at once.
    pub steps: Vec<Step>,
    /// What was searched.
    pub searched: SearchNote,
    /// Why the Private Link Services that are lost at once are lost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<Rule>,
    /// What to do instead where there is no way, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instead: Vec<String>,
    /// The way with gates where there is none without, or where it was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gates: Option<Gated>,
}

/// What a route comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// Doing all at once disconnects nobody, and the controller fails at nothing.
    AtOnce,
    /// There is a way that disconnects fewer, or at which nothing fails.
    Found,
    /// There is none within the bounds, and all there is within them was looked at.
    None,
    /// None was found before the search ended at its bound of states.
    Unfinished,
}

/// What was searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SearchNote {
    /// Where it ends.
    pub bounds: Bounds,
    /// How many states were looked at.
    pub states: usize,
}

/// Why a Private Link Service is lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// The Private Link Service.
    pub link: String,
    /// Why, in words that fit after "because".
    pub reason: String,
    /// How sure that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// What a step does to its Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Edit {
    /// It is created.
    Create,
    /// It is changed.
    Update,
    /// It is deleted.
    Delete,
    /// It is synced as it is.
    Sync,
}

/// One step: one edit of one Service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Its number, from 1.
    pub number: usize,
    /// The Service, as `namespace/name`.
    pub service: String,
    /// What is done to it.
    pub edit: Edit,
    /// The tool that writes it, where it is not privlink.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The Gateway of which it is made, as `namespace/name`: the edit is one of the Gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// The fields that change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldDiff>,
    /// Whom it disconnects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disconnects: Vec<Consumer>,
    /// What nothing serves until a later step, such as `my-pls TCP 443`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unserved: Vec<String>,
    /// The Private Link Services whose consumers' connections break and come back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interrupts: Vec<String>,
    /// The Services that become as desired along with it, as `namespace/name`: with the last step all that no other
    /// step is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub along: Vec<String>,
    /// The Services that differ from what is desired or live, as they are after it, by `namespace/name`; null
    /// for those that there are not.
    pub services: BTreeMap<String, Option<Value>>,
    /// The Service through which each of the stack's endpoints is reached after it, by the endpoint's document.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub targets: BTreeMap<String, String>,
}

/// What becomes of Services.
pub(crate) type Changes = BTreeMap<Key, Change>;

/// Plans, and names the route that disconnects fewer than the plan, if there is one within a short search.
///
/// # Errors
///
/// As for [`crate::planning::plan`].
pub fn planned(input: &Input<'_>) -> Result<Planned, crate::planning::Error> {
    let (mut planned, changes) = crate::planning::plan_with_changes(input)?;
    // A plan that is limited, or that re-creates what it is told to, is not what a route leads to.
    let is_whole = input.options.scope == Scope::default();
    if is_whole && planned.plan.summary.consumers_disconnected > 0 {
        planned.plan.route = note((input, &planned), by_service(changes), Bounds::short());
    }
    Ok(planned)
}

/// The route that disconnects fewer than a plan, if there is one within these bounds. `changes` are what becomes of each
/// Service of the stack.
pub(crate) fn note(
    (input, planned): (&Input<'_>, &Planned),
    changes: Changes,
    bounds: Bounds,
) -> Option<RouteNote> {
    let route = searched(input, planned, changes, bounds);
    let is_better = route.verdict == Verdict::Found && route.cost.disconnects < route.at_once.len();
    is_better.then_some(RouteNote {
        disconnects: route.cost.disconnects,
        at_once: route.at_once.len(),
        steps: route.steps.len(),
    })
}

/// Finds the route.
///
/// # Errors
///
/// As for [`crate::planning::plan`].
pub fn find(input: &Input<'_>, bounds: Bounds) -> Result<Route, crate::planning::Error> {
    let planned = crate::planning::plan(input)?;
    Ok(of(input, &planned, changed(input), bounds))
}

/// The route from what is live to what a plan comes to, with what to do instead where there is none.
fn of(input: &Input<'_>, planned: &Planned, changes: Changes, bounds: Bounds) -> Route {
    let mut route = searched(input, planned, changes, bounds);
    if !matches!(route.verdict, Verdict::None | Verdict::Unfinished) {
        return route;
    }
    let is_under_way = gate::is_under_way(input);
    if is_under_way || !route.at_once.is_empty() {
        route.gates = gate::of(input, planned);
    }
    if !is_under_way && !route.at_once.is_empty() {
        route.instead = instead(input, planned);
    }
    route
}

/// The route, without what to do instead.
fn searched(input: &Input<'_>, planned: &Planned, changes: Changes, bounds: Bounds) -> Route {
    let before = without(&planned.prediction.before, &leaving(input));
    let at_once = Harm::between(&before, &planned.prediction.after, &Needs::default());
    let mut route = Route {
        format_version: FORMAT_VERSION.to_owned(),
        stack: input.wanted.name().to_owned(),
        verdict: Verdict::AtOnce,
        cost: Cost { disconnects: at_once.disconnected.len(), ..Cost::default() },
        at_once: at_once.disconnected,
        fails: fails(&planned.prediction),
        steps: Vec::new(),
        searched: SearchNote { bounds, states: 0 },
        because: Vec::new(),
        instead: Vec::new(),
        gates: None,
    };
    if input.options.mode == Mode::Destroy {
        return route;
    }
    if gate::is_under_way(input) {
        route.verdict = Verdict::None;
        return route;
    }
    if route.at_once.is_empty() && route.fails.is_empty() {
        return route;
    }
    route.because = because(planned);
    if route.fails.is_empty()
        && let Some(changed) = parts::in_one_field_each(input, planned, &changes)
    {
        // Each has one way: see `has_one_way`.
        route.searched.states = changed;
        route.verdict = Verdict::None;
        return route;
    }
    let ground = Ground::of(input, &planned.prediction, changes);
    match ground.search((&before, &planned.prediction), bounds, &mut route.searched) {
        Found::Way { way, cost, instead_of } => {
            let disconnects = (route.at_once.len() + cost.disconnects).saturating_sub(instead_of);
            route.verdict = Verdict::Found;
            route.cost = Cost { disconnects, ..cost };
            route.steps = ground.steps(&way);
        }
        Found::Nothing { exhausted } => {
            route.verdict = if exhausted { Verdict::None } else { Verdict::Unfinished };
        }
    }
    route
}

/// What a search over parts came to.
enum Found {
    /// The steps.
    Way {
        way: Vec<Reached>,
        /// What they cost together.
        cost: Cost,
        /// How many consumers doing at once what they do disconnects.
        instead_of: usize,
    },
    /// There is none, or none was found.
    Nothing { exhausted: bool },
}

/// What comes of editing Services at once.
struct AtOnce {
    disconnects: usize,
    fails: bool,
}

impl AtOnce {
    const fn is_well(&self) -> bool {
        self.disconnects == 0 && !self.fails
    }
}

/// Whether Services that share nothing with others have no other way than all at once: they change in one respect, at
/// which nothing fails. The end keeps what that edit keeps, whatever comes before.
fn has_one_way(courses: &[&Course], prediction: &Prediction) -> bool {
    let fails = |course: &Course| {
        let mut syncs = prediction.outcomes.iter().filter(|it| it.service == course.key);
        syncs.any(|it| it.error.is_some())
    };
    courses.iter().all(|course| course.has_one_edit() && !fails(course))
}

/// What the controller fails at, by Service.
fn fails(prediction: &Prediction) -> Vec<String> {
    let failed = prediction.outcomes.iter().filter_map(|outcome| {
        let error = outcome.error.as_ref()?;
        Some(format!("Service {}: {}", outcome.service, error.in_short()))
    });
    failed.collect()
}

/// What a route is searched on.
struct Ground<'a> {
    input: &'a Input<'a>,
    /// What becomes of each Service.
    changes: Changes,
    courses: Vec<Course>,
    managers: BTreeMap<Key, String>,
    /// The Gateways of which Services are made.
    gateways: BTreeMap<Key, String>,
    cluster: Cluster,
    needs: Needs,
}

impl<'a> Ground<'a> {
    fn of(input: &'a Input<'a>, prediction: &Prediction, changes: Changes) -> Self {
        let cluster = prediction::cluster(input.live, input.facts);
        let mut courses = Vec::new();
        let mut managers = BTreeMap::new();
        let mut gateways = BTreeMap::new();
        for (key, change) in &changes {
            let object = input.live.service(key);
            let from = object.map(|it| import::manifest(key, it));
            let wanted = input.wanted.service(key).map(|it| it.manifest.clone());
            let course = match change {
                Change::Delete(_) => Course::new(key.clone(), from, None),
                Change::Nudge(_) => Course::unchanged(key.clone(), wanted.or(from)),
                Change::Apply(stored) => {
                    let plain = import::manifest(key, &stored.object);
                    Course::changed(key.clone(), from, wanted.map(|it| (it, plain)))
                }
            };
            let made_by = input.wanted.service(key).and_then(|it| it.made_by.as_ref());
            let course = course.made_of(made_by.map(|by| by.listeners.clone()));
            if let Some(by) = made_by {
                gateways.insert(key.clone(), by.gateway.to_string());
            }
            let actor = crate::join::service::actor(input, key, object);
            if let crate::change::Actor::External(tool) = actor {
                managers.insert(key.clone(), tool);
            }
            courses.push(course);
        }
        let wanted: BTreeSet<harm::Port> =
            courses.iter().flat_map(|course| course.ports(&course.end())).collect();
        let needs = Needs::of(&prediction.before, &wanted);
        Self { input, changes, courses, managers, gateways, cluster, needs }
    }

    /// Searches each part of the stack that loses somebody at once; the rest is done with the last step.
    fn search(
        &self,
        (before, prediction): (&World, &Prediction),
        bounds: Bounds,
        note: &mut SearchNote,
    ) -> Found {
        let mut way = Vec::new();
        let (mut world, mut cluster) = (before.clone(), self.cluster.clone());
        let mut exhausted = true;
        let (mut cost, mut instead_of) = (Cost::default(), 0);
        for part in parts::of(&self.courses, prediction) {
            let courses: Vec<&Course> =
                part.courses.iter().filter_map(|number| self.courses.get(*number)).collect();
            if part.is_alone && has_one_way(&courses, prediction) {
                note.states += 1;
                continue;
            }
            let alone = self.at_once(&courses, &world, &cluster);
            if alone.is_well() {
                continue;
            }
            let variants = courses.iter().map(|course| course.start()).collect();
            let problem = Problem {
                courses,
                is_alone: part.is_alone,
                managers: &self.managers,
                stack: self.input.wanted.name(),
                needs: &self.needs,
                // A way on which nothing fails is better than one that gets stuck, whatever it disconnects.
                at_once: if alone.fails { usize::MAX } else { alone.disconnects },
                bounds,
            };
            let searched =
                problem.search(State { variants, world: world.clone(), cluster: cluster.clone() });
            note.states += searched.states;
            match searched.way {
                Some(mut found) => {
                    for reached in &mut found {
                        reached.edited =
                            part.courses.get(reached.edited).copied().unwrap_or_default();
                    }
                    if let Some(last) = found.last() {
                        world = last.state.world.clone();
                        cluster = last.state.cluster.clone();
                        cost = cost.plus(last.cost);
                    }
                    instead_of += alone.disconnects;
                    way.extend(found);
                }
                None => exhausted = exhausted && searched.exhausted,
            }
        }
        if way.is_empty() {
            return Found::Nothing { exhausted };
        }
        Found::Way { way, cost, instead_of }
    }

    /// What comes of editing all of these Services at once.
    fn at_once(&self, courses: &[&Course], world: &World, cluster: &Cluster) -> AtOnce {
        let changes = courses.iter().filter_map(|course| self.changes.get(&course.key).cloned());
        let changes = search::with_nudges(&changes.collect::<Vec<_>>(), cluster);
        let predicted = prediction::predict(world.clone(), cluster.clone(), &changes);
        let harm = Harm::between(world, &predicted.after, &Needs::default());
        AtOnce { disconnects: harm.disconnected.len(), fails: !fails(&predicted).is_empty() }
    }

    fn steps(&self, way: &[Reached]) -> Vec<Step> {
        let mut manifests: BTreeMap<Key, Option<Value>> =
            self.courses.iter().map(|it| (it.key.clone(), it.from.clone())).collect();
        let mut steps = Vec::new();
        for (number, reached) in way.iter().enumerate() {
            let Some(course) = self.courses.get(reached.edited) else { continue };
            let before = manifests.get(&course.key).cloned().flatten();
            let after = reached.manifest.clone();
            let edit = match (&before, &after) {
                (None, _) => Edit::Create,
                (_, None) => Edit::Delete,
                (Some(before), Some(after)) if before == after => Edit::Sync,
                _ => Edit::Update,
            };
            let fields = fields(before.as_ref(), after.as_ref());
            manifests.insert(course.key.clone(), after);
            let harm = &reached.harm;
            let shown = |(link, (protocol, port)): &(String, harm::Port)| {
                format!("{link} {protocol} {port}")
            };
            steps.push(Step {
                number: number + 1,
                service: course.key.to_string(),
                edit,
                by: self.managers.get(&course.key).cloned(),
                gateway: self.gateways.get(&course.key).cloned(),
                fields,
                disconnects: harm.disconnected.clone(),
                unserved: harm.unserved.iter().map(shown).collect(),
                interrupts: harm.interrupted.clone(),
                along: Vec::new(),
                services: manifests.iter().map(|(key, it)| (key.to_string(), it.clone())).collect(),
                targets: documents::targets(self.input, &reached.state),
            });
        }
        if let (Some(step), Some(reached)) = (steps.last_mut(), way.last()) {
            self.add_rest(step, way, &reached.state);
        }
        steps
    }

    /// Adds to the last step what no step is about: Services that change and harm nobody, or for which there is no
    /// better way.
    fn add_rest(&self, last: &mut Step, way: &[Reached], end: &State) {
        let edited: BTreeSet<usize> = way.iter().map(|reached| reached.edited).collect();
        let rest = self.courses.iter().enumerate();
        let rest: BTreeSet<&Key> = rest
            .filter(|(number, course)| !edited.contains(number) && !course.is_unchanged())
            .map(|(_, course)| &course.key)
            .collect();
        let changes = rest.iter().filter_map(|key| self.changes.get(*key).cloned());
        let changes = search::with_nudges(&changes.collect::<Vec<_>>(), &end.cluster);
        let predicted = prediction::predict(end.world.clone(), end.cluster.clone(), &changes);
        let harm = Harm::between(&end.world, &predicted.after, &Needs::default());
        last.disconnects.extend(harm.disconnected);
        last.disconnects.sort();
        last.along = rest.into_iter().map(ToString::to_string).collect();
    }
}

/// The endpoints, by id in lower case, that the plan deletes: they have nothing to lose.
fn leaving(input: &Input<'_>) -> BTreeSet<String> {
    if !input.prunes() {
        return BTreeSet::new();
    }
    let wanted: BTreeSet<String> = input.endpoints().map(|it| it.id.key()).collect();
    input.own().keys().filter(|it| !wanted.contains(*it)).cloned().collect()
}

/// A world without the connections of these endpoints.
fn without(world: &World, endpoints: &BTreeSet<String>) -> World {
    let mut world = world.clone();
    let is_of = |it: &EndpointConnection| {
        let endpoint = it.properties.private_endpoint.as_ref();
        endpoint.is_some_and(|it| endpoints.contains(&it.id().to_lowercase()))
    };
    for link in world.private_link_services.values_mut() {
        let connections = link.properties.private_endpoint_connections.iter().flatten();
        if connections.clone().any(is_of) {
            let left = connections.filter(|it| !is_of(it)).cloned().collect();
            Arc::make_mut(link).properties.private_endpoint_connections = Some(left);
        }
    }
    world
}

/// What becomes of each Service of the stack, and of the Services beside it.
pub(crate) fn changed(input: &Input<'_>) -> Changes {
    by_service(diff::service::diff(input).1)
}

fn by_service(changes: Vec<Change>) -> Changes {
    changes.into_iter().map(|change| (change.key().clone(), change)).collect()
}

/// The fields that an edit changes.
fn fields(before: Option<&Value>, after: Option<&Value>) -> Vec<FieldDiff> {
    match (before, after) {
        (Some(before), Some(after)) => {
            let fields = field_diff::fields(Some(before), Some(after));
            fields.into_iter().map(FieldDiff::shown).collect()
        }
        _ => Vec::new(),
    }
}

/// Why Private Link Services with consumers are lost at once.
fn because(planned: &crate::planned::Planned) -> Vec<Rule> {
    use crate::change::Effect;
    use crate::node_id::Kind;
    let lost = planned.plan.changes.iter().filter(|change| {
        change.address.kind == Kind::PrivateLinkService
            && matches!(change.effect, Effect::ConsumersDisconnected(_))
    });
    lost.map(|change| Rule {
        link: change.address.to_string(),
        reason: change.reason.clone(),
        evidence: change.evidence,
    })
    .collect()
}

/// The way with gates: a second Private Link Service beside the first.
fn instead(input: &Input<'_>, planned: &crate::planned::Planned) -> Vec<String> {
    let links = because(planned);
    let explained = links.iter().filter_map(|rule| {
        let address = rule.link.parse().ok()?;
        crate::explanation::of(input, planned, &address).ok()?.beside
    });
    explained.flat_map(|beside| beside.steps).collect()
}
