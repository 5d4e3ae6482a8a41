//! The Service that is made beside the one that everybody leaves.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::desired::Target;
use crate::input::{Input, Named};
use crate::kubernetes::service::Key;
use crate::marks::BESIDE_ANNOTATION;
use crate::node::private_link_service as link_node;
use crate::node::service;
use crate::pointer::At;
use crate::prediction::Prediction;
use crate::route::course::link_name;
use crate::{arm::resource::PrivateLinkService, explanation};

use super::{MovedEndpoint, Second, annotation, link_of, second_endpoint};

/// What all annotations of the controller begin with.
const AZURE: &str = "service.beta.kubernetes.io/azure-";
/// Where a Service says which address it wants.
const ADDRESSES: [&str; 2] = ["load-balancer-ipv4", "load-balancer-ipv6"];

/// What seconds are made from.
pub(super) struct Ground<'a> {
    pub(super) input: &'a Input<'a>,
    prediction: &'a Prediction,
    /// The names of all Private Link Services, live and desired, in lower case.
    taken: BTreeSet<String>,
}

impl<'a> Ground<'a> {
    pub(super) fn of(input: &'a Input<'a>, prediction: &'a Prediction) -> Self {
        let links = prediction.before.private_link_services.values();
        let live = links.map(|link| link.name().to_lowercase());
        let desired = input.wanted.services().filter_map(|it| named(&it.manifest));
        let taken = live.chain(desired.map(|(_, name)| name)).collect();
        Self { input, prediction, taken }
    }

    /// The Private Link Service of a live Service.
    pub(super) fn link(&self, key: &Key) -> Option<&'a PrivateLinkService> {
        let links = &self.prediction.before.private_link_services;
        link_of(links, self.prediction.owners(), key)
    }

    /// The Service that is to come beside one: another one of that name, or the new one of desired state that asks
    /// for its Private Link Service. None where desired state asks for none.
    pub(super) fn second_of(&self, first: &Key) -> Option<Key> {
        let desired = self.input.wanted;
        if let Some(wanted) = desired.service(first) {
            let live = self.input.live;
            let is_ours = |key: &Key| {
                let object = live.service(key);
                object.is_some_and(|it| {
                    self.input.wanted.owns(service::stack_of(it))
                        && annotation(it, BESIDE_ANNOTATION) == Some(first.to_string().as_str())
                })
            };
            let name = explanation::second_name(&first.name, |name| {
                let key = Key::new(&first.namespace, name);
                desired.has(&key) || live.service(&key).is_some() && !is_ours(&key)
            });
            return asks_for_link(&wanted.manifest).then(|| Key::new(&first.namespace, &name));
        }
        let link = self.link(first)?.name().to_lowercase();
        let mut new = desired.services().filter(|wanted| {
            let is_new = self.input.live.service(&wanted.name).is_none();
            let is_named = named(&wanted.manifest).is_some_and(|(_, name)| name == link);
            is_new && is_named && asks_for_link(&wanted.manifest)
        });
        new.next().map(|wanted| wanted.name.clone())
    }

    /// The second of a Service; none where desired state has nothing to make it of.
    pub(super) fn second(&self, first: &Key, key: Key) -> Option<Second> {
        let desired = self.input.wanted;
        let is_desired = desired.has(&key);
        let wanted = desired.service(if is_desired { &key } else { first })?;
        let object = self.input.live.service(&key);
        let mut manifest = wanted.manifest.clone();
        without_drawn(&mut manifest);
        let held_address = self.held_address(first, &manifest, object);
        if held_address.is_some() {
            drop_addresses(&mut manifest);
        }
        let link = self.link_name(first, &manifest, object);
        if let Some(name) = &link {
            annotate(&mut manifest, &format!("{AZURE}pls-name"), name);
        }
        annotate(&mut manifest, BESIDE_ANNOTATION, &first.to_string());
        if let Some(metadata) = manifest.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("name".to_owned(), key.name.clone().into());
            metadata.insert("namespace".to_owned(), key.namespace.clone().into());
        }
        let returns = (held_address.is_some() && !is_desired).then(|| {
            let mut first = wanted.manifest.clone();
            retain_annotations(&mut first, |key| !key.starts_with(&format!("{AZURE}pls-")));
            first
        });
        Some(Second {
            service: key.to_string(),
            is_desired,
            alias: self.link(&key).and_then(|it| it.properties.alias.clone()),
            link,
            manifest,
            held_address,
            endpoints: self.endpoints(first, &key),
            approvals: self.approvals(first, is_desired),
            returns,
        })
    }

    /// The address that a manifest asks for and the first Service has. Once the second is live, it says itself
    /// whether it was made without.
    fn held_address(&self, first: &Key, wanted: &Value, second: Option<&Value>) -> Option<String> {
        let asked = addresses(wanted);
        let named = asked.first().cloned()?;
        if let Some(second) = second {
            return addresses(second).is_empty().then_some(named);
        }
        let frontend = link_node::frontend(self.link(first)?)?;
        let balancers = self.prediction.before.load_balancers.values();
        let frontends =
            balancers.flat_map(|it| it.properties.frontend_ip_configurations.iter().flatten());
        let mut on_it = frontends.filter(|it| it.id().eq_ignore_ascii_case(frontend.as_str()));
        let held = on_it.next()?.properties.private_ip_address.clone()?;
        asked.contains(&held).then_some(held)
    }

    /// The name of the second's Private Link Service: the desired one, or another where the first has that.
    fn link_name(&self, first: &Key, wanted: &Value, second: Option<&Value>) -> Option<String> {
        let (group, name) = named(wanted)?;
        if let Some(live) = second {
            return annotation(live, &format!("{AZURE}pls-name")).map(ToOwned::to_owned);
        }
        let written = annotation(wanted, &format!("{AZURE}pls-name"))?.trim().to_owned();
        let held = self.input.live.service(first).and_then(named);
        if held.is_none_or(|it| it != (group, name)) {
            return Some(written);
        }
        Some(explanation::second_name(&written, |it| self.taken.contains(&it.to_lowercase())))
    }

    /// The stack's endpoints that are connected to the first Service, or are desired to reach it.
    fn endpoints(&self, first: &Key, second: &Key) -> Vec<MovedEndpoint> {
        let input = self.input;
        let link = self.link(first);
        let connected: BTreeSet<String> = link
            .map(link_node::consumers)
            .into_iter()
            .flatten()
            .map(|it| it.endpoint.to_lowercase())
            .collect();
        let mut moved = Vec::new();
        for Named { at, id, wanted: endpoint } in input.endpoints() {
            let Target::Service(target) = &endpoint.target else { continue };
            let reaches = target.value == *first || target.value == *second;
            if !reaches
                || (target.value == *second && link.is_some() && !connected.contains(&id.key()))
            {
                continue;
            }
            let beside = endpoint.dns.is_some().then(|| second_endpoint(input.wanted, &at.name));
            moved.push(MovedEndpoint {
                endpoint: at.name,
                second: beside,
                has_address: endpoint.address.is_some(),
            });
        }
        moved
    }

    /// The approvals for the first Service, each with the name of its copy.
    fn approvals(&self, first: &Key, is_desired: bool) -> BTreeMap<String, String> {
        let wanted = self.input.wanted;
        let of_first = wanted.approvals_of(first).filter(|_| !is_desired);
        let is_taken = |name: &str| wanted.approvals().any(|it| it.name.value == name);
        let copy = |name: &str| explanation::second_name(name, is_taken);
        of_first.map(|it| (it.name.value.clone(), copy(&it.name.value))).collect()
    }
}

