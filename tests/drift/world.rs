//! A stack in a sandbox, and somebody who changes the world behind privlink's back.

use std::future::Future;
use std::time::Duration;

use privlink_sandbox::{Running, Sandbox, SandboxOptions};
use serde_json::{Value, json};

use crate::support::{Run, Workplace, assert_fits, edit_json, read_json};

pub(crate) const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000000";
pub(crate) const NODE_GROUP: &str = "mc_myresourcegroup_myakscluster_eastus";

/// The id of a network resource in the node resource group.
pub(crate) fn of_nodes(rest: &str) -> String {
    network(SUBSCRIPTION, NODE_GROUP, rest)
}

/// The id of a network resource.
pub(crate) fn network(subscription: &str, group: &str, rest: &str) -> String {
    format!(
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Network/{rest}"
    )
}

/// The node of that Private Link Service.
pub(crate) const LINK: &str = "PrivateLinkService/default/internal-app";

/// The Private Link Service of the AKS documentation's scenario.
pub(crate) fn link() -> String {
    of_nodes("privateLinkServices/my-pls")
}

/// The internal load balancer.
pub(crate) fn balancer() -> String {
    of_nodes("loadBalancers/kubernetes-internal")
}

/// The private endpoint of the AKS documentation's scenario.
pub(crate) fn endpoint() -> String {
    network(SUBSCRIPTION, "myOtherResourceGroup", "privateEndpoints/myAKSServicePE")
}

/// An applied example.
pub(crate) struct Applied {
    pub(crate) name: &'static str,
    pub(crate) place: Workplace,
}

/// A difference as tests name it.
pub(crate) type Told = (String, String);

pub(crate) fn told(class: &str, address: &str) -> Told {
    (class.to_owned(), address.to_owned())
}

impl Applied {
    /// The example, applied in a sandbox of its own.
    pub(crate) fn new(name: &'static str, code: i32) -> Self {
        let place = Workplace::with_example(name);
        place
            .run(&format!(
                "apply -f examples/{name} --sandbox --auto-approve --controller-timeout 20"
            ))
            .expect(code);
        Self { name, place }
    }

    /// The example, applied in the world that it brings along.
    pub(crate) fn in_its_world(name: &'static str) -> Self {
        let applied = Self { name, place: Workplace::with_example(name) };
        let world = format!(".privlink/sandbox/{name}.json");
        let from = format!("examples/{name}/world/observed.json");
        applied.place.run(&format!("sandbox init {world} --from {from}")).expect(0);
        applied.run("apply", "--auto-approve").expect(0);
        applied
    }

    /// The example with its Service's annotations taken away, in a world that was changed before it was applied.
    pub(crate) fn bare(name: &'static str, change: impl FnOnce(&mut Value)) -> Self {
        let applied = Self { name, place: Workplace::with_example(name) };
        applied.place.run(&format!("sandbox init .privlink/sandbox/{name}.json")).expect(0);
        applied.edit_world(change);
        let file = applied.place.path().join("examples").join(name).join("internal-app.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        let is_annotation = |line: &str| line.contains("annotations:") || line.contains("azure-");
        let kept: Vec<&str> = text.lines().filter(|line| !is_annotation(line)).collect();
        std::fs::write(file, kept.join("\n")).unwrap();
        applied.run("apply", "--auto-approve --controller-timeout 20").expect(0);
        applied
    }

    /// The AKS documentation's scenario.
    pub(crate) fn private_link() -> Self {
        Self::new("private-link", 0)
    }

    pub(crate) fn run(&self, command: &str, more: &str) -> Run {
        self.place.run(&format!("{command} -f examples/{} --sandbox {more}", self.name))
    }

    /// The report, which fits its schema, of a look that ends with this code.
    pub(crate) fn report(&self, code: i32, more: &str) -> Value {
        let run = self.run("drift", &format!("-o json {more}")).expect(code);
        checked(&run.stdout)
    }

    /// What differs.
    pub(crate) fn differences(&self, code: i32, more: &str) -> Vec<Value> {
        self.report(code, more)["stacks"][0]["differences"].as_array().unwrap().clone()
    }

    /// Saves what is observed now.
    pub(crate) fn snapshot(&self, file: &str) -> Value {
        self.run("observe", &format!("--out {file}")).expect(0);
        read_json(&self.place.path().join(file))
    }

    /// Saves a snapshot.
    pub(crate) fn save(&self, file: &str, snapshot: &Value) {
        std::fs::write(self.place.path().join(file), snapshot.to_string()).unwrap();
    }

    /// Rewrites a file of the example.
    pub(crate) fn rewrite(&self, file: &str, from: &str, to: &str) {
        let file = self.place.path().join("examples").join(self.name).join(file);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(file, text.replace(from, to)).unwrap();
    }

    /// Serves the world to somebody else, and lets the controller come to an end.
    pub(crate) fn meanwhile<F: Future<Output = ()>>(&self, act: impl FnOnce(Somebody) -> F) {
        let file = self.place.path().join(format!(".privlink/sandbox/{}.json", self.name));
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let running = Sandbox::start(SandboxOptions::in_file(file)).await.unwrap();
            act(Somebody::of(&running)).await;
            running.controller_idle(Duration::from_secs(10)).await;
            running.shutdown().await.unwrap();
        });
    }

    /// Changes a resource of Azure in the world file.
    pub(crate) fn edit(&self, id: &str, edit: impl FnOnce(&mut Value)) {
        self.edit_world(|world| {
            let resources = world["azure"].as_array_mut().unwrap();
            let is_it = |it: &&mut Value| it["id"].as_str().unwrap().eq_ignore_ascii_case(id);
            edit(resources.iter_mut().find(is_it).unwrap_or_else(|| panic!("{id} is not there")));
        });
    }

    pub(crate) fn edit_world(&self, edit: impl FnOnce(&mut Value)) {
        let file = self.place.path().join(format!(".privlink/sandbox/{}.json", self.name));
        edit_json(&file, edit);
    }
}

