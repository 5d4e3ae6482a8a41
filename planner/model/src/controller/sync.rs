//! One reaction of the controller: when it acts, and what it tells Kubernetes
//! (reference: cloud-controller, section 11).

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::arm::azure::Azure;
use crate::controller::cluster::Cluster;
use crate::kubernetes::node::Node;
use crate::kubernetes::service::{Key, Service};
use crate::pointer::At;

use super::cloud::Cloud;
use super::failure::Failure;
use super::memory::Memory;
use super::outcome::{Event, EventType, Outcome, Reaction};
use super::service_sync::bad_status;

/// The finalizer of Services with a load balancer.
pub const FINALIZER: &str = "service.kubernetes.io/load-balancer-cleanup";

/// What makes the controller act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A Service was created, changed, or marked for deletion (then `deleting` is set and it is still
    /// in [`Cluster::services`]).
    Service(Key),
    /// The set of nodes changed.
    Nodes,
    /// A retry is due.
    Retry(Key),
    /// It restarted: all it remembered but the time is lost.
    Started,
}

/// One reaction. It changes Azure, the memory, and in `cluster` the Services' status and finalizers,
/// which the caller stores in the API server; a Service whose last finalizer went while it was being
/// deleted is gone.
pub fn sync(
    azure: &mut Azure<'_>,
    cluster: &mut Cluster,
    memory: &mut Memory,
    trigger: &Trigger,
) -> Reaction {
    let mut reaction = Reaction::default();
    match trigger {
        Trigger::Service(key) => {
            if notice(cluster, memory, key) {
                reaction.outcomes.extend(sync_service(azure, cluster, memory, key));
            }
        }
        Trigger::Retry(key) => {
            memory.retries.remove(key);
            reaction.outcomes.extend(sync_service(azure, cluster, memory, key));
        }
        Trigger::Started => {
            *memory = Memory { now: memory.now, ..Memory::default() };
            let keys: Vec<Key> = cluster.services.keys().cloned().collect();
            let due: Vec<Key> =
                keys.into_iter().filter(|key| notice(cluster, memory, key)).collect();
            for key in due {
                reaction.outcomes.extend(sync_service(azure, cluster, memory, &key));
            }
        }
        Trigger::Nodes => {
            // A node that went is looked at afresh when it comes back (`updateNodeCaches`).
            let here: BTreeSet<String> =
                cluster.nodes.iter().map(|it| it.name.to_lowercase()).collect();
            memory.settled_nodes.retain(|name| here.contains(&name.to_lowercase()));
            let keys: Vec<Key> = memory.synced.keys().cloned().collect();
            let mut failed = Vec::new();
            for key in keys {
                let outcome = sync_nodes(azure, cluster, memory, &key);
                if outcome.as_ref().is_some_and(|outcome| outcome.error.is_some()) {
                    failed.push(key);
                }
                reaction.outcomes.extend(outcome);
            }
            // What failed is queued as a Service at once (`processNextNodeItem`).
            for key in failed {
                reaction.outcomes.extend(sync_service(azure, cluster, memory, &key));
            }
        }
    }
    reaction
}

/// Lets time pass: retries that come due meanwhile are done, in order.
pub fn wait(
    azure: &mut Azure<'_>,
    cluster: &mut Cluster,
    memory: &mut Memory,
    seconds: u64,
) -> Reaction {
    let end = memory.now + seconds;
    let mut reaction = Reaction::default();
    while let Some((due, key)) = memory.next_retry() {
        if due > end {
            break;
        }
        let key = key.clone();
        memory.now = memory.now.max(due);
        let next = sync(azure, cluster, memory, &Trigger::Retry(key));
        reaction.outcomes.extend(next.outcomes);
    }
    memory.now = end;
    reaction
}

/// Whether what the watch shows of a Service calls for a sync.
fn notice(cluster: &Cluster, memory: &mut Memory, key: &Key) -> bool {
    let Some(current) = cluster.services.get(key) else {
        // The controller does not watch Services go: it acts when they are marked for deletion. One
        // that went without its finalizer leaves its load balancer behind.
        memory.seen.remove(key);
        return false;
    };
    let due = match memory.seen.get(key) {
        None => current.wants_load_balancer() || needs_cleanup(current),
        Some(before) => {
            let is_told = !is_same_object(before, current);
            needs_update(before, current) || (needs_cleanup(current) && is_told)
        }
    };
    memory.seen.insert(key.clone(), current.clone());
    due
}

/// Whether a write changed nothing: the watch tells nobody of it.
fn is_same_object(old: &Service, new: &Service) -> bool {
    let parts = ["/spec", "/metadata/labels", "/metadata/annotations"];
    old.deleting == new.deleting
        && old.finalizers == new.finalizers
        && parts.iter().all(|part| old.object.at(part) == new.object.at(part))
}

