//! Every class of bad input has an example.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod golden;

use privlink_input::desired::{self, Options};
use privlink_input::diagnostic::{self, Diagnostic, MAX_SOURCE_BYTES, RenderOptions, Source};
use privlink_input::document::{self, Documents};
use privlink_input::rule::{self, Code};
use std::collections::BTreeSet;
use std::fs;

/// The names in a folder of the repository that begin with a prefix, sorted.
fn names(folder: &str, prefix: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(golden::root().join(folder)) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.starts_with(prefix));
    names.sort();
    names
}

/// The inputs of an example: a list of runs, each a list of files. Examples that are too large to
/// keep are made here, as their README says.
fn runs(example: &str) -> Vec<Vec<(String, Vec<u8>)>> {
    if example == "bad-size" {
        let stdin = |bytes: Vec<u8>| vec![("<stdin>".to_owned(), bytes)];
        return vec![
            stdin(vec![b'#'; MAX_SOURCE_BYTES + 1]),
            stdin("--- ~\n".repeat(100_001).into_bytes()),
        ];
    }
    let folder = format!("examples/{example}");
    let files = names(&folder, "").into_iter().filter(|name| name.ends_with(".yaml"));
    let read = |name: String| {
        let path = format!("{folder}/{name}");
        let bytes = fs::read(golden::root().join(&path)).unwrap();
        (path, bytes)
    };
    vec![files.map(read).collect()]
}

/// Everything wrong with some files.
fn diagnostics(files: Vec<(String, Vec<u8>)>) -> Vec<Diagnostic> {
    let mut documents = Documents::default();
    for (name, bytes) in files {
        match Source::from_bytes(&name, bytes) {
            Ok(source) => documents.append(document::parse(&source)),
            Err(problem) => documents.diagnostics.push(*problem),
        }
    }
    desired::resolve(documents, &Options::default()).1
}

#[test]
fn every_example_of_bad_input_has_its_diagnostics() {
    let examples = names("examples", "bad-");
    assert_eq!(names("golden", "bad-"), examples, "goldens without an example, or the reverse");
    let mut produced = BTreeSet::new();
    for example in &examples {
        let readme = golden::root().join("examples").join(example).join("README.md");
        assert!(
            !fs::read_to_string(readme).unwrap().trim().is_empty(),
            "{example}: no README line"
        );
        let mut text = String::new();
        for files in runs(example) {
            let diagnostics = diagnostics(files);
            assert!(!diagnostics.is_empty(), "{example} has nothing wrong");
            produced.extend(diagnostics.iter().map(|diagnostic| diagnostic.code));
            diagnostic::render(&diagnostics, RenderOptions::default(), &mut text).unwrap();
        }
        golden::assert(&format!("golden/{example}/diagnostics.txt"), &text);
    }
    let codes = rule::INPUT.iter().copied().flatten().map(|rule| rule.code);
    let missing: Vec<Code> = codes.filter(|code| !produced.contains(code)).collect();
    assert!(missing.is_empty(), "codes without an example in examples/bad-*: {missing:?}");
}

#[test]
fn one_example_has_twelve_problems_in_three_files() {
    let files = runs("bad-many").remove(0);
    let diagnostics = diagnostics(files);
    let places: BTreeSet<String> =
        diagnostics.iter().map(|diagnostic| diagnostic.place().unwrap().file).collect();
    assert!(diagnostics.len() >= 12, "{}", diagnostics.len());
    assert_eq!(places.len(), 3);
    assert!(diagnostics.iter().any(|diagnostic| diagnostic.code == rule::YAML_SYNTAX));
}

#[test]
fn every_diagnostic_says_what_to_do() {
    for example in names("examples", "bad-") {
        for diagnostic in runs(&example).into_iter().flat_map(diagnostics) {
            let Diagnostic { code, message, help, .. } = &diagnostic;
            assert!(!message.ends_with('.'), "{example}: {message}");
            assert!(help.is_some() || *code == rule::SKIPPED_KIND, "{example}: {code} has no help");
        }
    }
}
