//! Runs beside other runs, and runs that are stopped, stalled or taken up: seen from outside, by exit
//! codes, by what is said, and by what was asked of the cluster and of Azure.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here fails the test")]

#[path = "support/served.rs"]
mod served;
mod support;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use privlink_sandbox::{ControllerMode, Effect, Entry, Fault, World};
use served::{Scene, Served, difference, portrait};
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
    let output = child.wait_with_output().unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
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
    let mut paths: Vec<PathBuf> =
        folder.into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

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
    let writes = served.requests().into_iter().filter(|it| it.method == "PATCH").count();
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
    assert!(next.stderr.contains("Took the stack over from privlink-"), "{}", next.stderr);
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
    assert!(next.stderr.contains("Following what the run before left"), "{}", next.stderr);
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
fn an_apply_is_verified_by_a_plan() {
    let served = Served::new(World::first());
    let file = |internal: bool| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: app\n  annotations: \
             {{service.beta.kubernetes.io/azure-load-balancer-internal: \"{internal}\"}}\n\
             spec: {{type: LoadBalancer, selector: {{app: app}}, ports: [{{port: 80}}]}}\n"
        )
    };
    let stack = "--subscription 00000000-0000-0000-0000-000000000000 --resource-group myResourceGroup \
                 --cluster myAKSCluster";
    let apply = format!("apply -f app.yaml --auto-approve --verify {stack}");
    std::fs::write(served.path().join("app.yaml"), file(false)).unwrap();
    let verified = served.run(&apply).expect(0);
    assert!(verified.stderr.contains("Verified: "), "{}", verified.stderr);
    // What a public Service leaves behind takes a second sync.
    std::fs::write(served.path().join("app.yaml"), file(true)).unwrap();
    let not = served.run(&apply).expect(7);
    assert!(not.stderr.contains("Not verified: "), "{}", not.stderr);
    assert!(not.stderr.contains("privlink.dev/sync"), "{}", not.stderr);
    served.run(&apply).expect(0);
}

