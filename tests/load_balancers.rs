//! Clusters with several Standard load balancers: how they are known, and what a move between them costs.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what fails here fails the test"
)]
#![allow(missing_docs, reason = "tests")]

mod support;

use serde_json::{Value, json};
use support::{Workplace, edit_json};

const STACK: &str = "apiVersion: privlink.dev/v1alpha1\nkind: Stack\nmetadata: {name: several}\nspec:\n  \
    subscription: 00000000-0000-0000-0000-000000000000\n  resourceGroup: myResourceGroup\n  \
    cluster: myAKSCluster\n";

/// A Service with a Private Link Service and a consumer, with further annotations and labels.
fn web(annotations: &str, labels: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  namespace: default\n  labels: {{{labels}}}\n  \
         annotations:\n    service.beta.kubernetes.io/azure-load-balancer-internal: \"true\"\n    \
         service.beta.kubernetes.io/azure-pls-create: \"true\"\n{annotations}spec:\n  type: LoadBalancer\n  \
         ports: [{{port: 80}}]\n  selector: {{app: web}}\n---\napiVersion: privlink.dev/v1alpha1\n\
         kind: PrivateEndpoint\nmetadata: {{name: web-pe}}\nspec:\n  resourceGroup: myOtherResourceGroup\n  \
         subnet: {{virtualNetwork: myOtherVNET, name: pe-subnet}}\n  \
         target: {{service: {{namespace: default, name: web}}}}\n  approval: Automatic\n"
    )
}

fn on(balancer: &str) -> String {
    format!("    service.beta.kubernetes.io/azure-load-balancer-configurations: {balancer}\n")
}

fn write(place: &Workplace, name: &str, text: &str) {
    std::fs::write(place.path().join(name), text).unwrap();
}

fn add_balancer(place: &Workplace, tier: &str) {
    support::add_load_balancer(&place.path().join("w.json"), tier);
}

fn plan(place: &Workplace, file: &str, code: i32) -> Value {
    let run = place.run(&format!("plan -f {file} --sandbox=w.json -o json")).expect(code);
    serde_json::from_str(&run.stdout).unwrap()
}

/// A place with a second load balancer and a Service with a consumer on the first.
fn served(annotations: &str, labels: &str) -> Workplace {
    let place = Workplace::with_example("internal-load-balancer");
    place.run("sandbox init w.json").expect(0);
    add_balancer(&place, "edge");
    write(&place, "app.yaml", &format!("{STACK}{}", web(annotations, labels)));
    place
        .run("apply -f app.yaml --sandbox=w.json --auto-approve --controller-timeout 20")
        .expect(0);
    place
}

fn check_move(place: &Workplace, file: &str) {
    let moved = plan(place, file, 3);
    let found = moved["findings"].as_array().unwrap();
    let found = found.iter().find(|it| it["code"] == "link-recreated").unwrap();
    let message = found["message"].as_str().unwrap();
    let way = "moves from load balancer kubernetes-internal to lb-two-internal";
    assert!(message.contains(way) && message.contains("disconnects web-pe"), "{message}");
    assert!(found["help"].as_str().unwrap().contains("configurations: kubernetes;"), "{found}");
    let refusals = moved["refusals"].as_array().unwrap();
    assert!(refusals.iter().any(|it| it["code"] == "too-many-disconnects"), "{refusals:?}");
    let flags = format!("-f {file} --sandbox=w.json");
    let told = place.run(&format!("explain PrivateLinkService/default/web {flags}")).expect(0);
    assert!(told.stdout.contains("With nobody disconnected:"), "{}", told.stdout);
}

#[test]
fn a_move_that_a_service_asks_for_says_who_is_disconnected() {
    let place = served(&on("kubernetes"), "tier: edge");
    write(&place, "moved.yaml", &format!("{STACK}{}", web(&on("lb-two"), "tier: edge")));
    check_move(&place, "moved.yaml");
    let flags = "-f moved.yaml --sandbox=w.json --controller-timeout 20";
    place.run(&format!("apply {flags} --auto-approve --max-disconnects 1")).expect(0);
    let after = place.run("plan -f moved.yaml --sandbox=w.json").expect(0);
    assert_eq!(after.last_line(), "No changes.", "{}", after.stdout);
}

/// The configuration changed, and the next sync moves the Service. Nobody has to take back an annotation
/// that only privlink would write.
#[test]
fn a_move_that_the_controller_chooses_says_who_is_disconnected_and_what_holds_it() {
    let place = served("", "tier: core");
    let still = place.run("plan -f app.yaml --sandbox=w.json").expect(0);
    assert_eq!(still.last_line(), "No changes.", "{}", still.stdout);
    add_balancer(&place, "core");
    check_move(&place, "app.yaml");
    let text = place.run("plan -f app.yaml --sandbox=w.json").expect(3).stdout;
    assert!(!text.contains("remove privlink.dev/sync"), "{text}");
    let held = format!("{STACK}{}", web(&on("kubernetes"), "tier: core"));
    write(&place, "held.yaml", &held);
    assert_eq!(plan(&place, "held.yaml", 0)["refusals"], json!([]));
}

