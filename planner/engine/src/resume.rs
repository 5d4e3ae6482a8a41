//! What a run left under way: operations that Azure accepted and that nobody saw end, as the run's
//! journal tells, or as the stack's endpoints show where there is no journal. They are followed to their
//! end before anything is planned, so that the plan is made from what they leave and not from what is
//! between two states.

use privlink_core::arm::arm_type::ArmType;
use std::collections::BTreeMap;

use privlink_azure::{ArmError, ErrorKind, Follow, Operation, Verb, Wait};
use privlink_core::event::{Event, EventKind};
use privlink_core::marks::STACK_TAG;
use privlink_core::node_id::NodeId;
use privlink_core::resource_id::ResourceId;
use privlink_core::snapshot::Snapshot;
use serde_json::Value;
use tokio::time::Instant;

use crate::patience::WaitKind;
use crate::session::Session;

/// An operation that a run left under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The step it belongs to.
    pub step: usize,
    /// The object it is about.
    pub address: NodeId,
    /// The operation.
    pub operation: Operation,
}

/// The most operations that a run leaves under way: as many as it may have carried out at once, and more.
/// A journal that names others was not written by a run.
const MOST: usize = 20;

/// What the run of these events left under way, in the order of its steps; of very many the last ones. What
/// is beyond is left to what is live.
pub fn left(events: &[Event]) -> Vec<Left> {
    let mut left: BTreeMap<usize, Left> = BTreeMap::new();
    for event in events {
        let (Some(step), Some(address)) = (event.step, &event.address) else { continue };
        match &event.kind {
            EventKind::Accepted { operation } => {
                // What another version wrote and this one cannot read is left to what is live.
                if let Ok(operation) = serde_json::from_value(operation.clone()) {
                    left.insert(step, Left { step, address: address.clone(), operation });
                }
            }
            EventKind::Succeeded { .. }
            | EventKind::AwaitingApproval { .. }
            | EventKind::Failed { .. } => {
                left.remove(&step);
            }
            _ => {}
        }
    }
    let beyond = left.len().saturating_sub(MOST);
    left.into_values().skip(beyond).collect()
}

/// The stack's endpoints that Azure still works on.
pub fn under_way(snapshot: &Snapshot, stack: &str) -> Vec<Operation> {
    let endpoints = snapshot.resources_of_type(ArmType::PrivateEndpoint.name());
    endpoints
        .filter(|it| {
            it.pointer(&format!("/tags/{STACK_TAG}")).and_then(Value::as_str) == Some(stack)
        })
        .filter_map(|it| {
            let state = it.pointer("/properties/provisioningState")?.as_str()?;
            let verb = match state {
                "Succeeded" | "Failed" | "Canceled" => return None,
                "Deleting" => Verb::Delete,
                _ => Verb::Put,
            };
            let resource = ResourceId::new(it.get("id")?.as_str()?);
            Some(Operation { verb, resource, follow: Follow::ProvisioningState, location: None })
        })
        .collect()
}

/// Follows operations to their ends, side by side: what one waits for holds up no other. What became of
/// each, in order.
pub async fn follow_all(left: &[Left], session: &Session) -> Vec<Result<(), ArmError>> {
    futures::future::join_all(left.iter().map(|it| follow(&it.operation, session))).await
}

/// Follows an operation to its end. Where Azure no longer knows it by its address, the resource itself
/// tells.
///
/// # Errors
///
/// The operation's own failure, or why it could not be followed.
pub async fn follow(operation: &Operation, session: &Session) -> Result<(), ArmError> {
    let deadline = Instant::now() + session.patience.deadline(WaitKind::Endpoint);
    let wait = Wait { deadline, progress: &|_| {} };
    let outcome = tokio::select! {
        outcome = session.arm.resume(operation, &wait) => outcome,
        () = session.stop.cancelled() => return Ok(()),
    };
    match outcome {
        Err(error) if is_unknown(&error) && operation.follow != Follow::ProvisioningState => {
            let by_resource = Operation {
                follow: Follow::ProvisioningState,
                location: None,
                ..operation.clone()
            };
            match session.arm.resume(&by_resource, &wait).await {
                Err(error) if error.kind == ErrorKind::Missing => Ok(()),
                outcome => outcome.map(|_| ()),
            }
        }
        outcome => outcome.map(|_| ()),
    }
}

/// Whether the error is about the operation's address, and not about what it did.
fn is_unknown(error: &ArmError) -> bool {
    let of_address = [
        ErrorKind::Missing,
        ErrorKind::Denied,
        ErrorKind::Invalid,
        ErrorKind::Protocol,
        ErrorKind::UntrustedUrl,
    ];
    error.detail.doing == privlink_azure::Doing::Poll && of_address.contains(&error.kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use privlink_core::node_id::Kind;

    fn event(step: usize, kind: EventKind) -> Event {
        let address = Some(NodeId::new(Kind::PrivateEndpoint, "pe"));
        Event { at: String::new(), step: Some(step), address, kind }
    }

    fn accepted(step: usize) -> Event {
        let operation = Operation {
            verb: Verb::Put,
            resource: ResourceId::new("/subscriptions/s/resourceGroups/g"),
            follow: Follow::ProvisioningState,
            location: None,
        };
        event(step, EventKind::Accepted { operation: serde_json::to_value(operation).unwrap() })
    }

    #[test]
    fn what_ended_is_not_left() {
        let events = [
            accepted(1),
            accepted(2),
            accepted(3),
            event(1, EventKind::Succeeded { detail: String::new() }),
            event(3, EventKind::Failed { error: String::new(), otherwise: false }),
        ];
        let steps: Vec<usize> = left(&events).iter().map(|left| left.step).collect();
        assert_eq!(steps, [2]);
    }

    #[test]
    fn a_journal_with_hundreds_of_operations_holds_nobody_up() {
        let events: Vec<Event> = (1..=300).map(accepted).collect();
        let steps: Vec<usize> = left(&events).iter().map(|left| left.step).collect();
        assert_eq!(steps, (281..=300).collect::<Vec<_>>());
    }

    #[test]
    fn an_operation_in_words_of_another_version_is_left_to_what_is_live() {
        let operation = serde_json::json!({"verb": "patch"});
        assert_eq!(left(&[event(1, EventKind::Accepted { operation })]), []);
    }
}
