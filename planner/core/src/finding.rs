//! Findings: what a prediction shows that a reader should know before it happens.

mod endpoint;
mod failure;
mod limit;
mod path;
mod probe;

use crate::address::{Address, Kind};
use crate::annotation::{PREFIX, keys};
use crate::arm::resource::PrivateLinkService;
use crate::code::Code;
use crate::controller::outcome::{self, Outcome};
use crate::desired::{Desired, Service};
use crate::diagnostic::{Span, Spanned};
use crate::facts::{BackendPoolType, Facts, LoadBalancerSku};
use crate::kubernetes::service as stored;
use crate::node::private_link_service;
use crate::plan::Finding;
use crate::prediction::Prediction;
use crate::resource_id::ResourceId;
use crate::unknown;

/// One Service with what is predicted of it.
struct Subject<'a> {
    facts: &'a Facts,
    prediction: &'a Prediction,
    service: &'a Service,
    outcome: &'a Outcome,
}

/// The codes under which a failure of the controller is told.
pub const FAILURES: [Code; 5] = [
    Code::ControllerFails,
    Code::PartlyMade,
    Code::LinkBlocked,
    Code::LinkCannotMove,
    Code::ResourceGroupMissing,
];

/// All findings of a prediction.
pub fn find(desired: &Desired, facts: &Facts, prediction: &Prediction) -> Vec<Finding> {
    let mut findings = Vec::new();
    for outcome in &prediction.outcomes {
        let Some(service) = desired.services.get(&outcome.service) else { continue };
        let subject = Subject { facts, prediction, service, outcome };
        let checks = [
            failure::error,
            becomes_public,
            link_recreated,
            link_stays,
            link_taken_over,
            link_elsewhere,
            nat_subnet_moved,
            nat_addresses_rewritten,
            probe::proxied,
            probe::neighbours,
            probe::without_path,
            path::nat_addresses_shut_out,
            path::ranges_open,
            nat_subnet_of_pods,
            cannot_have_link,
            subnet_changed,
        ];
        findings.extend(checks.iter().filter_map(|check| check(&subject)));
    }
    findings.extend(endpoint::zone_groups(desired, prediction));
    findings.extend(limit::exceeded(prediction));
    findings
}

impl Subject<'_> {
    fn annotation(&self, key: &str) -> Option<&Spanned<String>> {
        self.service.annotation(&format!("{PREFIX}{key}"))
    }

    /// Whether an annotation says true as the controller reads Private Link settings: trimmed, in any
    /// case (finding 17).
    fn says_true(&self, key: &str) -> bool {
        self.annotation(key).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
    }

    fn is_local(&self) -> bool {
        let key = &self.outcome.service;
        let stored = self.prediction.services.get(key);
        stored.is_some_and(|service| service.external_traffic_policy == "Local")
    }

    /// The Private Link Service through which the Service was reached.
    fn link_before(&self) -> Option<&PrivateLinkService> {
        self.prediction.link_before(&self.outcome.service)
    }

    /// The Private Link Service through which the Service will be reached.
    fn link_after(&self) -> Option<&PrivateLinkService> {
        self.prediction.link_after(&self.outcome.service)
    }

    /// A finding placed at an annotation, or at the Service's name.
    fn finding(&self, code: Code, key: &str, message: String, help: &str) -> Finding {
        let span = self.annotation(key).map(|value| &value.span);
        self.finding_at(code, span.unwrap_or(&self.service.span), message, help)
    }

    /// A finding placed somewhere in the Service's manifest.
    fn finding_at(&self, code: Code, span: &Span, message: String, help: &str) -> Finding {
        Finding {
            code,
            severity: code.severity(),
            address: Address::new(Kind::Service, self.service.name.to_string()),
            message: unknown::show(&message),
            help: Some(unknown::show(help)),
            place: Some(span.place().to_string()),
        }
    }
}

/// A Service that is internal now becomes public: only exactly `true` is internal (finding 17).
fn becomes_public(subject: &Subject<'_>) -> Option<Finding> {
    let internal = |service: Option<&std::sync::Arc<stored::Service>>| {
        service.map(|service| {
            service.annotations.get(keys::INTERNAL).map(String::as_str) == Some("true")
        })
    };
    let key = &subject.outcome.service;
    let was = internal(subject.prediction.live.get(key));
    let stored = subject.prediction.services.get(key);
    let is_balanced = stored.is_some_and(|service| service.wants_load_balancer());
    (is_balanced && was == Some(true) && internal(stored) == Some(false)).then(|| {
        subject.finding(
            Code::BecomesPublic,
            "azure-load-balancer-internal",
            "its load balancer is internal and will be public".to_owned(),
            "Keep azure-load-balancer-internal at exactly \"true\" unless the Internet is to reach it.",
        )
    })
}

