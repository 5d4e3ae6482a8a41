//! Live progress on stderr: spinners at a terminal, plain lines elsewhere.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use privlink_core::escape::terminal;
use privlink_core::event::{Event, EventKind};
use privlink_core::plan::Plan;
use privlink_render::style::{Label, Style};

use crate::gate::Gate;

/// What is shown of a run.
#[derive(Debug)]
pub(crate) struct Progress {
    bars: Option<MultiProgress>,
    running: BTreeMap<usize, ProgressBar>,
    doing: BTreeMap<usize, String>,
    told: BTreeMap<usize, String>,
    style: Style,
    steps: usize,
}

impl Progress {
    /// Begins.
    pub(crate) fn new(plan: &Plan, style: Style) -> Self {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        Self {
            bars,
            running: BTreeMap::new(),
            // Steps that never start are named as in the plan.
            doing: plan
                .steps
                .iter()
                .map(|step| {
                    let doing = format!("{} {}", step.op.verb(), step.change);
                    (step.id, terminal(&doing).into_owned())
                })
                .collect(),
            told: BTreeMap::new(),
            style,
            steps: plan.steps.len(),
        }
    }

    /// Shows an event.
    pub(crate) fn show(&mut self, event: &Event) {
        let Some(step) = event.step else { return };
        match &event.kind {
            EventKind::Started { doing } => {
                self.doing.insert(step, terminal(doing).into_owned());
                self.start(step);
            }
            EventKind::Progress { state } => self.tell(step, state),
            EventKind::Retried { error, seconds } => {
                self.tell(step, &format!("tried again in {seconds} s: {error}"));
            }
            EventKind::Succeeded { detail } => self.finish(step, Label::Success, "done", detail),
            EventKind::AwaitingApproval { detail } => {
                self.finish(step, Label::Warning, "awaits approval", detail);
            }
            EventKind::Failed { error, .. } => self.finish(step, Label::Error, "failed", error),
            EventKind::Skipped { because } => {
                let why = format!("step {because} failed");
                self.finish(step, Label::Warning, "skipped", &why);
            }
            EventKind::Cancelled => self.finish(step, Label::Warning, "stopped", ""),
            EventKind::Begun { .. }
            | EventKind::Accepted { .. }
            | EventKind::Ended
            | EventKind::Refused { .. }
            | EventKind::Reported { .. } => {}
        }
    }

    /// Ends.
    pub(crate) fn end(&mut self) {
        for bar in std::mem::take(&mut self.running).into_values() {
            bar.finish_and_clear();
        }
    }

    fn line(&self, text: &str) {
        let text = Gate { style: self.style, is_read_by_agent: true }.pass(text);
        let shown = match &self.bars {
            Some(bars) => bars.println(text),
            None => writeln!(std::io::stderr(), "{text}"),
        };
        // There is nowhere to tell that stderr cannot be written.
        drop(shown);
    }

    fn head(&self, step: usize) -> String {
        let doing = self.doing.get(&step).cloned().unwrap_or_default();
        format!("[{step}/{}] {doing}", self.steps)
    }

    fn start(&mut self, step: usize) {
        let head = self.head(step);
        match &self.bars {
            None => self.line(&format!("{head} ...")),
            Some(bars) => {
                let bar = bars.add(ProgressBar::new_spinner().with_message(head));
                if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
                    bar.set_style(style);
                }
                bar.enable_steady_tick(Duration::from_millis(120));
                self.running.insert(step, bar);
            }
        }
    }

    /// Tells how a step stands, if that is news.
    fn tell(&mut self, step: usize, state: &str) {
        let text = format!("{}: {}", self.head(step), terminal(state));
        if self.told.insert(step, text.clone()).as_ref() == Some(&text) {
            return;
        }
        match self.running.get(&step) {
            Some(bar) => bar.set_message(text),
            None => self.line(&text),
        }
    }

    fn finish(&mut self, step: usize, label: Label, word: &str, detail: &str) {
        if let Some(bar) = self.running.remove(&step) {
            bar.finish_and_clear();
        }
        let mut text = format!("{} {}", self.head(step), self.style.paint(label, word));
        if !detail.is_empty() {
            text.push_str(": ");
            text.push_str(&terminal(detail));
        }
        self.line(&text);
    }
}
