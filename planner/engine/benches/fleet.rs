//! How a fleet of stacks is observed: what ARM is asked, and where its token buckets become the limit; see
//! docs/performance.md. `cargo bench -p privlink-engine --bench fleet -- WHAT`:
//!
//! - `reads`: 1,000 stacks in 20 subscriptions, read alone, together, and by Azure Resource Graph;
//! - `shards`: 5,000 stacks in 50 subscriptions by so many shards;
//! - `eighth`: an eighth of that, with an eighth of the jobs: as long on paper, and an eighth of the processor's work.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a measurement prints, and what fails ends it"
)]

#[path = "../../../tests/support/fleet.rs"]
mod fleet;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fleet::{Clusters, Fleet};
use privlink_azure::{ArmClient, Cloud, Environment, Identity, Settings, Share};
use privlink_core::desired::{self, Desired, Options};
use privlink_core::diagnostic::Source;
use privlink_core::document;
use privlink_core::snapshot::Snapshot;
use privlink_engine::observe::{Graph, Lists, Said, SharedLists, Targets, observe};
use privlink_kubernetes::{Connection, KubernetesClient};
use privlink_sandbox::{Running, Sandbox, SandboxOptions, WorldSource};

/// What every answer takes, of ARM and of the API servers.
const LATENCY: Duration = Duration::from_millis(100);
/// How many items ARM's pages have.
const PAGE: usize = 1_000;
/// How many requests a subscription takes at once, and then in a second.
const BUCKET: (f64, f64) = (250.0, 25.0);

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let server = tokio::runtime::Runtime::new().expect("a runtime");
    let all = ["reads", "shards", "eighth"];
    let asked: Vec<&str> = args.iter().map(String::as_str).collect();
    for what in if asked.is_empty() { &all } else { asked.as_slice() } {
        match *what {
            "reads" => reads(&server),
            "shards" => shards(&server, Fleet { stacks: 5_000, subscriptions: 50 }, 8),
            "eighth" => shards(&server, Fleet { stacks: 600, subscriptions: 6 }, 1),
            other => panic!("{other}: one of {all:?}"),
        }
    }
}

/// A fleet that is served.
struct Scene {
    fleet: Fleet,
    running: Running,
    clusters: Clusters,
}

impl Scene {
    fn new(server: &tokio::runtime::Runtime, fleet: Fleet, latency: Duration) -> Self {
        let mut options = SandboxOptions::new(WorldSource::Memory(Box::new(fleet.world())));
        options.latency = latency;
        options.page_size = PAGE;
        let (running, clusters) = server.block_on(async {
            let running = Sandbox::start(options).await.expect("a sandbox");
            (running, Clusters::serve(fleet, latency).await)
        });
        Self { fleet, running, clusters }
    }

    fn arm(&self, share: &str) -> ArmClient {
        let url = &self.running.arm_url;
        let cloud = Cloud::custom(url, url, url).expect("a cloud");
        let share: Share = share.parse().expect("a share");
        let settings = Settings { share, ..Settings::default() };
        let environment = Environment::of(BTreeMap::new());
        ArmClient::new(&cloud, &Identity::Token("t".into()), &environment, settings)
            .expect("a client")
    }

    async fn observe(&self, stack: usize, lists: &Lists) -> Snapshot {
        let url = self.clusters.url(stack);
        let namespace = "default".to_owned();
        let connection = Connection::Url { url, token: Some("t".to_owned()), namespace };
        let settings = privlink_kubernetes::Settings::default();
        let kubernetes = KubernetesClient::connect(&connection, settings).await.expect("a client");
        observe(&self.targets(stack), Some(&kubernetes), lists).await
    }

    fn targets(&self, stack: usize) -> Targets {
        let source = Source::new("stack.yaml", self.fleet.documents(stack)).expect("text");
        let (desired, _): (Desired, _) =
            desired::resolve(document::parse(&source), &Options::default());
        let said = Said::default();
        let pinned = desired::pinned(&desired, said.subscription(&desired).as_deref());
        Targets::of(&desired, &said, &pinned).expect("a cluster")
    }

    /// Observes stacks, so many at once.
    async fn observe_all(&self, stacks: &[usize], jobs: usize, lists: impl Fn() -> Lists) {
        let next = AtomicUsize::new(0);
        let job = async || {
            while let Some(stack) = stacks.get(next.fetch_add(1, Ordering::Relaxed)) {
                let snapshot = self.observe(*stack, &lists()).await;
                let endpoints = snapshot.resources_of_type("Microsoft.Network/privateEndpoints");
                let balancers = snapshot.resources_of_type("Microsoft.Network/loadBalancers");
                assert!(endpoints.count() > 0 && balancers.count() > 0, "it was read");
            }
        };
        futures::future::join_all((0..jobs).map(|_| job())).await;
    }
}

