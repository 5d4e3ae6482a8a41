//! privlink as a client of its own sandbox over TLS, as an application with a client secret.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here fails the test")]

mod support;

use support::serving::Serving;
use support::{Run, Workplace};

/// Runs privlink as an application with a client secret.
fn run(serving: &Serving, place: &Workplace, words: &str) -> Run {
    let variables = [
        ("AZURE_TENANT_ID", "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"),
        ("AZURE_CLIENT_ID", "c11e47"),
        ("AZURE_CLIENT_SECRET", "n0t-to-be-seen"),
    ];
    let run = serving.run(place, &format!("{words} --auth client-secret"), &variables);
    assert!(!format!("{}{}", run.stdout, run.stderr).contains("n0t-to-be-seen"), "{run:?}");
    run
}

#[test]
fn an_application_with_a_secret_plans_applies_and_plans_again() {
    let place = Workplace::with_example("private-link");
    let serving = Serving::start(&place, &["--tls"]);
    let plan = "plan -f examples/private-link --detailed-exitcode";
    run(&serving, &place, plan).expect(2);
    let apply = "apply -f examples/private-link --auto-approve --preflight -vvv";
    let stderr = run(&serving, &place, apply).expect(0).stderr;
    assert!(stderr.contains("as the client secret of client c11e47"), "{stderr}");
    assert!(stderr.contains("0 missing, 0 unknown."), "{stderr}");
    let plan = run(&serving, &place, plan).expect(0);
    assert!(plan.stdout.contains("No changes."), "{}", plan.stdout);
}

#[test]
fn a_sandbox_that_is_not_trusted_is_not_told_the_secret() {
    let place = Workplace::with_example("private-link");
    let serving = Serving::start(&place, &["--tls"]);
    let started = std::time::Instant::now();
    std::fs::remove_file(place.path().join("world.ca.pem")).unwrap();
    let stderr = run(&serving, &place, "observe -f examples/private-link").expect(1).stderr;
    assert!(stderr.contains("certificate"), "{stderr}");
    // It would be the same again: nothing is retried.
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}
