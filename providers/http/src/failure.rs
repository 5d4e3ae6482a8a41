//! What can go wrong between this tool and a server: one type for all clients, with what only one of them
//! knows beside it.

use std::fmt;
use std::time::Duration;

use privlink_model::reason::{chain, clean};

use crate::secret::hide;

/// What kind of failure it is, which decides what can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorKind {
    /// The server failed for the moment: 408, 5xx, or a reply that broke off.
    Transient,
    /// Too many requests: 429.
    Throttled,
    /// Another operation holds the resource, or what it refers to is not ready: Azure's 409 and its like.
    Busy,
    /// Another field manager owns a field that would change. Never forced.
    Conflict,
    /// It is not what was read: another version, another object, or it exists already.
    Stale,
    /// No valid credentials, or none with the right: 401, 403, and failing exec plugins.
    Denied,
    /// The server does not accept the request: other 4xx, and operations that failed.
    Invalid,
    /// It, or what holds it, is not there: 404.
    Missing,
    /// The operation was canceled by somebody else.
    Canceled,
    /// The server was not reached, or there is no way to it in the configuration; nothing was sent.
    Network,
    /// No TLS connection was made: the certificate is not trusted, or the server speaks no TLS. Nothing
    /// was sent.
    Tls,
    /// A URL in a reply leads to another host; nothing was sent there.
    UntrustedUrl,
    /// The reply is not the server's: wrong content type, JSON of another shape, or larger than any of its.
    Protocol,
    /// The operation was still running when its deadline came.
    Deadline,
    /// The environment or the flags do not say where to go, or as whom.
    Unconfigured,
}

impl ErrorKind {
    /// Whether the same request may succeed later, unchanged.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Transient | Self::Throttled | Self::Busy | Self::Network)
    }
}

/// What a client was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Finding and reading the configuration.
    Connect,
    /// GET of one object.
    Read,
    /// GET of a list.
    List,
    /// PUT of a resource.
    Write,
    /// Server-side apply, or a dry run of it.
    Apply,
    /// A patch, or an update.
    Update,
    /// DELETE.
    Delete,
    /// GET of an operation's status.
    Poll,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect to",
            Self::Read => "read",
            Self::List => "list",
            Self::Write => "write",
            Self::Apply => "apply",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Poll => "follow the operation on",
        })
    }
}

/// A failed call, with all that is known of it. Its text holds no credential.
#[derive(Clone, Debug)]
pub struct Failure<D> {
    /// See [`ErrorKind`].
    pub kind: ErrorKind,
    /// The HTTP status, if there was a reply.
    pub status: Option<u16>,
    /// The server's word for it: ARM's error code, the API server's reason.
    pub code: Option<String>,
    /// The server's message, or the whole chain of reasons of what failed on this side.
    pub message: String,
    /// How long the server asks to wait before the next try.
    pub retry_after: Option<Duration>,
    /// What only one client knows.
    pub detail: D,
}

impl<D> Failure<D> {
    /// A failure of this side, before or without a reply. What the message holds of secrets is hidden.
    pub fn new(kind: ErrorKind, message: &str, detail: D) -> Self {
        let message = shown(message);
        Self { kind, status: None, code: None, message, retry_after: None, detail }
    }

    /// Whether the same request may succeed later, unchanged.
    pub fn is_retryable(&self) -> bool {
        self.kind.is_retryable()
    }

    /// Writes what the server said: `NotFound (404): it is not there`.
    ///
    /// # Errors
    /// Those of the formatter.
    pub fn fmt_reply(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.code, self.status) {
            (Some(code), Some(status)) => write!(f, "{code} ({status}): ")?,
            (Some(code), None) => write!(f, "{code}: ")?,
            (None, Some(status)) => write!(f, "HTTP {status}: ")?,
            (None, None) => {}
        }
        f.write_str(&self.message)
    }
}

/// Text of a server's or of a library's, fit to be shown: without secrets and control characters.
pub fn shown(text: &str) -> String {
    clean(&hide(text))
}

/// Logs why there was no reply. `what` says whose.
pub fn log_unanswered(what: &str, why: &dyn std::error::Error) {
    tracing::info!(why = shown(&chain(why)), "{what} gave no reply");
}
