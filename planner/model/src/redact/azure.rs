//! Lists of Azure's resources.

use serde_json::{Map, Value, json};

use crate::facts::POOL_TAG;
use crate::kubernetes::service::Key;
use crate::marks::STACK_TAG;

use super::kubernetes::renamed;
use super::pseudonym::Pseudonyms;
use crate::snapshot::List;

/// The resources of one list.
pub(super) fn list(names: &Pseudonyms<'_>, path: &str, list: &List) -> List {
    list.iter().map(|resource| self::resource(names, path, resource).into()).collect()
}

fn resource(names: &Pseudonyms<'_>, path: &str, resource: &Value) -> Value {
    let mut kept = resource.clone();
    let id = resource.get("id").and_then(Value::as_str).unwrap_or_default();
    let kind = path.rsplit('/').next().unwrap_or_default().to_lowercase();
    let is_own = names.is_own(id);
    if let Some(fields) = kept.as_object_mut() {
        // Who changed it last is a person.
        fields.shift_remove("systemData");
        fields.shift_remove("identity");
        tags(names, fields);
    }
    if let Some(properties) = kept.get_mut("properties") {
        let used = match kind.as_str() {
            "virtualnetworklinks" => Some(OF_LINK),
            _ if !is_own => Some(OF_OTHERS),
            "managedclusters" => Some(OF_CLUSTER),
            "virtualmachinescalesets" => Some(OF_SCALE_SET),
            "virtualnetworks" => Some(OF_NETWORK),
            "a" if !is_named(names, resource) => Some(&[][..]),
            _ => None,
        };
        if let Some(used) = used {
            only(properties, used);
        }
        if kind == "privatelinkservices" {
            anonymous(properties);
        }
        if !is_own {
            rename(names, properties);
        }
    }
    let mut kept = names.value("", &kept);
    if kind == "a" && !is_named(names, resource) {
        rename_record(names, &mut kept);
    }
    kept
}

/// What a plan reads of endpoints and interfaces of others.
const OF_OTHERS: &[&str] = &[
    "actionsRequired",
    "description",
    "groupIds",
    "id",
    "manualPrivateLinkServiceConnections",
    "name",
    "networkInterfaces",
    "privateLinkServiceConnectionState",
    "privateLinkServiceConnections",
    "privateLinkServiceId",
    "properties",
    "provisioningState",
    "requestMessage",
    "resourceGuid",
    "status",
    "subnet",
];

/// What a plan reads of a private DNS zone's link to a virtual network.
const OF_LINK: &[&str] = &["id", "provisioningState", "virtualNetwork", "virtualNetworkLinkState"];

/// What the facts read of the AKS cluster.
const OF_CLUSTER: &[&str] = &[
    "agentPoolProfiles",
    "availabilityZones",
    "backendPoolType",
    "clusterServiceLoadBalancerHealthProbeMode",
    "ipFamilies",
    "kubernetesVersion",
    "loadBalancerProfile",
    "loadBalancerSku",
    "mode",
    "name",
    "networkPlugin",
    "networkProfile",
    "nodeResourceGroup",
    "outboundType",
    "powerState",
    "provisioningState",
    "serviceMeshProfile",
    "type",
    "vnetSubnetID",
];

/// What the model reads of a scale set.
const OF_SCALE_SET: &[&str] = &[
    "id",
    "ipConfigurations",
    "loadBalancerBackendAddressPools",
    "name",
    "networkInterfaceConfigurations",
    "networkProfile",
    "networkSecurityGroup",
    "orchestrationMode",
    "primary",
    "privateIPAddressVersion",
    "properties",
    "provisioningState",
    "subnet",
    "virtualMachineProfile",
];

/// What the model reads of a virtual network. Whom it is peered with is left out.
const OF_NETWORK: &[&str] = &[
    "addressPrefix",
    "addressPrefixes",
    "addressSpace",
    "dhcpOptions",
    "dnsServers",
    "id",
    "name",
    "networkSecurityGroup",
    "privateEndpointNetworkPolicies",
    "privateLinkServiceNetworkPolicies",
    "properties",
    "provisioningState",
    "resourceGuid",
    "subnets",
    "type",
];

/// Leaves these fields of an object, and of the objects in it.
fn only(value: &mut Value, kept: &[&str]) {
    match value {
        Value::Object(fields) => {
            fields.retain(|key, _| kept.contains(&key.as_str()));
            fields.values_mut().for_each(|value| only(value, kept));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| only(item, kept)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Names within another owner's resource, such as its connections'. Those that follow from an id follow it
/// afterwards.
fn rename(names: &Pseudonyms<'_>, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let is_resource = fields.contains_key("id");
            for (key, value) in fields.iter_mut() {
                match value {
                    Value::String(text) if key == "name" && !is_resource => {
                        *text = names.name("name", text);
                    }
                    other => rename(names, other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(names, item)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Tags that mean something to the controller, to privlink or to desired state.
fn tags(names: &Pseudonyms<'_>, fields: &mut Map<String, Value>) {
    let Some(tags) = fields.get_mut("tags").and_then(Value::as_object_mut) else { return };
    tags.retain(|key, _| {
        key.starts_with("k8s-azure-")
            || [STACK_TAG, POOL_TAG].contains(&key.as_str())
            || names.own.has(key)
    });
    for (key, value) in tags.iter_mut() {
        if let (true, Some(text)) = (key.starts_with("k8s-azure-"), value.as_str()) {
            *value = services(names, text).into();
        }
    }
}

/// A list of Services in a tag, `ns/a,ns/b`.
fn services(names: &Pseudonyms<'_>, text: &str) -> String {
    let one = |it: &str| match it.split_once('/') {
        Some((namespace, name)) => renamed(names, &Key::new(namespace, name)).to_string(),
        None => it.to_owned(),
    };
    text.split(',').map(one).collect::<Vec<_>>().join(",")
}

/// What tells a consumer, besides its endpoint.
fn anonymous(properties: &mut Value) {
    let connections =
        properties.get_mut("privateEndpointConnections").and_then(Value::as_array_mut);
    for connection in connections.into_iter().flatten() {
        if let Some(it) = connection.get_mut("properties").and_then(Value::as_object_mut) {
            it.shift_remove("linkIdentifier");
            it.shift_remove("privateEndpointLocation");
        }
    }
}

/// Whether a DNS record is the stack's: it carries its mark, or desired state names it.
fn is_named(names: &Pseudonyms<'_>, record: &Value) -> bool {
    let marked = record.pointer("/properties/metadata").and_then(|it| it.get(STACK_TAG));
    let name = record.get("name").and_then(Value::as_str).unwrap_or_default();
    marked.is_some() || names.own.has(name)
}

fn rename_record(names: &Pseudonyms<'_>, record: &mut Value) {
    let Some(id) = record.get("id").and_then(Value::as_str).map(ToOwned::to_owned) else { return };
    let (zone, name) = id.rsplit_once('/').unwrap_or_default();
    let name = names.name("name", name);
    let kind = record.get("type").cloned();
    *record = json!({"id": format!("{zone}/{name}"), "name": name, "type": kind, "properties": {}});
}
