//! `guard serve`: a server of its own process, asked as an API server asks, beside a sandbox.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what fails here fails the test"
)]

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::serving::Serving;
use support::{Workplace, read_json};

const PLACE: &str = "--subscription 00000000-0000-0000-0000-000000000000 --resource-group myResourceGroup \
                     --cluster myAKSCluster --auth token";
const ADDRESS: &str = "service.beta.kubernetes.io/azure-load-balancer-ipv4";

/// A guard beside a sandbox that has a Private Link Service with a consumer.
struct Guard {
    place: Workplace,
    sandbox: Option<Serving>,
    process: Child,
    decisions: Receiver<Value>,
    reviews: String,
    probes: String,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A certificate for loopback, with its key, in the workplace.
fn certify(folder: &Path, name: &str) {
    let made =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), name.to_owned()]).unwrap();
    // The key first: a reader in between finds a pair that does not belong together, and keeps the old one.
    std::fs::write(folder.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(folder.join("tls.crt"), made.cert.pem()).unwrap();
}

impl Guard {
    fn start(flags: &str) -> Self {
        let guard = Self::begin(flags, true).0;
        guard.until("it is ready", || guard.probe("readyz").0 == 200);
        guard
    }

    /// One that was started, beside a sandbox or none, with what it says on stderr.
    fn begin(flags: &str, is_served: bool) -> (Self, Receiver<String>) {
        let place = Workplace::with_example("frontend-recreated");
        let apply =
            "apply -f examples/frontend-recreated/before --sandbox=world.json --auto-approve";
        place.run(&format!("{apply} --controller-timeout 20")).expect(0);
        certify(place.path(), "first.example");
        let sandbox = Serving::start(&place, &[]);
        let cloud = sandbox.cloud();
        let sandbox = is_served.then_some(sandbox);
        let words = format!(
            "guard serve --kubeconfig kubeconfig --cloud {cloud} {PLACE} --listen 127.0.0.1:0 --probes 127.0.0.1:0 \
             --certificate tls.crt --key tls.key --drain 1 {flags}"
        );
        let mut process = Command::new(env!("CARGO_BIN_EXE_privlink"))
            .args(words.split_whitespace())
            .current_dir(place.path())
            .env_clear()
            .env("PRIVLINK_ARM_TOKEN", "any")
            .env("NO_PROXY", "127.0.0.1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, decisions) = channel();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let decision = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if sender.send(decision).is_err() {
                    return;
                }
            }
        });
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let (reviews, probes) = loop {
            let line = lines.next().unwrap().unwrap();
            let Some(rest) = line.strip_prefix("Reviews at ") else { continue };
            let (reviews, probes) = rest.split_once(", probes and metrics at ").unwrap();
            break (reviews.to_owned(), probes.trim_end_matches('.').to_owned());
        };
        let (sender, said) = channel();
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| drop(sender.send(line)));
        });
        (Self { place, sandbox, process, decisions, reviews, probes }, said)
    }

    /// Waits, for half a minute at most.
    fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < Duration::from_secs(30), "not within 30 s: {what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn probe(&self, path: &str) -> (u16, String) {
        let url = format!("{}/{path}", self.probes);
        runtime().block_on(async {
            match client(None).get(url).send().await {
                Ok(reply) => (reply.status().as_u16(), reply.text().await.unwrap_or_default()),
                Err(_) => (0, String::new()),
            }
        })
    }

    /// What a review is answered, by a caller who trusts this certificate.
    fn post(&self, body: Vec<u8>) -> Result<(u16, String), String> {
        let authority = std::fs::read(self.place.path().join("tls.crt")).unwrap();
        runtime().block_on(async {
            let sent = client(Some(&authority)).post(&self.reviews).body(body).send().await;
            let reply = sent.map_err(|error| error.to_string())?;
            Ok((reply.status().as_u16(), reply.text().await.map_err(|error| error.to_string())?))
        })
    }

    fn review(&self, review: &Value) -> Value {
        let (status, text) = self.post(review.to_string().into_bytes()).unwrap();
        assert_eq!(status, 200, "{text}");
        serde_json::from_str::<Value>(&text).unwrap()["response"].clone()
    }

    /// An edit of the Service's address, as somebody asks for it.
    fn edit(&self) -> Value {
        let world = read_json(&self.place.path().join("world.json"));
        let objects = world["kubernetes"]["objects"].as_array().unwrap();
        let old = objects.iter().find(|it| it["metadata"]["name"] == "internal-app").unwrap();
        let mut new = old.clone();
        new["metadata"]["annotations"][ADDRESS] = json!("10.240.0.26");
        json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "1", "operation": "UPDATE", "namespace": "default", "name": "internal-app",
                "resource": {"group": "", "version": "v1", "resource": "services"},
                "userInfo": {"username": "alice"}, "object": new, "oldObject": old,
            }
        })
    }

    fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A client that trusts one certificate.
