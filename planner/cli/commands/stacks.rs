//! Many stacks in one run: which there are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use privlink_azure::ArmClient;
use privlink_core::diagnostic::MAX_SOURCE_BYTES;
use privlink_core::drift::shell_word;
use privlink_core::names::natural;
use privlink_engine::observe::SharedLists;
use privlink_render::fleet::record::{self, Head};

use crate::args::{Input, Many, TargetFlags};
use crate::command_error::{CommandError, io};
use crate::connect;
use crate::input;
use crate::invocation::Invocation;
use crate::ui::Ui;

use super::failed::Failed;
use super::touched::Touched;

/// Where one stack's desired state is read.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// Its files and folders.
    pub(super) input: Input,
}

impl Source {
    /// All that the flags name, as one stack.
    pub(super) fn of(input: &Input) -> Self {
        Self { input: input.clone() }
    }

    fn with(input: &Input, path: PathBuf) -> Self {
        Self { input: Input { filename: vec![path], ..input.clone() } }
    }

    /// The paths, as they are shown.
    pub(super) fn shown(&self) -> String {
        let paths = self.input.filename.iter().map(|path| path.display().to_string());
        paths.collect::<Vec<_>>().join(" ")
    }

    /// Its path below the folder of all stacks.
    pub(super) fn below(&self, stacks: &Path) -> String {
        let path = self.input.filename.first().map_or(stacks, PathBuf::as_path);
        let below = path.strip_prefix(stacks).unwrap_or(path);
        if below.as_os_str().is_empty() { self.name() } else { below.display().to_string() }
    }

    /// The stack's name, where its documents cannot say it.
    pub(super) fn name(&self) -> String {
        let first = self.input.filename.first().and_then(|path| input::stack_name(path));
        first.unwrap_or_else(|| "default".to_owned())
    }

    /// Its file in a folder that is laid out as the one stacks are in, with this ending.
    pub(super) fn beside(&self, stacks: &Path, other: &Path, ending: &str) -> PathBuf {
        let path = self.input.filename.first().map_or(stacks, PathBuf::as_path);
        let below = path.strip_prefix(stacks).unwrap_or(path);
        let below = if below.as_os_str().is_empty() {
            PathBuf::from(self.name())
        } else {
            below.to_owned()
        };
        let stem = if path.is_file() { below.with_extension("") } else { below };
        let mut file = other.join(stem).into_os_string();
        file.push(ending);
        PathBuf::from(file)
    }

    /// Its observation, in a folder that is laid out as the one stacks are in.
    pub(super) fn observed(&self, stacks: &Path, folder: Option<&Path>) -> Option<PathBuf> {
        folder.map(|folder| self.beside(stacks, folder, ".json"))
    }

    /// The words of the command that applies it, fit for a shell: with the flags that were given, for its
    /// own files alone.
    pub(super) fn apply(&self, called: &Invocation) -> Vec<String> {
        let mut words = vec!["privlink".to_owned(), "apply".to_owned()];
        for path in &self.input.filename {
            words.extend(["-f".to_owned(), shell_word(&path.display().to_string())]);
        }
        words.extend(called.without_files());
        words
    }
}

/// How many stacks are worked on at once: a world file that is named serves one stack at a time.
pub(super) fn jobs(place: &TargetFlags, asked: usize) -> usize {
    if matches!(place.sandbox, Some(Some(_))) { 1 } else { asked }
}

/// One client of ARM for all stacks, since ARM's budget counts by identity and subscription. Nothing in a
/// sandbox, where every stack has an ARM of its own, and nothing without an identity, which every stack
/// then says.
pub(super) fn shared_arm(place: &TargetFlags) -> Option<ArmClient> {
    if place.sandbox.is_some() { None } else { connect::arm(place, None).ok() }
}

/// Lists that all stacks read together, with the client of them all, for commands that change nothing. Nothing where
/// there is no such client.
pub(super) fn shared_lists(place: &TargetFlags) -> Option<Arc<SharedLists>> {
    shared_arm(place).map(|arm| Arc::new(SharedLists::new(arm)))
}

/// How deep folders are looked into.
const DEEPEST: usize = 8;

/// Refuses observations of many stacks that are not a folder.
pub(super) fn is_folder(observed: Option<&Path>) -> Result<(), CommandError> {
    match observed.filter(|it| !it.is_dir()) {
        None => Ok(()),
        Some(file) => Err(CommandError::new(format!(
            "{}: no folder of snapshots, one for each stack",
            file.display()
        ))),
    }
}

/// The stacks below a folder that are meant: all, or those that a pattern or a branch picks.
pub(super) fn chosen(
    folder: &Path,
    many: &Many,
    input: &Input,
    ui: &mut Ui,
) -> Result<Vec<Source>, CommandError> {
    if !folder.is_dir() {
        return Err(CommandError::new(format!("--stacks: {} is no folder", folder.display()))
            .hint("Name the folder that the stacks are below; one stack is named with -f."));
    }
    let flags = Input { filename: vec![folder.to_owned()], ..input.clone() };
    let mut all = below(&flags, ui)?;
    if !many.only.is_empty() {
        let options = glob::MatchOptions { require_literal_separator: true, ..Default::default() };
        let is_meant = |path: &str| many.only.iter().any(|it| it.matches_with(path, options));
        all.retain(|source| is_meant(&source.below(folder)));
        if all.is_empty() {
            return Err(CommandError::new("--only: no stack's path matches").hint(
                "A pattern must match the whole path below the folder, such as `shop/*` or `**/eu`.",
            ));
        }
    }
    if let Some(revision) = &many.changed_since {
        let touched = Touched::since(revision, folder)?;
        all.retain(|source| is_touched(source, &touched));
    }
    if let Some(report) = &many.only_failed {
        let failed = Failed::read(report)?;
        all.retain(|source| failed.holds(&source.below(folder)));
    }
    if let Some(shard) = many.shard()? {
        all.retain(|source| shard.holds(&source.below(folder)));
    }
    all.sort_by(|one, other| natural(&one.below(folder), &other.below(folder)));
    if all.is_empty() {
        ui.say(&format!("Nothing to do in {}{}.", folder.display(), by(many)?));
    }
    Ok(all)
}

