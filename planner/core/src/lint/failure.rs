//! Errors that the controller will report.

use std::net::IpAddr;
use std::sync::Arc;

use crate::annotation::{Kind, find_per_port, keys};
use crate::arm::address::in_subnet;
use crate::arm::error::ArmError;
use crate::arm::load_balancer::{NO_IPV4, NOT_IN_SUBNET, refused_probe};
use crate::arm::resource::{LoadBalancer, PrivateLinkService, Subnet};
use crate::controller::failure::{self, Failure};
use crate::controller::outcome::{Method, Outcome, Write};
use crate::controller::{CLUSTER_TAG, OWNER_TAG};
use crate::desired::{Annotation, Service};
use crate::diagnostic::{Span, Spanned};
use crate::document::place::place;
use crate::facts::Facts;
use crate::kubernetes::service::Key;
use crate::node::private_link_service;
use crate::plan::Finding;
use crate::plural::count;
use crate::pointer::At as _;
use crate::prediction::Prediction;
use crate::rule::{At, Example, basis, rules};

use crate::wanted::Wanted;

use super::{Check, Subject};

/// The controller will report an error (table of errors of the controller's reference; findings 11 to
/// 16). Errors that have a finding of their own are reported there.
fn error(subject: &Subject<'_>) -> Option<Finding> {
    let failure = subject.outcome.error.as_ref()?;
    let error = failure.in_short();
    let own = match &failure.cause {
        failure::Cause::LinkNameFixed => Some((
            LINK_CANNOT_MOVE,
            "Keep the name; for another one, put a second Service beside this one and move its consumers.".to_owned(),
        )),
        failure::Cause::LinkInTheWay => Some((LINK_BLOCKED, way_round(subject))),
        failure::Cause::LinkGroupMissing => return Some(group_missing(subject)),
        failure::Cause::SubnetMissing
        | failure::Cause::ProbeTooLong { .. }
        | failure::Cause::Refused
        | failure::Cause::Other => None,
    };
    if let Some((code, help)) = own {
        let message = format!("the controller will fail: {error}");
        return Some(subject.finding(code, "azure-pls-name", message, &help));
    }
    let (code, message) = match Done::of(subject) {
        Done::Nothing => {
            (CONTROLLER_FAILS, format!("the controller will fail and write nothing: {error}"))
        }
        Done::Something(what) => {
            (PARTLY_MADE, format!("the controller will {what}, and then fail: {error}"))
        }
    };
    let Cause { span, help } = cause_of(subject, failure);
    Some(subject.finding_at(code, &span, message, help.as_deref().unwrap_or(CORRECT)))
}

/// What to do about a Private Link Service on the frontend that the controller takes for another's. Deleted, it disconnects
/// its consumers for ever; with its tags it is the Service's own again (findings 8 and F5).
fn way_round(subject: &Subject<'_>) -> String {
    let key = &subject.outcome.service;
    let prediction = subject.prediction;
    let Some(link) = prediction.link_before(key) else {
        return "Delete that Private Link Service, or remove the azure-pls-* annotations."
            .to_owned();
    };
    let connected = private_link_service::consumers(link);
    let connected = connected.iter().filter(|it| it.status.may_be_connected()).count();
    let deleting = match connected {
        0 => "nobody is connected to it".to_owned(),
        number => format!("deleting it would disconnect {}", count(number, "consumer")),
    };
    let asked = subject.annotation("azure-pls-name").map(|it| it.value.trim());
    let is_own = asked.is_none_or(|name| name.eq_ignore_ascii_case(link.name()));
    let owner = private_link_service::owner(link);
    let another = owner.filter(|owner| {
        owner != key && prediction.services.get(owner).is_some_and(|it| it.wants_load_balancer())
    });
    match another {
        Some(owner) => format!(
            "Remove the azure-pls-* annotations: Service {owner} on the same frontend has Private Link Service {}, and consumers reach this Service through it.",
            link.name()
        ),
        None if is_own => format!(
            "Give {} its tags again, which disconnects nobody ({deleting}): az tag update --operation merge --resource-id {} --tags {OWNER_TAG}={key} {CLUSTER_TAG}={}.",
            link.name(),
            link.id(),
            subject.facts.cluster_name
        ),
        None => format!(
            "Remove the azure-pls-* annotations, or delete Private Link Service {} first: {deleting}.",
            link.name()
        ),
    }
}

