//! What a plan reports beside its changes: what each object is called, which change brings
//! which about, the edit at the root of a disconnect, and how nobody is disconnected.

use std::collections::BTreeMap;

use crate::change::{Action, Change, Effect, FieldDiff, short};
use crate::consumer::owner;
use crate::desired::{Dns, PrivateEndpoint, Service, Subnet, Target};
use crate::diagnostic::Span;
use crate::document::place;
use crate::explanation;
use crate::input::Input;
use crate::kubernetes::service::Key;
use crate::node;
use crate::node_id::{Kind, NodeId};
use crate::plan::{Cause, Cluster, Excerpt, Plan};
use crate::planned::Planned;
use crate::prediction::Prediction;
use crate::resource_id::ResourceId;
use crate::snapshot::Observation;
use crate::token;
use crate::unknown;
use crate::wanted::Wanted;

/// Adds to a plan what is reported beside its changes.
pub(super) fn give(input: &Input<'_>, planned: &mut Planned) {
    planned.plan.cluster = cluster(input.wanted);
    for change in &mut planned.plan.changes {
        change.title = title(&planned.prediction, &change.address, change.object.as_deref());
    }
    let roots = brought_about(planned);
    for (change, root) in planned.plan.changes.iter_mut().zip(roots) {
        change.brought_about_by = root;
    }
    name_owners(input, &mut planned.plan);
    planned.plan.causes = causes(input, &planned.plan);
    planned.plan.alternatives = explanation::alternatives(input, planned);
    planned.plan.excerpts = excerpts(input.wanted, &planned.plan);
    token::hide(input.wanted, &mut planned.plan);
}

/// Says of consumers who are not the stack's whose they are, as far as their tags were read.
fn name_owners(input: &Input<'_>, plan: &mut Plan) {
    let effects = plan.changes.iter_mut().filter_map(|change| match &mut change.effect {
        Effect::ConsumersDisconnected(consumers) => Some(consumers),
        Effect::None | Effect::BriefInterruption => None,
    });
    let all = effects.flatten().chain(&mut plan.awaiting_approval);
    for consumer in all.filter(|it| !it.own) {
        let id = ResourceId::new(&consumer.endpoint);
        if let Observation::Present(live) = input.live.resource(&id) {
            consumer.owner = owner(live);
        }
    }
}

fn cluster(wanted: &Wanted<'_>) -> Option<Cluster> {
    let (name, resource_group) = wanted.cluster()?;
    Some(Cluster { name: name.to_owned(), resource_group: resource_group.to_owned() })
}

/// As people call an object: by its name in its own control plane, and a frontend by its address.
pub(crate) fn title(prediction: &Prediction, address: &NodeId, object: Option<&str>) -> String {
    let NodeId { kind, name } = address;
    let nodes = [prediction.nodes_before(), prediction.nodes_after()];
    let found = |pointer: &str| {
        let mut sides = nodes.iter().filter_map(|nodes| nodes.get(address));
        sides.find_map(|node| {
            let text = node.fields().pointer(pointer)?.as_str()?;
            (!unknown::is_unknown(text)).then(|| text.to_owned())
        })
    };
    let node = || nodes.iter().find_map(|nodes| nodes.get(address));
    let in_azure = || {
        if node().is_none() {
            return object.map(|it| ResourceId::new(it).name().to_owned());
        }
        let mut sides = nodes.iter().filter_map(|nodes| nodes.get(address));
        let known = sides.find(|node| !unknown::is_unknown(node.id.as_str()))?;
        Some(known.id.name().to_owned())
    };
    let called = match kind {
        Kind::FrontendIp => {
            let address = found("/properties/privateIPAddress");
            address.unwrap_or_else(|| format!("of {}", bare(name)))
        }
        Kind::PublicIp => found("/properties/ipAddress").or_else(in_azure).unwrap_or(name.clone()),
        Kind::PrivateLinkService => in_azure().unwrap_or_else(|| format!("of {}", bare(name))),
        Kind::EndpointConnection | Kind::BackendPool => {
            name.rsplit_once('/').map_or(name.as_str(), |(_, last)| last).to_owned()
        }
        _ => name.clone(),
    };
    format!("{} {called}", kind.title())
}