/// The Private Link Service goes and comes back as another resource (finding 6).
fn link_recreated(subject: &Subject<'_>) -> Option<Finding> {
    let (before, after) = (subject.link_before()?, subject.link_after()?);
    if private_link_service::identity(before) == private_link_service::identity(after) {
        return None;
    }
    let consumers: Vec<String> = private_link_service::consumers(before)
        .into_iter()
        .filter(|consumer| consumer.status == "Approved")
        .map(|consumer| ResourceId::new(&consumer.endpoint).name().to_owned())
        .collect();
    let cut = if consumers.is_empty() {
        "nobody is connected to it".to_owned()
    } else {
        format!("this disconnects {}", consumers.join(", "))
    };
    let name = before.name();
    if let Some((from, to)) = moved(before, after) {
        return Some(subject.finding(
            Code::LinkRecreated,
            "azure-load-balancer-configurations",
            format!(
                "its Private Link Service {name} will be re-created, since the Service moves from load \
                 balancer {from} to {to}; {cut}"
            ),
            &format!(
                "Keep it where it is with azure-load-balancer-configurations: {}; to move it, put a second \
                 Service beside this one and move its consumers.",
                from.strip_suffix("-internal").unwrap_or(&from)
            ),
        ));
    }
    Some(subject.finding(
        Code::LinkRecreated,
        "azure-load-balancer-ipv4",
        format!("its Private Link Service {name} will be re-created, since its frontend is; {cut}"),
        "Keep the address and the subnet; to change them, put a second Service beside this one and move its consumers.",
    ))
}

/// The load balancers from and to which a Private Link Service moves; none if it stays on one, or turns
/// from internal to public with its Service.
fn moved(before: &PrivateLinkService, after: &PrivateLinkService) -> Option<(String, String)> {
    let balancer = |link: &PrivateLinkService| {
        let frontend = private_link_service::frontend(link)?;
        Some(frontend.parent()?.name().to_owned())
    };
    let (from, to) = (balancer(before)?, balancer(after)?);
    let bare = |name: &str| name.strip_suffix("-internal").unwrap_or(name).to_lowercase();
    (bare(&from) != bare(&to)).then_some((from, to))
}

/// `azure-pls-create` went, and the Private Link Service stays (finding 2).
fn link_stays(subject: &Subject<'_>) -> Option<Finding> {
    if subject.says_true("azure-pls-create") {
        return None;
    }
    let link = subject.link_after()?;
    let owner = link.tags.as_ref()?.get("k8s-azure-owner-service")?;
    owner.eq_ignore_ascii_case(&subject.outcome.service.to_string()).then(|| {
        subject.finding(
            Code::LinkStays,
            "azure-pls-create",
            format!(
                "its Private Link Service {} stays although azure-pls-create is not \"true\"",
                link.name()
            ),
            "Nothing deletes it while its frontend lives; to be rid of it, delete the Service or change its address.",
        )
    })
}

/// A Private Link Service of that name is on another frontend, and is taken over (finding 3).
fn link_taken_over(subject: &Subject<'_>) -> Option<Finding> {
    let taken = |effect: &&outcome::Effect| effect.reason == outcome::Reason::TakenOver;
    let effect = subject.outcome.effects.iter().find(taken)?;
    Some(subject.finding(
        Code::LinkTakenOver,
        "azure-pls-name",
        format!(
            "the Private Link Service {} is on another frontend now, which loses it without a word",
            effect.id.name()
        ),
        "Choose another azure-pls-name.",
    ))
}

/// Another resource group does not move a Private Link Service: a second one is made, which Azure
/// refuses on the same frontend (finding 7 of the traps, recording 213).
fn link_elsewhere(subject: &Subject<'_>) -> Option<Finding> {
    let before = subject.link_before()?;
    let wanted =
        subject.annotation("azure-pls-resource-group").map(|group| group.trim().to_owned());
    let wanted = wanted
        .filter(|group| !group.is_empty())
        .unwrap_or_else(|| subject.facts.private_link_service_group());
    let lies_in = ResourceId::new(before.id()).resource_group()?.to_owned();
    let same_frontend = subject.link_after().is_some_and(|after| {
        private_link_service::identity(after) == private_link_service::identity(before)
    });
    (subject.says_true("azure-pls-create")
        && same_frontend
        && !wanted.eq_ignore_ascii_case(&lies_in))
    .then(|| {
        subject.finding(
            Code::LinkCannotMove,
            "azure-pls-resource-group",
            format!(
                "its Private Link Service {} lies in {lies_in} and cannot move to {wanted}",
                before.name()
            ),
            "Leave azure-pls-resource-group as it was; for another one, make a second Service.",
        )
    })
}

/// The subnet of a Private Link Service's primary NAT address.
fn primary_subnet(link: &PrivateLinkService) -> Option<&str> {
    let all = || link.properties.ip_configurations.iter().flatten();
    let primary = all().find(|it| it.properties.primary == Some(true)).or_else(|| all().next())?;
    primary.properties.subnet.as_ref().map(|subnet| subnet.id())
}