/// What a plan advises where a Service's sync is predicted to fail, if it knows better than the controller's message.
pub(crate) fn advice(
    wanted: &Wanted<'_>,
    facts: &Facts,
    prediction: &Prediction,
    key: &Key,
) -> Option<String> {
    let (service, outcome) = (wanted.service(key)?, prediction.outcome(key)?);
    let subject = Subject { wanted, facts, prediction, service, outcome };
    let failure = outcome.error.as_ref()?;
    match failure.cause {
        failure::Cause::LinkNameFixed
        | failure::Cause::LinkInTheWay
        | failure::Cause::LinkGroupMissing => error(&subject)?.help,
        _ => cause_of(&subject, failure).help,
    }
}

/// Whether what a sync fails of is about what is there besides the Services: where nobody looked at Azure,
/// it may go well.
pub(super) fn depends_on_live(outcome: &Outcome) -> bool {
    let Some(failure) = &outcome.error else { return false };
    match failure.cause {
        failure::Cause::SubnetMissing | failure::Cause::LinkGroupMissing => true,
        // A frontend of IPv4 may be another Service's.
        _ => refusal(outcome, failure).is_some_and(|it| it.code == NO_IPV4),
    }
}

/// ARM's refusal that a failure is about. The controller's error may quote only its code; the refusal is
/// with the write.
fn refusal<'a>(outcome: &'a Outcome, failure: &'a Failure) -> Option<&'a ArmError> {
    let refused = || outcome.writes.iter().rev().find_map(|it| it.answer.as_ref().err());
    failure.arm.as_ref().or_else(refused)
}

/// The group of a Private Link Service is not there: the controller makes the load balancer, cannot list
/// the group, and fails (recordings 180 and 181).
fn group_missing(subject: &Subject<'_>) -> Finding {
    let key = "azure-pls-resource-group";
    let annotated = subject.annotation(key).map(|group| group.trim().to_owned());
    let group = annotated
        .filter(|group| !group.is_empty())
        .unwrap_or_else(|| subject.facts.private_link_service_group());
    let message = format!(
        "the resource group {group} does not exist, so no Private Link Service is made: the \
         controller will write the load balancer and then fail, and the Service gets no new \
         address"
    );
    let help = format!(
        "Make the group first (az group create --name {group} ...), or name one that exists."
    );
    subject.finding(RESOURCE_GROUP_MISSING, key, message, &help)
}

/// What the controller does before it fails.
enum Done {
    Nothing,
    /// In words that stand after "will".
    Something(String),
}

impl Done {
    fn of(subject: &Subject<'_>) -> Self {
        let done: Vec<_> = subject.outcome.writes.iter().filter(|it| it.answer.is_ok()).collect();
        let of_type = |write: &&&Write, kind: &str| {
            let collection = write.id.collection().map(|it| it.key()).unwrap_or_default();
            collection.ends_with(kind)
        };
        let mut parts = Vec::new();
        let deleted =
            |it: &&&Write| it.method == Method::Delete && of_type(it, "/privatelinkservices");
        for write in done.iter().filter(deleted) {
            parts.push(format!(
                "delete the Private Link Service {}, which {}",
                write.id.name(),
                cut_off(subject.prediction.before.private_link_services.get(&write.id.key()))
            ));
        }
        let balancer = |it: &&&Write| it.method == Method::Put && of_type(it, "/loadbalancers");
        if done.iter().any(|it| balancer(&it)) {
            parts.push("write the load balancer, but not the Service's status".to_owned());
        }
        match (parts.is_empty(), done.first()) {
            (true, None) => Self::Nothing,
            (true, Some(first)) => {
                let verb = if first.method == Method::Delete { "delete" } else { "write" };
                Self::Something(format!("{verb} {}", first.id.name()))
            }
            (false, _) => Self::Something(parts.join(" and ")),
        }
    }
}

/// Who loses a Private Link Service, in words that stand after "which".
fn cut_off(link: Option<&Arc<PrivateLinkService>>) -> String {
    let consumers = link.map(|link| private_link_service::consumers(link)).unwrap_or_default();
    let mut connected = consumers.into_iter().filter(|it| it.status.may_be_connected()).peekable();
    if connected.peek().is_none() {
        return "nobody is connected to".to_owned();
    }
    let names: Vec<String> = connected.map(|it| it.endpoint).collect();
    format!("disconnects {}", names.join(", "))
}

/// What helps where nothing better is known.
pub(crate) const CORRECT: &str =
    "Correct what the controller's message names; it tries again by itself.";

/// Where the cause of a failure is, and what helps.
struct Cause {
    span: Span,
    help: Option<String>,
}

