//! What is live comes back as files that ask for just that.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers outside of test functions; what fails here fails the test"
)]

mod support;

use std::time::Duration;

use privlink_sandbox::{Running, Sandbox, SandboxOptions};
use serde_json::{Value, json};
use support::{Run, Workplace, http, names, root, waits_for_gateways};

const WORLD: &str = "--sandbox=world.json";
/// The sandbox's second subscription, where one example has an endpoint.
const OTHER: &str = "11111111-1111-1111-1111-111111111111";

/// Applies an example, imports what is then live, and plans on that.
fn comes_back(name: &str) {
    let place = Workplace::with_example(name);
    let folder = root().join("examples").join(name);
    if folder.join("world/observed.json").exists() {
        let from = format!("examples/{name}/world/observed.json");
        place.run(&format!("sandbox init world.json --from {from}")).expect(0);
    }
    if folder.join("before").exists() {
        let apply = format!("apply -f examples/{name}/before {WORLD} --auto-approve");
        place.run(&apply).expect(0);
    }
    let (code, then) = match name {
        "endpoint-in-other-subscription" => (6, "No changes. 1 connection awaits approval."),
        _ => (0, "No changes."),
    };
    let apply = format!("apply -f examples/{name} {WORLD} --auto-approve --max-disconnects 1");
    place.run(&apply).expect(code);
    let import = format!("import {WORLD} --out imported --endpoint-subscription {OTHER}");
    let imported = place.run(&import).expect(0);
    let said: Vec<&str> = imported.stderr.lines().collect();
    let [wrote, check, mark] = said.as_slice() else {
        panic!("nothing is left out: {}", imported.stderr)
    };
    assert_eq!(*wrote, "Wrote imported.");
    let mark = mark.strip_prefix("Then mark it as this stack's: privlink ").unwrap();
    assert_eq!(mark, format!("apply -f imported --adopt {WORLD}"));
    let check = check.strip_prefix("Check that nothing changes: privlink ").unwrap();
    let plan = place.run(&format!("{check} --detailed-exitcode")).expect(0);
    assert_eq!(plan.last_line(), then, "{}", plan.stdout);
    // The files alone make all of it again.
    let anew = "apply -f imported --sandbox=anew.json --auto-approve";
    if folder.join("world/observed.json").exists() {
        let from = format!("examples/{name}/world/observed.json");
        place.run(&format!("sandbox init anew.json --from {from}")).expect(0);
    }
    place.run(anew).expect(code);
    // What is imported again is the same.
    place.run(&format!("{import} --force")).expect(0);
    let streams = ["world", "anew"].map(|world| {
        let import = format!("import --sandbox={world}.json --endpoint-subscription {OTHER}");
        place.run(&import).expect(0).stdout
    });
    assert_eq!(streams[0], streams[1]);
}

