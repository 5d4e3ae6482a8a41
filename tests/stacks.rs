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

/// What a reviewer of a fleet has to read: what was touched, and not what was not. Commands to paste are about one stack.
#[test]
fn three_touched_stacks_of_two_hundred_are_read_on_a_page() {
    let workplace = Workplace::empty();
    let from = |file: &str| fs::read_to_string(root().join("benches/stack").join(file)).unwrap();
    let (stack, applied) = (from("stack.yaml"), from("applied.json"));
    for at in 0..200 {
        let edit = |from: &str, to: &str| {
            assert!(stack.contains(from));
            stack.replacen(from, to, 1)
        };
        let text = match at {
            17 => edit("internal-subnet: apps-subnet", "internal-subnet: pls-subnet"),
            99 => edit("kind: Stack", "kind: ["),
            150 => edit(
                "internal-subnet: apps-subnet",
                "internal-subnet: apps-subnet\n    \
                 service.beta.kubernetes.io/azure-load-balancer-tcp-idle-timeout: \"10\"",
            ),
            _ => stack.clone(),
        };
        let path = format!("team{}/app-{at}", at % 10);
        let folder = workplace.path().join("stacks").join(&path);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("stack.yaml"), text).unwrap();
        let observed = workplace.path().join("observed").join(format!("{path}.json"));
        fs::create_dir_all(observed.parent().unwrap()).unwrap();
        fs::write(observed, &applied).unwrap();
    }
    let run = workplace.run(PLAN).expect(1);
    let total = "200 stacks. 1 of 200 stacks refused. ";
    assert!(support::flat(&run.stdout).contains(total), "{}", run.stdout);
    assert!(run.stderr.contains("\nteam9/app-99:\n") || run.stderr.starts_with("team9/app-99:\n"));
    let lines = run.stdout.lines().count();
    assert!(lines <= 60, "{lines} lines:\n{}", run.stdout);
    assert!(run.stdout.lines().all(|it| it.chars().count() <= 100), "{}", run.stdout);
    for part in
        ["  refused     team7/app-17 ", "  error       team9/app-99 ", "  no changes  197\n"]
    {
        assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
    }
    // A command that is wider than the page goes on behind a backslash.
    let text = run.stdout.replace("\\\n", " ");
    let command = text.lines().find_map(|it| it.trim().split_once("privlink explain ")).unwrap().1;
    let explained = workplace.run(&format!("explain {command}")).expect(0).stdout;
    assert!(explained.contains("app-1-endpoint"), "{explained}");
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
fn as_json_each_stack_has_its_plan() {
    let run = two().run(&format!("{PLAN} -o json")).expect(0);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let steps = |it: &serde_json::Value| it["result"]["steps"].as_array().unwrap().len();
    let stacks = report["stacks"].as_array().unwrap();
    assert_eq!(stacks.iter().map(steps).collect::<Vec<_>>(), [32, 0]);
}

