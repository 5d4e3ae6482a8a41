//! Many stacks in one run.

use serde_json::Value;

use crate::support::{Workplace, root};
use crate::world::checked;

fn copy(place: &Workplace, example: &str, to: &str) {
    let target = place.path().join(to);
    std::fs::create_dir_all(&target).unwrap();
    for entry in std::fs::read_dir(root().join("examples").join(example)).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_file() {
            std::fs::copy(entry.path(), target.join(entry.file_name())).unwrap();
        }
    }
}

fn names(report: &Value) -> Vec<(String, String)> {
    let stacks = report["stacks"].as_array().unwrap().iter();
    let text = |it: &Value, field: &str| it[field].as_str().unwrap().to_owned();
    stacks.map(|it| (text(it, "stack"), text(it, "source"))).collect()
}

/// Folders at two depths; one of them is broken, and one was never applied.
#[test]
fn every_folder_is_a_stack_and_one_failure_stops_nobody() {
    let place = Workplace::empty();
    copy(&place, "private-link", "stacks/eu/private-link");
    copy(&place, "internal-load-balancer", "stacks/internal-load-balancer");
    copy(&place, "static-address", "stacks/static-address");
    std::fs::create_dir_all(place.path().join("stacks/broken")).unwrap();
    std::fs::write(place.path().join("stacks/broken/a.yaml"), "kind: [").unwrap();
    std::fs::create_dir_all(place.path().join("stacks/.git")).unwrap();
    std::fs::write(place.path().join("stacks/.git/a.yaml"), "kind: [").unwrap();
    for stack in ["eu/private-link", "internal-load-balancer"] {
        let apply = format!("apply -f stacks/{stack} --sandbox -y --controller-timeout 20");
        place.run(&apply).expect(0);
    }
    let run = place.run("drift --stacks stacks --sandbox --jobs 3 -o json").expect(1);
    let report = checked(&run.stdout);
    let found: Vec<String> = names(&report).into_iter().map(|(name, _)| name).collect();
    assert_eq!(found, ["broken", "internal-load-balancer", "private-link", "static-address"]);
    let stacks = report["stacks"].as_array().unwrap();
    assert!(stacks[0]["error"].as_str().unwrap().contains("yaml-syntax"), "{}", stacks[0]);
    assert_eq!(stacks[1]["differences"], serde_json::json!([]));
    assert_eq!(stacks[2]["differences"], serde_json::json!([]));
    assert_eq!(stacks[3]["differences"][0]["class"], "missing");
    assert_eq!(stacks[2]["source"], "stacks/eu/private-link");
    assert!(stacks[2]["observeSeconds"].as_f64().unwrap() > 0.0);
    assert_eq!(report["summary"]["failed"], 1);
    // Without the broken one, drift is what is left to say.
    std::fs::remove_dir_all(place.path().join("stacks/broken")).unwrap();
    let run = place.run("drift --stacks stacks --sandbox").expect(2);
    assert_eq!(
        run.last_line(),
        "1 of 8 objects differs: 1 broken now. 1 of 3 stacks drifted.",
        "{}",
        run.stdout
    );
    place.run("drift --stacks stacks --sandbox --exit-zero").expect(0);
}

/// Files that each hold a Stack are stacks of their own; a file without one beside them is left out.
#[test]
fn files_with_a_stack_each_are_stacks() {
    let place = Workplace::empty();
    std::fs::create_dir_all(place.path().join("stacks")).unwrap();
    for name in ["one", "two"] {
        let text = format!(
            "apiVersion: privlink.dev/v1alpha1\nkind: Stack\nmetadata: {{name: {name}}}\nspec:\n  \
             subscription: 00000000-0000-0000-0000-000000000000\n  resourceGroup: myResourceGroup\n  \
             cluster: myAKSCluster\n"
        );
        std::fs::write(place.path().join(format!("stacks/{name}.yaml")), text).unwrap();
    }
    let service = root().join("examples/internal-load-balancer/internal-app.yaml");
    std::fs::copy(service, place.path().join("stacks/loose.yaml")).unwrap();
    let run = place.run("drift --stacks stacks --sandbox -o json").expect(0);
    let told = |name: &str| (name.to_owned(), format!("stacks/{name}.yaml"));
    assert_eq!(names(&checked(&run.stdout)), [told("one"), told("two")]);
    assert!(run.stderr.contains("stacks/loose.yaml is left out"), "{}", run.stderr);
}

#[test]
fn a_folder_without_stacks_is_an_error() {
    let place = Workplace::empty();
    std::fs::create_dir_all(place.path().join("stacks")).unwrap();
    let run = place.run("drift --stacks stacks --sandbox").expect(1);
    assert!(run.stderr.contains("no folder with manifests"), "{}", run.stderr);
}
