//! The terminal: results on stdout, talk on stderr.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use privlink_core::diagnostic::{self, Colour, Diagnostic, RenderOptions};
use privlink_core::escape::terminal;
use privlink_http::span::TARGET;
use privlink_render::layout::{self, Layout};
use privlink_render::notice::Notice;
use privlink_render::pipeline::Commands;
use privlink_render::style::{Label, Style};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::args::{Global, LogFormat, When};
use crate::command_error::{CommandError, io};
use crate::gate::{Gate, Log};
use crate::invocation::Invocation;
use crate::pipeline::Pipeline;
use crate::traces::Traces;

/// The two streams and how they look.
#[derive(Debug)]
pub(crate) struct Ui {
    out: Style,
    err: Style,
    pipeline: Pipeline,
    /// How wide text is laid out.
    width: usize,
    invocation: Invocation,
    /// Which of several stacks it is for.
    stack: Option<String>,
    kept: Option<Kept>,
}

/// What is to be written later.
#[derive(Debug, Default)]
struct Kept {
    out: String,
    err: String,
    commands: Mutex<Commands>,
    /// What it comes to, in a line.
    summary: Option<String>,
}

impl Ui {
    /// Finds out how the streams look, and starts logging: also warnings for a command that serves.
    pub(crate) fn new(global: &Global, serves: bool, traces: Option<&Traces>) -> Self {
        let ui = Self {
            out: style(global.color, is_smart(&io::stdout())),
            err: style(global.color, is_smart(&io::stderr())),
            pipeline: Pipeline::detect(global.pipeline),
            width: width(),
            invocation: Invocation::of_process(),
            stack: None,
            kept: None,
        };
        log(global, serves, ui.gate(ui.err), traces);
        ui
    }

    /// One that keeps what is written, for [`Ui::release`].
    pub(crate) fn keeping(&self) -> Self {
        Self {
            out: self.out,
            err: self.err,
            pipeline: self.pipeline.clone(),
            width: self.width,
            invocation: self.invocation.clone(),
            stack: self.stack.clone(),
            kept: Some(Kept::default()),
        }
    }

    /// The same, for one of several stacks: what is shown while others are worked on too begins with its path.
    pub(crate) fn keeping_of(&self, stack: &str, files: &[PathBuf]) -> Self {
        let invocation = self.invocation.of_stack(files);
        Self { invocation, stack: Some(stack.to_owned()), ..self.keeping() }
    }

    /// Which of several stacks it is for.
    pub(crate) fn stack(&self) -> Option<&str> {
        self.stack.as_deref()
    }

    /// Drops the result that is kept, and keeps what was said.
    pub(crate) fn drop_result(&mut self) {
        if let Some(kept) = &mut self.kept {
            kept.out.clear();
        }
    }

    /// Says in a line what the result comes to, for a table of several.
    pub(crate) fn sum_up(&mut self, summary: String) {
        if let Some(kept) = &mut self.kept {
            kept.summary = Some(summary);
        }
    }

    /// What the result that is kept was summed up as; nothing where there is nothing to say of it.
    pub(crate) fn summary(&self) -> Option<&str> {
        self.kept.as_ref()?.summary.as_deref().filter(|it| !it.is_empty())
    }

    /// Takes the result that is kept away; what was said beside it stays.
    pub(crate) fn take_result(&mut self) -> String {
        self.kept.as_mut().map(|kept| std::mem::take(&mut kept.out)).unwrap_or_default()
    }

