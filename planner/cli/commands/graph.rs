//! `graph`: shows the dependency graph.

use privlink_core::inventory::Inventory;
use privlink_core::plan::Mode;
use privlink_render as render;

use crate::args::{self, GraphFormat, Limits};
use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::ui::Ui;

pub(crate) fn run(args: &args::Graph, ui: &mut Ui) -> Result<Exit, CommandError> {
    let (desired, snapshot) = super::sound_and_observed(
        &args.input,
        &args.place,
        args.observed.as_deref(),
        super::jobs(None),
        ui,
    )?;
    let graph = super::block_on(async {
        let observed = super::observed(&desired, &args.place, snapshot, None).await?;
        let planned = super::planned(
            &desired,
            (&Inventory::of(&observed.snapshot), &observed.facts),
            Mode::Apply,
            &Limits::default(),
        )?;
        if let Some(connected) = observed.connected {
            connected.close().await?;
        }
        Ok(planned.graph)
    })?;
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = match args.output {
        GraphFormat::Text => render::graph::text(&graph, &mut text),
        GraphFormat::Dot => render::graph::dot(&graph, &mut text),
        GraphFormat::Mermaid => render::graph::mermaid(&graph, &mut text),
    };
    ui.print(&text)?;
    Ok(Exit::Done)
}
