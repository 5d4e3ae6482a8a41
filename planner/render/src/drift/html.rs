//! A drift report as a page.

use std::fmt::Write;

use maud::{Markup, html};
use privlink_core::drift::{Difference, Report, StackReport, State, Urgency, Weight};
use privlink_core::plural::count;

use crate::html::{Inert, lines, page};

/// A report as a page: the verdict, then the stacks that drifted or could not be read, then the others.
pub fn report(report: &Report) -> String {
    let line = super::line(report);
    let tone = match (super::urgent(report, Urgency::Broken), report.is_complete()) {
        (0, true) if !report.has_drift() => "good",
        (0, _) => "warn",
        _ => "bad",
    };
    let (quiet, told): (Vec<&StackReport>, Vec<&StackReport>) =
        report.stacks.iter().partition(|stack| super::is_quiet(stack));
    let mut told = told;
    told.sort_by_key(|stack| rank(stack));
    let body = html! {
        @for stack in told { (self::stack(stack)) }
        @if !quiet.is_empty() {
            section aria-label="without drift" {
                h2 { "Without drift: " (count(quiet.len(), "stack")) }
                ul { @for stack in quiet { li { (Inert(super::title(stack))) } } }
            }
        }
        @if let Some(screened) = super::screened(report) { p.faint { (Inert(screened)) } }
    };
    page("privlink drift", &html! { h1 class=(tone) { (Inert(line)) } }, &body)
}

/// Where a stack stands among others: what is broken first.
fn rank(stack: &StackReport) -> (usize, usize) {
    let of = |urgency| stack.differences.iter().filter(|it| it.class.urgency() == urgency).count();
    let broken = of(Urgency::Broken);
    (usize::from(broken == 0), usize::MAX - broken - stack.count(Weight::Drift))
}

fn stack(stack: &StackReport) -> Markup {
    html! {
        section {
            h2 { "Stack " (Inert(super::title(stack))) }
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
                    @for it in all { (difference(it, urgency)) }
                }
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
                    @let broken = stack.of(&node.address).any(|it| it.class.urgency() == Urgency::Broken);
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

fn difference(it: &Difference, urgency: Urgency) -> Markup {
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
