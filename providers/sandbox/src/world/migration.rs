//! World files of earlier major versions, brought to the version this build writes. The file itself changes
//! only with the next write of the world.

use serde_json::Value;

/// Brings a document of this major version to the current one; whether that version is known. A later
/// major version adds a step here, and earlier ones pass through every step after their own.
pub(super) fn migrate(document: &mut Value, major: &str) -> bool {
    match major {
        "1" => {
            from_1(document);
            true
        }
        _ => false,
    }
}

/// Version 2 gave the part that hands out uids and addresses another name. What else it has that version 1
/// did not has defaults where it is read.
fn from_1(document: &mut Value) {
    let Some(parts) = document.as_object_mut() else { return };
    if let Some(allocator) = parts.remove("issuer") {
        parts.entry("allocator").or_insert(allocator);
    }
}
