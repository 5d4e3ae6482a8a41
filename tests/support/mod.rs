//! What the black-box tests share: the binary in a folder of its own, and goldens.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what fails here fails the test"
)]

pub(crate) mod http;
pub(crate) mod scene;
pub(crate) mod serving;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The names in a folder of the repository, sorted.
pub(crate) fn names(folder: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Whether an example waits for what the controllers of Gateways make, which nobody runs here.
pub(crate) fn waits_for_gateways(example: &str) -> bool {
    let folder = root().join("examples").join(example);
    let is_gateway = |name: &String| {
        let file = folder.join(name);
        let is_yaml = file.extension().is_some_and(|it| it == "yaml");
        is_yaml && String::from_utf8_lossy(&fs::read(file).unwrap()).contains("\nkind: Gateway\n")
    };
    folder.is_dir() && names(&format!("examples/{example}")).iter().any(is_gateway)
}

/// A working folder with the repository's examples in it, and the binary run there.
pub(crate) struct Workplace {
    folder: tempfile::TempDir,
}

/// How a run of the binary ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Run {
    /// The run, if it ended with this code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// The last line of stdout.
    pub(crate) fn last_line(&self) -> &str {
        self.stdout.trim_end().lines().next_back().unwrap_or_default()
    }
}

impl Workplace {
    /// A folder with one example in it, where the README says it is.
    pub(crate) fn with_example(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("examples").join(name);
        copy(&root().join("examples").join(name), &to);
        Self { folder }
    }

    /// A folder with nothing in it.
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs the binary with these words.
    pub(crate) fn run(&self, words: &str) -> Run {
        self.run_args(&words.split_whitespace().collect::<Vec<_>>())
    }

    /// Runs the binary with these arguments.
    pub(crate) fn run_args(&self, args: &[&str]) -> Run {
        self.run_args_with(args, &[])
    }

    /// Runs the binary with these words and variables.
    pub(crate) fn run_with(&self, words: &str, variables: &[(&str, &str)]) -> Run {
        self.run_args_with(&words.split_whitespace().collect::<Vec<_>>(), variables)
    }

    /// Runs the binary with these arguments and variables, and no others of the test's own.
    pub(crate) fn run_args_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_privlink"));
        command.args(args).current_dir(self.folder.path()).env_clear().env("NO_COLOR", "1");
        command.envs(variables.iter().copied());
        command.stdin(std::process::Stdio::null()).output().unwrap().into()
    }
}

/// Text without its lines: what is wrapped is found again, whatever the width.
pub(crate) fn flat(text: &str) -> String {
    text.replace('\u{2502}', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Copies a folder.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Compares text with a file under golden/; with UPDATE_GOLDEN set, writes it.
#[track_caller]
pub(crate) fn assert_golden(path: &str, found: &str) {
    assert_same_as(&format!("golden/{path}"), found);
}

/// Compares text with a file of the repository that is made from the source; with UPDATE_GOLDEN set, writes it.
#[track_caller]
pub(crate) fn assert_same_as(path: &str, found: &str) {
    let file: PathBuf = root().join(path);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, found).unwrap();
        return;
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    if expected != found {
        let diff = similar::TextDiff::from_lines(&expected, found);
        let diff = diff.unified_diff().header(path, "found").to_string();
        panic!("{path} differs; look at it, then update with UPDATE_GOLDEN=1\n{diff}");
    }
}

/// A file of JSON.
#[track_caller]
pub(crate) fn read_json(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

/// Changes a file of JSON.
#[track_caller]
pub(crate) fn edit_json<T>(file: &Path, edit: impl FnOnce(&mut Value) -> T) -> T {
    let mut value = read_json(file);
    let edited = edit(&mut value);
    fs::write(file, value.to_string()).unwrap();
    edited
}

/// Fails unless a value is as `schemas/NAME.schema.json` says.
#[track_caller]
pub(crate) fn assert_fits(name: &str, value: &Value) {
    let schema = read_json(&root().join("schemas").join(format!("{name}.schema.json")));
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(value).map(|it| it.to_string()).collect();
    assert!(errors.is_empty(), "{name}: {errors:?} in {value:#}");
}

/// The stack of the sandbox's cluster.
pub(crate) const STACK: &str = "apiVersion: privlink.dev/v1alpha1
kind: Stack
metadata: {name: shop}
spec:
  subscription: 00000000-0000-0000-0000-000000000000
  resourceGroup: myResourceGroup
  cluster: myAKSCluster
";

/// Gives the cluster of a sandbox's world a second load balancer, `lb-two`, which takes Services with a label `tier`.
pub(crate) fn add_load_balancer(file: &Path, tier: &str) {
    edit_json(file, |world| {
        let own = json!([
            {"name": "kubernetes", "scaleSet": "aks-nodepool1-vmss"},
            {"name": "lb-two", "scaleSet": "other",
             "serviceLabelSelector": {"matchLabels": {"tier": tier}}},
        ]);
        world["facts"]["loadBalancerConfigurations"] = own;
        let kind = "Microsoft.ContainerService/managedClusters/loadBalancers";
        let resources = world["azure"].as_array_mut().unwrap();
        resources.retain(|it| it["type"] != kind);
        for (name, pool) in [("kubernetes", "nodepool1"), ("lb-two", "other")] {
            let id = format!(
                "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/myResourceGroup/\
                 providers/Microsoft.ContainerService/managedClusters/myAKSCluster/loadBalancers/{name}"
            );
            let mut properties = json!({"primaryAgentPoolName": pool});
            if name == "lb-two" {
                properties["serviceLabelSelector"] =
                    json!({"matchLabels": [format!("tier={tier}")]});
            }
            resources.push(json!({"id": id, "name": name, "type": kind, "properties": properties}));
        }
    });
}
