//! Runs that are stopped, and the runs that take them up.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use privlink_sandbox::Entry;

use crate::served::{Scene, difference, portrait};
use crate::{SOON, end, interrupt, journals, start, until, was_asked};

#[test]
fn ctrl_c_leaves_waits_and_what_was_done_is_not_done_again() {
    let scene = Scene::of("private-link");
    let undisturbed = scene.serve();
    undisturbed.run(&scene.words("apply")).expect(0);
    let served = scene.serve_with(|options| options.controller_delay = Duration::from_secs(2));
    let run = start(&served, &scene.words("apply"));
    until("the first write", || was_asked(&served, "PATCH", "/services/"));
    std::thread::sleep(Duration::from_millis(300));
    interrupt(&run);
    let begun = Instant::now();
    let run = end(run).expect(130);
    assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
    assert!(run.stdout.contains("left, the run was stopped: await controller"), "{}", run.stdout);
    let journal = journals(&served).remove(0);
    let shown = served.run(&format!("show {}", journal.display())).expect(0);
    let report = shown.stdout.trim();
    assert!(report.contains("Apply incomplete: 1 done, 0 failed, 3 not started."), "{report}");
    assert!(run.stdout.contains(report), "{}\n{report}", run.stdout);
    // The lock was freed: the next run does not wait for it.
    let begun = Instant::now();
    served.run(&scene.words("apply")).expect(0);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(difference(&portrait(&undisturbed.world()), &portrait(&served.world())), None);
}

#[test]
fn ctrl_c_finishes_a_write_in_flight_and_twice_does_not() {
    let scene = Scene::of("private-link");
    for twice in [false, true] {
        // An operation of 2 s, if it is polled for.
        let served = scene.serve_with(|options| options.operation_polls = 100);
        let run = start(&served, &scene.words("apply"));
        until("the endpoint's write", || was_asked(&served, "GET", "/operations/"));
        interrupt(&run);
        if twice {
            std::thread::sleep(Duration::from_millis(300));
            interrupt(&run);
        }
        let begun = Instant::now();
        let run = end(run).expect(130);
        let done = run.stderr.contains("write PrivateEndpoint/myAKSServicePE done");
        assert_eq!(done, !twice, "{}", run.stderr);
        if twice {
            assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        } else {
            assert!(run.stdout.contains("3 done, 0 failed, 1 not started"), "{}", run.stdout);
        }
    }
}

#[test]
fn a_journal_that_was_cut_off_is_shown() {
    let scene = Scene::of("private-link");
    let served = scene.serve();
    served.run(&scene.words("apply")).expect(0);
    let journal = journals(&served).remove(0);
    let whole = std::fs::read(&journal).unwrap();
    for cut in [whole.len() - 7, whole.len() / 2, whole.len() / 3] {
        std::fs::write(&journal, &whole[..cut]).unwrap();
        let shown = served.run(&format!("show {}", journal.display())).expect(0);
        assert!(shown.stdout.contains("Apply incomplete: "), "{}", shown.stdout);
    }
}

#[test]
fn an_operation_that_a_killed_run_left_is_followed_before_anything_is_planned() {
    let scene = Scene::of("private-link");
    let undisturbed = scene.serve();
    undisturbed.run(&scene.words("apply")).expect(0);
    // Followed, it takes 6 s; nobody following it, two minutes.
    let served = scene.serve_with(|options| options.operation_polls = 300);
    let words = format!("{} {SOON}", scene.words("apply"));
    let mut killed = start(&served, &words);
    until("the endpoint's write", || was_asked(&served, "GET", "/operations/"));
    killed.kill().unwrap();
    killed.wait().unwrap();
    let journal = std::fs::read_to_string(journals(&served).remove(0)).unwrap();
    assert!(journal.contains("/operations/"), "{journal}");
    let before = served.requests().len();
    let next = served.run(&words).expect(0);
    assert!(
        next.stderr.contains("Following an operation that the previous run left running"),
        "{}",
        next.stderr
    );
    let asked = &served.requests()[before..];
    let first = |part: &str| asked.iter().position(|it| it.path.contains(part));
    let (followed, planned) = (first("/operations/"), first("/loadBalancers?"));
    assert!(followed.is_some() && followed < planned, "{followed:?} {planned:?}");
    assert_eq!(difference(&portrait(&undisturbed.world()), &portrait(&served.world())), None);
    // Once is enough.
    let again = served.run(&words).expect(0);
    assert!(!again.stderr.contains("Following"), "{}", again.stderr);
}

#[test]
fn a_saved_plan_that_was_carried_out_in_part_says_how_to_go_on() {
    let scene = Scene::of("private-link");
    let undisturbed = scene.serve();
    undisturbed.run(&scene.words("apply")).expect(0);
    let served = scene.serve_with(|options| options.controller_delay = Duration::from_secs(2));
    served.run("plan -f examples/private-link --out plan.json").expect(0);
    let mut killed = start(&served, "apply plan.json");
    until("the Service's wait", || {
        was_asked(&served, "PATCH", "/services/")
            && journals(&served).first().is_some_and(|journal| {
                std::fs::read_to_string(journal).unwrap().contains("await controller")
            })
    });
    killed.kill().unwrap();
    killed.wait().unwrap();
    served.run("unlock -f examples/private-link --yes").expect(0);
    let stale = served.run("apply plan.json").expect(4);
    assert!(stale.stderr.contains("A run of this plan did 1 of its 4 steps"), "{}", stale.stderr);
    assert!(stale.stderr.contains("it continues from what is live"), "{}", stale.stderr);
    served.run("plan -f examples/private-link --out plan.json").expect(0);
    served.run("apply plan.json").expect(0);
    assert_eq!(difference(&portrait(&undisturbed.world()), &portrait(&served.world())), None);
}

#[cfg(unix)]
#[test]
fn nothing_is_done_that_cannot_be_journalled() {
    let scene = Scene::of("internal-load-balancer");
    let served = scene.serve();
    std::fs::write(served.path().join(".privlink"), "").unwrap();
    let run = served.run(&scene.words("apply")).expect(1);
    assert!(run.stderr.contains("no journal can be written"), "{}", run.stderr);
    // A disk that is full: files may be made, and nothing fits in them.
    std::fs::remove_file(served.path().join(".privlink")).unwrap();
    let program = env!("CARGO_BIN_EXE_privlink");
    let script = format!("trap '' XFSZ; ulimit -f 0; exec {program} {} 2>&1", scene.words("apply"));
    let mut limited = Command::new("sh");
    let command = served.command("");
    limited.args(["-c", &script]).current_dir(served.path()).stdin(Stdio::null());
    limited.env_clear();
    limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = limited.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(7), "{text}");
    assert!(text.contains("could not be written"), "{text}");
    let is_write = |it: &Entry| it.method == "PATCH" && !it.path.contains("dryRun");
    assert!(!served.requests().iter().any(is_write), "{text}");
}
