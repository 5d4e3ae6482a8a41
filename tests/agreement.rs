//! Plan and drift agree, over generated stacks whose worlds are then broken: what a plan has nothing to say
//! of is no drift, and the other way round, but for the classes of one table.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what fails here fails the test"
)]

#[path = "support/generated.rs"]
mod generated;
#[path = "support/served.rs"]
mod served;
#[path = "support/stage.rs"]
mod stage;
mod support;

use std::collections::{BTreeMap, BTreeSet};

use generated::{OWN, desired, observed, planned, session, version};
use privlink_core::controller::predict::Change;
use privlink_core::desired::Desired;
use privlink_core::drift::{self, Class, Look, StackReport};
use privlink_core::facts::Facts;
use privlink_core::input::{Input, Options};
use privlink_core::inventory::Inventory;
use privlink_core::join;
use privlink_core::kubernetes::service::Key;
use privlink_core::plan::{self, Mode, Plan, Scope};
use privlink_core::resource_id::ResourceId;
use privlink_core::snapshot::Snapshot;
use privlink_core::{planning, prediction};
use privlink_engine::apply::apply;
use privlink_sandbox::World;
use proptest::prelude::*;
use serde_json::{Value, json};
use served::{RUNTIME, Served};

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

/// A world that somebody broke.
struct Broken {
    name: &'static str,
    by: fn(&mut Value),
}

fn lists<'a>(snapshot: &'a mut Value, kind: &str) -> Vec<&'a mut Value> {
    let suffix = format!("/{kind}");
    let lists = snapshot["azure"].as_object_mut().unwrap().iter_mut();
    lists.filter(|(path, _)| path.ends_with(&suffix)).map(|(_, reading)| reading).collect()
}

fn each(snapshot: &mut Value, kind: &str, edit: impl Fn(&mut Value)) {
    for reading in lists(snapshot, kind) {
        reading["present"].as_array_mut().into_iter().flatten().for_each(&edit);
    }
}

fn none(snapshot: &mut Value, kind: &str) {
    for reading in lists(snapshot, kind) {
        if let Some(list) = reading["present"].as_array_mut() {
            list.clear();
        }
    }
}

fn services(snapshot: &mut Value, edit: impl Fn(&mut Value)) {
    let list = snapshot["kubernetes"]["services"]["present"].as_array_mut().unwrap();
    list.iter_mut().filter(|it| it["spec"]["type"] == "LoadBalancer").for_each(edit);
}

fn connections(snapshot: &mut Value, status: &str) {
    for (kind, list) in [
        ("privateendpoints", "privateLinkServiceConnections"),
        ("privateendpoints", "manualPrivateLinkServiceConnections"),
        ("privatelinkservices", "privateEndpointConnections"),
    ] {
        each(snapshot, kind, |resource| {
            let all = resource["properties"][list].as_array_mut();
            for connection in all.into_iter().flatten() {
                connection["properties"]["privateLinkServiceConnectionState"]["status"] =
                    json!(status);
            }
        });
    }
}

/// Somebody else's endpoint beside the stack's, in a state.
fn stranger(snapshot: &mut Value, status: &str) {
    each(snapshot, "privatelinkservices", |it| {
        let name = it["name"].as_str().unwrap_or_default().to_owned();
        let all = &mut it["properties"]["privateEndpointConnections"];
        if !all.is_array() {
            *all = json!([]);
        }
        all.as_array_mut().unwrap().push(json!({"name": "stranger.1", "properties": {
            "privateEndpoint": {"id": format!("/subscriptions/99999999-9999-9999-9999-999999999999/\
                resourceGroups/theirs/providers/Microsoft.Network/privateEndpoints/of-{name}")},
            "privateLinkServiceConnectionState": {"status": status, "description": ""}}}));
    });
}

fn on_balancers(snapshot: &mut Value, list: &str) {
    each(snapshot, "loadbalancers", |it| it["properties"][list] = json!([]));
}

