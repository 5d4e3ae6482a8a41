//! Whether a saved plan does what it shows. Readers look at its changes; its steps are carried out. So each
//! step must belong to a change, be about that change's object and be of its action, and each changed
//! object must be bound.

use crate::address::Kind;
use crate::change::{Action, Change};
use crate::plan::{Op, Step};

use super::SavedPlan;

/// What a plan does without showing it, if there is such a thing.
pub(super) fn first_gap(saved: &SavedPlan) -> Option<String> {
    let changes = &saved.plan.changes;
    let of_step = |step: &Step| {
        let of = changes.iter().filter(|it| it.address == step.change);
        let is_explained = of.into_iter().any(|change| explains(change, &step.op));
        let Step { id, change, op, .. } = step;
        (!is_explained)
            .then(|| format!("step {id}, {} {change}, follows from no change", op.verb()))
    };
    let of_change = |change: &Change| {
        let object = change.object.as_ref().filter(|_| change.is_change() && is_bound(change))?;
        let has = saved
            .bindings
            .iter()
            .any(|it| it.address == change.address && it.object.eq_ignore_ascii_case(object));
        (!has).then(|| format!("nothing binds it to {} as it was", change.address))
    };
    saved.plan.steps.iter().find_map(of_step).or_else(|| changes.iter().find_map(of_change))
}

/// Whether a change is one that a plan is bound to; see [`crate::binding`].
fn is_bound(change: &Change) -> bool {
    match change.address.kind {
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

/// Whether a change brings an operation about.
fn explains(change: &Change, op: &Op) -> bool {
    let goes = matches!(change.action, Action::Delete | Action::Replace);
    match op {
        Op::DeleteService { namespace, name, .. } => goes && is_service(change, namespace, name),
        Op::ApplyService { namespace, name, .. }
        | Op::ReleaseService { namespace, name, .. }
        | Op::Nudge { namespace, name, .. }
        | Op::AwaitService { namespace, name, .. } => is_service(change, namespace, name),
        // Of what is deleted itself; a zone group of an endpoint goes in an update of the endpoint.
        Op::DeleteResource { id } => is_within(change, id) && (goes || !is_itself(change, id)),
        Op::PutResource { id, .. } => is_within(change, id),
        Op::AwaitController { .. } | Op::AwaitConnection { .. } | Op::SetConnection { .. } => true,
    }
}

/// Whether a Service is the change's; what hangs on a Service may be mended by a sync of it.
fn is_service(change: &Change, namespace: &str, name: &str) -> bool {
    change.address.kind != Kind::Service || change.address.name == format!("{namespace}/{name}")
}

fn is_itself(change: &Change, id: &str) -> bool {
    change.object.as_deref().is_some_and(|object| object.eq_ignore_ascii_case(id))
}

/// Whether an id is of the change's object, or of a child of it. What is not there yet may have no object.
fn is_within(change: &Change, id: &str) -> bool {
    let Some(object) = &change.object else { return change.action == Action::Create };
    let (id, object) = (id.to_lowercase(), object.to_lowercase());
    id.strip_prefix(&object).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
