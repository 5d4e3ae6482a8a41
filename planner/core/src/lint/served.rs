//! What consumers reach through a Private Link Service that stays, and will reach no longer.
//!
//! A Private Link Service leads to all that is served on its frontend. Its connections stay Approved while the rules
//! of a Service that shares the frontend go: no state anywhere says that nothing answers any more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::arm::resource::PrivateLinkService;
use crate::arm::world::World;
use crate::desired::Target;
use crate::input::{Input, Named};
use crate::kubernetes::service::Key;
use crate::node::private_link_service::{Port, consumers, identity, owner, served};
use crate::node_id::{Kind, NodeId};
use crate::plan::Finding;
use crate::plural::count;
use crate::prediction::Prediction;
use crate::resource_id::ResourceId;
use crate::rule::{Example, basis, rules};
use crate::wanted::Wanted;

/// Ports of Private Link Services with consumers that nothing serves once all is done. `done` is Azure then.
pub(crate) fn find(input: &Input<'_>, prediction: &Prediction, done: &World) -> Vec<Finding> {
    let before = &prediction.before;
    let (old, new) = (before.load_balancers.values(), done.load_balancers.values());
    if old.len() == new.len() && old.zip(new).all(|(old, new)| Arc::ptr_eq(old, new)) {
        return Vec::new();
    }
    let links = before.private_link_services.iter();
    let staying = links.filter_map(|(id, link)| {
        let left = done.private_link_services.get(id)?;
        (identity(left) == identity(link)).then_some((link, left))
    });
    let targets = targets(input);
    staying
        .filter_map(|(link, left)| {
            let owner = owner(link);
            let will_be = served(done, left);
            let gone =
                served(before, link).into_iter().filter(|(port, _)| !will_be.contains_key(port));
            // Who shares the frontend may have served there for a moment, as in a handover: its ports count where it
            // goes.
            let counts =
                |service: &Key| owner.as_ref() == Some(service) || is_going(prediction, service);
            let of_service = |(port, rule): (Port, String)| {
                let service = prediction.owners().of_name(&rule).filter(|key| counts(key))?;
                Some((port, service.clone()))
            };
            let ports: BTreeMap<Port, Key> = gone.filter_map(of_service).collect();
            let connected = connected(left, &targets, &ports.values().collect());
            let matters = !ports.is_empty() && !connected.is_empty();
            let gone = Gone { link, ports, connected };
            matters.then(|| gone.finding(input.wanted, prediction))
        })
        .collect()
}

/// The Services that the stack's endpoints are to reach, by the endpoints' ids.
fn targets<'a>(input: &Input<'a>) -> BTreeMap<String, &'a Key> {
    let target = |endpoint: Named<'a>| match &endpoint.wanted.target {
        Target::Service(service) => Some((endpoint.id.key(), &service.value)),
        Target::Id(_) | Target::Alias(_) => None,
    };
    input.endpoints().filter_map(target).collect()
}

/// The names of the endpoints that may be connected; of the stack's own those that are to reach one of these Services.
fn connected(
    link: &PrivateLinkService,
    targets: &BTreeMap<String, &Key>,
    services: &BTreeSet<&Key>,
) -> Vec<String> {
    let ids = consumers(link).into_iter().filter(|it| it.status.may_be_connected());
    let ids = ids.map(|it| ResourceId::new(it.endpoint));
    let reach = |id: &ResourceId| targets.get(&id.key()).is_none_or(|key| services.contains(*key));
    ids.filter(reach).map(|id| id.name().to_owned()).collect()
}

/// Ports that go, of a Private Link Service that stays.
struct Gone<'a> {
    link: &'a PrivateLinkService,
    /// Each with the Service that serves it now.
    ports: BTreeMap<Port, Key>,
    /// The endpoints of those who may use them.
    connected: Vec<String>,
}

impl Gone<'_> {
    fn finding(&self, wanted: &Wanted<'_>, prediction: &Prediction) -> Finding {
        let link = self.link.name();
        let ports: Vec<String> =
            self.ports.keys().map(|(protocol, port)| format!("{protocol} {port}")).collect();
        let going = self.ports.values().find(|service| is_going(prediction, service));
        let why = match going {
            Some(service) => format!(
                ": Service {service} goes, and the Private Link Service stays on the frontend that another Service shares"
            ),
            None => String::new(),
        };
        let number = self.connected.len();
        let stay = if number == 1 { "stays" } else { "stay" };
        let message = format!(
            "nothing serves {} through Private Link Service {link} any more, and {} {stay} connected to it ({}){why}",
            ports.join(", "),
            count(number, "consumer"),
            self.connected.join(", ")
        );
        let service = going.or_else(|| self.ports.values().next());
        let address = match service {
            Some(key) => NodeId::new(Kind::Service, key.to_string()),
            None => NodeId::new(Kind::PrivateLinkService, link),
        };
        let finding = Finding::new(PORT_UNSERVED, address, message).help(
            "Keep what serves these ports until the consumers have moved, or let another Service on the frontend serve them.",
        );
        match service.and_then(|key| wanted.service(key)) {
            Some(service) => finding.at(&service.span),
            None => finding,
        }
    }
}

/// Whether a Service has a load balancer and will have none.
fn is_going(prediction: &Prediction, service: &Key) -> bool {
    let stays = prediction.services.get(service).is_some_and(|it| it.wants_load_balancer());
    prediction.live.contains_key(service) && !stays
}

rules! {
    /// Ports go that are served through a Private Link Service with consumers: they change, or their Service goes, and
    /// the Private Link Service stays, since another Service shares its frontend. Who uses them reaches nothing any
    /// more, while the connections stay `Approved` on both sides.
    PORT_UNSERVED = "port-unserved", Warning, [Desired, Live, Predicted], {
        basis: basis::recorded("a Private Link Service stays while its frontend does (finding 2, recording 238)", basis::link::LINK),
        advice: "Keep what serves the ports until the consumers have moved, or let another Service on the \
            frontend serve them.",
        example: Example::live("a port goes that consumers can reach through a Private Link Service that stays"),
    }
}
