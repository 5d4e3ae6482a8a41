//! Where an endpoint lies: its subnet and region, and whether Azure has room for it there.

use std::net::IpAddr;

use serde_json::Value;

use crate::arm::address::parse_range;
use crate::arm::resource::PrivateEndpoint as Live;
use crate::desired::PrivateEndpoint;
use crate::input::Input;
use crate::location;
use crate::node_id::NodeId;
use crate::plan::Finding;
use crate::pointer::At;
use crate::resource_id::ResourceId;
use crate::rule;
use crate::snapshot::Observation;

/// The region of an endpoint: its own, or its virtual network's.
pub(crate) enum Region<'a> {
    /// It is known.
    Known(String),
    /// Its virtual network is not there.
    NoNetwork(ResourceId),
    /// Its virtual network could not be read, and why.
    Unread(ResourceId, &'a str),
}

impl Region<'_> {
    /// What is found where the virtual network is not there. One that could not be read is not absent.
    pub(crate) fn finding(&self, at: &NodeId, endpoint: &PrivateEndpoint) -> Option<Finding> {
        let Self::NoNetwork(network) = self else { return None };
        let message = format!("its virtual network {network} is not there");
        let finding = Finding::new(rule::NETWORK_MISSING, at.clone(), message);
        let help = "Name a virtual network that exists, or create it first.";
        Some(finding.help(help).at(&endpoint.name.span))
    }
}

/// The region of an endpoint. Where its virtual network could not be read, an endpoint that is in its subnet shows it: it
/// lies where the network does.
pub(super) fn region<'a>(
    input: &Input<'a>,
    endpoint: &PrivateEndpoint,
    (subnet, live): (&ResourceId, Option<&Live>),
) -> Region<'a> {
    let of_network = of_network(input, endpoint, subnet);
    let there = live.filter(|live| ResourceId::new(live.subnet()) == *subnet);
    match (&of_network, there.and_then(|live| live.location.as_ref())) {
        (Region::Unread(..), Some(location)) => Region::Known(location.clone()),
        _ => of_network,
    }
}

fn of_network<'a>(
    input: &Input<'a>,
    endpoint: &PrivateEndpoint,
    subnet: &ResourceId,
) -> Region<'a> {
    if let Some(location) = &endpoint.location {
        return Region::Known(location.value.clone());
    }
    let network = subnet.parent().unwrap_or_else(|| subnet.clone());
    match input.live.resource(&network) {
        Observation::Present(live) => match live.get("location").and_then(Value::as_str) {
            Some(location) => Region::Known(location.to_owned()),
            None => Region::Unread(network, "shows no location"),
        },
        Observation::Absent => Region::NoNetwork(network),
        Observation::Unreadable(why) => Region::Unread(network, why),
        Observation::NotObserved => Region::Unread(network, "was not asked for"),
    }
}

/// Whether an endpoint is to be in another region than its virtual network, which Azure refuses.
fn elsewhere(endpoint: &PrivateEndpoint, network: &Value, at: &NodeId) -> Option<Finding> {
    let wanted = endpoint.location.as_ref()?;
    let lies = network.get("location")?.as_str()?;
    if location::is_same(&wanted.value, lies) {
        return None;
    }
    let name = network.get("name").and_then(Value::as_str).unwrap_or_default();
    let message =
        format!("its location {} is not that of its virtual network {name}, {lies}", wanted.value);
    let help = "Leave out `location`, or name a virtual network of that region.";
    Some(Finding::new(rule::WRONG_LOCATION, at.clone(), message).help(help).at(&wanted.span))
}

/// Whether Azure has no place for the endpoint, as far as its virtual network was read: found before a
/// live endpoint is deleted to be re-created elsewhere.
pub(super) fn misplaced(
    input: &Input<'_>,
    endpoint: &PrivateEndpoint,
    subnet: &ResourceId,
    at: &NodeId,
) -> Option<Finding> {
    let parent = subnet.parent()?;
    let Observation::Present(network) = input.live.resource(&parent) else { return None };
    if let Some(finding) = elsewhere(endpoint, network, at) {
        return Some(finding);
    }
    let subnets = network.at("/properties/subnets")?.as_array()?;
    let is_it = |it: &&Value| {
        let id = it.get("id").and_then(Value::as_str);
        id.is_some_and(|id| ResourceId::new(id) == *subnet)
    };
    let (code, message, help) = match subnets.iter().find(is_it) {
        None => (
            rule::NETWORK_MISSING,
            format!("its subnet {} is not in virtual network {parent}", subnet.name()),
            "Name a subnet that exists, or create it first.",
        ),
        Some(live) => {
            let address = endpoint.address.as_ref()?;
            let properties = live.get("properties")?;
            let one = properties.get("addressPrefix").into_iter();
            let many = properties.get("addressPrefixes").and_then(Value::as_array);
            let ranges: Vec<&str> =
                one.chain(many.into_iter().flatten()).filter_map(Value::as_str).collect();
            let holds = |range: &&str| {
                parse_range(range).is_none_or(|range| range.contains(&IpAddr::from(address.value)))
            };
            if ranges.is_empty() || ranges.iter().any(holds) {
                return None;
            }
            (
                rule::BAD_ADDRESS,
                format!(
                    "its address {} is not in its subnet {}, {}",
                    address.value,
                    subnet.name(),
                    ranges.join(", ")
                ),
                "Choose an address of the subnet, or leave out `address`.",
            )
        }
    };
    Some(Finding::new(code, at.clone(), message).help(help).at(&endpoint.name.span))
}
