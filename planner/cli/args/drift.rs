//! Arguments of `drift`.

use std::path::PathBuf;

use clap::ValueEnum;

use super::{Stacks, TargetFlags, rendering};

/// `drift`.
#[derive(Debug, clap::Args)]
pub(crate) struct Drift {
    #[command(flatten)]
    pub(crate) input: Stacks,
    #[command(flatten, next_help_heading = "Cluster and Azure")]
    pub(crate) place: TargetFlags,
    /// Compare with a saved observation, contacting nothing; with --stacks a folder of the same layout, with the snapshot
    /// of each, NAME.json
    #[arg(long, value_name = "SNAPSHOT", conflicts_with = "sandbox")]
    pub(crate) observed: Option<PathBuf>,
    /// An earlier snapshot or saved plan of the stack: shows what was re-created under its name
    /// since then, and who was connected
    #[arg(long, value_name = "SNAPSHOT|PLAN", conflicts_with = "stacks")]
    pub(crate) since: Option<PathBuf>,
    /// Where Azure is looked at. Azure Resource Graph answers for many subscriptions at once, and lags behind: what differs
    /// there is read again from ARM, and what does not may have changed since
    #[arg(long, value_enum, default_value_t = ObserveWith::Arm, value_name = "SOURCE", conflicts_with = "observed")]
    pub(crate) observe_with: ObserveWith,
    #[command(flatten)]
    pub(crate) told: DriftOutput,
}

/// Who is told of drift, and how.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DriftOutput {
    /// What is written to stdout
    #[arg(short, long, value_enum, default_value_t = DriftFormat::Text, value_name = "FORMAT")]
    pub(crate) output: DriftFormat,
    /// Write another format to a file beside it: text, json, markdown, html or junit, as FORMAT=FILE; may be
    /// repeated
    #[arg(long, value_name = "FORMAT=FILE", value_parser = rendering::<DriftFormat>)]
    pub(crate) render: Vec<(DriftFormat, PathBuf)>,
    /// An earlier report of drift, as `-o json` writes it: what is new is marked, what is gone is named, and a webhook is sent
    /// something only if there is news. One that is not there yet makes all new
    #[arg(long, value_name = "REPORT")]
    pub(crate) baseline: Option<PathBuf>,
    /// Write metrics to this file, for node_exporter's textfile collector
    #[arg(long, value_name = "FILE")]
    pub(crate) prometheus: Option<PathBuf>,
    /// Replace the metrics of this Pushgateway by PUT, a group for each stack: for jobs that are gone before anybody scrapes
    /// them
    #[arg(long, value_name = "URL")]
    pub(crate) pushgateway: Option<String>,
    /// Send the report to this URL by POST; https, but for loopback
    #[arg(long, value_name = "URL", conflicts_with = "webhook_env")]
    pub(crate) webhook: Option<String>,
    /// The environment variable that holds the webhook's URL, which for a chat is a secret
    #[arg(long, value_name = "NAME")]
    pub(crate) webhook_env: Option<String>,
    /// What is sent: the report as JSON, or a message for an incoming webhook of Slack or a workflow of Teams
    #[arg(long, value_enum, default_value_t = WebhookFormat::Json, value_name = "FORMAT")]
    pub(crate) webhook_format: WebhookFormat,
    /// The environment variable that holds a bearer token for the webhook
    #[arg(long, value_name = "NAME")]
    pub(crate) webhook_token: Option<String>,
    /// Exit with 0 if there is drift, for jobs whose result is a metric or a message
    #[arg(long)]
    pub(crate) exit_zero: bool,
}

/// Where Azure is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ObserveWith {
    /// Azure Resource Manager.
    Arm,
    /// Azure Resource Graph, and ARM where that shows a difference.
    ResourceGraph,
}

/// What a webhook is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum WebhookFormat {
    /// The report.
    Json,
    /// A message to Slack.
    Slack,
    /// A message to Teams.
    Teams,
}

/// A format of drift reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DriftFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For an issue or a step summary.
    Markdown,
    /// For a browser: one file that loads nothing else.
    Html,
    /// For a pipeline's test results.
    Junit,
}