fn needs_cleanup(service: &Service) -> bool {
    let has = service.finalizers.iter().any(|finalizer| finalizer == FINALIZER);
    has && (service.deleting || service.kind != "LoadBalancer")
}

/// Whether a change matters to the load balancer (`needsUpdate`): any annotation does, no label does.
fn needs_update(old: &Service, new: &Service) -> bool {
    let (wanted, wants) = (old.wants_load_balancer(), new.wants_load_balancer());
    if !wanted && !wants {
        return false;
    }
    wanted != wants
        || old.source_ranges != new.source_ranges
        || !same_ports(old, new)
        || old.session_affinity != new.session_affinity
        || old.session_affinity_config != new.session_affinity_config
        || old.load_balancer_ip != new.load_balancer_ip
        || old.external_ips != new.external_ips
        || old.annotations != new.annotations
        || old.uid != new.uid
        || old.external_traffic_policy != new.external_traffic_policy
        || old.health_check_node_port != new.health_check_node_port
        || old.ip_families.len() != new.ip_families.len()
}

/// `portEqualForLB`: name, protocol, port, node port, target port and `appProtocol`.
fn same_ports(old: &Service, new: &Service) -> bool {
    let target = |service: &Service, at: usize| {
        service.object.at(&format!("/spec/ports/{at}/targetPort")).cloned()
    };
    old.ports.len() == new.ports.len()
        && old
            .ports
            .iter()
            .zip(&new.ports)
            .enumerate()
            .all(|(at, (a, b))| a == b && target(old, at) == target(new, at))
}

/// Whether the Service controller keeps a node out (`nodeIncludedPredicate`): by the label, unless its
/// value is one that Go takes for `false`. The Azure provider itself looks only for the label.
fn is_labelled_out(node: &Node) -> bool {
    let value = node.labels.get("node.kubernetes.io/exclude-from-external-load-balancers");
    value.is_some_and(|it| !["0", "f", "F", "false", "False", "FALSE"].contains(&it.as_str()))
}

/// The nodes that take traffic (`listWithPredicates`); `None` if there are none.
fn hosts(cluster: &Cluster) -> Option<Vec<Arc<Node>>> {
    let takes = |node: &&Arc<Node>| !node.leaving && !is_labelled_out(node);
    let hosts: Vec<Arc<Node>> = cluster.nodes.iter().filter(takes).cloned().collect();
    (!hosts.is_empty()).then_some(hosts)
}

struct Log<'s> {
    service: &'s Service,
    events: Vec<Event>,
}

impl Log<'_> {
    fn say(&mut self, kind: EventType, reason: &str, message: impl Into<String>) {
        self.events.push(Event {
            service: self.service.key.clone(),
            kind,
            reason: reason.to_owned(),
            message: message.into(),
            source: "service-controller".to_owned(),
        });
    }
}

/// One sync of a Service (`syncService`).
fn sync_service(
    azure: &mut Azure<'_>,
    cluster: &mut Cluster,
    memory: &mut Memory,
    key: &Key,
) -> Option<Outcome> {
    let service = match cluster.services.get(key) {
        Some(service) => service.clone(),
        // It went without its finalizer: what was last synced says what to remove.
        None => return forget(azure, cluster, memory, key),
    };
    memory.synced.insert(key.clone(), service.clone());
    let delete = !service.wants_load_balancer() || needs_cleanup(&service);
    let mut log = Log { service: &service, events: Vec::new() };
    let nodes = hosts(cluster);
    if !delete {
        // Whether the sync succeeds or not (`ensureLoadBalancer`).
        memory.nodes.insert(key.clone(), nodes.clone().unwrap_or_default());
    }
    let mut cloud = Cloud::new(azure, cluster, memory);
    let result = if delete {
        cleanup(&mut cloud, &mut log)
    } else {
        ensure(&mut cloud, &mut log, nodes.as_deref())
    };
    let (writes, effects) = (cloud.writes, cloud.effects);
    let mut events = std::mem::take(&mut log.events);
    let (status, error) = match result {
        Ok(status) => (Some(status), None),
        Err(failure) => {
            log.say(
                EventType::Warning,
                "SyncLoadBalancerFailed",
                format!("Error syncing load balancer: {}", failure.text),
            );
            events.append(&mut log.events);
            (None, Some(failure))
        }
    };
    match &error {
        None => {
            memory.failures.remove(key);
            if delete {
                memory.synced.remove(key);
            }
        }
        Some(_) => memory.retry_later(key),
    }
    let finalizers = finalizers_after(&service, delete, error.is_none());
    let outcome = Outcome {
        service: key.clone(),
        writes,
        events,
        status: status.filter(|status| *status != service.ingress),
        finalizers,
        error,
        effects,
    };
    store(cluster, memory, &service, &outcome);
    Some(outcome)
}

