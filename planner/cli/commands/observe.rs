//! `observe`: saves what the cluster and Azure show.

use std::path::Path;

use privlink_core::facts::Facts;
use privlink_core::inventory::Inventory;
use privlink_core::kubernetes::service::Key;
use privlink_core::plural::count;
use privlink_core::redact::{Own, redact};
use privlink_core::snapshot::Snapshot;
use privlink_engine::session::Patience;

use crate::args::{Input, Observe};
use crate::command_error::{CommandError, io};
use crate::connect::{self, Common};
use crate::exit::Exit;
use crate::input::{self, Loaded};
use crate::invocation::quoted;
use crate::ui::Ui;

use super::fleet::Fleet;
use super::stacks;

pub(crate) fn run(args: &Observe, ui: &mut Ui) -> Result<Exit, CommandError> {
    let input = args.input.input();
    let many = &args.input.many;
    let Some(folder) = &many.stacks else {
        return one(&input, args.out.as_deref(), args, None, ui);
    };
    let Some(out) = &args.out else {
        return Err(CommandError::new(
            "the snapshots of several stacks are saved: give --out FOLDER",
        ));
    };
    let fleet = Fleet {
        folder,
        many,
        input: &input,
        place: Some(&args.place),
        is_json: false,
        quiet: "saved",
    };
    let lists = stacks::shared_lists(&args.place);
    let exit = fleet.run(ui, |source, ui| {
        let file = source.beside(folder, out, ".json");
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent).map_err(io(&parent.display().to_string()))?;
        }
        one(&source.input, Some(&file), args, lists.as_ref().map(Common::Lists), ui)
    })?;
    let (stacks, out) = (quoted(&folder.display().to_string()), quoted(&out.display().to_string()));
    ui.say(&format!("Plan from them: privlink plan --stacks {stacks} --observed {out}"));
    Ok(exit)
}

fn one(
    input: &Input,
    out: Option<&Path>,
    args: &Observe,
    common: Option<Common<'_>>,
    ui: &mut Ui,
) -> Result<Exit, CommandError> {
    // Whatever else is wrong with the input, what it names can be looked at.
    let loaded = input::load(input, None)?;
    let desired = &loaded.desired;
    let (mut snapshot, facts) = super::block_on(async {
        let patience = Patience::default();
        let connected = connect::connect_sharing(desired, &args.place, patience, common).await?;
        let observed = connected.observe().await;
        connected.close().await?;
        Ok(observed)
    })?;
    let unreadable = privlink_core::unread::lines(&Inventory::of(&snapshot));
    for what in &unreadable {
        ui.say(what);
    }
    if args.redact {
        snapshot = redact(&snapshot, &own(&loaded, &snapshot, &facts));
    }
    let text = super::json(&snapshot)?;
    match out {
        Some(path) => {
            super::file::write_private(path, &text)?;
            if args.input.many.stacks.is_some() {
                if !unreadable.is_empty() {
                    ui.sum_up(format!("{} could not be read", count(unreadable.len(), "list")));
                }
                return Ok(if unreadable.is_empty() { Exit::Done } else { Exit::Error });
            }
            let file = quoted(&path.display().to_string());
            let plan = ui.invocation().to_plan_observed(&file);
            ui.say(&format!("Saved {file}. Plan from it: {plan}"));
        }
        None => ui.print(&text)?,
    }
    Ok(if unreadable.is_empty() { Exit::Done } else { Exit::Error })
}

/// What is the stack's own. Services that name no namespace may be in the context's.
fn own(loaded: &Loaded, snapshot: &Snapshot, facts: &Facts) -> Own {
    let services = loaded.desired.services.keys().flat_map(|key| {
        let in_context = Key::new(&snapshot.kubernetes.namespace, &key.name);
        let in_context = (key.namespace == "default").then_some(in_context);
        std::iter::once(key.clone()).chain(in_context)
    });
    let texts: Vec<String> = loaded.texts.iter().map(|source| source.text().to_owned()).collect();
    Own::of(&texts, services, facts)
}
