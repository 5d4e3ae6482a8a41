//! The Stack document, and the stack's name.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::facts::{Facts, Origin, TABLE};
use crate::inventory::Inventory;
use crate::kubernetes::managers;
use crate::kubernetes::service::Key;
use crate::node::{private_endpoint, service};

use super::{API_VERSION, Error, Seen, Selection};

/// Where what is imported is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The subscription of the cluster.
    pub subscription: String,
    /// The resource group of the cluster.
    pub resource_group: Option<String>,
    /// The AKS cluster's name.
    pub cluster: Option<String>,
    /// The kubeconfig context, if one was named.
    pub context: Option<String>,
}

/// The stack's name: the chosen one, the only one that what is live is marked with, else the cluster's.
///
/// # Errors
///
/// When there are marks of several stacks and none was chosen.
pub fn name(live: &Inventory<'_>, place: &Place, selection: &Selection) -> Result<String, Error> {
    if let Some(stack) = &selection.stack {
        return Ok(stack.clone());
    }
    let labels = live.service_objects().filter_map(|(_, it)| service::stack_of(it));
    let tags = live.endpoints().filter_map(private_endpoint::stack_of);
    let marks: BTreeSet<&str> = labels.chain(tags).collect();
    let mut marks = marks.into_iter();
    match (marks.next(), marks.next()) {
        (None, _) => Ok(place.cluster.clone().unwrap_or_else(|| "default".to_owned())),
        (Some(only), None) => Ok(only.to_owned()),
        (Some(first), Some(second)) => {
            let all = [first, second].into_iter().chain(marks);
            Err(Error::SeveralStacks(all.map(ToOwned::to_owned).collect()))
        }
    }
}

/// The Stack document, with the facts that were read from the AKS API.
pub(super) fn document(seen: &Seen<'_>, facts: &Facts, services: &[(Key, &Value)]) -> Value {
    let mut spec = Map::new();
    let mut put = |name: &str, value: Option<&str>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            spec.insert(name.to_owned(), value.into());
        }
    };
    put("subscription", Some(&seen.place.subscription));
    put("resourceGroup", seen.place.resource_group.as_deref());
    put("cluster", seen.place.cluster.as_deref());
    put("context", seen.place.context.as_deref());
    // Where some are another tool's and some are not, each live Service tells whose it is.
    let is_external = |(_, live): &(Key, &Value)| {
        managers::author(live).tool.is_some_and(managers::Tool::is_external)
    };
    put(
        "services",
        Some("external").filter(|_| !services.is_empty() && services.iter().all(is_external)),
    );
    let facts = read_facts(facts);
    if !facts.is_empty() {
        spec.insert("facts".to_owned(), Value::Object(facts));
    }
    json!({
        "apiVersion": API_VERSION,
        "kind": "Stack",
        "metadata": {"name": seen.stack},
        "spec": spec,
    })
}

/// The facts that the AKS API told, under the names they have in a Stack.
fn read_facts(facts: &Facts) -> Map<String, Value> {
    let read = TABLE.iter().filter(|row| facts.source(row.fact) == Origin::Read);
    let told = read.filter_map(|row| Some((row.stack?.to_owned(), facts.value(row.fact))));
    // One load balancer is what a Stack says by saying nothing, until there are several.
    let says_nothing = |value: &Value| value.is_null() || *value == json!([]);
    told.filter(|(_, value)| !says_nothing(value)).collect()
}
