//! Our own kinds, as they were written.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::diagnostic::{Span, Spanned};
use crate::drift_class::Class;
use crate::resource_id::ResourceId;
use privlink_model::date::Day;
use privlink_model::facts::Fact;

/// `kind: Stack`: where the desired state belongs, and what is known of the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Stack {
    /// Its name; objects are marked with it.
    pub name: Spanned<String>,
    /// The subscription of the cluster, a GUID.
    pub subscription: Option<Spanned<String>>,
    /// The resource group of the cluster.
    pub resource_group: Option<Spanned<String>>,
    /// The AKS cluster's name.
    pub cluster: Option<Spanned<String>>,
    /// The kubeconfig context.
    pub context: Option<Spanned<String>>,
    /// Who writes the Services; found out from the live ones where it is not said.
    pub services: Option<Spanned<Services>>,
    /// Facts pinned by the user.
    pub facts: Facts,
    /// Safety limits.
    pub policy: Policy,
}

/// Who writes the Services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Services {
    /// privlink does.
    Managed,
    /// Another tool does: Argo CD, Flux, Helm.
    External,
}

/// Facts about the cluster that the user pins, as written: what the controller's configuration holds,
/// under the names that [`TABLE`](privlink_model::facts::TABLE) gives them in a Stack.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts(pub BTreeMap<Fact, Spanned<serde_json::Value>>);

impl Facts {
    /// A fact that is pinned as text.
    pub fn text(&self, fact: Fact) -> Option<Spanned<&str>> {
        let pinned = self.0.get(&fact)?;
        Some(Spanned::new(pinned.value.as_str()?, pinned.span.clone()))
    }
}

/// Safety limits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// How many consumers a plan may disconnect; 0 if not said. Those of `allow_disconnects` do not count.
    pub max_disconnects: Option<Spanned<u32>>,
    /// Consumers that a plan may disconnect, each until a day.
    pub allow_disconnects: Vec<AllowedDisconnect>,
    /// How many objects a plan may delete; no limit if not said.
    pub max_deletes: Option<Spanned<u32>>,
    /// Objects that no plan may delete or re-create, as `Kind/name` or `Kind/namespace/name`.
    pub protect: Vec<Spanned<String>>,
    /// Drift that is known, and that nobody is to be alarmed about.
    pub ignore_drift: Vec<IgnoredDrift>,
}

/// Drift that is known.
#[derive(Clone, Debug, PartialEq)]
pub struct IgnoredDrift {
    /// The objects, as `Kind/name` or `Kind/namespace/name`, where `*` stands for any characters.
    pub object: Spanned<String>,
    /// The class of drift.
    pub class: Spanned<Class>,
    /// Why.
    pub reason: Spanned<String>,
    /// The last day on which it is ignored; for ever if not said.
    pub until: Option<Spanned<Day>>,
}

/// A consumer that a plan may disconnect, until a day.
#[derive(Clone, Debug, PartialEq)]
pub struct AllowedDisconnect {
    /// Its private endpoint: the id, or the name in Azure.
    pub endpoint: Spanned<String>,
    /// The last day on which it may be disconnected.
    pub until: Spanned<Day>,
    /// Why.
    pub reason: Option<Spanned<String>>,
}

/// A Service by name.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceRef {
    /// Its namespace, where it was written.
    pub namespace: Option<Spanned<String>>,
    /// Its name.
    pub name: Spanned<String>,
}

