//! `merge`.

use std::path::PathBuf;

use super::{DriftOutput, comment};

/// `merge`.
#[derive(Debug, clap::Args)]
pub(crate) struct Merge {
    /// What shards of one run wrote with `-o json`: of `plan --stacks`, of `drift --stacks`, or of another command
    #[arg(value_name = "REPORT", required = true)]
    pub(crate) reports: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) told: DriftOutput,
    /// Show ids, all fields and every consumer of plans in text
    #[arg(long)]
    pub(crate) full: bool,
    /// Keep a comment with the plans on the pull request; a failure to do so is a warning. The ID is by what
    /// it is found again, if several commands comment
    #[arg(long, value_name = "ID", num_args = 0..=1, require_equals = true, default_missing_value = "default", value_parser = comment::id)]
    pub(crate) comment: Option<String>,
}