const BROKEN: &[Broken] = &[
    Broken { name: "nothing", by: |_| {} },
    Broken { name: "no links", by: |it| none(it, "privatelinkservices") },
    Broken { name: "no endpoints", by: |it| none(it, "privateendpoints") },
    Broken { name: "no balancers", by: |it| none(it, "loadbalancers") },
    Broken { name: "no records", by: |it| none(it, "a") },
    Broken { name: "no rules", by: |it| on_balancers(it, "loadBalancingRules") },
    Broken { name: "no frontends", by: |it| on_balancers(it, "frontendIPConfigurations") },
    Broken { name: "rejected", by: |it| connections(it, "Rejected") },
    Broken { name: "disconnected", by: |it| connections(it, "Disconnected") },
    Broken { name: "removed", by: |it| connections(it, "Removed") },
    Broken { name: "no status", by: |it| connections(it, "") },
    Broken {
        name: "endpoints failed",
        by: |it| {
            each(it, "privateendpoints", |it| {
                it["properties"]["provisioningState"] = json!("Failed");
            });
        },
    },
    Broken {
        name: "links failed",
        by: |it| {
            each(it, "privatelinkservices", |it| {
                it["properties"]["provisioningState"] = json!("Failed");
            });
        },
    },
    Broken {
        name: "visible to nobody",
        by: |it| {
            each(it, "privatelinkservices", |it| {
                it["properties"]["visibility"] = json!({"subscriptions": ["x"]});
            });
        },
    },
    Broken {
        name: "forgotten by their links",
        by: |it| {
            each(it, "privatelinkservices", |it| {
                it["properties"]["privateEndpointConnections"] = json!([]);
            });
        },
    },
    Broken {
        name: "records elsewhere",
        by: |it| {
            each(it, "a", |it| {
                it["properties"]["aRecords"] = json!([{"ipv4Address": "10.9.9.9"}]);
            });
        },
    },
    Broken {
        name: "no finalizers",
        by: |it| services(it, |it| it["metadata"]["finalizers"] = json!([])),
    },
    Broken {
        name: "external addresses",
        by: |it| services(it, |it| it["spec"]["externalIPs"] = json!(["1.2.3.4"])),
    },
    Broken {
        name: "another selector",
        by: |it| services(it, |it| it["spec"]["selector"] = json!({"app": "other"})),
    },
    Broken {
        name: "no announced addresses",
        by: |it| services(it, |it| it["status"] = json!({"loadBalancer": {}})),
    },
    Broken {
        name: "endpoints without marks",
        by: |it| each(it, "privateendpoints", |it| it["tags"] = json!({})),
    },
    Broken {
        name: "services without marks",
        by: |it| services(it, |it| it["metadata"]["labels"] = json!({})),
    },
    Broken {
        name: "records kept longer",
        by: |it| each(it, "a", |it| it["properties"]["ttl"] = json!(3600)),
    },
    Broken {
        name: "endpoints elsewhere",
        by: |it| {
            each(it, "privateendpoints", |it| {
                let subnet = it["properties"]["subnet"]["id"].as_str().unwrap_or_default();
                let elsewhere = format!("{subnet}-of-others");
                it["properties"]["subnet"]["id"] = json!(elsewhere);
            });
        },
    },
    Broken {
        name: "records failed",
        by: |it| each(it, "a", |it| it["properties"]["provisioningState"] = json!("Failed")),
    },
    Broken {
        name: "balancers failed",
        by: |it| {
            each(it, "loadbalancers", |it| {
                it["properties"]["provisioningState"] = json!("Failed");
            });
        },
    },
    Broken {
        name: "probes of others",
        by: |it| {
            each(it, "loadbalancers", |it| {
                for probe in it["properties"]["probes"].as_array_mut().into_iter().flatten() {
                    probe["properties"]["intervalInSeconds"] = json!(77);
                }
            });
        },
    },
    Broken {
        name: "frontends moved",
        by: |it| {
            each(it, "loadbalancers", |it| {
                let all = it["properties"]["frontendIPConfigurations"].as_array_mut();
                for frontend in all.into_iter().flatten() {
                    frontend["properties"]["privateIPAddress"] = json!("10.240.0.222");
                }
            });
        },
    },
    Broken {
        name: "more NAT addresses",
        by: |it| {
            each(it, "privatelinkservices", |it| {
                let all = it["properties"]["ipConfigurations"].as_array_mut().unwrap();
                let mut another = all[0].clone();
                another["name"] = json!("another");
                another["properties"]["primary"] = json!(false);
                all.push(another);
            });
        },
    },
    Broken {
        name: "proxy protocol",
        by: |it| {
            each(it, "privatelinkservices", |it| {
                it["properties"]["enableProxyProtocol"] = json!(true);
            });
        },
    },
    Broken {
        name: "annotated by hand",
        by: |it| {
            services(it, |it| {
                it["metadata"]["annotations"]["service.beta.kubernetes.io/azure-pls-name"] =
                    json!("by-hand");
                it["metadata"]["managedFields"].as_array_mut().unwrap().push(json!({
                    "manager": "kubectl-edit", "operation": "Update", "apiVersion": "v1",
                    "fieldsType": "FieldsV1", "fieldsV1": {"f:metadata": {"f:annotations": {
                        "f:service.beta.kubernetes.io/azure-pls-name": {}}}}}));
            });
        },
    },
    Broken {
        name: "links on other frontends",
        by: |it| {
            each(it, "privatelinkservices", |it| {
                let on = &mut it["properties"]["loadBalancerFrontendIpConfigurations"][0]["id"];
                *on = json!(on.as_str().unwrap_or_default().replace("/a", "/b"));
            });
        },
    },
    Broken {
        name: "left behind with its consumers",
        by: |it| {
            services(it, |it| {
                let uid = it["metadata"]["uid"].as_str().unwrap().replace('1', "2");
                it["metadata"]["uid"] = json!(uid);
            });
        },
    },
    Broken { name: "a stranger asks", by: |it| stranger(it, "Pending") },
    Broken { name: "a stranger is connected", by: |it| stranger(it, "Approved") },
    Broken { name: "a stranger went", by: |it| stranger(it, "Disconnected") },
    Broken { name: "a stranger in no state", by: |it| stranger(it, "Odd") },
    Broken {
        name: "services of another uid",
        by: |it| {
            services(it, |it| {
                it["metadata"]["uid"] = json!("99999999-9999-4999-8999-999999999999");
            });
        },
    },
    Broken {
        name: "all is denied",
        by: |it| {
            each(it, "networksecuritygroups", |it| {
                let all = it["properties"]["securityRules"].as_array_mut().unwrap();
                all.push(json!({"name": "deny", "properties": {
                    "protocol": "*", "sourcePortRange": "*", "destinationPortRange": "*",
                    "sourceAddressPrefix": "*", "destinationAddressPrefix": "*", "access": "Deny",
                    "priority": 100, "direction": "Inbound"}}));
            });
        },
    },
    Broken {
        name: "no services",
        by: |it| {
            let list = it["kubernetes"]["services"]["present"].as_array_mut().unwrap();
            list.retain(|it| it["spec"]["type"] != "LoadBalancer");
        },
    },
    Broken {
        name: "no ready nodes",
        by: |it| {
            let list = it["kubernetes"]["nodes"]["present"].as_array_mut().unwrap();
            for node in list {
                node["status"]["conditions"] = json!([{"type": "Ready", "status": "False"}]);
            }
        },
    },
];

