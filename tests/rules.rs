//! Every rule is declared once, its example fires it and the neighbour of the example does not, and what is
//! printed of rules is made from their declarations.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers outside of test functions; what fails here fails the test"
)]

#[path = "support/served.rs"]
mod served;
#[path = "support/stage.rs"]
mod stage;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use privlink_core::desired::{self, Options};
use privlink_core::diagnostic::{MAX_SOURCE_BYTES, Source};
use privlink_core::document::{self, Documents};
use privlink_core::rule::{self, At, Rule};
use serde_json::Value;
use stage::Stage;
use support::scene::{Endpoint, Service, approval, stack};
use support::{Workplace, names, root};

/// Rules whose examples are no input, and what tests them. Classes of drift are tested in `tests/drift`, areas
/// of a preflight in `tests/preflight.rs` and beside the code.
const ELSEWHERE: &[(&str, &str)] = &[
    ("cluster-missing", "a resource group without that cluster: tests/findings.rs"),
    ("not-utf8", "bytes that are no text: examples/bad-encoding"),
    ("file-too-large", "64 MiB: examples/bad-size"),
    ("too-many-documents", "100,001 documents: examples/bad-size"),
    ("link-blocked", "a resource without tags in Azure: tests/findings.rs"),
    ("limit-exceeded", "303 rules: tests/findings.rs"),
    ("not-rehearsed", "an identity that only reads: tests/failures.rs"),
    ("consumers-stay", "a Gateway beside an ingress with consumers: tests/gateways.rs"),
    ("gateway-left", "the live Service of a Gateway that is gone: tests/gateways.rs"),
    ("port-unserved", "a port that consumers use: tests/unserved.rs"),
    ("set-by-hand", "a live Service with another field manager: tests/drift"),
    (
        "connection-unknown",
        "a state that Azure shows: planner/core/src/health/azure.rs, tests/drift",
    ),
    ("stranger-approved", "an endpoint of another owner: tests/drift"),
    ("traffic-denied", "a rule of a security group: tests/drift"),
    ("empty-pool", "a backend pool that was emptied: tests/drift"),
    ("record-lost", "a record that was deleted: tests/drift"),
    ("zone-unlinked", "a zone that lost its link: tests/drift"),
    ("namespace-terminating", "a namespace that goes: tests/drift"),
    ("resource-failed", "a state that Azure shows: tests/cells.rs"),
    ("resource-state", "a state that Azure shows: tests/agreement/main.rs"),
    ("controller-failing", "an Event of a live Service: tests/agreement/main.rs"),
    ("service-deleting", "a live Service that is being deleted: tests/agreement/main.rs"),
    ("unchecked", "an identity that may not read links and Namespaces: tests/drift"),
    ("cleanup-lost", "a live Service without its finalizer: tests/drift"),
    ("external-addresses", "a live Service with another's addresses: tests/drift"),
    ("no-ready-node", "Nodes that are not ready: tests/drift"),
    ("connection-disagrees", "two ends of a connection: tests/repair.rs"),
    ("not-replaceable", "the flag --replace: tests/scope.rs"),
    ("left-behind", "the flag --exclude: tests/scope.rs"),
    ("link-without-frontend", "a Private Link Service by Direct Connect: tests/findings.rs"),
    ("zone-group-held", "a group that Azure Policy made: tests/findings.rs"),
    ("limit-near", "4,000 endpoints: planner/core/src/limit/network.rs"),
    ("offer-changed", "an Offer that was published again: tests/offers.rs"),
    ("wrong-request-message", "a stranger's endpoint: tests/offers.rs"),
    ("stranger-pending", "an endpoint of another owner: tests/tenants.rs"),
    ("field-conflict", "a live Service with another field manager: tests/failures.rs"),
    ("unreadable", "a list that could not be read: tests/failures.rs"),
    ("unmarked", "an object without a mark: tests/import.rs"),
    ("not-adopted", "an object of another owner: tests/failures.rs"),
    ("message-stays", "a connection that was decided on: tests/runs"),
    (
        "consent-misread",
        "an annotation of a Service that is reviewed: tests/guard.rs, tests/consent.rs",
    ),
    ("too-many-deletes", "the flag --max-deletes: tests/failures.rs"),
    ("protected", "a document that was removed: tests/failures.rs"),
];

