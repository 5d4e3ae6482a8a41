//! `diff`: what differs between two snapshots.

use privlink_core::difference::{SnapshotDiff, compare};
use privlink_core::inventory::Inventory;
use privlink_render as render;
use privlink_render::style::Style;

use crate::args::{Diff, DiffFormat};
use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::ui::Ui;

pub(crate) fn run(args: &Diff, ui: &mut Ui) -> Result<Exit, CommandError> {
    let (old, new) =
        (super::file::read_snapshot(&args.old)?, super::file::read_snapshot(&args.new)?);
    if old.redacted != new.redacted {
        super::file::unredacted(&args.old, &old)?;
        super::file::unredacted(&args.new, &new)?;
    }
    let diff = compare(&Inventory::of(&old), &Inventory::of(&new));
    ui.print(&rendered(&diff, args.output, ui.style())?)?;
    for (format, file) in &args.render {
        super::file::write_private(file, &rendered(&diff, *format, Style::default())?)?;
    }
    let differs = args.detailed_exitcode && !diff.nodes.is_empty();
    Ok(if differs { Exit::Changes } else { Exit::Done })
}

fn rendered(diff: &SnapshotDiff, format: DiffFormat, style: Style) -> Result<String, CommandError> {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = match format {
        DiffFormat::Text => render::snapshot::text(diff, style, &mut text),
        DiffFormat::Markdown => render::snapshot::markdown(diff, &mut text),
        DiffFormat::Json => {
            text = super::json(diff)?;
            Ok(())
        }
    };
    Ok(text)
}
