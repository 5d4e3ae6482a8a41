//! `validate`: checks files, contacting nothing.

use privlink_core::diagnostic::{self, Diagnostic, Severity};
use serde_json::json;

use crate::args::{DataFormat, Validate};
use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::input;
use crate::ui::{self, Ui};

pub(crate) fn run(args: &Validate, ui: &mut Ui) -> Result<Exit, CommandError> {
    let loaded = input::load(&args.input, None)?;
    let diagnostics = &loaded.diagnostics;
    match args.output {
        DataFormat::Text if diagnostics.is_empty() => {
            ui.print(&format!("{}\n", sound(&loaded.desired)))?;
        }
        DataFormat::Text => {
            let mut text = ui::render(diagnostics, ui.style());
            if !has_errors(diagnostics) {
                text.push_str(&format!("{}\n", sound(&loaded.desired)));
            }
            ui.print(&text)?;
        }
        DataFormat::Json => {
            let list: Vec<_> = diagnostics.iter().map(diagnostic::json).collect();
            let counts = diagnostic::count(diagnostics);
            let report = json!({"diagnostics": list, "counts": counts});
            ui.print(&format!("{report:#}\n"))?;
        }
    }
    Ok(if has_errors(diagnostics) { Exit::Error } else { Exit::Done })
}

fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
}

fn sound(desired: &privlink_core::desired::Desired) -> String {
    use privlink_core::render::summary::count;
    format!(
        "Stack {} is sound: {}, {}, {}.",
        privlink_core::render::escape::terminal(&desired.name),
        count(desired.services.len(), "Service"),
        count(desired.endpoints.len(), "private endpoint"),
        count(desired.approvals.len(), "approval"),
    )
}
