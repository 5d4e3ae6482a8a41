//! `apply --route`: carries a route out, one step after the other, each planned again from what is live.
//!
//! Nothing of a route is kept: after every step the route of what is left is searched anew, so that a run that
//! was stopped goes on from wherever it got to, and one that finds the world moved stops.
use privlink_core::desired::{self, Desired};
use privlink_core::diagnostic::Source;
use privlink_core::facts::Facts;
use privlink_core::input::Input;
use privlink_core::inventory::Inventory;
use privlink_core::join;
use privlink_core::plan::Mode;
use privlink_core::plural::count;
use privlink_core::route::{self, Bounds, Route, Verdict};
use privlink_core::rule::Severity;
use privlink_core::snapshot::Snapshot;
use privlink_core::{document, yaml};
use privlink_engine::run::LockedRun;
use serde_json::Value;

use crate::args;
use crate::audience::Reader;
use crate::command_error::CommandError;
use crate::connect::Connected;
use crate::exit::Exit;
use crate::ui::Ui;

use super::apply;
use super::stages::Passed;

/// What a route leads to.
pub(super) struct Walk<'a> {
    /// How plans are carried out.
    pub(super) args: &'a args::Run,
    /// Desired state.
    pub(super) desired: &'a Desired,
    /// Its documents as they are written.
    pub(super) written: &'a [Value],
}

impl Walk<'_> {
    /// Walks the route to its end.
    pub(super) async fn run(
        &self,
        locked: &LockedRun<'_>,
        connected: &Connected,
        reader: &mut Reader<'_>,
    ) -> Result<Exit, CommandError> {
        let mut left: Option<(usize, usize)> = None;
        let mut done = None;
        loop {
            let Some((snapshot, facts)) = locked.look_at_rest(self.desired, reader).await? else {
                return Ok(apply::interrupted(reader.ui));
            };
            let seen = (&snapshot, &facts);
            let route = self.search(seen)?;
            if let Some(gated) = &route.gates {
                if done.is_none() {
                    reader.show(&shown(&route, reader.ui))?;
                    self.check_limits(gated, seen)?;
                }
                match self.pass((gated, done), locked, connected, reader).await? {
                    Passed::Stage(stage) => done = Some(stage),
                    Passed::Gate => left = None,
                    Passed::End(exit) => return Ok(exit),
                }
                continue;
            }
            if done.is_some() {
                return Err(moved(&route));
            }
            let now = (route.cost.disconnects, route.steps.len());
            if let Some((disconnects, steps)) = left
                && (now.0 > disconnects || now.1 >= steps)
            {
                return Err(moved(&route));
            }
            left = Some(now);
            reader.ui.say(&privlink_render::route::headline(&route));
            match route.verdict {
                Verdict::AtOnce => {
                    return self.apply(self.desired, locked, connected, reader).await;
                }
                Verdict::None | Verdict::Unfinished => {
                    reader.show(&shown(&route, reader.ui))?;
                    return Ok(Exit::Refused);
                }
                Verdict::Found => {}
            }
            let Some(step) = route.steps.first() else { return Err(moved(&route)) };
            if let Some(tool) = route.steps.iter().find_map(|step| step.by.as_ref()) {
                return Err(written_by(tool));
            }
            if route.steps.len() == 1 {
                return self.apply(self.desired, locked, connected, reader).await;
            }
            let documents = route::documents(&route, step, self.written);
            let desired = self.resolved(&step.number.to_string(), &documents)?;
            let exit = self.apply(&desired, locked, connected, reader).await?;
            if !matches!(exit, Exit::Done | Exit::AwaitingApproval) {
                return Ok(exit);
            }
            reader.ui.say(&format!("{} left.", count(route.steps.len() - 1, "step")));
        }
    }

    /// The route of what is left.
    fn search(&self, seen: (&Snapshot, &Facts)) -> Result<Route, CommandError> {
        let options = super::options(Mode::Apply, &self.args.limits);
        let live = Inventory::of(seen.0);
        let wanted = join::identify(self.desired, &live, seen.1, &options);
        let input = Input::new(&wanted, &live, seen.1, &options);
        route::find(&input, Bounds::default()).map_err(|error| CommandError::new(error.to_string()))
    }

    /// What the documents of a step say.
    pub(super) fn resolved(
        &self,
        step: &str,
        documents: &[Value],
    ) -> Result<Desired, CommandError> {
        let text = yaml::stream(documents);
        let source = Source::generated(&format!("step {step}"), text)
            .map_err(|problem| CommandError::diagnostics(vec![*problem]))?;
        let namespace = self.desired.services.keys().next().map(|key| key.namespace.clone());
        let options = desired::Options { namespace, stack_name: Some(self.desired.name.clone()) };
        let (desired, problems) = desired::resolve(document::parse(&source), &options);
        if problems.iter().any(|it| it.severity == Severity::Error) {
            return Err(CommandError::diagnostics(problems));
        }
        Ok(desired)
    }

    pub(super) async fn apply(
        &self,
        desired: &Desired,
        locked: &LockedRun<'_>,
        connected: &Connected,
        reader: &mut Reader<'_>,
    ) -> Result<Exit, CommandError> {
        let options = super::options(Mode::Apply, &self.args.limits);
        let ending = locked.desired(desired, &options, apply::terms(self.args), reader).await?;
        apply::tell(ending, connected, reader).await
    }
}

/// A route or a way with gates, for people.
fn shown(route: &Route, ui: &Ui) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = privlink_render::route::text(route, ui.layout(), &mut text);
    text
}

/// That a tool writes Services which would have to be written on the way.
pub(super) fn written_by(tool: &str) -> CommandError {
    CommandError::new(format!("{tool} writes Services of this route, and privlink does not"))
        .hint("`privlink route --out FOLDER` writes the steps for that tool to carry out.")
}

fn moved(route: &Route) -> CommandError {
    let now = privlink_render::route::headline(route);
    CommandError::new(format!("what is live changed while the route was carried out; now: {now}"))
        .hint("Look at `privlink route` again.")
        .exit(Exit::Stale)
}
