//! What plan and drift say of one world.

use std::collections::BTreeSet;

use privlink_core::drift::StackReport;
use privlink_core::plan::{self, Plan};
use serde_json::Value;

use crate::broken;
use crate::ends;
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

fn differs(report: &StackReport, at: &str) -> Vec<&'static str> {
    let own = report.differences.iter().filter(|it| it.address.to_string() == at);
    own.map(|it| it.class.as_str()).collect()
}

fn changes(plan: &Plan, at: &str) -> Vec<&'static str> {
    let own = plan.changes.iter().filter(|it| it.address.to_string() == at && it.is_change());
    own.map(|it| it.action.word()).collect()
}

const RECORD: &str = "DnsRecord/privatelink.contoso.com/shop-by-record";

/// What is missing explains, and does not hide: what depends on it is compared with what a plan brings about.
#[test]
fn what_depends_on_something_missing_is_compared() {
    let applied = Applied::of(&shared_frontend());
    let missing: [fn(&mut Value); 4] = [
        |it| broken::on_balancers(it, "loadBalancingRules"),
        |it| broken::on_balancers(it, "frontendIPConfigurations"),
        |it| broken::none(it, "privatelinkservices"),
        ends::consumers_unread,
    ];
    for missing in missing {
        let (plan, report) = applied.broken(|it| {
            missing(it);
            broken::none(it, "a");
            broken::each(it, "privateendpoints", |it| {
                it["tags"].as_object_mut().unwrap().remove("privlink-dns");
            });
        });
        assert_eq!(changes(&plan, RECORD), ["created"], "{:#?}", plan.changes);
        assert_eq!(differs(&report, RECORD), ["missing"], "{report:#?}");
        let endpoint = "PrivateEndpoint/by-record";
        assert!(!changes(&plan, endpoint).is_empty(), "{:#?}", plan.changes);
        assert_eq!(differs(&report, endpoint), ["changed-in-azure"], "{report:#?}");
    }
}

/// Only what holds the controller's own keeps it from being compared.
#[test]
fn an_unread_network_of_a_consumer_leaves_the_cluster_compared() {
    let applied = Applied::of(&shared_frontend());
    let (_, report) = applied.broken(|it| {
        ends::consumers_unread(it);
        broken::on_balancers(it, "loadBalancingRules");
    });
    assert_eq!(differs(&report, "FrontendIp/default/side"), ["changed-in-azure"], "{report:#?}");
    let said = |report: &StackReport| {
        let why = report.unreadable.iter().map(|it| it.why.clone());
        why.filter(|it| it.starts_with("it was not compared")).collect::<Vec<_>>()
    };
    assert_eq!(said(&report), [] as [String; 0]);
    let (_, report) = applied.broken(|it| broken::unread(it, "loadbalancers"));
    assert!(said(&report)[0].ends_with("/loadbalancers"), "{report:#?}");
}

/// What could not be read is not absent: an endpoint that is there lies where its network does, and one that is not is
/// neither planned nor said to need another network.
#[test]
fn an_unread_network_is_no_missing_one() {
    let applied = Applied::of(&shared_frontend());
    let (plan, report) = applied.broken(|it| {
        ends::consumers_unread(it);
        broken::connections(it, "Disconnected");
    });
    assert_eq!(changes(&plan, "PrivateEndpoint/by-group"), ["re-created"], "{plan:#?}");
    assert_eq!(differs(&report, "EndpointConnection/by-group"), ["disconnected"], "{report:#?}");
    let (plan, report) = applied.broken(|it| {
        ends::consumers_unread(it);
        broken::none(it, "privateendpoints");
    });
    let at = "PrivateEndpoint/by-group";
    let refusals = plan
        .refusals
        .iter()
        .filter(|it| it.address.as_ref().is_some_and(|it| it.to_string() == at));
    assert_eq!(
        refusals.map(|it| it.code.as_str()).collect::<Vec<_>>(),
        ["unreadable"],
        "{plan:#?}"
    );
    assert!(plan.findings.iter().all(|it| it.code.as_str() != "network-missing"), "{plan:#?}");
    assert_eq!(differs(&report, at), ["missing"], "{report:#?}");
}

