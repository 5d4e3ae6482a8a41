//! A run on a stack: it takes the lock, follows what the run before left under way, looks at what is live, plans,
//! asks, carries the plan out, and looks again.
//!
//! Nothing is printed here. Whoever starts a run is its [`Audience`]: it hears what happens, is asked before
//! anything is changed, and gets an [`Ending`].

mod audience;
mod ending;
mod failure;

use std::path::Path;

use privlink_core::desired::Desired;
use privlink_core::event::{Event, EventKind};
use privlink_core::facts::Facts;
use privlink_core::forget;
use privlink_core::input::{Input, Options};
use privlink_core::inventory::Inventory;
use privlink_core::join;
use privlink_core::node_id::NodeId;
use privlink_core::plan::{Mode, Plan};
use privlink_core::preflight::{Phase, Verdict};
use privlink_core::rehearsal;
use privlink_core::report::Report;
use privlink_core::saved::SavedPlan;
use privlink_core::snapshot::Snapshot;
use privlink_core::staleness;
use privlink_core::unread::{NoCluster, Unread};
use privlink_core::wanted::Wanted;
use privlink_kubernetes::KeptLock;
use tracing::Instrument;

use crate::apply::Origin;
use crate::journal::{self, Journal};
use crate::lock::{self, Taken};
use crate::observe::{self, Targets};
use crate::session::Session;
use crate::{apply, home, preflight, resume, span};

pub use audience::{Audience, Happening};
pub use ending::{End, Ending, Execution, Stopped};
pub use failure::Failure;

/// What a run works on, and with what.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The stack.
    pub stack: &'a str,
    /// The clients.
    pub session: &'a Session,
    /// What is looked at.
    pub targets: &'a Targets,
    /// The facts that are said and not read.
    pub pinned: &'a Facts,
    /// The folder of journals: nothing is done that is not journaled.
    pub journals: &'a Path,
    /// How the lock is taken.
    pub lock: lock::Terms,
}

/// What a run does beside its steps.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms {
    /// Whether nobody is asked.
    pub approved: bool,
    /// Whether rights, room and rules of Azure are checked first.
    pub preflight: bool,
    /// Whether a plan is made at the end, which must be empty.
    pub verify: bool,
}

/// A run that has the stack's lock.
#[derive(Debug)]
pub struct LockedRun<'a> {
    run: Run<'a>,
    /// Nothing where there is no cluster to keep one in.
    lock: Option<KeptLock>,
}

impl<'a> Run<'a> {
    /// Takes the stack's lock, where there is a cluster to keep it in, and follows what the run before left under way to its end. Nothing if the session
    /// is stopped before.
    ///
    /// # Errors
    ///
    /// When the lock cannot be had.
    pub async fn begin(
        self,
        audience: &mut impl Audience,
    ) -> Result<Option<LockedRun<'a>>, Failure> {
        let Self { stack, session, .. } = self;
        let Some(kubernetes) = &session.kubernetes else {
            audience.hear(&Happening::Unlocked { stack });
            let locked = LockedRun { run: self, lock: None };
            locked.take_up(audience).await;
            return Ok(Some(locked));
        };
        let lock = lock::of(stack, kubernetes);
        let waits_for = |holder: &_| audience.hear(&Happening::WaitsForLock { stack, holder });
        let taken = tokio::select! {
            taken = lock::take(&lock, self.lock, waits_for) => taken.map_err(Failure::Lock)?,
            () = session.stop.cancelled() => return Ok(None),
        };
        let lock = match taken {
            Taken::Ours(lock) => lock,
            Taken::Held(holder) => return Err(Failure::Held { stack: stack.to_owned(), holder }),
        };
        if let Some(dead) = &lock.taken_from {
            audience.hear(&Happening::TookOver { dead });
        }
        let locked = LockedRun { run: self, lock: Some(lock) };
        locked.take_up(audience).await;
        Ok(Some(locked))
    }
}

