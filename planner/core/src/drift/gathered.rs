//! What the parts of a look gather.

use std::collections::BTreeSet;

use crate::change::FieldDiff;
use crate::input::Input;
use crate::node_id::NodeId;
use crate::planning::account;
use crate::prediction::Prediction;
use crate::unknown;

use super::identity;
use super::report::{
    Cause, Difference, Field, Heals, Node, StackReport, State, Unread, UnusedIgnore,
};
use super::{Class, Weight};

/// What the parts of a look gather, in no order.
#[derive(Clone, Debug, Default)]
pub(super) struct Gathered {
    /// Nodes that were looked at.
    pub(super) nodes: BTreeSet<NodeId>,
    /// Nodes that could not be looked at.
    pub(super) unreadable_nodes: BTreeSet<NodeId>,
    /// What differs.
    pub(super) differences: Vec<Difference>,
    /// What could not be read.
    pub(super) unreadable: Vec<Unread>,
    /// Entries of the Stack that ignore nothing.
    pub(super) unused_ignores: Vec<UnusedIgnore>,
}

/// A difference without fields, to be filled in.
pub(super) fn difference(
    class: Class,
    address: &NodeId,
    object: Option<&str>,
    message: impl Into<String>,
    cause: Cause,
) -> Difference {
    Difference {
        id: String::new(),
        class,
        weight: class.weight(),
        address: address.clone(),
        title: String::new(),
        object: object.map(unknown::show),
        message: unknown::show(&message.into()),
        cause,
        fields: Vec::new(),
        heals: Heals::No,
        repair: None,
        disconnects: Vec::new(),
        hangs_on: None,
        ignored: None,
        is_new: false,
        first_seen: String::new(),
    }
}

/// Fields of a diff from what is to what should be.
pub(super) fn fields(diffs: Vec<FieldDiff>) -> Vec<Field> {
    let field = |FieldDiff { path, before, after, after_unknown, .. }| Field {
        path,
        wanted: after,
        wanted_unknown: after_unknown,
        found: before,
    };
    diffs.into_iter().map(FieldDiff::shown).map(field).collect()
}

impl Gathered {
    /// A node could not be looked at.
    pub(super) fn unread(&mut self, address: &NodeId, why: &str) {
        self.nodes.insert(address.clone());
        self.unreadable_nodes.insert(address.clone());
        self.unreadable.push(Unread { what: address.to_string(), why: why.to_owned() });
    }

    /// Adds a difference.
    pub(super) fn push(&mut self, difference: Difference) {
        self.nodes.insert(difference.address.clone());
        self.differences.push(difference);
    }

    /// Calls every object that differs as people do.
    fn entitle(&mut self, as_it_is: &Prediction) {
        for difference in &mut self.differences {
            let object = difference.object.as_deref();
            difference.title = account::title(as_it_is, &difference.address, object);
        }
    }

    /// The report, in order.
    pub(super) fn into_report(mut self, input: &Input<'_>, as_it_is: &Prediction) -> StackReport {
        self.entitle(as_it_is);
        let key = |it: &Difference| (it.address.clone(), it.class, it.message.clone());
        self.differences.sort_by_key(key);
        self.differences.dedup();
        identity::give(input.wanted.name(), &mut self.differences);
        self.unreadable.sort();
        self.unreadable.dedup();
        let state = |address: &NodeId| {
            if self.unreadable_nodes.contains(address) {
                return State::Unreadable;
            }
            let own = self.differences.iter().filter(|it| it.address == *address);
            own.map(|it| match it.weight {
                _ if it.ignored.is_some() => State::Noted,
                Weight::Drift => State::Drifted,
                Weight::Unverified => State::Unverified,
                Weight::Note => State::Noted,
            })
            .max()
            .unwrap_or(State::InSync)
        };
        let node = |address: &NodeId| Node {
            address: address.clone(),
            title: account::title(as_it_is, address, None),
            state: state(address),
        };
        let nodes = self.nodes.iter().map(node).collect();
        StackReport {
            stack: input.wanted.name().to_owned(),
            observed_at: input.live.taken_at().to_owned(),
            nodes,
            differences: self.differences,
            unreadable: self.unreadable,
            unused_ignores: self.unused_ignores,
            ..StackReport::default()
        }
    }

    /// What desired state names was looked at, whatever came of it.
    pub(super) fn expect_desired(&mut self, input: &Input<'_>) {
        self.nodes.extend(input.wanted.keys().map(crate::node::service::address));
        for endpoint in input.endpoints() {
            self.nodes.insert(endpoint.connection());
            self.nodes.extend(endpoint.record().map(|(address, _)| address));
            self.nodes.insert(endpoint.at);
        }
    }
}
