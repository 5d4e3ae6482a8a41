//! Safety rules: what a plan must not do unless somebody says so.

pub(crate) mod consent;

use std::collections::BTreeSet;

use crate::arm::resource::PrivateEndpoint;
use crate::change::{Action, Actor, Change};
use crate::input::Input;
use crate::marks::{PROTECT_LABEL, PROTECT_TAG};
use crate::node_id::{Kind, NodeId};
use crate::plan::{Finding, Mode, Override, Refusal, disconnected};
use crate::plural::count;
use crate::rule::{At, Example, Severity, basis, rules};

pub(crate) use consent::Consents;

/// Checks the changes against the Stack's policy and the flags that override it.
pub(crate) fn check(input: &Input<'_>, consents: &Consents, changes: &[Change]) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    refusals.extend(disconnects(input, consents, changes));
    refusals.extend(deletes(input, changes));
    refusals.extend(protected(input, changes));
    refusals
}

/// Consumers that are disconnected: none, unless each is named by consent that has not ended, or the policy or
/// the flag allows for some.
fn disconnects(input: &Input<'_>, consents: &Consents, changes: &[Change]) -> Option<Refusal> {
    let policy = input.wanted.policy().and_then(|policy| policy.max_disconnects.as_ref());
    let allowed = input
        .options
        .max_disconnects
        .or_else(|| policy.and_then(|limit| usize::try_from(limit.value).ok()))
        .unwrap_or(0);
    let all = disconnected(changes);
    let cut = consents.without(&all).len();
    let without = if cut < all.len() { " without consent" } else { "" };
    (cut > allowed).then(|| {
        Refusal::of_plan(
            TOO_MANY_DISCONNECTS,
            format!(
                "{} would be disconnected{without}; allowed: {allowed}",
                count(cut, "consumer")
            ),
            Override::flag_or(
                format!("--max-disconnects {cut}"),
                "allowDisconnects or maxDisconnects",
            ),
        )
    })
}

/// Nodes that privlink deletes or replaces. The Stack's limit is for applies: a destroy is to delete all, unless the flag
/// limits this one.
fn deletes(input: &Input<'_>, changes: &[Change]) -> Option<Refusal> {
    let is_destroy = input.options.mode == Mode::Destroy;
    let policy = input.wanted.policy().and_then(|policy| policy.max_deletes.as_ref());
    let policy = policy.filter(|_| !is_destroy);
    let allowed = input
        .options
        .max_deletes
        .or_else(|| policy.and_then(|limit| usize::try_from(limit.value).ok()))?;
    let gone = changes
        .iter()
        .filter(|change| change.actor == Actor::Privlink)
        .filter(|change| matches!(change.action, Action::Delete | Action::Replace))
        .count();
    let flag = format!("--max-deletes {gone}");
    (gone > allowed).then(|| {
        Refusal::of_plan(
            TOO_MANY_DELETES,
            format!("{} would be deleted; allowed: {allowed}", count(gone, "object")),
            if is_destroy { Override::flag(flag) } else { Override::flag_or(flag, "maxDeletes") },
        )
    })
}

/// Nodes that are protected, by the Stack or by a label. A label, live or desired, protects a Service with its
/// frontends and its Private Link Service, or an endpoint.
fn protected(input: &Input<'_>, changes: &[Change]) -> Vec<Refusal> {
    let policy = input.wanted.policy().into_iter().flat_map(|policy| &policy.protect);
    let policy: BTreeSet<&str> = policy.map(|it| it.value.as_str()).collect();
    let (services, endpoints) = (labelled_services(input), tagged_endpoints(input));
    let by = |change: &Change| {
        let NodeId { kind, name } = &change.address;
        let labelled = match kind {
            Kind::Service | Kind::FrontendIp | Kind::PrivateLinkService | Kind::PublicIp => {
                services.contains(name.trim_end_matches("/IPv6"))
            }
            Kind::PrivateEndpoint => {
                let id = change.object.as_deref().unwrap_or_default().to_lowercase();
                endpoints.contains(&id)
            }
            _ => false,
        };
        if policy.contains(change.address.to_string().as_str()) {
            return Some("the Stack's policy".to_owned());
        }
        labelled.then(|| format!("the label {PROTECT_LABEL}"))
    };
    let goes = |change: &&Change| matches!(change.action, Action::Delete | Action::Replace);
    let is_lifted = |change: &Change| input.options.unprotect.contains(&change.address.to_string());
    let refusal = |change: &Change| {
        let by = by(change).filter(|_| !is_lifted(change))?;
        Some(Refusal::of(
            PROTECTED,
            &change.address,
            format!(
                "{} is protected by {by} and would be {}",
                change.address,
                change.action.word()
            ),
            Override::flag(format!("--unprotect {}", change.address)),
        ))
    };
    changes.iter().filter(goes).filter_map(refusal).collect()
}

/// The Services with the protecting label, live or desired.
fn labelled_services(input: &Input<'_>) -> BTreeSet<String> {
    let live = input.live.service_objects().map(|(_, object)| object);
    let wanted = input.wanted.services().map(|service| &service.manifest);
    let labelled = live.chain(wanted).filter_map(|object| {
        let metadata = object.get("metadata")?;
        let label = metadata.get("labels")?.get(PROTECT_LABEL)?.as_str()?;
        let (namespace, name) = (metadata.get("namespace")?.as_str()?, metadata.get("name")?);
        (label == "true").then(|| Some(format!("{namespace}/{}", name.as_str()?)))?
    });
    labelled.collect()
}

