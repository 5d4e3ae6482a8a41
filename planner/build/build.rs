//! Finds out what is built: the commit is what PRIVLINK_COMMIT says (an image is built without a repository), what
//! cargo noted in a crate that was packed, or what git says of this checkout.

use std::path::{Path, PathBuf};
use std::process::Command;

const COMMIT: &str = "PRIVLINK_COMMIT";

fn main() {
    let own = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    say("cargo::rerun-if-changed=build.rs");
    say(&format!("cargo::rerun-if-env-changed={COMMIT}"));
    let said = std::env::var(COMMIT).ok().filter(|text| is_commit(text));
    let commit = said.or_else(|| packed(&own)).or_else(|| checked_out(&own));
    say(&format!(
        "cargo::rustc-env=PRIVLINK_BUILT_FROM={}",
        commit.as_deref().unwrap_or("unknown")
    ));
    let target = std::env::var("TARGET").unwrap_or_else(|_| "unknown".to_owned());
    say(&format!("cargo::rustc-env=PRIVLINK_BUILT_FOR={target}"));
}

/// A line for cargo.
#[allow(clippy::print_stdout, reason = "cargo reads what a build script prints")]
fn say(line: &str) {
    println!("{line}");
}

fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|it| it.is_ascii_hexdigit())
}

/// The commit that `cargo package` writes beside the manifest.
fn packed(own: &Path) -> Option<String> {
    let text = std::fs::read_to_string(own.join(".cargo_vcs_info.json")).ok()?;
    let (_, rest) = text.split_once("\"sha1\"")?;
    rest.split('"').find(|word| is_commit(word)).map(ToOwned::to_owned)
}

/// The commit that is checked out here. A repository that these sources merely lie in is not theirs.
fn checked_out(own: &Path) -> Option<String> {
    let root = std::fs::canonicalize(own.join("../..")).ok()?;
    let top = git(&root, &["rev-parse", "--show-toplevel"])?;
    if std::fs::canonicalize(top).ok()? != root {
        return None;
    }
    let branch = git(&root, &["symbolic-ref", "--quiet", "HEAD"]);
    for part in ["HEAD", "logs/HEAD", "packed-refs"].into_iter().chain(branch.as_deref()) {
        // A path that is not there would make cargo run this each time.
        let path = git(&root, &["rev-parse", "--git-path", part]).map(|path| root.join(path));
        if let Some(path) = path.filter(|path| path.exists()) {
            say(&format!("cargo::rerun-if-changed={}", path.display()));
        }
    }
    git(&root, &["rev-parse", "HEAD"]).filter(|text| is_commit(text))
}

fn git(root: &Path, words: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(root).args(words).output().ok()?;
    let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    Some(text.trim_end().to_owned())
}
