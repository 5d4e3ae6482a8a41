//! kubectl and helm write Services through a real API server that asks a guard: it warns and refuses where a plan of the same
//! edit does.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use privlink_kubernetes::KubernetesClient;
use serde_json::{Value, json};

use crate::caller::{Caller, JSON};
use crate::envtest::ApiServer;
use crate::served_guard::{Guard, documents};
use crate::support::{Run, Workplace, names, root, waits_for_gateways};
use crate::{Example, PATIENCE, tidy};

const ADDRESS: &str = "service.beta.kubernetes.io/azure-load-balancer-ipv4";
const INTERNAL: &str = "service.beta.kubernetes.io/azure-load-balancer-internal";

/// A program as a user of the API server runs it.
pub(crate) struct Tool {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Tool {
    /// The kubectl that is built with the API server.
    pub(crate) fn kubectl(api_server: &ApiServer) -> Self {
        let assets = PathBuf::from(std::env::var_os("KUBEBUILDER_ASSETS").unwrap());
        let program = assets.join("kubectl");
        assert!(program.exists(), "{}: .ci/envtest/build makes it", program.display());
        Self { program, kubeconfig: api_server.kubeconfig("boss") }
    }

    /// The helm that `HELM` names.
    pub(crate) fn helm(api_server: &ApiServer) -> Self {
        let program = std::env::var_os("HELM").expect("HELM names the program: .ci/chart makes it");
        Self { program: program.into(), kubeconfig: api_server.kubeconfig("boss") }
    }

    pub(crate) fn run(&self, place: &Workplace, words: &[&str]) -> Run {
        let mut command = Command::new(&self.program);
        command.args(words).current_dir(place.path()).env_clear().stdin(Stdio::null());
        command
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", place.path())
            .env("PATH", "/usr/bin:/bin");
        // What `kubectl edit` opens: an editor that writes what is given to it.
        command.env("KUBE_EDITOR", "sed -i s/10.240.0.25/10.240.0.26/");
        command.output().unwrap().into()
    }
}

/// Deletes all Services, and waits until the controller has let them go.
async fn clear(client: &KubernetesClient) {
    for _ in 0..300 {
        let services = client.services().await.unwrap();
        let left: Vec<&str> = services.iter().map(name).filter(|it| *it != "kubernetes").collect();
        if left.is_empty() {
            return;
        }
        for name in left {
            client.delete_service("default", name, None).await.unwrap();
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("a Service is still there");
}

/// The Services of a folder of the repository's.
fn services(folder: &str) -> Vec<Value> {
    let mut found = Vec::new();
    for name in names(folder).into_iter().filter(|it| it.ends_with(".yaml")) {
        let text = std::fs::read_to_string(root().join(folder).join(name)).unwrap();
        found.extend(documents(&text).into_iter().filter(|it| it["kind"] == "Service"));
    }
    found
}

fn name(service: &Value) -> &str {
    service["metadata"]["name"].as_str().unwrap()
}

/// What a plan says of these Services, of whatever tool; or what is wrong with the documents themselves.
fn told_by_plan(
    example: &Example<'_>,
    after: &[&Value],
    before: &[&Value],
) -> Result<Told, String> {
    let folder = example.place.path();
    let stack = folder.join(format!("examples/{}/stack.yaml", example.name));
    let mut stack = documents(&std::fs::read_to_string(stack).unwrap()).remove(0);
    // Of another name: the endpoints are somebody else's.
    stack["metadata"]["name"] = json!("guarded");
    let text = |list: &[&Value]| {
        let all: Vec<String> = list.iter().map(|it| it.to_string()).collect();
        all.join("\n---\n")
    };
    let nothing = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "nothing"}});
    let after = if after.is_empty() { vec![&nothing] } else { after.to_vec() };
    std::fs::write(folder.join("guarded.yaml"), stack.to_string()).unwrap();
    std::fs::write(folder.join("after.yaml"), text(&after)).unwrap();
    std::fs::write(folder.join("before.yaml"), text(before)).unwrap();
    let base = if before.is_empty() { "" } else { "--base before.yaml" };
    let words =
        format!("plan --guard -f guarded.yaml -f after.yaml {base} {} -o json", example.flags);
    let environment = [("PRIVLINK_ARM_TOKEN", "any"), ("NO_PROXY", "127.0.0.1")];
    let run = example.place.run_with(&words, &environment);
    if run.code == 1 && run.stderr.contains("error[") {
        return Err(run.stderr);
    }
    let plan: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{run:?}"));
    let refusals = plan["refusals"].as_array().into_iter().flatten();
    let codes: Vec<&str> = refusals.filter_map(|it| it["code"].as_str()).collect();
    let refuses = ["too-many-disconnects", "becomes-public", "protected"];
    Ok(Told {
        is_refused: codes.iter().any(|it| refuses.contains(it)),
        disconnects: codes.contains(&"too-many-disconnects"),
    })
}

