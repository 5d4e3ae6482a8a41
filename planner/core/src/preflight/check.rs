//! Checks of what was observed.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Area, Check, Verdict};

/// A check of something that was observed.
pub(super) fn check(
    area: Area,
    subject: impl Into<String>,
    requirement: impl Into<String>,
    verdict: Verdict,
    reason: impl Into<String>,
) -> Check {
    Check {
        area,
        subject: subject.into(),
        requirement: requirement.into(),
        verdict,
        reason: reason.into(),
        help: None,
    }
}

impl Check {
    /// With what to do if it is not met.
    pub(super) fn or(mut self, help: &str) -> Self {
        if self.verdict != Verdict::Met {
            self.help = Some(help.to_owned());
        }
        self
    }
}

/// How often each key comes.
pub(super) fn tally(keys: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for key in keys {
        *counts.entry(key).or_insert(0) += 1;
    }
    counts
}

/// A resource's text at a pointer.
pub(super) fn text<'a>(resource: &'a Value, pointer: &str) -> Option<&'a str> {
    resource.pointer(pointer).and_then(Value::as_str)
}
