//! What must hold between documents.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::annotation::relations::may_ask_for_private_link;
use super::{Desired, Maker, Service, Stack, Target};
use crate::annotation::keys;
use crate::diagnostic::{Diagnostic, Spanned};
use crate::kubernetes::service::Key;
use crate::rule::{self, At, Example, Severity, basis, rules};
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
                        TARGET_WITHOUT_PRIVATE_LINK,
                        format!("the Service `{}` asks for no Private Link Service", found.name),
                    )
                    .at(&service.span, format!("reached by the {kind} `{}`", name.value))
                    .at(&found.span, "this Service")
                    .help(link_help(found));
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
                    None if service.value.namespace == MESH_NAMESPACE => {
                        "AKS's Istio add-on may make it: write its Service down as it is, and set `services: external` \
                         in the Stack"
                            .to_owned()
                    }
                    None if let Some((gateway, made)) = made_near(desired, &service.value) => {
                        format!("the Gateway `{gateway}` makes the Service `{made}`")
                    }
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
                        MISSING_SERVICE,
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

/// Where AKS's Istio add-on has its gateways.
pub const MESH_NAMESPACE: &str = "aks-istio-ingress";

/// How a Service comes to have a Private Link Service.
fn link_help(service: &Service) -> String {
    let place = match &service.made_by {
        Some(by) => format!("`spec.infrastructure.annotations` of the Gateway `{}`", by.gateway),
        None => "it".to_owned(),
    };
    format!("add the annotation {}: \"true\" to {place}", keys::PLS_CREATE)
}

/// The Gateway whose Service a reference may mean, with what it makes.
fn made_near<'a>(desired: &'a Desired, service: &Key) -> Option<(&'a Key, &'a Key)> {
    let all = desired.services.values();
    let mut made = all.filter_map(|it| Some((&it.made_by.as_ref()?.gateway, &it.name)));
    made.find(|(gateway, _)| service.name.contains(&gateway.name))
}

/// The document of the input that a Service may come of.
fn maker_of<'a>(desired: &'a Desired, service: &Key) -> Option<&'a Maker> {
    let is_settled = |maker: &&Maker| {
        let made = desired.services.values().filter(|it| it.made_by.is_some());
        made.into_iter().any(|it| it.span == maker.name.span)
    };
    let gateways = desired.makers.iter().filter(|maker| maker.is_gateway());
    let gateways = gateways.filter(|maker| !is_settled(maker));
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
                KUBERNETES_TOO_OLD,
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
                BASIC_LOAD_BALANCER,
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
                IP_BASED_POOL,
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
                    rule::UNKNOWN_ANNOTATION,
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
                            PORT_CONFLICT,
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

rules! {
    /// A PrivateEndpoint or EndpointApproval names a Service that the input does not have. Without it,
    /// neither the Private Link Service nor its changes can be predicted.
    MISSING_SERVICE = "missing-service", Error, [Desired], {
        basis: basis::SHAPE,
        advice: "Correct the name or namespace, or add the Service's manifest. To reach what is not part \
            of the input, give `id` or `alias`.",
        example: Example::new(
            At::Endpoint,
            "target: {service: {namespace: default, name: wbe}}",
            "target: {service: {namespace: default, name: web}}",
        ),
    }

    /// A Service is to be reached that asks for no Private Link Service, and shares no address with one
    /// that does. Where the annotation is there and misspelt, or no text, only that is reported.
    TARGET_WITHOUT_PRIVATE_LINK = "target-without-private-link", Error, [Desired], {
        basis: basis::ENDPOINT,
        advice: "Add `service.beta.kubernetes.io/azure-pls-create: \"true\"` to the Service.",
        example: Example::new(
            At::Connected,
            r#"service.beta.kubernetes.io/azure-load-balancer-internal: "true""#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            "#,
        ),
    }

    /// The pinned version of Kubernetes is older than 1.22, the first whose controller makes Private Link
    /// Services.
    KUBERNETES_TOO_OLD = "kubernetes-too-old", Error, [Desired], {
        basis: basis::LINK_NEEDS,
        advice: "Upgrade the cluster.",
        example: Example::new(
            At::Stack,
            r#"facts: {kubernetesVersion: "1.21"}"#,
            r#"facts: {kubernetesVersion: "1.33"}"#,
        ),
    }

    /// The pinned SKU of the load balancers is Basic. They cannot have Private Link Services, and Azure
    /// retired them in September 2025.
    BASIC_LOAD_BALANCER = "basic-load-balancer", Error, [Desired], {
        basis: basis::LINK_NEEDS,
        advice: "Move the cluster to Standard load balancers.",
        example: Example::new(
            At::Stack,
            "facts: {loadBalancerSku: basic}",
            "facts: {loadBalancerSku: standard}",
        ),
    }

    /// The pinned backend pool type is by address. Azure refuses Private Link Services on such load
    /// balancers, but the controller tries.
    IP_BASED_POOL = "ip-based-pool", Error, [Desired], {
        basis: basis::LINK_NEEDS,
        advice: "Use a cluster with the type `nodeIPConfiguration`, AKS's default.",
        example: Example::new(
            At::Stack,
            "facts: {backendPoolType: nodeIP}",
            "facts: {backendPoolType: nodeIPConfiguration}",
        ),
    }

    /// Two Services pin one address, so they share a frontend, and both serve the same port of it. The
    /// controller refuses the second.
    PORT_CONFLICT = "port-conflict", Error, [Desired], {
        basis: basis::SHAPE,
        advice: "Give one of them another port or another address.",
        example: Example::new(
            At::Services,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-load-balancer-ipv4: "10.240.0.25"
            "#,
            r#"service.beta.kubernetes.io/azure-load-balancer-internal: "true""#,
        ),
    }
}
