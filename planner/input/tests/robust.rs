//! Whatever the text, reading it ends, panics never, and gives the same result twice.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use privlink_input::desired::{self, Options};
use privlink_input::diagnostic::{self, Colour, RenderOptions, Source};
use privlink_input::document;
use proptest::prelude::*;

/// Reads bytes and shows everything that is wrong with them.
fn read(bytes: Vec<u8>) -> String {
    let mut text = String::new();
    let diagnostics = match Source::from_bytes("a.yaml", bytes) {
        Ok(source) => desired::resolve(document::parse(&source), &Options::default()).1,
        Err(problem) => vec![*problem],
    };
    for colour in [Colour::Never, Colour::Always] {
        let options = RenderOptions { colour, width: 80 };
        diagnostic::render(&diagnostics, options, &mut text).unwrap();
    }
    diagnostic::render_lines(&diagnostics, &mut text).unwrap();
    for diagnostic in &diagnostics {
        text.push_str(&diagnostic::json(diagnostic).to_string());
        let place = diagnostic.place().unwrap();
        assert!(place.line > 0 && place.column > 0);
    }
    text
}

/// The texts of all examples of bad input, and some good ones.
fn seeds() -> Vec<Vec<u8>> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut files = Vec::new();
    for folder in fs::read_dir(examples).unwrap() {
        let path = folder.unwrap().path();
        if path.is_dir() {
            files.extend(fs::read_dir(path).unwrap().map(|file| file.unwrap().path()));
        }
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// What YAML and the checks are touchy about.
const FRAGMENTS: &[&str] = &[
    "\n---\n",
    "\n...\n",
    "\u{feff}",
    "\r",
    "\r\n",
    "\t",
    "'",
    "\"",
    "[",
    "]",
    "{",
    "}",
    "&a ",
    "*a",
    "<<: *a",
    "? ",
    ": ",
    "- ",
    "|",
    ">-",
    "!!int ",
    "! ",
    "%YAML 1.2\n",
    "#",
    "\u{e000}",
    "\u{2028}",
    "\u{1b}",
    "\\ue001",
    "é",
    "🦀",
    "~",
    "null",
    "true",
    "0x",
    "1e400",
    "-0",
    "\0",
    "kind: Secret\n",
    "kind: List\nitems:\n",
    "metadata: {name: a}\n",
    "  ",
    "\"\\u0000\"",
    "- - - ",
    "\u{85}",
];

/// A change at a place: drop bytes, insert a fragment, or copy a part of the text.
#[derive(Clone, Debug)]
enum Edit {
    Drop(prop::sample::Index, usize),
    Insert(prop::sample::Index, usize),
    Copy(prop::sample::Index, prop::sample::Index, usize),
    Byte(prop::sample::Index, u8),
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), 1..40_usize).prop_map(|(at, length)| Edit::Drop(at, length)),
        (at(), 0..FRAGMENTS.len()).prop_map(|(at, which)| Edit::Insert(at, which)),
        (at(), at(), 1..80_usize).prop_map(|(from, to, length)| Edit::Copy(from, to, length)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Edit::Byte(at, byte)),
    ]
}

fn apply(bytes: &mut Vec<u8>, edit: &Edit) {
    let index = |at: &prop::sample::Index, bytes: &[u8]| at.index(bytes.len() + 1);
    match edit {
        Edit::Drop(at, length) => {
            let at = index(at, bytes);
            let end = (at + length).min(bytes.len());
            bytes.drain(at..end);
        }
        Edit::Insert(at, which) => {
            let at = index(at, bytes);
            bytes.splice(at..at, FRAGMENTS[*which].bytes());
        }
        Edit::Copy(from, to, length) => {
            let (from, to) = (index(from, bytes), index(to, bytes));
            let part = bytes[from..(from + length).min(bytes.len())].to_vec();
            bytes.splice(to..to, part);
        }
        Edit::Byte(at, byte) => {
            let at = index(at, bytes);
            bytes.insert(at, *byte);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(read(bytes.clone()), read(bytes));
    }

    #[test]
    fn random_text_is_read(text in "\\PC{0,200}") {
        read(text.into_bytes());
    }

    #[test]
    fn random_fragments_are_read(which in prop::collection::vec(0..FRAGMENTS.len(), 0..60)) {
        let text: String = which.into_iter().map(|which| FRAGMENTS[which]).collect();
        read(text.into_bytes());
    }

    #[test]
    fn changed_documents_are_read(
        seed in any::<prop::sample::Index>(),
        edits in prop::collection::vec(edit(), 1..12),
    ) {
        let seeds = seeds();
        let mut bytes = seed.get(&seeds).clone();
        for edit in &edits {
            apply(&mut bytes, edit);
        }
        prop_assert_eq!(read(bytes.clone()), read(bytes));
    }
}
