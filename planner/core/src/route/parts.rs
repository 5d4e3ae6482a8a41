//! Parts of a stack that share nothing.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::unionfind::UnionFind;
use serde_json::Value;

use crate::pointer::At;
use crate::prediction::Prediction;

use super::course::Course;

/// Annotations whose values two Services share where they share something.
const SHARED: [&str; 4] =
    ["azure-load-balancer-ipv4", "azure-load-balancer-ipv6", "azure-pls-name", "azure-pip-name"];

/// The courses that share an address or the name of a Private Link Service, by their numbers; each part in
/// order, and without parts in which nothing changes.
pub(super) fn of(courses: &[Course], prediction: &Prediction) -> Vec<Vec<usize>> {
    let mut union = UnionFind::new(courses.len());
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    for (number, course) in courses.iter().enumerate() {
        for shared in shared(course, prediction) {
            let with = *first.entry(shared).or_insert(number);
            union.union(with, number);
        }
    }
    let mut parts: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for number in 0..courses.len() {
        parts.entry(union.find(number)).or_default().push(number);
    }
    let changes = |part: &Vec<usize>| {
        part.iter().filter_map(|it| courses.get(*it)).any(|course| !course.is_unchanged())
    };
    parts.into_values().filter(changes).collect()
}

/// What a Service shares with others: frontends, before and after, and names that it asks for.
fn shared(course: &Course, prediction: &Prediction) -> BTreeSet<String> {
    let mut shared = BTreeSet::new();
    for world in [&prediction.before, &prediction.after] {
        for balancer in world.load_balancers.values() {
            for rule in balancer.properties.load_balancing_rules.iter().flatten() {
                let frontend = rule.properties.frontend_ip_configuration.as_ref();
                if prediction.owners().of_name(rule.name()) == Some(&course.key) {
                    shared.extend(frontend.map(|it| it.id().to_lowercase()));
                }
            }
        }
    }
    for manifest in course.from.iter().chain(&course.to) {
        let annotations = manifest.at("/metadata/annotations").and_then(Value::as_object);
        for (key, value) in annotations.into_iter().flatten() {
            let is_shared = SHARED.iter().any(|name| key.ends_with(name));
            shared.extend(value.as_str().filter(|_| is_shared).map(ToOwned::to_owned));
        }
        let address = manifest.at("/spec/loadBalancerIP").and_then(Value::as_str);
        shared.extend(address.map(ToOwned::to_owned));
    }
    shared
}
