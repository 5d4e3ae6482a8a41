//! What is printed and saved is what its JSON Schema says.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here fails the test")]

mod support;

use serde_json::Value;
use support::{Workplace, assert_fits, names, read_json, root};

#[test]
fn every_golden_plan_fits_its_schema() {
    let mut checked = 0;
    for name in names("golden") {
        let file = root().join("golden").join(&name).join("plan.json");
        if file.exists() {
            assert_fits("plan", &read_json(&file));
            checked += 1;
        }
    }
    assert!(checked >= 13, "{checked} plans");
}

#[test]
fn a_snapshot_and_the_events_of_a_run_fit_their_schemas() {
    let place = Workplace::with_example("private-link");
    let apply = "apply -f examples/private-link --sandbox --auto-approve -o json";
    let events = place.run(apply).expect(0).stdout;
    for line in events.lines() {
        assert_fits("event", &serde_json::from_str(line).unwrap());
    }
    assert!(events.lines().count() > 5, "{events}");
    let snapshot = place.run("observe -f examples/private-link --sandbox").expect(0).stdout;
    assert_fits("snapshot", &serde_json::from_str(&snapshot).unwrap());
}

#[test]
fn the_version_fits_its_schema_and_says_what_the_text_says() {
    let place = Workplace::empty();
    let version: Value =
        serde_json::from_str(&place.run("version -o json").expect(0).stdout).unwrap();
    assert_fits("version", &version);
    let text = place.run("version").expect(0).stdout;
    for pointer in ["/version", "/commit", "/target", "/controller/commit"] {
        let value = version.pointer(pointer).unwrap().as_str().unwrap();
        assert!(text.contains(value), "{pointer}: {text}");
    }
    let short = place.run("--version").expect(0).stdout;
    assert_eq!(short.trim(), format!("privlink {}", version["version"].as_str().unwrap()));
}

#[test]
fn every_schema_is_printed_by_its_name() {
    let place = Workplace::empty();
    let files = names("schemas");
    for file in &files {
        let name = file.strip_suffix(".schema.json").unwrap();
        let printed = place.run(&format!("schema {name}")).expect(0).stdout;
        let printed: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(printed, read_json(&root().join("schemas").join(file)), "{name}");
    }
    let unknown = place.run("schema plans").expect(1).stderr;
    for file in &files {
        let name = file.strip_suffix(".schema.json").unwrap();
        assert!(unknown.contains(name), "{name}: {unknown}");
    }
}
