//! A picture of what changes: the nodes of a plan that change, and what hangs on what among them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::escape::mermaid as escaped;
use crate::graph;
use privlink_core::change::{Action, Change};
use privlink_core::drift::{self, StackReport, State, Urgency};
use privlink_core::escape::{shorten, terminal};
use privlink_core::graph::{Graph, Node, Ownership};
use privlink_core::node_id::NodeId;
use privlink_core::plan::{Need, Plan};

/// The most characters of Mermaid that GitHub and GitLab draw (Mermaid's `maxTextSize`).
pub const MAX_CHARACTERS: usize = 50_000;
/// The most arrows that they draw (Mermaid's `maxEdges`).
pub const MAX_EDGES: usize = 500;
/// The most characters of a name.
const NAME: usize = 100;

/// How each action looks: as on GitHub, on both light and dark ground.
const CLASSES: &str = "  classDef create fill:#dafbe1,stroke:#1a7f37,color:#1f2328
  classDef update fill:#fff8c5,stroke:#9a6700,color:#1f2328
  classDef replace fill:#ffebe9,stroke:#cf222e,color:#1f2328,stroke-width:3px
  classDef delete fill:#ffebe9,stroke:#cf222e,color:#1f2328,stroke-dasharray:5 3
  classDef wait fill:#ddf4ff,stroke:#0969da,color:#1f2328
";

/// What may be drawn, if it is worth a picture: all that changes, or what is destroyed or replaced.
fn drawn(plan: &Plan) -> [Vec<&Change>; 2] {
    let all: Vec<&Change> =
        plan.changes.iter().filter(|it| it.is_change() && !it.only_follows()).collect();
    let goes = |it: &&Change| matches!(it.action, Action::Delete | Action::Replace);
    let destroyed: Vec<&Change> = all.iter().copied().filter(goes).collect();
    [all, destroyed]
}

/// Whether a plan has enough for a picture: one node alone is none.
pub(crate) fn is_worth_it(plan: &Plan) -> bool {
    plan.changes.iter().filter(|it| it.is_change() && !it.only_follows()).count() > 1
}

/// The picture as a Mermaid flowchart, from what is needed to what needs it. Where all is too much to be
/// drawn, what is destroyed or replaced is; nothing, where that is too much.
pub fn mermaid(plan: &Plan) -> Option<String> {
    drawn(plan).iter().find_map(|changes| {
        let shapes: Vec<Shape<'_>> = changes.iter().map(|it| Shape::of_change(it)).collect();
        flowchart(&shapes, &plan.needs)
    })
}

/// A stack as it is, as a Mermaid flowchart: what drifted stands out. Where all is too much to be drawn,
/// what differs is.
pub fn of_drift(stack: &StackReport) -> Option<String> {
    if !stack.nodes.iter().any(|it| it.state == State::Drifted) {
        return None;
    }
    let drawn = |all: bool| {
        let nodes = stack.nodes.iter().filter(|it| all || it.state != State::InSync);
        let shapes: Vec<Shape<'_>> = nodes.map(|it| Shape::of_node(stack, it)).collect();
        flowchart(&shapes, &stack.needs)
    };
    drawn(true).or_else(|| drawn(false))
}

/// A box of a picture.
struct Shape<'a> {
    address: &'a NodeId,
    kind: &'static str,
    called: &'a str,
    said: String,
    class: &'static str,
}

impl<'a> Shape<'a> {
    fn of_change(change: &'a Change) -> Self {
        let said = format!("{} by {}", change.action.word(), shorten(change.actor.as_str(), NAME));
        Self::of(&change.address, &change.title, said, class(change.action))
    }

    fn of_node(stack: &StackReport, node: &'a drift::Node) -> Self {
        let told = stack.of(&node.address).filter(|it| it.ignored.is_none());
        let worst = told.min_by_key(|it| (it.class.urgency(), it.class.rank()));
        let (said, class) = match worst.map(|it| (it.class.word(), it.class.urgency())) {
            Some((word, Urgency::Broken)) => (word, "delete"),
            Some((word, Urgency::Edited | Urgency::Other)) => (word, "update"),
            Some((word, Urgency::Note)) => (word, "wait"),
            None if node.state == State::Unreadable => ("not read", "wait"),
            None => ("as it should be", "create"),
        };
        Self::of(&node.address, &node.title, said.to_owned(), class)
    }

