//! `import`: writes documents of what is live.

use privlink_core::desired::{self, Desired};
use privlink_core::diagnostic::Source;
use privlink_core::document;
use privlink_core::facts::Facts;
use privlink_core::import::{self, Import, Kind, Place, Selection};
use privlink_core::inventory::Inventory;
use privlink_core::kubernetes::service::Key;
use privlink_core::plan::Mode;
use privlink_core::rule::Severity;
use privlink_core::snapshot::Snapshot;
use privlink_core::unread;
use privlink_core::yaml;
use privlink_engine::observe::{self as observation, Targets};
use privlink_engine::session::Patience;
use std::collections::BTreeSet;
use std::path::Path;

use privlink_file::Readers;

use crate::args::{self, Limits, TargetFlags};
use crate::command_error::{CommandError, io};
use crate::connect;
use crate::exit::Exit;
use crate::ui::Ui;

/// What an import is made from.
struct Read {
    snapshot: Snapshot,
    facts: Facts,
    place: Place,
}

/// How often what was read may show that more is to be read.
const ROUNDS: usize = 5;

pub(crate) fn run(args: &args::Import, ui: &mut Ui) -> Result<Exit, CommandError> {
    let selection = selection(args);
    let read = match &args.observed {
        Some(path) => of_snapshot(path, args)?,
        None => super::block_on(live(args, &selection))?,
    };
    let Read { snapshot, facts, place } = &read;
    let seen = Inventory::of(snapshot);
    let mut import = import::import(&seen, facts, place, &selection).map_err(failed)?;
    import.notes.extend(shortfalls(&import, (snapshot, &seen), &args.place));
    let unreadable = unread::lines(&seen);
    for note in unreadable.iter().chain(&import.notes) {
        ui.say(&format!("note: {note}"));
    }
    match &args.out {
        Some(folder) => {
            write(folder, args.force, &import)?;
            let folder = crate::invocation::quoted(&folder.display().to_string());
            let place: String =
                ui.invocation().elsewhere().iter().map(|it| format!(" {it}")).collect();
            ui.say(&format!("Wrote {folder}."));
            ui.say(&format!("Check that nothing changes: privlink plan -f {folder}{place}"));
            ui.say(&format!(
                "Then mark it as this stack's: privlink apply -f {folder} --adopt{place}"
            ));
        }
        None => ui.print(&yaml::stream(import.documents.values().flatten()))?,
    }
    Ok(if unreadable.is_empty() { Exit::Done } else { Exit::Error })
}

fn failed(error: import::Error) -> CommandError {
    let hint = match &error {
        import::Error::SeveralStacks(_) => "Choose one with --stack.",
        import::Error::Unreadable(_) => "Make them readable; nothing is taken for absent.",
        import::Error::NoService(_) | import::Error::NotBalanced(_) => {
            "Look at the name, and at the context in use."
        }
    };
    CommandError::new(error.to_string()).hint(hint)
}

fn selection(args: &args::Import) -> Selection {
    Selection {
        stack: args.stack.clone(),
        all: args.all,
        namespaces: args.namespace.iter().cloned().collect(),
        services: args.service.iter().map(|(namespace, name)| Key::new(namespace, name)).collect(),
    }
}

fn of_snapshot(path: &Path, args: &args::Import) -> Result<Read, CommandError> {
    let snapshot = super::file::read_snapshot(path)?;
    super::file::unredacted(path, &snapshot)?;
    let nothing = Desired::default();
    let pinned = desired::pinned(&nothing, args.place.subscription.as_deref());
    let targets = Targets::of_snapshot(&nothing, &args.place.said(), &pinned, &snapshot);
    let place = place(&targets, &args.place);
    if place.subscription.is_empty() {
        return Err(CommandError::new("the snapshot does not say which cluster it is from")
            .hint("Give --subscription, --resource-group and --cluster."));
    }
    let pinned = desired::pinned(&nothing, Some(&place.subscription));
    let facts = targets.facts(&snapshot, &pinned);
    Ok(Read { snapshot, facts, place })
}

