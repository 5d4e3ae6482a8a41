//! Comparing files with what the code makes of them today.

use std::fs;
use std::path::{Path, PathBuf};

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Compares a file of the repository with what it should hold; with `UPDATE_GOLDEN` set, writes it.
#[track_caller]
pub(crate) fn assert(path: &str, expected: &str) {
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
