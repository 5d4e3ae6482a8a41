//! A soak: one stack lives through many rounds of random edits, strangers' deeds and faults, each planned
//! and applied until it holds. After each round the world and the request log are looked at: nothing of the
//! stack is lost or left over, nothing foreign is written, and nobody is cut off whom no plan had listed.
//!
//! `SOAK_ROUNDS` says how many rounds, `SOAK_SEED` which ones.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what fails here fails the test"
)]
#![allow(clippy::print_stdout, reason = "the log is part of what is shown")]

#[path = "support/generated.rs"]
mod generated;
#[path = "support/served.rs"]
mod served;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use generated::{
    CONSUMER, ENDPOINTS, Reaching, SERVICES, Version, Wanted, desired, is_own, lasting, neighbour,
    observed, planned, reaching, session, version, wanted,
};
use privlink_core::code::Code;
use privlink_core::plan::{Finding, Mode, Plan, disconnected};
use privlink_core::report::{Outcome, Report};
use privlink_engine::apply::apply;
use privlink_sandbox::{Effect, Entry, Fault, World};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use served::{RUNTIME, Served, drawn, refused};
use support::http::call;

/// After how many runs that failed the stack counts as stuck.
const MOST_RUNS: usize = 8;
/// How many rounds pass between two destructions of the stack.
const LIFE: usize = 50;
const MANAGED: &str = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/\
                       MC_myResourceGroup_myAKSCluster_eastus/providers/Microsoft.Network";

/// What the owner of the stack changes.
#[derive(Clone, Debug)]
enum Edit {
    All(Version),
    Service(usize, Option<Wanted>),
    Endpoint(usize, Option<Reaching>),
    Approve(bool),
}

/// What somebody else does before the stack is applied again.
#[derive(Clone, Debug)]
enum Deed {
    Nothing,
    /// A consumer of another subscription connects to a Service, and is approved.
    Consume(usize),
    /// The owner of a Private Link Service turns the connection of an own endpoint down.
    Reject(usize),
    /// An own endpoint is deleted.
    Delete(usize),
    /// An annotation that the stack says nothing of is set by hand.
    Annotate(usize, u8),
    /// The controller starts anew, and forgets its caches.
    Restart,
}

/// One round.
#[derive(Clone, Debug)]
struct Round {
    edit: Edit,
    deed: Deed,
    troubled: bool,
    faults: u64,
}

fn round() -> impl Strategy<Value = Round> {
    let service = || 0..SERVICES.len();
    let endpoint = || 0..ENDPOINTS.len();
    let edit = prop_oneof![
        1 => version().prop_map(Edit::All),
        4 => (service(), prop::option::weighted(0.8, wanted())).prop_map(|(at, it)| Edit::Service(at, it)),
        4 => (endpoint(), prop::option::weighted(0.8, reaching())).prop_map(|(at, it)| Edit::Endpoint(at, it)),
        1 => any::<bool>().prop_map(Edit::Approve),
    ];
    let deed = prop_oneof![
        4 => Just(Deed::Nothing),
        2 => service().prop_map(Deed::Consume),
        1 => endpoint().prop_map(Deed::Reject),
        1 => endpoint().prop_map(Deed::Delete),
        1 => (service(), 2_u8..9).prop_map(|(at, probes)| Deed::Annotate(at, probes)),
        1 => Just(Deed::Restart),
    ];
    (edit, deed, prop::bool::weighted(0.5), any::<u64>())
        .prop_map(|(edit, deed, troubled, faults)| Round { edit, deed, troubled, faults })
}

/// Changes a version, which stays one that can be applied.
fn edited(version: &mut Version, edit: Edit) {
    fn set<T>(map: &mut BTreeMap<usize, T>, at: usize, value: Option<T>) {
        match value {
            Some(value) => drop(map.insert(at, value)),
            None => drop(map.remove(&at)),
        }
    }
    match edit {
        Edit::All(other) => *version = other,
        Edit::Service(at, wanted) => set(&mut version.services, at, wanted),
        Edit::Endpoint(at, reaching) => set(&mut version.endpoints, at, reaching),
        Edit::Approve(approve) => version.approve = approve,
    }
    version.tidy();
}

