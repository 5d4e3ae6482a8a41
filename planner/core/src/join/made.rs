//! The Service of a Gateway beside the live one: what its controller leaves as it is, whatever is said of the Gateway.

use serde_json::{Value, json};

use crate::desired::MadeBy;
use crate::kubernetes::managers::{self, Tool};
use crate::pointer::{At, text};

/// Labels whose keys begin so are the controllers' own; which they are depends on the version.
const OWN_LABELS: [&str; 6] = [
    "gateway.networking.k8s.io/",
    "gateway.istio.io/",
    "istio.io/",
    "topology.istio.io/",
    "app.kubernetes.io/",
    "gateway.envoyproxy.io/",
];

/// What parameters that are not in the input may say of the spec.
const OF_PARAMETERS: [&str; 7] = [
    "externalTrafficPolicy",
    "loadBalancerIP",
    "loadBalancerClass",
    "loadBalancerSourceRanges",
    "allocateLoadBalancerNodePorts",
    "sessionAffinity",
    "internalTrafficPolicy",
];

/// The Service as its controller writes it over a live one: with the owner, its own labels and, where the input may lack
/// parameters, what those may say, as they are live.
pub(super) fn as_written(mut manifest: Value, by: &MadeBy, live: Option<&Value>) -> Value {
    let Some(live) = live else { return manifest };
    if let Some(metadata) = manifest.get_mut("metadata").and_then(Value::as_object_mut) {
        if let Some(owners) = live.at("/metadata/ownerReferences") {
            metadata.insert("ownerReferences".to_owned(), owners.clone());
        }
        let labels = metadata.entry("labels").or_insert_with(|| json!({}));
        let kept = live.at("/metadata/labels").and_then(Value::as_object).into_iter().flatten();
        let kept = kept.filter(|(key, _)| OWN_LABELS.iter().any(|own| key.starts_with(own)));
        for (key, value) in kept {
            if let Some(labels) = labels.as_object_mut() {
                labels.entry(key).or_insert_with(|| value.clone());
            }
        }
    }
    let Some(spec) = manifest.get_mut("spec").and_then(Value::as_object_mut) else {
        return manifest;
    };
    let of_live = |name: &str| live.at("/spec").and_then(|spec| spec.get(name)).cloned();
    // Later versions ask for one family on clusters that have one, earlier ones for two where they can be had.
    if by.tool == Tool::NginxGateway && !spec.contains_key("ipFamilies") {
        spec.extend(of_live("ipFamilyPolicy").map(|it| ("ipFamilyPolicy".to_owned(), it)));
    }
    for name in OF_PARAMETERS.iter().filter(|_| !by.is_whole) {
        if let Some(value) = of_live(name).filter(|_| !spec.contains_key(*name)) {
            spec.insert((*name).to_owned(), value);
        }
    }
    manifest
}

/// The live Service as its controller's write begins: one that updates and does not apply leaves no port that the Gateway has
/// not.
pub(super) fn begun(live: &Value, manifest: &Value, by: &MadeBy) -> Option<Value> {
    if by.tool != Tool::NginxGateway {
        return None;
    }
    let identity = |port: &Value| {
        let protocol = port.get("protocol").and_then(Value::as_str).unwrap_or("TCP").to_owned();
        (port.get("port").and_then(Value::as_i64), protocol)
    };
    let wanted = manifest.at("/spec/ports").and_then(Value::as_array)?;
    let mut live = live.clone();
    let ports = live.pointer_mut("/spec/ports").and_then(Value::as_array_mut)?;
    ports.retain(|port| wanted.iter().any(|it| identity(it) == identity(port)));
    Some(live)
}

/// The name under which a tool wrote a live Service; its own where it has not.
pub(super) fn manager<'a>(tool: &'a str, live: Option<&'a Value>) -> &'a str {
    let fields = live.and_then(|it| it.at("/metadata/managedFields")).and_then(Value::as_array);
    let names = fields.into_iter().flatten().map(|entry| text(entry, "/manager"));
    let is_its = |name: &&str| managers::tool_of(name).is_some_and(|it| it.to_string() == tool);
    names.into_iter().find(is_its).unwrap_or(tool)
}
