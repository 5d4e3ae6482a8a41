//! The examples with a real kube-apiserver and etcd, beside the sandbox's ARM and its controller: the
//! same comes of them as with the sandbox's own API server. Needs `KUBEBUILDER_ASSETS`, and says so
//! when it is not set.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "what fails here fails the test"
)]

mod caller;
#[path = "../../providers/kubernetes/tests/support/envtest.rs"]
mod envtest;
mod generated;
mod guard;
mod installed;
mod load;
mod policy;
mod requests;
mod served_guard;
#[path = "../support/mod.rs"]
mod support;
mod tools;

use std::collections::BTreeMap;

use envtest::ApiServer;
use k8s_openapi::api::core::v1::Node;
use privlink_kubernetes::params::DeleteParams;
use privlink_kubernetes::request::Error::BuildRequest;
use privlink_kubernetes::{Call, Connection, Doing, KubernetesClient, Settings};
use privlink_sandbox::{ControllerMode, Sandbox, SandboxOptions, World, WorldSource};
use requests::{Request, requests};
use serde_json::{Value, json};
use support::serving::Serving;
use support::{Run, Workplace, names, read_json, root, waits_for_gateways};

/// One step after the other, so that addresses are handed out in the same order.
const PATIENCE: &str = "--auto-approve --controller-timeout 60 --parallelism 1";

/// An example in a folder of its own, run by one of both ways.
struct Example<'a> {
    name: &'a str,
    place: Workplace,
    /// The flags that say where.
    flags: String,
    serving: Option<Serving>,
}

impl<'a> Example<'a> {
    fn new(name: &'a str, api_server: Option<&ApiServer>) -> Self {
        let place = Workplace::with_example(name);
        let observed = format!("examples/{name}/world/observed.json");
        let from = place.path().join(&observed).exists();
        let from = if from { format!("--from {observed}") } else { String::new() };
        place.run(&format!("sandbox init world.json {from}")).expect(0);
        let Some(api_server) = api_server else {
            let flags = "--sandbox=world.json".to_owned();
            return Self { name, place, flags, serving: None };
        };
        let kubeconfig = api_server.kubeconfig("boss");
        let kubeconfig = kubeconfig.to_str().unwrap();
        let serving = Serving::start(&place, &["--kubeconfig", kubeconfig]);
        let cloud = serving.cloud();
        let flags = format!("--kubeconfig {kubeconfig} --auth token --cloud {cloud}");
        Self { name, place, flags, serving: Some(serving) }
    }

    fn run(&self, command: &str, folder: &str, more: &str) -> Run {
        let Self { name, flags, .. } = self;
        let words = format!("{command} -f examples/{name}/{folder} {flags} {more}");
        let environment = [("PRIVLINK_ARM_TOKEN", "any"), ("NO_PROXY", "127.0.0.1")];
        self.place.run_with(&words, &environment)
    }

    /// Where its ARM is, for `--cloud`.
    fn cloud(&self) -> String {
        self.serving.as_ref().unwrap().cloud()
    }

    /// What goes wrong at its ARM from now on.
    async fn faults(&self, faults: &Value) {
        let arm = &self.serving.as_ref().unwrap().arm;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let at = format!("{arm}/sandbox/faults");
        let gone = client.delete(&at).bearer_auth("any").send().await.unwrap();
        assert!(gone.status().is_success(), "{gone:?}");
        let request = client.post(&at).bearer_auth("any").body(faults.to_string());
        let put = request.header("content-type", "application/json").send().await.unwrap();
        assert!(put.status().is_success(), "{put:?}");
    }

    fn has_before(&self) -> bool {
        self.place.path().join(format!("examples/{}/before", self.name)).exists()
    }

