//! Which stacks are looked at: what the flags name, or each folder below.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use privlink_core::drift::shell_word;

use crate::args::Input;
use crate::command_error::{CommandError, io};
use crate::input;
use crate::ui::Ui;

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

    /// The stack's name, where its documents cannot say it.
    pub(super) fn name(&self) -> String {
        let first = self.input.filename.first().and_then(|path| input::stack_name(path));
        first.unwrap_or_else(|| "default".to_owned())
    }

    /// The command that applies it.
    pub(super) fn apply(&self) -> String {
        let mut command = "privlink apply".to_owned();
        for path in &self.input.filename {
            command.push_str(&format!(" -f {}", shell_word(&path.display().to_string())));
        }
        if let Some(namespace) = &self.input.namespace {
            command.push_str(&format!(" -n {}", shell_word(namespace)));
        }
        command
    }
}

/// How deep folders are looked into.
const DEEPEST: usize = 8;

/// The stacks below folders: every folder with manifests is one, and every file of a folder in which
/// several files hold a Stack document. A file that is named is one by itself.
pub(super) fn below(flags: &Input, ui: &mut Ui) -> Result<Vec<Source>, CommandError> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for path in &flags.filename {
        if path.is_dir() {
            walk(flags, path, DEEPEST, &mut seen, &mut found, ui)?;
        } else {
            found.push(Source::with(flags, path.clone()));
        }
    }
    if found.is_empty() {
        return Err(CommandError::new("no folder with manifests was found")
            .hint("With --each, -f names a folder that holds a folder for every stack."));
    }
    Ok(found)
}

fn walk(
    flags: &Input,
    folder: &Path,
    depth: usize,
    seen: &mut BTreeSet<PathBuf>,
    found: &mut Vec<Source>,
    ui: &mut Ui,
) -> Result<(), CommandError> {
    let shown = folder.display().to_string();
    // A link back to a folder above is not followed twice.
    let is = std::fs::canonicalize(folder).map_err(io(&shown))?;
    if depth == 0 || !seen.insert(is) {
        return Ok(());
    }
    let mut folders = Vec::new();
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io(&shown))? {
        let path = entry.map_err(io(&shown))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && !name.starts_with('.') {
            folders.push(path);
        } else if input::is_manifest(&path) {
            files.push(path);
        }
    }
    folders.sort();
    files.sort();
    let (own, rest): (Vec<PathBuf>, Vec<PathBuf>) = files.into_iter().partition(holds_stack);
    if own.len() > 1 {
        for file in rest {
            let file = file.display();
            ui.say(&format!("note: {file} is left out: it holds no Stack, and files beside it do"));
        }
        found.extend(own.into_iter().map(|file| Source::with(flags, file)));
    } else if !own.is_empty() || !rest.is_empty() {
        found.push(Source::with(flags, folder.to_owned()));
    }
    folders.iter().try_for_each(|it| walk(flags, it, depth - 1, seen, found, ui))
}

/// Whether a file holds a Stack document; one that cannot be read holds none that shows.
#[allow(clippy::ptr_arg, reason = "partition hands out what the list holds")]
fn holds_stack(file: &PathBuf) -> bool {
    input::load_paths(std::slice::from_ref(file), None, false)
        .is_ok_and(|loaded| loaded.desired.stack.is_some())
}
