//! privlink as a client of its own sandbox over TLS, as an application with a client secret.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here fails the test")]

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use support::Workplace;

/// A sandbox of its own process, ended with the test.
struct Serving {
    process: Child,
    arm: String,
}

impl Serving {
    fn start(place: &Workplace) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_privlink"))
            .args(["sandbox", "serve", "world.json", "--tls"])
            .current_dir(place.path())
            .env_clear()
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut line = |name: &str| {
            let line = lines.next().unwrap().unwrap();
            line.strip_prefix(name).unwrap().trim().to_owned()
        };
        let (kubernetes, arm) = (line("kubernetes"), line("arm"));
        assert_eq!(line("certificate-authority"), "world.ca.pem");
        let kubeconfig = format!(
            "{{apiVersion: v1, kind: Config, current-context: s, \
             clusters: [{{name: s, cluster: {{server: '{kubernetes}'}}}}], \
             contexts: [{{name: s, context: {{cluster: s, user: s}}}}], \
             users: [{{name: s, user: {{token: t}}}}]}}"
        );
        std::fs::write(place.path().join("kubeconfig"), kubeconfig).unwrap();
        Self { process, arm }
    }

    /// Runs privlink against it.
    fn run(&self, place: &Workplace, words: &str, trusting: bool) -> (i32, String, String) {
        let cloud = [self.arm.as_str(); 3].join(",");
        let mut command = Command::new(env!("CARGO_BIN_EXE_privlink"));
        command
            .args(words.split_whitespace())
            .args(["--kubeconfig", "kubeconfig", "--auth", "client-secret", "--cloud", &cloud])
            .current_dir(place.path())
            .env_clear()
            .envs([("NO_COLOR", "1"), ("NO_PROXY", "127.0.0.1")])
            .env("AZURE_TENANT_ID", "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa")
            .env("AZURE_CLIENT_ID", "c11e47")
            .env("AZURE_CLIENT_SECRET", "n0t-to-be-seen")
            .stdin(Stdio::null());
        if trusting {
            command.env("SSL_CERT_FILE", place.path().join("world.ca.pem"));
        }
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        assert!(!format!("{stdout}{stderr}").contains("n0t-to-be-seen"), "{stderr}");
        (output.status.code().unwrap_or(-1), stdout, stderr)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn an_application_with_a_secret_plans_applies_and_plans_again() {
    let place = Workplace::with_example("private-link");
    let serving = Serving::start(&place);
    let stack = "-f examples/private-link";
    let (code, plan, stderr) =
        serving.run(&place, &format!("plan {stack} --detailed-exitcode"), true);
    assert_eq!(code, 2, "{plan}{stderr}");
    let apply = format!("apply {stack} --auto-approve --preflight -vvv");
    let (code, stdout, stderr) = serving.run(&place, &apply, true);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(stderr.contains("as the client secret of client c11e47"), "{stderr}");
    assert!(stderr.contains("0 missing, 0 unknown."), "{stderr}");
    let (code, plan, stderr) =
        serving.run(&place, &format!("plan {stack} --detailed-exitcode"), true);
    assert_eq!(code, 0, "{plan}{stderr}");
    assert!(plan.contains("No changes."), "{plan}");
}

#[test]
fn a_sandbox_that_is_not_trusted_is_not_told_the_secret() {
    let place = Workplace::with_example("private-link");
    let serving = Serving::start(&place);
    let (code, stdout, stderr) = serving.run(&place, "observe -f examples/private-link", false);
    assert_eq!(code, 1, "{stdout}{stderr}");
    assert!(stderr.contains("certificate"), "{stderr}");
}
