//! `comment`: plans on a pull request.

use privlink_core::plan::Plan;
use privlink_forge::{Discussion, Environment, ForgeError, Given, Outcome, Settings};
use privlink_render::comment::{self, Flavour, Options, marker};

use crate::args;
use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::ui::Ui;

pub(crate) fn run(args: &args::Comment, ui: &mut Ui) -> Result<Exit, CommandError> {
    let saved: Vec<_> = args.plans.iter().map(|file| super::file::read_plan(file)).collect();
    let saved = saved.into_iter().collect::<Result<Vec<_>, _>>()?;
    let plans: Vec<&Plan> = saved.iter().map(|saved| &saved.plan).collect();
    let environment = environment();
    let (given, commit) = (args.given(), environment.commit());
    let link = args.link.clone().or_else(|| environment.run());
    let blob = environment.blob();
    let digests: Vec<(&str, &str)> =
        saved.iter().map(|saved| (saved.plan.stack.as_str(), saved.digest.as_str())).collect();
    let options = Options {
        digests: &digests,
        blob: blob.as_deref(),
        marker: Some(&args.id),
        commit: commit.as_deref(),
        link: link.as_deref(),
        untrusted: args.untrusted,
        ..Options::new(Flavour::of(given.forge.or_else(|| environment.forge()).map(|it| it.name)))
    };
    let body = comment::document(&plans, &options);
    if args.dry_run {
        ui.print(&body)?;
    } else {
        keep(&environment, &given, &args.id, &body, ui)?;
    }
    Ok(Exit::Done)
}

/// Keeps a comment with plans that were just made, each with the digest of the file it was saved in.
pub(super) fn of_plans(
    plans: &[(&Plan, Option<&str>)],
    id: &str,
    ui: &mut Ui,
) -> Result<(), CommandError> {
    let environment = environment();
    let (commit, link, blob) = (environment.commit(), environment.run(), environment.blob());
    let (read, again) = (super::plan::now(), ui.invocation().again("plan"));
    let saved = plans.iter().filter_map(|(plan, digest)| Some((plan.stack.as_str(), (*digest)?)));
    let digests: Vec<(&str, &str)> = saved.collect();
    let options = Options {
        digests: &digests,
        blob: blob.as_deref(),
        read: Some(&read),
        again: Some(&again),
        marker: Some(id),
        commit: commit.as_deref(),
        link: link.as_deref(),
        ..Options::new(Flavour::of(environment.forge().map(|it| it.name)))
    };
    let plans: Vec<&Plan> = plans.iter().map(|(plan, _)| *plan).collect();
    let body = comment::document(&plans, &options);
    keep(&environment, &Given::default(), id, &body, ui)
}

pub(super) fn environment() -> Environment {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    Environment::new(std::env::vars_os().filter_map(text), |path| {
        super::file::read_text(std::path::Path::new(path)).ok()
    })
}

fn keep(
    environment: &Environment,
    given: &Given,
    id: &str,
    body: &str,
    ui: &mut Ui,
) -> Result<(), CommandError> {
    let (place, token) = environment.place(given).map_err(failed)?;
    let mut discussion = Discussion::new(&place, &token, Settings::default()).map_err(failed)?;
    let marker = marker(id).unwrap_or_default();
    let body = &*privlink_http::secret::hide(body);
    let kept = super::block_on(async { discussion.keep(&marker, body).await.map_err(failed) })?;
    ui.say(match kept {
        Outcome::Created => "Commented on the pull request.",
        Outcome::Updated => "Updated the comment on the pull request.",
        Outcome::Unchanged => "The comment on the pull request says the same already.",
    });
    Ok(())
}

fn failed(error: ForgeError) -> CommandError {
    let shown = CommandError::new(format!("the comment was not written: {}", error.message));
    match error.detail.help {
        Some(help) => shown.hint(help),
        None => shown,
    }
}
