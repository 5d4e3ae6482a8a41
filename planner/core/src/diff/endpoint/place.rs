//! Where an endpoint lies: its subnet and region, and whether Azure has room for it there.

use serde_json::Value;

use crate::address::Address;
use crate::arm::address::Prefix;
use crate::desired::PrivateEndpoint;
use crate::diff::Gathered;
use crate::input::Input;
use crate::plan::Finding;
use crate::pointer::At;
use crate::resource_id::ResourceId;
use crate::rule;
use crate::snapshot::Observation;

/// The endpoint's region: its own, or its virtual network's, which must then be readable.
pub(super) fn location(
    input: &Input<'_>,
    endpoint: &PrivateEndpoint,
    subnet: &ResourceId,
    at: &Address,
    gathered: &mut Gathered,
) -> Option<String> {
    if let Some(location) = &endpoint.location {
        return Some(location.value.clone());
    }
    let network = subnet.parent()?;
    let why = match input.snapshot.resource(&network) {
        Observation::Present(network) => {
            return network.get("location").and_then(Value::as_str).map(ToOwned::to_owned);
        }
        Observation::Absent => "is not there",
        Observation::Unreadable(why) => why,
        Observation::NotObserved => "was not asked for",
    };
    gathered.findings.push(
        Finding::new(
            rule::NETWORK_MISSING,
            at.clone(),
            format!("its virtual network {network} {why}"),
        )
        .help("Name a virtual network that exists, or create it first.")
        .at(&endpoint.name.span),
    );
    None
}

/// Whether Azure has no place for the endpoint, as far as its virtual network was read: found before a
/// live endpoint is deleted to be made anew elsewhere.
pub(super) fn misplaced(
    input: &Input<'_>,
    endpoint: &PrivateEndpoint,
    subnet: &ResourceId,
    at: &Address,
) -> Option<Finding> {
    let parent = subnet.parent()?;
    let Observation::Present(network) = input.snapshot.resource(&parent) else { return None };
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
                Prefix::parse(range).is_none_or(|range| range.contains(address.value.into()))
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
                "Choose an address of the subnet, or leave `address` away.",
            )
        }
    };
    Some(Finding::new(code, at.clone(), message).help(help).at(&endpoint.name.span))
}
