//! The dependency graph: every node of a stack, and what each needs.
//!
//! An edge runs from a node to one it needs, and says why.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde::Serialize;

use crate::node_id::NodeId;
use crate::order;

/// Who writes a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Ownership {
    /// privlink.
    Written,
    /// The cloud controller.
    Controller,
    /// Another tool, such as Argo CD.
    External,
    /// Nobody here; it is only read.
    Observed,
}

impl Ownership {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Controller => "controller",
            Self::External => "external",
            Self::Observed => "observed",
        }
    }
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Who writes it.
    pub ownership: Ownership,
    /// A few words about it, such as an ARM name; may be empty.
    pub detail: String,
}

/// Addresses at one end of edges, with those at the other end and why.
type Edges = BTreeMap<NodeId, BTreeMap<NodeId, Cow<'static, str>>>;

/// The nodes of a stack and what each needs.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: BTreeMap<NodeId, Node>,
    needs: Edges,
    /// The edges from their other ends, made when somebody asks.
    needed_by: OnceLock<Edges>,
}

impl PartialEq for Graph {
    fn eq(&self, other: &Self) -> bool {
        self.nodes == other.nodes && self.needs == other.needs
    }
}

impl Eq for Graph {}

/// Nodes that need each other in a circle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these need each other: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
pub struct Cycle(pub Vec<NodeId>);

impl Graph {
    /// Adds a node, or changes what is said of it.
    pub fn add(&mut self, address: NodeId, node: Node) {
        self.nodes.insert(address, node);
    }

    /// Says that `from` needs `to`, and why. Does nothing unless both are nodes, and two.
    pub fn need(&mut self, from: &NodeId, to: &NodeId, why: impl Into<Cow<'static, str>>) {
        if from == to || !self.nodes.contains_key(from) || !self.nodes.contains_key(to) {
            return;
        }
        self.needed_by.take();
        match self.needs.get_mut(from) {
            Some(needs) => needs.insert(to.clone(), why.into()),
            None => self.needs.entry(from.clone()).or_default().insert(to.clone(), why.into()),
        };
    }

    fn reversed(&self) -> Edges {
        let mut needed_by = Edges::new();
        for (from, needs) in &self.needs {
            for (to, why) in needs {
                needed_by.entry(to.clone()).or_default().insert(from.clone(), why.clone());
            }
        }
        needed_by
    }

    /// The nodes, in order of address.
    pub fn nodes(&self) -> impl Iterator<Item = (&NodeId, &Node)> {
        self.nodes.iter()
    }

    /// One node.
    pub fn node(&self, address: &NodeId) -> Option<&Node> {
        self.nodes.get(address)
    }

    /// What a node needs, with the reason, in order of address.
    pub fn needs(&self, address: &NodeId) -> impl DoubleEndedIterator<Item = (&NodeId, &str)> {
        self.needs.get(address).into_iter().flatten().map(|(to, why)| (to, why.as_ref()))
    }

    /// What needs a node, with the reason, in order of address.
    pub fn needed_by(&self, address: &NodeId) -> impl DoubleEndedIterator<Item = (&NodeId, &str)> {
        let needed_by = self.needed_by.get_or_init(|| self.reversed()).get(address);
        needed_by.into_iter().flatten().map(|(from, why)| (from, why.as_ref()))
    }

    /// All nodes, each behind those it needs; ties in order of address.
    ///
    /// # Errors
    ///
    /// Names the nodes of a circle.
    pub fn order(&self) -> Result<Vec<&NodeId>, Cycle> {
        let needs = self
            .nodes
            .keys()
            .map(|address| {
                let needs: BTreeSet<&NodeId> =
                    self.needs.get(address).into_iter().flat_map(BTreeMap::keys).collect();
                (address, needs)
            })
            .collect();
        order::topological(&needs).map_err(|members| Cycle(members.into_iter().cloned().collect()))
    }
}
