//! `guard`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use privlink_core::guard::policy::{self, Policy};
use privlink_core::rule::Code;

use super::run::YEAR;
use super::{TargetFlags, code};

/// `guard`.
#[derive(Debug, clap::Args)]
pub(crate) struct Guard {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: GuardCommand,
}

/// What the guard does.
#[derive(Debug, Subcommand)]
pub(crate) enum GuardCommand {
    /// Judge one AdmissionReview against a snapshot, contacting nothing, and print the answer
    Review(Box<GuardReview>),
    /// Serve as an admission webhook
    Serve(Box<GuardServe>),
}

/// `guard serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct GuardServe {
    #[command(flatten, next_help_heading = "Policy")]
    pub(crate) policy: GuardPolicy,
    #[command(flatten, next_help_heading = "Cluster and Azure")]
    pub(crate) place: TargetFlags,
    /// How often Azure is read, in seconds; the cluster is watched
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=YEAR))]
    pub(crate) refresh: u64,
    /// How old what was read of Azure may be, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(..=YEAR))]
    pub(crate) max_age: u64,
    /// How long an answer may take, in milliseconds; the webhook's timeoutSeconds is to be longer
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=30_000))]
    pub(crate) deadline: u64,
    /// How many writes are judged at once
    #[arg(long, value_name = "NUMBER", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) concurrency: u16,
    /// How long it goes on answering after SIGTERM, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(..=YEAR))]
    pub(crate) drain: u64,
    #[command(flatten, next_help_heading = "Serving")]
    pub(crate) serving: GuardServing,
}

/// Where and how the guard serves.
#[derive(Debug, clap::Args)]
pub(crate) struct GuardServing {
    /// Where /validate is served, with TLS
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8443")]
    pub(crate) listen: SocketAddr,
    /// Where /healthz, /readyz and /metrics are served, without TLS
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    pub(crate) probes: SocketAddr,
    /// The certificate, as PEM, with --key, unless --self-signed is given; read again when it changes
    #[arg(long, value_name = "FILE", requires = "key", required_unless_present = "self_signed")]
    pub(crate) certificate: Option<PathBuf>,
    /// Its key, as PEM: PKCS#8, PKCS#1 or SEC1
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub(crate) key: Option<PathBuf>,
    /// Make an authority, keep it in this Secret of the own namespace, and issue certificates for --service
    #[arg(long, value_name = "SECRET", conflicts_with = "certificate", requires_all = ["own_namespace", "service"])]
    pub(crate) self_signed: Option<String>,
    /// The Service by which the API server calls
    #[arg(long, value_name = "NAME", requires = "self_signed")]
    pub(crate) service: Option<String>,
    /// The ValidatingWebhookConfiguration whose caBundle is written
    #[arg(long, value_name = "NAME", requires = "self_signed")]
    pub(crate) webhook: Option<String>,
    /// The namespace that the guard runs in, which it leaves alone
    #[arg(long, value_name = "NAMESPACE", env = "POD_NAMESPACE")]
    pub(crate) own_namespace: Option<String>,
    /// Whose client certificates callers must have, as PEM: the API server's
    #[arg(long, value_name = "FILE")]
    pub(crate) client_ca: Option<PathBuf>,
}

/// `guard review`.
#[derive(Debug, clap::Args)]
pub(crate) struct GuardReview {
    /// An AdmissionReview of admission.k8s.io/v1 as JSON, or `-` for stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The observation that it is judged by, as `privlink observe` saves it
    #[arg(long, value_name = "SNAPSHOT")]
    pub(crate) observed: PathBuf,
    /// How old the observation may be, in seconds; as old as it is by default
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=YEAR))]
    pub(crate) max_age: Option<u64>,
    #[command(flatten, next_help_heading = "Policy")]
    pub(crate) policy: GuardPolicy,
    /// The subscription of the cluster, if no Stack says it
    #[arg(long, value_name = "GUID", env = "AZURE_SUBSCRIPTION_ID")]
    pub(crate) subscription: Option<String>,
    /// The resource group of the cluster, if no Stack says it
    #[arg(long, value_name = "NAME")]
    pub(crate) resource_group: Option<String>,
    /// The AKS cluster; the snapshot's only one if nobody says it
    #[arg(long, value_name = "NAME")]
    pub(crate) cluster: Option<String>,
}

impl GuardReview {
    /// Which cluster it is about.
    pub(crate) fn place(&self) -> TargetFlags {
        TargetFlags {
            subscription: self.subscription.clone(),
            resource_group: self.resource_group.clone(),
            cluster: self.cluster.clone(),
            ..TargetFlags::nowhere()
        }
    }
}

/// What holds for all writes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct GuardPolicy {
    /// A file or folder with the Stack whose allowDisconnects, maxDisconnects and protect hold too; may be repeated
    #[arg(short = 'f', long = "filename", value_name = "PATH")]
    pub(crate) filename: Vec<PathBuf>,
    /// What is done about a write that does harm, where no label privlink.dev/guard of its Service or namespace says
    /// otherwise
    #[arg(long, value_enum, default_value_t = GuardMode::Warn, value_name = "MODE")]
    pub(crate) mode: GuardMode,
    /// A code that refuses under `enforce`, in place of too-many-disconnects, becomes-public and protected; may be
    /// repeated
    #[arg(long, value_name = "CODE", value_parser = code)]
    pub(crate) refuse: Vec<Code>,
    /// How many consumers one write may disconnect without consent
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_disconnects: Option<usize>,
    /// Refuse under `enforce` what cannot be judged; it is let through with a warning by default
    #[arg(long)]
    pub(crate) fail_closed: bool,
    /// A user who is warned and never held back; may be repeated
    #[arg(long, value_name = "USER")]
    pub(crate) exempt_user: Vec<String>,
    /// A namespace that is left alone, beside kube-system; may be repeated
    #[arg(long, value_name = "NAMESPACE")]
    pub(crate) exempt_namespace: Vec<String>,
}

/// What is done about a write that does harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GuardMode {
    /// The client is warned.
    Warn,
    /// It is refused.
    Enforce,
    /// Nothing.
    Off,
}

impl GuardPolicy {
    /// As the core has it.
    pub(crate) fn policy(&self) -> Policy {
        let defaults = Policy::default();
        let refuses = self.refuse.iter().copied().collect();
        Policy {
            mode: match self.mode {
                GuardMode::Warn => policy::Mode::Warn,
                GuardMode::Enforce => policy::Mode::Enforce,
                GuardMode::Off => policy::Mode::Off,
            },
            refuses: if self.refuse.is_empty() { defaults.refuses } else { refuses },
            max_disconnects: self.max_disconnects,
            fail_closed: self.fail_closed,
            spared: self.exempt_namespace.iter().cloned().collect(),
            exempt_users: self.exempt_user.iter().cloned().collect(),
            ..Policy::default()
        }
    }
}
