//! `route`.

use std::path::PathBuf;

use clap::ValueEnum;

use super::{Guarding, Input, TargetFlags};

/// `route`.
#[derive(Debug, clap::Args)]
pub(crate) struct Route {
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) place: TargetFlags,
    /// Search from a saved observation, contacting nothing
    #[arg(long, value_name = "SNAPSHOT", conflicts_with = "sandbox")]
    pub(crate) observed: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) guarding: Guarding,
    /// Write each step as a folder of manifests, fit for a pull request of its own, into this folder
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// How many edits a route may have
    #[arg(long, value_name = "NUMBER", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) max_edits: u8,
    /// How many states are looked at before the search ends
    #[arg(long, value_name = "NUMBER", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) max_states: u32,
    /// What is written to stdout
    #[arg(short, long, value_enum, default_value_t = RouteFormat::Text, value_name = "FORMAT")]
    pub(crate) output: RouteFormat,
}

/// A format of routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RouteFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// A picture of the steps.
    Mermaid,
}
