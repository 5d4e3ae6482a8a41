//! What the controller remembers between syncs.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::arm::resource::{
    LoadBalancer, NetworkSecurityGroup, PrivateLinkService, PublicIpAddress,
};
use crate::kubernetes::node::Node;
use crate::kubernetes::service::{Key, Service};

/// How long the controller trusts its caches, in seconds.
pub const CACHE_SECONDS: u64 = 120;

/// A cached value with the time it was read at, in seconds of [`Memory::now`].
#[derive(Clone, Debug, PartialEq)]
pub struct Cached<T> {
    /// When it was read.
    pub at: u64,
    /// What was read.
    pub value: T,
}

/// A sync to be done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// When, in seconds of [`Memory::now`].
    pub due: u64,
    /// How many times it failed in a row.
    pub failures: u32,
}

/// What the controller remembers. The default is a controller that has just started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// The time, in seconds from any beginning.
    pub now: u64,
    /// Services as last synced, by key.
    pub synced: BTreeMap<Key, Arc<Service>>,
    /// Syncs to be done again.
    pub retries: BTreeMap<Key, Retry>,
    /// The nodes last synced.
    pub nodes: Vec<Node>,
    /// Load balancers by name in lower case.
    pub load_balancers: BTreeMap<String, Cached<Option<Arc<LoadBalancer>>>>,
    /// PLS by group and frontend id, as the controller spells them; `None`: there was none.
    pub private_link_services: BTreeMap<String, Cached<Option<Arc<PrivateLinkService>>>>,
    /// Public IPs by group in lower case.
    pub public_ips: BTreeMap<String, Cached<Vec<Arc<PublicIpAddress>>>>,
    /// Security groups by name in lower case.
    pub security_groups: BTreeMap<String, Cached<Arc<NetworkSecurityGroup>>>,
}

impl Memory {
    /// The next retry due, if any.
    pub fn next_retry(&self) -> Option<(u64, &Key)> {
        self.retries.iter().map(|(key, retry)| (retry.due, key)).min()
    }
}
