//! How far the controller is with a Service, by its events.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::inventory::Inventory;
use crate::kubernetes::service::{Key, Service};

use crate::writer::Writers;

/// The newest event of a Service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastEvent {
    /// `Normal` or `Warning`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Such as `SyncLoadBalancerFailed`.
    pub reason: String,
    /// What it says.
    pub message: String,
    /// When, in RFC 3339.
    pub at: String,
}

/// How far the controller is with a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Its last sync failed; it tries again, after up to 300 s.
    Failed(LastEvent),
    /// It is at it, or has not begun.
    Behind(Option<LastEvent>),
    /// It was done after the Service was last written.
    Done(LastEvent),
    /// No event tells: the API server keeps them for an hour.
    Unknown,
}

impl Progress {
    /// The event that says so.
    pub(crate) fn event(&self) -> Option<&LastEvent> {
        match self {
            Self::Failed(event) | Self::Done(event) => Some(event),
            Self::Behind(event) => event.as_ref(),
            Self::Unknown => None,
        }
    }
}

/// How long after a write a missing event means that the controller is still to come: it serves one
/// Service after the other, for up to minutes each.
const FRESH_SECONDS: i64 = 15 * 60;

/// Whether any event says that a sync failed.
pub(crate) fn any_failed(live: &Inventory<'_>) -> bool {
    let says = |event: &Value, field: &str, is_it: &dyn Fn(&str) -> bool| {
        event.get(field).and_then(Value::as_str).is_some_and(is_it)
    };
    live.events().objects().any(|event| {
        says(event, "type", &|it| it == "Warning")
            && says(event, "reason", &|it| ENDED.contains(&it))
    })
}

/// The event that says that the last sync of a Service failed.
pub(crate) fn failure(live: &Inventory<'_>, service: &Service) -> Option<LastEvent> {
    let events = events(live, &service.key, &service.uid);
    let ended = newest_of(&events, &ENDED);
    ended.filter(|event| event.kind == "Warning").cloned()
}

/// The events with which a sync ends.
const ENDED: [&str; 5] = [
    "EnsuredLoadBalancer",
    "UpdatedLoadBalancer",
    "DeletedLoadBalancer",
    "SyncLoadBalancerFailed",
    "UpdateLoadBalancerFailed",
];

fn newest_of<'a>(events: &'a [LastEvent], reasons: &[&str]) -> Option<&'a LastEvent> {
    events.iter().filter(|event| reasons.contains(&event.reason.as_str())).max_by_key(order)
}

/// How far the controller is.
pub(crate) fn progress(live: &Inventory<'_>, service: &Service) -> Progress {
    let events = events(live, &service.key, &service.uid);
    let ended = newest_of(&events, &ENDED);
    let begun = newest_of(&events, &["EnsuringLoadBalancer", "DeletingLoadBalancer"]);
    if let Some(failed) = ended.filter(|event| event.kind == "Warning") {
        return Progress::Failed(failed.clone());
    }
    let writers = Writers::of(&service.object);
    let written = writers.last_written();
    match (ended, begun) {
        (Some(ended), Some(begun)) if begun.at > ended.at => Progress::Behind(Some(begun.clone())),
        (None, Some(begun)) => Progress::Behind(Some(begun.clone())),
        (Some(ended), _) if written.is_none_or(|at| at <= ended.at.as_str()) => {
            Progress::Done(ended.clone())
        }
        (ended, _) => {
            // Labels do not start a sync, and their writes look like any other: only a fresh write may
            // still be waited for.
            let fresh = written.is_some_and(|at| is_fresh(at, live.taken_at()));
            match (fresh, ended) {
                (true, ended) => Progress::Behind(ended.cloned()),
                (false, Some(ended)) => Progress::Done(ended.clone()),
                (false, None) => Progress::Unknown,
            }
        }
    }
}

/// Whether the second time is not long after the first.
fn is_fresh(from: &str, to: &str) -> bool {
    let parse = |text: &str| text.parse::<jiff::Timestamp>().ok();
    let (Some(from), Some(to)) = (parse(from), parse(to)) else { return false };
    to.as_second().saturating_sub(from.as_second()) <= FRESH_SECONDS
}

fn order(event: &&LastEvent) -> (String, String) {
    // Events have whole seconds: of those of one second, what ends comes behind what begins.
    (event.at.clone(), event.reason.clone())
}

/// The events of a Service. One of the same name that is gone does not count.
fn events(live: &Inventory<'_>, key: &Key, uid: &str) -> Vec<LastEvent> {
    let text = |event: &Value, pointer: &str| {
        event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let of_it = |event: &&Value| {
        text(event, "/involvedObject/namespace") == key.namespace
            && text(event, "/involvedObject/name") == key.name
            && [uid, ""].contains(&text(event, "/involvedObject/uid").as_str())
    };
    let time = |event: &Value| {
        let times = ["/lastTimestamp", "/series/lastObservedTime", "/eventTime"];
        let found = times.iter().map(|pointer| text(event, pointer)).find(|time| !time.is_empty());
        found.unwrap_or_else(|| text(event, "/metadata/creationTimestamp"))
    };
    let events = live.events().objects();
    events
        .filter(of_it)
        .map(|event| LastEvent {
            kind: text(event, "/type"),
            reason: text(event, "/reason"),
            message: text(event, "/message"),
            at: time(event),
        })
        .collect()
}