fn options(adopt: bool) -> Options {
    Options {
        mode: Mode::Apply,
        adopt,
        guard: None,
        max_disconnects: Some(99),
        today: None,
        max_deletes: Some(99),
        unprotect: Vec::new(),
        accept: Vec::new(),
        scope: Scope::default(),
        tool_version: "0".to_owned(),
    }
}

fn drift_of(desired: &Desired, snapshot: &Snapshot, facts: &Facts) -> StackReport {
    let options = options(false);
    let live = Inventory::of(snapshot);
    let wanted = join::identify(desired, &live, facts, &options);
    let input = Input::new(&wanted, &live, facts, &options);
    drift::look(&input, &Look { since: None, apply: &["privlink".to_owned(), "apply".to_owned()] })
}

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

/// Who is connected to the Private Link Services that are of this id, or on the frontend of this id.
fn connected_to(id: &str, snapshot: &Value) -> BTreeSet<String> {
    let mut copy = snapshot.clone();
    let links = lists(&mut copy, "privatelinkservices").into_iter();
    let links = links.flat_map(|it| it["present"].as_array().cloned().unwrap_or_default());
    let is_hit = |link: &Value| {
        let frontends = link["properties"]["loadBalancerFrontendIpConfigurations"].as_array();
        let ids = frontends.into_iter().flatten().chain([link]).map(|it| it["id"].as_str());
        ids.flatten().any(|own| own.eq_ignore_ascii_case(id))
    };
    links.filter(is_hit).flat_map(|link| approved(&link)).collect()
}

