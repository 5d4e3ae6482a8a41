//! What must hold between the settings of a Private Link Service.

use std::collections::BTreeSet;

use super::{Reading, is_set};
use crate::annotation::{PREFIX, keys, list};
use crate::desired::Service;
use crate::diagnostic::Diagnostic;
use crate::rule::{At, Example, basis, rules};

/// Reports what does not hold between the settings of a Private Link Service.
pub(super) fn check(service: &Service, reading: Reading, problems: &mut Vec<Diagnostic>) {
    let Some(create) = service.annotations.get(keys::PLS_CREATE) else { return };
    if !reading.private_link {
        return;
    }
    // Made and open to the Internet before it is refused (070); allowed without floating IP (071).
    let public = !reading.internal && !reading.internal_unclear;
    if public && !is_set(service, keys::DISABLE_FLOATING_IP) {
        let diagnostic = Diagnostic::new(
            PUBLIC_PRIVATE_LINK,
            "a public load balancer with floating IP cannot have a Private Link Service",
        )
        .at(&create.key, "refused after the load balancer is open to the Internet");
        let diagnostic = match service.annotations.get(keys::INTERNAL) {
            Some(internal) => diagnostic.at(&internal.value.span, "this does not make it internal"),
            None => diagnostic,
        };
        problems.push(diagnostic.help(format!("add {}: \"true\"", keys::INTERNAL)));
    }
    // `IPv6 is not supported for private link service`, after the load balancer is made (142).
    if let [family] = service.spec.ip_families.as_slice()
        && family.value == "IPv6"
    {
        problems.push(
            Diagnostic::new(
                IPV6_PRIVATE_LINK,
                "a Service that is IPv6 only cannot have a Private Link Service",
            )
            .at(&family.span, "Private Link is IPv4 only")
            .at(&create.key, "asked for here")
            .help("add IPv4 to `spec.ipFamilies`, or remove the annotation"),
        );
    }
    addresses(service, problems);
    approvals(service, problems);
}

/// No more static addresses than the count (033); the same twice counts once (037).
fn addresses(service: &Service, problems: &mut Vec<Diagnostic>) {
    let Some(addresses) = service.annotation(keys::PLS_ADDRESS) else { return };
    let count_text = service.annotation(keys::PLS_ADDRESS_COUNT);
    let count = match count_text {
        Some(count) => count.trim().parse().ok().filter(|count| (1..=8).contains(count)),
        None => Some(1),
    };
    let statics: BTreeSet<&str> = list(addresses).collect();
    let Some(count) = count.filter(|count| *count < statics.len()) else { return };
    let message = format!("{} static addresses, but a count of {count}", statics.len());
    let diagnostic = Diagnostic::new(TOO_MANY_STATIC_ADDRESSES, message)
        .at(&addresses.span, "the controller refuses this, after it wrote the load balancer");
    let diagnostic = match count_text {
        Some(count) => diagnostic.at(&count.span, "the count"),
        None => diagnostic,
    };
    let help = if statics.len() <= 8 {
        format!("write {}: \"{}\"", keys::PLS_ADDRESS_COUNT, statics.len())
    } else {
        "remove some: a Private Link Service has 8 addresses at most".to_owned()
    };
    problems.push(diagnostic.help(help));
}

