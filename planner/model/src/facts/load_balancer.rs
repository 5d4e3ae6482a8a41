//! Several standard load balancers, as the controller is configured and as AKS has them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The tag by which AKS says which node pool a scale set is of.
pub const POOL_TAG: &str = "aks-managed-poolName";

/// One of several standard load balancers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LoadBalancerConfiguration {
    /// Its name, without `-internal`.
    pub name: String,
    /// The scale set whose nodes are its own (`primaryVMSet`).
    #[serde(rename = "scaleSet", alias = "primaryVmSet")]
    pub primary_vm_set: String,
    /// Whether new Services may be placed on it; yes if not said.
    pub allow_service_placement: Option<bool>,
    /// Services it takes, by label.
    pub service_label_selector: Option<Value>,
    /// Services it takes, by their namespace's labels.
    pub service_namespace_selector: Option<Value>,
    /// Nodes it takes, by label.
    pub node_selector: Option<Value>,
}

impl LoadBalancerConfiguration {
    /// From a `managedClusters/loadBalancers` of the AKS API. It names a node pool where the controller
    /// wants its scale set, and writes labels as `key=value`.
    pub fn from_aks(live: &Value, scale_sets: &[&Value]) -> Option<Self> {
        let properties = live.get("properties")?;
        let pool = properties.get("primaryAgentPoolName").and_then(Value::as_str)?;
        let scale_set = scale_sets.iter().find(|it| is_of_pool(it, pool));
        let primary_vm_set = scale_set.and_then(|it| it.get("name")?.as_str()).unwrap_or_default();
        let selector = |field: &str| properties.get(field).filter(|it| !it.is_null()).map(selector);
        let allow = properties.get("allowServicePlacement").and_then(Value::as_bool);
        Some(Self {
            name: live.get("name")?.as_str()?.to_owned(),
            primary_vm_set: primary_vm_set.to_owned(),
            allow_service_placement: allow,
            service_label_selector: selector("serviceLabelSelector"),
            service_namespace_selector: selector("serviceNamespaceSelector"),
            node_selector: selector("nodeSelector"),
        })
    }
}

/// Whether a scale set is a node pool's: AKS tags it so, and names it `aks-POOL-NUMBER-vmss`.
fn is_of_pool(scale_set: &Value, pool: &str) -> bool {
    let tag = scale_set.get("tags").and_then(|tags| tags.get(POOL_TAG)).and_then(Value::as_str);
    let name = scale_set.get("name").and_then(Value::as_str).unwrap_or_default();
    match tag {
        Some(tag) => tag.eq_ignore_ascii_case(pool),
        None => name.to_lowercase().starts_with(&format!("aks-{}-", pool.to_lowercase())),
    }
}

/// A selector as Kubernetes has it.
fn selector(of_aks: &Value) -> Value {
    let mut selector = of_aks.clone();
    let labels = of_aks.get("matchLabels").and_then(Value::as_array);
    if let (Some(labels), Some(fields)) = (labels, selector.as_object_mut()) {
        let pair = |label: &Value| {
            let (key, value) = label.as_str()?.split_once('=')?;
            Some((key.trim().to_owned(), Value::from(value.trim())))
        };
        let labels = labels.iter().filter_map(pair).collect();
        fields.insert("matchLabels".to_owned(), Value::Object(labels));
    }
    selector
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pools_become_scale_sets_and_labels_become_pairs() {
        let scale_sets = [
            json!({"name": "first", "tags": {"aks-managed-poolName": "one"}}),
            json!({"name": "aks-two-2-vmss"}),
        ];
        let scale_sets: Vec<&Value> = scale_sets.iter().collect();
        let read = |live: Value| LoadBalancerConfiguration::from_aks(&live, &scale_sets);
        let one = json!({"name": "kubernetes", "properties": {"primaryAgentPoolName": "ONE"}});
        assert_eq!(read(one).unwrap().primary_vm_set, "first");
        let two = read(json!({"name": "lb-two", "properties": {
            "primaryAgentPoolName": "two",
            "allowServicePlacement": false,
            "serviceLabelSelector": {"matchLabels": ["tier=edge"]},
        }}));
        let two = two.unwrap();
        assert_eq!(two.primary_vm_set, "aks-two-2-vmss");
        assert_eq!(two.allow_service_placement, Some(false));
        assert_eq!(two.service_label_selector, Some(json!({"matchLabels": {"tier": "edge"}})));
        assert_eq!(read(json!({"name": "x", "properties": {}})), None);
    }
}
