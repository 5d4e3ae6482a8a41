//! From desired state and observation to a plan.

pub mod account;
mod pre_existing;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::by_hand;
use crate::change::Change;
use crate::contradiction::{self, Contradiction};
use crate::controller::predict;
use crate::diff::draft::number;
use crate::diff::selection::Misnamed;
use crate::diff::trial::Trial;
use crate::diff::{self, Part};
use crate::facts::TABLE;
use crate::graph::Graph;
use crate::health;
use crate::input::{Input, Selection, Stage};
use crate::join::{self, Join};
use crate::kubernetes::service::Key;
use crate::lint;
use crate::node::{dns_record, service};
use crate::node_id::{Kind, NodeId};
use crate::plan::{
    self, FORMAT_VERSION, FactNote, Finding, Mode, Op, Output, OutputSource, Override, Plan,
    Refusal, Step, Summary, UnreadNote,
};
use crate::planned::Planned;
use crate::prediction::{self, Prediction};
use crate::rule;
use crate::safety::{self, Consents};
use crate::stack_graph;
use crate::unread;

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Steps need each other in a circle: two Services that share addresses crosswise.
    #[error("these need each other: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    Circle(Vec<NodeId>),
    /// Live load balancers contradict the facts.
    #[error(transparent)]
    Contradicted(#[from] Contradiction),
    /// A flag names something it cannot be about.
    #[error(transparent)]
    Misnamed(#[from] Misnamed),
}

impl Error {
    /// Whether a flag names an object that this stack does not have.
    pub fn is_of_another_stack(&self) -> bool {
        matches!(self, Self::Misnamed(Misnamed::NoNode { .. }))
    }

    /// What to do, if there is something to say.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Circle(_) => None,
            Self::Contradicted(contradiction) => Some(contradiction.help().to_owned()),
            Self::Misnamed(misnamed) => Some(misnamed.help()),
        }
    }
}

/// Plans.
///
/// # Errors
///
/// See [`Error`].
pub fn plan(input: &Input<'_>) -> Result<Planned, Error> {
    plan_with_changes(input).map(|(planned, _)| planned)
}

/// The plan, with what the controller is taken to see.
pub(crate) fn plan_with_changes(
    input: &Input<'_>,
) -> Result<(Planned, Vec<predict::Change>), Error> {
    let selection = diff::selection::select(input)?;
    let input = &input.limited_to(&selection);
    let (part, changes) = diff::service::diff(input);
    let planned = complete(input, &changes, part, About::Stack)?;
    Ok((planned, changes))
}

/// The Services that the API server would refuse: what the controller would make of them, it never gets to see.
fn refused(part: &Part) -> BTreeSet<NodeId> {
    let invalid = part.findings.iter().filter(|it| it.code == rule::SERVICE_INVALID);
    invalid.map(|it| it.address.clone()).collect()
}

/// What comes of one write to a Service by somebody else: the plan limited to that Service. Its desired state has the
/// Service as it is written, or not at all if it is deleted; `stored` is the object as the API server will store it.
///
/// # Errors
///
/// See [`Error`].
pub fn written(input: &Input<'_>, key: &Key, stored: Option<&Value>) -> Result<Planned, Error> {
    let covered = Some(BTreeSet::from([service::address(key)]));
    let selection = Selection { covered, ..Selection::default() };
    let input = &input.limited_to(&selection);
    let (part, changes) = diff::service::written(input, key, stored);
    complete(input, &changes, part, About::Write)
}

/// What a plan is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    /// All that a stack wants.
    Stack,
    /// One write to a Service, of which many are asked: it is explained only where it disconnects.
    Write,
}

