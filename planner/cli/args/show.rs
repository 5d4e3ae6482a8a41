//! `show`.

use std::path::PathBuf;

use crate::plan_format::Format;

/// `show`.
#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// A saved plan, or a journal
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// What is written to stdout
    #[arg(short, long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    pub(crate) output: Format,
    /// Show ids, all fields and every consumer in text
    #[arg(long)]
    pub(crate) full: bool,
}
