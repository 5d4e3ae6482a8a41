//! `apply`, `destroy`, `unlock`, and what all runs share.

use std::path::PathBuf;
use std::time::Duration;

use privlink_engine::session::WaitKind;

use super::{DataFormat, Input, Limits, Many, Stacks, TargetFlags};

/// `apply`.
#[derive(Debug, clap::Args)]
pub(crate) struct Apply {
    /// A saved plan, to be carried out as it is; it is refused if what is live has changed since.
    /// Or a folder of them, as `plan --stacks --out` writes it
    #[arg(value_name = "PLAN", required_unless_present_any = ["filename", "stacks"], conflicts_with_all = [
        "filename", "stacks", "namespace", "strict", "adopt", "max_disconnects", "max_deletes", "unprotect", "accept",
        "target", "exclude", "replace", "verify", "route", "only", "changed_since", "only_failed", "shard", "shards",
    ])]
    pub(crate) plan: Option<PathBuf>,
    /// The digest that the saved plan must have, as `plan --out` printed it
    #[arg(long, value_name = "SHA256", requires = "plan")]
    pub(crate) expect_digest: Option<String>,
    /// A file, a folder or `-` with desired state, to be planned and carried out; may be repeated
    #[arg(short = 'f', long = "filename", value_name = "PATH", conflicts_with = "stacks")]
    pub(crate) filename: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) many: Many,
    /// The namespace of Services that name none; the context's by default
    #[arg(short, long, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// Treat warnings as errors
    #[arg(long)]
    pub(crate) strict: bool,
    /// Follow the route that disconnects the fewest consumers, one edit after the other, as `privlink route` shows it
    #[arg(long, conflicts_with_all = ["target", "exclude", "replace", "stacks"])]
    pub(crate) route: bool,
    #[command(flatten)]
    pub(crate) run: Run,
}

impl Apply {
    /// Where desired state is read.
    pub(crate) fn input(&self) -> Input {
        Input {
            filename: self.filename.clone(),
            namespace: self.namespace.clone(),
            strict: self.strict,
        }
    }
}

/// `destroy`.
#[derive(Debug, clap::Args)]
pub(crate) struct Destroy {
    #[command(flatten)]
    pub(crate) input: Stacks,
    #[command(flatten)]
    pub(crate) run: Run,
}

/// `unlock`.
#[derive(Debug, clap::Args)]
pub(crate) struct Unlock {
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten, next_help_heading = "Cluster and Azure")]
    pub(crate) place: TargetFlags,
    /// Ask nothing
    #[arg(long, visible_alias = "yes", short = 'y')]
    pub(crate) auto_approve: bool,
}

/// How a plan is carried out.
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) turn: RunFlags,
    #[command(flatten, next_help_heading = "Safety and scope")]
    pub(crate) limits: Limits,
    /// Check rights, room and rules of Azure first, on stderr; apply nothing if something is missing
    #[arg(long)]
    pub(crate) preflight: bool,
    /// How many steps run at once
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    pub(crate) parallelism: usize,
    /// Stop at the first failure; steps in flight are finished
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// Plan again at the end, and fail unless there is nothing left to do
    #[arg(long)]
    pub(crate) verify: bool,
    /// How long a kind of wait may take: service, private-link-service, endpoint, connection, deletion,
    /// dns or external, as KIND=DURATION (90s, 5m, 1h); without a kind, all of them; may be repeated
    #[arg(long, value_name = "[KIND=]DURATION", value_parser = wait_limit)]
    pub(crate) timeout: Vec<(Option<WaitKind>, Duration)>,
    /// How long the controller may take for one Service, in seconds: the same as --timeout for service,
    /// private-link-service and deletion
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=YEAR))]
    pub(crate) controller_timeout: Option<u64>,
}

/// A run's turn on a stack: where it is, who is asked and told, and the lock.
#[derive(Debug, clap::Args)]
pub(crate) struct RunFlags {
    #[command(flatten, next_help_heading = "Cluster and Azure")]
    pub(crate) place: TargetFlags,
    /// What is written to stdout: the plan and the outputs as text, or one JSON event a line
    #[arg(short, long, value_enum, default_value_t = DataFormat::Text, value_name = "FORMAT")]
    pub(crate) output: DataFormat,
    /// Show ids, all fields and every consumer in text
    #[arg(long)]
    pub(crate) full: bool,
    /// Ask nothing; safety rules still hold
    #[arg(long, visible_alias = "yes", short = 'y')]
    pub(crate) auto_approve: bool,
    /// How long to wait for another run to let go of the stack, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=YEAR))]
    pub(crate) lock_timeout: u64,
    /// After how many seconds without a sign of life another run may take the stack over
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(2..=3600))]
    pub(crate) lease_duration: u64,
}

/// The longest that a wait may be told to take, in seconds: as good as for ever, and no clock overflows.
pub(super) const YEAR: u64 = 365 * 24 * 3600;

fn wait_limit(text: &str) -> Result<(Option<WaitKind>, Duration), String> {
    let (kind, limit) = match text.split_once('=') {
        Some((kind, limit)) => (Some(kind.parse()?), limit),
        None => (None, text),
    };
    let number = limit.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match limit.get(number.len()..).unwrap_or_default() {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        unit => return Err(format!("unknown unit `{unit}`; write 90s, 5m or 1h")),
    };
    let number: u64 = number.parse().map_err(|_| "write it as 90s, 5m or 1h".to_owned())?;
    let seconds = number.saturating_mul(factor);
    if seconds > YEAR {
        return Err("a year is the longest".to_owned());
    }
    Ok((kind, Duration::from_secs(seconds)))
}
