//! The annotations of Services that the controller reads.
//!
//! [`KNOWN`] lists them; [`lint`] reports what the controller would refuse, misread or ignore. Sources
//! are cloud-provider-azure's code (commit 7b31c76) and recordings of it, named by number.

mod effect;
pub mod keys;
mod lint;
pub(crate) mod relations;
mod table;
mod value;

pub use lint::{lint, lint_gateway};
pub use table::{KNOWN, Known, PER_PORT, find, find_per_port};
pub use value::{Item, Kind, is_true, list};

/// What all keys begin with.
pub const PREFIX: &str = "service.beta.kubernetes.io/";

/// Where an annotation is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// On every Service of type LoadBalancer.
    Any,
    /// On internal ones.
    Internal,
    /// On public ones.
    Public,
    /// On those with a Private Link Service.
    PrivateLink,
    /// With Basic load balancers, which Azure retired.
    Basic,
    /// Nowhere any more.
    Nowhere,
}
