//! Which stacks a command is about: one, or all below a folder.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use privlink_core::shard::Shard;

use super::Input;
use crate::command_error::CommandError;

/// Where desired state is read: of one stack, or of many.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Stacks {
    /// A file, a folder (its *.yaml, *.yml and *.json files, not those of folders in it), or `-` for
    /// stdin; may be repeated
    #[arg(
        short = 'f',
        long = "filename",
        required_unless_present = "stacks",
        conflicts_with = "stacks",
        value_name = "PATH"
    )]
    pub(crate) filename: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) many: Many,
    /// The namespace of Services that name none; the context's by default
    #[arg(short, long, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// Treat warnings as errors
    #[arg(long)]
    pub(crate) strict: bool,
}

impl Stacks {
    /// What is read, as one stack.
    pub(crate) fn input(&self) -> Input {
        Input {
            filename: self.filename.clone(),
            namespace: self.namespace.clone(),
            strict: self.strict,
        }
    }
}

/// Many stacks in one run.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Many {
    /// Treat every folder with manifests below FOLDER as a stack of its own; where several files of one
    /// folder hold a Stack document, each of them is a stack
    #[arg(long, value_name = "FOLDER")]
    pub(crate) stacks: Option<PathBuf>,
    /// With --stacks, how many are worked on at once; as many as there are processors by default
    #[arg(long, value_name = "NUMBER")]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// With --stacks, only those whose path below FOLDER matches this pattern: `*` within a name, `**` for folders; may be
    /// repeated
    #[arg(long, value_name = "PATTERN", requires = "stacks", conflicts_with = "filename", value_parser = pattern)]
    pub(crate) only: Vec<glob::Pattern>,
    /// With --stacks, only those with a file that differs from this git revision, or that git does not track
    #[arg(long, value_name = "REVISION", requires = "stacks", conflicts_with = "filename")]
    pub(crate) changed_since: Option<String>,
    /// With --stacks, only those that failed or were refused by this report: what the command wrote with `-o json`
    #[arg(long, value_name = "REPORT", requires = "stacks", conflicts_with = "filename")]
    pub(crate) only_failed: Option<PathBuf>,
    /// With --stacks, only the I-th of N parts, I from 1: a stack is in the same part whatever other stacks there are
    #[arg(long, value_name = "I/N", requires = "stacks", conflicts_with = "filename")]
    pub(crate) shard: Option<Shard>,
    /// With --stacks, only one of N parts, the one of this pod of an Indexed Job: JOB_COMPLETION_INDEX + 1
    #[arg(long, value_name = "N", requires = "stacks", conflicts_with_all = ["shard", "filename"])]
    pub(crate) shards: Option<NonZeroUsize>,
}

impl Many {
    /// The part of the stacks that is meant, if not all.
    ///
    /// # Errors
    ///
    /// When the pod's index is not known, or is none of so many.
    pub(crate) fn shard(&self) -> Result<Option<Shard>, CommandError> {
        let Some(of) = self.shards else { return Ok(self.shard) };
        let wrong = |why: String| {
            CommandError::new(format!("--shards {of}: {why}"))
                .hint("Kubernetes sets JOB_COMPLETION_INDEX in pods of an Indexed Job; elsewhere, say which part: --shard 1/7.")
        };
        let index = std::env::var(INDEX).map_err(|_| wrong(format!("{INDEX} is not set")))?;
        let index: usize =
            index.parse().map_err(|_| wrong(format!("{INDEX} is `{index}`, and no number")))?;
        Shard::new(index.saturating_add(1), of.get())
            .map(Some)
            .map_err(|why| wrong(format!("{INDEX} is {index}: {why}")))
    }
}

/// Where Kubernetes says which pod of an Indexed Job this is, from 0.
const INDEX: &str = "JOB_COMPLETION_INDEX";

fn pattern(text: &str) -> Result<glob::Pattern, String> {
    glob::Pattern::new(text).map_err(|error| error.to_string())
}
