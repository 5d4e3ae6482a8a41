//! Whether anybody asks the private DNS zones that keep the names of a stack's endpoints.
//!
//! A name of a zone is resolved in the virtual networks that the zone is linked to, by Azure's DNS server.
//! A network with servers of its own asks those, which may stand in another network that is linked.

use serde_json::Value;

use crate::desired::Dns;
use crate::diagnostic::Spanned;
use crate::join::{Endpoint, Join};
use crate::node::dns_record::zone_id;
use crate::plan::Finding;
use crate::pointer::{At, text};
use crate::resource_id::ResourceId;
use crate::rule::{Example, basis, rules};
use crate::snapshot::{Observation, Reading};

use super::{Check, UNCHECKED};

/// Azure's DNS server, which knows private zones (learn.microsoft.com, "What is IP address
/// 168.63.129.16?").
const AZURE: &str = "168.63.129.16";

/// A link of a zone to a virtual network.
struct Link<'a> {
    network: ResourceId,
    /// Whether names resolve over it, or else the state that it shows.
    state: Result<(), &'a str>,
}

impl<'a> Link<'a> {
    fn of(resource: &'a Value) -> Self {
        let state = text(resource, "/properties/virtualNetworkLinkState");
        let provisioning = text(resource, "/properties/provisioningState");
        let is = |text: &str, other: &str| text.eq_ignore_ascii_case(other);
        let is_failed = ["Failed", "Canceled", "Deleting"].iter().any(|it| is(provisioning, it));
        let state = match () {
            () if is_failed => Err(provisioning),
            () if is(state, "Completed") => Ok(()),
            () if state.is_empty() => Err("of no state"),
            () => Err(state),
        };
        Self { network: ResourceId::new(text(resource, "/properties/virtualNetwork/id")), state }
    }
}

/// The zones that keep an endpoint's name, as they are written.
fn zones<'a>(endpoint: &Endpoint<'a>) -> &'a [Spanned<String>] {
    match &endpoint.wanted.dns {
        Some(Dns::Record { zone, .. }) => std::slice::from_ref(zone),
        Some(Dns::ZoneGroup { zones, .. }) => zones,
        None => &[],
    }
}

/// Zones that nobody in the endpoint's network asks.
pub(crate) fn unlinked(join: &Join<'_>, findings: &mut Vec<Finding>) {
    for endpoint in join.endpoints() {
        let Some(record) = endpoint.record(false) else { continue };
        if record.unzoned.is_some() || !join.input.covers(&record.at) {
            continue;
        }
        for written in zones(endpoint) {
            let zone = zone_id(written, &endpoint.id);
            let list = format!("{}/virtualnetworklinks", zone.key());
            let found = match join.input.live.list(&list) {
                None | Some(Reading::Absent) => continue,
                Some(Reading::Unreadable(why)) => {
                    let message = format!(
                        "the links of zone {} to virtual networks could not be read, so it is unknown whether its names resolve: {why}",
                        zone.name()
                    );
                    Finding::new(UNCHECKED, record.at.clone(), message)
                        .help("Give the identity the right to read them: `privlink preflight --role azure`.")
                }
                Some(reading) => {
                    let links: Vec<Link<'_>> = reading.objects().map(Link::of).collect();
                    let Some(message) = unresolved(join, endpoint, &zone, &links) else {
                        continue;
                    };
                    Finding::new(ZONE_UNLINKED, record.at.clone(), message)
                        .help(help(&zone, endpoint))
                }
            };
            findings.push(found.at(&written.span));
        }
    }
}

fn help(zone: &ResourceId, endpoint: &Endpoint<'_>) -> String {
    let network = endpoint.subnet.parent().unwrap_or_default();
    let group = |id: &ResourceId| {
        Some((id.subscription()?.to_lowercase(), id.resource_group()?.to_lowercase()))
    };
    // Where both are in one group, the network's name does.
    let told = if group(zone) == group(&network) { network.name() } else { network.as_str() };
    format!(
        "Link it: az network private-dns link vnet create --resource-group {} --zone-name {} --name {} --virtual-network {told} --registration-enabled false.",
        zone.resource_group().unwrap_or_default(),
        zone.name(),
        network.name(),
    )
}

/// Why nothing in the endpoint's network resolves the names of a zone; nothing if something may.
fn unresolved(
    join: &Join<'_>,
    endpoint: &Endpoint<'_>,
    zone: &ResourceId,
    links: &[Link<'_>],
) -> Option<String> {
    let network = endpoint.subnet.parent()?;
    let own = links.iter().find(|it| it.network.key() == network.key());
    if let Some(own) = own {
        let state = own.state.err()?;
        return Some(format!(
            "the link of zone {} to virtual network {} is {state}: nothing in it resolves the name",
            zone.name(),
            network.name()
        ));
    }
    if !links.iter().any(|it| it.state.is_ok()) {
        return Some(format!(
            "zone {} is linked to no virtual network: nobody resolves the name",
            zone.name()
        ));
    }
    // Servers of its own may stand in one of the networks that are linked.
    let Observation::Present(live) = join.input.live.resource(&network) else { return None };
    let servers = live.at("/properties/dhcpOptions/dnsServers").and_then(Value::as_array);
    let mut servers = servers.into_iter().flatten().peekable();
    let asks_azure = servers.peek().is_none() || servers.any(|it| it.as_str() == Some(AZURE));
    asks_azure.then(|| {
        format!(
            "zone {} is not linked to virtual network {}: nothing in it resolves the name",
            zone.name(),
            network.name()
        )
    })
}

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[unlinked];

rules! {
    /// The private DNS zone that keeps an endpoint's name is not linked to the virtual network of the
    /// endpoint, or the link is not completed. A network with DNS servers of its own may have them ask for
    /// it in another network: of those it is only reported if the zone is linked nowhere.
    ZONE_UNLINKED = "zone-unlinked", Warning, [Desired, Live], {
        basis: basis::documented(
            "names of a private zone resolve in the networks it is linked to",
            basis::link::ZONE_LINK,
        ),
        advice: "Link the zone to the network: `az network private-dns link vnet create`.",
        example: Example::live(
            "dns: {record: {zone: privatelink.contoso.com, name: web}}   # and the zone has no virtual network link",
        ),
    }
}
