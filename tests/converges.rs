//! An apply ends as the world does: Services that share a frontend, a controller that is slow between its
//! writes, and changes that one sync does not bring all the way. After each run the plan is empty.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here fails the test")]

#[path = "support/generated.rs"]
mod generated;
#[path = "support/served.rs"]
mod served;
#[path = "support/stage.rs"]
mod stage;
mod support;

use std::time::{Duration, Instant};

use generated::{OWN, desired, endpoint, lasting, observed, planned, session};
use privlink_core::plan::{Mode, Op, Plan};
use privlink_core::report::Outcome;
use privlink_engine::apply::apply;
use privlink_sandbox::{Effect, Fault, World};
use served::{RUNTIME, Served, side_by_side};
use support::scene::Service;

fn stack() -> String {
    format!(
        "apiVersion: privlink.dev/v1alpha1\nkind: Stack\nmetadata: {{name: laws}}\n\
         spec: {{subscription: {OWN}, resourceGroup: myResourceGroup, cluster: myAKSCluster}}\n"
    )
}

/// A Service with these annotations of the controller's, and more of its spec.
fn service(name: &str, port: u16, annotations: &[(&str, &str)], spec: &str) -> String {
    let service = Service::public(name).annotations(annotations);
    service.line(&format!("ports: [{{port: {port}}}]")).lines(spec).document()
}

const INTERNAL: (&str, &str) = ("azure-load-balancer-internal", "true");

/// Plans and carries out, within seconds; a plan right after it is empty. The plan that was carried out.
#[track_caller]
fn converges(served: &Served, documents: &[String], mode: Mode) -> Plan {
    let desired = desired(documents);
    let text = documents.join("---\n");
    RUNTIME.block_on(async {
        let session = session(served).await;
        let plan = planned(&desired, &observed(&session).await, mode);
        assert_eq!(plan.refusals, [], "{text}");
        let begun = Instant::now();
        let run = tokio::time::timeout(Duration::from_secs(30), apply(&plan, &session, |_| {}));
        let ended = run.await;
        assert!(ended.is_ok(), "it does not end: {:#?}\n{text}", plan.steps);
        let report = ended.unwrap();
        let well =
            |it: &Outcome| matches!(it, Outcome::Succeeded | Outcome::AwaitingApproval { .. });
        assert_eq!(report.count(well), plan.steps.len(), "{report:#?}\n{text}");
        let again = planned(&desired, &observed(&session).await, mode);
        assert!(
            again.is_empty(),
            "not empty after {:?}: {:#?}\n{text}",
            begun.elapsed(),
            again.changes
        );
        plan
    })
}

/// Two Services that pin one address: one asks for a Private Link Service, and either may come first.
fn sharers(first_asks: bool) -> [String; 2] {
    let address = ("azure-load-balancer-ipv4", "10.240.0.50");
    let link = [("azure-pls-create", "true"), ("azure-pls-name", "shared")];
    let asking: Vec<_> = [INTERNAL, address].into_iter().chain(link).collect();
    let (first, second) = match first_asks {
        true => (asking.clone(), vec![INTERNAL, address]),
        false => (vec![INTERNAL, address], asking),
    };
    [service("app", 443, &first, ""), service("db", 80, &second, "")]
}

#[test]
fn services_on_one_address_come_and_go_at_once() {
    let cases: Vec<(bool, usize)> =
        [true, false].into_iter().flat_map(|first| (0..3).map(move |to| (first, to))).collect();
    side_by_side(3, &cases, |(first_asks, to)| {
        let served = Served::new(World::first());
        let before = lasting(&served.world());
        let mut documents = vec![stack()];
        documents.extend(sharers(*first_asks));
        // An endpoint reaches the link through either of the two, or there is none.
        if *to < 2 {
            let reaching =
                generated::Reaching { service: *to, far: false, manual: false, record: true };
            documents.push(endpoint("pe-1", &reaching));
        }
        converges(&served, &documents, Mode::Apply);
        converges(&served, &documents, Mode::Destroy);
        assert_eq!(served::difference(&before, &lasting(&served.world())), None);
    });
}

#[test]
fn one_of_two_on_an_address_goes_and_comes_back() {
    let cases = [(true, 0), (true, 1), (false, 0), (false, 1)];
    side_by_side(4, &cases, |(first_asks, goes)| {
        let served = Served::new(World::first());
        let [first, second] = sharers(*first_asks);
        let both = [stack(), first.clone(), second.clone()];
        let stays = if *goes == 0 { second } else { first };
        converges(&served, &both, Mode::Apply);
        converges(&served, &[stack(), stays], Mode::Apply);
        converges(&served, &both, Mode::Apply);
        converges(&served, &both, Mode::Destroy);
    });
}

