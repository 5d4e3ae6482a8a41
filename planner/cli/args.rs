//! Arguments.

mod comment;
mod diff;
mod drift;
pub(crate) mod examples;
mod explain;
mod forget;
mod graph;
mod guard;
mod import;
mod man;
mod merge;
mod observe;
mod output;
mod plan;
mod policy;
mod predict;
mod preflight;
mod route;
mod run;
mod sandbox;
mod show;
mod stacks;
mod validate;
mod version;

use std::path::PathBuf;

use crate::completion;
use crate::plan_format::Format;
use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use privlink_azure::Share;
use privlink_core::input::Guarded;
use privlink_core::node_id::NodeId;
use privlink_core::rule::{self, Code};
use privlink_core::schema;
use privlink_engine::observe::Said;

pub(crate) use comment::Comment;
pub(crate) use diff::{Diff, DiffFormat};
pub(crate) use drift::{Drift, DriftFormat, DriftOutput, ObserveWith, WebhookFormat};
pub(crate) use explain::Explain;
pub(crate) use forget::Forget;
pub(crate) use graph::{Graph, GraphFormat};
pub(crate) use guard::{Guard, GuardCommand, GuardReview, GuardServe};
pub(crate) use import::Import;
pub(crate) use man::{Man, ManFormat};
pub(crate) use merge::Merge;
pub(crate) use observe::Observe;
pub(crate) use output::{OutputFormat, Outputs};
pub(crate) use plan::Plan;
pub(crate) use policy::AdmissionPolicy;
pub(crate) use predict::Predict;
pub(crate) use preflight::{Phase, Preflight, RoleOf};
pub(crate) use route::{Route, RouteFormat};
pub(crate) use run::{Apply, Destroy, Run, RunFlags, Unlock};
pub(crate) use sandbox::{Controller, Sandbox, SandboxCommand};
pub(crate) use show::Show;
pub(crate) use stacks::{Many, Stacks};
pub(crate) use validate::{ProblemFormat, Validate};
pub(crate) use version::Version;

/// Plans and applies private connectivity for AKS: internal load balancers, Private Link Services and
/// private endpoints
#[derive(Debug, Parser)]
#[command(name = "privlink", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Args {
    /// Flags that work anywhere.
    #[command(flatten, next_help_heading = "Everything else")]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that work anywhere.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Global {
    /// When to colour: NO_COLOR and CLICOLOR_FORCE are honoured by `auto`
    #[arg(long, global = true, value_enum, default_value_t = When::Auto, value_name = "WHEN")]
    pub(crate) color: When,
    /// Show more of what is going on, on stderr; twice for requests. `guard serve` shows warnings without it
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// How log lines on stderr look
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,
    /// The pipeline to write annotations and a summary for, and whose commands are kept out of the
    /// output; detected by its variables
    #[arg(long, global = true, value_enum, default_value_t = Pipeline::Auto, value_name = "PIPELINE")]
    pub(crate) pipeline: Pipeline,
}

/// What runs the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Pipeline {
    /// What the variables say.
    Auto,
    /// No pipeline, or another one.
    None,
    /// GitHub Actions.
    GithubActions,
    /// Azure Pipelines.
    AzurePipelines,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// If the output is a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Where desired state is read.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Input {
    /// A file, a folder (its *.yaml, *.yml and *.json files, not those of folders in it), or `-` for
    /// stdin; may be repeated
    #[arg(short = 'f', long = "filename", required = true, value_name = "PATH")]
    pub(crate) filename: Vec<PathBuf>,
    /// The namespace of Services that name none; the context's by default
    #[arg(short, long, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// Treat warnings as errors
    #[arg(long)]
    pub(crate) strict: bool,
}

