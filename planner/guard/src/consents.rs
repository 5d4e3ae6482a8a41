//! Consent that a write made use of, until the write shows among the stored Services: only then it was carried out, and an
//! Event says so. An answer itself writes nothing anywhere.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use privlink_core::guard::review::{Operation, Request};
use privlink_core::guard::{Decision, Outcome};
use privlink_core::kubernetes::defaults::key_of;
use privlink_core::kubernetes::service::Key;
use serde_json::Value;

use crate::event::{self, Event};

/// How many are waited for at once; the oldest gives way.
const MOST: usize = 256;

/// How long a write may take to show: one that another webhook refuses never does.
const PATIENCE: Duration = Duration::from_secs(60);

/// Consents whose writes have not shown yet.
#[derive(Debug, Default)]
pub(crate) struct Consents(Mutex<VecDeque<Consented>>);

/// A write that was let through by consent.
#[derive(Debug)]
struct Consented {
    at: Instant,
    key: Key,
    uid: Option<Value>,
    /// What the write stores; nothing if it deletes.
    stored: Option<Value>,
    /// The version that the write replaces.
    replaced: Option<Value>,
    event: Event,
}

impl Consents {
    /// Waits for a write, if it makes use of consent and will be stored.
    pub(crate) fn expect(&self, request: &Request, decision: &Decision) {
        let Outcome::Judged(judgement) = &decision.outcome else { return };
        if judgement.consents.is_empty() || request.dry_run || !decision.verdict.is_allowed() {
            return;
        }
        let Some(object) = request.object.as_ref().or(request.old_object.as_ref()) else { return };
        let replaced = request.old_object.as_ref();
        let consented = Consented {
            at: Instant::now(),
            key: request.key.clone(),
            uid: object.pointer("/metadata/uid").cloned(),
            stored: request.object.clone().filter(|_| request.operation != Operation::Delete),
            replaced: replaced.and_then(|it| it.pointer("/metadata/resourceVersion").cloned()),
            event: event::of_consent(request, object, &judgement.consents),
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() == MOST {
            all.pop_front();
        }
        all.push_back(consented);
    }

    /// The Events of those whose writes are among the stored Services. None of them is waited for any longer, nor are those
    /// that never showed.
    pub(crate) fn carried_out(&self, services: &[Value]) -> Vec<Event> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut events = Vec::new();
        let mut waiting = VecDeque::new();
        for consented in all.drain(..) {
            if consented.shows(services) {
                events.push(consented.event);
            } else if consented.at.elapsed() < PATIENCE {
                waiting.push_back(consented);
            }
        }
        *all = waiting;
        events
    }
}

impl Consented {
    /// Whether the Service is stored as it was let through, or is on its way out.
    fn shows(&self, services: &[Value]) -> bool {
        let uid = |it: &Value| it.pointer("/metadata/uid").cloned();
        let live = services.iter().find(|it| key_of(it) == self.key && uid(it) == self.uid);
        let Some(stored) = &self.stored else {
            return live.is_none_or(|it| it.pointer("/metadata/deletionTimestamp").is_some());
        };
        live.is_some_and(|live| {
            let same = |pointer: &str| live.pointer(pointer) == stored.pointer(pointer);
            let version = live.pointer("/metadata/resourceVersion");
            version != self.replaced.as_ref() && same("/metadata/annotations") && same("/spec")
        })
    }
}

#[cfg(test)]
mod tests {
    use privlink_core::guard::policy::Mode;
    use privlink_core::guard::{Judgement, Verdict};
    use privlink_core::plan::Consent;
    use serde_json::json;

    use super::*;

    fn service(version: &str, address: &str) -> Value {
        json!({
            "metadata": {
                "namespace": "shop", "name": "app", "uid": "u", "resourceVersion": version,
                "annotations": {"service.beta.kubernetes.io/azure-load-balancer-ipv4": address},
            },
            "spec": {"type": "LoadBalancer"},
        })
    }

    fn request(operation: Operation) -> Request {
        Request {
            uid: "1".to_owned(),
            operation,
            is_service: true,
            key: Key::new("shop", "app"),
            user: "alice".to_owned(),
            dry_run: false,
            object: (operation != Operation::Delete).then(|| service("1", "10.0.0.5")),
            old_object: Some(service("1", "10.0.0.4")),
        }
    }

    fn decision(verdict: Verdict) -> Decision {
        let consents = vec![Consent {
            endpoint: "pe-shop".to_owned(),
            until: "2026-12-05".to_owned(),
            reason: None,
        }];
        let judgement = Judgement { consents, ..Judgement::default() };
        Decision { verdict, mode: Mode::Enforce, outcome: Outcome::Judged(judgement) }
    }

    #[test]
    fn a_write_has_its_event_once_it_is_stored_and_not_before() {
        let consents = Consents::default();
        consents.expect(&request(Operation::Update), &decision(Verdict::Warned));
        assert!(consents.carried_out(&[service("1", "10.0.0.4")]).is_empty());
        assert!(consents.carried_out(&[service("2", "10.0.0.4")]).is_empty(), "another write");
        let events = consents.carried_out(&[service("3", "10.0.0.5")]);
        assert_eq!(events.len(), 1);
        assert!(consents.carried_out(&[service("3", "10.0.0.5")]).is_empty(), "once");
    }

    #[test]
    fn a_deletion_shows_by_its_end_or_by_its_beginning() {
        let consents = Consents::default();
        let expect = || consents.expect(&request(Operation::Delete), &decision(Verdict::Warned));
        expect();
        assert!(consents.carried_out(&[service("1", "10.0.0.4")]).is_empty());
        assert_eq!(consents.carried_out(&[]).len(), 1);
        expect();
        let mut leaving = service("2", "10.0.0.4");
        leaving["metadata"]["deletionTimestamp"] = json!("2026-11-28T10:00:00Z");
        assert_eq!(consents.carried_out(&[leaving]).len(), 1);
    }

    #[test]
    fn what_is_not_stored_is_not_waited_for() {
        let consents = Consents::default();
        consents.expect(&request(Operation::Delete), &decision(Verdict::Refused));
        let dry = Request { dry_run: true, ..request(Operation::Delete) };
        consents.expect(&dry, &decision(Verdict::Warned));
        assert!(consents.carried_out(&[]).is_empty());
        for _ in 0..MOST + 10 {
            consents.expect(&request(Operation::Delete), &decision(Verdict::Warned));
        }
        assert_eq!(consents.carried_out(&[]).len(), MOST);
    }
}
