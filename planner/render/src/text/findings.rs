//! What was found, as diagnostics: with the lines of the input that it is about.

use std::fmt::{self, Write};

use crate::layout::Layout;
use crate::notice;
use crate::summary;
use privlink_core::diagnostic::{self, Colour, Diagnostic, RenderOptions, Source, Span};
use privlink_core::plan::{Excerpt, Finding, Plan};
use privlink_core::rule::Severity;

/// Writes the findings that hold the plan back.
pub(super) fn errors(plan: &Plan, layout: Layout, out: &mut dyn Write) -> fmt::Result {
    let errors = plan.untold().filter(|it| it.severity == Severity::Error);
    write(errors, &plan.excerpts, layout, out)
}

/// Writes the others.
pub(super) fn others(plan: &Plan, layout: Layout, out: &mut dyn Write) -> fmt::Result {
    let others = plan.untold().filter(|it| it.severity != Severity::Error);
    write(others, &plan.excerpts, layout, out)
}

/// Writes findings whose lines are not known.
///
/// # Errors
///
/// Fails when the writer does.
pub fn findings(findings: &[Finding], layout: Layout, out: &mut dyn Write) -> fmt::Result {
    write(findings.iter(), &[], layout, out)
}

fn write<'a>(
    findings: impl Iterator<Item = &'a Finding>,
    excerpts: &[Excerpt],
    layout: Layout,
    out: &mut dyn Write,
) -> fmt::Result {
    let colour = if layout.style.colour { Colour::Always } else { Colour::Never };
    let options = RenderOptions { colour, width: layout.columns() };
    let of = |finding: &Finding| {
        let place = finding.place.as_deref();
        let excerpt = place.and_then(|it| excerpts.iter().find(|excerpt| excerpt.place == it));
        diagnostic(finding, excerpt, layout.columns())
    };
    let diagnostics: Vec<Diagnostic> = findings.map(of).collect();
    diagnostic::render_each(&diagnostics, options, out)
}

/// A finding as a diagnostic: at its place, if its lines are known.
fn diagnostic(finding: &Finding, excerpt: Option<&Excerpt>, columns: usize) -> Diagnostic {
    let Finding { code, severity, address, message, help, place, pre_existing } = finding;
    let mut diagnostic = Diagnostic {
        code: *code,
        severity: *severity,
        message: format!("{address}: {message}{}", notice::standing(*pre_existing)),
        labels: Vec::new(),
        help: help.clone(),
    };
    let span = place.as_deref().zip(excerpt).and_then(|(place, it)| span(place, it, columns));
    match (span, place) {
        (Some(span), _) => diagnostic = diagnostic.at(&span, ""),
        (None, Some(place)) => {
            diagnostic.message.push_str(&format!(" ({})", summary::line_of(place)));
        }
        (None, None) => {}
    }
    diagnostic
}

/// The lines that numbers are kept up to; beyond, a place is named and not shown.
const MOST: usize = 100_000;
/// The columns that the renderer puts before a line.
const MARGIN: usize = 10;

/// A place within an excerpt. The lines before it are not known, and stand empty.
fn span(place: &str, excerpt: &Excerpt, columns: usize) -> Option<Span> {
    let (file, line, column) = summary::parts(place)?;
    if excerpt.first_line > MOST {
        return None;
    }
    let room = columns.saturating_sub(MARGIN);
    let lines: Vec<String> =
        excerpt.lines.iter().map(|line| line.chars().take(room).collect()).collect();
    let at = line.checked_sub(excerpt.first_line)?;
    let text = lines.get(at)?;
    let start: usize = text.chars().take(column.checked_sub(1)?).map(char::len_utf8).sum();
    let rest = text.get(start..)?;
    let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
    let before = "\n".repeat(excerpt.first_line.saturating_sub(1));
    let offset = before.len() + lines.iter().take(at).map(|it| it.len() + 1).sum::<usize>() + start;
    let source = Source::new(file, before + &lines.join("\n")).ok()?;
    Some(Span::new(&source, offset, length.max(1)))
}
