//! From documents to desired state.

use std::collections::{BTreeMap, BTreeSet};

use super::gateway::Named;
use super::offer::{self, Asker};
use super::{
    Approval, Desired, EndpointApproval, Options, PrivateEndpoint, Service, Stack, Target, checks,
    duplicates, gateway, pinned, refusal,
};
use crate::diagnostic::{self, Diagnostic, Place, Span, Spanned};
use crate::document::{self, Documents, EndpointTarget, Offers};
use crate::kubernetes::service::Key;
use crate::rule::{self, At, Example, basis, rules};

/// Checks what documents say together, applies defaults and resolves references.
///
/// Returns whatever is sound, and everything that is wrong: the documents' own diagnostics too,
/// sorted. The result does not depend on the order of documents and files.
pub fn resolve(documents: Documents, options: &Options) -> (Desired, Vec<Diagnostic>) {
    let Documents {
        stacks,
        services,
        endpoints,
        approvals,
        offers,
        mut makers,
        mut gateways,
        broken_names,
        diagnostics,
    } = documents;
    let mut resolve = Resolve { options, offers, broken_names, diagnostics, assumed: Vec::new() };
    let stack = resolve.stack(stacks);
    let mut services = resolve.services(services);
    let gateways_named = resolve.gateways(std::mem::take(&mut gateways.gateways));
    let endpoints = resolve.endpoints(endpoints, stack.as_ref());
    let approvals = resolve.approvals(approvals);
    let references = references(&endpoints, &approvals);
    gateway::derive(
        &gateways_named,
        &gateways,
        &references,
        &mut services,
        &mut resolve.diagnostics,
    );
    let name = match (&stack, &options.stack_name) {
        (Some(stack), _) => stack.name.value.clone(),
        (None, Some(name)) => stack_name(name),
        (None, None) => "default".to_owned(),
    };
    resolve.note_namespace();
    makers.sort_by(|one, other| one.name.span.cmp(&other.name.span));
    let named = gateways_named.iter().map(|it| (it.key.clone(), it.gateway.name.span.clone()));
    let gateways = named.collect();
    let desired = Desired { name, stack, services, endpoints, approvals, gateways, makers };
    let Resolve { broken_names, mut diagnostics, .. } = resolve;
    let facts = pinned(&desired, None);
    for service in desired.services.values() {
        super::annotation::lint(service, &facts, &mut diagnostics);
    }
    let made: BTreeMap<&Key, &Service> = desired
        .services
        .values()
        .filter_map(|it| Some((&it.made_by.as_ref()?.gateway, it)))
        .collect();
    let settled = made
        .values()
        .flat_map(|it| it.annotations.values().map(|annotation| &annotation.key).chain([&it.span]));
    let settled: BTreeSet<Place> = settled.map(Span::place).collect();
    for maker in &desired.makers {
        super::annotation::lint_passed(maker, &settled, &facts, &mut diagnostics);
    }
    for Named { key, gateway } in &gateways_named {
        if let Some(made) = made.get(key).filter(|it| it.span == gateway.name.span) {
            super::annotation::lint_uncopied(gateway, made, &mut diagnostics);
        }
    }
    // Of what was not read at all, not even the names are known.
    let unread = [rule::NOT_UTF8, rule::FILE_TOO_LARGE, rule::TOO_MANY_DOCUMENTS];
    let known = !diagnostics.iter().any(|diagnostic| unread.contains(&diagnostic.code));
    duplicates::check(&desired, &mut diagnostics);
    checks::check(&desired, known.then_some(&broken_names), &mut diagnostics);
    refusal::check(&desired, &mut diagnostics);
    diagnostic::sort(&mut diagnostics);
    (desired, diagnostics)
}