/// A Service's name without its namespace.
fn bare(name: &str) -> &str {
    name.split_once('/').map_or(name, |(_, rest)| rest)
}

/// For each change, the object whose change brings it about.
fn brought_about(planned: &Planned) -> Vec<Option<NodeId>> {
    let changes = &planned.plan.changes;
    let cutting = cutting(changes);
    let changed = |at: &NodeId| {
        let at = changes.binary_search_by(|it| it.address.cmp(at)).ok()?;
        changes.get(at).filter(|it| it.is_change()).map(|it| it.address.clone())
    };
    let services = changes.iter().filter(|it| it.address.kind == Kind::Service && it.is_change());
    let first_service = services.map(|it| &it.address).next();
    let of = |change: &Change| {
        if !change.is_change() {
            return None;
        }
        let behind = behind(planned, change, &cutting);
        let mut behind = behind.iter().chain(first_service.filter(|_| is_shared(&change.address)));
        behind.find_map(|at| changed(at).filter(|it| *it != change.address))
    };
    changes.iter().map(of).collect()
}

/// Whether all Services have it together.
const fn is_shared(address: &NodeId) -> bool {
    matches!(
        address.kind,
        Kind::LoadBalancer | Kind::BackendPool | Kind::SecurityRule | Kind::Subnet
    )
}

/// The Private Link Service that disconnects an endpoint, by the endpoint's id in lower case.
fn cutting(changes: &[Change]) -> BTreeMap<String, &NodeId> {
    let mut cutting = BTreeMap::new();
    for change in changes.iter().filter(|it| it.address.kind == Kind::PrivateLinkService) {
        if let Effect::ConsumersDisconnected(consumers) = &change.effect {
            let ids = consumers.iter().map(|it| it.endpoint.to_lowercase());
            cutting.extend(ids.map(|id| (id, &change.address)));
        }
    }
    cutting
}

/// The objects whose change may have brought a change about, the likeliest first.
fn behind(planned: &Planned, change: &Change, cutting: &BTreeMap<String, &NodeId>) -> Vec<NodeId> {
    let NodeId { kind, name } = &change.address;
    let alike = |kind: Kind| NodeId::new(kind, name.clone());
    let needed = |kind: Kind| -> Vec<NodeId> {
        let needs = planned.graph.needs(&change.address);
        needs.map(|(need, _)| need).filter(|it| it.kind == kind).cloned().collect()
    };
    let goes = matches!(change.action, Action::Delete | Action::Replace);
    match kind {
        Kind::Service => Vec::new(),
        Kind::PrivateLinkService if goes || change.action == Action::Create => {
            vec![alike(Kind::FrontendIp), alike(Kind::Service)]
        }
        Kind::FrontendIp | Kind::PublicIp | Kind::PrivateLinkService => {
            let own = name.trim_end_matches("/IPv6");
            vec![NodeId::new(Kind::Service, own)]
        }
        Kind::LoadBalancer | Kind::BackendPool | Kind::SecurityRule | Kind::Subnet => {
            let needed_by = planned.graph.needed_by(&change.address);
            needed_by.map(|(from, _)| from.clone()).collect()
        }
        // One whose own document changed has no other cause.
        Kind::PrivateEndpoint
            if change.fields.iter().any(|it| it.path != "privateLinkServiceId") =>
        {
            Vec::new()
        }
        Kind::PrivateEndpoint => needed(Kind::PrivateLinkService),
        Kind::EndpointConnection if matches!(change.action, Action::Approve | Action::Reject) => {
            Vec::new()
        }
        Kind::EndpointConnection => {
            let object = change.object.as_deref().unwrap_or_default().to_lowercase();
            let cutting = cutting.get(&object).map(|it| (*it).clone());
            std::iter::once(alike(Kind::PrivateEndpoint)).chain(cutting).collect()
        }
        Kind::DnsRecord => needed(Kind::PrivateEndpoint),
    }
}

