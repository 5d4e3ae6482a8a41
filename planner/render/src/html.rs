//! Plans and drift as a page: one file that loads nothing else. No script, no request, no text that acts.
//!
//! The page is read under policies that take its style away too: what is said by colour is said in words.

mod plan;

use std::collections::BTreeSet;

use crate::fleet::{self, Came, Line, Row};
use crate::style::Label;
use maud::{DOCTYPE, Markup, PreEscaped, Render, html};
use privlink_core::escape::terminal;
use privlink_core::plural::count;

pub use plan::{fragment, plan};

/// Text from outside: what is hidden or turns text around is spelled out, and nothing in it is markup.
pub(crate) struct Inert<T: AsRef<str>>(pub(crate) T);

impl<T: AsRef<str>> Render for Inert<T> {
    fn render_to(&self, buffer: &mut String) {
        terminal(self.0.as_ref()).as_ref().render_to(buffer);
    }
}

/// How bad something is, as the style has it.
const fn tone(label: Label) -> &'static str {
    match label {
        Label::Error => "bad",
        Label::Warning => "warn",
        Label::Success => "good",
        _ => "plain",
    }
}

/// Text that is wider than a phone: it is scrolled by itself, by keyboard too.
fn wide(name: &'static str, body: &Markup) -> Markup {
    html! { div.wide role="group" aria-label=(name) tabindex="0" { (body) } }
}

/// Lines as they are.
pub(crate) fn lines(name: &'static str, text: &str) -> Markup {
    let text: Vec<_> = text.lines().map(terminal).collect();
    wide(name, &html! { pre { code { (text.join("\n")) } } })
}

/// A page: the verdict on top, then the rest.
pub(crate) fn page(title: &str, verdict: &Markup, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (Inert(title)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header { (verdict) }
                main { (body) }
                footer { p { "privlink " (env!("CARGO_PKG_VERSION")) } }
            }
        }
    };
    page.into_string() + "\n"
}

/// What the page may do: look like itself.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

const STYLE: &str = include_str!("html/style.css");

/// Several plans as one page: what came of them as a table, and below it those that have something to say.
pub fn fleet(lines: &[Line], fragments: &[(usize, String)], total: &str) -> String {
    let worst = lines.iter().map(|it| it.came).min().unwrap_or(Came::Unchanged);
    let quiet = lines.iter().filter(|it| it.came == Came::Unchanged).count();
    // What changes nothing comes last, so that rows count as lines do.
    let told = lines.iter().filter(|it| it.came != Came::Unchanged);
    let rows: Vec<Row> = told.map(Row::of).collect();
    let links: BTreeSet<usize> = fragments.iter().map(|it| it.0).collect();
    let body = html! {
        section aria-labelledby="stacks" {
            h2 #stacks { "Stacks" }
            @if !rows.is_empty() { (table(&rows, |at| links.contains(&at).then(|| format!("#stack-{at}")))) }
            @if quiet > 0 { p { (fleet::UNCHANGED) ": " (count(quiet, "stack")) } }
        }
        @for (at, fragment) in fragments {
            section.stack id={ "stack-" (at) } aria-labelledby={ "head-" (at) } {
                h2 id={ "head-" (at) } {
                    @if let Some(line) = lines.get(*at) { (Inert(&line.path)) }
                }
                (PreEscaped(fragment))
            }
        }
    };
    let head = html! { h1 class=(tone(worst.label())) { (Inert(total)) } };
    page(total, &head, &body)
}

/// Stacks as a table, each with a link to what is said of it below, if anything is.
pub(crate) fn table(rows: &[Row], link: impl Fn(usize) -> Option<String>) -> Markup {
    wide(
        "stacks",
        &html! {
            table {
                thead { tr { th scope="col" { "what" } th scope="col" { "stack" } th scope="col" { "in a line" } } }
                tbody {
                    @for (at, row) in rows.iter().enumerate() {
                        tr {
                            td class=(tone(row.label)) { (row.word) }
                            td {
                                @if let Some(link) = link(at) { a href=(link) { (Inert(&row.path)) } }
                                @else { (Inert(&row.path)) }
                            }
                            td { (Inert(&row.said)) }
                        }
                    }
                }
            }
        },
    )
}

#[cfg(test)]
mod tests;