/// Removes the load balancer of a Service that is no more (`processServiceDeletion`): a retry that was
/// due comes upon it.
fn forget(
    azure: &mut Azure<'_>,
    cluster: &Cluster,
    memory: &mut Memory,
    key: &Key,
) -> Option<Outcome> {
    let service = memory.synced.get(key)?.clone();
    let mut log = Log { service: &service, events: Vec::new() };
    let mut cloud = Cloud::new(azure, cluster, memory);
    let mut error = None;
    if service.wants_load_balancer() {
        log.say(EventType::Normal, "DeletingLoadBalancer", "Deleting load balancer");
        let result = cloud.ensure_deleted(&service);
        log.events.append(&mut cloud.events);
        match result {
            Ok(()) => {
                log.say(EventType::Normal, "DeletedLoadBalancer", "Deleted load balancer");
            }
            Err(failure) => {
                let message = format!("Error deleting load balancer: {}", failure.text);
                log.say(EventType::Warning, "DeleteLoadBalancerFailed", message);
                error = Some(failure);
            }
        }
    }
    let (writes, effects, events) = (cloud.writes, cloud.effects, log.events);
    if error.is_some() {
        memory.retry_later(key);
    } else {
        memory.failures.remove(key);
        memory.synced.remove(key);
    }
    let key = key.clone();
    Some(Outcome {
        service: key,
        writes,
        events,
        status: None,
        finalizers: Vec::new(),
        error,
        effects,
    })
}

fn finalizers_after(service: &Service, delete: bool, succeeded: bool) -> Vec<String> {
    let mut finalizers = service.finalizers.clone();
    let has = finalizers.iter().any(|finalizer| finalizer == FINALIZER);
    if !delete && !has {
        finalizers.push(FINALIZER.to_owned());
    }
    if delete && succeeded {
        finalizers.retain(|finalizer| finalizer != FINALIZER);
    }
    finalizers
}

fn ensure(
    cloud: &mut Cloud<'_, '_>,
    log: &mut Log<'_>,
    nodes: Option<&[Arc<Node>]>,
) -> Result<Vec<String>, Failure> {
    log.say(EventType::Normal, "EnsuringLoadBalancer", "Ensuring load balancer");
    if nodes.is_none() {
        log.say(
            EventType::Warning,
            "UnAvailableLoadBalancer",
            "There are no available nodes for LoadBalancer",
        );
    }
    let result = cloud.ensure(log.service, nodes);
    log.events.append(&mut cloud.events);
    let status = result
        .map_err(|failure| failure.within("failed to ensure load balancer"))?
        .ok_or_else(|| Failure::new("service status returned by EnsureLoadBalancer is nil"))?;
    log.say(EventType::Normal, "EnsuredLoadBalancer", "Ensured load balancer");
    if status != log.service.ingress
        && let Some(why) = bad_status(log.service, &status)
    {
        return Err(Failure::new(format!("failed to update load balancer status: {why}")));
    }
    Ok(status)
}

fn cleanup(cloud: &mut Cloud<'_, '_>, log: &mut Log<'_>) -> Result<Vec<String>, Failure> {
    let exists = cloud.exists(log.service);
    log.events.append(&mut cloud.events);
    let exists = exists.map_err(|failure| {
        failure.within("failed to check if load balancer exists before cleanup")
    })?;
    if exists {
        log.say(EventType::Normal, "DeletingLoadBalancer", "Deleting load balancer");
        let result = cloud.ensure_deleted(log.service);
        log.events.append(&mut cloud.events);
        result.map_err(|failure| failure.within("failed to delete load balancer"))?;
    }
    log.say(EventType::Normal, "DeletedLoadBalancer", "Deleted load balancer");
    Ok(Vec::new())
}

/// Stores what the controller patched: finalizers and status.
fn store(cluster: &mut Cluster, memory: &mut Memory, service: &Service, outcome: &Outcome) {
    let key = &service.key;
    if service.deleting && outcome.finalizers.is_empty() {
        cluster.services.remove(key);
        memory.seen.remove(key);
        return;
    }
    let mut stored = service.clone();
    stored.finalizers.clone_from(&outcome.finalizers);
    if let Some(status) = &outcome.status {
        stored.ingress.clone_from(status);
    }
    if stored.finalizers == service.finalizers && stored.ingress == service.ingress {
        return;
    }
    stored.object = Arc::new(with_patches(&service.object, &stored));
    let stored = Arc::new(stored);
    cluster.services.insert(key.clone(), stored.clone());
    memory.seen.insert(key.clone(), stored.clone());
    if memory.synced.contains_key(key) {
        memory.synced.insert(key.clone(), stored);
    }
}