    /// Applies; what Azure holds then, with what an API server hands out named after its Service; and
    /// the Services.
    fn apply(&self) -> BTreeMap<String, Value> {
        if self.has_before() {
            self.run("apply", "before", PATIENCE).expect(0);
        }
        let (more, code, then) = match self.name {
            "frontend-recreated" => ("--max-disconnects 1", 0, "No changes."),
            "endpoint-in-other-subscription" => {
                ("", 6, "No changes. 1 connection awaits approval.")
            }
            _ => ("", 0, "No changes."),
        };
        let apply = self.run("apply", "", &format!("{PATIENCE} {more}")).expect(code);
        let plan = self.run("plan", "", "--detailed-exitcode").expect(0);
        assert_eq!(plan.last_line(), then, "{}\nafter\n{}", plan.stdout, apply.stdout);
        let world = read_json(&self.place.path().join("world.json"));
        let mut all = renamed(&world);
        let made = all.keys().any(|id| id.contains("/loadbalancers/"));
        assert_eq!(made, self.name != "deletion", "{:?}", all.keys());
        all.extend(services(&world));
        all
    }

    fn destroy(&self) {
        self.run("destroy", "", PATIENCE).expect(0);
        let plan = self.run("plan", "", "--destroy").expect(0);
        assert_eq!(plan.last_line(), "No changes.", "{}", plan.stdout);
    }
}

/// What Azure holds in a world, with names and ports that follow from a uid or a node port written
/// with the Service they are of, and without the guids that follow from them.
fn renamed(world: &Value) -> BTreeMap<String, Value> {
    let mut ports = BTreeMap::new();
    let mut text = world["azure"].to_string();
    for object in world["kubernetes"]["objects"].as_array().unwrap() {
        if object["kind"] != "Service" || object["spec"]["type"] != "LoadBalancer" {
            continue;
        }
        let name = object["metadata"]["name"].as_str().unwrap();
        let uid = object["metadata"]["uid"].as_str().unwrap().replace('-', "");
        text = text.replace(&uid[..31], &format!("(uid of {name})"));
        for port in object["spec"]["ports"].as_array().unwrap() {
            let of = format!("(node port of {name}:{})", port["port"]);
            ports.insert(port["nodePort"].clone().to_string(), of);
        }
        let check = object["spec"]["healthCheckNodePort"].to_string();
        ports.insert(check, format!("(health check of {name})"));
    }
    let mut resources: Value = serde_json::from_str(&text).unwrap();
    mask(&mut resources, &ports);
    let id = |resource: &Value| resource["id"].as_str().unwrap().to_lowercase();
    resources.as_array().unwrap().iter().map(|it| (id(it), it.clone())).collect()
}

/// The Services in a world, without what an API server hands out.
fn services(world: &Value) -> BTreeMap<String, Value> {
    let mut services = BTreeMap::new();
    for object in world["kubernetes"]["objects"].as_array().unwrap() {
        let name = object["metadata"]["name"].as_str().unwrap();
        if object["kind"] != "Service" || name == "kubernetes" {
            continue;
        }
        let mut object = object.clone();
        for masked in ["uid", "resourceVersion", "creationTimestamp"] {
            assert!(object["metadata"][masked].take().is_string(), "{name} has no {masked}");
        }
        for field in object["metadata"]["managedFields"].as_array_mut().unwrap() {
            assert!(field["time"].take().is_string(), "{name} has fields managed at no time");
        }
        for (field, is_there) in [("clusterIP", true), ("healthCheckNodePort", false)] {
            let value = object["spec"][field].take();
            assert!(!is_there || !value.is_null(), "{name} has no {field}");
        }
        for address in object["spec"]["clusterIPs"].as_array_mut().unwrap() {
            let family = if address.as_str().unwrap().contains(':') { "IPv6" } else { "IPv4" };
            *address = json!(family);
        }
        for port in object["spec"]["ports"].as_array_mut().unwrap() {
            assert!(port["nodePort"].take().is_number(), "{name} has no node port");
        }
        services.insert(format!("Service {name}"), object);
    }
    services
}

fn mask(value: &mut Value, ports: &BTreeMap<String, String>) {
    match value {
        Value::Array(list) => {
            list.iter_mut().for_each(|item| mask(item, ports));
            // Children are ordered by names that hold a uid.
            list.sort_by_key(|item| item["id"].to_string());
        }
        Value::Object(fields) => fields.values_mut().for_each(|item| mask(item, ports)),
        Value::Number(number) => {
            if let Some(name) = ports.get(&number.to_string()) {
                *value = json!(name);
            }
        }
        Value::String(text) => *text = without_guids(text),
        Value::Null | Value::Bool(_) => {}
    }
}

