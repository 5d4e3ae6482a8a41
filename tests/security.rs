//! What an attacker can put into files, the cloud and its replies, and what stops it. `docs/security.md` has a
//! row for each of these tests, and for those elsewhere.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers outside of test functions; what fails here fails the test"
)]

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::{Value, json};
use support::{Workplace, edit_json, root};

const WORLD: &str = "--sandbox=world.json";

fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_is_saved_is_for_the_user_alone() {
    let place = Workplace::with_example("private-link");
    // Whoever made the file before left it open to all.
    for name in ["plan.json", "seen.json", "plan.md"] {
        fs::write(place.path().join(name), "before").unwrap();
        let open = fs::Permissions::from_mode(0o666);
        fs::set_permissions(place.path().join(name), open).unwrap();
    }
    let plan =
        format!("plan -f examples/private-link {WORLD} --out plan.json --render markdown=plan.md");
    place.run(&plan).expect(0);
    place.run(&format!("apply plan.json {WORLD}")).expect(0);
    place.run(&format!("observe -f examples/private-link {WORLD} --out seen.json")).expect(0);
    let mut files: Vec<_> = fs::read_dir(place.path().join(".privlink/journal"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(files.len(), 1);
    files.extend(
        ["plan.json", "seen.json", "plan.md", "world.json"].map(|name| place.path().join(name)),
    );
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn a_link_where_an_output_goes_is_replaced_and_not_followed() {
    let place = Workplace::with_example("private-link");
    let precious = place.path().join("precious");
    fs::write(&precious, "precious").unwrap();
    for name in ["plan.json", "seen.json", "plan.md", "world.json"] {
        symlink(&precious, place.path().join(name)).unwrap();
    }
    let plan = "plan -f examples/private-link --sandbox=other.json --out plan.json --render markdown=plan.md";
    place.run(plan).expect(0);
    place.run("observe -f examples/private-link --sandbox=other.json --out seen.json").expect(0);
    // A world is read before it is written, and this is none.
    place.run(&format!("plan -f examples/private-link {WORLD}")).expect(1);
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
    for name in ["plan.json", "seen.json", "plan.md"] {
        assert!(fs::symlink_metadata(place.path().join(name)).unwrap().is_file(), "{name}");
    }
    // What is no file is written to as it is.
    place.run("plan -f examples/private-link --sandbox=other.json --out /dev/null").expect(0);
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn a_link_that_leads_out_of_a_folder_is_refused_and_not_read() {
    let place = Workplace::with_example("private-link");
    let secret = place.path().join("kubeconfig.yaml");
    fs::write(&secret, "token: not-to-be-seen: at all\n").unwrap();
    let folder = place.path().join("examples/private-link");
    symlink(&secret, folder.join("more.yaml")).unwrap();
    for command in ["validate", "plan --sandbox=other.json"] {
        let run = place.run(&format!("{command} -f examples/private-link")).expect(1);
        assert!(
            run.stderr.contains("more.yaml leads out of examples/private-link"),
            "{}",
            run.stderr
        );
        assert!(!format!("{}{}", run.stdout, run.stderr).contains("not-to-be-seen"));
    }
    // Kubernetes mounts ConfigMaps as links within their folder.
    fs::remove_file(folder.join("more.yaml")).unwrap();
    fs::create_dir(folder.join("..data")).unwrap();
    fs::rename(folder.join("stack.yaml"), folder.join("..data/stack.yaml")).unwrap();
    symlink("..data/stack.yaml", folder.join("stack.yaml")).unwrap();
    place.run("validate -f examples/private-link").expect(0);
}

/// What a consumer writes into a request, and somebody into a tag.
const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\n::error::x\n::set-env name=A::b\n<script>alert(1)</script> ![x](https://evil.example/x) @team \u{202e}";

/// A snapshot in which every text that others choose is hostile.
fn hostile_snapshot(place: &Workplace) {
    place.run(&format!("apply -f examples/private-link {WORLD} --auto-approve")).expect(0);
    place.run(&format!("observe -f examples/private-link {WORLD} --out seen.json")).expect(0);
    edit_json(&place.path().join("seen.json"), hostile);
}

fn hostile(seen: &mut Value) {
    let lists = seen["azure"].as_object_mut().unwrap();
    let foreign = format!(
        "/subscriptions/99999999-9999-9999-9999-999999999999/resourceGroups/g{HOSTILE}/providers/Microsoft.Network/privateEndpoints/e"
    );
    for (path, list) in lists {
        if path.ends_with("/privatelinkservices") {
            let link = &mut list["present"][0]["properties"];
            let connections = link["privateEndpointConnections"].as_array_mut().unwrap();
            let mut more = connections[0].clone();
            more["name"] = HOSTILE.into();
            more["properties"]["privateEndpoint"]["id"] = foreign.as_str().into();
            more["properties"]["privateLinkServiceConnectionState"] =
                json!({"status": "Pending", "description": HOSTILE, "actionsRequired": "None"});
            connections.push(more);
        }
        if path.ends_with("/privateendpoints") {
            list["present"][0]["tags"][HOSTILE] = HOSTILE.into();
        }
    }
    let service = &mut seen["kubernetes"]["services"]["present"];
    for service in service.as_array_mut().unwrap() {
        service["metadata"]["annotations"][HOSTILE] = HOSTILE.into();
        service["metadata"]["finalizers"] = json!([HOSTILE]);
    }
}

#[test]
fn text_from_the_cloud_does_nothing_to_a_terminal_a_comment_or_a_log() {
    let place = Workplace::with_example("private-link");
    hostile_snapshot(&place);
    let address = place.path().join("examples/private-link/internal-app.yaml");
    let text = fs::read_to_string(&address).unwrap();
    fs::write(&address, text.replace("port: 80", "port: 81")).unwrap();
    for words in [
        "plan -f examples/private-link --observed seen.json",
        "plan -f examples/private-link --observed seen.json --destroy",
        "plan -f examples/private-link --observed seen.json -o markdown",
        "plan -f examples/private-link --observed seen.json -o json",
        "graph -f examples/private-link --observed seen.json",
        "graph -f examples/private-link --observed seen.json -o mermaid",
        "import --observed seen.json",
    ] {
        let run = place.run(words);
        assert!(run.code <= 3, "{words}: {}", run.stderr);
        let all = format!("{}{}", run.stdout, run.stderr);
        // JSON is for programs: marks of writing direction stay what they are in it.
        let marks = if words.ends_with("json") { "\u{1b}\u{7}" } else { "\u{1b}\u{7}\u{202e}" };
        for c in marks.chars() {
            assert!(!all.contains(c), "{words}: {c:?} in\n{all}");
        }
        let commands = all.lines().find(|line| line.trim_start().starts_with("::"));
        assert_eq!(commands, None, "{words}");
        if words.contains("markdown") {
            assert!(!all.contains("<script>") && !all.contains("](https://evil"), "{all}");
        }
    }
}

#[test]
fn another_stacks_objects_are_neither_written_nor_deleted() {
    let place = Workplace::with_example("private-link");
    place.run(&format!("apply -f examples/private-link {WORLD} --auto-approve")).expect(0);
    let before = fs::read_to_string(place.path().join("world.json")).unwrap();
    let stack = place.path().join("examples/private-link/stack.yaml");
    let text = fs::read_to_string(&stack).unwrap();
    fs::write(&stack, text.replace("name: private-link", "name: thief")).unwrap();
    let app = place.path().join("examples/private-link/internal-app.yaml");
    let text = fs::read_to_string(&app).unwrap();
    fs::write(&app, text.replace("port: 80", "port: 81")).unwrap();
    let plan = place.run(&format!("plan -f examples/private-link {WORLD}")).expect(3);
    assert!(plan.stdout.contains("not-adopted"), "{}", plan.stdout);
    place.run(&format!("apply -f examples/private-link {WORLD} --auto-approve")).expect(3);
    place.run(&format!("destroy -f examples/private-link {WORLD} --auto-approve")).expect(0);
    place
        .run(&format!(
            "forget Service/default/internal-app -f examples/private-link {WORLD} --auto-approve"
        ))
        .expect(1);
    let resources = |text: &str| -> Vec<Value> {
        let world: Value = serde_json::from_str(text).unwrap();
        world["azure"].as_array().unwrap().clone()
    };
    let after = fs::read_to_string(place.path().join("world.json")).unwrap();
    assert_eq!(resources(&after), resources(&before));
}

#[test]
fn an_import_writes_into_its_folder_only() {
    let place = Workplace::with_example("private-link");
    place.run(&format!("apply -f examples/private-link {WORLD} --auto-approve")).expect(0);
    // Names of what is live name no files.
    place.run(&format!("import {WORLD} --stack private-link --out a/b")).expect(0);
    let mut files: Vec<_> = fs::read_dir(place.path().join("a/b"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, ["endpoints.yaml", "services.yaml", "stack.yaml"]);
}

#[test]
fn a_stacks_name_leads_to_no_other_folder() {
    let place = Workplace::empty();
    for name in ["../../escaped", "a/../../../escaped", "..", "/tmp/escaped"] {
        let stack =
            format!("apiVersion: privlink.dev/v1alpha1\nkind: Stack\nmetadata: {{name: {name}}}\n");
        fs::write(place.path().join("stack.yaml"), stack).unwrap();
        let run = place.run("plan -f stack.yaml --sandbox").expect(1);
        assert!(run.stderr.contains("bad-name"), "{name}: {}", run.stderr);
        // A flag names a world as well.
        let run = place.run_args(&["import", "--sandbox", "--stack", name]);
        assert_eq!(run.code, 0, "{name}: {}", run.stderr);
    }
    for entry in fs::read_dir(place.path().join(".privlink/sandbox")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            name == ".gitignore" || name.ends_with(".json") || name.ends_with(".lock"),
            "{name}"
        );
    }
    assert!(!place.path().parent().unwrap().join("escaped.json").exists());
}

/// Every test that the page names is there.
#[test]
fn every_row_of_the_page_names_tests_that_exist() {
    let page = fs::read_to_string(root().join("docs/security.md")).unwrap();
    let mut sources = String::new();
    for folder in ["tests", "planner", "providers", "fuzz/src"] {
        gather(&root().join(folder), &mut sources);
    }
    let mut rows = 0;
    let table = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| what"));
    for row in table {
        rows += 1;
        let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test in {row}");
        for name in names {
            assert!(sources.contains(&format!("fn {name}(")), "there is no test {name}");
        }
    }
    assert!(rows >= 25, "{rows} rows");
}

fn gather(folder: &Path, sources: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, sources);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            sources.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}
