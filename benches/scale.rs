//! Measures how plans scale. `benches/scale.sh` runs it; see docs/performance.md.
//!
//! - `table BINARY EMPTY [NODES ...]` prints the table: generated stacks, read, planned stage by stage, and
//!   planned by the binary; EMPTY is a program that does nothing;
//! - `generate NODES SCENARIO FOLDER` writes stacks;
//! - `read FOLDER` reads them and does nothing else: what plans are compared with;
//! - `sandbox` observes 10,000 endpoints, and applies a stack, with latencies.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement prints, and what fails ends it"
)]

mod sandbox;
mod spent;
mod stacks;
mod stages;

use std::env;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use privlink_core::diagnostic::Source;
use privlink_core::snapshot::Snapshot;
use privlink_core::yaml;

use mimalloc::MiMalloc;
use spent::{STAGES, Stages};
use stacks::{NODES, Scenario};

/// As in the binary, so that reading is measured with the same one.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() {
    let args: Vec<String> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["table", binary, empty, sizes @ ..] => {
            let sizes: Vec<usize> = sizes.iter().filter_map(|size| size.parse().ok()).collect();
            let sizes = if sizes.is_empty() { vec![100, 1_000, 10_000, 100_000] } else { sizes };
            table(Path::new(binary), Path::new(empty), &sizes);
        }
        ["generate", nodes, scenario, folder] => {
            let scenario = Scenario::ALL.into_iter().find(|it| it.name() == *scenario);
            let nodes = nodes.parse().expect("a number of nodes");
            stacks::write(Path::new(folder), nodes, scenario.expect("a scenario"))
                .expect("written");
        }
        ["read", folder] => println!("{} bytes", read(Path::new(folder))),
        ["sandbox"] => {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(async {
                sandbox::observe(10_000).await;
                sandbox::apply().await;
            });
        }
        _ => eprintln!("see benches/scale.sh"),
    }
}

/// Reads all stacks of a folder, one after the other: the documents into trees, the snapshots by
/// serde_json. Returns how many bytes they have.
fn read(folder: &Path) -> usize {
    let mut bytes = 0;
    for name in names(&folder.join("stacks")) {
        let text = fs::read(folder.join("stacks").join(&name).join("stack.yaml")).expect("read");
        bytes += text.len();
        let source = Source::from_bytes(&name, text).expect("text");
        for document in yaml::documents(&source) {
            black_box(&document);
        }
        let text = fs::read(folder.join("observed").join(format!("{name}.json"))).expect("read");
        bytes += text.len();
        let snapshot: Snapshot = serde_json::from_slice(&text).expect("a snapshot");
        black_box(&snapshot);
    }
    bytes
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let name = |entry: std::io::Result<fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
    let mut names: Vec<String> = entries.filter_map(name).collect();
    names.sort();
    names
}

/// What one run took.
#[derive(Clone, Copy, Debug)]
struct Run {
    wall: Duration,
    /// Peak resident memory in KiB.
    peak: u64,
}

