//! No sequence of edits does less harm than the one that is found: held against all sequences of up to four.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use serde_json::json;

use super::*;
use crate::arm::resource::{
    ConnectionState, EndpointConnection, EndpointConnectionProperties, Reference,
};
use crate::assumed;
use crate::facts::Facts;

const PREFIX: &str = "service.beta.kubernetes.io/azure-";

fn manifest(name: &str, ports: &[i64], annotations: &[(&str, &str)]) -> Value {
    let mut all: serde_json::Map<String, Value> = annotations
        .iter()
        .map(|(key, value)| (format!("{PREFIX}{key}"), Value::from(*value)))
        .collect();
    all.entry(format!("{PREFIX}load-balancer-internal")).or_insert("true".into());
    let ports: Vec<Value> = ports
        .iter()
        .map(|port| json!({"name": format!("p{port}"), "port": port, "targetPort": 8443}))
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": "default", "annotations": all},
        "spec": {"type": "LoadBalancer", "selector": {"app": name}, "ports": ports},
    })
}

const LINK: [(&str, &str); 3] =
    [("pls-create", "true"), ("pls-name", "my-pls"), ("load-balancer-ipv4", "10.240.0.25")];
const ADDRESS: [(&str, &str); 1] = [("load-balancer-ipv4", "10.240.0.25")];

/// The Services of a stack, from and to, with a consumer on every Private Link Service.
fn start(courses: &[Course]) -> State {
    let (facts, mut cluster) = assumed::cluster(&Facts::default());
    let services: Vec<Service> = courses
        .iter()
        .enumerate()
        .filter_map(|(number, course)| {
            let mut manifest = course.from.clone()?;
            let uid = format!("{number}0000000-0000-0000-0000-000000000000");
            manifest.get_mut("metadata")?.as_object_mut()?.insert("uid".to_owned(), uid.into());
            prediction::stored(&manifest, None, &cluster.facts, None).ok()
        })
        .collect();
    let changes: Vec<Change> =
        services.into_iter().map(|service| Change::Apply(Arc::new(service))).collect();
    let world = assumed::world(&facts, &changes);
    cluster.facts = Arc::new(facts);
    let predicted = predict::predict(world, cluster.clone(), &changes, Rules::Azure);
    cluster.services = predicted.services;
    let mut world = predicted.world;
    for link in world.private_link_services.values_mut() {
        let connection = EndpointConnection {
            properties: EndpointConnectionProperties {
                private_endpoint: Some(Reference::to(
                    "/subscriptions/s/resourceGroups/r/providers/Microsoft.Network/privateEndpoints/pe",
                )),
                private_link_service_connection_state: Some(ConnectionState {
                    status: Some("Approved".to_owned()),
                    ..ConnectionState::default()
                }),
                ..EndpointConnectionProperties::default()
            },
            ..EndpointConnection::default()
        };
        Arc::make_mut(link).properties.private_endpoint_connections = Some(vec![connection]);
    }
    State { variants: courses.iter().map(Course::start).collect(), world, cluster }
}

/// The least harm of any sequence of edits that ends as desired, by trying them all.
fn least(problem: &Problem<'_>, state: &State, cost: Cost, edits: usize) -> Option<Cost> {
    if problem.is_end(state) {
        return Some(cost);
    }
    if edits == 0 {
        return None;
    }
    let next = problem.next(state).into_iter();
    next.filter_map(|(_, state, harm)| {
        let cost = cost.plus(harm.cost()).plus(problem.absence(&state));
        least(problem, &state, cost, edits - 1)
    })
    .min()
}

#[track_caller]
fn agrees(courses: &[Course]) -> Option<Cost> {
    const EDITS: usize = 4;
    let start = start(courses);
    let wanted = courses.iter().flat_map(|course| course.ports(&course.end())).collect();
    let needs = Needs::of(&start.world, &wanted);
    assert!(!needs.ports.is_empty(), "somebody is connected");
    let problem = Problem {
        courses: courses.iter().collect(),
        is_alone: false,
        managers: &BTreeMap::new(),
        stack: "shop",
        needs: &needs,
        at_once: usize::MAX,
        bounds: Bounds { edits: EDITS, states: 100_000 },
    };
    let expected = least(&problem, &start, Cost::default(), EDITS);
    let searched = problem.search(start.clone());
    let found = searched.way.and_then(|way| way.last().map(|last| last.cost));
    assert_eq!(found, expected);
    agrees_alone(problem, start, found);
    found
}