/// What the controller makes of changes to Services, with all that follows from it.
fn complete(
    input: &Input<'_>,
    changes: &[predict::Change],
    mut part: Part,
    about: About,
) -> Result<Planned, Error> {
    let cluster = prediction::cluster(input.live, input.facts);
    contradiction::find(input.facts, input.live.world(), input.live.owners())
        .map_or(Ok(()), Err)?;
    let leaving = join::leaving(input);
    let world = join::without(input.live.world().clone(), &leaving);
    let predicting = (input.entered)(Stage::Predict);
    let mut prediction = diff::finish::first(world, &cluster, changes);
    drop(predicting);
    prediction.live_nodes = input.live.live_nodes();
    part.add(diff::service::nudge(input, &prediction, &part));
    part.add(diff::finish::finish(input, cluster, changes, &mut prediction, &part));
    let join = Join::of(input, &prediction);
    let mut trial = Trial::new(&prediction);
    part.add(diff::endpoint::diff(&join, &leaving, &mut trial));
    part.add(diff::controller::diff(&join, &part));
    part.add(diff::approval::diff(&join, &mut trial));
    let refused = refused(&part);
    let found = lint::find(input.wanted, input.facts, &prediction).into_iter();
    let follows = |it: &Finding| lint::FAILURES.contains(&it.code) && refused.contains(&it.address);
    part.findings.extend(found.filter(|it| !follows(it)));
    part.findings.extend(lint::served::find(input, &prediction, trial.world()));
    part.findings.extend(lint::limit::networks(input));
    part.findings.extend(by_hand::find(&join));
    part.findings.extend(health::find(&join));
    part.refusals.extend(safety::replacements(input));
    pre_existing::mark(input, &prediction, changes, &mut part);
    part.findings.extend(pre_existing::left_behind(input, &part.changes));
    for what in input.live.malformed() {
        part.refusals.push(Refusal::of_plan(
            rule::UNREADABLE,
            format!("a resource does not look as ARM's do: {what}"),
            Override::never("it is a bug, please report it"),
        ));
    }
    let written = trial.into_world().map(Box::new);
    let mut plan = assemble(input, &prediction, part)?;
    if about == About::Write && plan::disconnected(&plan.changes).is_empty() {
        let (graph, subjects) = (Graph::default(), BTreeMap::new());
        prediction.written = written;
        return Ok(Planned { plan, prediction, graph, subjects });
    }
    let graph = stack_graph::of(input, &prediction);
    let changing = plan.changes.iter().filter(|it| it.is_change());
    let changing = changing.map(|it| it.address.clone()).collect();
    plan.needs = stack_graph::needs(input, &prediction, &changing, Some(&graph));
    let subjects = subjects(&join);
    prediction.written = written;
    let mut planned = Planned { plan, prediction, graph, subjects };
    account::give(input, &mut planned);
    Ok(planned)
}

/// The objects that the stack wants, as far as the plan is about them.
fn subjects(join: &Join<'_>) -> BTreeMap<NodeId, String> {
    let Join { input, prediction, .. } = join;
    let services = input.wanted.keys();
    let services = services.map(|key| (service::address(key), key.to_string()));
    let mut subjects: BTreeMap<NodeId, String> = services.collect();
    for (address, node) in prediction.nodes_after() {
        if input.wanted.has_node(node) {
            subjects.insert(address.clone(), node.id.as_str().to_owned());
        }
    }
    for endpoint in join.endpoints() {
        if let Some((record, id)) = dns_record::target(endpoint.wanted, &endpoint.id) {
            subjects.insert(record, id.as_str().to_owned());
        }
        subjects.insert(endpoint.at.clone(), endpoint.id.as_str().to_owned());
    }
    subjects.retain(|address, _| input.covers(address));
    subjects
}

fn assemble(input: &Input<'_>, prediction: &Prediction, part: Part) -> Result<Plan, Error> {
    let Part { changes, drafts, needs, mut findings, mut refusals, mut awaiting_approval } = part;
    let changes = merge(changes);
    let consents = Consents::of(input, prediction);
    refusals.extend(safety::check(input, &consents, &changes));
    let (used, told) = consents.used(input, &changes);
    findings.extend(told);
    refusals.extend(safety::findings(input, &findings, &refusals));
    refusals.sort();
    refusals.dedup();
    findings.sort_by(by_address);
    findings.dedup();
    awaiting_approval.sort();
    let steps = number(drafts, needs).map_err(Error::Circle)?;
    let summary = Summary::of(&changes, awaiting_approval.len());
    Ok(Plan {
        format_version: FORMAT_VERSION.to_owned(),
        tool_version: input.options.tool_version.clone(),
        stack: input.wanted.name().to_owned(),
        mode: input.options.mode,
        redacted: input.live.is_redacted(),
        scope: input.options.scope.clone(),
        facts: fact_notes(input),
        unread: unread_notes(input),
        outputs: outputs(input, prediction),
        changes,
        steps,
        findings,
        refusals,
        awaiting_approval,
        summary,
        consents: used,
        ..Plan::default()
    })
}

