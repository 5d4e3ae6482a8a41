//! Looking at one stack: from a saved observation, or live.

use std::sync::Arc;
use std::time::Instant;

use privlink_core::desired::Desired;
use privlink_core::drift::{self, Baseline, Look, StackReport, Weight};
use privlink_core::facts::Facts;
use privlink_core::input::Input;
use privlink_core::plan::Mode;
use privlink_core::snapshot::Snapshot;
use privlink_engine::observe::SharedLists;
use privlink_engine::session::Patience;

use crate::args::{Drift, Limits};
use crate::command_error::CommandError;
use crate::connect::{self, Common};
use crate::invocation::Invocation;

use super::super::stacks::Source;

/// How stacks are looked at.
pub(super) struct Looking<'a> {
    pub(super) args: &'a Drift,
    pub(super) since: Option<&'a Baseline>,
    /// What the stacks of a run read together.
    pub(super) lists: Option<&'a Arc<SharedLists>>,
    pub(super) called: &'a Invocation,
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

    fn judge(
        &self,
        source: &Source,
        desired: &Desired,
        (snapshot, facts): (&Snapshot, &Facts),
    ) -> StackReport {
        let options = super::super::options(Mode::Apply, &Limits::default());
        let apply = source.apply(self.called);
        let look = Look { since: self.since, apply: &apply };
        drift::look(&Input::new(desired, snapshot, facts, &options), &look)
    }
}
