//! Plan and drift agree, over generated stacks whose worlds are then broken: what a plan has nothing to say
//! of is no drift, and the other way round, but for the classes of one table.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what fails here fails the test"
)]

#[path = "../support/broken.rs"]
mod broken;
#[path = "../support/generated.rs"]
mod generated;
#[path = "../support/served.rs"]
mod served;
#[path = "../support/stage.rs"]
mod stage;
#[path = "../support/mod.rs"]
mod support;

mod ends;
mod pairs;
mod repairs;
mod told;
mod world;

use std::collections::BTreeSet;

use broken::{BROKEN, Broken};
use ends::ENDS;
use generated::version;
use privlink_core::drift::{self, Class, StackReport};
use privlink_core::plan::Plan;
use proptest::prelude::*;
use repairs::no_repair_disconnects_in_silence;
use serde_json::Value;
use world::{Applied, drift_of, read, shared_frontend};

/// What only drift tells, and why a plan does not.
const ONLY_DRIFT: [(Class, &str); 4] = [
    (Class::Foreign, "what others put beside the stack is no concern of its plans"),
    (Class::ConsumerGone, "who went cannot be brought back by anything that is planned"),
    (Class::Unverified, "it is no difference under another value of an assumed fact"),
    (Class::Orphan, "what the controller left behind is for somebody in Azure to delete"),
];

/// Nodes of which only drift tells, and why.
const ONLY_DRIFT_AT: [(&str, &str); 1] =
    [("Subnet/", "its policy is set again only when a Private Link Service is written")];

/// What a plan says, beside what it says of the world as it was applied.
fn says_anything(plan: &Plan, whole: &Plan) -> bool {
    let known = |finding| whole.findings.contains(finding);
    !plan.is_empty()
        || plan.changes.iter().any(|change| !change.fields.is_empty())
        || plan.findings.iter().any(|finding| !known(finding))
        || !plan.awaiting_approval.is_empty() && plan.awaiting_approval != whole.awaiting_approval
}

/// What a plan says, in short.
fn told_by(plan: &Plan, whole: &Plan) -> String {
    let changes =
        plan.changes.iter().map(|it| format!("{} {:?} {}", it.address, it.action, it.reason));
    let new = plan.findings.iter().filter(|it| !whole.findings.contains(it));
    let findings = new.map(|it| format!("{} {} {}", it.address, it.code, it.message));
    changes.chain(findings).collect::<Vec<_>>().join("; ")
}

/// Whether a difference is one that only drift tells.
fn is_only_drift(difference: &drift::Difference) -> bool {
    let at = difference.address.to_string();
    ONLY_DRIFT.iter().any(|(class, _)| *class == difference.class)
        || ONLY_DRIFT_AT.iter().any(|(start, _)| at.starts_with(start))
}

/// Nothing is an orphan that rules of a live Service are on.
fn no_orphan_is_in_use(report: &StackReport, snapshot: &Value) {
    let text = snapshot["azure"].to_string().to_lowercase();
    let live = snapshot["kubernetes"]["services"]["present"].as_array().unwrap();
    for orphan in report.differences.iter().filter(|it| it.class == Class::Orphan) {
        let Some(object) = orphan.object.as_deref().filter(|it| it.contains("frontendIP")) else {
            continue;
        };
        let used = format!("\"frontendipconfiguration\":{{\"id\":\"{}\"}}", object.to_lowercase());
        let names = live.iter().filter_map(|it| it["metadata"]["uid"].as_str());
        let serves = |uid: &str| {
            let base: String = format!("a{uid}").chars().filter(|c| *c != '-').take(32).collect();
            text.contains(&used) && text.contains(&format!("\"name\":\"{base}-"))
        };
        assert!(!names.into_iter().any(serves), "{orphan:#?}");
    }
}

/// All that carries the stack's mark is looked at.
fn all_that_is_marked_is_looked_at(report: &StackReport, snapshot: &Value) {
    let nodes: BTreeSet<String> = report.nodes.iter().map(|it| it.address.to_string()).collect();
    for service in snapshot["kubernetes"]["services"]["present"].as_array().unwrap() {
        if service["metadata"]["labels"]["privlink.dev/stack"] == "laws" {
            let name = service["metadata"]["name"].as_str().unwrap();
            assert!(nodes.contains(&format!("Service/default/{name}")), "{name}: {nodes:?}");
        }
    }
    for (path, reading) in snapshot["azure"].as_object().unwrap() {
        let is_it = path.ends_with("/privateendpoints");
        for endpoint in reading["present"].as_array().into_iter().flatten().filter(|_| is_it) {
            if endpoint["tags"]["privlink-stack"] == "laws" {
                let name = endpoint["name"].as_str().unwrap();
                assert!(nodes.contains(&format!("PrivateEndpoint/{name}")), "{name}: {nodes:?}");
            }
        }
    }
}