/// The controller does not act on a label when it changes, and moves the Service at its next sync, whenever that is.
#[test]
fn a_label_that_moves_a_service_says_who_is_disconnected_before_it_is_written() {
    let place = served("", "tier: core");
    write(&place, "moved.yaml", &format!("{STACK}{}", web("", "tier: edge")));
    check_move(&place, "moved.yaml");
    let text = place.run("plan -f moved.yaml --sandbox=w.json").expect(3).stdout;
    assert!(text.contains("does not act on this change when it is made"), "{text}");
    let line = format!("{STACK}{}", web("", "tier: edge"));
    let line = line.lines().position(|it| it.contains("labels:")).unwrap() + 1;
    assert!(text.contains(&format!("moved.yaml:{line}")), "{text}");

    // Another stack's tool writes the Service: privlink cannot make it sync, and says no less.
    let external =
        STACK.replace("cluster: myAKSCluster\n", "cluster: myAKSCluster\n  services: external\n");
    write(&place, "theirs.yaml", &format!("{external}{}", web("", "tier: edge")));
    let theirs = plan(&place, "theirs.yaml", 3);
    let refusals = theirs["refusals"].as_array().unwrap();
    assert!(refusals.iter().any(|it| it["code"] == "too-many-disconnects"), "{refusals:?}");

    let flags = "-f moved.yaml --sandbox=w.json --controller-timeout 20";
    place.run(&format!("apply {flags} --auto-approve --max-disconnects 1")).expect(0);
    let after = place.run("plan -f moved.yaml --sandbox=w.json").expect(0);
    assert_eq!(after.last_line(), "No changes.", "{}", after.stdout);
}

/// An address that is pinned holds a Service where it is: the next sync after such a label fails.
#[test]
fn a_label_that_no_load_balancer_of_the_address_takes_is_found_before_it_is_written() {
    let pinned = "    service.beta.kubernetes.io/azure-load-balancer-ipv4: 10.240.0.70\n";
    let place = served(pinned, "tier: core");
    write(&place, "moved.yaml", &format!("{STACK}{}", web(pinned, "tier: edge")));
    let moved = plan(&place, "moved.yaml", 3);
    let found = moved["findings"].as_array().unwrap();
    let fails = |it: &Value| it["code"] == "controller-fails" && it["severity"] == "error";
    assert!(found.iter().any(fails), "{found:#?}");
}

/// The AKS API has the load balancers of a cluster with several, and a Stack may say them. Where neither
/// does, what is on the other one would look like something to delete.
#[test]
fn a_cluster_is_planned_as_it_is_configured_or_not_at_all() {
    let place = Workplace::with_example("internal-load-balancer");
    let text = format!("{STACK}{}", web("", "tier: edge"));
    write(&place, "app.yaml", &text);
    place
        .run("apply -f app.yaml --sandbox=w.json --auto-approve --controller-timeout 20")
        .expect(0);
    edit_json(&place.path().join("w.json"), |world| {
        let moved = world["azure"].to_string().replace("kubernetes-internal", "lb-two-internal");
        world["azure"] = serde_json::from_str(&moved).unwrap();
    });
    let refused = place.run("plan -f app.yaml --sandbox=w.json").expect(1);
    assert!(refused.stderr.contains("lb-two-internal"), "{}", refused.stderr);
    assert!(refused.stderr.contains("loadBalancers"), "{}", refused.stderr);
    let drift = place.run("drift -f app.yaml --sandbox=w.json").expect(1);
    let said = format!("{}{}", drift.stdout, drift.stderr);
    assert!(said.contains("lb-two-internal") && !said.contains("orphan"), "{said}");

    let pinned = "  facts: {loadBalancers: [{name: kubernetes}, {name: lb-two}]}\n";
    let pinned = text.replacen("---\n", &format!("{pinned}---\n"), 1);
    write(&place, "pinned.yaml", &pinned);
    let known = place.run("plan -f pinned.yaml --sandbox=w.json").expect(0);
    assert_eq!(known.last_line(), "No changes.", "{}", known.stdout);

    add_balancer(&place, "edge");
    let read = place.run("plan -f app.yaml --sandbox=w.json").expect(0);
    assert_eq!(read.last_line(), "No changes.", "{}", read.stdout);
}
