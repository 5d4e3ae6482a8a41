//! What a saved plan is bound to: the objects it is about, as they were when it was made.
//!
//! Only fields the plan used are kept. The load balancer itself, its pools and the subnet are not: they
//! are shared, and rewritten whenever nodes scale or another Service changes, without making a plan
//! about this Service's frontend stale. Etags and resource versions never count.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::address::{Address, Kind};
use crate::change::show_value;
use crate::field_diff;
use crate::inventory::Inventory;
use crate::node::{dns_record, private_endpoint};
use crate::plan::Plan;
use crate::pointer::At;
use crate::resource_id::ResourceId;
use crate::snapshot::{Observation, Reading, Snapshot};

/// One object as it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    /// The object.
    pub address: Address,
    /// The object: an ARM id, or `namespace/name`.
    pub object: String,
    /// What the plan used of it; null if it was not there.
    pub observed: Value,
}

/// A field that moved since a plan was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Moved {
    /// The object.
    pub address: Address,
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

/// Binds a plan to what a snapshot shows of the objects it is about: those that change, and of a plan that
/// changes nothing, which says that all is as it should be, its `subjects` by their object.
pub fn bind(
    plan: &Plan,
    subjects: &BTreeMap<Address, String>,
    snapshot: &Snapshot,
) -> Vec<Binding> {
    let live = Live::of(snapshot);
    let changed = plan.changes.iter().filter(|change| change.is_change());
    let changed = changed.filter_map(|it| Some((&it.address, it.object.as_ref()?)));
    let mut about: BTreeMap<&Address, &String> = changed.collect();
    if plan.is_empty() {
        about.extend(subjects);
    }
    let bound = |(address, object): (&Address, &String)| {
        let observed = live.observed(address, object)?;
        Some(Binding { address: address.clone(), object: object.clone(), observed })
    };
    about.into_iter().filter_map(bound).collect()
}

/// What moved since: empty for a plan that is not stale.
pub fn moved(bindings: &[Binding], snapshot: &Snapshot) -> Vec<Moved> {
    let live = Live::of(snapshot);
    let mut moved = Vec::new();
    for Binding { address, object, observed } in bindings {
        let now = live.observed(address, object).unwrap_or(Value::Null);
        if *observed == now {
            continue;
        }
        let present = |value: &Value| (!value.is_null()).then(|| value.clone());
        let (then, now) = (present(observed), present(&now));
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

/// A snapshot, by node.
struct Live<'a> {
    snapshot: &'a Snapshot,
    inventory: Inventory,
}

impl<'a> Live<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        Self { snapshot, inventory: Inventory::of(snapshot) }
    }

    /// What a plan uses of an object; nothing for kinds that plans are not bound to.
    fn observed(&self, address: &Address, object: &str) -> Option<Value> {
        match address.kind {
            Kind::LoadBalancer | Kind::BackendPool | Kind::SecurityRule | Kind::Subnet => None,
            Kind::EndpointConnection => None,
            Kind::Service => Some(self.service(&address.name)),
            Kind::FrontendIp | Kind::PublicIp | Kind::PrivateLinkService => {
                let node = self.inventory.nodes().get(address);
                Some(node.map_or(Value::Null, |view| {
                    let consumers: Vec<Value> = view
                        .consumers
                        .iter()
                        .map(|it| json!({"name": it.endpoint, "status": it.status}))
                        .collect();
                    json!({
                        "id": view.id.key(),
                        "identity": view.identity,
                        "fields": view.fields,
                        "consumers": consumers,
                    })
                }))
            }
            Kind::PrivateEndpoint => Some(self.resource(object, private_endpoint::bound)),
            Kind::DnsRecord => Some(self.resource(object, dns_record::bound)),
        }
    }

    fn service(&self, name: &str) -> Value {
        let services = &self.snapshot.kubernetes.services;
        if !matches!(services, Reading::Present(_)) {
            return json!("unreadable");
        }
        let is_it = |object: &&Value| {
            let text = |pointer: &str| object.at(pointer).and_then(Value::as_str);
            let (namespace, own) = (text("/metadata/namespace"), text("/metadata/name"));
            name.split_once('/') == namespace.zip(own)
        };
        services.objects().find(is_it).map_or(Value::Null, crate::node::service::bound)
    }

    fn resource(&self, id: &str, used: fn(&Value) -> Value) -> Value {
        match self.snapshot.resource(&ResourceId::new(id)) {
            Observation::Present(resource) => used(resource),
            Observation::Absent | Observation::NotObserved => Value::Null,
            Observation::Unreadable(why) => json!(format!("unreadable: {why}")),
        }
    }
}
