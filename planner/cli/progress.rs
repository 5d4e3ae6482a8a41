//! Live progress on stderr: spinners at a terminal that can draw them, plain lines elsewhere.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use privlink_core::escape::terminal;
use privlink_core::event::{Event, EventKind};
use privlink_core::plan::Plan;
use privlink_render::style::{Label, Style};

use crate::gate::Gate;
use crate::ui::is_smart;

/// A line at the terminal that says what is being done, and goes away; nothing where there is no terminal.
#[derive(Debug)]
pub(crate) struct Passing(Option<ProgressBar>);

impl Passing {
    /// Shows it from now on.
    pub(crate) fn show(what: &str) -> Self {
        if !is_smart(&std::io::stderr()) {
            return Self(None);
        }
        let gate = Gate { style: Style::default(), is_read_by_agent: true };
        let bar = ProgressBar::new_spinner().with_message(gate.line(&terminal(what)));
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}, {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(TICK);
        Self(Some(bar))
    }

    /// Counts what is done of several; of one it shows nothing.
    pub(crate) fn count(number: usize, what: &str) -> Self {
        let bar = (number > 1 && is_smart(&std::io::stderr())).then(|| {
            let bar = ProgressBar::new(number.try_into().unwrap_or(u64::MAX));
            let template = format!("{{spinner}} {what}: {{pos}} of {{len}}, {{elapsed}}");
            if let Ok(style) = ProgressStyle::with_template(&template) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(TICK);
            bar
        });
        Self(bar)
    }

    /// Does something that may write to the terminal, with nothing of it in the way.
    pub(crate) fn aside<T>(&self, act: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(bar) => bar.suspend(act),
            None => act(),
        }
    }

    /// One more is done.
    pub(crate) fn advance(&self) {
        if let Some(bar) = &self.0 {
            bar.inc(1);
        }
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// How often what moves at a terminal is drawn.
const TICK: Duration = Duration::from_millis(120);

/// What is shown of a run.
#[derive(Debug)]
pub(crate) struct Progress {
    bars: Option<MultiProgress>,
    running: BTreeMap<usize, ProgressBar>,
    doing: BTreeMap<usize, String>,
    told: BTreeMap<usize, String>,
    began: BTreeMap<usize, Instant>,
    style: Style,
    steps: usize,
    /// Which of several stacks it is of, as the beginning of a line.
    stack: String,
}

impl Progress {
    /// Begins; of one of several stacks, if one is named.
    pub(crate) fn new(plan: &Plan, stack: Option<&str>, style: Style) -> Self {
        let bars = is_smart(&std::io::stderr()).then(MultiProgress::new);
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
            began: BTreeMap::new(),
            style,
            steps: plan.steps.len(),
            stack: stack.map(|it| format!("{}: ", terminal(it))).unwrap_or_default(),
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
        format!("{}[{step}/{}] {doing}", self.stack, self.steps)
    }

    fn start(&mut self, step: usize) {
        self.began.insert(step, Instant::now());
        let head = self.head(step);
        match &self.bars {
            None => self.line(&format!("{head} ...")),
            Some(bars) => {
                let bar = bars.add(ProgressBar::new_spinner().with_message(head));
                if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
                    bar.set_style(style);
                }
                bar.enable_steady_tick(TICK);
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
        let took = self.began.remove(&step).map(|it| it.elapsed().as_secs());
        if let Some(seconds) = took.filter(|it| *it > 0) {
            text.push_str(&format!(" in {}", lasting(seconds)));
        }
        if !detail.is_empty() {
            text.push_str(": ");
            text.push_str(&terminal(detail));
        }
        self.line(&text);
    }
}

/// A time in seconds, as people say it.
fn lasting(seconds: u64) -> String {
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, 0) => format!("{minutes} min"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::lasting;

    #[test]
    fn times_are_said_as_people_do() {
        assert_eq!([lasting(5), lasting(60), lasting(95)], ["5 s", "1 min", "1 min 35 s"]);
    }
}
