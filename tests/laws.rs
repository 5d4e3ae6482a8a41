//! Laws of plan, apply and destroy, over generated stacks and worlds. They are checked on the world and on
//! what was asked of it. The prediction comes from the model that the world runs on: one law holds that the two agree
//! on what privlink writes to ARM, and on security rules.
//!
//! A case is a world in which another stack lives, and two versions of a stack that are applied one after
//! the other and then destroyed. `LAW_CASES` says how many.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here fails the test")]

#[path = "support/generated.rs"]
mod generated;
#[path = "support/served.rs"]
mod served;
#[path = "support/stage.rs"]
mod stage;
mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use generated::{
    ENDPOINTS, Version, desired, is_own, lasting, neighbour, observed, of_a_consumer, planned,
    predicted, reaching, session, version,
};
use privlink_core::arm::private_endpoint::addresses_of;
use privlink_core::arm::resource::SecurityRule;
use privlink_core::arm::world::World as ArmWorld;
use privlink_core::event::{Event, EventKind};
use privlink_core::inventory::Azure;
use privlink_core::plan::{Mode, Plan};
use privlink_core::planned::Planned;
use privlink_core::report::{Outcome, Report};
use privlink_core::unknown;
use privlink_engine::apply::apply;
use privlink_sandbox::{Entry, World};
use proptest::prelude::*;
use serde_json::{Value, json};
use served::{RUNTIME, Served};

/// What a run did.
struct Run {
    plan: Plan,
    events: Vec<Event>,
    requests: Vec<Entry>,
}

/// Plans and carries out; then plans again, and finds nothing left to do.
fn run(served: &Served, documents: &[String], mode: Mode) -> Run {
    let desired = desired(documents);
    RUNTIME.block_on(async {
        let mut session = session(served).await;
        if desired.is_of_a_consumer() {
            session.kubernetes = None;
        }
        let Planned { plan, prediction, .. } = predicted(&desired, &observed(&session).await, mode);
        assert_eq!(plan.refusals, [], "{}", documents.join("---\n"));
        let before = served.requests().len();
        let mut events = Vec::new();
        let report = apply(&plan, &session, |event| events.push(event.clone())).await;
        let well =
            |it: &Outcome| matches!(it, Outcome::Succeeded | Outcome::AwaitingApproval { .. });
        assert_eq!(report.count(well), plan.steps.len(), "{report:#?}");
        let requests = served.requests().split_off(before);
        let after = observed(&session).await;
        nothing_is_left_to_do(&planned(&desired, &after, mode), documents);
        let shown = Azure::of(&after.0).world;
        // A consumer reads no Private Link Service, so nobody knows what Azure will answer it.
        let is_known = !desired.is_of_a_consumer();
        assert!(
            !is_known || comes(&own(prediction.done()), &own(&shown)),
            "{:#}",
            own(prediction.done())
        );
        let (rules, live) = (security_rules(prediction.done()), security_rules(&shown));
        assert!(!is_known || rules_come(&rules, &live), "{rules:#?}\n{live:#?}");
        assert_eq!(Report::of(&events), report, "the report is a fold over the events");
        Run { plan, events, requests }
    })
}

/// A plan after an apply or a destroy is empty.
fn nothing_is_left_to_do(again: &Plan, documents: &[String]) {
    let text = documents.join("---\n");
    assert!(again.is_empty(), "not empty after it: {:#?}\n{text}", again.changes);
}