    fn of(address: &'a NodeId, title: &'a str, said: String, class: &'static str) -> Self {
        let kind = address.kind.title();
        let called = title.strip_prefix(kind).map(str::trim_start);
        let called = called.filter(|it| !it.is_empty()).unwrap_or(&address.name);
        Self { address, kind: kind.trim_end_matches(" of"), called, said, class }
    }
}

/// Boxes in order of address, with arrows from what is needed to what needs it.
fn flowchart(shapes: &[Shape<'_>], needs: &[Need]) -> Option<String> {
    // Names are 4 characters at least, so what is surely too long need not be written.
    if shapes.len() < 2 || shapes.len() > MAX_CHARACTERS / 30 {
        return None;
    }
    let mut text = String::from("flowchart LR\n");
    for (at, Shape { kind, called, said, class, .. }) in shapes.iter().enumerate() {
        let (called, said) = (escaped(&shorten(called, NAME)), escaped(said));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  n{at}[\"{kind}<br/>{called}<br/>{said}\"]:::{class}");
    }
    let at = |address: &NodeId| shapes.binary_search_by(|it| it.address.cmp(address)).ok();
    let edges: BTreeSet<(usize, usize)> =
        needs.iter().filter_map(|need| Some((at(&need.on)?, at(&need.node)?))).collect();
    if edges.len() > MAX_EDGES * 4 {
        return None;
    }
    let edges: Vec<&(usize, usize)> = edges.iter().filter(|it| !is_spared(**it, &edges)).collect();
    for (from, to) in &edges {
        let _ = writeln!(text, "  n{from} --> n{to}");
    }
    text.push_str(CLASSES);
    let fits = edges.len() <= MAX_EDGES && text.chars().count() <= MAX_CHARACTERS;
    fits.then_some(text)
}

/// Whether other arrows lead the same way, over a node between: then this one tells nothing.
fn is_spared((from, to): (usize, usize), edges: &BTreeSet<(usize, usize)>) -> bool {
    let mut seen = BTreeSet::from([from]);
    let mut next = vec![from];
    while let Some(node) = next.pop() {
        for (_, end) in edges.range((node, 0)..=(node, usize::MAX)) {
            if (node, *end) == (from, to) {
                continue;
            }
            if *end == to {
                return true;
            }
            if seen.insert(*end) {
                next.push(*end);
            }
        }
    }
    false
}

const fn class(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Update | Action::Adopt | Action::Approve | Action::Reject => "update",
        Action::Replace => "replace",
        Action::Delete => "delete",
        Action::Keep | Action::Await => "wait",
    }
}

/// The picture as the lines of a tree, for where nothing draws Mermaid.
pub fn tree(plan: &Plan) -> Option<Vec<String>> {
    let fits = |changes: &&Vec<&Change>| (2..=MAX_EDGES).contains(&changes.len());
    let drawn = drawn(plan);
    let changes: BTreeMap<&NodeId, &Change> =
        drawn.iter().find(fits)?.iter().map(|change| (&change.address, *change)).collect();
    let mut graph = Graph::default();
    for address in changes.keys() {
        let node = Node { ownership: Ownership::Observed, detail: String::new() };
        graph.add((*address).clone(), node);
    }
    for need in &plan.needs {
        graph.need(&need.node, &need.on, need.why.clone());
    }
    let mut text = String::new();
    let line = |address: &NodeId, _: &Node| {
        let (symbol, word, actor) = changes.get(address).map_or(("", "", ""), |change| {
            (change.action.symbol(), change.action.word(), change.actor.as_str())
        });
        let name = address.to_string();
        let (name, actor) = (shorten(&name, NAME), shorten(actor, NAME));
        format!("{symbol} {}: {word} by {}", terminal(&name), terminal(&actor))
    };
    // Writing to a String cannot fail.
    let _ = graph::tree(&graph, &mut text, &line);
    Some(text.lines().map(ToOwned::to_owned).collect())
}
