use super::*;

fn source(text: &str) -> Arc<Source> {
    Source::new("a.yaml", text).unwrap()
}

/// All documents as JSON, and all problems as `line:column code`.
fn read(text: &str) -> (Vec<serde_json::Value>, Vec<String>) {
    let source = source(text);
    let (mut trees, mut problems) = (Vec::new(), Vec::new());
    for document in documents(&source) {
        trees.extend(document.root.map(|root| root.to_json()));
        problems.extend(document.problems.iter().map(|problem| {
            let place = problem.place().unwrap();
            format!("{}:{} {}", place.line, place.column, problem.code)
        }));
    }
    (trees, problems)
}

fn one(text: &str) -> serde_json::Value {
    let (mut trees, problems) = read(text);
    assert_eq!((trees.len(), problems), (1, Vec::new()), "{text}");
    trees.remove(0)
}

#[test]
fn scalars_follow_the_core_schema() {
    let text =
        "[true, True, yes, 010, 8, -3, 0x1f, 0o7, 1.5, 1e3, 1_000, ~, null, '8', 1.2.3.4, .inf]";
    let expected = serde_json::json!([
        true, true, "yes", "010", 8, -3, 31, 7, 1.5, 1000.0, "1_000", null, null, "8", "1.2.3.4",
        ".inf"
    ]);
    assert_eq!(one(text), expected);
}

#[test]
fn core_tags_are_honoured_and_others_refused() {
    assert_eq!(one("a: !!str 8"), serde_json::json!({ "a": "8" }));
    assert_eq!(one("a: ! 8"), serde_json::json!({ "a": "8" }));
    assert_eq!(read("a: !!int x").1, ["1:10 yaml-unsupported"]);
    assert_eq!(read("a: !Ref x").1, ["1:9 yaml-unsupported"]);
}

#[test]
fn documents_are_cut_at_their_markers() {
    let text =
        "# comment\n---\na: 1\n---\n# nothing\n---\nb: |\n  ---\n  x\n...\n%YAML 1.2\n---\nc: 3\n";
    let (trees, problems) = read(text);
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(
        trees,
        [
            serde_json::json!({"a": 1}),
            serde_json::json!({"b": "---\nx\n"}),
            serde_json::json!({"c": 3})
        ]
    );
}

/// As where files with byte order marks were put one after another.
#[test]
fn a_byte_order_mark_before_a_document_is_no_part_of_it() {
    let (a, b) = (serde_json::json!({"a": 1}), serde_json::json!({"b": 2}));
    for text in [
        "a: 1\n---\n\u{feff}b: 2\n",
        "\u{feff}a: 1\r\n---\r\n\u{feff}b: 2\r\n",
        "---\n\u{feff}a: 1\n---\n\u{feff}---\nb: 2\n",
        "a: 1\n--- \n\n# x\n\u{feff}# comment\nb: 2\n",
        "a: 1\n...\n\u{feff}%YAML 1.2\n---\nb: 2\n",
        "a: 1\n---\n\u{feff}{\"b\": 2}",
    ] {
        let (trees, problems) = read(text);
        assert_eq!(problems, Vec::<String>::new(), "{text:?}");
        assert_eq!(trees, [a.clone(), b.clone()], "{text:?}");
    }
    // Places are as an editor shows them, and within a document there is none.
    let (_, problems) = read("a: 1\n---\n\u{feff}b: 2\nb: 3\n---\nc: 1\n\u{feff}d: 1\nd: 2\n");
    assert_eq!(problems[0], "4:1 duplicate-key");
    let source = source("a: 1\n---\n\u{feff}b: 2\n");
    let root = documents(&source).filter_map(|document| document.root).nth(1).unwrap();
    assert_eq!(root.entries()[0].key_range.span(&source).place().to_string(), "a.yaml:3:1");
}

