//! Drafts of steps: named by what they do, until an order gives them numbers.

use std::collections::{BTreeMap, BTreeSet};

use crate::node_id::NodeId;
use crate::order;
use crate::plan::{Op, Step};

/// What a step does to its node; one node may have several, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The node is deleted.
    Delete,
    /// It is waited for that it is gone, where it is to be made again.
    Gone,
    /// The node is written.
    Write,
    /// The controller, Azure or another tool is waited for.
    Await,
    /// What several syncs bring about together is waited for.
    Share,
    /// The controller is made to sync once more, since its first sync leaves work undone.
    Finish,
    /// The end of that is waited for.
    Settle,
    /// Its connection is decided on.
    Decide,
    /// Its connection is waited for.
    Connect,
}

/// The name of a draft.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DraftKey {
    /// The object.
    pub address: NodeId,
    /// What is done to it.
    pub stage: Stage,
}

impl DraftKey {
    /// A name.
    pub fn new(address: &NodeId, stage: Stage) -> Self {
        Self { address: address.clone(), stage }
    }
}

/// A step without a number.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Its name.
    pub key: DraftKey,
    /// What is done.
    pub op: Op,
    /// What must be done before; names of drafts that do not exist count as done.
    pub needs: BTreeSet<DraftKey>,
    /// Resources no other step may write meanwhile.
    pub locks: BTreeSet<String>,
}

impl Draft {
    /// A draft that needs nothing.
    pub fn new(address: &NodeId, stage: Stage, op: Op) -> Self {
        Self {
            key: DraftKey::new(address, stage),
            op,
            needs: BTreeSet::new(),
            locks: BTreeSet::new(),
        }
    }

    /// Adds what it needs.
    #[must_use]
    pub fn needing(mut self, address: &NodeId, stage: Stage) -> Self {
        self.needs.insert(DraftKey::new(address, stage));
        self
    }

    /// Adds what it locks.
    #[must_use]
    pub fn locking(mut self, resource: impl Into<String>) -> Self {
        self.locks.insert(resource.into());
        self
    }
}

/// Numbers drafts from 1, each behind what it needs. `more` is what drafts have to wait for beside what they say
/// themselves.
///
/// # Errors
///
/// The addresses of drafts that need each other in a circle.
pub fn number(
    drafts: Vec<Draft>,
    more: Vec<(DraftKey, DraftKey)>,
) -> Result<Vec<Step>, Vec<NodeId>> {
    let mut drafts: BTreeMap<DraftKey, Draft> =
        drafts.into_iter().map(|draft| (draft.key.clone(), draft)).collect();
    for (draft, need) in more {
        if let Some(draft) = drafts.get_mut(&draft) {
            draft.needs.insert(need);
        }
    }
    let needs = drafts.iter().map(|(key, draft)| (key, draft.needs.iter().collect())).collect();
    let order = order::topological(&needs)
        .map_err(|circle| circle.into_iter().map(|key| key.address.clone()).collect::<Vec<_>>())?;
    let order: Vec<DraftKey> = order.into_iter().cloned().collect();
    let numbers: BTreeMap<&DraftKey, usize> = order.iter().zip(1..).collect();
    let steps = order
        .iter()
        .filter_map(|key| {
            let Draft { op, needs, locks, .. } = drafts.remove(key)?;
            let mut needs: Vec<usize> =
                needs.iter().filter_map(|need| numbers.get(need).copied()).collect();
            needs.sort_unstable();
            Some(Step {
                id: numbers.get(key).copied()?,
                change: key.address.clone(),
                op,
                needs,
                locks: locks.into_iter().collect(),
            })
        })
        .collect();
    Ok(steps)
}
