//! The loop that runs the controller model: on every change of a Service or Node, and when a retry is
//! due. It works on the same state as the servers, in a task of its own, so that it is as late and as
//! unordered to clients as the real one.

mod memory;
mod pace;
pub(crate) mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use privlink_model::arm;
use privlink_model::controller::cluster::Cluster;
use privlink_model::controller::memory::Memory;
use privlink_model::controller::outcome::{Outcome, Reaction};
use privlink_model::controller::sync::{Trigger, sync};
use privlink_model::kubernetes::service::{Key, Service};

use crate::api_server::ApiServer;
use crate::azure::with_azure;
use crate::clock;
use crate::fault::Effect;
use crate::kubernetes::resource::Resource;
use crate::state::{ControllerMode, Shared, State};

/// What the controller remembers and has yet to do.
#[derive(Clone, Debug, Default)]
pub struct Controller {
    /// The model's memory. Its clock counts scaled seconds from [`Controller::epoch`].
    pub memory: Memory,
    /// When its clock began, in milliseconds since 1970; 0 if it did not.
    pub epoch: u64,
    /// Services that changed and were not synced since.
    pub waiting: BTreeSet<Key>,
    /// Whether the set of nodes changed.
    pub nodes_changed: bool,
    /// Whether it has yet to start.
    pub starting: bool,
    /// The Service whose sync shows write by write, and is not done yet.
    pub under_way: Option<Key>,
}

/// Notes that a Service or a Node changed.
pub(crate) fn noticed(state: &mut State, resource: &Resource, key: &Key) {
    match resource.kind {
        "Service" => {
            state.world.controller.waiting.insert(key.clone());
        }
        _ => state.world.controller.nodes_changed = true,
    }
    state.controller_has_work = true;
}

/// Makes the controller start anew: with no memory, and a sync of everything.
pub(crate) fn restart(state: &mut State) {
    state.world.controller = Controller { starting: true, ..Controller::default() };
    state.touch();
}

/// What is to be done next.
enum Next {
    /// This, now.
    Do(Trigger),
    /// Something, then.
    Wait(Duration),
    /// Nothing until something changes.
    Idle,
}

/// The controller's clock, in scaled seconds.
fn tick(state: &mut State) {
    let now = clock::millis();
    let scale = state.options.backoff_scale.max(0.000_001);
    let controller = &mut state.world.controller;
    if controller.epoch == 0 {
        controller.epoch = now;
    }
    let elapsed = Duration::from_millis(now.saturating_sub(controller.epoch));
    let seconds = Duration::try_from_secs_f64(elapsed.as_secs_f64() / scale).unwrap_or(elapsed);
    controller.memory.now = controller.memory.now.max(seconds.as_secs());
}

/// What is due, in a fixed order: a start, Services by namespace and name, nodes, retries.
fn next(state: &mut State) -> Next {
    tick(state);
    let scale = state.options.backoff_scale;
    let controller = &state.world.controller;
    if controller.starting {
        return Next::Do(Trigger::Started);
    }
    if let Some(key) = controller.waiting.first() {
        return Next::Do(Trigger::Service(key.clone()));
    }
    if controller.nodes_changed {
        return Next::Do(Trigger::Nodes);
    }
    match controller.memory.next_retry() {
        Some((due, key)) if due <= controller.memory.now => Next::Do(Trigger::Retry(key.clone())),
        Some((due, _)) => {
            let seconds = Duration::from_secs(due.saturating_sub(controller.memory.now));
            let scaled = Duration::try_from_secs_f64(seconds.as_secs_f64() * scale);
            Next::Wait(scaled.unwrap_or(seconds).max(Duration::from_millis(1)))
        }
        None => Next::Idle,
    }
}

/// Runs until the sandbox ends, with the sandbox's own API server or another.
pub(crate) async fn run(shared: Arc<Shared>, mut api_server: Option<ApiServer>) {
    if shared.lock().options.controller == ControllerMode::None {
        return;
    }
    loop {
        if let Some(api_server) = &api_server {
            api_server.copy(&shared).await;
        }
        let (next, delay) = {
            let mut state = shared.lock();
            (next(&mut state), state.options.controller_delay)
        };
        let wait = match next {
            Next::Do(_) => delay,
            Next::Wait(wait) => wait,
            Next::Idle => Duration::MAX,
        };
        let idle = !matches!(next, Next::Do(_));
        tokio::select! {
            () = shared.cancel.cancelled() => return,
            () = tokio::time::sleep(wait.min(Duration::from_secs(86_400))) => {}
            () = shared.controller_work(), if idle => continue,
            () = changed(api_server.as_mut()), if idle => continue,
        }
        if idle {
            continue;
        }
        // Whatever waits now is synced in one go, in its fixed order.
        loop {
            let late = late(&shared);
            if !late.is_zero() {
                tokio::select! {
                    () = shared.cancel.cancelled() => return,
                    () = tokio::time::sleep(late) => {}
                }
            }
            if shared.cancel.is_cancelled() {
                return;
            }
            let pause = pace::pause(&shared);
            let paused = match pause.is_zero() {
                true => None,
                false => Some(pace::act(&shared, pause, api_server.is_none()).await),
            };
            let outcomes = {
                let mut state = shared.lock();
                let outcomes = match paused {
                    Some(outcomes) => outcomes,
                    None => {
                        let Next::Do(trigger) = self::next(&mut state) else { break };
                        act(&mut state, &trigger)
                    }
                };
                if api_server.is_none() {
                    for outcome in &outcomes {
                        report::store(&mut state, outcome);
                    }
                }
                if let Err(error) = state.save() {
                    tracing::error!(%error, "the world cannot be saved");
                }
                outcomes
            };
            if let Some(api_server) = &mut api_server {
                for outcome in &outcomes {
                    api_server.write(&shared, outcome).await;
                }
                api_server.copy(&shared).await;
            }
        }
    }
}