/// The file of an example: its lines in the scene around them.
fn file(at: At, lines: &str) -> String {
    let web = Service::linked("web").namespace("default").yaml();
    let service = |name| Service::public(name).namespace("default").lines(lines).yaml();
    let endpoint = |name| Endpoint::new(name, "web");
    match at {
        At::File | At::Live => format!("{lines}\n"),
        At::Documents => format!("{}---\n{lines}\n", stack("")),
        At::Stack => format!("{}{web}", stack(lines)),
        At::Service => format!("{}{}", stack(""), service("web")),
        At::Connected => {
            format!("{}{}{}", stack(""), service("web"), endpoint("web-pe").yaml())
        }
        At::Services => format!("{}{}{}", stack(""), service("web"), service("shop")),
        At::Endpoint => format!("{}{web}{}", stack(""), endpoint("web-pe").lines(lines).yaml()),
        At::Endpoints => {
            let of = |name| endpoint(name).lines(lines).yaml();
            format!("{}{web}{}{}", stack(""), of("web-pe"), of("shop-pe"))
        }
        At::Approval => {
            let approval = approval("web", lines);
            format!("{}{web}{}{approval}", stack(""), endpoint("web-pe").yaml())
        }
    }
}

/// The codes of what is wrong with files.
fn diagnosed(sources: Vec<(String, Vec<u8>)>) -> BTreeSet<String> {
    let mut documents = Documents::default();
    for (name, bytes) in sources {
        match Source::from_bytes(&name, bytes) {
            Ok(source) => documents.append(document::parse(&source)),
            Err(problem) => documents.diagnostics.push(*problem),
        }
    }
    let (_, problems) = desired::resolve(documents, &Options::default());
    problems.iter().map(|problem| problem.code.as_str().to_owned()).collect()
}

/// The codes of a plan in a sandbox of its own, after a file was applied there.
fn planned(before: Option<&str>, text: &str) -> BTreeSet<String> {
    let stage = Stage::new();
    if let Some(before) = before {
        stage.apply(before);
    }
    let plan = stage.plan(text);
    for finding in plan.findings.iter().filter(|it| it.place.is_some()) {
        assert!(finding.place.as_ref().unwrap().starts_with("after.yaml:"), "{finding:?}");
        assert!(finding.help.as_ref().is_some_and(|help| !help.is_empty()), "{finding:?}");
    }
    let codes =
        plan.findings.iter().map(|it| it.code).chain(plan.refusals.iter().map(|it| it.code));
    codes.map(|code| code.as_str().to_owned()).collect()
}

/// What the commands that apply a rule report of a file.
fn reported(rule: &Rule, text: &str) -> BTreeSet<String> {
    if rule.commands().contains(&"validate") {
        return diagnosed(vec![("a.yaml".to_owned(), text.as_bytes().to_vec())]);
    }
    let at = rule.example.at;
    planned(rule.example.applied().map(|lines| file(at, &lines)).as_deref(), text)
}

/// Fails unless the examples of these rules fire them and their neighbours do not.
fn check(rules: &[&Rule]) {
    for Rule { code, example, .. } in rules {
        let rule = rule::find(code.as_str()).unwrap();
        let fires = file(example.at, &example.firing());
        let found = reported(rule, &fires);
        assert!(found.contains(code.as_str()), "{code} is not among {found:?} of\n{fires}");
        let neighbour = file(example.at, &example.sparing().unwrap());
        let found = reported(rule, &neighbour);
        assert!(!found.contains(code.as_str()), "{code} is among {found:?} of\n{neighbour}");
    }
}

fn with_examples() -> impl Iterator<Item = &'static Rule> {
    rule::all().filter(|rule| rule.example.at != At::Live)
}

#[test]
fn examples_of_what_the_input_shows_fire_and_their_neighbours_do_not() {
    let rules: Vec<&Rule> =
        with_examples().filter(|rule| rule.commands().contains(&"validate")).collect();
    assert!(rules.len() > 50, "{}", rules.len());
    check(&rules);
}

#[test]
fn examples_of_what_a_plan_shows_fire_and_their_neighbours_do_not() {
    let rules: Vec<&Rule> =
        with_examples().filter(|rule| !rule.commands().contains(&"validate")).collect();
    assert!(rules.len() > 20, "{}", rules.len());
    std::thread::scope(|scope| {
        for rules in rules.chunks(rules.len().div_ceil(4)) {
            scope.spawn(move || check(rules));
        }
    });
}

