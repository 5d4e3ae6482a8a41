//! How long a route is searched: on a load balancer with many Services, one of which is replaced by another on
//! the same address; and over a stack of 42 objects.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and what fails ends it"
)]

#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod stacks;
#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod stages;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use privlink_core::arm::rules::Rules;
use privlink_core::assumed;
use privlink_core::controller::predict::{self, Change};
use privlink_core::desired::{self, Desired, Options};
use privlink_core::diagnostic::Source;
use privlink_core::facts::Facts;
use privlink_core::input::Input;
use privlink_core::inventory::Inventory;
use privlink_core::join;
use privlink_core::resource_id::ResourceId;
use privlink_core::route::{self, Bounds};
use privlink_core::snapshot::{self, Snapshot};
use privlink_core::{document, prediction};
use serde_json::{Value, json};
use stacks::Scenario;

/// What the annotations begin with.
const PREFIX: &str = "service.beta.kubernetes.io/azure-";
/// Who is connected.
const ENDPOINT: &str = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/theirs/providers/\
    Microsoft.Network/privateEndpoints/pe";

fn main() {
    println!("| Services on one load balancer | found | states | plan | plan and route |");
    println!("|---|---|---|---|---|");
    for services in [2, 14, 50, 100] {
        let scene = Scene::replacing(services, 1);
        row(&services.to_string(), &scene.desired, &scene.snapshot, &scene.facts);
    }
    println!("\n| a stack of 42 objects, of which | found | states | plan | plan and route |");
    println!("|---|---|---|---|---|");
    for (scenario, what) in
        [(Scenario::New, "all are new"), (Scenario::Moved, "all frontends move")]
    {
        let stack = stacks::stacks(42, scenario).next().expect("a stack");
        let source = Source::new("stack.yaml", stack.documents.as_str()).expect("text");
        let (desired, _) = desired::resolve(document::parse(&source), &Options::default());
        let snapshot = stages::snapshot(&stack);
        let facts = stages::facts(&desired, &snapshot);
        row(what, &desired, &snapshot, &facts);
    }
    println!(
        "\n| Services that are replaced on one address | found | states | plan | plan and route |"
    );
    println!("|---|---|---|---|---|");
    for replaced in [1, 2, 3] {
        let scene = Scene::replacing(8, replaced);
        row(&replaced.to_string(), &scene.desired, &scene.snapshot, &scene.facts);
    }
}

/// Prints a row.
fn row(what: &str, desired: &Desired, snapshot: &Snapshot, facts: &Facts) {
    let options = stages::options();
    let with = |work: &dyn Fn(&Input<'_>)| {
        let live = Inventory::of(snapshot);
        let wanted = join::identify(desired, &live, facts, &options);
        work(&Input::new(&wanted, &live, facts, &options));
    };
    let plan =
        average(|| with(&|input| drop(privlink_core::planning::plan(input).expect("a plan"))));
    let both = average(|| with(&|input| drop(route::planned(input).expect("a plan"))));
    let live = Inventory::of(snapshot);
    let wanted = join::identify(desired, &live, facts, &options);
    let input = Input::new(&wanted, &live, facts, &options);
    let found = route::find(&input, Bounds::default()).expect("a route");
    println!(
        "| {what} | {:?} in {} steps | {} | {plan:.1?} | {both:.1?} |",
        found.verdict,
        found.steps.len(),
        found.searched.states
    );
}

/// What a run takes, over as many as take a while: the clock of [`spent`] is coarse.
fn average(work: impl Fn()) -> Duration {
    work();
    let (start, mut runs) = (spent(), 0);
    while runs < 3 || spent().saturating_sub(start) < Duration::from_millis(200) {
        work();
        runs += 1;
    }
    spent().saturating_sub(start) / runs
}

