//! Ordering: what needs what, lowest key first where nothing decides.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

/// Puts keys behind what they need; ties in the order of the keys. Needs that are no keys themselves
/// count as met.
///
/// # Errors
///
/// The members of the circle that holds the lowest key.
pub(crate) fn topological<'a, K: Ord>(
    needs: &BTreeMap<&'a K, BTreeSet<&'a K>>,
) -> Result<Vec<&'a K>, Vec<&'a K>> {
    let mut needed_by: BTreeMap<&K, Vec<&'a K>> = BTreeMap::new();
    let mut open: BTreeMap<&K, usize> = BTreeMap::new();
    let mut ready: BTreeSet<&'a K> = BTreeSet::new();
    for (key, wanted) in needs {
        let wanted = wanted.iter().filter(|need| needs.contains_key(*need));
        let mut count = 0;
        for need in wanted {
            needed_by.entry(need).or_default().push(key);
            count += 1;
        }
        open.insert(key, count);
        if count == 0 {
            ready.insert(key);
        }
    }
    let mut order = Vec::with_capacity(needs.len());
    while let Some(key) = ready.pop_first() {
        order.push(key);
        for dependent in needed_by.remove(key).into_iter().flatten() {
            if let Some(left) = open.get_mut(dependent) {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    ready.insert(dependent);
                }
            }
        }
    }
    if order.len() == needs.len() { Ok(order) } else { Err(circle(needs)) }
}

fn circle<'a, K: Ord>(needs: &BTreeMap<&'a K, BTreeSet<&'a K>>) -> Vec<&'a K> {
    let mut graph: DiGraph<&'a K, ()> = DiGraph::new();
    let index: BTreeMap<&K, NodeIndex> =
        needs.keys().map(|key| (*key, graph.add_node(*key))).collect();
    for (key, wanted) in needs {
        for need in wanted {
            if let (Some(from), Some(to)) = (index.get(key), index.get(need)) {
                graph.add_edge(*from, *to, ());
            }
        }
    }
    let mut circles: Vec<Vec<&'a K>> = tarjan_scc(&graph)
        .into_iter()
        .filter(|members| {
            members.len() > 1 || members.iter().any(|at| graph.contains_edge(*at, *at))
        })
        .map(|members| {
            let mut keys: Vec<&'a K> =
                members.into_iter().filter_map(|at| graph.node_weight(at).copied()).collect();
            keys.sort();
            keys
        })
        .collect();
    circles.sort();
    circles.into_iter().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(needs: &[(&'static str, &[&'static str])]) -> Result<String, String> {
        let needs: BTreeMap<&'static str, BTreeSet<&'static str>> =
            needs.iter().map(|(key, needs)| (*key, needs.iter().copied().collect())).collect();
        let needs = needs.iter().map(|(key, needs)| (key, needs.iter().collect())).collect();
        let join = |keys: Vec<&&str>| keys.into_iter().copied().collect::<Vec<_>>().join(" ");
        topological(&needs).map(join).map_err(join)
    }

    #[test]
    fn needs_come_first_and_ties_are_broken_by_key() {
        let sorted = order(&[("a", &["d"]), ("b", &["d"]), ("c", &[]), ("d", &[])]);
        assert_eq!(sorted.as_deref(), Ok("c d a b"));
    }

    #[test]
    fn a_need_that_is_no_key_counts_as_met() {
        assert_eq!(order(&[("a", &["elsewhere"])]).as_deref(), Ok("a"));
    }

    #[test]
    fn a_circle_is_named_without_what_only_hangs_on_it() {
        let circle = order(&[("a", &["b"]), ("b", &["a"]), ("c", &["a"])]);
        assert_eq!(circle.unwrap_err(), "a b");
    }
}
