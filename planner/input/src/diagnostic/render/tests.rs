use super::*;
use crate::rule;

fn source(name: &str, text: &str) -> Arc<Source> {
    Source::new(name, text).unwrap()
}

fn at(source: &Arc<Source>, text: &str) -> Span {
    Span::new(source, source.text().find(text).unwrap(), text.len())
}

fn text(diagnostic: Diagnostic) -> String {
    let mut text = String::new();
    render(&[diagnostic], RenderOptions::default(), &mut text).unwrap();
    text
}

#[test]
fn code_place_source_and_help_are_shown() {
    let source = source("a.yaml", "a: 1\nb: 2\na: 3\nc: 4\n");
    let again = Span::new(&source, 10, 1);
    let shown = text(
        Diagnostic::new(rule::DUPLICATE_KEY, "the key `a` is there twice")
            .at(&again, "again here")
            .at(&at(&source, "a"), "first here")
            .help("remove one"),
    );
    let expected = "\
error[duplicate-key]

  × the key `a` is there twice
   ╭─[a.yaml:3:1]
 1 │ a: 1
   · ┬
   · ╰── first here
 2 │ b: 2
 3 │ a: 3
   · ┬
   · ╰── again here
 4 │ c: 4
   ╰────
  help: remove one

1 error.
";
    assert_eq!(shown, expected);
}

#[test]
fn places_in_other_files_are_named() {
    let (one, other) = (source("a.yaml", "a: 1\n"), source("b.yaml", "\nb: 2\n"));
    let shown = text(
        Diagnostic::new(rule::DUPLICATE_DOCUMENT, "twice")
            .at(&at(&one, "a"), "")
            .at(&at(&other, "b"), "first here"),
    );
    assert!(shown.contains("help: first here: b.yaml:2:1\n"), "{shown}");
}

#[test]
fn a_text_without_lines_has_its_place_in_the_header() {
    let empty = source("a.yaml", "");
    let shown = text(Diagnostic::new(rule::FILE_TOO_LARGE, "m").at(&Span::new(&empty, 0, 0), ""));
    assert!(shown.starts_with("error[file-too-large] a.yaml:1:1\n"), "{shown}");
}

#[test]
fn long_lines_are_shown_in_part() {
    let long = source("a.yaml", &format!("x\n{}bad{}\ny\n", "a".repeat(5000), "b".repeat(5000)));
    let shown = text(Diagnostic::new(rule::YAML_SYNTAX, "m").at(&at(&long, "bad"), "here"));
    assert!(shown.contains("[a.yaml:2:5001]"), "{shown}");
    assert!(shown.contains(&format!("2 │ {}bad{}\n", "a".repeat(60), "b".repeat(60))), "{shown}");
    assert!(!shown.contains("1 │"), "{shown}");
}

#[test]
fn text_from_outside_is_escaped() {
    let source = source("a\u{1b}.yaml", "a: \"\u{1b}[31m\"\u{202e}\n");
    let span = at(&source, "a: ");
    let shown =
        text(Diagnostic::new(rule::BAD_NAME, "no \u{7}").at(&span, "\u{1b}").help("\u{9b}"));
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    assert!(shown.contains("a: \"?[31m\"\u{fffd}"), "{shown}");
}

#[test]
fn colour_is_an_option() {
    let source = source("a.yaml", "a: 1\n");
    let diagnostic = Diagnostic::new(rule::BAD_NAME, "no").at(&at(&source, "a"), "here");
    let mut shown = String::new();
    let options = RenderOptions { colour: Colour::Always, width: 80 };
    render(&[diagnostic], options, &mut shown).unwrap();
    assert!(shown.contains("\u{1b}["), "{shown:?}");
}

#[test]
fn lines_and_json_have_place_and_code() {
    let source = source("a.yaml", "a: 1\nb: 2\n");
    let diagnostic = Diagnostic::new(rule::BAD_NAME, "no")
        .at(&at(&source, "2"), "")
        .at(&at(&source, "a"), "also")
        .help("do");
    let mut line = String::new();
    render_lines(std::slice::from_ref(&diagnostic), &mut line).unwrap();
    assert_eq!(line, "a.yaml:2:4: error[bad-name]: no\n");
    let expected = serde_json::json!({
        "code": "bad-name", "severity": "error", "message": "no", "file": "a.yaml", "line": 2,
        "column": 4, "help": "do",
        "related": [{"message": "also", "file": "a.yaml", "line": 1, "column": 1}],
    });
    assert_eq!(json(&diagnostic), expected);
}
