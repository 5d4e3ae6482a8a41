//! Several stacks in one run.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here fails the test")]

mod support;

use std::fs;

use support::serving::Serving;
use support::{Workplace, root};

/// Two stacks: one that is applied, and one that is not.
fn two() -> Workplace {
    let workplace = Workplace::empty();
    let from = |file: &str| fs::read_to_string(root().join("benches/stack").join(file)).unwrap();
    for (name, observed) in [("b-applied", "applied.json"), ("a-new", "new.json")] {
        let folder = workplace.path().join("stacks").join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir_all(workplace.path().join("observed")).unwrap();
        fs::write(folder.join("stack.yaml"), from("stack.yaml")).unwrap();
        let file = workplace.path().join("observed").join(format!("{name}.json"));
        fs::write(file, from(observed)).unwrap();
    }
    workplace
}

const PLAN: &str = "plan --stacks stacks --observed observed";

#[test]
fn each_folder_is_a_stack_planned_in_order_of_name() {
    let run = two().run(&format!("{PLAN} --jobs 2")).expect(0);
    let plans: Vec<&str> = run.stdout.split("Stack bench").collect();
    // What changes nothing is a number in the table.
    let [table, new] = plans.as_slice() else { panic!("{}", run.stdout) };
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!((rows[0], rows[1]), ("2 stacks in stacks", ""));
    assert!(
        rows[2].starts_with("  changes     a-new  35 objects: 34 created, 1 changed"),
        "{table}"
    );
    assert!(rows.contains(&"  no changes  1"), "{table}");
    assert!(new.contains("privlink writes 16, "), "{new}");
    assert_eq!(
        run.last_line(),
        "2 stacks. 35 objects: 34 created, 1 changed; privlink writes 16, the controller 19."
    );
}

#[test]
fn plans_are_saved_as_the_stacks_lie_and_one_comment_has_those_that_change() {
    let workplace = two();
    let run = workplace.run(&format!("{PLAN} --out plans --jobs 2")).expect(0);
    assert!(run.stderr.contains("Saved the plans below plans"), "{}", run.stderr);
    for name in ["a-new", "b-applied"] {
        workplace.run(&format!("show plans/{name}.json")).expect(0);
    }
    let shown = workplace.run("show plans/b-applied.json").expect(0);
    assert!(shown.last_line().starts_with("No changes"), "{}", shown.stdout);
    let run = workplace.run(&format!("{PLAN} --comment")).expect(0);
    let told = run.stderr.matches("the comment was not written").count();
    assert_eq!(told, 1, "no pull request is here, and that is told once: {}", run.stderr);
}

#[test]
fn how_many_jobs_there_are_changes_nothing() {
    let workplace = two();
    for format in ["text", "json", "markdown"] {
        let run =
            |jobs: &str| workplace.run(&format!("{PLAN} -o {format} --jobs {jobs}")).expect(0);
        assert_eq!(run("1").stdout, run("3").stdout);
    }
}

#[test]
fn as_json_plans_are_a_list() {
    let run = two().run(&format!("{PLAN} -o json")).expect(0);
    let plans: Vec<serde_json::Value> = serde_json::from_str(&run.stdout).unwrap();
    let steps = |plan: &serde_json::Value| plan["steps"].as_array().unwrap().len();
    assert_eq!(plans.iter().map(steps).collect::<Vec<_>>(), [32, 0]);
}

#[test]
fn the_worst_stack_sets_the_exit_code_and_stops_no_other() {
    let workplace = two();
    fs::remove_file(workplace.path().join("observed/a-new.json")).unwrap();
    let run = workplace.run(&format!("{PLAN} --detailed-exitcode")).expect(1);
    assert!(run.stderr.contains("a-new:\nerror: observed/a-new.json:"), "{}", run.stderr);
    assert_eq!(run.last_line(), "1 stack. No changes. 1 stack could not be planned.");
    assert!(run.stdout.contains("  error       a-new  observed/a-new.json:"), "{}", run.stdout);
    two().run(&format!("{PLAN} --detailed-exitcode")).expect(2);
}