#[test]
fn rules_without_an_example_of_input_are_tested_elsewhere() {
    let over_live = |rule: &&Rule| rule.example.at == At::Live;
    let of_plans = |rule: &&Rule| !matches!(rule.commands(), ["drift"] | ["preflight"]);
    let without: BTreeSet<&str> =
        rule::all().filter(over_live).filter(of_plans).map(|rule| rule.code.as_str()).collect();
    let listed: BTreeSet<&str> = ELSEWHERE.iter().map(|(code, _)| *code).collect();
    assert_eq!(without, listed);
}

#[test]
fn codes_are_unique_and_every_declaration_is_in_the_list() {
    let codes: Vec<&str> = rule::all().map(|rule| rule.code.as_str()).collect();
    let unique: BTreeSet<&str> = codes.iter().copied().collect();
    assert_eq!(codes.len(), unique.len(), "a code is there twice");
    let mut declared = BTreeSet::new();
    for floor in ["planner/input/src", "planner/core/src"] {
        sources(&root().join(floor), &mut |text| {
            let blocks = text.split("\nrules! {\n").skip(1);
            let lines = blocks.flat_map(|it| it.split("\n}\n").next().unwrap_or_default().lines());
            for line in lines.filter(|line| line.ends_with("], {")) {
                declared.extend(line.split('"').nth(1).map(ToOwned::to_owned));
            }
        });
    }
    let declared: BTreeSet<&str> = declared.iter().map(String::as_str).collect();
    assert_eq!(declared, unique, "a list of rules is missing in `rule`");
    for rule in rule::all() {
        let Rule { code, advice, .. } = rule;
        assert!(rule.paragraphs().all(|it| !it.is_empty() && it.ends_with(['.', ')'])), "{code}");
        assert!(advice.ends_with('.'), "{code}: {advice}");
    }
}

/// Gives the text of all files of Rust below a folder.
fn sources(folder: &std::path::Path, take: &mut dyn FnMut(&str)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, take);
        } else if path.extension().is_some_and(|it| it == "rs") {
            take(&fs::read_to_string(&path).unwrap());
        }
    }
}

/// The folder under `examples` that shows each code of the input with the fewest others.
fn folders() -> BTreeMap<String, String> {
    let mut folders: BTreeMap<String, (usize, String)> = BTreeMap::new();
    let examples = names("examples").into_iter().filter(|name| name.starts_with("bad-"));
    for name in examples {
        let codes: BTreeSet<String> = if name == "bad-size" {
            let big = vec![("a".to_owned(), vec![b'#'; MAX_SOURCE_BYTES + 1])];
            let many = vec![("a".to_owned(), "--- ~\n".repeat(100_001).into_bytes())];
            diagnosed(big).into_iter().chain(diagnosed(many)).collect()
        } else {
            let folder = root().join("examples").join(&name);
            let files = names(&format!("examples/{name}")).into_iter();
            let files = files.filter(|file| file.ends_with(".yaml"));
            diagnosed(
                files.map(|file| (file.clone(), fs::read(folder.join(file)).unwrap())).collect(),
            )
        };
        for code in &codes {
            let this = (codes.len(), name.clone());
            folders
                .entry(code.clone())
                .and_modify(|best| {
                    if this < *best {
                        best.clone_from(&this);
                    }
                })
                .or_insert_with(|| this.clone());
        }
    }
    folders.into_iter().map(|(code, (_, name))| (code, name)).collect()
}

#[test]
fn the_page_of_diagnostics_is_made_from_the_rules() {
    let folders = folders();
    let page = privlink_render::rule::page(rule::all(), &|code| folders.get(code).cloned());
    support::assert_same_as("docs/diagnostics.md", &page);
}

#[test]
fn explain_prints_the_rule() {
    let place = Workplace::empty();
    for rule in rule::all() {
        let run = place.run(&format!("explain {} -o json", rule.code)).expect(0);
        let value: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(value.get("edit").and_then(Value::as_str), Some(rule.advice));
    }
    let all = place.run("explain").expect(0).stdout;
    assert_eq!(all.lines().count(), rule::all().count());
}
