//! Names that nobody will resolve.

use crate::arm::resource::PrivateLinkService;
use crate::desired::{Dns, Target};
use crate::diagnostic::Spanned;
use crate::node::private_endpoint;
use crate::plan::Finding;
use crate::prediction::Prediction;
use crate::resource_id::ResourceId;
use crate::rule::{At, Example, basis, rules};
use crate::wanted::Wanted;

/// Zone groups that will hold no record: Azure writes those names that what is reached announces, and a
/// Private Link Service announces its `fqdns` alone. Guessed from reports (hashicorp/terraform-provider-azurerm
/// 9408, MicrosoftDocs/azure-docs 98098).
pub(super) fn zone_groups(wanted: &Wanted<'_>, prediction: &Prediction) -> Vec<Finding> {
    let mut findings = Vec::new();
    for endpoint in wanted.endpoints() {
        let Some(Dns::ZoneGroup { zones, .. }) = &endpoint.dns else { continue };
        let names = |link: &PrivateLinkService| link.properties.fqdns.clone().unwrap_or_default();
        let (names, whose) = match (&endpoint.target, &endpoint.offer) {
            (_, Some(offered)) => {
                (Some(offered.fqdns.clone()), format!("the Offer {}", offered.name))
            }
            (Target::Service(key), _) => {
                (prediction.link_after(&key.value).map(names), format!("Service {}", key.value))
            }
            (Target::Id(id), _) => {
                let link = prediction.after.private_link_services.get(&id.key());
                let whose = format!("Private Link Service {}", id.name());
                (link.map(|link| names(link)), whose)
            }
            // Nobody but its provider can tell what an alias announces.
            (Target::Alias(_), None) => continue,
        };
        let (Some(names), Some(first)) = (names, zones.first()) else { continue };
        let Some(why) = why_empty(&names, zones) else { continue };
        findings.push(Finding::new(ZONE_GROUP_EMPTY, private_endpoint::address(&endpoint.name.value), format!(
                "its zone group will keep no record, as far as is known: {whose} {why}"
            )).help("Set azure-pls-fqdns on the Service to names within the zone, or use dns.record, which privlink writes.").at(&first.span));
    }
    findings
}

/// Why no zone gets a record of a Private Link Service.
fn why_empty(names: &[String], zones: &[Spanned<String>]) -> Option<String> {
    if names.is_empty() {
        return Some("announces no name (azure-pls-fqdns)".to_owned());
    }
    let zones: Vec<String> = zones
        .iter()
        .map(|zone| ResourceId::new(zone.value.as_str()).name().to_lowercase())
        .collect();
    let is_in = |name: &String| {
        let name = name.to_lowercase();
        zones.iter().any(|zone| name == *zone || name.ends_with(&format!(".{zone}")))
    };
    if names.iter().any(is_in) {
        return None;
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Some(format!("announces no name within {}: {}", zones.join(", "), names.join(", ")))
}

rules! {
    /// Azure writes into the zones of a zone group those names that what is reached announces. A Private
    /// Link Service announces its `azure-pls-fqdns`, and there are none, or none within the zones: no
    /// record ever appears. This follows from reports; it is not documented.
    ZONE_GROUP_EMPTY = "zone-group-empty", Warning, [Live, Predicted], {
        basis: basis::guessed("a zone group writes what its target announces", basis::link::DNS),
        advice: "Announce names within the zone, or use `dns.record`, which privlink writes.",
        example: Example::new(
            At::Endpoint,
            "dns: {zoneGroup: {zones: [privatelink.contoso.com]}}",
            "dns: {record: {zone: privatelink.contoso.com, name: web}}",
        ),
    }
}