/// The edits at the roots of what disconnects, each once.
fn causes(input: &Input<'_>, plan: &Plan) -> Vec<Cause> {
    let mut roots: BTreeMap<&NodeId, &Change> = BTreeMap::new();
    for change in &plan.changes {
        if let Effect::ConsumersDisconnected(_) = change.effect {
            let chain = plan.chain_to(change);
            let root = chain.last().copied().unwrap_or(change);
            roots.entry(&root.address).or_insert(root);
        }
    }
    let mut causes = Vec::new();
    for root in roots.into_values() {
        let is_asked_for = input.options.scope.replaces.contains(&root.address);
        let is_edit = !is_asked_for
            && span(input.wanted, root, "").is_none_or(|it| !it.source().is_generated());
        let is_new = is_new(input, root);
        let fields = if is_edit && !is_new { explanation::edited(root) } else { Vec::new() };
        let whole = |place: Option<String>| Cause {
            address: root.address.clone(),
            title: root.title.clone(),
            field: None,
            reason: root.reason.clone(),
            place,
            live: None,
            wanted: None,
        };
        if fields.is_empty() {
            let place = match root.action {
                Action::Delete => was_written(input, root),
                _ if !is_edit => None,
                // A sync has no edit.
                _ if !root.fields.is_empty() && !is_new => None,
                _ => place(input.wanted, root, None),
            };
            causes.push(whole(place));
        }
        causes.extend(fields.into_iter().map(|field| Cause {
            field: Some(short(&field.path)),
            live: field.before.clone(),
            wanted: field.after.clone(),
            ..whole(place(input.wanted, root, Some(field)))
        }));
    }
    causes
}

/// Whether a change is that of a Service which is not there yet: all of it is the edit, and no field of it.
fn is_new(input: &Input<'_>, change: &Change) -> bool {
    let NodeId { kind, name } = &change.address;
    let Some((namespace, name)) = name.split_once('/').filter(|_| *kind == Kind::Service) else {
        return false;
    };
    change.is_change() && input.live.service(&Key::new(namespace, name)).is_none()
}

/// Where the input says what a change's field becomes; where the object is named, if it says nothing.
fn place(wanted: &Wanted<'_>, change: &Change, field: Option<&FieldDiff>) -> Option<String> {
    let path = field.map_or("", |field| field.path.as_str());
    Some(span(wanted, change, path)?.place().to_string())
}

fn span(wanted: &Wanted<'_>, change: &Change, path: &str) -> Option<Span> {
    let NodeId { kind, name } = &change.address;
    Some(match kind {
        Kind::Service => {
            let (namespace, name) = name.split_once('/')?;
            let service = wanted.service(&Key::new(namespace, name))?;
            let label = || Some(place::place(&service.span, path, None)?.span);
            match of_service(service, path) {
                Some(span) => span.clone(),
                None if path.starts_with("metadata.labels") => label()?,
                None => service.span.clone(),
            }
        }
        Kind::PrivateEndpoint => {
            let endpoint = wanted.endpoint(name)?;
            of_endpoint(endpoint, path).unwrap_or(&endpoint.name.span).clone()
        }
        _ => return None,
    })
}

