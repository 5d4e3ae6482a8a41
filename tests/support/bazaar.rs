//! A stack that holds all that privlink writes: Services on one address, one that stands alone, endpoints
//! with a record, with a zone group and with somebody's approval.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use crate::support::scene::{Endpoint, Service};

const OWN: &str = "00000000-0000-0000-0000-000000000000";
const CONSUMER: &str = "11111111-1111-1111-1111-111111111111";

/// What of the stack is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// All of it.
    Whole,
    /// At another address: frontends, links and endpoints are re-created.
    Moved,
    /// Without the Service that shares the address, and without names in DNS.
    Pruned,
    /// All of it, and one Service public.
    Public,
}

fn service(name: &str, port: u16, annotations: &[(&str, &str)]) -> String {
    let service = Service::public(name).namespace("default");
    let annotated = |service: Service, (key, value): &(&str, &str)| {
        service.annotation(&format!("azure-{key}"), value)
    };
    let service = annotations.iter().fold(service, annotated);
    service.line(&format!("ports: [{{port: {port}}}]")).yaml()
}

fn endpoint(name: &str, to: &str, more: &str) -> String {
    Endpoint::new(name, to).lines(more).yaml()
}

/// The stack's documents.
pub(crate) fn documents(version: Version) -> String {
    let address = match version {
        Version::Moved => "10.240.0.61",
        _ => "10.240.0.60",
    };
    let internal = ("load-balancer-internal", "true");
    let pinned = [internal, ("load-balancer-ipv4", address)];
    let link = |name| [("pls-create", "true"), ("pls-name", name), ("pls-visibility", "*")];
    let asking: Vec<_> = pinned.into_iter().chain(link("shared")).collect();
    let alone: Vec<_> = [internal].into_iter().chain(link("alone")).collect();
    let mut text = format!(
        "apiVersion: privlink.dev/v1alpha1\nkind: Stack\nmetadata: {{name: bazaar}}\nspec: \
         {{subscription: {OWN}, resourceGroup: myResourceGroup, cluster: myAKSCluster}}\n"
    );
    text.push_str(&service("alpha", 443, &asking));
    text.push_str(&service("alone", 8080, &alone));
    if version != Version::Pruned {
        text.push_str(&service("beta", 80, &pinned));
    }
    let open = if version == Version::Public { "false" } else { "true" };
    text.push_str(&service("gamma", 81, &[("load-balancer-internal", open)]));
    let (record, group) = match version {
        Version::Pruned => ("", ""),
        _ => (
            "  dns: {record: {zone: privatelink.contoso.com, name: one}}\n",
            "  dns: {zoneGroup: {zones: [privatelink.contoso.com]}}\n",
        ),
    };
    text.push_str(&endpoint("pe-one", "alpha", record));
    text.push_str(&endpoint("pe-two", "alpha", group));
    text.push_str(&format!(
        "---\napiVersion: privlink.dev/v1alpha1\nkind: PrivateEndpoint\nmetadata: {{name: pe-man}}\nspec:\n  \
         subscription: {CONSUMER}\n  resourceGroup: consumerResourceGroup\n  \
         subnet: {{virtualNetwork: consumer-vnet, name: pe-subnet}}\n  \
         target: {{service: {{namespace: default, name: alone}}}}\n  approval: Manual\n  \
         requestMessage: let me in\n---\napiVersion: privlink.dev/v1alpha1\nkind: EndpointApproval\n\
         metadata: {{name: ok}}\nspec:\n  service: {{namespace: default, name: alone}}\n  \
         approve: [{{subscription: {CONSUMER}}}]\n"
    ));
    text
}
