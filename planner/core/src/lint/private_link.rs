//! What becomes of a Service's Private Link Service.

use super::{Check, Subject};
use crate::arm::arm_type::ArmType;
use crate::arm::resource::PrivateLinkService;
use crate::controller::outcome;
use crate::facts::{BackendPoolType, LoadBalancerSku};
use crate::kubernetes::service::Key;
use crate::node::private_link_service;
use crate::plan::Finding;
use crate::resource_id::ResourceId;
use crate::rule::{self, At, Example, basis, rules};

/// The Private Link Service is deleted and re-created as another resource (finding 6).
fn link_recreated(subject: &Subject<'_>) -> Option<Finding> {
    let (before, after) = (subject.link_before()?, subject.link_after()?);
    if private_link_service::identity(before) == private_link_service::identity(after) {
        return None;
    }
    // Of those on its frontend, the Service that it belongs to is told, once.
    let owner = subject.prediction.owners().of_link(before);
    let is_told = |key: &&Key| subject.wanted.has(key) && subject.prediction.outcome(key).is_some();
    if owner.filter(is_told).is_some_and(|key| *key != subject.outcome.service) {
        return None;
    }
    let consumers: Vec<String> = private_link_service::consumers(before)
        .into_iter()
        .filter(|consumer| consumer.status.may_be_connected())
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
            LINK_RECREATED,
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
        LINK_RECREATED,
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
    let is_own = private_link_service::owner(link).is_some_and(|it| it == subject.outcome.service);
    is_own.then(|| {
        subject.finding(
            LINK_STAYS,
            "azure-pls-create",
            format!(
                "its Private Link Service {} stays although azure-pls-create is not \"true\"",
                link.name()
            ),
            "Nothing deletes it while its frontend exists; to remove it, delete the Service or change its address.",
        )
    })
}

/// A Private Link Service of that name leads to an address by itself: it has no frontend that could be taken from it.
fn link_without_frontend(subject: &Subject<'_>) -> Option<Finding> {
    let name = subject.annotation("azure-pls-name")?.trim();
    let group = subject.annotation("azure-pls-resource-group").map(|it| it.trim().to_owned());
    let group = group.filter(|it| !it.is_empty());
    let id = ResourceId::in_group(
        &subject.facts.subscription,
        &group.unwrap_or_else(|| subject.facts.private_link_service_group()),
        ArmType::PrivateLinkService.name(),
        name,
    );
    let link = subject.prediction.before.private_link_services.get(&id.key())?;
    let address = private_link_service::destination(link)?;
    subject.says_true("azure-pls-create").then(|| {
        subject.finding(
            LINK_WITHOUT_FRONTEND,
            "azure-pls-name",
            format!(
                "the Private Link Service {name} leads to {address} by itself (Direct Connect), without a load balancer, and \
                 cannot be put on this Service's frontend"
            ),
            "Choose another azure-pls-name.",
        )
    })
}

