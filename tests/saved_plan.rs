//! Saved plans are carried out as they are, or refused.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here fails the test")]

mod support;

use privlink_core::change::Action;
use privlink_core::inventory::Inventory;
use privlink_core::plan::{Op, Step};
use privlink_core::saved::SavedPlan;
use privlink_core::snapshot::Snapshot;
use privlink_core::staleness;
use serde_json::Value;
use support::serving::Serving;
use support::{Run, Workplace, edit_json};

const SANDBOX: &str = "--sandbox --controller-timeout 20";

/// A workplace in which the state before an example was applied.
fn with_before() -> Workplace {
    let place = Workplace::with_example("frontend-recreated");
    let apply = format!("apply -f examples/frontend-recreated/before --auto-approve {SANDBOX}");
    place.run(&apply).expect(0);
    place
}

fn save(place: &Workplace, more: &str, code: i32) {
    let plan = format!("plan -f examples/frontend-recreated --sandbox --out plan.json {more}");
    place.run(&plan).expect(code);
}

#[test]
fn a_saved_plan_does_what_it_showed_and_asks_nothing() {
    let place = with_before();
    save(&place, "--max-disconnects 1", 0);
    let shown = place.run("show plan.json").expect(0).stdout;
    let applied = place.run(&format!("apply plan.json {SANDBOX}")).expect(0).stdout;
    // A plan in a file does not know how it was asked for, nor is it of now.
    let applied = applied.replacen(" \u{b7} read just now", "", 1);
    let told = shown.split("\nInstead").next().unwrap();
    assert!(applied.starts_with(told), "{applied}");
    let plan = place.run("plan -f examples/frontend-recreated --sandbox").expect(0);
    assert_eq!(plan.last_line(), "No changes.");
}

#[test]
fn a_saved_refusal_stays_a_refusal() {
    let place = with_before();
    save(&place, "", 3);
    place.run(&format!("apply plan.json {SANDBOX}")).expect(3);
}

