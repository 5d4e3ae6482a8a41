//! `explain` says what a node is, what becomes of it and why, how sure that is, and the way round.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers outside of test functions; what fails here fails the test"
)]

#[path = "support/shop.rs"]
mod shop;
mod support;

use serde_json::Value;
use shop::{Place, endpoint, service};
use support::assert_fits;

const LINK: &str = "PrivateLinkService/default/app";

/// A Service with an address of its own, and an endpoint to it.
fn at(address: &str) -> String {
    let own = format!("    service.beta.kubernetes.io/azure-load-balancer-ipv4: {address}\n");
    format!("{}{}", service("app").lines(&own).yaml(), endpoint().yaml())
}

/// A place in which the Service is to move from .25 to .26.
fn moving() -> Place {
    let place = Place::new();
    place.write(&at("10.240.0.25"));
    place.apply("").expect(0);
    place.write(&at("10.240.0.26"));
    place
}

fn explain(place: &Place, what: &str, flags: &str) -> support::Run {
    place.run(&format!("explain {what} -f shop.yaml --sandbox=world.json {flags}"))
}

#[track_caller]
fn explained(place: &Place, what: &str) -> Value {
    let run = explain(place, what, "-o json").expect(0);
    let value: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_fits("explanation", &value);
    value
}

/// The addresses of the causes.
fn causes(explained: &Value) -> Vec<&str> {
    let causes = explained["causes"].as_array().unwrap().iter();
    causes.map(|cause| cause["address"].as_str().unwrap()).collect()
}

#[test]
fn the_chain_of_causes_leads_to_the_edit() {
    let place = moving();
    let link = explained(&place, LINK);
    assert_eq!(link["owner"], "controller");
    assert_eq!(causes(&link), ["FrontendIp/default/app", "Service/default/app"]);
    assert!(link["certainty"].as_str().unwrap().starts_with("recorded"), "{link:#}");
    let edit = link["edit"].as_str().unwrap();
    assert!(edit.contains("azure-load-balancer-ipv4") && edit.contains("10.240.0.25"), "{edit}");
    assert_eq!(link["refusals"][0]["code"], "too-many-disconnects");
    let endpoint = explained(&place, "PrivateEndpoint/app-pe");
    let chain = [LINK, "FrontendIp/default/app", "Service/default/app"];
    assert_eq!(causes(&endpoint), chain);
    assert_eq!(endpoint["edit"], link["edit"]);
    assert_eq!(endpoint["state"]["details"], serde_json::json!(["connection: Approved"]));
    let connection = explained(&place, "EndpointConnection/app-pe");
    assert_eq!(causes(&connection)[0], "PrivateEndpoint/app-pe");
}

#[test]
fn the_way_round_has_names_and_works() {
    let place = moving();
    let text = explain(&place, LINK, "").expect(0).stdout;
    let is_prose = |line: &&str| !line.contains("/subscriptions/") && !line.contains(" -> ");
    let widest = text.lines().filter(is_prose).map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= 100, "{widest} columns:\n{text}");
    let text = support::flat(&text);
    for part in [
        "With nobody disconnected:",
        "Add a second Service default/app-2",
        "`azure-pls-name` set to `app-pls-2`",
        "10.240.0.26",
        "Add PrivateEndpoint app-pe-2",
        "remove Service default/app",
        "See https://",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    // What it says, done: no step of it cuts anybody off.
    let second = at("10.240.0.26")
        .replace("app-pls", "app-pls-2")
        .replace("name: app\n", "name: app-2\n")
        .replace("name: app}", "name: app-2}")
        .replace("app-pe", "app-pe-2");
    place.write(&format!("{}{second}", at("10.240.0.25")));
    place.apply("").expect(0);
    place.write(&second);
    place.apply("").expect(0);
    assert_eq!(place.plan("").expect(0).last_line(), "No changes.");
}

#[test]
fn a_node_that_stays_is_explained_without_a_plan() {
    let place = Place::new();
    place.write(&at("10.240.0.25"));
    place.apply("").expect(0);
    let link = explained(&place, LINK);
    assert!(link.get("change").is_none() && link.get("beside").is_none(), "{link:#}");
    assert_eq!(link["state"]["consumers"][0]["status"], "Approved");
    let text = explain(&place, LINK, "").expect(0).stdout;
    assert!(text.contains("The plan leaves it unchanged."), "{text}");
    let observed = "observe -f shop.yaml --sandbox=world.json --out snapshot.json";
    place.run(observed).expect(0);
    let offline = place.run(&format!("explain {LINK} -f shop.yaml --observed snapshot.json"));
    assert_eq!(offline.expect(0).stdout, text);
}

#[test]
fn an_object_is_explained_by_its_end_and_by_its_name_in_azure() {
    let place = moving();
    let text = explain(&place, LINK, "").expect(0).stdout;
    for short in ["PrivateLinkService/default/app", "app-pls"] {
        assert_eq!(explain(&place, short, "").expect(0).stdout, text, "{short}");
    }
    let several = explain(&place, "app", "").expect(1).stderr;
    assert!(several.contains("several objects end with `app`"), "{several}");
}

#[test]
fn what_is_no_node_is_an_error_with_what_may_have_been_meant() {
    let place = moving();
    let wrong = explain(&place, "PrivateLinkService/default/ap", "").expect(1).stderr;
    assert!(wrong.contains("Did you mean PrivateLinkService/default/app"), "{wrong}");
    let wrong = place.run("explain PrivateLinkService/default/app").expect(1).stderr;
    assert!(wrong.contains("-f"), "{wrong}");
}

#[test]
fn a_code_has_its_rule_and_how_sure_it_is() {
    let place = Place::new();
    let text = place.run("explain link-recreated").expect(0).stdout;
    for part in ["Rule: ", "How sure: recorded", "See https://", "What to do: "] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    // It is text for a terminal, and no Markdown.
    for mark in ["**", "```", "<https"] {
        assert!(!text.contains(mark), "{mark} is in\n{text}");
    }
    let prose = text.lines().filter(|line| !line.starts_with("    ") && !line.starts_with("See "));
    assert!(prose.map(|line| line.chars().count()).all(|it| it <= 100), "{text}");
    let json = place.run("explain link-recreated -o json").expect(0).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["evidence"], "recorded");
    for part in ["meaning", "example", "edit", "rule", "link"] {
        assert!(!json[part].as_str().unwrap().is_empty(), "{part}: {json:#}");
    }
    let wrong = place.run("explain link-recreate").expect(1).stderr;
    assert!(wrong.contains("Did you mean link-recreated?"), "{wrong}");
}