/// A report that fits its schema.
pub(crate) fn checked(text: &str) -> Value {
    let report: Value = serde_json::from_str(text).unwrap_or_else(|_| panic!("no JSON: {text}"));
    assert_fits("drift", &report);
    for stack in report["stacks"].as_array().unwrap() {
        let differences = stack["differences"].as_array().unwrap();
        let ids: std::collections::BTreeSet<_> =
            differences.iter().map(|it| it["id"].as_str()).collect();
        assert_eq!(
            ids.len(),
            differences.len(),
            "an id tells a difference from the others: {stack:#}"
        );
    }
    report
}

/// The classes and nodes of differences, in the report's order.
pub(crate) fn classes(differences: &[Value]) -> Vec<Told> {
    let text = |it: &Value, field: &str| it[field].as_str().unwrap().to_owned();
    differences.iter().map(|it| (text(it, "class"), text(it, "address"))).collect()
}

/// Somebody with a plain HTTP client.
pub(crate) struct Somebody {
    kubernetes: String,
    arm: String,
    client: reqwest::Client,
}

impl Somebody {
    fn of(running: &Running) -> Self {
        let client = privlink_http::client(true).build().unwrap();
        Self { kubernetes: running.kubernetes_url.clone(), arm: running.arm_url.clone(), client }
    }

    /// Patches a Service as `kubectl` does.
    pub(crate) async fn patch_service(&self, manager: &str, patch: Value) {
        let path = "/api/v1/namespaces/default/services/internal-app";
        let url = format!("{}{path}?fieldManager={manager}", self.kubernetes);
        let request = self
            .client
            .patch(url)
            .header("authorization", "Bearer somebody")
            .header("content-type", "application/merge-patch+json");
        let answer = request.body(patch.to_string()).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    /// Sets annotations of the controller; a null takes one away.
    pub(crate) async fn annotate(&self, manager: &str, annotations: &[(&str, Option<&str>)]) {
        let annotations: serde_json::Map<String, Value> = annotations
            .iter()
            .map(|(key, value)| (format!("service.beta.kubernetes.io/{key}"), json!(value)))
            .collect();
        self.patch_service(manager, json!({"metadata": {"annotations": annotations}})).await;
    }

    /// A write to ARM, followed to its end.
    pub(crate) async fn write(&self, method: &str, id: &str, body: Option<&Value>) {
        let url = format!("{}{id}?api-version=2024-07-01", self.arm);
        let mut request = self
            .client
            .request(method.parse().unwrap(), url)
            .header("authorization", "Bearer somebody");
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        let Some(status) = answer.headers().get("azure-asyncoperation") else { return };
        let url = status.to_str().unwrap().to_owned();
        for _ in 0..100 {
            let request = self.client.get(&url).header("authorization", "Bearer somebody");
            let text = request.send().await.unwrap().text().await.unwrap();
            if !text.contains("InProgress") {
                assert!(text.contains("Succeeded"), "{text}");
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{method} {id} does not end");
    }

    /// A resource of ARM.
    pub(crate) async fn read(&self, id: &str) -> Value {
        let url = format!("{}{id}?api-version=2024-07-01", self.arm);
        let request = self.client.get(url).header("authorization", "Bearer somebody");
        serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap()
    }
}