/// The commands in what was printed, from `privlink` on, each with what follows on its line.
fn commands(run: &Run) -> Vec<String> {
    let text = format!("{}\n{}", run.stdout, run.stderr).replace("\\\n", " ");
    let names = ["plan ", "apply ", "explain ", "route ", "show ", "destroy "];
    let lines = text.lines().filter_map(|line| line.split_once("privlink "));
    let commands = lines.filter(|(_, rest)| names.iter().any(|name| rest.starts_with(name)));
    commands.map(|(_, rest)| rest.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// Every command is what it seems to be: it is taken, and ends well.
#[track_caller]
fn run_all(place: &Workplace, commands: &[String], expected: &[&str]) {
    let names: Vec<&str> = commands.iter().filter_map(|it| it.split(' ').next()).collect();
    assert_eq!(names, expected, "{commands:?}");
    for command in commands {
        let command = command.replace("-f ...", "-f examples/frontend-recreated");
        place.run(&command).expect(0);
    }
}

#[test]
fn commands_about_a_plan_that_is_saved_do_what_they_say() {
    let place = with_before();
    let plan = "plan -f examples/frontend-recreated --sandbox --out plan.json";
    let refused = place.run(&format!("{plan} --color never")).expect(3);
    assert!(refused.stderr.contains("It is refused, and `apply` refuses it too"), "{refused:#?}");
    let of_plan = commands(&refused);
    let of_show = commands(&place.run("show plan.json").expect(0));
    let of_apply = commands(&place.run("apply plan.json --sandbox").expect(3));
    assert!(of_plan.iter().all(|it| !it.contains("...")), "{of_plan:?}");
    for commands in [&of_plan, &of_show, &of_apply] {
        run_all(&place, commands, &["explain", "plan"]);
        assert!(commands[1].ends_with("--sandbox --out plan.json --max-disconnects 1"));
    }
    let saved = place.run(&format!("{plan} --max-disconnects 1")).expect(0);
    let again = commands(&saved);
    assert_eq!(again.last().unwrap(), "apply plan.json --sandbox", "{again:?}");
    run_all(&place, &again, &["explain", "apply"]);
}

#[test]
fn a_limit_that_is_given_again_is_said_once_and_a_destroy_stays_one() {
    let place = with_before();
    let plan = "plan -f examples/frontend-recreated --sandbox";
    let refused = place.run(&format!("{plan} --max-disconnects=0 --max-deletes 0")).expect(3);
    run_all(&place, &commands(&refused), &["explain", "plan"]);
    let destroy = place.run(&format!("{plan} --destroy --max-deletes 0 --out gone.json")).expect(3);
    let commands = commands(&destroy);
    run_all(&place, &commands, &["plan"]);
    assert!(commands[0].contains(" --destroy"), "{commands:?}");
    run_all(&place, &["apply gone.json --sandbox".to_owned()], &["apply"]);
}

#[test]
fn what_replace_asks_for_is_no_edit() {
    let place = with_before();
    let plan = "plan -f examples/frontend-recreated/before --sandbox";
    let refused =
        place.run(&format!("{plan} --replace Service/default/internal-app")).expect(3).stdout;
    let flat = support::flat(&refused);
    assert!(
        flat.contains("Cause Service default/internal-app: --replace asks for it"),
        "{refused}"
    );
    assert_eq!(refused.matches("Cause").count(), 1, "{refused}");
    assert!(flat.contains("leave out --replace Service/default/internal-app"), "{refused}");
    for wrong in ["# live:", "undo the edit", "nobody disconnected"] {
        assert!(!refused.contains(wrong), "{wrong} is in\n{refused}");
    }
}

#[test]
fn a_saved_plan_is_applied_where_it_was_made() {
    let place = with_before();
    std::fs::copy(
        place.path().join(".privlink/sandbox/frontend-recreated.json"),
        place.path().join("world.json"),
    )
    .unwrap();
    let serving = Serving::start(&place, &[]);
    let token = [("PRIVLINK_ARM_TOKEN", "any"), ("NO_PROXY", "127.0.0.1")];
    let plan = format!(
        "plan -f examples/frontend-recreated --kubeconfig kubeconfig --cloud {} --auth token --out plan.json \
         --max-disconnects 1",
        serving.cloud()
    );
    let saved = place.run_with(&plan, &token).expect(0);
    let apply = commands(&saved).pop().unwrap();
    let words =
        format!("apply plan.json --kubeconfig kubeconfig --cloud {} --auth token", serving.cloud());
    assert_eq!(apply, words);
    place.run_with(&apply, &token).expect(0);
}

#[test]
fn a_plan_whose_objects_moved_is_stale_and_says_which_field() {
    let place = with_before();
    save(&place, "--max-disconnects 1", 0);
    let file = place.path().join("examples/frontend-recreated/internal-app.yaml");
    let text = std::fs::read_to_string(&file).unwrap().replace("10.240.0.26", "10.240.0.27");
    std::fs::write(&file, text).unwrap();
    let apply = "apply -f examples/frontend-recreated --auto-approve --max-disconnects 1";
    place.run(&format!("{apply} {SANDBOX}")).expect(0);
    let stale = place.run(&format!("apply plan.json {SANDBOX}")).expect(4);
    for part in ["Service/default/internal-app", "azure-load-balancer-ipv4", ".25", ".27"] {
        assert!(stale.stderr.contains(part), "{part} is missing in\n{}", stale.stderr);
    }
}

#[test]
fn another_service_on_the_load_balancer_makes_no_plan_stale() {
    let place = with_before();
    save(&place, "--max-disconnects 1", 0);
    let other = "apiVersion: v1\nkind: Service\nmetadata:\n  name: other\n  annotations:\n    \
                 service.beta.kubernetes.io/azure-load-balancer-internal: \"true\"\nspec:\n  \
                 type: LoadBalancer\n  ports: [{port: 81}]\n  selector: {app: other}\n";
    std::fs::write(place.path().join("other.yaml"), other).unwrap();
    let world = ".privlink/sandbox/frontend-recreated.json";
    let apply = "apply -f other.yaml --auto-approve --controller-timeout 20";
    place.run(&format!("{apply} --sandbox={world}")).expect(0);
    place.run(&format!("apply plan.json {SANDBOX}")).expect(0);
}

#[test]
fn a_plan_that_was_edited_or_cut_short_is_refused() {
    let place = with_before();
    save(&place, "--max-disconnects 1", 0);
    let text = std::fs::read_to_string(place.path().join("plan.json")).unwrap();
    let (half, _) = text.split_at(text.len() / 2);
    for (name, broken) in
        [("edited", text.replace("10.240.0.26", "10.240.0.99")), ("cut", half.into())]
    {
        let file = format!("{name}.json");
        std::fs::write(place.path().join(&file), broken).unwrap();
        let refused = place.run(&format!("apply {file} {SANDBOX}")).expect(1);
        assert!(refused.stderr.contains(&file), "{}", refused.stderr);
    }
}

#[cfg(unix)]
#[test]
fn nobody_else_reads_a_saved_plan() {
    use std::os::unix::fs::PermissionsExt;
    let place = with_before();
    save(&place, "--max-disconnects 1", 0);
    let mode = std::fs::metadata(place.path().join("plan.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_label_that_protects_since_the_plan_was_made_holds_it_back() {
    let labelled = |world: &mut Value| {
        let objects = world["kubernetes"]["objects"].as_array_mut().unwrap().iter_mut();
        let is_it =
            |it: &&mut Value| it["kind"] == "Service" && it["metadata"]["name"] == "internal-app";
        for service in objects.filter(is_it) {
            service["metadata"]["labels"]["privlink.dev/protect"] = "true".into();
        }
    };
    let tagged = |world: &mut Value| {
        let resources = world["azure"].as_array_mut().unwrap().iter_mut();
        for endpoint in resources.filter(|it| it["type"] == "Microsoft.Network/privateEndpoints") {
            endpoint["tags"]["privlink-protect"] = "true".into();
        }
    };
    let marks =
        [("privlink.dev/protect", labelled as fn(&mut Value)), ("privlink-protect", tagged)];
    for (mark, protect) in marks {
        let place = with_before();
        save(&place, "--max-disconnects 1", 0);
        let file = place.path().join(".privlink/sandbox/frontend-recreated.json");
        edit_json(&file, protect);
        let stale = place.run(&format!("apply plan.json {SANDBOX}")).expect(4);
        assert!(stale.stderr.contains(mark), "{}", stale.stderr);
        // Made anew, the plan is refused, and says by which flag it is not.
        let plan = "plan -f examples/frontend-recreated --sandbox --max-disconnects 1";
        let refused = place.run(plan).expect(3);
        assert!(refused.stdout.contains("--unprotect "), "{}", refused.stdout);
    }
}

#[test]
fn a_plan_that_was_carried_out_says_so() {
    let place = with_before();
    save(&place, "--max-disconnects 1", 0);
    place.run(&format!("apply plan.json {SANDBOX}")).expect(0);
    let again = place.run(&format!("apply plan.json {SANDBOX}")).expect(4);
    assert!(again.stderr.contains("This plan was carried out already"), "{}", again.stderr);
}

/// Changes the bodies that are written to Azure.
fn body(saved: &mut SavedPlan, edit: impl Fn(&mut Value)) {
    for step in &mut saved.plan.steps {
        if let Op::PutResource { body, .. } = &mut step.op {
            edit(body);
        }
    }
}

/// Reads a saved plan, lets it be changed, and seals it anew, as whoever can write the file can.
fn reseal(place: &Workplace, edit: impl FnOnce(&mut SavedPlan)) {
    let file = place.path().join("plan.json");
    let mut saved = SavedPlan::parse(&std::fs::read_to_string(&file).unwrap()).unwrap();
    edit(&mut saved);
    std::fs::write(&file, saved.sealed().to_text()).unwrap();
}

#[test]
fn a_sealed_plan_that_does_what_it_does_not_show_is_refused() {
    let hidden_change = |saved: &mut SavedPlan| saved.plan.changes.clear();
    let other_object = |saved: &mut SavedPlan| {
        for step in &mut saved.plan.steps {
            if let Op::PutResource { id, .. } | Op::DeleteResource { id } = &mut step.op {
                id.push_str("-victim");
            }
            if let Op::ApplyService { name, .. } = &mut step.op {
                name.push_str("-victim");
            }
        }
    };
    let unbound = |saved: &mut SavedPlan| saved.bindings.clear();
    // Steps that hang on what is kept, or are about something else than their change shows.
    let kept = |saved: &mut SavedPlan| {
        for change in &mut saved.plan.changes {
            change.action = Action::Keep;
        }
    };
    let approves = |saved: &mut SavedPlan| {
        let service = saved.plan.changes.iter().find_map(|it| it.object.clone()).unwrap();
        let address = saved.plan.steps[0].change.clone();
        let op = Op::SetConnection {
            service,
            endpoint: "/subscriptions/evil/resourceGroups/g/providers/Microsoft.Network/privateEndpoints/e".into(),
            status: "Approved".into(),
            description: String::new(),
        };
        let id = saved.plan.steps.len() + 1;
        saved.plan.steps.push(Step { id, change: address, op, needs: vec![], locks: vec![] });
    };
    // Bodies that hold more than is shown.
    let elsewhere = |saved: &mut SavedPlan| {
        body(saved, |it| {
            let connection = &mut it["properties"]["privateLinkServiceConnections"][0];
            connection["properties"]["privateLinkServiceId"] = "/subscriptions/evil".into();
        })
    };
    let more = |saved: &mut SavedPlan| {
        body(saved, |it| {
            it["properties"]["customNetworkInterfaceName"] = "evil".into();
        })
    };
    let another_uid = |saved: &mut SavedPlan| {
        for step in &mut saved.plan.steps {
            if let Op::ApplyService { uid, .. } = &mut step.op {
                *uid = None;
            }
        }
    };
    for edit in [hidden_change, other_object, unbound, kept, approves, elsewhere, more, another_uid]
    {
        let place = with_before();
        save(&place, "--max-disconnects 1", 0);
        reseal(&place, edit);
        for words in [format!("apply plan.json {SANDBOX}"), "show plan.json".to_owned()] {
            let refused = place.run(&words).expect(1);
            assert!(
                refused.stderr.contains("its steps do what its changes do not show"),
                "{}",
                refused.stderr
            );
        }
    }
}

/// What only the live Service tells, since others own fields of it: it is looked at when it is written.
#[test]
fn a_write_that_changes_more_than_was_shown_is_refused_at_the_write() {
    type Edit = fn(&mut Value);
    let edits: [Edit; 2] = [
        |manifest| {
            let annotations = &mut manifest["metadata"]["annotations"];
            annotations["service.beta.kubernetes.io/azure-pls-visibility"] = "*".into();
        },
        |manifest| {
            let annotations = manifest["metadata"]["annotations"].as_object_mut().unwrap();
            annotations.shift_remove("service.beta.kubernetes.io/azure-pls-create");
        },
    ];
    for edit in edits {
        let place = with_before();
        save(&place, "--max-disconnects 1", 0);
        reseal(&place, |saved| {
            for step in &mut saved.plan.steps {
                if let Op::ApplyService { manifest, .. } = &mut step.op {
                    edit(manifest);
                }
            }
        });
        let refused = place.run(&format!("apply plan.json {SANDBOX}")).expect(7);
        let said = refused.stdout + &refused.stderr;
        assert!(said.contains("which the plan does not show"), "{said}");
    }
}

/// Unknowns are looked at once more before a write or a deletion, whatever the file says that was seen.
#[test]
fn what_another_stack_marked_since_is_neither_written_nor_deleted() {
    let place = with_before();
    let destroy = "plan --destroy -f examples/frontend-recreated/before --sandbox --max-disconnects 9 --out plan.json";
    place.run(destroy).expect(0);
    let file = place.path().join(".privlink/sandbox/frontend-recreated.json");
    edit_json(&file, |world| {
        let objects = world["kubernetes"]["objects"].as_array_mut().unwrap().iter_mut();
        for service in objects.filter(|it| it["metadata"]["name"] == "internal-app") {
            service["metadata"]["labels"]["privlink.dev/stack"] = "other".into();
        }
        let resources = world["azure"].as_array_mut().unwrap().iter_mut();
        for endpoint in resources.filter(|it| it["type"] == "Microsoft.Network/privateEndpoints") {
            endpoint["tags"]["privlink-stack"] = "other".into();
        }
    });
    // Bound to what is there now, as whoever can write the file can bind it.
    let observe = "observe -f examples/frontend-recreated/before --sandbox --out now.json";
    place.run(observe).expect(0);
    reseal(&place, |saved| {
        let now = std::fs::read_to_string(place.path().join("now.json")).unwrap();
        let now: Snapshot = serde_json::from_str(&now).unwrap();
        for moved in staleness::moved(&saved.bindings, &Inventory::of(&now)) {
            let binding = saved.bindings.iter_mut().find(|it| it.address == moved.address).unwrap();
            let mark = if moved.address.to_string().starts_with("Service") {
                &mut binding.observed["object"]["metadata"]["labels"]["privlink.dev/stack"]
            } else {
                &mut binding.observed["fields"]["tags"]["privlink-stack"]
            };
            *mark = "other".into();
        }
    });
    let run = place.run(&format!("apply plan.json {SANDBOX}")).expect(7);
    let said = run.stdout + &run.stderr;
    assert!(said.contains("it is marked as stack other's"), "{said}");
    let world = std::fs::read_to_string(&file).unwrap();
    assert!(world.contains("myAKSServicePE") && world.contains("\"internal-app\""));
}

#[test]
fn only_the_plan_that_was_looked_at_is_applied_if_its_digest_is_given() {
    let place = with_before();
    save(&place, "--max-disconnects 1", 0);
    let saved = std::fs::read_to_string(place.path().join("plan.json")).unwrap();
    let digest = SavedPlan::parse(&saved).unwrap().digest;
    let other = digest.replace(|c: char| c.is_ascii_digit(), "f");
    let refused =
        place.run(&format!("apply plan.json --expect-digest {other} {SANDBOX}")).expect(1);
    assert!(
        refused.stderr.contains(&digest) && refused.stderr.contains(&other),
        "{}",
        refused.stderr
    );
    place.run(&format!("apply plan.json --expect-digest {digest} {SANDBOX}")).expect(0);
}

#[test]
fn a_plan_is_carried_out_where_it_was_made_and_nowhere_else() {
    let place = Workplace::with_example("internal-load-balancer");
    let other = Workplace::empty();
    let (here, there) = (Serving::start(&place, &["--tls"]), Serving::start(&other, &["--tls"]));
    let variables = [("PRIVLINK_ARM_TOKEN", "t"), ("PRIVLINK_AUTH", "token")];
    here.run(&place, "plan -f examples/internal-load-balancer --out plan.json", &variables)
        .expect(0);
    std::fs::copy(place.path().join("plan.json"), other.path().join("plan.json")).unwrap();
    let refused = there.run(&other, "apply plan.json", &variables).expect(1);
    assert!(refused.stderr.contains("is not for here: it was made for"), "{}", refused.stderr);
    here.run(&place, "apply plan.json", &variables).expect(0);
}

#[test]
fn a_saved_plan_without_changes_looks_whether_that_still_holds() {
    let place = with_before();
    let plan = "plan -f examples/frontend-recreated/before --sandbox --out plan.json";
    assert_eq!(place.run(plan).expect(0).last_line(), "No changes.");
    place.run(&format!("apply plan.json {SANDBOX}")).expect(0);
    type Edit = fn(&mut Value);
    let moved: [(&str, Edit); 2] = [
        ("PrivateEndpoint/myAKSServicePE", |world| {
            let resources = world["azure"].as_array_mut().unwrap();
            resources.retain(|it| it["type"] != "Microsoft.Network/privateEndpoints");
        }),
        ("Service/default/internal-app", |world| {
            let objects = world["kubernetes"]["objects"].as_array_mut().unwrap().iter_mut();
            let is_it = |it: &&mut Value| it["metadata"]["name"] == "internal-app";
            for service in objects.filter(is_it).filter(|it| it["kind"] == "Service") {
                service["metadata"]["annotations"]["a"] = "b".into();
            }
        }),
    ];
    for (address, edit) in moved {
        let place = with_before();
        place.run(plan).expect(0);
        edit_json(&place.path().join(".privlink/sandbox/frontend-recreated.json"), edit);
        let stale = place.run(&format!("apply plan.json {SANDBOX}")).expect(4);
        assert!(stale.stderr.contains(address), "{}", stale.stderr);
    }
}

/// A plan of a sandbox says so, before a cluster is looked for; and what it is limited by stands in it.
#[test]
fn a_plan_of_a_sandbox_asks_for_the_sandbox() {
    let place = Workplace::with_example("private-link");
    place.run("plan -f examples/private-link --sandbox --out plan.json").expect(0);
    let run = place.run("apply plan.json --auto-approve").expect(1);
    assert!(run.stderr.contains("plan.json was planned in a sandbox"), "{}", run.stderr);
    assert!(run.stderr.contains("Add --sandbox"), "{}", run.stderr);
    let run = place.run("apply plan.json --max-disconnects 1").expect(1);
    assert!(run.stderr.contains("plan again with the flag"), "{}", run.stderr);
    place.run("apply plan.json --sandbox --auto-approve").expect(0);
}
