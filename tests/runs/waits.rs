//! What is waited for: how long, what is told meanwhile, and how it ends.

use std::time::{Duration, Instant};

use privlink_sandbox::{ControllerMode, Effect, Entry, Fault, World};

use crate::served::{Scene, Served};
use crate::support::STACK;
use crate::support::http::call;
use crate::{end, start, until, was_asked};

/// A fact that is not true, and a Service that would have a frontend in one zone if it were.
const OTHERWISE: &str = "  facts: {zones: [\"1\"]}
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
    std::fs::write(served.path().join("app.yaml"), format!("{STACK}{OTHERWISE}")).unwrap();
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
        method: None,
        write: String::new(),
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
    let row = plan.lines().find(|line| line.starts_with("  ? Service default/internal-app"));
    assert!(row.is_some_and(|row| row.contains("another tool")), "{plan}");
    let child = start(&served, "apply -f examples/private-link --auto-approve");
    until("a watch of Services", || was_asked(&served, "GET", "services?&watch=true"));
    let prefix = "service.beta.kubernetes.io/azure";
    let manifest = serde_json::json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "internal-app", "annotations": {
            format!("{prefix}-load-balancer-internal"): "true",
            format!("{prefix}-pls-create"): "true", format!("{prefix}-pls-name"): "my-pls",
        }},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"app": "internal-app"}},
    });
    let path = "/api/v1/namespaces/default/services/internal-app?fieldManager=argocd-controller";
    let server = &served.running.kubernetes_url;
    let (status, _) = call(server, "PATCH", path, "application/apply-patch+yaml", &manifest);
    assert_eq!(status, 201);
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
