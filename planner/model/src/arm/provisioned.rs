//! References to what is not in state `Succeeded`.

use crate::resource_id::ResourceId;

use super::arm_type::{ArmType, type_of};
use super::azure::Azure;
use super::error::ArmError;
use super::rules::Rules;

/// The code for a reference to what is not in state `Succeeded`.
pub const NOT_PROVISIONED: &str = "ReferencedResourceNotProvisioned";

/// ARM's 400 for a resource that refers to another which is not in state `Succeeded` (the words are those of
/// Azure/data-landing-zone#156, of a subnet that an endpoint's interface is in, and of cloud-provider-azure's
/// tests, of a public address under a load balancer; hashicorp/terraform-provider-azurerm#30197 has the code).
pub fn not_provisioned(used: &ResourceId, by: &ResourceId, state: &str) -> ArmError {
    let operation = match type_of(&used.key()) {
        ArmType::LoadBalancer => "PutLoadBalancerOperation",
        ArmType::VirtualNetwork => "PutVirtualNetworkOperation",
        ArmType::Subnet => "PutSubnetOperation",
        _ => "PutPrivateLinkServiceOperation",
    };
    ArmError::new(
        400,
        NOT_PROVISIONED,
        format!(
            "Cannot proceed with operation because resource {used} used by resource {by} is not in Succeeded state. Resource is in {state} state and the last operation that updated/is updating the resource is {operation}."
        ),
    )
}

impl Azure<'_> {
    /// Refuses a reference to what failed, and stays so until somebody writes it again. `state`: the provisioning
    /// state of what is referred to. One that is being written is none that a plan should refuse.
    pub(super) fn check_provisioned(
        &self,
        (used, state): (&str, Option<&str>),
        by: &ResourceId,
    ) -> Result<(), ArmError> {
        match state.filter(|state| self.rules == Rules::Azure && *state == "Failed") {
            None => Ok(()),
            Some(state) => Err(not_provisioned(&ResourceId::new(used), by, state)),
        }
    }
}
