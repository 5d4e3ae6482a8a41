//! What a plan is limited to: the nodes that `--target` and `--exclude` leave in, with what they need.
//!
//! What privlink writes is written by unit: a Service with all that the controller makes for it, an
//! endpoint with its connection, a DNS record, the connection of another owner's endpoint. A unit that
//! is left out is not written, and its Service is not synced, so the prediction takes it as it is.

use std::collections::{BTreeMap, BTreeSet};

use crate::desired::Target;
use crate::input::{Input, Selection};
use crate::join::{leaving, records_leaving, records_written};
use crate::node::{endpoint_connection, private_endpoint, private_link_service};
use crate::node_id::{Kind, NodeId};
use crate::plan::{Mode, Scope};
use crate::schema;

use super::service;

/// A flag that names something it cannot be about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misnamed {
    /// There is no such node.
    #[error("{flag} names {address}, and there is no such object")]
    NoNode {
        /// The flag.
        flag: &'static str,
        /// What it names.
        address: String,
        /// Nodes that may have been meant, the likeliest first.
        meant: Vec<String>,
    },
    /// Several Services share the node.
    #[error("{flag} names {address}, which several Services may share")]
    Shared {
        /// The flag.
        flag: &'static str,
        /// What it names.
        address: String,
    },
    /// What is to be re-created is left out by the other flags.
    #[error("--replace names {address}, which --target and --exclude leave out")]
    LeftOut {
        /// What it names.
        address: String,
    },
}

impl Misnamed {
    /// What to do.
    pub fn help(&self) -> String {
        match self {
            Self::NoNode { meant, .. } if meant.is_empty() => {
                "`privlink graph` lists the objects.".to_owned()
            }
            Self::NoNode { meant, .. } => format!("Did you mean {}?", meant.join(", or ")),
            Self::Shared { .. } => "Name a Service or an endpoint.".to_owned(),
            Self::LeftOut { .. } => "Target it too, or do not exclude it.".to_owned(),
        }
    }
}

/// Resolves the flags against what is desired and what is there.
///
/// # Errors
///
/// A flag names what is no node, or what cannot be told apart.
pub fn select(input: &Input<'_>) -> Result<Selection, Misnamed> {
    let Scope { targets, excludes, replaces } = &input.options.scope;
    let unprotect = &input.options.unprotect;
    if targets.is_empty() && excludes.is_empty() && replaces.is_empty() && unprotect.is_empty() {
        return Ok(Selection::default());
    }
    let nodes = Nodes::of(input);
    for name in unprotect {
        nodes.check("--unprotect", name)?;
    }
    let targets = nodes.units("--target", targets)?;
    let excludes = nodes.units("--exclude", excludes)?;
    for address in replaces {
        nodes.check("--replace", &address.to_string())?;
    }
    let own = [Kind::Service, Kind::PrivateEndpoint, Kind::EndpointConnection];
    let replaced = replaces.iter().filter(|address| own.contains(&address.kind));
    let replaced: BTreeSet<NodeId> = replaced.filter_map(|it| nodes.unit(it)).collect();
    let needs = needs(input, &nodes);
    let mut covered: BTreeSet<NodeId> = if targets.is_empty() {
        nodes.known.values().flatten().cloned().collect()
    } else {
        reached(targets, &needs)
    };
    for left_out in reached(excludes.clone(), &turned(&needs)) {
        covered.remove(&left_out);
    }
    if let Some(address) = replaced.iter().find(|unit| !covered.contains(*unit)) {
        return Err(Misnamed::LeftOut { address: address.to_string() });
    }
    let limited = !input.options.scope.targets.is_empty() || !excludes.is_empty();
    Ok(Selection { covered: limited.then_some(covered), replaced })
}

/// Whether there is a node of this name.
///
/// # Errors
///
/// There is none; others that may have been meant are named.
pub fn check(input: &Input<'_>, flag: &'static str, name: &str) -> Result<(), Misnamed> {
    Nodes::of(input).check(flag, name)
}

/// All nodes a flag may name, each with the unit it belongs to; none for those that are shared.
struct Nodes {
    known: BTreeMap<String, Option<NodeId>>,
}