fn cause_of(subject: &Subject<'_>, failure: &Failure) -> Cause {
    let service = subject.service;
    let create = service.annotation(keys::PLS_CREATE).map_or(&service.span, |it| &it.span);
    if failure.cause == failure::Cause::SubnetMissing {
        let missing = missing_subnet(subject);
        let names = [keys::PLS_SUBNET, keys::INTERNAL_SUBNET].into_iter();
        let mut named = names.filter_map(|key| service.annotation(key));
        let span = named.find(|it| it.value.trim() == missing).map_or(create, |it| &it.span);
        return Cause { span: span.clone(), help: Some(subnet_advice(subject, missing)) };
    }
    let refused = subject.outcome.writes.iter().rev().find(|it| it.answer.is_err());
    let code = refusal(subject.outcome, failure).map_or("", |it| it.code.as_str());
    if code == NOT_IN_SUBNET
        && let Some(cause) = other_subnet(subject)
    {
        return cause;
    }
    if code == NO_IPV4 {
        let help = "Ask for IPv4 as well (spec.ipFamilyPolicy: PreferDualStack, spec.ipFamilies: [IPv4, IPv6]): a load balancer needs a frontend of IPv4 before one of IPv6.";
        let span = service.spec.ip_families.first().map_or(&service.span, |it| &it.span);
        return Cause { span: span.clone(), help: Some(help.to_owned()) };
    }
    let body = refused.and_then(|write| Some(write.body.as_ref()?.to_value()));
    let balancer = body.and_then(|body| serde_json::from_value::<LoadBalancer>(body).ok());
    if balancer.is_some_and(|it| refused_probe(&it).is_some()) {
        // The controller takes 0 for a port to be probed, and Azure refuses it.
        if let Some(zero) = probed_at_zero(service) {
            let help =
                "Name a port that nodes answer on, from 1 to 65535, or remove the annotation.";
            return Cause { span: zero.value.span.clone(), help: Some(help.to_owned()) };
        }
        let help = "Leave allocateLoadBalancerNodePorts out: AKS probes node ports. Without them every port needs a port_<port>_health-probe_port that nodes answer on, or the cluster the health probe mode shared.";
        let asked = service.manifest.at("/spec/allocateLoadBalancerNodePorts").is_some();
        let asked = asked.then(|| place(&service.span, "spec.allocateLoadBalancerNodePorts", None));
        let span = asked.flatten().map_or_else(|| create.clone(), |it| it.span);
        return Cause { span, help: Some(help.to_owned()) };
    }
    Cause { span: create.clone(), help: None }
}

/// An annotation that names 0 as the port to be probed.
fn probed_at_zero(service: &Service) -> Option<&Annotation> {
    let is_zero = |it: &&Annotation| it.value.parse() == Ok(0_i64);
    let of_probes = service.annotations.iter().filter(|(key, _)| {
        find_per_port(key).and_then(|(_, known)| known).is_some_and(|it| it.kind == Kind::Port)
    });
    of_probes.map(|(_, annotation)| annotation).find(is_zero)
}

/// The subnet that a Service asks for and that is not there: its frontend's comes first, then that of the NAT addresses
/// (`getInternalSubnet`, `getPLSSubnetName`).
fn missing_subnet<'a>(subject: &Subject<'a>) -> &'a str {
    let named = |key| {
        let annotation: Option<&'a Spanned<String>> = subject.service.annotation(key);
        annotation.map(|it| it.value.trim()).filter(|it| !it.is_empty())
    };
    let of_frontend = named(keys::INTERNAL_SUBNET).unwrap_or(&subject.facts.subnet);
    let of_nat = named(keys::PLS_SUBNET).unwrap_or(of_frontend);
    let network = subject.facts.virtual_network_id();
    let subnets = &subject.prediction.before.subnets;
    let is_there = |name: &&str| subnets.contains_key(&network.child("subnets", name).key());
    [of_frontend, of_nat].into_iter().find(|it| !is_there(it)).unwrap_or(of_nat)
}

/// What makes a subnet.
fn subnet_advice(subject: &Subject<'_>, subnet: &str) -> String {
    let facts = subject.facts;
    let (group, network) = (facts.virtual_network_group(), &facts.virtual_network);
    let known =
        subject.prediction.before.virtual_networks.contains_key(&facts.virtual_network_id().key());
    let made = if known {
        String::new()
    } else {
        format!("az network vnet create --resource-group {group} --name {network}, then ")
    };
    format!(
        "Name a subnet of {network} that exists, or create this one: {made}az network vnet subnet create --resource-group {group} --vnet-name {network} --name {subnet} --address-prefixes RANGE."
    )
}

