//! Comparing files with what the code makes of them today.

use std::fs;
use std::path::{Path, PathBuf};

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Compares a file of the repository with what it should hold; with `UPDATE_GOLDEN` set, writes it.
#[track_caller]
pub fn assert(path: &str, expected: &str) {
    let file = root().join(path);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, expected).unwrap();
        return;
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == expected,
        "{path} is not what it should be; run with UPDATE_GOLDEN=1 and look at the difference\n\
         --- expected\n{expected}"
    );
}

/// The names in a folder of the repository, sorted.
pub fn names(path: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(root().join(path)) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
