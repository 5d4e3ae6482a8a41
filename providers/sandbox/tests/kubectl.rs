//! kubectl against the sandbox. Without kubectl on the path there is nothing to test, and the test
//! says so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it leaves out"
)]

mod support;

use std::process::Command;

use privlink_sandbox::Running;
use support::{first, pls_app, settle};

struct Kubectl {
    folder: tempfile::TempDir,
}

impl Kubectl {
    /// kubectl, if it is on the path.
    fn new(running: &Running) -> Option<Self> {
        Command::new("kubectl").args(["version", "--client"]).output().ok()?;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config"), running.kubeconfig()).unwrap();
        std::fs::write(folder.path().join("service.json"), pls_app().to_string()).unwrap();
        Some(Self { folder })
    }

    async fn run(&self, arguments: &[&str]) -> String {
        let (arguments, folder) =
            (arguments.iter().map(|&text| text.to_owned()).collect::<Vec<_>>(), self.folder.path());
        let mut command = Command::new("kubectl");
        command
            .args(&arguments)
            .current_dir(folder)
            .env("KUBECONFIG", folder.join("config"))
            .env("HOME", folder)
            .env("NO_PROXY", "127.0.0.1");
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "kubectl {arguments:?}: {text}{error}");
        text
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubectl_cannot_tell() {
    let running = first().await;
    let Some(kubectl) = Kubectl::new(&running) else {
        eprintln!("kubectl is not on the path: not tested");
        return;
    };
    let file = ["-f", "service.json"];
    let run = async |arguments: &[&str]| kubectl.run(arguments).await;
    assert_eq!(run(&["apply", file[0], file[1]]).await, "service/internal-app created\n");
    assert_eq!(run(&["apply", file[0], file[1]]).await, "service/internal-app unchanged\n");
    let wait = "--for=jsonpath={.status.loadBalancer.ingress}";
    run(&["wait", "service/internal-app", wait, "--timeout=10s"]).await;
    let columns = run(&["get", "service", "internal-app", "--no-headers"]).await;
    let columns: Vec<&str> = columns.split_whitespace().collect();
    assert_eq!((columns[1], columns[3]), ("LoadBalancer", "10.240.0.6"));
    let described = run(&["describe", "service", "internal-app"]).await;
    assert!(described.contains("EnsuredLoadBalancer"), "{described}");
    run(&["label", "service", "internal-app", "tier=web"]).await;
    run(&["annotate", "service", "internal-app", "privlink.dev/sync=1"]).await;
    run(&["patch", "service", "internal-app", "-p", r#"{"spec":{"sessionAffinity":"ClientIP"}}"#])
        .await;
    let affinity = "-o=jsonpath={.spec.sessionAffinityConfig.clientIP.timeoutSeconds}";
    assert_eq!(run(&["get", "service", "internal-app", affinity]).await, "10800");
    settle(&running).await;
    run(&["apply", "--server-side", "--force-conflicts", file[0], file[1]]).await;
    assert_eq!(run(&["diff", file[0], file[1]]).await, "");
    run(&["delete", "service", "internal-app", "--timeout=10s"]).await;
    assert_eq!(run(&["get", "services", "-o", "name"]).await, "service/kubernetes\n");
}
