//! A Gateway as a step has it: with the ports and annotations that its Service has then.

use std::collections::BTreeMap;

use privlink_model::gateway::GROUP;
use serde_json::{Map, Value, json};

use crate::annotation::PREFIX;
use crate::pointer::{At, text};

use super::documents::key_among;
use super::{Route, Step};

/// The Services of a route that Gateways make, by Gateway, both as `namespace/name`.
pub(super) fn made(route: &Route) -> BTreeMap<&str, &str> {
    let steps = route.steps.iter();
    steps.filter_map(|step| Some((step.gateway.as_deref()?, step.service.as_str()))).collect()
}

/// The Service that a document makes, if it is a Gateway of the route.
pub(super) fn service_of<'r>(
    document: &Value,
    made: &BTreeMap<&'r str, &'r str>,
) -> Option<&'r str> {
    if text(document, "/kind") != "Gateway" || !text(document, "/apiVersion").starts_with(GROUP) {
        return None;
    }
    let named = document.get("metadata").unwrap_or(&Value::Null);
    made.get(key_among(named, made.keys().copied()).as_str()).copied()
}

/// The Gateway that comes to the Service of a step; none where there is no such Service then.
pub(super) fn edited(
    document: &Value,
    service: &str,
    (route, step): (&Route, &Step),
) -> Option<Value> {
    let now = step.services.get(service)?.as_ref()?;
    let last = route.steps.last().and_then(|last| last.services.get(service));
    let mut document = document.clone();
    if let Some(end) = last.and_then(Option::as_ref) {
        move_listeners(&mut document, now, end);
        annotate(&mut document, now, end);
    }
    Some(document)
}

/// The ports of a Service by their names.
fn ports(service: &Value) -> BTreeMap<&str, i64> {
    let ports = service.at("/spec/ports").and_then(Value::as_array).into_iter().flatten();
    ports.filter_map(|port| Some((text(port, "/name"), port.get("port")?.as_i64()?))).collect()
}

/// Moves listeners to where the Service serves their ports.
fn move_listeners(document: &mut Value, now: &Value, end: &Value) {
    let now = ports(now);
    let moved: BTreeMap<i64, i64> = ports(end)
        .into_iter()
        .filter_map(|(name, number)| Some((number, *now.get(name)?)))
        .collect();
    let listeners = document.pointer_mut("/spec/listeners").and_then(Value::as_array_mut);
    for listener in listeners.into_iter().flatten().filter_map(Value::as_object_mut) {
        let number = listener.get("port").and_then(Value::as_i64);
        if let Some(to) = number.and_then(|number| moved.get(&number)) {
            listener.insert("port".to_owned(), (*to).into());
        }
    }
}

/// Gives the annotations of the controller that the Service has, where they are not those that it ends with.
fn annotate(document: &mut Value, now: &Value, end: &Value) {
    let of = |service: &Value| -> Map<String, Value> {
        let all = service.at("/metadata/annotations").and_then(Value::as_object);
        let own = all.into_iter().flatten().filter(|(key, _)| key.starts_with(PREFIX));
        own.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    let (now, end) = (of(now), of(end));
    let Some(spec) = document.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if now == end {
        return;
    }
    let infrastructure = spec.entry("infrastructure").or_insert_with(|| json!({}));
    let Some(infrastructure) = infrastructure.as_object_mut() else { return };
    let annotations = infrastructure.entry("annotations").or_insert_with(|| json!({}));
    let Some(annotations) = annotations.as_object_mut() else { return };
    annotations.retain(|key, _| !end.contains_key(key) || now.contains_key(key));
    annotations.extend(now);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_has_the_ports_and_annotations_of_its_service() {
        let service = |port: i64, annotations: Value| {
            json!({
                "metadata": {"annotations": annotations},
                "spec": {"ports": [{"name": "status-port", "port": 15021}, {"name": "https", "port": port}]},
            })
        };
        let link = format!("{PREFIX}azure-pls-create");
        let address = format!("{PREFIX}azure-load-balancer-ipv4");
        let end = service(443, json!({&link: "true", "other": "x"}));
        let now = service(8443, json!({&address: "10.0.0.1", "other": "x"}));
        let mut gateway = json!({"spec": {
            "infrastructure": {"annotations": {&link: "true", "other": "x"}},
            "listeners": [{"name": "https", "port": 443}, {"name": "more", "port": 80}],
        }});
        move_listeners(&mut gateway, &now, &end);
        annotate(&mut gateway, &now, &end);
        assert_eq!(
            gateway,
            json!({"spec": {
                "infrastructure": {"annotations": {&address: "10.0.0.1", "other": "x"}},
                "listeners": [{"name": "https", "port": 8443}, {"name": "more", "port": 80}],
            }})
        );
    }
}
