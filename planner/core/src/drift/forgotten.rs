//! What a tool forgot: Flux drops an object from its inventory when its deletion is refused, as the guard does, and does not
//! try again (flux2 issue 4911); an upgrade by Helm goes on behind one, and the next release does not have the object. The Service
//! stays, its consumers connected, and no tool knows of it any more.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::input::Input;
use crate::node::private_link_service;
use crate::node::service::{address, stack_of};
use crate::pointer::At;

use super::Class;
use super::controller::Seen;
use super::gathered::{Gathered, difference};
use super::repair;
use super::report::{By, Cause};

/// The marks by which tools know what they applied: where they stand, the namespace and the name of what applied it, and what
/// that is (Flux, "Kustomization" and "HelmRelease"; Helm, the ownership metadata that it checks).
const MARKS: [(&str, &str, &str, &str); 3] = [
    (
        "labels",
        "kustomize.toolkit.fluxcd.io/namespace",
        "kustomize.toolkit.fluxcd.io/name",
        "Kustomization",
    ),
    ("labels", "helm.toolkit.fluxcd.io/namespace", "helm.toolkit.fluxcd.io/name", "HelmRelease"),
    (
        "annotations",
        "meta.helm.sh/release-namespace",
        "meta.helm.sh/release-name",
        "the Helm release",
    ),
];

/// What applied an object, such as `Kustomization flux-system/apps`.
type Applier<'a> = (&'static str, &'a str, &'a str);

/// What applied a Service.
fn applier(service: &Value) -> Option<Applier<'_>> {
    let metadata = service.at("/metadata")?;
    MARKS.iter().find_map(|(place, namespace, name, kind)| {
        let mark = |key: &str| metadata.get(place)?.get(key)?.as_str();
        Some((*kind, mark(namespace)?, mark(name)?))
    })
}

/// Looks for load balancers that were applied by what still applies others, and that desired state no longer has.
pub(super) fn find(input: &Input<'_>, seen: &Seen, gathered: &mut Gathered) {
    let (desired, live) = (input.wanted, input.live);
    let wanted = desired.services().map(|it| &it.manifest);
    let stored = desired.keys().filter_map(|key| live.service(key));
    let appliers: BTreeSet<Applier<'_>> = wanted.chain(stored).filter_map(applier).collect();
    for (key, service) in live.service_objects() {
        let is_balancer = service.at("/spec/type").and_then(Value::as_str) == Some("LoadBalancer");
        let is_leaving = service.at("/metadata/deletionTimestamp").is_some();
        let by = applier(service).filter(|it| appliers.contains(it));
        let Some((kind, namespace, name)) = by.filter(|_| is_balancer && !is_leaving) else {
            continue;
        };
        // What carries the stack's label is pruned by an apply.
        if desired.has(key) || stack_of(service).is_some() {
            continue;
        }
        let message = format!(
            "{kind} {namespace}/{name} applied it, and desired state no longer has it: what such a tool is not let delete, it forgets"
        );
        let at = address(key);
        let cause = Cause::by(By::DesiredState);
        let mut found = difference(Class::Orphan, &at, Some(&key.to_string()), message, cause);
        let prediction = &seen.prediction;
        let links = prediction.before.private_link_services.values();
        let own = links.filter(|link| prediction.owners().of_link(link) == Some(key));
        let consumers = own.flat_map(|it| private_link_service::consumers(it));
        let connected = consumers.filter(|it| it.status.may_be_connected());
        found.disconnects = connected.map(|it| it.endpoint).collect();
        let advice = if found.disconnects.is_empty() {
            "or take it into Git again"
        } else {
            "or take it into Git again; a guard that enforces asks for consent first, by the annotation privlink.dev/allow-disconnects"
        };
        found.repair = Some(repair::delete_service(key).saying(advice));
        gathered.push(found);
    }
}
