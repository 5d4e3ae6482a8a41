//! `plan`: shows what would change.

use std::fmt::Write;

use privlink_core::binding;
use privlink_core::plan::{Mode, Plan};
use privlink_core::render;
use privlink_core::render::comment::{self, Flavour, Options};
use privlink_core::render::notice::Notice;
use privlink_core::render::style::Style;
use privlink_core::saved::{self, SavedPlan};
use privlink_engine::session::Patience;

use crate::args::{self, Format};
use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::pipeline::Pipeline;

use super::Observed;
use crate::ui::Ui;

pub(crate) fn run(args: &args::Plan, ui: &mut Ui) -> Result<Exit, CommandError> {
    let desired = super::sound(&args.input, &args.place, args.observed.as_deref(), ui)?;
    let mode = if args.destroy { Mode::Destroy } else { Mode::Apply };
    let (saved, met) = super::block_on(async {
        let observed =
            super::observed(&desired, &args.place, args.observed.as_deref(), Patience::default())
                .await?;
        let planned = super::planned(&desired, &observed, mode, &args.limits)?;
        let saved = seal(planned.plan, &observed, &args.place);
        let mut met = true;
        if let Some(connected) = observed.connected {
            if args.preflight {
                let seen = (&observed.snapshot, &observed.facts);
                met = super::preflight::passed(&desired, seen, &connected, ui).await?;
            }
            connected.close().await?;
        }
        Ok((saved, met))
    })?;
    let plan = &saved.plan;
    if let Some(file) = &args.out {
        super::write_private(file, &saved.to_text())?;
    }
    ui.print(&rendered(plan, args.shown.output, ui))?;
    for (format, file) in &args.shown.render {
        super::write_private(file, &rendering(plan, *format, Style::default(), ui.pipeline()))?;
    }
    ui.annotate(&Notice::of_plan(plan));
    super::summary::of_plan(plan, ui);
    if let Some(id) = &args.comment
        && let Err(error) = super::comment::of_plan(plan, id, ui)
    {
        ui.warn(&error);
    }
    if !met {
        return Ok(Exit::Error);
    }
    if !plan.refusals.is_empty() {
        return Ok(Exit::Refused);
    }
    let has_changes = args.detailed_exitcode && !plan.is_empty();
    Ok(if has_changes { Exit::Changes } else { Exit::Done })
}

/// A plan with what it is bound to.
fn seal(plan: Plan, observed: &Observed, place: &args::Where) -> SavedPlan {
    let Observed { snapshot, facts, .. } = observed;
    SavedPlan {
        format_version: saved::FORMAT_VERSION.to_owned(),
        digest: String::new(),
        subscription: facts.subscription.clone(),
        context: place.context.clone(),
        lists: snapshot.azure.keys().cloned().collect(),
        bindings: binding::bind(&plan, snapshot),
        plan,
    }
    .sealed()
}

/// A plan in a format, as it looks on stdout.
pub(super) fn rendered(plan: &Plan, format: Format, ui: &Ui) -> String {
    rendering(plan, format, ui.style(), ui.pipeline())
}

/// A plan in a format, as it looks on a stream.
pub(super) fn rendering(plan: &Plan, format: Format, style: Style, pipeline: &Pipeline) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = match format {
        Format::Text => render::text::plan(plan, style, &mut text),
        Format::Json => render::json::plan(plan, &mut text),
        Format::Markdown => {
            text.write_str(&comment::document(&[plan], &Options::new(Flavour::StepSummary)))
        }
        Format::Tfjson => writeln!(text, "{:#}", render::terraform::json(plan)),
        Format::Sarif => {
            writeln!(text, "{:#}", super::sarif(&Notice::of_plan(plan), pipeline))
        }
        Format::Gitlab => writeln!(text, "{}", render::terraform::gitlab(plan)),
    };
    text
}
