//! Generated stacks: their versions as documents, the worlds they are applied to, and what is read of them.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here fails the test")]

use std::collections::{BTreeMap, BTreeSet};

use privlink_core::desired::{self, Desired};
use privlink_core::diagnostic::Source;
use privlink_core::document;
use privlink_core::facts::{Fact, Facts, Origin};
use privlink_core::group::{Cluster, Group};
use privlink_core::input::{Input, Options};
use privlink_core::inventory::Inventory;
use privlink_core::join;
use privlink_core::plan::{Mode, Plan, Scope};
use privlink_core::planned::Planned;
use privlink_core::planning;
use privlink_core::resource_id::ResourceId;
use privlink_core::rule::{self, Severity};
use privlink_core::snapshot::Snapshot;
use privlink_engine::observe::{self, Targets};
use privlink_engine::session::Session;
use privlink_sandbox::World;
use proptest::prelude::*;
use serde_json::{Value, json};

pub(crate) use crate::stage::session;

use crate::served::portrait;
use crate::support::scene::{Endpoint, Service};

pub(crate) const OWN: &str = "00000000-0000-0000-0000-000000000000";
pub(crate) const CONSUMER: &str = "11111111-1111-1111-1111-111111111111";
pub(crate) const ZONE: &str = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/\
                    myOtherResourceGroup/providers/Microsoft.Network/privateDnsZones/privatelink.contoso.com";
pub(crate) const SERVICES: [&str; 3] = ["app", "db", "web"];
pub(crate) const ENDPOINTS: [&str; 3] = ["pe-1", "pe-2", "pe-3"];

/// A Service as it may be wanted.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) address: bool,
    pub(crate) subnet: Option<&'static str>,
    pub(crate) link: bool,
    pub(crate) floats: bool,
    pub(crate) count: Option<u8>,
    pub(crate) ports: BTreeSet<u16>,
    pub(crate) probe: Option<&'static str>,
}

/// An endpoint as it may be wanted: to which Service, from where, and how.
#[derive(Clone, Debug)]
pub(crate) struct Reaching {
    pub(crate) service: usize,
    pub(crate) far: bool,
    pub(crate) manual: bool,
    pub(crate) record: bool,
}

/// One version of the stack: Services and endpoints by their number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Version {
    pub(crate) services: BTreeMap<usize, Wanted>,
    pub(crate) endpoints: BTreeMap<usize, Reaching>,
    pub(crate) approve: bool,
}

pub(crate) fn wanted() -> impl Strategy<Value = Wanted> {
    let subnet = prop::option::weighted(0.3, Just("apps-subnet"));
    let count = prop::option::weighted(0.3, 1_u8..4);
    let ports = prop::collection::btree_set(prop::sample::select(vec![80, 443, 8080]), 1..3);
    let probe = prop::option::weighted(0.2, prop::sample::select(vec!["5", "10"]));
    let (address, link) = (prop::bool::weighted(0.3), prop::bool::weighted(0.7));
    let floats = prop::bool::weighted(0.7);
    (address, subnet, link, floats, count, ports, probe).prop_map(
        |(address, subnet, link, floats, count, ports, probe)| Wanted {
            address,
            subnet,
            link,
            floats,
            count,
            ports,
            probe,
        },
    )
}

pub(crate) fn reaching() -> impl Strategy<Value = Reaching> {
    (0..SERVICES.len(), prop::bool::weighted(0.2), any::<bool>(), any::<bool>()).prop_map(
        |(service, far, manual, record)| {
            // An endpoint of another subscription must ask.
            Reaching { service, far, manual: manual || far, record: record && !far }
        },
    )
}

pub(crate) fn version() -> impl Strategy<Value = Version> {
    let services = prop::collection::btree_map(0..SERVICES.len(), wanted(), 0..4);
    let endpoints = prop::collection::btree_map(0..ENDPOINTS.len(), reaching(), 0..4);
    (services, endpoints, any::<bool>()).prop_map(|(services, endpoints, approve)| {
        let mut version = Version { services, endpoints, approve };
        version.tidy();
        version
    })
}

impl Version {
    /// Leaves the endpoints away that have nothing to connect to.
    pub(crate) fn tidy(&mut self) {
        let Self { services, endpoints, .. } = self;
        endpoints.retain(|_, it| services.get(&it.service).is_some_and(|it| it.link));
    }

