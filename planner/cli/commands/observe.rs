//! `observe`: saves what the cluster and Azure show.

use privlink_engine::session::Patience;

use crate::args::Observe;
use crate::command_error::CommandError;
use crate::connect;
use crate::exit::Exit;
use crate::input;
use crate::ui::Ui;
use crate::unreadable;

pub(crate) fn run(args: &Observe, ui: &mut Ui) -> Result<Exit, CommandError> {
    // Whatever else is wrong with the input, what it names can be looked at.
    let desired = input::load(&args.input, None)?.desired;
    let snapshot = super::block_on(async {
        let connected = connect::connect(&desired, &args.place, Patience::default()).await?;
        let (snapshot, _) = connected.observe().await;
        connected.close().await?;
        Ok(snapshot)
    })?;
    let unreadable = unreadable::lines(&snapshot);
    for what in &unreadable {
        ui.say(&privlink_core::render::escape::terminal(what));
    }
    let text = serde_json::to_string_pretty(&snapshot)
        .map_err(|error| CommandError::new(format!("the snapshot cannot be written: {error}")))?;
    match &args.out {
        Some(path) => super::write_private(path, &format!("{text}\n"))?,
        None => ui.print(&format!("{text}\n"))?,
    }
    Ok(if unreadable.is_empty() { Exit::Done } else { Exit::Error })
}