/// The address asked for is in another subnet than the frontend's.
fn other_subnet(subject: &Subject<'_>) -> Option<Cause> {
    let service = subject.service;
    let asked = service.annotation(keys::IPV4).filter(|it| !it.is_empty());
    let asked = asked.or(service.spec.load_balancer_ip.as_ref())?;
    let address: IpAddr = asked.value.parse().ok()?;
    let network = subject.facts.virtual_network_id().key();
    let mut subnets = subject.prediction.before.subnets.values();
    let own = |it: &&Arc<Subnet>| it.id().to_ascii_lowercase().starts_with(&format!("{network}/"));
    let holds = subnets.find(|it| own(it) && in_subnet(address, it));
    let named = service.annotation(keys::INTERNAL_SUBNET).map(|it| it.value.as_str());
    let now = named.unwrap_or(&subject.facts.subnet);
    let help = match holds {
        Some(subnet) => format!(
            "{address} is in {}, the frontend in {now}: set azure-load-balancer-internal-subnet to {}.",
            subnet.name(),
            subnet.name()
        ),
        None => format!(
            "{address} is in no subnet of the cluster's network: choose an address of {now}, or leave it out."
        ),
    };
    Some(Cause { span: asked.span.clone(), help: Some(help) })
}

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[error];

rules! {
    /// The controller will report an error for this Service (an event `SyncLoadBalancerFailed`) and write
    /// nothing to Azure. It tries again after 5, 10, 20 s and more, and fails again.
    CONTROLLER_FAILS = "controller-fails", Error, [Desired, Live, Predicted], {
        basis: basis::recorded("errors come late in a sync (findings 11 to 16)", basis::link::LINK),
        advice: "Correct what the controller's message names, or accept it with `--accept \
            controller-fails`.",
        example: Example::new(
            At::Service,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-load-balancer-internal-subnet: "no-such-subnet"
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-load-balancer-internal-subnet: "apps-subnet"
            "#,
        ),
    }

    /// The resource group that a Private Link Service or a private endpoint is to be in does not exist. For a
    /// Private Link Service the controller makes the load balancer, cannot list the group, and fails; the Service gets
    /// no address. Azure refuses such an endpoint.
    RESOURCE_GROUP_MISSING = "resource-group-missing", Error, [Desired, Live, Predicted], {
        basis: basis::recorded(
            "a list of Private Link Services that fails ends the sync (finding 42)",
            basis::link::LINK,
        ),
        advice: "Make the group, or name one that exists. The controller tries again by itself.",
        example: Example::new(
            At::Service,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-pls-resource-group: nope-rg
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            "#,
        ),
    }

    /// The controller will report an error with part of its work done, and the message says which part. It
    /// writes the load balancer first, and looks at Private Link settings only then: the load balancer
    /// serves, the Private Link Service is not made, and the Service's status stays as it was (empty, for a
    /// new Service). Where the frontend is to change, the Private Link Service is deleted before, and
    /// consumers are disconnected although nothing else is done.
    PARTLY_MADE = "partly-made", Error, [Desired, Live, Predicted], {
        basis: basis::recorded("errors come late in a sync (findings 11 to 16)", basis::link::LINK),
        advice: "Correct what the controller's message names, or accept it with `--accept partly-made`.",
        example: Example::new(
            At::Service,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-pls-ip-configuration-subnet: "no-such-subnet"
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-pls-ip-configuration-subnet: "pls-subnet"
            "#,
        ),
    }

    /// A Private Link Service that is managed elsewhere is on the Service's frontend: without the
    /// controller's tags, or owned by another Service. The controller refuses.
    LINK_BLOCKED = "link-blocked", Error, [Desired, Live, Predicted], {
        basis: basis::documented("a frontend has one Private Link Service", basis::link::LINK),
        advice: "Delete the other one, or remove the `azure-pls-*` annotations and use it unchanged.",
        example: Example::live(
            r#"service.beta.kubernetes.io/azure-pls-create: "true"   # while another tool made one"#,
        ),
    }

    /// A Private Link Service can be neither renamed nor moved to another resource group, and its NAT
    /// subnet cannot change: the controller writes a new primary address, and other tools refuse to. A new
    /// name is refused at every sync; for another group the controller tries to create a second one on the
    /// same frontend, which Azure refuses.
    LINK_CANNOT_MOVE = "link-cannot-move", Error, [Desired, Live, Predicted], {
        basis: basis::recorded("a Private Link Service keeps name and group (finding 9)", basis::link::LINK),
        advice: "Keep the name, the group and the subnet. For others, create a second Service and move \
            the consumers.",
        example: Example::change(
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-pls-name: "old-name"
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-pls-name: "new-name"
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-pls-name: "old-name"
            "#,
        ),
    }
}