/// The ids, in lower case, of endpoints with the protecting tag, or whose documents have the label.
fn tagged_endpoints(input: &Input<'_>) -> BTreeSet<String> {
    let live = input.live.world().private_endpoints.iter();
    let tag = |live: &PrivateEndpoint| live.tags.as_ref()?.get(PROTECT_TAG).cloned();
    let tagged = live.filter(|(_, live)| tag(live).as_deref() == Some("true"));
    let wanted = input.endpoints().filter(|endpoint| endpoint.wanted.protect);
    tagged.map(|(key, _)| key.clone()).chain(wanted.map(|it| it.id.key())).collect()
}

/// What `--replace` names and privlink cannot re-create, with the smallest edit that has this effect.
pub(crate) fn replacements(input: &Input<'_>) -> Vec<Refusal> {
    let own = input.own();
    let advice = |address: &NodeId| -> Option<String> {
        let name = &address.name;
        match address.kind {
            Kind::Service | Kind::PrivateEndpoint => None,
            Kind::EndpointConnection if own.values().any(|it| it.name == *name) => None,
            Kind::EndpointConnection => Some(
                "only its consumer can re-create that endpoint; `reject` in an EndpointApproval turns it away"
                    .to_owned(),
            ),
            Kind::FrontendIp | Kind::PrivateLinkService | Kind::PublicIp => {
                let name = name.trim_end_matches("/IPv6");
                Some(format!(
                    "only the controller creates it: change azure-load-balancer-ipv4 of Service {name}, which keeps the Service, or give --replace Service/{name}"
                ))
            }
            Kind::DnsRecord => Some("a record is changed in place, and nothing is gained".to_owned()),
            Kind::LoadBalancer | Kind::BackendPool | Kind::SecurityRule | Kind::Subnet => Some(
                "only the controller writes it, for all Services; replace one of them".to_owned(),
            ),
        }
    };
    let refusal = |address: &NodeId| {
        let advice = advice(address)?;
        let message = format!("{address} is not privlink's to re-create");
        Some(Refusal::of(NOT_REPLACEABLE, address, message, Override::never(advice)))
    };
    input.options.scope.replaces.iter().filter_map(refusal).collect()
}

/// Findings that are errors hold a plan back: what is predicted is not what anybody wants.
pub(crate) fn findings(
    input: &Input<'_>,
    findings: &[Finding],
    refusals: &[Refusal],
) -> Vec<Refusal> {
    // What nothing allows is refused already, and accepting it would not help.
    let is_refused = |finding: &Finding| {
        let mut same = refusals.iter().filter(|it| it.code == finding.code);
        same.any(|it| {
            let is_never = matches!(it.overridden_by, Override::Never { .. });
            is_never && it.address.as_ref() == Some(&finding.address)
        })
    };
    findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .filter(|finding| !input.options.accept.contains(&finding.code))
        .filter(|finding| !is_refused(finding))
        .map(Refusal::from)
        .collect()
}

rules! {
    /// `--replace` names an object that privlink does not write: one of the controller's, or an endpoint of
    /// another owner. The refusal names the smallest edit with the same effect.
    NOT_REPLACEABLE = "not-replaceable", Error, [Desired, Live, Planned], {
        basis: basis::SAFETY,
        advice: "Do what the refusal names: often `--replace` of the Service.",
        example: Example::live("privlink plan -f deploy/ --replace FrontendIp/default/web"),
    }

    /// The plan would disconnect more consumers than are allowed: none, unless the Stack's
    /// `allowDisconnects` names them, or `maxDisconnects` or `--max-disconnects` allow a number. Endpoints
    /// of this stack that the plan re-creates count too.
    TOO_MANY_DISCONNECTS = "too-many-disconnects", Error, [Desired, Live, Planned], {
        basis: basis::SAFETY,
        advice: "Look at who is listed. `privlink explain ADDRESS` says how nobody is disconnected. If \
            they know about it, name them in `allowDisconnects`, each until a day, or allow their \
            number.",
        example: Example::change(
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-load-balancer-ipv4: "10.240.0.25"
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-load-balancer-ipv4: "10.240.0.26"
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-load-balancer-ipv4: "10.240.0.25"
            "#,
        ).at(At::Connected),
    }

    /// The plan would delete more objects than the Stack's `maxDeletes` or `--max-deletes` allows. For a
    /// destroy, only the flag counts.
    TOO_MANY_DELETES = "too-many-deletes", Error, [Desired, Live, Planned], {
        basis: basis::SAFETY,
        advice: "Look at what is deleted; if that is intended, allow that number.",
        example: Example::live("policy: {maxDeletes: 5}   # and six documents were removed"),
    }

    /// A protected object would be deleted or re-created: by the Stack's policy, or by a label
    /// `privlink.dev/protect: "true"`. On a Service, live or desired, the label protects its frontends and
    /// its Private Link Service too; on a PrivateEndpoint document it becomes the tag `privlink-protect`,
    /// which holds when the document is gone.
    PROTECTED = "protected", Error, [Desired, Live, Planned], {
        basis: basis::SAFETY,
        advice: "Take it off the list, remove the label first, or give `--unprotect` for this run.",
        example: Example::live(
            "policy: {protect: [PrivateLinkService/default/web]}   # and its Service gets another address",
        ),
    }
}