/// Waits for news of another API server, if there is one.
async fn changed(api_server: Option<&mut ApiServer>) {
    match api_server {
        Some(api_server) => api_server.changed().await,
        None => std::future::pending().await,
    }
}

/// How much later the next sync begins, by an injected fault.
fn late(shared: &Shared) -> Duration {
    let mut state = shared.lock();
    let Next::Do(Trigger::Service(key) | Trigger::Retry(key)) = next(&mut state) else {
        return Duration::ZERO;
    };
    let is_late = |effect: &Effect| matches!(effect, Effect::LateController { .. });
    match state.faults.strike_sync(&key.to_string(), is_late) {
        Some((_, Effect::LateController { milliseconds })) => Duration::from_millis(milliseconds),
        _ => Duration::ZERO,
    }
}

/// The cluster as the controller sees it.
fn cluster(state: &State) -> Cluster {
    let store = &state.world.kubernetes;
    let shelf = |plural| Resource::find("", plural).into_iter().flat_map(|kind| store.shelf(kind));
    Cluster {
        facts: Arc::new(state.world.facts.clone()),
        nodes: state.world.nodes(),
        services: shelf("services")
            .filter_map(|(key, object)| {
                let service = Service::from_value(object.clone()).ok()?;
                Some((key.clone(), Arc::new(service)))
            })
            .collect::<BTreeMap<_, _>>(),
        namespaces: shelf("namespaces")
            .map(|(key, object)| {
                let labels = object.pointer("/metadata/labels").cloned().unwrap_or_default();
                (key.name.clone(), serde_json::from_value(labels).unwrap_or_default())
            })
            .collect(),
    }
}

/// One reaction: what it wrote to Azure is stored; what it says of Services is in its outcomes.
fn act(state: &mut State, trigger: &Trigger) -> Vec<Outcome> {
    let (mut faults, mut struck) = (Vec::new(), None);
    match trigger {
        Trigger::Service(key) | Trigger::Retry(key) => {
            state.world.controller.waiting.remove(key);
            if let Some((number, fault)) = failure(state, key) {
                struck = Some(number);
                faults.push(fault);
            }
        }
        Trigger::Nodes => state.world.controller.nodes_changed = false,
        Trigger::Started => state.world.controller.starting = false,
    }
    let mut cluster = cluster(state);
    let mut memory = std::mem::take(&mut state.world.controller.memory);
    let (reaction, is_spared): (Reaction, bool) = with_azure(state, |azure| {
        azure.faults.append(&mut faults);
        let reaction = sync(azure, &mut cluster, &mut memory, trigger);
        (reaction, azure.faults.iter().any(|fault| fault.times > 0))
    });
    if let Some(number) = struck.filter(|_| is_spared) {
        state.faults.spare(number);
    }
    state.world.controller.memory = memory;
    reaction.outcomes
}

/// The failure injected into this sync, with its number; a stale cache takes effect at once.
fn failure(state: &mut State, key: &Key) -> Option<(usize, arm::rules::Fault)> {
    let name = key.to_string();
    let is_stale = |effect: &Effect| matches!(effect, Effect::StaleCache);
    if state.faults.strike_sync(&name, is_stale).is_some() {
        memory::renew_caches(&mut state.world.controller.memory);
    }
    let is_failure = |effect: &Effect| matches!(effect, Effect::FailedSync { .. });
    match state.faults.strike_sync(&name, is_failure) {
        Some((number, Effect::FailedSync { method, write, status, code, message })) => {
            let fault = arm::rules::Fault {
                method: method.unwrap_or_else(|| "PUT".to_owned()),
                path: write,
                status,
                code,
                message,
                times: 1,
            };
            Some((number, fault))
        }
        _ => None,
    }
}

/// Whether the controller has nothing to do now nor later.
pub(crate) fn is_settled(state: &mut State) -> bool {
    state.world.controller.under_way.is_none() && matches!(next(state), Next::Idle)
}

/// Waits until the controller has nothing to do, or the time is over. With `retries`, a retry that
/// waits counts as something to do.
pub(crate) async fn idle(shared: &Shared, at_most: Duration, retries: bool) -> bool {
    let deadline = tokio::time::Instant::now() + at_most;
    loop {
        {
            let mut state = shared.lock();
            let is_busy = state.world.controller.under_way.is_some();
            match next(&mut state) {
                Next::Idle if !is_busy => return true,
                Next::Wait(_) if !retries && !is_busy => return true,
                Next::Idle | Next::Wait(_) | Next::Do(_) => {}
            }
        }
        if tokio::time::Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
