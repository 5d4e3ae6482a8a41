//! A run that is killed at any of its requests, and another after it, leave the world as a run that
//! nobody disturbed.
//!
//! The sandbox is a process of its own. A request is made to hang, before or after it is carried out, and
//! privlink is killed while it hangs. Reads change nothing, so they hang before only. Four examples are tried in the gate, all with
//! `cargo test --test crash -- --ignored`.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]
#![allow(clippy::print_stdout, reason = "the numbers are part of what is shown")]

#[path = "support/apart.rs"]
mod apart;
#[path = "support/served.rs"]
mod served;
mod support;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use apart::Apart;
use privlink_sandbox::{Effect, Fault};
use serde_json::Value;
use served::{Scene, difference, examples, portrait_of, side_by_side};

/// How many points are tried at once: much of the time is spent waiting.
const AT_ONCE: usize = 8;

/// Where a run is killed: at the n-th of its requests with a method, before or after it is carried out.
#[derive(Clone, Debug)]
struct Point {
    method: String,
    number: u32,
    carried_out: bool,
}

/// All points of a run that made these requests.
fn points(methods: impl IntoIterator<Item = String>) -> Vec<Point> {
    let mut points = Vec::new();
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for method in methods {
        let number = seen.entry(method.clone()).or_default();
        points.push(Point { method: method.clone(), number: *number, carried_out: false });
        if method != "GET" {
            points.push(Point { method, number: *number, carried_out: true });
        }
        *number += 1;
    }
    points
}

/// How fast the world is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// What a killed run left under way is done soon.
    Quick,
    /// The next run meets operations that still run, a controller that has yet to begin, and no journal.
    Slow,
}

impl Pace {
    /// How a sandbox is told so. Operations that are polled for take 0.2 s, others over 4 s.
    fn arguments(self) -> &'static str {
        match self {
            Self::Quick => "",
            Self::Slow => "--controller-delay 1000 --operation-polls 10",
        }
    }
}

/// How the stack's lock is got from the run that was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lock {
    /// `unlock`, as a person does who knows that nobody works there.
    Unlocked,
    /// The next run waits until the lease is over.
    TakenOver,
}

impl Lock {
    /// One in so many points waits for the lease: the wait is the same wherever the run was killed.
    const RARITY: usize = 8;

    /// Leases end soon that are waited for; others are so long that even a busy machine renews them.
    fn arguments(self) -> &'static str {
        match self {
            Self::Unlocked => "--lease-duration 60",
            Self::TakenOver => "--lease-duration 8",
        }
    }
}

/// A command that is killed, and what is left of the world if it is not.
struct Trial<'a> {
    scene: &'a Scene,
    command: &'a str,
    pace: Pace,
    /// The world's document before.
    before: String,
}

/// What came of a disturbed run.
#[derive(Debug, Default)]
struct Disturbed {
    killed: bool,
    wrong: Option<String>,
}

