//! `validate`.

use clap::ValueEnum;

use super::Stacks;

/// `validate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Validate {
    #[command(flatten)]
    pub(crate) input: Stacks,
    /// How problems are written to stdout
    #[arg(short, long, value_enum, default_value_t = ProblemFormat::Text, value_name = "FORMAT")]
    pub(crate) output: ProblemFormat,
}

/// A format of problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProblemFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
}
