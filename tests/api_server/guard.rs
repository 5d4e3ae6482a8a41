//! The webhook, asked by a real API server about writes of people and tools.

use serde_json::{Value, json};

use crate::caller::{APPLY, Caller, JSON, MERGE, Reply, let_guest_write};
use crate::envtest::ApiServer;
use crate::served_guard::{Guard, REGISTRATION, documents, shipped};
use crate::support::root;
use crate::{Example, PATIENCE};

pub(crate) const SERVICE: &str = "/api/v1/namespaces/default/services/internal-app";
const ADDRESS: &str = "service.beta.kubernetes.io/azure-load-balancer-ipv4";
const CONSENT: &str = "privlink.dev/allow-disconnects";
const EFFECT: &str =
    "disconnects 1 consumer of Private Link Service my-pls (myAKSServicePE): its address changes";

pub(crate) fn annotated(name: &str, value: &str) -> Value {
    json!({"metadata": {"annotations": {name: value}}})
}

#[track_caller]
fn refused(reply: &Reply, part: &str) {
    assert_eq!(reply.status, 403, "{reply:?}");
    assert!(reply.message().contains(part), "{part}: {reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_is_asked_about_every_way_to_write() {
    let Some(api_server) = ApiServer::start().await else { return };
    let (boss, guest) = (Caller::new(&api_server, "boss"), Caller::new(&api_server, "guest"));
    let_guest_write(&boss).await;
    let example = Example::new("frontend-recreated", Some(&api_server));
    example.run("apply", "before", PATIENCE).expect(0);
    let guard = Guard::start(&example, "--mode enforce --refresh 1");
    let made = boss
        .create(&format!("{REGISTRATION}/validatingwebhookconfigurations"), &guard.configuration())
        .await;
    assert_eq!(made.status, 201, "{made:?}");

    // A field that is patched, once the API server asks.
    let edit = annotated(ADDRESS, "10.240.0.26");
    let patch = ("PATCH", SERVICE, MERGE, &edit);
    let dry = format!("{SERVICE}?dryRun=All");
    let asked = |reply: &Reply| reply.warnings.first().is_some_and(|it| it == EFFECT);
    let told = guest.until(("PATCH", &dry, MERGE, &edit), asked).await;
    assert_eq!(told.status, 200, "a dry run is let through: {told:?}");
    assert!(told.warnings[1].starts_with("without --dry-run privlink would refuse"), "{told:?}");
    let (method, path, kind, body) = patch;
    let reply = guest.call(method, path, kind, body).await;
    refused(&reply, EFFECT);
    assert_eq!(reply.warnings[0], EFFECT);

    // The whole object is replaced, another manager applies, it is deleted.
    let mut whole = guest.get(SERVICE).await;
    whole["metadata"]["annotations"][ADDRESS] = json!("10.240.0.26");
    refused(&guest.call("PUT", SERVICE, JSON, &whole).await, EFFECT);
    let applied = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "internal-app", "annotations": {ADDRESS: "10.240.0.26"}},
    });
    let by_argo = format!("{SERVICE}?fieldManager=argocd-controller&force=true");
    refused(&guest.call("PATCH", &by_argo, APPLY, &applied).await, EFFECT);
    refused(&guest.call("DELETE", SERVICE, JSON, &Value::Null).await, "its Service is deleted");
    let away = json!({"spec": {"type": "ClusterIP"}});
    refused(&guest.call("PATCH", SERVICE, MERGE, &away).await, "no longer of type LoadBalancer");

    // What does no harm, and what is nobody's business.
    for harmless in [
        json!({"metadata": {"labels": {"team": "shop"}}}),
        json!({"spec": {"selector": {"app": "other"}}}),
        annotated("example.com/note", "hello"),
    ] {
        let reply = guest.call("PATCH", SERVICE, MERGE, &harmless).await;
        assert_eq!((reply.status, reply.warnings.len()), (200, 0), "{reply:?}");
    }
    let plain = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "plain"},
        "spec": {"ports": [{"port": 80}]},
    });
    let all = "/api/v1/namespaces/default/services";
    assert_eq!(guest.create(all, &plain).await.status, 201);
    let status = json!({"status": {"conditions": []}});
    let reply = boss.call("PATCH", &format!("{SERVICE}/status"), MERGE, &status).await;
    assert_eq!(reply.status, 200, "{reply:?}");

    // A namespace's label says what is done in it.
    let mode = |mode: Value| json!({"metadata": {"labels": {"privlink.dev/guard": mode}}});
    let namespace = "/api/v1/namespaces/default";
    assert_eq!(boss.call("PATCH", namespace, MERGE, &mode(json!("warn"))).await.status, 200);
    let warned = guest.until(("PATCH", &dry, MERGE, &edit), |it| it.warnings.len() == 1).await;
    assert_eq!(warned.warnings, [EFFECT]);
    assert_eq!(boss.call("PATCH", namespace, MERGE, &mode(Value::Null)).await.status, 200);
    guest.until(("PATCH", &dry, MERGE, &edit), |it| it.warnings.len() == 2).await;

    // Consent lets it through, and leaves an Event.
    let mut consented = edit.clone();
    consented["metadata"]["annotations"][CONSENT] = json!("1@2999-12-31");
    let reply = guest.call("PATCH", SERVICE, MERGE, &consented).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(reply.warnings.iter().any(|it| it.starts_with("by consent: ")), "{reply:?}");
    let events = "/api/v1/namespaces/default/events?fieldSelector=reason%3DDisconnectAllowed";
    let kept = |it: &Reply| it.body["items"].as_array().is_some_and(|items| !items.is_empty());
    let event = boss.until(("GET", events, JSON, &Value::Null), kept).await;
    assert_eq!(event.body["items"].as_array().unwrap().len(), 1, "the dry runs left none");
    let message = event.body["items"][0]["message"].as_str().unwrap();
    assert!(message.starts_with("guest writes it with consent to disconnect"), "{message}");

    // Without a guard writes go on, since failurePolicy is Ignore; with Fail they stop.
    let name = guard.configuration()["metadata"]["name"].as_str().unwrap().to_owned();
    drop(guard);
    let reply = guest.call("PATCH", SERVICE, MERGE, &annotated(CONSENT, "")).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let fail = json!({"webhooks": [{"name": "guard.privlink.dev", "failurePolicy": "Fail"}]});
    let configuration = format!("{REGISTRATION}/validatingwebhookconfigurations/{name}");
    let strategic = "application/strategic-merge-patch+json";
    assert_eq!(boss.call("PATCH", &configuration, strategic, &fail).await.status, 200);
    let stopped = annotated("example.com/note", "stopped?");
    let reply = guest.until(("PATCH", &dry, MERGE, &stopped), |it| it.status != 200).await;
    assert!(reply.message().contains("failed calling webhook"), "{reply:?}");
}

