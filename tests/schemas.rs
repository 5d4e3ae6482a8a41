//! What is printed and saved is what its JSON Schema says.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here fails the test")]

mod support;

use serde_json::Value;
use support::{Workplace, names, root};

fn validator(name: &str) -> jsonschema::Validator {
    let text = std::fs::read_to_string(root().join("schemas").join(name)).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

#[track_caller]
fn check(validator: &jsonschema::Validator, what: &str, value: &Value) {
    let errors: Vec<String> = validator.iter_errors(value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{what}: {errors:?}");
}

#[test]
fn every_golden_plan_fits_its_schema() {
    let validator = validator("plan.schema.json");
    let mut checked = 0;
    for name in names("golden") {
        let file = root().join("golden").join(&name).join("plan.json");
        if let Ok(text) = std::fs::read_to_string(file) {
            check(&validator, &name, &serde_json::from_str(&text).unwrap());
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
    let validator_of_events = validator("event.schema.json");
    for line in events.lines() {
        check(&validator_of_events, line, &serde_json::from_str(line).unwrap());
    }
    assert!(events.lines().count() > 5, "{events}");
    let snapshot = place.run("observe -f examples/private-link --sandbox").expect(0).stdout;
    check(
        &validator("snapshot.schema.json"),
        "snapshot",
        &serde_json::from_str(&snapshot).unwrap(),
    );
}