/// What privlink writes to ARM, and the connections that come of it, as a world shows them.
fn own(world: &ArmWorld) -> Value {
    let endpoints = world.private_endpoints.iter().map(|(id, endpoint)| {
        let (connection, manual) = endpoint.connection().unwrap();
        let interfaces = endpoint.properties.network_interfaces.as_deref().unwrap_or_default();
        let shown = json!({
            "tags": endpoint.tags,
            "subnet": endpoint.subnet().to_lowercase(),
            "manual": manual,
            "target": connection.target().to_lowercase(),
            "status": connection.status(),
            "addresses": addresses_of(world, interfaces),
        });
        (id.clone(), shown)
    });
    let records = world.record_sets.iter().filter(|(id, _)| id.contains("/a/"));
    let records = records.map(|(id, record)| {
        let of = &record.properties;
        (id.clone(), json!({"ttl": of.ttl, "to": of.a_records, "metadata": of.metadata}))
    });
    let links = world.private_link_services.iter().map(|(id, link)| {
        let connections = link.properties.private_endpoint_connections.iter().flatten();
        let connections = connections.map(|connection| {
            let state = &connection.properties.private_link_service_connection_state;
            let status = state.as_ref().and_then(|state| state.status.clone());
            let of = connection.properties.private_endpoint.as_ref();
            (of.map(|it| it.id().to_lowercase()).unwrap_or_default(), json!(status))
        });
        (id.clone(), Value::Object(connections.collect()))
    });
    Value::Object(endpoints.chain(records).chain(links).collect())
}

/// Whether what was predicted came, whatever unknowns became.
fn comes(predicted: &Value, shown: &Value) -> bool {
    match (predicted, shown) {
        (Value::Object(predicted), Value::Object(shown)) => {
            predicted.len() == shown.len()
                && predicted
                    .iter()
                    .all(|(name, value)| shown.get(name).is_some_and(|shown| comes(value, shown)))
        }
        (Value::Array(predicted), Value::Array(shown)) => {
            predicted.len() == shown.len() && predicted.iter().zip(shown).all(|(a, b)| comes(a, b))
        }
        (Value::String(predicted), Value::String(shown)) => unknown::may_become(predicted, shown),
        _ => predicted == shown,
    }
}

/// What the security groups let through, but for priorities, which follow from the order in which the
/// controller gets to Services.
fn security_rules(world: &ArmWorld) -> Vec<Value> {
    let groups = world.network_security_groups.values();
    let rules = groups.flat_map(|it| it.properties.security_rules.iter().flatten());
    let shown = |rule: &Arc<SecurityRule>| {
        let of = &rule.properties;
        json!({
            "name": rule.name(),
            "access": of.access,
            "protocol": of.protocol,
            "from": (&of.source_address_prefix, some(&of.source_address_prefixes)),
            "to": (&of.destination_address_prefix, some(&of.destination_address_prefixes)),
            "port": of.destination_port_range,
            "ports": of.destination_port_ranges.as_ref().map_or(0, Vec::len),
        })
    };
    rules.map(shown).collect()
}

/// A list that is not empty: Azure shows empty ones too.
fn some(list: &Option<Vec<String>>) -> Option<&Vec<String>> {
    list.as_ref().filter(|it| !it.is_empty())
}

/// Whether the security rules that were predicted came, and no other. Their names hang on node ports.
fn rules_come(predicted: &[Value], shown: &[Value]) -> bool {
    let mut left: Vec<&Value> = shown.iter().collect();
    let take = |wanted: &Value| {
        let at = left.iter().position(|it| comes(wanted, it));
        at.map(|at| left.remove(at)).is_some()
    };
    predicted.len() == shown.len() && predicted.iter().all(take)
}

/// A plan as it does not depend on the order of documents: without places.
fn placeless(mut plan: Plan) -> Plan {
    for finding in &mut plan.findings {
        finding.place = None;
    }
    for cause in &mut plan.causes {
        cause.place = None;
    }
    plan.excerpts.clear();
    plan
}

/// The plan is the same for any order of the input.
fn any_order_gives_one_plan(served: &Served, documents: &[String]) {
    let observed = RUNTIME.block_on(async { observed(&session(served).await).await });
    let plan = placeless(planned(&desired(documents), &observed, Mode::Apply));
    let mut other = documents.to_vec();
    other.reverse();
    assert_eq!(plan, placeless(planned(&desired(&other), &observed, Mode::Apply)));
    let middle = other.len() / 2;
    other.rotate_left(middle);
    assert_eq!(plan, placeless(planned(&desired(&other), &observed, Mode::Apply)));
}

