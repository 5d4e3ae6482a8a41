//! What the API server makes of a Service: what it fills in when one is created, and what it keeps
//! when one is updated.

mod fill;

use serde_json::Value;

use crate::unknown;

use super::service::Key;

/// What of the cluster the API server's defaults depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// The IP families of Services; the first is the default.
    pub ip_families: Vec<String>,
}

impl Default for Network {
    fn default() -> Self {
        Self { ip_families: vec!["IPv4".to_owned()] }
    }
}

/// Allocates what the API server allocates.
pub trait Allocator {
    /// A uid.
    fn uid(&mut self, service: &Key) -> Value;
    /// A cluster IP of a family.
    fn cluster_ip(&mut self, service: &Key, family: &str) -> Value;
    /// A node port; `port` tells it from others of the Service (`80/TCP`, `health-check`).
    fn node_port(&mut self, service: &Key, port: &str) -> Value;
}

/// The allocator of a prediction: everything it allocates is unknown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unknowns;

impl Allocator for Unknowns {
    fn uid(&mut self, service: &Key) -> Value {
        Value::from(unknown::mark("uid", &service.to_string()))
    }

    fn cluster_ip(&mut self, service: &Key, family: &str) -> Value {
        Value::from(unknown::mark("clusterIP", &format!("{service} {family}")))
    }

    fn node_port(&mut self, service: &Key, port: &str) -> Value {
        Value::from(unknown::mark("node port", &format!("{service} {port}")))
    }
}

/// A Service's namespace and name, as its object says.
pub fn key_of(service: &Value) -> Key {
    fill::key_of(service)
}

/// The Service as the API server reads it from a request: with the defaults that depend on nothing but
/// itself, which count as written by whoever wrote the request (unless it is an apply).
pub fn read(service: Value) -> Value {
    fill::defaulted(service)
}

/// The Service as the API server would store it on creation.
pub fn create(service: Value, network: &Network, allocator: &mut dyn Allocator) -> Value {
    let mut service = fill::defaulted(service);
    let key = fill::key_of(&service);
    fill::share_node_ports(&mut service, &key, allocator);
    fill::allocate(&mut service, None, network, allocator);
    if let Some(metadata) = service.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.entry("namespace").or_insert_with(|| key.namespace.clone().into());
        metadata.entry("uid").or_insert_with(|| allocator.uid(&key));
    }
    service
}

/// The Service as the API server would store it when it replaces `live`: `service` is the whole new
/// object (what server-side apply merged).
pub fn update(
    service: Value,
    live: &Value,
    network: &Network,
    allocator: &mut dyn Allocator,
) -> Value {
    let mut service = fill::defaulted(service);
    fill::keep_allocated(&mut service, live);
    fill::drop_what_the_type_has_not(&mut service, live);
    fill::allocate(&mut service, Some(live), network, allocator);
    service
}

#[cfg(test)]
mod tests;
