//! Rules: one of them for a terminal or as JSON, and the page of all.

use std::fmt::{self, Write};

use privlink_core::rule::{At, Rule, Severity};
use serde_json::{Value, json};

use crate::layout::Layout;
use crate::style::Label;

/// The page of all rules, `docs/diagnostics.md`. `folder` names the folder under `examples` that shows a
/// rule's code.
pub fn page<'a>(
    rules: impl Iterator<Item = &'a Rule>,
    folder: &dyn Fn(&str) -> Option<String>,
) -> String {
    let mut page = HEAD.to_owned();
    for rule in rules {
        let code = rule.code.as_str();
        // Writing to a String cannot fail.
        let _ = write!(page, "\n## {code}\n\n{}", body(rule));
        if let Some(folder) = folder(code) {
            let _ = write!(
                page,
                "\nA whole input: [examples/{folder}](../examples/{folder}), and [what is printed of \
                 it](../golden/{folder}/diagnostics.txt).\n"
            );
        }
    }
    page
}

const HEAD: &str = "# Diagnostics

Every problem that privlink reports has a stable code. This page has a section for each: what it means, an example, and
what to do. `privlink explain CODE` prints the same. The page is made from the rules' declarations in the source.

An **error** would be refused or misread: nothing is planned. A **warning** works, but is deprecated or unwise;
`--strict` makes it an error. A **note** is something to know.

Rules for the input alone come first; `privlink validate` checks all of them without any network. The next ones need a
prediction, or what is live, and are reported by `plan` and `apply`. An error among them refuses the plan, unless
`--accept CODE` accepts it. What is so before the plan, and what the plan neither causes nor worsens, is
pre-existing: a warning, and an error that was accepted is not asked for again. The classes of `drift` and the areas of
`preflight` come last. Each section says which commands report it.

Most of what is said here about the controller (cloud-provider-azure) was seen in recordings of it.
";

/// One rule for a terminal.
pub fn text(rule: &Rule, layout: Layout) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_text(rule, layout, &mut text);
    text
}

fn write_text(rule: &Rule, layout: Layout, out: &mut dyn Write) -> fmt::Result {
    layout.paragraph("", rule.code.as_str(), Some(Label::Heading), out)?;
    writeln!(out)?;
    for (at, meaning) in rule.paragraphs().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        let head = if at == 0 { format!("{}: ", severity(rule)) } else { String::new() };
        layout.paragraph("", &format!("{head}{meaning}"), None, out)?;
    }
    let example = &rule.example;
    let (fires, place) = (example.firing(), place(example.at));
    let indented = |lines: &str, out: &mut dyn Write| {
        let mut lines = lines.trim_end().lines();
        lines.try_for_each(|line| writeln!(out, "{}", format!("    {line}").trim_end()))
    };
    if let Some(before) = example.applied() {
        writeln!(out, "\nFor example{place}, first\n")?;
        indented(&before, out)?;
        writeln!(out, "\nand then\n")?;
    } else {
        writeln!(out, "\nFor example{place}:\n")?;
    }
    indented(&fires, out)?;
    if let Some(neighbour) = neighbour(rule) {
        writeln!(out, "\nNot with\n")?;
        indented(&neighbour, out)?;
    }
    writeln!(out)?;
    layout.paragraph("What to do: ", rule.advice, None, out)?;
    writeln!(out)?;
    layout.paragraph("Rule: ", &format!("{}.", rule.basis.fact), None, out)?;
    layout.paragraph("How sure: ", &format!("{}.", rule.basis.certainty()), None, out)?;
    layout.paragraph("Reported by: ", &format!("{}.", rule.commands().join(", ")), None, out)?;
    writeln!(out, "See {}", rule.basis.link)
}

const fn severity(rule: &Rule) -> &'static str {
    match rule.code.severity() {
        Severity::Note => "Note",
        Severity::Warning => "Warning",
        Severity::Error => "Error",
    }
}

/// What does not trigger it, where that is not what was applied before.
fn neighbour(rule: &Rule) -> Option<String> {
    rule.example.sparing().filter(|it| Some(it) != rule.example.applied().as_ref())
}

fn body(rule: &Rule) -> String {
    let severity = severity(rule);
    let meaning: Vec<String> = rule.paragraphs().collect();
    let mut text = format!("**{severity}.** {}\n", meaning.join("\n\n"));
    let example = &rule.example;
    let (fires, place) = (example.firing(), place(example.at));
    // Writing to a String cannot fail.
    let _ = match (example.applied(), example.sparing()) {
        (Some(before), _) => write!(
            text,
            "\nFor example{place}, first\n\n{}and then\n\n{}",
            fenced(&before),
            fenced(&fires)
        ),
        (None, _) => write!(text, "\nFor example{place}:\n\n{}", fenced(&fires)),
    };
    if let Some(neighbour) = neighbour(rule) {
        let _ = write!(text, "\nNot with\n\n{}", fenced(&neighbour));
    }
    let _ = write!(text, "\nWhat to do: {}\n", rule.advice);
    let (fact, link) = (rule.basis.fact, rule.basis.link);
    let certainty = rule.basis.certainty();
    let _ = write!(
        text,
        "\nRule: {fact}. How sure: {certainty}. Reported by {}. See <{link}>.\n",
        commands(rule)
    );
    text
}

fn commands(rule: &Rule) -> String {
    let names: Vec<String> = rule.commands().iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

const fn place(at: At) -> &'static str {
    match at {
        At::File | At::Documents | At::Live => "",
        At::Stack => ", in `spec` of the Stack",
        At::Service => ", in a Service",
        At::Connected => ", in a Service that a PrivateEndpoint leads to",
        At::Services => ", in two Services",
        At::Endpoint => ", in `spec` of a PrivateEndpoint",
        At::Endpoints => ", in `spec` of two PrivateEndpoints",
        At::Approval => ", in `spec` of an EndpointApproval",
    }
}

fn fenced(lines: &str) -> String {
    format!("```yaml\n{lines}\n```\n")
}

/// One rule as JSON.
pub fn json(rule: &Rule) -> Value {
    let meaning: Vec<String> = rule.paragraphs().collect();
    json!({
        "code": rule.code,
        "severity": rule.code.severity().as_str(),
        "meaning": meaning.join("\n\n"),
        "needs": rule.needs,
        "commands": rule.commands(),
        "before": rule.example.applied(),
        "example": rule.example.firing(),
        "neighbour": rule.example.sparing(),
        "edit": rule.advice,
        "rule": rule.basis.fact,
        "evidence": rule.basis.evidence,
        "link": rule.basis.link,
    })
}