/// The lists of a snapshot, the other way round.
fn reversed(snapshot: &Value) -> Value {
    let mut other = snapshot.clone();
    for reading in other["azure"].as_object_mut().unwrap().values_mut() {
        if let Some(list) = reading.get_mut("present").and_then(Value::as_array_mut) {
            list.reverse();
        }
    }
    for list in ["services", "nodes", "events"] {
        if let Some(list) = other["kubernetes"][list]["present"].as_array_mut() {
            list.reverse();
        }
    }
    other
}

fn cases() -> u32 {
    std::env::var("LAW_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(4)
}

/// Where plan and drift disagree about a stack that was applied, and then broken in each way.
fn disagreements(documents: &[String]) -> Vec<String> {
    let applied = Applied::of(documents);
    let (whole, at_rest) = applied.broken(|_| {});
    let Applied { desired, snapshot: kept, facts } = &applied;
    let mut disagreements = Vec::new();
    for Broken { name, by } in BROKEN.iter().chain(ENDS) {
        let mut broken = kept.clone();
        by(&mut broken);
        let (plan, report) = applied.broken(by);
        no_orphan_is_in_use(&report, &broken);
        all_that_is_marked_is_looked_at(&report, &broken);
        no_repair_disconnects_in_silence(&report, desired, &broken, facts);
        let other = read(&reversed(&broken));
        assert_eq!(drift_of(desired, &other, facts), report, "{name}: order");
        let new = |it: &&drift::Difference| !at_rest.differences.contains(it);
        let differences: Vec<&drift::Difference> = report.differences.iter().filter(new).collect();
        let told: Vec<_> = differences.iter().filter(|it| !is_only_drift(it)).collect();
        if plan.unread.is_empty() != report.unreadable.is_empty() {
            disagreements
                .push(format!("{name}: unread: {:?} {:?}", plan.unread, report.unreadable));
        }
        if says_anything(&plan, &whole) {
            if differences.is_empty() && report.unreadable.is_empty() {
                disagreements.push(format!("{name}: only the plan: {}", told_by(&plan, &whole)));
            }
        } else if !told.is_empty() {
            disagreements.push(format!("{name}: only drift: {told:#?}"));
        }
    }
    disagreements
}

#[test]
fn plan_and_drift_agree_where_a_frontend_is_shared() {
    let disagreements = disagreements(&shared_frontend());
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
}

/// What a plan and a look for drift say of a world that is broken in a way, by codes: of a finding or of a change's action,
/// and of a difference's class.
const SAID: &[(&str, &str, &str)] = &[
    ("endpoints deleting", "resource-state", "unhealthy"),
    ("endpoints in no known state", "resource-state", "unhealthy"),
    ("links deleting", "resource-state", "unhealthy"),
    ("links canceled", "resource-failed", "provisioning-failed"),
    ("frontends failed", "resource-failed", "provisioning-failed"),
    ("records in no known state", "resource-state", "unhealthy"),
    ("services deleting", "service-deleting", "unhealthy"),
    ("addresses of endpoints moved", "record-lost", "unhealthy"),
    ("zone groups without records", "record-lost", "unhealthy"),
    ("consumers shut out", "nat-addresses-shut-out", "unhealthy"),
    ("probes shut out", "probes-denied", "unhealthy"),
    ("links without a frontend", "link-without-frontend", "unhealthy"),
    ("other messages", "message-stays", "not-applied"),
    ("machines in no pool", "changed", "changed-in-azure"),
    ("visible to nobody", "changed", "changed-in-azure"),
    ("the controller fails", "controller-failing", "controller-failed"),
    ("a stranger in no state", "connection-unknown", "disconnected"),
];

#[test]
fn what_is_broken_is_reported_by_plan_and_drift() {
    let applied = Applied::of(&shared_frontend());
    for (name, of_plan, of_drift) in SAID {
        let broken = BROKEN.iter().find(|it| it.name == *name).unwrap();
        let (plan, report) = applied.broken(broken.by);
        let findings = plan.findings.iter().map(|it| it.code.as_str());
        let changes = plan.changes.iter().map(|it| it.action.word());
        let said: BTreeSet<&str> = findings.chain(changes).collect();
        assert!(said.contains(of_plan), "{name}: {of_plan} is not among {said:?}");
        let classes: BTreeSet<&str> =
            report.differences.iter().map(|it| it.class.as_str()).collect();
        assert!(classes.contains(of_drift), "{name}: {of_drift} is not among {classes:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn plan_and_drift_agree_on_what_is_broken(version in version()) {
        let documents = version.documents("laws");
        let disagreements = disagreements(&documents);
        prop_assert!(
            disagreements.is_empty(),
            "{}\n{}",
            disagreements.join("\n"),
            documents.join("---\n")
        );
    }
}
