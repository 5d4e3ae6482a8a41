//! A run that is killed at any of its requests, and another after it, leave the world as a run that
//! nobody disturbed.
//!
//! A request is made to hang, before or after it is carried out, and privlink is killed while it hangs.
//! Reads change nothing, so they hang before only. Three examples are tried in the gate, all with
//! `cargo test --test crash -- --ignored`.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]
#![allow(clippy::print_stdout, reason = "the numbers are part of what is shown")]

#[path = "support/served.rs"]
mod served;
mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use privlink_sandbox::SandboxOptions;
use privlink_sandbox::fault::{Effect, Fault};
use served::{Scene, difference, portrait, side_by_side};
use support::names;

/// The dead holder's lock is free soon; what the simulated controller does not do at once it does not do.
const PATIENCE: &str = "--lease-duration 2 --controller-timeout 20";
/// How many points are tried at once: most of the time is spent waiting for the dead holder's lock.
const AT_ONCE: usize = 12;

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
    /// All that a killed run left under way is done before the next one looks.
    Quick,
    /// The next run meets operations that still run, a controller that has yet to begin, and no journal.
    Slow,
}

impl Pace {
    fn set(self, options: &mut SandboxOptions) {
        if self == Self::Slow {
            options.controller_delay = Duration::from_millis(3_500);
            // Polled for they take 0.2 s, and over 4 s if nobody polls for them.
            options.operation_polls = 10;
        }
    }
}

/// What came of a disturbed run.
#[derive(Debug, Default)]
struct Disturbed {
    killed: bool,
    wrong: Option<String>,
}

/// Kills a run of a command at a point, runs the command again, and says what of the world is not as
/// expected. A run may end before it comes to the point: two runs do not poll equally often.
fn disturb(
    scene: &Scene,
    command: &str,
    pace: Pace,
    point: &Point,
    expected: &serde_json::Value,
) -> Disturbed {
    let served = scene.serve_with(|options| pace.set(options));
    let effect = if point.carried_out { Effect::HangAnswer } else { Effect::Hang };
    served.add_faults([Fault {
        method: Some(point.method.clone()),
        after: point.number,
        times: 1,
        effect,
        ..Fault::default()
    }]);
    let words = format!("{} {PATIENCE}", scene.words(command));
    let mut killed = served.spawn(&words);
    while served.struck() == [0] && killed.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(2));
    }
    killed.kill().unwrap();
    let killed = killed.wait().unwrap().code().is_none();
    served.clear_faults();
    if pace == Pace::Slow {
        // As if it ran on another machine, where there is no journal.
        let _ = std::fs::remove_dir_all(served.path().join(".privlink"));
    }
    let again = served.run(&words);
    // A run that was done when it was killed leaves nothing to do, and nothing to wait for.
    if again.code != scene.code && again.code != 0 {
        let what =
            format!("the next run ended with {}:\n{}{}", again.code, again.stdout, again.stderr);
        return Disturbed { killed, wrong: Some(what) };
    }
    Disturbed { killed, wrong: difference(expected, &portrait(&served.world())) }
}

/// Kills a run of a command at each of its requests. Returns how many points that are.
fn survives(scene: &Scene, command: &str, pace: Pace) -> usize {
    let undisturbed = scene.serve();
    undisturbed.run(&format!("{} {PATIENCE}", scene.words(command))).expect(scene.code);
    let expected = portrait(&undisturbed.world());
    let points = points(undisturbed.requests().into_iter().map(|entry| entry.method));
    let outcomes = side_by_side(AT_ONCE, &points, |point| {
        let disturbed = disturb(scene, command, pace, point, &expected);
        let wrong = disturbed.wrong.map(|what| format!("{point:?}: {what}"));
        (disturbed.killed, wrong)
    });
    let killed = outcomes.iter().filter(|(killed, _)| *killed).count();
    let wrong: Vec<String> = outcomes.into_iter().filter_map(|(_, wrong)| wrong).collect();
    println!(
        "{command} of {}, {pace:?}: {} crash points, {killed} runs killed, {} wrong",
        scene.name,
        points.len(),
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Two runs do not make quite the same requests: they poll as often as it takes.
    assert!(killed * 10 >= points.len() * 8, "{killed} of {} runs were killed", points.len());
    points.len()
}

/// An apply of an example, and then a destroy of what it made, are killed everywhere.
fn example_survives(name: &str, pace: Pace) -> usize {
    let mut scene = Scene::of(name);
    let applied = survives(&scene, "apply", pace);
    let served = scene.serve();
    served.run(&format!("{} {PATIENCE}", scene.words("apply"))).expect(scene.code);
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

#[test]
#[ignore = "takes minutes: part of .ci/full"]
fn every_example_survives() {
    let mut points = 0;
    for name in names("examples").iter().filter(|name| !name.starts_with("bad-")) {
        for pace in [Pace::Quick, Pace::Slow] {
            points += example_survives(name, pace);
        }
    }
    println!("{points} crash points in all");
}
