//! The documents of a step: the stack's own, with what the step says of Services and of the endpoints that
//! reach them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::desired::Target;
use crate::input::Input;
use crate::kubernetes::service::Key;
use crate::node::Owners;
use crate::node::private_link_service as link_node;
use crate::pointer::At;

use super::edited_gateway;
use super::search::State;
use super::{Route, Step};

/// The documents of a step, from all documents of desired state as they are written. Services come as the
/// step has them, Gateways so that their controllers make them so, endpoints with the Service through which they are reached then. The last step's are
/// those of desired state.
pub fn documents(route: &Route, step: &Step, desired: &[Value]) -> Vec<Value> {
    if route.steps.last().is_some_and(|last| last.number == step.number) {
        return desired.to_vec();
    }
    let mut written = BTreeSet::new();
    let mut documents = Vec::new();
    let made = edited_gateway::made(route);
    for document in desired.iter().flat_map(items) {
        match document.get("kind").and_then(Value::as_str) {
            Some("Service") => {
                let key = key_of(document.get("metadata").unwrap_or(&Value::Null), step);
                match step.services.get(&key) {
                    Some(Some(manifest)) => documents.push(manifest.clone()),
                    Some(None) => {}
                    None => documents.push(document.clone()),
                }
                written.insert(key);
            }
            Some("PrivateEndpoint") => documents.extend(reached(step, document)),
            // What a Gateway makes is edited there.
            Some("Gateway") if let Some(service) = edited_gateway::service_of(document, &made) => {
                documents.extend(edited_gateway::edited(document, service, (route, step)));
                written.insert(service.to_owned());
            }
            _ => documents.push(document.clone()),
        }
    }
    let others = step.services.iter().filter(|(key, _)| !written.contains(*key));
    documents.extend(others.filter_map(|(_, manifest)| manifest.clone()));
    documents
}

/// The items of a list, or else the document itself.
pub(super) fn items(document: &Value) -> &[Value] {
    let items = document.get("items").and_then(Value::as_array);
    let is_list =
        document.get("kind").and_then(Value::as_str).is_some_and(|it| it.ends_with("List"));
    items.filter(|_| is_list).map_or(std::slice::from_ref(document), Vec::as_slice)
}

/// Which Service of the step is named.
fn key_of(named: &Value, step: &Step) -> String {
    key_among(named, step.services.keys().map(String::as_str))
}

/// Which Service is named, as `namespace/name`. One that names no namespace is in the context's, which those that are
/// known tell.
pub(super) fn key_among<'k>(named: &Value, mut known: impl Iterator<Item = &'k str>) -> String {
    let text = |field: &str| named.get(field).and_then(Value::as_str);
    let name = text("name").unwrap_or_default();
    if let Some(namespace) = text("namespace") {
        return Key::new(namespace, name).to_string();
    }
    let same = |key: &&str| key.split_once('/').is_some_and(|(_, it)| it == name);
    known.find(same).unwrap_or(name).to_owned()
}

/// An endpoint as it is reached in a step; one whose Service is not there then is left out, and made again with
/// the Service.
fn reached(step: &Step, document: &Value) -> Option<Value> {
    let name = document.at("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let mut document = document.clone();
    let target = document.pointer_mut("/spec/target").and_then(Value::as_object_mut);
    let Some(target) = target.filter(|target| target.contains_key("service")) else {
        return Some(document);
    };
    match step.targets.get(name).and_then(|it| it.split_once('/')) {
        Some((namespace, name)) => {
            target.insert("service".to_owned(), json!({"namespace": namespace, "name": name}));
        }
        None => {
            let wanted = key_of(target.get("service").unwrap_or(&Value::Null), step);
            if step.services.get(&wanted).is_some_and(Option::is_none) {
                return None;
            }
        }
    }
    Some(document)
}

/// Through which Service each endpoint is reached in a state: the desired one, if the endpoint's connection
/// is to a Private Link Service that leads to it, and else another that it leads to.
pub(super) fn targets(input: &Input<'_>, state: &State) -> BTreeMap<String, String> {
    let owners = Owners::of(state.cluster.services.values().map(AsRef::as_ref), &[&state.world]);
    let mut targets = BTreeMap::new();
    for endpoint in input.endpoints() {
        let Target::Service(wanted) = &endpoint.wanted.target else { continue };
        let links = state.world.private_link_services.values();
        let mut connected = links.filter(|link| {
            link_node::consumers(link)
                .iter()
                .any(|it| it.endpoint.eq_ignore_ascii_case(endpoint.id.as_str()))
        });
        let Some(link) = connected.next() else { continue };
        let Some(frontend) = link_node::frontend(link) else { continue };
        let balancers = state.world.load_balancers.values();
        let rules = balancers.flat_map(|it| it.properties.load_balancing_rules.iter().flatten());
        let users: BTreeSet<&Key> = rules
            .filter(|rule| {
                let at = rule.properties.frontend_ip_configuration.as_ref();
                at.is_some_and(|at| at.id().eq_ignore_ascii_case(frontend.as_str()))
            })
            .filter_map(|rule| owners.of_name(rule.name()))
            .collect();
        let through = users.get(&wanted.value).or_else(|| users.first());
        if let Some(through) = through {
            targets.insert(endpoint.at.name, through.to_string());
        }
    }
    targets
}
