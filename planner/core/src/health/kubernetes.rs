//! Rules over live Services and Nodes.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use crate::controller::outcome::Outcome;
use crate::join::Join;
use crate::kubernetes::service::{Key, Service};
use crate::node::private_link_service;
use crate::node::service::address;
use crate::node_id::{Kind, NodeId};
use crate::plan::Finding;
use crate::plural::count;
use crate::pointer::At;
use crate::rule::{Example, basis, rules};
use crate::snapshot::Reading;
use crate::sync_progress::{any_failed, failure};

use super::{Check, finding};

/// The finalizer of the service controller (`LoadBalancerCleanupFinalizer` of
/// k8s.io/cloud-provider/service/helpers).
const FINALIZER: &str = "service.kubernetes.io/load-balancer-cleanup";

/// The live Services that desired state has and the plan is about.
fn wanted<'a>(join: &'a Join<'_>) -> impl Iterator<Item = (&'a Key, &'a Arc<Service>)> {
    let is_wanted = |key: &Key| join.input.wanted.has(key) && join.input.covers(&address(key));
    join.prediction.live.iter().filter(move |(key, _)| is_wanted(key))
}

/// A Service that has a load balancer, without the finalizer: if it is deleted now, the API server removes
/// it at once, and the controller cleans nothing up.
fn cleanup_lost(join: &Join<'_>, findings: &mut Vec<Finding>) {
    for (key, service) in wanted(join) {
        let is_balanced = service.wants_load_balancer() && !service.ingress.is_empty();
        if !is_balanced || service.finalizers.iter().any(|it| it == FINALIZER) {
            continue;
        }
        findings.push(finding(
            CLEANUP_LOST,
            address(key),
            format!(
                "it has a load balancer and no finalizer {FINALIZER}: once it is deleted, what it has in Azure stays"
            ),
            "The controller puts it back at its next sync; do not delete the Service before.",
        ));
    }
}

/// A Service whose last sync failed, and whose next is not predicted to: why it failed is not in what was read.
fn controller_failing(join: &Join<'_>, findings: &mut Vec<Finding>) {
    if !any_failed(join.input.live) {
        return;
    }
    for (key, service) in wanted(join) {
        let fails = |it: &Outcome| it.error.is_some();
        let Some(event) = failure(join.input.live, service) else { continue };
        if join.prediction.outcome(key).is_some_and(fails) {
            continue;
        }
        let said = event.message.split_whitespace().collect::<Vec<_>>().join(" ");
        findings.push(finding(
            CONTROLLER_FAILING,
            address(key),
            format!("the controller fails: {}: {}", event.reason, crate::reason::clean(&said)),
            "Remove what the event names: until then the controller fails at what is planned as well.",
        ));
    }
}

/// A Service that is being deleted: the controller takes away what it made for it, and the API server then the
/// Service.
fn being_deleted(join: &Join<'_>, findings: &mut Vec<Finding>) {
    for (key, _) in wanted(join).filter(|(_, service)| service.deleting) {
        let link = join.prediction.link_before(key);
        let consumers = link.map(private_link_service::consumers).unwrap_or_default();
        let whom = consumers.iter().filter(|it| it.status.may_be_connected()).count();
        let whom = match whom {
            0 => String::new(),
            whom => format!(", which disconnects {}", count(whom, "consumer")),
        };
        findings.push(finding(
            SERVICE_DELETING,
            address(key),
            format!("it is being deleted, and what the controller made for it with it{whom}"),
            "Wait until it is gone, and apply: it is re-created then. `kubectl describe service` shows what holds it.",
        ));
    }
}

/// Addresses that every node takes for the Service, whoever they belong to.
fn external_addresses(join: &Join<'_>, findings: &mut Vec<Finding>) {
    for (key, service) in wanted(join) {
        let Some(wanted) = join.input.wanted.service(key) else { continue };
        let said = wanted.manifest.at("/spec/externalIPs").and_then(Value::as_array);
        let said: BTreeSet<&str> = said.into_iter().flatten().filter_map(Value::as_str).collect();
        let other = service.external_ips.iter().map(String::as_str);
        let other: Vec<&str> = other.filter(|it| !said.contains(it)).collect();
        if other.is_empty() {
            continue;
        }
        findings.push(finding(
            EXTERNAL_ADDRESSES,
            address(key),
            format!(
                "its externalIPs {} are not in its manifest: the nodes take what is sent to them for the Service",
                other.join(", ")
            ),
            "Take them out of the live Service, or write them into its manifest.",
        ));
    }
}

