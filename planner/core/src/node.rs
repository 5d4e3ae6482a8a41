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
pub struct Node {
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

impl Node {
    /// What is compared and shown.
    pub fn fields(&self) -> &Value {
        &self.fields
    }
}

/// Another version of a resource, with its nodes.
pub(crate) type Known<'a, T> = Option<(&'a T, &'a [(NodeId, Arc<Node>)])>;

/// The Services that Azure's resources belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owners {
    /// By the base of the names that the controller gives to what it makes for them.
    bases: BTreeMap<String, Key>,
    /// Those that serve on a frontend that is not named after them, by its id in lower case.
    serving: BTreeMap<String, BTreeSet<Key>>,
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
    /// others serve on it (recording 238).
    fn serve(&mut self, balancer: &LoadBalancer) {
        for rule in balancer.properties.load_balancing_rules.iter().flatten() {
            let Some(frontend) = &rule.properties.frontend_ip_configuration else { continue };
            let name = frontend.id().rsplit('/').next().unwrap_or_default();
            // Both begin with the name of the Service they are of.
            if name.len() == BASE_LENGTH
                && rule.name().starts_with(name)
                && self.bases.contains_key(name)
            {
                continue;
            }
            let Some(key) = self.of_name(rule.name()) else { continue };
            if self.of_name(name) != Some(key) {
                let (key, frontend) = (key.clone(), ResourceId::new(frontend.id()));
                self.serving.entry(frontend.key()).or_default().insert(key);
            }
        }
    }

    /// The Service that a frontend belongs to: the one it is named after, and if that is gone, the first by
    /// namespace and name of those that serve on it.
    pub fn of_frontend(&self, frontend: &ResourceId) -> Option<&Key> {
        let serving = || self.serving.get(&frontend.key())?.first();
        self.of_name(frontend.name()).or_else(serving)
    }

    /// Those that serve on a frontend beside the one it is named after.
    pub fn sharing(&self, frontend: &ResourceId) -> impl Iterator<Item = &Key> {
        self.serving.get(&frontend.key()).into_iter().flatten()
    }

    /// The Service that a Private Link Service belongs to: of those on its frontend the one that its tag names, which
    /// alone can change its settings (findings 8 and F5), and else its frontend's.
    pub fn of_link(&self, link: &PrivateLinkService) -> Option<&Key> {
        let frontend = private_link_service::frontend(link)?;
        let first = self.of_frontend(&frontend)?;
        let owner = private_link_service::owner(link);
        let is_owner = |key: &Key| owner.as_ref().is_some_and(|owner| owner == key);
        if is_owner(first) {
            return Some(first);
        }
        self.sharing(&frontend).find(|key| is_owner(key)).or(Some(first))
    }

    /// The Service that a resource of this name belongs to.
    pub fn of_name(&self, name: &str) -> Option<&Key> {
        let is_lower = |it: &str| !it.bytes().any(|byte| byte.is_ascii_uppercase());
        // Names have no case to Azure, and the controller's begin in lower case.
        match (self.of_exact(name), name.get(..BASE_LENGTH)) {
            (None, Some(base)) if !is_lower(base) => self.of_exact(&base.to_ascii_lowercase()),
            (found, _) => found,
        }
    }

    fn of_exact(&self, name: &str) -> Option<&Key> {
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
) -> Node {
    Node {
        id: ResourceId::new(id),
        service: service.cloned(),
        fields: LazyLock::new(Box::new(fields)),
        identity: None,
        consumers: Vec::new(),
        subnet: None,
        frontend: None,
    }
}

/// How long the names are that the controller gives to what it makes for a Service.
const BASE_LENGTH: usize = 32;

/// What the names of a Service's resources begin with (k8s.io/cloud-provider DefaultLoadBalancerName).
pub(crate) fn base_name(uid: &str) -> String {
    if crate::unknown::is_unknown(uid) {
        return format!("a{uid}");
    }
    format!("a{uid}").chars().filter(|c| *c != '-').take(BASE_LENGTH).collect()
}
