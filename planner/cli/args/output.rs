//! `output`.

use std::path::PathBuf;

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
    /// `azure-pipelines` for the log of a step, `offer` for consumers' stacks, `offer-configmap` for kubectl apply
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Text, value_name = "FORMAT")]
    pub(crate) output: OutputFormat,
    /// Write it to a file instead; the same world gives the same bytes
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
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
    /// A document for each Private Link Service, which consumers' stacks take.
    Offer,
    /// The same, as the manifest of a ConfigMap.
    OfferConfigmap,
}
