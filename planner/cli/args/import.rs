//! `import`.

use std::path::PathBuf;

use super::TargetFlags;

/// `import`.
#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    #[command(flatten, next_help_heading = "Cluster and Azure")]
    pub(crate) place: TargetFlags,
    /// Import from a saved observation, contacting nothing
    #[arg(long, value_name = "SNAPSHOT", conflicts_with = "sandbox")]
    pub(crate) observed: Option<PathBuf>,
    /// The stack's name; by default the one that what is live is marked with, else the cluster's
    #[arg(long, value_name = "NAME")]
    pub(crate) stack: Option<String>,
    /// Every Service of type LoadBalancer; by default those that are internal or have azure-pls-*
    /// annotations
    #[arg(long)]
    pub(crate) all: bool,
    /// Services of this namespace only; may be repeated
    #[arg(short, long, value_name = "NAMESPACE")]
    pub(crate) namespace: Vec<String>,
    /// This Service, whatever its annotations; may be repeated
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = service)]
    pub(crate) service: Vec<(String, String)>,
    /// A subscription whose private endpoints are this stack's too; may be repeated
    #[arg(long, value_name = "GUID")]
    pub(crate) endpoint_subscription: Vec<String>,
    /// The folder to write stack.yaml, services.yaml, endpoints.yaml and approvals.yaml to; one stream to
    /// stdout by default
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// Replace files of an import before
    #[arg(long, requires = "out")]
    pub(crate) force: bool,
}

fn service(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
            Ok((namespace.to_owned(), name.to_owned()))
        }
        _ => Err("write it as NAMESPACE/NAME".to_owned()),
    }
}
