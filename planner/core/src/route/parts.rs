//! Parts of a stack that share nothing.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::unionfind::UnionFind;
use serde_json::Value;

use crate::controller::predict;
use crate::input::Input;
use crate::kubernetes::service::Key;
use crate::node::service::address;
use crate::node_id::{Kind, NodeId};
use crate::planned::Planned;
use crate::pointer::At;
use crate::prediction::Prediction;

use super::Changes;
use super::course::Course;

/// Annotations whose values two Services share where they share something.
const SHARED: [&str; 4] =
    ["azure-load-balancer-ipv4", "azure-load-balancer-ipv6", "azure-pls-name", "azure-pip-name"];

/// Courses that share something with each other, and nothing with those of other parts.
pub(super) struct Part {
    /// The courses by their numbers, in order.
    pub(super) courses: Vec<usize>,
    /// Whether it is one Service, on frontends on which nothing has rules but it.
    pub(super) is_alone: bool,
}

/// The courses that share an address or the name of a Private Link Service; without parts in which nothing changes.
pub(super) fn of(courses: &[Course], prediction: &Prediction) -> Vec<Part> {
    let frontends = Frontends::of(prediction);
    let mut union = UnionFind::new(courses.len());
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, course) in courses.iter().enumerate() {
        let manifests = course.from.iter().chain(&course.to);
        for shared in frontends.of_service(&course.key).chain(manifests.flat_map(asked_for)) {
            let with = *first.entry(shared).or_insert(number);
            union.union(with, number);
        }
    }
    let mut parts: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for number in 0..courses.len() {
        parts.entry(union.find(number)).or_default().push(number);
    }
    let all = |part: &[usize], is_so: &dyn Fn(&Course) -> bool| {
        part.iter().filter_map(|it| courses.get(*it)).all(is_so)
    };
    let parts = parts.into_values().filter(|part| !all(part, &Course::is_unchanged));
    let part = |courses: Vec<usize>| {
        let is_alone = courses.len() == 1 && all(&courses, &|it| frontends.are_own(&it.key));
        Part { courses, is_alone }
    };
    parts.map(part).collect()
}

/// How many Services change, where each shares nothing with others, was there before, and differs in one field at most: what
/// is known without making manifests of them, and mostly so.
pub(super) fn in_one_field_each(
    input: &Input<'_>,
    planned: &Planned,
    changes: &Changes,
) -> Option<usize> {
    let services = planned.plan.changes.iter().filter(|it| it.address.kind == Kind::Service);
    let fields: BTreeMap<&NodeId, usize> =
        services.map(|change| (&change.address, change.fields.len())).collect();
    let frontends = Frontends::of(&planned.prediction);
    let mut asked = BTreeSet::new();
    let mut changed = 0;
    for (key, change) in changes {
        let before = input.live.service(key)?;
        let (after, differs) = match change {
            predict::Change::Apply(stored) => {
                (Some(&stored.object), fields.get(&address(key)).copied().unwrap_or_default())
            }
            predict::Change::Delete(_) => (None, 1),
            predict::Change::Nudge(_) => (None, 0),
        };
        let objects = std::iter::once(before).chain(after.map(AsRef::as_ref));
        let names: BTreeSet<&str> = objects.flat_map(asked_for).collect();
        let is_alone = frontends.are_own(key) && names.into_iter().all(|name| asked.insert(name));
        if differs > 1 || !is_alone {
            return None;
        }
        changed += differs;
    }
    Some(changed)
}

/// Who has rules on which frontend, before or after.
struct Frontends<'a> {
    /// The Services by the frontend's id in lower case; none for rules that belong to no Service.
    users: BTreeMap<String, BTreeSet<Option<&'a Key>>>,
}

impl<'a> Frontends<'a> {
    fn of(prediction: &'a Prediction) -> Self {
        let mut users: BTreeMap<String, BTreeSet<Option<&Key>>> = BTreeMap::new();
        for world in [&prediction.before, &prediction.after] {
            for balancer in world.load_balancers.values() {
                for rule in balancer.properties.load_balancing_rules.iter().flatten() {
                    if let Some(frontend) = &rule.properties.frontend_ip_configuration {
                        let users = users.entry(frontend.id().to_lowercase()).or_default();
                        users.insert(prediction.owners().of_name(rule.name()));
                    }
                }
            }
        }
        Self { users }
    }

    fn of_service(&self, key: &Key) -> impl Iterator<Item = &str> {
        let own = self.users.iter().filter(|(_, users)| users.contains(&Some(key)));
        own.map(|(frontend, _)| frontend.as_str())
    }

    /// Whether nothing else has rules on the frontends of a Service.
    fn are_own(&self, key: &Key) -> bool {
        self.users.values().all(|users| users.len() == 1 || !users.contains(&Some(key)))
    }
}

/// Addresses and names that a Service asks for.
fn asked_for(service: &Value) -> impl Iterator<Item = &str> {
    let annotations = service.at("/metadata/annotations").and_then(Value::as_object);
    let shared = annotations.into_iter().flatten().filter_map(|(key, value)| {
        let is_shared = SHARED.iter().any(|name| key.ends_with(name));
        value.as_str().filter(|_| is_shared)
    });
    shared.chain(service.at("/spec/loadBalancerIP").and_then(Value::as_str))
}
