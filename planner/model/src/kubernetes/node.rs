//! Nodes, as far as the controller reads them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::pointer::At;

/// A Node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Its internal addresses, in its order.
    #[serde(default)]
    pub internal_addresses: Vec<String>,
    /// The resource id of its machine (`spec.providerID` without `azure://`).
    #[serde(default)]
    pub machine: Option<String>,
    /// Whether it is being deleted, or tainted `ToBeDeletedByClusterAutoscaler`.
    #[serde(default)]
    pub leaving: bool,
}

impl Node {
    /// A Node from its Kubernetes object.
    pub fn from_value(object: &Value) -> Option<Self> {
        let text = |value: &Value, pointer: &str| {
            value.at(pointer).and_then(Value::as_str).map(ToOwned::to_owned)
        };
        let name = text(object, "/metadata/name")?;
        let labels = object
            .at("/metadata/labels")
            .and_then(Value::as_object)
            .map(|labels| {
                labels
                    .iter()
                    .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
                    .collect()
            })
            .unwrap_or_default();
        let internal_addresses = object
            .at("/status/addresses")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter(|address| text(address, "/type").as_deref() == Some("InternalIP"))
            .filter_map(|address| text(address, "/address"))
            .collect();
        let machine = text(object, "/spec/providerID")
            .and_then(|id| id.strip_prefix("azure://").map(ToOwned::to_owned));
        let tainted =
            object.at("/spec/taints").and_then(Value::as_array).into_iter().flatten().any(
                |taint| text(taint, "/key").as_deref() == Some("ToBeDeletedByClusterAutoscaler"),
            );
        let leaving = tainted || object.at("/metadata/deletionTimestamp").is_some();
        Some(Self { name, labels, internal_addresses, machine, leaving })
    }
}

/// The id of the machine an IP configuration is of, in lower case.
pub fn machine_of(configuration: &str) -> Option<String> {
    let lower = configuration.to_lowercase();
    lower.split_once("/networkinterfaces/").map(|(machine, _)| machine.to_owned())
}
