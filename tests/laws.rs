//! Laws of plan, apply and destroy, over generated stacks and worlds. They are checked on the world and on
//! what was asked of it, and not on the prediction, which comes from the model that the world runs on.
//!
//! A case is a world in which another stack lives, and two versions of a stack that are applied one after
//! the other and then destroyed. `LAW_CASES` says how many.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here fails the test")]

#[path = "support/served.rs"]
mod served;
mod support;

use std::collections::{BTreeMap, BTreeSet};

use privlink_azure::{ArmClient, Cloud, Environment, Identity, Settings};
use privlink_core::desired::{self, Desired};
use privlink_core::diagnostic::{Severity, Source};
use privlink_core::diff::{Input, Options};
use privlink_core::document;
use privlink_core::event::{Event, EventKind};
use privlink_core::facts::{Facts, Origin};
use privlink_core::plan::{Mode, Plan, Scope};
use privlink_core::planning;
use privlink_core::report::{Outcome, Report};
use privlink_core::resource_id::ResourceId;
use privlink_core::snapshot::Snapshot;
use privlink_engine::apply::apply;
use privlink_engine::observe::{self, ArmClients, Cluster, Group, Targets};
use privlink_engine::session::{Patience, Session};
use privlink_kubernetes::{Connection, KubernetesClient};
use privlink_sandbox::{Entry, World};
use proptest::prelude::*;
use serde_json::{Value, json};
use served::{RUNTIME, Served, portrait};

const OWN: &str = "00000000-0000-0000-0000-000000000000";
const CONSUMER: &str = "11111111-1111-1111-1111-111111111111";
const ZONE: &str = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/\
                    myOtherResourceGroup/providers/Microsoft.Network/privateDnsZones/privatelink.contoso.com";
const SERVICES: [&str; 3] = ["app", "db", "web"];
const ENDPOINTS: [&str; 3] = ["pe-1", "pe-2", "pe-3"];

/// A Service as it may be wanted.
#[derive(Clone, Debug)]
struct Wanted {
    address: bool,
    subnet: Option<&'static str>,
    link: bool,
    count: Option<u8>,
    ports: BTreeSet<u16>,
    probe: Option<&'static str>,
}

/// An endpoint as it may be wanted: to which Service, from where, and how.
#[derive(Clone, Debug)]
struct Reaching {
    service: usize,
    far: bool,
    manual: bool,
    record: bool,
}

/// One version of the stack: Services and endpoints by their number.
#[derive(Clone, Debug)]
struct Version {
    services: BTreeMap<usize, Wanted>,
    endpoints: BTreeMap<usize, Reaching>,
    approve: bool,
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let subnet = prop::option::weighted(0.3, Just("apps-subnet"));
    let count = prop::option::weighted(0.3, 1_u8..4);
    let ports = prop::collection::btree_set(prop::sample::select(vec![80, 443, 8080]), 1..3);
    let probe = prop::option::weighted(0.2, prop::sample::select(vec!["5", "10"]));
    (prop::bool::weighted(0.3), subnet, prop::bool::weighted(0.7), count, ports, probe).prop_map(
        |(address, subnet, link, count, ports, probe)| Wanted {
            address,
            subnet,
            link,
            count,
            ports,
            probe,
        },
    )
}

fn version() -> impl Strategy<Value = Version> {
    let reaching = (0..SERVICES.len(), prop::bool::weighted(0.2), any::<bool>(), any::<bool>())
        .prop_map(|(service, far, manual, record)| {
            // An endpoint of another subscription must ask.
            Reaching { service, far, manual: manual || far, record: record && !far }
        });
    let services = prop::collection::btree_map(0..SERVICES.len(), wanted(), 0..4);
    let endpoints = prop::collection::btree_map(0..ENDPOINTS.len(), reaching, 0..4);
    (services, endpoints, any::<bool>()).prop_map(|(services, mut endpoints, approve)| {
        let links: BTreeSet<usize> =
            services.iter().filter(|(_, it)| it.link).map(|(number, _)| *number).collect();
        endpoints.retain(|_, it| links.contains(&it.service));
        Version { services, endpoints, approve }
    })
}

impl Version {
    /// Its documents.
    fn documents(&self, stack: &str) -> Vec<String> {
        let mut documents = vec![format!(
            "apiVersion: privlink.dev/v1alpha1\nkind: Stack\nmetadata: {{name: {stack}}}\n\
             spec: {{subscription: {OWN}, resourceGroup: myResourceGroup, cluster: myAKSCluster}}\n"
        )];
        for (number, wanted) in &self.services {
            documents.push(service(SERVICES[*number], *number, wanted));
            if self.approve && wanted.link {
                documents.push(format!(
                    "apiVersion: privlink.dev/v1alpha1\nkind: EndpointApproval\n\
                     metadata: {{name: approve-{number}}}\nspec:\n  \
                     service: {{namespace: default, name: {}}}\n  approve: [{{subscription: {CONSUMER}}}]\n",
                    SERVICES[*number]
                ));
            }
        }
        for (number, reaching) in &self.endpoints {
            documents.push(endpoint(ENDPOINTS[*number], reaching));
        }
        documents
    }
}

