//! How long a prediction takes: 100 clusters of 100 Services each.

#![allow(
    missing_docs,
    clippy::print_stdout,
    reason = "criterion's macros make undocumented functions; a benchmark prints"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use privlink_model::arm::rules::Rules;
use privlink_model::arm::world::World;
use privlink_model::assumed::add_network;
use privlink_model::controller::cluster::Cluster;
use privlink_model::controller::predict::{Change, Prediction, predict};
use privlink_model::facts::{BackendPoolType, Facts};
use privlink_model::kubernetes::defaults::{Network, Unknowns, create};
use privlink_model::kubernetes::node::Node;
use privlink_model::kubernetes::service::{Key, Service};
use serde_json::json;

const CLUSTERS: usize = 100;
const SERVICES: usize = 100;
/// As many as one load balancer takes.
const PRIVATE_LINK_SERVICES: usize = 8;
const PREFIX: &str = "service.beta.kubernetes.io/";

fn facts(cluster: usize) -> Facts {
    Facts {
        subscription: "00000000-0000-0000-0000-000000000001".to_owned(),
        resource_group: format!("MC_rg_aks{cluster}_westeurope"),
        location: "westeurope".to_owned(),
        virtual_network: "vnet".to_owned(),
        subnet: "nodes".to_owned(),
        security_group: "nsg".to_owned(),
        backend_pool_type: BackendPoolType::NodeIp,
        ..Facts::default()
    }
}

fn services(count: usize) -> Vec<Arc<Service>> {
    let network = Network::default();
    let mut services = Vec::new();
    for at in 0..count {
        let mut annotations =
            BTreeMap::from([(format!("{PREFIX}azure-load-balancer-internal"), "true".to_owned())]);
        if at < PRIVATE_LINK_SERVICES {
            annotations.insert(format!("{PREFIX}azure-pls-create"), "true".to_owned());
            annotations.insert(format!("{PREFIX}azure-pls-name"), format!("pls-{at}"));
        }
        let manifest = json!({
            "metadata": {"name": format!("s{at}"), "namespace": "n", "annotations": annotations},
            "spec": {"type": "LoadBalancer", "ports": [{"name": "a", "port": 80}, {"name": "b", "port": 443}]},
        });
        let stored = create(manifest, &network, &mut Unknowns);
        services.extend(Service::from_value(stored).ok().map(Arc::new));
    }
    services
}

fn fold(
    cluster: usize,
    world: World,
    live: BTreeMap<Key, Arc<Service>>,
    changes: &[Change],
) -> Prediction {
    let nodes = (0..3).map(|at| Node {
        name: format!("node-{at}"),
        internal_addresses: vec![format!("10.0.0.{}", 4 + at)],
        ..Node::default()
    });
    let cluster = Cluster {
        facts: Arc::new(facts(cluster)),
        nodes: nodes.map(Arc::new).collect(),
        services: live,
        ..Cluster::default()
    };
    predict(world, cluster, changes, Rules::Azure)
}

fn predictions(criterion: &mut Criterion) {
    let services = services(SERVICES);
    let changes: Vec<Change> = services.iter().cloned().map(Change::Apply).collect();
    let mut worlds = Vec::new();
    for cluster in 0..CLUSTERS {
        let mut world = World::default();
        add_network(&mut world, &facts(cluster), services.iter().map(AsRef::as_ref));
        worlds.push(world);
    }
    let mut group = criterion.benchmark_group("10,000 Services");
    group.sample_size(10);
    group.bench_function("from nothing", |bench| {
        bench.iter(|| {
            for (cluster, world) in worlds.iter().enumerate() {
                black_box(fold(cluster, world.clone(), BTreeMap::new(), &changes));
            }
        });
    });
    let made: Vec<Prediction> = worlds
        .iter()
        .enumerate()
        .map(|(cluster, world)| fold(cluster, world.clone(), BTreeMap::new(), &changes))
        .collect();
    group.bench_function("nothing to do", |bench| {
        bench.iter(|| {
            for (cluster, made) in made.iter().enumerate() {
                let nudges: Vec<Change> =
                    made.services.keys().cloned().map(Change::Nudge).collect();
                black_box(fold(cluster, made.world.clone(), made.services.clone(), &nudges));
            }
        });
    });
    group.finish();
}

/// How the time grows with the Services of one cluster: the exponent between 100 and 400.
fn growth(_: &mut Criterion) {
    let seconds = |count: usize| {
        let services = services(count);
        let changes: Vec<Change> = services.iter().cloned().map(Change::Apply).collect();
        let mut world = World::default();
        add_network(&mut world, &facts(0), services.iter().map(AsRef::as_ref));
        let once = || {
            let start = Instant::now();
            black_box(fold(0, world.clone(), BTreeMap::new(), &changes));
            start.elapsed().as_secs_f64()
        };
        (0..5).map(|_| once()).fold(f64::INFINITY, f64::min)
    };
    let (few, many) = (seconds(100), seconds(400));
    println!(
        "100 Services: {few:.4} s, 400: {many:.4} s, growth exponent {:.2}",
        (many / few).ln() / 4f64.ln()
    );
}

criterion_group!(benches, growth, predictions);
criterion_main!(benches);
