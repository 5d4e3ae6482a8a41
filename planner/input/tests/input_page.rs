//! `docs/input.md` names every field and every annotation, and its examples are sound.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use privlink_input::annotation::{KNOWN, PER_PORT};
use privlink_input::desired::{self, Options};
use privlink_input::diagnostic::Source;
use privlink_input::document::{self, ENDPOINT_APPROVAL, PRIVATE_ENDPOINT, SERVICE, STACK};
use privlink_input::rule::Severity;
use privlink_input::schema::{Object, Shape};

fn page() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/input.md")).unwrap()
}

/// The part of the page under a heading of the second level.
fn section(page: &str, title: &str) -> String {
    let from = page.split_once(&format!("\n## {title}\n")).unwrap().1;
    from.split("\n## ").next().unwrap().to_owned()
}

/// Adds the paths of all fields.
fn fields(object: &Object, parent: &str, all: &mut Vec<String>) {
    for field in object.fields {
        let path = format!("{parent}.{}", field.name);
        let mut shape = &field.shape;
        while let Shape::List(item, _) = shape {
            shape = item;
        }
        if let Shape::Object(object) = shape {
            fields(object, &path, all);
        }
        all.push(path);
    }
}

#[test]
fn every_field_is_described() {
    let page = page();
    let kinds = [
        ("Stack", &STACK),
        ("Service", &SERVICE),
        ("PrivateEndpoint", &PRIVATE_ENDPOINT),
        ("EndpointApproval", &ENDPOINT_APPROVAL),
    ];
    let mut missing = Vec::new();
    for (kind, object) in kinds {
        let section = section(&page, kind);
        let prose: String = section.split("```").step_by(2).collect();
        let mut all = Vec::new();
        fields(object, kind, &mut all);
        assert!(all.len() > 8, "{kind}: {all:?}");
        for path in all {
            let name = path.rsplit('.').next().unwrap();
            // What all documents have is said once.
            let shared = ["apiVersion", "kind", "metadata", "spec", "labels", "annotations"];
            let of_ours = kind != "Service"
                && (shared.contains(&name) || path.ends_with("metadata.namespace"));
            let outer = ["Service.metadata", "Service.spec"].contains(&path.as_str());
            let named = [format!("`{name}`"), format!(".{name}`")];
            if !of_ours && !outer && !named.iter().any(|it| prose.contains(it.as_str())) {
                missing.push(path);
            }
        }
    }
    assert!(missing.is_empty(), "docs/input.md does not name {missing:#?}");
}

#[test]
fn every_annotation_is_described_as_in_the_table() {
    let page = page();
    for known in KNOWN.iter().chain(PER_PORT) {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{}` |", known.suffix)));
        let row = row.unwrap_or_else(|| panic!("docs/input.md has no row for {}", known.suffix));
        let told = row.ends_with(&format!("| {} | {} |", known.default, known.doc));
        assert!(told, "docs/input.md tells otherwise of {}: {row}", known.suffix);
    }
}

#[test]
fn the_examples_are_sound() {
    let page = page();
    let blocks: Vec<&str> =
        page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 5);
    for block in blocks {
        let source = Source::new("input.md", block).unwrap();
        let (desired, problems) = desired::resolve(document::parse(&source), &Options::default());
        let errors: Vec<_> =
            problems.iter().filter(|problem| problem.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{errors:#?}\n{block}");
        assert!(desired.stack.is_some() || !desired.services.is_empty(), "{block}");
    }
}
