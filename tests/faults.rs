//! Every example converges while requests fail, and while the controller is late, fails, or reads stale
//! caches.
//!
//! A run that does not come to its end is followed by another, as a pipeline would; what counts is that
//! one of few does, and that the world is then as a run leaves it that nothing happened to. The seed
//! is printed, and set with `FAULT_SEED`.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]
#![allow(clippy::print_stdout, reason = "the numbers are part of what is shown")]

#[path = "support/served.rs"]
mod served;
mod support;

use std::time::{SystemTime, UNIX_EPOCH};

use privlink_sandbox::{Effect, Fault};
use served::{Scene, Served, difference, drawn, examples, portrait, refused};

const PATIENCE: &str = "--lease-duration 6 --controller-timeout 60";
/// After how many runs that failed a stack counts as stuck.
const MOST_RUNS: usize = 6;

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// One request in ten fails.
    Requests,
    /// Every sync of the controller begins late.
    Late,
    /// The first sync of every Service fails.
    FailedSync,
    /// The controller works from old caches.
    Stale,
}

/// How it went.
#[derive(Debug, Default)]
struct Tally {
    runs: usize,
    retries: usize,
    struck: u32,
}

fn seed() -> u64 {
    let given = std::env::var("FAULT_SEED").ok().and_then(|seed| seed.parse().ok());
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    given.unwrap_or_else(now)
}

/// Faults that strike one request in ten, in equal parts.
fn one_in_ten(seed: u64) -> Vec<Fault> {
    let effects = vec![
        refused(429, "TooManyRequests", Some(1)),
        refused(500, "InternalServerError", None),
        Effect::Reset,
        Effect::LostAnswer,
        Effect::SlowOperation { polls: 20 },
    ];
    drawn(effects, seed)
}

fn faults(trouble: Trouble, seed: u64) -> Vec<Fault> {
    let of_controller = |effect, times| vec![Fault { times, effect, ..Fault::default() }];
    match trouble {
        Trouble::Requests => one_in_ten(seed),
        Trouble::Late => of_controller(Effect::LateController { milliseconds: 700 }, 0),
        Trouble::FailedSync => {
            let failed = Effect::FailedSync {
                method: None,
                write: String::new(),
                status: 409,
                code: "AnotherOperationInProgress".to_owned(),
                message: "made to fail".to_owned(),
            };
            of_controller(failed, 1)
        }
        Trouble::Stale => of_controller(Effect::StaleCache, 2),
    }
}

/// Runs a command until it ends well.
fn until_done(served: &Served, words: &str, code: i32, tally: &mut Tally) -> Result<(), String> {
    let mut told = String::new();
    for _ in 0..MOST_RUNS {
        tally.runs += 1;
        let run = served.run(words);
        tally.retries += run.stderr.matches(": tried again in").count();
        // A run before this one may have done it all, and not have heard so.
        if run.code == code || run.code == 0 {
            return Ok(());
        }
        told = format!("{}: {}{}", run.code, run.stdout, run.stderr);
    }
    Err(format!("stuck after {MOST_RUNS} runs of {words}: {told}"))
}

/// Applies an example, and destroys it, in trouble.
fn converges(scene: &Scene, trouble: Trouble, seed: u64) -> Result<Tally, String> {
    let mut tally = Tally::default();
    let what = format!("{} in {trouble:?} trouble, seed {seed}", scene.name);
    let undisturbed = scene.serve();
    let apply = format!("{} {PATIENCE}", scene.words("apply"));
    undisturbed.run(&apply).expect(scene.code);
    let expected = portrait(&undisturbed.world());
    let served = scene.serve();
    served.add_faults(faults(trouble, seed));
    until_done(&served, &apply, scene.code, &mut tally).map_err(|why| format!("{what}: {why}"))?;
    tally.struck = served.struck().iter().sum();
    served.clear_faults();
    if let Some(difference) = difference(&expected, &portrait(&served.world())) {
        return Err(format!("{what}: {difference}"));
    }
    let plan = served.run(&format!("plan -f examples/{} --detailed-exitcode", scene.name));
    if plan.code != 0 {
        return Err(format!("{what}: a plan after it ended with {}: {}", plan.code, plan.stdout));
    }
    Ok(tally)
}

/// Scenes in all kinds of trouble, some at once.
fn all_converge(scenes: &[Scene], seeds: u64) {
    let first = seed();
    let mut cases = Vec::new();
    for scene in scenes {
        for trouble in [Trouble::Late, Trouble::FailedSync, Trouble::Stale] {
            cases.push((scene, trouble, first));
        }
        cases.extend((0..seeds).map(|number| (scene, Trouble::Requests, first + number)));
    }
    let outcomes =
        served::side_by_side(6, &cases, |(scene, trouble, seed)| converges(scene, *trouble, *seed));
    let mut total = Tally::default();
    let mut wrong = Vec::new();
    for outcome in outcomes {
        match outcome {
            Ok(tally) => {
                total.runs += tally.runs;
                total.retries += tally.retries;
                total.struck += tally.struck;
            }
            Err(why) => wrong.push(why),
        }
    }
    println!(
        "seed {first}: {} cases, {} runs, {} faults struck, {} retries of steps, {} wrong",
        cases.len(),
        total.runs,
        total.struck,
        total.retries,
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn some_examples_converge() {
    let scenes = ["private-link", "frontend-recreated", "consumer"].map(Scene::of);
    all_converge(&scenes, 2);
}

#[test]
#[ignore = "takes minutes: part of .ci/full"]
fn every_example_converges() {
    let scenes: Vec<Scene> = examples().iter().map(|name| Scene::of(name)).collect();
    all_converge(&scenes, 10);
}
