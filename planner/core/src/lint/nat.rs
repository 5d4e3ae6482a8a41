//! The NAT addresses of a Private Link Service, and their subnet.

use super::{Check, Subject};
use crate::arm::resource::PrivateLinkService;
use crate::node::private_link_service;
use crate::plan::Finding;
use crate::resource_id::ResourceId;
use crate::rule::{self, At, Example, basis, rules};

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
            rule::LINK_CANNOT_MOVE,
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
            NAT_ADDRESSES_REWRITTEN,
            "azure-pls-ip-configuration-ip-address",
            format!(
                "all NAT addresses of {} are rewritten; Azure may refuse to remove any",
                after.name()
            ),
            "Only add NAT addresses; for fewer or others, create a second Service.",
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
            NAT_SUBNET_OF_PODS,
            "azure-pls-ip-configuration-subnet",
            "its NAT addresses are in the nodes' subnet, and with externalTrafficPolicy Local such traffic may be dropped"
                .to_owned(),
            "Set azure-pls-ip-configuration-subnet to another subnet.",
        )
    })
}

/// The checks of this file.
pub(super) const CHECKS: &[Check] =
    &[nat_subnet_moved, nat_addresses_rewritten, nat_subnet_of_pods];

rules! {
    /// Fewer or other NAT addresses make the controller rewrite all of them. Azure documents that addresses
    /// cannot be taken away once there are several, so this may be refused at every try.
    NAT_ADDRESSES_REWRITTEN = "nat-addresses-rewritten", Warning, [Desired, Live, Predicted], {
        basis: basis::documented("NAT addresses can be added, not taken away", basis::link::SERVICE),
        advice: "Only add addresses.",
        example: Example::change(
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-pls-ip-configuration-ip-address-count: "2"
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-pls-ip-configuration-ip-address-count: "1"
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-pls-ip-configuration-ip-address-count: "3"
            "#,
        ),
    }

    /// With externalTrafficPolicy Local, traffic from NAT addresses in the nodes' own subnet may be dropped
    /// (kubernetes/kubernetes issue 95555).
    NAT_SUBNET_OF_PODS = "nat-subnet-of-pods", Warning, [Desired, Live, Predicted], {
        basis: basis::documented("limits of Private Link Services on AKS", basis::link::LINK),
        advice: "Set `azure-pls-ip-configuration-subnet` to another subnet of the virtual network.",
        example: Example::new(
            At::Service,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            externalTrafficPolicy: Local
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-pls-ip-configuration-subnet: "pls-subnet"
            externalTrafficPolicy: Local
            "#,
        ),
    }
}