/// By what none may be left.
fn by(many: &Many) -> Result<String, CommandError> {
    let mut by = Vec::new();
    by.extend(
        many.changed_since.as_ref().map(|it| format!("no stack has a file that differs from {it}")),
    );
    by.extend(many.only_failed.as_ref().map(|it| format!("no stack failed in {}", it.display())));
    by.extend(many.shard()?.map(|it| format!("no stack is in shard {it}")));
    Ok(if by.is_empty() { String::new() } else { format!(": {}", by.join(", or ")) })
}

/// What is said once of a run over the stacks below a folder.
pub(super) fn head(folder: &Path, many: &Many, ui: &Ui) -> Result<Head, CommandError> {
    let called = ui.invocation();
    Ok(Head {
        format_version: record::FORMAT_VERSION.to_owned(),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        command: called.command.clone(),
        folder: folder.display().to_string(),
        place: called.without_files(),
        observed: None,
        limits: called.limits.clone(),
        read: String::new(),
        shard: many.shard()?,
        missing_shards: Vec::new(),
    })
}

/// Whether a stack's own files are touched, or one that its documents name, such as an Offer's.
fn is_touched(source: &Source, touched: &Touched) -> bool {
    let own = source.input.filename.iter().any(|path| touched.holds(path));
    let read = || input::load(&source.input, None).map(|it| it.texts).unwrap_or_default();
    own || read().iter().any(|text| touched.holds(Path::new(text.name())))
}

/// The stacks below folders: every folder with manifests is one, and every file of a folder in which
/// several files hold a Stack document. A file that is named is one by itself. A link that leads out of a
/// folder that is named is refused.
pub(super) fn below(flags: &Input, ui: &mut Ui) -> Result<Vec<Source>, CommandError> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for path in &flags.filename {
        if path.is_dir() {
            let mut walk = Walk { flags, root: path, seen: &mut seen, found: &mut found };
            walk.folder(path, DEEPEST, ui)?;
        } else {
            found.push(Source::with(flags, path.clone()));
        }
    }
    if found.is_empty() {
        return Err(CommandError::new("no folder with manifests was found")
            .hint("Name a folder that holds a folder for every stack."));
    }
    Ok(found)
}

/// A walk through the folders below one that is named.
struct Walk<'a> {
    flags: &'a Input,
    root: &'a Path,
    seen: &'a mut BTreeSet<PathBuf>,
    found: &'a mut Vec<Source>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, depth: usize, ui: &mut Ui) -> Result<(), CommandError> {
        let shown = folder.display().to_string();
        // A link back to a folder above is not followed twice.
        let is = std::fs::canonicalize(folder).map_err(io(&shown))?;
        if depth == 0 || !self.seen.insert(is) {
            return Ok(());
        }
        let entries = match std::fs::read_dir(folder) {
            // It is reported as a stack that cannot be read, and keeps no other from being worked on.
            Err(_) if folder != self.root => {
                self.found.push(Source::with(self.flags, folder.to_owned()));
                return Ok(());
            }
            entries => entries.map_err(io(&shown))?,
        };
        let mut folders = Vec::new();
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(io(&shown))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() && !name.starts_with('.') {
                input::within(self.root, &path)?;
                folders.push(path);
            } else if input::is_manifest(&path) {
                input::within(self.root, &path)?;
                files.push(path);
            }
        }
        folders.sort();
        files.sort();
        self.files(folder, files, ui);
        folders.iter().try_for_each(|it| self.folder(it, depth - 1, ui))
    }

    /// The stacks in a folder's own files.
    fn files(&mut self, folder: &Path, files: Vec<PathBuf>, ui: &mut Ui) {
        let may_hold =
            if files.len() > 1 { files.iter().filter(|it| may_hold_stack(it)).count() } else { 0 };
        // Nothing is parsed twice but where it matters.
        let (own, rest): (Vec<PathBuf>, Vec<PathBuf>) =
            files.into_iter().partition(|file| may_hold > 1 && holds_stack(file));
        if own.len() > 1 {
            for file in rest {
                let file = file.display();
                ui.say(&format!(
                    "note: {file} is left out: it holds no Stack, and files beside it do"
                ));
            }
            self.found.extend(own.into_iter().map(|file| Source::with(self.flags, file)));
        } else if !own.is_empty() || !rest.is_empty() {
            self.found.push(Source::with(self.flags, folder.to_owned()));
        }
    }
}

/// Whether a file's text has the word.
fn may_hold_stack(file: &Path) -> bool {
    privlink_file::read(file, MAX_SOURCE_BYTES)
        .is_ok_and(|text| text.windows(5).any(|word| word == b"Stack"))
}

/// Whether a file holds a Stack document; one that cannot be read holds none that shows.
fn holds_stack(file: &Path) -> bool {
    input::load_paths(&[file.to_owned()], None, false)
        .is_ok_and(|loaded| loaded.desired.stack.is_some())
}
