//! What private DNS answers where a precondition does not hold: in words of its own (azure-powershell's tests of
//! private DNS).

use crate::arm::arm_type::{ArmType, type_of};
use crate::arm::azure::check_match;
use crate::arm::error::ArmError;
use crate::resource_id::ResourceId;

/// 412 unless `If-Match` is absent, `*`, or the etag.
pub(super) fn check_etag(
    id: &ResourceId,
    etag: Option<&str>,
    if_match: Option<&str>,
) -> Result<(), ArmError> {
    check_match(id, etag, if_match).map_err(|_| failed(id, "has been modified (etag mismatch)"))
}

/// 412 of a creation of what is there.
pub(super) fn exists(id: &ResourceId) -> ArmError {
    failed(id, "exists already and hence cannot be created again")
}

/// How a link is called is not quoted.
fn failed(id: &ResourceId, why: &str) -> ArmError {
    let what = match type_of(&id.key()) {
        ArmType::PrivateDnsZone => "Zone",
        ArmType::ZoneLink => "Virtual network link",
        _ => "Record set",
    };
    ArmError::new(412, "PreconditionFailed", format!("The {what} {} {why}.", id.name()))
}