/// The text with `(guid)` for every guid of random digits; those of subscriptions repeat one digit.
fn without_guids(text: &str) -> String {
    let is_guid = |word: &str| {
        let parts: Vec<usize> = word.split('-').map(str::len).collect();
        let random = word.chars().any(|digit| !word.starts_with(digit) && digit != '-');
        parts == [8, 4, 4, 4, 12]
            && random
            && word.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
    };
    let mut masked = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match rest.get(..36).filter(|word| is_guid(word)) {
            Some(word) => {
                masked.push_str("(guid)");
                rest = &rest[word.len()..];
            }
            None => {
                masked.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    masked
}

/// Removes all Nodes, so that the next world registers its own; and sees that no Service is left.
async fn tidy(client: &KubernetesClient) {
    for node in client.nodes().await.unwrap() {
        let name = node["metadata"]["name"].as_str().unwrap().to_owned();
        let request =
            privlink_kubernetes::requests::<Node>(None).delete(&name, &DeleteParams::default());
        let call = Call::new(Doing::Delete, &name, request);
        client.call(&call).await.unwrap();
    }
    let services = client.services().await.unwrap();
    let names = services.iter().map(|it| it["metadata"]["name"].as_str().unwrap());
    let left: Vec<&str> = names.filter(|name| *name != "kubernetes").collect();
    assert!(left.is_empty(), "{left:?}");
}

/// What came of a request, without what is handed out.
async fn answered(client: &KubernetesClient, request: &Request) -> String {
    let Request(method, path, content_type, body) = request;
    let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let request = http::Request::builder()
        .method(*method)
        .uri(path)
        .header("content-type", *content_type)
        .body(bytes);
    let call = Call::new(Doing::Read, "it", request.map_err(BuildRequest));
    let text = match client.call(&call).await {
        Ok(mut object) => {
            for masked in ["uid", "resourceVersion", "creationTimestamp"] {
                object["metadata"][masked].take();
            }
            for field in object["metadata"]["managedFields"].as_array_mut().into_iter().flatten() {
                field["time"] = json!(field["time"].is_string());
            }
            if object["kind"] == "Service" {
                for address in object["spec"]["clusterIPs"].as_array_mut().into_iter().flatten() {
                    if address != "None" {
                        let is_6 = address.as_str().unwrap().contains(':');
                        *address = json!(if is_6 { "IPv6" } else { "IPv4" });
                    }
                }
                object["spec"]["clusterIP"] = object["spec"]["clusterIPs"][0].clone();
                object["spec"]["healthCheckNodePort"].take();
                for port in object["spec"]["ports"].as_array_mut().into_iter().flatten() {
                    port["nodePort"].take();
                }
            }
            object.sort_all_objects();
            format!("{object:#}")
        }
        Err(error) => {
            // Some quote the object as a whole, or a uid.
            let message = match error.message.split_once("Invalid value: \"{") {
                Some((before, after)) => {
                    let after = after.split_once("}\"").unwrap().1;
                    format!("{before}Invalid value: (object){after}")
                }
                None => without_guids(&error.message),
            };
            format!("{:?} {:?}\n{message}", error.status, error.code)
        }
    };
    text + "\n"
}

/// The sandbox's API server says what the real one says.
async fn the_simulated_one_answers_alike(real: &KubernetesClient) {
    let mut options = SandboxOptions::in_memory();
    options.controller = ControllerMode::None;
    let sandbox = Sandbox::start(options).await.unwrap();
    let url = sandbox.kubernetes_url.clone();
    let connection =
        Connection::Url { url, token: Some("sandbox".to_owned()), namespace: "default".to_owned() };
    let simulated = KubernetesClient::connect(&connection, Settings::default()).await.unwrap();
    let mut different = String::new();
    for request in requests() {
        let (expected, found) =
            (answered(real, &request).await, answered(&simulated, &request).await);
        if expected != found {
            let Request(method, path, _, body) = request;
            let diff = similar::TextDiff::from_lines(&expected, &found);
            different.push_str(&format!("{method} {path} {body}\n{}\n", diff.unified_diff()));
        }
    }
    assert!(different.is_empty(), "the sandbox's API server (+) differs:\n{different}");
    sandbox.shutdown().await.unwrap();
    for service in real.services().await.unwrap() {
        let name = service["metadata"]["name"].as_str().unwrap();
        real.delete_service("default", name, None).await.unwrap();
    }
}

/// Services that nobody thought of are answered alike too, refusals word for word.
#[tokio::test(flavor = "multi_thread")]
async fn generated_services_are_answered_alike() {
    let Some(server) = ApiServer::start().await else { return };
    let real = server.client("boss").await;
    // The real one serves both families.
    let mut world = World::first();
    world.facts.ip_families = ["IPv4", "IPv6"].map(str::to_owned).to_vec();
    let mut options = SandboxOptions::new(WorldSource::Memory(Box::new(world)));
    options.controller = ControllerMode::None;
    let sandbox = Sandbox::start(options).await.unwrap();
    let url = sandbox.kubernetes_url.clone();
    let connection =
        Connection::Url { url, token: Some("sandbox".to_owned()), namespace: "default".to_owned() };
    let simulated = KubernetesClient::connect(&connection, Settings::default()).await.unwrap();
    let number =
        |name: &str, or: u64| std::env::var(name).ok().map_or(or, |it| it.parse().unwrap());
    let (first, cases) = (number("API_SEED", 1), number("API_CASES", 300));
    let (mut different, mut taken, mut refused, mut failed) = (String::new(), 0, 0, 0);
    for seed in first..first + cases {
        let name = format!("s{seed}");
        let requests = generated::case(&mut generated::Draw::new(seed), &name);
        let mut named = String::new();
        for request in &requests {
            let Request(method, _, _, body) = request;
            named.push_str(&body.to_string());
            let expected = answered(&real, request).await;
            let found = answered(&simulated, request).await;
            let [expected, found] =
                [expected, found].map(|it| generated::without_given_out(&it, &named));
            match expected.starts_with('{') {
                true => taken += 1,
                false => refused += 1,
            }
            if expected != found {
                failed += 1;
                let diff = similar::TextDiff::from_lines(&expected, &found);
                different.push_str(&format!("{seed} {method} {body}\n{}\n", diff.unified_diff()));
                break;
            }
        }
        for client in [&real, &simulated] {
            if client.services().await.unwrap().iter().any(|it| it["metadata"]["name"] == *name) {
                client.delete_service("default", &name, None).await.unwrap();
            }
        }
    }
    eprintln!("{taken} taken, {refused} refused, {failed} answered otherwise");
    assert!(different.is_empty(), "the sandbox's API server (+) differs:\n{different}");
    assert!(taken > cases / 3 && refused > cases / 3, "{taken} taken, {refused} refused");
    sandbox.shutdown().await.unwrap();
}

/// One start of the server for all of them, since it takes seconds.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_api_server_does_what_the_simulated_one_does() {
    let Some(server) = ApiServer::start().await else { return };
    let client = server.client("boss").await;
    the_simulated_one_answers_alike(&client).await;
    for name in names("examples") {
        let is_folder = root().join("examples").join(&name).is_dir();
        // Four hold nothing that an API server is asked for; in nginx-to-gateway a frontend is named after a Service that is gone.
        let others = ["ci", "consumer", "gitops-guard", "nginx-to-gateway", "two-tenants"]
            .contains(&name.as_str());
        if !is_folder || name.starts_with("bad-") || others || waits_for_gateways(&name) {
            continue;
        }
        tidy(&client).await;
        let started = std::time::Instant::now();
        let real = Example::new(&name, Some(&server));
        let with_real = real.apply();
        real.destroy();
        eprintln!("{name}: {:.1} s with a real API server", started.elapsed().as_secs_f64());
        let simulated = Example::new(&name, None).apply();
        for id in with_real.keys().chain(simulated.keys()) {
            let (found, expected) = (with_real.get(id), simulated.get(id));
            let shown = |it: Option<&Value>| format!("{:#}\n", it.cloned().unwrap_or_default());
            assert!(
                found == expected,
                "{name}: with a real API server (+), {id} differs:\n{}",
                similar::TextDiff::from_lines(shown(expected), shown(found)).unified_diff()
            );
        }
    }
}
