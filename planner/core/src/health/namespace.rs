//! Whether the namespaces of a stack's Services are there, and stay.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::inventory::Inventory;
use crate::join::Join;
use crate::kubernetes::service::Key;
use crate::node::service::address;
use crate::plan::Finding;
use crate::pointer::At as _;
use crate::rule::{At, Example, basis, rules};
use crate::snapshot::Reading;

use crate::wanted::Wanted;

use super::{Check, UNCHECKED};

/// What was observed of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State<'a> {
    /// It is there.
    Active,
    /// It is being deleted: what is in it is deleted, and nothing new is taken.
    Terminating,
    /// It is not there.
    Absent,
    /// Namespaces could not be read, and why.
    Unread(&'a str),
    /// Namespaces were not asked for.
    NotAsked,
}

impl<'a> State<'a> {
    fn of(live: &'a Inventory<'_>, namespace: &str) -> Self {
        match live.namespaces() {
            None => Self::NotAsked,
            Some(Reading::Unreadable(why)) => Self::Unread(why),
            Some(reading) => {
                let mut objects = reading.objects();
                let is_it = |it: &&Value| text(it, "/metadata/name") == Some(namespace);
                match objects.find(is_it) {
                    None => Self::Absent,
                    Some(object) if is_terminating(object) => Self::Terminating,
                    Some(_) => Self::Active,
                }
            }
        }
    }
}

fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.at(pointer).and_then(Value::as_str)
}

/// The API server sets both; the phase follows the timestamp (k8s.io/kubernetes
/// pkg/registry/core/namespace/strategy.go).
fn is_terminating(namespace: &Value) -> bool {
    text(namespace, "/metadata/deletionTimestamp").is_some()
        || text(namespace, "/status/phase") == Some("Terminating")
}

/// That a Service cannot be created, since its namespace is not there or is being deleted.
pub(crate) fn missing(wanted: &Wanted<'_>, key: &Key, is_terminating: bool) -> Finding {
    let namespace = &key.namespace;
    let what =
        if is_terminating { "is being deleted, and takes nothing new" } else { "is not there" };
    let found = format!("its namespace {namespace} {what}");
    Finding::new(NAMESPACE_MISSING, address(key), found).placed(place(wanted, key)).help(format!(
        "Create it first (kubectl create namespace {namespace}), correct the name, or put its Namespace into the input and apply that before."
    ))
}

/// The place of a Service's namespace in the input.
fn place(wanted: &Wanted<'_>, key: &Key) -> Option<String> {
    let service = wanted.service(key)?;
    let place = crate::document::place::place(&service.span, "metadata.namespace", None);
    Some(place.map_or_else(|| service.span.place(), |place| place.span.place()).to_string())
}

/// Each namespace is reported once: at the first Service that would be created in it, or that is deleted with it.
pub(crate) fn namespaces(join: &Join<'_>, findings: &mut Vec<Finding>) {
    let (wanted, live) = (join.input.wanted, join.input.live);
    // The API server looks at the namespace before it asks a guard.
    let is_guarding = join.input.options.guard.is_some();
    if is_guarding || !live.has_read_services() {
        return;
    }
    let mut told = BTreeSet::new();
    for key in wanted.keys().filter(|key| join.input.covers(&address(key))) {
        let is_live = live.service(key).is_some();
        let found = match State::of(live, &key.namespace) {
            State::Active | State::NotAsked => continue,
            State::Absent if is_live || wanted.makes_namespace(&key.namespace) => continue,
            State::Absent => missing(wanted, key, false),
            State::Terminating if is_live => goes(wanted, key),
            State::Terminating => missing(wanted, key, true),
            State::Unread(why) => {
                if told.insert((UNCHECKED, "")) {
                    findings.push(unread(key, why));
                }
                continue;
            }
        };
        if told.insert((found.code, key.namespace.as_str())) {
            findings.push(found);
        }
    }
}

fn goes(wanted: &Wanted<'_>, key: &Key) -> Finding {
    let found = format!("its namespace {} is being deleted, and it goes with it", key.namespace);
    Finding::new(NAMESPACE_TERMINATING, address(key), found).placed(place(wanted, key)).help(
        "A deletion of a namespace cannot be taken back: move consumers, or create the namespace again and apply once it is gone.",
    )
}

fn unread(key: &Key, why: &str) -> Finding {
    let found = format!(
        "Namespaces could not be read, so it is unknown whether any is being deleted: {why}"
    );
    Finding::new(UNCHECKED, address(key), found).help(
        "Give the identity the right to list Namespaces: `privlink preflight --role kubernetes`.",
    )
}

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[namespaces];

rules! {
    /// A Service would be created in a namespace that is not there or is being deleted. A namespace
    /// that is a document of the same input counts as there; privlink does not create it.
    NAMESPACE_MISSING = "namespace-missing", Error, [Desired, Live], {
        basis: basis::API_SERVER,
        advice: "Create the namespace first, or correct its name.",
        example: Example::new(
            At::Documents,
            r#"
            apiVersion: v1
            kind: Service
            metadata:
              name: web
              namespace: shop
              annotations:
                service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            spec:
              type: LoadBalancer
              selector: {app: web}
              ports: [{port: 80}]
            "#,
            r#"
            apiVersion: v1
            kind: Service
            metadata:
              name: web
              namespace: default
              annotations:
                service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            spec:
              type: LoadBalancer
              selector: {app: web}
              ports: [{port: 80}]
            "#,
        ),
    }

    /// The namespace of a live Service is being deleted. The Service goes with it, and the controller then
    /// deletes what it has in Azure: its Private Link Service, and all who are connected to that.
    NAMESPACE_TERMINATING = "namespace-terminating", Warning, [Desired, Live], {
        basis: basis::documented("what is in a namespace goes with it", basis::link::NAMESPACE),
        advice: "A deletion of a namespace cannot be taken back. Move the consumers, or create the \
            namespace again and apply once it is gone.",
        example: Example::live("kubectl delete namespace shop   # and a finalizer holds it"),
    }
}