macro_rules! examples {
    ($($test:ident = $name:literal),+ $(,)?) => {
        const IMPORTED: &[&str] = &[$($name),+];
        $(#[test] fn $test() { comes_back($name); })+
    };
}

examples! {
    internal_load_balancer = "internal-load-balancer",
    static_address = "static-address",
    load_balancer_ip = "load-balancer-ip",
    dual_stack = "dual-stack",
    other_subnet = "other-subnet",
    private_link_service = "private-link-service",
    private_link_service_customized = "private-link-service-customized",
    private_link = "private-link",
    existing_network = "existing-network",
    private_dns = "private-dns",
    two_services = "two-services",
    deletion = "deletion",
    endpoint_in_other_subscription = "endpoint-in-other-subscription",
    frontend_recreated = "frontend-recreated",
}

#[test]
fn every_example_is_imported() {
    for name in names("examples") {
        let is_file = root().join("examples").join(&name).is_file();
        // nginx-to-gateway is reached by its route alone, not by an apply; consumers alone have no cluster to import from.
        let others = ["ci", "drift", "gitops-guard", "nginx-to-gateway", "consumer", "two-tenants"];
        assert!(
            is_file
                || waits_for_gateways(&name)
                || others.contains(&name.as_str())
                || name.starts_with("bad-")
                || IMPORTED.contains(&name.as_str()),
            "{name} is not imported"
        );
    }
}

const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000000";
const FOREIGN: &str = "99999999-9999-9999-9999-999999999999";

fn network(subscription: &str, group: &str, rest: &str) -> String {
    format!(
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Network/{rest}"
    )
}

/// A world that kubectl, Argo CD and az have worked on, and privlink never.
struct Others {
    place: Workplace,
    runtime: tokio::runtime::Runtime,
    running: Option<Running>,
}

impl Others {
    fn new() -> Self {
        let place = Workplace::empty();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let options = SandboxOptions::in_file(place.path().join("world.json"));
        let running = Some(runtime.block_on(Sandbox::start(options)).unwrap());
        Self { place, runtime, running }
    }

    fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    fn kubernetes(&self, method: &str, path: &str, content_type: &str, body: &Value) -> Value {
        let url = &self.running().kubernetes_url;
        let path = format!("/api/v1/namespaces/{path}");
        let (status, reply) = http::call(url, method, &path, content_type, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {reply}");
        reply
    }

    fn kubectl_create(&self, namespace: &str, service: &Value) {
        let path = format!("{namespace}/services?fieldManager=kubectl-create");
        self.kubernetes("POST", &path, "application/json", service);
        self.settle();
    }

    fn settle(&self) {
        let settled = self.running().controller_settled(Duration::from_secs(20));
        assert!(self.runtime.block_on(settled), "the controller does not come to rest");
    }

    fn arm(&self, method: &str, path: &str, body: &Value) -> Value {
        let version = if path.contains("privateDnsZones") { "2024-06-01" } else { "2024-07-01" };
        let path = format!("{path}?api-version={version}");
        let (status, reply) =
            http::call(&self.running().arm_url, method, &path, "application/json", body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {reply}");
        reply
    }

    /// Writes a resource and waits until Azure is done.
    fn az(&self, path: &str, body: &Value) -> Value {
        self.arm("PUT", path, body);
        for _ in 0..200 {
            let now = self.arm("GET", path, &Value::Null);
            let state = now.pointer("/properties/provisioningState").and_then(Value::as_str);
            if state.is_none_or(|state| state == "Succeeded") {
                return now;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{path} does not succeed");
    }

    /// The only Private Link Service of the cluster.
    fn link(&self) -> Value {
        let group = "MC_myResourceGroup_myAKSCluster_eastus";
        let list = network(SUBSCRIPTION, group, "privateLinkServices");
        self.arm("GET", &list, &Value::Null)["value"][0].clone()
    }

    /// An endpoint to the Private Link Service, as `az network private-endpoint create` makes it.
    fn endpoint(&self, (subscription, group, name): (&str, &str, &str), subnet: &str, more: Value) {
        let connection = json!([{"name": "by-az", "properties": {
            "privateLinkServiceId": self.link()["id"], "groupIds": [], "requestMessage": "we are tenants",
        }}]);
        let manual = subscription == FOREIGN;
        let list = if manual {
            "manualPrivateLinkServiceConnections"
        } else {
            "privateLinkServiceConnections"
        };
        let mut body = json!({"location": "eastus", "properties": {"subnet": {"id": subnet}}});
        body["properties"][list] = connection;
        if !manual {
            let connection = body["properties"][list][0]["properties"].as_object_mut().unwrap();
            connection.remove("requestMessage");
        }
        for (key, value) in more.as_object().unwrap() {
            if key == "tags" {
                body["tags"] = value.clone();
            } else {
                body["properties"][key] = value.clone();
            }
        }
        self.az(&network(subscription, group, &format!("privateEndpoints/{name}")), &body);
    }

    /// Decides on the connection of a foreign endpoint, as the provider does.
    fn decide(&self, endpoint: &str, status: &str) {
        let link = self.link();
        let connections = link["properties"]["privateEndpointConnections"].as_array().unwrap();
        let is_it = |connection: &&Value| {
            let id = connection["properties"]["privateEndpoint"]["id"].as_str().unwrap();
            id.ends_with(&format!("/{endpoint}"))
        };
        let mut connection = connections.iter().find(is_it).unwrap().clone();
        connection["properties"]["privateLinkServiceConnectionState"] =
            json!({"status": status, "description": "by hand", "actionsRequired": "None"});
        let id = connection["id"].as_str().unwrap().to_owned();
        self.arm("PUT", &id, &connection);
    }

    /// The world is kept in its file; privlink may work on it.
    fn rest(&mut self) {
        let running = self.running.take().unwrap();
        self.runtime.block_on(running.shutdown()).unwrap();
    }

    fn run(&self, words: &str) -> Run {
        self.place.run(&format!("{words} {WORLD}"))
    }
}

fn service(name: &str, annotations: &[(&str, &str)], spec: Value) -> Value {
    let annotations: serde_json::Map<String, Value> = annotations
        .iter()
        .map(|(key, value)| (format!("service.beta.kubernetes.io/{key}"), (*value).into()))
        .collect();
    let mut all = json!({"type": "LoadBalancer", "selector": {"app": name}});
    all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "annotations": annotations},
        "spec": all,
    })
}

const INTERNAL: (&str, &str) = ("azure-load-balancer-internal", "true");
const LINK: (&str, &str) = ("azure-pls-create", "true");

/// Services of kubectl and of Argo CD, endpoints, names and consumers made by az.
fn made_by_others() -> Others {
    let others = Others::new();
    let mut api = service(
        "api",
        &[INTERNAL, LINK, ("azure-pls-visibility", "*")],
        json!({
            "ports": [
                {"name": "http", "port": 80, "targetPort": 8080, "nodePort": 31_234},
                {"name": "https", "port": 443, "targetPort": "https", "appProtocol": "https"},
            ],
            "sessionAffinity": "ClientIP",
            "externalTrafficPolicy": "Local",
            "loadBalancerSourceRanges": ["10.0.0.0/8"],
        }),
    );
    api["metadata"]["labels"] = json!({"track": "yes", "build": "1e3"});
    others.kubectl_create("default", &api);
    others.kubectl_create("default", &service("public", &[], json!({"ports": [{"port": 80}]})));
    let mut web = service("web", &[INTERNAL], json!({"ports": [{"port": 80, "protocol": "TCP"}]}));
    web["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"] =
        "shop:/Service:default/web".into();
    others.kubernetes(
        "PATCH",
        "default/services/web?fieldManager=argocd-controller&force=true",
        "application/apply-patch+yaml",
        &web,
    );
    others.settle();
    let subnet = network(
        SUBSCRIPTION,
        "myOtherResourceGroup",
        "virtualNetworks/myOtherVNET/subnets/pe-subnet",
    );
    let zone =
        network(SUBSCRIPTION, "myOtherResourceGroup", "privateDnsZones/privatelink.contoso.com");
    let (here, there) = ("myOtherResourceGroup", "myResourceGroup");
    let first = json!({
        "tags": {"team": "shop"},
        "ipConfigurations": [{"name": "one", "properties": {"privateIPAddress": "10.1.0.77"}}],
    });
    others.endpoint((SUBSCRIPTION, here, "api-pe"), &subnet, first);
    others.endpoint((SUBSCRIPTION, there, "api-pe"), &subnet, json!({}));
    let record = json!({"properties": {"ttl": 10, "aRecords": [{"ipv4Address": "10.1.0.77"}]}});
    others.arm("PUT", &format!("{zone}/A/api"), &record);
    let group = json!({"properties": {"privateDnsZoneConfigs": [
        {"name": "contoso", "properties": {"privateDnsZoneId": zone}},
    ]}});
    let second = network(SUBSCRIPTION, there, "privateEndpoints/api-pe");
    others.az(&format!("{second}/privateDnsZoneGroups/default"), &group);
    let theirs = network(FOREIGN, "partnerResourceGroup", "virtualNetworks/partner-vnet");
    let subnet = format!("{theirs}/subnets/pe-subnet");
    for name in ["let-in", "turned-away", "waiting"] {
        others.endpoint((FOREIGN, "partnerResourceGroup", name), &subnet, json!({}));
    }
    others.decide("let-in", "Approved");
    others.decide("turned-away", "Rejected");
    others
}

#[test]
fn what_others_made_comes_back_and_is_adopted_only_if_asked() {
    let mut others = made_by_others();
    others.rest();
    let imported = others.run("import --out imported").expect(0);
    for said in [
        "left to an EndpointApproval that names it",
        "privateEndpoints/waiting to Service default/api is Pending",
        "cannot say; it stays until the endpoint is re-created: tags",
        &format!("since they were not read: {FOREIGN}"),
    ] {
        assert!(imported.stderr.contains(said), "{said} is not in\n{}", imported.stderr);
    }
    let files = ["stack", "services", "endpoints", "approvals"].map(|name| {
        std::fs::read_to_string(others.place.path().join(format!("imported/{name}.yaml"))).unwrap()
    });
    support::assert_golden("import/by-others.yaml", &files.join("---\n"));
    let plan = others.run("plan -f imported --detailed-exitcode").expect(0);
    assert!(plan.last_line().starts_with("No changes."), "{}", plan.stdout);
    assert!(plan.stdout.contains("note[unmarked]"), "{}", plan.stdout);
    // Nobody's it stays: a destroy finds nothing.
    let destroy = others.run("plan -f imported --destroy").expect(0);
    assert_eq!(destroy.last_line(), "No changes.", "{}", destroy.stdout);
    let adopt = others.run("plan -f imported --adopt").expect(0);
    assert!(
        adopt.stdout.contains("4 objects: 4 changed; privlink writes all 4."),
        "{}",
        adopt.stdout
    );
    others.run("apply -f imported --adopt --auto-approve").expect(0);
    let plan = others.run("plan -f imported --detailed-exitcode").expect(0);
    assert!(plan.last_line().starts_with("No changes."), "{}", plan.stdout);
    assert!(!plan.stdout.contains("unmarked"), "{}", plan.stdout);
}

/// Azure Policy's zone group is never touched, and told with its maker.
#[test]
fn a_zone_group_of_azure_policy_is_left_to_it() {
    let mut others = Others::new();
    let api = service("api", &[INTERNAL, LINK], json!({"ports": [{"port": 443}]}));
    others.kubectl_create("default", &api);
    let group = "myOtherResourceGroup";
    let subnet = network(SUBSCRIPTION, group, "virtualNetworks/myOtherVNET/subnets/pe-subnet");
    let zone = network(SUBSCRIPTION, group, "privateDnsZones/privatelink.contoso.com");
    let names = json!({"properties": {"privateDnsZoneConfigs": [
        {"name": "contoso", "properties": {"privateDnsZoneId": zone}},
    ]}});
    for (name, of) in [("policed", "deployedByPolicy"), ("own", "default")] {
        others.endpoint((SUBSCRIPTION, group, name), &subnet, json!({}));
        let endpoint = network(SUBSCRIPTION, group, &format!("privateEndpoints/{name}"));
        others.az(&format!("{endpoint}/privateDnsZoneGroups/{of}"), &names);
    }
    others.rest();
    let imported = others.run("import --out imported").expect(0);
    let told = imported.stderr.lines().filter(|line| line.contains("Azure Policy"));
    let told: Vec<&str> = told.collect();
    assert_eq!(told.len(), 1, "{}", imported.stderr);
    assert!(told[0].contains("the zone group deployedByPolicy of private endpoint"), "{}", told[0]);
    assert!(told[0].contains("/policed is left to Azure Policy, which made it"), "{}", told[0]);
    let endpoints = others.place.path().join("imported/endpoints.yaml");
    let endpoints = std::fs::read_to_string(endpoints).unwrap();
    let documents: Vec<&str> = endpoints.split("---\n").collect();
    let of = |name: &str| {
        let is_it = |it: &&&str| it.contains(&format!("name: {name}\n"));
        *documents.iter().find(is_it).unwrap_or_else(|| panic!("{name} is not in {endpoints}"))
    };
    assert!(!of("policed").contains("dns:"), "{endpoints}");
    assert!(of("own").contains("zoneGroup:"), "{endpoints}");
    let plan = others.run("plan -f imported --detailed-exitcode").expect(0);
    assert!(plan.last_line().starts_with("No changes."), "{}", plan.stdout);
    let drift = others.run("drift -f imported");
    assert!(!drift.stdout.contains("deployedByPolicy"), "{}", drift.stdout);
}

#[test]
fn what_is_imported_is_chosen() {
    let mut others = made_by_others();
    others.rest();
    let services = |flags: &str| {
        let run = others.run(&format!("import {flags}")).expect(0);
        let names = run.stdout.split("kind: Service\nmetadata:\n  name: ").skip(1);
        names.map(|rest| rest.lines().next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(services(""), ["api", "web"]);
    assert_eq!(services("--all"), ["api", "public", "web"]);
    assert_eq!(services("--service default/public"), ["public"]);
    assert_eq!(services("--namespace kube-system"), [""; 0]);
    assert_eq!(services("--namespace kube-system --service default/web"), ["web"]);
    let external = others.run("import --service default/web").expect(0).stdout;
    assert!(external.contains("\n  services: external\n"), "{external}");
    let missing = others.run("import --service default/none").expect(1);
    assert!(missing.stderr.contains("there is no Service default/none"), "{}", missing.stderr);
    let other = others.run("import --service kube-system/kube-dns");
    assert_eq!(other.code, 1, "{}", other.stdout);
}

#[test]
fn a_snapshot_is_imported_without_a_network() {
    let place = Workplace::with_example("private-link");
    place.run(&format!("apply -f examples/private-link {WORLD} --auto-approve")).expect(0);
    place.run(&format!("observe -f examples/private-link {WORLD} --out seen.json")).expect(0);
    place.run("import --observed seen.json --out imported").expect(0);
    let plan = place.run("plan -f imported --observed seen.json --detailed-exitcode").expect(0);
    assert_eq!(plan.last_line(), "No changes.");
}

#[test]
fn files_are_replaced_only_if_asked_and_links_are_not_followed() {
    let place = Workplace::with_example("private-link");
    place.run(&format!("apply -f examples/private-link {WORLD} --auto-approve")).expect(0);
    std::fs::create_dir(place.path().join("imported")).unwrap();
    let precious = place.path().join("precious");
    std::fs::write(&precious, "precious").unwrap();
    std::os::unix::fs::symlink(&precious, place.path().join("imported/stack.yaml")).unwrap();
    let refused = place.run(&format!("import {WORLD} --out imported")).expect(1);
    assert!(refused.stderr.contains("stack.yaml is there already"), "{}", refused.stderr);
    assert!(!place.path().join("imported/services.yaml").exists());
    place.run(&format!("import {WORLD} --out imported --force")).expect(0);
    assert_eq!(std::fs::read_to_string(precious).unwrap(), "precious");
    assert!(place.path().join("imported/services.yaml").exists());
}

#[test]
fn what_is_protected_stays_so() {
    let place = Workplace::with_example("private-link");
    let file = place.path().join("examples/private-link/endpoint.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let label = "metadata:\n  labels: {privlink.dev/protect: \"true\"}\n";
    std::fs::write(&file, text.replace("metadata:\n", label)).unwrap();
    place.run(&format!("apply -f examples/private-link {WORLD} --auto-approve")).expect(0);
    place.run(&format!("import {WORLD} --out imported")).expect(0);
    let imported = std::fs::read_to_string(place.path().join("imported/endpoints.yaml")).unwrap();
    assert!(imported.contains("labels:\n    privlink.dev/protect: \"true\"\n"), "{imported}");
    let plan = place.run(&format!("plan -f imported {WORLD} --detailed-exitcode")).expect(0);
    assert_eq!(plan.last_line(), "No changes.", "{}", plan.stdout);
}