fn service(name: &str, number: usize, wanted: &Wanted) -> String {
    let mut annotations = vec![("azure-load-balancer-internal", "true".to_owned())];
    let third = if wanted.subnet.is_some() { 241 } else { 240 };
    if wanted.address {
        annotations.push(("azure-load-balancer-ipv4", format!("10.{third}.0.{}", 200 + number)));
    }
    annotations.extend(
        wanted.subnet.map(|subnet| ("azure-load-balancer-internal-subnet", subnet.to_owned())),
    );
    annotations.extend(
        wanted.probe.map(|it| ("azure-load-balancer-health-probe-interval", it.to_owned())),
    );
    if wanted.link {
        annotations.push(("azure-pls-create", "true".to_owned()));
        annotations.push(("azure-pls-name", format!("{name}-pls")));
        annotations.push(("azure-pls-visibility", "*".to_owned()));
        let count = wanted.count.map(|count| count.to_string());
        annotations.extend(count.map(|it| ("azure-pls-ip-configuration-ip-address-count", it)));
    }
    let annotations: String = annotations
        .iter()
        .map(|(key, value)| format!("    service.beta.kubernetes.io/{key}: \"{value}\"\n"))
        .collect();
    let ports: Vec<Value> =
        wanted.ports.iter().map(|port| json!({"name": format!("p{port}"), "port": port})).collect();
    let ports = Value::Array(ports);
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n  annotations:\n{annotations}\
         spec: {{type: LoadBalancer, selector: {{app: {name}}}, ports: {ports}}}\n"
    )
}

fn endpoint(name: &str, reaching: &Reaching) -> String {
    let place = if reaching.far {
        format!(
            "  subscription: {CONSUMER}\n  resourceGroup: consumerResourceGroup\n  \
             subnet: {{virtualNetwork: consumer-vnet, name: pe-subnet}}\n"
        )
    } else {
        "  resourceGroup: myOtherResourceGroup\n  \
         subnet: {virtualNetwork: myOtherVNET, name: pe-subnet}\n"
            .to_owned()
    };
    let approval = if reaching.manual { "  approval: Manual\n" } else { "" };
    let record = if reaching.record {
        format!("  dns: {{record: {{zone: privatelink.contoso.com, name: {name}}}}}\n")
    } else {
        String::new()
    };
    format!(
        "apiVersion: privlink.dev/v1alpha1\nkind: PrivateEndpoint\nmetadata: {{name: {name}}}\nspec:\n  \
         target: {{service: {{namespace: default, name: {}}}}}\n{place}{approval}{record}",
        SERVICES[reaching.service]
    )
}

fn desired(documents: &[String]) -> Desired {
    let source = Source::new("stack.yaml", documents.join("---\n")).unwrap();
    let options = desired::Options { namespace: Some("default".to_owned()), stack_name: None };
    let (desired, diagnostics) = desired::resolve(document::parse(&source), &options);
    let errors: Vec<_> = diagnostics.iter().filter(|it| it.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:?}\n{}", source.text());
    desired
}

/// What is read: all that any version may need.
fn targets() -> Targets {
    let cluster =
        Cluster { group: Group::new(OWN, "myResourceGroup"), name: "myAKSCluster".to_owned() };
    Targets {
        cluster: Some(cluster),
        endpoint_subscriptions: [OWN, CONSUMER].map(ToOwned::to_owned).into(),
        virtual_network_groups: [
            Group::new(OWN, "myOtherResourceGroup"),
            Group::new(CONSUMER, "consumerResourceGroup"),
        ]
        .into(),
        zones: [ResourceId::new(ZONE)].into(),
        ..Targets::default()
    }
}

async fn session(served: &Served) -> Session {
    let (kubernetes, arm) = (&served.running.kubernetes_url, &served.running.arm_url);
    let connection = Connection::Url { url: kubernetes.clone(), namespace: "default".to_owned() };
    let settings = privlink_kubernetes::Settings::default();
    let kubernetes = KubernetesClient::connect(&connection, settings).await.unwrap();
    let cloud = Cloud::custom(arm, arm, arm).unwrap();
    let identity = Identity::Token("served".into());
    let environment = Environment::process();
    let arm = ArmClient::new(&cloud, &identity, &environment, Settings::default()).unwrap();
    let mut patience = Patience::default();
    patience.hurry();
    Session::new(kubernetes, ArmClients::new(arm), patience)
}

async fn observed(session: &Session) -> (Snapshot, Facts) {
    let targets = targets();
    let mut pinned = Facts { subscription: OWN.to_owned(), ..Facts::default() };
    pinned.sources.insert("subscription".to_owned(), Origin::Pinned);
    let snapshot = observe::observe(&targets, &session.kubernetes, &session.arm).await;
    let facts = observe::facts(&snapshot, &targets, &pinned);
    (snapshot, facts)
}

