//! Services: which of them, and as which manifests.

use serde_json::{Map, Value, json};

use crate::annotation::keys;
use crate::kubernetes::server_side_apply::{self, Element, FieldSet};
use crate::kubernetes::service::{Key, Service};
use crate::marks::{STACK_LABEL, SYNC_ANNOTATION};

use super::{Error, Seen, Selection};

/// Annotations whose keys begin so ask for a Private Link Service or shape it.
const LINK_ANNOTATIONS: &str = "service.beta.kubernetes.io/azure-pls-";
/// What kubectl notes of what it applied last.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// The finalizer of the service controller.
const CLEANUP_FINALIZER: &str = "service.kubernetes.io/load-balancer-cleanup";

/// The Services that are imported, in order of name.
pub(super) fn select<'a>(
    seen: &Seen<'a>,
    selection: &Selection,
    notes: &mut Vec<String>,
) -> Result<Vec<(Key, &'a Value)>, Error> {
    if let Some(why) = seen.live.services_unread() {
        return Err(Error::Unreadable(why.to_owned()));
    }
    let balanced =
        |key: &Key| seen.prediction.live.get(key).filter(|service| service.wants_load_balancer());
    for key in &selection.services {
        if seen.live.service(key).is_none() {
            return Err(Error::NoService(key.clone()));
        }
        if balanced(key).is_none() {
            return Err(Error::NotBalanced(key.clone()));
        }
    }
    let mut selected = Vec::new();
    for (key, object) in seen.live.service_objects() {
        let Some(service) = balanced(key) else { continue };
        let stack = service.labels.get(STACK_LABEL);
        let is_named = selection.services.contains(key);
        let is_wanted = is_named || is_wanted(selection, service);
        match stack {
            // Without it, a plan would take the Service for one that left the stack, and delete it.
            Some(stack) if stack == seen.stack => {}
            Some(stack) if is_wanted => {
                notes.push(format!("Service {key} is left out: it belongs to stack {stack}"));
                continue;
            }
            None if is_wanted => {}
            _ => continue,
        }
        if service.deleting {
            notes.push(format!("Service {key} is left out: it is being deleted"));
            continue;
        }
        selected.push((key.clone(), object));
    }
    Ok(selected)
}

fn is_wanted(selection: &Selection, service: &Service) -> bool {
    if !selection.namespaces.is_empty() && !selection.namespaces.contains(&service.key.namespace) {
        return false;
    }
    // One that is named is chosen instead of what would be chosen by itself.
    if !selection.services.is_empty() && selection.namespaces.is_empty() && !selection.all {
        return false;
    }
    let annotations = &service.annotations;
    selection.all
        || annotations.get(keys::INTERNAL).is_some_and(|value| value == "true")
        || annotations.keys().any(|key| key.starts_with(LINK_ANNOTATIONS))
}

/// A live Service as somebody would have written it: without what servers write, what the API server
/// drew, defaults, and privlink's own marks.
pub(super) fn manifest(key: &Key, live: &Value, notes: &mut Vec<String>) -> Value {
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), key.name.clone().into());
    metadata.insert("namespace".to_owned(), key.namespace.clone().into());
    for (name, own) in [("labels", STACK_LABEL), ("annotations", SYNC_ANNOTATION)] {
        let entries = live.get("metadata").and_then(|it| it.get(name)?.as_object());
        let mut entries = entries.cloned().unwrap_or_default();
        entries.retain(|key, _| key != own && key != LAST_APPLIED);
        if !entries.is_empty() {
            metadata.insert(name.to_owned(), Value::Object(entries));
        }
    }
    note_dropped(key, live, notes);
    let written = Written::of(live);
    let mut spec = live.get("spec").and_then(Value::as_object).cloned().unwrap_or_default();
    spec.retain(|name, value| !is_drawn(name, &written) && !is_default(name, value));
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(port) = port.as_object_mut() {
            clean_port(port, &written);
        }
    }
    json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
}

/// What documents could hold but would be wrong to write somewhere else.
fn note_dropped(key: &Key, live: &Value, notes: &mut Vec<String>) {
    let list = |name: &str| {
        let list = live.get("metadata").and_then(|it| it.get(name)?.as_array());
        list.map(Vec::as_slice).unwrap_or_default()
    };
    if !list("ownerReferences").is_empty() {
        notes.push(format!(
            "Service {key} has an owner in the cluster, which the document does not name: whatever made it may \
             write it again"
        ));
    }
    let others: Vec<&str> = list("finalizers")
        .iter()
        .filter_map(Value::as_str)
        .filter(|finalizer| *finalizer != CLEANUP_FINALIZER)
        .collect();
    if !others.is_empty() {
        notes.push(format!(
            "Service {key}: finalizers stay on it and out of the document: {}",
            others.join(", ")
        ));
    }
}

/// The fields that somebody wrote, by `metadata.managedFields`: what the API server draws (addresses, node
/// ports) has no manager.
struct Written(Vec<FieldSet>);

impl Written {
    fn of(live: &Value) -> Self {
        let managers = server_side_apply::managers(live);
        Self(managers.into_iter().map(|(_, fields)| fields).collect())
    }

    fn has(&self, path: &[Element]) -> bool {
        self.0.iter().any(|fields| fields.contains(path) || fields.has_below(path))
    }
}

fn field(name: &str) -> Element {
    Element::Field(name.into())
}

/// Whether the API server drew a field of the spec.
fn is_drawn(name: &str, written: &Written) -> bool {
    ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "healthCheckNodePort"]
        .contains(&name)
        && !written.has(&[field("spec"), field(name)])
}

/// Whether a field of the spec is what the API server takes without it (`SetDefaults_Service`). The type is
/// always written.
fn is_default(name: &str, value: &Value) -> bool {
    match name {
        "sessionAffinity" => value == "None",
        "externalTrafficPolicy" | "internalTrafficPolicy" => value == "Cluster",
        "allocateLoadBalancerNodePorts" => *value == Value::Bool(true),
        "sessionAffinityConfig" => *value == json!({"clientIP": {"timeoutSeconds": 10_800}}),
        _ => value.is_null(),
    }
}

fn clean_port(port: &mut Map<String, Value>, written: &Written) {
    let number = port.get("port").cloned().unwrap_or_default();
    let protocol = port.get("protocol").and_then(Value::as_str).unwrap_or("TCP").to_owned();
    let key = json!({"port": number, "protocol": protocol}).to_string();
    let node_port = [field("spec"), field("ports"), Element::Key(key.into()), field("nodePort")];
    if !written.has(&node_port) {
        port.shift_remove("nodePort");
    }
    if protocol == "TCP" {
        port.shift_remove("protocol");
    }
    if port.get("targetPort") == Some(&number) {
        port.shift_remove("targetPort");
    }
}
