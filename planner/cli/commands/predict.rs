//! `predict`: what the controller will write.

use std::path::Path;
use std::sync::Arc;

use privlink_core::controller::predict::Change;
use privlink_core::desired::{self, Desired};
use privlink_core::inventory::Inventory;
use privlink_core::kubernetes::service::Key;
use privlink_core::prediction::{self, Prediction};
use privlink_core::recording::case::Recording;
use privlink_core::recording::compare::compare;
use privlink_core::recording::replay::replay;
use privlink_core::recording::shape;
use privlink_core::{assumed, escape, plural};
use privlink_engine::observe::Targets;
use privlink_engine::span;
use privlink_render as render;
use serde_json::json;

use crate::args::{self, DataFormat};
use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::input;
use crate::ui::Ui;

pub(crate) fn run(args: &args::Predict, ui: &mut Ui) -> Result<Exit, CommandError> {
    match &args.recording {
        Some(path) => recording(path, args.output, ui),
        None => manifests(args, ui),
    }
}

/// Replays a recording of the real controller.
fn recording(path: &Path, format: DataFormat, ui: &mut Ui) -> Result<Exit, CommandError> {
    let shown = path.display().to_string();
    let text = super::file::read(path)?;
    let recording: Recording = serde_json::from_slice(&text)
        .map_err(|error| CommandError::new(format!("{shown} is not a recording: {error}")))?;
    let predictions = replay(&recording);
    if format == DataFormat::Json {
        let steps: Vec<_> = predictions.iter().map(shape::StepPrediction::to_value).collect();
        ui.print(&format!("{:#}\n", json!({"steps": steps})))?;
        return Ok(Exit::Done);
    }
    let mut differences = 0;
    let results = &recording.result_after_each_step;
    for (at, (predicted, recorded)) in predictions.iter().zip(results).enumerate() {
        for difference in compare(predicted, recorded) {
            differences += 1;
            let difference = escape::terminal(&difference);
            ui.print(&format!("step {at}: {difference}\n"))?;
        }
    }
    let steps = plural::count(predictions.len(), "step");
    if differences > 0 {
        let found = plural::count(differences, "difference");
        ui.print(&format!("{found} in {steps}.\n"))?;
        return Ok(Exit::Error);
    }
    ui.print(&format!("{steps} as recorded.\n"))?;
    Ok(Exit::Done)
}

/// Predicts what comes of manifests. Whatever else is wrong with them, this can be told.
fn manifests(args: &args::Predict, ui: &mut Ui) -> Result<Exit, CommandError> {
    let namespace = Some(args.namespace.clone().unwrap_or_else(|| "default".to_owned()));
    let loaded = input::load_paths(&args.filename, namespace, false)?;
    ui.diagnostics(&loaded.diagnostics);
    let (facts, prediction) = predicted(args, &loaded.desired)?;
    let text = match args.output {
        DataFormat::Json => {
            let step = shape::step(
                &prediction.after,
                &prediction.before,
                &prediction.outcomes,
                &prediction.services,
                &facts,
            );
            format!("{:#}\n", step.to_value())
        }
        DataFormat::Text => {
            let mut text = String::new();
            // Writing to a String cannot fail.
            let _ = render::prediction::text(&prediction, &mut text);
            text
        }
    };
    ui.print(&text)?;
    Ok(Exit::Done)
}

fn predicted(
    args: &args::Predict,
    desired: &Desired,
) -> Result<(privlink_core::facts::Facts, Prediction), CommandError> {
    let place = args::TargetFlags::nowhere();
    let pinned = desired::pinned(desired, place.said().subscription(desired).as_deref());
    let (facts, world, cluster) = match &args.observed {
        Some(path) => {
            let snapshot = super::file::read_snapshot(path)?;
            let targets = Targets::of_snapshot(desired, &place.said(), &pinned, &snapshot);
            let facts = targets.facts(&snapshot, &pinned);
            let live = Inventory::of(&snapshot);
            if let Some(what) = live.malformed().first() {
                return Err(CommandError::new(format!("the snapshot: {what}")));
            }
            let cluster = prediction::cluster(&live, &facts);
            (facts, Some(live.world().clone()), cluster)
        }
        None => {
            let (facts, cluster) = assumed::cluster(&pinned);
            (facts, None, cluster)
        }
    };
    let is_known = |of: &String| desired.services.keys().any(|name| name.to_string() == *of);
    if let Some((of, _)) = args.uid.iter().find(|(of, _)| !is_known(of)) {
        return Err(CommandError::new(format!("--uid: the input has no Service {of}")));
    }
    let mut changes = Vec::new();
    for (name, service) in &desired.services {
        let key = Key::new(&name.namespace, &name.name);
        let live = cluster.services.get(&key).map(|live| live.object.as_ref());
        let uid = args.uid.iter().find(|(of, _)| *of == name.to_string());
        let uid = uid.map(|(_, uid)| uid.as_str());
        let stored = prediction::stored(&service.manifest, live, &facts, uid)
            .map_err(|error| CommandError::new(format!("Service {name}: {error}")))?;
        changes.push(Change::Apply(Arc::new(stored)));
    }
    let world = world.unwrap_or_else(|| assumed::world(&facts, &changes));
    let prediction = span::predicted(|| prediction::predict(world, cluster, &changes));
    Ok((facts, prediction))
}
