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

pub mod consumer;
pub mod dns_record;
pub mod endpoint_connection;
pub(crate) mod fields;
mod frontend_ip;
mod load_balancer;
pub mod private_endpoint;
pub(crate) mod private_link_service;
mod public_ip;
mod security_rule;
pub mod service;
pub(crate) mod sides;
mod subnet;

use std::collections::BTreeMap;
use std::ops::Bound;

use serde_json::Value;

use crate::kubernetes::service::{Key, Service};
use crate::node::consumer::Consumer;
use crate::resource_id::ResourceId;

/// One node as it stands in Azure.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Its id.
    pub id: ResourceId,
    /// The Service it belongs to.
    pub service: Option<Key>,
    /// What is compared and shown.
    pub fields: Value,
    /// What tells it from another resource of the same id, if there is such a thing.
    pub identity: Option<String>,
    /// Who is connected to it.
    pub consumers: Vec<Consumer>,
}

/// The Services whose names Azure's resources carry, by the base of those names.
#[derive(Clone, Debug, Default)]
pub struct Owners {
    bases: BTreeMap<String, Key>,
}

impl Owners {
    /// Services by what the controller names their resources after.
    pub fn of<'a>(services: impl IntoIterator<Item = &'a Service>) -> Self {
        let bases = services
            .into_iter()
            .filter(|service| !service.uid.is_empty())
            .map(|service| (base_name(&service.uid), service.key.clone()))
            .collect();
        Self { bases }
    }

    /// The Service that a resource of this name belongs to.
    pub fn of_name(&self, name: &str) -> Option<&Key> {
        // The base that prefixes a name is the last one that does not sort behind it.
        let (base, key) =
            self.bases.range::<str, _>((Bound::Unbounded, Bound::Included(name))).next_back()?;
        name.starts_with(base.as_str()).then_some(key)
    }
}

pub(crate) fn plain(id: &str, service: Option<&Key>, fields: Value) -> View {
    View {
        id: ResourceId::new(id),
        service: service.cloned(),
        fields,
        identity: None,
        consumers: Vec::new(),
    }
}

/// What the names of a Service's resources begin with (k8s.io/cloud-provider DefaultLoadBalancerName).
pub(crate) fn base_name(uid: &str) -> String {
    if crate::unknown::is_unknown(uid) {
        return format!("a{uid}");
    }
    format!("a{uid}").chars().filter(|c| *c != '-').take(32).collect()
}