    /// Whether there is a result that is kept.
    pub(crate) fn has_result(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| !kept.out.is_empty())
    }

    /// Writes what another one kept: what was said, then the result.
    pub(crate) fn release(&mut self, other: Self) -> Result<(), CommandError> {
        let Kept { out, err, commands, .. } = other.kept.unwrap_or_default();
        if !err.is_empty() {
            self.show(err.trim_end());
        }
        self.command(&commands.into_inner().unwrap_or_else(PoisonError::into_inner));
        self.print(&out)
    }

    /// How stdout looks.
    pub(crate) fn style(&self) -> Style {
        self.out
    }

    /// How stderr looks.
    pub(crate) fn talk_style(&self) -> Style {
        self.err
    }

    /// How text is laid out on stdout.
    pub(crate) fn layout(&self) -> Layout {
        Layout { style: self.out, width: self.width }
    }

    /// How privlink was called.
    pub(crate) fn invocation(&self) -> &Invocation {
        &self.invocation
    }

    /// What runs the command.
    pub(crate) fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// What a stream's text passes.
    fn gate(&self, style: Style) -> Gate {
        Gate { style, is_read_by_agent: self.pipeline.agent.is_some() }
    }

    /// Writes a result, which may have several lines and colours. A closed pipe is not an error: whoever
    /// read it had enough.
    pub(crate) fn print(&mut self, text: &str) -> Result<(), CommandError> {
        if let Some(kept) = &mut self.kept {
            kept.out.push_str(text);
            return Ok(());
        }
        write_out(&self.gate(self.out).pass(text))
    }

    /// Writes a result that is commands for the pipeline's agent.
    pub(crate) fn instruct(&mut self, commands: &Commands) -> Result<(), CommandError> {
        write_out(&privlink_http::secret::hide(commands.as_str()))
    }

    /// Says something beside the result, in one line: whatever it holds is shown as text.
    pub(crate) fn say(&mut self, line: &str) {
        self.show(&terminal(line));
    }

    /// Shows something beside the result that is rendered already, with lines and colours.
    pub(crate) fn show(&mut self, text: &str) {
        if let Some(kept) = &mut self.kept {
            kept.err.push_str(text);
            kept.err.push('\n');
            return;
        }
        // There is nowhere to tell that stderr cannot be written.
        let _ = writeln!(io::stderr(), "{}", self.gate(self.err).pass(text));
    }

    /// Says something that went wrong beside the result.
    pub(crate) fn warn(&mut self, error: &CommandError) {
        let head = self.err.paint(Label::Warning, "warning");
        self.show(&format!("{head}: {}", terminal(&error.message)));
        self.hints(error);
        self.command(&self.pipeline.warning(&error.message));
    }

    /// Gives the pipeline's agent commands, which it reads on stderr too.
    pub(crate) fn command(&self, commands: &Commands) {
        if let Some(kept) = &self.kept {
            kept.commands.lock().unwrap_or_else(PoisonError::into_inner).append(commands);
            return;
        }
        // There is nowhere to tell that stderr cannot be written.
        let _ = write!(io::stderr(), "{}", privlink_http::secret::hide(commands.as_str()));
    }

    /// Annotates the input with what is to be told of it, if a pipeline's agent takes that.
    pub(crate) fn annotate(&self, notices: &[Notice]) {
        self.command(&self.pipeline.annotations(notices));
    }

    /// Shows what is wrong with the input, on stderr.
    pub(crate) fn diagnostics(&mut self, diagnostics: &[Diagnostic]) {
        if !diagnostics.is_empty() {
            let text = render(diagnostics, self.err, self.width);
            self.show(text.trim_end());
            let notices: Vec<Notice> = diagnostics.iter().map(Notice::from).collect();
            self.annotate(&notices);
        }
    }

    /// Shows why a command cannot go on.
    pub(crate) fn error(&mut self, error: &CommandError) {
        self.diagnostics(&error.diagnostics);
        if !error.message.is_empty() {
            let head = self.err.paint(Label::Error, "error");
            self.show(&format!("{head}: {}", terminal(&error.message)));
            self.command(&self.pipeline.error(&error.message));
        }
        self.hints(error);
    }

    fn hints(&mut self, error: &CommandError) {
        for hint in &error.hints {
            self.show(&format!("  help: {}", terminal(hint)));
        }
    }

    /// Asks for a word at the terminal, and says whether it was given.
    pub(crate) fn confirm(&mut self, question: &str, word: &str) -> Result<bool, CommandError> {
        let unasked = |error: io::Error| {
            CommandError::new(error.to_string())
                .hint("Give --auto-approve to go on without being asked.")
        };
        self.ask(question).and_then(|()| line()).map(|it| it.trim() == word).map_err(unasked)
    }

    /// Asks at the terminal, in one line.
    ///
    /// # Errors
    ///
    /// When there is no terminal, or it cannot be written.
    pub(crate) fn ask(&mut self, question: &str) -> io::Result<()> {
        if !io::stdin().is_terminal() {
            return Err(io::Error::other("there is no terminal to confirm at"));
        }
        let mut err = io::stderr().lock();
        write!(err, "{} ", self.gate(self.err).line(&terminal(question))).and_then(|()| err.flush())
    }
}

fn write_out(text: &str) -> Result<(), CommandError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(io("stdout")),
    }
}

/// Says how the command is called wrongly and what may be meant, or its help; whether that went to stderr. The words may be
/// anybody's: a pipeline's variables stand in them.
pub(crate) fn usage(error: &clap::Error, tip: Option<&str>) -> bool {
    let is_wrong = error.use_stderr();
    let is_smart = if is_wrong { is_smart(&io::stderr()) } else { is_smart(&io::stdout()) };
    let style = style(When::Auto, is_smart);
    let is_read_by_agent = Pipeline::detect(crate::args::Pipeline::Auto).agent.is_some();
    let rendered = error.render();
    let mut text = if style.colour { rendered.ansi().to_string() } else { rendered.to_string() };
    if let Some(tip) = tip {
        text.push_str(&format!("\n  tip: {}\n", terminal(tip)));
    }
    let text = Gate { style, is_read_by_agent }.pass(&text);
    // A closed pipe is no reason to complain about help.
    let _ = if is_wrong {
        io::stderr().write_all(text.as_bytes())
    } else {
        io::stdout().write_all(text.as_bytes())
    };
    is_wrong
}