/// Approval does not make visible, and Azure approves only who sees the Private Link Service. The
/// controller checks neither list (057 to 059).
fn approvals(service: &Service, problems: &mut Vec<Diagnostic>) {
    let Some(approval) = service.annotation(keys::PLS_AUTO_APPROVAL) else { return };
    let visibility = service.annotation(keys::PLS_VISIBILITY);
    let visible: BTreeSet<String> = visibility
        .map(|visibility| list(visibility).map(str::to_lowercase).collect())
        .unwrap_or_default();
    let approved: BTreeSet<&str> = list(approval).collect();
    if approved.contains("*") {
        problems.push(
            Diagnostic::new(
                AUTO_APPROVAL_WILDCARD,
                "the controller passes `*` in the auto-approval list to Azure unread",
            )
            .at(&approval.span, "")
            .help("name the subscriptions that are approved without asking"),
        );
    }
    if visible.contains("*") {
        return;
    }
    let outside: Vec<&str> = approved
        .into_iter()
        .filter(|subscription| {
            *subscription != "*" && !visible.contains(&subscription.to_lowercase())
        })
        .collect();
    let Some(first) = outside.first() else { return };
    let message = match outside.len() {
        1 => format!(
            "the subscription `{first}` is in the auto-approval list, but not in the visibility list"
        ),
        count => format!(
            "{count} subscriptions are in the auto-approval list, but not in the visibility list"
        ),
    };
    let diagnostic = Diagnostic::new(AUTO_APPROVAL_OUTSIDE_VISIBILITY, message)
        .at(&approval.span, "approved here");
    let diagnostic = match visibility {
        Some(visibility) => diagnostic.at(&visibility.span, "visible to these"),
        None => diagnostic,
    };
    problems.push(diagnostic.help(format!(
        "add what is missing to {PREFIX}azure-pls-visibility: Azure refuses the Private Link \
         Service otherwise"
    )));
}

rules! {
    /// A Private Link Service is asked for on a public load balancer. The controller makes public address,
    /// load balancer and security rule, open to the Internet, and only then refuses. It is possible only
    /// without floating IP.
    PUBLIC_PRIVATE_LINK = "public-private-link", Error, [Desired], {
        basis: basis::recorded("a public Service gets no Private Link Service (finding 12)", basis::link::LINK),
        advice: "Add `service.beta.kubernetes.io/azure-load-balancer-internal: \"true\"`.",
        example: Example::new(
            At::Service,
            r#"service.beta.kubernetes.io/azure-pls-create: "true""#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            "#,
        ),
    }

    /// A Service that is IPv6 only asks for a Private Link Service, which is for IPv4. A dual-stack Service
    /// gets one on its IPv4 frontend.
    IPV6_PRIVATE_LINK = "ipv6-private-link", Error, [Desired], {
        basis: basis::LINK_NEEDS,
        advice: "Add IPv4, or remove `azure-pls-create`.",
        example: Example::new(
            At::Service,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            ipFamilies: [IPv6]
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            ipFamilies: [IPv4]
            "#,
        ),
    }

    /// More static NAT addresses than the count allows; the count is 1 if it is not given. The same address
    /// twice counts once.
    TOO_MANY_STATIC_ADDRESSES = "too-many-static-addresses", Error, [Desired], {
        basis: basis::VALUES,
        advice: "Raise the count, or remove addresses.",
        example: Example::new(
            At::Service,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-pls-ip-configuration-ip-address: "10.240.9.7 10.240.9.8"
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-pls-ip-configuration-ip-address: "10.240.9.7 10.240.9.8"
            service.beta.kubernetes.io/azure-pls-ip-configuration-ip-address-count: "2"
            "#,
        ),
    }

    /// A subscription is in the auto-approval list, but not in the visibility list. The controller
    /// checks neither list, and Azure refuses such a Private Link Service after the load balancer
    /// was written.
    AUTO_APPROVAL_OUTSIDE_VISIBILITY = "auto-approval-outside-visibility", Warning, [Desired], {
        basis: basis::SHAPE,
        advice: "Add it to `azure-pls-visibility`, or write `\"*\"` there.",
        example: Example::new(
            At::Service,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-pls-auto-approval: "00000000-0000-0000-0000-000000000000"
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-pls-auto-approval: "00000000-0000-0000-0000-000000000000"
            service.beta.kubernetes.io/azure-pls-visibility: "00000000-0000-0000-0000-000000000000"
            "#,
        ),
    }

    /// `*` in the auto-approval list. The controller gives it no special meaning, and passes it to Azure
    /// unchanged.
    AUTO_APPROVAL_WILDCARD = "auto-approval-wildcard", Warning, [Desired], {
        basis: basis::SHAPE,
        advice: "Name the subscriptions.",
        example: Example::new(
            At::Service,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-pls-auto-approval: "*"
            service.beta.kubernetes.io/azure-pls-visibility: "*"
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-pls-auto-approval: "00000000-0000-0000-0000-000000000000"
            service.beta.kubernetes.io/azure-pls-visibility: "*"
            "#,
        ),
    }
}
