//! What must hold between documents.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use super::annotation::relations::may_ask_for_private_link;
use super::{Consumer, Desired, Dns, Maker, PrivateEndpoint, Service, Stack, Subnet, Target};
use crate::annotation::keys;
use crate::code::{Code, Severity};
use crate::diagnostic::{Diagnostic, Span, Spanned};
use crate::kubernetes::service::Key;
use privlink_model::facts::Fact;
use privlink_model::kubernetes::validation::minor_version;

/// Reports everything that does not hold between documents. A reference to one of `broken_names` is
/// not missing: its document was reported already. Without the list, no reference is.
pub(super) fn check(
    desired: &Desired,
    broken_names: Option<&BTreeSet<String>>,
    problems: &mut Vec<Diagnostic>,
) {
    references(desired, broken_names, problems);
    private_link_names(desired, problems);
    endpoint_names(desired, problems);
    endpoint_addresses(desired, problems);
    endpoint_records(desired, problems);
    approvals(desired, problems);
    cluster(desired, problems);
    shared_ports(desired, problems);
}

fn references(
    desired: &Desired,
    broken_names: Option<&BTreeSet<String>>,
    problems: &mut Vec<Diagnostic>,
) {
    let endpoints = desired.endpoints.values().filter_map(|endpoint| match &endpoint.target {
        Target::Service(service) => Some((service, "PrivateEndpoint", &endpoint.name)),
        Target::Id(_) | Target::Alias(_) => None,
    });
    let approvals = desired
        .approvals
        .values()
        .map(|approval| (&approval.service, "EndpointApproval", &approval.name));
    for (service, kind, name) in endpoints.chain(approvals) {
        match desired.services.get(&service.value) {
            Some(found) => {
                if !may_have_private_link(desired, found) {
                    // At an address of its own choice it may join a frontend that has a Private Link Service
                    // from a Service which is not of the input: only the prediction knows.
                    let is_pinned = pinned_addresses(found).next().is_some();
                    let mut problem = Diagnostic::new(
                        Code::TargetWithoutPrivateLink,
                        format!("the Service `{}` asks for no Private Link Service", found.name),
                    )
                    .at(&service.span, format!("reached by the {kind} `{}`", name.value))
                    .at(&found.span, "this Service")
                    .help(format!("add the annotation {}: \"true\" to it", keys::PLS_CREATE));
                    if is_pinned {
                        problem.severity = Severity::Warning;
                    }
                    problems.push(problem);
                }
            }
            None if broken_names.is_none_or(|names| names.contains(&service.value.name)) => {}
            None => {
                let names = desired.services.keys().map(|name| name.name.as_str());
                let help = match crate::schema::closest(&service.value.name, names) {
                    Some(close) => format!("did you mean `{close}`?"),
                    None if let Some(maker) = maker_of(desired, &service.value) => format!(
                        "{} `{}` of the input may make it: write its Service down as it will be, and set \
                         `services: external` in the Stack",
                        maker.kind, maker.name.value
                    ),
                    None => "add its manifest to the input; to reach what is not part of it, give \
                             the endpoint an `id` or an `alias`"
                        .to_owned(),
                };
                problems.push(
                    Diagnostic::new(
                        Code::MissingService,
                        format!("the input has no Service `{}`", service.value),
                    )
                    .at(&service.span, format!("the {kind} `{}` needs it", name.value))
                    .help(help),
                );
            }
        }
    }
}

/// Whether there may be a Private Link Service for a Service: it asks for one, or shares the frontend of
/// another that does (`serviceRequiresPLS`; the controller's documentation, shared addresses).
fn may_have_private_link(desired: &Desired, service: &Service) -> bool {
    let shares = |other: &Service| {
        other.name != service.name
            && pinned_addresses(other).any(|it| pinned_addresses(service).any(|own| own == it))
    };
    may_ask_for_private_link(service)
        || desired.services.values().any(|other| is_private_link_wanted(other) && shares(other))
}

