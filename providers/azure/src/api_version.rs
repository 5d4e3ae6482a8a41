//! The api-version of every request, in one table.
//!
//! `Microsoft.Network` is pinned at 2024-07-01: every field the product reads or writes is in its
//! specification, and it is old enough for the sovereign clouds. The others are the versions that
//! recorded traffic of cloud-provider-azure uses, or the current stable one.

use privlink_model::arm::arm_type::ArmType;

/// Longest prefix first within a provider.
const PINS: &[(&str, &str)] = &[
    (ArmType::PrivateDnsZone.name(), "2024-06-01"),
    ("microsoft.network", "2024-07-01"),
    ("microsoft.containerservice", "2025-02-01"),
    ("microsoft.compute", "2024-07-01"),
    ("microsoft.authorization", "2022-04-01"),
    ("microsoft.managedidentity", "2023-01-31"),
    ("microsoft.resourcegraph", "2022-10-01"),
];

/// Of the configurations of a cluster's several load balancers, which only preview versions have.
const CONFIGURATIONS: &str = "2025-02-02-preview";
/// Of resource groups and of subscriptions' providers.
const RESOURCES: &str = "2021-04-01";
/// Of subscriptions and tenants.
const SUBSCRIPTIONS: &str = "2022-12-01";

/// The api-version for the resource, list or action at `path`; `None` for a provider not in the table.
///
/// ```
/// let path = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/privateEndpoints/e";
/// assert_eq!(privlink_azure::api_version::of(path), Some("2024-07-01"));
/// ```
pub fn of(path: &str) -> Option<&'static str> {
    let path = path.to_lowercase();
    let provider = match path.rsplit_once("/providers/") {
        // `/subscriptions/s/providers/Microsoft.Network` is the registration of a provider, a
        // resource of the subscription.
        Some((_, provider)) if provider.contains('/') => provider,
        _ if path.contains("/resourcegroups") || path.contains("/providers/") => {
            return Some(RESOURCES);
        }
        _ => return Some(SUBSCRIPTIONS),
    };
    let parts: Vec<&str> = provider.split('/').collect();
    if let ["microsoft.containerservice", "managedclusters", _, "loadbalancers", ..] =
        parts.as_slice()
    {
        return Some(CONFIGURATIONS);
    }
    PINS.iter()
        .find(|(prefix, _)| {
            let (own, rest) = provider.split_at_checked(prefix.len()).unwrap_or_default();
            own.eq_ignore_ascii_case(prefix) && (rest.is_empty() || rest.starts_with('/'))
        })
        .map(|(_, version)| *version)
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn the_innermost_provider_decides() {
        let zone =
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/privateDnsZones/z";
        let group = "/subscriptions/s/resourceGroups/g";
        assert_eq!(of(zone), Some("2024-06-01"));
        assert_eq!(of(&format!("{zone}/A/app")), Some("2024-06-01"));
        assert_eq!(of(group), Some("2021-04-01"));
        assert_eq!(of("/subscriptions/s"), Some("2022-12-01"));
        assert_eq!(of("/subscriptions/s/providers/Microsoft.Network"), Some("2021-04-01"));
        assert_eq!(
            of(&format!("{zone}/providers/Microsoft.Authorization/permissions")),
            Some("2022-04-01")
        );
        assert_eq!(of(&format!("{group}/providers/Microsoft.Sql/servers/s")), None);
        let cluster = format!("{group}/providers/Microsoft.ContainerService/managedClusters/aks");
        assert_eq!(of(&cluster), Some("2025-02-01"));
        assert_eq!(of(&format!("{cluster}/loadBalancers")), Some("2025-02-02-preview"));
    }
}
