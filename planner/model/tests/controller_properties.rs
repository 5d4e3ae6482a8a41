//! What holds of the controller model whatever the Services say.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use privlink_model::arm::rules::Rules;
use privlink_model::arm::world::World;
use privlink_model::assumed::add_network;
use privlink_model::controller::cluster::Cluster;
use privlink_model::controller::predict::{Change, Prediction, predict};
use privlink_model::facts::{BackendPoolType, Facts};
use privlink_model::kubernetes::defaults::{Network, Unknowns, create};
use privlink_model::kubernetes::node::Node;
use privlink_model::kubernetes::service::{Key, Service};
use proptest::prelude::*;
use serde_json::{Value, json};

const PREFIX: &str = "service.beta.kubernetes.io/";

fn annotations() -> impl Strategy<Value = BTreeMap<String, String>> {
    let of = |key: &'static str, values: &'static [&'static str]| {
        prop::option::weighted(0.3, prop::sample::select(values))
            .prop_map(move |value| value.map(|value| (format!("{PREFIX}{key}"), value.to_owned())))
    };
    let all = vec![
        of("azure-load-balancer-internal-subnet", &["apps", "nodes", ""]).boxed(),
        of("azure-load-balancer-ipv4", &["10.0.0.40", "10.0.0.41"]).boxed(),
        of("azure-load-balancer-health-probe-protocol", &["tcp", "http", "weird"]).boxed(),
        of("azure-load-balancer-health-probe-interval", &["5", "10"]).boxed(),
        of("azure-load-balancer-tcp-idle-timeout", &["4", "30", "x"]).boxed(),
        of("azure-load-balancer-enable-high-availability-ports", &["true"]).boxed(),
        of("azure-load-balancer-disable-tcp-reset", &["true"]).boxed(),
        of("azure-disable-load-balancer-floating-ip", &["true"]).boxed(),
        of("azure-allowed-service-tags", &["AzureCloud"]).boxed(),
        of("azure-allowed-ip-ranges", &["10.8.0.0/16", "10.8.0.0/16,10.9.0.0/16"]).boxed(),
        of("azure-pls-create", &["true", "True", "false"]).boxed(),
        of("azure-pls-name", &["pls-a", "pls-b", "pls-c"]).boxed(),
        of("azure-pls-ip-configuration-subnet", &["apps", "nodes"]).boxed(),
        of("azure-pls-ip-configuration-ip-address-count", &["1", "3", "9"]).boxed(),
        of("azure-pls-visibility", &["*", "sub-b sub-a"]).boxed(),
        of("azure-pls-fqdns", &["b.example a.example"]).boxed(),
        of("azure-pls-proxy-protocol", &["true"]).boxed(),
    ];
    all.prop_map(|pairs| {
        let mut map: BTreeMap<String, String> = pairs.into_iter().flatten().collect();
        map.insert(format!("{PREFIX}azure-load-balancer-internal"), "true".to_owned());
        map
    })
}

fn service(name: &'static str) -> impl Strategy<Value = Value> {
    let protocol = prop::sample::select(vec!["TCP", "UDP"]);
    let ports = prop::collection::btree_map(
        (prop::sample::select(vec![80, 443, 8080]), protocol),
        Just(()),
        1..4,
    );
    let policy = prop::sample::select(vec!["Cluster", "Local"]);
    (annotations(), ports, policy).prop_map(move |(mut annotations, ports, policy)| {
        // A PLS name in use is taken over, by one Service and by the other, at every sync.
        if let Some(named) = annotations.get_mut(&format!("{PREFIX}azure-pls-name")) {
            *named = format!("{named}-{name}");
        }
        let ports: Vec<Value> = ports
            .into_keys()
            .map(|(port, protocol)| {
                let name = format!("p{port}-{}", protocol.to_lowercase());
                json!({"name": name, "port": port, "protocol": protocol})
            })
            .collect();
        json!({
            "metadata": {"name": name, "namespace": "default", "annotations": annotations},
            "spec": {"type": "LoadBalancer", "ports": ports, "externalTrafficPolicy": policy},
        })
    })
}

fn services() -> impl Strategy<Value = Vec<Value>> {
    (service("a"), service("b"), service("c")).prop_map(|(a, b, c)| vec![a, b, c])
}

fn facts(pool_type: BackendPoolType) -> Facts {
    Facts {
        subscription: "00000000-0000-0000-0000-000000000001".to_owned(),
        resource_group: "MC_rg_aks_westeurope".to_owned(),
        location: "westeurope".to_owned(),
        virtual_network: "vnet".to_owned(),
        subnet: "nodes".to_owned(),
        security_group: "nsg".to_owned(),
        backend_pool_type: pool_type,
        ..Facts::default()
    }
}

fn stored(manifests: &[Value]) -> Vec<Arc<Service>> {
    let network = Network::default();
    let store = |it: &Value| create(it.clone(), &network, &mut Unknowns);
    manifests.iter().map(|it| Arc::new(Service::from_value(store(it)).unwrap())).collect()
}

