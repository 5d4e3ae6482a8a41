//! What must be there once: names, addresses and records that Azure gives one holder, and consumers that
//! are either approved or rejected.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::checks::is_private_link_wanted;
use super::{Consumer, Desired, Dns, PrivateEndpoint, Service, Subnet};
use crate::annotation::keys;
use crate::diagnostic::{Diagnostic, Span, Spanned};
use crate::rule::{At, Example, basis, rules};
use privlink_model::facts::Fact;
use privlink_model::marks::zone_config_name;

/// Reports everything that is there twice.
pub(super) fn check(desired: &Desired, problems: &mut Vec<Diagnostic>) {
    private_link_names(desired, problems);
    endpoint_names(desired, problems);
    endpoint_addresses(desired, problems);
    endpoint_records(desired, problems);
    endpoint_zones(desired, problems);
    approvals(desired, problems);
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
                    DUPLICATE_PRIVATE_LINK_NAME,
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
                    DUPLICATE_ENDPOINT,
                    format!(
                        "`{}` is the name of another private endpoint too: Azure ignores case",
                        endpoint.resource_name().value
                    ),
                )
                .at(span, "again here")
                .at(first, "first here")
                .help("rename one of them"),
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
            Diagnostic::new(DUPLICATE_ADDRESS, message)
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
            Diagnostic::new(DUPLICATE_RECORD, message)
                .at(&name.span, "again here")
                .at(first, "first here")
                .help("give each a name of its own"),
        );
    }
}

/// Azure refuses a zone group with two zones of one name, which two resource groups may have. Names that differ
/// by dots and dashes alone are one in the group that privlink writes.
fn endpoint_zones(desired: &Desired, problems: &mut Vec<Diagnostic>) {
    for endpoint in in_order(desired) {
        let Some(Dns::ZoneGroup { zones, .. }) = &endpoint.dns else { continue };
        let mut seen: BTreeMap<String, &Span> = BTreeMap::new();
        for zone in zones {
            let name = zone.value.rsplit('/').next().unwrap_or_default();
            let Some(first) = seen.get(&zone_config_name(&name.to_lowercase())) else {
                seen.insert(zone_config_name(&name.to_lowercase()), &zone.span);
                continue;
            };
            problems.push(
                Diagnostic::new(
                    DUPLICATE_ZONE,
                    format!("the zone group has two zones with the name `{name}`"),
                )
                .at(&zone.span, "again here")
                .at(first, "first here")
                .help(
                    "remove one: an endpoint has one zone group, and Azure refuses one with both",
                ),
            );
        }
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
        for consumer in approval.approve.iter().map(|admitted| &admitted.consumer) {
            approved.entry((&approval.service.value, key(consumer))).or_insert(consumer.span());
        }
    }
    for approval in desired.approvals.values() {
        for consumer in &approval.reject {
            if let Some(first) = approved.get(&(&approval.service.value, key(consumer))) {
                problems.push(
                    Diagnostic::new(
                        CONFLICTING_APPROVAL,
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

rules! {
    /// Two Services give their Private Link Services the same name in one resource group. Releases of the
    /// controller up to August 2026 repoint the first one's to the second Service and report success for
    /// both; later ones refuse.
    DUPLICATE_PRIVATE_LINK_NAME = "duplicate-private-link-name", Error, [Desired], {
        basis: basis::SHAPE,
        advice: "Give each a name of its own.",
        example: Example::new(
            At::Services,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-pls-name: "myPLS"
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            "#,
        ),
    }

    /// Two private endpoints of one resource group have names that differ in case only. To Azure they are
    /// one.
    DUPLICATE_ENDPOINT = "duplicate-endpoint", Error, [Desired], {
        basis: basis::ENDPOINT,
        advice: "Rename one of them.",
        example: Example::new(At::Endpoints, "name: App-pe", "approval: Automatic"),
    }

    /// Two private endpoints want the same address in one subnet. Azure gives it to the first only.
    DUPLICATE_ADDRESS = "duplicate-address", Error, [Desired], {
        basis: basis::ENDPOINT,
        advice: "Give each an address of its own.",
        example: Example::new(At::Endpoints, "address: 10.1.0.5", "approval: Automatic"),
    }

    /// Two private endpoints want the same DNS record. It would lead to one of them only.
    DUPLICATE_RECORD = "duplicate-record", Error, [Desired], {
        basis: basis::RECORD,
        advice: "Give each a name of its own.",
        example: Example::new(
            At::Endpoints,
            "dns: {record: {zone: privatelink.contoso.com, name: web}}",
            "dns: {zoneGroup: {zones: [privatelink.contoso.com]}}",
        ),
    }

    /// Two zones of one zone group have the same name, though they are in two resource groups. Azure refuses
    /// such a group, and an endpoint has one group at most.
    DUPLICATE_ZONE = "duplicate-zone", Error, [Desired], {
        basis: basis::documented(
            "zones of a zone group have names of their own (hashicorp/terraform-provider-azurerm 28966)",
            basis::link::DNS,
        ),
        advice: "Leave one of them out.",
        example: Example::new(
            At::Endpoint,
            "
            dns:
              zoneGroup:
                zones:
                - privatelink.contoso.com
                - /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/hub/providers/Microsoft.Network/privateDnsZones/privatelink.contoso.com
            ",
            "
            dns:
              zoneGroup:
                zones:
                - privatelink.contoso.com
                - /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/hub/providers/Microsoft.Network/privateDnsZones/privatelink.example.com
            ",
        ),
    }

    /// A consumer is both approved and rejected.
    CONFLICTING_APPROVAL = "conflicting-approval", Error, [Desired], {
        basis: basis::CONNECTION,
        advice: "Remove it from one of the two lists.",
        example: Example::new(
            At::Approval,
            "
            approve: [{subscription: 00000000-0000-0000-0000-000000000000}]
            reject: [{subscription: 00000000-0000-0000-0000-000000000000}]
            ",
            "
            approve: [{subscription: 00000000-0000-0000-0000-000000000000}]
            reject: [{subscription: 00000000-0000-0000-0000-000000000001}]
            ",
        ),
    }
}