fn client(authority: Option<&[u8]>) -> reqwest::Client {
    privlink_http::install_crypto();
    let builder = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10));
    let builder = match authority {
        None => builder,
        Some(pem) => builder.tls_certs_only([reqwest::Certificate::from_pem(pem).unwrap()]),
    };
    builder.build().unwrap()
}

#[test]
fn a_review_is_answered_counted_and_told() {
    let guard = Guard::start("--mode enforce");
    let answer = guard.review(&guard.edit());
    assert_eq!(answer["allowed"], false, "{answer}");
    let effect = "disconnects 1 consumer of Private Link Service my-pls (myAKSServicePE): its address changes";
    assert_eq!(answer["warnings"][0], effect, "{answer}");
    let told = guard.decisions.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(told["user"], "alice", "{told}");
    assert_eq!(told["writer"], "privlink", "{told}");
    assert_eq!(told["verdict"], "refused", "{told}");
    assert_eq!(told["disconnects"], json!(["myAKSServicePE"]), "{told}");
    let (status, metrics) = guard.probe("metrics");
    assert_eq!(status, 200);
    for line in [
        "privlink_guard_decisions_total{verdict=\"refused\",code=\"too-many-disconnects\",operation=\"update\"} 1",
        "privlink_guard_review_duration_seconds_count{operation=\"update\"} 1",
        "privlink_guard_failures_total{what=\"refresh\"} 0",
        "privlink_guard_observation_age_seconds ",
        "privlink_guard_ready 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    assert_eq!(guard.probe("healthz").0, 200);

    // What is no review has no answer, and a large one is not read.
    assert_eq!(guard.post(b"[]".to_vec()).unwrap().0, 400);
    let large = guard.post(vec![b' '; 9 << 20]).map(|(status, _)| status);
    assert!(large.is_err() || large == Ok(413), "{large:?}");
    assert_eq!(guard.review(&guard.edit())["allowed"], false);
}

#[test]
fn a_certificate_is_exchanged_while_it_serves_and_a_bad_one_is_not() {
    let guard = Guard::start("");
    let folder = guard.place.path();
    let garbage = || guard.post(b"[]".to_vec()).map(|(status, _)| status);
    assert_eq!(garbage(), Ok(400));
    certify(folder, "second.example");
    // Trusting the new one only.
    guard.until("the new certificate is shown", || garbage() == Ok(400));
    let good = std::fs::read(folder.join("tls.crt")).unwrap();
    std::fs::write(folder.join("tls.key"), "no key").unwrap();
    guard.until("the failure is counted", || {
        let text = guard.probe("metrics").1;
        text.contains("privlink_guard_failures_total{what=\"certificate\"} ")
            && !text.contains("privlink_guard_failures_total{what=\"certificate\"} 0")
    });
    assert_eq!(std::fs::read(folder.join("tls.crt")).unwrap(), good);
    assert_eq!(garbage(), Ok(400), "the old pair is kept");
}

#[test]
fn azure_that_is_gone_leaves_answers_in_time_and_sigterm_ends_it_in_order() {
    let mut guard = Guard::start("--mode enforce --max-age 2 --refresh 1 --deadline 500");
    let edit = guard.edit();
    assert_eq!(guard.review(&edit)["allowed"], false);
    guard.sandbox = None;
    guard.until("it is too old", || {
        let began = Instant::now();
        let answer = guard.review(&edit);
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        answer["auditAnnotations"]["verdict"] == "unknown"
    });
    let answer = guard.review(&edit);
    assert_eq!(answer["allowed"], true, "{answer}");
    let warning = answer["warnings"][0].as_str().unwrap();
    assert!(warning.starts_with("privlink cannot predict what this does to Azure: "), "{warning}");
    guard.signal("-TERM");
    guard.until("it is not ready", || guard.probe("readyz").0 != 200);
    guard.until("it ended", || guard.probe("healthz").0 == 0);
    assert_eq!(guard.process.wait().unwrap().code(), Some(0));
}

/// Nothing was ever read: what is wrong is said without being asked for, and only one that lets writes through is ready.
#[test]
fn one_that_has_read_nothing_says_so_and_is_ready_only_if_it_fails_open() {
    for (flags, ready) in [("", 200), ("--fail-closed", 503)] {
        let (guard, said) = Guard::begin(&format!("--mode enforce --refresh 1 {flags}"), false);
        guard.until("a reading failed", || {
            let text = guard.probe("metrics").1;
            text.contains("privlink_guard_failures_total{what=\"refresh\"} ")
                && !text.contains("privlink_guard_failures_total{what=\"refresh\"} 0\n")
        });
        let warning = loop {
            let line = said.recv_timeout(Duration::from_secs(30)).unwrap();
            if line.contains("the cluster or Azure could not be read") {
                break line;
            }
        };
        assert!(warning.contains("WARN"), "{warning}");
        guard.until("it has looked", || guard.probe("readyz").0 == ready);
    }
}

#[test]
fn only_who_has_a_certificate_of_the_authority_may_call() {
    let place = Workplace::empty();
    certify(place.path(), "other.example");
    let authority = place.path().join("tls.crt");
    let guard = Guard::start(&format!("--client-ca {}", authority.display()));
    let refused = guard.post(b"[]".to_vec());
    assert!(refused.is_err(), "{refused:?}");
    guard.until("the failed handshake is counted", || {
        let text = guard.probe("metrics").1;
        !text.contains("privlink_guard_failures_total{what=\"handshake\"} 0\n")
    });
}

/// 200 reviews a second, for a minute; or as `LOAD_RATE` and `LOAD_SECONDS` say: how long answers take, and whether memory
/// grows. What is asserted holds for an optimized build on two processors of its own.
#[test]
#[ignore = "takes a minute and a machine of its own; .ci/full runs it"]
fn two_hundred_writes_a_second_are_answered_in_time() {
    let number = |name: &str, otherwise: u64| {
        std::env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(otherwise)
    };
    let (rate, seconds) = (number("LOAD_RATE", 200), number("LOAD_SECONDS", 60));
    let guard = Guard::start("--mode enforce");
    let body = guard.edit().to_string();
    let memory = || {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", guard.process.id())).unwrap();
        let line = status.lines().find(|it| it.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let authority = std::fs::read(guard.place.path().join("tls.crt")).unwrap();
    let client = client(Some(&authority));
    let runtime = runtime();
    let round = |seconds: u64| -> Vec<Duration> {
        runtime.block_on(async {
            let mut every = tokio::time::interval(Duration::from_micros(1_000_000 / rate));
            let mut sent = Vec::new();
            for _ in 0..seconds * rate {
                every.tick().await;
                let request = client.post(&guard.reviews).body(body.clone());
                sent.push(tokio::spawn(async move {
                    let began = Instant::now();
                    let reply = request.send().await.unwrap();
                    let text = reply.text().await.unwrap();
                    assert!(text.contains("\"allowed\":false"), "{text}");
                    began.elapsed()
                }));
            }
            let mut took = Vec::new();
            for answer in sent {
                took.push(answer.await.unwrap());
            }
            took
        })
    };
    round(2);
    let before = memory();
    let mut took = round(seconds);
    let after = memory();
    took.sort_unstable();
    let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
    let (half, most) = (at(50), at(99));
    println!(
        "{} reviews: p50 {half:?}, p99 {most:?}; {before} KiB before, {after} KiB after",
        took.len()
    );
    assert!(after < before + before / 4, "memory grows: {before} KiB before, {after} KiB after");
    let bound =
        if cfg!(debug_assertions) { Duration::from_secs(1) } else { Duration::from_millis(25) };
    assert!(most <= bound, "p99 {most:?}");
}