fn approved(link: &Value) -> Vec<String> {
    let all = link["properties"]["privateEndpointConnections"].as_array().cloned();
    let is_up =
        |it: &Value| it["properties"]["privateLinkServiceConnectionState"]["status"] == "Approved";
    let all = all.unwrap_or_default().into_iter().filter(is_up);
    all.filter_map(|it| it["properties"]["privateEndpoint"]["id"].as_str().map(str::to_lowercase))
        .collect()
}

/// Whom a sync of one Service disconnects, without these annotations of it.
fn hit_by_sync(key: &Key, without: &[&str], snapshot: &Value, facts: &Facts) -> BTreeSet<String> {
    let mut edited = snapshot.clone();
    for it in edited["kubernetes"]["services"]["present"].as_array_mut().unwrap() {
        if it["metadata"]["name"] == *key.name {
            let all = it["metadata"]["annotations"].as_object_mut();
            all.into_iter().for_each(|all| all.retain(|name, _| !without.contains(&name.as_str())));
        }
    }
    let edited = read(&edited);
    let live = Inventory::of(&edited);
    let cluster = prediction::cluster(&live, facts);
    let before = live.world().clone();
    let sync = [Change::Nudge(key.clone())];
    let predicted = prediction::predict(before, cluster, &sync);
    let alias = |link: &Value| link["properties"]["alias"].clone();
    let after: BTreeMap<_, _> = predicted
        .after
        .private_link_services
        .iter()
        .map(|(id, link)| (id.clone(), alias(&serde_json::to_value(link).unwrap())))
        .collect();
    let before = predicted.before.private_link_services.iter();
    let before = before.map(|(id, link)| (id, serde_json::to_value(link).unwrap()));
    let lost = before.filter(|(id, link)| after.get(*id) != Some(&alias(link)));
    lost.flat_map(|(_, link)| approved(&link)).collect()
}

/// Whom a command of a repair disconnects: worked out from its words and the world, and not from the report.
fn hit_by(
    words: &[String],
    desired: &Desired,
    snapshot: &Value,
    facts: &Facts,
) -> BTreeSet<String> {
    let words: Vec<&str> = words.iter().map(|it| it.trim_matches('\'')).collect();
    match *words {
        ["privlink", "apply", ref more @ ..] => {
            let options = options(more.contains(&"--adopt"));
            let seen = read(snapshot);
            let live = Inventory::of(&seen);
            let wanted = join::identify(desired, &live, facts, &options);
            let planned = planning::plan(&Input::new(&wanted, &live, facts, &options));
            let changes = planned.map(|it| it.plan.changes).unwrap_or_default();
            plan::disconnected(&changes).iter().map(|it| it.endpoint.to_lowercase()).collect()
        }
        ["kubectl", "annotate", "service", "-n", namespace, name, ref more @ ..] => {
            let without: Vec<&str> = more.iter().filter_map(|it| it.strip_suffix('-')).collect();
            hit_by_sync(&Key::new(namespace, name), &without, snapshot, facts)
        }
        ["az", "resource", "delete", "--ids", id] => connected_to(id, snapshot),
        [
            "az",
            "network",
            "lb",
            "frontend-ip",
            "delete",
            "-g",
            group,
            "--lb-name",
            balancer,
            "-n",
            name,
        ] => {
            let of_balancer =
                ResourceId::in_group(OWN, group, "Microsoft.Network/loadBalancers", balancer);
            connected_to(of_balancer.child("frontendIPConfigurations", name).as_str(), snapshot)
        }
        ["kubectl", "describe" | "edit", ..] | ["az", "tag" | "network", ..] => BTreeSet::new(),
        _ => panic!("nobody knows what this does: {words:?}"),
    }
}

