//! How long the API server waits for the guard: 200 writes a second for a minute, and while ARM is down, slow, throttled or
//! refuses.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::caller::{Caller, JSON, MERGE};
use crate::envtest::ApiServer;
use crate::served_guard::Guard;
use crate::{Example, PATIENCE};

const SERVICES: &str = "/api/v1/namespaces/default/services";

/// A histogram, by upper bound in seconds; the last is infinite.
#[derive(Clone, Debug, Default)]
struct Histogram(Vec<(f64, u64)>);

impl Histogram {
    /// The series of this name in a text of metrics, those with other labels added up.
    fn read(text: &str, name: &str, label: &str) -> Self {
        let mut all: BTreeMap<u64, (f64, u64)> = BTreeMap::new();
        for line in text.lines().filter(|it| it.starts_with(name) && it.contains(label)) {
            let Some((_, rest)) = line.split_once("le=\"") else { continue };
            let (bound, _) = rest.split_once('"').unwrap();
            let count: f64 = line.rsplit_once(' ').unwrap().1.parse().unwrap();
            let bound: f64 = bound.parse().unwrap_or(f64::INFINITY);
            all.entry(bound.to_bits()).or_insert((bound, 0)).1 += count as u64;
        }
        let mut all: Vec<(f64, u64)> = all.into_values().collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self(all)
    }

    fn since(&self, before: &Self) -> Self {
        let were: BTreeMap<u64, u64> =
            before.0.iter().map(|(at, count)| (at.to_bits(), *count)).collect();
        let grown = |&(at, count): &(f64, u64)| (at, count - were.get(&at.to_bits()).unwrap_or(&0));
        Self(self.0.iter().map(grown).collect())
    }

    fn count(&self) -> u64 {
        self.0.last().map_or(0, |it| it.1)
    }

    /// The least bound within which this share of all is.
    fn within(&self, percent: u64) -> f64 {
        let enough = |(_, count): &&(f64, u64)| count * 100 >= self.count() * percent;
        self.0.iter().find(enough).map_or(f64::INFINITY, |it| it.0)
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(otherwise)
}

/// As many internal load balancers as that, each with a Private Link Service of its own.
async fn populate(boss: &Caller, number: u64) {
    for index in 0..number {
        let prefix = "service.beta.kubernetes.io/azure";
        let service = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": format!("app-{index}"), "annotations": {
                format!("{prefix}-load-balancer-internal"): "true",
                format!("{prefix}-pls-create"): "true",
            }},
            "spec": {"type": "LoadBalancer", "selector": {"app": "a"}, "ports": [{"port": 80}]},
        });
        assert_eq!(boss.create(SERVICES, &service).await.status, 201);
    }
    for index in 0..number {
        let path = format!("{SERVICES}/app-{index}");
        let served =
            |it: &crate::caller::Reply| !it.body["status"]["loadBalancer"]["ingress"].is_null();
        boss.until(("GET", &path, JSON, &Value::Null), served).await;
    }
}

