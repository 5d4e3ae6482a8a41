//! What the black-box tests share: the binary in a folder of its own, and goldens.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "what fails here fails the test")]

pub(crate) mod http;
pub(crate) mod serving;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The names in a folder of the repository, sorted.
pub(crate) fn names(folder: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A working folder with the repository's examples in it, and the binary run there.
pub(crate) struct Workplace {
    folder: tempfile::TempDir,
}

/// How a run of the binary ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Run {
    /// The run, if it ended with this code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// The last line of stdout.
    pub(crate) fn last_line(&self) -> &str {
        self.stdout.trim_end().lines().next_back().unwrap_or_default()
    }
}

impl Workplace {
    /// A folder with one example in it, where the README says it is.
    pub(crate) fn with_example(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("examples").join(name);
        copy(&root().join("examples").join(name), &to);
        Self { folder }
    }

    /// A folder with nothing in it.
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs the binary with these words.
    pub(crate) fn run(&self, words: &str) -> Run {
        self.run_args(&words.split_whitespace().collect::<Vec<_>>())
    }

    /// Runs the binary with these arguments.
    pub(crate) fn run_args(&self, args: &[&str]) -> Run {
        self.run_args_with(args, &[])
    }

    /// Runs the binary with these words and variables.
    pub(crate) fn run_with(&self, words: &str, variables: &[(&str, &str)]) -> Run {
        self.run_args_with(&words.split_whitespace().collect::<Vec<_>>(), variables)
    }

    /// Runs the binary with these arguments and variables, and no others of the test's own.
    pub(crate) fn run_args_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_privlink"));
        command.args(args).current_dir(self.folder.path()).env_clear().env("NO_COLOR", "1");
        command.envs(variables.iter().copied());
        command.stdin(std::process::Stdio::null()).output().unwrap().into()
    }
}

/// Copies a folder.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Compares text with a file under golden/; with UPDATE_GOLDEN set, writes it.
#[track_caller]
pub(crate) fn assert_golden(path: &str, found: &str) {
    let file: PathBuf = root().join("golden").join(path);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, found).unwrap();
        return;
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    if expected != found {
        let diff = similar::TextDiff::from_lines(&expected, found);
        let diff = diff.unified_diff().header(path, "found").to_string();
        panic!("golden/{path} differs; look at it, then update with UPDATE_GOLDEN=1\n{diff}");
    }
}

/// Changes objects of a world's file, those of the cluster and those of Azure; returns how many were.
pub(crate) fn edit_world(
    file: &Path,
    mut edit: impl FnMut(&mut serde_json::Value) -> bool,
) -> usize {
    let mut world: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let mut edited = 0;
    for pointer in ["/kubernetes/objects", "/azure"] {
        let objects = world.pointer_mut(pointer).and_then(serde_json::Value::as_array_mut);
        edited += objects.unwrap().iter_mut().map(&mut edit).filter(|edited| *edited).count();
    }
    fs::write(file, world.to_string()).unwrap();
    edited
}