/// Another NAT subnet under a live Private Link Service: the controller writes a new primary address
/// there, and other tools refuse to, since Azure takes the primary subnet once (terraform-provider-azurerm,
/// `azurerm_private_link_service`: "primary subnet_id once assigned can not be changed").
fn nat_subnet_moved(subject: &Subject<'_>) -> Option<Finding> {
    let (before, after) = (subject.link_before()?, subject.link_after()?);
    if private_link_service::identity(before) != private_link_service::identity(after) {
        return None;
    }
    let (old, new) = (primary_subnet(before)?, primary_subnet(after)?);
    (!old.eq_ignore_ascii_case(new)).then(|| {
        subject.finding(
            Code::LinkCannotMove,
            "azure-pls-ip-configuration-subnet",
            format!(
                "the NAT subnet of {} cannot change from {} to {} once it is there",
                after.name(),
                ResourceId::new(old).name(),
                ResourceId::new(new).name()
            ),
            "Keep azure-pls-ip-configuration-subnet; for another subnet, put a second Service beside this one and move its consumers.",
        )
    })
}

/// Fewer or other NAT addresses: the controller rewrites them all, and Azure does not let any go
/// (Private Link Service overview).
fn nat_addresses_rewritten(subject: &Subject<'_>) -> Option<Finding> {
    let (before, after) = (subject.link_before()?, subject.link_after()?);
    if private_link_service::identity(before) != private_link_service::identity(after) {
        return None;
    }
    let names = |link: &PrivateLinkService| -> std::collections::BTreeSet<String> {
        let all = link.properties.ip_configurations.iter().flatten();
        all.map(|configuration| configuration.name().to_owned()).collect()
    };
    let (old, new) = (names(before), names(after));
    let stays = || match (primary_subnet(before), primary_subnet(after)) {
        (Some(old), Some(new)) => old.eq_ignore_ascii_case(new),
        _ => true,
    };
    (!old.is_subset(&new) && stays()).then(|| {
        subject.finding(
            Code::NatAddressesRewritten,
            "azure-pls-ip-configuration-ip-address",
            format!(
                "all NAT addresses of {} are written anew; Azure may refuse to take any away",
                after.name()
            ),
            "Only add NAT addresses; for fewer or others, make a second Service.",
        )
    })
}

/// With externalTrafficPolicy Local, connections from NAT addresses in the nodes' own subnet are
/// dropped (kubernetes/kubernetes issue 95555).
fn nat_subnet_of_pods(subject: &Subject<'_>) -> Option<Finding> {
    if !subject.is_local() || !subject.says_true("azure-pls-create") {
        return None;
    }
    let link = subject.link_after()?;
    let subnet = link.properties.ip_configurations.as_ref()?.first()?.properties.subnet.as_ref()?;
    let facts = subject.facts;
    (ResourceId::new(subnet.id()) == facts.subnet_id(&facts.subnet)).then(|| {
        subject.finding(
            Code::NatSubnetOfPods,
            "azure-pls-ip-configuration-subnet",
            "its NAT addresses lie in the nodes' subnet, and with externalTrafficPolicy Local such traffic may be dropped"
                .to_owned(),
            "Set azure-pls-ip-configuration-subnet to another subnet.",
        )
    })
}

/// Load balancers that Azure puts no Private Link Service on; the controller tries (ARM contract,
/// `PrivateLinkServiceIsNotSupportedForIPBasedLoadBalancer`).
fn cannot_have_link(subject: &Subject<'_>) -> Option<Finding> {
    if !subject.says_true("azure-pls-create") {
        return None;
    }
    let facts = subject.facts;
    let (code, what) = if facts.load_balancer_sku == LoadBalancerSku::Basic {
        (Code::BasicLoadBalancer, "load balancers of SKU Basic")
    } else if facts.backend_pool_type != BackendPoolType::NodeIpConfiguration {
        (Code::IpBasedPool, "backend pools by IP address")
    } else {
        return None;
    };
    Some(subject.finding(
        code,
        "azure-pls-create",
        format!("the cluster has {what}, and Azure puts no Private Link Service on those"),
        "Use a cluster with the Standard SKU and backend pools of type nodeIPConfiguration.",
    ))
}

/// The controller will change a subnet that it does not own, and never back (finding 13).
fn subnet_changed(subject: &Subject<'_>) -> Option<Finding> {
    let changed = |effect: &&outcome::Effect| effect.reason == outcome::Reason::PolicyEnabled;
    let effect = subject.outcome.effects.iter().find(changed)?;
    Some(subject.finding(
        Code::SubnetChanged,
        "azure-pls-ip-configuration-subnet",
        format!(
            "the controller will set privateLinkServiceNetworkPolicies of subnet {} to Disabled, and never back",
            effect.id.name()
        ),
        "If Terraform or Bicep keeps that subnet, set the same there, or they will undo each other.",
    ))
}