/// The provider's end says what a connection's state is, and both commands read it there.
#[test]
fn a_connection_is_judged_once_from_both_its_ends() {
    type Case = (fn(&mut Value), &'static [&'static str], &'static [&'static str]);
    let applied = Applied::of(&shared_frontend());
    let far = "EndpointConnection/far";
    let cases: [Case; 3] = [
        (|it| ends::one_end(it, "privateendpoints", "Pending"), &[], &["disconnected"]),
        (|it| ends::one_end(it, "privatelinkservices", "Pending"), &["approved"], &["not-applied"]),
        (ends::failed, &["approved"], &["not-applied"]),
    ];
    for (at, (by, of_plan, of_drift)) in cases.into_iter().enumerate() {
        let (plan, report) = applied.broken(by);
        assert_eq!(changes(&plan, far), of_plan, "{at}: {:#?}", plan.changes);
        assert_eq!(differs(&report, far), of_drift, "{at}: {report:#?}");
    }
    // Nobody decides on a connection that is approved by itself, and it is told all the same.
    let (plan, report) = applied.broken(ends::failed);
    let own = "EndpointConnection/by-record";
    let codes: Vec<&str> = plan
        .findings
        .iter()
        .filter(|it| it.address.to_string() == own)
        .map(|it| it.code.as_str())
        .collect();
    assert_eq!(codes, ["resource-failed"]);
    assert_eq!(differs(&report, own), ["provisioning-failed"]);
}

/// An approval is about the connections of whatever its Service is reached through, whoever shares the frontend.
#[test]
fn an_approval_on_a_shared_frontend_is_seen_by_all() {
    let mut applied = Applied::of(&shared_frontend());
    let theirs = "EndpointConnection/11111111-1111-1111-1111-111111111111/theirs/theirs";
    let asks = |status: &'static str| {
        move |it: &mut Value| {
            broken::each(it, "privatelinkservices", |it| {
                let all = it["properties"]["privateEndpointConnections"].as_array_mut().unwrap();
                all.push(serde_json::json!({"name": "theirs.1", "properties": {
                    "privateEndpoint": {"id": "/subscriptions/11111111-1111-1111-1111-111111111111/\
                        resourceGroups/theirs/providers/Microsoft.Network/privateEndpoints/theirs"},
                    "privateLinkServiceConnectionState": {"status": status, "description": ""}}}));
            });
        }
    };
    let (plan, report) = applied.broken(asks("Pending"));
    let at: Vec<String> = plan.changes.iter().map(|it| it.address.to_string()).collect();
    assert_eq!(plan.changes.len(), 1, "{at:?}");
    assert_eq!(differs(&report, &at[0]), ["not-applied"], "{theirs}: {report:#?}");
    let rejecting: Vec<String> =
        shared_frontend().iter().map(|it| it.replace("approve: [", "reject: [")).collect();
    let rejecting = rejecting.into_iter().filter(|it| !it.contains("name: far\nspec:\n  resource"));
    applied.desired = desired(&rejecting.collect::<Vec<_>>());
    let (plan, report) = applied.broken(asks("Approved"));
    assert!(plan.findings.iter().all(|it| it.code.as_str() != "stranger-approved"), "{plan:#?}");
    assert_eq!(differs(&report, &at[0]), ["not-applied"], "{report:#?}");
}

/// Whoever pastes a repair of what this stack did not create takes it over by that, and is not refused.
#[test]
fn what_another_stack_marked_is_repaired_by_adopting_it() {
    let applied = Applied::of(&shared_frontend());
    let (_, report) = applied.broken(ends::of_another);
    for at in ["PrivateEndpoint/by-record", RECORD] {
        let it = report.differences.iter().find(|it| it.address.to_string() == at).unwrap();
        assert_eq!(it.class.as_str(), "not-applied", "{it:#?}");
        let repair = it.repair.as_ref().unwrap();
        assert_eq!(repair.commands[0].to_string(), "privlink apply --adopt", "{it:#?}");
        assert_eq!(repair.refused, None, "{it:#?}");
    }
}

