//! Plans that are limited, that make anew what is fine, and that spare what is protected.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers outside of test functions; what fails here fails the test"
)]

#[path = "support/shop.rs"]
mod shop;
mod support;

use serde_json::Value;
use shop::{ENDPOINT, Place, change, endpoint, finding, service};
use support::assert_fits;

const SERVICE: &str = "Service/default/app";
const OTHER: &str = "Service/default/other";
const LINK: &str = "PrivateLinkService/default/app";

/// A place where `app`, an endpoint to it, and `other` were applied.
fn applied() -> Place {
    let place = Place::new();
    place.write(&all(""));
    place.apply("").expect(0);
    place
}

fn all(more: &str) -> String {
    format!("{}{}{}", service("app").lines(more).yaml(), service("other").yaml(), endpoint().yaml())
}

/// The addresses that are changed, and the plan.
#[track_caller]
fn planned(place: &Place, flags: &str) -> (Vec<String>, Value) {
    let run = place.plan(&format!("-o json {flags}"));
    let plan: Value = serde_json::from_str(&run.stdout).map_err(|_| run).unwrap();
    let changes = plan["changes"].as_array().unwrap().iter();
    let changed = changes.filter(|it| it["action"] != "keep");
    (changed.map(|it| it["address"].as_str().unwrap().to_owned()).collect(), plan)
}

#[test]
fn a_flag_that_names_no_node_is_an_error_with_what_may_have_been_meant() {
    let place = applied();
    for flag in ["--unprotect", "--target", "--exclude", "--replace"] {
        let wrong = place.plan(&format!("{flag} Service/default/ap")).expect(1).stderr;
        assert!(wrong.contains("Did you mean Service/default/app"), "{flag}: {wrong}");
    }
    let wrong = place.plan("--target PrivateEndpoint/app").expect(1).stderr;
    assert!(wrong.contains("Service/default/app"), "{wrong}");
    let wrong = place.plan("--target LoadBalancer/kubernetes-internal").expect(1).stderr;
    assert!(wrong.contains("several Services may share"), "{wrong}");
    let wrong = place.plan("--accept link-stay").expect(1).stderr;
    assert!(wrong.contains("did you mean `link-stays`?"), "{wrong}");
}

#[test]
fn a_target_brings_what_it_needs_and_nothing_else() {
    let place = Place::new();
    place.write(&all(""));
    let (changed, plan) = planned(&place, "--target PrivateEndpoint/app-pe");
    for address in [SERVICE, LINK, ENDPOINT] {
        assert!(changed.iter().any(|it| it == address), "{address} is missing in {changed:?}");
    }
    assert!(!changed.iter().any(|it| it.contains("other")), "{changed:?}");
    assert_eq!(plan["scope"]["targets"], serde_json::json!([ENDPOINT]));
    let (changed, _) = planned(&place, &format!("--target {LINK}"));
    assert!(changed.iter().any(|it| it == LINK) && !changed.iter().any(|it| it == ENDPOINT));
}

#[test]
fn a_saved_plan_stays_limited() {
    let place = Place::new();
    place.write(&all(""));
    let shown = place.plan(&format!("--target {OTHER} --out plan.json")).expect(0);
    let last = "Limited to Service/default/other and what it needs.";
    assert!(support::flat(&shown.stdout).contains(last), "{}", shown.stdout);
    let shown = shown.stdout.replacen(" \u{b7} read just now", "", 1);
    assert_eq!(place.run("show plan.json").expect(0).stdout, shown);
    place.run("apply plan.json --sandbox=world.json --controller-timeout 30").expect(0);
    let (changed, _) = planned(&place, "");
    assert!(changed.iter().any(|it| it == SERVICE) && !changed.iter().any(|it| it == OTHER));
}

#[test]
fn what_is_excluded_stays_as_it_is() {
    let place = applied();
    let text = all("").replace("port: 80", "port: 81");
    place.write(&text);
    let (changed, _) = planned(&place, &format!("--exclude {SERVICE}"));
    assert!(changed.iter().any(|it| it == OTHER), "{changed:?}");
    assert!(!changed.iter().any(|it| it.contains("app")), "{changed:?}");
    place.apply(&format!("--exclude {SERVICE}")).expect(0);
    let (changed, _) = planned(&place, "");
    assert!(changed.iter().any(|it| it == SERVICE) && !changed.iter().any(|it| it == OTHER));
}