/// For one Service that shares nothing, what is left out as no help changes nothing: there is a way that disconnects
/// fewer than the edit at once if and only if there is one among all.
fn agrees_alone(problem: Problem<'_>, start: State, found: Option<Cost>) {
    let [course] = problem.courses.as_slice() else { return };
    let end = problem.change(course, &course.end(), &start.cluster);
    let at_once = end.and_then(|it| problem.step(&start, (0, course.end()), &it));
    let Some((_, _, harm)) = at_once else { return };
    let at_once = harm.disconnected.len();
    let is_better = found.is_some_and(|it| it.disconnects < at_once);
    assert!(!(course.has_one_edit() && is_better), "one edit has one way");
    let alone = Problem { is_alone: true, at_once, ..problem };
    assert_eq!(alone.search(start).way.is_some(), is_better);
}

fn key(name: &str) -> Key {
    Key::new("default", name)
}

#[test]
fn a_gateway_takes_a_services_place_and_nobody_is_disconnected() {
    let courses = [
        Course::new(key("nginx"), Some(manifest("nginx", &[443], &LINK)), None),
        Course::new(key("gw"), None, Some(manifest("gw", &[443], &ADDRESS))),
    ];
    let cost = agrees(&courses);
    assert_eq!(cost.map(|it| (it.disconnects, it.edits)), Some((0, 3)));
}

#[test]
fn an_address_that_changes_disconnects_on_every_way() {
    let moved =
        [("pls-create", "true"), ("pls-name", "my-pls"), ("load-balancer-ipv4", "10.240.0.26")];
    let course = Course::new(
        key("web"),
        Some(manifest("web", &[80], &LINK)),
        Some(manifest("web", &[80], &moved)),
    );
    assert_eq!(agrees(&[course]).map(|it| it.disconnects), Some(1));
}

/// What a Service alone may change, one or two of them at once.
#[test]
fn a_service_alone_has_the_ways_that_all_edits_have() {
    let edits: [(&str, Option<&str>); 7] = [
        ("load-balancer-ipv4", Some("10.240.0.26")),
        ("load-balancer-ipv4", None),
        ("load-balancer-internal-subnet", Some("apps-subnet")),
        ("pls-name", Some("other")),
        ("pls-create", None),
        ("pls-visibility", Some("*")),
        ("load-balancer-internal", Some("false")),
    ];
    for (number, first) in edits.iter().enumerate() {
        for second in edits.iter().skip(number) {
            let mut annotations: BTreeMap<&str, &str> = LINK.into_iter().collect();
            for (name, value) in [first, second] {
                match value {
                    Some(value) => annotations.insert(name, value),
                    None => annotations.remove(name),
                };
            }
            let annotations: Vec<(&str, &str)> = annotations.into_iter().collect();
            for port in [80, 81] {
                agrees(&[Course::new(
                    key("web"),
                    Some(manifest("web", &[80], &LINK)),
                    Some(manifest("web", &[port], &annotations)),
                )]);
            }
        }
    }
}

#[test]
fn an_owner_that_leaves_a_shared_address_disconnects_nobody() {
    let courses = [
        Course::new(key("a"), Some(manifest("a", &[80], &LINK)), None),
        Course::new(
            key("b"),
            Some(manifest("b", &[81], &ADDRESS)),
            Some(manifest("b", &[80, 81], &ADDRESS)),
        ),
    ];
    assert_eq!(agrees(&courses).map(|it| it.disconnects), Some(0));
}

#[test]
fn a_renamed_link_needs_its_service_made_again() {
    let renamed =
        [("pls-create", "true"), ("pls-name", "other"), ("load-balancer-ipv4", "10.240.0.25")];
    let course = Course::new(
        key("web"),
        Some(manifest("web", &[80], &LINK)),
        Some(manifest("web", &[80], &renamed)),
    );
    assert_eq!(agrees(&[course]).map(|it| (it.disconnects, it.edits)), Some((1, 2)));
}
