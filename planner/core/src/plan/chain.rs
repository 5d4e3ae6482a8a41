//! A plan's changes as a chain: each below the one that brings it about.

use std::collections::{BTreeMap, BTreeSet};

use crate::change::{Action, Actor, Change, Effect};
use crate::node_id::{Kind, NodeId};
use crate::plan::Plan;

/// One row of the chain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row<'a> {
    /// How many changes above it bring it about.
    pub depth: usize,
    /// What happens.
    pub what: What<'a>,
}

/// What happens in one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What<'a> {
    /// One object changes.
    Change(&'a Change),
    /// Connections of others go with their Private Link Service.
    Connections {
        /// How many.
        number: usize,
        /// Whether they come back by themselves.
        action: Action,
        /// Who takes them away.
        actor: &'a Actor,
        /// Whether anybody uses them.
        disconnects: bool,
    },
}

/// What a row does to traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowEffect {
    /// Nothing.
    None,
    /// It is reached by another alias from then on.
    NewAlias,
    /// Traffic breaks, and comes back once it is re-created.
    Interrupted,
    /// Nothing serves its address any more.
    Ended,
    /// It is disconnected while the endpoint is re-created.
    DisconnectedMeanwhile,
    /// It is disconnected until its endpoint is re-created.
    Disconnected,
}

impl RowEffect {
    /// In a few words; empty if nothing.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::NewAlias => "new alias",
            Self::Interrupted => "traffic breaks briefly",
            Self::Ended => "its traffic ends",
            Self::DisconnectedMeanwhile => "disconnected meanwhile",
            Self::Disconnected => "disconnected until re-created",
        }
    }
}

impl What<'_> {
    /// What becomes of it.
    pub const fn action(&self) -> Action {
        match self {
            Self::Change(change) => change.action,
            Self::Connections { action, .. } => *action,
        }
    }

    /// Who does it.
    pub const fn actor(&self) -> &Actor {
        match self {
            Self::Change(change) => &change.actor,
            Self::Connections { actor, .. } => actor,
        }
    }

    /// As people call it.
    pub fn title(&self) -> String {
        match self {
            Self::Change(change) if change.title.is_empty() => change.address.to_string(),
            Self::Change(change) => change.title.clone(),
            Self::Connections { number: 1, .. } => "1 connection".to_owned(),
            Self::Connections { number, .. } => format!("{number} connections"),
        }
    }

    /// What it does to traffic.
    pub fn effect(&self) -> RowEffect {
        match self {
            Self::Connections { disconnects: true, .. } => RowEffect::Disconnected,
            Self::Connections { .. } => RowEffect::None,
            Self::Change(change) => match (&change.effect, change.address.kind, change.action) {
                (Effect::BriefInterruption, _, Action::Delete) => RowEffect::Ended,
                (Effect::BriefInterruption, _, _) => RowEffect::Interrupted,
                (_, Kind::PrivateLinkService, Action::Replace) => RowEffect::NewAlias,
                (Effect::ConsumersDisconnected(_), Kind::PrivateEndpoint, _) => {
                    RowEffect::DisconnectedMeanwhile
                }
                _ => RowEffect::None,
            },
        }
    }
}

impl Plan {
    /// The changes, each once and below the one that brings it about. Connections that only follow are shown
    /// with what they follow.
    pub fn chain(&self) -> Vec<Row<'_>> {
        let rows = self.changes.iter().filter(|it| it.is_change() && !it.only_follows());
        let shown: BTreeSet<&NodeId> = rows.clone().map(|it| &it.address).collect();
        let mut below: BTreeMap<Option<&NodeId>, Vec<&Change>> = BTreeMap::new();
        for change in rows.clone() {
            let above = self.above(change).filter(|at| shown.contains(at));
            below.entry(above).or_default().push(change);
        }
        let mut chain = Chain { plan: self, below, seen: BTreeSet::new(), rows: Vec::new() };
        chain.add(None, 0);
        // Changes that bring each other about in a circle are below none.
        for change in rows {
            chain.one(change, 0);
        }
        chain.rows
    }

    /// The change below which one is shown: what all Services share is shown below the root.
    fn above<'a>(&'a self, change: &'a Change) -> Option<&'a NodeId> {
        let shared = [Kind::LoadBalancer, Kind::BackendPool, Kind::SecurityRule, Kind::Subnet];
        if shared.contains(&change.address.kind) {
            return self.chain_to(change).last().map(|it| &it.address);
        }
        change.brought_about_by.as_ref()
    }
}

/// A chain that is being made.
struct Chain<'a> {
    plan: &'a Plan,
    below: BTreeMap<Option<&'a NodeId>, Vec<&'a Change>>,
    seen: BTreeSet<&'a NodeId>,
    rows: Vec<Row<'a>>,
}

impl<'a> Chain<'a> {
    fn add(&mut self, above: Option<&'a NodeId>, depth: usize) {
        for change in self.below.get(&above).cloned().unwrap_or_default() {
            self.one(change, depth);
        }
    }

    fn one(&mut self, change: &'a Change, depth: usize) {
        if self.seen.insert(&change.address) {
            self.rows.push(Row { depth, what: What::Change(change) });
            self.add(Some(&change.address), depth + 1);
            self.connections(change, depth + 1);
        }
    }

    /// The connections of others that go with a Private Link Service.
    fn connections(&mut self, link: &'a Change, depth: usize) {
        if link.address.kind != Kind::PrivateLinkService {
            return;
        }
        let follows =
            |it: &&Change| it.only_follows() && it.brought_about_by.as_ref() == Some(&link.address);
        let mut following = self.plan.changes.iter().filter(follows).peekable();
        let Some(first) = following.peek() else { return };
        let (action, actor) = (first.action, &first.actor);
        let disconnects = matches!(link.effect, Effect::ConsumersDisconnected(_));
        let number = following.count();
        let what = What::Connections { number, action, actor, disconnects };
        self.rows.push(Row { depth, what });
    }
}
