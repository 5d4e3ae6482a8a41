//! What a stack wants: its documents as whoever plans, compares or explains asks for them.
//!
//! Nobody else looks into desired state. Beside what is live it is always [`Identified`]: each endpoint under the name that
//! the live one has in Azure.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Deref;

use serde_json::Value;

use crate::desired::{self, Desired, EndpointApproval, PrivateEndpoint, Service, Services, Stack};
use crate::diagnostic::{Diagnostic, Source, Span};
use crate::document::{self, Policy};
use crate::inventory::Inventory;
use crate::kubernetes::service::Key;
use crate::node::Node;
use crate::node::private_endpoint::{self, address};
use crate::node_id::NodeId;
use crate::resource_id::ResourceId;

/// What a stack wants.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    desired: Cow<'a, Desired>,
}

impl<'a> Wanted<'a> {
    /// As its documents say, whatever is live.
    pub const fn as_written(desired: &'a Desired) -> Self {
        Self { desired: Cow::Borrowed(desired) }
    }

    /// One Service as it is written, or none, with the policy of a Stack; and what is wrong with it as a document: what a
    /// person wrote, as far as the object still shows it.
    pub(crate) fn of_service(
        stored: Option<&Value>,
        stack: Option<&Stack>,
    ) -> (Self, Vec<Diagnostic>) {
        let (mut desired, problems) = stored.map(resolved).unwrap_or_default();
        desired.stack = stack.cloned();
        desired.name = stack.map_or_else(String::new, |stack| stack.name.value.clone());
        (Self { desired: Cow::Owned(desired) }, problems)
    }

    /// The stack's name.
    pub fn name(&self) -> &str {
        &self.desired.name
    }

    /// Whether the mark on a live object is this stack's.
    pub(crate) fn owns(&self, mark: Option<&str>) -> bool {
        mark == Some(self.name())
    }

    fn stack(&self) -> Option<&Stack> {
        self.desired.stack.as_ref()
    }

    /// Whether exactly one Stack document says whose the objects are.
    pub(crate) fn has_stack(&self) -> bool {
        self.stack().is_some()
    }

    /// Where the Stack document has its name.
    pub(crate) fn stack_span(&self) -> Option<&Span> {
        self.stack().map(|stack| &stack.name.span)
    }

    /// The cluster that the Stack names, with its resource group.
    pub(crate) fn cluster(&self) -> Option<(&str, &str)> {
        let stack = self.stack()?;
        Some((&stack.cluster.as_ref()?.value, &stack.resource_group.as_ref()?.value))
    }

    /// Who writes the Services, if the Stack says it.
    pub(crate) fn services_by(&self) -> Option<Services> {
        self.stack()?.services.as_ref().map(|it| it.value)
    }

    /// What the Stack allows and protects.
    pub(crate) fn policy(&self) -> Option<&Policy> {
        self.stack().map(|stack| &stack.policy)
    }

    /// The Services, in order of namespace and name.
    pub(crate) fn services(&self) -> impl Iterator<Item = &Service> {
        self.desired.services.values()
    }

    /// Their namespaces and names.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.desired.services.keys()
    }

    /// A Service.
    pub(crate) fn service(&self, key: &Key) -> Option<&Service> {
        self.desired.services.get(key)
    }

    /// Whether a Service is wanted.
    pub(crate) fn has(&self, key: &Key) -> bool {
        self.desired.services.contains_key(key)
    }

    /// Whether it is about Services.
    pub(crate) fn has_services(&self) -> bool {
        !self.desired.services.is_empty()
    }

    /// The private endpoints, in order of their documents' names.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &PrivateEndpoint> {
        self.desired.endpoints.values()
    }

    /// A private endpoint, by the name of its document.
    pub(crate) fn endpoint(&self, name: &str) -> Option<&PrivateEndpoint> {
        self.desired.endpoints.get(name)
    }

    /// The approvals, in order of name.
    pub(crate) fn approvals(&self) -> impl Iterator<Item = &EndpointApproval> {
        self.desired.approvals.values()
    }

    /// The approvals about a Service.
    pub(crate) fn approvals_of(&self, service: &Key) -> impl Iterator<Item = &EndpointApproval> {
        self.approvals().filter(move |it| it.service.value == *service)
    }

    /// The Gateway called `namespace/name`, with where that was written.
    pub(crate) fn gateway(&self, name: &str) -> Option<(&Key, &Span)> {
        self.desired.gateways.iter().find(|(key, _)| key.to_string() == name)
    }

    /// Whether the input makes a namespace.
    pub(crate) fn makes_namespace(&self, name: &str) -> bool {
        self.desired.makers.iter().any(|it| it.is_namespace() && it.name.value == name)
    }

    /// Whether an object in Azure belongs to a Service that is wanted.
    pub(crate) fn has_node(&self, node: &Node) -> bool {
        node.service.as_ref().is_some_and(|key| self.has(key))
    }

    /// The same with some endpoints otherwise.
    pub(crate) fn with_endpoints(self, endpoints: Vec<PrivateEndpoint>) -> Self {
        let mut desired = self.desired;
        let changed = endpoints.into_iter().map(|it| (it.name.value.clone(), it));
        desired.to_mut().endpoints.extend(changed);
        Self { desired }
    }
}

