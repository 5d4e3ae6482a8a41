//! The journal: a run's events, one JSON object a line, on disk before the run goes on.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use privlink_core::event::{self, Event, EventKind};
use privlink_core::plan::Plan;
use privlink_core::saved;
use privlink_file::Readers;

/// The most bytes of a journal: many times what a run of thousands of steps tells.
const MOST_BYTES: usize = 64 << 20;

/// An append-only journal.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    /// Begins a journal in a folder, which is made if it is not there, with a `.gitignore` for all that is in it. Only the
    /// user may read it.
    ///
    /// # Errors
    ///
    /// When the folder or the file cannot be made.
    pub fn begin(folder: &Path, stack: &str) -> io::Result<Self> {
        let was_there = fs::symlink_metadata(folder).is_ok();
        privlink_file::private_folder(folder)?;
        if !was_there {
            // Where that fails, the journal fails too, or does without.
            let _ = privlink_file::replace_text(&folder.join(".gitignore"), Readers::All, "*\n");
        }
        let stamp = stamp(jiff::Timestamp::now());
        let path = folder.join(format!("{}-{stamp}-{}.jsonl", safe(stack), std::process::id()));
        Ok(Self { file: privlink_file::create_new(&path)?, path })
    }

    /// Goes on with a journal. A last line that was cut off is ended, so that the next is whole.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn go_on(path: &Path) -> io::Result<Self> {
        let mut file = privlink_file::open_or_create(path)?;
        let mut last = [b'\n'];
        if file.seek(SeekFrom::End(0))? > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
        Ok(Self { file, path: path.to_owned() })
    }

    /// Appends an event, unknowns in words, and waits until it is on disk.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn append(&mut self, event: &Event) -> io::Result<()> {
        let event = privlink_core::unknown::show_value(serde_json::to_value(event)?);
        let mut line = serde_json::to_vec(&event)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.file.sync_data()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A journal that is there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// What it tells.
    pub events: Vec<Event>,
}

/// An earlier run of a plan, as its journal tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// The journal.
    pub journal: PathBuf,
    /// How many steps were done.
    pub done: usize,
    /// How many there are.
    pub steps: usize,
}

/// The stack's last run, if it was of this plan, by the plan's digest: another plan may have as many steps, of the same
/// objects.
pub fn run_of(folder: &Path, plan: &Plan) -> Option<Earlier> {
    let found = newest(folder, &plan.stack)?;
    let digest = saved::digest(plan);
    let is_begun =
        |event: &Event| matches!(&event.kind, EventKind::Begun { plan, .. } if *plan == digest);
    let is_done = |event: &&Event| {
        matches!(event.kind, EventKind::Succeeded { .. } | EventKind::AwaitingApproval { .. })
    };
    let done: BTreeSet<usize> =
        found.events.iter().filter(is_done).filter_map(|event| event.step).collect();
    let is_it = found.events.first().is_some_and(is_begun)
        && found.events.iter().any(|it| it.step.is_some());
    is_it.then_some(Earlier { journal: found.path, done: done.len(), steps: plan.steps.len() })
}

/// How far a clock may have been ahead of this one.
const SKEW: jiff::SignedDuration = jiff::SignedDuration::from_mins(5);

/// A time as names of journals hold it. They sort by it.
fn stamp(time: jiff::Timestamp) -> String {
    time.strftime("%Y%m%dT%H%M%S%.3fZ").to_string()
}

/// The newest journal of a stack in a folder, if there is one that can be read. One of a time to come does
/// not count: it would be the newest for ever, and keep real ones from being found.
pub fn newest(folder: &Path, stack: &str) -> Option<Found> {
    let prefix = format!("{}-", safe(stack));
    let now = jiff::Timestamp::now();
    let latest = format!("{prefix}{}", stamp(now.checked_add(SKEW).unwrap_or(now)));
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let is_past = name.get(..latest.len()).is_some_and(|start| start <= latest.as_str());
            name.starts_with(&prefix) && name.ends_with(".jsonl") && is_past
        })
        .collect();
    // The names hold times, and sort by them.
    paths.sort();
    paths.into_iter().rev().find_map(|path| {
        let bytes = privlink_file::read(&path, MOST_BYTES).ok()?;
        let events = event::read(&String::from_utf8_lossy(&bytes))?;
        // One stack's name may begin as another's.
        let is_it = events
            .iter()
            .any(|event| matches!(&event.kind, EventKind::Begun { stack: of, .. } if of == stack));
        is_it.then_some(Found { path, events })
    })
}

/// A stack's name as it may stand in the name of a file.
fn safe(name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    name.chars().map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::event;
    use privlink_core::node_id::{Kind, NodeId};

    #[test]
    fn a_journal_of_a_time_to_come_does_not_hide_real_ones() {
        let folder = tempfile::tempdir().unwrap();
        let begun = |stack: &str| {
            let stack = stack.to_owned();
            event(
                EventKind::Begun {
                    stack,
                    mode: privlink_core::plan::Mode::Apply,
                    steps: 1,
                    plan: String::new(),
                },
                None,
            )
        };
        let mut journal = Journal::begin(folder.path(), "shop").unwrap();
        journal.append(&begun("shop")).unwrap();
        let real = journal.path().to_owned();
        let line = std::fs::read(&real).unwrap();
        std::fs::write(folder.path().join("shop-20990101T000000.000Z-1.jsonl"), line).unwrap();
        assert_eq!(newest(folder.path(), "shop").unwrap().path, real);
    }

    /// Two plans of one stack may have as many steps of the same objects: one that creates, and one that deletes.
    #[test]
    fn a_run_is_of_the_plan_with_its_digest() {
        let plan = |version: &str| Plan {
            stack: "shop".to_owned(),
            tool_version: version.to_owned(),
            ..Plan::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::begin(folder.path(), "shop").unwrap();
        let begun = EventKind::Begun {
            stack: "shop".to_owned(),
            mode: privlink_core::plan::Mode::Apply,
            steps: 0,
            plan: saved::digest(&plan("1")),
        };
        journal.append(&event(begun, None)).unwrap();
        let step = (1, NodeId::new(Kind::Service, "default/web"));
        let done = EventKind::Succeeded { detail: String::new() };
        journal.append(&event(done, Some(step))).unwrap();
        assert_eq!(run_of(folder.path(), &plan("1")).map(|it| it.done), Some(1));
        assert_eq!(run_of(folder.path(), &plan("2")), None);
    }
}
