//! `comment`: plans on a pull request; and what pipelines show of a plan by themselves.

use std::io::Write;
use std::path::PathBuf;

use privlink_core::plan::Plan;
use privlink_core::render::comment::{self, Flavour, Options, marker};
use privlink_core::render::pipeline::Agent;
use privlink_forge::{Environment, Forge, ForgeError, Given, Kind, Outcome, Settings};

use crate::args;
use crate::command_error::{CommandError, io};
use crate::exit::Exit;
use crate::ui::Ui;

/// The least that is worth a summary, in bytes.
const LEAST: usize = 4_096;

pub(crate) fn run(args: &args::Comment, ui: &mut Ui) -> Result<Exit, CommandError> {
    let saved: Vec<_> = args.plans.iter().map(|file| super::read_plan(file)).collect();
    let saved = saved.into_iter().collect::<Result<Vec<_>, _>>()?;
    let plans: Vec<&Plan> = saved.iter().map(|saved| &saved.plan).collect();
    let environment = environment();
    let (given, commit) = (args.given(), environment.commit());
    let link = args.link.clone().or_else(|| environment.run());
    let options = Options {
        marker: Some(&args.id),
        commit: commit.as_deref(),
        link: link.as_deref(),
        untrusted: args.untrusted,
        ..Options::new(flavour(given.kind.or_else(|| environment.kind())))
    };
    let body = comment::document(&plans, &options);
    if args.dry_run {
        ui.print(&body)?;
    } else {
        keep(&environment, &given, &args.id, &body, ui)?;
    }
    Ok(Exit::Done)
}

/// Keeps a comment with a plan that was just made.
pub(super) fn of_plan(plan: &Plan, id: &str, ui: &mut Ui) -> Result<(), CommandError> {
    let environment = environment();
    let (commit, link) = (environment.commit(), environment.run());
    let options = Options {
        marker: Some(id),
        commit: commit.as_deref(),
        link: link.as_deref(),
        ..Options::new(flavour(environment.kind()))
    };
    let body = comment::document(&[plan], &options);
    keep(&environment, &Given::default(), id, &body, ui)
}

fn environment() -> Environment {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    Environment::new(std::env::vars_os().filter_map(text), |path| {
        std::fs::read_to_string(path).ok()
    })
}

const fn flavour(kind: Option<Kind>) -> Flavour {
    match kind {
        Some(Kind::GitHub) | None => Flavour::GitHub,
        Some(Kind::GitLab) => Flavour::GitLab,
        Some(Kind::AzureDevOps) => Flavour::AzureDevOps,
    }
}

fn keep(
    environment: &Environment,
    given: &Given,
    id: &str,
    body: &str,
    ui: &mut Ui,
) -> Result<(), CommandError> {
    let (place, token) = environment.place(given).map_err(failed)?;
    let mut forge = Forge::new(place, &token, Settings::default()).map_err(failed)?;
    let marker = marker(id).unwrap_or_default();
    let kept = super::block_on(async { forge.keep(&marker, body).await.map_err(failed) })?;
    ui.say(match kept {
        Outcome::Created => "Commented on the pull request.",
        Outcome::Updated => "Updated the comment on the pull request.",
        Outcome::Unchanged => "The comment on the pull request says the same already.",
    });
    Ok(())
}

fn failed(error: ForgeError) -> CommandError {
    let shown = CommandError::new(format!("the comment was not written: {}", error.message));
    match error.help {
        Some(help) => shown.hint(help),
        None => shown,
    }
}

/// Shows a plan in the pipeline's own summary, if it has one. A failure to do so is a warning.
pub(super) fn summarise(plan: &Plan, ui: &mut Ui) {
    let done = match ui.pipeline().agent {
        Some(Agent::GitHubActions) => step_summary(plan),
        Some(Agent::AzurePipelines) => upload_summary(plan, ui),
        None => Ok(()),
    };
    if let Err(error) = done {
        ui.warn(&error);
    }
}

/// Appends to the step's summary, which is thrown away whole if it is larger than the agent takes.
fn step_summary(plan: &Plan) -> Result<(), CommandError> {
    let Some(file) = std::env::var_os("GITHUB_STEP_SUMMARY").map(PathBuf::from) else {
        return Ok(());
    };
    let what = "the step's summary";
    let mut options = std::fs::OpenOptions::new();
    let mut summary = options.append(true).create(true).open(&file).map_err(io(what))?;
    let there = summary.metadata().map_err(io(what))?.len();
    let most = Flavour::StepSummary.bytes();
    let bytes = most.saturating_sub(usize::try_from(there).unwrap_or(most));
    if bytes < LEAST {
        return Err(CommandError::new(format!("{what} is full")));
    }
    let options = Options { bytes, ..Options::new(Flavour::StepSummary) };
    summary.write_all(comment::document(&[plan], &options).as_bytes()).map_err(io(what))
}

fn upload_summary(plan: &Plan, ui: &Ui) -> Result<(), CommandError> {
    let folder = std::env::var_os("AGENT_TEMPDIRECTORY").map(PathBuf::from);
    let Some(folder) = folder.filter(|folder| folder.is_absolute()) else { return Ok(()) };
    let file = folder.join(format!("privlink-{}.md", std::process::id()));
    let text = comment::document(&[plan], &Options::new(Flavour::AzureDevOps));
    std::fs::write(&file, text).map_err(io("the summary"))?;
    ui.command(&format!("##vso[task.uploadsummary]{}\n", file.display()));
    Ok(())
}
