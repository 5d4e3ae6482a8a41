//! Which files a branch touches, as git says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command_error::CommandError;

/// The files that differ from a revision of git, and those that git does not have, by their whole paths. A file that was
/// renamed counts where it was and where it is.
#[derive(Debug)]
pub(super) struct Touched(BTreeSet<PathBuf>);

impl Touched {
    /// Those in the repository that a folder is in.
    ///
    /// # Errors
    ///
    /// When git is not there, or does not know the revision.
    pub(super) fn since(revision: &str, folder: &Path) -> Result<Self, CommandError> {
        if revision.starts_with('-') {
            return Err(CommandError::new(format!("--changed-since: `{revision}` is no revision")));
        }
        let root = git(folder, &["rev-parse", "--show-toplevel"])?;
        let root = PathBuf::from(root.trim_end_matches('\n'));
        let root = std::fs::canonicalize(&root).unwrap_or(root);
        let differ = ["diff", "--name-only", "--no-renames", "--no-ext-diff", "-z", revision, "--"];
        let differ = git(&root, &differ)?;
        let unknown = git(&root, &["ls-files", "--others", "--exclude-standard", "-z"])?;
        let files = differ.split('\0').chain(unknown.split('\0')).filter(|file| !file.is_empty());
        Ok(Self(files.map(|file| root.join(file)).collect()))
    }

    /// Whether a file, or a file of a folder, is among them; a link counts with what it leads to.
    pub(super) fn holds(&self, path: &Path) -> bool {
        let whole = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if !path.is_dir() {
            return self.0.contains(&whole(path)) || self.0.contains(&beside(path));
        }
        let folder = whole(path);
        let is_in =
            |file: &PathBuf| file.parent() == Some(&folder) && crate::input::is_manifest(file);
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        self.0.iter().any(is_in)
            || entries.map(|it| whole(&it.path())).any(|file| self.0.contains(&file))
    }
}

/// A file by the whole path of its folder: a link by its own name.
fn beside(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    folder.join(path.file_name().unwrap_or_default())
}

/// What git says in a folder.
fn git(folder: &Path, words: &[&str]) -> Result<String, CommandError> {
    let asked = Command::new("git").arg("-C").arg(folder).args(words).output();
    let output = asked.map_err(|error| {
        CommandError::new(format!("--changed-since: git cannot be run: {error}"))
            .hint("Install git, or leave out --changed-since.")
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let why = why.lines().next().unwrap_or("git failed").to_owned();
    Err(CommandError::new(format!("--changed-since: {why}")).hint(
        "Name a revision that is there: a shallow clone of a pipeline has few (fetch-depth: 0).",
    ))
}
