//! `sandbox`.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

/// `sandbox`.
#[derive(Debug, clap::Args)]
pub(crate) struct Sandbox {
    #[command(subcommand)]
    pub(crate) command: SandboxCommand,
}

/// What to do with a sandbox.
#[derive(Debug, Subcommand)]
pub(crate) enum SandboxCommand {
    /// Make a world file: the first world, or one from a saved observation
    Init {
        /// The world file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// A saved observation to make it from
        #[arg(long, value_name = "SNAPSHOT")]
        from: Option<PathBuf>,
    },
    /// Re-create a world file; a file that is no sandbox world is left alone
    Reset {
        /// The world file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Serve a world for other clients, until interrupted
    Serve {
        /// The world file; made if it is not there
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Who plays the cloud controller
        #[arg(long, value_enum, default_value_t = Controller::Model, value_name = "WHO")]
        controller: Controller,
        /// Work with the API server of this kubeconfig instead of a simulated one. The simulated
        /// controller then writes to it: take one that no other controller works on, such as kind's
        #[arg(long, value_name = "FILE", conflicts_with = "kubernetes_port")]
        kubeconfig: Option<PathBuf>,
        /// The context of the kubeconfig; its current one by default
        #[arg(long, value_name = "NAME", requires = "kubeconfig")]
        context: Option<String>,
        /// Work with the API server at this address, such as `kubectl proxy` serves, instead
        #[arg(long, value_name = "URL", conflicts_with_all = ["kubeconfig", "kubernetes_port"])]
        kubernetes: Option<String>,
        /// Serve ARM, metadata and tokens with TLS; the certificate of the authority to trust is written
        /// beside the world file, with the ending .ca.pem
        #[arg(long)]
        tls: bool,
        /// The port of the Kubernetes API; any free one by default
        #[arg(long, value_name = "PORT", default_value_t = 0)]
        kubernetes_port: u16,
        /// The port of ARM; any free one by default
        #[arg(long, value_name = "PORT", default_value_t = 0)]
        arm_port: u16,
        /// How many items a page of an ARM list holds at most
        #[arg(long, value_name = "NUMBER", default_value_t = 200)]
        page_size: usize,
        /// How long after Azure itself Azure Resource Graph shows what happened, in seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=1_000_000))]
        graph_lag: u64,
        /// How long the simulated controller waits after a change before it syncs, in milliseconds
        #[arg(long, value_name = "MILLISECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(..=3_600_000))]
        controller_delay: u64,
        /// How often an operation of Azure is asked for before it is done
        #[arg(long, value_name = "NUMBER", default_value_t = 1)]
        operation_polls: u32,
        /// Append every request to this file, one JSON object a line
        #[arg(long, value_name = "FILE")]
        request_log: Option<PathBuf>,
        /// A file of faults to inject
        #[arg(long, value_name = "FILE")]
        faults: Option<PathBuf>,
    },
}

/// Who plays the cloud controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Controller {
    /// The model of it.
    Model,
    /// Nobody: a real one is pointed at the sandbox.
    None,
}
