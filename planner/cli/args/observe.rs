//! `observe`.

use std::path::PathBuf;

use super::{Stacks, TargetFlags};

/// `observe`.
#[derive(Debug, clap::Args)]
pub(crate) struct Observe {
    #[command(flatten)]
    pub(crate) input: Stacks,
    #[command(flatten, next_help_heading = "Cluster and Azure")]
    pub(crate) place: TargetFlags,
    /// The file to save to; stdout by default. With --stacks it is a folder, in which the snapshots lie as the stacks do
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Replace what is not the stack's own by pseudonyms, so that the snapshot can be shared
    #[arg(long)]
    pub(crate) redact: bool,
}
