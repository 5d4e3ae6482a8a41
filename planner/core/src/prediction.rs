//! What the controller will make of a change, from what is observed now.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::arm::allocator;
use crate::arm::resource::PrivateLinkService;
use crate::arm::rules::Rules;
use crate::arm::world::World;
use crate::controller::cluster::Cluster;
use crate::controller::outcome::Outcome;
use crate::controller::predict::{self, Change};
use crate::facts::Facts;
use crate::inventory::Inventory;
use crate::kubernetes::defaults::{self, Network, Unknowns};
use crate::kubernetes::node::Node;
use crate::kubernetes::server_side_apply::{self, Conflict, SERVICE, Writer};
use crate::kubernetes::service::{Key, Service};
use crate::marks::FIELD_MANAGER;
use crate::node::sides::{LiveNodes, Nodes};
use crate::node::{Owners, private_link_service, sides};

/// Azure and the Services before and after. Not to be changed once it is looked at: what follows from
/// it is kept.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// Azure as it was observed.
    pub before: World,
    /// Azure once the controller is done.
    pub after: World,
    /// The Services as they were observed.
    pub live: BTreeMap<Key, Arc<Service>>,
    /// The Services once the controller is done.
    pub services: BTreeMap<Key, Arc<Service>>,
    /// The Nodes.
    pub(crate) machines: Vec<Arc<Node>>,
    /// What each sync did, in order.
    pub outcomes: Vec<Outcome>,
    /// What second syncs do that the first leave undone, in order.
    pub finishing: Vec<Outcome>,
    /// Azure between the first syncs and the second, where there are any.
    between: Option<Box<World>>,
    /// Azure once privlink has written too, where it writes to ARM.
    pub(crate) written: Option<Box<World>>,
    allocator: allocator::Unknowns,
    /// The nodes of Azure as it was observed, where they were worked out already.
    pub(crate) live_nodes: Option<Arc<LiveNodes>>,
    derived: OnceLock<Box<Derived>>,
}

/// What follows from a prediction.
#[derive(Clone, Debug)]
struct Derived {
    owners: Arc<Owners>,
    nodes: (Nodes, Nodes),
    /// The Private Link Service of each Service, by its id in lower case, before and after.
    links: (BTreeMap<Key, String>, BTreeMap<Key, String>),
}

impl Prediction {
    /// The sync of a Service, if there was one.
    pub fn outcome(&self, service: &Key) -> Option<&Outcome> {
        self.outcomes.iter().rev().find(|outcome| &outcome.service == service)
    }

    /// All syncs, in order.
    pub fn syncs(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().chain(&self.finishing)
    }

    /// Azure once the first sync of each Service is done.
    pub fn between(&self) -> &World {
        self.between.as_deref().unwrap_or(&self.after)
    }

    /// Azure once all is done: what the controller makes of the Services, and what privlink writes to ARM. Of a
    /// write nobody knows the answer to, it shows nothing.
    pub fn done(&self) -> &World {
        self.written.as_deref().unwrap_or(&self.after)
    }

    /// A copy of Azure once the controller is done, and the allocator that continues with unknowns, for
    /// whoever writes after it.
    pub(crate) fn hand_over(&self) -> (World, allocator::Unknowns) {
        (self.after.clone(), self.allocator.clone())
    }

    /// What comes of changes once all that is predicted so far is done.
    pub fn then(&self, cluster: Cluster, changes: &[Change]) -> predict::Prediction {
        let cluster = Cluster { services: self.services.clone(), ..cluster };
        let (world, allocator) = (self.after.clone(), self.allocator.clone());
        predict::predict_after(world, cluster, changes, Rules::Azure, allocator)
    }

    /// Goes on with more first syncs.
    pub fn go_on(&mut self, then: predict::Prediction) {
        self.after = then.world;
        self.services = then.services;
        self.outcomes.extend(then.outcomes);
        self.allocator = then.allocator;
    }

    /// Goes on with second syncs.
    pub fn finish(&mut self, then: predict::Prediction) {
        self.between = Some(Box::new(std::mem::replace(&mut self.after, then.world)));
        self.services = then.services;
        self.finishing = then.outcomes;
        self.allocator = then.allocator;
    }

    fn derived(&self) -> &Derived {
        self.derived.get_or_init(|| {
            let services = self.live.values().chain(self.services.values());
            let owners = Owners::of(
                services.map(AsRef::as_ref),
                &[&self.before, self.between(), &self.after],
            );
            let owners = Arc::new(owners);
            let nodes =
                sides::nodes(&self.before, &self.after, &owners, self.live_nodes.as_deref());
            let links = (links(&self.before, &owners), links(&self.after, &owners));
            Box::new(Derived { owners, nodes, links })
        })
    }

    /// Whose names Azure's resources carry, before or after.
    pub fn owners(&self) -> &Owners {
        &self.derived().owners
    }

    /// Azure's nodes before, addressed as those after.
    pub fn nodes_before(&self) -> &Nodes {
        &self.derived().nodes.0
    }

