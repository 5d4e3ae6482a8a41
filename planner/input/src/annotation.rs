//! The annotations of Services that the controller reads.
//!
//! [`KNOWN`] lists them; [`lint`] reports what the controller would refuse, misread or ignore. Sources
//! are cloud-provider-azure's code (commit 7b31c76) and recordings of it, named by number.

pub mod keys;
mod table;
mod value;

pub use table::{KNOWN, Known, PER_PORT, find, find_per_port};
pub use value::{Item, Kind, bad_cidr, is_true, list};

/// What all keys begin with.
pub const PREFIX: &str = "service.beta.kubernetes.io/";

/// The key without the prefix that all have.
pub fn short(key: &str) -> &str {
    key.strip_prefix(PREFIX).unwrap_or(key)
}

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
