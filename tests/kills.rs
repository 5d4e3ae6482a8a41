//! A kill loop: a stack with all that privlink writes comes, moves, loses a part, gets it back and goes, and
//! the binary is killed at random times on the way. After each step the world is as without a kill, and a
//! plan finds nothing to do.
//!
//! `KILLS` says how many, `KILL_SEED` which; the gate has few of them, `.ci/full` 500.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here fails the test")]
#![allow(clippy::print_stdout, reason = "the numbers are part of what is shown")]

#[path = "support/apart.rs"]
mod apart;
#[path = "support/bazaar.rs"]
mod bazaar;
#[path = "support/served.rs"]
mod served;
mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use apart::Apart;
use bazaar::{Version, documents};
use privlink_sandbox::World;
use serde_json::Value;
use served::{difference, portrait_of, side_by_side};

/// How many cycles run at once: much of the time is spent waiting.
const AT_ONCE: usize = 4;
/// The most kills on the way to one end.
const MOST: u64 = 4;

/// What is done in a cycle, in order; nothing is a destruction.
const STEPS: [Option<Version>; 6] = [
    Some(Version::Whole),
    Some(Version::Moved),
    Some(Version::Pruned),
    Some(Version::Public),
    Some(Version::Whole),
    None,
];

/// Numbers that follow from a seed (splitmix64).
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit.max(1)
    }
}

fn words(step: Option<Version>) -> &'static str {
    match step {
        Some(_) => {
            "apply -f bazaar.yaml --auto-approve --max-disconnects 9 --max-deletes 99 \
             --accept becomes-public --controller-timeout 60 --lease-duration 60"
        }
        None => {
            "destroy -f bazaar.yaml --auto-approve --max-disconnects 9 --max-deletes 99 \
             --controller-timeout 60 --lease-duration 60"
        }
    }
}

fn serve() -> Apart {
    // Operations take a few polls, so that kills meet some under way.
    Apart::serve(&World::first().to_json().to_string(), "--operation-polls 3")
}

/// Writes what a step wants; a destruction leaves the file as it is.
fn want(apart: &Apart, step: Option<Version>) {
    if let Some(version) = step {
        std::fs::write(apart.path().join("bazaar.yaml"), documents(version)).unwrap();
    }
}

/// The world after each step of a cycle that nobody disturbs, and how long the step takes.
fn undisturbed() -> Vec<(Value, Duration)> {
    let apart = serve();
    let run = |step| {
        want(&apart, step);
        let begun = Instant::now();
        apart.run(words(step)).expect(0);
        (portrait_of(&apart.world()), begun.elapsed())
    };
    STEPS.into_iter().map(run).collect()
}

/// One cycle, disturbed; how many kills, or what is wrong.
fn disturbed(seed: u64, expected: &[(Value, Duration)]) -> Result<usize, String> {
    let apart = serve();
    let mut draw = Draw(seed);
    let mut kills = 0;
    for (number, (step, (world, takes))) in STEPS.into_iter().zip(expected).enumerate() {
        want(&apart, step);
        for _ in 0..draw.below(MOST + 1) {
            let mut run = apart.spawn(words(step));
            let micros = u64::try_from(takes.as_micros()).unwrap_or(u64::MAX);
            std::thread::sleep(Duration::from_micros(draw.below(micros)));
            run.kill().unwrap();
            kills += usize::from(run.wait().unwrap().code().is_none());
            apart.run("unlock -f bazaar.yaml --yes");
        }
        let told = |what: &str| format!("seed {seed}, step {number} ({step:?}): {what}");
        let end = apart.run(words(step));
        if end.code != 0 {
            return Err(told(&format!("{}: {}{}", end.code, end.stdout, end.stderr)));
        }
        if let Some(difference) = difference(world, &portrait_of(&apart.world())) {
            return Err(told(&difference));
        }
        let destroy = if step.is_none() { "--destroy" } else { "" };
        let plan = apart.run(&format!("plan -f bazaar.yaml --detailed-exitcode {destroy}"));
        if plan.code != 0 {
            return Err(told(&format!("a plan after it: {}{}", plan.stdout, plan.stderr)));
        }
    }
    Ok(kills)
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Cycles until so many runs were killed.
fn survives(wanted: usize) {
    let (begun, seed) = (Instant::now(), number("KILL_SEED", 1));
    let expected = undisturbed();
    // One cycle has twelve kills as a rule, of which some come too late.
    let cycles: Vec<u64> = (0..u64::try_from(wanted).unwrap()).map(|it| seed + it).collect();
    let killed = AtomicUsize::new(0);
    let outcomes = side_by_side(AT_ONCE, &cycles, |seed| {
        if killed.load(Ordering::Relaxed) >= wanted {
            return None;
        }
        let outcome = disturbed(*seed, &expected);
        killed.fetch_add(*outcome.as_ref().unwrap_or(&0), Ordering::Relaxed);
        Some(outcome)
    });
    let outcomes: Vec<_> = outcomes.into_iter().flatten().collect();
    let wrong: Vec<&String> = outcomes.iter().filter_map(|it| it.as_ref().err()).collect();
    println!(
        "{} kills in {} cycles of {} steps, {} wrong, {} s",
        killed.load(Ordering::Relaxed),
        outcomes.len(),
        STEPS.len(),
        wrong.len(),
        begun.elapsed().as_secs()
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(killed.load(Ordering::Relaxed) >= wanted, "too few runs were killed");
}

#[test]
fn a_stack_survives_some_kills() {
    survives(8);
}

#[test]
#[ignore = "takes minutes: part of .ci/full"]
fn a_stack_survives_hundreds_of_kills() {
    survives(usize::try_from(number("KILLS", 500)).unwrap());
}