/// A stack whose Service gets a frontend in one zone, if its pinned fact were true.
const OTHERWISE: &str = "apiVersion: privlink.dev/v1alpha1
kind: Stack
metadata: {name: shop}
spec:
  subscription: 00000000-0000-0000-0000-000000000000
  resourceGroup: myResourceGroup
  cluster: myAKSCluster
  facts: {zones: [\"1\"]}
---
apiVersion: v1
kind: Service
metadata:
  name: app
  annotations: {service.beta.kubernetes.io/azure-load-balancer-internal: \"true\"}
spec: {type: LoadBalancer, selector: {app: app}, ports: [{port: 80}]}
";

#[test]
fn a_controller_that_did_otherwise_is_found_out_before_the_deadline() {
    let served = Served::new(World::first());
    std::fs::write(served.path().join("app.yaml"), OTHERWISE).unwrap();
    let begun = Instant::now();
    let run = served.run("apply -f app.yaml --auto-approve").expect(7);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!(run.stdout.contains("the controller did otherwise: "), "{}", run.stdout);
    assert!(run.stdout.contains("EnsuredLoadBalancer at "), "{}", run.stdout);
    assert!(run.stdout.contains("zones"), "{}", run.stdout);
}

#[test]
fn a_stalled_wait_tells_what_it_waits_for_and_ends_at_its_deadline() {
    let scene = Scene::of("internal-load-balancer");
    let served = scene.serve();
    let effect = Effect::FailedSync {
        status: 400,
        code: "SubnetIsFull".to_owned(),
        message: "no room".to_owned(),
    };
    served.add_faults([Fault { times: 0, effect, ..Fault::default() }]);
    let begun = Instant::now();
    let run = served.run(&format!("{} --timeout service=5s", scene.words("apply"))).expect(7);
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    let event = "the last event of the Service is SyncLoadBalancerFailed: ";
    let notice = run.stderr.lines().find(|line| line.contains("of at most 5 s; "));
    assert!(notice.is_some_and(|notice| notice.contains(event)), "{}", run.stderr);
    assert!(run.stdout.contains("within 5 s (--timeout service=...)"), "{}", run.stdout);
    assert!(run.stdout.contains(event), "{}", run.stdout);
}

#[test]
fn a_controller_that_is_not_there_is_waited_for_no_longer_than_said() {
    let scene = Scene::of("internal-load-balancer");
    let served = scene.serve_with(|options| options.controller = ControllerMode::None);
    let run = served.run(&format!("{} --controller-timeout 1", scene.words("apply"))).expect(7);
    assert!(run.stdout.contains("is not there yet"), "{}", run.stdout);
    let usage = served.run(&format!("{} --timeout controller=5s", scene.words("apply"))).expect(1);
    assert!(usage.stderr.contains("private-link-service"), "{}", usage.stderr);
}

/// A stack of two Private Link Services: two endpoints in one subnet reach the first, one in another
/// subscription reaches the second.
fn two_links() -> String {
    let stack = OTHERWISE.split("---").next().unwrap().replace("  facts: {zones: [\"1\"]}\n", "");
    let service = |name: &str| {
        format!(
            "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n  annotations:\n    \
             service.beta.kubernetes.io/azure-load-balancer-internal: \"true\"\n    \
             service.beta.kubernetes.io/azure-pls-create: \"true\"\n    \
             service.beta.kubernetes.io/azure-pls-name: {name}-pls\n    \
             service.beta.kubernetes.io/azure-pls-visibility: \"*\"\n\
             spec: {{type: LoadBalancer, selector: {{app: {name}}}, ports: [{{port: 80}}]}}\n"
        )
    };
    let endpoint = |name: &str, service: &str, place: &str| {
        format!(
            "---\napiVersion: privlink.dev/v1alpha1\nkind: PrivateEndpoint\nmetadata: {{name: {name}}}\n\
             spec:\n  target: {{service: {{namespace: default, name: {service}}}}}\n  approval: Manual\n{place}"
        )
    };
    let near = "  resourceGroup: myOtherResourceGroup\n  \
                subnet: {virtualNetwork: myOtherVNET, name: pe-subnet}\n";
    let far = "  subscription: 11111111-1111-1111-1111-111111111111\n  \
               resourceGroup: consumerResourceGroup\n  \
               subnet: {virtualNetwork: consumer-vnet, name: pe-subnet}\n";
    [
        stack,
        service("one"),
        service("two"),
        endpoint("near-1", "one", near),
        endpoint("near-2", "one", near),
        endpoint("far", "two", far),
    ]
    .concat()
}

/// The time in which an endpoint was written: from the arrival of its PUT until it was read once the
/// operation had ended, in numbers of requests.
fn span(requests: &[Entry], name: &str) -> (u64, u64) {
    let of = |method: &str, after: u64| {
        requests
            .iter()
            .filter(|it| it.method == method && it.sequence > after)
            .find(|it| it.path.contains(&format!("/privateEndpoints/{name}?")))
            .map(|it| it.sequence)
    };
    let begun = of("PUT", 0).unwrap();
    (begun, of("GET", begun).unwrap())
}

#[test]
fn writes_to_one_subnet_and_link_never_overlap_and_independent_ones_do() {
    let served = Served::with(World::first(), |options| {
        options.operation_polls = 20;
        options.latency = Duration::from_millis(20);
    });
    std::fs::write(served.path().join("shop.yaml"), two_links()).unwrap();
    served.run("apply -f shop.yaml --auto-approve --parallelism 8").expect(6);
    let requests = served.requests();
    let conflicts: Vec<&Entry> = requests.iter().filter(|it| it.status == 409).collect();
    assert!(conflicts.is_empty(), "{conflicts:?}");
    let overlap = |one: (u64, u64), other: (u64, u64)| one.0 < other.1 && other.0 < one.1;
    let [near, next, far] = ["near-1", "near-2", "far"].map(|name| span(&requests, name));
    assert!(!overlap(near, next), "{near:?} {next:?}");
    assert!(overlap(far, near) || overlap(far, next), "{far:?} {near:?} {next:?}");
    // One at a time, if asked for.
    let served = Served::with(World::first(), |options| options.operation_polls = 20);
    std::fs::write(served.path().join("shop.yaml"), two_links()).unwrap();
    served.run("apply -f shop.yaml --auto-approve --parallelism 1").expect(6);
    let requests = served.requests();
    let [near, next, far] = ["near-1", "near-2", "far"].map(|name| span(&requests, name));
    assert!(!overlap(near, next) && !overlap(near, far) && !overlap(next, far));
}

#[test]
fn outputs_are_variables_that_nobody_else_can_set() {
    let scene = Scene::of("endpoint-in-other-subscription");
    let served = scene.serve();
    served.run(&scene.words("apply")).expect(6);
    // Somebody at Azure's side writes a state that would end its variable and begin another.
    let hostile = "Pending\nEVIL=$(id)\r##vso[task.setvariable variable=EVIL]1";
    let connections = "manualPrivateLinkServiceConnections";
    served.edit(|world| {
        for mut resource in world.azure.to_json() {
            let pointer = format!(
                "/properties/{connections}/0/properties/privateLinkServiceConnectionState/status"
            );
            if let Some(status) = resource.pointer_mut(&pointer) {
                *status = hostile.into();
                world.azure.insert(resource).unwrap();
            }
        }
    });
    let outputs = |format: &str| {
        served.run(&format!("output -f examples/{} -o {format}", scene.name)).expect(0).stdout
    };
    let state =
        |text: &str| text.lines().find(|line| line.contains("CONNECTION")).unwrap().to_owned();
    let dotenv = outputs("dotenv");
    assert!(
        state(&dotenv).ends_with(
            "__CONNECTION=\"Pending\\nEVIL=\\$(id)\\r##vso[task.setvariable variable=EVIL]1\""
        ),
        "{dotenv}"
    );
    let github = outputs("github");
    let delimiter = state(&github).split_once("<<").unwrap().1.to_owned();
    assert!(github.ends_with(&format!("\n{hostile}\n{delimiter}\n")), "{github}");
    let pipelines = outputs("azure-pipelines");
    assert!(pipelines.lines().all(|line| line.starts_with("##vso[task.setvariable variable=")));
    assert!(state(&pipelines).contains("]Pending%0AEVIL=$(id)%0D##vso["), "{pipelines}");
    let text = outputs("text");
    assert!(!text.contains("##vso") && text.contains("Pending\\nEVIL"), "{text}");
    assert!(dotenv.contains("PRIVATE_LINK_SERVICE__DEFAULT__"), "{dotenv}");
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
    assert!(stale.stderr.contains("it goes on from what is live"), "{}", stale.stderr);
    served.run("plan -f examples/private-link --out plan.json").expect(0);
    served.run("apply plan.json").expect(0);
    assert_eq!(difference(&portrait(&undisturbed.world()), &portrait(&served.world())), None);
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
fn nothing_is_applied_when_what_every_prediction_rests_on_cannot_be_read() {
    let scene = Scene::of("internal-load-balancer");
    let served = scene.serve();
    let denied = Effect::Status {
        status: 403,
        code: "AuthorizationFailed".to_owned(),
        message: "no".to_owned(),
        retry_after: None,
    };
    served.add_faults([Fault { times: 0, ..fault("GET", "/loadBalancers?", denied) }]);
    let apply = scene.words("apply");
    for words in [apply.as_str(), "destroy -f examples/internal-load-balancer --yes"] {
        let run = served.run(words).expect(1);
        assert!(run.stderr.contains("AuthorizationFailed"), "{}", run.stderr);
        assert!(run.stderr.contains("so nothing is planned"), "{}", run.stderr);
    }
    assert!(!was_asked(&served, "PATCH", "/services/"));
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
    assert!(!was_asked(&served, "PATCH", "/services/"), "{text}");
}

/// The two Services of a stack, at these addresses.
fn at_addresses(one: &str, two: &str) -> String {
    let stack = OTHERWISE.split("---").next().unwrap().replace("  facts: {zones: [\"1\"]}\n", "");
    let service = |name: &str, address: &str, port: u16| {
        format!(
            "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n  annotations:\n    \
             service.beta.kubernetes.io/azure-load-balancer-internal: \"true\"\n    \
             service.beta.kubernetes.io/azure-load-balancer-ipv4: {address}\n\
             spec: {{type: LoadBalancer, selector: {{app: {name}}}, ports: [{{port: {port}}}]}}\n"
        )
    };
    [stack, service("one", one, 80), service("two", two, 81)].concat()
}

#[test]
fn services_on_one_frontend_are_written_one_after_the_other() {
    for (addresses, waits) in
        [(["10.240.0.40", "10.240.0.40"], true), (["10.240.0.40", "10.240.0.41"], false)]
    {
        let served = Served::with(World::first(), |options| {
            options.latency = Duration::from_millis(20);
            options.controller_delay = Duration::from_millis(500);
        });
        let text = at_addresses(addresses[0], addresses[1]);
        std::fs::write(served.path().join("shop.yaml"), text).unwrap();
        served.run("apply -f shop.yaml --auto-approve").expect(0);
        let requests = served.requests();
        let written = |name: &str| {
            let path = format!("/services/{name}?");
            let is_it = |it: &&Entry| it.method == "PATCH" && it.path.contains(&path);
            requests.iter().find(is_it).unwrap().sequence
        };
        // Between the two the load balancer is read until it has the first one's frontend.
        let (first, second) = (written("one"), written("two"));
        let between = requests.iter().filter(|it| first < it.sequence && it.sequence < second);
        let reads = between.filter(|it| it.side == "azure").count();
        assert_eq!(reads > 0, waits, "{addresses:?}: {first} {second}");
    }
}

#[test]
fn events_are_read_before_what_they_tell_of() {
    let scene = Scene::of("private-link");
    let served = scene.serve();
    served.run("plan -f examples/private-link").expect(0);
    let requests = served.requests();
    let first = |part: &str| requests.iter().position(|it| it.path.contains(part)).unwrap();
    let (events, balancers, links) =
        (first("/events?"), first("/loadBalancers?"), first("/privateLinkServices?"));
    assert!(events < balancers && events < links, "{events} {balancers} {links}");
}

/// Somebody decides on a connection after it was read and before it is approved: the write is refused, and the
/// decision stays.
#[test]
fn a_connection_that_was_decided_on_meanwhile_is_not_overruled() {
    let scene = Scene::of("endpoint-in-other-subscription");
    let served = scene.serve();
    served.run(&scene.words("apply")).expect(6);
    let approval = "apiVersion: privlink.dev/v1alpha1\nkind: EndpointApproval\nmetadata: {name: partners}\n\
                    spec:\n  service: {namespace: default, name: internal-app}\n  \
                    approve: [{subscription: 11111111-1111-1111-1111-111111111111}]\n";
    let file = served.path().join("examples/endpoint-in-other-subscription/approval.yaml");
    std::fs::write(file, approval).unwrap();
    let slow = Effect::Latency { milliseconds: 3000 };
    served.add_faults([fault("PUT", "/privateEndpointConnections/", slow)]);
    let child = start(&served, &scene.words("apply"));
    until("the approval", || served.struck() == [1]);
    served.edit(|world| {
        let link = world.azure.private_link_services.values_mut().next().unwrap();
        let link = std::sync::Arc::make_mut(link);
        let connections = link.properties.private_endpoint_connections.as_mut().unwrap();
        let connection = connections.first_mut().unwrap();
        connection.etag = Some("W/\"moved\"".to_owned());
        let state = connection.properties.private_link_service_connection_state.as_mut().unwrap();
        state.status = Some("Rejected".to_owned());
    });
    let run = end(child).expect(7);
    assert!(
        run.stderr.contains("PreconditionFailed") || run.stdout.contains("PreconditionFailed"),
        "{run:?}"
    );
    let world = served.world().to_json().to_string();
    assert!(world.contains("\"Rejected\"") && !world.contains("Approved by privlink"), "{world}");
}

/// A Service that another tool writes is waited for, whoever that is, and never written.
#[test]
fn a_service_of_another_tool_is_waited_for_and_not_written() {
    let served = Scene::of("private-link").serve();
    let folder = served.path().join("examples/private-link");
    let stack = std::fs::read_to_string(folder.join("stack.yaml")).unwrap();
    let external = stack.replace("spec:\n", "spec:\n  services: external\n");
    assert_ne!(external, stack);
    std::fs::write(folder.join("stack.yaml"), external).unwrap();
    let plan = served.run("plan -f examples/private-link").expect(0).stdout;
    assert!(plan.contains("Service/default/internal-app  await by another tool"), "{plan}");
    let child = start(&served, "apply -f examples/private-link --auto-approve");
    until("a watch of Services", || was_asked(&served, "GET", "services?watch=true"));
    let prefix = "service.beta.kubernetes.io/azure";
    let manifest = serde_json::json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "internal-app", "annotations": {
            format!("{prefix}-load-balancer-internal"): "true",
            format!("{prefix}-pls-create"): "true", format!("{prefix}-pls-name"): "my-pls",
        }},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"app": "internal-app"}},
    });
    let url = format!(
        "{}/api/v1/namespaces/default/services/internal-app?fieldManager=argocd-controller",
        served.running.kubernetes_url
    );
    served::RUNTIME.block_on(async {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let kind = "application/apply-patch+yaml";
        let request = client.patch(url).header("content-type", kind).body(manifest.to_string());
        assert_eq!(request.send().await.unwrap().status(), 201);
    });
    let run = end(child).expect(0);
    assert!(run.stdout.contains("PrivateEndpoint/myAKSServicePE connection = Approved"), "{run:?}");
    let requests = served.requests();
    let is_own =
        |it: &&Entry| it.user_agent.as_deref().is_some_and(|it| it.starts_with("privlink"));
    let written: Vec<&Entry> = requests
        .iter()
        .filter(is_own)
        .filter(|it| it.method != "GET" && it.path.contains("/services"))
        .collect();
    assert!(written.is_empty(), "{written:?}");
    let plan = served.run("plan -f examples/private-link --detailed-exitcode").expect(0);
    assert_eq!(plan.last_line(), "No changes.");
}