/// Observes the cluster and Azure, until nothing more is to be read.
async fn live(args: &args::Import, selection: &Selection) -> Result<Read, CommandError> {
    if args.place.sandbox == Some(None) && args.stack.is_none() {
        return Err(CommandError::new("it is not said which sandbox is meant")
            .hint("Give its world file, as --sandbox=FILE, or the stack's name with --stack."));
    }
    let named = Desired { name: args.stack.clone().unwrap_or_default(), ..Desired::default() };
    let mut connected = connect::connect(&named, &args.place, Patience::default()).await?;
    connected.targets.endpoint_subscriptions.extend(args.endpoint_subscription.iter().cloned());
    let place = place(&connected.targets, &args.place);
    let (mut snapshot, facts) = connected.observe().await;
    super::there(&snapshot, &connected.targets, &named)?;
    for _ in 0..ROUNDS {
        let lists =
            import::reads(&Inventory::of(&snapshot), &facts, &place, selection).map_err(failed)?;
        if lists.is_empty() {
            break;
        }
        observation::extend(&mut snapshot, lists, &connected.session.arm).await;
    }
    connected.close().await?;
    Ok(Read { snapshot, facts, place })
}

fn place(targets: &Targets, flags: &TargetFlags) -> Place {
    let cluster = targets.cluster.as_ref();
    let subscription = cluster.map(|cluster| cluster.group.subscription.clone());
    Place {
        subscription: subscription.or_else(|| flags.subscription.clone()).unwrap_or_default(),
        resource_group: cluster.map(|cluster| cluster.group.name.clone()),
        cluster: cluster.map(|cluster| cluster.name.clone()),
        context: flags.context.clone(),
    }
}

/// In which ways a plan of the documents would not be empty: an import checks itself.
fn shortfalls(
    import: &Import,
    (snapshot, live): (&Snapshot, &Inventory<'_>),
    flags: &TargetFlags,
) -> Vec<String> {
    let text = yaml::stream(import.documents.values().flatten());
    let options = desired::Options {
        namespace: Some(snapshot.kubernetes.namespace.clone()),
        stack_name: None,
    };
    let (desired, diagnostics) = match Source::new("import", &text) {
        Ok(source) => desired::resolve(document::parse(&source), &options),
        Err(problem) => (Desired::default(), vec![*problem]),
    };
    let errors = diagnostics.iter().filter(|it| it.severity == Severity::Error);
    let mut shortfalls: Vec<String> = errors
        .map(|it| {
            let place =
                it.place().map(|place| format!(" at line {}", place.line)).unwrap_or_default();
            format!("the documents have an error{place}: {} [{}]", it.message, it.code)
        })
        .collect();
    if !shortfalls.is_empty() {
        return shortfalls;
    }
    let said = flags.said();
    let pinned = desired::pinned(&desired, said.subscription(&desired).as_deref());
    let Ok(targets) = Targets::of(&desired, &said, &pinned) else { return shortfalls };
    let facts = targets.facts(snapshot, &pinned);
    match super::planned(&desired, (live, &facts), Mode::Apply, &Limits::default()) {
        Err(error) => shortfalls.push(error.message),
        Ok(planned) => {
            let plan = planned.plan;
            shortfalls.extend(plan.changes.iter().filter(|it| it.is_change()).map(|change| {
                let (action, at) = (change.action.word(), &change.address);
                format!("a plan of the documents is not empty: {action} {at}, {}", change.reason)
            }));
            shortfalls.extend(
                plan.refusals.iter().map(|refusal| {
                    format!("a plan of the documents is refused: {}", refusal.message)
                }),
            );
        }
    }
    shortfalls
}

/// Writes one file for each kind. Files that are there are replaced only if that is asked for, and as a
/// whole: a link is replaced, not followed.
fn write(folder: &Path, force: bool, import: &Import) -> Result<(), CommandError> {
    let shown = folder.display().to_string();
    std::fs::create_dir_all(folder).map_err(io(&shown))?;
    let there: BTreeSet<Kind> = Kind::ALL
        .into_iter()
        .filter(|kind| std::fs::symlink_metadata(folder.join(kind.file())).is_ok())
        .collect();
    if let Some(kind) = there.first().filter(|_| !force) {
        let file = folder.join(kind.file());
        return Err(CommandError::new(format!("{} is there already", file.display()))
            .hint("Choose another folder, or give --force to replace it."));
    }
    for (kind, documents) in &import.documents {
        let file = folder.join(kind.file());
        let shown = file.display().to_string();
        let text = yaml::stream(documents);
        privlink_file::replace_text(&file, Readers::All, &text).map_err(io(&shown))?;
    }
    Ok(())
}
