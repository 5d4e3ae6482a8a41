//! A controller that is slow between its writes: each of them shows, and clients go on meanwhile.

use std::sync::Arc;
use std::time::Duration;

use privlink_model::arm::world::{Shelf, World};
use privlink_model::controller::memory::Memory;
use privlink_model::controller::outcome::Outcome;
use privlink_model::controller::sync::{Trigger, sync};
use privlink_model::kubernetes::service::Key;

use crate::azure::{acting, occupy_node_addresses, reflect};
use crate::fault::Effect;
use crate::state::{Shared, State};

use super::{cluster, failure, next, report};

/// What a sync will have done, write by write.
struct Course {
    key: Key,
    /// Azure before, and after each write.
    worlds: Vec<World>,
    memory: Memory,
    outcomes: Vec<Outcome>,
}

/// How long the controller pauses after each write of the next sync, by an injected fault.
pub(super) fn pause(shared: &Shared) -> Duration {
    let mut state = shared.lock();
    let super::Next::Do(Trigger::Service(key) | Trigger::Retry(key)) = next(&mut state) else {
        return Duration::ZERO;
    };
    let is_slow = |effect: &Effect| matches!(effect, Effect::SlowController { .. });
    match state.faults.strike_sync(&key.to_string(), is_slow) {
        Some((_, Effect::SlowController { milliseconds })) => Duration::from_millis(milliseconds),
        _ => Duration::ZERO,
    }
}

/// The next sync, with pauses. Its outcomes; of those reported here, without their beginning. There are
/// none where somebody wrote in between what it was about to write: then it is done again.
pub(super) async fn act(shared: &Shared, pause: Duration, reported: bool) -> Vec<Outcome> {
    let course = {
        let mut state = shared.lock();
        let mut course = plan(&mut state);
        for outcome in course.iter_mut().flat_map(|it| &mut it.outcomes).filter(|_| reported) {
            report::begun(&mut state, outcome);
            outcome.events.retain(|event| !report::is_first(event));
        }
        course
    };
    let Some(course) = course else { return Vec::new() };
    for pair in course.worlds.windows(2) {
        let [from, to] = pair else { continue };
        if !goes_on(&mut shared.lock(), &course.key, from, to) {
            return Vec::new();
        }
        tokio::select! {
            () = shared.cancel.cancelled() => return Vec::new(),
            () = tokio::time::sleep(pause) => {}
        }
    }
    let controller = &mut shared.lock().world.controller;
    controller.under_way = None;
    let now = controller.memory.now;
    controller.memory = Memory { now, ..course.memory };
    course.outcomes
}

/// Shows one write of a sync under way; whether it goes on. One that does not is due again.
fn goes_on(state: &mut State, key: &Key, from: &World, to: &World) -> bool {
    let is_under_way = state.world.controller.under_way.as_ref() == Some(key);
    let goes_on = is_under_way && show(state, from, to);
    if !goes_on {
        state.world.controller.under_way = None;
        state.world.controller.waiting.insert(key.clone());
    }
    goes_on
}

/// What the next sync does, on a copy of the world.
fn plan(state: &mut State) -> Option<Course> {
    let super::Next::Do(trigger) = next(state) else { return None };
    let (Trigger::Service(key) | Trigger::Retry(key)) = &trigger else { return None };
    let key = key.clone();
    let controller = &mut state.world.controller;
    controller.waiting.remove(&key);
    controller.memory.retries.remove(&key);
    controller.under_way = Some(key.clone());
    let (struck, fault) = failure(state, &key).unzip();
    let mut faults: Vec<_> = fault.into_iter().collect();
    let mut cluster = cluster(state);
    let mut memory = state.world.controller.memory.clone();
    occupy_node_addresses(state);
    let before = state.world.azure.clone();
    let mut worlds = vec![before.clone()];
    let (reaction, passed, is_spared) = acting(&mut state.world, |azure| {
        azure.faults.append(&mut faults);
        azure.passed = Some(Vec::new());
        let reaction = sync(azure, &mut cluster, &mut memory, &trigger);
        let is_spared = azure.faults.iter().any(|fault| fault.times > 0);
        (reaction, azure.passed.take(), is_spared)
    });
    if let Some(number) = struck.filter(|_| is_spared) {
        state.faults.spare(number);
    }
    worlds.extend(passed.into_iter().flatten());
    worlds.push(std::mem::replace(&mut state.world.azure, before));
    Some(Course { key, worlds, memory, outcomes: reaction.outcomes })
}

/// Shows one write; whether what it writes is still as the controller read it.
fn show(state: &mut State, from: &World, to: &World) -> bool {
    let azure = &mut state.world.azure;
    let is_as_read = replace(&mut azure.load_balancers, &from.load_balancers, &to.load_balancers)
        && replace(
            &mut azure.private_link_services,
            &from.private_link_services,
            &to.private_link_services,
        )
        && replace(
            &mut azure.public_ip_addresses,
            &from.public_ip_addresses,
            &to.public_ip_addresses,
        )
        && replace(
            &mut azure.network_security_groups,
            &from.network_security_groups,
            &to.network_security_groups,
        );
    if is_as_read {
        // What hangs on others' writes as well is brought up to date by what follows.
        take(&mut azure.subnets, &from.subnets, &to.subnets);
        take(&mut azure.private_endpoints, &from.private_endpoints, &to.private_endpoints);
        take(&mut azure.network_interfaces, &from.network_interfaces, &to.network_interfaces);
        take(&mut azure.others, &from.others, &to.others);
        if from.taken != to.taken {
            azure.taken.clone_from(&to.taken);
        }
        reflect(&mut state.world);
    }
    state.touch();
    if let Err(error) = state.save() {
        tracing::error!(%error, "the world cannot be saved");
    }
    is_as_read
}

/// Takes over what differs, where it is still as it was.
fn replace<T: PartialEq>(shelf: &mut Shelf<T>, from: &Shelf<T>, to: &Shelf<T>) -> bool {
    let is_as_read = from.keys().chain(to.keys()).all(|key| {
        let is_same = match (from.get(key), to.get(key)) {
            (Some(old), Some(new)) => Arc::ptr_eq(old, new),
            _ => false,
        };
        is_same || shelf.get(key) == from.get(key)
    });
    if is_as_read {
        take(shelf, from, to);
    }
    is_as_read
}

fn take<T>(shelf: &mut Shelf<T>, from: &Shelf<T>, to: &Shelf<T>) {
    for (key, new) in to {
        if !from.get(key).is_some_and(|old| Arc::ptr_eq(old, new)) {
            shelf.insert(key.clone(), new.clone());
        }
    }
    for key in from.keys().filter(|key| !to.contains_key(*key)) {
        shelf.remove(key);
    }
}
