//! `privlink sandbox serve` in a process of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{Run, Workplace};

/// A served sandbox, ended with the test. Its world is `world.json` in the workplace, where it also
/// puts a `kubeconfig`.
pub(crate) struct Serving {
    process: Child,
    /// Where the Kubernetes API is.
    pub(crate) kubernetes: String,
    /// Where ARM is.
    pub(crate) arm: String,
}

impl Serving {
    /// Serves, with more arguments.
    pub(crate) fn start(place: &Workplace, more: &[&str]) -> Self {
        Self::serve(place.path(), more)
    }

    /// Serves the world of a folder, with more arguments.
    pub(crate) fn serve(folder: &Path, more: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_privlink"))
            .args(["sandbox", "serve", "world.json"])
            .args(more)
            .current_dir(folder)
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
        if more.contains(&"--tls") {
            assert_eq!(line("certificate-authority"), "world.ca.pem");
        }
        write_kubeconfig(folder, &kubernetes);
        Self { process, kubernetes, arm }
    }

    /// The cloud it is, for `--cloud`.
    pub(crate) fn cloud(&self) -> String {
        [self.arm.as_str(); 3].join(",")
    }

    /// Runs privlink against it, with these variables and no others.
    pub(crate) fn run(&self, place: &Workplace, words: &str, variables: &[(&str, &str)]) -> Run {
        let words = format!("{words} --kubeconfig kubeconfig --cloud {}", self.cloud());
        let authority = place.path().join("world.ca.pem").display().to_string();
        let mut all = vec![("NO_PROXY", "127.0.0.1"), ("SSL_CERT_FILE", authority.as_str())];
        all.extend(variables);
        place.run_with(&words, &all)
    }
}

/// Writes a kubeconfig for the API server at this address.
pub(crate) fn write_kubeconfig(folder: &Path, server: &str) {
    let kubeconfig = format!(
        "{{apiVersion: v1, kind: Config, current-context: s, \
         clusters: [{{name: s, cluster: {{server: '{server}'}}}}], \
         contexts: [{{name: s, context: {{cluster: s, user: s}}}}], \
         users: [{{name: s, user: {{token: kubernetes-s3cret}}}}]}}"
    );
    std::fs::write(folder.join("kubeconfig"), kubeconfig).unwrap();
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
