//! `forget`.

use privlink_core::node_id::NodeId;

use super::{Input, RunFlags};

/// `forget`.
#[derive(Debug, clap::Args)]
pub(crate) struct Forget {
    /// An object that the stack has marked, such as Service/default/app or PrivateEndpoint/app-pe; may be
    /// repeated
    #[arg(value_name = "ADDRESS", required = true)]
    pub(crate) addresses: Vec<NodeId>,
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) turn: RunFlags,
}
