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
use privlink_core::diff;
use privlink_core::diff::trial::Trial;
use privlink_core::facts::Facts;
use privlink_core::input::Input;
use privlink_core::join::Join;
use privlink_core::node::private_endpoint;
use privlink_core::planned::Planned;
use privlink_core::planning;
use privlink_core::snapshot::Snapshot;
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
        let inputs: Vec<Input<'_>> = all
            .iter()
            .map(|Ready { desired, snapshot, facts }| {
                Input::new(desired, snapshot, facts, &options)
            })
            .collect();
        let mut group = criterion.benchmark_group(scenario.name());
        group.bench_function("plan", |bench| {
            bench.iter(|| inputs.iter().for_each(|input| drop(black_box(planning::plan(input)))));
        });
        let changes: Vec<_> = inputs.iter().map(|input| diff::service::diff(input).1).collect();
        group.bench_function("predict", |bench| {
            bench.iter(|| {
                for (input, changes) in inputs.iter().zip(&changes) {
                    let (world, _) = prediction::world(input.snapshot);
                    let cluster = prediction::cluster(input.snapshot, input.facts);
                    black_box(prediction::predict(world, cluster, changes));
                }
            });
        });
        let planned: Vec<Planned> =
            inputs.iter().map(|input| planning::plan(input).expect("a plan")).collect();
        group.bench_function("diff", |bench| {
            bench.iter(|| {
                for (input, planned) in inputs.iter().zip(&planned) {
                    let join = Join::of(input, &planned.prediction);
                    let mut trial = Trial::new(&planned.prediction);
                    let mut part = diff::endpoint::diff(&join, &[], &mut trial);
                    part.add(diff::controller::diff(&join, &part));
                    black_box(part);
                }
            });
        });
        group.bench_function("graph", |bench| {
            bench.iter(|| {
                for (input, planned) in inputs.iter().zip(&planned) {
                    let own = private_endpoint::own(input);
                    black_box(stack_graph::of(input, &planned.prediction, &own));
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
