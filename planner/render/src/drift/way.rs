//! The objects of a stack as a chain: what is not as it should be, with what it rests on and what rests on it. All else
//! is quiet, and told apart.

use std::collections::{BTreeMap, BTreeSet};

use privlink_core::drift::{Node, StackReport, State};
use privlink_core::node_id::NodeId;

/// How far in a chain is indented at most.
const DEEPEST: usize = 4;

/// A chain, and what is not in it.
#[derive(Debug, Default)]
pub(super) struct Way<'a> {
    /// The objects in it, each behind what it rests on, with how far in it is.
    pub(super) links: Vec<(usize, &'a Node)>,
    /// The others, in the order in which traffic passes them.
    pub(super) others: Vec<&'a Node>,
}

impl<'a> Way<'a> {
    /// The chain of a stack. A report may come from a file: needs in a circle, or of objects that are not in it, are
    /// looked at once, or not at all.
    pub(super) fn of(stack: &'a StackReport) -> Self {
        let mut nodes: Vec<&Node> = stack.nodes.iter().collect();
        nodes.sort_by_key(|it| (it.address.kind, &it.address));
        let is_loud = |it: &&&Node| !matches!(it.state, State::InSync | State::Noted);
        let loud: Vec<&NodeId> = nodes.iter().filter(is_loud).map(|it| &it.address).collect();
        let needs: Vec<_> = stack.needs.iter().map(|it| (&it.node, &it.on)).collect();
        let mut on_it = reached(&loud, needs.iter().copied());
        on_it.extend(reached(&loud, needs.iter().map(|(object, needed)| (*needed, *object))));
        let (shown, others): (Vec<&Node>, Vec<&Node>) =
            nodes.into_iter().partition(|it| on_it.contains(&it.address));
        let mut way = Self { links: Vec::new(), others };
        let parents = parents(&shown, &needs);
        let roots: Vec<&Node> =
            shown.iter().filter(|it| !parents.contains_key(&it.address)).copied().collect();
        for root in roots {
            way.add(root, 0, &shown, &parents);
        }
        // What is in a circle has no root.
        for node in shown {
            way.add(node, 0, &[], &parents);
        }
        way
    }

    /// Adds an object and what hangs on it, once.
    fn add(
        &mut self,
        node: &'a Node,
        depth: usize,
        shown: &[&'a Node],
        parents: &BTreeMap<&NodeId, &NodeId>,
    ) {
        if self.links.iter().any(|(_, it)| it.address == node.address) {
            return;
        }
        self.links.push((depth.min(DEEPEST), node));
        for child in shown.iter().filter(|it| parents.get(&it.address) == Some(&&node.address)) {
            self.add(child, depth + 1, shown, parents);
        }
    }
}

/// All that is reached from some objects, themselves included.
fn reached<'a>(
    from: &[&'a NodeId],
    edges: impl Iterator<Item = (&'a NodeId, &'a NodeId)>,
) -> BTreeSet<&'a NodeId> {
    let mut next: BTreeMap<&NodeId, Vec<&NodeId>> = BTreeMap::new();
    for (one, other) in edges {
        next.entry(one).or_default().push(other);
    }
    let mut reached = BTreeSet::new();
    let mut left = from.to_vec();
    while let Some(address) = left.pop() {
        if reached.insert(address) {
            left.extend(next.get(address).into_iter().flatten());
        }
    }
    reached
}

/// What each object hangs on: of what it needs, the last that traffic passes before it.
fn parents<'a>(
    shown: &[&'a Node],
    needs: &[(&'a NodeId, &'a NodeId)],
) -> BTreeMap<&'a NodeId, &'a NodeId> {
    let known: BTreeSet<&NodeId> = shown.iter().map(|it| &it.address).collect();
    let mut parents: BTreeMap<&NodeId, &NodeId> = BTreeMap::new();
    for (object, needed) in
        needs.iter().filter(|(one, other)| known.contains(one) && known.contains(other))
    {
        let later = parents.get(object).is_none_or(|it| rank(it) < rank(needed));
        if later {
            parents.insert(object, needed);
        }
    }
    parents
}

/// Where an object is on the way of traffic, from the Service on; what several Services share is none's parent where it
/// can be helped.
fn rank(address: &NodeId) -> (bool, privlink_core::node_id::Kind) {
    use privlink_core::node_id::Kind;
    (address.kind != Kind::LoadBalancer, address.kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A stack of objects with their states, each needing what is said.
    fn stack(objects: &[(&str, &str)], needs: &[(&str, &str)]) -> StackReport {
        let objects: Vec<_> = objects
            .iter()
            .map(|(address, state)| json!({"address": address, "title": address, "state": state}))
            .collect();
        let needs: Vec<_> = needs
            .iter()
            .map(|(object, on)| json!({"object": object, "dependsOn": on, "why": ""}))
            .collect();
        serde_json::from_value(json!({
            "stack": "s", "source": "", "observedAt": "", "objects": objects, "needs": needs, "differences": [], "unreadable": [],
        }))
        .unwrap()
    }

    const NEEDS: [(&str, &str); 7] = [
        ("FrontendIp/default/a", "Service/default/a"),
        ("FrontendIp/default/a", "LoadBalancer/kubernetes"),
        ("PrivateLinkService/default/a", "Service/default/a"),
        ("PrivateLinkService/default/a", "FrontendIp/default/a"),
        ("PrivateEndpoint/a", "PrivateLinkService/default/a"),
        ("FrontendIp/default/b", "Service/default/b"),
        ("FrontendIp/default/b", "LoadBalancer/kubernetes"),
    ];

    #[test]
    fn a_chain_is_what_is_wrong_with_what_it_rests_on_and_what_rests_on_it() {
        let objects = [
            ("Service/default/a", "in-sync"),
            ("Service/default/b", "in-sync"),
            ("LoadBalancer/kubernetes", "noted"),
            ("FrontendIp/default/a", "in-sync"),
            ("FrontendIp/default/b", "in-sync"),
            ("PrivateLinkService/default/a", "drifted"),
            ("PrivateEndpoint/a", "in-sync"),
        ];
        let stack = stack(&objects, &NEEDS);
        let way = Way::of(&stack);
        let links: Vec<_> =
            way.links.iter().map(|(depth, it)| (*depth, it.address.to_string())).collect();
        let expected = [
            (0, "Service/default/a"),
            (1, "FrontendIp/default/a"),
            (2, "PrivateLinkService/default/a"),
            (3, "PrivateEndpoint/a"),
            (0, "LoadBalancer/kubernetes"),
        ];
        assert_eq!(links, expected.map(|(depth, it)| (depth, it.to_owned())));
        assert_eq!(way.others.len(), 2);
    }

    #[test]
    fn needs_in_a_circle_are_shown_once() {
        let objects = [("Service/default/a", "drifted"), ("Service/default/b", "in-sync")];
        let circle = [
            ("Service/default/a", "Service/default/b"),
            ("Service/default/b", "Service/default/a"),
        ];
        let stack = stack(&objects, &circle);
        assert_eq!(Way::of(&stack).links.len(), 2);
    }
}
