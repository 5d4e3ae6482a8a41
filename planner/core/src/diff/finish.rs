//! What one sync leaves for the next: a Service that becomes internal leaves security rules of its public
//! address, one that becomes public may leave its internal frontend. The controller does not come back to
//! it by itself, so a plan makes it sync once more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::annotation::keys;
use crate::arm::arm_type::{ArmType, type_of};
use crate::arm::world::World;
use crate::change::{Action, Actor, Change};
use crate::controller::cluster::Cluster;
use crate::controller::outcome::{Outcome, Reason};
use crate::controller::predict;
use crate::input::Input;
use crate::join::service::actor;
use crate::kubernetes::service::{Key, Service};
use crate::marks::SYNC_ANNOTATION;
use crate::node::Owners;
use crate::node::service::{address, stack_of};
use crate::node_id::Kind;
use crate::plan::{Finding, Op};
use crate::prediction::{self, Prediction};
use crate::resource_id::ResourceId;
use crate::rule::{Example, basis, rules};

use super::Part;
use super::awaited::sharers;
use super::draft::{Draft, DraftKey, Stage};
use super::service::{Groups, next_sync, sync_field};

/// Predicts the first syncs: of Services that are written, and of those whose Azure side is not as the
/// controller would leave it already. A Service that would write only because of what the plan changes is
/// synced afterwards: which of the two the controller gets to first is not known.
pub fn first(world: World, cluster: &Cluster, changes: &[predict::Change]) -> Prediction {
    let (leaving, staying) = leaving_sharers(&world, cluster, changes);
    let prediction = in_stages(world, cluster, &[leaving.clone(), staying.clone()]);
    let is_nudge = |it: &&predict::Change| matches!(it, predict::Change::Nudge(_));
    let nudged: BTreeSet<&Key> =
        changes.iter().filter(is_nudge).map(predict::Change::key).collect();
    if nudged.len() == changes.len() {
        return prediction;
    }
    let mending = |outcomes: &[Outcome]| {
        let mut groups = Groups::of(&prediction.before);
        let mends = |it: &&Outcome| groups.are_mended_by(it) && nudged.contains(&it.service);
        outcomes.iter().filter(mends).map(|it| it.service.clone()).collect::<BTreeSet<Key>>()
    };
    let together = mending(&prediction.outcomes);
    if together.is_empty() {
        return prediction;
    }
    let nudges: Vec<_> = together.iter().cloned().map(predict::Change::Nudge).collect();
    let alone = prediction::predict(prediction.before.clone(), cluster.clone(), &nudges);
    let alone = mending(&alone.outcomes);
    if together.is_subset(&alone) {
        return prediction;
    }
    let (nudges, written): (Vec<_>, Vec<_>) = staying.into_iter().partition(|it| is_nudge(&it));
    in_stages(prediction.before, cluster, &[nudges, leaving, written])
}

/// Predicts what comes of changes, those of one stage behind those of the ones before.
fn in_stages(world: World, cluster: &Cluster, stages: &[Vec<predict::Change>]) -> Prediction {
    let mut stages = stages.iter().filter(|changes| !changes.is_empty());
    let first = stages.next().map(Vec::as_slice).unwrap_or_default();
    let mut prediction = prediction::predict(world, cluster.clone(), first);
    for changes in stages {
        let then = prediction.then(cluster.clone(), changes);
        prediction.go_on(then);
    }
    prediction
}

/// The deletions of Services that share a frontend, and all other changes. They come first: once the frontend
/// has moved with another Service, the controller finds nothing of the one that goes, and leaves its rules.
fn leaving_sharers(
    world: &World,
    cluster: &Cluster,
    changes: &[predict::Change],
) -> (Vec<predict::Change>, Vec<predict::Change>) {
    let is_delete = |it: &predict::Change| matches!(it, predict::Change::Delete(_));
    if !changes.iter().any(is_delete) {
        return (Vec::new(), changes.to_vec());
    }
    let owners = Owners::of(cluster.services.values().map(AsRef::as_ref), &[world]);
    let sharers: BTreeSet<&Key> = sharers(world, &owners).into_iter().flatten().collect();
    let leaves = |it: &predict::Change| is_delete(it) && sharers.contains(it.key());
    changes.iter().cloned().partition(leaves)
}

