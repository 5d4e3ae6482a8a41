//! How far the controller's sync of a Service is, told from the Service's Events.
//!
//! A sync begins with `EnsuringLoadBalancer` and ends with `EnsuredLoadBalancer` or
//! `SyncLoadBalancerFailed` (k8s.io/cloud-provider, controllers/service). Times have whole seconds.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::kubernetes::service::Key;
use crate::pointer::At;

/// A controller that has not begun, or not ended, after so long did not hear of the write, or lost its
/// memory of it. Events are kept for an hour.
const FORGOTTEN: SignedDuration = SignedDuration::from_mins(10);

/// The syncs of one Service, as far as Events tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Syncs {
    /// When a sync last began.
    pub begun: Option<Timestamp>,
    /// When a sync last ended well.
    pub ensured: Option<Timestamp>,
    /// When a sync last failed.
    pub failed: Option<Timestamp>,
    /// The last Event of all: its reason and what it says.
    pub last: Option<(String, String)>,
}

/// The syncs of a Service. With its uid, Events of a deleted one of the same name are not of it; those that name no uid are.
pub fn of<'a>(
    service: &Key,
    uid: Option<&str>,
    events: impl IntoIterator<Item = &'a Value>,
) -> Syncs {
    let mut syncs = Syncs::default();
    let mut last: Option<Timestamp> = None;
    for event in events {
        let text = |pointer: &str| event.at(pointer).and_then(Value::as_str);
        let (namespace, name) = (text("/involvedObject/namespace"), text("/involvedObject/name"));
        if namespace != Some(&service.namespace) || name != Some(&service.name) {
            continue;
        }
        let of = text("/involvedObject/uid").filter(|it| !it.is_empty());
        if let (Some(of), Some(uid)) = (of, uid)
            && of != uid
        {
            continue;
        }
        let Some(at) = time(event) else { continue };
        let reason = text("/reason").unwrap_or_default();
        let newest = match reason {
            "EnsuringLoadBalancer" => Some(&mut syncs.begun),
            "EnsuredLoadBalancer" => Some(&mut syncs.ensured),
            "SyncLoadBalancerFailed" => Some(&mut syncs.failed),
            _ => None,
        };
        if let Some(newest) = newest {
            *newest = (*newest).max(Some(at));
        }
        // Of one second, the end of a sync says more than its beginning.
        if last < Some(at) || last == Some(at) && reason != "EnsuringLoadBalancer" {
            last = Some(at);
            let said = text("/message").unwrap_or_default();
            syncs.last = Some((reason.to_owned(), said.to_owned()));
        }
    }
    syncs
}

/// When an Event last happened: old and new recorders say it in different fields.
fn time(event: &Value) -> Option<Timestamp> {
    ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/firstTimestamp"]
        .iter()
        .find_map(|pointer| event.at(pointer)?.as_str()?.parse().ok())
}

/// When somebody last wrote what makes the controller sync a Service: its spec or its annotations.
pub fn last_write(service: &Value) -> Option<Timestamp> {
    let entries = service.at("/metadata/managedFields").and_then(Value::as_array);
    let writes = entries.into_iter().flatten().filter(|entry| {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        let owns = |pointer: &str| entry.at(pointer).is_some();
        let of_controller = text("manager").ends_with("cloud-controller-manager");
        let of_interest = owns("/fieldsV1/f:spec") || owns("/fieldsV1/f:metadata/f:annotations");
        !of_controller && text("subresource").is_empty() && of_interest
    });
    let written = writes.filter_map(|entry| entry.get("time")?.as_str()?.parse().ok());
    let created = service.at("/metadata/creationTimestamp").and_then(Value::as_str);
    written.chain(created.and_then(|created| created.parse().ok())).max()
}