/// What is said of an edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    is_refused: bool,
    disconnects: bool,
}

/// What the guard says by way of kubectl.
fn told_by_guard(run: &Run) -> Told {
    assert_eq!(run.code, 0, "a dry run is let through: {run:?}");
    Told {
        is_refused: run.stderr.contains("without --dry-run privlink would refuse"),
        disconnects: run.stderr.contains("Warning: disconnects "),
    }
}

/// What people do to a Service, as kubectl is told it, and the Service as a document then; nothing if it is deleted.
fn edits(wanted: &Value, live: &Value) -> Vec<(Vec<String>, Option<Value>)> {
    let name = name(wanted);
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let annotated = |key: &str, value: &str| {
        let mut after = live.clone();
        after["metadata"]["annotations"][key] = json!(value);
        after
    };
    let annotate = format!("annotate service {name} --overwrite --dry-run=server");
    let mut edits = vec![
        (
            words(&format!("{annotate} {ADDRESS}=10.240.0.99")),
            Some(annotated(ADDRESS, "10.240.0.99")),
        ),
        (words(&format!("{annotate} {INTERNAL}=false")), Some(annotated(INTERNAL, "false"))),
        (words(&format!("delete service {name} --dry-run=server")), None),
    ];
    let mut away = live.clone();
    away["spec"]["type"] = json!("ClusterIP");
    let patch =
        format!("patch service {name} --dry-run=server -p {{\"spec\":{{\"type\":\"ClusterIP\"}}}}");
    edits.push((words(&patch), Some(away)));
    edits
}

