//! The page that a pipeline shows of a run: a step's summary on GitHub, an uploaded one on Azure Pipelines.

use std::io::Write;
use std::path::PathBuf;

use privlink_core::plan::Plan;
use privlink_file::Readers;
use privlink_render::comment::{Flavour, Options, document};
use privlink_render::pipeline::{Agent, summary};

use crate::command_error::{CommandError, io};
use crate::ui::Ui;

const WHAT: &str = "the run's summary";
/// The least that is worth a summary, in bytes.
const LEAST: usize = 4_096;

/// What is shown, for a place and in so many bytes.
type Page<'a> = dyn Fn(Flavour, usize) -> String + 'a;

/// Whether a pipeline shows one.
pub(super) fn is_shown(ui: &Ui) -> bool {
    ui.pipeline().agent.is_some()
}

/// Shows plans. A failure to do so is a warning.
pub(super) fn of_plans(plans: &[&Plan], ui: &mut Ui) {
    let environment = super::comment::environment();
    let (commit, blob) = (environment.commit(), environment.blob());
    let (read, again) = (super::plan::now(), ui.invocation().again("plan"));
    let page = |flavour, bytes| {
        let options = Options {
            bytes,
            commit: commit.as_deref(),
            blob: blob.as_deref(),
            read: Some(&read),
            again: Some(&again),
            ..Options::new(flavour)
        };
        document(plans, &options)
    };
    show(&page, ui);
}

/// Shows Markdown that stays whole. A failure to do so is a warning.
pub(super) fn of_text(text: &str, ui: &mut Ui) {
    show(&|_, _| text.to_owned(), ui);
}

fn show(page: &Page<'_>, ui: &mut Ui) {
    let done = match ui.pipeline().agent {
        Some(Agent::GitHubActions) => append(page),
        Some(Agent::AzurePipelines) => upload(page, ui),
        None => Ok(()),
    };
    if let Err(error) = done {
        ui.warn(&error);
    }
}

/// Appends to the step's summary, which GitHub throws away whole if it is larger than it takes.
fn append(page: &Page<'_>) -> Result<(), CommandError> {
    let Some(file) = std::env::var_os("GITHUB_STEP_SUMMARY").map(PathBuf::from) else {
        return Ok(());
    };
    let mut page_of_run = privlink_file::open_or_create(&file).map_err(io(WHAT))?;
    let there = page_of_run.metadata().map_err(io(WHAT))?.len();
    let most = Flavour::StepSummary.bytes();
    let bytes = most.saturating_sub(usize::try_from(there).unwrap_or(most));
    let text = if bytes < LEAST { String::new() } else { page(Flavour::StepSummary, bytes) };
    if text.is_empty() || text.len() > bytes {
        return Err(CommandError::new(format!("{WHAT} has no room for this")));
    }
    page_of_run.write_all(privlink_http::secret::hide(&text).as_bytes()).map_err(io(WHAT))
}

fn upload(page: &Page<'_>, ui: &Ui) -> Result<(), CommandError> {
    let folder = std::env::var_os("AGENT_TEMPDIRECTORY").map(PathBuf::from);
    let Some(folder) = folder.filter(|folder| folder.is_absolute()) else { return Ok(()) };
    let file = folder.join(format!("privlink-{}.md", std::process::id()));
    let text = page(Flavour::AzureDevOps, Flavour::AzureDevOps.bytes());
    let text = privlink_http::secret::hide(&text);
    privlink_file::replace_text(&file, Readers::All, &text).map_err(io(WHAT))?;
    ui.command(&summary(&file.display().to_string()));
    Ok(())
}
