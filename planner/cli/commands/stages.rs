//! `apply --route` where there is no route: the way with gates, stage by stage. Each is planned again from what is
//! live; which one is due is read from that too.

use std::path::Path;

use privlink_core::event::{Event, EventKind};
use privlink_core::facts::Facts;
use privlink_core::input::Input;
use privlink_core::inventory::Inventory;
use privlink_core::join;
use privlink_core::names::folded;
use privlink_core::plan::{Mode, Refusal};
use privlink_core::planning;
use privlink_core::route::gate::{Gated, Stage, endpoint_name, stage_documents};
use privlink_core::rule;
use privlink_core::snapshot::Snapshot;
use privlink_engine::departure::{self, Departure};
use privlink_engine::run::LockedRun;

use crate::audience::Reader;
use crate::command_error::CommandError;
use crate::connect::Connected;
use crate::exit::Exit;
use crate::progress::Passing;

use super::apply::JOURNALS;
use super::walk::{Walk, written_by};

/// What came of a stage.
pub(super) enum Passed {
    /// It is done.
    Stage(Stage),
    /// Nobody is left, and desired state can be applied as it is.
    Gate,
    /// The run ends.
    End(Exit),
}

impl Walk<'_> {
    /// Waits for what a stage waits for, and applies its documents.
    pub(super) async fn pass(
        &self,
        (gated, done): (&Gated, Option<Stage>),
        locked: &LockedRun<'_>,
        connected: &Connected,
        reader: &mut Reader<'_>,
    ) -> Result<Passed, CommandError> {
        if let Some(tool) = gated.links.iter().find_map(|link| link.by.as_ref()) {
            return Err(written_by(tool));
        }
        let Some(due) = gated.due else {
            reader.ui.say(&privlink_render::gates::headline(gated));
            reader.ui.say(
                "The stack's documents are those of the last stage now: `privlink route --out FOLDER` with these \
                 arguments writes them. Keep them in place of those that were applied.",
            );
            return Ok(Passed::End(Exit::Done));
        };
        let stage = next(gated, due, done)?;
        if let Some(exit) = self.wait(gated, stage, connected, reader).await? {
            return Ok(Passed::End(exit));
        }
        if !gated.has_documents() {
            return Ok(Passed::Gate);
        }
        reader.ui.say(&format!(
            "Stage {} of {}: {}.",
            gated.number(stage),
            gated.stages.len(),
            stage.as_str()
        ));
        let desired =
            self.resolved(stage.as_str(), &stage_documents(gated, stage, self.written))?;
        let exit = self.apply(&desired, locked, connected, reader).await?;
        Ok(match exit {
            Exit::Done | Exit::AwaitingApproval => Passed::Stage(stage),
            exit => Passed::End(exit),
        })
    }

    /// Refuses to begin what the limits do not let end: the endpoints that a later stage re-creates are known before
    /// the first.
    pub(super) fn check_limits(
        &self,
        gated: &Gated,
        (snapshot, facts): (&Snapshot, &Facts),
    ) -> Result<(), CommandError> {
        if gated.re_created() == 0 || gated.due.is_none_or(|due| due > Stage::Move) {
            return Ok(());
        }
        let documents = stage_documents(gated, Stage::Move, self.written);
        let desired = self.resolved(Stage::Move.as_str(), &documents)?;
        let options = super::options(Mode::Apply, &self.args.limits);
        let live = Inventory::of(snapshot);
        let wanted = join::identify(&desired, &live, facts, &options);
        let input = Input::new(&wanted, &live, facts, &options);
        let planned =
            planning::plan(&input).map_err(|error| CommandError::new(error.to_string()))?;
        let mut refusals = planned.plan.refusals.into_iter();
        match refusals.find(|it| it.code == rule::TOO_MANY_DISCONNECTS) {
            None => Ok(()),
            Some(Refusal { message, overridden_by, .. }) => Err(CommandError::new(format!(
                "stage {} would be refused, so nothing is begun: {message}",
                Stage::Move.as_str()
            ))
            .hint(format!("To go ahead anyway: {overridden_by}."))
            .exit(Exit::Refused)),
        }
    }

    /// Waits before a stage; an exit if the run ends meanwhile.
    async fn wait(
        &self,
        gated: &Gated,
        stage: Stage,
        connected: &Connected,
        reader: &mut Reader<'_>,
    ) -> Result<Option<Exit>, CommandError> {
        let session = &connected.session;
        match stage {
            Stage::Leave => {
                let resolvers = session.patience.resolvers;
                reader.ui.say("Waiting until resolvers have forgotten the old addresses ...");
                tokio::select! {
                    () = tokio::time::sleep(resolvers) => Ok(None),
                    () = session.stop.cancelled() => Ok(Some(Exit::Interrupted)),
                }
            }
            Stage::End if gated.waits(stage) => self.departed(gated, connected, reader).await,
            _ => Ok(None),
        }
    }

    async fn departed(
        &self,
        gated: &Gated,
        connected: &Connected,
        reader: &mut Reader<'_>,
    ) -> Result<Option<Exit>, CommandError> {
        let _passing = Passing::show("Waiting until nobody is left");
        let heard = |event: &Event| {
            if reader.reads_events() {
                reader.copy(event);
                return;
            }
            match &event.kind {
                EventKind::Started { doing } => reader.ui.say(&format!("{doing} ...")),
                EventKind::Progress { state } => reader.ui.say(&format!("  {state}")),
                _ => {}
            }
        };
        let whose = (self.desired.name.as_str(), Path::new(JOURNALS));
        let ended = departure::departure(&connected.session, whose, &gated.links, heard).await;
        match ended.map_err(failed)? {
            Departure::Left => Ok(None),
            Departure::Stopped => Ok(Some(Exit::Interrupted)),
            Departure::Awaited(consumers) => {
                let names = folded(consumers.iter().map(endpoint_name).collect()).join(", ");
                reader.ui.say(&format!(
                    "Still connected: {names}. Run the same command again when they have left: it continues from here."
                ));
                Ok(Some(Exit::AwaitingApproval))
            }
        }
    }
}

/// The stage to do: the one that is due, or the next one if that was done just now.
fn next(gated: &Gated, due: Stage, done: Option<Stage>) -> Result<Stage, CommandError> {
    let Some(done) = done else { return Ok(due) };
    let next = gated.stages.iter().find(|stage| **stage > done).copied();
    match next {
        Some(next) if due == done || due == next => Ok(next),
        _ => Err(CommandError::new(format!(
            "what is live changed after stage {}: stage {} is due now",
            done.as_str(),
            due.as_str()
        ))
        .hint("Look at `privlink route` again.")
        .exit(Exit::Stale)),
    }
}

fn failed(error: departure::Error) -> CommandError {
    match error {
        departure::Error::Azure(error) => CommandError::new(error.to_string()).hint(error.help()),
        departure::Error::Journal(error) => CommandError::new(format!(
            "no journal can be written under {JOURNALS}: {error}"
        ))
        .hint(
            "privlink changes nothing without a journal: run it in a folder that it can write to.",
        ),
    }
}
