//! What a run over many stacks came to, as data: for programs, for a merge of shards, and for a run that goes on with what
//! failed.
//!
//! A stack is a line of the JSON, so that a run writes it when it is done with it, and nobody has to hold all of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Came, Line};
use privlink_core::names::natural;
use privlink_core::shard::{self, Shard};

/// The version of the JSON. Minor: a new optional field; major: all else.
pub const FORMAT_VERSION: &str = "1.0";

/// What is said of a run once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// See [`FORMAT_VERSION`].
    pub format_version: String,
    /// The version of privlink that made it.
    pub tool_version: String,
    /// The command, such as `plan`.
    pub command: String,
    /// The folder that the stacks are below.
    pub folder: String,
    /// The arguments that say what the run was about, fit to be pasted: `--context`, `shop`; but for files and observations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub place: Vec<String>,
    /// The folder of the observations that the run was about, in place of what is live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<String>,
    /// Those that limit what a plan does: `--adopt`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<String>,
    /// When the stacks were read, in words: `just now`. Empty if that is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub read: String,
    /// The part of the stacks that it is about, if it is not about all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// Parts of which nothing is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_shards: Vec<Shard>,
}

/// What came of one stack.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Record<R = Box<RawValue>> {
    /// Where it is read, below the folder.
    pub path: String,
    /// Its file or folder, as a command of its own takes it.
    pub source: String,
    /// What came of it.
    pub came: Came,
    /// That in a sentence; empty where there is nothing to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub said: String,
    /// With what the command would have ended for it alone.
    pub exit_code: u8,
    /// What the command writes as JSON of it alone; of a run, its events. Absent where it failed before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Value>")]
    pub result: Option<R>,
}

impl<R> Record<R> {
    /// The line of it in a table.
    pub fn line(&self) -> Line {
        Line { path: self.path.clone(), came: self.came, said: self.said.clone() }
    }

    /// Whether it is to be gone on with: it is neither done, nor does it merely have changes, nor wait for somebody.
    pub fn is_failed(&self) -> bool {
        !matches!(self.exit_code, 0 | 2 | 6)
    }
}

/// A run over many stacks.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FleetReport {
    /// What is said of all.
    #[serde(flatten)]
    pub head: Head,
    /// The stacks, in order of their paths.
    pub stacks: Vec<Record>,
}

impl Head {
    /// What its JSON begins with.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        let text = serde_json::to_string_pretty(self)?;
        let fields = text.strip_suffix("\n}").unwrap_or(&text);
        Ok(format!("{fields},\n  \"stacks\": ["))
    }
}

/// The JSON of one stack.
///
/// # Errors
///
/// When it cannot be written.
pub fn json<R: Serialize>(record: &Record<R>) -> Result<String, serde_json::Error> {
    serde_json::to_string(record)
}

/// A stack's line, which is the first or not; [`END`] follows the last.
pub fn line(json: &str, is_first: bool) -> String {
    let comma = if is_first { "" } else { "," };
    format!("{comma}\n    {json}")
}

/// What the JSON ends with.
pub const END: &str = "\n  ]\n}\n";

/// One report of several, each of a part of the stacks. What differs but by the part makes them reports of different runs.
///
/// # Errors
///
/// Says why they do not go together.
pub fn merge(reports: Vec<FleetReport>) -> Result<FleetReport, String> {
    let shards: Vec<_> = reports.iter().map(|it| it.head.shard).collect();
    let missing_shards = shard::missing(&shards)?;
    let mut head: Option<Head> = None;
    let mut stacks = Vec::new();
    for report in reports {
        let of_all = Head { shard: None, missing_shards: missing_shards.clone(), ..report.head };
        match &head {
            Some(first) => together(first, &of_all)?,
            None => head = Some(of_all),
        }
        stacks.extend(report.stacks);
    }
    stacks.sort_by(|one, other| natural(&one.path, &other.path));
    let twice = stacks.windows(2).find_map(|pair| match pair {
        [one, other] if one.path == other.path => Some(one.path.clone()),
        _ => None,
    });
    match (head, twice) {
        (_, Some(path)) => Err(format!("two reports have the stack {path}")),
        (None, _) => Err("there is no report".to_owned()),
        (Some(head), None) => Ok(FleetReport { head, stacks }),
    }
}

/// Says in what two runs differ.
fn together(one: &Head, other: &Head) -> Result<(), String> {
    let pairs = [
        ("versions of privlink", &one.tool_version, &other.tool_version),
        ("commands", &one.command, &other.command),
        ("folders", &one.folder, &other.folder),
    ];
    match pairs.into_iter().find(|(_, one, other)| one != other) {
        Some((what, one, other)) => Err(format!("the reports are of two {what}: {one}, {other}")),
        None if one == other => Ok(()),
        None => Err("the reports were made with other flags".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(shard: &str, paths: &[&str]) -> FleetReport {
        let record = |path: &&str| Record {
            path: (*path).to_owned(),
            source: format!("stacks/{path}"),
            came: Came::Unchanged,
            said: String::new(),
            exit_code: 0,
            result: serde_json::from_str("{\"b\": 1.50, \"a\": [ ]}").ok(),
        };
        let head =
            Head { command: "plan".to_owned(), shard: shard.parse().ok(), ..Head::default() };
        FleetReport { head, stacks: paths.iter().map(record).collect() }
    }

    fn text(report: &FleetReport) -> String {
        let mut text = report.head.json().unwrap();
        for (at, record) in report.stacks.iter().enumerate() {
            text.push_str(&line(&json(record).unwrap(), at == 0));
        }
        text + END
    }

    #[test]
    fn what_is_written_is_read_and_merged_to_the_same_bytes() {
        let whole = text(&report("", &["a", "b2", "b10", "c"]));
        let parts = [report("2/2", &["b2", "c"]), report("1/2", &["a", "b10"])];
        let read = |it: &FleetReport| serde_json::from_str(&text(it)).unwrap();
        let merged = merge(parts.iter().map(read).collect()).unwrap();
        assert_eq!(text(&merged), whole);
        assert!(whole.contains("\"result\":{\"b\": 1.50, \"a\": [ ]}"), "as it was: {whole}");
        let empty = report("", &[]);
        assert!(serde_json::from_str::<FleetReport>(&text(&empty)).is_ok(), "{}", text(&empty));
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let why = |reports: Vec<FleetReport>| merge(reports).unwrap_err();
        let two = vec![report("", &["a"]), report("", &["a"])];
        assert_eq!(why(two), "two reports have the stack a");
        let mut other = report("2/2", &[]);
        other.head.command = "apply".to_owned();
        let two = vec![report("1/2", &[]), other];
        assert_eq!(why(two), "the reports are of two commands: plan, apply");
        let mut other = report("2/2", &[]);
        other.head.limits = vec!["--adopt".to_owned()];
        assert!(why(vec![report("1/2", &[]), other]).contains("other flags"));
        assert_eq!(why(Vec::new()), "there is no report");
    }

    #[test]
    fn a_part_that_is_not_there_is_known() {
        let merged = merge(vec![report("1/3", &["a"]), report("3/3", &[])]).unwrap();
        assert_eq!(merged.head.missing_shards, ["2/3".parse().unwrap()]);
    }
}
