//! Services, as their manifests and the API server have them.

use serde_json::{Value, json};

use crate::kubernetes::service::Key;
use crate::marks::STACK_LABEL;
use crate::node_id::{Kind, NodeId};
use crate::pointer::At;

/// The address of a Service.
pub fn address(key: &Key) -> NodeId {
    NodeId::new(Kind::Service, key.to_string())
}

pub(crate) fn stack_of(object: &Value) -> Option<&str> {
    object.get("metadata")?.get("labels")?.get(STACK_LABEL)?.as_str()
}

/// Unknowns a manifest as the stack's.
pub(crate) fn mark(manifest: &mut Value, stack: &str) {
    let Some(metadata) = manifest.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    let labels = metadata.entry("labels").or_insert_with(|| json!({}));
    if let Some(labels) = labels.as_object_mut() {
        labels.insert(STACK_LABEL.to_owned(), stack.into());
    }
}

/// What a plan uses of a live Service: its uid, and all that others wrote of it.
pub fn bound(object: &Value) -> Value {
    json!({"uid": object.at("/metadata/uid"), "object": comparable(object)})
}

/// An object without what servers write.
pub(crate) fn comparable(object: &Value) -> Value {
    const OF_OBJECT: [&str; 3] = ["apiVersion", "kind", "status"];
    const OF_METADATA: [&str; 7] = [
        "managedFields",
        "resourceVersion",
        "generation",
        "uid",
        "creationTimestamp",
        "finalizers",
        "selfLink",
    ];
    without(object, &OF_OBJECT, |name, value| match name {
        "metadata" => without(value, &OF_METADATA, |_, value| value.clone()),
        _ => value.clone(),
    })
}

/// A copy of an object without some fields.
fn without(object: &Value, fields: &[&str], copy: impl Fn(&str, &Value) -> Value) -> Value {
    let Some(object) = object.as_object() else { return object.clone() };
    let kept = object.iter().filter(|(name, _)| !fields.contains(&name.as_str()));
    Value::Object(kept.map(|(name, value)| (name.clone(), copy(name, value))).collect())
}