/// Which cluster, and how it is reached.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct TargetFlags {
    /// Use a simulated cluster and Azure instead, kept in FILE (.privlink/sandbox/<stack>.json by default)
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    pub(crate) sandbox: Option<Option<PathBuf>>,
    /// The kubeconfig file
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The kubeconfig context; the Stack's, or the current one by default
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(completion::contexts))]
    pub(crate) context: Option<String>,
    /// The subscription of the cluster, if no Stack says it
    #[arg(long, value_name = "GUID", env = "AZURE_SUBSCRIPTION_ID")]
    pub(crate) subscription: Option<String>,
    /// The resource group of the cluster, if no Stack says it
    #[arg(long, value_name = "NAME")]
    pub(crate) resource_group: Option<String>,
    /// The AKS cluster, if no Stack says it
    #[arg(long, value_name = "NAME")]
    pub(crate) cluster: Option<String>,
    /// As whom Azure is called: auto, workload-identity, github, azure-pipelines,
    /// managed-identity[:ID], cli, client-secret, client-certificate or token
    #[arg(long, value_name = "IDENTITY", default_value = "auto", env = "PRIVLINK_AUTH", value_parser = identity)]
    pub(crate) auth: String,
    /// Which Azure: public, usgovernment, china, or ARM's endpoint, audience and authority with commas
    /// between them
    #[arg(long, value_name = "CLOUD", default_value = "public", env = "PRIVLINK_CLOUD")]
    pub(crate) cloud: String,
    /// How much of the requests that Azure allows are for this process, where several call it as one identity at the
    /// same time: 1/4 of four
    #[arg(
        long,
        value_name = "PART/WHOLE",
        default_value_t,
        hide_default_value = true,
        env = "PRIVLINK_ARM_SHARE"
    )]
    pub(crate) arm_share: Share,
}

impl TargetFlags {
    /// Which cluster it says is meant.
    pub(crate) fn said(&self) -> Said {
        Said {
            subscription: self.subscription.clone(),
            resource_group: self.resource_group.clone(),
            cluster: self.cluster.clone(),
        }
    }

    /// No place at all: for commands that contact nothing.
    pub(crate) fn nowhere() -> Self {
        Self {
            sandbox: None,
            kubeconfig: None,
            context: None,
            subscription: None,
            resource_group: None,
            cluster: None,
            auth: "auto".to_owned(),
            cloud: "public".to_owned(),
            arm_share: Share::default(),
        }
    }
}

/// Whether others write the Services, for what explains a plan that was made so.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Guarding {
    /// As with `plan --guard`: whoever renders the Services writes them
    #[arg(long)]
    pub(crate) guard: bool,
    /// What the live Services are rendered from now, as with `plan --guard`; may be repeated
    #[arg(long, value_name = "PATH", requires = "guard")]
    pub(crate) base: Vec<PathBuf>,
}

/// What a plan may do.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Limits {
    /// Whether every Service is for others to write; a flag of `plan` alone.
    #[arg(skip)]
    pub(crate) guard: Option<Guarded>,
    /// Take over objects that exist and that this stack did not make
    #[arg(long)]
    pub(crate) adopt: bool,
    /// How many consumers may be disconnected, beside those that the Stack names
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_disconnects: Option<usize>,
    /// How many objects may be deleted or replaced; overrides the Stack's maxDeletes, which limits no destroy
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_deletes: Option<usize>,
    /// A protected object that may be deleted or re-created anyway; may be repeated
    #[arg(long, value_name = "ADDRESS", add = ArgValueCompleter::new(completion::addresses))]
    pub(crate) unprotect: Vec<String>,
    /// A finding that is an error and is accepted: it does not refuse the plan; may be repeated
    #[arg(long, value_name = "CODE", value_parser = code, add = ArgValueCompleter::new(completion::codes))]
    pub(crate) accept: Vec<Code>,
    /// Only this object and what it needs; may be repeated
    #[arg(long, value_name = "ADDRESS", add = ArgValueCompleter::new(completion::addresses))]
    pub(crate) target: Vec<NodeId>,
    /// Not this object, nor what needs it; may be repeated
    #[arg(long, value_name = "ADDRESS", add = ArgValueCompleter::new(completion::addresses))]
    pub(crate) exclude: Vec<NodeId>,
    /// Re-create a Service or an endpoint although nothing differs; may be repeated
    #[arg(long, value_name = "ADDRESS", add = ArgValueCompleter::new(completion::addresses))]
    pub(crate) replace: Vec<NodeId>,
}

impl Limits {
    /// Whether one object alone is named, which among many stacks is one stack's.
    pub(crate) fn names_one(&self) -> bool {
        let Self { unprotect, target, exclude, replace, .. } = self;
        unprotect.len() + target.len() + exclude.len() + replace.len() == 1
    }
}