/// The document of the input that a Service may come of.
fn maker_of<'a>(desired: &'a Desired, service: &Key) -> Option<&'a Maker> {
    let gateways = desired.makers.iter().filter(|maker| maker.is_gateway());
    let mut makers = gateways.chain(desired.makers.iter().filter(|maker| !maker.is_gateway()));
    makers.find(|maker| maker.may_make(&service.name))
}

/// Whether the controller makes a PLS for a Service: trimmed and without regard to case
/// (recordings 044, 045; `serviceRequiresPLS`).
pub(crate) fn is_private_link_wanted(service: &Service) -> bool {
    service
        .annotation(keys::PLS_CREATE)
        .is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
}

/// Two Services cannot give their Private Link Services one name in one resource group: releases of
/// the controller up to August 2026 take the first one's away (recording 233), later ones refuse.
fn private_link_names(desired: &Desired, problems: &mut Vec<Diagnostic>) {
    let default_group = desired.stack.as_ref().and_then(|stack| {
        let group = stack.facts.text(Fact::PrivateLinkServiceResourceGroup);
        group.or_else(|| stack.facts.text(Fact::ResourceGroup))
    });
    let mut seen: BTreeMap<(String, String), &Spanned<String>> = BTreeMap::new();
    let wanted = desired.services.values().filter(|service| is_private_link_wanted(service));
    let mut named: Vec<(&Service, &Spanned<String>)> =
        wanted.filter_map(|service| Some((service, service.annotation(keys::PLS_NAME)?))).collect();
    named.sort_by_key(|(_, name)| name.span.clone());
    for (service, name) in named {
        let group = service
            .annotation(keys::PLS_RESOURCE_GROUP)
            .map(|group| group.trim())
            .filter(|group| !group.is_empty())
            .or(default_group.as_ref().map(|group| group.value))
            .unwrap_or_default();
        let key = (group.to_lowercase(), name.trim().to_lowercase());
        if let Some(first) = seen.get(&key) {
            problems.push(
                Diagnostic::new(
                    Code::DuplicatePrivateLinkName,
                    format!("two Services name their Private Link Service `{}`", name.trim()),
                )
                .at(&name.span, "again here")
                .at(&first.span, "first here")
                .help(
                    "give each a name of its own: the controller would take one's from the other",
                ),
            );
        } else {
            seen.insert(key, name);
        }
    }
}

/// Two private endpoints of one resource group have names in Azure that differ by more than case: ARM
/// compares names without regard to it.
fn endpoint_names(desired: &Desired, problems: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<(String, String, String), &Span> = BTreeMap::new();
    for endpoint in in_order(desired) {
        let lower = |text: &str| text.to_lowercase();
        let subscription = endpoint.subscription.as_ref().map(|text| lower(text));
        let key = (
            subscription.unwrap_or_default(),
            lower(&endpoint.resource_group),
            lower(endpoint.resource_name()),
        );
        let span = &endpoint.resource_name().span;
        if let Some(first) = seen.get(&key) {
            problems.push(
                Diagnostic::new(
                    Code::DuplicateEndpoint,
                    format!(
                        "`{}` and another private endpoint are one to Azure",
                        endpoint.resource_name().value
                    ),
                )
                .at(span, "again here")
                .at(first, "first here")
                .help("names in a resource group differ by more than case: rename one"),
            );
        } else {
            seen.insert(key, span);
        }
    }
}

/// The endpoints in the order of the text.
fn in_order(desired: &Desired) -> Vec<&PrivateEndpoint> {
    let mut endpoints: Vec<&PrivateEndpoint> = desired.endpoints.values().collect();
    endpoints.sort_by_key(|endpoint| &endpoint.name.span);
    endpoints
}

/// What an endpoint names lies in its own subscription and resource group, unless it is an id.
fn path_of(endpoint: &PrivateEndpoint, name: &str) -> String {
    if name.starts_with('/') {
        return name.to_lowercase();
    }
    let subscription = endpoint.subscription.as_ref().map(|text| text.value.as_str());
    let parts = [subscription.unwrap_or_default(), &endpoint.resource_group, name];
    parts.join("/").to_lowercase()
}