/// Load balancers of the stack's Services while no Node is ready: nothing answers behind them.
pub(crate) fn no_ready_node(join: &Join<'_>, findings: &mut Vec<Finding>) {
    if !matches!(join.input.live.machines(), Reading::Present(_)) {
        return;
    }
    let mut nodes = join.input.live.machines().objects();
    let count = nodes.clone().count();
    if nodes.any(is_ready) {
        return;
    }
    let message = match count {
        0 => "the cluster has no Node, so nothing answers behind it".to_owned(),
        _ => format!("none of {count} Nodes is ready, so nothing answers behind it"),
    };
    let frontends = join.prediction.nodes_before().iter();
    let of_stack = frontends
        .filter(|(at, node)| at.kind == Kind::FrontendIp && join.input.wanted.has_node(node));
    let balancers = of_stack.filter_map(|(_, node)| Some(node.id.parent()?.name().to_owned()));
    for balancer in balancers.collect::<BTreeSet<String>>() {
        findings.push(finding(
            NO_READY_NODE,
            NodeId::new(Kind::LoadBalancer, balancer),
            message.clone(),
            "Look at the Nodes: `kubectl get nodes`.",
        ));
    }
}

/// Whether a Node is ready. One that says nothing of it counts as ready.
fn is_ready(node: &Value) -> bool {
    let conditions = node.at("/status/conditions").and_then(Value::as_array);
    let mut ready = conditions
        .into_iter()
        .flatten()
        .filter(|condition| condition.get("type").and_then(Value::as_str) == Some("Ready"));
    ready.all(|condition| condition.get("status").and_then(Value::as_str) == Some("True"))
}

/// The checks of this file.
pub(super) const CHECKS: &[Check] =
    &[cleanup_lost, controller_failing, being_deleted, external_addresses, no_ready_node];

rules! {
    /// A live Service has a load balancer, and has lost the finalizer
    /// `service.kubernetes.io/load-balancer-cleanup`. If it is deleted now, the API server removes it at
    /// once, the controller never learns of it, and its frontend, rules and Private Link Service stay in
    /// Azure.
    CLEANUP_LOST = "cleanup-lost", Warning, [Desired, Live], {
        basis: basis::documented("the finalizer makes the controller clean up", basis::link::KUBERNETES),
        advice: "Do not delete the Service before the controller has put the finalizer back, which it \
            does at its next sync.",
        example: Example::live("metadata: {finalizers: []}   # of a Service with an address"),
    }

    /// The newest event of a live Service says that the controller failed at its last sync, and nothing that was read
    /// shows why. It repeats what failed, and is taken to fail at what is planned as well.
    CONTROLLER_FAILING = "controller-failing", Warning, [Desired, Live], {
        basis: basis::documented("the controller reports failures as Events", basis::link::KUBERNETES),
        advice: "Remove what the event names; `kubectl describe service` shows it.",
        example: Example::live("Warning SyncLoadBalancerFailed: AuthorizationFailed   # newest event of the Service"),
    }

    /// A live Service of the stack has a deletion timestamp: the controller deletes its frontend and its Private Link
    /// Service, and nothing written to it keeps it.
    SERVICE_DELETING = "service-deleting", Error, [Desired, Live], {
        basis: basis::documented("finalizers run before the object is removed", basis::link::KUBERNETES),
        advice: "Wait until it is gone, and apply: it is re-created then. If it stays, `kubectl describe service` \
            shows what holds it.",
        example: Example::live("metadata: {deletionTimestamp: 2026-11-29T12:00:00Z}   # of the live Service"),
    }

    /// A live Service has `externalIPs` that its manifest does not have. Every node takes what is sent to
    /// such an address for the Service, whoever the address belongs to (CVE-2020-8554).
    EXTERNAL_ADDRESSES = "external-addresses", Warning, [Desired, Live], {
        basis: basis::documented("every node takes external addresses", basis::link::KUBERNETES),
        advice: "Take them out of the live Service, or write them into the manifest.",
        example: Example::live("spec: {externalIPs: [1.2.3.4]}   # of the live Service only"),
    }

    /// No Node of the cluster is ready, or there is none: nothing answers behind the load balancer. It is
    /// reported at each load balancer that the stack's Services are on.
    NO_READY_NODE = "no-ready-node", Warning, [Desired, Live], {
        basis: basis::documented("traffic needs a node that is ready", basis::link::KUBERNETES),
        advice: "Find out with `kubectl get nodes` why no Node is ready.",
        example: Example::live(
            "status: {conditions: [{type: Ready, status: Unknown}]}   # of every Node",
        ),
    }
}
