//! A snapshot fit to be given away: to a pull request from a fork, which may plan from it.
//!
//! What is another owner's becomes a pseudonym, the same one wherever it stands, so that references
//! still lead where they led and a plan comes out the same but for names. What a plan does not read is
//! left out: a list of what is kept can be checked, a list of secrets never ends.
//!
//! Own is what desired state itself says (it is in the repository anyway), the cluster's subscription and
//! the resource groups of the facts, with what lies in them. Everything else is foreign: other
//! subscriptions and resource groups and the names in them, consumers of the stack's Private Link
//! Services, their request messages, other Services, public addresses.
//!
//! Pseudonyms are keyed by the uid of Service `default/kubernetes`, which a cluster keeps for life and
//! which is left out. So the same cluster gives the same pseudonyms with every run, and whoever has the
//! file alone cannot find a name by trying.

mod azure;
mod kubernetes;
mod pseudonym;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::arm::arm_type::ArmType;
use crate::facts::Facts;
use crate::kubernetes::service::Key;
use crate::resource_id::ResourceId;

use crate::snapshot::{Index, Kubernetes, Reading, Snapshot};

use pseudonym::Pseudonyms;

/// What is the stack's own.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// Words of desired state, in lower case.
    words: BTreeSet<String>,
    /// Desired state as it is written.
    texts: Vec<String>,
    /// The Services of the stack.
    services: BTreeSet<Key>,
}

impl Own {
    /// What desired state (its files' texts) and the facts say.
    pub fn of(texts: &[String], services: impl IntoIterator<Item = Key>, facts: &Facts) -> Self {
        let mut words = BTreeSet::new();
        for text in texts {
            let parts = text.split(|c: char| !(c.is_alphanumeric() || "_.()-".contains(c)));
            words.extend(parts.filter(|it| !it.is_empty()).map(str::to_lowercase));
        }
        let groups = [
            Some(&facts.subscription),
            facts.network_subscription.as_ref(),
            Some(&facts.resource_group),
            facts.virtual_network_resource_group.as_ref(),
            facts.load_balancer_resource_group.as_ref(),
            facts.private_link_service_resource_group.as_ref(),
            facts.security_group_resource_group.as_ref(),
        ];
        words.extend(
            groups.into_iter().flatten().filter(|it| !it.is_empty()).map(|it| it.to_lowercase()),
        );
        Self { words, texts: texts.to_vec(), services: services.into_iter().collect() }
    }

    /// Whether desired state or the facts hold this word.
    fn has(&self, word: &str) -> bool {
        self.words.contains(&word.to_lowercase())
    }

    /// Whether desired state holds this text.
    fn says(&self, text: &str) -> bool {
        self.texts.iter().any(|it| it.contains(text))
    }
}

/// The snapshot with pseudonyms for what is not own.
pub fn redact(snapshot: &Snapshot, own: &Own) -> Snapshot {
    let key = key(snapshot);
    let mut own = own.clone();
    own_addresses(snapshot, &mut own);
    let names = Pseudonyms::new(&own, &key);
    let azure = snapshot
        .azure
        .iter()
        .map(|(path, reading)| {
            let list = map(reading, |list| azure::list(&names, path, list));
            (names.path(path), list)
        })
        .collect::<BTreeMap<_, _>>();
    let live = &snapshot.kubernetes;
    Snapshot {
        format_version: snapshot.format_version.clone(),
        taken_at: snapshot.taken_at.clone(),
        redacted: true,
        kubernetes: Kubernetes {
            version: map(&live.version, Clone::clone),
            namespace: live.namespace.clone(),
            services: map(&live.services, |list| kubernetes::services(&names, list)),
            nodes: map(&live.nodes, kubernetes::nodes),
            events: map(&live.events, |list| kubernetes::events(&names, list)),
            namespaces: live
                .namespaces
                .as_ref()
                .map(|reading| map(reading, |list| kubernetes::namespaces(&names, list))),
        },
        azure,
        index: Index::default(),
    }
}

/// A reading with another content. Why something could not be read names who tried.
fn map<T, U>(reading: &Reading<T>, with: impl FnOnce(&T) -> U) -> Reading<U> {
    match reading {
        Reading::Present(it) => Reading::Present(with(it)),
        Reading::Absent => Reading::Absent,
        Reading::Unreadable(_) => Reading::Unreadable("it could not be read".to_owned()),
    }
}

/// The Service that every cluster has, and whose uid is kept back.
fn keeper() -> Key {
    Key::new("default", "kubernetes")
}

/// What keys the pseudonyms: the uid of the Service that every cluster has. Without it, the whole
/// content, so that pseudonyms change with every run, but can as little be found by trying.
fn key(snapshot: &Snapshot) -> Vec<u8> {
    let mut services = snapshot.kubernetes.services.objects();
    let is_it = |service: &&Value| kubernetes::key(service) == Some(keeper());
    let uid = services.find(is_it).and_then(|it| it.pointer("/metadata/uid")?.as_str());
    match uid {
        Some(uid) => uid.as_bytes().to_vec(),
        None => serde_json::to_vec(snapshot).unwrap_or_default(),
    }
}

/// Public addresses of the node resource group are own.
fn own_addresses(snapshot: &Snapshot, own: &mut Own) {
    let addresses: Vec<String> = snapshot
        .resources_of_type(ArmType::PublicIpAddress.name())
        .filter(|it| {
            let id = it.get("id").and_then(Value::as_str).map(ResourceId::new);
            let group = id.as_ref().and_then(ResourceId::resource_group);
            group.is_some_and(|group| own.has(group))
        })
        .filter_map(|it| it.pointer("/properties/ipAddress")?.as_str().map(ToOwned::to_owned))
        .collect();
    own.words.extend(addresses);
}

#[cfg(test)]
mod tests;
