//! Which stacks a command is about: one, or all below a folder.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use super::Input;

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
    /// Take warnings for errors
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
    /// Take every folder with manifests below FOLDER for a stack of its own, and so every file, where several files of
    /// one folder hold a Stack document
    #[arg(long, value_name = "FOLDER")]
    pub(crate) stacks: Option<PathBuf>,
    /// With --stacks, how many are worked on at once; as many as there are processors by default
    #[arg(long, value_name = "NUMBER")]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// With --stacks, only those whose path below FOLDER is as this pattern: `*` within a name, `**` for folders; may be
    /// repeated
    #[arg(long, value_name = "PATTERN", requires = "stacks", value_parser = pattern)]
    pub(crate) only: Vec<glob::Pattern>,
    /// With --stacks, only those with a file that is not as in this revision of git, or that is not in git
    #[arg(long, value_name = "REVISION", requires = "stacks")]
    pub(crate) changed_since: Option<String>,
}

fn pattern(text: &str) -> Result<glob::Pattern, String> {
    glob::Pattern::new(text).map_err(|error| error.to_string())
}
