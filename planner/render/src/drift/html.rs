//! A drift report as a page.

use std::fmt::Write;

use maud::{Markup, html};
use privlink_core::drift::{Difference, Report, StackReport, State, Urgency, Weight};
use privlink_core::plural::count;

use super::standing;
use crate::html::{self, Inert, lines, page};

/// A report as a page: the verdict, then the stacks that drifted or could not be read, then the others.
pub fn report(report: &Report) -> String {
    let line = super::line(report);
    let tone = match (super::urgent(report, Urgency::Broken), report.is_complete()) {
        (0, true) if !report.has_drift() => "good",
        (0, _) => "warn",
        _ => "bad",
    };
    let sorted = standing::sorted(&report.stacks);
    let (quiet, told): (Vec<&StackReport>, Vec<&StackReport>) =
        sorted.into_iter().partition(|stack| standing::is_quiet(stack));
    let body = html! {
        @if report.stacks.len() > 1 { (table(report, &told, quiet.len())) }
        @for (at, stack) in told.iter().enumerate() { (self::stack(at, stack, report.compared)) }
        @if let Some(screened) = super::screened(report) { p.faint { (Inert(screened)) } }
    };
    page("privlink drift", &html! { h1 class=(tone) { (Inert(line)) } }, &body)
}

/// What came of all stacks, the worst first, with links to what is said of each.
fn table(report: &Report, told: &[&StackReport], quiet: usize) -> Markup {
    let rows: Vec<_> = told.iter().map(|it| standing::row(&report.folder, it)).collect();
    html! {
        section aria-labelledby="stacks" {
            h2 #stacks { "Stacks" }
            @if !rows.is_empty() { (html::table(&rows, |at| Some(format!("#stack-{at}")))) }
            @if quiet > 0 { p { (standing::NO_DRIFT) ": " (count(quiet, "stack")) } }
        }
    }
}

fn stack(at: usize, stack: &StackReport, is_compared: bool) -> Markup {
    html! {
        section.stack id={ "stack-" (at) } aria-labelledby={ "head-" (at) } {
            h2 id={ "head-" (at) } { "Stack " (Inert(super::title(stack))) }
            @if !stack.observed_at.is_empty() {
                p.faint { "read " (Inert(super::instant(&stack.observed_at))) }
            }
            @if let Some(error) = &stack.error {
                p.bad { strong { "Could not be looked at" } }
                (lines("error", error))
            }
            @if !stack.unreadable.is_empty() {
                h3 { "Could not be read" }
                ul { @for unread in &stack.unreadable { li { code { (Inert(&unread.what)) } ": " (Inert(&unread.why)) } } }
            }
            (chain(stack))
            @for urgency in Urgency::ALL {
                @let all = super::of_urgency(stack, urgency);
                @if !all.is_empty() {
                    h3 { (super::heading(urgency)) ": " (all.len()) }
                    @for it in all { (difference(it, urgency, is_compared)) }
                }
            }
            (known(stack))
        }
    }
}

/// What nobody is to be alarmed about: what is ignored, entries that ignore nothing, and what is gone.
fn known(stack: &StackReport) -> Markup {
    let ignored = super::ignored(stack);
    html! {
        @if !ignored.is_empty() {
            h3 { "Ignored: " (ignored.len()) }
            ul {
                @for it in ignored {
                    li {
                        (Inert(super::object(it))) ": " (Inert(&it.message)) " (" code { (it.class.as_str()) } ") "
                        span.faint { (Inert(super::why_ignored(it).unwrap_or_default())) }
                    }
                }
            }
        }
        @if !stack.unused_ignores.is_empty() {
            h3 { "Unused in ignoreDrift: " (stack.unused_ignores.len()) }
            ul { @for it in &stack.unused_ignores { li { (Inert(super::unused(it))) } } }
        }
        @for (heading, all) in [("Gone", &stack.gone), ("Not known now", &stack.unconfirmed)] {
            @if !all.is_empty() {
                h3 { (heading) ": " (all.len()) }
                ul { @for it in all { li.faint { (Inert(&it.title)) ": " (Inert(&it.message)) " (" code { (it.class.as_str()) } ")" } } }
            }
        }
    }
}

/// The stack's objects in the order in which traffic passes them, what is not as it should be marked.
fn chain(stack: &StackReport) -> Markup {
    let mut nodes: Vec<_> = stack.nodes.iter().collect();
    nodes.sort_by(|one, other| {
        (one.address.kind, &one.address).cmp(&(other.address.kind, &other.address))
    });
    html! {
        @if nodes.iter().any(|it| it.state != State::InSync) {
            ol.chain {
                @for node in nodes {
                    @let broken = stack.of(&node.address).any(|it| it.ignored.is_none() && it.class.urgency() == Urgency::Broken);
                    @let (tone, word) = match node.state {
                        _ if broken => ("bad", "broken now"),
                        State::InSync => ("good", "as it should be"),
                        State::Noted => ("plain", "to note"),
                        State::Unverified => ("warn", "not verified"),
                        State::Drifted => ("warn", "differs"),
                        State::Unreadable => ("bad", "could not be read"),
                    };
                    li class=(tone) { strong { (Inert(&node.title)) } " " (word) }
                }
            }
        }
    }
}

fn difference(it: &Difference, urgency: Urgency, is_compared: bool) -> Markup {
    let tone = match urgency {
        Urgency::Broken => "bad",
        Urgency::Edited | Urgency::Other => "warn",
        Urgency::Note => "plain",
    };
    let mut fields = String::new();
    for field in &it.fields {
        // Writing to a String cannot fail.
        let _ = writeln!(fields, "{}", super::field(field));
    }
    html! {
        article class=(tone) {
            p { strong { (it.class.word()) } " " (Inert(super::object(it))) " (" code { (it.class.as_str()) } ")" }
            p { (Inert(&it.message)) }
            @if let Some(since) = super::since(is_compared, it) { p.faint { (Inert(&since)) } }
            @if it.weight == Weight::Drift {
                p.faint { (Inert(super::joined(&super::who(&it.cause)))) "; heals by itself: " (it.heals.as_str()) }
            }
            @if !fields.is_empty() { (lines("fields", &fields)) }
            @if let Some(whom) = super::disconnected(it) { p.bad { strong { (Inert(&whom)) } } }
            @if let Some(repair) = &it.repair {
                @if !repair.commands.is_empty() {
                    @let commands: Vec<String> = repair.commands.iter().map(ToString::to_string).collect();
                    (lines("repair", &commands.join(" &&\n  ")))
                }
                @if let Some(advice) = &repair.advice { p { (Inert(advice)) } }
            }
            @if let Some(refused) = super::refused(it) { p.bad { (Inert(&refused)) } }
        }
    }
}