/// The status of a Service as the API server stores it.
pub fn status_of(ingress: &[String]) -> Value {
    if ingress.is_empty() {
        return json!({"loadBalancer": {}});
    }
    let entries = ingress.iter().map(|address| {
        if address.is_empty() { json!({}) } else { json!({"ip": address, "ipMode": "VIP"}) }
    });
    json!({"loadBalancer": {"ingress": entries.collect::<Vec<Value>>()}})
}

fn with_patches(object: &Value, service: &Service) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        if service.finalizers.is_empty() {
            metadata.shift_remove("finalizers");
        } else {
            metadata.insert("finalizers".to_owned(), json!(service.finalizers));
        }
    }
    if let Some(object) = object.as_object_mut() {
        object.insert("status".to_owned(), status_of(&service.ingress));
    }
    object
}

/// The names of the first twenty nodes, and how many more there are (`loggableNodeNames`).
fn loggable_names(nodes: &[Arc<Node>]) -> String {
    let mut names: Vec<&str> = nodes.iter().take(20).map(|node| node.name.as_str()).collect();
    names.sort_unstable();
    let more = nodes.len().saturating_sub(20);
    let more = (more > 0).then(|| format!(" <{more} more>"));
    format!("{}{}", names.join(" "), more.unwrap_or_default())
}

/// A Service after the nodes changed (`nodeSyncService`).
fn sync_nodes(
    azure: &mut Azure<'_>,
    cluster: &mut Cluster,
    memory: &mut Memory,
    key: &Key,
) -> Option<Outcome> {
    let service = cluster.services.get(key).filter(|it| it.wants_load_balancer())?.clone();
    let nodes = hosts(cluster);
    let same = memory.nodes.get(key).is_some_and(|before| {
        let now = nodes.as_deref().unwrap_or_default();
        before.len() == now.len()
            && before.iter().zip(now).all(|(a, b)| a.name == b.name && a.machine == b.machine)
    });
    memory.nodes.insert(key.clone(), nodes.clone().unwrap_or_default());
    if same {
        return None;
    }
    let mut log = Log { service: &service, events: Vec::new() };
    let mut cloud = Cloud::new(azure, cluster, memory);
    let result = cloud.should_update(&service, nodes.as_deref()).and_then(|should| {
        if should {
            cloud.ensure(&service, nodes.as_deref())?;
        }
        Ok(())
    });
    log.events.append(&mut cloud.events);
    let failed = result.err().filter(|_| !matches!(cloud.exists(&service), Ok(false)));
    let (writes, effects) = (cloud.writes, cloud.effects);
    match &failed {
        Some(failure) => {
            let nodes = nodes.as_deref().unwrap_or_default();
            log.say(
                EventType::Warning,
                "UpdateLoadBalancerFailed",
                format!(
                    "Error updating load balancer with new hosts [{}] [node names limited, total number of nodes: {}], error: {}",
                    loggable_names(nodes),
                    nodes.len(),
                    failure.text
                ),
            );
        }
        None if nodes.is_none() => log.say(
            EventType::Warning,
            "UnAvailableLoadBalancer",
            "There are no available nodes for LoadBalancer",
        ),
        None => log.say(
            EventType::Normal,
            "UpdatedLoadBalancer",
            "Updated load balancer with new hosts",
        ),
    }
    let events = log.events;
    Some(Outcome {
        service: key.clone(),
        writes,
        events,
        status: None,
        finalizers: service.finalizers.clone(),
        error: failed,
        effects,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, label: Option<&str>) -> Node {
        let key = "node.kubernetes.io/exclude-from-external-load-balancers".to_owned();
        let labels = label.into_iter().map(|value| (key.clone(), value.to_owned())).collect();
        Node { name: name.to_owned(), labels, ..Node::default() }
    }

    #[test]
    fn a_label_that_says_false_excludes_no_node() {
        // `nodeIncludedPredicate`.
        for value in ["", "true", "yes"] {
            assert!(is_labelled_out(&node("a", Some(value))), "{value}");
        }
        for value in [None, Some("false"), Some("0"), Some("F")] {
            assert!(!is_labelled_out(&node("a", value)), "{value:?}");
        }
    }

    #[test]
    fn twenty_nodes_are_named() {
        // `loggableNodeNames`.
        let nodes: Vec<Arc<Node>> =
            (10..32).map(|at| node(&format!("n{at}"), None).into()).collect();
        assert_eq!(loggable_names(&nodes[..2]), "n10 n11");
        assert!(loggable_names(&nodes).ends_with(" n29 <2 more>"));
    }
}
