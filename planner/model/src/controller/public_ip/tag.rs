//! Tags that say whose a public IP is.

use crate::arm::resource::PublicIpAddress;
use crate::controller::tags::Tags;
use crate::controller::value::same;

pub(super) const SERVICE_TAG: &str = "k8s-azure-service";
pub(super) const OLD_SERVICE_TAG: &str = "service";
pub(super) const OLD_CLUSTER_TAG: &str = "kubernetes-cluster-name";
pub(super) const DNS_TAG: &str = "k8s-azure-dns-label-service";
pub(super) const OLD_DNS_TAG: &str = "kubernetes-dns-label-service";

pub(super) fn tag<'a>(tags: Option<&'a Tags>, keys: [&str; 2]) -> &'a str {
    let value = |key: &str| tags.and_then(|tags| tags.get(key));
    keys.iter().find_map(|key| value(key)).map(String::as_str).unwrap_or_default()
}

pub(super) fn services_in_tag(tags: Option<&Tags>) -> Vec<String> {
    tag(tags, [SERVICE_TAG, OLD_SERVICE_TAG])
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(ToOwned::to_owned)
        .collect()
}

pub(super) fn bind(address: &mut PublicIpAddress, service: &str) -> bool {
    let names = services_in_tag(address.tags.as_ref());
    let value = tag(address.tags.as_ref(), [SERVICE_TAG, OLD_SERVICE_TAG]).to_owned();
    let added = !names.iter().any(|name| name == service);
    let value = match (value.is_empty(), added) {
        (true, _) => service.to_owned(),
        (false, true) => format!("{value},{service}"),
        (false, false) => value,
    };
    address.tags.get_or_insert_default().insert(SERVICE_TAG.to_owned(), value);
    added
}

pub(super) fn unbind(address: &mut PublicIpAddress, service: &str) {
    let mut names = services_in_tag(address.tags.as_ref());
    if let Some(at) = names.iter().rposition(|name| same(name, service)) {
        names.remove(at);
    }
    let dns = tag(address.tags.as_ref(), [DNS_TAG, OLD_DNS_TAG]).to_owned();
    let tags = address.tags.get_or_insert_default();
    if !dns.is_empty() && same(&dns, service) {
        tags.remove(DNS_TAG);
        tags.remove(OLD_DNS_TAG);
    }
    tags.insert(SERVICE_TAG.to_owned(), names.join(","));
}