fn planned(desired: &Desired, (snapshot, facts): &(Snapshot, Facts), mode: Mode) -> Plan {
    let options = Options {
        mode,
        adopt: false,
        max_disconnects: Some(99),
        max_deletes: Some(99),
        unprotect: Vec::new(),
        accept: Vec::new(),
        scope: Scope::default(),
        tool_version: "0".to_owned(),
    };
    planning::plan(&Input::new(desired, snapshot, facts, &options)).unwrap().plan
}

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
        let session = session(served).await;
        let plan = planned(&desired, &observed(&session).await, mode);
        assert_eq!(plan.refusals, [], "{}", documents.join("---\n"));
        let before = served.requests().len();
        let mut events = Vec::new();
        let report = apply(&plan, &session, |event| events.push(event.clone())).await;
        let well =
            |it: &Outcome| matches!(it, Outcome::Succeeded | Outcome::AwaitingApproval { .. });
        assert_eq!(report.count(well), plan.steps.len(), "{report:#?}");
        let requests = served.requests().split_off(before);
        nothing_is_left_to_do(&planned(&desired, &observed(&session).await, mode), documents);
        assert_eq!(Report::of(&events), report, "the report is a fold over the events");
        Run { plan, events, requests }
    })
}

/// A plan after an apply or a destroy is empty.
fn nothing_is_left_to_do(again: &Plan, documents: &[String]) {
    let text = documents.join("---\n");
    assert!(again.is_empty(), "not empty after it: {:#?}\n{text}", again.changes);
}

/// A plan as it does not depend on the order of documents: without places.
fn placeless(mut plan: Plan) -> Plan {
    for finding in &mut plan.findings {
        finding.place = None;
    }
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

/// Whether a path is of something that the stack may write: its Services, its endpoints, its records,
/// and the connections on the Private Link Services of its Services.
fn is_own(path: &str) -> bool {
    let path = path.split('?').next().unwrap().to_lowercase();
    let named = |collection: &str, names: &[&str]| {
        names.iter().any(|name| path.ends_with(&format!("/{collection}/{name}")))
    };
    let of_link = SERVICES.iter().any(|name| {
        path.contains(&format!("/privatelinkservices/{name}-pls/privateendpointconnections/"))
    });
    named("namespaces/default/services", &SERVICES)
        || named("privateendpoints", &ENDPOINTS)
        || named("a", &ENDPOINTS)
        || of_link
}

/// Nothing is written that is not the stack's.
fn nothing_foreign_is_written(run: &Run) {
    let written = run.requests.iter().filter(|it| it.method != "GET");
    let foreign: Vec<&Entry> = written.filter(|it| !is_own(&it.path)).collect();
    assert!(foreign.is_empty(), "{foreign:#?}");
}

/// What is left of a world without what the controller shares out among Services, and without the flag
/// of subnets that the controller never sets back.
fn lasting(world: &World) -> Value {
    let mut portrait = without_nothing(&portrait(world));
    for (id, resource) in portrait.as_object_mut().unwrap() {
        let Some(properties) = resource.get_mut("properties").and_then(Value::as_object_mut) else {
            continue;
        };
        if id.contains("/subnets/") {
            properties.remove("privateLinkServiceNetworkPolicies");
        }
        if id.ends_with("/virtualnetworks/aks-vnet") {
            properties.remove("subnets");
        }
    }
    portrait
}

/// A value without its empty lists: of pools that a machine was in, one stays.
fn without_nothing(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(without_nothing).collect(),
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !value.as_array().is_some_and(Vec::is_empty))
            .map(|(name, value)| (name.clone(), without_nothing(value)))
            .collect(),
        other => other.clone(),
    }
}

/// Another stack, to which nothing may happen.
fn neighbour() -> Vec<String> {
    [
        format!(
            "apiVersion: privlink.dev/v1alpha1\nkind: Stack\nmetadata: {{name: neighbour}}\n\
             spec: {{subscription: {OWN}, resourceGroup: myResourceGroup, cluster: myAKSCluster}}\n"
        ),
        service(
            "neighbour",
            50,
            &Wanted {
                address: true,
                subnet: None,
                link: true,
                count: None,
                ports: [80].into(),
                probe: None,
            },
        ),
        endpoint("neighbour-pe", &Reaching { service: 0, far: false, manual: false, record: true })
            .replace("name: app}", "name: neighbour}"),
    ]
    .to_vec()
}

/// After a destroy nothing of the stack is there, and nothing else is missing.
fn destroy_leaves_all_as_it_was(before: &Value, after: &Value) {
    assert_eq!(served::difference(before, after), None);
}

fn cases() -> u32 {
    std::env::var("LAW_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 20, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn laws_hold_for_stacks_that_come_change_and_go(
        neighboured in any::<bool>(),
        first in version(),
        second in version(),
    ) {
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
}