/// As `kubectl get -o json` prints them when it is asked more than once, or `jq` does.
#[test]
fn objects_of_json_may_follow_each_other() {
    let (a, b) = (serde_json::json!({"a": {"x": "}{"}}), serde_json::json!({"b": [2]}));
    let a_text = r#"{"a": {"x": "}{"}}"#;
    for text in [
        format!("{a_text}\n{{\"b\": [2]}}\n"),
        format!("{a_text}{{\"b\": [2]}}"),
        format!("\u{feff}\n {a_text}\n\n {{\n  \"b\": [\n2]\n}}\n---\n"),
        format!("{a_text} \n---\n{{b: [2]}}\n"),
    ] {
        let (trees, problems) = read(&text);
        assert_eq!(problems, Vec::<String>::new(), "{text:?}");
        assert_eq!(trees, [a.clone(), b.clone()], "{text:?}");
    }
    // Places are the file's; what is wrong with one object hides nothing of those before.
    let (trees, problems) = read("{\"a\": 1}\n{\"b\": 1,\n \"b\": 2}\n{\"c\": [}\n");
    assert_eq!(trees.len(), 2, "{trees:?}");
    assert_eq!(problems[0], "3:2 duplicate-key");
    assert!(problems[1].starts_with("4:") && problems[1].ends_with("yaml-syntax"), "{problems:?}");
    // A mapping of YAML that something else follows stays one document.
    let (trees, problems) = read("{a: 1}\n{b: 2}\n");
    assert!(trees.is_empty() && problems.len() == 1, "{trees:?} {problems:?}");
}

#[test]
fn a_syntax_error_hides_nothing_of_other_documents() {
    let (trees, problems) = read("a: [1\n---\nb: 2\nb: 3\n---\nc: {d\n");
    assert_eq!(trees, [serde_json::json!({"b": 2})]);
    assert_eq!(problems, ["1:4 yaml-syntax", "4:1 duplicate-key", "6:4 yaml-syntax"]);
}

#[test]
fn places_are_those_of_the_file_with_crlf_and_byte_order_mark() {
    let source = source("\u{feff}a: 1\r\n---\r\né: {b: ü}\r\n");
    let root = documents(&source).filter_map(|document| document.root).nth(1).unwrap();
    let inner = root.get("é").unwrap().get("b").unwrap();
    assert_eq!(inner.range.span(&source).place().to_string(), "a.yaml:3:8");
    assert_eq!(inner.range.text(&source), "ü");
}

#[test]
fn duplicate_keys_are_shown_at_both_places() {
    let source = source("a: 1\nb: 2\na: 3\n");
    let document = documents(&source).next().unwrap();
    let lines: Vec<usize> =
        document.problems[0].labels.iter().map(|label| label.span.line()).collect();
    assert_eq!(lines, [3, 1]);
}

#[test]
fn duplicate_keys_are_found_in_large_mappings() {
    let mut text: String = (0..50).map(|index| format!("k{index}: 1\n")).collect();
    text.push_str("k7: 2\nk7: 3\n");
    assert_eq!(read(&text).1, ["52:1 duplicate-key", "51:1 duplicate-key"]);
}

#[test]
fn aliases_and_merge_keys_are_expanded() {
    let text = "base: &base {a: 1, b: 2}\nall: {<<: *base, b: 3}\nlist: [*base]\n'<<': {c: 1}\n";
    let expected = serde_json::json!({
        "base": {"a": 1, "b": 2}, "all": {"b": 3, "a": 1}, "list": [{"a": 1, "b": 2}],
        "<<": {"c": 1},
    });
    assert_eq!(one(text), expected);
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    assert_eq!(read(&text).1, ["5:40 too-many-aliases"]);
}

#[test]
fn nesting_bombs_are_refused() {
    assert_eq!(read(&"[".repeat(100_000)).1, ["1:101 nested-too-deep"]);
    let blocks: String = (0..200).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    assert_eq!(read(&blocks).1, ["101:101 nested-too-deep"]);
    let mut chain = "a0: &a0 [x]\n".to_owned();
    for level in 1..200 {
        chain.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    assert_eq!(read(&chain).1, ["100:12 nested-too-deep"]);
}

#[test]
fn an_alias_of_itself_is_refused() {
    assert_eq!(read("a: &a [*a]\n").1, ["1:8 yaml-unsupported"]);
}

#[test]
fn documents_are_bounded() {
    let text = "---\na: 1\n".repeat(MAX_DOCUMENTS + 5);
    let (trees, problems) = read(&text);
    assert_eq!(trees.len(), MAX_DOCUMENTS);
    assert_eq!(problems, [format!("{}:1 too-many-documents", 2 * MAX_DOCUMENTS + 1)]);
}

#[test]
fn text_cannot_hold_the_marks_of_unknown_values() {
    assert_eq!(read("a: \"\\ue000uid|x\\ue001\"\n").1, ["1:4 yaml-unsupported"]);
    assert_eq!(read("a: \"x\\ue0035\"\n").1, ["1:4 yaml-unsupported"]);
}

#[test]
fn keys_are_text() {
    assert_eq!(one("80: a\ntrue: b\n"), serde_json::json!({"80": "a", "true": "b"}));
    assert_eq!(read("? [a]\n: b\n").1, ["1:3 yaml-unsupported"]);
}
