//! Diagnostics as text and JSON.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents,
    SourceCode, SourceSpan, SpanContents,
};

use super::escape::escape_source;
use super::secret::hide_secrets;
use super::{Counts, Diagnostic, Label, Source, Span, count};
use crate::escape::terminal;
use crate::rule::Severity;

/// Whether text is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// It is.
    Always,
    /// It is not.
    #[default]
    Never,
}

/// How diagnostics are rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenderOptions {
    /// Whether text is coloured.
    pub colour: Colour,
    /// The width that messages are wrapped to, in columns.
    pub width: usize,
}

impl Default for RenderOptions {
    fn default() -> Self {
        Self { colour: Colour::Never, width: 100 }
    }
}

/// Lines longer than this many bytes are shown in part.
const LONG_LINE: usize = 400;
/// How much of a long line is shown on either side of a place, in bytes.
const AROUND: usize = 60;

/// The most diagnostics that are shown in full. Who has more has one problem many times.
const MAX_SHOWN: usize = 1000;

/// Writes diagnostics for people: code, place, underlined source and help, then how many there are.
///
/// # Errors
/// Only the writer's.
pub fn render(
    diagnostics: &[Diagnostic],
    options: RenderOptions,
    out: &mut dyn fmt::Write,
) -> fmt::Result {
    render_each(diagnostics, options, out)?;
    match summary(count(diagnostics)) {
        Some(summary) => writeln!(out, "{summary}"),
        None => Ok(()),
    }
}

/// Writes diagnostics for people, without how many there are.
///
/// # Errors
/// Only the writer's.
pub fn render_each(
    diagnostics: &[Diagnostic],
    options: RenderOptions,
    out: &mut dyn fmt::Write,
) -> fmt::Result {
    let theme = match options.colour {
        Colour::Always => GraphicalTheme::unicode(),
        Colour::Never => GraphicalTheme::unicode_nocolor(),
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(options.width.max(40))
        .with_links(false)
        .with_context_lines(1)
        .tab_width(4);
    let mut excerpts: HashMap<*const Source, Excerpts> = HashMap::new();
    for diagnostic in diagnostics.iter().take(MAX_SHOWN) {
        let excerpts = diagnostic.labels.first().map(|label| {
            let source = label.span.source();
            &*excerpts.entry(Arc::as_ptr(source)).or_insert_with(|| Excerpts::new(source))
        });
        let mut text = String::new();
        handler.render_report(&mut text, &Report::new(diagnostic, excerpts))?;
        for line in text.lines() {
            writeln!(out, "{}", line.trim_end())?;
        }
        writeln!(out)?;
    }
    if diagnostics.len() > MAX_SHOWN {
        writeln!(out, "{} more are not shown.", diagnostics.len() - MAX_SHOWN)?;
    }
    Ok(())
}

/// How many there are, in words; nothing if there are none.
fn summary(counts: Counts) -> Option<String> {
    let Counts { errors, warnings, notes } = counts;
    let part = |count: usize, noun: &str| match count {
        0 => None,
        1 => Some(format!("1 {noun}")),
        _ => Some(format!("{count} {noun}s")),
    };
    let parts: Vec<String> =
        [part(errors, "error"), part(warnings, "warning"), part(notes, "note")]
            .into_iter()
            .flatten()
            .collect();
    if parts.is_empty() { None } else { Some(format!("{}.", parts.join(", "))) }
}

/// Writes one line for each diagnostic: `file:line:column: severity[code]: message`.
///
/// # Errors
/// Only the writer's.
pub fn render_lines(diagnostics: &[Diagnostic], out: &mut dyn fmt::Write) -> fmt::Result {
    for diagnostic in diagnostics {
        if let Some(place) = diagnostic.place() {
            write!(out, "{}: ", terminal(&place.to_string()))?;
        }
        let Diagnostic { code, severity, message, .. } = diagnostic;
        writeln!(out, "{}[{code}]: {}", severity.as_str(), terminal(message))?;
    }
    Ok(())
}

/// The JSON form of a diagnostic: code, severity, message, file, line, column, help, and the other
/// places that belong to it. Text is as it is, not escaped.
pub fn json(diagnostic: &Diagnostic) -> serde_json::Value {
    let Diagnostic { code, severity, message, labels, help } = diagnostic;
    let mut value = serde_json::json!({
        "code": code,
        "severity": severity,
        "message": message,
        "file": null,
        "line": null,
        "column": null,
        "help": help,
        "related": [],
    });
    let with_place = |mut object: serde_json::Value, span: &Span| {
        let place = span.place();
        if let Some(object) = object.as_object_mut() {
            object.insert("file".to_owned(), place.file.into());
            object.insert("line".to_owned(), place.line.into());
            object.insert("column".to_owned(), place.column.into());
        }
        object
    };
    if let Some((first, others)) = labels.split_first() {
        value = with_place(value, &first.span);
        let related = others
            .iter()
            .map(|label| with_place(serde_json::json!({ "message": label.text }), &label.span));
        if let Some(object) = value.as_object_mut() {
            object.insert("related".to_owned(), related.collect());
        }
    }
    value
}

/// A diagnostic in miette's terms.
struct Report<'a> {
    diagnostic: &'a Diagnostic,
    excerpts: Option<&'a Excerpts>,
    header: String,
    labels: Vec<LabeledSpan>,
    help: Option<String>,
}

