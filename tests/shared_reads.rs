//! What the stacks of one run read together: requests follow subscriptions, and not stacks.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what fails here fails the test"
)]

#[path = "support/fleet.rs"]
mod fleet;
#[path = "support/served.rs"]
mod served;
mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use fleet::{Clusters, Fleet};
use privlink_sandbox::{Effect, Fault};
use serde_json::Value;
use served::{RUNTIME, Served};
use support::{Run, root};

/// A fleet that is served, with its files.
struct Scene {
    served: Served,
    clusters: Clusters,
    fleet: Fleet,
}

impl Scene {
    fn new(stacks: usize, subscriptions: usize) -> Self {
        let fleet = Fleet { stacks, subscriptions };
        let served = Served::new(fleet.world());
        let clusters = RUNTIME.block_on(Clusters::serve(fleet, Duration::ZERO));
        fleet.write(served.path());
        fleet.write_kubeconfig(served.path(), &clusters);
        Self { served, clusters, fleet }
    }

    /// Runs the binary, and says how often ARM was asked for each path meanwhile, without its query.
    fn run(&self, words: &str) -> (Run, BTreeMap<String, usize>) {
        let before = self.served.requests().len();
        let run = self.served.run(words);
        let mut asked = BTreeMap::new();
        for entry in self.served.requests().into_iter().skip(before) {
            let path = entry.path.split('?').next().unwrap().to_lowercase();
            *asked.entry(path).or_default() += 1;
        }
        (run, asked)
    }
}

fn total(asked: &BTreeMap<String, usize>) -> usize {
    asked.values().sum()
}

#[test]
fn requests_follow_subscriptions_and_not_stacks() {
    let mut own = BTreeMap::new();
    for (stacks, subscriptions) in [(8, 4), (40, 4)] {
        let scene = Scene::new(stacks, subscriptions);
        for command in ["plan", "drift", "observe"] {
            let out = if command == "observe" { " --out seen" } else { "" };
            let words = format!("{command} --stacks stacks --jobs 4{out}");
            let (run, asked) = scene.run(&words);
            // Nothing differs, and every stack was looked at.
            let said = run.expect(0).stdout;
            let is_whole = match command {
                "plan" => said.contains(&format!("no changes  {stacks}")),
                "drift" => said.contains(&format!("no drift  {stacks}")),
                _ => said.contains(&format!("saved  {stacks}")),
            };
            assert!(is_whole, "{command}: {said}");
            own.entry(command).or_insert_with(Vec::new).push(total(&asked));
            for kind in ["privateendpoints", "networkinterfaces", "loadbalancers"] {
                let whole = |path: &&String| {
                    path.ends_with(&format!("/providers/microsoft.network/{kind}"))
                        && !path.contains("/resourcegroups/")
                };
                let lists: Vec<_> = asked.keys().filter(whole).collect();
                assert_eq!(lists.len(), subscriptions, "{command}: {asked:#?}");
                assert!(lists.iter().all(|it| asked[*it] == 1), "{command}: {asked:#?}");
            }
        }
        assert!(scene.clusters.asked() >= 5 * scene.fleet.stacks, "each has a cluster of its own");
    }
    // 32 more stacks are 32 more lists: of the load balancers that a cluster is told to have.
    for (command, requests) in own {
        assert_eq!(requests[1] - requests[0], 32, "{command}: {requests:?}");
        assert_eq!(requests[1], 108, "{command}");
    }
}

#[test]
fn who_may_not_read_a_subscription_reads_its_groups() {
    let scene = Scene::new(4, 1);
    let (alone, _) = scene.run("drift --stacks stacks --jobs 1 -o json");
    let denied = Effect::Status {
        status: 403,
        code: String::from("AuthorizationFailed"),
        message: String::from("no right to read"),
        retry_after: None,
    };
    let subscription = scene.fleet.subscription(0);
    let kinds = ["loadBalancers", "privateLinkServices", "virtualNetworks"];
    scene.served.add_faults(kinds.map(|kind| Fault {
        path: Some(format!("/subscriptions/{subscription}/providers/Microsoft.Network/{kind}")),
        times: 0,
        effect: denied.clone(),
        ..Fault::default()
    }));
    let (run, asked) = scene.run("drift --stacks stacks --jobs 1 -o json");
    assert_eq!(without_times(&run.expect(0).stdout), without_times(&alone.expect(0).stdout));
    for kind in kinds {
        let kind = kind.to_lowercase();
        let of = |path: &&String| path.ends_with(&format!("/microsoft.network/{kind}"));
        let (groups, whole): (Vec<_>, Vec<_>) =
            asked.keys().filter(of).partition(|path| path.contains("/resourcegroups/"));
        // Once is enough to know that it may not be read.
        assert_eq!(asked[whole[0]], 1, "{asked:#?}");
        assert!(groups.len() >= 4, "{asked:#?}");
    }
}

