//! Looking at one stack: from a saved observation, or live.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use privlink_azure::ArmError;
use privlink_core::desired::Desired;
use privlink_core::drift::{Baseline, Look, Screen, ScreenSource, StackReport, Weight};
use privlink_core::facts::Facts;
use privlink_core::input::Input;
use privlink_core::inventory::Inventory;
use privlink_core::join;
use privlink_core::plan::Mode;
use privlink_core::snapshot::Snapshot;
use privlink_engine::observe::{Graph, SharedLists};
use privlink_engine::session::Patience;
use privlink_engine::span;

use crate::args::{Drift, Limits, ObserveWith};
use crate::command_error::CommandError;
use crate::connect::{self, Common, Connected};
use crate::invocation::Invocation;

use super::super::stacks::Source;

/// How stacks are looked at.
pub(super) struct Looking<'a> {
    pub(super) args: &'a Drift,
    pub(super) since: Option<&'a Baseline>,
    /// What the stacks of a run read together.
    pub(super) lists: Option<&'a Arc<SharedLists>>,
    /// What they are looked at by before ARM is asked.
    pub(super) screen: By,
    pub(super) called: &'a Invocation,
}

/// What stacks are looked at by before ARM is asked.
pub(super) enum By {
    /// Nothing.
    Arm,
    /// What Azure Resource Graph shows of each.
    GraphOfEach,
    /// What Azure Resource Graph showed of the subscriptions of all.
    Graph(Arc<Graph>),
}

impl By {
    /// Asks Azure Resource Graph once for all stacks, if it is to be asked and they have a client in common.
    pub(super) fn of(
        args: &Drift,
        lists: Option<&Arc<SharedLists>>,
        stacks: &[(Source, Desired)],
    ) -> Self {
        match (args.observe_with, lists) {
            (ObserveWith::Arm, _) => Self::Arm,
            (ObserveWith::ResourceGraph, None) => Self::GraphOfEach,
            (ObserveWith::ResourceGraph, Some(lists)) => {
                let targets = stacks.iter().filter_map(|(_, it)| connect::targets(it, &args.place));
                let subscriptions: BTreeSet<String> =
                    targets.flat_map(|it| it.subscriptions()).collect();
                let read = super::super::block_on(async {
                    Ok(Graph::read(lists.arm(), &subscriptions).await)
                });
                match read {
                    Ok(Ok(graph)) => Self::Graph(Arc::new(graph)),
                    Ok(Err(error)) => Self::refused(&error),
                    Err(_) => Self::Arm,
                }
            }
        }
    }

    /// ARM has what is asked for too.
    fn refused(error: &ArmError) -> Self {
        crate::ui::beside(&format!("warning: {error}; ARM is asked in its place"));
        Self::Arm
    }
}

impl Looking<'_> {
    /// Looks at one stack.
    pub(super) async fn at(
        &self,
        source: &Source,
        desired: &Desired,
    ) -> Result<StackReport, CommandError> {
        let mut report = match super::observed(self.args, source) {
            Some(path) => {
                let snapshot = super::super::file::read_snapshot(&path)?;
                let seen = super::super::offline(desired, &self.args.place, snapshot)?;
                self.judge(source, desired, (&seen.snapshot, &seen.facts))
            }
            None => self.live(source, desired).await?,
        };
        report.source = source.shown();
        Ok(report)
    }

    /// Observes, and looks again where what other stacks have read is older than what it is compared with.
    async fn live(&self, source: &Source, desired: &Desired) -> Result<StackReport, CommandError> {
        let began = Instant::now();
        let common = self.lists.map(Common::Lists);
        let place = &self.args.place;
        let connected =
            connect::connect_sharing(desired, place, Patience::default(), common).await?;
        if let Some(mut report) = self.screened(source, desired, &connected).await {
            report.observe_seconds = Some(began.elapsed().as_secs_f64());
            connected.close().await?;
            return Ok(report);
        }
        let (snapshot, facts) = connected.observe().await;
        super::super::there(&snapshot, &connected.targets, desired)?;
        let mut report = self.judge(source, desired, (&snapshot, &facts));
        if report.differences.iter().any(|it| it.weight != Weight::Note)
            && let Some((snapshot, facts)) = connected.observe_again().await
        {
            super::super::there(&snapshot, &connected.targets, desired)?;
            report = self.judge(source, desired, (&snapshot, &facts));
        }
        report.observe_seconds = Some(began.elapsed().as_secs_f64());
        connected.close().await?;
        Ok(report)
    }

    /// The report by Azure Resource Graph, if that is asked for and shows nothing to report.
    async fn screened(
        &self,
        source: &Source,
        desired: &Desired,
        connected: &Connected,
    ) -> Option<StackReport> {
        let of_all = match &self.screen {
            By::Arm => return None,
            By::GraphOfEach => None,
            By::Graph(graph) => Some(graph),
        };
        let seen = connected.screen(of_all).await;
        let (snapshot, facts, graph) = seen.inspect_err(|error| drop(By::refused(error))).ok()?;
        let mut report = self.judge(source, desired, (&snapshot, &facts));
        let is_quiet = report.differences.is_empty()
            && report.unreadable.is_empty()
            && report.unused_ignores.is_empty();
        let is_there = super::super::there(&snapshot, &connected.targets, desired).is_ok();
        report.screen = Some(Screen {
            source: ScreenSource::ResourceGraph,
            read_at: graph.read_at().to_owned(),
        });
        Some(report).filter(|_| is_quiet && is_there)
    }

    fn judge(
        &self,
        source: &Source,
        desired: &Desired,
        (snapshot, facts): (&Snapshot, &Facts),
    ) -> StackReport {
        let options = super::super::options(Mode::Apply, &Limits::default());
        let apply = source.apply(self.called);
        let look = Look { since: self.since, apply: &apply };
        let live = Inventory::of(snapshot);
        let wanted = join::identify(desired, &live, facts, &options);
        span::look(&Input::new(&wanted, &live, facts, &options), &look)
    }
}
