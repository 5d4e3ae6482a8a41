//! Two snapshots, node by node and field by field.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::arm::arm_type::ArmType;
use crate::change::FieldDiff;
use crate::field_diff::fields as compared;
use crate::inventory::Inventory;
use crate::node::endpoint_connection::address as connection_address;
use crate::node::service::comparable;
use crate::node::sides::Nodes;
use crate::node::{Owners, dns_record, private_endpoint, sides};
use crate::node_id::{Kind, NodeId};
use crate::resource_id::ResourceId;
use crate::snapshot::{Observation, Reading};

/// The version of the comparison's JSON. Minor: a new optional field; major: all else.
pub const FORMAT_VERSION: &str = "2.0";

/// What differs between two snapshots.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotDiff {
    /// See [`FORMAT_VERSION`].
    pub format_version: String,
    /// When the first was taken.
    pub old: String,
    /// When the second was taken.
    pub new: String,
    /// The objects that differ, in order of address.
    #[serde(rename = "objects")]
    pub nodes: Vec<NodeDiff>,
    /// What one of them does not show, so that it was not compared.
    pub not_compared: Vec<String>,
}

/// One object that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeDiff {
    /// The object.
    pub address: NodeId,
    /// The object in its own control plane: an ARM id, or `namespace/name`.
    pub object: String,
    /// What became of it.
    pub what: What,
    /// The fields that differ; none of an object that was created or deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldDiff>,
}

/// What became of an object.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// It came.
    Added,
    /// It changed in place.
    Changed,
    /// It is another one of the same name, by its uid, guid or alias.
    Recreated,
    /// It went.
    Removed,
}

impl What {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Recreated => "re-created",
            Self::Removed => "removed",
        }
    }
}

/// A node as one snapshot shows it.
struct Shown {
    object: String,
    identity: Option<(&'static str, String)>,
    fields: Value,
}

/// Compares two snapshots. What one of them does not show is not compared.
pub fn compare(old: &Inventory<'_>, new: &Inventory<'_>) -> SnapshotDiff {
    let mut not_compared = BTreeSet::new();
    let sides_seen = [old, new];
    let services = sides_seen.iter().flat_map(|it| it.services().values());
    let worlds = [old.world(), new.world()];
    let owners = Owners::of(services.map(AsRef::as_ref), &worlds);
    let mut sides = [BTreeMap::new(), BTreeMap::new()];
    if sides_seen.iter().all(|it| it.services_unread().is_none()) {
        for (side, seen) in sides.iter_mut().zip(&sides_seen) {
            for (key, service) in seen.services() {
                let mut fields = comparable(&service.object);
                if let Some(fields) = fields.as_object_mut() {
                    let status = json!({"loadBalancer": {"ingress": service.ingress}});
                    fields.insert("status".to_owned(), status);
                }
                let identity = Some(("metadata.uid", service.uid.clone()));
                let at = NodeId::new(Kind::Service, key.to_string());
                side.insert(at, Shown { object: key.to_string(), identity, fields });
            }
        }
    } else {
        not_compared.insert("Services".to_owned());
    }
    let (before, after) = sides::nodes(worlds[0], worlds[1], &Arc::new(owners), None);
    for (side, nodes) in sides.iter_mut().zip([before, after]) {
        take(side, nodes);
    }
    for (side, seen) in sides.iter_mut().zip(sides_seen) {
        others(side, seen);
    }
    for (path, _) in old.lists().chain(new.lists()) {
        let readable = |live: &Inventory<'_>| {
            matches!(live.list(path), Some(Reading::Present(_) | Reading::Absent))
        };
        if !readable(old) || !readable(new) {
            not_compared.insert(path.to_owned());
        }
    }
    let [old_nodes, new_nodes] = sides;
    let addresses: BTreeSet<&NodeId> = old_nodes.keys().chain(new_nodes.keys()).collect();
    let nodes = addresses
        .into_iter()
        .filter_map(|at| {
            let (before, after) = (old_nodes.get(at), new_nodes.get(at));
            let shown = before.or(after)?;
            let known = |live: &Inventory<'_>| shows(live, at, &shown.object);
            if known(old) && known(new) { node(at, before, after) } else { None }
        })
        .collect();
    SnapshotDiff {
        format_version: FORMAT_VERSION.to_owned(),
        old: old.taken_at().to_owned(),
        new: new.taken_at().to_owned(),
        nodes,
        not_compared: not_compared.into_iter().collect(),
    }
}