impl LockedRun<'_> {
    /// Gives the lock back.
    pub async fn end(self, audience: &mut impl Audience) {
        let Some(lock) = self.lock else { return };
        if let Err(error) = lock.release().await {
            audience.hear(&Happening::NotFreed { error: &error });
        }
    }

    /// Plans desired state and carries the plan out.
    ///
    /// # Errors
    ///
    /// When nothing can be planned, or a plan cannot be journaled.
    pub async fn desired(
        &self,
        desired: &Desired,
        options: &Options,
        terms: Terms,
        audience: &mut impl Audience,
    ) -> Result<Ending, Failure> {
        let Some((snapshot, facts)) = self.look_at_rest(desired, audience).await? else {
            return Ok(Ending::INTERRUPTED);
        };
        let live = Inventory::of(&snapshot);
        let mut plan = planned(desired, &live, &facts, options)?;
        let kubernetes = self.run.session.kubernetes.as_ref();
        let answers = crate::rehearsal::ask(&plan, kubernetes).await;
        rehearsal::tell(&mut plan, &Wanted::as_written(desired), &options.accept, &answers);
        if terms.preflight && options.mode == Mode::Apply {
            let seen = preflight::Seen { desired, live: &live, facts: &facts, options };
            let report = preflight::check(&seen, Phase::Apply, self.run.session).await?;
            audience.hear(&Happening::Preflighted { report: &report });
            if report.count(Verdict::Missing) > 0 {
                return Ok(Ending { plan: Some(plan), end: End::Unmet });
            }
        }
        let mut ending = self.carry_out((plan, Origin::Made), terms.approved, audience).await?;
        if terms.verify
            && let End::Executed(execution) = &mut ending.end
            && execution.is_done()
        {
            let (snapshot, facts) = self.look(audience).await;
            let again = planned(desired, &Inventory::of(&snapshot), &facts, options)?;
            audience.hear(&Happening::Verified { again: &again });
            execution.again = Some(again);
        }
        Ok(ending)
    }

    /// Takes objects out of the stack, deleting nothing.
    ///
    /// # Errors
    ///
    /// When an address names nothing that is the stack's, or the plan cannot be journaled.
    pub async fn forget(
        &self,
        input: (&Desired, &Options),
        addresses: &[NodeId],
        terms: Terms,
        audience: &mut impl Audience,
    ) -> Result<Ending, Failure> {
        let (desired, options) = input;
        let (snapshot, facts) = tokio::select! {
            seen = self.look(audience) => seen,
            () = self.run.session.stop.cancelled() => return Ok(Ending::INTERRUPTED),
        };
        let live = Inventory::of(&snapshot);
        let wanted = join::identify(desired, &live, &facts, options);
        let input = Input::new(&wanted, &live, &facts, options);
        let plan = forget::plan(&input, addresses).map_err(Failure::Forget)?;
        self.carry_out((plan, Origin::Made), terms.approved, audience).await
    }

    /// Carries a saved plan out as it is, if what it is about is as it was and it was made for here. Nothing is asked.
    ///
    /// # Errors
    ///
    /// When it is not for here, is stale, or cannot be journaled.
    pub async fn saved(
        &self,
        saved: &SavedPlan,
        audience: &mut impl Audience,
    ) -> Result<Ending, Failure> {
        let Run { session, journals, .. } = self.run;
        home::check(saved, session).await?;
        audience.hear(&Happening::Reading);
        let snapshot = tokio::select! {
            snapshot = observe::observe_lists(&saved.lists, session.kubernetes.as_ref(), &session.arm) => snapshot,
            () = session.stop.cancelled() => return Ok(Ending::INTERRUPTED),
        };
        audience.hear(&Happening::HasRead);
        let moved = staleness::moved(&saved.bindings, &Inventory::of(&snapshot));
        if moved.is_empty() {
            return self.carry_out((saved.plan.clone(), Origin::Saved), true, audience).await;
        }
        Err(Failure::Stale { moved, earlier: journal::run_of(journals, &saved.plan) })
    }

    /// What is live, and the facts.
    pub async fn look(&self, audience: &mut impl Audience) -> (Snapshot, Facts) {
        let Run { session, targets, pinned, .. } = self.run;
        audience.hear(&Happening::Reading);
        let snapshot = observe::observe(targets, session.kubernetes.as_ref(), &session.arm).await;
        let facts = targets.facts(&snapshot, pinned);
        audience.hear(&Happening::HasRead);
        (snapshot, facts)
    }

    /// What is live once Azure works on none of the stack's endpoints any more; nothing if the session is stopped
    /// meanwhile.
    ///
    /// # Errors
    ///
    /// When the cluster is not there, or what every prediction rests on could not be read.
    pub async fn look_at_rest(
        &self,
        desired: &Desired,
        audience: &mut impl Audience,
    ) -> Result<Option<(Snapshot, Facts)>, Failure> {
        let looking = async {
            let seen = self.look(audience).await;
            if self.wait_for_azure(&seen.0, audience).await {
                self.look(audience).await
            } else {
                seen
            }
        };
        let (snapshot, facts) = tokio::select! {
            seen = looking => seen,
            () = self.run.session.stop.cancelled() => return Ok(None),
        };
        let cluster = self.run.targets.cluster.as_ref();
        if let Some(missing) = cluster
            .and_then(|it| NoCluster::of(&Inventory::of(&snapshot), it, desired.stack.as_ref()))
        {
            return Err(Failure::NoCluster(missing));
        }
        match Unread::of(&Inventory::of(&snapshot), &facts, desired.stack.as_ref()) {
            Some(unread) => Err(Failure::Unread(unread)),
            None => Ok(Some((snapshot, facts))),
        }
    }

    /// Waits for the stack's endpoints that Azure still works on; whether there were any.
    async fn wait_for_azure(&self, snapshot: &Snapshot, audience: &mut impl Audience) -> bool {
        let Run { stack, session, .. } = self.run;
        let under_way = resume::under_way(snapshot, stack);
        for operation in &under_way {
            let resource = &operation.resource;
            audience.hear(&Happening::StillWorks { resource });
            if let Err(error) = resume::follow(operation, session).await {
                audience.hear(&Happening::FollowedFailed { resource, error: &error });
            }
        }
        !under_way.is_empty()
    }

    /// Follows what the run before left under way to its end. That it failed is told, and holds nothing
    /// up: what is planned next is planned from what is live then.
    async fn take_up(&self, audience: &mut impl Audience) {
        let Run { stack, session, journals, .. } = self.run;
        let Some(found) = journal::newest(journals, stack) else { return };
        let left = resume::left(&found.events);
        if left.is_empty() {
            return;
        }
        let Ok(mut journal) = Journal::go_on(&found.path) else { return };
        for left in &left {
            let resource = &left.operation.resource;
            audience.hear(&Happening::Follows { resource });
        }
        let followed = resume::follow_all(&left, session).await;
        if session.stop.is_cancelled() {
            return;
        }
        for (left, outcome) in left.into_iter().zip(followed) {
            let kind = match outcome {
                Ok(()) => EventKind::Succeeded { detail: "by the run after this one".to_owned() },
                Err(error) => {
                    let resource = &left.operation.resource;
                    audience.hear(&Happening::FollowedFailed { resource, error: &error });
                    EventKind::Failed { error: error.to_string(), otherwise: false }
                }
            };
            // Without this line the next run follows it once more, which does no harm.
            let _ = journal.append(&apply::event(kind, Some((left.step, left.address))));
        }
    }

    /// Shows a plan, asks, and carries it out.
    async fn carry_out(
        &self,
        (plan, origin): (Plan, Origin),
        approved: bool,
        audience: &mut impl Audience,
    ) -> Result<Ending, Failure> {
        audience.hear(&Happening::Planned { plan: &plan });
        if !plan.refusals.is_empty() {
            return Ok(Ending { plan: Some(plan), end: End::Refused });
        }
        if plan.steps.is_empty() {
            let report = Report { ended: true, ..Report::default() };
            let end = End::Executed(Box::new(Execution { report, stopped: None, again: None }));
            return Ok(Ending { plan: Some(plan), end });
        }
        if !approved {
            let stop = &self.run.session.stop;
            let answer = tokio::select! {
                answer = audience.confirm(&plan) => answer.map_err(Failure::Unasked)?,
                () = stop.cancelled() => return Ok(Ending::INTERRUPTED),
            };
            if !answer {
                return Ok(Ending { plan: Some(plan), end: End::Declined });
            }
        }
        let execution = self.execute(&plan, origin, audience).await?;
        Ok(Ending { plan: Some(plan), end: End::Executed(Box::new(execution)) })
    }

    /// Carries a plan out while the lock is ours.
    async fn execute(
        &self,
        plan: &Plan,
        origin: Origin,
        audience: &mut impl Audience,
    ) -> Result<Execution, Failure> {
        let Run { session, journals, .. } = self.run;
        let mut journal = Journal::begin(journals, &plan.stack)
            .map_err(|error| Failure::Journal { folder: journals.to_owned(), error })?;
        let path = journal.path().to_owned();
        let mut unwritten = None;
        let heard = |event: &Event| {
            // A run that can no longer be journaled is stopped: nothing may happen unrecorded.
            if let Err(error) = journal.append(event) {
                unwritten.get_or_insert(error);
                session.stop.cancel();
            }
            audience.hear(&Happening::Step { plan, event });
        };
        let mut stopped = None;
        let report = {
            let running = Box::pin(apply::carry_out(plan, origin, session, heard));
            let running = running.instrument(span::apply(plan.steps.len()));
            let mut running = std::pin::pin!(running);
            let lost = async {
                match &self.lock {
                    Some(lock) => lock.until_lost().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                report = &mut running => report,
                why = lost => {
                    session.stop.cancel();
                    stopped = Some(Stopped::LockLost(why));
                    running.await
                }
            }
        };
        if let Some(error) = unwritten {
            stopped = Some(Stopped::Unjournaled { path, error: error.to_string() });
        }
        Ok(Execution { report, stopped, again: None })
    }
}

/// Plans, and names the route that disconnects fewer, if there is one.
fn planned(
    desired: &Desired,
    live: &Inventory<'_>,
    facts: &Facts,
    options: &Options,
) -> Result<Plan, Failure> {
    let wanted = join::identify(desired, live, facts, options);
    let input = Input::new(&wanted, live, facts, options);
    Ok(span::planned(&input).map_err(Failure::Plan)?.plan)
}
