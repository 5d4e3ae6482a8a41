//! Import: what is live, as documents that ask for just that.
//!
//! A snapshot goes in; documents and notes come out. A plan of the documents against the snapshot is
//! empty. What documents cannot say is reported in a note, and so is what was left out.

mod approval;
mod endpoint;
mod reads;
mod service;
mod stack;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::arm::resource::PrivateLinkService;
use crate::facts::Facts;
use crate::inventory::Inventory;
use crate::kubernetes::service::Key;
use crate::prediction::{self, Prediction};

pub use reads::reads;
pub use stack::{Place, name};

/// The version of our own kinds.
pub(crate) const API_VERSION: &str = "privlink.dev/v1alpha1";

/// What is to be imported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The stack's name; found out from the marks on what is live where it is not said.
    pub stack: Option<String>,
    /// Every Service of type `LoadBalancer`, rather than those that are internal or have Private Link
    /// annotations.
    pub all: bool,
    /// Services of these namespaces only; of all, if there is none.
    pub namespaces: BTreeSet<String>,
    /// These Services, whatever else is selected.
    pub services: BTreeSet<Key>,
}

/// What a document is, in the order they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `Stack`.
    Stack,
    /// `Service`.
    Service,
    /// `PrivateEndpoint`.
    PrivateEndpoint,
    /// `EndpointApproval`.
    EndpointApproval,
}

impl Kind {
    /// The file that documents of this kind are written to.
    pub const fn file(self) -> &'static str {
        match self {
            Self::Stack => "stack.yaml",
            Self::Service => "services.yaml",
            Self::PrivateEndpoint => "endpoints.yaml",
            Self::EndpointApproval => "approvals.yaml",
        }
    }

    /// All kinds, in order.
    pub const ALL: [Self; 4] =
        [Self::Stack, Self::Service, Self::PrivateEndpoint, Self::EndpointApproval];
}

/// What came of an import.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Import {
    /// The stack's name.
    pub stack: String,
    /// Documents by kind, each kind in order of name.
    pub documents: BTreeMap<Kind, Vec<Value>>,
    /// What was left out or cannot be said, each in one sentence.
    pub notes: Vec<String>,
}

/// Why nothing can be imported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// What is live belongs to several stacks, and none was chosen.
    #[error("what is live belongs to several stacks: {}", .0.join(", "))]
    SeveralStacks(Vec<String>),
    /// The Services could not be read.
    #[error("the Services could not be read: {0}")]
    Unreadable(String),
    /// A Service that was named is not there.
    #[error("there is no Service {0}")]
    NoService(Key),
    /// A Service that was named is none that Azure's controller looks after.
    #[error("the Service {0} is not of type LoadBalancer, or has a loadBalancerClass")]
    NotBalanced(Key),
}

/// What the parts of an import look at.
struct Seen<'a> {
    live: &'a Inventory<'a>,
    place: &'a Place,
    stack: &'a str,
    prediction: Prediction,
}

impl<'a> Seen<'a> {
    fn of(live: &'a Inventory<'a>, facts: &Facts, place: &'a Place, stack: &'a str) -> Self {
        let cluster = prediction::cluster(live, facts);
        let prediction = prediction::predict(live.world().clone(), cluster, &[]);
        Self { live, place, stack, prediction }
    }

    /// The Private Link Service of a Service.
    fn link(&self, key: &Key) -> Option<&PrivateLinkService> {
        self.prediction.link_before(key)
    }
}

/// Makes documents of what is live.
///
/// # Errors
///
/// See [`Error`].
pub fn import(
    live: &Inventory<'_>,
    facts: &Facts,
    place: &Place,
    selection: &Selection,
) -> Result<Import, Error> {
    let stack = stack::name(live, place, selection)?;
    let seen = Seen::of(live, facts, place, &stack);
    let mut notes: Vec<String> = live
        .malformed()
        .iter()
        .map(|what| format!("left out, since it does not look as ARM's: {what}"))
        .collect();

    let services = service::select(&seen, selection, &mut notes)?;
    let links =
        services.iter().filter_map(|(key, _)| Some((key.clone(), seen.link(key)?))).collect();
    let endpoints = endpoint::select(&seen, &links, &mut notes);
    let mut documents = BTreeMap::new();
    documents.insert(Kind::Stack, vec![stack::document(&seen, facts, &services)]);
    let manifests = services.iter().map(|(key, live)| service::manifest(key, live, &mut notes));
    documents.insert(Kind::Service, manifests.collect());
    documents.insert(Kind::PrivateEndpoint, endpoint::documents(&seen, &endpoints, &mut notes));
    let approvals = approval::documents(&seen, &links, &endpoints, &mut notes);
    documents.insert(Kind::EndpointApproval, approvals);
    documents.retain(|_, documents| !documents.is_empty());
    Ok(Import { stack, documents, notes })
}

/// A name that is not taken yet: the first that is free of the candidates, or the last with a number.
fn free_name(taken: &mut BTreeSet<String>, candidates: &[String]) -> String {
    let free = candidates.iter().find(|name| !taken.contains(*name)).cloned();
    let numbered = || {
        let last = candidates.last().map(String::as_str).unwrap_or_default();
        (2_u64..).map(|number| format!("{last}-{number}")).find(|name| !taken.contains(name))
    };
    let name = free.or_else(numbered).unwrap_or_default();
    taken.insert(name.clone());
    name
}

/// A live Service as somebody would have written it.
pub(crate) fn manifest(key: &Key, live: &Value) -> Value {
    service::manifest(key, live, &mut Vec::new())
}