/// Whether an inventory would show an object if it were there.
fn shows(live: &Inventory<'_>, at: &NodeId, object: &str) -> bool {
    if at.kind == Kind::Service {
        return live.services_unread().is_none();
    }
    // A child is shown with what holds it, and a connection with its Private Link Service.
    let mut id = Some(ResourceId::new(object));
    while let Some(it) = id {
        match live.resource(&it) {
            Observation::Present(_) | Observation::Absent => return true,
            Observation::Unreadable(_) => return false,
            Observation::NotObserved => {
                id = it.parent().filter(|it| it.segment("providers").is_some())
            }
        }
    }
    false
}

fn take(side: &mut BTreeMap<NodeId, Shown>, nodes: Nodes) {
    for (at, node) in nodes {
        for consumer in &node.consumers {
            let at = connection_address(&consumer.endpoint, &BTreeMap::new());
            let fields = json!({
                "privateLinkService": node.id.name(),
                "status": consumer.status,
                "requestMessage": consumer.request_message,
            });
            let name = ResourceId::new(&consumer.endpoint).name().to_owned();
            let object = node.id.child("privateEndpointConnections", &name).as_str().to_owned();
            side.insert(at, Shown { object, identity: None, fields });
        }
        let identity = match at.kind {
            Kind::FrontendIp => Some(("name", node.id.name().to_owned())),
            Kind::PrivateLinkService => node.identity.clone().map(|it| ("properties.alias", it)),
            _ => node.identity.clone().map(|it| ("properties.resourceGuid", it)),
        };
        let object = node.id.as_str().to_owned();
        side.insert(at, Shown { object, identity, fields: node.fields().clone() });
    }
}

/// Endpoints and their names.
fn others(side: &mut BTreeMap<NodeId, Shown>, live: &Inventory<'_>) {
    let endpoints = format!("/{}", ArmType::PrivateEndpoint.key());
    for (path, reading) in live.lists() {
        let Reading::Present(list) = reading else { continue };
        let (kind, fields): (Kind, fn(&Value) -> Value) = if path.ends_with(&endpoints) {
            (Kind::PrivateEndpoint, private_endpoint::bound)
        } else if path.contains("/privatednszones/") || path.ends_with("/privatednszonegroups") {
            (Kind::DnsRecord, dns_record::bound)
        } else {
            continue;
        };
        for resource in list {
            let text = |pointer: &str| resource.pointer(pointer).and_then(Value::as_str);
            let Some(id) = text("/id").map(ResourceId::new) else { continue };
            let part = |it: Option<&str>| it.unwrap_or_default().to_owned();
            let name = match kind {
                Kind::PrivateEndpoint => {
                    let (subscription, group) =
                        (part(id.subscription()), part(id.resource_group()));
                    format!("{subscription}/{group}/{}", id.name())
                }
                _ => {
                    let holder = id.parent().map(|it| it.name().to_owned());
                    format!("{}/{}", holder.unwrap_or_default(), id.name())
                }
            };
            let guid = text("/properties/resourceGuid").map(ToOwned::to_owned);
            let shown = Shown {
                object: id.as_str().to_owned(),
                identity: guid.map(|guid| ("properties.resourceGuid", guid)),
                fields: fields(resource),
            };
            side.insert(NodeId::new(kind, name), shown);
        }
    }
}

fn node(at: &NodeId, before: Option<&Shown>, after: Option<&Shown>) -> Option<NodeDiff> {
    let object = after.or(before)?.object.clone();
    let (what, fields) = match (before, after) {
        (None, _) => (What::Added, Vec::new()),
        (_, None) => (What::Removed, Vec::new()),
        (Some(before), Some(after)) => {
            let mut fields = compared(Some(&before.fields), Some(&after.fields));
            let identities = before.identity.as_ref().zip(after.identity.as_ref());
            match identities.filter(|(old, new)| old.1 != new.1) {
                Some((old, new)) => {
                    fields.retain(|field| field.path != old.0);
                    let identity = FieldDiff::new(
                        old.0,
                        Some(old.1.clone().into()),
                        Some(new.1.clone().into()),
                    );
                    fields.insert(0, identity);
                    (What::Recreated, fields)
                }
                None if fields.is_empty() => return None,
                None => (What::Changed, fields),
            }
        }
    };
    Some(NodeDiff { address: at.clone(), object, what, fields })
}
