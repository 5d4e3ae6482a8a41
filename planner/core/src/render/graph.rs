//! A graph as text, DOT and Mermaid.

use std::collections::BTreeSet;
use std::fmt::{self, Write};

use crate::address::Address;
use crate::graph::{Graph, Ownership};
use crate::render::escape;
use crate::unknown;

/// Writes a graph as a tree: what needs a node stands below it. A node that needs several stands below
/// the first, with the others named.
///
/// # Errors
///
/// Fails when the writer does.
pub fn text(graph: &Graph, out: &mut dyn Write) -> fmt::Result {
    let mut told = BTreeSet::new();
    for (address, _) in graph.nodes() {
        if graph.needs(address).next().is_none() {
            branch(graph, address, None, 0, &mut told, out)?;
        }
    }
    Ok(())
}

fn branch<'a>(
    graph: &'a Graph,
    address: &'a Address,
    parent: Option<&Address>,
    depth: usize,
    told: &mut BTreeSet<&'a Address>,
    out: &mut dyn Write,
) -> fmt::Result {
    let needs: Vec<&Address> = graph.needs(address).map(|(need, _)| need).collect();
    // A node stands below the last of its needs, which is the one closest to it in the chain.
    if parent.is_some() && needs.last().copied() != parent {
        return Ok(());
    }
    if !told.insert(address) {
        return Ok(());
    }
    let indent = "  ".repeat(depth);
    let Some(node) = graph.node(address) else { return Ok(()) };
    write!(
        out,
        "{indent}{} [{}]",
        escape::terminal(&address.to_string()),
        node.ownership.as_str()
    )?;
    if !node.detail.is_empty() {
        write!(out, " {}", escape::terminal(&unknown::show(&node.detail)))?;
    }
    let others: Vec<String> = needs
        .iter()
        .filter(|need| Some(**need) != parent)
        .map(|need| escape::terminal(&need.to_string()))
        .collect();
    if !others.is_empty() {
        write!(out, " (also needs {})", others.join(", "))?;
    }
    writeln!(out)?;
    for (child, _) in graph.needed_by(address) {
        branch(graph, child, Some(address), depth + 1, told, out)?;
    }
    Ok(())
}

fn names(graph: &Graph) -> Vec<&Address> {
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