/// A Service as a document.
fn resolved(object: &Value) -> (Desired, Vec<Diagnostic>) {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.shift_remove("status");
        fields.entry("apiVersion").or_insert_with(|| "v1".into());
        fields.entry("kind").or_insert_with(|| "Service".into());
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("managedFields");
    }
    match Source::new("Service", object.to_string()) {
        Ok(source) => desired::resolve(document::parse(&source), &desired::Options::default()),
        Err(diagnostic) => (Desired::default(), vec![*diagnostic]),
    }
}

impl<'a> From<&'a Desired> for Wanted<'a> {
    fn from(desired: &'a Desired) -> Self {
        Self::as_written(desired)
    }
}

/// The endpoints of a stack, wanted or live, by id in lower case.
pub type Endpoints = BTreeMap<String, NodeId>;

/// What a stack wants beside what is live: renamed documents keep the names that their endpoints have in Azure, and each
/// endpoint of the stack has its address. Only the join makes it, see [`crate::join::identify`].
#[derive(Clone, Debug)]
pub struct Identified<'a> {
    wanted: Wanted<'a>,
    own: Endpoints,
}

impl<'a> Identified<'a> {
    /// With the addresses of its endpoints: `subscription` is that of documents that name none.
    pub(crate) fn new(wanted: Wanted<'a>, live: &Inventory<'_>, subscription: &str) -> Self {
        let own = own(&wanted, live, subscription);
        Self { wanted, own }
    }

    /// It without identities, for whoever works them out.
    pub(crate) fn into_wanted(self) -> Wanted<'a> {
        self.wanted
    }

    /// The endpoints of the stack, wanted or live.
    pub(crate) const fn own(&self) -> &Endpoints {
        &self.own
    }
}

impl<'a> Deref for Identified<'a> {
    type Target = Wanted<'a>;

    fn deref(&self) -> &Self::Target {
        &self.wanted
    }
}

/// The endpoints of a stack. One that no document names is called as in Azure; by its subscription and group too, if
/// another live one has that name.
fn own(wanted: &Wanted<'_>, live: &Inventory<'_>, subscription: &str) -> Endpoints {
    let key = |it: &PrivateEndpoint| private_endpoint::id(it, subscription).key();
    let mut own: Endpoints =
        wanted.endpoints().map(|it| (key(it), address(&it.name.value))).collect();
    let live: BTreeMap<String, ResourceId> = live
        .endpoints()
        .filter(|live| wanted.owns(private_endpoint::stack_of(live)))
        .filter_map(|live| live.get("id").and_then(Value::as_str).map(ResourceId::new))
        .map(|id| (id.key(), id))
        .collect();
    let plain =
        |key: &String, id: &ResourceId| own.get(key).cloned().unwrap_or_else(|| address(id.name()));
    let mut bearers: BTreeMap<NodeId, usize> = BTreeMap::new();
    for (key, id) in &live {
        *bearers.entry(plain(key, id)).or_default() += 1;
    }
    let called = |(key, id): (&String, &ResourceId)| {
        let plain = plain(key, id);
        let is_only = own.contains_key(key) || bearers.get(&plain) == Some(&1);
        let part = |segment: Option<&str>| segment.unwrap_or_default().to_owned();
        let full = || {
            let (subscription, group) = (part(id.subscription()), part(id.resource_group()));
            address(&format!("{subscription}/{group}/{}", id.name()))
        };
        (key.clone(), if is_only { plain } else { full() })
    };
    let called: Vec<(String, NodeId)> = live.iter().map(called).collect();
    own.extend(called);
    own
}
