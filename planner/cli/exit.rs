//! Exit codes.

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// How a command ended. `docs/exit-codes.md` tells users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done; nothing to do.
    Done,
    /// An error, usage and input errors included.
    Error,
    /// Changes or drift are present.
    Changes,
    /// A safety rule refused.
    Refused,
    /// The saved plan is stale.
    Stale,
    /// Another apply holds the lock.
    Locked,
    /// Applied, waiting for approval.
    AwaitingApproval,
    /// Partly applied, or the controller did otherwise.
    Partly,
    /// Interrupted, after the report.
    Interrupted,
}

impl Exit {
    /// The worse of two: what one exit code says of several stacks.
    pub(crate) fn worse(self, other: Self) -> Self {
        const WORST_FIRST: [Exit; 9] = [
            Exit::Interrupted,
            Exit::Error,
            Exit::Partly,
            Exit::Stale,
            Exit::Locked,
            Exit::Refused,
            Exit::AwaitingApproval,
            Exit::Changes,
            Exit::Done,
        ];
        WORST_FIRST.into_iter().find(|exit| [self, other].contains(exit)).unwrap_or(self)
    }

    /// The one of a number that a report has; what is none is an error.
    pub(crate) fn of(code: u8) -> Self {
        let all = [
            Self::Done,
            Self::Changes,
            Self::Refused,
            Self::Stale,
            Self::Locked,
            Self::AwaitingApproval,
            Self::Partly,
            Self::Interrupted,
        ];
        all.into_iter().find(|it| it.code() == code).unwrap_or(Self::Error)
    }

    /// The number.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Error => 1,
            Self::Changes => 2,
            Self::Refused => 3,
            Self::Stale => 4,
            Self::Locked => 5,
            Self::AwaitingApproval => 6,
            Self::Partly => 7,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Ends after clap's refusal, or its help: usage errors are errors like others, not clap's 2.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    if crate::ui::usage(error, tip(error).as_deref()) {
        Exit::Error.into()
    } else {
        Exit::Done.into()
    }
}

/// What clap cannot know: files are named with `-f`.
fn tip(error: &clap::Error) -> Option<String> {
    match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::UnknownArgument, Some(ContextValue::String(word)))
            if !word.starts_with('-') =>
        {
            Some(format!("did you mean `-f {word}`?"))
        }
        (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(words)))
            if words.iter().any(|it| it.contains("<PLAN>") || it.contains("--filename")) =>
        {
            Some("desired state is named with -f, a file or a folder".to_owned())
        }
        (ErrorKind::ArgumentConflict, Some(ContextValue::String(word)))
            if word.contains("[PLAN]") =>
        {
            let why = "a saved plan is what was approved, and is carried out as it is";
            Some(format!("{why}; plan again with the flag, and apply that"))
        }
        _ => None,
    }
}
