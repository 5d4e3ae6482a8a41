//! `guard`: what one write to a Service does to Azure, asked before the API server takes it.

mod serve;

use std::io::Read;
use std::path::{Path, PathBuf};

use privlink_core::desired::{self, Desired, Stack};
use privlink_core::guard::{self, Seen, review};
use privlink_core::inventory::Inventory;
use privlink_engine::observe::Targets;
use privlink_render as render;

use crate::args::{GuardCommand, GuardReview, Input};
use crate::command_error::{CommandError, io};
use crate::exit::Exit;
use crate::input;
use crate::ui::Ui;

/// The most bytes of an AdmissionReview: twice what the API server stores of one object, and more.
const MOST_BYTES: u64 = 8 << 20;

pub(crate) fn run(command: GuardCommand, ui: &mut Ui) -> Result<Exit, CommandError> {
    match command {
        GuardCommand::Review(args) => review(&args, ui),
        GuardCommand::Serve(args) => serve::run(&args, ui),
    }
}

/// The Stack in files; none if none are named.
pub(super) fn stack(paths: &[PathBuf], ui: &mut Ui) -> Result<Option<Stack>, CommandError> {
    if paths.is_empty() {
        return Ok(None);
    }
    let read = Input { filename: paths.to_vec(), namespace: None, strict: false };
    let (desired, notes) = input::load(&read, None)?.sound()?;
    ui.diagnostics(&notes);
    let shown = paths.iter().map(|it| it.display().to_string()).collect::<Vec<_>>().join(", ");
    desired.stack.map(Some).ok_or_else(|| {
        CommandError::new(format!("{shown} has no Stack document"))
            .hint("The guard takes consent, limits and protection from a Stack.")
    })
}

fn review(args: &GuardReview, ui: &mut Ui) -> Result<Exit, CommandError> {
    let shown =
        if args.file.as_os_str() == "-" { "stdin".into() } else { args.file.display().to_string() };
    let request = review::read(&body(&args.file)?)
        .map_err(|error| CommandError::new(format!("{shown}: {error}")))?;
    let snapshot = super::file::read_snapshot(&args.observed)?;
    let stack = stack(&args.policy.filename, ui)?;
    let desired = Desired { stack, ..Desired::default() };
    let place = args.place();
    let said = place.said();
    let mut pinned = desired::pinned(&desired, said.subscription(&desired).as_deref());
    let targets = Targets::of_snapshot(&desired, &said, &pinned, &snapshot);
    if let Some(cluster) = targets.cluster.as_ref().filter(|_| pinned.subscription.is_empty()) {
        pinned.subscription.clone_from(&cluster.group.subscription);
    }
    let facts = targets.facts(&snapshot, &pinned);
    let today = super::plan::today();
    let trouble = args
        .max_age
        .and_then(|most| guard::stale(&snapshot.taken_at, super::plan::seconds(), most));
    let seen = Seen {
        live: &Inventory::of(&snapshot),
        facts: &facts,
        stack: desired.stack.as_ref(),
        trouble: trouble.as_deref(),
        today,
        tool_version: env!("CARGO_PKG_VERSION"),
    };
    let decision = guard::decide(&request, &args.policy.policy(), &seen);
    let answer = render::guard::answer(&request, &decision, today);
    ui.print(&super::json(&answer.to_value())?)?;
    Ok(if decision.verdict.is_allowed() { Exit::Done } else { Exit::Refused })
}

/// The bytes of a review, up to a bound.
fn body(path: &Path) -> Result<Vec<u8>, CommandError> {
    if path.as_os_str() != "-" {
        return super::file::read(path);
    }
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(MOST_BYTES).read_to_end(&mut bytes).map_err(io("stdin"))?;
    Ok(bytes)
}