fn of_service<'a>(service: &'a Service, path: &str) -> Option<&'a Span> {
    let spec = &service.spec;
    let annotation =
        path.strip_prefix("metadata.annotations[\"").and_then(|it| it.strip_suffix("\"]"));
    if let Some(key) = annotation {
        return service.annotation(key).map(|value| &value.span);
    }
    match path.strip_prefix("spec.")?.split(['.', '[']).next()? {
        "type" => spec.service_type.as_ref().map(|it| &it.span),
        "loadBalancerIP" => spec.load_balancer_ip.as_ref().map(|it| &it.span),
        "loadBalancerClass" => spec.load_balancer_class.as_ref().map(|it| &it.span),
        "externalTrafficPolicy" => spec.external_traffic_policy.as_ref().map(|it| &it.span),
        "ipFamilyPolicy" => spec.ip_family_policy.as_ref().map(|it| &it.span),
        "ipFamilies" => spec.ip_families.first().map(|it| &it.span),
        "loadBalancerSourceRanges" => spec.load_balancer_source_ranges.first().map(|it| &it.span),
        "ports" => spec.ports.first()?.port.as_ref().map(|it| &it.span),
        _ => None,
    }
}

fn of_endpoint<'a>(endpoint: &'a PrivateEndpoint, path: &str) -> Option<&'a Span> {
    match path.split(['.', '[']).next()? {
        "subnet" => Some(match &endpoint.subnet {
            Subnet::Named { name, .. } => &name.span,
            Subnet::Id(id) => &id.span,
        }),
        "location" => endpoint.location.as_ref().map(|it| &it.span),
        "requestMessage" => endpoint.request_message.as_ref().map(|it| &it.span),
        "address" | "ipConfigurations" => endpoint.address.as_ref().map(|it| &it.span),
        "privateLinkServiceId" | "target" => Some(target_span(&endpoint.target)),
        "dns" => endpoint.dns.as_ref().map(|dns| match dns {
            Dns::Record { name, .. } => &name.span,
            Dns::ZoneGroup { zones, name } => {
                zones.first().or(name.as_ref()).map_or(&endpoint.name.span, |it| &it.span)
            }
        }),
        _ => None,
    }
}

fn target_span(target: &Target<Key>) -> &Span {
    match target {
        Target::Service(it) => &it.span,
        Target::Id(it) => &it.span,
        Target::Alias(it) => &it.span,
    }
}

/// Where a Service that others are about to delete was written until now.
fn was_written(input: &Input<'_>, gone: &Change) -> Option<String> {
    let mut all = input.options.guard.iter().flat_map(|guarded| &guarded.gone);
    let found = all.find(|(key, _)| node::service::address(key) == gone.address)?;
    Some(found.1.place().to_string())
}

/// The lines around every place that a cause or a finding names.
pub(crate) fn excerpts(wanted: &Wanted<'_>, plan: &Plan) -> Vec<Excerpt> {
    let of_causes = plan.causes.iter().filter_map(|it| it.place.as_deref());
    let of_findings = plan.findings.iter().filter_map(|it| it.place.as_deref());
    let mut places: Vec<&str> = of_causes.chain(of_findings).collect();
    if places.is_empty() {
        return Vec::new();
    }
    places.sort_unstable();
    places.dedup();
    let services = wanted.services().map(|it| &it.span);
    let endpoints = wanted.endpoints().map(|it| &it.name.span);
    // What an Offer says is written in its own file.
    let targets = wanted.endpoints().map(|it| target_span(&it.target));
    let approvals = wanted.approvals().map(|it| &it.name.span);
    let stack = wanted.stack_span();
    let spans = services.chain(endpoints).chain(targets).chain(approvals).chain(stack);
    let sources: BTreeMap<&str, &Span> = spans.map(|span| (span.source().name(), span)).collect();
    let excerpt = |place: &str| {
        let mut parts = place.rsplitn(3, ':');
        let (_, line) = (parts.next()?, parts.next()?.parse().ok()?);
        let source = sources.get(parts.next()?)?.source();
        let (first_line, lines) = source.excerpt(line, 1)?;
        Some(Excerpt { place: place.to_owned(), first_line, lines })
    };
    places.into_iter().filter_map(excerpt).collect()
}