#[test]
fn an_endpoint_that_is_cut_off_and_left_out_is_told_of() {
    let place = applied();
    let moved = "    service.beta.kubernetes.io/azure-load-balancer-ipv4: 10.240.0.77\n";
    place.write(&all(moved));
    let (changed, plan) = planned(&place, &format!("--exclude {ENDPOINT}"));
    assert!(changed.iter().any(|it| it == LINK) && !changed.iter().any(|it| it == ENDPOINT));
    assert_eq!(finding(&plan, "left-behind").unwrap()["address"], ENDPOINT);
    assert!(plan["refusals"].to_string().contains("too-many-disconnects"), "{plan:#}");
    // Without the limit, it is made anew after its link is.
    let (changed, plan) = planned(&place, "");
    assert!(changed.iter().any(|it| it == ENDPOINT) && finding(&plan, "left-behind").is_none());
    let cut = &change(&plan, LINK).unwrap()["effect"]["consumersDisconnected"][0];
    assert!(cut["endpoint"].as_str().unwrap().ends_with("/app-pe"), "{cut}");
    assert_eq!(cut["subscription"], "00000000-0000-0000-0000-000000000000");
}

#[test]
fn an_endpoint_is_made_anew_on_request() {
    let place = applied();
    for flag in ["--replace PrivateEndpoint/app-pe", "--replace EndpointConnection/app-pe"] {
        place.plan(flag).expect(3);
        let (changed, plan) = planned(&place, flag);
        assert_eq!(change(&plan, ENDPOINT).unwrap()["action"], "replace");
        assert!(!changed.iter().any(|it| it.starts_with("Service/")), "{changed:?}");
    }
    place.apply("--replace PrivateEndpoint/app-pe --max-disconnects 1").expect(0);
    assert_eq!(place.plan("").expect(0).last_line(), "No changes.");
}

#[test]
fn a_service_is_made_anew_on_request_with_all_that_hangs_on_it() {
    let place = applied();
    let flag = "--replace Service/default/app";
    place.plan(flag).expect(3);
    let (_, plan) = planned(&place, flag);
    for address in [SERVICE, LINK, ENDPOINT, "FrontendIp/default/app"] {
        assert_eq!(change(&plan, address).unwrap()["action"], "replace", "{address}");
    }
    let uid = |place: &Place| {
        let text = place.run("observe -f shop.yaml --sandbox=world.json").expect(0).stdout;
        let snapshot: Value = serde_json::from_str(&text).unwrap();
        let services = snapshot["kubernetes"]["services"]["present"].as_array().unwrap().clone();
        let app = services.iter().find(|it| it["metadata"]["name"] == "app").cloned().unwrap();
        app["metadata"]["uid"].as_str().unwrap().to_owned()
    };
    let before = uid(&place);
    place.apply(&format!("{flag} --max-disconnects 1")).expect(0);
    assert_ne!(uid(&place), before);
    assert_eq!(place.plan("").expect(0).last_line(), "No changes.");
}

#[test]
fn what_the_controller_owns_is_not_made_anew_and_the_smallest_edit_is_named() {
    let place = applied();
    let refused = place.plan(&format!("--replace {LINK}")).expect(3).stdout;
    assert!(refused.contains("not-replaceable"), "{refused}");
    assert!(refused.contains("azure-load-balancer-ipv4 of Service default/app"), "{refused}");
    place
        .run("plan -f shop.yaml --sandbox=world.json --destroy --replace Service/default/app")
        .expect(1);
}

