//! `graph`.

use std::path::PathBuf;

use clap::ValueEnum;

use super::{Input, TargetFlags};

/// `graph`.
#[derive(Debug, clap::Args)]
pub(crate) struct Graph {
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten, next_help_heading = "Cluster and Azure")]
    pub(crate) place: TargetFlags,
    /// Draw from a saved observation, contacting nothing
    #[arg(long, value_name = "SNAPSHOT", conflicts_with = "sandbox")]
    pub(crate) observed: Option<PathBuf>,
    /// What is written to stdout
    #[arg(short, long, value_enum, default_value_t = GraphFormat::Text, value_name = "FORMAT")]
    pub(crate) output: GraphFormat,
}

/// A format of graphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// A tree.
    Text,
    /// Graphviz.
    Dot,
    /// Mermaid.
    Mermaid,
}
