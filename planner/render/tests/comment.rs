//! Comments: whatever names, messages and values hold, the document keeps its structure, and it fits.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers outside of test functions; what fails here fails the test"
)]

use comrak::nodes::{AstNode, NodeValue};
use comrak::{Arena, Options as Markdown, parse_document};
use privlink_core::change::{Action, Actor, Change, Effect, FieldDiff};
use privlink_core::consumer::Consumer;
use privlink_core::facts::Origin;
use privlink_core::node_id::{Kind, NodeId};
use privlink_core::plan::{
    Alternative, Cause, Cluster, Consent, Counts, Excerpt, FactNote, Finding, Mode, Need, Op,
    Override, Plan, Refusal, RouteNote, Scope, Step, Summary,
};
use privlink_core::rule;
use privlink_render::comment::{Flavour, Options, document};
use privlink_render::pipeline::guard;
use proptest::prelude::*;
use serde_json::json;

/// One that draws Mermaid, and one that does not: all else is the same.
const FLAVOURS: [Flavour; 2] = [Flavour::GitHub, Flavour::AzureDevOps];

/// A plan with a text of somebody else's wherever one can be.
fn plan(text: &str, changes: usize) -> Plan {
    let address = |kind, at: usize| NodeId::new(kind, format!("{at}{text}"));
    let consumer = |at: usize| Consumer {
        endpoint: format!("/subscriptions/s/resourceGroups/{text}/providers/P/t/{at}{text}"),
        subscription: text.to_owned(),
        request_message: format!("m{text}"),
        status: text.into(),
        own: false,
        owner: Some(text.to_owned()),
    };
    let kinds = [Kind::Service, Kind::PrivateLinkService, Kind::PrivateEndpoint];
    let actions = [Action::Update, Action::Replace, Action::Delete, Action::Create];
    let mut all: Vec<Change> = (0..changes)
        .map(|at| Change {
            address: address(kinds[at % 3], at),
            action: actions[at % 4],
            actor: Actor::External(text.to_owned()),
            reason: text.to_owned(),
            evidence: None,
            object: Some(text.to_owned()),
            title: format!("Service {text}"),
            brought_about_by: None,
            fields: vec![
                FieldDiff {
                    forces_replacement: true,
                    ..FieldDiff::new(
                        format!("a.{text}"),
                        Some(json!(format!("one\n{text}\n"))),
                        Some(json!(format!("two\n{text}\n"))),
                    )
                },
                FieldDiff::new(format!("b[{text}]"), None, Some(json!({"key": text, text: [1]}))),
            ],
            effect: Effect::ConsumersDisconnected(vec![consumer(at)]),
        })
        .collect();
    all.sort_by(|one, other| one.address.cmp(&other.address));
    let needs = all.windows(2).map(|pair| Need {
        node: pair[1].address.clone(),
        on: pair[0].address.clone(),
        why: text.to_owned(),
    });
    let mut finding =
        Finding::new(rule::BECOMES_PUBLIC, address(Kind::Service, 0), text).help(text);
    finding.place = Some(text.to_owned());
    let op = Op::DeleteResource { id: text.to_owned() };
    let counts = Counts { create: 1, update: 2, replace: 3, delete: 4 };
    Plan {
        format_version: "1.0".into(),
        tool_version: text.to_owned(),
        stack: text.to_owned(),
        mode: Mode::Apply,
        redacted: false,
        scope: Scope::default(),
        unread: Vec::new(),
        facts: vec![FactNote { name: text.into(), value: text.into(), source: Origin::Assumed }],
        needs: needs.collect(),
        steps: vec![Step {
            id: 1,
            change: address(Kind::Service, 0),
            op,
            needs: Vec::new(),
            locks: Vec::new(),
        }],
        findings: vec![finding; changes.min(30)],
        refusals: vec![Refusal::of_plan(rule::PROTECTED, text, Override::never(text))],
        route: Some(RouteNote { disconnects: 0, at_once: 9, steps: 4 }),
        awaiting_approval: vec![consumer(0)],
        summary: Summary { privlink: counts, ..Summary::default() },
        causes: vec![Cause {
            address: address(Kind::Service, 0),
            title: text.to_owned(),
            field: Some(text.to_owned()),
            reason: text.to_owned(),
            place: Some(format!("{text}:7:3")),
            live: Some(json!(text)),
            wanted: Some(json!(text)),
        }],
        alternatives: vec![Alternative {
            address: address(Kind::PrivateLinkService, 1),
            summary: text.to_owned(),
            steps: vec![text.to_owned(); 3],
        }],
        excerpts: vec![Excerpt {
            place: format!("{text}:7:3"),
            first_line: 6,
            lines: vec![text.to_owned(); 3],
        }],
        consents: vec![Consent {
            endpoint: text.to_owned(),
            until: text.to_owned(),
            reason: Some(text.to_owned()),
        }],
        cluster: Some(Cluster { name: text.to_owned(), resource_group: text.to_owned() }),
        outputs: Vec::new(),
        changes: all,
    }
}

