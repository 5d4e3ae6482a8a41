//! A guard in a process of its own, and the configuration that leads an API server to it.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use privlink_core::diagnostic::Source;
use privlink_core::yaml;
use serde_json::{Value, json};

use crate::Example;
use crate::caller::{Caller, JSON};
use crate::support::{Workplace, root};

pub(crate) const REGISTRATION: &str = "/apis/admissionregistration.k8s.io/v1";

/// The documents of a text in YAML.
pub(crate) fn documents(text: &str) -> Vec<Value> {
    let source = Source::new("a.yaml", text).unwrap();
    yaml::documents(&source).filter_map(|it| Some(it.root?.to_json())).collect()
}

/// The configuration of the kustomize base, which is the chart's.
pub(crate) fn shipped() -> Value {
    let file = root().join("deploy/kustomize/components/webhook/webhook.yaml");
    documents(&std::fs::read_to_string(file).unwrap()).remove(0)
}

/// A guard, ended with the test.
pub(crate) struct Guard {
    process: Child,
    pub(crate) url: String,
    pub(crate) probes: String,
    authority: String,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The binary that is asked: the test's own, or the one that is measured.
fn binary() -> OsString {
    std::env::var_os("GUARD_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_privlink").into())
}

impl Guard {
    /// A guard of an example's cluster, with a certificate for loopback unless the flags say otherwise.
    pub(crate) fn start(example: &Example<'_>, flags: &str) -> Self {
        let place = &example.place;
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        std::fs::write(place.path().join("tls.crt"), made.cert.pem()).unwrap();
        std::fs::write(place.path().join("tls.key"), made.signing_key.serialize_pem()).unwrap();
        let certificate = match flags.contains("--self-signed") {
            true => String::new(),
            false => "--certificate tls.crt --key tls.key".to_owned(),
        };
        let words = format!(
            "guard serve -f examples/{}/stack.yaml {} {certificate} --drain 0 {flags}",
            example.name, example.flags
        );
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let mut guard = Self::serve(place, &words, &[]);
        guard.authority = made.cert.pem();
        guard
    }

    /// A guard by its arguments, at ports that are free.
    pub(crate) fn serve(place: &Workplace, words: &[String], variables: &[(&str, &str)]) -> Self {
        let mut process = Command::new(binary())
            .args(words)
            .args(["--listen", "127.0.0.1:0", "--probes", "127.0.0.1:0"])
            .current_dir(place.path())
            .env_clear()
            .env("PRIVLINK_ARM_TOKEN", "any")
            .env("NO_PROXY", "127.0.0.1")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let (url, probes) = loop {
            let line =
                lines.next().unwrap_or_else(|| panic!("it ended: {words:?}\n{said}")).unwrap();
            said.push_str(&format!("{line}\n"));
            let Some(rest) = line.strip_prefix("Reviews at ") else { continue };
            let (url, probes) = rest.split_once(", probes and metrics at ").unwrap();
            break (url.to_owned(), probes.trim_end_matches('.').to_owned());
        };
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self { process, url, probes, authority: String::new() }
    }

    /// A configuration, leading here.
    pub(crate) fn leading_here(&self, mut configuration: Value) -> Value {
        use base64::Engine;
        let bundle = base64::engine::general_purpose::STANDARD.encode(&self.authority);
        configuration["webhooks"][0]["clientConfig"] = json!({"url": self.url, "caBundle": bundle});
        configuration
    }

    /// The shipped configuration, leading here.
    pub(crate) fn configuration(&self) -> Value {
        self.leading_here(shipped())
    }

    /// The port of reviews.
    pub(crate) fn port(&self) -> u16 {
        let port = self.url.trim_end_matches("/validate").rsplit_once(':').unwrap().1;
        port.parse().unwrap()
    }

    /// Its metrics.
    pub(crate) async fn metrics(&self) -> String {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10));
        let reply = client.build().unwrap().get(format!("{}/metrics", self.probes)).send().await;
        reply.unwrap().text().await.unwrap()
    }

    /// Processor time that it took so far, and the memory that it holds, in KiB.
    pub(crate) fn spent(&self) -> (Duration, u64) {
        let read = |name: &str| {
            std::fs::read_to_string(format!("/proc/{}/{name}", self.process.id())).unwrap()
        };
        // Fields 14 and 15 (proc(5)), in hundredths of a second; the second field ends with the last bracket.
        let stat = read("stat");
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        let status = read("status");
        let resident = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).unwrap();
        let resident = resident.split_whitespace().next().unwrap().parse().unwrap();
        (Duration::from_millis(ticks * 10), resident)
    }

    /// Makes the API server ask it, whoever was asked before, and waits until it does.
    pub(crate) async fn be_asked(&self, boss: &Caller) {
        let configuration = self.configuration();
        let name = configuration["metadata"]["name"].as_str().unwrap();
        let all = format!("{REGISTRATION}/validatingwebhookconfigurations");
        boss.call("DELETE", &format!("{all}/{name}"), JSON, &Value::Null).await;
        assert_eq!(boss.create(&all, &configuration).await.status, 201);
        let probe = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "asked", "annotations": {
                "service.beta.kubernetes.io/azure-load-balancer-internal": "true",
            }},
            "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
        });
        let services = "/api/v1/namespaces/default/services?dryRun=All";
        for _ in 0..300 {
            boss.create(services, &probe).await;
            if self.metrics().await.contains("operation=\"create\"} ") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the API server does not ask");
    }
}
