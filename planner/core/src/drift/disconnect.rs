//! What repairs come to: whom they disconnect, and whether an apply does what it is offered for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::change::Action;
use crate::controller::predict::Change;
use crate::input::{Input, Options};
use crate::kubernetes::service::{Key, Service};
use crate::marks::FIELD_MANAGER;
use crate::node::private_link_service;
use crate::node_id::{Kind, NodeId};
use crate::plan::{self, Finding, Plan, Refusal};
use crate::planning;
use crate::prediction::{self, Prediction};
use crate::rule;

use super::repair::{self, Act, Repair};
use super::report::{Difference, Heals};
use super::{Look, PlannedOnce};

/// Says of every repair whom its commands disconnect, and of those that apply the stack what a plan would
/// refuse them for. A sync that disconnects somebody is not offered: an apply asks first. Nor is an apply that leaves
/// the object as it is.
pub(super) fn judge(
    input: &Input<'_>,
    look: &Look<'_>,
    (prediction, planned): (&Prediction, &PlannedOnce),
    differences: &mut [Difference],
) {
    let (plans, behind, syncs) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut judge = Judge { input, prediction, planned, plans, behind, syncs };
    for difference in differences {
        let Some(repair) = &mut difference.repair else { continue };
        if repair.is_apply() {
            judge.offer(&difference.address, repair, look);
        }
        let mut whom = judge.disconnected(repair);
        if !whom.is_empty() && repair.is_sync() {
            *repair = Repair::apply(look.apply);
            judge.offer(&difference.address, repair, look);
            whom.extend(judge.disconnected(repair));
        }
        if let Some(adopt) = repair.applies() {
            repair.refuse(&judge.applied(repair.taken_back(), adopt).refusals);
        }
        if difference.heals == Heals::Tool {
            // The tool writes what a plan says of the documents.
            whom.extend(judge.applied(None, false).disconnects.iter().cloned());
        }
        whom.extend(difference.disconnects.drain(..));
        difference.disconnects = whom.into_iter().collect();
    }
}

/// What an apply comes to.
#[derive(Default)]
struct Applied {
    /// Whom it disconnects.
    disconnects: BTreeSet<String>,
    /// What refuses it.
    refusals: Vec<Refusal>,
    /// What it changes.
    changes: BTreeSet<NodeId>,
    /// What a plan reports, the worst first.
    findings: Vec<Finding>,
    /// Whether it can be planned.
    is_planned: bool,
}

impl Applied {
    fn of(plan: Plan) -> Self {
        let consumers = plan::disconnected(&plan.changes);
        let disconnects = consumers.into_iter().map(|it| it.endpoint.clone()).collect();
        let Plan { changes, mut refusals, mut findings, .. } = plan;
        refusals.sort_by_key(|it| it.code != rule::TOO_MANY_DISCONNECTS);
        findings.sort_by_key(|it| std::cmp::Reverse(it.severity));
        let changed = changes.into_iter().filter(|it| it.action != Action::Keep);
        let changes = changed.map(|it| it.address).collect();
        Self { disconnects, refusals, changes, findings, is_planned: true }
    }

    /// Whether it changes an object, or the endpoint that a connection is one's own of.
    fn changes(&self, at: &NodeId) -> bool {
        self.changes.iter().any(|it| it == at || is_of(at, it))
    }

    /// Whether it is refused for taking over an object that this stack did not create.
    fn takes_over(&self, at: &NodeId) -> bool {
        let is_it = |it: &Refusal| {
            let address = it.address.as_ref();
            it.code == rule::NOT_ADOPTED && address.is_some_and(|it| it == at || is_of(at, it))
        };
        self.refusals.iter().any(is_it)
    }

    /// What to do about an object by what a plan finds of it. Of a conflict, the difference that is somebody's edit says how
    /// to take it back.
    fn help(&self, at: &NodeId) -> Option<&str> {
        let is_it = |it: &&Finding| it.address == *at || is_of(at, &it.address);
        self.findings.iter().filter(is_it).find_map(|it| match it.code {
            rule::FIELD_CONFLICT => {
                Some("take back what others wrote to it first: an apply is refused until then")
            }
            _ => it.help.as_deref(),
        })
    }
}

/// Whether an object is the connection of an endpoint.
fn is_of(at: &NodeId, endpoint: &NodeId) -> bool {
    at.kind == Kind::EndpointConnection
        && endpoint.kind == Kind::PrivateEndpoint
        && at.name == endpoint.name
}

struct Judge<'a> {
    input: &'a Input<'a>,
    /// The live Services as they are synced.
    prediction: &'a Prediction,
    /// The plan, as the user would make it.
    planned: &'a PlannedOnce,
    /// By whether what others made is taken over.
    plans: BTreeMap<bool, Applied>,
    /// Behind what takes back what others wrote to a Service, with the annotations that it no longer has.
    behind: BTreeMap<(Key, Vec<String>), Applied>,
    /// By Service and the annotations that it no longer has.
    syncs: BTreeMap<(Key, Vec<String>), BTreeSet<String>>,
}

