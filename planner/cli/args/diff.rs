//! `diff`.

use std::path::PathBuf;

use clap::ValueEnum;

use super::rendering;

/// `diff`.
#[derive(Debug, clap::Args)]
pub(crate) struct Diff {
    /// The earlier snapshot
    #[arg(value_name = "OLD")]
    pub(crate) old: PathBuf,
    /// The later snapshot
    #[arg(value_name = "NEW")]
    pub(crate) new: PathBuf,
    /// What is written to stdout
    #[arg(short, long, value_enum, default_value_t = DiffFormat::Text, value_name = "FORMAT")]
    pub(crate) output: DiffFormat,
    /// Write another format to a file beside it: text, json or markdown, as FORMAT=FILE; may be repeated
    #[arg(long, value_name = "FORMAT=FILE", value_parser = rendering::<DiffFormat>)]
    pub(crate) render: Vec<(DiffFormat, PathBuf)>,
    /// Exit with 2 if they differ
    #[arg(long, visible_alias = "exit-code")]
    pub(crate) detailed_exitcode: bool,
}

/// A format of comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For an issue or a step summary.
    Markdown,
}
