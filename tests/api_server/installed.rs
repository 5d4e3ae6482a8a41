//! docs/install.md on a real API server: every command of it is run, in order, from nothing to a refused edit.
//!
//! Two programs are not what they are: `docker` and `az`, whose registry and whose identities nobody has here. They are given
//! what the page gives them, and look at it. What a cluster does with a Deployment, and what its network does with a Service, is
//! done here: pods are processes, and the Service leads to them.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::caller::{Caller, JSON, MERGE};
use crate::envtest::ApiServer;
use crate::served_guard::{Guard, REGISTRATION};
use crate::support::{Workplace, copy, root};
use crate::{Example, PATIENCE};

const ADDRESS: &str = "service.beta.kubernetes.io/azure-load-balancer-ipv4";
const OWN: &str = "/api/v1/namespaces/privlink-system";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/privlink-system/deployments/privlink-guard";

/// `docker build` and `docker push`: there is a Dockerfile, and an image is named.
const DOCKER: &str = "case $1 in\nbuild) [ -f \"${!#}/Dockerfile\" ] && [ \"$3\" = shop.example.com/privlink:0.1.0 ] ;;\n\
                      push) [ \"$2\" = shop.example.com/privlink:0.1.0 ] ;;\n*) exit 9 ;;\nesac\n";

/// `az`: the role reads and writes nothing, the identity is the service account's.
const AZ: &str = "case \"$1 $2\" in\n\
    'role definition') file=${5#@} && grep -q '\"Actions\"' \"$file\" && ! grep -Eiq '/(write|delete)\"' \"$file\" ;;\n\
    'role assignment') [ \"$6\" != '' ] ;;\n\
    'identity create') ;;\n\
    'identity show') echo 11111111-2222-3333-4444-555555555555 ;;\n\
    'identity federated-credential') case \"$*\" in *' --issuer https://oidc.example.com/ '*':privlink-system:privlink'*) ;; *) exit 8 ;; esac ;;\n\
    'aks show') echo https://oidc.example.com/ ;;\n\
    *) exit 9 ;;\nesac\n";

/// The commands of a page: what stands in its blocks of shell, those of other ways aside.
fn commands(page: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let (mut heading, mut block): (String, Option<String>) = (String::new(), None);
    for line in page.lines() {
        match &mut block {
            Some(text) if line == "```" => {
                found.push((heading.clone(), std::mem::take(text)));
                block = None;
            }
            Some(text) => text.push_str(&format!("{line}\n")),
            None if line == "```sh" => block = Some(String::new()),
            None => {
                if let Some(text) = line.strip_prefix("## ") {
                    text.clone_into(&mut heading);
                }
            }
        }
    }
    found
}