/// The Services that endpoints and approvals name.
fn references(
    endpoints: &BTreeMap<String, PrivateEndpoint>,
    approvals: &BTreeMap<String, EndpointApproval>,
) -> BTreeSet<Key> {
    let targets = endpoints.values().filter_map(|endpoint| match &endpoint.target {
        Target::Service(key) => Some(key.value.clone()),
        Target::Id(_) | Target::Alias(_) => None,
    });
    targets.chain(approvals.values().map(|it| it.service.value.clone())).collect()
}

/// A stack's name from that of a file or folder: what a label cannot hold becomes `-`.
fn stack_name(name: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = name.chars().map(allowed).take(63).collect();
    let name = name.trim_matches(['-', '_', '.']);
    if name.is_empty() { "default".to_owned() } else { name.to_owned() }
}

struct Resolve<'a> {
    options: &'a Options,
    offers: Offers,
    broken_names: BTreeSet<String>,
    diagnostics: Vec<Diagnostic>,
    /// Where a namespace was left out and nobody says which it is.
    assumed: Vec<Span>,
}

impl Resolve<'_> {
    fn stack(&mut self, mut stacks: Vec<Stack>) -> Option<Stack> {
        stacks.sort_by(|one, other| one.name.span.cmp(&other.name.span));
        let mut stacks = stacks.into_iter();
        let first = stacks.next()?;
        for other in stacks {
            self.diagnostics.push(
                Diagnostic::new(SEVERAL_STACKS, "the input has several Stack documents")
                    .at(&other.name.span, "another one")
                    .at(&first.name.span, "the first")
                    .help("plan one stack at a time"),
            );
        }
        Some(first)
    }

    /// The namespace that was written, or the one that is meant without.
    fn namespaced(&mut self, namespace: Option<&str>, name: &Spanned<String>) -> Key {
        let namespace = match (namespace, &self.options.namespace) {
            (Some(namespace), _) => namespace,
            (None, Some(namespace)) => namespace,
            (None, None) => {
                self.assumed.push(name.span.clone());
                "default"
            }
        };
        Key::new(namespace, &name.value)
    }

    fn note_namespace(&mut self) {
        let Some(first) = self.assumed.iter().min() else { return };
        let count = self.assumed.len();
        let label = if count == 1 { String::new() } else { format!("the first of {count} places") };
        self.diagnostics.push(
            Diagnostic::new(
                ASSUMED_NAMESPACE,
                "neither the document, a flag nor a context gives a namespace: `default` is assumed",
            )
            .at(first, label)
            .help("write `namespace`, or name the context with --context"),
        );
    }

    fn services(&mut self, mut services: Vec<document::Service>) -> BTreeMap<Key, Service> {
        services.sort_by(|one, other| one.name.span.cmp(&other.name.span));
        let mut resolved = BTreeMap::new();
        for service in services {
            let document::Service { name, namespace, annotations, misread, spec, mut manifest } =
                service;
            let full = self.namespaced(namespace.as_ref().map(|text| text.as_str()), &name);
            let metadata = manifest.get_mut("metadata").and_then(serde_json::Value::as_object_mut);
            if let Some(metadata) = metadata {
                metadata.insert("namespace".to_owned(), full.namespace.clone().into());
            }
            let service = Service {
                name: full.clone(),
                span: name.span,
                annotations,
                misread,
                spec,
                manifest,
                made_by: None,
            };
            self.insert(&mut resolved, full, service, "Service", |service| &service.span);
        }
        resolved
    }

    /// Gateways by name; of several of one name the first.
    fn gateways(&mut self, mut gateways: Vec<document::Gateway>) -> Vec<Named> {
        gateways.sort_by(|one, other| one.name.span.cmp(&other.name.span));
        let mut named = BTreeMap::new();
        for gateway in gateways {
            let namespace = gateway.namespace.as_ref().map(|text| text.as_str());
            let key = self.namespaced(namespace, &gateway.name);
            let one = Named { key: key.clone(), gateway };
            self.insert(&mut named, key, one, "Gateway", |it| &it.gateway.name.span);
        }
        named.into_values().collect()
    }

    /// Keeps the first of documents of one name, and reports the others.
    fn insert<K: Ord + std::fmt::Display, V>(
        &mut self,
        map: &mut BTreeMap<K, V>,
        key: K,
        value: V,
        kind: &str,
        span: fn(&V) -> &Span,
    ) {
        let Some(first) = map.get(&key) else {
            map.insert(key, value);
            return;
        };
        self.diagnostics.push(
            Diagnostic::new(
                DUPLICATE_DOCUMENT,
                format!("the {kind} `{key}` is there more than once"),
            )
            .at(span(&value), "again here")
            .at(span(first), "first here")
            .help("keep one of them, or give them different names"),
        );
    }

    fn endpoints(
        &mut self,
        mut endpoints: Vec<document::PrivateEndpoint>,
        stack: Option<&Stack>,
    ) -> BTreeMap<String, PrivateEndpoint> {
        endpoints.sort_by(|one, other| one.name.span.cmp(&other.name.span));
        let mut resolved = BTreeMap::new();
        for endpoint in endpoints {
            // Without its target nothing is known of it; why was reported.
            let Some(endpoint) = self.endpoint(endpoint, stack) else { continue };
            let key = endpoint.name.value.clone();
            self.insert(&mut resolved, key, endpoint, "PrivateEndpoint", |endpoint| {
                &endpoint.name.span
            });
        }
        resolved
    }

    fn endpoint(
        &mut self,
        endpoint: document::PrivateEndpoint,
        stack: Option<&Stack>,
    ) -> Option<PrivateEndpoint> {
        let subscription = endpoint
            .subscription
            .clone()
            .or_else(|| stack.and_then(|stack| stack.subscription.clone()));
        let (target, offer) = match &endpoint.target {
            EndpointTarget::Here(Target::Service(reference)) => {
                let full = self.reference(&reference.value);
                (Target::Service(Spanned::new(full, reference.value.name.span.clone())), None)
            }
            EndpointTarget::Here(Target::Id(id)) => (Target::Id(id.clone()), None),
            EndpointTarget::Here(Target::Alias(alias)) => (Target::Alias(alias.clone()), None),
            EndpointTarget::Offer(named) => {
                let asker = Asker { endpoint: &endpoint, subscription: subscription.as_ref() };
                let (target, offered) =
                    offer::taken(&self.offers, named, &asker, &mut self.diagnostics)?;
                (target, Some(offered))
            }
        };
        let is_alias = matches!(target, Target::Alias(_));
        let approval = match &endpoint.approval {
            Some(approval) if approval.value == Approval::Automatic && is_alias => {
                self.diagnostics.push(
                    Diagnostic::new(
                        ALIAS_NEEDS_MANUAL,
                        "an endpoint that reaches an alias cannot be approved automatically",
                    )
                    .at(&approval.span, "Azure takes an alias only in a manual connection")
                    .help("write `approval: Manual`, or remove the line"),
                );
                Approval::Manual
            }
            Some(approval) => approval.value,
            None if is_alias => Approval::Manual,
            None => Approval::Automatic,
        };
        if let (Approval::Automatic, Some(message)) = (approval, &endpoint.request_message) {
            self.diagnostics.push(
                Diagnostic::new(
                    UNREAD_MESSAGE,
                    "nothing reads the request message of an endpoint that is approved automatically",
                )
                .at(&message.span, "")
                .help("write `approval: Manual`, or remove the message"),
            );
        }
        Some(PrivateEndpoint {
            connection_name: endpoint
                .connection_name
                .or_else(|| endpoint.azure_name.clone())
                .map_or_else(|| endpoint.name.value.clone(), |name| name.value),
            name: endpoint.name,
            protect: endpoint.protect,
            azure_name: endpoint.azure_name,
            is_renamed: false,
            subscription,
            resource_group: endpoint.resource_group,
            location: endpoint.location,
            subnet: endpoint.subnet,
            target,
            offer,
            approval,
            request_message: endpoint.request_message,
            address: endpoint.address,
            dns: endpoint.dns,
        })
    }

    fn reference(&mut self, reference: &document::ServiceRef) -> Key {
        let namespace = reference.namespace.as_ref().map(|text| text.as_str());
        self.namespaced(namespace, &reference.name)
    }

    fn approvals(
        &mut self,
        mut approvals: Vec<document::EndpointApproval>,
    ) -> BTreeMap<String, EndpointApproval> {
        approvals.sort_by(|one, other| one.name.span.cmp(&other.name.span));
        let mut resolved = BTreeMap::new();
        for approval in approvals {
            let service = self.reference(&approval.service);
            let document::EndpointApproval { name, service: reference, approve, reject } = approval;
            let key = name.value.clone();
            let service = Spanned::new(service, reference.name.span);
            let approval = EndpointApproval { name, service, approve, reject };
            self.insert(&mut resolved, key, approval, "EndpointApproval", |approval| {
                &approval.name.span
            });
        }
        resolved
    }
}

