//! Plan and drift agree, over generated stacks whose worlds are then broken: what a plan has nothing to say
//! of is no drift, and the other way round, but for the classes of one table.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what fails here fails the test"
)]

#[path = "support/broken.rs"]
mod broken;
#[path = "support/generated.rs"]
mod generated;
#[path = "support/served.rs"]
mod served;
#[path = "support/stage.rs"]
mod stage;
mod support;

use std::collections::{BTreeMap, BTreeSet};

use broken::{BROKEN, Broken, lists};
use generated::{OWN, desired, planned, session, version};
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
use serde_json::Value;
use served::{RUNTIME, Served};
use stage::observed;
use support::scene::{Endpoint, Service};

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

fn read(snapshot: &Value) -> Snapshot {
    serde_json::from_value(snapshot.clone()).unwrap()
}

fn cases() -> u32 {
    std::env::var("LAW_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(4)
}

/// A stack in which one Service has a Private Link Service on a frontend that another shares, and endpoints with a record,
/// with a zone group and from another subscription.
fn shared_frontend() -> Vec<String> {
    let address = "azure-load-balancer-ipv4";
    let web = Service::internal("web")
        .annotation(address, "10.240.0.25")
        .annotation("azure-pls-create", "true")
        .annotation("azure-pls-name", "web-pls")
        .annotation("azure-pls-fqdns", "shop.privatelink.contoso.com")
        .annotation("azure-pls-visibility", "*")
        .line("ports: [{name: http, port: 80}, {name: https, port: 443}]");
    let side = Service::internal("side").annotation(address, "10.240.0.25");
    let side = side.line("ports: [{name: admin, port: 8443}]");
    let stack = format!(
        "apiVersion: privlink.dev/v1alpha1\nkind: Stack\nmetadata: {{name: laws}}\n\
         spec: {{subscription: {OWN}, resourceGroup: myResourceGroup, cluster: myAKSCluster}}\n"
    );
    let record = "dns: {record: {zone: privatelink.contoso.com, name: shop-by-record}}";
    let group = "dns: {zoneGroup: {zones: [privatelink.contoso.com]}}";
    let far = "subscription: 11111111-1111-1111-1111-111111111111\n\
               resourceGroup: consumerResourceGroup\n\
               subnet: {virtualNetwork: consumer-vnet, name: pe-subnet}\n\
               approval: Manual\nrequestMessage: let me in";
    let approval = "apiVersion: privlink.dev/v1alpha1\nkind: EndpointApproval\n\
                    metadata: {name: far}\nspec:\n  \
                    service: {namespace: default, name: web}\n  \
                    approve: [{subscription: 11111111-1111-1111-1111-111111111111}]\n";
    vec![
        stack,
        web.document(),
        side.document(),
        approval.to_owned(),
        Endpoint::new("by-record", "web").lines(record).document(),
        Endpoint::new("by-group", "web").lines(group).document(),
        Endpoint::new("far", "web").lines(far).document(),
    ]
}

/// A stack that was applied, and what is observed of it once the controller has come to rest.
struct Applied {
    desired: Desired,
    snapshot: Value,
    facts: Facts,
}

impl Applied {
    fn of(documents: &[String]) -> Self {
        let served = Served::new(World::first());
        let desired = desired(documents);
        RUNTIME.block_on(async {
            let session = session(&served).await;
            let plan = planned(&desired, &observed(&desired, &session).await, Mode::Apply);
            apply(&plan, &session, |_| ()).await;
        });
        drop(served.world());
        let observed = async { observed(&desired, &session(&served).await).await };
        let (snapshot, facts) = RUNTIME.block_on(observed);
        Self { snapshot: serde_json::to_value(&snapshot).unwrap(), desired, facts }
    }

    /// What a plan and a look for drift say once somebody has broken the world.
    fn broken(&self, by: impl FnOnce(&mut Value)) -> (Plan, StackReport) {
        let mut broken = self.snapshot.clone();
        by(&mut broken);
        let seen = (read(&broken), self.facts.clone());
        let plan = planned(&self.desired, &seen, Mode::Apply);
        (plan, drift_of(&self.desired, &seen.0, &self.facts))
    }
}

/// Where plan and drift disagree about a stack that was applied, and then broken in each way.
fn disagreements(documents: &[String]) -> Vec<String> {
    let applied = Applied::of(documents);
    let (whole, at_rest) = applied.broken(|_| {});
    let Applied { desired, snapshot: kept, facts } = &applied;
    let mut disagreements = Vec::new();
    for Broken { name, by } in BROKEN {
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
