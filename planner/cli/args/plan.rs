//! `plan`.

use std::path::PathBuf;

use super::{Limits, Output, Stacks, TargetFlags, comment};

/// `plan`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) input: Stacks,
    #[command(flatten, next_help_heading = "Cluster and Azure")]
    pub(crate) place: TargetFlags,
    #[command(flatten, next_help_heading = "Safety and scope")]
    pub(crate) limits: Limits,
    #[command(flatten, next_help_heading = "Output")]
    pub(crate) shown: Output,
    /// Plan from a saved observation, contacting nothing; with --stacks a folder of the same layout, with the snapshot of
    /// each, NAME.json
    #[arg(long, value_name = "SNAPSHOT", conflicts_with = "sandbox")]
    pub(crate) observed: Option<PathBuf>,
    /// Only predict: whoever renders the Services writes them, and privlink would write nothing
    #[arg(long, conflicts_with_all = ["destroy", "out", "adopt", "replace"])]
    pub(crate) guard: bool,
    /// What the live Services are rendered from now: those that -f does not have are about to be deleted; may be repeated
    #[arg(long, value_name = "PATH", requires = "guard", conflicts_with = "stacks")]
    pub(crate) base: Vec<PathBuf>,
    /// Plan to remove all that belongs to the stack
    #[arg(long)]
    pub(crate) destroy: bool,
    /// Exit with 2 if there are changes
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
    /// Save the plan to a file, for `apply FILE`; with --stacks, a folder of the same layout
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Also check rights, room and rules of Azure, on stderr; what is missing is an error
    #[arg(long, conflicts_with = "observed")]
    pub(crate) preflight: bool,
    /// Keep a comment with the plan on the pull request; a failure to do so is a warning. If
    /// several commands comment, the ID tells their comments apart
    #[arg(long, value_name = "ID", num_args = 0..=1, require_equals = true, default_missing_value = "default", value_parser = comment::id)]
    pub(crate) comment: Option<String>,
}
