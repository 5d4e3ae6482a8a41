//! `validate`: checks files, contacting nothing.

use std::sync::Arc;

use privlink_core::assumed;
use privlink_core::controller::predict::Change;
use privlink_core::desired::{self, Desired};
use privlink_core::diagnostic::{self, Diagnostic};
use privlink_core::lint;
use privlink_core::plan::Finding;
use privlink_core::plural::count;
use privlink_core::prediction;
use privlink_core::rule::Severity;
use privlink_core::wanted::Wanted;
use privlink_render as render;
use privlink_render::notice::Notice;
use serde_json::json;

use crate::args::{Input, ProblemFormat, TargetFlags, Validate};
use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::input;
use crate::ui::{self, Ui};

use super::fleet::Fleet;

pub(crate) fn run(args: &Validate, ui: &mut Ui) -> Result<Exit, CommandError> {
    let input = args.input.input();
    let Some(folder) = &args.input.many.stacks else { return one(&input, args.output, ui) };
    if args.output == ProblemFormat::Sarif {
        return Err(CommandError::new("problems of several stacks are shown as text or json"));
    }
    let is_json = args.output == ProblemFormat::Json;
    let many = &args.input.many;
    let stacks = Fleet { folder, many, input: &input, place: None, is_json, quiet: "valid" };
    stacks.run(ui, |source, ui| one(&source.input, args.output, ui))
}

fn one(input: &Input, format: ProblemFormat, ui: &mut Ui) -> Result<Exit, CommandError> {
    let loaded = input::load(input, None)?;
    if loaded.is_empty() {
        return Err(super::nothing());
    }
    let diagnostics = &loaded.diagnostics;
    let is_sound = !has_errors(diagnostics);
    // What a broken input comes to says nothing.
    let findings = if is_sound { foreseen(&loaded.desired)? } else { Vec::new() };
    let severities: Vec<Severity> = diagnostics
        .iter()
        .map(|it| it.severity)
        .chain(findings.iter().map(|it| it.severity))
        .collect();
    let notices = diagnostics.iter().map(Notice::from);
    let notices: Vec<Notice> = notices.chain(findings.iter().map(Notice::from)).collect();
    ui.annotate(&notices);
    match format {
        ProblemFormat::Text => {
            let mut text = String::new();
            if !diagnostics.is_empty() {
                text.push_str(&ui::render(diagnostics, ui.style(), ui.layout().width));
                text.push('\n');
            }
            // Writing to a String cannot fail.
            let _ = render::text::findings(&findings, ui.layout(), &mut text);
            if is_sound {
                text.push_str(&format!("{}\n", verdict(&loaded.desired, &severities)));
            }
            ui.print(&text)?;
            match severities.iter().max() {
                None | Some(Severity::Note) => ui.drop_result(),
                Some(_) => ui.sum_up(counted(&severities)),
            }
        }
        ProblemFormat::Sarif => {
            ui.print(&format!("{:#}\n", super::sarif(&notices, ui.pipeline())))?;
        }
        ProblemFormat::Json => {
            let list: Vec<_> = diagnostics.iter().map(diagnostic::json).collect();
            let counts = diagnostic::count(diagnostics);
            if severities.iter().any(|it| *it != Severity::Note) {
                ui.sum_up(counted(&severities));
            }
            let report = json!({"diagnostics": list, "counts": counts, "findings": findings});
            ui.print(&format!("{report:#}\n"))?;
        }
    }
    let foreseen_error = findings.iter().any(|finding| finding.severity == Severity::Error);
    Ok(if is_sound && !foreseen_error { Exit::Done } else { Exit::Error })
}

/// What the controller would make of the input on a cluster as AKS makes it, with what is pinned.
fn foreseen(desired: &Desired) -> Result<Vec<Finding>, CommandError> {
    let place = TargetFlags::nowhere();
    let pinned = desired::pinned(desired, place.said().subscription(desired).as_deref());
    let (facts, cluster) = assumed::cluster(&pinned);
    let mut changes = Vec::new();
    for (key, service) in &desired.services {
        let stored = prediction::stored(&service.manifest, None, &facts, None)
            .map_err(|error| CommandError::new(format!("Service {key}: {error}")))?;
        changes.push(Change::Apply(Arc::new(stored)));
    }
    let world = assumed::world(&facts, &changes);
    let prediction = prediction::predict(world, cluster, &changes);
    Ok(lint::foreseen(&Wanted::as_written(desired), &facts, &prediction))
}

fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
}

/// The Services, and how many of them Gateways come to.
fn services(desired: &Desired) -> String {
    use privlink_core::plural::count;
    let all = count(desired.services.len(), "Service");
    match desired.services.values().filter(|it| it.made_by.is_some()).count() {
        0 => all,
        made => {
            format!("{all} ({made} made of {})", if made == 1 { "a Gateway" } else { "Gateways" })
        }
    }
}

/// What the stack holds, and what was found: it is valid only where nobody has anything to look at.
fn verdict(desired: &Desired, severities: &[Severity]) -> String {
    let found = match counted(severities) {
        nothing if nothing.is_empty() => "is valid".to_owned(),
        counted => format!("has {counted}"),
    };
    format!(
        "Stack {} {found}: {}, {}, {}.",
        privlink_core::escape::terminal(&desired.name),
        services(desired),
        count(desired.endpoints.len(), "private endpoint"),
        count(desired.approvals.len(), "approval"),
    )
}

/// How many errors and warnings there are; nothing if there are none.
fn counted(severities: &[Severity]) -> String {
    let of = |severity: Severity| severities.iter().filter(|it| **it == severity).count();
    match (of(Severity::Error), of(Severity::Warning)) {
        (0, 0) => String::new(),
        (0, warnings) => count(warnings, "warning"),
        (errors, 0) => count(errors, "error"),
        (errors, warnings) => {
            format!("{} and {}", count(errors, "error"), count(warnings, "warning"))
        }
    }
}
