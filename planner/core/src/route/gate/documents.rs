//! The documents of a stage.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::marks::STAGE_ANNOTATION;
use crate::pointer::At;
use crate::route::documents::{items, key_among};

use super::second::annotate;
use super::{Gated, LeftLink, MovedEndpoint, Second, Stage};

/// The documents of a stage, from all documents of desired state as they are written.
pub fn stage_documents(gated: &Gated, stage: Stage, desired: &[Value]) -> Vec<Value> {
    let services = services(gated, stage);
    let known: Vec<&String> = services.keys().collect();
    let key = |named: &Value| key_among(named, known.iter().map(|it| it.as_str()));
    let mut written = BTreeSet::new();
    let mut documents = Vec::new();
    for document in desired.iter().flat_map(items) {
        let name = document.at("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        match document.get("kind").and_then(Value::as_str) {
            Some("Service") => {
                let key = key(document.get("metadata").unwrap_or(&Value::Null));
                match services.get(&key) {
                    Some(manifest) => documents.extend(manifest.clone()),
                    None => documents.push(document.clone()),
                }
                written.insert(key);
            }
            Some("PrivateEndpoint") => match moved(gated, name) {
                Some((link, second, endpoint)) => {
                    documents.extend(endpoints(document, stage, (link, second, endpoint)));
                }
                None => documents.push(document.clone()),
            },
            Some("EndpointApproval") => match copied(gated, name) {
                Some((second, copy)) => {
                    // An approval needs its Service.
                    let service = document.at("/spec/service").unwrap_or(&Value::Null);
                    if services.get(&key(service)).is_none_or(Option::is_some) {
                        documents.push(document.clone());
                    }
                    documents.push(reaching(document, "/spec", second, Some(copy)));
                }
                None => documents.push(document.clone()),
            },
            _ => documents.push(document.clone()),
        }
    }
    let others = services.into_iter().filter(|(key, _)| !written.contains(key));
    documents.extend(others.filter_map(|(_, manifest)| manifest));
    documents
}

/// The Services that are other than desired state has them in a stage.
fn services(gated: &Gated, stage: Stage) -> BTreeMap<String, Option<Value>> {
    let mut services = BTreeMap::new();
    for link in &gated.links {
        let second = link.second.as_ref();
        if stage < Stage::End {
            // One that is gone already does not come back.
            services.insert(link.service.clone(), link.kept.clone());
        } else if let Some(second) = second.filter(|second| !second.is_desired) {
            let returns = second.returns.clone().filter(|_| stage == Stage::Return);
            services.insert(link.service.clone(), returns);
        }
        if let Some(second) = second {
            let mut manifest = second.manifest.clone();
            annotate(&mut manifest, STAGE_ANNOTATION, stage.as_str());
            services.insert(second.service.clone(), Some(manifest));
        }
    }
    services
}

fn moved<'g>(
    gated: &'g Gated,
    endpoint: &str,
) -> Option<(&'g LeftLink, &'g Second, &'g MovedEndpoint)> {
    gated.links.iter().find_map(|link| {
        let second = link.second.as_ref()?;
        let moved = second.endpoints.iter().find(|it| it.endpoint == endpoint)?;
        Some((link, second, moved))
    })
}

fn copied<'g>(gated: &'g Gated, approval: &str) -> Option<(&'g Second, &'g str)> {
    let seconds = gated.links.iter().filter_map(|link| link.second.as_ref());
    let mut copies =
        seconds.filter_map(|second| Some((second, second.approvals.get(approval)?.as_str())));
    copies.next()
}

/// An endpoint that moves, with the one beside it.
fn endpoints(
    document: &Value,
    stage: Stage,
    (link, second, endpoint): (&LeftLink, &Second, &MovedEndpoint),
) -> Vec<Value> {
    let Some(beside) = &endpoint.second else {
        let service = if stage < Stage::Move { &link.service } else { &second.service };
        return vec![targeting(document, service)];
    };
    let mut old = targeting(document, &link.service);
    let mut new = reaching(&targeting(document, &second.service), "", second, Some(beside));
    for field in ["name", "address"] {
        remove(&mut new, field);
    }
    remove(if stage < Stage::Move { &mut new } else { &mut old }, "dns");
    if stage < Stage::Leave { vec![old, new] } else { vec![new] }
}

/// A document with another target.
fn targeting(document: &Value, service: &str) -> Value {
    let mut document = document.clone();
    if let Some(target) = document.pointer_mut("/spec/target").and_then(Value::as_object_mut) {
        target.insert("service".to_owned(), reference(service));
    }
    document
}

/// A document under another name, whose field `service` at a place names the second Service.
fn reaching(document: &Value, place: &str, second: &Second, name: Option<&str>) -> Value {
    let mut document = document.clone();
    if let (Some(name), Some(metadata)) =
        (name, document.get_mut("metadata").and_then(Value::as_object_mut))
    {
        metadata.insert("name".to_owned(), name.into());
    }
    if let Some(at) = document.pointer_mut(place).filter(|_| !place.is_empty())
        && let Some(fields) = at.as_object_mut()
    {
        fields.insert("service".to_owned(), reference(&second.service));
    }
    document
}

fn reference(service: &str) -> Value {
    let (namespace, name) = service.split_once('/').unwrap_or(("default", service));
    json!({"namespace": namespace, "name": name})
}

fn remove(document: &mut Value, field: &str) {
    if let Some(spec) = document.get_mut("spec").and_then(Value::as_object_mut) {
        spec.shift_remove(field);
    }
}