/// How many requests a fleet makes.
fn reads(server: &tokio::runtime::Runtime) {
    let fleet = Fleet { stacks: 1_000, subscriptions: 20 };
    let scene = Scene::new(server, fleet, Duration::ZERO);
    let stacks: Vec<usize> = (0..fleet.stacks).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    println!("\n{} stacks in {} subscriptions:", fleet.stacks, fleet.subscriptions);
    let printed = |how: &str, arm: &ArmClient, began: Instant| {
        let (requests, spent) = (arm.calls().reads, began.elapsed().as_secs_f64());
        println!("| {how} | {requests} | {:.2} | {spent:.1} s |", requests as f64 / 1_000.0);
    };
    runtime.block_on(async {
        let (arm, began) = (scene.arm("1/1"), Instant::now());
        scene.observe_all(&stacks, 8, || Lists::from(&arm)).await;
        printed("alone", &arm, began);
        let (arm, began) = (scene.arm("1/1"), Instant::now());
        let shared = Arc::new(SharedLists::new(arm.clone()));
        scene.observe_all(&stacks, 8, || Lists::shared(&shared)).await;
        printed("together", &arm, began);
        let (arm, began) = (scene.arm("1/1"), Instant::now());
        let subscriptions: BTreeSet<String> =
            (0..fleet.subscriptions).map(|it| fleet.subscription(it)).collect();
        let graph = Arc::new(Graph::read(&arm, &subscriptions).await.expect("an answer"));
        scene.observe_all(&stacks, 8, || Lists::from(&arm).by_graph(&graph)).await;
        printed("Azure Resource Graph", &arm, began);
    });
}

/// How long a fleet takes by so many shards at once, each with its share of the buckets.
fn shards(server: &tokio::runtime::Runtime, fleet: Fleet, jobs: usize) {
    let scene = Scene::new(server, fleet, LATENCY);
    let each = fleet.stacks as f64 / fleet.subscriptions as f64;
    // One stack's own chain of requests: Events, then its cluster's lists beside its own of ARM.
    let chain = 2.0 * LATENCY.as_secs_f64();
    println!(
        "\n{} stacks in {} subscriptions, {jobs} jobs a shard, {} ms an answer:\n\
         | shards | requests a shard | a subscription | paper: work | paper: buckets | measured |",
        fleet.stacks,
        fleet.subscriptions,
        LATENCY.as_millis()
    );
    for count in [1, 2, 4, 8, 16, 32, 64] {
        scene.running.take_requests();
        let began = Instant::now();
        let requests = run(&scene, count, jobs);
        let spent = began.elapsed().as_secs_f64();
        let mut asked: BTreeMap<String, usize> = BTreeMap::new();
        for entry in scene.running.take_requests() {
            let subscription = entry.path.split('/').nth(2).unwrap_or_default().to_owned();
            *asked.entry(subscription).or_default() += 1;
        }
        let (least, most) = (requests.iter().min().unwrap(), requests.iter().max().unwrap());
        let of_one = *asked.values().max().unwrap() as f64;
        let work = fleet.stacks as f64 * chain / (count * jobs) as f64;
        // What a subscription is asked by all shards: its lists by each, and one list of each cluster.
        let paper = OF_SUBSCRIPTION * count as f64 + each;
        let buckets = ((paper - BUCKET.0) / BUCKET.1).max(0.0);
        println!(
            "| {count} | {least} to {most} | {paper:.0} on paper, {of_one:.0} | {work:.1} s | {buckets:.1} s | {spent:.1} s |"
        );
    }
}

/// How many lists a shard reads of a subscription, whatever the number of its stacks: 8 of groups until a second is asked
/// for, those of the subscription, and its groups.
const OF_SUBSCRIPTION: f64 = 17.0;

/// Runs all shards at once; how many requests each made.
fn run(scene: &Scene, count: usize, jobs: usize) -> Vec<u64> {
    let shard = |at: usize| {
        let own: Vec<usize> =
            (0..scene.fleet.stacks).filter(|it| of_stack(*it, count) == at).collect();
        let arm = scene.arm(&format!("1/{count}"));
        let shared = Arc::new(SharedLists::new(arm.clone()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(scene.observe_all(&own, jobs, || Lists::shared(&shared)));
        arm.calls().reads
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|at| scope.spawn(move || shard(at))).collect();
        threads.into_iter().map(|it| it.join().expect("it ends")).collect()
    })
}

/// The shard of a stack, by its name.
fn of_stack(stack: usize, count: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    format!("stack-{stack}").hash(&mut hasher);
    usize::try_from(hasher.finish() % count as u64).unwrap()
}
