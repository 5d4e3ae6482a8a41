//! Many stacks on several machines: parts of them, and one report of all.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here fails the test")]

mod support;

use std::fs;

use serde_json::Value;
use support::{Workplace, assert_fits, edit_json, root};

/// Stacks in teams, of which some are new, one has no observation, and the rest are applied.
fn fleet(stacks: usize) -> Workplace {
    let place = Workplace::empty();
    let from = |file: &str| fs::read_to_string(root().join("benches/stack").join(file)).unwrap();
    let (stack, new, applied) = (from("stack.yaml"), from("new.json"), from("applied.json"));
    for at in 0..stacks {
        let (team, name) = (format!("team{}", at % 3), format!("stack-{at}"));
        let folder = place.path().join("stacks").join(&team).join(&name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("stack.yaml"), &stack).unwrap();
        let observed = place.path().join("observed").join(&team);
        fs::create_dir_all(&observed).unwrap();
        if at != 4 {
            let snapshot = if at % 6 == 1 { &new } else { &applied };
            fs::write(observed.join(format!("{name}.json")), snapshot).unwrap();
        }
    }
    place
}

const FORMATS: [&str; 4] = ["text", "json", "markdown", "html"];

fn write(place: &Workplace, file: &str, text: &str) {
    fs::write(place.path().join(file), text).unwrap();
}

/// What shards of a command write as JSON, as files.
fn sharded(place: &Workplace, words: &str, of: usize) -> String {
    let mut files = Vec::new();
    for index in 1..=of {
        let run = place.run(&format!("{words} -o json --shard {index}/{of}"));
        let file = format!("part-{index}.json");
        write(place, &file, &run.stdout);
        files.push(file);
    }
    files.reverse();
    files.join(" ")
}

#[test]
fn plans_of_seven_shards_merge_to_the_bytes_of_one_run() {
    let place = fleet(20);
    let words = "plan --stacks stacks --observed observed";
    let parts = sharded(&place, words, 7);
    for format in FORMATS {
        let whole = place.run(&format!("{words} -o {format}")).expect(1);
        let merged = place.run(&format!("merge {parts} -o {format}")).expect(1);
        assert!(merged.stdout == whole.stdout, "{format}");
        let beside = place.run(&format!("{words} --render {format}=beside")).expect(1);
        assert!(beside.stdout.starts_with("20 stacks in stacks\n"), "{}", beside.stdout);
        let text = fs::read_to_string(place.path().join("beside")).unwrap();
        if format == "json" {
            // What is not seen is spelled out on a terminal, and is the same JSON.
            let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            assert!(read(&text) == read(&whole.stdout));
        } else {
            assert!(text == whole.stdout, "{format}");
        }
    }
    let whole = place.run(&format!("{words} -o json")).expect(1).stdout;
    let whole: Value = serde_json::from_str(&whole).unwrap();
    assert_fits("fleet", &whole);
    let plans = whole["stacks"].as_array().unwrap();
    assert_eq!(plans.len(), 20);
    plans.iter().filter_map(|it| it.get("result")).for_each(|plan| assert_fits("plan", plan));
    let failed: Vec<&Value> = plans.iter().filter(|it| it.get("result").is_none()).collect();
    assert_eq!(failed.iter().map(|it| &it["path"]).collect::<Vec<_>>(), ["team1/stack-4"]);
    let tables = place.run(&format!("merge {parts}")).expect(1);
    assert!(
        tables.stderr.contains("team1/stack-4: cannot access observed/team1/stack-4.json"),
        "{tables:?}"
    );
}