/// A Private Link Service of that name is on another frontend, and is taken over (finding 3).
fn link_taken_over(subject: &Subject<'_>) -> Option<Finding> {
    let taken = |effect: &&outcome::Effect| effect.reason == outcome::Reason::TakenOver;
    let effect = subject.outcome.effects.iter().find(taken)?;
    Some(subject.finding(
        LINK_TAKEN_OVER,
        "azure-pls-name",
        format!(
            "the Private Link Service {} is on another frontend now, which loses it silently",
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
    let group = ResourceId::new(before.id()).resource_group()?.to_owned();
    let same_frontend = subject.link_after().is_some_and(|after| {
        private_link_service::identity(after) == private_link_service::identity(before)
    });
    (subject.says_true("azure-pls-create") && same_frontend && !wanted.eq_ignore_ascii_case(&group))
        .then(|| {
            subject.finding(
            rule::LINK_CANNOT_MOVE,
            "azure-pls-resource-group",
            format!(
                "its Private Link Service {} is in {group} and cannot move to {wanted}",
                before.name()
            ),
            "Leave azure-pls-resource-group as it was; for another one, create a second Service.",
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
        (rule::BASIC_LOAD_BALANCER, "load balancers of SKU Basic")
    } else if facts.backend_pool_type != BackendPoolType::NodeIpConfiguration {
        (rule::IP_BASED_POOL, "backend pools by IP address")
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

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[
    link_recreated,
    link_stays,
    link_without_frontend,
    link_taken_over,
    link_elsewhere,
    cannot_have_link,
];

rules! {
    /// The Service's Private Link Service will be re-created, because its frontend is. It has the same name
    /// and is another resource: all connections to it are lost, and its endpoints stay `Disconnected`.
    LINK_RECREATED = "link-recreated", Warning, [Desired, Live, Predicted], {
        basis: basis::recorded("a Private Link Service is deleted with its frontend (finding 6)", basis::link::LINK),
        advice: "Keep the address and the subnet. To change them, create a second Service, move the \
            consumers, and delete the first when no consumer is left. `maxDisconnects` refuses the \
            plan while consumers are connected.",
        example: Example::change(
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-load-balancer-ipv4: "10.240.0.25"
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-load-balancer-ipv4: "10.240.0.26"
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-load-balancer-ipv4: "10.240.0.25"
            "#,
        ),
    }

    /// `azure-pls-create` was removed or is not true, and the controller leaves the Private Link Service
    /// unchanged. It exists until its frontend is deleted.
    LINK_STAYS = "link-stays", Warning, [Desired, Live, Predicted], {
        basis: basis::recorded("removing azure-pls-create deletes nothing (finding 2)", basis::link::LINK),
        advice: "Keep the annotation, or delete the Service if the Private Link Service is to be deleted.",
        example: Example::change(
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "false"
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            "#,
        ),
    }

    /// A Private Link Service of this name leads to an address by itself (Direct Connect, `destinationIPAddress`), and
    /// has no load balancer. The controller would put it on the Service's frontend, which Azure does not let change.
    LINK_WITHOUT_FRONTEND = "link-without-frontend", Error, [Desired, Live, Predicted], {
        basis: basis::documented("a Private Link Service keeps its load balancer", basis::link::SERVICE),
        advice: "Choose another name.",
        example: Example::live("service.beta.kubernetes.io/azure-pls-name: direct   # live, with destinationIPAddress"),
    }

    /// A Private Link Service of this name is on another frontend. Controllers up to August 2026 take it
    /// over: the other Service keeps its address and looks healthy, but has lost its Private Link Service.
    LINK_TAKEN_OVER = "link-taken-over", Warning, [Desired, Live, Predicted], {
        basis: basis::recorded("a name in use elsewhere is taken over (finding 3)", basis::link::LINK),
        advice: "Choose another name.",
        example: Example::change(
            r#"
            apiVersion: v1
            kind: Service
            metadata:
              name: one
              namespace: default
              annotations:
                service.beta.kubernetes.io/azure-load-balancer-internal: "true"
                service.beta.kubernetes.io/azure-pls-create: "true"
                service.beta.kubernetes.io/azure-pls-name: "shared"
            spec:
              type: LoadBalancer
              selector: {app: one}
              ports: [{port: 80}]
            ---
            apiVersion: v1
            kind: Service
            metadata:
              name: two
              namespace: default
              annotations:
                service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            spec:
              type: LoadBalancer
              selector: {app: two}
              ports: [{port: 80}]
            "#,
            r#"
            apiVersion: v1
            kind: Service
            metadata:
              name: one
              namespace: default
              annotations:
                service.beta.kubernetes.io/azure-load-balancer-internal: "true"
                service.beta.kubernetes.io/azure-pls-create: "true"
            spec:
              type: LoadBalancer
              selector: {app: one}
              ports: [{port: 80}]
            ---
            apiVersion: v1
            kind: Service
            metadata:
              name: two
              namespace: default
              annotations:
                service.beta.kubernetes.io/azure-load-balancer-internal: "true"
                service.beta.kubernetes.io/azure-pls-create: "true"
                service.beta.kubernetes.io/azure-pls-name: "shared"
            spec:
              type: LoadBalancer
              selector: {app: two}
              ports: [{port: 80}]
            "#,
            r#"
            apiVersion: v1
            kind: Service
            metadata:
              name: one
              namespace: default
              annotations:
                service.beta.kubernetes.io/azure-load-balancer-internal: "true"
                service.beta.kubernetes.io/azure-pls-create: "true"
                service.beta.kubernetes.io/azure-pls-name: "shared"
            spec:
              type: LoadBalancer
              selector: {app: one}
              ports: [{port: 80}]
            ---
            apiVersion: v1
            kind: Service
            metadata:
              name: two
              namespace: default
              annotations:
                service.beta.kubernetes.io/azure-load-balancer-internal: "true"
                service.beta.kubernetes.io/azure-pls-create: "true"
                service.beta.kubernetes.io/azure-pls-name: "another"
            spec:
              type: LoadBalancer
              selector: {app: two}
              ports: [{port: 80}]
            "#,
        ).at(At::Documents),
    }
}
