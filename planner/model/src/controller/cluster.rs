//! The cluster as the controller sees it when it acts.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::facts::Facts;
use crate::kubernetes::node::Node;
use crate::kubernetes::service::{Key, Service};

/// The cluster as the controller sees it when it acts: what its informers show.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// The cluster's facts.
    pub facts: Arc<Facts>,
    /// All Nodes.
    pub nodes: Vec<Arc<Node>>,
    /// All Services, as the API server stores them now.
    pub services: BTreeMap<Key, Arc<Service>>,
    /// The labels of namespaces, for clusters with several load balancers.
    pub namespaces: BTreeMap<String, BTreeMap<String, String>>,
}
