//! Offers: what consumers need to know of the stack's Private Link Services, as documents that a consumer's stack
//! takes (`target: {offer: FILE}`). The same world gives the same documents: no time is in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value, json};

use crate::arm::resource::PrivateLinkService;
use crate::desired::Consumer;
use crate::import::API_VERSION;
use crate::kubernetes::service::Key;
use crate::location;
use crate::prediction::Prediction;
use crate::wanted::Wanted;

/// Why nothing is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotOffered {
    /// No Service of the stack has a Private Link Service, and none is to get one.
    Nothing,
    /// The Private Link Service of a Service is not in Azure yet, or was not read, or has no alias yet.
    NotYet(Key),
}

impl fmt::Display for NotOffered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => {
                f.write_str("no Service of the stack has a Private Link Service to offer")
            }
            Self::NotYet(service) => {
                write!(
                    f,
                    "the Private Link Service of Service {service} is not in Azure, or not ready"
                )
            }
        }
    }
}

/// An Offer for each Private Link Service of the stack, by the first of its Services.
///
/// # Errors
/// All are offered or none: a file with some of them would take the others away from their consumers.
pub fn offers(wanted: &Wanted<'_>, prediction: &Prediction) -> Result<Vec<Value>, NotOffered> {
    let mut services: BTreeMap<String, (&PrivateLinkService, Vec<&Key>)> = BTreeMap::new();
    let mut order = Vec::new();
    for key in wanted.keys() {
        let Some(link) = prediction.link_before(key) else {
            if prediction.link_after(key).is_some() {
                return Err(NotOffered::NotYet(key.clone()));
            }
            continue;
        };
        let id = link.id().to_lowercase();
        if !services.contains_key(&id) {
            order.push(id.clone());
        }
        services.entry(id).or_insert((link, Vec::new())).1.push(key);
    }
    if order.is_empty() {
        return Err(NotOffered::Nothing);
    }
    let all = order.iter().filter_map(|id| services.get(id));
    all.map(|(link, keys)| offer(wanted, link, keys)).collect()
}

fn offer(
    wanted: &Wanted<'_>,
    link: &PrivateLinkService,
    keys: &[&Key],
) -> Result<Value, NotOffered> {
    let Some(first) = keys.first() else { return Err(NotOffered::Nothing) };
    let properties = &link.properties;
    let Some(alias) = properties.alias.as_deref() else {
        return Err(NotOffered::NotYet((*first).clone()));
    };
    let mut spec = Map::new();
    spec.insert("stack".to_owned(), wanted.name().into());
    spec.insert("id".to_owned(), link.id().into());
    spec.insert("alias".to_owned(), alias.into());
    if let Some(location) = &link.location {
        spec.insert("location".to_owned(), location::plain(location).into());
    }
    let mut put = |name: &str, texts: BTreeSet<String>| {
        if !texts.is_empty() {
            spec.insert(name.to_owned(), texts.into_iter().collect::<Vec<_>>().into());
        }
    };
    put("fqdns", sorted(properties.fqdns.as_deref()));
    let visibility = properties.visibility.as_ref().and_then(|it| it.subscriptions.as_deref());
    put("visibility", sorted(visibility));
    let automatic = properties.auto_approval.as_ref().and_then(|it| it.subscriptions.as_deref());
    let approval = approval(sorted(automatic), awaited(wanted, keys));
    if !approval.is_empty() {
        spec.insert("approval".to_owned(), approval.into());
    }
    Ok(json!({
        "apiVersion": API_VERSION,
        "kind": "Offer",
        "metadata": {"name": format!("{}.{}", first.namespace, first.name)},
        "spec": spec,
    }))
}

/// Names and subscriptions, in lower case and in order.
fn sorted(texts: Option<&[String]>) -> BTreeSet<String> {
    texts.unwrap_or_default().iter().map(|text| text.to_lowercase()).collect()
}

fn approval(automatic: BTreeSet<String>, manual: Vec<Value>) -> Map<String, Value> {
    let mut approval = Map::new();
    if !automatic.is_empty() {
        let automatic: Vec<String> = automatic.into_iter().collect();
        approval.insert("automatic".to_owned(), automatic.into());
    }
    if !manual.is_empty() {
        approval.insert("manual".to_owned(), manual.into());
    }
    approval
}

/// The consumers that the stack's EndpointApprovals let in, and whether they need a token, which is never written.
fn awaited(wanted: &Wanted<'_>, keys: &[&Key]) -> Vec<Value> {
    let approvals = wanted.approvals().filter(|it| keys.contains(&&it.service.value));
    let mut consumers: BTreeMap<(&str, String), bool> = BTreeMap::new();
    for admitted in approvals.flat_map(|approval| &approval.approve) {
        let consumer = match &admitted.consumer {
            Consumer::Subscription(it) => ("subscription", it.value.to_lowercase()),
            Consumer::Endpoint(it) => ("endpoint", it.value.as_str().to_owned()),
        };
        // Whoever is let in without a token by one approval needs none.
        let needs = consumers.entry(consumer).or_insert(true);
        *needs &= admitted.request_message.is_some();
    }
    let entry = |((field, value), needs_message): ((&str, String), bool)| {
        let mut entry = Map::new();
        entry.insert(field.to_owned(), value.into());
        if needs_message {
            entry.insert("requestMessage".to_owned(), true.into());
        }
        Value::Object(entry)
    };
    consumers.into_iter().map(entry).collect()
}
