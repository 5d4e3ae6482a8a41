//! Safety rules: what a plan must not do unless somebody says so.

use serde_json::Value;

use crate::address::{Address, Kind};
use crate::change::{Action, Actor, Change};
use crate::code::Code;
use crate::diagnostic::Severity;
use crate::diff::{Input, PROTECT_LABEL, PROTECT_TAG, endpoint};
use crate::kubernetes::service::Key;
use crate::plan::{Finding, Mode, Refusal, disconnected};
use crate::render::summary::count;
use crate::resource_id::ResourceId;
use crate::snapshot::Reading;

/// Checks the changes against the Stack's policy and the flags that override it.
pub fn check(input: &Input<'_>, changes: &[Change]) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    refusals.extend(disconnects(input, changes));
    refusals.extend(deletes(input, changes));
    refusals.extend(protected(input, changes));
    refusals
}

/// Consumers that are cut off: none, unless the policy or the flag allows for some.
fn disconnects(input: &Input<'_>, changes: &[Change]) -> Option<Refusal> {
    let policy =
        input.desired.stack.as_ref().and_then(|stack| stack.policy.max_disconnects.as_ref());
    let allowed = input
        .options
        .max_disconnects
        .or_else(|| policy.and_then(|limit| usize::try_from(limit.value).ok()))
        .unwrap_or(0);
    let cut = disconnected(changes).len();
    (cut > allowed).then(|| Refusal {
        code: Code::TooManyDisconnects,
        message: format!("{} would be cut off; {allowed} may be", count(cut, "consumer")),
        overridden_by: format!("--max-disconnects {cut}, or maxDisconnects of the Stack"),
    })
}

/// Nodes that privlink deletes or replaces.
fn deletes(input: &Input<'_>, changes: &[Change]) -> Option<Refusal> {
    let policy = input.desired.stack.as_ref().and_then(|stack| stack.policy.max_deletes.as_ref());
    let allowed = input
        .options
        .max_deletes
        .or_else(|| policy.and_then(|limit| usize::try_from(limit.value).ok()))?;
    if input.options.mode == Mode::Destroy {
        return None;
    }
    let gone = changes
        .iter()
        .filter(|change| change.actor == Actor::Privlink)
        .filter(|change| matches!(change.action, Action::Delete | Action::Replace))
        .count();
    (gone > allowed).then(|| Refusal {
        code: Code::TooManyDeletes,
        message: format!("{} would be deleted; {allowed} may be", count(gone, "object")),
        overridden_by: format!("--max-deletes {gone}, or maxDeletes of the Stack"),
    })
}

/// Nodes that are protected, by the Stack or by a label.
fn protected(input: &Input<'_>, changes: &[Change]) -> Vec<Refusal> {
    let goes = |change: &&Change| matches!(change.action, Action::Delete | Action::Replace);
    let refusal = |change: &Change| {
        let by = protection(input, &change.address)?;
        Some(Refusal {
            code: Code::Protected,
            message: format!("{} is protected by {by} and would go", change.address),
            overridden_by: format!("--unprotect {}", change.address),
        })
    };
    changes.iter().filter(goes).filter_map(refusal).collect()
}

/// What protects a node, unless the protection is lifted. A label, live or desired, protects a Service with
/// its frontends and its Private Link Service, or an endpoint.
pub fn protection(input: &Input<'_>, address: &Address) -> Option<String> {
    let name = address.to_string();
    if input.options.unprotect.contains(&name) {
        return None;
    }
    let mut policy = input.desired.stack.iter().flat_map(|stack| &stack.policy.protect);
    if policy.any(|it| it.value == name) {
        return Some("the Stack's policy".to_owned());
    }
    let labelled = match address.kind {
        Kind::Service | Kind::FrontendIp | Kind::PrivateLinkService | Kind::PublicIp => {
            service_label(input, address.name.trim_end_matches("/IPv6"))
        }
        Kind::PrivateEndpoint => endpoint_label(input, &address.name),
        _ => false,
    };
    labelled.then(|| format!("the label {PROTECT_LABEL}"))
}

fn service_label(input: &Input<'_>, name: &str) -> bool {
    let says = |object: &Value| {
        let labels = object.pointer("/metadata/labels");
        labels.and_then(|it| it.get(PROTECT_LABEL)?.as_str()) == Some("true")
    };
    let Some((namespace, own)) = name.split_once('/') else { return false };
    let is_it = |object: &&Value| {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        text("/metadata/namespace") == Some(namespace) && text("/metadata/name") == Some(own)
    };
    let live = match &input.snapshot.kubernetes.services {
        Reading::Present(services) => services.iter().find(is_it).is_some_and(says),
        Reading::Absent | Reading::Unreadable(_) => false,
    };
    let wanted = input.desired.services.get(&Key::new(namespace, own));
    live || wanted.is_some_and(|service| says(&service.manifest))
}

fn endpoint_label(input: &Input<'_>, name: &str) -> bool {
    let own = endpoint::own(input);
    let is_it = |live: &&Value| {
        let id = live.get("id").and_then(Value::as_str).map(|id| ResourceId::new(id).key());
        id.and_then(|id| own.get(&id)).is_some_and(|address| address.name == name)
    };
    let mut live = input.snapshot.resources_of_type("Microsoft.Network/privateEndpoints");
    let tagged = live.find(is_it).is_some_and(|live| {
        live.get("tags").and_then(|tags| tags.get(PROTECT_TAG)?.as_str()) == Some("true")
    });
    tagged || input.desired.endpoints.get(name).is_some_and(|endpoint| endpoint.protect)
}

/// What `--replace` names and privlink cannot make anew, with the smallest edit that comes to it.
pub fn replacements(input: &Input<'_>) -> Vec<Refusal> {
    let own = endpoint::own(input);
    let advice = |address: &Address| -> Option<String> {
        let name = &address.name;
        match address.kind {
            Kind::Service | Kind::PrivateEndpoint => None,
            Kind::EndpointConnection if own.values().any(|it| it.name == *name) => None,
            Kind::EndpointConnection => Some(
                "only its consumer can make that endpoint anew; `reject` in an EndpointApproval turns it away"
                    .to_owned(),
            ),
            Kind::FrontendIp | Kind::PrivateLinkService | Kind::PublicIp => {
                let name = name.trim_end_matches("/IPv6");
                Some(format!(
                    "only the controller makes it: change azure-load-balancer-ipv4 of Service {name}, which keeps the Service, or give --replace Service/{name}"
                ))
            }
            Kind::DnsRecord => Some("a record is changed in place, and nothing is gained".to_owned()),
            Kind::LoadBalancer | Kind::BackendPool | Kind::SecurityRule | Kind::Subnet => Some(
                "only the controller writes it, for all Services; replace one of them".to_owned(),
            ),
        }
    };
    let refusal = |address: &Address| {
        let advice = advice(address)?;
        Some(Refusal {
            code: Code::NotReplaceable,
            message: format!("{address} is not privlink's to make anew"),
            overridden_by: format!("none: {advice}"),
        })
    };
    input.options.scope.replaces.iter().filter_map(refusal).collect()
}

/// Findings that are errors hold a plan back: what is predicted is not what anybody wants.
pub fn findings(input: &Input<'_>, findings: &[Finding]) -> Vec<Refusal> {
    findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .filter(|finding| !input.options.accept.contains(&finding.code))
        .map(|finding| Refusal {
            code: finding.code,
            message: format!("{}: {}", finding.address, finding.message),
            overridden_by: format!("--accept {}", finding.code),
        })
        .collect()
}
