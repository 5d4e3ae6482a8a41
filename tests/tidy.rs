//! What must hold for the tree itself.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::fs;
use std::process::Command;

use support::{names, root};

/// The packages that a member of the workspace depends on, directly or not, in the product.
fn dependencies(package: &str) -> Vec<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args([
            "tree",
            "--offline",
            "--locked",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "-p",
            package,
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split(' ').next()).map(ToOwned::to_owned).collect()
}

#[test]
fn the_core_is_pure() {
    let dependencies = dependencies("privlink-core");
    assert!(dependencies.contains(&"serde_json".to_owned()), "the list is read: {dependencies:?}");
    let forbidden = [
        "tokio",
        "async-std",
        "kube",
        "kube-client",
        "k8s-openapi",
        "hyper",
        "reqwest",
        "http",
        "ureq",
        "axum",
        "azure_core",
        "clap",
        "tracing-subscriber",
        "socket2",
        "mio",
    ];
    for name in forbidden {
        assert!(!dependencies.contains(&name.to_owned()), "the core depends on {name}");
    }
}

#[test]
fn the_product_has_no_deprecated_yaml_and_no_generated_arm_client() {
    let dependencies = dependencies("privlink");
    for name in
        ["serde_yaml", "serde_yml", "azure_mgmt_network", "openssl", "native-tls", "aws-lc-rs"]
    {
        assert!(!dependencies.contains(&name.to_owned()), "the product depends on {name}");
    }
}

#[test]
fn every_golden_belongs_to_an_example() {
    let examples = names("examples");
    for golden in names("golden") {
        let known = examples.contains(&golden) || golden == "import";
        assert!(known, "golden/{golden} belongs to no example");
    }
}

#[test]
fn every_folder_is_in_the_code_map() {
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for folder in ["planner/core", "planner/engine", "planner/cli", "providers"] {
        let folders: Vec<String> = match folder {
            "providers" => {
                names(folder).into_iter().map(|name| format!("providers/{name}")).collect()
            }
            folder => vec![folder.to_owned()],
        };
        for folder in folders {
            assert!(architecture.contains(&format!("`{folder}")), "ARCHITECTURE.md lacks {folder}");
        }
    }
    for file in names("planner/core/src") {
        let module = file.trim_end_matches(".rs");
        if module != "lib" {
            assert!(
                architecture.contains(&format!("`{module}`")),
                "ARCHITECTURE.md lacks {module}"
            );
        }
    }
}
