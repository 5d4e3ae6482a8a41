//! What can go wrong with a forge.

use std::time::Duration;

use privlink_http::secret::hide;
use privlink_model::reason::clean;

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The environment or the flags do not say where to comment, or as whom.
    Unknown,
    /// The token is not accepted, or may not comment.
    Denied,
    /// The pull request, the repository or the comment is not there.
    Missing,
    /// The forge does not take what was sent.
    Invalid,
    /// Too many requests; it may be tried again later.
    Throttled,
    /// The forge failed or could not be reached; it may be tried again.
    Transient,
    /// The forge points at another host, which is not followed.
    Untrusted,
    /// The answer is not what the forge documents.
    Protocol,
}

/// A failure, with what to do about it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ForgeError {
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// What happened, fit to be shown.
    pub message: String,
    /// What to do.
    pub help: Option<&'static str>,
    /// How long the forge asks to wait.
    pub(crate) wait: Option<Duration>,
}

impl ForgeError {
    pub(crate) fn new(kind: ErrorKind, message: impl AsRef<str>) -> Self {
        Self { kind, message: clean(&hide(message.as_ref())), help: None, wait: None }
    }

    pub(crate) fn help(mut self, help: &'static str) -> Self {
        self.help = Some(help);
        self
    }
}