fn markdown() -> Markdown<'static> {
    let mut options = Markdown::default();
    options.extension.table = true;
    options.extension.strikethrough = true;
    options.extension.autolink = true;
    options.extension.tasklist = true;
    options.extension.footnotes = true;
    options.extension.math_dollars = true;
    options.extension.math_code = true;
    options.extension.description_lists = true;
    options.extension.superscript = true;
    options.extension.underline = true;
    options.extension.spoiler = true;
    options.extension.wikilinks_title_after_pipe = true;
    options
}

/// What a document consists of: its blocks with their depth, and all inlines that are more than text.
/// Code is one thing however it is written.
fn shape(text: &str) -> Vec<String> {
    fn walk<'a>(node: &'a AstNode<'a>, depth: usize, shape: &mut Vec<String>) {
        let data = node.data.borrow();
        let said = match &data.value {
            NodeValue::Text(_)
            | NodeValue::SoftBreak
            | NodeValue::Escaped
            | NodeValue::EscapedTag(_) => None,
            NodeValue::Code(_) => Some("code".to_owned()),
            NodeValue::HtmlInline(html) if html == "<code>" => Some("code".to_owned()),
            NodeValue::HtmlInline(html) if html == "</code>" => None,
            NodeValue::HtmlInline(html) => Some(format!("html {html}")),
            NodeValue::HtmlBlock(html) => Some(format!("html {}", html.literal)),
            NodeValue::CodeBlock(block) => {
                let lines: Vec<&str> = block.literal.lines().collect();
                Some(format!("block {} of {}", block.info, lines.len()))
            }
            NodeValue::Link(link) => Some(format!("link {}", link.url)),
            other => Some(format!("{other:?}").split(['(', ' ']).next().unwrap().to_owned()),
        };
        if let Some(said) = said {
            shape.push(format!("{depth} {said}"));
        }
        let depth = depth + 1;
        node.children().for_each(|child| walk(child, depth, shape));
    }
    let arena = Arena::new();
    let mut shape = Vec::new();
    walk(parse_document(&arena, text, &markdown()), 0, &mut shape);
    shape
}

fn options(flavour: Flavour) -> Options<'static> {
    Options {
        marker: Some("default"),
        link: Some("https://ci.example/run/1"),
        untrusted: true,
        ..Options::new(flavour)
    }
}

/// What does something on one of the three services, or in Markdown, or to a terminal.
const HOSTILE: &[&str] = &[
    "`",
    "```",
    "~~~",
    "|",
    "<script>",
    "</details>",
    "<details>",
    "-->",
    "<!-- privlink:default -->",
    "@team",
    "#1",
    "!2",
    "&3",
    "GL#4",
    "https://a.example",
    "www.a.example",
    "a@a.example",
    "[a](b)",
    "![a](b)",
    "[^1]",
    "**",
    "__",
    "~~",
    "$x$",
    "$$",
    ":tada:",
    "\n",
    "\r",
    "\n\n",
    "\n/close\n",
    "\n::error::x",
    "##vso[task.complete result=Failed;]",
    "##[error]",
    "%%{init: {}}%%",
    "\"]",
    "{{a}}",
    "]:::x",
    "click n0 \"javascript:a\"",
    "end",
    "\u{202e}",
    "\u{1b}[2J",
    "\u{0}",
    "\\",
    "&lt;",
    "&#64;x",
    "- [ ] a",
    "1. a",
    "> a",
    "# a",
    "\t",
    "  ",
    "|---|",
    "${{ a }}",
    "\u{e000}a|b\u{e001}",
    "^",
    "==",
    "||a||",
    "[[a]]",
    "a",
    "/",
];

fn hostile() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => proptest::sample::select(HOSTILE).prop_map(ToOwned::to_owned),
        1 => ".{0,4}",
    ];
    proptest::collection::vec(part, 1..6).prop_map(|parts| parts.concat())
}