impl Nodes {
    fn of(input: &Input<'_>) -> Self {
        let mut known = BTreeMap::new();
        let mut add = |address: NodeId, unit: Option<&NodeId>| {
            known.insert(address.to_string(), unit.cloned());
        };
        let policy = input.wanted.policy().into_iter();
        for protected in policy.flat_map(|policy| &policy.protect) {
            if let Ok(address) = protected.value.parse() {
                add(address, None);
            }
        }
        for (address, node) in input.live.nodes() {
            let unit = node.service.as_ref().map(crate::node::service::address);
            add(address.clone(), unit.as_ref());
        }
        let of_stack = service::of_stack(input);
        for key in input.wanted.keys().chain(&of_stack) {
            let unit = crate::node::service::address(key);
            for kind in [Kind::Service, Kind::FrontendIp, Kind::PrivateLinkService, Kind::PublicIp]
            {
                add(NodeId::new(kind, unit.name.clone()), Some(&unit));
            }
        }
        let own = input.own();
        for unit in own.values() {
            add(unit.clone(), Some(unit));
            add(NodeId::new(Kind::EndpointConnection, unit.name.clone()), Some(unit));
        }
        for endpoint in input.endpoints() {
            for unit in endpoint.record().map(|(record, _)| record).into_iter().chain([endpoint.at])
            {
                add(unit.clone(), Some(&unit));
            }
        }
        for (record, _) in records_written(input) {
            add(record.clone(), Some(&record));
        }
        for link in input.live.world().private_link_services.values() {
            for consumer in private_link_service::consumers(link) {
                let at = endpoint_connection::address(&consumer.endpoint, own);
                if !own.contains_key(&consumer.endpoint.to_lowercase()) {
                    add(at.clone(), Some(&at));
                }
            }
        }
        Self { known }
    }

    fn check(&self, flag: &'static str, name: &str) -> Result<(), Misnamed> {
        if self.known.contains_key(name) {
            return Ok(());
        }
        let last = |text: &str| text.rsplit('/').next().unwrap_or_default().to_lowercase();
        let close = schema::closest(name, self.known.keys().map(String::as_str));
        let named_alike = self.known.keys().filter(|known| last(known) == last(name));
        let mut meant: Vec<String> = close.into_iter().map(ToOwned::to_owned).collect();
        meant.extend(named_alike.filter(|it| close != Some(it.as_str())).take(5).cloned());
        Err(Misnamed::NoNode { flag, address: name.to_owned(), meant })
    }

    fn unit(&self, address: &NodeId) -> Option<NodeId> {
        self.known.get(&address.to_string()).cloned().flatten()
    }

    fn units(
        &self,
        flag: &'static str,
        addresses: &[NodeId],
    ) -> Result<BTreeSet<NodeId>, Misnamed> {
        let unit = |address: &NodeId| {
            self.check(flag, &address.to_string())?;
            self.unit(address)
                .ok_or_else(|| Misnamed::Shared { flag, address: address.to_string() })
        };
        addresses.iter().map(unit).collect()
    }
}

type Needs = BTreeMap<NodeId, BTreeSet<NodeId>>;

/// What each unit needs. What is created needs what it depends on; what is deleted needs that what depends on it
/// is deleted before.
fn needs(input: &Input<'_>, nodes: &Nodes) -> Needs {
    let (world, owners) = (input.live.world(), input.live.owners());
    let mut needs = Needs::new();
    let mut need = |from: &NodeId, to: NodeId| {
        needs.entry(from.clone()).or_default().insert(to);
    };
    let goes = |unit: &NodeId| {
        let wanted = input.wanted.keys().any(|key| crate::node::service::address(key) == *unit);
        input.options.mode == Mode::Destroy || !wanted
    };
    if input.options.mode == Mode::Apply {
        for endpoint in input.endpoints() {
            if let Target::Service(key) = &endpoint.wanted.target {
                need(&endpoint.at, crate::node::service::address(&key.value));
            }
            if let Some((record, _)) = endpoint.record() {
                need(&record, endpoint.at);
            }
        }
    }
    let own = input.own();
    for live in leaving(input) {
        if let Some(service) = private_endpoint::service_of(&live, world, owners).filter(&goes)
            && let Some(at) = own.get(&live.id().to_ascii_lowercase())
        {
            need(&service, at.clone());
        }
    }
    // A name that goes is found by its endpoint's tag, so it goes before the tag does.
    let kept = |(record, _, keeper)| Some((Option::<NodeId>::clone(&keeper)?, record));
    for (endpoint, record) in records_leaving(input).into_iter().filter_map(kept) {
        need(&endpoint, record);
    }
    for link in world.private_link_services.values() {
        let Some(owner) = owners.of_link(link).map(crate::node::service::address) else { continue };
        for consumer in private_link_service::consumers(link) {
            let at = endpoint_connection::address(&consumer.endpoint, &BTreeMap::new());
            if nodes.unit(&at) == Some(at.clone()) {
                need(&at, owner.clone());
            }
        }
    }
    needs
}

fn turned(needs: &Needs) -> Needs {
    let mut turned = Needs::new();
    for (from, to) in needs {
        for to in to {
            turned.entry(to.clone()).or_default().insert(from.clone());
        }
    }
    turned
}

/// These units, and all that is reached from them.
fn reached(from: BTreeSet<NodeId>, edges: &Needs) -> BTreeSet<NodeId> {
    let mut open: Vec<NodeId> = from.into_iter().collect();
    let mut reached = BTreeSet::new();
    while let Some(unit) = open.pop() {
        if reached.insert(unit.clone()) {
            open.extend(edges.get(&unit).into_iter().flatten().cloned());
        }
    }
    reached
}
