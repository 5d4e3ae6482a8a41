//! The dependency graph: every node of a stack, and what each needs.
//!
//! An edge runs from a node to one it needs, and says why. Ties in the order are broken by address,
//! so the same stack always gives the same order.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use serde::Serialize;

use crate::address::Address;

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

/// The nodes of a stack and what each needs.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    inner: DiGraph<Address, String>,
    index: BTreeMap<Address, NodeIndex>,
    nodes: BTreeMap<Address, Node>,
}

/// Nodes that need each other in a circle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these need each other: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
pub struct Cycle(pub Vec<Address>);

impl Graph {
    /// Adds a node, or changes what is said of it.
    pub fn add(&mut self, address: Address, node: Node) {
        if !self.index.contains_key(&address) {
            let at = self.inner.add_node(address.clone());
            self.index.insert(address.clone(), at);
        }
        self.nodes.insert(address, node);
    }

    /// Says that `from` needs `to`, and why. Does nothing unless both are nodes.
    pub fn need(&mut self, from: &Address, to: &Address, why: impl Into<String>) {
        if let (Some(from), Some(to)) = (self.index.get(from), self.index.get(to))
            && from != to
        {
            self.inner.update_edge(*from, *to, why.into());
        }
    }

    /// The nodes, in order of address.
    pub fn nodes(&self) -> impl Iterator<Item = (&Address, &Node)> {
        self.nodes.iter()
    }

    /// One node.
    pub fn node(&self, address: &Address) -> Option<&Node> {
        self.nodes.get(address)
    }

    /// What a node needs, with the reason, in order of address.
    pub fn needs(&self, address: &Address) -> BTreeMap<&Address, &str> {
        self.neighbours(address, petgraph::Direction::Outgoing)
    }

    /// What needs a node, with the reason, in order of address.
    pub fn needed_by(&self, address: &Address) -> BTreeMap<&Address, &str> {
        self.neighbours(address, petgraph::Direction::Incoming)
    }

    fn neighbours(&self, address: &Address, way: petgraph::Direction) -> BTreeMap<&Address, &str> {
        let Some(at) = self.index.get(address) else {
            return BTreeMap::new();
        };
        self.inner
            .edges_directed(*at, way)
            .filter_map(|edge| {
                let other = match way {
                    petgraph::Direction::Outgoing => edge.target(),
                    petgraph::Direction::Incoming => edge.source(),
                };
                Some((self.inner.node_weight(other)?, edge.weight().as_str()))
            })
            .collect()
    }

    /// All nodes, each behind those it needs; ties in order of address.
    ///
    /// # Errors
    ///
    /// Names the nodes of a circle.
    pub fn order(&self) -> Result<Vec<&Address>, Cycle> {
        let mut open: BTreeMap<NodeIndex, usize> = BTreeMap::new();
        let mut ready: BTreeSet<&Address> = BTreeSet::new();
        for (address, at) in &self.index {
            let needs = self.inner.edges_directed(*at, petgraph::Direction::Outgoing).count();
            open.insert(*at, needs);
            if needs == 0 {
                ready.insert(address);
            }
        }
        let mut order = Vec::with_capacity(self.index.len());
        while let Some(address) = ready.pop_first() {
            order.push(address);
            let Some(at) = self.index.get(address) else { continue };
            for edge in self.inner.edges_directed(*at, petgraph::Direction::Incoming) {
                let source = edge.source();
                if let Some(left) = open.get_mut(&source) {
                    *left = left.saturating_sub(1);
                    if *left == 0
                        && let Some(address) = self.inner.node_weight(source)
                    {
                        ready.insert(address);
                    }
                }
            }
        }
        if order.len() == self.index.len() { Ok(order) } else { Err(self.cycle()) }
    }

    /// The circle that holds the lowest address.
    fn cycle(&self) -> Cycle {
        let mut circles: Vec<Vec<Address>> = tarjan_scc(&self.inner)
            .into_iter()
            .filter(|members| members.len() > 1)
            .map(|members| {
                let mut names: Vec<Address> = members
                    .into_iter()
                    .filter_map(|at| self.inner.node_weight(at).cloned())
                    .collect();
                names.sort();
                names
            })
            .collect();
        circles.sort();
        Cycle(circles.into_iter().next().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Kind;

    fn graph(names: &[&str], needs: &[(&str, &str)]) -> Graph {
        let address = |name: &str| Address::new(Kind::Service, name);
        let mut graph = Graph::default();
        for name in names {
            let node = Node { ownership: Ownership::Written, detail: String::new() };
            graph.add(address(name), node);
        }
        for (from, to) in needs {
            graph.need(&address(from), &address(to), "");
        }
        graph
    }

    fn names(graph: &Graph) -> Vec<&str> {
        graph.order().unwrap().into_iter().map(|address| address.name.as_str()).collect()
    }

    #[test]
    fn the_order_puts_needs_first_and_breaks_ties_by_address() {
        let one = graph(&["a", "b", "c", "d"], &[("a", "d"), ("b", "d")]);
        assert_eq!(names(&one), ["c", "d", "a", "b"]);
        let other = graph(&["d", "c", "b", "a"], &[("b", "d"), ("a", "d")]);
        assert_eq!(names(&one), names(&other));
    }

    #[test]
    fn a_circle_is_named() {
        let graph = graph(&["a", "b", "c"], &[("a", "b"), ("b", "a"), ("c", "a")]);
        let Cycle(members) = graph.order().unwrap_err();
        assert_eq!(members.iter().map(|a| a.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    }
}