/// Runs a command, with its output thrown away.
fn run(program: &Path, args: &[&str]) -> Run {
    let report = env::temp_dir().join(format!("scale-{}.time", std::process::id()));
    let start = Instant::now();
    let status = Command::new("/usr/bin/time")
        .args(["-q", "-f", "%M", "-o"])
        .arg(&report)
        .arg(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("GNU time in /usr/bin/time");
    let wall = start.elapsed();
    // 3: a plan that would cut consumers off is refused, once it is printed.
    assert!(matches!(status.code(), Some(0 | 3)), "{} {args:?}: {status}", program.display());
    let report = fs::read_to_string(&report).expect("a report");
    let peak = report.lines().last().and_then(|line| line.trim().parse().ok()).expect("KiB");
    Run { wall, peak }
}

/// The fastest of several rounds of each command, run in turn so that all meet the same machine.
fn fastest(rounds: usize, commands: &[(&Path, Vec<&str>)]) -> Vec<Run> {
    let mut best: Vec<Option<Run>> = vec![None; commands.len()];
    for _ in 0..rounds {
        for ((program, args), best) in commands.iter().zip(&mut best) {
            let run = run(program, args);
            if best.is_none_or(|best| run.wall < best.wall) {
                *best = Some(run);
            }
        }
    }
    best.into_iter().flatten().collect()
}

/// One row of the table.
struct Row {
    nodes: usize,
    scenario: Scenario,
    bytes: usize,
    read: Run,
    one: Run,
    all: Run,
}

fn table(binary: &Path, empty: &Path, sizes: &[usize]) {
    let this = env::current_exe().expect("this program");
    let folder = env::temp_dir().join(format!("scale-{}", std::process::id()));
    let mut rows = Vec::new();
    let mut stages = Vec::new();
    for nodes in sizes.iter().copied() {
        for scenario in Scenario::ALL {
            let at = folder.join(format!("{nodes}-{}", scenario.name()));
            stacks::write(&at, nodes, scenario).expect("written");
            let row = row(binary, &this, &at, (nodes, scenario));
            let mut spent = Stages::default();
            for stack in stacks::stacks(nodes, scenario) {
                spent.add(&stack);
            }
            eprintln!("{} {} {:?}", row.nodes, scenario.name(), row.one.wall);
            stages.push((row.nodes, scenario, spent));
            rows.push(row);
            fs::remove_dir_all(&at).expect("removed");
        }
    }
    fs::remove_dir_all(&folder).expect("removed");
    print_runs(&rows);
    print_growth(&rows);
    print_stages(&stages);
    print_start(binary, empty);
}

fn row(binary: &Path, this: &Path, at: &Path, (nodes, scenario): (usize, Scenario)) -> Row {
    let text = |path: PathBuf| path.to_str().expect("a path in UTF-8").to_owned();
    let (stacks, observed) = (text(at.join("stacks")), text(at.join("observed")));
    let folder = text(at.to_owned());
    let plan = |jobs: &'static str| {
        vec!["plan", "--stacks", stacks.as_str(), "--observed", observed.as_str(), "--jobs", jobs]
    };
    let all = std::thread::available_parallelism().map_or(1, usize::from).to_string();
    let mut on_all = plan("1");
    on_all.pop();
    on_all.push(all.as_str());
    let rounds = if nodes > 10_000 { 3 } else { 7 };
    let runs = fastest(
        rounds,
        &[(this, vec!["read", folder.as_str()]), (binary, plan("1")), (binary, on_all)],
    );
    let [read, one, all] = runs.as_slice() else { unreachable!("three commands, three runs") };
    let nodes = nodes.div_ceil(NODES) * NODES;
    Row { nodes, scenario, bytes: self::read(at), read: *read, one: *one, all: *all }
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}

fn print_runs(rows: &[Row]) {
    println!(
        "| nodes | plan | input MB | read s | plan s, 1 job | ratio | plan s, all cores | ratio | peak MB | per input byte |"
    );
    println!("|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|");
    for Row { nodes, scenario, bytes, read, one, all } in rows {
        #[expect(clippy::cast_precision_loss, reason = "for a table")]
        let (megabytes, peak) = (*bytes as f64 / 1e6, all.peak.max(one.peak) as f64 * 1024.0 / 1e6);
        println!(
            "| {nodes} | {} | {megabytes:.2} | {:.3} | {:.3} | {:.2} | {:.3} | {:.2} | {peak:.1} | {:.2} |",
            scenario.name(),
            read.wall.as_secs_f64(),
            one.wall.as_secs_f64(),
            ratio(one.wall, read.wall),
            all.wall.as_secs_f64(),
            ratio(all.wall, read.wall),
            peak / megabytes,
        );
    }
}

fn print_growth(rows: &[Row]) {
    println!(
        "\n| plan | growth exponent from | to | 1 job | all cores |\n|---|---:|---:|---:|---:|"
    );
    for scenario in Scenario::ALL {
        let mut of = rows.iter().filter(|row| row.scenario == scenario && row.nodes >= 1_000);
        let (Some(few), Some(many)) = (of.next(), of.next_back()) else { continue };
        #[expect(clippy::cast_precision_loss, reason = "for a table")]
        let nodes = (many.nodes as f64 / few.nodes as f64).ln();
        println!(
            "| {} | {} | {} | {:.2} | {:.2} |",
            scenario.name(),
            few.nodes,
            many.nodes,
            ratio(many.one.wall, few.one.wall).ln() / nodes,
            ratio(many.all.wall, few.all.wall).ln() / nodes,
        );
    }
}

fn print_stages(stages: &[(usize, Scenario, Stages)]) {
    println!("\nMilliseconds by stage, one stack after the other in one process:\n");
    println!("| nodes | plan | {} |", STAGES.join(" | "));
    println!("|---:|---|{}", "---:|".repeat(STAGES.len()));
    for (nodes, scenario, stages) in stages {
        let spent: Vec<String> =
            stages.spent().map(|spent| format!("{:.1}", spent.as_secs_f64() * 1e3)).collect();
        println!("| {nodes} | {} | {} |", scenario.name(), spent.join(" | "));
    }
}

fn print_start(binary: &Path, empty: &Path) {
    let runs = fastest(21, &[(empty, Vec::new()), (binary, vec!["--version"])]);
    let [empty, version] = runs.as_slice() else { return };
    println!(
        "\nStart-up: `--version` takes {:.1} ms, an empty program {:.1} ms.",
        version.wall.as_secs_f64() * 1e3,
        empty.wall.as_secs_f64() * 1e3
    );
}
