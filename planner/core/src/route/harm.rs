//! What a step does to those who are connected.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::arm::resource::PrivateLinkService;
use crate::arm::world::World;
use crate::consumer::Consumer;
use crate::node::private_link_service as link_node;
pub(super) use crate::node::private_link_service::Port;
use crate::node::private_link_service::served;

/// What a way costs. Ordered: who is disconnected for ever counts before a port that nobody serves for a
/// while, that before an interruption that heals by itself, and all before the number of edits.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// Consumers that are disconnected.
    pub disconnects: usize,
    /// Ports that consumers use and nothing serves, summed over the states between two edits.
    pub unserved: usize,
    /// Interruptions that end with the step.
    pub interruptions: usize,
    /// Edits.
    pub edits: usize,
}

impl Cost {
    /// Both.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            disconnects: self.disconnects + other.disconnects,
            unserved: self.unserved + other.unserved,
            interruptions: self.interruptions + other.interruptions,
            edits: self.edits + other.edits,
        }
    }
}

/// What consumers of a Private Link Service need all the way: the ports that are served through it now, and
/// will be at the end.
#[derive(Clone, Debug, Default)]
pub(super) struct Needs {
    /// By the id of the Private Link Service in lower case.
    pub(super) ports: BTreeMap<String, BTreeSet<Port>>,
}

impl Needs {
    /// Of a world, where `wanted` are the ports of all Services at the end.
    pub(super) fn of(world: &World, wanted: &BTreeSet<Port>) -> Self {
        let used =
            world.private_link_services.iter().filter(|(_, link)| !connected(link).is_empty());
        let ports = used.map(|(id, link)| {
            let served = served(world, link).into_keys();
            (id.clone(), served.filter(|port| wanted.contains(port)).collect())
        });
        Self { ports: ports.collect() }
    }
}

/// What one step does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Harm {
    /// Whom it disconnects, in order.
    pub(super) disconnected: Vec<Consumer>,
    /// Ports that nothing serves after it, each with the name of its Private Link Service.
    pub(super) unserved: Vec<(String, Port)>,
    /// Private Link Services whose consumers' connections break and come back.
    pub(super) interrupted: Vec<String>,
}

impl Harm {
    /// Of what becomes of a world.
    pub(super) fn between(before: &World, after: &World, needs: &Needs) -> Self {
        let mut harm = Self::default();
        for (id, link) in &before.private_link_services {
            let left = after
                .private_link_services
                .get(id)
                .filter(|left| link_node::identity(left) == link_node::identity(link));
            let still: BTreeSet<String> = left
                .map(|left| connected(left).into_iter().map(|it| it.endpoint.to_lowercase()))
                .into_iter()
                .flatten()
                .collect();
            let was = connected(link);
            let lost = was.iter().filter(|it| !still.contains(&it.endpoint.to_lowercase()));
            harm.disconnected.extend(lost.cloned());
            let (Some(left), false) = (left, was.is_empty()) else { continue };
            harm.unserved_and_moved(id, (before, link), (after, left), needs);
        }
        harm.disconnected.sort();
        harm
    }

    fn unserved_and_moved(
        &mut self,
        id: &str,
        (before, link): (&World, &PrivateLinkService),
        (after, left): (&World, &PrivateLinkService),
        needs: &Needs,
    ) {
        let (old, new) = (served(before, link), served(after, left));
        let needed = needs.ports.get(id);
        let missing = needed.into_iter().flatten().filter(|port| !new.contains_key(*port));
        self.unserved.extend(missing.map(|port| (link.name().to_owned(), port.clone())));
        let moved = needed.into_iter().flatten().any(|port| {
            let (old, new) = (old.get(port), new.get(port));
            old.is_some() && new.is_some() && old != new
        });
        if moved || link.properties.ip_configurations != left.properties.ip_configurations {
            self.interrupted.push(link.name().to_owned());
        }
    }

    /// What that costs, with the edit itself.
    pub(super) fn cost(&self) -> Cost {
        Cost {
            disconnects: self.disconnected.len(),
            unserved: self.unserved.len(),
            interruptions: self.interrupted.len(),
            edits: 1,
        }
    }
}

/// Who is connected, or waits for approval: one that was rejected or disconnected before has nothing to lose.
pub(super) fn connected(link: &PrivateLinkService) -> Vec<Consumer> {
    link_node::consumers(link).into_iter().filter(|it| !it.status.is_over()).collect()
}
