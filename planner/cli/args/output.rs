//! `output`.

use clap::ValueEnum;

use super::{Stacks, TargetFlags};

/// `output`.
#[derive(Debug, clap::Args)]
pub(crate) struct Outputs {
    #[command(flatten)]
    pub(crate) input: Stacks,
    #[command(flatten, next_help_heading = "Cluster and Azure")]
    pub(crate) place: TargetFlags,
    /// What is written to stdout: `dotenv` for a file of variables, `github` for $GITHUB_OUTPUT,
    /// `azure-pipelines` for the log of a step
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Text, value_name = "FORMAT")]
    pub(crate) output: OutputFormat,
}

/// A format of outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// Variables, one a line, for dotenv files and shells.
    Dotenv,
    /// Lines for the file that GITHUB_OUTPUT names.
    Github,
    /// Logging commands that set output variables of an Azure Pipelines step.
    AzurePipelines,
}
