//! What must hold for the tree itself.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use privlink_core::arm::arm_type::ArmType;
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

/// The pure crates, from the ground up. Each stands on those before it alone.
const FLOORS: [&str; 4] = ["model", "input", "core", "render"];

#[test]
fn the_floors_are_pure_and_stand_on_those_below() {
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
    for (storey, floor) in FLOORS.iter().enumerate() {
        let dependencies = dependencies(&format!("privlink-{floor}"));
        assert!(
            dependencies.contains(&"serde_json".to_owned()),
            "a list is read: {dependencies:?}"
        );
        for name in forbidden {
            assert!(!dependencies.contains(&name.to_owned()), "{floor} depends on {name}");
        }
        for name in dependencies.iter().filter_map(|name| name.strip_prefix("privlink-")) {
            let below = FLOORS.iter().position(|floor| *floor == name);
            assert!(below.is_some_and(|below| below <= storey), "{floor} depends on {name}");
        }
    }
}

#[test]
fn the_clients_and_the_sandbox_stand_on_the_model_alone() {
    for client in ["azure", "kubernetes", "forge", "sandbox"] {
        let dependencies = dependencies(&format!("privlink-{client}"));
        for floor in ["input", "core", "render", "engine"] {
            let name = format!("privlink-{floor}");
            assert!(!dependencies.contains(&name), "{client} depends on {name}");
        }
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
    for place in ["planner", "providers"] {
        for folder in names(place).into_iter().map(|name| format!("{place}/{name}")) {
            assert!(architecture.contains(&format!("`{folder}")), "ARCHITECTURE.md lacks {folder}");
        }
    }
    for floor in FLOORS {
        for file in names(&format!("planner/{floor}/src")) {
            let module = file.trim_end_matches(".rs");
            assert!(
                module == "lib" || architecture.contains(&format!("`{module}`")),
                "ARCHITECTURE.md lacks {module} of {floor}"
            );
        }
    }
}

/// The modules of a floor, by what they name of each other outside of tests and comments.
fn modules(floor: &str) -> BTreeMap<String, BTreeSet<String>> {
    let source = root().join(format!("planner/{floor}/src"));
    let mut named: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files(&source) {
        let path = file.strip_prefix(&source).unwrap().to_string_lossy().into_owned();
        let module = path.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
        if module == "lib" || path.ends_with("tests.rs") {
            continue;
        }
        let text = code(&file);
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let names = text
            .lines()
            .flat_map(|line| line.split("crate::").skip(1))
            .map(|rest| rest.split(|c| !is_of_name(c)).next().unwrap_or_default().to_owned());
        named.entry(module).or_default().extend(names);
    }
    named
}

/// All but `rule`, which lists the declarations of all rules: ARCHITECTURE.md defends that.
#[test]
fn the_modules_of_a_floor_have_an_order() {
    for floor in FLOORS {
        let mut left = modules(floor);
        left.remove("rule");
        assert!(left.len() > 5, "the modules of {floor} are found: {left:?}");
        // What names nothing that is left stands below the rest.
        loop {
            let modules: BTreeSet<String> = left.keys().cloned().collect();
            let before = left.len();
            left.retain(|own, named| named.iter().any(|it| it != own && modules.contains(it)));
            if left.len() == before {
                break;
            }
        }
        assert!(left.is_empty(), "{floor} has a circle within {left:#?}");
    }
}

/// Who may look into a snapshot, and who into desired state. All others in the core read the inventory, what is wanted and the
/// join.
const DIGGERS: [(&str, &str); 2] = [("inventory.rs", "Snapshot"), ("wanted.rs", "Desired")];

#[test]
fn readers_take_neither_a_snapshot_nor_desired_state() {
    let source = root().join("planner/core/src");
    let mut found = Vec::new();
    for file in files(&source) {
        let path = file.strip_prefix(&source).unwrap().to_string_lossy().into_owned();
        if path.ends_with("tests.rs") {
            continue;
        }
        for line in code(&file).lines() {
            // The columns of rules are no types.
            let columns = line.contains(", [") && line.trim_end().ends_with('{');
            for (room, name) in DIGGERS.iter().filter(|(room, _)| *room != path && !columns) {
                let field = name.to_lowercase();
                let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let mut words = line.split(|c| !is_of_name(c) && c != '.');
                if words.any(|it| it.split('.').any(|it| it == *name) || names_field(it, &field)) {
                    found.push(format!("{path}, which is not {room}: {}", line.trim()));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Whether a path of fields reads this one: a module of the same name does not count.
fn names_field(path: &str, field: &str) -> bool {
    path.split('.').skip(1).any(|it| it == field)
}

/// What a file has outside of tests and comments.
fn code(file: &std::path::Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| format!("{line}\n")).collect()
}

/// Words that one has to read twice, and what is said instead.
const PLAIN: &[(&str, &str)] = &[
    ("made anew", "re-created"),
    ("makes it anew", "re-creates it"),
    ("hangs on", "depends on"),
    ("hang on", "depend on"),
    ("cut off", "disconnected"),
    ("cuts off", "disconnects"),
    ("is told", "is reported"),
    ("are told", "are reported"),
    ("speaks against", "refuses"),
    ("all the same", "anyway"),
    ("so already", "pre-existing"),
    ("nobody's", "unmanaged"),
    ("somebody else's", "another owner's"),
    ("what came of", "the outcome of"),
    ("lies in it", "is in it"),
    ("lies on it", "is on it"),
    ("goes with its", "is deleted with its"),
];

#[test]
fn what_users_read_is_plain() {
    let mut places: Vec<std::path::PathBuf> = ["docs", "golden", "schemas", "examples"]
        .iter()
        .flat_map(|folder| files(&root().join(folder)))
        .collect();
    places.push(root().join("README.md"));
    let mut found = Vec::new();
    for place in places {
        let Ok(text) = fs::read_to_string(&place) else { continue };
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for (word, instead) in PLAIN.iter().filter(|(word, _)| text.contains(word)) {
            found.push(format!("{}: \"{word}\", say \"{instead}\"", place.display()));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn docs_of_the_model_and_the_core_are_plain() {
    let mut found = Vec::new();
    for folder in ["planner/model/src", "planner/core/src"] {
        for file in files(&root().join(folder)) {
            let text = fs::read_to_string(&file).unwrap();
            let doc = |line: &str| {
                let line = line.trim_start();
                let doc = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"));
                // What is no doc keeps docs of two items apart.
                doc.map_or_else(|| "|".to_owned(), |doc| doc.trim().to_owned())
            };
            let text = text.lines().map(doc).collect::<Vec<_>>().join(" ");
            for (word, instead) in PLAIN.iter().filter(|(word, _)| text.contains(word)) {
                found.push(format!("{}: \"{word}\", say \"{instead}\"", file.display()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// All files below a folder.
fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Where types of ARM's resources are told what users write of them, and where a test needs an id of no type.
const SPELL_TYPES: [&str; 3] =
    ["model/src/arm/arm_type.rs", "model/src/resource_id.rs", "input/src/schema/text.rs"];

#[test]
fn types_of_resources_are_spelled_once() {
    let mut found = Vec::new();
    for folder in ["planner", "providers"] {
        for file in files(&root().join(folder)) {
            let path = file.to_string_lossy().into_owned();
            let is_source = path.ends_with(".rs") && path.contains("/src/");
            if !is_source
                || path.ends_with("tests.rs")
                || SPELL_TYPES.iter().any(|it| path.ends_with(it))
            {
                continue;
            }
            for literal in code(&file).split('"').skip(1).step_by(2) {
                if ArmType::ALL.iter().any(|it| it.is_named(literal)) {
                    found.push(format!("{path}: {literal}"));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