/// `kind: PrivateEndpoint`.
#[derive(Clone, Debug, PartialEq)]
pub struct PrivateEndpoint {
    /// Its document's name; in Azure too, unless it has another there.
    pub name: Spanned<String>,
    /// Whether its label protects it.
    pub protect: bool,
    /// Its name in Azure, where it is not the document's.
    pub azure_name: Option<Spanned<String>>,
    /// Its subscription, where it is not the stack's.
    pub subscription: Option<Spanned<String>>,
    /// Its resource group.
    pub resource_group: Spanned<String>,
    /// Its region, where it is not its virtual network's.
    pub location: Option<Spanned<String>>,
    /// Its subnet.
    pub subnet: Subnet,
    /// The connection's name, where it is not the endpoint's.
    pub connection_name: Option<Spanned<String>>,
    /// What it reaches.
    pub target: EndpointTarget,
    /// Who approves it, where it was written.
    pub approval: Option<Spanned<Approval>>,
    /// What the provider reads with a request to be approved; at most 140 characters.
    pub request_message: Option<Spanned<String>>,
    /// Its static address.
    pub address: Option<Spanned<Ipv4Addr>>,
    /// Its name in a private DNS zone.
    pub dns: Option<Dns>,
}

/// A subnet.
#[derive(Clone, Debug, PartialEq)]
pub enum Subnet {
    /// By name, in the subscription and resource group of what lies in it.
    Named {
        /// The virtual network.
        virtual_network: Spanned<String>,
        /// The subnet.
        name: Spanned<String>,
    },
    /// By id.
    Id(Spanned<ResourceId>),
}

/// What a private endpoint reaches, as it was written.
#[derive(Clone, Debug, PartialEq)]
pub enum EndpointTarget {
    /// A Private Link Service, by what is written here.
    Here(Target<ServiceRef>),
    /// What an Offer says: an Offer's name, or a file that holds one, which may be followed by `#` and the name.
    Offer(Spanned<String>),
}

/// What a private endpoint reaches.
#[derive(Clone, Debug, PartialEq)]
pub enum Target<S> {
    /// The Private Link Service of a Service.
    Service(Spanned<S>),
    /// A Private Link Service, by id.
    Id(Spanned<ResourceId>),
    /// A Private Link Service, by alias.
    Alias(Spanned<String>),
}

/// Who approves a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Approval {
    /// Azure, from the provider's auto-approval list or the caller's rights.
    Automatic,
    /// The provider, by hand.
    Manual,
}

/// A private endpoint's name in DNS.
#[derive(Clone, Debug, PartialEq)]
pub enum Dns {
    /// An A record that privlink keeps.
    Record {
        /// The private DNS zone: its name, in the endpoint's resource group, or its id.
        zone: Spanned<String>,
        /// The record's name within the zone.
        name: Spanned<String>,
    },
    /// A zone group, through which Azure keeps the records.
    ZoneGroup {
        /// The group's name; `default` where it was not written.
        name: Option<Spanned<String>>,
        /// Private DNS zones: names, in the endpoint's resource group, or ids. One to five.
        zones: Vec<Spanned<String>>,
    },
}

/// `kind: EndpointApproval`: which consumers of a Service's Private Link Service are let in.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointApproval {
    /// Its name.
    pub name: Spanned<String>,
    /// The Service.
    pub service: ServiceRef,
    /// Who is approved.
    pub approve: Vec<Admitted>,
    /// Who is rejected.
    pub reject: Vec<Consumer>,
}

/// A consumer that is let in.
#[derive(Clone, Debug, PartialEq)]
pub struct Admitted {
    /// Who.
    pub consumer: Consumer,
    /// The request message that must come with the request, to the letter: a token between provider and consumer,
    /// which is shown nowhere. Whoever sends another is not approved.
    pub request_message: Option<Spanned<String>>,
}

/// One or all endpoints of a consumer.
#[derive(Clone, Debug, PartialEq)]
pub enum Consumer {
    /// Every endpoint of a subscription, a GUID.
    Subscription(Spanned<String>),
    /// One endpoint, by id.
    Endpoint(Spanned<ResourceId>),
}

impl Consumer {
    /// Where it was written.
    pub fn span(&self) -> &Span {
        match self {
            Self::Subscription(subscription) => &subscription.span,
            Self::Endpoint(endpoint) => &endpoint.span,
        }
    }
}
