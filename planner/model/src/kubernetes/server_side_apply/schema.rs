//! How the lists and maps of an object merge.

use serde_json::{Map, Value};

use super::field_set::Element;

/// How a value merges: what the OpenAPI extensions `x-kubernetes-list-type` and
/// `x-kubernetes-map-type` say of it.
#[derive(Debug)]
pub enum Schema {
    /// One value, replaced as a whole: scalars, and atomic lists and maps.
    Atomic,
    /// An object with known fields, each by its own rule. Other fields do not exist.
    Struct(&'static [(&'static str, Schema)]),
    /// An object with free keys, each owned by itself.
    Map,
    /// A list whose items are distinguished by keys; a key left out has the default given.
    Keyed(&'static [(&'static str, &'static str)], &'static Schema),
    /// A list of scalars without repetition, each owned by itself.
    Set,
    /// Unknown: objects merge field by field, lists are replaced, as the API server treats what it
    /// has no schema for.
    Deduced,
}

use Schema::{Atomic, Keyed, Map as Free, Set, Struct};

const OBJECT_META: Schema = Struct(&[
    ("name", Atomic),
    ("generateName", Atomic),
    ("namespace", Atomic),
    ("selfLink", Atomic),
    ("uid", Atomic),
    ("resourceVersion", Atomic),
    ("generation", Atomic),
    ("creationTimestamp", Atomic),
    ("deletionTimestamp", Atomic),
    ("deletionGracePeriodSeconds", Atomic),
    ("labels", Free),
    ("annotations", Free),
    (
        "ownerReferences",
        Keyed(
            &[("uid", "")],
            &Struct(&[
                ("apiVersion", Atomic),
                ("blockOwnerDeletion", Atomic),
                ("controller", Atomic),
                ("kind", Atomic),
                ("name", Atomic),
                ("uid", Atomic),
            ]),
        ),
    ),
    ("finalizers", Set),
    ("managedFields", Atomic),
]);

/// `v1 Service`, from Kubernetes' OpenAPI document (v1.33).
pub static SERVICE: Schema = Struct(&[
    ("apiVersion", Atomic),
    ("kind", Atomic),
    ("metadata", OBJECT_META),
    (
        "spec",
        Struct(&[
            ("allocateLoadBalancerNodePorts", Atomic),
            ("clusterIP", Atomic),
            ("clusterIPs", Atomic),
            ("externalIPs", Atomic),
            ("externalName", Atomic),
            ("externalTrafficPolicy", Atomic),
            ("healthCheckNodePort", Atomic),
            ("internalTrafficPolicy", Atomic),
            ("ipFamilies", Atomic),
            ("ipFamilyPolicy", Atomic),
            ("loadBalancerClass", Atomic),
            ("loadBalancerIP", Atomic),
            ("loadBalancerSourceRanges", Atomic),
            (
                "ports",
                Keyed(
                    &[("port", ""), ("protocol", "TCP")],
                    &Struct(&[
                        ("appProtocol", Atomic),
                        ("name", Atomic),
                        ("nodePort", Atomic),
                        ("port", Atomic),
                        ("protocol", Atomic),
                        ("targetPort", Atomic),
                    ]),
                ),
            ),
            ("publishNotReadyAddresses", Atomic),
            ("selector", Atomic),
            ("sessionAffinity", Atomic),
            (
                "sessionAffinityConfig",
                Struct(&[("clientIP", Struct(&[("timeoutSeconds", Atomic)]))]),
            ),
            ("trafficDistribution", Atomic),
            ("type", Atomic),
        ]),
    ),
    (
        "status",
        Struct(&[
            (
                "conditions",
                Keyed(
                    &[("type", "")],
                    &Struct(&[
                        ("lastTransitionTime", Atomic),
                        ("message", Atomic),
                        ("observedGeneration", Atomic),
                        ("reason", Atomic),
                        ("status", Atomic),
                        ("type", Atomic),
                    ]),
                ),
            ),
            ("loadBalancer", Struct(&[("ingress", Atomic)])),
        ]),
    ),
]);

/// The element that names an item of a keyed list.
pub(super) fn item_key(item: &Value, keys: &[(&str, &str)]) -> Element {
    let mut named = Map::new();
    for (name, default) in keys {
        let value = match item.get(*name) {
            Some(value) => value.clone(),
            None if default.is_empty() => Value::Null,
            None => Value::String((*default).to_owned()),
        };
        named.insert((*name).to_owned(), value);
    }
    Element::Key(Value::Object(named).to_string().into())
}

impl Schema {
    /// The object without fields the schema does not know, and their paths (`spec.prots`).
    pub fn known(&self, value: &Value) -> (Value, Vec<String>) {
        let mut unknown = Vec::new();
        let known = self.keep_known(value, "", &mut unknown);
        (known, unknown)
    }

    fn keep_known(&self, value: &Value, path: &str, unknown: &mut Vec<String>) -> Value {
        match (self, value) {
            (Struct(fields), Value::Object(object)) => {
                let mut kept = Map::new();
                for (name, child) in object {
                    let child_path =
                        if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    match fields.iter().find(|(field, _)| field == name) {
                        Some((_, schema)) => {
                            kept.insert(
                                name.clone(),
                                schema.keep_known(child, &child_path, unknown),
                            );
                        }
                        None => unknown.push(child_path),
                    }
                }
                Value::Object(kept)
            }
            (Keyed(_, item), Value::Array(items)) => Value::Array(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, child)| {
                        item.keep_known(child, &format!("{path}[{index}]"), unknown)
                    })
                    .collect(),
            ),
            _ => value.clone(),
        }
    }
}
