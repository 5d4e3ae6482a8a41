//! Desired state: checked, defaulted, references resolved.

pub(crate) mod annotation;
pub(crate) mod checks;
pub(crate) mod duplicates;
pub(crate) mod gateway;
pub(crate) mod offer;
mod pinned;
pub mod refusal;
pub(crate) mod resolve;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde_json::Value;

use crate::annotation::keys;
use crate::diagnostic::{Span, Spanned};
pub use crate::document::{
    Admitted, AllowedDisconnect, Annotation, Approval, Consumer, Dns, Facts, IgnoredDrift, Maker,
    Passed, Policy, Port, ServiceSpec, Services, Stack, Subnet, Target,
};
use crate::kubernetes::service::Key;
pub use annotation::is_meant;
pub use checks::MESH_NAMESPACE;
pub use gateway::MadeBy;
pub use offer::Offered;
pub use pinned::pinned;
pub use resolve::resolve;

/// What is taken where the documents do not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The namespace of Services that name none: the context's. Without one it is `default`, with
    /// a note.
    pub namespace: Option<String>,
    /// The stack's name if there is no Stack document: the file's or folder's.
    pub stack_name: Option<String>,
}

/// One desired state, sound enough to be planned if it came without errors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desired {
    /// The stack's name: the Stack document's, or the option's, or `default`.
    pub name: String,
    /// The Stack document. Without exactly one, nothing is ever pruned.
    pub stack: Option<Stack>,
    /// Services.
    pub services: BTreeMap<Key, Service>,
    /// Private endpoints, by the name of their document.
    pub endpoints: BTreeMap<String, PrivateEndpoint>,
    /// Approvals, by name.
    pub approvals: BTreeMap<String, EndpointApproval>,
    /// The Gateways, with where their names were written: also those that come to no Service, or to one that is not known.
    pub gateways: BTreeMap<Key, Span>,
    /// Documents of other kinds that Services, or their namespaces, come of.
    pub makers: Vec<Maker>,
}

impl Desired {
    /// Whether it is a consumer's: about private endpoints alone, whose targets are not Services of its own, and a Stack
    /// that names no cluster, if there is one. Nothing of it needs a cluster.
    pub fn is_of_a_consumer(&self) -> bool {
        let names = |stack: &Stack| {
            stack.cluster.is_some() || stack.context.is_some() || !stack.facts.0.is_empty()
        };
        let is_own = |it: &PrivateEndpoint| matches!(it.target, Target::Service(_));
        let has_some = !self.endpoints.is_empty() || self.stack.is_some();
        has_some
            && !self.stack.as_ref().is_some_and(names)
            && self.services.is_empty()
            && self.approvals.is_empty()
            && !self.endpoints.values().any(is_own)
    }
}

/// A Service.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Its namespace and name.
    pub name: Key,
    /// Where its name was written.
    pub span: Span,
    /// Its annotations, by key.
    pub annotations: BTreeMap<String, Annotation>,
    /// The keys of its annotations that are not text, which were reported.
    pub misread: BTreeMap<String, Span>,
    /// What findings need of its spec, with places.
    pub spec: ServiceSpec,
    /// The object to be applied, its namespace filled in.
    pub manifest: Value,
    /// The Gateway it is made of, where no document of its own says it.
    pub made_by: Option<MadeBy>,
}

impl Service {
    /// An annotation's value.
    pub fn annotation(&self, key: &str) -> Option<&Spanned<String>> {
        self.annotations.get(key).map(|annotation| &annotation.value)
    }

    /// Whether it asks for a Private Link Service (`azure-pls-create`).
    pub fn asks_for_link(&self) -> bool {
        let value = self.annotation(keys::PLS_CREATE).map(|it| it.value.trim());
        value.is_some_and(|it| it.eq_ignore_ascii_case("true"))
    }
}

/// A private endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct PrivateEndpoint {
    /// Its document's name; in Azure too, unless it has another there.
    pub name: Spanned<String>,
    /// Whether its label protects it.
    pub protect: bool,
    /// Its name in Azure, where it is not the document's.
    pub azure_name: Option<Spanned<String>>,
    /// Whether its document was renamed since it was applied, so that its name in Azure is the live one's.
    pub is_renamed: bool,
    /// Its subscription: its own or the stack's. Unknown if neither says one.
    pub subscription: Option<Spanned<String>>,
    /// Its resource group.
    pub resource_group: Spanned<String>,
    /// Its region; its virtual network's if there is none.
    pub location: Option<Spanned<String>>,
    /// Its subnet.
    pub subnet: Subnet,
    /// The connection's name; the endpoint's own in Azure by default.
    pub connection_name: String,
    /// What it reaches.
    pub target: Target<Key>,
    /// The Offer that says what it reaches, if one does.
    pub offer: Option<Offered>,
    /// Who approves it.
    pub approval: Approval,
    /// What the provider reads with a request to be approved.
    pub request_message: Option<Spanned<String>>,
    /// Its static address.
    pub address: Option<Spanned<Ipv4Addr>>,
    /// Its name in a private DNS zone.
    pub dns: Option<Dns>,
}

impl PrivateEndpoint {
    /// Its name in Azure.
    pub fn resource_name(&self) -> &Spanned<String> {
        self.azure_name.as_ref().unwrap_or(&self.name)
    }
}

/// Which consumers of a Service's Private Link Service are let in.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointApproval {
    /// Its name.
    pub name: Spanned<String>,
    /// The Service.
    pub service: Spanned<Key>,
    /// Who is approved.
    pub approve: Vec<Admitted>,
    /// Who is rejected.
    pub reject: Vec<Consumer>,
}

#[cfg(test)]
mod tests;