/// Whether the controller has yet to begin, or to end, the sync of a Service's last write. `now` is
/// when both were observed.
pub fn is_pending<'a>(
    service: &Value,
    events: impl IntoIterator<Item = &'a Value>,
    now: Timestamp,
) -> bool {
    let text = |pointer: &str| service.at(pointer).and_then(Value::as_str);
    let (Some(namespace), Some(name)) = (text("/metadata/namespace"), text("/metadata/name"))
    else {
        return false;
    };
    let syncs = of(&Key::new(namespace, name), text("/metadata/uid"), events);
    let begun = last_write(service).max(syncs.begun);
    let ended = syncs.ensured.max(syncs.failed);
    begun > ended && begun.is_some_and(|begun| now.duration_since(begun) < FORGOTTEN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(reason: &str, second: u8) -> Value {
        json!({
            "involvedObject": {"namespace": "default", "name": "web"},
            "reason": reason, "message": "m",
            "lastTimestamp": format!("2026-01-01T00:00:{second:02}Z"),
        })
    }

    /// A Service whose spec was written at a second, and whose finalizer and status later.
    fn service(second: u8) -> Value {
        let entry = |manager: &str, second: u8, fields: Value, subresource: &str| {
            json!({
                "manager": manager, "time": format!("2026-01-01T00:00:{second:02}Z"),
                "fieldsV1": fields, "subresource": subresource,
            })
        };
        json!({"metadata": {
            "namespace": "default", "name": "web", "creationTimestamp": "2026-01-01T00:00:00Z",
            "managedFields": [
                entry("privlink", second, json!({"f:spec": {}}), ""),
                entry("cloud-controller-manager", 50, json!({"f:metadata": {"f:annotations": {}}}), ""),
                entry("somebody", 51, json!({"f:metadata": {"f:labels": {}}}), ""),
                entry("somebody", 52, json!({"f:status": {}, "f:spec": {}}), "status"),
            ],
        }})
    }

    fn pending(written: u8, events: &[Value], now: &str) -> bool {
        is_pending(&service(written), events, now.parse().unwrap())
    }

    const SOON: &str = "2026-01-01T00:00:59Z";

    #[test]
    fn a_write_is_pending_until_a_sync_after_it_has_ended() {
        assert!(pending(10, &[], SOON));
        assert!(pending(10, &[event("EnsuredLoadBalancer", 9)], SOON));
        assert!(!pending(10, &[event("EnsuredLoadBalancer", 10)], SOON));
        assert!(!pending(10, &[event("SyncLoadBalancerFailed", 12)], SOON));
        let under_way = [event("EnsuredLoadBalancer", 10), event("EnsuringLoadBalancer", 11)];
        assert!(pending(10, &under_way, SOON));
    }

    #[test]
    fn a_controller_that_says_nothing_for_long_has_missed_it() {
        assert!(!pending(10, &[], "2026-01-01T00:10:10Z"));
    }

    #[test]
    fn another_services_events_do_not_count() {
        let mut other = event("EnsuredLoadBalancer", 20);
        other["involvedObject"]["name"] = json!("api");
        assert!(pending(10, &[other], SOON));
    }

    #[test]
    fn events_of_a_predecessor_of_the_same_name_do_not_count() {
        let mut events = [event("EnsuredLoadBalancer", 20), event("SyncLoadBalancerFailed", 30)];
        events[1]["involvedObject"]["uid"] = json!("old");
        let key = Key::new("default", "web");
        let of_uid = |uid: Option<&str>| of(&key, uid, &events).last.unwrap().0;
        assert_eq!(of_uid(Some("new")), "EnsuredLoadBalancer");
        assert_eq!(of_uid(Some("old")), "SyncLoadBalancerFailed");
        assert_eq!(of_uid(None), "SyncLoadBalancerFailed");
        let mut service = service(10);
        service["metadata"]["uid"] = json!("new");
        events[0]["involvedObject"]["uid"] = json!("old");
        assert!(is_pending(&service, &events, SOON.parse().unwrap()));
    }

    #[test]
    fn the_last_event_is_the_one_that_says_most() {
        let events = [
            event("EnsuredLoadBalancer", 10),
            event("SyncLoadBalancerFailed", 20),
            event("EnsuringLoadBalancer", 20),
        ];
        let last = of(&Key::new("default", "web"), None, &events).last.map(|(reason, _)| reason);
        assert_eq!(last.as_deref(), Some("SyncLoadBalancerFailed"));
    }
}