/// Makes the kinds of cert-manager and of the Prometheus operator known, from the folder that `DEFINITIONS` names.
async fn define_operators_kinds(boss: &Caller) -> bool {
    let Some(folder) = std::env::var_os("DEFINITIONS") else { return false };
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for definition in documents(&text) {
            let name = definition["metadata"]["name"].as_str().unwrap();
            assert_eq!(boss.create(path, &definition).await.status, 201, "{name}");
            let established = |reply: &Reply| {
                let conditions = reply.body["status"]["conditions"].as_array();
                let is = |it: &Value| it["type"] == "Established" && it["status"] == "True";
                conditions.is_some_and(|conditions| conditions.iter().any(is))
            };
            let path = format!("{path}/{name}");
            boss.until(("GET", &path, JSON, &Value::Null), established).await;
        }
    }
    true
}

/// What the kustomize base has is taken by the API server, unknown fields and all else looked at; and what the chart
/// renders, in the folder that `RENDERED` names.
async fn everything_shipped_is_taken(boss: &Caller) {
    let mut files = vec![root().join("deploy/kustomize/base/privlink.yaml")];
    if let Some(rendered) = std::env::var_os("RENDERED") {
        files.extend(std::fs::read_dir(rendered).unwrap().map(|entry| entry.unwrap().path()));
    }
    let has_operators = define_operators_kinds(boss).await;
    let texts = files.iter().map(|file| std::fs::read_to_string(file).unwrap());
    let all: Vec<Value> = texts.flat_map(|text| documents(&text)).collect();
    let mut has_namespace = false;
    for document in all {
        let kind = document["kind"].as_str().unwrap();
        let of_an_operator = ["cert-manager.io/v1", "monitoring.coreos.com/v1"];
        let is_of_operator = of_an_operator.contains(&document["apiVersion"].as_str().unwrap());
        let is_second = kind == "Namespace" && std::mem::replace(&mut has_namespace, true);
        if is_second || is_of_operator && !has_operators {
            continue;
        }
        let api = match document["apiVersion"].as_str().unwrap() {
            "v1" => "/api/v1".to_owned(),
            version => format!("/apis/{version}"),
        };
        let plural = match kind.to_lowercase() {
            it if it.ends_with("policy") => it.trim_end_matches('y').to_owned() + "ies",
            it => it + "s",
        };
        let within = document["metadata"]["namespace"].as_str();
        let within = within.map(|it| format!("/namespaces/{it}")).unwrap_or_default();
        let dry = if kind == "Namespace" { "" } else { "&dryRun=All" };
        let path = format!("{api}{within}/{plural}?fieldValidation=Strict{dry}");
        let reply = boss.create(&path, &document).await;
        assert_eq!((reply.status, reply.warnings.len()), (201, 0), "{kind}: {reply:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_of_ones_own_is_kept_and_vouched_for() {
    let Some(api_server) = ApiServer::start().await else { return };
    let boss = Caller::new(&api_server, "boss");
    let example = Example::new("frontend-recreated", Some(&api_server));
    everything_shipped_is_taken(&boss).await;
    let mut configuration = shipped();
    let name = configuration["metadata"]["name"].as_str().unwrap().to_owned();
    configuration["webhooks"][0]["clientConfig"]["service"]["namespace"] = json!("default");
    let path = format!("{REGISTRATION}/validatingwebhookconfigurations");
    assert_eq!(boss.create(&path, &configuration).await.status, 201);
    let flags = format!(
        "--refresh 1 --self-signed guard-tls --service guard --webhook {name} --own-namespace default"
    );
    let bundle = async || {
        let live = boss.get(&format!("{path}/{name}")).await;
        live["webhooks"][0]["clientConfig"]["caBundle"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(bundle().await, "");
    let first = Guard::start(&example, &flags);
    let trusted = bundle().await;
    let secret = boss.get("/api/v1/namespaces/default/secrets/guard-tls").await;
    assert_eq!(secret["type"], "kubernetes.io/tls", "{secret}");
    assert_eq!(secret["data"]["tls.crt"], json!(trusted));
    // A second one shares it.
    let _second = Guard::start(&example, &flags);
    drop(first);
    assert_eq!(bundle().await, trusted);
}
