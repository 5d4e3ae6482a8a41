//! `man`.

use std::path::PathBuf;

use clap::ValueEnum;

/// `man`.
#[derive(Debug, clap::Args)]
pub(crate) struct Man {
    /// How it is written to stdout: as a page for man, or all commands as Markdown
    #[arg(short, long, value_enum, default_value_t = ManFormat::Roff, value_name = "FORMAT")]
    pub(crate) output: ManFormat,
    /// Write a page for every command into this folder instead
    #[arg(long, value_name = "FOLDER", conflicts_with = "output")]
    pub(crate) out: Option<PathBuf>,
}

/// A format of manuals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ManFormat {
    /// For `man`.
    Roff,
    /// For a book.
    Markdown,
}
