//! Whether a saved plan does what it shows. Readers look at its changes; its steps are carried out. So each
//! step must belong to a change, be about that change's object, be of its action and write what it shows,
//! and each changed object must be bound.

use crate::change::{Action, Change};
use crate::connection_status::ConnectionStatus;
use crate::marks::STACK_LABEL;
use crate::node::service::stack_of;
use crate::node_id::{Kind, NodeId};
use crate::plan::{Op, Step};
use crate::pointer::text;
use crate::staleness::Binding;

use super::SavedPlan;
use super::payload;

/// What a plan does without showing it, if there is such a thing.
pub(super) fn first_gap(saved: &SavedPlan) -> Option<String> {
    let changes = &saved.plan.changes;
    changes.iter().find_map(|change| unbound(saved, change)).or_else(|| {
        saved.plan.steps.iter().find_map(|step| {
            let of = changes.iter().filter(|it| it.address == step.change && it.is_change());
            let gaps: Vec<_> = of.map(|change| gap(saved, change, step)).collect();
            let Step { id, change, op, .. } = step;
            match gaps.iter().any(Option::is_none) {
                true => None,
                false => Some(match gaps.into_iter().flatten().flatten().next() {
                    Some(field) => format!(
                        "step {id}, {} {change}, writes {field}, which its change does not show",
                        op.verb()
                    ),
                    None => format!("step {id}, {} {change}, follows from no change", op.verb()),
                }),
            }
        })
    })
}

/// A change of an object that the plan is not bound to.
fn unbound(saved: &SavedPlan, change: &Change) -> Option<String> {
    let is_about = change.is_change() && is_bound(&change.address);
    let object = change.object.as_ref().filter(|_| is_about)?;
    let has = binding(saved, change).is_some_and(|it| it.object.eq_ignore_ascii_case(object));
    (!has).then(|| format!("nothing binds it to {} as it was", change.address))
}

fn binding<'a>(saved: &'a SavedPlan, change: &Change) -> Option<&'a Binding> {
    saved.bindings.iter().find(|it| it.address == change.address)
}

/// Whether an object is one that a plan is bound to; see [`crate::staleness`].
const fn is_bound(address: &NodeId) -> bool {
    match address.kind {
        Kind::LoadBalancer
        | Kind::BackendPool
        | Kind::SecurityRule
        | Kind::Subnet
        | Kind::EndpointConnection => false,
        Kind::Service
        | Kind::FrontendIp
        | Kind::PublicIp
        | Kind::PrivateLinkService
        | Kind::PrivateEndpoint
        | Kind::DnsRecord => true,
    }
}

/// What keeps a change from bringing a step about: that it is about another object or action, or a field that
/// the step writes and the change does not show. Nothing if the step follows from the change.
#[allow(clippy::option_option, reason = "no gap, a gap without a field, and one with a field")]
fn gap(saved: &SavedPlan, change: &Change, step: &Step) -> Option<Option<String>> {
    let is = |actions: &[Action]| actions.contains(&change.action);
    let goes = || is(&[Action::Delete, Action::Replace]);
    let comes = || is(&[Action::Create, Action::Update, Action::Adopt, Action::Replace]);
    let observed = binding(saved, change).map(|it| &it.observed);
    let follows = match &step.op {
        Op::DeleteService { namespace, name, uid } => {
            let was = observed.map(|it| text(it, "/uid"));
            goes() && is_service(change, namespace, name) && was == Some(uid.as_str())
        }
        Op::ApplyService { namespace, name, manifest, uid } => {
            let is_of = text(manifest, "/metadata/namespace") == namespace
                && text(manifest, "/metadata/name") == name
                && text(manifest, "/kind") == "Service"
                && stack_of(manifest) == Some(saved.plan.stack.as_str());
            // One that is created, or created again, is no other's that came meanwhile.
            let is_new = is(&[Action::Create, Action::Replace]);
            let was = observed.map(|it| text(it, "/uid")).filter(|_| !is_new);
            if !(comes() && is_of && is_service(change, namespace, name) && uid.as_deref() == was) {
                return Some(None);
            }
            return payload::of_service(change, manifest, observed).map(Some);
        }
        Op::PutResource { id, body, etag } => {
            if !(comes() && is_itself(change, id)) {
                return Some(None);
            }
            return payload::of_resource(change, (body, etag.is_some()), observed).map(Some);
        }
        Op::DeleteResource { id } => goes() && is_itself(change, id),
        Op::ReleaseService { namespace, name, .. } => {
            let takes_mark_off = change.fields.iter().any(|it| it.path.contains(STACK_LABEL));
            takes_mark_off && is_service(change, namespace, name)
        }
        Op::Nudge { namespace, name, .. } | Op::AwaitService { namespace, name, .. } => {
            is_service(change, namespace, name)
        }
        // It may make the controller sync once more.
        Op::AwaitController { namespace, name, .. } => is_service(change, namespace, name),
        Op::AwaitConnection { .. } => true,
        Op::SetConnection { endpoint, status, .. } => {
            let action = match status {
                ConnectionStatus::Approved => Some(Action::Approve),
                ConnectionStatus::Rejected => Some(Action::Reject),
                _ => None,
            };
            // A connection that is made anew is decided on in the change that makes it.
            let is_decided = action == Some(change.action)
                || action.is_some() && is(&[Action::Create, Action::Replace]);
            is_decided && is_connection(saved, change, endpoint)
        }
    };
    (!follows).then_some(None)
}

fn is_service(change: &Change, namespace: &str, name: &str) -> bool {
    change.address.kind == Kind::Service && change.address.name == format!("{namespace}/{name}")
}

/// Whether a change is of an endpoint's connection: it names the endpoint, or is called as the stack's own.
fn is_connection(saved: &SavedPlan, change: &Change, endpoint: &str) -> bool {
    let own = |it: &&Change| {
        it.address.kind == Kind::PrivateEndpoint && it.address.name == change.address.name
    };
    let is_own = || saved.plan.changes.iter().find(own).is_some_and(|it| is_itself(it, endpoint));
    let is_of_connection = change.address.kind == Kind::EndpointConnection;
    is_of_connection && (is_itself(change, endpoint) || change.object.is_none() && is_own())
}

fn is_itself(change: &Change, id: &str) -> bool {
    change.object.as_deref().is_some_and(|object| object.eq_ignore_ascii_case(id))
}
