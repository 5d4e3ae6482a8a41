//! `observe`: saves what the cluster and Azure show.

use privlink_core::facts::Facts;
use privlink_core::kubernetes::service::Key;
use privlink_core::redact::{Own, redact};
use privlink_core::snapshot::Snapshot;
use privlink_engine::session::Patience;

use crate::args::Observe;
use crate::command_error::CommandError;
use crate::connect;
use crate::exit::Exit;
use crate::input::{self, Loaded};
use crate::ui::Ui;

pub(crate) fn run(args: &Observe, ui: &mut Ui) -> Result<Exit, CommandError> {
    // Whatever else is wrong with the input, what it names can be looked at.
    let loaded = input::load(&args.input, None)?;
    let desired = &loaded.desired;
    let (mut snapshot, facts) = super::block_on(async {
        let connected = connect::connect(desired, &args.place, Patience::default()).await?;
        let observed = connected.observe().await;
        connected.close().await?;
        Ok(observed)
    })?;
    let unreadable = privlink_core::unread::lines(&snapshot);
    for what in &unreadable {
        ui.say(what);
    }
    if args.redact {
        snapshot = redact(&snapshot, &own(&loaded, &snapshot, &facts));
    }
    let text = super::json(&snapshot)?;
    match &args.out {
        Some(path) => {
            super::file::write_private(path, &text)?;
            let file = crate::invocation::quoted(&path.display().to_string());
            ui.say(&format!("Saved {file}. Plan from it: privlink plan -f ... --observed {file}"));
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
