//! The tutorial's commands do what the tutorial says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here fails the test")]

mod support;

use support::{Run, Workplace, root};

/// A fenced block: what is behind the fence, and what is in it.
struct Block<'a> {
    info: &'a str,
    text: &'a str,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let fenced = page.split("\n```").skip(1).step_by(2);
    fenced.map(|it| it.split_once('\n').unwrap()).map(|(info, text)| Block { info, text }).collect()
}

/// The lines of a block are in the output, in this order; `...` stands for any lines.
#[track_caller]
fn assert_shows(run: &Run, text: &str) {
    let mut lines = run.stdout.lines();
    for expected in text.lines().filter(|line| *line != "...") {
        // The ends of long lines may be left out.
        assert!(
            lines.any(|line| line.trim_start().starts_with(expected.trim_start())),
            "`{expected}` is not in, or not after the line before it:\n{}",
            run.stdout
        );
    }
}

#[test]
fn every_command_of_the_tutorial_does_what_it_says() {
    let page = std::fs::read_to_string(root().join("docs/tutorial.md")).unwrap();
    let place = Workplace::empty();
    let (mut last, mut commands, mut outputs) = (None, 0, 0);
    for Block { info, text } in blocks(&page) {
        match info.split_once(' ').unwrap_or((info, "")) {
            ("yaml", file) => {
                let file = place.path().join(file);
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, text).unwrap();
            }
            ("sh", code) => {
                let code = if code.is_empty() { 0 } else { code.parse().unwrap() };
                for line in text.lines() {
                    last = Some(place.run(line.strip_prefix("privlink ").unwrap()).expect(code));
                    commands += 1;
                }
            }
            ("text", _) => {
                assert_shows(last.as_ref().unwrap(), text);
                outputs += 1;
            }
            (other, _) => panic!("what is a block of {other}?"),
        }
    }
    assert!(commands >= 8 && outputs >= 5, "{commands} commands, {outputs} outputs");
}