/// As whom Azure can be called; a managed identity may be followed by its id.
const IDENTITIES: [&str; 9] = [
    "auto",
    "workload-identity",
    "github",
    "azure-pipelines",
    "managed-identity",
    "cli",
    "client-secret",
    "client-certificate",
    "token",
];

fn identity(text: &str) -> Result<String, String> {
    let name = text.split(':').next().unwrap_or_default();
    if text.is_empty() || IDENTITIES.contains(&name) {
        return Ok(text.to_owned());
    }
    let all = IDENTITIES.join(", ");
    Err(match schema::closest(name, IDENTITIES.into_iter()) {
        Some(close) => format!("unknown identity `{text}`; did you mean `{close}`?"),
        None => format!("unknown identity `{text}`; known are {all}"),
    })
}

fn code(text: &str) -> Result<Code, String> {
    let names = rule::all().map(|rule| rule.code.as_str());
    let found = rule::find(text).map(|rule| rule.code);
    found.ok_or_else(|| match schema::closest(text, names) {
        Some(close) => format!("unknown code `{text}`; did you mean `{close}`?"),
        None => format!("unknown code `{text}`; `privlink explain` lists all codes"),
    })
}

/// How a plan is shown.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Output {
    /// What is written to stdout
    #[arg(short, long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    pub(crate) output: Format,
    /// Show ids, all fields and every consumer in text
    #[arg(long)]
    pub(crate) full: bool,
    /// Write another format to a file beside it, as FORMAT=FILE; may be repeated
    #[arg(long, value_name = "FORMAT=FILE", value_parser = rendering::<Format>)]
    pub(crate) render: Vec<(Format, PathBuf)>,
}

/// Reads FORMAT=FILE.
fn rendering<F: ValueEnum>(text: &str) -> Result<(F, PathBuf), String> {
    let (format, file) = text.split_once('=').ok_or("write it as FORMAT=FILE")?;
    Ok((F::from_str(format, false)?, PathBuf::from(file)))
}

/// A format of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DataFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check files, contacting nothing
    Validate(Validate),
    /// Show what would change, and what the controller and Azure would make of it
    Plan(Plan),
    /// Change what the plan says, and wait until Azure shows it
    Apply(Apply),
    /// Remove all that belongs to the stack
    Destroy(Destroy),
    /// Show what differs between two snapshots
    Diff(Diff),
    /// Say what differs from desired state, who made it differ, and what repairs it
    Drift(Drift),
    /// Explain a code, or an object: why it is so, what the plan does to it, and what to do
    Explain(Explain),
    /// Take a stack's lock away from a holder that is gone
    Unlock(Unlock),
    /// Show a saved plan, or the outcome of a run from its journal
    Show(Show),
    /// Keep a comment with saved plans on a pull request of GitHub, GitLab or Azure DevOps
    Comment(Comment),
    /// Make one report of those of several shards, in any format
    Merge(Merge),
    /// Save what the cluster and Azure show
    Observe(Observe),
    /// Take objects out of the stack, deleting nothing
    Forget(Forget),
    /// Write desired-state files of what is live
    Import(Import),
    /// Predict what the controller writes
    Predict(Predict),
    /// Check rights, free addresses, limits and policies before anything is written; or print the roles that suffice
    Preflight(Preflight),
    /// Show the dependency graph
    Graph(Graph),
    /// Judge writes to Services before the API server takes them
    Guard(Guard),
    /// Print a ValidatingAdmissionPolicy for what needs no observation
    Policy(AdmissionPolicy),
    /// Find edits, one after the other, that disconnect fewer consumers than doing all at once
    Route(Route),
    /// Show what was made: addresses, names, aliases, connection states
    Output(Outputs),
    /// Keep a simulated cluster and Azure
    Sandbox(Sandbox),
    /// Print a JSON Schema
    Schema(Schema),
    /// Print a shell's completions
    Completions(Completions),
    /// Print the manual page, or write one for every command
    Man(Man),
    /// Print which privlink this is, and what its predictions were compared with
    Version(Version),
}

impl Command {
    /// Whether it goes on until it is told to end, watched by nobody but its log.
    pub(crate) fn serves(&self) -> bool {
        matches!(self, Self::Guard(guard) if matches!(guard.command, GuardCommand::Serve(_)))
    }
}

/// `schema`.
#[derive(Debug, clap::Args)]
pub(crate) struct Schema {
    /// The schema; all names are listed when it is none of them
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// `completions`.
#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}
