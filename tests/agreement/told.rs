//! What plan and drift say of one world.

use std::collections::BTreeSet;

use privlink_core::drift::StackReport;
use privlink_core::plan;
use serde_json::Value;

use crate::broken;
use crate::generated::desired;
use crate::world::{Applied, shared_frontend};

/// The Services that the repairs of a report sync.
fn synced(report: &StackReport) -> BTreeSet<String> {
    let repairs = report.differences.iter().filter_map(|it| it.repair.as_ref());
    let commands = repairs.flat_map(|it| &it.commands).map(|it| it.words().to_vec());
    let syncs = commands.filter(|it| it.join(" ").starts_with("kubectl annotate service"));
    syncs.map(|it| it[5].clone()).collect()
}

#[test]
fn a_repair_syncs_the_service_that_a_link_on_a_shared_frontend_was_made_for() {
    let applied = Applied::of(&shared_frontend());
    let visible = |it: &mut Value| {
        broken::each(it, "privatelinkservices", |it| {
            it["properties"]["visibility"] = serde_json::json!({"subscriptions": ["x"]});
        });
    };
    let (plan, report) = applied.broken(visible);
    assert_eq!(synced(&report), BTreeSet::from(["web".to_owned()]), "{report:#?}");
    let nudged = plan.changes.iter().filter(|it| it.address.to_string().starts_with("Service/"));
    let nudged: Vec<String> = nudged.map(|it| it.address.to_string()).collect();
    assert_eq!(nudged, ["Service/default/web"]);
}

#[test]
fn a_renamed_endpoint_of_a_shared_frontend_keeps_its_name_in_azure() {
    let documents = shared_frontend();
    let mut applied = Applied::of(&documents);
    let renamed: Vec<String> =
        documents.iter().map(|it| it.replace("by-group", "renamed")).collect();
    applied.desired = desired(&renamed);
    let (plan, _) = applied.broken(|_| {});
    assert!(plan.is_empty(), "{:#?}", plan.changes);
    assert!(plan.findings.iter().any(|it| it.code.as_str() == "endpoint-renamed"));
}

#[test]
fn a_connection_in_no_known_state_counts_as_a_consumer_where_its_link_is_re_created() {
    let documents = shared_frontend();
    let mut applied = Applied::of(&documents);
    let moved: Vec<String> =
        documents.iter().map(|it| it.replace("10.240.0.25", "10.240.0.26")).collect();
    applied.desired = desired(&moved);
    let (plan, _) = applied.broken(|it| broken::connections(it, "Odd"));
    assert_eq!(plan::disconnected(&plan.changes).len(), 3, "{:#?}", plan.changes);
}

/// A record is not compared with an address that nobody could read.
#[test]
fn an_unread_interface_changes_no_record() {
    let applied = Applied::of(&shared_frontend());
    let (plan, report) = applied.broken(|it| broken::unread(it, "networkinterfaces"));
    assert!(plan.is_empty() && !plan.unread.is_empty(), "{plan:#?}");
    assert!(plan.refusals.iter().any(|it| it.code.as_str() == "unreadable"), "{plan:#?}");
    assert_eq!(report.differences, [], "{report:#?}");
}

#[test]
fn a_lost_finalizer_is_put_back_by_a_sync() {
    let applied = Applied::of(&shared_frontend());
    let (_, report) = applied.broken(|it| {
        broken::services(it, |it| it["metadata"]["finalizers"] = serde_json::json!([]));
    });
    let it = report.differences.iter().find(|it| it.message.contains("finalizer")).unwrap();
    let repair = it.repair.as_ref().unwrap();
    assert!(repair.commands[0].to_string().contains("privlink.dev/sync="), "{it:#?}");
}

/// Of those on a shared frontend, the Service that a Private Link Service belongs to is told that it is re-created.
#[test]
fn a_re_created_link_is_told_at_the_service_that_it_belongs_to() {
    let mut applied = Applied::of(&shared_frontend());
    let moved: Vec<String> =
        shared_frontend().iter().map(|it| it.replace("10.240.0.25", "10.240.0.26")).collect();
    applied.desired = desired(&moved);
    let (plan, _) = applied.broken(|_| {});
    let told = plan.findings.iter().filter(|it| it.code.as_str() == "link-recreated");
    let told: Vec<String> = told.map(|it| it.address.to_string()).collect();
    assert_eq!(told, ["Service/default/web"]);
}
