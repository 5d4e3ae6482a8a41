//! From a checked tree to our own kinds.

use super::reader::Reader;
use super::{
    Admitted, AllowedDisconnect, Approval, Consumer, Dns, EndpointApproval, EndpointTarget, Facts,
    IgnoredDrift, Policy, PrivateEndpoint, ServiceRef, Services, Stack, Subnet, Target,
};
use crate::diagnostic::Spanned;
use crate::drift_class::Class;
use crate::marks::PROTECT_LABEL;
use crate::resource_id::ResourceId;
use privlink_model::date;
use privlink_model::facts::TABLE;

pub(super) fn stack(document: Reader<'_>) -> Option<Stack> {
    let name = document.get("metadata")?.text("name")?;
    let mut stack = Stack {
        name,
        subscription: None,
        resource_group: None,
        cluster: None,
        context: None,
        services: None,
        facts: Facts::default(),
        policy: Policy::default(),
    };
    if let Some(spec) = document.get("spec") {
        stack.subscription = spec.text("subscription");
        stack.resource_group = spec.text("resourceGroup");
        stack.cluster = spec.text("cluster");
        stack.context = spec.text("context");
        stack.services = spec.text("services").and_then(services);
        stack.facts = spec.get("facts").map(facts).unwrap_or_default();
        stack.policy = spec.get("policy").map(policy).unwrap_or_default();
    }
    Some(stack)
}

fn services(text: Spanned<String>) -> Option<Spanned<Services>> {
    let value = match text.as_str() {
        "managed" => Services::Managed,
        "external" => Services::External,
        _ => return None,
    };
    Some(Spanned::new(value, text.span))
}

fn facts(facts: Reader<'_>) -> Facts {
    let pinned = TABLE.iter().filter_map(|row| {
        let value = facts.get(row.stack?)?;
        Some((row.fact, Spanned::new(value.node.to_json(), value.span())))
    });
    Facts(pinned.collect())
}

fn policy(policy: Reader<'_>) -> Policy {
    let count = |name: &str| {
        let number = policy.integer(name)?;
        u32::try_from(number.value).ok().map(|value| Spanned::new(value, number.span))
    };
    Policy {
        max_disconnects: count("maxDisconnects"),
        allow_disconnects: policy.items("allowDisconnects").filter_map(allowed).collect(),
        max_deletes: count("maxDeletes"),
        protect: policy.texts("protect"),
        ignore_drift: policy.items("ignoreDrift").filter_map(ignored).collect(),
    }
}

fn ignored(entry: Reader<'_>) -> Option<IgnoredDrift> {
    let class = entry.text("class")?;
    let day = |text: Spanned<String>| Some(Spanned::new(date::parse(&text.value)?, text.span));
    Some(IgnoredDrift {
        object: entry.text("object")?,
        class: Spanned::new(Class::find(&class.value)?, class.span),
        reason: entry.text("reason")?,
        until: entry.text("until").and_then(day),
    })
}

fn allowed(entry: Reader<'_>) -> Option<AllowedDisconnect> {
    let until = entry.text("until")?;
    Some(AllowedDisconnect {
        endpoint: entry.text("endpoint")?,
        until: Spanned::new(date::parse(&until.value)?, until.span),
        reason: entry.text("reason"),
    })
}

fn resource_id(text: Spanned<String>) -> Spanned<ResourceId> {
    text.map(ResourceId::new)
}

fn service_ref(reference: Reader<'_>) -> Option<ServiceRef> {
    Some(ServiceRef { namespace: reference.text("namespace"), name: reference.text("name")? })
}

pub(super) fn private_endpoint(document: Reader<'_>) -> Option<PrivateEndpoint> {
    let spec = document.get("spec")?;
    let target = target(spec.get("target")?)?;
    let approval = spec.text("approval");
    let approval = match (approval.as_ref().map(|text| text.as_str()), &target) {
        (Some("Manual"), _) => Some(Approval::Manual),
        (Some("Automatic"), _) => Some(Approval::Automatic),
        _ => None,
    }
    .and_then(|value| approval.map(|text| Spanned::new(value, text.span)));
    let metadata = document.get("metadata")?;
    let is_protected = metadata
        .text_map("labels")
        .any(|(label, _, value)| label == PROTECT_LABEL && value.as_str() == "true");
    Some(PrivateEndpoint {
        name: metadata.text("name")?,
        protect: is_protected,
        azure_name: spec.text("name"),
        subscription: spec.text("subscription"),
        resource_group: spec.text("resourceGroup")?,
        location: spec.text("location"),
        subnet: subnet(spec.get("subnet")?)?,
        connection_name: spec.text("connectionName"),
        target,
        approval,
        request_message: spec.text("requestMessage"),
        address: spec.parsed("address"),
        dns: spec.get("dns").and_then(dns),
    })
}

fn subnet(subnet: Reader<'_>) -> Option<Subnet> {
    if let Some(id) = subnet.text("id") {
        return Some(Subnet::Id(resource_id(id)));
    }
    let (virtual_network, name) = (subnet.text("virtualNetwork")?, subnet.text("name")?);
    Some(Subnet::Named { virtual_network, name })
}

fn target(target: Reader<'_>) -> Option<EndpointTarget> {
    match target.text("offer") {
        Some(offer) => Some(EndpointTarget::Offer(offer)),
        None => link(target).map(EndpointTarget::Here),
    }
}

fn link(target: Reader<'_>) -> Option<Target<ServiceRef>> {
    if let Some(service) = target.get("service") {
        return Some(Target::Service(Spanned::new(service_ref(service)?, service.span())));
    }
    if let Some(id) = target.text("id") {
        return Some(Target::Id(resource_id(id)));
    }
    target.text("alias").map(Target::Alias)
}

fn dns(dns: Reader<'_>) -> Option<Dns> {
    if let Some(record) = dns.get("record") {
        return Some(Dns::Record { zone: record.text("zone")?, name: record.text("name")? });
    }
    let group = dns.get("zoneGroup")?;
    Some(Dns::ZoneGroup { name: group.text("name"), zones: group.texts("zones") })
}

pub(super) fn endpoint_approval(document: Reader<'_>) -> Option<EndpointApproval> {
    let spec = document.get("spec")?;
    Some(EndpointApproval {
        name: document.get("metadata")?.text("name")?,
        service: service_ref(spec.get("service")?)?,
        approve: spec.items("approve").filter_map(admitted).collect(),
        reject: spec.items("reject").filter_map(consumer).collect(),
    })
}

fn admitted(entry: Reader<'_>) -> Option<Admitted> {
    Some(Admitted { consumer: consumer(entry)?, request_message: entry.text("requestMessage") })
}

pub(super) fn consumer(consumer: Reader<'_>) -> Option<Consumer> {
    if let Some(subscription) = consumer.text("subscription") {
        return Some(Consumer::Subscription(subscription));
    }
    consumer.text("endpoint").map(resource_id).map(Consumer::Endpoint)
}
