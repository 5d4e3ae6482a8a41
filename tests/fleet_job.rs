//! The script of the chart's Indexed Job, run as the Job would, index by index.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here fails the test")]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use support::{Workplace, assert_fits, read_json, root};

const SHARDS: usize = 3;

/// Nine applied stacks below `stacks`, with what was observed of each.
fn fleet() -> Workplace {
    let place = Workplace::empty();
    let from = |file: &str| fs::read_to_string(root().join("benches/stack").join(file)).unwrap();
    for at in 0..9 {
        let folder = place.path().join(format!("stacks/stack-{at}"));
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir_all(place.path().join("observed")).unwrap();
        fs::write(folder.join("stack.yaml"), from("stack.yaml")).unwrap();
        let file = place.path().join(format!("observed/stack-{at}.json"));
        fs::write(file, from("applied.json")).unwrap();
    }
    place
}

/// Starts a pod of the job.
fn pod(place: &Workplace, index: usize, merge_after: usize, of_merge: &[&str]) -> Child {
    let binary = Path::new(env!("CARGO_BIN_EXE_privlink")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    Command::new("/bin/sh")
        .arg(root().join("charts/privlink/files/fleet.sh"))
        .args(["--observed", "observed", "--"])
        .args(of_merge)
        .current_dir(place.path())
        .env_clear()
        .env("PATH", format!("{}:{path}", binary.display()))
        .env("STACKS", "stacks")
        .env("REPORTS", "reports")
        .env("JOB_NAME", "drift-1")
        .env("JOB_COMPLETION_INDEX", index.to_string())
        .env("SHARDS", SHARDS.to_string())
        .env("MERGE_AFTER", merge_after.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn end(pod: Child) -> support::Run {
    pod.wait_with_output().unwrap().into()
}

fn look(place: &Workplace, index: usize) -> support::Run {
    end(pod(place, index, 0, &[]))
}

fn report(place: &Workplace) -> Value {
    let report = read_json(&place.path().join("reports/last.json"));
    assert_fits("drift", &report);
    report
}

#[test]
fn an_index_that_fails_is_tried_again_and_the_report_waits_for_it() {
    let place = fleet();
    // The pod that merges may start before all others.
    let merging = pod(&place, SHARDS, 60, &["--exit-zero", "--output=markdown"]);
    let gone = place.path().join("observed/stack-4.json");
    let text = fs::read_to_string(&gone).unwrap();
    fs::remove_file(&gone).unwrap();
    let codes: Vec<i32> = (0..SHARDS).map(|index| look(&place, index).code).collect();
    assert_eq!(codes.iter().filter(|code| **code == 1).count(), 1, "{codes:?}");
    assert!(!place.path().join("reports/last.json").exists(), "a part is still to come");
    fs::write(&gone, text).unwrap();
    let failed = codes.iter().position(|code| *code == 1).unwrap();
    look(&place, failed).expect(0);
    let merged = end(merging).expect(0);
    assert!(merged.stdout.contains("No drift"), "{}", merged.stdout);
    let report = report(&place);
    assert_eq!(report["stacks"].as_array().unwrap().len(), 9);
    assert!(report.get("missingShards").is_none() && report.get("shard").is_none(), "{report:#}");
    assert!(!place.path().join("reports/drift-1").exists(), "parts are cleared away");
}

#[test]
fn what_never_comes_is_missing_and_what_never_could_be_read_is_told() {
    let place = fleet();
    fs::remove_file(place.path().join("observed/stack-4.json")).unwrap();
    let codes: Vec<i32> = (0..SHARDS).map(|index| look(&place, index).code).collect();
    let failed = codes.iter().position(|code| *code == 1).unwrap();
    let other = (failed + 1) % SHARDS;
    fs::remove_file(place.path().join(format!("reports/drift-1/part-{other}.json"))).unwrap();
    let merged = end(pod(&place, SHARDS, 0, &["--exit-zero"])).expect(1);
    let missing = format!("Not in this report: shard {}/{SHARDS}.", other + 1);
    assert!(merged.stdout.contains(&missing), "{}", merged.stdout);
    assert!(merged.stdout.contains("1 stack could not be looked at"), "{}", merged.stdout);
    assert!(place.path().join("reports/drift-1").exists(), "the next try has the parts");
    // No part at all is an error, and nothing that looks like a report.
    fs::remove_dir_all(place.path().join("reports")).unwrap();
    end(pod(&place, SHARDS, 0, &[])).expect(1);
    assert!(!place.path().join("reports/last.json").exists());
}

/// A second job over an unchanged world has nothing to tell.
#[test]
fn the_last_report_is_what_the_next_is_compared_with() {
    let place = fleet();
    fs::copy(root().join("benches/stack/new.json"), place.path().join("observed/stack-2.json"))
        .unwrap();
    for new in [true, false] {
        (0..SHARDS).for_each(|index| drop(look(&place, index).expect(0)));
        // A chat that nobody serves: it is only asked if there is something to say.
        let of_merge = ["--webhook", "http://127.0.0.1:1/hook"];
        let merged = end(pod(&place, SHARDS, 0, &of_merge)).expect(if new { 1 } else { 2 });
        assert_eq!(merged.stderr.contains("could not be reached"), new, "{}", merged.stderr);
        if new {
            // What could not be told is new the next time, too.
            assert!(merged.stderr.contains("stays as it was"), "{}", merged.stderr);
            assert!(!place.path().join("reports/last.json").exists());
            end(pod(&place, SHARDS, 0, &[])).expect(2);
        }
    }
    assert_eq!(report(&place)["summary"]["new"], 0);
}
