//! Services, as their manifests and the API server have them.

use serde_json::{Value, json};

use crate::address::{Address, Kind};
use crate::change::Actor;
use crate::document::Services;
use crate::input::Input;
use crate::kubernetes::managers;
use crate::kubernetes::service::Key;
use crate::marks::STACK_LABEL;
use crate::pointer::At;

/// The address of a Service.
pub fn address(key: &Key) -> Address {
    Address::new(Kind::Service, key.to_string())
}

pub(crate) fn stack_of(object: &Value) -> Option<&str> {
    object.get("metadata")?.get("labels")?.get(STACK_LABEL)?.as_str()
}

/// Who writes a Service: privlink, unless the Stack or the live object says otherwise, or a Gateway makes it.
pub(crate) fn actor(input: &Input<'_>, key: &Key, live: Option<&Value>) -> Actor {
    let wanted = input.desired.services.get(key);
    let made_by = wanted.and_then(|it| it.made_by.as_ref()).map(|by| by.tool);
    let live_tool = live.and_then(|it| managers::author(it).tool).filter(|it| it.is_gateways());
    if let Some(tool) = made_by.or(live_tool) {
        return Actor::External(tool.to_string());
    }
    let said = input.desired.stack.as_ref().and_then(|stack| stack.services.as_ref());
    // What this stack wrote may carry a tool's marks too: manifests rendered by Helm do.
    let ours = live.and_then(stack_of) == Some(input.desired.name.as_str());
    let tool = live.filter(|_| !ours).and_then(external_tool);
    let said = if input.options.guard.is_some() {
        Some(Services::External)
    } else {
        said.map(|it| it.value)
    };
    match (said, tool) {
        (Some(Services::External), tool) => {
            Actor::External(tool.unwrap_or_else(|| "another tool".to_owned()))
        }
        (None, Some(tool)) => Actor::External(tool),
        (Some(Services::Managed), _) | (None, None) => Actor::Privlink,
    }
}

/// The tool that keeps a live Service as it is, by its marks and its managers.
fn external_tool(live: &Value) -> Option<String> {
    let author = managers::author(live);
    let tool = author.tool.filter(|tool| tool.is_external())?;
    Some(tool.to_string())
}

/// Marks a manifest as the stack's.
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
