use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::policy::{Mode, Policy};
use super::review::{Operation, Request};
use super::{Decision, Outcome, Pass, Seen, Verdict, decide, is_a_touch, stale};
use crate::date;
use crate::facts::Facts;
use crate::inventory::Inventory;
use crate::kubernetes::service::Key;
use crate::snapshot::{FORMAT_VERSION, Index, Kubernetes, Reading, Snapshot};

fn service(kind: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"namespace": "default", "name": "app", "uid": "u", "annotations": {}},
        "spec": {"type": kind, "ports": [{"port": 80, "protocol": "TCP"}]},
    })
}

fn update(old: Value, new: Value) -> Request {
    Request {
        uid: "1".to_owned(),
        operation: Operation::Update,
        is_service: true,
        key: Key::new("default", "app"),
        user: "alice".to_owned(),
        dry_run: false,
        object: Some(new),
        old_object: Some(old),
    }
}

/// A decision where nothing was read, so that whatever is looked at is unknown.
fn decided(request: &Request, policy: &Policy) -> Decision {
    let unread = || Reading::Unreadable("nobody looked".to_owned());
    let snapshot = Snapshot {
        format_version: FORMAT_VERSION.to_owned(),
        taken_at: "2026-11-28T00:00:00Z".to_owned(),
        redacted: false,
        kubernetes: Kubernetes {
            version: Reading::Absent,
            namespace: "default".to_owned(),
            services: unread(),
            nodes: unread(),
            events: unread(),
            namespaces: None,
        },
        azure: BTreeMap::new(),
        index: Index::default(),
    };
    let facts = Facts::default();
    let seen = Seen {
        live: &Inventory::of(&snapshot),
        facts: &facts,
        stack: None,
        trouble: None,
        today: date::of_days(20_785),
        tool_version: "0",
    };
    decide(request, policy, &seen)
}

fn passed(request: &Request, policy: &Policy) -> Option<Pass> {
    match decided(request, policy).outcome {
        Outcome::Passed(pass) => Some(pass),
        Outcome::Unknown(_) | Outcome::Judged(_) => None,
    }
}

/// A Service whose type is removed: worth looking at.
fn edit() -> Request {
    update(service("LoadBalancer"), service("ClusterIP"))
}

#[test]
fn an_old_observation_says_its_age() {
    assert_eq!(stale("1970-01-01T00:01:00Z", 100, 60), None);
    let told = "the cluster and Azure were read 61 s ago, and 60 s is the most (--max-age)";
    assert_eq!(stale("1970-01-01T00:01:00Z", 121, 60).as_deref(), Some(told));
    assert!(stale("yesterday", 0, u64::MAX).is_some());
}

#[test]
fn what_is_no_matter_of_the_controller_passes_unseen() {
    let policy = Policy::default();
    assert_eq!(passed(&edit(), &policy), None);
    let status = Request { is_service: false, ..edit() };
    assert_eq!(passed(&status, &policy), Some(Pass::NotAService));
    let system = Request { key: Key::new("kube-system", "app"), ..edit() };
    assert_eq!(passed(&system, &policy), Some(Pass::Spared));
    let own = Policy { spared: BTreeSet::from(["default".to_owned()]), ..Policy::default() };
    assert_eq!(passed(&edit(), &own), Some(Pass::Spared));
    let plain = update(service("ClusterIP"), service("NodePort"));
    assert_eq!(passed(&plain, &policy), Some(Pass::NoLoadBalancer));
    let mut labelled = service("LoadBalancer");
    labelled["metadata"]["labels"] = json!({"team": "shop"});
    labelled["metadata"]["finalizers"] = json!(["service.kubernetes.io/load-balancer-cleanup"]);
    let labelled = update(service("LoadBalancer"), labelled);
    assert_eq!(passed(&labelled, &policy), Some(Pass::Unread));
    let mut leaving = service("LoadBalancer");
    leaving["metadata"]["deletionTimestamp"] = json!("2026-11-28T00:00:00Z");
    assert_eq!(passed(&update(leaving, service("ClusterIP")), &policy), Some(Pass::Leaving));
}

#[test]
fn labels_say_what_is_done_and_the_stored_one_counts() {
    let mut policy = Policy { mode: Mode::Enforce, fail_closed: true, ..Policy::default() };
    assert_eq!(decided(&edit(), &policy).verdict, Verdict::RefusedUnknown);
    // Whoever writes cannot take the guard off by the same write.
    let mut request = edit();
    request.object.as_mut().expect("an object")["metadata"]["labels"] =
        json!({"privlink.dev/guard": "off"});
    assert_eq!(decided(&request, &policy).verdict, Verdict::RefusedUnknown);
    request.old_object.as_mut().expect("an object")["metadata"]["labels"] =
        json!({"privlink.dev/guard": "off"});
    assert_eq!(passed(&request, &policy), Some(Pass::Off));
    policy.namespaces.insert("default".to_owned(), Mode::Warn);
    assert_eq!(decided(&edit(), &policy).verdict, Verdict::Unknown);
}

#[test]
fn nobody_is_held_back_by_what_is_unknown_unless_that_is_asked_for() {
    let mut policy = Policy { mode: Mode::Enforce, ..Policy::default() };
    assert_eq!(decided(&edit(), &policy).verdict, Verdict::Unknown);
    policy.fail_closed = true;
    assert_eq!(decided(&edit(), &policy).verdict, Verdict::RefusedUnknown);
    let dry = Request { dry_run: true, ..edit() };
    assert_eq!(decided(&dry, &policy).verdict, Verdict::Unknown);
    policy.exempt_users.insert("alice".to_owned());
    let exempt = decided(&edit(), &policy);
    assert_eq!((exempt.verdict, exempt.mode), (Verdict::Unknown, Mode::Warn));
}

#[test]
fn what_nobody_reads_is_a_touch() {
    let with = |key: &str, value: &str| {
        let mut service = service("LoadBalancer");
        service["metadata"]["annotations"][key] = json!(value);
        service
    };
    let touched = |key: &str| is_a_touch(&update(with(key, "a"), with(key, "b")));
    assert!(touched("example.com/note"));
    assert!(touched("meta.helm.sh/release-name"));
    for key in [
        "service.beta.kubernetes.io/azure-pls-create",
        "service.kubernetes.io/azure-pls-create",
        "azure-pls-create",
        "privlink.dev/allow-disconnects",
        "service.kubernetes.io/topology-mode",
    ] {
        assert!(!touched(key), "{key}");
    }
    assert!(!is_a_touch(&edit()));
    let mut protected = service("LoadBalancer");
    protected["metadata"]["labels"] = json!({"privlink.dev/protect": "true"});
    assert!(!is_a_touch(&update(service("LoadBalancer"), protected)));
}