/// An object as somebody would write it: without what the API server adds.
fn as_written(live: &Value) -> Value {
    // The items of a list have neither.
    let mut written = live.clone();
    written["apiVersion"] = json!("v1");
    written["kind"] = json!("Service");
    written["metadata"] = json!({
        "name": live["metadata"]["name"], "namespace": live["metadata"]["namespace"],
        "annotations": live["metadata"]["annotations"],
    });
    let keep = |object: &mut Value, is_kept: &dyn Fn(&str) -> bool| {
        object.as_object_mut().into_iter().for_each(|it| it.retain(|key, _| is_kept(key)));
    };
    keep(&mut written, &|key| key != "status");
    keep(&mut written["metadata"]["annotations"], &|key| {
        key.starts_with("service.beta.kubernetes.io/")
    });
    let by_people = ["type", "ports", "selector", "loadBalancerIP", "ipFamilies", "ipFamilyPolicy"];
    keep(&mut written["spec"], &|key| by_people.contains(&key));
    for port in written["spec"]["ports"].as_array_mut().unwrap() {
        keep(port, &|key| key != "nodePort");
    }
    written
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_is_warned_of_and_refused_as_a_plan_would() {
    let Some(api_server) = ApiServer::start().await else { return };
    let client = api_server.client("boss").await;
    let boss = Caller::new(&api_server, "boss");
    let kubectl = Tool::kubectl(&api_server);
    let (mut refused, mut allowed) = (0, 0);
    for name_of_example in names("examples") {
        let folder = format!("examples/{name_of_example}");
        let wanted = match root().join(&folder).is_dir()
            && root().join(&folder).join("stack.yaml").exists()
        {
            true => services(&folder),
            false => Vec::new(),
        };
        let is_applied = !name_of_example.starts_with("bad-")
            && name_of_example != "gitops-guard"
            && !waits_for_gateways(&name_of_example);
        if !is_applied || wanted.is_empty() && name_of_example != "deletion" {
            continue;
        }
        tidy(&client).await;
        let example = Example::new(&name_of_example, Some(&api_server));
        let before = if example.has_before() { "before" } else { "" };
        let code = if name_of_example == "endpoint-in-other-subscription" { 6 } else { 0 };
        example.run("apply", before, PATIENCE).expect(code);
        let guard = Guard::start(&example, "--mode enforce --refresh 1");
        guard.be_asked(&boss).await;
        let mut compare = |words: &[&str], after: Option<&Value>, was: Option<&Value>| {
            let told = kubectl.run(&example.place, words);
            let by_guard = told_by_guard(&told);
            let (after, was): (Vec<_>, Vec<_>) =
                (after.into_iter().collect(), was.into_iter().collect());
            let by_plan = told_by_plan(&example, &after, &was);
            let said = format!("{name_of_example}: kubectl {words:?}\n{}", told.stderr);
            match by_plan {
                Ok(by_plan) => assert_eq!(by_guard, by_plan, "{said}"),
                Err(why) => assert!(by_guard.is_refused, "{said}\n{why}"),
            }
            if by_guard.is_refused { refused += 1 } else { allowed += 1 }
        };
        // The example's own edit, by another manager's server-side apply.
        for service in &wanted {
            let file = example.place.path().join("service.json");
            std::fs::write(file, service.to_string()).unwrap();
            let apply = "apply -f service.json --server-side --force-conflicts --dry-run=server --field-manager=argocd-controller";
            compare(&apply.split(' ').collect::<Vec<_>>(), Some(service), None);
        }
        for live in client.services().await.unwrap() {
            if name(&live) == "kubernetes" {
                continue;
            }
            let written = as_written(&live);
            for (words, after) in edits(&live, &written) {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                compare(&words, after.as_ref(), after.is_none().then_some(&written));
            }
        }
        drop(guard);
        example.run("destroy", before, PATIENCE);
        clear(&client).await;
    }
    eprintln!("{refused} edits refused and {allowed} let through, by guard and plan alike");
    assert!(refused > 10 && allowed > 10, "{refused} refused, {allowed} let through");
}

/// Every verb by which people write.
#[tokio::test(flavor = "multi_thread")]
async fn kubectl_shows_the_effect_whatever_it_is_told_to_do() {
    let Some(api_server) = ApiServer::start().await else { return };
    let boss = Caller::new(&api_server, "boss");
    let kubectl = Tool::kubectl(&api_server);
    let example = Example::new("frontend-recreated", Some(&api_server));
    let before = "examples/frontend-recreated/before/internal-app.yaml";
    kubectl.run(&example.place, &["apply", "-f", before]).expect(0);
    example.run("apply", "before", &format!("{PATIENCE} --adopt")).expect(0);
    let guard = Guard::start(&example, "--mode enforce --refresh 1");
    guard.be_asked(&boss).await;
    let after = "examples/frontend-recreated/internal-app.yaml";
    let effect = "disconnects 1 consumer of Private Link Service my-pls (myAKSServicePE): ";
    let patch = format!("{{\"metadata\":{{\"annotations\":{{\"{ADDRESS}\":\"10.240.0.26\"}}}}}}");
    for words in [
        &["apply", "-f", after][..],
        &["apply", "-f", after, "--server-side", "--force-conflicts"],
        &["edit", "service", "internal-app"],
        &["patch", "service", "internal-app", "-p", &patch],
        &["annotate", "service", "internal-app", "--overwrite", &format!("{ADDRESS}=10.240.0.26")],
        &["replace", "-f", after],
        &["delete", "service", "internal-app", "--wait=false"],
    ] {
        let run = kubectl.run(&example.place, words);
        assert_ne!(run.code, 0, "{words:?}: {run:?}");
        assert!(run.stderr.contains(effect), "{words:?}: {}", run.stderr);
    }
    let live = boss.get("/api/v1/namespaces/default/services/internal-app").await;
    assert_eq!(live["metadata"]["annotations"][ADDRESS], "10.240.0.25", "nothing was stored");
    // With consent the same goes through.
    let consent = "privlink.dev/allow-disconnects=myAKSServicePE@2999-12-31";
    kubectl.run(&example.place, &["annotate", "service", "internal-app", consent]).expect(0);
    let done = kubectl
        .run(&example.place, &["delete", "service", "internal-app", "--wait=false"])
        .expect(0);
    assert!(done.stderr.contains(effect), "{}", done.stderr);
    let events = "/api/v1/namespaces/default/events?fieldSelector=reason%3DDisconnectAllowed";
    let kept = |it: &crate::caller::Reply| {
        it.body["items"].as_array().is_some_and(|items| !items.is_empty())
    };
    boss.until(("GET", events, JSON, &Value::Null), kept).await;
}

/// A chart whose Services are those of a folder.
fn chart(example: &Example<'_>, folder: &str) {
    let chart = example.place.path().join("chart");
    std::fs::create_dir_all(chart.join("templates")).unwrap();
    std::fs::write(chart.join("Chart.yaml"), "{apiVersion: v2, name: shop, version: 0.1.0}")
        .unwrap();
    let all: Vec<String> = services(folder).iter().map(Value::to_string).collect();
    std::fs::write(chart.join("templates/services.yaml"), all.join("\n---\n")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes helm, which HELM names; .ci/full runs it"]
async fn an_upgrade_by_helm_is_refused_and_says_whom_it_hits() {
    let api_server = ApiServer::start().await.expect("KUBEBUILDER_ASSETS names an API server");
    let client = api_server.client("boss").await;
    let boss = Caller::new(&api_server, "boss");
    let helm = Tool::helm(&api_server);
    for (name_of_example, how) in
        [("frontend-recreated", "edit"), ("nginx-to-gateway", "deletion"), ("deletion", "harmless")]
    {
        tidy(&client).await;
        let example = Example::new(name_of_example, Some(&api_server));
        chart(&example, &format!("examples/{name_of_example}/before"));
        helm.run(&example.place, &["install", "shop", "chart"]).expect(0);
        example.run("apply", "before", &format!("{PATIENCE} --adopt")).expect(0);
        let guard = Guard::start(&example, "--mode enforce --refresh 1");
        guard.be_asked(&boss).await;
        chart(&example, &format!("examples/{name_of_example}"));
        let run = helm.run(&example.place, &["upgrade", "shop", "chart"]);
        let said = run.stderr.contains("disconnects 1 consumer of Private Link Service");
        assert_eq!(said, how != "harmless", "{name_of_example}: {run:?}");
        // An edit that is refused ends an upgrade; behind a deletion it goes on, and the Service stays.
        assert_eq!(run.code != 0, how == "edit", "{name_of_example}: {run:?}");
        if how == "deletion" {
            let nginx = boss.get("/api/v1/namespaces/default/services/nginx").await;
            assert_eq!(nginx["spec"]["type"], "LoadBalancer", "{nginx}");
            let drift = example.run("drift", "", "");
            assert!(drift.stdout.contains("the Helm release default/shop applied it"), "{drift:?}");
        }
        drop(guard);
        helm.run(&example.place, &["uninstall", "shop"]).expect(0);
        example.run("destroy", "before", PATIENCE);
        clear(&client).await;
    }
}