/// The group and the name of the Private Link Service that a manifest asks for by name, in lower case.
fn named(manifest: &Value) -> Option<(String, String)> {
    let annotations = manifest.at("/metadata/annotations").and_then(Value::as_object)?;
    let texts = annotations.iter().filter_map(|(key, it)| Some((key.clone(), it.as_str()?)));
    link_name(&texts.map(|(key, it)| (key, it.to_owned())).collect())
}

/// Whether a manifest asks for a Private Link Service, on a load balancer.
fn asks_for_link(manifest: &Value) -> bool {
    let says = |name: &str| annotation(manifest, &format!("{AZURE}{name}")).map(str::trim);
    manifest.at("/spec/type").and_then(Value::as_str) == Some("LoadBalancer")
        && says("pls-create") == Some("true")
        && says("load-balancer-internal") == Some("true")
}

/// The addresses that a manifest asks for.
fn addresses(manifest: &Value) -> Vec<String> {
    let said = ADDRESSES.iter().filter_map(|it| annotation(manifest, &format!("{AZURE}{it}")));
    let field = manifest.at("/spec/loadBalancerIP").and_then(Value::as_str);
    said.chain(field).map(|it| it.trim().to_owned()).filter(|it| !it.is_empty()).collect()
}

fn drop_addresses(manifest: &mut Value) {
    retain_annotations(manifest, |key| {
        !ADDRESSES.iter().any(|it| key.strip_prefix(AZURE) == Some(*it))
    });
    if let Some(spec) = manifest.get_mut("spec").and_then(Value::as_object_mut) {
        spec.shift_remove("loadBalancerIP");
    }
}

/// Takes away what two Services cannot both have: what the API server draws.
fn without_drawn(manifest: &mut Value) {
    let Some(spec) = manifest.get_mut("spec").and_then(Value::as_object_mut) else { return };
    for field in ["clusterIP", "clusterIPs", "healthCheckNodePort"] {
        spec.shift_remove(field);
    }
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(port) = port.as_object_mut() {
            port.shift_remove("nodePort");
        }
    }
}

fn retain_annotations(manifest: &mut Value, keep: impl Fn(&str) -> bool) {
    let annotations = manifest.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
    if let Some(annotations) = annotations {
        annotations.retain(|key, _| keep(key));
    }
}

/// Sets an annotation.
pub(in crate::route) fn annotate(manifest: &mut Value, key: &str, value: &str) {
    let Some(metadata) = manifest.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    let annotations = metadata.entry("annotations").or_insert_with(|| Value::Object(Map::new()));
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.insert(key.to_owned(), value.into());
    }
}