/// Azure gives an address of a subnet once only.
fn endpoint_addresses(desired: &Desired, problems: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<(String, Ipv4Addr), &Span> = BTreeMap::new();
    for endpoint in in_order(desired) {
        let Some(address) = &endpoint.address else { continue };
        let subnet = match &endpoint.subnet {
            Subnet::Id(id) => id.value.key(),
            Subnet::Named { virtual_network, name } => {
                path_of(endpoint, &format!("{}/{}", virtual_network.value, name.value))
            }
        };
        let key = (subnet, address.value);
        let Some(first) = seen.get(&key) else {
            seen.insert(key, &address.span);
            continue;
        };
        let message = format!("two private endpoints want the address {}", address.value);
        problems.push(
            Diagnostic::new(Code::DuplicateAddress, message)
                .at(&address.span, "again here")
                .at(first, "first here")
                .help("give each an address of its own"),
        );
    }
}

/// A record leads to one endpoint.
fn endpoint_records(desired: &Desired, problems: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<(String, String), &Span> = BTreeMap::new();
    for endpoint in in_order(desired) {
        let Some(Dns::Record { zone, name }) = &endpoint.dns else { continue };
        let key = (path_of(endpoint, zone), name.to_lowercase());
        let Some(first) = seen.get(&key) else {
            seen.insert(key, &name.span);
            continue;
        };
        let message =
            format!("two private endpoints want the record `{}` of `{}`", name.value, zone.value);
        problems.push(
            Diagnostic::new(Code::DuplicateRecord, message)
                .at(&name.span, "again here")
                .at(first, "first here")
                .help("give each a name of its own"),
        );
    }
}

/// A consumer is approved or rejected, not both.
fn approvals(desired: &Desired, problems: &mut Vec<Diagnostic>) {
    let key = |consumer: &Consumer| match consumer {
        Consumer::Subscription(subscription) => subscription.to_lowercase(),
        Consumer::Endpoint(endpoint) => endpoint.value.key(),
    };
    let mut approved = BTreeMap::new();
    for approval in desired.approvals.values() {
        for consumer in &approval.approve {
            approved.entry((&approval.service.value, key(consumer))).or_insert(consumer.span());
        }
    }
    for approval in desired.approvals.values() {
        for consumer in &approval.reject {
            if let Some(first) = approved.get(&(&approval.service.value, key(consumer))) {
                problems.push(
                    Diagnostic::new(
                        Code::ConflictingApproval,
                        "a consumer is both approved and rejected",
                    )
                    .at(consumer.span(), "rejected here")
                    .at(first, "approved here")
                    .help("remove it from one of the two lists"),
                );
            }
        }
    }
}

/// What the pinned facts rule out.
fn cluster(desired: &Desired, problems: &mut Vec<Diagnostic>) {
    let Some(stack) = &desired.stack else { return };
    nsg_rule_annotation(desired, stack, problems);
    let wants = desired.services.values().filter(|service| is_private_link_wanted(service));
    let place = |service: &Service| {
        let annotation = service.annotations.get(keys::PLS_CREATE);
        annotation.map_or_else(|| service.span.clone(), |annotation| annotation.key.clone())
    };
    let Some(first) = wants.map(place).min() else { return };
    if let Some(version) = stack.facts.text(Fact::KnowsDisableNsgRule)
        && minor_version(version.value).is_some_and(|version| version < (1, 22))
    {
        problems.push(
            Diagnostic::new(
                Code::KubernetesTooOld,
                format!("Kubernetes {} knows no Private Link Services", version.value),
            )
            .at(&version.span, "pinned here")
            .at(&first, "asked for here")
            .help("upgrade the cluster to 1.22 or later"),
        );
    }
    if let Some(sku) = stack.facts.text(Fact::LoadBalancerSku)
        && sku.value == "basic"
    {
        problems.push(
            Diagnostic::new(
                Code::BasicLoadBalancer,
                "a Basic load balancer cannot have Private Link Services",
            )
            .at(&sku.span, "pinned here")
            .at(&first, "asked for here")
            .help("move the cluster to Standard load balancers: Azure has retired Basic ones"),
        );
    }
    if let Some(pool) = stack.facts.text(Fact::BackendPoolType)
        && pool.value != "nodeIPConfiguration"
    {
        problems.push(
            Diagnostic::new(
                Code::IpBasedPool,
                format!("Azure refuses Private Link Services on `{}` backend pools", pool.value),
            )
            .at(&pool.span, "pinned here")
            .at(&first, "asked for here")
            .help("use a cluster whose backend pool type is nodeIPConfiguration, AKS's default"),
        );
    }
}

