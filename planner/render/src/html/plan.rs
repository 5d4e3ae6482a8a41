//! A plan as a page.

use maud::{Markup, html};
use privlink_core::change::{Action, Change, Effect};
use privlink_core::consumer::Consumer;
use privlink_core::plan::chain::{Row, RowEffect, What};
use privlink_core::plan::{Finding, Plan, REDACTED, disconnected};
use privlink_core::plural::count;
use privlink_core::rule::{self, Severity};

use super::{Inert, lines, page, tone, wide};
use crate::consumers;
use crate::full;
use crate::markdown;
use crate::summary;
use crate::text::{self, Frame};

/// A plan as a page.
pub fn plan(plan: &Plan, frame: &Frame<'_>) -> String {
    let (verdict, label) = summary::verdict(plan);
    let title = if plan.stack.is_empty() { "privlink plan" } else { &plan.stack };
    let head = html! { h1 class=(tone(label)) { (Inert(&verdict)) } };
    page(title, &head, &html! { h2 { "Stack " (Inert(&plan.stack)) } (body(plan, frame)) })
}

/// The part of a page that is about one plan of many, without its heading.
pub fn fragment(plan: &Plan, frame: &Frame<'_>) -> String {
    let (verdict, label) = summary::verdict(plan);
    html! { p class=(tone(label)) { strong { (Inert(&verdict)) } } (body(plan, frame)) }
        .into_string()
}

fn body(plan: &Plan, frame: &Frame<'_>) -> Markup {
    let cut = disconnected(&plan.changes);
    let waiting: Vec<&Consumer> = plan.awaiting_approval.iter().collect();
    let ways = text::ways_alone(plan, frame);
    html! {
        p.faint {
            @if let Some(cluster) = &plan.cluster {
                "On cluster " code { (Inert(&cluster.name)) } " in " code { (Inert(&cluster.resource_group)) } ". "
            }
            (Inert(summary::counts(plan)))
        }
        @if plan.redacted { p { (REDACTED) } }
        @for it in &plan.unread { p { "Not read: " code { (it.what) } ": " (it.why) } }
        @for refusal in plan.objections() {
            @if refusal.code == rule::TOO_MANY_DISCONNECTS {
                p { "To go ahead anyway: " (Inert(&refusal.overridden_by.to_string())) }
            } @else {
                p.bad { strong { "Refused" } " (" code { (refusal.code.as_str()) } "): " (Inert(&refusal.message)) ". "
                    "Override: " (Inert(&refusal.overridden_by.to_string())) }
            }
        }
        @if !cut.is_empty() { (people("Disconnected", plan, &cut)) }
        @for consent in &plan.consents {
            p { "Consent: " code { (Inert(&consent.endpoint)) } " may be disconnected until " (Inert(&consent.until))
                @if let Some(reason) = &consent.reason { ": " (Inert(reason)) } }
        }
        @if !cut.is_empty() && !plan.causes.is_empty() {
            h3 { "Cause" }
            @for cause in &plan.causes {
                p { (Inert(text::edit(cause))) }
                @let excerpt = text::excerpt_alone(plan, cause);
                @if !excerpt.is_empty() { (lines("cause", &excerpt)) }
            }
        }
        (chain(plan))
        @if !waiting.is_empty() { (people("Awaits approval", plan, &waiting)) }
        @if !ways.is_empty() { h3 { "Instead" } (lines("ways on", &ways)) }
        @for alternative in &plan.alternatives {
            details {
                summary { "How nobody is disconnected: " (count(alternative.steps.len(), "step")) }
                ol { @for step in &alternative.steps { li { (Inert(step)) } } }
            }
        }
        (findings(plan))
        (fields(plan))
    }
}

fn people(title: &'static str, plan: &Plan, all: &[&Consumer]) -> Markup {
    let rows = consumers::groups(plan, all);
    html! {
        h3 { (title) ": " (count(all.len(), "consumer")) }
        (wide(title, &html! {
            table {
                thead { tr { @for head in ["name", "resource group", "subscription", "state", "whose"] { th scope="col" { (head) } } } }
                tbody {
                    @for group in &rows {
                        tr {
                            td { (Inert(group.names.join(", "))) }
                            td { (Inert(&group.resource_group)) }
                            td { (Inert(&group.subscription)) }
                            td { (Inert(&group.status)) }
                            td { (Inert(&group.whose)) }
                        }
                    }
                }
            }
        }))
    }
}

/// What happens, as a chain: each object below the one that brings it about.
fn chain(plan: &Plan) -> Markup {
    let rows = plan.chain();
    html! {
        @if !rows.is_empty() {
            h3 { "What happens" }
            ol.chain { @for row in &rows { (link(row)) } }
        }
    }
}

fn link(row: &Row<'_>) -> Markup {
    let action = row.what.action();
    let tone = match action {
        Action::Replace | Action::Delete | Action::Reject => "bad",
        Action::Update | Action::Await => "warn",
        Action::Create | Action::Approve | Action::Adopt => "good",
        Action::Keep => "plain",
    };
    let why = match row.what {
        What::Change(change) => change.reason.as_str(),
        What::Connections { .. } => "deleted with it",
    };
    let class = format!("{tone} depth-{}", row.depth.min(4));
    html! {
        li class=(class) {
            strong { (Inert(row.what.title())) } " " (action.word()) " by " (Inert(row.what.actor().as_str())) ": " (Inert(why))
            @if row.what.effect() != RowEffect::None { ". " em { (row.what.effect().as_str()) } }
        }
    }
}

fn findings(plan: &Plan) -> Markup {
    let all: Vec<&Finding> = plan.untold().collect();
    html! {
        @if !all.is_empty() {
            h3 { "Findings" }
            @for it in all {
                @let (word, tone) = match it.severity {
                    Severity::Error => ("error", "bad"),
                    Severity::Warning => ("warning", "warn"),
                    Severity::Note => ("note", "plain"),
                };
                article class=(tone) {
                    p { strong { (word) } " " code { (it.code.as_str()) } " " code { (Inert(it.address.to_string())) }
                        @if let Some(place) = &it.place { " at " code { (Inert(place)) } } }
                    p { (Inert(&it.message)) (crate::notice::standing(it.pre_existing)) }
                    @if let Some(help) = &it.help { p.faint { (Inert(help)) } }
                }
            }
        }
    }
}

fn fields(plan: &Plan) -> Markup {
    let told: Vec<&Change> = plan.changes.iter().filter(|it| !it.fields.is_empty()).collect();
    html! {
        @if !told.is_empty() {
            details {
                summary { "Objects, field by field" }
                @for change in told {
                    h3 { code { (Inert(change.address.to_string())) } " " (change.action.word()) }
                    @if let Some(object) = &change.object { p.faint { (Inert(object)) } }
                    (lines("fields", &markdown::field_text(change)))
                    @if let Effect::ConsumersDisconnected(consumers) = &change.effect {
                        ul { @for consumer in consumers { li { (Inert(full::consumer(consumer))) } } }
                    }
                }
            }
        }
    }
}