/// Plans a second sync of every Service that would write once more when all that the plan writes is done,
/// and goes on with it in the prediction. `changes` are what the controller was taken to see first.
pub fn finish(
    input: &Input<'_>,
    cluster: Cluster,
    changes: &[predict::Change],
    prediction: &mut Prediction,
    so_far: &Part,
) -> Part {
    let mut part = Part::default();
    let acts = |it: &Change| it.address.kind == Kind::Service && it.action != Action::Keep;
    if !so_far.changes.iter().any(acts) {
        return part;
    }
    let ours = candidates(input, changes, prediction, so_far);
    let unheard = unheard(changes, prediction);
    let looked_at: BTreeSet<Key> = ours.union(&unheard).cloned().collect();
    if looked_at.is_empty() {
        return part;
    }
    let nudges = |keys: &BTreeSet<Key>| -> Vec<predict::Change> {
        keys.iter().cloned().map(predict::Change::Nudge).collect()
    };
    if unheard.is_empty() && is_complete(changes, &cluster, prediction) {
        debug_assert!(
            writes_nothing(&prediction.then(cluster, &nudges(&looked_at)).outcomes, prediction),
            "second syncs write nothing"
        );
        return part;
    }
    let then = prediction.then(cluster.clone(), &nudges(&looked_at));
    let mut groups = Groups::of(&prediction.after);
    let (mut due, mut to_come) = (BTreeSet::new(), BTreeSet::new());
    for outcome in &then.outcomes {
        let key = &outcome.service;
        let (writes, fails) = (groups.are_mended_by(outcome), outcome.error.is_some());
        if writes && !fails && ours.contains(key) {
            due.insert(key.clone());
        } else if (writes || fails) && unheard.contains(key) {
            to_come.insert(key.clone());
        }
    }
    if due.is_empty() && to_come.is_empty() {
        return part;
    }
    for key in &due {
        part.changes.extend(change(key, prediction, so_far));
        part.findings.push(match unheard.contains(key) {
            true => deferred(key),
            false => finding(key),
        });
    }
    part.drafts = draft(&due, prediction, so_far);
    due.append(&mut to_come);
    let then = match due.len() == looked_at.len() {
        true => then,
        false => prediction.then(cluster, &nudges(&due)),
    };
    prediction.finish(then);
    part
}

/// Whether first syncs leave nothing for second ones, as far as that is known without making them: Services stay internal
/// or public, of the same families and on the one load balancer, none shares a frontend with another or takes another's
/// name, nothing failed, neither security rules nor public addresses were written, and no Service is without floating IP,
/// whose security rules are for the nodes that pools show.
fn is_complete(changes: &[predict::Change], cluster: &Cluster, prediction: &Prediction) -> bool {
    let stays = |change: &predict::Change| {
        let key = change.key();
        let (before, after) = (prediction.live.get(key), prediction.services.get(key));
        let internal = |it: &Service| it.annotations.get(keys::INTERNAL).cloned();
        let kept = before.zip(after).is_some_and(|(before, after)| {
            internal(before) == internal(after)
                && before.ip_families == after.ip_families
                && before.kind == after.kind
        });
        kept && !matches!(change, predict::Change::Delete(_))
    };
    let is_elsewhere = |id: &ResourceId| {
        let kind = type_of(&id.key());
        matches!(kind, ArmType::NetworkSecurityGroup | ArmType::PublicIpAddress)
    };
    let is_plain = |outcome: &Outcome| {
        let mut writes = outcome.writes.iter();
        let mut effects = outcome.effects.iter();
        outcome.error.is_none()
            && !writes.any(|write| is_elsewhere(&write.id))
            && !effects.any(|effect| effect.reason == Reason::TakenOver)
    };
    let services = prediction.live.values().chain(prediction.services.values());
    let floats = |it: &Arc<Service>| {
        let off = it.annotations.get(keys::DISABLE_FLOATING_IP);
        !off.is_some_and(|value| value.eq_ignore_ascii_case("true"))
    };
    if !services.clone().all(floats) {
        return false;
    }
    let worlds = [&prediction.before, &prediction.after];
    let owners = Owners::of(services.map(AsRef::as_ref), &worlds);
    !cluster.facts.has_several_load_balancers()
        && changes.iter().all(stays)
        && prediction.outcomes.iter().all(is_plain)
        && worlds.iter().all(|world| sharers(world, &owners).is_empty())
}

/// Whether syncs after all that is predicted write nothing, but for what fails.
fn writes_nothing(outcomes: &[Outcome], prediction: &Prediction) -> bool {
    let mut groups = Groups::of(&prediction.after);
    outcomes.iter().all(|outcome| !groups.are_mended_by(outcome) || outcome.error.is_some())
}

/// The Services whose change the controller does not act on when it is made: it looks at labels, which may say
/// on which of several load balancers a Service is, at the next sync (recording 279), and that may be any time.
fn unheard(changes: &[predict::Change], prediction: &Prediction) -> BTreeSet<Key> {
    let is_unheard = |it: &&predict::Change| {
        let key = it.key();
        let stays = prediction.services.get(key).is_some_and(|it| it.wants_load_balancer());
        matches!(it, predict::Change::Apply(_)) && stays && prediction.outcome(key).is_none()
    };
    changes.iter().filter(is_unheard).map(predict::Change::key).cloned().collect()
}

