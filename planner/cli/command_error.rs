//! What a command says when it cannot go on.

use privlink_core::diagnostic::Diagnostic;

use crate::exit::Exit;

/// A failure of a command.
#[derive(Debug)]
pub(crate) struct CommandError {
    /// The exit code.
    pub(crate) exit: Exit,
    /// What went wrong, in one sentence; empty if the diagnostics say it all.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hints: Vec<String>,
    /// What is wrong with the input.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl CommandError {
    /// An error of the user, the input or the environment.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Error,
            message: message.into(),
            hints: Vec::new(),
            diagnostics: Vec::new(),
        }
    }

    /// It in one line, for a table.
    pub(crate) fn line(&self) -> String {
        let first = self.diagnostics.first().map(|it| {
            let place = it.labels.first().map(|label| format!("{}: ", label.span.place()));
            format!("{}{} ({})", place.unwrap_or_default(), it.message, it.code)
        });
        first.filter(|_| self.message.is_empty()).unwrap_or_else(|| self.message.clone())
    }

    /// Adds what to do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Sets the exit code.
    pub(crate) fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// An error that diagnostics tell.
    pub(crate) fn diagnostics(diagnostics: Vec<Diagnostic>) -> Self {
        Self { exit: Exit::Error, message: String::new(), hints: Vec::new(), diagnostics }
    }
}

/// An error of reading or writing `what`.
pub(crate) fn io(what: &str) -> impl FnOnce(std::io::Error) -> CommandError + '_ {
    move |error| CommandError::new(format!("{what}: {error}"))
}
