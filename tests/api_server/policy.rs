//! The policy, evaluated by a real API server, beside what a plan says of the same writes.

use std::time::{Duration, Instant};

use proptest::sample::subsequence;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::caller::{Caller, JSON, MERGE, let_guest_write};
use crate::envtest::ApiServer;
use crate::guard::{SERVICE, annotated};
use crate::served_guard::{REGISTRATION, documents};
use crate::{Example, PATIENCE};

/// An API server whose policy refuses, with one Service that has a consumer.
struct Place<'a> {
    boss: Caller,
    guest: Caller,
    example: Example<'a>,
    /// The Service as it is stored.
    live: Value,
    /// Its path, for writes that are not stored.
    dry: String,
}

impl Place<'_> {
    async fn new(api_server: &ApiServer) -> Self {
        let (boss, guest) = (Caller::new(api_server, "boss"), Caller::new(api_server, "guest"));
        let_guest_write(&boss).await;
        let example = Example::new("frontend-recreated", Some(api_server));
        example.run("apply", "before", PATIENCE).expect(0);
        let began = Instant::now();
        let has_address = |reply: &crate::caller::Reply| {
            !reply.body["status"]["loadBalancer"]["ingress"][0]["ip"].is_null()
        };
        boss.until(("GET", SERVICE, JSON, &Value::Null), has_address).await;
        for (kind, document) in ["validatingadmissionpolicies", "validatingadmissionpolicybindings"]
            .into_iter()
            .zip(documents(&example.place.run("policy --deny").expect(0).stdout))
        {
            let made = boss.create(&format!("{REGISTRATION}/{kind}"), &document).await;
            assert_eq!(made.status, 201, "{made:?}");
        }
        let dry = format!("{SERVICE}?dryRun=All");
        let away = json!({"spec": {"type": "ClusterIP"}});
        guest.until(("PATCH", &dry, MERGE, &away), |it| it.status != 200).await;
        assert!(began.elapsed() < Duration::from_secs(120));
        example.run("observe", "before", "--out observed.json").expect(0);
        let live = guest.get(SERVICE).await;
        Self { boss, guest, example, live, dry }
    }

    /// What the guard answers about the same write, from what was observed: what a plan says.
    async fn reviewed(&self, edit: &Value) -> Option<Value> {
        // Whoever has the verb is let through, and sees what would be stored.
        let object = self.boss.call("PATCH", &self.dry, MERGE, edit).await;
        if object.status != 200 {
            return None;
        }
        let review = json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "1", "operation": "UPDATE", "namespace": "default", "name": "internal-app",
                "resource": {"group": "", "version": "v1", "resource": "services"},
                "object": object.body, "oldObject": self.live,
            }
        });
        let place = &self.example.place;
        std::fs::write(place.path().join("review.json"), review.to_string()).unwrap();
        let said = place.run("guard review review.json --observed observed.json").expect(0);
        Some(serde_json::from_str(&said.stdout).unwrap())
    }
}

