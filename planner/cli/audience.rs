//! Who a run is for: whoever sits at the terminal, or reads events.

use std::io;

use privlink_core::event::{Event, EventKind};
use privlink_core::plan::Plan;
use privlink_core::plural::count;
use privlink_engine::run::{Audience, Happening};
use privlink_render::layout::Layout;
use privlink_render::text::Frame;

use crate::args::{self, DataFormat};
use crate::command_error::CommandError;
use crate::commands::{plan, preflight};
use crate::invocation::Invocation;
use crate::plan_format::Format;
use crate::progress::{Passing, Progress};
use crate::ui::Ui;

/// Whoever sits at the terminal, or reads events.
pub(crate) struct Reader<'a> {
    /// What is shown, and how.
    turn: &'a args::RunFlags,
    /// What is being read, in words.
    reading: String,
    /// How a plan like this is made, where that is not how privlink was called.
    called: Option<Invocation>,
    /// The terminal.
    pub(crate) ui: &'a mut Ui,
    passing: Option<Passing>,
    progress: Option<Progress>,
    /// What could not be written to stdout.
    unwritten: Option<CommandError>,
}

impl<'a> Reader<'a> {
    /// One that is told in the form that the arguments ask for.
    pub(crate) fn new(turn: &'a args::RunFlags, reading: String, ui: &'a mut Ui) -> Self {
        Self { turn, reading, called: None, ui, passing: None, progress: None, unwritten: None }
    }

    /// One to whom a plan is told that is made in this way.
    pub(crate) fn of(mut self, called: Option<Invocation>) -> Self {
        self.called = called;
        self
    }

    /// Whether events are read, and not text.
    pub(crate) fn reads_events(&self) -> bool {
        self.turn.output == DataFormat::Json
    }

    /// Writes an event as a line of JSON.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written.
    pub(crate) fn stream(&mut self, kind: EventKind) -> Result<(), CommandError> {
        stream(&privlink_engine::apply::event(kind, None), self.ui)
    }

    /// Why the plan could not be shown, if so.
    pub(crate) fn unwritten(&mut self) -> Result<(), CommandError> {
        self.unwritten.take().map_or(Ok(()), Err)
    }

    /// Shows text that is a result, beside the events where those are read.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written.
    pub(crate) fn show(&mut self, text: &str) -> Result<(), CommandError> {
        if self.reads_events() {
            self.ui.show(text.trim_end());
            return Ok(());
        }
        self.ui.print(text)
    }

    /// Copies an event to stdout; the journal has it all.
    pub(crate) fn copy(&mut self, event: &Event) {
        let _ = stream(event, self.ui);
    }

    fn step(&mut self, plan: &Plan, event: &Event) {
        if self.reads_events() {
            self.copy(event);
        }
        let (stack, style) = (self.ui.stack(), self.ui.talk_style());
        let progress = self.progress.get_or_insert_with(|| Progress::new(plan, stack, style));
        progress.show(event);
        if event.kind == EventKind::Ended
            && let Some(mut progress) = self.progress.take()
        {
            progress.end();
        }
    }

    fn verified(&mut self, again: &Plan) {
        if again.is_empty() && again.refusals.is_empty() {
            self.ui.say("Verified: a plan made afterwards has no changes.");
            return;
        }
        self.ui.say("Not verified: a plan made afterwards still has changes.");
        let layout = Layout { style: self.ui.talk_style(), ..self.ui.layout() };
        let text = Format::Text.render(again, &Frame::plain(layout), self.ui.pipeline());
        self.ui.show(text.trim_end());
    }
}

impl Audience for Reader<'_> {
    fn hear(&mut self, happening: &Happening<'_>) {
        match *happening {
            Happening::WaitsForLock { stack, holder } => {
                self.ui
                    .say(&format!("Waiting for {holder}, which holds the lock of stack {stack}."));
            }
            Happening::Unlocked { stack } => self.ui.say(&format!(
                "No lock: {stack} has no cluster to keep one in. Let one run at a time work on it."
            )),
            Happening::TookOver { dead } => {
                let dead = &dead.identity;
                let line =
                    format!("Took the stack's lock over from {dead}, which no longer renewed it.");
                self.ui.say(&line);
            }
            Happening::NotFreed { error } => self.ui.say(&format!(
                "The stack's lock could not be released, and will expire by itself: {error}"
            )),
            Happening::Follows { resource } => self.ui.say(&format!(
                "Following an operation that the previous run left running: {resource} ..."
            )),
            Happening::StillWorks { resource } => {
                self.ui.say(&format!("Azure still works on {resource}; waiting ..."));
            }
            Happening::FollowedFailed { resource, error } => {
                self.ui.say(&format!("{resource} failed: {error}"));
            }
            Happening::Reading => self.passing = Some(Passing::show(&self.reading)),
            Happening::HasRead => self.passing = None,
            Happening::Preflighted { report } => {
                let text = preflight::text(report, self.ui.talk_style());
                self.ui.show(text.trim_end());
            }
            Happening::Planned { plan } if !self.reads_events() => {
                let (full, called) = (self.turn.full, self.called.as_ref());
                let shown = plan::Shown { full, read: "just now", called };
                let text = plan::rendered(plan, Format::Text, &shown, self.ui);
                self.unwritten = self.ui.print(&text).err();
            }
            Happening::Planned { .. } => {}
            Happening::Step { plan, event } => self.step(plan, event),
            Happening::Verified { again } => self.verified(again),
        }
    }

    /// Asks for a `yes`, or for the number of consumers that will be disconnected.
    async fn confirm(&mut self, plan: &Plan) -> io::Result<bool> {
        let cut = plan.summary.consumers_disconnected;
        let (question, word) = if cut > 0 {
            let consumers = count(cut, "consumer");
            let question = format!(
                "{consumers} will be disconnected. Type {cut} to disconnect, anything else to stop:"
            );
            (question, cut.to_string())
        } else {
            let question = "Do you want to go on? Type `yes` to go on, anything else to stop:";
            (question.to_owned(), "yes".to_owned())
        };
        self.ui.show("");
        self.ui.ask(&question)?;
        let (tell, told) = tokio::sync::oneshot::channel();
        // A thread of its own, and not the runtime's, which would wait at its end for a line to be typed.
        std::thread::spawn(move || tell.send(crate::ui::line()));
        match told.await {
            Ok(line) => Ok(line?.trim() == word),
            Err(_) => Ok(false),
        }
    }
}

/// Writes an event as a line of JSON.
fn stream(event: &Event, ui: &mut Ui) -> Result<(), CommandError> {
    let line = privlink_render::json::line(event)
        .map_err(|error| CommandError::new(format!("an event: {error}")))?;
    ui.print(&line)
}