#[test]
fn who_goes_is_gone_before_the_address_that_it_shares_moves() {
    for first_asks in [true, false] {
        let served = Served::new(World::first());
        let before = lasting(&served.world());
        let [first, second] = sharers(first_asks);
        let (stays, goes) = if first_asks { (first, second) } else { (second, first) };
        converges(&served, &[stack(), stays.clone(), goes.clone()], Mode::Apply);
        let moved = stays.replace("10.240.0.50", "10.240.0.51");
        converges(&served, &[stack(), moved], Mode::Apply);
        // Nothing of it is left in the way of its return.
        converges(&served, &[stack(), stays, goes], Mode::Apply);
        converges(&served, &[stack()], Mode::Destroy);
        assert_eq!(served::difference(&before, &lasting(&served.world())), None);
    }
}

#[test]
fn nothing_is_left_behind_a_controller_that_is_slow_between_its_writes() {
    let documents = |ranges: &str| {
        let link = [INTERNAL, ("azure-pls-create", "true"), ("azure-pls-name", "app-pls")];
        let spec = format!("  loadBalancerSourceRanges: [{ranges}]\n");
        [
            stack(),
            service("app", 443, &link, ""),
            service("db", 80, &[INTERNAL], &spec),
            service("web", 80, &[], &spec),
        ]
    };
    let served = Served::new(World::first());
    let slow = Effect::SlowController { milliseconds: 300 };
    served.add_faults([Fault { times: 0, effect: slow, ..Fault::default() }]);
    for ranges in ["10.0.0.0/8", "10.0.0.0/8, 192.168.0.0/16"] {
        converges(&served, &documents(ranges), Mode::Apply);
    }
    converges(&served, &documents(""), Mode::Destroy);
}

/// A name, annotations, and a line of `spec`.
type Exposure = (&'static str, Vec<(&'static str, &'static str)>, &'static str);

/// Ways in which a Service may be reached.
fn exposures() -> Vec<Exposure> {
    let ranges = "  loadBalancerSourceRanges: [10.0.0.0/8]\n";
    let local = "  externalTrafficPolicy: Local\n";
    let link = [INTERNAL, ("azure-pls-create", "true"), ("azure-pls-name", "app-pls")];
    let subnet = [INTERNAL, ("azure-load-balancer-internal-subnet", "apps-subnet")];
    let pinned = [INTERNAL, ("azure-load-balancer-ipv4", "10.240.0.77")];
    vec![
        ("public", vec![], ""),
        ("public to some", vec![], ranges),
        ("public and local", vec![], local),
        ("internal", vec![INTERNAL], ""),
        ("internal to some", vec![INTERNAL], ranges),
        ("internal with a link", link.to_vec(), ""),
        ("internal elsewhere", subnet.to_vec(), ""),
        ("internal and pinned", pinned.to_vec(), local),
    ]
}

#[test]
fn what_becomes_public_or_internal_is_brought_all_the_way() {
    let exposures = exposures();
    let mut pairs = Vec::new();
    for first in &exposures {
        // Those within one kind of load balancer are the laws' of generated stacks.
        let crosses = |it: &&(&str, Vec<_>, &str)| it.1.is_empty() != first.1.is_empty();
        pairs.extend(exposures.iter().filter(crosses).map(|second| (first, second)));
    }
    let neighbours = [service("db", 81, &[], ""), service("web", 82, &[INTERNAL], "")];
    let finished = side_by_side(4, &pairs, |(first, second)| {
        let served = Served::new(World::first());
        let documents = |(_, annotations, spec): &(&str, Vec<(&str, &str)>, &str)| {
            let mut documents = vec![stack(), service("app", 80, annotations, spec)];
            documents.extend(neighbours.clone());
            documents
        };
        converges(&served, &documents(first), Mode::Apply);
        let plan = converges(&served, &documents(second), Mode::Apply);
        let nudges = plan.steps.iter().filter(|step| matches!(step.op, Op::Nudge { .. })).count();
        let told = plan.findings.iter().filter(|it| it.code.as_str() == "second-sync").count();
        assert_eq!(nudges, told, "from {} to {}: {:#?}", first.0, second.0, plan.findings);
        nudges
    });
    assert!(finished.iter().sum::<usize>() > 0, "no pair has a second sync");
}