/// The Services that privlink may make sync: those that a plan made afterwards would look at. One that is created has been
/// nothing else before, so that its first sync leaves nothing.
fn candidates(
    input: &Input<'_>,
    changes: &[predict::Change],
    prediction: &Prediction,
    so_far: &Part,
) -> BTreeSet<Key> {
    let written = so_far.drafted();
    let is_ours = |key: &Key| {
        let live = prediction.live.get(key).map(|live| live.object.as_ref());
        let is_marked = input.wanted.owns(live.and_then(stack_of));
        let is_written = written.contains(&DraftKey::new(&address(key), Stage::Write));
        (is_marked || is_written) && actor(input, key, live) == Actor::Privlink
    };
    let stays = |key: &Key| {
        let service = prediction.services.get(key);
        service.is_some_and(|it| it.wants_load_balancer() && !it.deleting)
            && prediction.live.contains_key(key)
    };
    changes
        .iter()
        .map(predict::Change::key)
        .filter(|it| stays(it) && is_ours(it))
        .cloned()
        .collect()
}

/// The change of a Service that nothing else changes.
fn change(key: &Key, prediction: &Prediction, so_far: &Part) -> Option<Change> {
    let at = address(key);
    if so_far.changes.iter().any(|it| it.address == at && it.is_change()) {
        return None;
    }
    let reason = "what this plan changes leaves work that only another sync of it does";
    let mut change = Change::new(at, Action::Update, Actor::Privlink, reason);
    change.object = Some(key.to_string());
    let before = prediction.live.get(key).and_then(|live| live.annotations.get(SYNC_ANNOTATION));
    change.fields = vec![sync_field(before, &next_sync(before))];
    Some(change)
}

fn finding(key: &Key) -> Finding {
    Finding::new(
        SECOND_SYNC,
        address(key),
        "the controller's first sync leaves work that only a second one does; privlink makes it sync once more when the first is done",
    )
}

fn deferred(key: &Key) -> Finding {
    Finding::new(
        SECOND_SYNC,
        address(key),
        "the controller does not act on this change when it is made, and its next sync does; privlink makes it sync once the change is made",
    )
}

/// Drafts the second syncs: behind all that the first bring about, one after the other. What each brings
/// about is waited for where the waits for the first are drafted.
fn draft(due: &BTreeSet<Key>, prediction: &Prediction, so_far: &Part) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let first: BTreeMap<String, String> = so_far
        .drafts
        .iter()
        .filter_map(|draft| match &draft.op {
            Op::Nudge { namespace, name, to } => Some((format!("{namespace}/{name}"), to.clone())),
            _ => None,
        })
        .collect();
    let mut before: Option<DraftKey> = None;
    for key in due {
        let at = address(key);
        let live = prediction.live.get(key).and_then(|live| live.annotations.get(SYNC_ANNOTATION));
        let to = next_sync(first.get(&key.to_string()).or(live));
        let Key { namespace, name } = key.clone();
        let mut draft = Draft::new(&at, Stage::Finish, Op::Nudge { namespace, name, to });
        for outcome in &prediction.outcomes {
            draft = draft.needing(&address(&outcome.service), Stage::Await);
            draft = draft.needing(&address(&outcome.service), Stage::Share);
        }
        draft.needs.extend(before);
        before = Some(DraftKey::new(&at, Stage::Settle));
        drafts.push(draft);
    }
    drafts
}

rules! {
    /// One sync of the controller does not complete a change of a Service: one that becomes internal keeps security
    /// rules of its public address, one that becomes public may keep its internal frontend. The controller does not
    /// come back to that by itself, so the plan has a step of its own that makes it sync once more when the first
    /// sync is done, by the annotation `privlink.dev/sync`. The same holds for a label that says on which of several
    /// load balancers a Service is: the controller looks at labels at its next sync, whenever that is.
    SECOND_SYNC = "second-sync", Note, [Desired, Live, Predicted], {
        basis: basis::recorded("a sync leaves what only the next removes", basis::link::BALANCER),
        advice: "Nothing. It is shown so that the second sync, and what is deleted with it, is no surprise.",
        example: Example::change(
            r#"service.beta.kubernetes.io/azure-load-balancer-internal: "false""#,
            r#"service.beta.kubernetes.io/azure-load-balancer-internal: "true""#,
            r#"service.beta.kubernetes.io/azure-load-balancer-internal: "false""#,
        ),
    }
}
