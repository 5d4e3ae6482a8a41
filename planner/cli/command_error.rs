//! What a command says when it cannot go on.

use privlink_core::diagnostic::Diagnostic;
use privlink_core::rule;
use privlink_core::unread::{NoCluster, Unread};
use privlink_engine::observe::Unsaid;
use privlink_engine::run::Failure;

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
    /// Whether a flag names an object that the stack does not have: among many stacks another one may.
    pub(crate) is_of_another_stack: bool,
}

impl CommandError {
    /// An error of the user, the input or the environment.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Error,
            message: message.into(),
            hints: Vec::new(),
            diagnostics: Vec::new(),
            is_of_another_stack: false,
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
        Self { diagnostics, ..Self::new("") }
    }
}

impl From<NoCluster> for CommandError {
    fn from(missing: NoCluster) -> Self {
        match &missing.place {
            Some(place) => Self::diagnostics(vec![
                Diagnostic::new(rule::CLUSTER_MISSING, missing.to_string())
                    .at(place, "")
                    .help(missing.help.clone()),
            ]),
            None => Self::new(missing.to_string()).hint(missing.help),
        }
    }
}

impl From<Unread> for CommandError {
    fn from(unread: Unread) -> Self {
        if let Some(place) = &unread.place {
            let problem = Diagnostic::new(rule::UNREADABLE, unread.to_string()).at(place, "");
            return Self::diagnostics(vec![problem]);
        }
        let error = Self::new(unread.to_string());
        unread.help().into_iter().fold(error, Self::hint)
    }
}

impl From<Unsaid> for CommandError {
    fn from(unsaid: Unsaid) -> Self {
        let error = Self::new(unsaid.to_string());
        unsaid.help().into_iter().fold(error, Self::hint)
    }
}

impl From<Failure> for CommandError {
    fn from(failure: Failure) -> Self {
        let failure = match failure {
            Failure::NoCluster(missing) => return missing.into(),
            Failure::Unread(unread) => return unread.into(),
            failure => failure,
        };
        let exit = match failure {
            Failure::Held { .. } => Exit::Locked,
            Failure::Stale { .. } => Exit::Stale,
            _ => Exit::Error,
        };
        let error = Self::new(failure.to_string()).exit(exit);
        failure.help().into_iter().fold(error, Self::hint)
    }
}

/// An error of reading or writing `what`.
pub(crate) fn io(what: &str) -> impl FnOnce(std::io::Error) -> CommandError + '_ {
    move |error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            CommandError::new(format!("cannot access {what}: no such file or folder"))
        }
        _ => CommandError::new(format!("cannot access {what}: {error}")),
    }
}
