//! `explain`.

use std::path::PathBuf;

use clap_complete::engine::ArgValueCompleter;

use super::{DataFormat, Guarding, Input, TargetFlags};
use crate::completion;

/// `explain`.
#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    /// The code of a diagnostic, a finding or a refusal; or the address of an object, such as
    /// PrivateLinkService/default/internal-app, or the end of it, if only one ends so; without it, all codes
    /// are listed
    #[arg(value_name = "CODE|ADDRESS", add = ArgValueCompleter::new(completion::codes_and_addresses))]
    pub(crate) what: Option<String>,
    /// For an address: a file, a folder or `-` with desired state; may be repeated
    #[arg(short = 'f', long = "filename", value_name = "PATH")]
    pub(crate) filename: Vec<PathBuf>,
    /// The namespace of Services that name none; the context's by default
    #[arg(short, long, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    #[command(flatten, next_help_heading = "Cluster and Azure")]
    pub(crate) place: TargetFlags,
    /// Explain from a saved observation, contacting nothing
    #[arg(long, value_name = "SNAPSHOT", conflicts_with = "sandbox")]
    pub(crate) observed: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) guarding: Guarding,
    /// What is written to stdout
    #[arg(short, long, value_enum, default_value_t = DataFormat::Text, value_name = "FORMAT")]
    pub(crate) output: DataFormat,
}

impl Explain {
    /// Where desired state is read.
    pub(crate) fn input(&self) -> Input {
        Input { filename: self.filename.clone(), namespace: self.namespace.clone(), strict: false }
    }
}