impl<'a> Report<'a> {
    fn new(diagnostic: &'a Diagnostic, excerpts: Option<&'a Excerpts>) -> Self {
        let mut header = format!("{}[{}]", diagnostic.severity.as_str(), diagnostic.code);
        let mut labels = Vec::new();
        let mut elsewhere = Vec::new();
        if let (Some(excerpts), Some((first, others))) = (excerpts, diagnostic.labels.split_first())
        {
            match excerpts.labeled(first, true) {
                Some(label) => labels.push(label),
                None => header = format!("{header} {}", terminal(&first.span.place().to_string())),
            }
            for label in others {
                let here = Arc::ptr_eq(label.span.source(), &excerpts.source)
                    && !excerpts.is_long(&first.span)
                    && !excerpts.is_long(&label.span);
                match excerpts.labeled(label, false).filter(|_| here) {
                    Some(label) => labels.push(label),
                    None => elsewhere.push(label),
                }
            }
        }
        let mut help: Vec<String> = elsewhere
            .into_iter()
            .map(|label| {
                let place = label.span.place().to_string();
                format!("{}: {}", terminal(&label.text), terminal(&place))
            })
            .collect();
        help.extend(diagnostic.help.as_deref().map(|help| terminal(help).into_owned()));
        let help = if help.is_empty() { None } else { Some(help.join("\n")) };
        Self { diagnostic, excerpts, header, labels, help }
    }
}

impl fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.diagnostic.fmt(f)
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&terminal(&self.diagnostic.message))
    }
}

impl std::error::Error for Report<'_> {}

impl miette::Diagnostic for Report<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.header))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.diagnostic.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Note => miette::Severity::Advice,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.excerpts.map(|excerpts| excerpts as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        if self.labels.is_empty() { None } else { Some(Box::new(self.labels.iter().cloned())) }
    }
}

/// A source of which excerpts are shown. miette's own sources are read from the start for every
/// label; this one knows its lines.
struct Excerpts {
    source: Arc<Source>,
    name: String,
    /// The text, safe to show; the same places as in the source.
    shown: String,
}

impl Excerpts {
    fn new(source: &Arc<Source>) -> Self {
        Self {
            source: Arc::clone(source),
            name: terminal(source.name()).into_owned(),
            shown: escape_source(&hide_secrets(source.text())).into_owned(),
        }
    }

    /// The offsets of a line's start and end, without its line end.
    fn line(&self, line: usize) -> (usize, usize) {
        let mut start = self.source.line_start(line);
        if self.source.text().get(start..).is_some_and(|rest| rest.starts_with('\u{feff}')) {
            start += '\u{feff}'.len_utf8();
        }
        let end = self.source.line_start(line + 1);
        let text = self.shown.get(start..end).unwrap_or_default();
        (start, start + text.trim_end_matches(['\n', '\r']).len())
    }

    fn is_long(&self, span: &Span) -> bool {
        let (start, end) = self.line(span.line());
        end - start > LONG_LINE
    }

    /// A label within one line; none if there is no text to underline.
    fn labeled(&self, label: &Label, primary: bool) -> Option<LabeledSpan> {
        let span = &label.span;
        let (line_start, line_end) = self.line(span.line());
        if line_start == line_end {
            return None;
        }
        let last = self.shown.get(line_start..line_end)?.char_indices().last()?.0 + line_start;
        let start = span.start().clamp(line_start, last);
        let most = if self.is_long(span) { AROUND } else { LONG_LINE };
        let mut end = (start + span.length().clamp(1, most)).min(line_end);
        while !self.shown.is_char_boundary(end) {
            end += 1;
        }
        let text = Some(terminal(&label.text).into_owned()).filter(|text| !text.is_empty());
        let at = SourceSpan::new(start.into(), end - start);
        Some(if primary {
            LabeledSpan::new_primary_with_span(text, at)
        } else {
            LabeledSpan::new_with_span(text, at)
        })
    }

    /// What is shown of a long line.
    fn window(&self, start: usize, end: usize, line: (usize, usize)) -> (usize, usize) {
        let mut from = start.saturating_sub(AROUND).max(line.0);
        while !self.shown.is_char_boundary(from) {
            from -= 1;
        }
        let mut to = (end + AROUND).min(line.1);
        while !self.shown.is_char_boundary(to) {
            to += 1;
        }
        (from, to)
    }
}

impl SourceCode for Excerpts {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        context_lines_before: usize,
        context_lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let first = Span::new(&self.source, span.offset(), 0);
        let last = Span::new(&self.source, span.offset() + span.len().saturating_sub(1), 0);
        let (first_line, last_line) = (first.line(), last.line());
        let (from, to, line) = if self.is_long(&first) {
            let end = span.offset() + span.len();
            let (from, to) = self.window(span.offset(), end, self.line(first_line));
            (from, to, first_line)
        } else {
            let mut from_line = first_line.saturating_sub(context_lines_before).max(1);
            while from_line < first_line && self.is_long_line(from_line) {
                from_line += 1;
            }
            let mut to_line = last_line + context_lines_after;
            while to_line > last_line && self.is_long_line(to_line) {
                to_line -= 1;
            }
            let start = self.line(from_line).0;
            (start, self.line(to_line).1.max(start), from_line)
        };
        let data = self.shown.get(from..to).ok_or(MietteError::OutOfBounds)?;
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            data.as_bytes(),
            SourceSpan::new(from.into(), to - from),
            line - 1,
            if context_lines_before == 0 { first.column() - 1 } else { 0 },
            last_line + 1 - line,
        )))
    }
}

impl Excerpts {
    fn is_long_line(&self, line: usize) -> bool {
        let (start, end) = self.line(line);
        end - start > LONG_LINE
    }
}

#[cfg(test)]
mod tests;