/// No step starts before those it needs are done, which no write is refused shows too.
fn needs_come_first(run: &Run) {
    let mut done = BTreeSet::new();
    for event in &run.events {
        let Some(id) = event.step else { continue };
        match event.kind {
            EventKind::Started { .. } => {
                let step = run.plan.steps.iter().find(|step| step.id == id).unwrap();
                let early = step.needs.iter().find(|need| !done.contains(*need));
                assert_eq!(early, None, "{step:?}");
            }
            EventKind::Succeeded { .. } | EventKind::AwaitingApproval { .. } => {
                done.insert(id);
            }
            _ => {}
        }
    }
    let refused: Vec<&Entry> =
        run.requests.iter().filter(|it| it.method != "GET" && it.status >= 400).collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

/// Nothing is written that is not the stack's.
fn nothing_foreign_is_written(run: &Run) {
    let written = run.requests.iter().filter(|it| it.method != "GET");
    let foreign: Vec<&Entry> = written.filter(|it| !is_own(&it.path)).collect();
    assert!(foreign.is_empty(), "{foreign:#?}");
}

/// After a destroy nothing of the stack is there, and nothing else is missing.
fn destroy_leaves_all_as_it_was(before: &Value, after: &Value) {
    assert_eq!(served::difference(before, after), None);
}

/// The neighbour's Private Link Service.
const LINK: &str = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/mc_myresourcegroup_myakscluster_eastus/\
    providers/Microsoft.Network/privateLinkServices/neighbour-pls";

/// A version of endpoints alone.
fn endpoints() -> impl Strategy<Value = Version> {
    prop::collection::btree_map(0..ENDPOINTS.len(), reaching(), 0..4)
        .prop_map(|endpoints| Version { endpoints, ..Version::default() })
}

fn no_cluster_is_asked(run: &Run) {
    let asked: Vec<&Entry> = run
        .requests
        .iter()
        .filter(|it| it.path.contains("/api/") || it.path.contains("/apis/"))
        .collect();
    assert!(asked.is_empty(), "{asked:#?}");
}

fn cases() -> u32 {
    std::env::var("LAW_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(6)
}

/// Services that stay keep their packets' destination: the controller looks for its security rules by that, and leaves
/// those to the other one behind (`reconcileSecurityGroup`).
fn keep_floating(first: &Version, second: &mut Version) {
    for (number, wanted) in &mut second.services {
        if let Some(before) = first.services.get(number) {
            wanted.floats = before.floats;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 20, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn laws_hold_for_stacks_that_come_change_and_go(
        neighboured in any::<bool>(),
        first in version(),
        mut second in version(),
    ) {
        keep_floating(&first, &mut second);
        let served = Served::new(World::first());
        if neighboured {
            run(&served, &neighbour(), Mode::Apply);
        }
        let before = lasting(&served.world());
        for version in [&first, &second] {
            let documents = version.documents("laws");
            any_order_gives_one_plan(&served, &documents);
            let run = run(&served, &documents, Mode::Apply);
            needs_come_first(&run);
            nothing_foreign_is_written(&run);
        }
        let run = run(&served, &second.documents("laws"), Mode::Destroy);
        needs_come_first(&run);
        nothing_foreign_is_written(&run);
        destroy_leaves_all_as_it_was(&before, &lasting(&served.world()));
    }

    /// A stack without a cluster keeps the laws too, and asks no API server for anything.
    #[test]
    fn laws_hold_for_consumers_without_a_cluster(first in endpoints(), second in endpoints()) {
        let served = Served::new(World::first());
        run(&served, &neighbour(), Mode::Apply);
        let before = lasting(&served.world());
        for version in [&first, &second] {
            let run = run(&served, &of_a_consumer(version, LINK), Mode::Apply);
            needs_come_first(&run);
            nothing_foreign_is_written(&run);
            no_cluster_is_asked(&run);
        }
        let run = run(&served, &of_a_consumer(&second, LINK), Mode::Destroy);
        needs_come_first(&run);
        no_cluster_is_asked(&run);
        destroy_leaves_all_as_it_was(&before, &lasting(&served.world()));
    }
}
