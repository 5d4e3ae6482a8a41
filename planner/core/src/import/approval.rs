//! Approvals: who is approved, and who was rejected.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::arm::arm_type::ArmType;
use crate::connection_status::ConnectionStatus;
use crate::node::private_link_service;
use crate::resource_id::ResourceId;

use super::endpoint::{Links, Selected};
use super::{API_VERSION, Seen, free_name};

/// An EndpointApproval for each Service that others are connected to, or asked to be: those approved and
/// those rejected, endpoint by endpoint. The stack's own endpoints are on it where they had to ask.
pub(super) fn documents(
    seen: &Seen<'_>,
    links: &Links<'_>,
    endpoints: &[Selected<'_>],
    notes: &mut Vec<String>,
) -> Vec<Value> {
    let mut taken = BTreeSet::new();
    let mut done = BTreeSet::new();
    let mut documents = Vec::new();
    for (service, link) in links {
        // Services of one address share their Private Link Service.
        if !done.insert(link.id().to_lowercase()) {
            continue;
        }
        let (mut approved, mut rejected) = (Vec::new(), Vec::new());
        for consumer in private_link_service::consumers(link) {
            let id = ResourceId::new(&consumer.endpoint);
            let own = endpoints.iter().find(|endpoint| endpoint.id == id);
            let asks = own.and_then(|own| own.live.connection()).is_none_or(|(_, manual)| manual);
            match &consumer.status {
                ConnectionStatus::Approved if asks => approved.push(json!({"endpoint": id.as_str()})),
                ConnectionStatus::Rejected if own.is_none() => rejected.push(json!({"endpoint": id.as_str()})),
                ConnectionStatus::Approved | ConnectionStatus::Rejected => {}
                status if own.is_none() => notes.push(format!(
                    "the connection of {id} to Service {service} is {status}, and is left to an EndpointApproval \
                     that names it"
                )),
                _ => {}
            }
        }
        if approved.is_empty() && rejected.is_empty() {
            continue;
        }
        let name = free_name(
            &mut taken,
            &[service.name.clone(), short(&format!("{}-{}", service.namespace, service.name))],
        );
        let mut spec = Map::new();
        let reference = json!({"namespace": service.namespace, "name": service.name});
        spec.insert("service".to_owned(), reference);
        for (list, consumers) in [("approve", approved), ("reject", rejected)] {
            if !consumers.is_empty() {
                spec.insert(list.to_owned(), consumers.into());
            }
        }
        documents.push(json!({
            "apiVersion": API_VERSION,
            "kind": "EndpointApproval",
            "metadata": {"name": name},
            "spec": spec,
        }));
    }
    note_unread(seen, links, notes);
    documents
}

/// What the name of a document may have: 63 characters, the last one a letter or a digit.
fn short(name: &str) -> String {
    let cut: String = name.chars().take(60).collect();
    cut.trim_end_matches(['-', '.', '_']).to_owned()
}

/// Says from which subscriptions others are connected that were not read: some of them may be the user's.
fn note_unread(seen: &Seen<'_>, links: &Links<'_>, notes: &mut Vec<String>) {
    let mut unread = BTreeSet::new();
    for consumer in links.values().flat_map(|link| private_link_service::consumers(link)) {
        let subscription = consumer.subscription.to_lowercase();
        let list = ArmType::PrivateEndpoint.list_in(&format!("/subscriptions/{subscription}"));
        if !subscription.is_empty() && seen.live.list(&list.to_lowercase()).is_none() {
            unread.insert(subscription);
        }
    }
    if !unread.is_empty() {
        let unread: Vec<String> = unread.into_iter().collect();
        notes.push(format!(
            "private endpoints of these subscriptions are taken for others', since they were not read: {}",
            unread.join(", ")
        ));
    }
}
