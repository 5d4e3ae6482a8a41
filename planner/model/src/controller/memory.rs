//! What the controller remembers between syncs.

use std::collections::{BTreeMap, BTreeSet};
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

/// What the controller remembers. The default is a controller that has just started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// The time, in seconds from any beginning.
    pub now: u64,
    /// Services as its watch last showed them.
    pub seen: BTreeMap<Key, Arc<Service>>,
    /// Services as last synced.
    pub synced: BTreeMap<Key, Arc<Service>>,
    /// When syncs are due again, in seconds of [`Memory::now`].
    pub retries: BTreeMap<Key, u64>,
    /// In which order retries were queued: of those due in one second the first goes first.
    pub queued: BTreeMap<Key, u64>,
    /// How many times syncs failed in a row.
    pub failures: BTreeMap<Key, u32>,
    /// The nodes each Service was last synced with.
    pub nodes: BTreeMap<Key, Vec<Arc<Node>>>,
    /// Load balancers by name in lower case.
    pub load_balancers: BTreeMap<String, Cached<Option<Arc<LoadBalancer>>>>,
    /// PLS by group and frontend id, as the controller spells them; `None`: there was none.
    pub private_link_services: BTreeMap<String, Cached<Option<Arc<PrivateLinkService>>>>,
    /// Public IPs by group in lower case.
    pub public_ips: BTreeMap<String, Cached<Vec<Arc<PublicIpAddress>>>>,
    /// Security groups by name in lower case.
    pub security_groups: BTreeMap<String, Cached<Arc<NetworkSecurityGroup>>>,
    /// Of several load balancers: which Services (`namespace/name`) are on which, by configuration.
    pub placements: BTreeMap<String, BTreeSet<String>>,
    /// Of several load balancers: which nodes, in lower case, are on which, by configuration. One that
    /// never had a node has no entry, and takes all.
    pub node_placements: BTreeMap<String, BTreeSet<String>>,
    /// Of several load balancers: the nodes, in lower case, that are where their scale set belongs and
    /// are not looked at again.
    pub settled_nodes: BTreeSet<String>,
    /// Of several load balancers: where Services with `externalTrafficPolicy: Local` were when last
    /// synced well.
    pub local_placements: BTreeMap<Key, String>,
    /// Whether the two above were read from Azure since the start.
    pub placements_recorded: bool,
}

impl Memory {
    /// The next retry due, if any.
    pub fn next_retry(&self) -> Option<(u64, &Key)> {
        let queued = |key: &Key| self.queued.get(key).copied().unwrap_or_default();
        let first = self.retries.iter().min_by_key(|(key, due)| (**due, queued(key)));
        first.map(|(key, due)| (*due, key))
    }

    /// A sync failed: it is due again after 5 s, then 10, 20 and so on up to 300.
    pub(crate) fn retry_later(&mut self, key: &Key) {
        let failures = self.failures.entry(key.clone()).or_default();
        let delay = 5u64.checked_shl(*failures).unwrap_or(300).min(300);
        *failures += 1;
        let due = self.now + delay;
        if self.retries.get(key).is_none_or(|waiting| due < *waiting) {
            let last = self.queued.values().max().copied().unwrap_or_default();
            self.queued.insert(key.clone(), last + 1);
            self.retries.insert(key.clone(), due);
        }
    }
}
