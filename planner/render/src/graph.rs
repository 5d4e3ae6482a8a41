//! A graph as text, DOT and Mermaid.

use std::fmt::{self, Write};

use crate::escape;
use privlink_core::graph::{Graph, Node, Ownership};
use privlink_core::node_id::{Kind, NodeId};

/// Writes a graph as a tree: what needs a node stands below it. A node that needs several stands below
/// the one closest to it in the chain from the Service to its consumers, with the others named.
///
/// # Errors
///
/// Fails when the writer does.
pub fn text(graph: &Graph, out: &mut dyn Write) -> fmt::Result {
    tree(graph, out, &|address, node| {
        let mut line = format!(
            "{} [{}]",
            privlink_core::escape::terminal(&address.to_string()),
            node.ownership.as_str()
        );
        if !node.detail.is_empty() {
            line.push(' ');
            line.push_str(&privlink_core::escape::terminal(&node.detail));
        }
        line
    })
}

/// Writes a graph as a tree, with a line of one's own for each node.
///
/// # Errors
///
/// Fails when the writer does.
pub(crate) fn tree(graph: &Graph, out: &mut dyn Write, line: &Line<'_>) -> fmt::Result {
    for (address, _) in graph.nodes() {
        if parent(graph, address).is_none() {
            branch(graph, address, 0, out, line)?;
        }
    }
    Ok(())
}

/// What is said of a node.
type Line<'a> = dyn Fn(&NodeId, &Node) -> String + 'a;

/// The need a node stands below.
fn parent<'a>(graph: &'a Graph, address: &NodeId) -> Option<&'a NodeId> {
    const CLOSEST: [Kind; 5] = [
        Kind::PrivateEndpoint,
        Kind::PrivateLinkService,
        Kind::FrontendIp,
        Kind::Service,
        Kind::LoadBalancer,
    ];
    let rank = |need: &NodeId| CLOSEST.iter().position(|kind| *kind == need.kind);
    let ranked = graph.needs(address).filter_map(|(need, _)| Some((rank(need)?, need)));
    ranked.min().map(|(_, need)| need)
}

fn branch(
    graph: &Graph,
    address: &NodeId,
    depth: usize,
    out: &mut dyn Write,
    line: &Line<'_>,
) -> fmt::Result {
    let Some(node) = graph.node(address) else { return Ok(()) };
    write!(out, "{}{}", "  ".repeat(depth), line(address, node))?;
    let parent = parent(graph, address);
    let others: Vec<String> = graph
        .needs(address)
        .filter(|(need, _)| Some(*need) != parent)
        .map(|(need, _)| privlink_core::escape::terminal(&need.to_string()).into_owned())
        .collect();
    if !others.is_empty() {
        write!(out, " (also needs {})", others.join(", "))?;
    }
    writeln!(out)?;
    for (child, _) in graph.needed_by(address) {
        if self::parent(graph, child) == Some(address) {
            branch(graph, child, depth + 1, out, line)?;
        }
    }
    Ok(())
}

fn names(graph: &Graph) -> Vec<&NodeId> {
    graph.nodes().map(|(address, _)| address).collect()
}

/// Writes a graph in Graphviz' DOT; an arrow runs from a node to one it needs.
///
/// # Errors
///
/// Fails when the writer does.
pub fn dot(graph: &Graph, out: &mut dyn Write) -> fmt::Result {
    writeln!(out, "digraph privlink {{\n  rankdir=RL;\n  node [shape=box];")?;
    for (address, node) in graph.nodes() {
        let name = escape::dot(&address.to_string());
        let look = match node.ownership {
            Ownership::Written => "",
            Ownership::Controller => ", style=dashed",
            Ownership::External => ", style=dotted",
            Ownership::Observed => ", style=dotted, color=gray",
        };
        writeln!(out, "  \"{name}\" [label=\"{name}\"{look}];")?;
    }
    for address in names(graph) {
        for (need, why) in graph.needs(address) {
            let (from, to) = (escape::dot(&address.to_string()), escape::dot(&need.to_string()));
            writeln!(out, "  \"{from}\" -> \"{to}\" [label=\"{}\"];", escape::dot(why))?;
        }
    }
    writeln!(out, "}}")
}

/// Writes a graph as a Mermaid flowchart; an arrow runs from a node to one that needs it.
///
/// # Errors
///
/// Fails when the writer does.
pub fn mermaid(graph: &Graph, out: &mut dyn Write) -> fmt::Result {
    writeln!(out, "flowchart LR")?;
    let names = names(graph);
    for (at, address) in names.iter().enumerate() {
        writeln!(out, "  n{at}[\"{}\"]", escape::mermaid(&address.to_string()))?;
    }
    for (to, address) in names.iter().enumerate() {
        for (need, why) in graph.needs(address) {
            let Some(from) = names.iter().position(|known| *known == need) else { continue };
            writeln!(out, "  n{from} -->|\"{}\"| n{to}", escape::mermaid(why))?;
        }
    }
    Ok(())
}
