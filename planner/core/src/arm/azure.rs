//! A world and the rules it obeys.

use serde_json::Value;

use crate::resource_id::ResourceId;

use super::error::ArmError;
use super::hand::Hand;
use super::rules::{Fault, Rules};
use super::world::World;

/// A world, its rules, and the hand that gives out what Azure gives out.
pub struct Azure<'a> {
    /// What is held.
    pub world: &'a mut World,
    /// The rules obeyed.
    pub rules: Rules,
    /// Gives out etags, addresses, guids.
    pub hand: &'a mut dyn Hand,
    /// Failures to come.
    pub faults: &'a mut Vec<Fault>,
}

/// What a write that was not refused did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// 201.
    Created,
    /// 200.
    Updated,
    /// 200 of a DELETE.
    Deleted,
    /// 204 of a DELETE: it was not there.
    Absent,
}

impl Done {
    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::Created => 201,
            Self::Updated | Self::Deleted => 200,
            Self::Absent => 204,
        }
    }
}

impl Azure<'_> {
    /// A GET.
    ///
    /// # Errors
    /// 404 in ARM's words.
    pub fn get(&self, id: &ResourceId) -> Result<Value, ArmError> {
        self.world.get(id).ok_or_else(|| not_found(id))
    }

    /// A PUT of any resource: load balancers and their backend pools, private link services and their
    /// connections, public IPs, security groups, virtual networks, subnets, scale sets and instances.
    ///
    /// # Errors
    /// ARM's refusal.
    pub fn put(
        &mut self,
        id: &ResourceId,
        body: Value,
        if_match: Option<&str>,
    ) -> Result<Done, ArmError> {
        let _ = (body, if_match);
        Err(not_found(id))
    }

    /// A DELETE of any resource.
    ///
    /// # Errors
    /// ARM's refusal.
    pub fn delete(&mut self, id: &ResourceId, if_match: Option<&str>) -> Result<Done, ArmError> {
        let _ = if_match;
        Err(not_found(id))
    }
}

/// ARM's 404 for an id.
pub fn not_found(id: &ResourceId) -> ArmError {
    let key = id.key();
    let types = key.rsplit_once("/providers/").map_or(0, |(_, path)| path.split('/').count());
    if types > 3 {
        return ArmError::new(404, "NotFound", format!("Resource {id} not found."));
    }
    let provider = id.as_str().rsplit_once("/providers/").map_or(id.as_str(), |(_, path)| path);
    ArmError::new(
        404,
        "ResourceNotFound",
        format!(
            "The Resource '{provider}' under resource group '{}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
            id.resource_group().unwrap_or_default()
        ),
    )
}
