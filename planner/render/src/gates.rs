//! The way with gates, for people: what each stage does, and whom it waits for.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use privlink_core::escape::terminal;
use privlink_core::names::folded;
use privlink_core::plural::count;
use privlink_core::resource_id::ResourceId;
use privlink_core::route::gate::{DNS_SECONDS, Gated, LeftLink, Second, Stage};

use super::escape;
use super::layout::Layout;
use super::style::Label;

/// Writes the stages.
pub(super) fn text(gated: &Gated, layout: Layout, out: &mut dyn Write) -> fmt::Result {
    let due = gated.due.map_or(usize::MAX, |stage| gated.number(stage));
    for stage in &gated.stages {
        let number = gated.number(*stage);
        let state = match number.cmp(&due) {
            std::cmp::Ordering::Less => " (done)",
            std::cmp::Ordering::Equal if number > 1 => " (due)",
            _ => "",
        };
        writeln!(out)?;
        let head = format!("{number}. {}{state}", stage.as_str());
        layout.paragraph("", &head, Some(Label::Heading), out)?;
        for line in waits(gated, *stage).into_iter().chain(does(gated, *stage)) {
            layout.paragraph("     ", &terminal(&line), None, out)?;
        }
    }
    if gated.has_documents() {
        let keep = "Then the documents of the last stage are the stack's: `privlink route --out` writes them.";
        writeln!(out)?;
        layout.paragraph("", keep, None, out)?;
    }
    Ok(())
}

/// What stands above the stages.
pub(super) fn heading(gated: &Gated) -> String {
    match gated.re_created() {
        0 => "Instead, with nobody disconnected:".to_owned(),
        number => format!(
            "Instead, with {} of this stack re-created (--max-disconnects {number}) and nobody else disconnected:",
            count(number, "endpoint")
        ),
    }
}

/// What a way with gates comes to, in a line.
pub fn headline(gated: &Gated) -> String {
    let stages = count(gated.stages.len(), "stage");
    match gated.due {
        None => format!("The way with gates is done, all {stages}."),
        Some(stage) if stage == Stage::Beside || gated.stages.len() == 1 => {
            format!("There is a way with gates, in {stages}.")
        }
        Some(stage) => {
            format!(
                "The way with gates was begun: stage {} of {} is due, {}.",
                gated.number(stage),
                gated.stages.len(),
                stage.as_str()
            )
        }
    }
}

/// What is waited for before a stage, a line each.
fn waits(gated: &Gated, stage: Stage) -> Vec<String> {
    match stage {
        Stage::Leave => {
            vec![format!("wait {DNS_SECONDS} s, as long as resolvers may give the old addresses")]
        }
        Stage::End => gated.links.iter().flat_map(leaving).collect(),
        _ => Vec::new(),
    }
}

/// Who has to leave a Private Link Service, and where to.
fn leaving(link: &LeftLink) -> Vec<String> {
    if link.waits_for.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![format!("wait until they have left {}:", link.link)];
    let mut places: BTreeMap<(String, String, bool), Vec<String>> = BTreeMap::new();
    for consumer in &link.waits_for {
        let id = ResourceId::new(&consumer.endpoint);
        let group = id.resource_group().unwrap_or_default().to_owned();
        let place = (consumer.subscription.clone(), group, consumer.own);
        places.entry(place).or_default().push(id.name().to_owned());
    }
    for ((subscription, group, own), names) in places {
        let names = folded(names).join(", ");
        let own = if own { ", in this stack: remove the document" } else { "" };
        lines.push(format!(
            "  {names} (resource group {group} of subscription {subscription}{own})"
        ));
    }
    if let Some(second) = &link.second {
        let alias = second.alias.as_ref().map(|it| format!(", {it}")).unwrap_or_default();
        lines.push(format!(
            "their owners need new endpoints to the alias of {}{alias}",
            link_name(second)
        ));
    }
    lines
}

fn link_name(second: &Second) -> String {
    let unnamed = || format!("Service {}'s Private Link Service", second.service);
    second.link.clone().unwrap_or_else(unnamed)
}

/// What a stage does, a line each.
fn does(gated: &Gated, stage: Stage) -> Vec<String> {
    gated.links.iter().flat_map(|link| done_of(link, stage)).collect()
}

