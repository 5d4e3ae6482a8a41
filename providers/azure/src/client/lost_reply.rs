//! A write whose reply was lost: did it arrive?
//!
//! A PUT that ends in a reset or a gateway's 502 may have been carried out. Sent again it would fail
//! its own precondition, and read as somebody else's change. So the resource is read: when it says all
//! that was written, the write did arrive, and what is left is to wait for it.

use privlink_model::resource_id::ResourceId;
use serde_json::Value;

use super::ArmClient;
use crate::error::ArmError;
use crate::operation::{Follow, Operation, Verb, Wait};

impl ArmClient {
    /// The resource as written, if it shows that the write arrived; otherwise the error it ended in.
    pub(super) async fn recover(
        &self,
        id: &ResourceId,
        body: &Value,
        error: ArmError,
        wait: &Wait<'_>,
    ) -> Result<Value, ArmError> {
        match self.get(id).await {
            Ok(Some(live)) if covers(&live, body) => {}
            Ok(_) | Err(_) => return Err(error),
        }
        let follow = Follow::ProvisioningState;
        let operation = Operation { verb: Verb::Put, resource: id.clone(), follow, location: None };
        self.follow(operation, Some(std::time::Duration::ZERO), wait).await?.ok_or(error)
    }
}

/// Whether a live document says all that a written one says, fields that ARM fills in aside.
fn covers(live: &Value, written: &Value) -> bool {
    match (live, written) {
        (_, Value::Null) => true,
        (Value::Object(live), Value::Object(written)) => written.iter().all(|(name, value)| {
            matches!(name.as_str(), "etag" | "provisioningState")
                || live.get(name).map_or(is_empty(value), |live| covers(live, value))
        }),
        (Value::Array(live), Value::Array(written)) => {
            live.len() == written.len()
                && live.iter().zip(written).all(|(live, written)| covers(live, written))
        }
        // Ids and names come back in another case.
        (Value::String(live), Value::String(written)) => live.eq_ignore_ascii_case(written),
        (live, written) => live == written,
    }
}

/// What ARM leaves out when it is written.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_live_document_may_say_more_but_not_less_or_other() {
        let written = json!({"location": "EastUS", "etag": "1", "tags": {},
            "properties": {"subnet": {"id": "/S"}, "list": [{"name": "a"}], "on": true}});
        let live = json!({"id": "/x", "location": "eastus", "etag": "2", "properties": {
            "provisioningState": "Updating", "on": true,
            "subnet": {"id": "/s"}, "list": [{"name": "a", "id": "/x/a"}]}});
        assert!(covers(&live, &written));
        for (pointer, other) in [
            ("/properties/on", json!(false)),
            ("/properties/list", json!([])),
            ("/properties/list", json!([{"name": "b"}])),
            ("/properties/subnet", json!({})),
            ("/location", json!("westus")),
        ] {
            let mut moved = live.clone();
            *moved.pointer_mut(pointer).unwrap() = other;
            assert!(!covers(&moved, &written), "{pointer}");
        }
    }
}
