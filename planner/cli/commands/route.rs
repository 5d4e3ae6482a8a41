//! `route`: finds a sequence of edits that disconnects fewer consumers than doing all at once.

use std::path::Path;

use privlink_core::input::Input;
use privlink_core::inventory::Inventory;
use privlink_core::join;
use privlink_core::plan::Mode;
use privlink_core::route::gate::stage_documents;
use privlink_core::route::{self, Bounds, Route, Step};
use privlink_core::yaml;
use privlink_file::Readers;
use serde_json::Value;

use crate::args::{self, Limits, RouteFormat};
use crate::command_error::{CommandError, io};
use crate::exit::Exit;
use crate::input;
use crate::ui::Ui;

pub(crate) fn run(args: &args::Route, ui: &mut Ui) -> Result<Exit, CommandError> {
    let stack = (&args.input, &args.place);
    let guard = super::plan::guarded(&args.guarding, stack, args.observed.as_deref(), ui)?;
    let sources = input::sources(&args.input.filename)?;
    let written = args.out.as_ref().map(|_| sources.documents());
    let (desired, snapshot) = super::sound_sources_and_observed(
        sources,
        &args.input,
        &args.place,
        args.observed.as_deref(),
        ui,
    )?;
    let options = super::options(Mode::Apply, &Limits { guard, ..Limits::default() });
    let bounds = Bounds {
        edits: args.max_edits.into(),
        states: usize::try_from(args.max_states).unwrap_or(usize::MAX),
    };
    let route = super::block_on(async {
        let observed = super::observed(&desired, &args.place, snapshot, None).await?;
        let live = Inventory::of(&observed.snapshot);
        let wanted = join::identify(&desired, &live, &observed.facts, &options);
        let input = Input::new(&wanted, &live, &observed.facts, &options);
        let route =
            route::find(&input, bounds).map_err(|error| CommandError::new(error.to_string()))?;
        if let Some(connected) = observed.connected {
            connected.close().await?;
        }
        Ok(route)
    })?;
    ui.print(&rendered(&route, args.output, ui)?)?;
    if let (Some(folder), Some(written)) = (&args.out, written) {
        write(folder, &route, &written, ui)?;
    }
    Ok(Exit::Done)
}

fn rendered(route: &Route, output: RouteFormat, ui: &Ui) -> Result<String, CommandError> {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = match output {
        RouteFormat::Text => privlink_render::route::text(route, ui.layout(), &mut text),
        RouteFormat::Mermaid => privlink_render::route::mermaid(route, &mut text),
        RouteFormat::Json => {
            text = super::json(route)?;
            Ok(())
        }
    };
    Ok(text)
}

/// Writes each step, or each stage of the way with gates, into a folder of its own, none of which may be there.
fn write(folder: &Path, route: &Route, written: &[Value], ui: &mut Ui) -> Result<(), CommandError> {
    let mut folders = Vec::new();
    for step in &route.steps {
        let page = privlink_render::route::page(route, step);
        folders.push((name(step), route::documents(route, step, written), page));
    }
    let gated = route.gates.iter();
    let stages = gated.flat_map(|gated| gated.stages.iter().map(move |it| (gated, *it)));
    for (gated, stage) in stages {
        let name = format!("{}-{}", gated.number(stage), stage.as_str());
        let page = privlink_render::gates::page(gated, stage);
        folders.push((name, stage_documents(gated, stage, written), page));
    }
    let Some((first, ..)) = folders.first() else {
        ui.say("No folder is written: there are no steps.");
        return Ok(());
    };
    for (name, documents, page) in &folders {
        let folder = folder.join(name);
        let shown = folder.display().to_string();
        if std::fs::symlink_metadata(&folder).is_ok() {
            return Err(CommandError::new(format!("{shown} is there already"))
                .hint("Choose another folder."));
        }
        std::fs::create_dir_all(&folder).map_err(io(&shown))?;
        for (file, text) in [("stack.yaml", &yaml::stream(documents)), ("README.md", page)] {
            let file = folder.join(file);
            privlink_file::replace_text(&file, Readers::All, text)
                .map_err(io(&file.display().to_string()))?;
        }
    }
    let first = crate::invocation::quoted(&folder.join(first).display().to_string());
    let place: String = ui.invocation().elsewhere().iter().map(|it| format!(" {it}")).collect();
    ui.say(&format!(
        "Wrote {} folders below {}. Apply them in order, each when its README.md says so: \
         privlink apply -f {first}{place}",
        folders.len(),
        folder.display(),
    ));
    Ok(())
}

/// The folder of a step: `1-change-default-web`.
fn name(step: &Step) -> String {
    let word = match step.edit {
        route::Edit::Create => "create",
        route::Edit::Update => "change",
        route::Edit::Delete => "delete",
        route::Edit::Sync => "sync",
    };
    format!("{}-{word}-{}", step.number, step.service.replace('/', "-"))
}