impl Trial<'_> {
    fn serve(&self) -> Apart {
        let apart = Apart::serve(&self.before, self.pace.arguments());
        apart.copy_example(&self.scene.name);
        apart
    }

    fn words(&self, lock: Lock) -> String {
        let patience = "--controller-timeout 60";
        format!("{} {patience} {}", self.scene.words(self.command), lock.arguments())
    }

    /// Runs the command undisturbed: its requests' methods, and the portrait of the world after it.
    fn undisturbed(&self) -> (Vec<String>, Value) {
        let apart = self.serve();
        apart.run(&self.words(Lock::Unlocked)).expect(self.scene.code);
        let methods = apart.requests().into_iter().map(|entry| entry.method).collect();
        (methods, portrait_of(&apart.world()))
    }

    /// Kills a run at a point, runs the command again, and says what of the world is not as expected. A
    /// run may end before it comes to the point: two runs do not poll equally often.
    fn disturb(&self, point: &Point, lock: Lock, expected: &Value) -> Disturbed {
        let apart = self.serve();
        let effect = if point.carried_out { Effect::HangAnswer } else { Effect::Hang };
        let (method, after) = (Some(point.method.clone()), point.number);
        apart.add_fault(&Fault { method, after, times: 1, effect, ..Fault::default() });
        let mut killed = apart.spawn(&self.words(lock));
        while killed.try_wait().unwrap().is_none() && !apart.is_struck() {
            std::thread::sleep(Duration::from_millis(20));
        }
        killed.kill().unwrap();
        let killed = killed.wait().unwrap().code().is_none();
        apart.clear_faults();
        if self.pace == Pace::Slow {
            // As if it ran on another machine, where there is no journal.
            let _ = std::fs::remove_dir_all(apart.path().join(".privlink"));
        }
        if lock == Lock::Unlocked {
            apart.run(&format!("unlock -f examples/{} --yes", self.scene.name)).expect(0);
        }
        let again = apart.run(&self.words(lock));
        // A run that was done when it was killed leaves nothing to do, and nothing to wait for.
        if again.code != self.scene.code && again.code != 0 {
            let what = format!(
                "the next run ended with {}:\n{}{}",
                again.code, again.stdout, again.stderr
            );
            return Disturbed { killed, wrong: Some(what) };
        }
        Disturbed { killed, wrong: difference(expected, &portrait_of(&apart.world())) }
    }
}

/// Kills a run of a command at each of its requests. Returns how many points that are.
fn survives(scene: &Scene, command: &str, pace: Pace) -> usize {
    let begun = Instant::now();
    let trial = Trial { scene, command, pace, before: scene.before.to_json().to_string() };
    let (methods, expected) = trial.undisturbed();
    let points: Vec<(usize, Point)> = points(methods).into_iter().enumerate().collect();
    let outcomes = side_by_side(AT_ONCE, &points, |(number, point)| {
        let is_rare = number % Lock::RARITY == Lock::RARITY - 1;
        let lock = if is_rare { Lock::TakenOver } else { Lock::Unlocked };
        let disturbed = trial.disturb(point, lock, &expected);
        let wrong = disturbed.wrong.map(|what| format!("{point:?}, {lock:?}: {what}"));
        (disturbed.killed, wrong)
    });
    let killed = outcomes.iter().filter(|(killed, _)| *killed).count();
    let wrong: Vec<String> = outcomes.into_iter().filter_map(|(_, wrong)| wrong).collect();
    println!(
        "{command} of {}, {pace:?}: {} crash points, {killed} runs killed, {} wrong, {} s",
        scene.name,
        points.len(),
        wrong.len(),
        begun.elapsed().as_secs()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Two runs do not make quite the same requests: they poll as often as it takes.
    assert!(killed * 10 >= points.len() * 6, "{killed} of {} runs were killed", points.len());
    points.len()
}

/// An apply of an example, and then a destroy of what it made, are killed everywhere.
fn example_survives(name: &str, pace: Pace) -> usize {
    let mut scene = Scene::of(name);
    let applied = survives(&scene, "apply", pace);
    let served = scene.serve();
    served.run(&scene.words("apply")).expect(scene.code);
    scene.before = served.world();
    (scene.flags, scene.code) = ("", 0);
    applied + survives(&scene, "destroy", pace)
}

#[test]
fn a_load_balancer_survives() {
    example_survives("internal-load-balancer", Pace::Quick);
}

#[test]
fn a_private_link_survives() {
    survives(&Scene::of("private-link"), "apply", Pace::Slow);
}

#[test]
fn a_replaced_frontend_survives() {
    survives(&Scene::of("frontend-recreated"), "apply", Pace::Quick);
}

/// Endpoints alone: no cluster, and no lock.
#[test]
fn a_consumers_stack_survives() {
    example_survives("consumer", Pace::Quick);
}

#[test]
#[ignore = "takes minutes: part of .ci/full"]
fn every_example_survives() {
    let mut points = 0;
    for name in &examples() {
        for pace in [Pace::Quick, Pace::Slow] {
            points += example_survives(name, pace);
        }
    }
    println!("{points} crash points in all");
}
