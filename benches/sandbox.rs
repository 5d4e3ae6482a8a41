//! Observation and apply against the sandbox with set latencies.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use privlink_azure::{ArmClient, Cloud, Environment, Identity, Settings};
use privlink_core::desired::{self, Options};
use privlink_core::diagnostic::Source;
use privlink_core::document;
use privlink_core::event::{Event, EventKind};
use privlink_core::facts::Facts;
use privlink_core::group::{Cluster, Group};
use privlink_core::input::Input;
use privlink_core::inventory::Inventory;
use privlink_core::join;
use privlink_core::plan::Plan;
use privlink_core::planning;
use privlink_core::snapshot::Snapshot;
use privlink_engine::apply;
use privlink_engine::observe::{self, Targets};
use privlink_engine::session::{Patience, Session};
use privlink_kubernetes::{Connection, KubernetesClient};
use privlink_sandbox::world::{GROUP, SUBSCRIPTION};
use privlink_sandbox::{Running, Sandbox, SandboxOptions, World};
use serde_json::json;

use crate::{stacks, stages};

/// What ARM's answers take in these measurements.
const LATENCY: Duration = Duration::from_millis(250);
/// How many items ARM's pages have.
const PAGE: usize = 1_000;

fn options(world: World) -> SandboxOptions {
    let mut options = SandboxOptions::in_memory();
    options.world = privlink_sandbox::WorldSource::Memory(Box::new(world));
    options.latency = LATENCY;
    options.page_size = PAGE;
    options
}

fn arm(running: &Running) -> ArmClient {
    let url = &running.arm_url;
    let cloud = Cloud::custom(url, url, url).expect("a cloud");
    let settings = Settings { poll_interval: Duration::from_millis(50), ..Settings::default() };
    let environment = Environment::of(BTreeMap::new());
    ArmClient::new(&cloud, &Identity::Token("sandbox".into()), &environment, settings)
        .expect("a client")
}

async fn kubernetes(running: &Running) -> KubernetesClient {
    let namespace = "default".to_owned();
    let connection = Connection::Url {
        url: running.kubernetes_url.clone(),
        token: Some("sandbox".to_owned()),
        namespace,
    };
    KubernetesClient::connect(&connection, privlink_kubernetes::Settings::default())
        .await
        .expect("a client")
}

fn targets() -> Targets {
    let group = Group::new(SUBSCRIPTION, GROUP);
    Targets {
        cluster: Some(Cluster { group, name: "myAKSCluster".to_owned() }),
        endpoint_subscriptions: BTreeSet::from([SUBSCRIPTION.to_owned()]),
        virtual_network_groups: BTreeSet::from([Group::new(SUBSCRIPTION, "myOtherResourceGroup")]),
        ..Targets::default()
    }
}

/// Observes a subscription with many endpoints: how many requests that takes, and how long, compared
/// with its longest chain of pages.
pub(crate) async fn observe(endpoints: usize) {
    let mut world = World::first();
    let group = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/myOtherResourceGroup");
    let network = format!("{group}/providers/Microsoft.Network");
    let subnet = format!("{network}/virtualNetworks/myOtherVNET/subnets/pe-subnet");
    for at in 0..endpoints {
        let (id, nic) = (
            format!("{network}/privateEndpoints/e{at}"),
            format!("{network}/networkInterfaces/n{at}"),
        );
        let endpoint = json!({
            "id": id, "name": format!("e{at}"), "type": "Microsoft.Network/privateEndpoints",
            "location": "eastus",
            "properties": {"provisioningState": "Succeeded", "subnet": {"id": subnet},
                "networkInterfaces": [{"id": nic}], "privateLinkServiceConnections": []},
        });
        let interface = json!({
            "id": nic, "name": format!("n{at}"), "type": "Microsoft.Network/networkInterfaces",
            "location": "eastus",
            "properties": {"provisioningState": "Succeeded", "privateEndpoint": {"id": id},
                "ipConfigurations": [{"name": "c", "properties": {
                    "privateIPAddress": format!("10.1.{}.{}", at / 250, at % 250 + 4),
                    "subnet": {"id": subnet}}}]},
        });
        world.azure.insert(endpoint).and_then(|()| world.azure.insert(interface)).expect("taken");
    }
    let running = Sandbox::start(options(world)).await.expect("a sandbox");
    let arm = arm(&running);
    let mut slowest = Duration::ZERO;
    for kind in ["privateEndpoints", "networkInterfaces"] {
        let start = Instant::now();
        let path = format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Network/{kind}");
        let list = arm.list(&path).await.expect("a list").expect("there");
        assert_eq!(list.len(), endpoints);
        slowest = slowest.max(start.elapsed());
    }
    let kubernetes = kubernetes(&running).await;
    let before = running.requests().len();
    let start = Instant::now();
    let snapshot = observe::observe(&targets(), Some(&kubernetes), &arm).await;
    let spent = start.elapsed();
    let requests = running.requests().len() - before;
    assert_eq!(snapshot.resources_of_type("Microsoft.Network/privateEndpoints").count(), endpoints);
    println!(
        "\nObservation of {endpoints} endpoints, {} ms an answer, pages of {PAGE}: {requests} requests, {:.2} s; \
         the slowest chain of pages alone {:.2} s, ratio {:.2}.",
        LATENCY.as_millis(),
        spent.as_secs_f64(),
        slowest.as_secs_f64(),
        spent.as_secs_f64() / slowest.as_secs_f64(),
    );
    running.shutdown().await.expect("saved");
}