/// One request of somebody else, again while another operation holds the thing. What is not there is
/// nobody's to change.
fn ask(served: &Served, method: &str, path: &str, body: &Value) {
    let is_azure = path.starts_with("/subscriptions");
    let (server, path, content) = if is_azure {
        (&served.running.arm_url, format!("{path}?api-version=2024-05-01"), "application/json")
    } else {
        let path = format!("{path}?fieldManager=somebody");
        (&served.running.kubernetes_url, path, "application/merge-patch+json")
    };
    let mut refused = String::new();
    for _ in 0..500 {
        let (status, reply) = call(server, method, &path, content, body);
        // A deletion goes on for a while after it was accepted.
        let is_done = if method == "DELETE" { status == 204 } else { status < 300 };
        if is_done || status == 404 {
            return;
        }
        refused = format!("{method} {path}: {status} {reply}");
        let held = reply["error"]["code"] == "AnotherOperationInProgress";
        assert!(held || status < 300, "{refused}");
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{refused}");
}

fn get(served: &Served, path: &str) -> Option<Value> {
    let path = format!("{path}?api-version=2024-05-01");
    let (status, reply) =
        call(&served.running.arm_url, "GET", &path, "application/json", &Value::Null);
    (status == 200).then_some(reply)
}

fn link_id(service: usize) -> String {
    format!("{MANAGED}/privateLinkServices/{}-pls", SERVICES[service])
}

fn consumer_group() -> String {
    format!(
        "/subscriptions/{CONSUMER}/resourceGroups/consumerResourceGroup/providers/Microsoft.Network"
    )
}

/// The connections of a Private Link Service: of which endpoint, and as ARM shows them.
fn connections(served: &Served, service: usize) -> Vec<(String, Value)> {
    let link = get(served, &link_id(service)).unwrap_or_default();
    let list = link["properties"]["privateEndpointConnections"].as_array().cloned();
    let named = |connection: Value| {
        let endpoint = connection["properties"]["privateEndpoint"]["id"].as_str().unwrap();
        (endpoint.to_lowercase(), connection)
    };
    list.unwrap_or_default().into_iter().map(named).collect()
}

fn decide(served: &Served, mut connection: Value, status: &str) {
    connection["properties"]["privateLinkServiceConnectionState"] =
        json!({"status": status, "description": "by hand", "actionsRequired": "None"});
    let id = connection["id"].as_str().unwrap().to_owned();
    ask(served, "PUT", &id, &connection);
}

fn doing(served: &Served, deed: &Deed, number: usize) {
    match *deed {
        Deed::Nothing => {}
        Deed::Consume(service) => {
            if get(served, &link_id(service)).is_none() {
                return;
            }
            let group = consumer_group();
            let subnet = format!("{group}/virtualNetworks/consumer-vnet/subnets/pe-subnet");
            let body = json!({"location": "eastus", "properties": {
                "subnet": {"id": subnet},
                "manualPrivateLinkServiceConnections": [{"name": "theirs", "properties": {
                    "privateLinkServiceId": link_id(service), "requestMessage": "we are tenants",
                }}],
            }});
            let id = format!("{group}/privateEndpoints/stranger-{number}");
            ask(served, "PUT", &id, &body);
            let is_it = |(endpoint, _): &(String, Value)| *endpoint == id.to_lowercase();
            let settle = Instant::now();
            while settle.elapsed() < Duration::from_secs(10) {
                if let Some((_, connection)) = connections(served, service).into_iter().find(is_it)
                {
                    return decide(served, connection, "Approved");
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            unreachable!("the endpoint of the stranger never asks to connect");
        }
        Deed::Reject(endpoint) => {
            let end = format!("/privateendpoints/{}", ENDPOINTS[endpoint]);
            for service in 0..SERVICES.len() {
                for (of, connection) in connections(served, service) {
                    if of.ends_with(&end) {
                        decide(served, connection, "Rejected");
                    }
                }
            }
        }
        Deed::Delete(endpoint) => {
            let group = generated::ZONE.split("/privateDnsZones").next().unwrap();
            let id = format!("{group}/privateEndpoints/{}", ENDPOINTS[endpoint]);
            ask(served, "DELETE", &id, &Value::Null);
        }
        Deed::Annotate(service, probes) => {
            let path = format!("/api/v1/namespaces/default/services/{}", SERVICES[service]);
            let key = "service.beta.kubernetes.io/azure-load-balancer-health-probe-num-of-probe";
            let body = json!({"metadata": {"annotations": {key: probes.to_string()}}});
            ask(served, "PATCH", &path, &body);
        }
        Deed::Restart => served.running.restart_controller(),
    }
}

/// One request in ten of a run fails somehow, and the controller now and then.
fn faults(seed: u64) -> Vec<Fault> {
    let effects = vec![
        refused(429, "TooManyRequests", Some(0)),
        refused(500, "InternalServerError", Some(0)),
        Effect::Reset,
        Effect::LostAnswer,
        Effect::SlowOperation { polls: 3 },
        Effect::LateController { milliseconds: 100 },
        Effect::StaleCache,
    ];
    drawn(effects, seed)
}

/// What came of a round's runs.
#[derive(Default)]
struct Tally {
    runs: usize,
    steps: usize,
    struck: u32,
    retries: usize,
    listed: usize,
}

/// Whom a plan says that it cuts off or removes, by the ids of their endpoints.
fn listed(plan: &Plan, listed: &mut BTreeSet<String>) {
    listed.extend(disconnected(&plan.changes).iter().map(|it| it.endpoint.to_lowercase()));
    let own = plan.changes.iter().filter(|change| change.is_change());
    let names = own.map(|change| change.address.to_string());
    listed.extend(names.filter_map(|it| Some(it.strip_prefix("PrivateEndpoint/")?.to_lowercase())));
}

/// Plans and applies until nothing is left to do. Answers whom the plans that were carried out listed.
fn until_done(
    served: &Served,
    documents: &[String],
    mode: Mode,
    tally: &mut Tally,
) -> BTreeSet<String> {
    let desired = desired(documents);
    let mut told = BTreeSet::new();
    let mut last = String::new();
    for _ in 0..MOST_RUNS {
        let report = RUNTIME.block_on(async {
            let session = session(served).await;
            let plan = planned(&desired, &observed(&session).await, mode);
            // What a fault kept from being read is no reason to guess: the plan refuses.
            if !plan.refusals.is_empty() {
                return Err(format!("{:?}", plan.refusals));
            }
            listed(&plan, &mut told);
            let report = apply(&plan, &session, |_| {}).await;
            tally.steps += plan.steps.len();
            Ok((plan, report))
        });
        tally.runs += 1;
        match report {
            Ok((plan, report)) if is_done(&plan, &report) => {
                tally.retries += report.retries;
                return told;
            }
            Ok((_, report)) => last = format!("{report:#?}"),
            Err(why) => last = why,
        }
    }
    panic!("stuck after {MOST_RUNS} runs: {last}\n{}", documents.join("---\n"));
}

fn is_done(plan: &Plan, report: &Report) -> bool {
    let well = |it: &Outcome| matches!(it, Outcome::Succeeded | Outcome::AwaitingApproval { .. });
    report.count(well) == plan.steps.len()
}

/// Who is connected: the endpoint's id, and the guid of the Private Link Service with the status.
fn connected(world: &World) -> BTreeMap<String, (String, String)> {
    let document = world.to_json();
    let mut connected = BTreeMap::new();
    for resource in document["azure"].as_array().unwrap() {
        let id = resource["id"].as_str().unwrap().to_lowercase();
        if !id.contains("/privateendpoints/") || resource["properties"]["subnet"].is_null() {
            continue;
        }
        let lists = ["privateLinkServiceConnections", "manualPrivateLinkServiceConnections"];
        for connection in
            lists.iter().flat_map(|list| resource["properties"][*list].as_array()).flatten()
        {
            let properties = &connection["properties"];
            let status = &properties["privateLinkServiceConnectionState"]["status"];
            let link = properties["privateLinkServiceId"].as_str().unwrap().to_lowercase();
            connected.insert(id.clone(), (link, status.as_str().unwrap_or_default().to_owned()));
        }
    }
    connected
}

fn named(resources: &[Value], collection: &str) -> BTreeSet<String> {
    let ids = resources.iter().map(|it| it["id"].as_str().unwrap().to_lowercase());
    let of = |id: String| {
        let (parent, name) = id.rsplit_once('/')?;
        parent.ends_with(collection).then(|| name.to_owned())
    };
    ids.filter_map(of).collect()
}

/// Nothing of the stack is lost, and nothing of it is left over.
fn whole(world: &World, version: &Version, findings: &[Finding]) {
    let document = world.to_json();
    let azure = document["azure"].as_array().unwrap();
    let own = |names: BTreeSet<String>| -> BTreeSet<String> {
        names
            .into_iter()
            .filter(|it| !it.starts_with("neighbour") && !it.starts_with("stranger"))
            .collect()
    };
    let links: BTreeSet<String> = version
        .services
        .iter()
        .filter(|(_, it)| it.link)
        .map(|(at, _)| format!("{}-pls", SERVICES[*at]))
        .collect();
    // The controller does not delete the Private Link Service of a Service that no longer asks for one
    // while its frontend lives; the plan says so.
    let staying: BTreeSet<String> = findings
        .iter()
        .filter(|it| it.code == Code::LinkStays)
        .map(|it| format!("{}-pls", it.address.name.rsplit('/').next().unwrap()))
        .collect();
    let found = own(named(azure, "/privatelinkservices"));
    assert!(links.is_disjoint(&staying), "{links:?} {staying:?}");
    assert_eq!(found, &links | &staying, "Private Link Services");
    let endpoints: BTreeSet<String> =
        version.endpoints.keys().map(|at| ENDPOINTS[*at].to_owned()).collect();
    assert_eq!(own(named(azure, "/privateendpoints")), endpoints, "endpoints");
    let records: BTreeSet<String> = version
        .endpoints
        .iter()
        .filter(|(_, it)| it.record)
        .map(|(at, _)| ENDPOINTS[*at].to_owned())
        .collect();
    let found = named(azure, "privatednszones/privatelink.contoso.com/a");
    assert_eq!(own(found), records, "records");
    let connected = connected(world);
    for (at, reaching) in &version.endpoints {
        let end = format!("/privateendpoints/{}", ENDPOINTS[*at]);
        let (_, (link, status)) = connected.iter().find(|(id, _)| id.ends_with(&end)).unwrap();
        assert!(link.ends_with(&format!("/{}-pls", SERVICES[reaching.service])), "{end} {link}");
        let waits = reaching.manual && !(version.approve && reaching.far) && status == "Pending";
        assert!(waits || status == "Approved", "{end} is {status}: {version:#?}");
    }
    frontends_have_services(&document, azure);
}

/// Each frontend of the internal load balancer, and each rule, is one of a Service that is there.
fn frontends_have_services(document: &Value, azure: &[Value]) {
    let objects = document["kubernetes"]["objects"].as_array().unwrap();
    let uids: BTreeSet<String> = objects
        .iter()
        .filter(|it| it["kind"] == "Service" && it["spec"]["type"] == "LoadBalancer")
        .map(|it| format!("a{}", it["metadata"]["uid"].as_str().unwrap().replace('-', "")))
        .map(|name| name.chars().take(32).collect())
        .collect();
    let mut seen = BTreeSet::new();
    for balancer in azure.iter().filter(|it| {
        it["id"].as_str().unwrap().to_lowercase().ends_with("/loadbalancers/kubernetes-internal")
    }) {
        for list in ["frontendIPConfigurations", "loadBalancingRules", "probes"] {
            for part in balancer["properties"][list].as_array().into_iter().flatten() {
                let name: String = part["name"].as_str().unwrap().chars().take(32).collect();
                assert!(uids.contains(&name), "{list}: {name} is of no Service");
                seen.insert(name);
            }
        }
    }
    assert_eq!(seen, uids, "Services without a frontend");
}

/// Nobody is cut off whom no plan had listed: who was connected is so still, to the same, or was named.
fn nobody_else_is_cut_off(
    before: &BTreeMap<String, (String, String)>,
    after: &BTreeMap<String, (String, String)>,
    listed: &BTreeSet<String>,
) {
    for (endpoint, (link, status)) in before.iter().filter(|(_, (_, status))| status == "Approved")
    {
        let name = endpoint.rsplit('/').next().unwrap();
        let there = after.get(endpoint).is_some_and(|now| now == &(link.clone(), status.clone()));
        assert!(
            there || listed.contains(endpoint) || listed.contains(name),
            "{endpoint} was connected to {link} and is {:?}; listed: {listed:?}",
            after.get(endpoint)
        );
    }
}

fn nothing_foreign_is_written(requests: &[Entry]) {
    let written = requests.iter().filter(|it| it.method != "GET");
    let foreign: Vec<&Entry> = written.filter(|it| !is_own(&it.path)).collect();
    assert!(foreign.is_empty(), "{foreign:#?}");
}

/// What the process holds of memory, in KiB.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or_default()
}

/// Strangers whose Private Link Service is gone clear away.
fn strangers_leave(served: &Served, all: bool) {
    for (endpoint, (_, status)) in connected(&served.world()) {
        if endpoint.contains("/privateendpoints/stranger-") && (all || status != "Approved") {
            ask(served, "DELETE", &endpoint, &Value::Null);
        }
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(otherwise)
}

fn soak(rounds: usize, seed: u64) {
    let rng = TestRng::from_seed(RngAlgorithm::XorShift, &u128::from(seed).to_be_bytes());
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let served = Served::new(World::first());
    let mut total = Tally::default();
    until_done(&served, &neighbour(), Mode::Apply, &mut total);
    let before_all = lasting(&served.world());
    let mut version = Version::default();
    let mut half_way = resident();
    let began = Instant::now();
    for at in 1..=rounds {
        let round = round().new_tree(&mut runner).unwrap().current();
        let described = format!("seed {seed}, round {at}: {round:?}");
        println!("{described}");
        edited(&mut version, round.edit.clone());
        doing(&served, &round.deed, at);
        let before = connected(&served.world());
        served.running.take_requests();
        if round.troubled {
            served.add_faults(faults(round.faults));
        }
        let documents = version.documents("soak");
        let listed = until_done(&served, &documents, Mode::Apply, &mut total);
        total.struck += served.struck().iter().sum::<u32>();
        served.clear_faults();
        // One more run, undisturbed: what a run that was told a lie left, and what nobody can do twice.
        let mut listed = listed;
        listed.extend(until_done(&served, &documents, Mode::Apply, &mut total));
        nothing_foreign_is_written(&served.running.take_requests());
        let left = left_to_do(&served, &documents);
        assert!(left.is_empty(), "not empty after an apply: {:#?}", left.changes);
        let world = served.world();
        whole(&world, &version, &left.findings);
        nobody_else_is_cut_off(&before, &connected(&world), &listed);
        total.listed += listed.len();
        strangers_leave(&served, false);
        if at % LIFE == 0 || at == rounds {
            strangers_leave(&served, true);
            until_done(&served, &documents, Mode::Destroy, &mut total);
            nothing_foreign_is_written(&of_privlink(served.running.take_requests()));
            let difference = served::difference(&before_all, &lasting(&served.world()));
            assert_eq!(difference, None, "{described}");
            version = Version::default();
            an_hour_passes(&served);
            let memory = resident();
            if at * 2 <= rounds {
                half_way = memory;
            }
            println!(
                "{at} rounds, {:.0} s: {} runs, {} steps, {} faults, {} retries, {} listed; {memory} KiB",
                began.elapsed().as_secs_f64(),
                total.runs,
                total.steps,
                total.struck,
                total.retries,
                total.listed,
            );
        }
    }
    let last = resident();
    assert!(last < half_way + half_way / 4, "memory grew from {half_way} to {last} KiB");
}

/// The sandbox keeps events and operations for an hour, as Kubernetes and ARM do.
fn an_hour_passes(served: &Served) {
    served.edit(|world| {
        world.kubernetes.objects.retain(|kind, _| !kind.starts_with("events"));
        world.operations.retain(|_, operation| !operation.done);
    });
}

/// Those requests that privlink made.
fn of_privlink(requests: Vec<Entry>) -> Vec<Entry> {
    let is_own = |it: &Entry| it.user_agent.as_deref().is_some_and(|it| it.starts_with("privlink"));
    requests.into_iter().filter(is_own).collect()
}

fn left_to_do(served: &Served, documents: &[String]) -> Plan {
    let desired = desired(documents);
    RUNTIME.block_on(async {
        let session = session(served).await;
        planned(&desired, &observed(&session).await, Mode::Apply)
    })
}

#[test]
fn a_stack_lives_through_a_few_rounds() {
    soak(usize::try_from(number("SOAK_ROUNDS", 12)).unwrap(), number("SOAK_SEED", 1));
}

#[test]
#[ignore = "takes minutes: part of .ci/full"]
fn a_stack_lives_through_a_thousand_rounds() {
    soak(usize::try_from(number("SOAK_ROUNDS", 1000)).unwrap(), number("SOAK_SEED", 2));
}