/// Writes at a rate, each to one of the Services in turn; how many were taken.
async fn write(boss: &std::sync::Arc<Caller>, (rate, seconds, services): (u64, u64, u64)) -> u64 {
    let mut every = tokio::time::interval(Duration::from_micros(1_000_000 / rate));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut sent = Vec::new();
    let began = Instant::now();
    let mut number = 0;
    while began.elapsed() < Duration::from_secs(seconds) {
        every.tick().await;
        number += 1;
        let boss = std::sync::Arc::clone(boss);
        sent.push(tokio::spawn(async move {
            let path = format!("{SERVICES}/app-{}", number % services);
            // What the controller reads, and what changes nothing in Azure.
            let note =
                json!({"metadata": {"annotations": {"example.com/note": number.to_string()}}});
            boss.call("PATCH", &path, MERGE, &note).await.status
        }));
    }
    let mut taken = 0;
    for answer in sent {
        taken += u64::from(answer.await.unwrap() == 200);
    }
    taken
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute and a machine of its own; .ci/full runs it"]
async fn two_hundred_writes_a_second_are_answered_in_time() {
    let api_server = ApiServer::start().await.expect("KUBEBUILDER_ASSETS names an API server");
    let boss = std::sync::Arc::new(Caller::new(&api_server, "boss"));
    let (rate, seconds) = (number("LOAD_RATE", 200), number("LOAD_SECONDS", 60));
    let services = number("LOAD_SERVICES", 20);
    let example = Example::new("frontend-recreated", Some(&api_server));
    example.run("apply", "before", PATIENCE).expect(0);
    populate(&boss, services).await;
    let guard = Guard::start(&example, "--mode enforce");
    guard.be_asked(&boss).await;
    // Until all threads have worked: what they hold then, they keep.
    write(&boss, (rate, 10, services)).await;
    let of_guard = async || {
        let text = guard.metrics().await;
        Histogram::read(&text, "privlink_guard_review_duration_seconds_bucket", "update")
    };
    let of_api_server = async || {
        let text = boss.text("/metrics").await;
        let name = "apiserver_admission_webhook_admission_duration_seconds_bucket";
        Histogram::read(&text, name, "guard.privlink.dev")
    };
    let before = (of_guard().await, of_api_server().await, guard.spent());
    let began = Instant::now();
    let taken = write(&boss, (rate, seconds, services)).await;
    let took = began.elapsed().as_secs_f64();
    let after = (of_guard().await, of_api_server().await, guard.spent());
    let (answers, waits) = (after.0.since(&before.0), after.1.since(&before.1));
    let spent = after.2.0 - before.2.0;
    let per_answer = spent / u32::try_from(answers.count().max(1)).unwrap();
    eprintln!(
        "{taken} writes taken in {took:.1} s, {} answers: p50 within {} s, p99 within {} s by the guard; p50 within {} s, \
         p99 within {} s by the API server; {per_answer:?} of a processor for each; memory {} KiB, then {} KiB",
        answers.count(),
        answers.within(50),
        answers.within(99),
        waits.within(50),
        waits.within(99),
        before.2.1,
        after.2.1,
    );
    assert!(taken * 100 >= rate * seconds * 90, "{taken} writes taken");
    assert!(after.2.1 < before.2.1 + before.2.1 / 4, "memory grows");
    let bound = if cfg!(debug_assertions) && std::env::var_os("GUARD_BINARY").is_none() {
        1.0
    } else {
        0.025
    };
    assert!(answers.within(99) <= bound, "p99 within {} s", answers.within(99));
}

/// Whatever ARM does, an answer is there within its deadline.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_in_time_whatever_arm_does() {
    let Some(api_server) = ApiServer::start().await else { return };
    let boss = Caller::new(&api_server, "boss");
    let example = Example::new("frontend-recreated", Some(&api_server));
    example.run("apply", "before", PATIENCE).expect(0);
    let guard = Guard::start(&example, "--mode enforce --refresh 1 --max-age 2 --deadline 500");
    guard.be_asked(&boss).await;
    let path = format!("{SERVICES}/internal-app");
    let edit = json!({"metadata": {"annotations": {
        "service.beta.kubernetes.io/azure-load-balancer-ipv4": "10.240.0.26",
    }}});
    let asked = async |is_known: bool| {
        let until = Instant::now() + Duration::from_secs(90);
        let dry = format!("{path}?dryRun=All");
        loop {
            let began = Instant::now();
            let reply = boss.call("PATCH", &dry, MERGE, &edit).await;
            let took = began.elapsed();
            assert!(took < Duration::from_secs(3), "{took:?}");
            assert_eq!(reply.status, 200, "{reply:?}");
            let unknown = "privlink cannot predict what this does to Azure: ";
            if reply.warnings.first().is_some_and(|it| it.starts_with(unknown)) != is_known {
                return;
            }
            assert!(Instant::now() < until, "known: {is_known}; {reply:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    asked(true).await;
    for fault in [
        json!({"path": "/subscriptions/", "times": 0, "effect": "reset"}),
        json!({"path": "/subscriptions/", "times": 0, "effect": "hang"}),
        json!({"path": "/subscriptions/", "times": 0, "effect": {"status": {"status": 429, "retryAfter": 30}}}),
        json!({"path": "/subscriptions/", "times": 0, "effect": {"status": {"status": 403}}}),
    ] {
        example.faults(&json!([fault])).await;
        asked(false).await;
        example.faults(&json!([])).await;
        asked(true).await;
    }
}