fn by_address(one: &Finding, other: &Finding) -> std::cmp::Ordering {
    (&one.address, one.code, &one.message).cmp(&(&other.address, other.code, &other.message))
}

/// One change for each node, in order of address: a connection that the controller cuts and Azure makes
/// again is replaced.
fn merge(mut changes: Vec<Change>) -> Vec<Change> {
    use crate::change::Action;
    changes.sort_by(|one, other| one.address.cmp(&other.address));
    let mut merged: Vec<Change> = Vec::with_capacity(changes.len());
    for change in changes {
        match merged.last_mut().filter(|last| last.address == change.address) {
            None => merged.push(change),
            Some(last) => {
                let pair = (last.action, change.action);
                if pair == (Action::Delete, Action::Create) {
                    last.action = Action::Replace;
                    last.fields.extend(change.fields);
                } else if pair == (Action::Create, Action::Delete) {
                    let fields = std::mem::take(&mut last.fields);
                    *last = Change { action: Action::Replace, fields, ..change };
                } else if last.action == Action::Create && change.action == Action::Approve {
                    let fields = std::mem::take(&mut last.fields);
                    *last = Change { fields, ..change };
                } else if last.fields.is_empty() {
                    last.fields = change.fields;
                }
            }
        }
    }
    merged
}

/// What could not be read, in words.
fn unread_notes(input: &Input<'_>) -> Vec<UnreadNote> {
    let note =
        |(what, why): (&str, &str)| UnreadNote { what: what.to_owned(), why: why.to_owned() };
    unread::all(input.live).into_iter().map(note).collect()
}

/// The facts a reader should know, with their sources; none where there is no cluster for them to be about.
pub(crate) fn fact_notes(input: &Input<'_>) -> Vec<FactNote> {
    let facts = input.facts;
    if !input.live.has_cluster() {
        return Vec::new();
    }
    let shown = TABLE.iter().filter(|row| row.hidden.is_none());
    let mut notes: Vec<FactNote> = shown
        .filter_map(|row| {
            Some(FactNote {
                name: row.shown_name().to_owned(),
                value: fact_text(&facts.value(row.fact))?,
                source: facts.source(row.fact),
            })
        })
        .collect();
    notes.sort_by(|one, other| one.name.cmp(&other.name));
    notes
}

/// A fact in a line; nothing for one that has no value.
fn fact_text(value: &Value) -> Option<String> {
    let item = |item: &Value| {
        let text = item.get("name").unwrap_or(item);
        text.as_str().map_or_else(|| text.to_string(), ToOwned::to_owned)
    };
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Array(items) if items.is_empty() => Some("[]".to_owned()),
        Value::Array(items) => Some(items.iter().map(item).collect::<Vec<_>>().join(",")),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

/// What to show when all is done.
fn outputs(input: &Input<'_>, prediction: &Prediction) -> Vec<Output> {
    if input.options.mode == Mode::Destroy {
        return Vec::new();
    }
    let mut outputs = Vec::new();
    for (address, node) in prediction.nodes_after() {
        if !input.wanted.has_node(node) {
            continue;
        }
        let pointers: &[(&str, &str)] = match address.kind {
            Kind::FrontendIp => &[("address", "/properties/privateIPAddress")],
            Kind::PublicIp => &[("address", "/properties/ipAddress")],
            Kind::PrivateLinkService => {
                &[("name", "/name"), ("id", "/id"), ("alias", "/properties/alias")]
            }
            _ => &[],
        };
        for (name, pointer) in pointers {
            outputs.push(Output {
                address: address.clone(),
                name: (*name).to_owned(),
                id: node.id.as_str().to_owned(),
                from: OutputSource::Field((*pointer).to_owned()),
            });
        }
    }
    for endpoint in input.endpoints() {
        let sources =
            [("address", OutputSource::NetworkInterface), ("connection", OutputSource::Connection)];
        for (name, from) in sources {
            outputs.push(Output {
                address: endpoint.at.clone(),
                name: name.to_owned(),
                id: endpoint.id.as_str().to_owned(),
                from,
            });
        }
    }
    outputs
}

/// Whether a step writes anything, rather than waits.
pub fn writes(step: &Step) -> bool {
    !matches!(
        step.op,
        Op::AwaitService { .. } | Op::AwaitController { .. } | Op::AwaitConnection { .. }
    )
}