fn without_times(report: &str) -> String {
    let is_time = |line: &&str| line.contains("observedAt") || line.contains("observeSeconds");
    report.lines().filter(|line| !is_time(line)).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_could_not_be_read_is_told_by_every_stack_and_asked_for_again() {
    let scene = Scene::new(6, 1);
    scene.served.add_faults([Fault {
        path: Some(String::from("/providers/Microsoft.Network/privateEndpoints?")),
        times: 1,
        effect: Effect::Status {
            status: 403,
            code: String::from("AuthorizationFailed"),
            message: String::from("no right to read"),
            retry_after: None,
        },
        ..Fault::default()
    }]);
    // One stack after the other: the first is refused, the second asks again.
    let (run, asked) = scene.run("drift --stacks stacks --jobs 1 -o json");
    assert_eq!(stacks_with_unreadable(&run.expect(1)), 1);
    let subscription = scene.fleet.subscription(0);
    let path =
        format!("/subscriptions/{subscription}/providers/microsoft.network/privateendpoints");
    assert_eq!(asked[&path], 2, "{asked:#?}");
    // Always refused, it is told by each.
    scene.served.add_faults([Fault {
        path: Some(String::from("/providers/Microsoft.Network/privateEndpoints?")),
        times: 0,
        effect: served::refused(403, "AuthorizationFailed", None),
        ..Fault::default()
    }]);
    let (run, _) = scene.run("drift --stacks stacks --jobs 4 -o json");
    assert_eq!(stacks_with_unreadable(&run.expect(1)), 6);
}

fn stacks_with_unreadable(run: &Run) -> usize {
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let is_unreadable = |stack: &&Value| !stack["unreadable"].as_array().unwrap().is_empty();
    report["stacks"].as_array().unwrap().iter().filter(is_unreadable).count()
}

/// Whoever writes sees what is there now.
#[test]
fn applies_share_no_lists() {
    let example = root().join("examples/consumer");
    let observed = std::fs::read(example.join("world/observed.json")).unwrap();
    let snapshot = serde_json::from_slice(&observed).unwrap();
    let served = Served::new(privlink_sandbox::World::from_snapshot(&snapshot).unwrap());
    for name in ["one", "two", "three"] {
        let folder = served.path().join("stacks").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for file in ["stack.yaml", "endpoint.yaml"] {
            let text = std::fs::read_to_string(example.join(file)).unwrap();
            let text = text.replace("name: consumer\n", &format!("name: {name}\n"));
            let text = text.replace("internal-app-pe", &format!("{name}-pe"));
            std::fs::write(folder.join(file), text).unwrap();
        }
    }
    let lists = |words: &str| {
        let before = served.requests().len();
        served.run(words).expect(0);
        let asked = served.requests();
        let is_list = |path: &str| path.contains("/providers/Microsoft.Network/privateEndpoints?");
        asked.iter().skip(before).filter(|it| is_list(&it.path)).count()
    };
    assert!(lists("apply --stacks stacks --jobs 1 --auto-approve") >= 3);
    assert_eq!(lists("plan --stacks stacks --jobs 1"), 1);
}

#[test]
fn a_share_of_arm_is_a_part_of_a_whole() {
    let scene = Scene::new(2, 1);
    for wrong in ["0/3", "4/3", "x"] {
        let (run, asked) = scene.run(&format!("plan --stacks stacks --arm-share {wrong}"));
        let run = run.expect(1);
        assert!(run.stderr.contains("a share is written as 1/4"), "{}", run.stderr);
        assert!(asked.is_empty(), "{asked:#?}");
    }
    let (run, _) = scene.run("plan --stacks stacks --arm-share 1/4");
    run.expect(0);
}

#[test]
fn the_documents_are_those_of_the_example() {
    let example = |file: &str| {
        let text = std::fs::read_to_string(root().join("examples/private-link").join(file));
        text.unwrap()
            .lines()
            .filter(|it| !it.starts_with('#'))
            .map(|it| format!("{it}\n"))
            .collect::<String>()
    };
    let ours = std::fs::read_to_string(root().join("benches/fleet/stack.yaml")).unwrap();
    for file in ["stack.yaml", "internal-app.yaml", "endpoint.yaml"] {
        assert!(ours.contains(example(file).trim_end()), "{file}");
    }
}