fn run(world: World, services: BTreeMap<Key, Arc<Service>>, changes: &[Change]) -> Prediction {
    let facts = facts(BackendPoolType::NodeIp);
    let nodes = (0..2).map(|at| Node {
        name: format!("node-{at}"),
        internal_addresses: vec![format!("10.0.0.{}", 4 + at)],
        ..Node::default()
    });
    let cluster = Cluster {
        facts: Arc::new(facts),
        nodes: nodes.map(Arc::new).collect(),
        services,
        ..Cluster::default()
    };
    predict(world, cluster, changes, Rules::Azure)
}

fn first(manifests: &[Value]) -> Prediction {
    let services = stored(manifests);
    let mut world = World::default();
    add_network(&mut world, &facts(BackendPoolType::NodeIp), services.iter().map(AsRef::as_ref));
    let changes: Vec<Change> = services.into_iter().map(Change::Apply).collect();
    run(world, BTreeMap::new(), &changes)
}

/// Everything a list holds in some order, in one.
fn sorted(mut value: Value) -> Value {
    fn sort(value: &mut Value) {
        match value {
            Value::Array(items) => {
                items.iter_mut().for_each(sort);
                items.sort_by_key(ToString::to_string);
            }
            Value::Object(fields) => fields.values_mut().for_each(sort),
            _ => {}
        }
    }
    sort(&mut value);
    value
}

proptest! {
    #![proptest_config(ProptestConfig { max_global_rejects: 20_000, ..ProptestConfig::with_cases(256) })]

    /// A sync of a Service that is as it should be writes nothing; but security rules are written again
    /// at every sync (recording 271).
    #[test]
    fn a_second_sync_writes_nothing(manifests in services()) {
        let once = first(&manifests);
        let failed: BTreeSet<Key> = once
            .outcomes
            .iter()
            .filter(|it| it.error.is_some())
            .map(|it| it.service.clone())
            .collect();
        prop_assume!(failed.is_empty());
        let nudges: Vec<Change> = once.services.keys().cloned().map(Change::Nudge).collect();
        let twice = run(once.world.clone(), once.services.clone(), &nudges);
        prop_assert_eq!(twice.outcomes.len(), nudges.len());
        for outcome in &twice.outcomes {
            let writes: Vec<_> = outcome
                .writes
                .iter()
                .filter(|it| !it.id.as_str().contains("networkSecurityGroups"))
                .map(|it| (it.method, it.id.to_string(), it.body.as_ref().map(|body| body.to_value())))
                .collect();
            prop_assert!(writes.is_empty(), "{}: {writes:#?} {:?}", outcome.service, outcome.error);
        }
    }

    /// Documents may come in any order, and ports too: but for HA ports, whose rule bears the first
    /// port's name.
    #[test]
    fn order_does_not_matter(manifests in services(), seed in any::<u64>()) {
        let mut other = manifests.clone();
        other.rotate_left(usize::try_from(seed % 3).unwrap());
        for manifest in &mut other {
            let ha = format!("{PREFIX}azure-load-balancer-enable-high-availability-ports");
            if manifest["metadata"]["annotations"].get(ha).is_none() {
                manifest["spec"]["ports"].as_array_mut().unwrap().reverse();
            }
        }
        let (one, two) = (first(&manifests), first(&other));
        let of = |prediction: &Prediction| sorted(Value::from(prediction.world.to_json()));
        prop_assert_eq!(of(&one), of(&two));
    }

    /// Names are unique within their kind, and no longer than ARM takes.
    #[test]
    fn names_are_unique_and_short(manifests in services()) {
        let after = first(&manifests);
        for balancer in after.world.load_balancers.values() {
            let balancer = serde_json::to_value(balancer.as_ref()).unwrap();
            for kind in ["frontendIPConfigurations", "loadBalancingRules", "probes"] {
                let children = balancer["properties"][kind].as_array().cloned().unwrap_or_default();
                let names: BTreeSet<_> =
                    children.iter().map(|it| it["name"].as_str().unwrap()).collect();
                prop_assert_eq!(names.len(), children.len());
                for name in names {
                    // An unknown uid stands for 31 characters.
                    let shown = name.replace(&name[..name.rfind('\u{E001}').map_or(0, |at| at + 3)], "");
                    prop_assert!(shown.chars().count() + 32 <= 80, "{name}");
                }
            }
        }
    }

    /// What all Services leave behind when they go: nothing the controller looks for.
    #[test]
    fn deletion_leaves_nothing(manifests in services()) {
        let once = first(&manifests);
        let deletions: Vec<Change> = once.services.keys().cloned().map(Change::Delete).collect();
        let after = run(once.world.clone(), once.services.clone(), &deletions);
        prop_assert!(after.outcomes.iter().all(|it| it.error.is_none()));
        prop_assert!(after.services.is_empty(), "{:?}", after.services.keys());
        prop_assert!(after.world.load_balancers.is_empty());
        prop_assert!(after.world.private_link_services.is_empty());
    }
}
