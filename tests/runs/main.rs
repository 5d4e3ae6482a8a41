//! Runs beside other runs, and runs that are stopped, stalled or taken up: seen from outside, by exit
//! codes, by what is said, and by what was asked of the cluster and of Azure.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here fails the test")]

mod locks;
mod order;
mod outcome;
#[path = "../support/served.rs"]
mod served;
#[path = "../support/shop.rs"]
mod shop;
mod stopped;
#[path = "../support/mod.rs"]
mod support;
mod waits;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use privlink_sandbox::{Effect, Fault};
use served::Served;
use support::Run;

/// A dead holder's lock is free soon.
const SOON: &str = "--lease-duration 5";

fn fault(method: &str, path: &str, effect: Effect) -> Fault {
    let (method, path) = (Some(method.to_owned()), Some(path.to_owned()));
    Fault { method, path, times: 1, effect, ..Fault::default() }
}

/// Starts the binary; what it says is kept.
fn start(served: &Served, words: &str) -> Child {
    served.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// How a run that was started ends.
fn end(child: Child) -> Run {
    child.wait_with_output().unwrap().into()
}

#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what} does not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn was_asked(served: &Served, method: &str, part: &str) -> bool {
    served.requests().iter().any(|it| it.method == method && it.path.contains(part))
}

fn interrupt(child: &Child) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
}

fn journals(served: &Served) -> Vec<PathBuf> {
    let folder = std::fs::read_dir(served.path().join(".privlink/journal"));
    let paths = folder.into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|it| it == "jsonl")).collect();
    paths.sort();
    paths
}