impl Judge<'_> {
    /// The endpoints that the commands of a repair disconnect.
    fn disconnected(&mut self, repair: &Repair) -> BTreeSet<String> {
        let mut whom = BTreeSet::new();
        for command in &repair.commands {
            match command.act() {
                Act::Apply { adopt } => {
                    let applied = self.applied(repair.taken_back(), *adopt);
                    whom.extend(applied.disconnects.iter().cloned());
                }
                Act::Sync { service, without } => whom.extend(self.sync(service, without)),
                Act::Delete(id) => whom.extend(self.connected(id)),
                Act::Edit(_) | Act::Harmless => {}
            }
        }
        whom
    }

    /// Where an apply would leave an object as it is: takes it over, if that does it, and else says what a plan
    /// advises.
    fn offer(&mut self, at: &NodeId, repair: &mut Repair, look: &Look<'_>) {
        let plan = self.plan(false);
        if plan.takes_over(at) {
            repair.commands = vec![repair::adopt(look.apply)];
            return;
        }
        if !plan.is_planned || plan.changes(at) {
            return;
        }
        let advice = plan.help(at).map(ToOwned::to_owned);
        *repair = match advice {
            _ if self.plan(true).changes(at) => Repair::command(repair::adopt(look.apply)),
            Some(advice) => Repair::advice(advice),
            None => Repair::advice("look at it by hand: an apply leaves it as it is"),
        };
    }

    /// What an apply comes to, behind commands that take back what others wrote to a Service.
    fn applied(&mut self, taken_back: Option<(Key, Vec<String>)>, adopt: bool) -> &Applied {
        let Some((service, without)) = taken_back else { return self.plan(adopt) };
        let Self { input, prediction, behind, .. } = self;
        behind.entry((service.clone(), without.clone())).or_insert_with(|| {
            let Some(live) = prediction.live.get(&service) else { return Applied::default() };
            let object = disowned((*stripped(live, &without).object).clone());
            let live = input.live.with_service(&service, Some(&object));
            let options = Options { adopt: input.options.adopt || adopt, ..input.options.clone() };
            let planned = planning::plan(&Input { live: &live, options: &options, ..**input });
            planned.map_or_else(|_| Applied::default(), |planned| Applied::of(planned.plan))
        })
    }

    fn plan(&mut self, adopt: bool) -> &Applied {
        let (input, planned) = (self.input, self.planned);
        self.plans.entry(adopt).or_insert_with(|| {
            if adopt == input.options.adopt {
                let planned = planned.get_or_init(|| planning::plan(input).ok()).clone();
                return planned.map_or_else(Applied::default, |it| Applied::of(it.plan));
            }
            let options = Options { adopt: input.options.adopt || adopt, ..input.options.clone() };
            // What cannot be planned says so to whoever tries; here it is about what differs.
            let planned = planning::plan(&Input { options: &options, ..*input });
            planned.map_or_else(|_| Applied::default(), |planned| Applied::of(planned.plan))
        })
    }

    /// Whom the sync of one Service disconnects. Where the syncs of all disconnect nobody, that of one does not
    /// either.
    fn sync(&mut self, service: &Key, without: &[String]) -> BTreeSet<String> {
        if without.is_empty() && lost(self.prediction).is_empty() {
            return BTreeSet::new();
        }
        let Self { input, prediction, syncs, .. } = self;
        let synced = (service.clone(), without.to_vec());
        syncs
            .entry(synced)
            .or_insert_with(|| {
                let Some(live) = prediction.live.get(service) else { return BTreeSet::new() };
                let change = match without {
                    [] => Change::Nudge(service.clone()),
                    without => Change::Apply(stripped(live, without)),
                };
                let cluster = prediction::cluster(input.live, input.facts);
                lost(&prediction::predict(prediction.before.clone(), cluster, &[change]))
            })
            .clone()
    }

    /// Who is connected to a Private Link Service, or to those on a frontend.
    fn connected(&self, id: &str) -> BTreeSet<String> {
        let links = self.prediction.before.private_link_services.values();
        let hit = links.filter(|link| {
            let frontend = private_link_service::frontend(link);
            link.id().eq_ignore_ascii_case(id) || frontend.is_some_and(|it| it.key() == *id)
        });
        let consumers = hit.flat_map(|link| private_link_service::consumers(link));
        consumers.filter(|it| it.status.may_be_connected()).map(|it| it.endpoint).collect()
    }
}

/// A Service without some annotations.
fn stripped(live: &Arc<Service>, annotations: &[String]) -> Arc<Service> {
    let mut object = (*live.object).clone();
    if let Some(all) = object.pointer_mut("/metadata/annotations").and_then(|it| it.as_object_mut())
    {
        all.retain(|name, _| !annotations.contains(name));
    }
    Service::from_value(object).map_or_else(|_| live.clone(), Arc::new)
}

/// A Service of which nobody but privlink keeps a field: what others wrote was taken back.
fn disowned(mut service: Value) -> Value {
    let managers = service.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut);
    if let Some(managers) = managers {
        managers.retain(|it| it.get("manager").and_then(Value::as_str) == Some(FIELD_MANAGER));
    }
    service
}

/// The endpoints that are connected before a prediction's syncs and not after.
fn lost(prediction: &Prediction) -> BTreeSet<String> {
    let after = prediction.nodes_after();
    let gone = prediction
        .nodes_before()
        .iter()
        .filter(|(at, before)| after.get(at).is_none_or(|after| after.identity != before.identity));
    let consumers = gone.flat_map(|(_, node)| &node.consumers);
    consumers.filter(|it| it.status.may_be_connected()).map(|it| it.endpoint.clone()).collect()
}