/// A page's only block of YAML under a heading.
fn yaml(page: &str, heading: &str) -> String {
    let (_, rest) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    let (_, rest) = rest.split_once("```yaml\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

fn program(folder: &Path, name: &str, text: &str) {
    let file = folder.join(name);
    std::fs::write(&file, format!("#!/usr/bin/env bash\nset -eu\n{text}")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// What the cluster does with the guard's Deployment: whenever it says something else, a pod with its arguments runs, the
/// Service leads there, and the status says so.
async fn run_pods(
    boss: Arc<Caller>,
    place: Arc<Workplace>,
    cloud: String,
    ending: Arc<AtomicBool>,
) {
    let mut pod: Option<(Value, Guard)> = None;
    while !ending.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let deployment = boss.get(DEPLOYMENT).await;
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        if container["args"].is_null() {
            continue;
        }
        if pod.as_ref().is_none_or(|(args, _)| *args != container["args"]) {
            let volumes = &deployment["spec"]["template"]["spec"]["volumes"];
            let stack = volumes[0]["configMap"]["name"].as_str().unwrap();
            let documents = boss.get(&format!("{OWN}/configmaps/{stack}")).await;
            let folder = place.path().join("mounted");
            std::fs::create_dir_all(&folder).unwrap();
            for (name, text) in documents["data"].as_object().unwrap() {
                std::fs::write(folder.join(name), text.as_str().unwrap()).unwrap();
            }
            let args = container["args"].as_array().unwrap().iter().map(|it| it.as_str().unwrap());
            let word = |it: &str| match it {
                "--filename=/stack" => "--filename=mounted".to_owned(),
                "--auth=workload-identity" => "--auth=token".to_owned(),
                "--cloud=public" => format!("--cloud={cloud}"),
                other => other.to_owned(),
            };
            let mut words: Vec<String> = args.map(word).collect();
            words.push("--kubeconfig=kubeconfig".to_owned());
            let guard = Guard::serve(&place, &words, &[("POD_NAMESPACE", "privlink-system")]);
            pod = Some((container["args"].clone(), guard));
        }
        let Some((_, guard)) = &pod else { continue };
        let service = format!("{OWN}/services/privlink-guard");
        let to_here = json!({"spec": {"type": "ExternalName", "externalName": "localhost", "clusterIP": null, "clusterIPs": null}});
        boss.call("PATCH", &service, MERGE, &to_here).await;
        let webhook = json!({"webhooks": [{
            "name": "guard.privlink.dev", "clientConfig": {"service": {
                "name": "privlink-guard", "namespace": "privlink-system", "port": guard.port(),
            }},
        }]});
        let path = format!("{REGISTRATION}/validatingwebhookconfigurations/privlink-guard");
        boss.call("PATCH", &path, "application/strategic-merge-patch+json", &webhook).await;
        let replicas = deployment["spec"]["replicas"].clone();
        let status = json!({"status": {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": replicas, "updatedReplicas": replicas,
            "readyReplicas": replicas, "availableReplicas": replicas,
        }});
        boss.call("PATCH", &format!("{DEPLOYMENT}/status"), MERGE, &status).await;
    }
}

/// Commands as a user types them, with what the page leaves to be filled in.
async fn typed(place: &Arc<Workplace>, path: &str, text: &str) -> (i32, String) {
    let text = text
        .replace("REGISTRY", "shop.example.com")
        .replace("CLIENT_ID", "11111111-2222-3333-4444-555555555555")
        .replace("SUBSCRIPTION", "12345678-1234-1234-1234-123456789012");
    let (place, path) = (Arc::clone(place), path.to_owned());
    let run = move || {
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", &text]).current_dir(place.path()).env_clear();
        command.env("PATH", path).env("HOME", place.path()).stdin(Stdio::null());
        command.env("KUBECONFIG", place.path().join("kubeconfig"));
        command.output().unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let said = [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap()).concat();
    (output.status.code().unwrap_or(-1), said)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes helm, which HELM names; .ci/full runs it"]
async fn the_page_leads_from_nothing_to_a_refused_edit() {
    let api_server = ApiServer::start().await.expect("KUBEBUILDER_ASSETS names an API server");
    let boss = Arc::new(Caller::new(&api_server, "boss"));
    // The cluster as it is before: somebody is connected to a Private Link Service, in the namespace that the page names.
    let example = Example::new("frontend-recreated", Some(&api_server));
    example.run("apply", "before", PATIENCE).expect(0);

    let place = Arc::new(Workplace::empty());
    let bin = place.path().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    program(&bin, "docker", DOCKER);
    program(&bin, "az", AZ);
    let assets = PathBuf::from(std::env::var_os("KUBEBUILDER_ASSETS").unwrap());
    let helm = std::env::var_os("HELM").expect("HELM names the program: .ci/chart makes it");
    for (name, target) in [
        ("kubectl", assets.join("kubectl")),
        ("helm", helm.into()),
        ("privlink", env!("CARGO_BIN_EXE_privlink").into()),
    ] {
        std::os::unix::fs::symlink(target, bin.join(name)).unwrap();
    }
    copy(&root().join("charts"), &place.path().join("charts"));
    std::fs::copy(root().join("Dockerfile"), place.path().join("Dockerfile")).unwrap();
    std::fs::copy(api_server.kubeconfig("boss"), place.path().join("kubeconfig")).unwrap();
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display());

    let page = std::fs::read_to_string(root().join("docs/install.md")).unwrap();
    std::fs::write(place.path().join("stack.yaml"), yaml(&page, "3. The Stack")).unwrap();
    let ending = Arc::new(AtomicBool::new(false));
    let cluster = tokio::spawn(run_pods(
        Arc::clone(&boss),
        Arc::clone(&place),
        example.cloud(),
        Arc::clone(&ending),
    ));
    let began = Instant::now();
    let mut run = 0;
    for (heading, text) in commands(&page) {
        // The namespace that is labelled is the one where the edit is.
        let (code, said) = match heading.as_str() {
            "5. See it" => {
                // The guard looks around once before it is ready.
                told(&place, &path, &text, "Warning: disconnects 1 consumer").await
            }
            _ => typed(&place, &path, &text).await,
        };
        assert_eq!(code, 0, "{heading}: {text}\n{said}");
        if heading == "6. Refuse it" {
            let edit =
                format!("kubectl annotate service internal-app --overwrite {ADDRESS}=10.240.0.26");
            let dry = format!("{edit} --dry-run=server");
            told(&place, &path, &dry, "without --dry-run privlink would refuse").await;
            let (code, said) = typed(&place, &path, &edit).await;
            assert_ne!(code, 0, "{said}");
            assert!(
                said.contains(
                    "disconnects 1 consumer of Private Link Service my-pls (myAKSServicePE)"
                ),
                "{said}"
            );
            eprintln!("from nothing to a refused edit in {:.0} s", began.elapsed().as_secs_f64());
        }
        run += 1;
    }
    assert!(run >= 7, "{run} blocks");
    let live = boss.get("/api/v1/namespaces/default/services/internal-app").await;
    assert_eq!(live["metadata"]["annotations"][ADDRESS], "10.240.0.25");
    // Taken away again, nothing is asked and nothing is left.
    ending.store(true, Ordering::SeqCst);
    cluster.await.unwrap();
    let left = boss.get(&format!("{REGISTRATION}/validatingwebhookconfigurations")).await;
    assert_eq!(left["items"], json!([]), "{left}");
    assert_eq!(boss.call("GET", DEPLOYMENT, JSON, &Value::Null).await.status, 404);
    assert!(began.elapsed() < Duration::from_secs(600), "{:?}", began.elapsed());
}

/// Types it again until that is said, for a minute at most: what is configured takes a while to be used.
async fn told(place: &Arc<Workplace>, path: &str, text: &str, part: &str) -> (i32, String) {
    let began = Instant::now();
    loop {
        let (code, said) = typed(place, path, text).await;
        if said.contains(part) {
            return (code, said);
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{text}\n{said}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}
