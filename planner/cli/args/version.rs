//! `version`.

use super::DataFormat;

/// `version`.
#[derive(Debug, clap::Args)]
pub(crate) struct Version {
    /// What is written to stdout
    #[arg(short, long, value_enum, default_value_t = DataFormat::Text, value_name = "FORMAT")]
    pub(crate) output: DataFormat,
}
