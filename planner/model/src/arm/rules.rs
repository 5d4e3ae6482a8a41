//! Which rules Azure follows, and injected faults.

use serde::{Deserialize, Serialize};

/// A rule profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rules {
    /// Azure's, as far as documented or seen: for plans and the sandbox.
    #[default]
    Azure,
    /// Those of the fake the recordings were made with, its strict rules on.
    RecordedStrict,
    /// Those of the same fake, its strict rules off.
    RecordedLenient,
}

/// A failure injected into writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The HTTP method it meets.
    pub method: String,
    /// A part of the path it meets, any case.
    pub path: String,
    /// The status answered.
    pub status: u16,
    /// The error code answered.
    #[serde(default)]
    pub code: String,
    /// The message answered.
    #[serde(default)]
    pub message: String,
    /// How often it strikes.
    #[serde(default = "once")]
    pub times: u32,
}

fn once() -> u32 {
    1
}
