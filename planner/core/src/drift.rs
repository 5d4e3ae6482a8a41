//! Drift: what differs between desired state, the live Services, what the controller makes of those,
//! and Azure; for each difference who made it, and what repairs it.
//!
//! Four things are compared in three places. The desired Service with the live one ([`kubernetes`]):
//! field managers tell who wrote. What the controller would leave of the LIVE Service with Azure
//! ([`controller`]): so an edit in Kubernetes that the controller has carried out is one difference and
//! not ten. Desired endpoints, approvals and records with Azure ([`endpoint`]). What nothing wants is
//! looked for by its marks ([`orphan`], [`forgotten`]), and what was re-created by an earlier look ([`since`]).
//!
//! A difference that would not be one under another value of an assumed fact is unverified
//! ([`assumption`]), and never drift.

mod assumption;
pub mod baseline;
mod controller;
mod disconnect;
mod endpoint;
mod forgotten;
mod gathered;
mod health;
mod identity;
mod ignored;
mod kubernetes;
mod news;
mod orphan;
mod repair;
mod report;
pub(crate) mod rules;

use std::cell::OnceCell;

use crate::contradiction;
use crate::desired::Target;
use crate::input::{Input, Named, Stage};
use crate::join::Join;
use crate::planned::Planned;
use crate::planning;
use crate::prediction::{self, Prediction};
use crate::stack_graph;
use crate::unread;

pub use crate::sync_progress::LastEvent;
pub use baseline::Baseline;
pub use news::compare;
pub use privlink_input::drift_class::{Class, Urgency, Weight};
pub use repair::{Command, Refused, Repair, word as shell_word};
pub use report::{
    By, Cause, Difference, FORMAT_VERSION, Field, Heals, Ignored, Known, LastModified, Node,
    Report, Screen, ScreenSource, StackReport, State, Summary, Unread, UnusedIgnore, Why,
};

use gathered::Gathered;

/// How a stack is looked at, besides what a plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// An earlier look to compare identities with.
    pub since: Option<&'a Baseline>,
    /// The words of the command that applies this stack, for the repairs that name it; fit for a shell.
    pub apply: &'a [String],
}

/// A plan of the stack, made when it is first asked for; nothing where none can be made.
type PlannedOnce = OnceCell<Option<Planned>>;

/// What a plan brings about, where a Service that an endpoint is to reach has no Private Link Service: what is missing
/// explains what else differs, and hides none of it.
fn to_come<'a>(
    input: &Input<'_>,
    as_it_is: &Prediction,
    planned: &'a PlannedOnce,
) -> Option<&'a Prediction> {
    let is_missing = |endpoint: Named<'_>| match &endpoint.wanted.target {
        Target::Service(key) => as_it_is.link_after(&key.value).is_none(),
        Target::Id(_) | Target::Alias(_) => false,
    };
    let planned = || planned.get_or_init(|| planning::plan(input).ok()).as_ref();
    input.endpoints().any(is_missing).then(planned)?.map(|it| &it.prediction)
}

/// Looks for drift in one stack. The options are those of a plan, by which the repairs that apply are
/// judged.
pub fn look(input: &Input<'_>, look: &Look<'_>) -> StackReport {
    let mut gathered = Gathered::default();
    let all = unread::all(input.live).into_iter();
    let unread = all.map(|(what, why)| Unread { what: what.to_owned(), why: why.to_owned() });
    gathered.unreadable.extend(unread);
    for what in input.live.malformed() {
        let why = "it does not look as ARM's resources do".to_owned();
        gathered.unreadable.push(Unread { what: what.clone(), why });
    }
    let world = input.live.world();
    kubernetes::compare(input, look, &mut gathered);
    let mut seen = None;
    if !input.live.has_cluster() {
        // Whose the controller's objects are, a cluster would say.
    } else if let Some(contradiction) = contradiction::find(input.facts, world, input.live.owners())
    {
        let why = contradiction.help().to_owned();
        gathered.unreadable.push(Unread { what: contradiction.to_string(), why });
    } else {
        seen = controller::compare(input, look, world, &mut gathered);
    }
    if let Some(seen) = &seen {
        orphan::find(input, look, seen, &mut gathered);
        forgotten::find(input, seen, &mut gathered);
    }
    // Azure as it is, with the Services as they are: nothing is synced.
    let cluster = prediction::cluster(input.live, input.facts);
    let predicting = (input.entered)(Stage::Predict);
    let as_it_is = prediction::predict(world.clone(), cluster, &[]);
    drop(predicting);
    let planned = OnceCell::new();
    let join = Join::of_live(input, &as_it_is, to_come(input, &as_it_is, &planned));
    endpoint::compare(&join, look, &mut gathered);
    health::compare(&join, seen.as_ref().map(|it| &it.prediction), &mut gathered);
    if let Some(since) = look.since {
        baseline::compare(input, since, &mut gathered);
    }
    gathered.expect_desired(input);
    let synced = seen.as_ref().map_or(&as_it_is, |seen| &seen.prediction);
    disconnect::judge(input, look, (synced, &planned), &mut gathered.differences);
    gathered.unused_ignores = ignored::mark(input, &mut gathered.differences);
    let needs = stack_graph::needs(input, &as_it_is, &gathered.nodes, None);
    StackReport { needs, ..gathered.into_report(input, &as_it_is) }
}