/// The benign text to compare with: as many lines in what keeps lines.
fn benign(text: &str) -> String {
    let lines = text.matches('\n').count();
    let mut like = "a".to_owned();
    (0..lines).for_each(|_| like.push_str("\na"));
    like
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_breaks_out(text in hostile(), changes in 1_usize..5) {
        for flavour in FLAVOURS {
            let found = document(&[&plan(&text, changes)], &options(flavour));
            let expected = document(&[&plan(&benign(&text), changes)], &options(flavour));
            prop_assert_eq!(shape(&found), shape(&expected), "{}", found);
            // GitLab takes a line that starts so, without blanks, for a command.
            prop_assert!(!found.lines().any(|line| line.starts_with('/')), "{}", found);
            for line in guard(&found).lines() {
                let is_command = line.trim_start().starts_with("::") || line.contains("##[");
                prop_assert!(!is_command && !line.contains("##vso["), "{}", line);
            }
            prop_assert!(!found.chars().any(|c| c.is_control() && c != '\n'));
        }
    }

    #[test]
    fn labels_of_the_picture_stay_labels(text in hostile()) {
        let picture = privlink_render::picture::mermaid(&plan(&text, 5)).unwrap();
        let labels: Vec<&str> = picture.lines().filter(|line| line.contains("[\"")).collect();
        prop_assert_eq!(labels.len(), 5);
        for line in labels {
            let (_, rest) = line.split_once("[\"").unwrap();
            let (label, class) = rest.rsplit_once("\"]:::").unwrap();
            let label = label.replace("<br/>", " ");
            let is_harmless =
                |c: char| c.is_alphanumeric() || " /-,#;".contains(c);
            prop_assert!(label.chars().all(is_harmless), "{}", label);
            prop_assert!(class.chars().all(|c| c.is_ascii_lowercase()), "{}", class);
        }
    }

    #[test]
    fn it_fits_and_everything_is_closed(
        text in hostile(),
        changes in 1_usize..30,
        stacks in 1_usize..4,
        bytes in 900_usize..30_000,
    ) {
        for flavour in FLAVOURS {
            let options = Options { bytes, ..options(flavour) };
            let plan = plan(&text, changes);
            let found = document(&vec![&plan; stacks], &options);
            prop_assert!(found.len() <= bytes.max(1_500), "{} of {}", found.len(), bytes);
            prop_assert!(found.starts_with("<!-- privlink:default -->\n"));
            let verdict = if stacks > 1 { "### ⛔ " } else { "> ⛔ **Refused" };
            prop_assert!(found.contains(verdict), "{}", found);
            prop_assert!(found.ends_with("(https://ci.example/run/1)\n"));
            let html = shape(&found);
            let count = |what: &str| html.iter().filter(|it| it.contains(what)).count();
            prop_assert_eq!(count("html <details>"), count("html </details>"), "{}", found);
        }
    }
}

#[test]
fn the_fields_go_first_and_the_verdict_never() {
    let plan = plan("a", 200);
    let whole = document(&[&plan], &options(Flavour::StepSummary));
    assert!(!whole.contains("Not all fits here"), "{whole}");
    let cut = document(&[&plan], &Options { bytes: 45_000, ..options(Flavour::GitHub) });
    assert!(cut.contains("blocks of fields. The whole is in [the artefacts of the run]"), "{cut}");
    for part in
        ["disconnected", "Re-created or deleted", "Created or changed", "flowchart", "Findings"]
    {
        assert!(cut.contains(part), "{part}");
    }
    let tiny = document(&[&plan], &Options { bytes: 10, ..options(Flavour::GitHub) });
    assert!(tiny.contains("> [!CAUTION]\n> ⛔ **Refused.** 10 objects: 1 created, 2 changed, 3 re-created, 4 deleted; "), "{tiny}");
}

#[test]
fn every_place_has_its_limit() {
    let plan = plan("ä`|<", 5_000);
    for (flavour, bytes) in [
        (Flavour::GitHub, 65_536),
        (Flavour::GitLab, 1_000_000),
        (Flavour::AzureDevOps, 150_000),
        (Flavour::StepSummary, 1 << 20),
    ] {
        let found = document(&[&plan, &plan], &options(flavour));
        assert!(found.len() <= bytes && found.len() > bytes / 2, "{flavour:?}: {}", found.len());
        assert!(found.contains("Not all fits here"));
    }
}

#[test]
fn a_picture_is_within_what_is_drawn() {
    use privlink_render::picture::{MAX_CHARACTERS, MAX_EDGES, mermaid};
    let picture = mermaid(&plan("a", 300)).unwrap();
    assert!(picture.chars().count() <= MAX_CHARACTERS);
    assert_eq!(picture.matches("-->").count(), 299);
    // Of more than that only what is destroyed or replaced is drawn, or nothing.
    let picture = mermaid(&plan("a", 620)).unwrap();
    assert!(!picture.contains(" created by") && picture.contains("deleted by"));
    assert!(picture.matches("-->").count() <= MAX_EDGES);
    assert_eq!(mermaid(&plan("a", 3_000)), None);
    let said = document(&[&plan("a", 3_000)], &options(Flavour::StepSummary));
    assert!(said.contains("1 picture"), "what is not drawn is said to be left out");
}

#[test]
fn stacks_that_change_come_first() {
    let mut quiet = plan("quiet", 0);
    quiet.refusals.clear();
    quiet.steps.clear();
    quiet.findings.clear();
    quiet.awaiting_approval.clear();
    quiet.summary = Summary::default();
    let mut busy = plan("zz-busy", 2);
    busy.refusals.clear();
    let refused = plan("zzz-refused", 1);
    let found = document(&[&quiet, &busy, &refused], &Options::new(Flavour::GitHub));
    let at = |text: &str| found.find(text).unwrap_or_else(|| panic!("{text}: {found}"));
    assert!(at("- ⛔ Refused. `zzz-refused`") < at("- ⚠️ `zz-busy`"));
    assert!(at("- ⚠️ `zz-busy`") < at("- ✅ `quiet`: No changes."));
    assert!(at("### ⛔ Refused. `zzz-refused`") < at("### ⚠️ `zz-busy`"));
    assert!(found.starts_with("### ⛔ 1 of 3 stacks refused. "));
}