/// Applies a stack, and compares how long it takes with its critical path.
pub(crate) async fn apply() {
    let running = Sandbox::start(options(World::first())).await.expect("a sandbox");
    let (arm, kubernetes) = (arm(&running), kubernetes(&running).await);
    let (snapshot, facts) = observed(&kubernetes, &arm).await;
    let source = Source::new("stack.yaml", stacks::STACK).expect("text");
    let (desired, _) = desired::resolve(document::parse(&source), &Options::default());
    let options = stages::options();
    let live = Inventory::of(&snapshot);
    let wanted = join::identify(&desired, &live, &facts, &options);
    let input = Input::new(&wanted, &live, &facts, &options);
    let plan = planning::plan(&input).expect("a plan").plan;
    let mut patience = Patience::default();
    patience.parallelism = plan.steps.len();
    patience.poll_interval = Duration::from_millis(50);
    let session = Session::new(Some(kubernetes), arm, patience);
    let mut spans: BTreeMap<usize, (Instant, Instant)> = BTreeMap::new();
    let begin = Instant::now();
    let mut note = |event: &Event| {
        let Some(step) = event.step else { return };
        let now = Instant::now();
        match event.kind {
            EventKind::Started { .. } => drop(spans.insert(step, (now, now))),
            EventKind::Failed { .. } => panic!("step {step} failed: {event:?}"),
            _ => {
                if let Some(span) = spans.get_mut(&step) {
                    span.1 = now;
                }
            }
        }
    };
    apply::apply(&plan, &session, &mut note).await;
    let makespan = begin.elapsed();
    assert_eq!(spans.len(), plan.steps.len(), "every step ran");
    report(&plan, &spans, makespan);
    running.shutdown().await.expect("saved");
}

async fn observed(kubernetes: &KubernetesClient, arm: &ArmClient) -> (Snapshot, Facts) {
    let targets = targets();
    let snapshot = observe::observe(&targets, Some(kubernetes), arm).await;
    let pinned = Facts { subscription: SUBSCRIPTION.to_owned(), ..Facts::default() };
    let facts = targets.facts(&snapshot, &pinned);
    (snapshot, facts)
}

fn report(plan: &Plan, spans: &BTreeMap<usize, (Instant, Instant)>, makespan: Duration) {
    let (needs, _) = longest(plan, spans, false);
    let (path, chain) = longest(plan, spans, true);
    let work: Duration = spans.values().map(|(start, end)| end.duration_since(*start)).sum();
    println!(
        "\nApply of {} steps, {} ms an answer: {:.2} s; critical path {:.2} s, ratio {:.2}; by needs alone \
         {:.2} s, so writes to one subnet or Private Link Service at a time cost {:.2} s; all steps one after \
         the other would take {:.2} s. The critical path:",
        plan.steps.len(),
        LATENCY.as_millis(),
        makespan.as_secs_f64(),
        path.as_secs_f64(),
        makespan.as_secs_f64() / path.as_secs_f64(),
        needs.as_secs_f64(),
        path.saturating_sub(needs).as_secs_f64(),
        work.as_secs_f64(),
    );
    for id in chain {
        let step = plan.steps.iter().find(|step| step.id == id);
        if let (Some(step), Some((start, end))) = (step, spans.get(&id)) {
            let spent = end.duration_since(*start).as_secs_f64();
            println!("  {spent:6.2} s  {} {}", step.op.verb(), step.change);
        }
    }
}

/// The longest chain of steps, each with the time it took. A step follows what it needs, and with
/// `serialised` also the step that held one of its locks before it.
fn longest(
    plan: &Plan,
    spans: &BTreeMap<usize, (Instant, Instant)>,
    serialised: bool,
) -> (Duration, Vec<usize>) {
    let mut in_order: Vec<_> = plan.steps.iter().collect();
    in_order.sort_by_key(|step| spans.get(&step.id).map(|span| span.0));
    let mut ends: BTreeMap<usize, (Duration, Option<usize>)> = BTreeMap::new();
    let mut holders: BTreeMap<&str, usize> = BTreeMap::new();
    for step in in_order {
        let Some((start, end)) = spans.get(&step.id) else { continue };
        let mut before: Vec<usize> = step.needs.clone();
        if serialised {
            before.extend(step.locks.iter().filter_map(|lock| holders.get(lock.as_str())));
        }
        let from = before.iter().filter_map(|id| Some((ends.get(id)?.0, *id))).max();
        let (at, via) = from.map_or((Duration::ZERO, None), |(at, id)| (at, Some(id)));
        ends.insert(step.id, (at + end.duration_since(*start), via));
        holders.extend(step.locks.iter().map(|lock| (lock.as_str(), step.id)));
    }
    let last = ends.iter().max_by_key(|(_, (at, _))| *at);
    let Some((mut id, (length, _))) = last.map(|(id, end)| (*id, *end)) else {
        return (Duration::ZERO, Vec::new());
    };
    let mut chain = vec![id];
    while let Some((_, Some(via))) = ends.get(&id) {
        chain.push(*via);
        id = *via;
    }
    chain.reverse();
    (length, chain)
}
