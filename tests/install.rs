//! What comes with an installation: the plugin of kubectl, completions, the manual.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use support::{Workplace, root};

/// A folder with the plugin in it.
#[cfg(unix)]
fn plugin() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("kubectl-privlink");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_privlink"), link).unwrap();
    folder
}

fn stdout(command: &mut Command) -> String {
    let output = command.env_remove("CLICOLOR_FORCE").stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[cfg(unix)]
#[test]
fn the_plugin_calls_itself_as_its_user_does() {
    let folder = plugin();
    let help =
        stdout(Command::new(folder.path().join("kubectl-privlink")).args(["plan", "--help"]));
    assert!(help.contains("Usage: kubectl privlink plan [OPTIONS]"), "{help}");
    let help = stdout(Command::new(env!("CARGO_BIN_EXE_privlink")).args(["plan", "--help"]));
    assert!(help.contains("Usage: privlink plan [OPTIONS]"), "{help}");
}

/// kubectl finds the plugin by its name on the PATH and hands the arguments on.
#[cfg(unix)]
#[test]
fn kubectl_runs_the_plugin() {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = std::env::split_paths(&path).any(|folder| folder.join("kubectl").is_file());
    if !there {
        // Nothing can be said without kubectl; a machine that has it says it.
        println!("kubectl is not on the PATH: not run");
        return;
    }
    let folder = plugin();
    let paths = std::iter::once(folder.path().to_owned()).chain(std::env::split_paths(&path));
    let paths = std::env::join_paths(paths).unwrap();
    let version =
        stdout(Command::new("kubectl").args(["privlink", "--version"]).env("PATH", paths));
    assert_eq!(version, format!("privlink {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_command_has_a_manual_page() {
    let place = Workplace::empty();
    place.run("man --out man").expect(0);
    let pages: Vec<String> = std::fs::read_dir(place.path().join("man"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for page in ["privlink.1", "privlink-plan.1", "privlink-apply.1", "privlink-sandbox-serve.1"] {
        assert!(pages.iter().any(|it| it == page), "{page}: {pages:?}");
    }
    let plan = std::fs::read_to_string(place.path().join("man/privlink-plan.1")).unwrap();
    assert!(plan.contains(".SH SYNOPSIS") && plan.contains("detailed\\-exitcode"), "{plan}");
}

#[test]
fn the_book_s_commands_are_those_of_the_binary() {
    let found = Workplace::empty().run("man -o markdown").expect(0).stdout;
    let file: &Path = &root().join("docs/commands.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(file, &found).unwrap();
    }
    let expected = std::fs::read_to_string(file).unwrap_or_default();
    assert!(
        found == expected,
        "docs/commands.md is not `privlink man -o markdown`: UPDATE_GOLDEN=1"
    );
}

#[test]
fn completions_are_made_for_every_shell() {
    let place = Workplace::empty();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let text = place.run(&format!("completions {shell}")).expect(0).stdout;
        assert!(text.contains("COMPLETE"), "{shell} asks the program: {text}");
    }
}

/// What a shell is answered at the end of these words.
fn completed(place: &Workplace, words: &[&str]) -> Vec<String> {
    let words: Vec<&str> = ["--", "privlink"].iter().chain(words).copied().collect();
    let home = place.path().display().to_string();
    let kubeconfig = place.path().join("kubeconfig").display().to_string();
    let variables = [("COMPLETE", "fish"), ("HOME", &home), ("KUBECONFIG", &kubeconfig)];
    let run = place.run_args_with(&words, &variables).expect(0);
    let candidate = |line: &str| line.split('\t').next().unwrap_or_default().to_owned();
    run.stdout.lines().map(candidate).collect()
}

/// Codes, contexts and addresses are completed by what is there, flags as they are.
#[test]
fn completions_know_codes_contexts_and_addresses() {
    let place = Workplace::with_example("private-link");
    let kubeconfig = "apiVersion: v1\nkind: Config\ncontexts:\n- {name: prod-eu, context: {cluster: c, user: u}}\n";
    std::fs::write(place.path().join("kubeconfig"), kubeconfig).unwrap();
    let flags = completed(&place, &["plan", "--detailed"]);
    assert_eq!(flags, ["--detailed-exitcode"]);
    assert_eq!(completed(&place, &["plan", "--context", "p"]), ["prod-eu"]);
    let codes = completed(&place, &["plan", "--accept", "controller-fails"]);
    assert_eq!(codes, ["controller-fails"]);
    let example = "examples/private-link";
    let addresses = completed(&place, &["plan", "-f", example, "--target", "Private"]);
    let own = ["PrivateEndpoint/myAKSServicePE", "PrivateLinkService/default/internal-app"];
    assert_eq!(addresses, own);
    assert_eq!(completed(&place, &["explain", "-f", example, "PrivateL"]), [own[1]]);
    // Without -f there is nothing to look at.
    assert!(completed(&place, &["plan", "--target", "Private"]).is_empty());
}

/// What a release publishes names the release that it belongs to, and nothing is left to fill in.
#[cfg(unix)]
#[test]
fn pipelines_of_a_release_can_be_copied_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("privlink-x86_64-unknown-linux-musl.tar.gz");
    std::fs::write(&archive, "").unwrap();
    let make = |repository: &str, tag: &str, commit: &str| {
        let mut command = Command::new(root().join(".ci/workflows"));
        command.args([repository, tag, commit]).arg(folder.path()).output().unwrap()
    };
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let made = make("contoso/privlink", "v1.2.3", commit);
    assert!(made.status.success(), "{made:?}");
    let files: BTreeMap<String, String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|it| {
            (it.file_name().into_string().unwrap(), std::fs::read_to_string(it.path()).unwrap())
        })
        .collect();
    assert!(files.contains_key("privlink.yml") && files.contains_key("gitlab-ci.yml"), "{files:?}");
    for (name, text) in &files {
        let open = ["OWNER", "COMMIT # ", "v0.1.0", ": SHA256"];
        assert!(!open.iter().any(|it| text.contains(it)), "{name}:\n{text}");
    }
    let uses = format!("- uses: contoso/privlink@{commit} # v1.2.3\n");
    assert_eq!(files["privlink.yml"].matches(&uses).count(), 2);
    let steps = &files["privlink-steps.yml"];
    assert!(
        steps.contains("https://github.com/contoso/privlink/releases/download/$VERSION"),
        "{steps}"
    );
    let pipeline = &files["azure-pipelines.yml"];
    // The SHA-256 of nothing.
    let sum = "privlinkSha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert!(pipeline.contains("privlinkVersion: v1.2.3") && pipeline.contains(sum), "{pipeline}");
    for (repository, tag, commit) in [
        ("contoso", "v1.2.3", commit),
        ("a/b|c", "v1.2.3", commit),
        ("a/b", "main", commit),
        ("a/b", "v1.2.3", "v1.2.3"),
    ] {
        assert!(!make(repository, tag, commit).status.success(), "{repository} {tag} {commit}");
    }
}