/// Says something in the middle of a call, in one line.
pub(crate) fn beside(line: &str) {
    let gate = Gate { style: Style::default(), is_read_by_agent: true };
    // There is nowhere to tell that stderr cannot be written.
    let _ = writeln!(io::stderr(), "{}", gate.line(&terminal(line)));
}

/// Writes one line of data to stdout, for who reads it while the command goes on.
pub(crate) fn record(line: &str) {
    let gate = Gate { style: Style::default(), is_read_by_agent: false };
    // There is nowhere to tell that stdout cannot be written.
    let _ = writeln!(io::stdout(), "{}", gate.line(line));
}

/// The next line that is typed.
pub(crate) fn line() -> io::Result<String> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line)
}

/// Diagnostics as text.
pub(crate) fn render(diagnostics: &[Diagnostic], style: Style, width: usize) -> String {
    let colour = if style.colour { Colour::Always } else { Colour::Never };
    let options = RenderOptions { colour, width };
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = diagnostic::render(diagnostics, options, &mut text);
    text
}

/// The width of text: what COLUMNS says, or the terminal's, or 100 columns.
fn width() -> usize {
    let said = std::env::var("COLUMNS").ok().and_then(|it| it.parse().ok()).filter(|it| *it > 0);
    let terminal = || {
        let out = io::stdout();
        let size = terminal_size::terminal_size_of(&out).filter(|_| out.is_terminal());
        size.map(|(width, _)| usize::from(width.0)).filter(|it| *it > 0)
    };
    said.or_else(terminal).unwrap_or(layout::WIDTH)
}

/// Whether a stream is a terminal that takes colours and lines that are drawn again. One that names no kind, or says that
/// it is dumb, takes neither.
pub(crate) fn is_smart(stream: &impl IsTerminal) -> bool {
    let is_dumb = match std::env::var_os("TERM") {
        Some(kind) => kind == "dumb",
        None => cfg!(unix),
    };
    stream.is_terminal() && !is_dumb
}

fn style(when: When, is_smart: bool) -> Style {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let forced = set("CLICOLOR_FORCE") && std::env::var("CLICOLOR_FORCE").is_ok_and(|it| it != "0");
    let colour = match when {
        When::Always => true,
        When::Never => false,
        When::Auto => !set("NO_COLOR") && (forced || is_smart),
    };
    Style { colour }
}

/// Starts the log, and traces beside it where they are asked for. Without them their spans are looked at by nobody.
fn log(global: &Global, serves: bool, gate: Gate, traces: Option<&Traces>) {
    // A second logger in one process is refused; the first one does.
    let _ = listeners(global, serves, gate, traces).try_init();
}

/// Who hears of spans and events.
fn listeners(
    global: &Global,
    serves: bool,
    gate: Gate,
    traces: Option<&Traces>,
) -> Box<dyn Subscriber + Send + Sync> {
    let level = match global.verbose {
        0 if serves => "privlink=warn",
        0 => "off",
        1 => "privlink=info",
        2 => "privlink=debug",
        _ => "privlink=trace",
    };
    let lines = fmt::layer().with_writer(Log(gate)).with_ansi(gate.style.colour);
    let lines = match global.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let lines = lines.with_filter(EnvFilter::new(level));
    let lines = tracing_subscriber::registry().with(lines);
    // A layer that is not there would still take every span.
    let Some(traces) = traces else { return Box::new(lines) };
    let spans = tracing_opentelemetry::layer().with_tracer(traces.tracer());
    let spans = spans.with_location(false).with_threads(false).with_target(false);
    let is_ours = |it: &Metadata<'_>| it.is_span() && it.target() == TARGET;
    let spans = spans.with_tracked_inactivity(false).with_filter(filter_fn(is_ours));
    Box::new(lines.with(spans))
}

#[cfg(test)]
mod tests {
    use tracing::Level;
    use tracing::level_filters::LevelFilter;

    use super::*;

    #[test]
    fn spans_cost_a_comparison_where_nobody_asks_for_traces() {
        let global = |verbose| Global {
            verbose,
            color: When::Never,
            log_format: LogFormat::Text,
            pipeline: crate::args::Pipeline::None,
        };
        let gate = || Gate { style: Style::default(), is_read_by_agent: false };
        let quiet = listeners(&global(0), false, gate(), None);
        // What is above it is not even looked at: `tracing` compares levels before anything else.
        assert_eq!(quiet.max_level_hint(), Some(LevelFilter::OFF));
        tracing::subscriber::with_default(listeners(&global(2), false, gate(), None), || {
            assert!(tracing::enabled!(target: "privlink_azure", Level::DEBUG));
            assert!(privlink_engine::span::stack("shop").is_disabled());
        });
    }
}