    /// Azure's nodes after, addressed as those before.
    pub fn nodes_after(&self) -> &Nodes {
        &self.derived().nodes.1
    }

    /// The Private Link Service through which a Service was reached: the one on a frontend that has a
    /// rule of the Service, and where none has, the one that is the Service's own.
    pub fn link_before(&self, service: &Key) -> Option<&PrivateLinkService> {
        let id = self.derived().links.0.get(service)?;
        self.before.private_link_services.get(id).map(AsRef::as_ref)
    }

    /// The ids of the Private Link Services through which Services are reached, in lower case.
    pub(crate) fn links_before(&self) -> &BTreeMap<Key, String> {
        &self.derived().links.0
    }

    /// The ids of the Private Link Services through which Services will be reached, in lower case.
    pub(crate) fn links_after(&self) -> &BTreeMap<Key, String> {
        &self.derived().links.1
    }

    /// The Services that will be reached through a Private Link Service.
    pub(crate) fn reached_through(&self, link: &PrivateLinkService) -> BTreeSet<&Key> {
        let is_it = |id: &str| id.eq_ignore_ascii_case(link.id());
        let links = self.links_after().iter().filter(|(_, id)| is_it(id));
        links.map(|(service, _)| service).collect()
    }

    /// The Private Link Service through which a Service will be reached.
    pub fn link_after(&self, service: &Key) -> Option<&PrivateLinkService> {
        let id = self.derived().links.1.get(service)?;
        self.after.private_link_services.get(id).map(AsRef::as_ref)
    }
}

/// The Private Link Service of each Service; of several, the first by id.
fn links(world: &World, owners: &Owners) -> BTreeMap<Key, String> {
    let mut users: BTreeMap<String, BTreeSet<&Key>> = BTreeMap::new();
    for balancer in world.load_balancers.values() {
        for rule in balancer.properties.load_balancing_rules.iter().flatten() {
            let frontend = rule.properties.frontend_ip_configuration.as_ref();
            if let (Some(frontend), Some(key)) = (frontend, owners.of_name(rule.name())) {
                users.entry(frontend.id().to_ascii_lowercase()).or_default().insert(key);
            }
        }
    }
    let mut links = BTreeMap::new();
    for (id, link) in &world.private_link_services {
        let Some(frontend) = private_link_service::frontend(link) else { continue };
        for service in users.get(&frontend.key()).into_iter().flatten() {
            links.entry((*service).clone()).or_insert_with(|| id.clone());
        }
    }
    // Rules that somebody deleted do not make it another's.
    for (id, link) in &world.private_link_services {
        if let Some(service) = owners.of_link(link) {
            links.entry(service.clone()).or_insert_with(|| id.clone());
        }
    }
    links
}

/// The cluster as the controller sees it.
pub fn cluster(live: &Inventory<'_>, facts: &Facts) -> Cluster {
    Cluster {
        facts: Arc::new(facts.clone()),
        nodes: live.controller_nodes().map(Arc::new).collect(),
        services: live.services().clone(),
        ..Cluster::default()
    }
}

/// Predicts what comes of changes to Services.
pub fn predict(before: World, cluster: Cluster, changes: &[Change]) -> Prediction {
    let (live, machines) = (cluster.services.clone(), cluster.nodes.clone());
    let predicted = predict::predict(before.clone(), cluster, changes, Rules::Azure);
    Prediction {
        before,
        after: predicted.world,
        live,
        services: predicted.services,
        machines,
        outcomes: predicted.outcomes,
        finishing: Vec::new(),
        between: None,
        written: None,
        allocator: predicted.allocator,
        live_nodes: None,
        derived: OnceLock::new(),
    }
}

/// A Service as the API server stores it once a field manager applies a manifest and takes the fields that
/// others own.
pub(crate) fn stored_by(
    manifest: &Value,
    live: Option<&Value>,
    facts: &Facts,
    manager: &str,
) -> Result<Value, Vec<Conflict>> {
    let writer = Writer { manager, api_version: "v1", time: "", subresource: None };
    let merged = server_side_apply::apply(&SERVICE, live, manifest, &writer, true)?;
    let network = Network { ip_families: facts.ip_families.clone() };
    Ok(match live {
        None => defaults::create(merged, &network, &mut Unknowns),
        Some(live) => defaults::update(merged, live, &network, &mut Unknowns),
    })
}

/// A Service as the API server will store it once a manifest is applied, whoever applies it: fields
/// that others own are taken. A Service that is not there yet gets `uid`, or an unknown one.
///
/// # Errors
///
/// When the manifest has no name.
pub fn stored(
    manifest: &Value,
    live: Option<&Value>,
    facts: &Facts,
    uid: Option<&str>,
) -> Result<Service, String> {
    let mut object = stored_by(manifest, live, facts, FIELD_MANAGER)
        .map_err(|conflicts| server_side_apply::conflict_message(&conflicts))?;
    if let (None, Some(uid)) = (live, uid)
        && let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut)
    {
        metadata.insert("uid".to_owned(), uid.into());
    }
    Service::from_value(object)
}
