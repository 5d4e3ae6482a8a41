//! The Service of a Gateway with places: what is wrong with it is shown where the Gateway or its parameters say it.

use std::collections::{BTreeMap, BTreeSet};

use privlink_model::pointer::{At, text};
use serde_json::Value;

use super::MadeBy;
use crate::desired::{Annotation, Port, Service, ServiceSpec};
use crate::diagnostic::{Span, Spanned};
use crate::document::{Gateway, Parameters, Passed};
use crate::kubernetes::service::Key;

/// Moves a Service to the namespace in which a document names one of its name, if its controller makes it elsewhere than
/// beside the Gateway. Whether one does, or it is beside the Gateway.
pub(super) fn move_to_reference(
    made: &mut Value,
    gateway: &Key,
    references: &BTreeSet<Key>,
) -> bool {
    let (namespace, name) = (text(made, "/metadata/namespace"), text(made, "/metadata/name"));
    if namespace == gateway.namespace {
        return true;
    }
    let Some(named) = references.iter().find(|key| key.name == name) else { return false };
    if let Some(metadata) = made.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("namespace".to_owned(), named.namespace.clone().into());
    }
    true
}

/// The Service, with a place for each part.
pub(super) fn spanned(
    manifest: Value,
    gateway: &Gateway,
    parameters: &[&Parameters],
    by: MadeBy,
) -> Service {
    let key = Key::new(text(&manifest, "/metadata/namespace"), text(&manifest, "/metadata/name"));
    let passed: Vec<&Passed> = parameters
        .iter()
        .flat_map(|it| &it.passed)
        .chain([&gateway.infrastructure, &gateway.own])
        .collect();
    let annotations = manifest.at("/metadata/annotations").and_then(Value::as_object);
    let annotations = annotations.into_iter().flatten().filter_map(|(key, value)| {
        let value = value.as_str()?;
        let same =
            |it: &&Passed| it.annotations.get(key).filter(|it| it.value.value == value).cloned();
        let written = passed.iter().find_map(same);
        let here = || Annotation {
            key: gateway.name.span.clone(),
            value: Spanned::new(value.to_owned(), gateway.name.span.clone()),
        };
        Some((key.clone(), written.unwrap_or_else(here)))
    });
    let misread = passed.iter().flat_map(|it| it.misread.clone());
    Service {
        name: key,
        span: gateway.name.span.clone(),
        annotations: annotations.collect(),
        misread: misread.collect::<BTreeMap<String, Span>>(),
        spec: spec(&manifest, gateway, parameters),
        manifest,
        made_by: Some(by),
    }
}

/// The parts of the spec that the checks need. Parameters say types and policies, the Gateway ports and addresses.
fn spec(manifest: &Value, gateway: &Gateway, parameters: &[&Parameters]) -> ServiceSpec {
    let by_parameters = parameters.first().map_or(&gateway.class.span, |it| &it.name.span);
    let spec = manifest.at("/spec").unwrap_or(&Value::Null);
    let said = |name: &str, span: &Span| {
        spec.get(name)?.as_str().map(|it| Spanned::new(it.to_owned(), span.clone()))
    };
    let list = |name: &str, span: &Span| -> Vec<Spanned<String>> {
        let items = spec.get(name).and_then(Value::as_array).into_iter().flatten();
        items.filter_map(|it| Some(Spanned::new(it.as_str()?.to_owned(), span.clone()))).collect()
    };
    let addresses = gateway.addresses.as_ref().unwrap_or(by_parameters);
    ServiceSpec {
        service_type: said("type", by_parameters),
        load_balancer_ip: said("loadBalancerIP", addresses),
        load_balancer_class: said("loadBalancerClass", by_parameters),
        load_balancer_source_ranges: list("loadBalancerSourceRanges", by_parameters),
        external_traffic_policy: said("externalTrafficPolicy", by_parameters),
        ip_family_policy: said("ipFamilyPolicy", by_parameters),
        ip_families: list("ipFamilies", by_parameters),
        ports: ports(spec, gateway),
    }
}

fn ports(spec: &Value, gateway: &Gateway) -> Vec<Port> {
    let ports = spec.get("ports").and_then(Value::as_array).into_iter().flatten();
    let port = |port: &Value| {
        let number = port.get("port")?.as_i64()?;
        let span = gateway.ports.get(&number).unwrap_or(&gateway.class.span);
        let said = |name: &str| {
            port.get(name)?.as_str().map(|it| Spanned::new(it.to_owned(), span.clone()))
        };
        Some(Port {
            name: said("name"),
            port: Some(Spanned::new(number, span.clone())),
            protocol: said("protocol"),
            app_protocol: said("appProtocol"),
        })
    };
    ports.filter_map(port).collect()
}
