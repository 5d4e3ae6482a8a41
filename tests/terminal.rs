//! What is asked at a terminal. The terminal is `script`'s, of util-linux; without it there is nothing to
//! test, and the test says so.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]
#![allow(clippy::print_stderr, reason = "a test says what it leaves out")]

mod support;

use std::io::Write;
use std::process::{Command, Stdio};

use support::Workplace;

/// Runs privlink at a terminal at which this is typed: the exit code, and all that is shown.
fn typed(place: &Workplace, words: &str, line: &str) -> (Option<i32>, String) {
    typed_at(place, words, line, &[("NO_COLOR", "1")])
}

/// The same, with these variables.
fn typed_at(
    place: &Workplace,
    words: &str,
    line: &str,
    variables: &[(&str, &str)],
) -> (Option<i32>, String) {
    let command = format!("{} {words}", env!("CARGO_BIN_EXE_privlink"));
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .current_dir(place.path())
        .env_clear()
        .envs(variables.iter().copied())
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It stays in the terminal until it is asked for.
    let mut keyboard = child.stdin.take().unwrap();
    writeln!(keyboard, "{line}").unwrap();
    let output = child.wait_with_output().unwrap();
    drop(keyboard);
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn consumers_are_cut_off_only_by_who_types_their_number() {
    if Command::new("script").arg("--version").output().is_err() {
        eprintln!("not run: there is no `script`");
        return;
    }
    let place = Workplace::with_example("frontend-recreated");
    place.run("apply -f examples/frontend-recreated/before --sandbox --auto-approve").expect(0);
    let apply = "apply -f examples/frontend-recreated --sandbox --max-disconnects 1";
    for line in ["yes", "2", ""] {
        let (code, shown) = typed(&place, apply, line);
        assert!(shown.contains("1 consumer will be disconnected. Type 1 to disconnect"), "{shown}");
        assert!(shown.contains("Not applied."), "{line}: {code:?} {shown}");
    }
    let (code, shown) = typed(&place, apply, "1");
    assert!(code == Some(0) && shown.contains("Apply complete"), "{code:?} {shown}");
    let plan = place.run("plan -f examples/frontend-recreated --sandbox").expect(0);
    assert_eq!(plan.last_line(), "No changes.");
}

#[test]
fn anything_but_yes_is_a_no() {
    if Command::new("script").arg("--version").output().is_err() {
        eprintln!("not run: there is no `script`");
        return;
    }
    let place = Workplace::with_example("internal-load-balancer");
    let apply = "apply -f examples/internal-load-balancer --sandbox";
    let (_, shown) = typed(&place, apply, "y");
    assert!(shown.contains("Not applied."), "{shown}");
    let (code, shown) = typed(&place, apply, "yes");
    assert!(code == Some(0) && shown.contains("Apply complete"), "{code:?} {shown}");
}

#[test]
fn a_dumb_terminal_has_plain_lines_and_no_colours() {
    if Command::new("script").arg("--version").output().is_err() {
        eprintln!("not run: there is no `script`");
        return;
    }
    let apply = "apply -f examples/internal-load-balancer --sandbox";
    let shown = |kind: &str| {
        let place = Workplace::with_example("internal-load-balancer");
        let (code, shown) = typed_at(&place, apply, "yes", &[("TERM", kind)]);
        assert!(code == Some(0) && shown.contains("Apply complete"), "{code:?} {shown}");
        shown
    };
    let dumb = shown("dumb");
    assert!(!dumb.contains('\u{1b}'), "{dumb}");
    assert!(dumb.contains("[1/2] ") && dumb.contains(" ..."), "{dumb}");
    assert!(shown("xterm").contains('\u{1b}'));
}
