//! `preflight`.

use std::path::PathBuf;

use clap::ValueEnum;

use super::{DataFormat, Input, Many, TargetFlags};

/// `preflight`.
#[derive(Debug, clap::Args)]
pub(crate) struct Preflight {
    /// A file, a folder or `-` with the stack; may be repeated
    #[arg(short = 'f', long = "filename", value_name = "PATH", required_unless_present_any = ["role", "stacks"], conflicts_with = "stacks")]
    pub(crate) filename: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) many: Many,
    /// The namespace of Services that name none; the context's by default
    #[arg(short, long, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    #[command(flatten, next_help_heading = "Cluster and Azure")]
    pub(crate) place: TargetFlags,
    /// What is to be done with the stack
    #[arg(long = "for", value_enum, default_value_t = Phase::Apply, value_name = "PHASE")]
    pub(crate) phase: Phase,
    /// Print the least role that does, contacting nothing: an Azure custom role as JSON, or Kubernetes
    /// roles as YAML
    #[arg(long, value_enum, value_name = "OF", conflicts_with_all = ["filename", "stacks"])]
    pub(crate) role: Option<RoleOf>,
    /// With `--role kubernetes`: also print the bindings to this user, an identity's object id; those for
    /// Services are of the namespace given by -n, or of `default`
    #[arg(long, value_name = "ID", requires = "role")]
    pub(crate) user: Option<String>,
    /// What is written to stdout
    #[arg(short, long, value_enum, default_value_t = DataFormat::Text, value_name = "FORMAT")]
    pub(crate) output: DataFormat,
}

impl Preflight {
    /// Where desired state is read.
    pub(crate) fn input(&self) -> Input {
        Input { filename: self.filename.clone(), namespace: self.namespace.clone(), strict: false }
    }
}

/// What is to be done with a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Phase {
    /// It is planned, which only reads.
    Plan,
    /// It is planned and applied.
    Apply,
}

/// Whose role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleOf {
    /// Azure's: JSON for `az role definition create`.
    Azure,
    /// Kubernetes': YAML for `kubectl apply`.
    Kubernetes,
}