fn prefixed(name: &str) -> String {
    format!("service.beta.kubernetes.io/azure-{name}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_refuses_what_a_plan_refuses_or_calls_a_replacement() {
    let Some(api_server) = ApiServer::start().await else { return };
    let place = Place::new(&api_server).await;
    let Place { guest, live, dry, .. } = &place;
    for (name, value, told) in [
        ("load-balancer-internal", "True", "becomes-public"),
        ("load-balancer-internal-subnet", "apps-subnet", "disconnects 1 consumer"),
        ("load-balancer-ipv4", "10.240.0.26", "disconnects 1 consumer"),
        ("pls-name", "other-pls", "link-cannot-move"),
        ("pls-resource-group", "myOtherResourceGroup", "link-cannot-move"),
    ] {
        let edit = annotated(&prefixed(name), value);
        let reply = guest.call("PATCH", dry, MERGE, &edit).await;
        assert!(reply.status >= 400, "{name}: {reply:?}");
        assert!(reply.message().contains("ValidatingAdmissionPolicy"), "{name}: {reply:?}");
        let said = place.reviewed(&edit).await.unwrap();
        assert!(said.to_string().contains(told), "{name}: {said}");
    }
    for harmless in [
        json!({"metadata": {"labels": {"team": "shop"}}}),
        annotated(&prefixed("load-balancer-tcp-idle-timeout"), "5"),
        annotated(
            &prefixed("load-balancer-ipv4"),
            live["status"]["loadBalancer"]["ingress"][0]["ip"].as_str().unwrap(),
        ),
    ] {
        let reply = guest.call("PATCH", dry, MERGE, &harmless).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    // A deletion is held where the Service is protected.
    let deleted = guest.call("DELETE", dry, JSON, &Value::Null).await;
    assert_eq!(deleted.status, 200, "{deleted:?}");
    let label = json!({"metadata": {"labels": {"privlink.dev/protect": "true"}}});
    assert_eq!(guest.call("PATCH", SERVICE, MERGE, &label).await.status, 200);
    let held = guest.call("DELETE", dry, JSON, &Value::Null).await;
    assert!(held.status >= 400 && held.message().contains("is protected"), "{held:?}");
}

/// What people write into a Service, each a merge patch.
fn edits() -> Vec<Value> {
    let annotation =
        |name: &str, value: Value| json!({"metadata": {"annotations": {prefixed(name): value}}});
    let mut edits = vec![
        json!({"spec": {"type": "ClusterIP"}}),
        json!({"spec": {"type": "NodePort"}}),
        json!({"spec": {"loadBalancerIP": "10.240.0.27"}}),
        json!({"spec": {"selector": {"app": "other"}}}),
        json!({"spec": {"externalTrafficPolicy": "Local"}}),
        json!({"metadata": {"labels": {"team": "shop"}}}),
    ];
    for (name, values) in [
        ("load-balancer-internal", &["True", "false", " true", "true"][..]),
        ("load-balancer-internal-subnet", &["apps-subnet", "aks-subnet"]),
        ("load-balancer-ipv4", &["10.240.0.25", "10.240.0.26", ""]),
        ("load-balancer-tcp-idle-timeout", &["5"]),
        ("pls-name", &["other-pls", "my-pls", " my-pls "]),
        ("pls-resource-group", &["myOtherResourceGroup", ""]),
        ("pls-create", &["false", "TRUE", " true"]),
        ("pls-ip-configuration-ip-address-count", &["1", "2", "4", "x"]),
        ("pls-ip-configuration-subnet", &["pls-subnet"]),
        ("pls-fqdns", &["a.example.com"]),
        ("pls-visibility", &["*"]),
    ] {
        edits.extend(values.iter().map(|value| annotation(name, json!(value))));
        edits.push(annotation(name, Value::Null));
    }
    edits
}

/// Several merge patches as one.
fn merged(edits: &[Value]) -> Value {
    fn merge(into: &mut Value, from: &Value) {
        match (into, from) {
            (Value::Object(into), Value::Object(from)) => {
                for (key, value) in from {
                    merge(into.entry(key.clone()).or_insert_with(|| json!({})), value);
                }
            }
            (into, from) => *into = from.clone(),
        }
    }
    let mut whole = json!({});
    edits.iter().for_each(|edit| merge(&mut whole, edit));
    whole
}

/// Whatever is written at random: what the policy refuses, a plan calls a replacement or a deletion, or refuses.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_refuses_nothing_that_a_plan_finds_harmless() {
    let Some(api_server) = ApiServer::start().await else { return };
    let place = Place::new(&api_server).await;
    let cases = std::env::var("LAW_CASES").ok().and_then(|it| it.parse().ok()).unwrap_or(8) * 10;
    let mut runner = TestRunner::deterministic();
    let some = subsequence(edits(), 1..=3);
    let singles = edits().into_iter().map(|it| vec![it]);
    let random: Vec<Vec<Value>> =
        (0..cases).map(|_| some.new_tree(&mut runner).unwrap().current()).collect();
    let (mut refused, mut let_through) = (0, 0);
    for edits in singles.chain(random) {
        let edit = merged(&edits);
        let reply = place.guest.call("PATCH", &place.dry, MERGE, &edit).await;
        if !reply.message().contains("ValidatingAdmissionPolicy") {
            let_through += usize::from(reply.status == 200);
            continue;
        }
        let Some(said) = place.reviewed(&edit).await else { continue };
        refused += 1;
        let audit = &said["response"]["auditAnnotations"];
        let is_bad = said["response"]["allowed"] == false || audit["verdict"] == "warned";
        assert!(is_bad, "{edit}: {}: {said}", reply.message());
    }
    assert!(refused > 20 && let_through > 20, "{refused} refused, {let_through} let through");
}