#[test]
fn the_worst_stack_sets_the_exit_code_and_stops_no_other() {
    let workplace = two();
    fs::remove_file(workplace.path().join("observed/a-new.json")).unwrap();
    let run = workplace.run(&format!("{PLAN} --detailed-exitcode")).expect(1);
    assert!(
        run.stderr.contains("a-new:\nerror: cannot access observed/a-new.json:"),
        "{}",
        run.stderr
    );
    assert_eq!(run.last_line(), "2 stacks. No changes. 1 stack could not be planned.");
    assert!(
        run.stdout.contains("  error       a-new  cannot access observed/a-new.json:"),
        "{}",
        run.stdout
    );
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

/// An object is one stack's: the others are not about it.
#[test]
fn stacks_without_the_object_that_is_named_are_left_out() {
    let place = in_git(&["a", "b"]);
    let file = place.path().join("stacks/b/internal-app.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("name: internal-app", "name: other-app")).unwrap();
    let words = "plan --stacks stacks --sandbox --target Service/default";
    let run = place.run(&format!("{words}/other-app")).expect(0);
    assert!(run.stdout.starts_with("1 stack in stacks\n\n  changes  b "), "{}", run.stdout);
    assert!(run.stderr.contains("note: 1 stack without the object that is named"), "{run:?}");
    let nowhere = place.run(&format!("{words}/nobody")).expect(1);
    assert!(nowhere.stderr.contains("in no stack: --target names Service/default/nobody"));
    // Of two, one may be a slip.
    let two = format!("{words}/other-app --target Service/default/nobody");
    assert!(place.run(&two).expect(1).stdout.contains("2 stacks could not be planned"));
}

#[test]
fn a_folder_without_stacks_is_refused() {
    let workplace = two();
    let run = workplace.run("plan --stacks nowhere").expect(1);
    assert!(run.stderr.contains("--stacks: nowhere is no folder"), "{}", run.stderr);
    assert_eq!(run.stdout, "");
    let run = workplace.run("apply stacks/a-new --sandbox").expect(1);
    assert!(run.stderr.contains("privlink apply -f stacks/a-new"), "{}", run.stderr);
    fs::create_dir(workplace.path().join("nothing")).unwrap();
    let run = workplace.run("plan --stacks nothing").expect(1);
    assert!(run.stderr.contains("no folder with manifests was found"), "{}", run.stderr);
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_read_keeps_no_other_stack_back() {
    use std::os::unix::fs::PermissionsExt;
    let workplace = two();
    let secret = workplace.path().join("stacks/secret");
    fs::create_dir(&secret).unwrap();
    let mode = |mode: u32| fs::set_permissions(&secret, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o000);
    // The administrator reads everything.
    if fs::read_dir(&secret).is_err() {
        let run = workplace.run(PLAN).expect(1);
        assert!(run.stdout.starts_with("3 stacks in stacks\n"), "{}", run.stdout);
        assert!(run.stdout.contains("  error       secret "), "{}", run.stdout);
        assert!(run.stdout.contains("  changes     a-new "), "{}", run.stdout);
    }
    mode(0o700);
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
        [("drift --stacks stacks --jobs 4", 2), ("plan --stacks stacks --jobs 4", 0)]
    {
        let command = format!("{command} --auth client-secret");
        serving.run(&workplace, &command, &variables).expect(exit);
        let log = fs::read_to_string(workplace.path().join("requests")).unwrap();
        let requests = |path: &str| log.matches(path).count();
        assert_eq!(requests("/oauth2/v2.0/token") - before, 1, "{log}");
        before += 1;
        // Their one cluster was looked at.
        assert!(requests("Microsoft.Network/privateEndpoints?") >= before, "{log}");
    }
}

/// Stacks as files, each with a Service of its own, in git.
fn in_git(names: &[&str]) -> Workplace {
    let workplace = Workplace::empty();
    for name in names {
        let folder = workplace.path().join("stacks").join(name);
        fs::create_dir_all(&folder).unwrap();
        let example = root().join("examples/internal-load-balancer");
        for file in ["stack.yaml", "internal-app.yaml"] {
            let text = fs::read_to_string(example.join(file)).unwrap();
            let stack = name.replace('/', "-");
            let text = text.replace("name: internal-load-balancer", &format!("name: {stack}"));
            fs::write(folder.join(file), text).unwrap();
        }
    }
    git(&workplace, "init -q");
    git(&workplace, "add -A");
    git(&workplace, "-c user.name=a -c user.email=a@b.example commit -q -m first");
    workplace
}

fn git(workplace: &Workplace, words: &str) {
    let run = std::process::Command::new("git")
        .args(words.split_whitespace())
        .current_dir(workplace.path())
        .output()
        .unwrap();
    assert!(run.status.success(), "{words}: {run:?}");
}

/// Runs where git is found.
fn with_git(workplace: &Workplace, words: &str) -> support::Run {
    let path = std::env::var("PATH").unwrap();
    workplace.run_with(words, &[("PATH", &path)])
}

#[test]
fn every_command_goes_about_many_stacks_alike() {
    let place = in_git(&["a", "eu/b", "eu/c"]);
    fs::create_dir_all(place.path().join("stacks/broken")).unwrap();
    fs::write(place.path().join("stacks/broken/x.yaml"), "a: [").unwrap();
    let run = |words: &str, code: i32| {
        let run = place.run(&format!("{words} --stacks stacks --sandbox")).expect(code);
        assert!(run.stdout.starts_with("4 stacks in stacks\n"), "{words}: {}", run.stdout);
        let table: Vec<&str> = run.stdout.lines().skip(2).take_while(|it| !it.is_empty()).collect();
        assert!(
            table[0].starts_with("  error") && table[0].contains("broken"),
            "{words}: {table:?}"
        );
        (table.last().unwrap().trim().to_owned(), run)
    };
    let validated = place.run("validate --stacks stacks").expect(1).stdout;
    assert!(validated.contains("\n  valid  3\n"), "{validated}");
    assert!(run("preflight", 1).0.starts_with("ready"));
    let (_, applied) = run("apply --auto-approve", 1);
    assert_eq!(applied.stdout.matches("Apply complete: 2 steps done").count(), 6, "row and result");
    assert_eq!(run("apply --auto-approve", 1).0, "no changes  3");
    let (_, shown) = run("output", 1);
    assert_eq!(shown.stdout.matches("FrontendIp/default/internal-app address = ").count(), 3);
    // What a broken stack names can be looked at all the same.
    let saved = place.run("observe --stacks stacks --sandbox --out seen").expect(0).stdout;
    assert!(saved.contains("\n  saved  4\n"), "{saved}");
    for path in ["seen/a.json", "seen/eu/b.json", "seen/eu/c.json"] {
        assert!(place.path().join(path).is_file(), "{path}");
    }
    for command in ["plan", "drift"] {
        let words = format!("{command} --stacks stacks --observed seen --only eu/*");
        let run = place.run(&words).expect(0).stdout;
        assert!(run.contains("No changes.") || run.contains("No drift."), "{run}");
    }
    assert_eq!(run("destroy --auto-approve", 1).1.stdout.matches("Destroy complete").count(), 6);
    for wrong in
        ["apply", "output -o dotenv", "validate -o sarif", "observe", "validate --only nobody"]
    {
        let sandbox = if wrong.starts_with("validate") { "" } else { "--sandbox" };
        let refused = place.run(&format!("{wrong} --stacks stacks {sandbox}")).expect(1);
        assert_eq!(refused.stdout, "", "{wrong}");
    }
}

#[test]
fn a_folder_of_saved_plans_is_carried_out_as_it_is() {
    let place = in_git(&["a", "eu/b"]);
    place.run("plan --stacks stacks --sandbox --out plans").expect(0);
    let applied = place.run("apply plans --sandbox").expect(0);
    // Steps of several stacks go on at the same time: each line says whose it is.
    let steps: Vec<&str> = applied.stderr.lines().filter(|it| it.contains("[1/2] ")).collect();
    assert_eq!(steps.len(), 4, "{}", applied.stderr);
    for path in ["a.json: [1/2] ", "eu/b.json: [1/2] "] {
        assert_eq!(steps.iter().filter(|it| it.starts_with(path)).count(), 2, "{steps:?}");
    }
    let applied = applied.stdout;
    assert!(applied.starts_with("2 stacks in plans\n"), "{applied}");
    for row in ["  done  a.json", "  done  eu/b.json"] {
        assert!(applied.contains(row), "{applied}");
    }
    // Carried out once, they are stale.
    let again = place.run("apply plans --sandbox").expect(4).stdout;
    assert!(again.ends_with("2 stacks. 2 failed.\n"), "{again}");
    fs::create_dir(place.path().join("none")).unwrap();
    assert!(place.run("apply none --sandbox").expect(1).stderr.contains("holds no saved plan"));
    let digest = place.run("apply plans --sandbox --expect-digest abc").expect(1).stderr;
    assert!(digest.contains("of one plan"), "{digest}");
}

#[test]
fn only_what_a_branch_touches_is_worked_on() {
    let place = in_git(&["a", "eu/b", "eu/c"]);
    let at = |path: &str| place.path().join("stacks").join(path);
    let touched = |code: i32| {
        let run =
            with_git(&place, "plan --stacks stacks --changed-since HEAD --sandbox").expect(code);
        let rows = run.stdout.lines().filter(|line| line.starts_with("  changes"));
        rows.map(|row| row.split_whitespace().nth(1).unwrap().to_owned()).collect::<Vec<_>>()
    };
    let nothing = with_git(&place, "validate --stacks stacks --changed-since HEAD").expect(0);
    assert!(nothing.stderr.contains("no stack has a file that differs from HEAD"), "{nothing:?}");
    fs::write(at("eu/b/note.yaml"), "# changed\n").unwrap();
    assert_eq!(touched(0), ["eu/b"], "a file that git does not have");
    fs::rename(at("eu/c/internal-app.yaml"), at("eu/c/app.yaml")).unwrap();
    assert_eq!(touched(0), ["eu/b", "eu/c"], "renamed");
    git(&place, "stash -q --include-untracked");
    // What a file leads to counts with it.
    fs::create_dir_all(at("a/shared")).unwrap();
    fs::rename(at("a/internal-app.yaml"), at("a/shared/app.txt")).unwrap();
    std::os::unix::fs::symlink("shared/app.txt", at("a/internal-app.yaml")).unwrap();
    git(&place, "add -A");
    git(&place, "-c user.name=a -c user.email=a@b.example commit -q -m shared");
    assert_eq!(touched(0), [] as [&str; 0]);
    let text = fs::read_to_string(at("a/shared/app.txt")).unwrap();
    fs::write(at("a/shared/app.txt"), format!("{text}# changed\n")).unwrap();
    assert_eq!(touched(0), ["a"]);
    let wrong = with_git(&place, "plan --stacks stacks --changed-since nope --sandbox").expect(1);
    assert!(wrong.stderr.contains("bad revision 'nope'"), "{}", wrong.stderr);
    let flag =
        with_git(&place, "plan --stacks stacks --changed-since=--output=x --sandbox").expect(1);
    assert!(flag.stderr.contains("is no revision"), "{}", flag.stderr);
}

#[test]
fn a_stack_comes_behind_the_one_whose_private_link_service_it_reaches() {
    let place = Workplace::empty();
    let write = |stack: &str, example: &str, file: &str, from: &str, to: &str| {
        let folder = place.path().join("stacks").join(stack);
        fs::create_dir_all(&folder).unwrap();
        let text = fs::read_to_string(root().join("examples").join(example).join(file)).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(folder.join(file), text.replace(from, to)).unwrap();
    };
    // By name the consumer would be first.
    write(
        "a-consumer",
        "consumer",
        "stack.yaml",
        "11111111-1111-1111-1111-111111111111",
        "00000000-0000-0000-0000-000000000000",
    );
    write(
        "a-consumer",
        "consumer",
        "endpoint.yaml",
        "consumerResourceGroup",
        "myOtherResourceGroup",
    );
    let file = place.path().join("stacks/a-consumer/endpoint.yaml");
    let text = fs::read_to_string(&file).unwrap().replace("consumer-vnet", "myOtherVNET");
    fs::write(file, text).unwrap();
    write("b-provider", "private-link", "stack.yaml", "name: private-link", "name: provider");
    write("b-provider", "private-link", "internal-app.yaml", "my-pls", "my-pls");
    let words = "apply --stacks stacks --sandbox=world.json --auto-approve";
    let applied = place.run(words).expect(0).stdout;
    assert!(applied.contains("  done  a-consumer"), "{applied}");
    place.run("plan --stacks stacks --sandbox=world.json --detailed-exitcode").expect(0);
    // They go the other way round.
    let gone = place.run("destroy --stacks stacks --sandbox=world.json --auto-approve").expect(0);
    assert!(!gone.stdout.contains("disconnects"), "{}", gone.stdout);
}
