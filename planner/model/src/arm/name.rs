//! What names Azure takes.

use std::collections::BTreeSet;

use crate::resource_id::ResourceId;

use super::arm_type::{ArmType, type_of};
use super::error::ArmError;

/// The name rule of network resources (arm-contract, section 4).
pub(super) fn check_name(id: &ResourceId) -> Result<(), ArmError> {
    let name = id.name();
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let good = name.len() <= 80
        && name.chars().next().is_some_and(|c| c.is_ascii_alphanumeric())
        && name.chars().last().is_some_and(word)
        && name.chars().all(|c| word(c) || c == '.' || c == '-');
    use ArmType as T;
    let is_checked = matches!(
        type_of(&id.key()),
        T::LoadBalancer
            | T::BackendPool
            | T::PrivateLinkService
            | T::EndpointConnection
            | T::PublicIpAddress
            | T::InboundNatRule
            | T::NetworkSecurityGroup
            | T::SecurityRule
            | T::VirtualNetwork
            | T::Subnet
            | T::PrivateEndpoint
            | T::ZoneGroup
            | T::ScaleSet
            | T::Instance
    );
    if good || !is_checked {
        return Ok(());
    }
    Err(ArmError::new(
        400,
        "InvalidResourceName",
        format!(
            "Resource name {name} is invalid. The name can be up to 80 characters long. It must begin with a word character, and it must end with a word character or with '_'. The name may contain word characters or '.', '-', '_'."
        ),
    ))
}

/// Children of one resource have names of their own, whatever their case
/// (hashicorp/terraform-provider-azurerm#28966).
pub(crate) fn check_child_names<'a>(
    id: &ResourceId,
    names: impl Iterator<Item = &'a str>,
) -> Result<(), ArmError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name.to_ascii_lowercase()) {
            return Err(ArmError::unreadable(
                "DuplicateResourceName",
                format!("Resource {id} has two child resources with the same name ({name})."),
            ));
        }
    }
    Ok(())
}
