//! The guard's configuration: whom it warns, whom it refuses, and whom it never blocks.

use std::collections::{BTreeMap, BTreeSet};

use crate::marks::GUARD_LABEL;
use crate::pointer::At;
use crate::rule::{self, Code};
use serde_json::Value;

use super::review::Request;

/// What is done about a write that does harm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Nothing: it is not even looked at.
    Off,
    /// It is let through with a warning.
    #[default]
    Warn,
    /// It is refused.
    Enforce,
}

impl Mode {
    /// As flags, labels and logs have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Warn => "warn",
            Self::Enforce => "enforce",
        }
    }

    /// Reads a label's value.
    pub fn of(text: &str) -> Option<Self> {
        [Self::Off, Self::Warn, Self::Enforce].into_iter().find(|it| it.as_str() == text)
    }
}

/// What holds for all writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What is done where no label says otherwise.
    pub mode: Mode,
    /// What the labels of namespaces say.
    pub namespaces: BTreeMap<String, Mode>,
    /// The codes that refuse.
    pub refuses: BTreeSet<Code>,
    /// How many consumers a write may disconnect; the Stack's `maxDisconnects` or none, if it is not said.
    pub max_disconnects: Option<usize>,
    /// Whether what cannot be judged is refused.
    pub fail_closed: bool,
    /// Namespaces that are left alone, beside `kube-system`: the guard's own.
    pub spared: BTreeSet<String>,
    /// Users who are warned, and never blocked.
    pub exempt_users: BTreeSet<String>,
}

/// The codes that refuse unless others are chosen: consumers are disconnected, an internal load balancer becomes
/// public, a protected Service goes.
pub const REFUSES: [Code; 3] = [rule::TOO_MANY_DISCONNECTS, rule::BECOMES_PUBLIC, rule::PROTECTED];

impl Default for Policy {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            namespaces: BTreeMap::new(),
            refuses: REFUSES.into(),
            max_disconnects: None,
            fail_closed: false,
            spared: BTreeSet::new(),
            exempt_users: BTreeSet::new(),
        }
    }
}

/// The namespace of the cluster's own parts, which is never blocked.
const KUBE_SYSTEM: &str = "kube-system";

impl Policy {
    /// Whether a namespace is left alone.
    pub(super) fn spares(&self, namespace: &str) -> bool {
        namespace == KUBE_SYSTEM || self.spared.contains(namespace)
    }

    /// What is done about a request: the Service's label as it is stored counts first, since whoever writes could
    /// take it off; then its namespace's, then the default. A label with another value is none.
    pub(super) fn mode(&self, request: &Request) -> Mode {
        let object = request.old_object.as_ref().or(request.object.as_ref());
        let said = label(object).and_then(Mode::of);
        let said = said.or_else(|| self.namespaces.get(&request.key.namespace).copied());
        let mode = said.unwrap_or(self.mode);
        if self.exempt_users.contains(&request.user) { mode.min(Mode::Warn) } else { mode }
    }
}

/// What an object's label says.
pub(super) fn label(object: Option<&Value>) -> Option<&str> {
    object?.at("/metadata/labels")?.get(GUARD_LABEL)?.as_str()
}
