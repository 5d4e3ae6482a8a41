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

mod deed;
#[path = "../support/generated.rs"]
mod generated;
#[path = "../support/served.rs"]
mod served;
#[path = "../support/stage.rs"]
mod stage;
#[path = "../support/mod.rs"]
mod support;
mod upheld;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use deed::{Deed, ask, doing};
use generated::{
    ENDPOINTS, Reaching, SERVICES, Version, Wanted, desired, lasting, neighbour, observed, planned,
    reaching, session, version, wanted,
};
use privlink_core::plan::{Mode, Plan, disconnected};
use privlink_core::report::{Outcome, Report};
use privlink_engine::apply::apply;
use privlink_sandbox::{Effect, Entry, Fault, World};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::Value;
use served::{RUNTIME, Served, drawn, refused};
use upheld::{connected, nobody_else_is_cut_off, nothing_foreign_is_written, whole};

/// After how many runs that failed the stack counts as stuck.
const MOST_RUNS: usize = 8;
/// How many rounds pass between two destructions of the stack.
const LIFE: usize = 50;

/// What the owner of the stack changes.
#[derive(Clone, Debug)]
enum Edit {
    All(Version),
    Service(usize, Option<Wanted>),
    Endpoint(usize, Option<Reaching>),
    Approve(bool),
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
    (edit, deed::any(), prop::bool::weighted(0.5), any::<u64>())
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