/// A note that something is as its document says is not made of what Azure failed, or of what is disconnected.
#[test]
fn what_is_unmarked_and_failed_is_said_to_have_failed() {
    let applied = Applied::of(&shared_frontend());
    let at =
        |it: &&privlink_core::plan::Finding| it.address.to_string() == "PrivateEndpoint/by-record";
    let codes = |plan: &Plan| -> Vec<&str> {
        plan.findings.iter().filter(at).map(|it| it.code.as_str()).collect()
    };
    let (plan, report) = applied.broken(|it| {
        broken::each(it, "privateendpoints", |it| it["tags"] = serde_json::json!({}));
        broken::state(it, "privateendpoints", "Failed");
    });
    assert_eq!(codes(&plan), ["resource-failed"]);
    assert!(differs(&report, "PrivateEndpoint/by-record").contains(&"provisioning-failed"));
    let (plan, _) = applied.broken(|it| {
        broken::each(it, "privateendpoints", |it| it["tags"] = serde_json::json!({}));
        broken::connections(it, "Disconnected");
    });
    assert!(!codes(&plan).contains(&"unmarked"), "{plan:#?}");
}

/// What desired state asks for, an apply takes into use again.
#[test]
fn a_link_that_desired_state_asks_for_is_no_orphan() {
    let applied = Applied::of(&shared_frontend());
    let (_, report) = applied.broken(ends::unasked);
    let orphans = report.differences.iter().filter(|it| it.class.as_str() == "orphan");
    assert_eq!(orphans.count(), 0, "{report:#?}");
    assert_eq!(differs(&report, "Service/default/web"), ["not-applied"], "{report:#?}");
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

/// A second half of a chain disconnects, once the first has taken back what stands in its way.
#[test]
fn a_repair_that_takes_an_edit_back_says_whom_the_apply_behind_it_disconnects() {
    let alone: Vec<String> =
        shared_frontend().into_iter().filter(|it| !it.contains("name: side")).collect();
    let mut applied = Applied::of(&alone);
    let ipv4 = "service.beta.kubernetes.io/azure-load-balancer-ipv4";
    let moved: Vec<String> =
        alone.iter().map(|it| it.replace("10.240.0.25", "10.240.0.26")).collect();
    applied.desired = desired(&moved);
    let (plan, report) = applied.broken(|it| {
        broken::services(it, |it| {
            it["metadata"]["managedFields"].as_array_mut().unwrap().push(serde_json::json!({
                "manager": "kubectl-annotate", "operation": "Update", "apiVersion": "v1",
                "fieldsType": "FieldsV1", "fieldsV1": {"f:metadata": {"f:annotations": {
                    format!("f:{ipv4}"): {}}}}}));
            let managers = it["metadata"]["managedFields"].as_array_mut().unwrap();
            for own in managers.iter_mut().filter(|it| it["manager"] == "privlink") {
                let all = own["fieldsV1"]["f:metadata"]["f:annotations"].as_object_mut().unwrap();
                all.remove(&format!("f:{ipv4}"));
            }
        });
    });
    assert!(plan.refusals.iter().any(|it| it.code.as_str() == "field-conflict"), "{plan:#?}");
    let of_web = |it: &&privlink_core::drift::Difference| {
        it.address.to_string() == "Service/default/web"
            && it.class.as_str() == "edited-in-kubernetes"
    };
    let it = report.differences.iter().find(of_web).unwrap();
    assert_eq!(it.disconnects.len(), 3, "{it:#?}");
}

/// What to do where a Service will have no Private Link Service depends on why.
#[test]
fn a_service_that_asks_for_a_link_is_not_told_to_ask_for_it() {
    let applied = Applied::of(&shared_frontend());
    let (plan, report) = applied.broken(ends::unbalanced);
    let it = plan.findings.iter().find(|it| it.code.as_str() == "no-private-link-service").unwrap();
    let help = it.help.as_deref().unwrap_or_default();
    assert!(help.contains("ClusterIP") && !help.contains("azure-pls-create"), "{it:#?}");
    let own =
        report.differences.iter().filter(|it| it.address.to_string() == "Service/default/web");
    for it in own {
        let ports = it.fields.iter().filter(|it| it.path.contains("nodePort"));
        assert_eq!(ports.count(), 0, "{it:#?}");
        let advice = it.repair.as_ref().and_then(|it| it.advice.as_deref()).unwrap_or_default();
        assert!(!advice.contains("privlink drift"), "{it:#?}");
    }
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