#[test]
fn stacks_that_could_not_be_planned_are_not_without_changes() {
    let workplace = two();
    for name in ["a-new", "b-applied"] {
        fs::remove_file(workplace.path().join(format!("observed/{name}.json"))).unwrap();
    }
    assert_eq!(workplace.run(PLAN).expect(1).last_line(), "2 stacks could not be planned.");
    fs::remove_dir(workplace.path().join("observed")).unwrap();
    let run = workplace.run(PLAN).expect(1);
    let why = "error: observed: no folder of snapshots, one for each stack";
    assert!(run.stderr.starts_with(why), "{}", run.stderr);
    assert_eq!(run.stdout, "");
}

#[test]
fn a_folder_without_stacks_is_refused() {
    let workplace = two();
    fs::create_dir(workplace.path().join("nothing")).unwrap();
    let run = workplace.run("plan --stacks nothing").expect(1);
    assert!(run.stderr.contains("no folder with manifests was found"), "{}", run.stderr);
}

/// Folders in folders, and files that each hold a Stack; observations lie as the stacks do.
#[test]
fn stacks_lie_at_any_depth() {
    let workplace = two();
    let at = |path: &str| workplace.path().join(path);
    fs::create_dir_all(at("stacks/eu")).unwrap();
    fs::create_dir_all(at("observed/eu")).unwrap();
    fs::rename(at("stacks/b-applied"), at("stacks/eu/shop")).unwrap();
    fs::rename(at("observed/b-applied.json"), at("observed/eu/shop.json")).unwrap();
    let run = workplace.run(PLAN).expect(0);
    assert!(run.stdout.starts_with("2 stacks in stacks\n"), "{}", run.stdout);
    // Two files of one folder.
    fs::rename(at("stacks/a-new/stack.yaml"), at("stacks/new.yaml")).unwrap();
    fs::rename(at("observed/a-new.json"), at("observed/new.json")).unwrap();
    fs::rename(at("stacks/eu/shop/stack.yaml"), at("stacks/shop.yaml")).unwrap();
    fs::rename(at("observed/eu/shop.json"), at("observed/shop.json")).unwrap();
    let run = workplace.run(PLAN).expect(0);
    assert!(run.last_line().starts_with("2 stacks. 35 objects: 34 created"), "{}", run.stdout);
}

/// One client of ARM works for all stacks, so that its budget is that of all: it asks for one token.
#[test]
fn stacks_share_a_client_and_so_its_budget() {
    let workplace = Workplace::empty();
    for name in ["one", "two", "three", "four"] {
        let folder = workplace.path().join("stacks").join(name);
        fs::create_dir_all(&folder).unwrap();
        let example = root().join("examples/private-link");
        for entry in fs::read_dir(example).unwrap().map(Result::unwrap) {
            if entry.path().extension().is_some_and(|it| it == "yaml") {
                fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
            }
        }
    }
    let serving = Serving::start(&workplace, &["--tls", "--request-log", "requests"]);
    let variables = [
        ("AZURE_TENANT_ID", "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"),
        ("AZURE_CLIENT_ID", "c11e47"),
        ("AZURE_CLIENT_SECRET", "n0t-to-be-seen"),
    ];
    let mut before = 0;
    for (command, exit) in
        [("drift -f stacks --each --jobs 4", 2), ("plan --stacks stacks --jobs 4", 0)]
    {
        let command = format!("{command} --auth client-secret");
        serving.run(&workplace, &command, &variables).expect(exit);
        let log = fs::read_to_string(workplace.path().join("requests")).unwrap();
        let requests = |path: &str| log.matches(path).count();
        assert_eq!(requests("/oauth2/v2.0/token") - before, 1, "{log}");
        before += 1;
        // Each stack was looked at.
        assert!(requests("Microsoft.Network/privateEndpoints?") >= 4 * before, "{log}");
    }
}
