//! How long each stage of a plan takes, over about a thousand nodes: 24 clusters.

#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "criterion's macros make undocumented functions; what fails ends a benchmark"
)]

mod stacks;
mod stages;

use std::hint::black_box;
use std::process::{Command, Stdio};

use criterion::{Criterion, criterion_group, criterion_main};
use privlink_core::desired::{self, Desired, Options};
use privlink_core::diagnostic::Source;
use privlink_core::diff::{self, trial::Trial};
use privlink_core::facts::Facts;
use privlink_core::input::Input;
use privlink_core::inventory::Inventory;
use privlink_core::join::{self, Join};
use privlink_core::planned::Planned;
use privlink_core::planning;
use privlink_core::snapshot::Snapshot;
use privlink_core::wanted::Identified;
use privlink_core::{document, prediction, stack_graph, yaml};
use privlink_render as render;

use stacks::{Scenario, Stack};

const NODES: usize = 1_000;

/// A stack as far as it is known before it is planned.
struct Ready {
    desired: Desired,
    snapshot: Snapshot,
    facts: Facts,
}

impl Ready {
    /// Plans, from what was observed on.
    fn plan(&self, options: &privlink_core::input::Options) -> Planned {
        let live = Inventory::of(&self.snapshot);
        let wanted = join::identify(&self.desired, &live, &self.facts, options);
        planning::plan(&Input::new(&wanted, &live, &self.facts, options)).expect("a plan")
    }
}

fn ready(stack: &Stack) -> Ready {
    let source = Source::new("stack.yaml", stack.documents.as_str()).expect("text");
    let (desired, _) = desired::resolve(document::parse(&source), &Options::default());
    let snapshot = stages::snapshot(stack);
    let facts = stages::facts(&desired, &snapshot);
    Ready { desired, snapshot, facts }
}

fn reading(criterion: &mut Criterion) {
    let stacks: Vec<Stack> = stacks::stacks(NODES, Scenario::Same).collect();
    let source = |stack: &Stack| Source::new("stack.yaml", stack.documents.as_str()).expect("text");
    let sources: Vec<_> = stacks.iter().map(source).collect();
    criterion.bench_function("yaml", |bench| {
        bench.iter(|| {
            for source in &sources {
                yaml::documents(source).for_each(|document| drop(black_box(document)));
            }
        });
    });
    criterion.bench_function("parse", |bench| {
        bench.iter(|| sources.iter().for_each(|source| drop(black_box(document::parse(source)))));
    });
    criterion.bench_function("resolve", |bench| {
        bench.iter_batched(
            || sources.iter().map(document::parse).collect::<Vec<_>>(),
            |all| {
                for documents in all {
                    black_box(desired::resolve(documents, &Options::default()));
                }
            },
            criterion::BatchSize::LargeInput,
        );
    });
    criterion.bench_function("snapshot", |bench| {
        bench.iter(|| stacks.iter().for_each(|stack| drop(black_box(stages::snapshot(stack)))));
    });
}

fn planning(criterion: &mut Criterion) {
    let options = stages::options();
    for scenario in Scenario::ALL {
        let all: Vec<Ready> = stacks::stacks(NODES, scenario).map(|stack| ready(&stack)).collect();
        let lives: Vec<Inventory<'_>> = all.iter().map(|it| Inventory::of(&it.snapshot)).collect();
        let wanted: Vec<Identified<'_>> = all
            .iter()
            .zip(&lives)
            .map(|(it, live)| join::identify(&it.desired, live, &it.facts, &options))
            .collect();
        let inputs: Vec<Input<'_>> = all
            .iter()
            .zip(lives.iter().zip(&wanted))
            .map(|(it, (live, wanted))| Input::new(wanted, live, &it.facts, &options))
            .collect();
        let mut group = criterion.benchmark_group(scenario.name());
        group.bench_function("plan", |bench| {
            bench.iter(|| all.iter().for_each(|ready| drop(black_box(ready.plan(&options)))));
        });
        let changes: Vec<_> = inputs.iter().map(|input| diff::service::diff(input)).collect();
        group.bench_function("predict", |bench| {
            bench.iter(|| {
                for (ready, (_, changes)) in all.iter().zip(&changes) {
                    let live = Inventory::of(&ready.snapshot);
                    let cluster = prediction::cluster(&live, &ready.facts);
                    black_box(prediction::predict(live.world().clone(), cluster, changes));
                }
            });
        });
        let planned: Vec<Planned> =
            inputs.iter().map(|input| planning::plan(input).expect("a plan")).collect();
        group.bench_function("diff", |bench| {
            bench.iter(|| {
                for ((input, planned), (part, _)) in inputs.iter().zip(&planned).zip(&changes) {
                    let join = Join::of(input, &planned.prediction);
                    let mut trial = Trial::new(&planned.prediction);
                    black_box(diff::endpoint::diff(&join, &[], &mut trial));
                    black_box(diff::controller::diff(&join, part));
                }
            });
        });
        group.bench_function("graph", |bench| {
            bench.iter(|| {
                for (input, planned) in inputs.iter().zip(&planned) {
                    black_box(stack_graph::of(input, &planned.prediction));
                }
            });
        });
        for format in ["text", "json", "markdown"] {
            group.bench_function(format, |bench| {
                bench.iter(|| {
                    planned
                        .iter()
                        .for_each(|it| drop(black_box(stages::rendered(&it.plan, format))));
                });
            });
        }
        for (name, draw) in [
            ("dot", render::graph::dot as fn(&_, &mut dyn std::fmt::Write) -> _),
            ("mermaid", render::graph::mermaid),
            ("tree", render::graph::text),
        ] {
            group.bench_function(name, |bench| {
                bench.iter(|| {
                    for planned in &planned {
                        let mut out = String::new();
                        draw(&planned.graph, &mut out).expect("text");
                        black_box(out);
                    }
                });
            });
        }
        group.finish();
    }
}

/// The whole command, files and output included.
fn command(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("plan --observed");
    group.sample_size(20);
    for scenario in Scenario::ALL {
        let folder = tempfile::tempdir().expect("a folder");
        stacks::write(folder.path(), NODES, scenario).expect("written");
        for jobs in ["1", "2"] {
            group.bench_function(format!("{}, {jobs} jobs", scenario.name()), |bench| {
                bench.iter(|| {
                    Command::new(env!("CARGO_BIN_EXE_privlink"))
                        .args([
                            "plan",
                            "--stacks",
                            "stacks",
                            "--observed",
                            "observed",
                            "--jobs",
                            jobs,
                        ])
                        .current_dir(folder.path())
                        .stdout(Stdio::null())
                        .stderr(Stdio::null())
                        .status()
                        .expect("a run")
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, reading, planning, command);
criterion_main!(benches);
