//! What a saved plan is bound to: the objects it is about, as they were when it was made.
//!
//! Only fields the plan used are kept. The load balancer itself, its pools and the subnet are not: they
//! are shared, and rewritten whenever nodes scale or another Service changes, without making a plan
//! about this Service's frontend stale. Etags and resource versions never count.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::change::show_value;
use crate::field_diff;
use crate::inventory::Inventory;
use crate::kubernetes::service::Key;
use crate::node::{dns_record, private_endpoint};
use crate::node_id::{Kind, NodeId};
use crate::plan::Plan;
use crate::resource_id::ResourceId;
use crate::snapshot::Observation;

/// One object as it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    /// The object.
    pub address: NodeId,
    /// The object: an ARM id, or `namespace/name`.
    pub object: String,
    /// What the plan used of it; null if it was not there.
    pub observed: Value,
}

/// A field that moved since a plan was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Moved {
    /// The object.
    pub address: NodeId,
    /// The field; empty for the whole object.
    pub field: String,
    /// What it was.
    pub then: Option<Value>,
    /// What it is.
    pub now: Option<Value>,
}

impl std::fmt::Display for Moved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { address, field, then, now } = self;
        let side = |value: &Option<Value>| match value {
            None | Some(Value::Null) => "not there".to_owned(),
            Some(_) if field.is_empty() => "there".to_owned(),
            Some(value) => show_value(value.clone()).to_string(),
        };
        let of = if field.is_empty() { "" } else { " " };
        write!(f, "{address}{of}{field} was {}, and is {}", side(then), side(now))
    }
}

/// Binds a plan to what is live of the objects it is about: those that change, and of a plan that
/// changes nothing, which says that all is as it should be, its `subjects` by their object.
pub fn bind(
    plan: &Plan,
    subjects: &BTreeMap<NodeId, String>,
    live: &Inventory<'_>,
) -> Vec<Binding> {
    let changed = plan.changes.iter().filter(|change| change.is_change());
    let changed = changed.filter_map(|it| Some((&it.address, it.object.as_ref()?)));
    let mut about: BTreeMap<&NodeId, &String> = changed.collect();
    if plan.is_empty() {
        about.extend(subjects);
    }
    let bound = |(address, object): (&NodeId, &String)| {
        let observed = observed(live, address, object)?;
        Some(Binding { address: address.clone(), object: object.clone(), observed })
    };
    about.into_iter().filter_map(bound).collect()
}

/// What moved since: empty for a plan that is not stale.
pub fn moved(bindings: &[Binding], live: &Inventory<'_>) -> Vec<Moved> {
    let mut moved = Vec::new();
    for Binding { address, object, observed: then } in bindings {
        let now = observed(live, address, object).unwrap_or(Value::Null);
        if *then == now {
            continue;
        }
        let present = |value: &Value| (!value.is_null()).then(|| value.clone());
        let (then, now) = (present(then), present(&now));
        if then.is_none() || now.is_none() {
            let field = String::new();
            moved.push(Moved { address: address.clone(), field, then, now });
            continue;
        }
        for field in field_diff::fields(then.as_ref(), now.as_ref()) {
            moved.push(Moved {
                address: address.clone(),
                field: field.path,
                then: field.before,
                now: field.after,
            });
        }
    }
    moved
}

/// What a plan uses of an object; nothing for kinds that plans are not bound to.
fn observed(live: &Inventory<'_>, address: &NodeId, object: &str) -> Option<Value> {
    match address.kind {
        Kind::LoadBalancer | Kind::BackendPool | Kind::SecurityRule | Kind::Subnet => None,
        Kind::EndpointConnection => None,
        Kind::Service => Some(service(live, &address.name)),
        Kind::FrontendIp | Kind::PublicIp | Kind::PrivateLinkService => {
            let node = live.nodes().get(address);
            Some(node.map_or(Value::Null, |node| {
                let consumers: Vec<Value> = node
                    .consumers
                    .iter()
                    .map(|it| json!({"name": it.endpoint, "status": it.status}))
                    .collect();
                json!({
                    "id": node.id.key(),
                    "identity": node.identity,
                    "fields": node.fields(),
                    "consumers": consumers,
                })
            }))
        }
        Kind::PrivateEndpoint => Some(resource(live, object, private_endpoint::bound)),
        Kind::DnsRecord => Some(resource(live, object, dns_record::bound)),
    }
}

fn service(live: &Inventory<'_>, name: &str) -> Value {
    if !live.has_read_services() {
        return json!("unreadable");
    }
    let key = name.split_once('/').map(|(namespace, name)| Key::new(namespace, name));
    key.and_then(|key| live.service(&key)).map_or(Value::Null, crate::node::service::bound)
}

fn resource(live: &Inventory<'_>, id: &str, used: fn(&Value) -> Value) -> Value {
    match live.resource(&ResourceId::new(id)) {
        Observation::Present(resource) => used(resource),
        Observation::Absent | Observation::NotObserved => Value::Null,
        Observation::Unreadable(why) => json!(format!("unreadable: {why}")),
    }
}