/// The time that this thread had a processor (proc(5), `schedstat`): one search is one thread, and what else the machine
/// does is not counted.
fn spent() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanoseconds = text.split_whitespace().next().and_then(|it| it.parse().ok());
    Duration::from_nanos(nanoseconds.expect("a number"))
}

/// A stack that is live, and what it is to become.
struct Scene {
    desired: Desired,
    snapshot: Snapshot,
    facts: Facts,
}

impl Scene {
    fn replacing(services: usize, replaced: usize) -> Self {
        let (facts, cluster) = assumed::cluster(&Facts::default());
        let live = resolved(services, replaced, "nginx");
        let changes: Vec<Change> = live
            .services
            .values()
            .enumerate()
            .map(|(at, service)| {
                let uid = format!("{at:08}-0000-4000-8000-000000000000");
                let stored = prediction::stored(&service.manifest, None, &facts, Some(&uid));
                Change::Apply(stored.expect("a Service").into())
            })
            .collect();
        let world = assumed::world(&facts, &changes);
        let predicted = predict::predict(world, cluster, &changes, Rules::Azure);
        let mut world = predicted.world;
        for link in world.private_link_services.values_mut() {
            let connection = json!([{"name": "pe.1", "properties": {
                "privateEndpoint": {"id": ENDPOINT},
                "privateLinkServiceConnectionState": {"status": "Approved"}}}]);
            let connections = serde_json::from_value(connection).expect("a connection");
            Arc::make_mut(link).properties.private_endpoint_connections = connections;
        }
        let mut azure: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for resource in world.to_json() {
            let id =
                ResourceId::new(resource.get("id").and_then(Value::as_str).unwrap_or_default());
            let list = id.collection().map(|it| it.key()).unwrap_or_default();
            azure.entry(list).or_default().push(resource);
        }
        let present = |list: Vec<Value>| json!({"present": list});
        let azure: BTreeMap<String, Value> =
            azure.into_iter().map(|(path, list)| (path, present(list))).collect();
        let objects = predicted.services.values().map(|it| (*it.object).clone()).collect();
        let snapshot = json!({
            "formatVersion": snapshot::FORMAT_VERSION,
            "takenAt": "2026-01-01T00:00:00Z",
            "azure": azure,
            "kubernetes": {
                "version": {"present": "v1.33.1"},
                "namespace": "default",
                "services": present(objects),
                "nodes": present(Vec::new()),
                "events": present(Vec::new()),
            },
        });
        let snapshot = serde_json::from_value(snapshot).expect("a snapshot");
        Self { desired: resolved(services, replaced, "gw"), snapshot, facts }
    }
}

/// Services on addresses of their own but for the first few, which share one with a Private Link Service and a
/// consumer. Their names are what changes.
fn resolved(services: usize, replaced: usize, name: &str) -> Desired {
    let mut text = String::from(
        "apiVersion: privlink.dev/v1alpha1\nkind: Stack\nmetadata: {name: routes}\nspec: {}\n",
    );
    for at in 0..services {
        let (name, address, port, link) = match at {
            _ if at < replaced => {
                (format!("{name}-{at}"), 10, 443 + at, at == 0 && name == "nginx")
            }
            _ => (format!("app-{at}"), 10 + at, 443, false),
        };
        let link = if link {
            format!("    {PREFIX}pls-create: \"true\"\n    {PREFIX}pls-name: my-pls\n")
        } else {
            String::new()
        };
        write!(
            text,
            "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n  labels: {{privlink.dev/stack: routes}}\n  \
             annotations:\n    {PREFIX}load-balancer-internal: \"true\"\n    {PREFIX}load-balancer-ipv4: 10.240.0.{address}\n\
             {link}spec: {{type: LoadBalancer, selector: {{app: {name}}}, ports: [{{port: {port}}}]}}\n"
        )
        .expect("text");
    }
    let source = Source::new("stack.yaml", text.as_str()).expect("text");
    desired::resolve(document::parse(&source), &Options::default()).0
}