    /// Its documents.
    pub(crate) fn documents(&self, stack: &str) -> Vec<String> {
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

/// A consumer's stack: the endpoints of a version alone, each to a Private Link Service by its id, and no cluster.
pub(crate) fn of_a_consumer(version: &Version, link: &str) -> Vec<String> {
    let mut documents = vec![format!(
        "apiVersion: privlink.dev/v1alpha1\nkind: Stack\nmetadata: {{name: consumer}}\n\
         spec: {{subscription: {OWN}}}\n"
    )];
    for (number, reaching) in &version.endpoints {
        let document = endpoint(ENDPOINTS[*number], reaching);
        let target =
            format!("service: {{namespace: default, name: {}}}", SERVICES[reaching.service]);
        assert!(document.contains(&target), "{document}");
        documents.push(document.replace(&target, &format!("id: {link}")));
    }
    documents
}

pub(crate) fn service(name: &str, number: usize, wanted: &Wanted) -> String {
    let mut service = Service::internal(name);
    let third = if wanted.subnet.is_some() { 241 } else { 240 };
    if wanted.address {
        service = service.at(&format!("10.{third}.0.{}", 200 + number));
    }
    if let Some(subnet) = wanted.subnet {
        service = service.annotation("azure-load-balancer-internal-subnet", subnet);
    }
    if let Some(probe) = wanted.probe {
        service = service.annotation("azure-load-balancer-health-probe-interval", probe);
    }
    if !wanted.floats {
        // Ranges make the controller write rules for internal Services too.
        service = service
            .annotation("azure-disable-load-balancer-floating-ip", "true")
            .annotation("azure-allowed-ip-ranges", "10.0.0.0/8")
            .annotation("azure-deny-all-except-load-balancer-source-ranges", "true");
    }
    if wanted.link {
        service = service
            .annotation("azure-pls-create", "true")
            .annotation("azure-pls-name", &format!("{name}-pls"))
            .annotation("azure-pls-visibility", "*");
        if let Some(count) = wanted.count {
            let key = "azure-pls-ip-configuration-ip-address-count";
            service = service.annotation(key, &count.to_string());
        }
    }
    let ports: Vec<Value> =
        wanted.ports.iter().map(|port| json!({"name": format!("p{port}"), "port": port})).collect();
    service.line(&format!("ports: {}", Value::Array(ports))).document()
}

pub(crate) fn endpoint(name: &str, reaching: &Reaching) -> String {
    let mut endpoint = Endpoint::new(name, SERVICES[reaching.service]);
    if reaching.far {
        endpoint = endpoint.lines(&format!("subscription: {CONSUMER}")).lines(
            "resourceGroup: consumerResourceGroup\n\
             subnet: {virtualNetwork: consumer-vnet, name: pe-subnet}",
        );
    }
    if reaching.manual {
        endpoint = endpoint.lines("approval: Manual");
    }
    if reaching.record {
        let record = format!("dns: {{record: {{zone: privatelink.contoso.com, name: {name}}}}}");
        endpoint = endpoint.lines(&record);
    }
    endpoint.document()
}

pub(crate) fn desired(documents: &[String]) -> Desired {
    let source = Source::new("stack.yaml", documents.join("---\n")).unwrap();
    let options = desired::Options { namespace: Some("default".to_owned()), stack_name: None };
    let (desired, diagnostics) = desired::resolve(document::parse(&source), &options);
    let errors: Vec<_> = diagnostics.iter().filter(|it| it.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:?}\n{}", source.text());
    desired
}

/// What is read: all that any version may need.
pub(crate) fn targets() -> Targets {
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

pub(crate) async fn observed(session: &Session) -> (Snapshot, Facts) {
    let mut targets = targets();
    if session.kubernetes.is_none() {
        targets.cluster = None;
    }
    let mut pinned = Facts { subscription: OWN.to_owned(), ..Facts::default() };
    pinned.sources.insert(Fact::Subscription, Origin::Pinned);
    let snapshot = observe::observe(&targets, session.kubernetes.as_ref(), &session.arm).await;
    let facts = targets.facts(&snapshot, &pinned);
    (snapshot, facts)
}

pub(crate) fn planned(desired: &Desired, observed: &(Snapshot, Facts), mode: Mode) -> Plan {
    predicted(desired, observed, mode).plan
}

/// A plan with what is predicted.
pub(crate) fn predicted(
    desired: &Desired,
    (snapshot, facts): &(Snapshot, Facts),
    mode: Mode,
) -> Planned {
    let options = Options {
        mode,
        guard: None,
        adopt: false,
        max_disconnects: Some(99),
        today: None,
        max_deletes: Some(99),
        unprotect: Vec::new(),
        accept: vec![rule::BECOMES_PUBLIC],
        scope: Scope::default(),
        tool_version: "0".to_owned(),
    };
    let live = Inventory::of(snapshot);
    let wanted = join::identify(desired, &live, facts, &options);
    planning::plan(&Input::new(&wanted, &live, facts, &options)).unwrap()
}

/// Whether a path is of something that the stack may write: its Services, its endpoints, its records,
/// and the connections on the Private Link Services of its Services.
pub(crate) fn is_own(path: &str) -> bool {
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

/// What is left of a world without what the controller shares out among Services, without the flag of
/// subnets that the controller never sets back, and without the guid that a security group's first write
/// gives it in the sandbox.
pub(crate) fn lasting(world: &World) -> Value {
    let mut portrait = without_nothing(&portrait(world));
    for (id, resource) in portrait.as_object_mut().unwrap() {
        let Some(properties) = resource.get_mut("properties").and_then(Value::as_object_mut) else {
            continue;
        };
        if id.contains("/subnets/") {
            properties.remove("privateLinkServiceNetworkPolicies");
        }
        if id.contains("/networksecuritygroups/") {
            properties.remove("resourceGuid");
        }
        if id.ends_with("/virtualnetworks/aks-vnet") {
            properties.remove("subnets");
        }
    }
    portrait
}

/// A value without its empty lists: of pools that a machine was in, one stays.
pub(crate) fn without_nothing(value: &Value) -> Value {
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
pub(crate) fn neighbour() -> Vec<String> {
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
                floats: true,
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