rules! {
    /// The input has more than one Stack document. A plan is for one stack.
    SEVERAL_STACKS = "several-stacks", Error, [Desired], {
        basis: basis::SHAPE,
        advice: "Plan the stacks one by one.",
        example: Example::new(
            At::Documents,
            "
            apiVersion: privlink.dev/v1alpha1
            kind: Stack
            metadata: {name: other}
            ",
            "
            apiVersion: v1
            kind: Service
            metadata: {name: web, namespace: default}
            ",
        ),
    }

    /// Two documents of one kind have one name. Which one was meant is unknown; the first is kept, so that
    /// the rest can be checked.
    DUPLICATE_DOCUMENT = "duplicate-document", Error, [Desired], {
        basis: basis::SHAPE,
        advice: "Remove one, or rename it.",
        example: Example::new(
            At::Documents,
            "
            apiVersion: v1
            kind: Service
            metadata: {name: web, namespace: default}
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: web, namespace: default}
            ",
            "
            apiVersion: v1
            kind: Service
            metadata: {name: web, namespace: default}
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: web, namespace: shop}
            ",
        ),
    }

    /// An endpoint that reaches an alias has `approval: Automatic`. Azure takes an alias only in a manual
    /// connection. (It may still be approved at once, through the provider's auto-approval list.)
    ALIAS_NEEDS_MANUAL = "alias-needs-manual", Error, [Desired], {
        basis: basis::CONNECTION,
        advice: "Write `approval: Manual`, or remove the line: for an alias it is the default.",
        example: Example::new(
            At::Endpoint,
            "
            approval: Automatic
            target: {alias: my-pls.00000000-0000-0000-0000-000000000000.eastus.azure.privatelinkservice}
            ",
            "
            approval: Manual
            target: {alias: my-pls.00000000-0000-0000-0000-000000000000.eastus.azure.privatelinkservice}
            ",
        ),
    }

    /// A request message on an endpoint that is approved automatically. Nobody is asked, so nobody reads
    /// it.
    UNREAD_MESSAGE = "unread-message", Warning, [Desired], {
        basis: basis::CONNECTION,
        advice: "Remove the message, or write `approval: Manual`.",
        example: Example::new(
            At::Endpoint,
            r#"
            approval: Automatic
            requestMessage: "Please approve this connection."
            "#,
            r#"
            approval: Manual
            requestMessage: "Please approve this connection."
            "#,
        ),
    }

    /// A Service or a reference to one has no namespace, and neither a flag nor a kubeconfig context says
    /// which is meant. `default` is assumed.
    ASSUMED_NAMESPACE = "assumed-namespace", Note, [Desired], {
        basis: basis::SHAPE,
        advice: "Write the namespace, or name the context.",
        example: Example::new(
            At::File,
            "
            apiVersion: v1
            kind: Service
            metadata: {name: web}
            ",
            "
            apiVersion: v1
            kind: Service
            metadata: {name: web, namespace: default}
            ",
        ),
    }
}
