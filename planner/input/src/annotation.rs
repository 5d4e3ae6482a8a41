//! The annotations of Services that the controller reads.
//!
//! [`keys`] are their names, [`KNOWN`] says of each what its value may be and where it is read;
//! [`crate::desired`] reports what the controller would refuse, misread or ignore. Sources
//! are cloud-provider-azure's code (commit 7b31c76) and recordings of it, named by number.

mod table;
pub(crate) mod value;

pub use privlink_model::annotation as keys;
pub use privlink_model::annotation::PREFIX;
pub use table::{KNOWN, Known, PER_PORT, find, find_per_port};
pub use value::{Item, Kind, bad_cidr, is_true, list};

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
