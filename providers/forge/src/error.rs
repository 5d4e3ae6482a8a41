//! What can go wrong with a forge.

use std::fmt;
use std::ops::Deref;

use privlink_http::failure::{ErrorKind, Failure};

/// What is known of a failure of a forge's beside [`Failure`].
#[derive(Clone, Debug, Default)]
pub struct ForgeDetail {
    /// What to do.
    pub help: Option<&'static str>,
}

/// A failure, with what to do about it: a boxed [`Failure`].
#[derive(Clone, Debug)]
pub struct ForgeError(pub(crate) Box<Failure<ForgeDetail>>);

impl ForgeError {
    pub(crate) fn new(kind: ErrorKind, message: impl AsRef<str>) -> Self {
        Self(Box::new(Failure::new(kind, message.as_ref(), ForgeDetail::default())))
    }

    pub(crate) fn help(mut self, help: &'static str) -> Self {
        self.0.detail.help = Some(help);
        self
    }
}

impl Deref for ForgeError {
    type Target = Failure<ForgeDetail>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl fmt::Display for ForgeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ForgeError {}