#[test]
fn destroy_is_limited_the_other_way_round() {
    let place = applied();
    let destroys = |flags: &str| planned(&place, &format!("--destroy {flags}")).0;
    let only = destroys(&format!("--target {ENDPOINT}"));
    assert!(only.iter().any(|it| it == ENDPOINT) && !only.iter().any(|it| it == SERVICE));
    let with = destroys(&format!("--target {SERVICE}"));
    assert!(with.iter().any(|it| it == ENDPOINT) && !with.iter().any(|it| it == OTHER));
    let without = destroys(&format!("--exclude {ENDPOINT}"));
    assert!(without.iter().any(|it| it == OTHER) && !without.iter().any(|it| it == SERVICE));
    let destroy = "destroy -f shop.yaml --sandbox=world.json --auto-approve --max-disconnects 1";
    place.run(&format!("{destroy} --target {SERVICE}")).expect(0);
    let (changed, _) = planned(&place, "--destroy");
    assert!(changed.iter().any(|it| it == OTHER) && !changed.iter().any(|it| it == ENDPOINT));
}

#[test]
fn labels_protect_services_and_endpoints() {
    let place = Place::new();
    let labelled = service("app").yaml().replace(
        "  annotations:\n",
        "  labels: {privlink.dev/protect: \"true\"}\n  annotations:\n",
    );
    let kept = endpoint()
        .yaml()
        .replace("name: app-pe", "name: app-pe, labels: {privlink.dev/protect: \"true\"}");
    place.write(&format!("{labelled}{kept}"));
    place.apply("").expect(0);
    place.write(&service("other").yaml());
    let refused = place.plan("--max-disconnects 1").expect(3).stdout;
    for address in [SERVICE, LINK, ENDPOINT] {
        let said = format!("{address} is protected by the label");
        assert!(refused.contains(&said), "{said} is missing in\n{refused}");
    }
    place.apply("--max-disconnects 1").expect(3);
    let lifted = "--unprotect Service/default/app --unprotect PrivateLinkService/default/app \
                  --unprotect FrontendIp/default/app --unprotect PrivateEndpoint/app-pe";
    place.apply(&format!("--max-disconnects 1 {lifted}")).expect(0);
    assert_eq!(place.plan("").expect(0).last_line(), "No changes.");
}

#[test]
fn events_are_streamed_whatever_comes_of_it() {
    let place = Place::new();
    place.write(&all(""));
    let events = |place: &Place, flags: &str, code: i32| -> Vec<Value> {
        let run = place.apply(&format!("-o json {flags}")).expect(code);
        run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let last = |events: &[Value]| events.last().unwrap()["kind"]["reported"].clone();
    let done = events(&place, "", 0);
    assert!(done.first().unwrap()["kind"]["begun"].is_object());
    assert_eq!(last(&done)["exitCode"], 0);
    assert!(!last(&done)["report"]["steps"].as_object().unwrap().is_empty());
    let nothing = events(&place, "", 0);
    assert_eq!((nothing.len(), &last(&nothing)["exitCode"]), (1, &0.into()));
    let refused = events(&place, &format!("--replace {ENDPOINT}"), 3);
    assert_eq!(refused[0]["kind"]["refused"]["refusals"][0]["code"], "too-many-disconnects");
    assert_eq!(last(&refused)["exitCode"], 3);
    for event in done.iter().chain(&nothing).chain(&refused) {
        assert_fits("event", event);
    }
}

#[test]
fn what_privlink_wrote_is_skipped_in_a_folder_with_a_note() {
    let place = applied();
    place.plan("--out plan.json").expect(0);
    place.run("observe -f shop.yaml --sandbox=world.json --out snapshot.json").expect(0);
    let shown = place.plan("-o json").expect(0).stdout;
    std::fs::write(place.path().join("shown.json"), shown).unwrap();
    let journal = std::fs::read_dir(place.path().join(".privlink/journal")).unwrap();
    let is_journal = |it: &std::path::PathBuf| it.extension().is_some_and(|it| it == "jsonl");
    let journal = journal.map(|it| it.unwrap().path()).find(is_journal).unwrap();
    std::fs::copy(journal, place.path().join("journal.json")).unwrap();
    let plan = place.run("plan -f . --sandbox=world.json").expect(0);
    assert_eq!(plan.last_line(), "No changes.");
    for what in ["a saved plan", "a snapshot", "a plan as JSON", "a sandbox's world", "a journal"] {
        assert!(plan.stderr.contains(&format!("it is {what}")), "{what}: {}", plan.stderr);
    }
    let named = place.run("plan -f plan.json --sandbox=world.json").expect(1).stderr;
    assert!(named.contains("a saved plan, not desired state"), "{named}");
}
