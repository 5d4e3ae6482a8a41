//! Services, Nodes and events.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::annotation;
use crate::kubernetes::service::Key;
use crate::marks::STACK_LABEL;

use super::pseudonym::Pseudonyms;
use crate::snapshot::List;

/// The key of an object.
pub(super) fn key(object: &Value) -> Option<Key> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    Some(Key::new(text("/metadata/namespace")?, text("/metadata/name")?))
}

/// All Services: the stack's as they are, of others what the controller looks at.
pub(super) fn services(names: &Pseudonyms<'_>, list: &List) -> List {
    list.iter().filter_map(|object| service(names, object).map(Arc::new)).collect()
}

/// Whether a Service is the stack's own.
fn is_own(names: &Pseudonyms<'_>, key: &Key, object: &Value) -> bool {
    let label = object.pointer("/metadata/labels").and_then(|it| it.get(STACK_LABEL)?.as_str());
    names.own.services.contains(key) || label.is_some_and(|stack| names.own.has(stack))
}

/// A Service's pseudonym. The stack's own keep their names.
pub(super) fn renamed(names: &Pseudonyms<'_>, key: &Key) -> Key {
    if names.own.services.contains(key) {
        return key.clone();
    }
    let namespace = match key.namespace.as_str() {
        "default" | "kube-system" => key.namespace.clone(),
        other => names.name("ns", other),
    };
    Key::new(namespace, names.name("svc", &key.name))
}

fn service(names: &Pseudonyms<'_>, object: &Value) -> Option<Value> {
    let key = key(object)?;
    if is_own(names, &key, object) {
        let mut object = object.clone();
        if let Some(annotations) =
            object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut)
        {
            // It holds a whole manifest, which is not the plan's matter.
            annotations.shift_remove("kubectl.kubernetes.io/last-applied-configuration");
            annotations.iter_mut().for_each(|(_, value)| words(names, value));
        }
        return Some(names.value("", &object));
    }
    let renamed = renamed(names, &key);
    let from = |pointer: &str, kept: &[&str]| part(object.pointer(pointer), kept);
    let is_balanced = object.pointer("/spec/type") == Some(&json!("LoadBalancer"))
        || object.pointer("/metadata/finalizers").is_some();
    let mut metadata = from(
        "/metadata",
        &["creationTimestamp", "resourceVersion", "finalizers", "deletionTimestamp"],
    );
    metadata.insert("namespace".to_owned(), renamed.namespace.into());
    metadata.insert("name".to_owned(), renamed.name.into());
    if is_balanced
        && key != super::keeper()
        && let Some(uid) = object.pointer("/metadata/uid")
    {
        // What the controller makes for it is named so.
        metadata.insert("uid".to_owned(), uid.clone());
    }
    let annotations: Map<String, Value> = object
        .pointer("/metadata/annotations")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter(|(key, _)| key.starts_with(annotation::PREFIX))
        .map(|(key, value)| {
            let mut value = value.clone();
            words(names, &mut value);
            (key.clone(), value)
        })
        .collect();
    if !annotations.is_empty() {
        metadata.insert("annotations".to_owned(), annotations.into());
    }
    let spec = from(
        "/spec",
        &[
            "type",
            "ports",
            "loadBalancerIP",
            "loadBalancerClass",
            "loadBalancerSourceRanges",
            "externalTrafficPolicy",
            "internalTrafficPolicy",
            "healthCheckNodePort",
            "ipFamilies",
            "ipFamilyPolicy",
            "sessionAffinity",
            "allocateLoadBalancerNodePorts",
        ],
    );
    let object = json!({
        "metadata": metadata,
        "spec": spec,
        "status": object.pointer("/status").cloned().unwrap_or_else(|| json!({})),
    });
    Some(names.value("", &object))
}

fn words(names: &Pseudonyms<'_>, value: &mut Value) {
    if let Value::String(text) = value {
        *text = names.words(text);
    }
}

/// Some fields of an object.
fn part(object: Option<&Value>, kept: &[&str]) -> Map<String, Value> {
    let fields = object.and_then(Value::as_object).into_iter().flatten();
    fields
        .filter(|(key, _)| kept.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Nodes, with what the model reads.
pub(super) fn nodes(list: &List) -> List {
    list.iter()
        .map(|node| {
            let mut status = part(node.get("status"), &["addresses", "conditions"]);
            let version = node.pointer("/status/nodeInfo/kubeletVersion");
            status.insert("nodeInfo".to_owned(), json!({"kubeletVersion": version}));
            json!({
                "metadata": part(node.get("metadata"), &["name", "uid", "labels", "creationTimestamp", "resourceVersion"]),
                "spec": part(node.get("spec"), &["providerID", "taints", "unschedulable"]),
                "status": status,
            })
        })
        .map(Arc::new)
        .collect()
}

/// The namespaces of the stack's Services, with what says whether they stay.
pub(super) fn namespaces(names: &Pseudonyms<'_>, list: &List) -> List {
    let is_own = |name: &str| names.own.services.iter().any(|key| key.namespace == name);
    let kept = list.iter().filter(|object| {
        object.pointer("/metadata/name").and_then(Value::as_str).is_some_and(is_own)
    });
    kept.map(|object| {
        json!({
            "metadata": part(object.get("metadata"), &["name", "deletionTimestamp"]),
            "status": part(object.get("status"), &["phase"]),
        })
    })
    .map(Arc::new)
    .collect()
}

/// The events of the stack's Services.
pub(super) fn events(names: &Pseudonyms<'_>, list: &List) -> List {
    let of_own = |event: &&Arc<Value>| {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
        let key = text("/involvedObject/namespace").zip(text("/involvedObject/name"));
        key.is_some_and(|(namespace, name)| names.own.services.contains(&Key::new(namespace, name)))
    };
    list.iter().filter(of_own).map(|event| names.value("", event).into()).collect()
}