#[test]
fn drift_of_shards_merges_to_the_bytes_of_one_run() {
    let place = fleet(9);
    let words = "drift --stacks stacks --observed observed";
    let parts = sharded(&place, words, 4);
    for format in ["text", "json", "markdown", "html", "junit"] {
        let whole = place.run(&format!("{words} -o {format}")).expect(1);
        let merged = place.run(&format!("merge {parts} -o {format}")).expect(1);
        assert!(merged.stdout == whole.stdout, "{format}");
    }
    let report = place.run(&format!("merge {parts} -o json")).expect(1).stdout;
    assert_fits("drift", &serde_json::from_str(&report).unwrap());
    let metrics = |run: &str| {
        place.run(&format!("{run} --prometheus metrics.prom"));
        let text = fs::read_to_string(place.path().join("metrics.prom")).unwrap();
        let kept = text.lines().filter(|it| !it.contains("_timestamp_seconds{"));
        kept.map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(metrics(&format!("merge {parts}")), metrics(words));
}

/// The part of a pod of an Indexed Job is known by its index, which counts from 0.
#[test]
fn a_pod_of_an_indexed_job_knows_its_part() {
    let place = fleet(9);
    let words = "plan --stacks stacks --observed observed -o json";
    let by_flag = place.run(&format!("{words} --shard 3/3")).stdout;
    let index = [("JOB_COMPLETION_INDEX", "2")];
    assert_eq!(place.run_with(&format!("{words} --shards 3"), &index).stdout, by_flag);
    for (index, why) in [("3", "there is no shard 4 of 3"), ("x", "no number")] {
        let index = [("JOB_COMPLETION_INDEX", index)];
        let run = place.run_with(&format!("{words} --shards 3"), &index).expect(1);
        assert!(run.stderr.contains(why), "{}", run.stderr);
    }
    let unset = place.run(&format!("{words} --shards 3")).expect(1).stderr;
    assert!(unset.contains("JOB_COMPLETION_INDEX is not set"), "{unset}");
    for wrong in ["--shard 0/3", "--shard 4/3", "--shard 3", "--shard 1/3 --shards 3"] {
        assert_eq!(place.run(&format!("{words} {wrong}")).expect(1).stdout, "", "{wrong}");
    }
    // What picks some of many stacks is of no one stack.
    for wrong in ["plan", "validate", "drift", "apply", "preflight"] {
        for flag in ["--shard 1/3", "--only a", "--changed-since HEAD", "--only-failed r.json"] {
            let one = place.run(&format!("{wrong} -f stacks/team0/stack-0 {flag}")).expect(1);
            assert!(one.stderr.contains("cannot be used with"), "{wrong} {flag}: {}", one.stderr);
        }
    }
    // More parts than stacks: an empty one says so, and is no error.
    let empty = (1..=40)
        .map(|index| place.run(&format!("{words} --shard {index}/40")))
        .find(|run| run.stderr.contains("no stack is in shard"));
    let empty: Value = serde_json::from_str(&empty.unwrap().expect(0).stdout).unwrap();
    assert_eq!(empty["stacks"], serde_json::json!([]));
}

#[test]
fn a_part_that_is_missing_is_told_and_ends_with_1() {
    let place = fleet(9);
    fs::remove_dir_all(place.path().join("stacks/team1/stack-4")).unwrap();
    for command in ["plan", "drift"] {
        let words = format!("{command} --stacks stacks --observed observed");
        sharded(&place, &words, 3);
        let merged = place.run("merge part-1.json part-3.json").expect(1);
        let told = support::flat(&merged.stdout);
        assert!(told.ends_with("Not in this report: shard 2/3."), "{told}");
        let exit_zero = if command == "drift" { "--exit-zero" } else { "" };
        place.run(&format!("merge part-1.json part-3.json part-2.json {exit_zero}")).expect(0);
        let twice = place.run("merge part-1.json part-1.json").expect(1);
        assert!(twice.stderr.contains("two reports are of shard 1/3"), "{}", twice.stderr);
    }
    let plan = place.run("plan --stacks stacks --observed observed -o json").expect(0);
    write(&place, "plan.json", &plan.stdout);
    for (reports, why) in [
        ("plan.json part-1.json", "some reports are of drift"),
        ("stacks/team0/stack-0/stack.yaml", "is no report"),
        ("observed/team0/stack-0.json", "is no report"),
        ("nowhere.json", "cannot access nowhere.json"),
        ("plan.json --exit-zero", "--exit-zero is of drift"),
        ("plan.json -o junit", "several plans are shown as"),
        ("part-1.json --comment", "--comment is of plans"),
    ] {
        let run = place.run(&format!("merge {reports}")).expect(1);
        assert!(run.stderr.contains(why), "{reports}: {}", run.stderr);
    }
    edit_json(&place.path().join("plan.json"), |it| it["formatVersion"] = "2.0".into());
    let newer = place.run("merge plan.json").expect(1).stderr;
    assert!(newer.contains("has the format 2.0, and this privlink reads 1."), "{newer}");
}

#[test]
fn only_what_failed_is_gone_on_with() {
    let place = fleet(9);
    for (command, code) in [("plan", 0), ("drift --exit-zero", 0)] {
        let words = format!("{command} --stacks stacks --observed observed");
        write(&place, "report.json", &place.run(&format!("{words} -o json")).expect(1).stdout);
        let again = place.run(&format!("{words} --only-failed report.json -o json")).expect(1);
        let report: Value = serde_json::from_str(&again.stdout).unwrap();
        assert_eq!(report["stacks"].as_array().unwrap().len(), 1, "{report:#}");
        let observed = |name: &str| place.path().join("observed/team1").join(name);
        fs::copy(observed("stack-1.json"), observed("stack-4.json")).unwrap();
        let again = place.run(&format!("{words} --only-failed report.json -o json")).expect(code);
        write(&place, "report.json", &again.stdout);
        let none = place.run(&format!("{words} --only-failed report.json")).expect(0);
        assert!(none.stderr.contains("no stack failed in report.json"), "{}", none.stderr);
        fs::remove_file(observed("stack-4.json")).unwrap();
    }
}

/// Every command that works on many stacks says what came of them as data, too.
#[test]
fn what_came_of_every_command_is_data() {
    let place = Workplace::empty();
    for name in ["a", "b"] {
        let folder = place.path().join("stacks").join(name);
        fs::create_dir_all(&folder).unwrap();
        for file in ["stack.yaml", "internal-app.yaml"] {
            let example = root().join("examples/internal-load-balancer").join(file);
            let text = fs::read_to_string(example).unwrap();
            let text = text.replace("name: internal-load-balancer", &format!("name: {name}"));
            fs::write(folder.join(file), text).unwrap();
        }
    }
    fs::create_dir(place.path().join("stacks/broken")).unwrap();
    fs::write(place.path().join("stacks/broken/a.yaml"), "a: [").unwrap();
    for words in [
        "validate --stacks stacks",
        "preflight --stacks stacks --sandbox",
        "apply --stacks stacks --sandbox --auto-approve",
        "output --stacks stacks --sandbox",
        "destroy --stacks stacks --sandbox --auto-approve",
    ] {
        let run = place.run(&format!("{words} -o json")).expect(1);
        let report: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_fits("fleet", &report);
        let stacks = report["stacks"].as_array().unwrap();
        let codes: Vec<_> = stacks.iter().map(|it| (&it["path"], &it["exitCode"])).collect();
        let [(a, done), (b, _), (broken, failed)] = codes[..] else { unreachable!("{report:#}") };
        assert_eq!((a, b, broken), (&"a".into(), &"b".into(), &"broken".into()));
        assert_eq!((done.as_u64(), failed.as_u64()), (Some(0), Some(1)), "{words}");
        let result = &stacks[0]["result"];
        match words.split(' ').next() {
            Some("apply" | "destroy") => {
                result.as_array().unwrap().iter().for_each(|event| assert_fits("event", event));
            }
            Some("preflight") => assert_fits("preflight", result),
            _ => assert!(result.is_object(), "{words}: {result}"),
        }
        write(&place, "report.json", &run.stdout);
        let merged = place.run("merge report.json -o json").expect(1).stdout;
        assert!(merged == run.stdout, "{words}");
        let table = place.run("merge report.json").expect(1).stdout;
        assert!(table.contains("  error") && table.contains("3 stacks. 1 failed."), "{table}");
    }
    // Stacks without an order among them are applied in parts, too.
    place.run("apply --stacks stacks --sandbox --auto-approve --shard 1/2");
}
