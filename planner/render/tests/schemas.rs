//! The JSON Schemas of the input are those that the decoder's tables give, and agree with it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "../../input/tests/golden/mod.rs"]
mod golden;

use privlink_core::desired::{self, Options};
use privlink_core::diagnostic::Source;
use privlink_core::rule::{self, Code, Severity};
use privlink_core::{document, yaml};
use privlink_render::schemas;
use std::fs;
use std::path::PathBuf;

#[test]
fn schema_files_are_fresh() {
    for (name, schema) in schemas::files().into_iter().chain(schemas::output_files()) {
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        golden::assert(&format!("schemas/{name}"), &text);
    }
}

/// All YAML files of all examples that are UTF-8.
fn texts() -> Vec<(PathBuf, String)> {
    let folders = fs::read_dir(golden::root().join("examples")).unwrap();
    let folders = folders.map(|folder| folder.unwrap().path()).filter(|path| path.is_dir());
    let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap());
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let read = |file: PathBuf| fs::read_to_string(&file).ok().map(|text| (file, text));
    files.into_iter().filter_map(read).collect()
}

/// What a schema can tell of one document alone.
const STRUCTURAL: &[Code] = &[
    rule::UNKNOWN_FIELD,
    rule::MISSING_FIELD,
    rule::NOT_EXACTLY_ONE,
    rule::WRONG_TYPE,
    rule::ANNOTATION_NOT_TEXT,
    rule::INTERNAL_NOT_TRUE,
    rule::MISREAD_BOOLEAN,
];

#[test]
fn the_schema_agrees_with_the_decoder() {
    let files = schemas::files();
    let validator = jsonschema::draft7::new(&files["privlink.schema.json"]).unwrap();
    let (mut accepted, mut refused) = (0, 0);
    for (file, text) in texts() {
        let whole = Source::new("a.yaml", text).unwrap();
        for document in yaml::documents(&whole) {
            let Some(root) = document.root else { continue };
            // Each document by itself, so that what is between documents does not count.
            let source = Source::new("a.yaml", document.text).unwrap();
            let (_, problems) = desired::resolve(document::parse(&source), &Options::default());
            let is_valid = validator.is_valid(&root.to_json());
            let of_one =
                |code: &Code| *code != rule::MISSING_SERVICE && *code != rule::DUPLICATE_KEY;
            let mut errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
            let text = document.text;
            if problems.iter().any(|problem| STRUCTURAL.contains(&problem.code)) {
                assert!(!is_valid, "{}: the schema accepts\n{text}", file.display());
                refused += 1;
            } else if errors.all(|problem| !of_one(&problem.code)) {
                assert!(is_valid, "{}: the schema refuses\n{text}", file.display());
                accepted += 1;
            }
        }
    }
    assert!(accepted > 20 && refused > 10, "{accepted} accepted, {refused} refused");
}