/// `azure-disable-load-balancer-nsg-rule` is unknown to releases before 1.35.
fn nsg_rule_annotation(desired: &Desired, stack: &Stack, problems: &mut Vec<Diagnostic>) {
    let Some(version) = stack.facts.text(Fact::KnowsDisableNsgRule) else { return };
    if minor_version(version.value).is_none_or(|version| version >= (1, 35)) {
        return;
    }
    for service in desired.services.values() {
        if let Some(annotation) = service.annotations.get(keys::DISABLE_NSG_RULE) {
            problems.push(
                Diagnostic::new(
                    Code::UnknownAnnotation,
                    format!(
                        "the controller of Kubernetes {} knows no `{}`",
                        version.value,
                        keys::DISABLE_NSG_RULE
                    ),
                )
                .at(&annotation.key, "has no effect")
                .at(&version.span, "pinned here")
                .help("upgrade the cluster to 1.35 or later, or remove the annotation"),
            );
        }
    }
}

/// Services of one address share a frontend, so no two of them can serve one port (`service port N
/// is trying to consume the port`, recording 091).
fn shared_ports(desired: &Desired, problems: &mut Vec<Diagnostic>) {
    let mut services: Vec<&Service> = desired.services.values().collect();
    services.sort_by_key(|service| &service.span);
    let mut seen: BTreeMap<(bool, IpAddr, i64, &str), &Service> = BTreeMap::new();
    for service in services.into_iter().filter(|service| is_azures(service)) {
        let internal =
            service.annotation(keys::INTERNAL).is_some_and(|value| value.value == "true");
        for address in pinned_addresses(service) {
            for port in &service.spec.ports {
                let Some(number) = &port.port else { continue };
                let protocol = port.protocol.as_ref().map_or("TCP", |text| text.as_str());
                let key = (internal, address, number.value, protocol);
                match seen.get(&key) {
                    None => {
                        seen.insert(key, service);
                    }
                    Some(first) if first.name == service.name => {}
                    Some(first) => problems.push(
                        Diagnostic::new(
                            Code::PortConflict,
                            format!(
                                "`{}` and `{}` both serve {protocol} port {} of {address}",
                                first.name, service.name, number.value
                            ),
                        )
                        .at(&number.span, "again here")
                        .at(&first.span, "first by this Service")
                        .help("give one of them another port or another address"),
                    ),
                }
            }
        }
    }
}

/// Whether Azure's controller serves it.
fn is_azures(service: &Service) -> bool {
    let spec = &service.spec;
    spec.load_balancer_class.is_none()
        && spec.service_type.as_ref().is_some_and(|text| text.value == "LoadBalancer")
}

/// The addresses a Service pins: its annotations', or `spec.loadBalancerIP` without them.
fn pinned_addresses(service: &Service) -> impl Iterator<Item = IpAddr> {
    let annotated = [keys::IPV4, keys::IPV6]
        .into_iter()
        .filter_map(|key| service.annotation(key))
        .filter(|value| !value.is_empty());
    let mut texts: Vec<&Spanned<String>> = annotated.collect();
    if texts.is_empty() {
        texts.extend(&service.spec.load_balancer_ip);
    }
    texts.into_iter().filter_map(|text| text.parse().ok())
}
