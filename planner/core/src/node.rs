//! What an object IS: its address, its id, whose it is, what of it is compared. One file for each kind,
//! with the same function names in each:
//!
//! | function | what |
//! |---|---|
//! | `address` | the node's address |
//! | `id` | its id in Azure |
//! | `stack_of` | the stack whose mark a live one carries |
//! | `node`, `nodes` | what is compared and shown of one in Azure, under the address of its Service |
//! | `comparable` | what is compared of an object that privlink writes |
//! | `bound` | what a saved plan holds on to |
//! | `identity` | what tells it from another of the same id |

pub mod dns_record;
pub mod endpoint_connection;
pub(crate) mod fields;
mod frontend_ip;
mod kept;
mod load_balancer;
pub mod private_endpoint;
pub(crate) mod private_link_service;
mod public_ip;
mod security_rule;
pub mod service;
pub(crate) mod sides;
mod subnet;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, LazyLock};

use serde_json::{Map, Value};

use crate::arm::resource::{LoadBalancer, PrivateLinkService};
use crate::arm::world::World;
use crate::consumer::Consumer;
use crate::kubernetes::service::{Key, Service};
use crate::node_id::NodeId;
use crate::resource_id::ResourceId;

/// One node as it stands in Azure.
#[derive(Debug)]
pub struct View {
    /// Its id.
    pub id: ResourceId,
    /// The Service it belongs to.
    pub service: Option<Key>,
    fields: Fields,
    /// What tells it from another resource of the same id, if there is such a thing.
    pub identity: Option<String>,
    /// Who is connected to it.
    pub consumers: Vec<Consumer>,
    /// The subnet that it takes its addresses from.
    pub(crate) subnet: Option<ResourceId>,
    /// The frontend that it is on.
    pub(crate) frontend: Option<ResourceId>,
}

/// Made of the resource when somebody looks: most nodes are the same before and after, and nobody does.
type Fields = LazyLock<Value, Box<dyn FnOnce() -> Value + Send + Sync>>;

impl View {
    /// What is compared and shown.
    pub fn fields(&self) -> &Value {
        &self.fields
    }
}

/// Another version of a resource, with its nodes.
pub(crate) type Known<'a, T> = Option<(&'a T, &'a [(NodeId, Arc<View>)])>;

/// The Services that Azure's resources belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owners {
    /// By the base of the names that the controller gives to what it makes for them.
    bases: BTreeMap<String, Key>,
    /// By frontends that are named after no Service and that they serve on, in lower case.
    serving: BTreeMap<String, Key>,
}

impl Owners {
    /// Services by what the controller names their resources after, and by the rules they have on frontends
    /// of these worlds.
    pub fn of<'a>(services: impl IntoIterator<Item = &'a Service>, worlds: &[&World]) -> Self {
        let bases = services
            .into_iter()
            .filter(|service| !service.uid.is_empty())
            .map(|service| (base_name(&service.uid), service.key.clone()))
            .collect();
        let mut owners = Self { bases, serving: BTreeMap::new() };
        for world in worlds {
            world.load_balancers.values().for_each(|balancer| owners.serve(balancer));
        }
        owners
    }

    /// A frontend is named after the Service that was first on it, and stays when that one is deleted while
    /// others serve on it (recording 238). Of several, the first by namespace and name speaks for it.
    fn serve(&mut self, balancer: &LoadBalancer) {
        let frontends = balancer.properties.frontend_ip_configurations.iter().flatten();
        let id = ResourceId::new(balancer.id());
        let nameless: BTreeSet<String> = frontends
            .filter(|frontend| self.of_name(frontend.name()).is_none())
            .map(|frontend| id.child("frontendIPConfigurations", frontend.name()).key())
            .collect();
        if nameless.is_empty() {
            return;
        }
        for rule in balancer.properties.load_balancing_rules.iter().flatten() {
            let Some(frontend) = &rule.properties.frontend_ip_configuration else { continue };
            let frontend = frontend.id().to_lowercase();
            let Some(key) = self.of_name(rule.name()).cloned() else { continue };
            if !nameless.contains(&frontend) {
                continue;
            }
            let first = self.serving.entry(frontend).or_insert_with(|| key.clone());
            if key < *first {
                *first = key;
            }
        }
    }

    /// The Service that a frontend belongs to: the one it is named after, and if that is gone, one that
    /// serves on it.
    pub fn of_frontend(&self, frontend: &ResourceId) -> Option<&Key> {
        self.of_name(frontend.name()).or_else(|| self.serving.get(&frontend.key()))
    }

    /// The Service that a Private Link Service belongs to: its frontend's.
    pub fn of_link(&self, link: &PrivateLinkService) -> Option<&Key> {
        self.of_frontend(&private_link_service::frontend(link)?)
    }

    /// The Service that a resource of this name belongs to.
    pub fn of_name(&self, name: &str) -> Option<&Key> {
        // The base that prefixes a name is the last one that does not sort behind it.
        let (base, key) =
            self.bases.range::<str, _>((Bound::Unbounded, Bound::Included(name))).next_back()?;
        name.starts_with(base.as_str()).then_some(key)
    }
}

/// What tells what has an id from another of the same id.
pub(crate) fn identity(world: &World, id: &ResourceId) -> Option<String> {
    let key = id.key();
    if let Some(link) = world.private_link_services.get(&key) {
        return private_link_service::identity(link).map(ToOwned::to_owned);
    }
    let balancer = world.load_balancers.get(&key).map(|it| it.properties.resource_guid.clone());
    balancer.or_else(|| {
        let other = |it: &Map<String, Value>| Some(it.get("resourceGuid")?.as_str()?.to_owned());
        let group = world.network_security_groups.get(&key).map(|it| other(&it.properties.other));
        group.or_else(|| world.public_ip_addresses.get(&key).map(|it| other(&it.properties.other)))
    })?
}

pub(crate) fn plain(
    id: &str,
    service: Option<&Key>,
    fields: impl FnOnce() -> Value + Send + Sync + 'static,
) -> View {
    View {
        id: ResourceId::new(id),
        service: service.cloned(),
        fields: LazyLock::new(Box::new(fields)),
        identity: None,
        consumers: Vec::new(),
        subnet: None,
        frontend: None,
    }
}

/// What the names of a Service's resources begin with (k8s.io/cloud-provider DefaultLoadBalancerName).
pub(crate) fn base_name(uid: &str) -> String {
    if crate::unknown::is_unknown(uid) {
        return format!("a{uid}");
    }
    format!("a{uid}").chars().filter(|c| *c != '-').take(32).collect()
}