fn done_of(link: &LeftLink, stage: Stage) -> Vec<String> {
    let LeftLink { service, link: old, .. } = link;
    let Some(second) = &link.second else {
        return match stage {
            Stage::End => vec![format!("apply desired state: {old} is deleted")],
            _ => Vec::new(),
        };
    };
    let mut lines = Vec::new();
    match stage {
        Stage::Beside => {
            lines.push(format!(
                "create Service {}{} beside Service {service}",
                second.service,
                second
                    .link
                    .as_ref()
                    .map(|it| format!(" with Private Link Service {it}"))
                    .unwrap_or_default()
            ));
            if let Some(held) = &second.held_address {
                lines.push(format!("it gets another address, since {service} has {held}"));
            }
            for (approval, copy) in &second.approvals {
                lines.push(format!("copy EndpointApproval {approval} for it, as {copy}"));
            }
            let beside = second.endpoints.iter().filter_map(|it| it.second.as_ref());
            lines.extend(beside.map(|name| format!("create PrivateEndpoint {name} to it")));
            lines.push("nobody is affected".to_owned());
        }
        Stage::Move => {
            for it in &second.endpoints {
                lines.push(match &it.second {
                    Some(new) => format!(
                        "move the name in DNS of PrivateEndpoint {} to {new}: nobody is disconnected",
                        it.endpoint
                    ),
                    None if it.has_address => format!(
                        "re-create PrivateEndpoint {} to Service {}: it breaks, and comes back on its address",
                        it.endpoint, second.service
                    ),
                    None => format!(
                        "re-create PrivateEndpoint {} to Service {}: it breaks, and comes back on another address",
                        it.endpoint, second.service
                    ),
                });
            }
        }
        Stage::Leave => {
            let left = second.endpoints.iter().filter(|it| it.second.is_some());
            lines.extend(left.map(|it| format!("delete PrivateEndpoint {}", it.endpoint)));
        }
        Stage::End => lines.push(format!("delete Service {service}, and {old} with it")),
        Stage::Return => lines.extend(second.returns.iter().map(|_| {
            format!("create Service {service} again, on its address, without Private Link Service")
        })),
    }
    lines
}

/// A page that lies beside the documents of a stage, in Markdown.
pub fn page(gated: &Gated, stage: Stage) -> String {
    let mut page =
        format!("# Stage {} of {}: {}\n", gated.number(stage), gated.stages.len(), stage.as_str());
    let waits = waits(gated, stage);
    let list = |title: &str, lines: &[String], page: &mut String| {
        if lines.is_empty() {
            return;
        }
        page.push_str(&format!("\n{title}\n\n"));
        for line in lines {
            let nested = if line.starts_with(' ') { "  " } else { "" };
            page.push_str(&format!("{nested}- {}\n", escape::prose(line.trim())));
        }
    };
    list("Before it is applied:", &waits, &mut page);
    list("What it does:", &does(gated, stage), &mut page);
    let after = if gated.stages.last() == Some(&stage) {
        "After it, these documents are the stack's: keep them."
    } else {
        "The next stage comes when a plan of this folder says `No changes.`"
    };
    page.push_str(&format!("\n{after}\n"));
    page
}

/// Writes the stages as the rest of a Mermaid flowchart that begins with `s0`.
pub(super) fn mermaid(gated: &Gated, out: &mut dyn Write) -> fmt::Result {
    for stage in &gated.stages {
        let at = gated.number(*stage);
        let does = does(gated, *stage).join("; ");
        let waits = waits(gated, *stage);
        let waits: Vec<&str> = waits.iter().map(|it| it.trim()).collect();
        writeln!(out, "  s{at}[\"{}\"]", escape::mermaid(&does))?;
        match waits.is_empty() {
            true => writeln!(out, "  s{} --> s{at}", at - 1)?,
            false => {
                writeln!(
                    out,
                    "  s{} -->|\"{}\"| s{at}",
                    at - 1,
                    escape::mermaid(&waits.join(" "))
                )?;
            }
        }
    }
    writeln!(out, "  s{} --> end_([\"the stack's documents\"])", gated.stages.len())
}
