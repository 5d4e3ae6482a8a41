//! One run at a time: who holds the lock of a stack, and what becomes of who loses it.

use std::time::{Duration, Instant};

use privlink_sandbox::{Effect, Entry};

use crate::served::{Scene, difference, portrait};
use crate::{SOON, end, fault, start, until, was_asked};

#[test]
fn of_two_applies_one_works_and_the_other_ends_or_waits() {
    let scene = Scene::of("private-link");
    let undisturbed = scene.serve();
    undisturbed.run(&scene.words("apply")).expect(0);
    let served = scene.serve();
    let slow = Effect::Latency { milliseconds: 8_000 };
    served.add_faults([fault("PATCH", "/services/", slow)]);
    let words = format!("{} {SOON}", scene.words("apply"));
    let first = start(&served, &words);
    until("the first write", || served.struck() == [1]);
    let refused = served.run(&words).expect(5);
    assert!(refused.stderr.contains("works on stack private-link since"), "{}", refused.stderr);
    let waited = served.run(&format!("{words} --lock-timeout 30")).expect(0);
    assert!(waited.stderr.contains("Waiting for privlink-"), "{}", waited.stderr);
    assert!(waited.stdout.contains("No changes."), "{}", waited.stdout);
    end(first).expect(0);
    let is_write = |it: &Entry| it.method == "PATCH" && !it.path.contains("dryRun");
    let writes = served.requests().into_iter().filter(is_write).count();
    assert_eq!(writes, 1, "the Service is written once");
    assert_eq!(difference(&portrait(&undisturbed.world()), &portrait(&served.world())), None);
}

#[test]
fn a_holder_that_died_is_taken_over_once_its_lease_is_over() {
    let scene = Scene::of("internal-load-balancer");
    let served = scene.serve();
    served.add_faults([fault("PATCH", "/services/", Effect::Hang)]);
    let words = format!("{} --lease-duration 3", scene.words("apply"));
    let mut holder = start(&served, &words);
    until("the first write", || served.struck() == [1]);
    holder.kill().unwrap();
    holder.wait().unwrap();
    let begun = Instant::now();
    let next = served.run(&words).expect(0);
    assert!(begun.elapsed() >= Duration::from_secs(3), "{:?}", begun.elapsed());
    // Whoever waits for it knows for whom.
    assert!(next.stderr.contains("Waiting for privlink-"), "{}", next.stderr);
    assert!(next.stderr.contains("Took the stack's lock over from privlink-"), "{}", next.stderr);
}

#[test]
fn a_run_whose_lock_is_taken_stops() {
    let scene = Scene::of("private-link");
    let served = scene.serve_with(|options| options.controller_delay = Duration::from_secs(5));
    let run = start(&served, &format!("{} {SOON}", scene.words("apply")));
    until("the first write", || was_asked(&served, "PATCH", "/services/"));
    served.run("unlock -f examples/private-link --yes").expect(0);
    let run = end(run).expect(7);
    assert!(run.stderr.contains("the stack's lock was lost"), "{}", run.stderr);
    assert!(!was_asked(&served, "PUT", "/privateEndpoints/"), "nothing more is written");
}

#[test]
fn a_run_that_did_all_although_its_lock_was_lost_is_done() {
    let scene = Scene::of("internal-load-balancer");
    let served = scene.serve();
    served.run(&scene.words("apply")).expect(0);
    // Its only step is a write, which is finished.
    served.add_faults([fault("PATCH", "/services/", Effect::Latency { milliseconds: 6_000 })]);
    let forget = "forget Service/default/internal-app -f examples/internal-load-balancer --yes";
    let run = start(&served, &format!("{forget} --lease-duration 4"));
    until("the write", || served.struck() == [1]);
    served.run("unlock -f examples/internal-load-balancer --yes").expect(0);
    let run = end(run).expect(0);
    let told = "All steps were done, although the stack's lock was lost";
    assert!(run.stderr.contains(told), "{}", run.stderr);
}

#[test]
fn a_lock_lies_in_one_place_whatever_the_contexts_namespace_is() {
    let scene = Scene::of("internal-load-balancer");
    let served = scene.serve();
    let file = served.path().join("kubeconfig");
    let kubeconfig = std::fs::read_to_string(&file).unwrap();
    let other =
        kubeconfig.replace("context: {cluster: s", "context: {namespace: team-a, cluster: s");
    assert_ne!(kubeconfig, other);
    std::fs::write(&file, other).unwrap();
    // Its Service is of the context's namespace, which is not there; the lock is taken all the same.
    served.run(&scene.words("apply"));
    let requests = served.requests();
    let leases: Vec<&str> =
        requests.iter().map(|it| it.path.as_str()).filter(|it| it.contains("/leases")).collect();
    assert!(!leases.is_empty());
    assert!(leases.iter().all(|it| it.contains("/namespaces/default/leases")), "{leases:?}");
}