/// Whatever is printed as a repair disconnects nobody, or says whom.
fn no_repair_disconnects_in_silence(
    report: &StackReport,
    desired: &Desired,
    snapshot: &Value,
    facts: &Facts,
) {
    for difference in &report.differences {
        let said: BTreeSet<String> =
            difference.disconnects.iter().map(|it| it.to_lowercase()).collect();
        for command in difference.repair.iter().flat_map(|it| &it.commands) {
            let hit = hit_by(command.words(), desired, snapshot, facts);
            let silent: Vec<_> = hit.difference(&said).collect();
            assert!(silent.is_empty(), "{command} disconnects {silent:?}: {difference:#?}");
        }
    }
}

/// The lists of a snapshot, the other way round.
fn reversed(snapshot: &Value) -> Value {
    let mut other = snapshot.clone();
    for reading in other["azure"].as_object_mut().unwrap().values_mut() {
        if let Some(list) = reading["present"].as_array_mut() {
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

fn read(snapshot: &Value) -> Snapshot {
    serde_json::from_value(snapshot.clone()).unwrap()
}

fn cases() -> u32 {
    std::env::var("LAW_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn plan_and_drift_agree_on_what_is_broken(version in version()) {
        let served = Served::new(World::first());
        let documents = version.documents("laws");
        let desired = desired(&documents);
        RUNTIME.block_on(async {
            let session = session(&served).await;
            let plan = planned(&desired, &observed(&session).await, Mode::Apply);
            apply(&plan, &session, |_| ()).await;
        });
        // The controller comes to rest.
        drop(served.world());
        let (snapshot, facts) =
            RUNTIME.block_on(async { observed(&session(&served).await).await });
        let whole = planned(&desired, &(snapshot.clone(), facts.clone()), Mode::Apply);
        let kept = serde_json::to_value(&snapshot).unwrap();
        let at_rest = drift_of(&desired, &snapshot, &facts);
        let mut disagreements = Vec::new();
        for Broken { name, by } in BROKEN {
            let mut broken = kept.clone();
            by(&mut broken);
            let seen = (read(&broken), facts.clone());
            let plan = planned(&desired, &seen, Mode::Apply);
            let report = drift_of(&desired, &seen.0, &facts);
            no_orphan_is_in_use(&report, &broken);
            all_that_is_marked_is_looked_at(&report, &broken);
            no_repair_disconnects_in_silence(&report, &desired, &broken, &facts);
            let other = (read(&reversed(&broken)), facts.clone());
            assert_eq!(drift_of(&desired, &other.0, &facts), report, "{name}: order");
            let new = |it: &&drift::Difference| !at_rest.differences.contains(it);
            let differences: Vec<&drift::Difference> =
                report.differences.iter().filter(new).collect();
            let told: Vec<_> = differences.iter().filter(|it| !is_only_drift(it)).collect();
            if says_anything(&plan, &whole) {
                if differences.is_empty() {
                    disagreements.push(format!("{name}: only the plan: {}", told_by(&plan, &whole)));
                }
            } else if !told.is_empty() {
                disagreements.push(format!("{name}: only drift: {told:#?}"));
            }
        }
        prop_assert!(
            disagreements.is_empty(),
            "{}\n{}",
            disagreements.join("\n"),
            documents.join("---\n")
        );
    }
}
