//! Observation through the real clients, of servers on loopback.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use privlink_core::arm::arm_type::ArmType;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use privlink_azure::{ArmClient, Cloud, Environment, Identity, Retry, Settings};
use privlink_core::group::{Cluster, Group};
use privlink_core::resource_id::ResourceId;
use privlink_core::snapshot::{Observation, Reading};
use privlink_engine::observe::{Lists, SharedLists, Targets, observe, observe_azure};
use privlink_kubernetes::{Connection, KubernetesClient};
use serde_json::{Value, json};

const NETWORK: &str = "Microsoft.Network";

/// What a list answers: pages of this size, or a refusal on the page with this number.
#[derive(Clone)]
struct List {
    entries: Vec<Value>,
    refused_page: Option<usize>,
}

impl List {
    fn of(entries: Vec<Value>) -> Self {
        Self { entries, refused_page: None }
    }
}

/// A server that knows lists by path, in lower case, and nothing else.
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(lists: BTreeMap<String, List>, page_size: usize) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (own, kept) = (url.clone(), asked.clone());
        let answer = move |request: Request| {
            let path = request.uri().path().to_lowercase();
            let query = request.uri().query().unwrap_or_default().to_owned();
            kept.lock().unwrap().push(path.clone());
            let reply = reply(&own, &lists, page_size, &path, &query);
            std::future::ready(reply)
        };
        tokio::spawn(async move {
            axum::serve(listener, Router::new().fallback(answer)).await.unwrap();
        });
        Self { url, asked }
    }

    fn arm(&self) -> ArmClient {
        let cloud = Cloud::custom(&self.url, "https://arm", "https://login.invalid").unwrap();
        let identity = Identity::Token("t".into());
        let settings = Settings { reads: QUICKLY, ..Settings::default() };
        ArmClient::new(&cloud, &identity, &Environment::of(BTreeMap::new()), settings).unwrap()
    }

    async fn kubernetes(&self) -> KubernetesClient {
        let namespace = String::from("shop");
        let connection = Connection::Url { url: self.url.clone(), token: None, namespace };
        let settings = privlink_kubernetes::Settings::default();
        KubernetesClient::connect(&connection, settings).await.unwrap()
    }
}

const QUICKLY: Retry = Retry {
    attempts: 3,
    first_delay: Duration::from_millis(2),
    longest_delay: Duration::from_millis(4),
};

fn json_reply(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn reply(
    url: &str,
    lists: &BTreeMap<String, List>,
    page_size: usize,
    path: &str,
    query: &str,
) -> Response {
    if path == "/version" {
        return json_reply(StatusCode::OK, &json!({"gitVersion": "v1.33.1"}));
    }
    let Some(list) = lists.get(path) else {
        let error = json!({"code": "ResourceGroupNotFound", "message": "not found"});
        let body = json!({"error": error, "kind": "Status", "reason": "NotFound", "message": "no"});
        return json_reply(StatusCode::NOT_FOUND, &body);
    };
    let page = query.rsplit_once("page=").map_or(0, |(_, number)| number.parse().unwrap());
    if list.refused_page == Some(page) {
        let error = json!({"code": "AuthorizationFailed", "message": "no right to read"});
        let body =
            json!({"error": error, "kind": "Status", "reason": "Forbidden", "message": "no"});
        return json_reply(StatusCode::FORBIDDEN, &body);
    }
    let entries: Vec<_> = list.entries.iter().skip(page * page_size).take(page_size).collect();
    let mut body = json!({"value": entries, "items": entries, "metadata": {}});
    if (page + 1) * page_size < list.entries.len() {
        let next = page + 1;
        body["nextLink"] = Value::from(format!("{url}{path}?api-version=x&page={next}"));
        body["metadata"]["continue"] = Value::from(format!("&page={next}"));
    }
    json_reply(StatusCode::OK, &body)
}

fn kubernetes_lists() -> BTreeMap<String, List> {
    let service = json!({"metadata": {"namespace": "default", "name": "app"}});
    BTreeMap::from([
        (String::from("/api/v1/services"), List::of(vec![service])),
        (String::from("/api/v1/nodes"), List::of(Vec::new())),
        (String::from("/api/v1/events"), List::of(Vec::new())),
    ])
}

fn endpoints(count: usize) -> List {
    let id = |n| {
        ResourceId::in_group("s", "g", &format!("{NETWORK}/privateEndpoints"), &format!("e{n}"))
    };
    List::of((0..count).map(|n| json!({"id": id(n).as_str(), "name": format!("e{n}")})).collect())
}

fn targets() -> Targets {
    let group = Group::new("S", "rg");
    Targets {
        cluster: Some(Cluster { group, name: String::from("aks") }),
        endpoint_subscriptions: BTreeSet::from([String::from("S")]),
        ..Targets::default()
    }
}

/// A cluster, its node group with a load balancer, and endpoints; the other lists' groups are absent.
fn azure_lists(count: usize) -> BTreeMap<String, List> {
    let cluster = json!({"name": "aks", "properties": {"nodeResourceGroup": "MC_rg"}});
    let balancer = json!({"name": "kubernetes-internal"});
    let list = |path: String, entries| (path.to_lowercase(), List::of(entries));
    let mut lists = BTreeMap::from([
        list(Group::new("s", "rg").list(ArmType::ManagedCluster), vec![cluster]),
        list(Group::new("s", "mc_rg").list(ArmType::LoadBalancer), vec![balancer]),
    ]);
    // Each endpoint has an interface.
    lists.insert(ENDPOINTS.to_owned(), endpoints(count));
    lists.insert(INTERFACES.to_owned(), endpoints(count));
    lists
}

const ENDPOINTS: &str = "/subscriptions/s/providers/microsoft.network/privateendpoints";
const INTERFACES: &str = "/subscriptions/s/providers/microsoft.network/networkinterfaces";

#[tokio::test]
async fn both_planes_are_observed_and_the_cluster_names_its_node_group() {
    let azure = Server::start(azure_lists(3), 100).await;
    let kubernetes = Server::start(kubernetes_lists(), 100).await;
    let arm = azure.arm();
    let snapshot = observe(&targets(), Some(&kubernetes.kubernetes().await), &arm).await;
    assert_eq!(snapshot.kubernetes.version, Reading::Present(String::from("v1.33.1")));
    assert_eq!(snapshot.kubernetes.namespace, "shop");
    let balancers = Group::new("s", "mc_rg").list(ArmType::LoadBalancer).to_lowercase();
    assert!(matches!(&snapshot.azure[&balancers], Reading::Present(list) if list.len() == 1));
    let networks = Group::new("s", "mc_rg").list(ArmType::VirtualNetwork).to_lowercase();
    assert_eq!(snapshot.azure[&networks], Reading::Absent);
    let endpoint = ResourceId::in_group("S", "G", "Microsoft.Network/privateEndpoints", "E1");
    assert!(matches!(snapshot.resource(&endpoint), Observation::Present(_)));
    let again: privlink_core::snapshot::Snapshot =
        serde_json::from_str(&serde_json::to_string(&snapshot).unwrap()).unwrap();
    assert_eq!(again, snapshot);
}

#[tokio::test]
async fn a_403_in_the_middle_of_a_list_is_unreadable_and_never_absent() {
    let mut lists = azure_lists(30);
    lists.get_mut(ENDPOINTS).unwrap().refused_page = Some(2);
    let azure = Server::start(lists, 10).await;
    let mut kubernetes = kubernetes_lists();
    kubernetes.get_mut("/api/v1/events").unwrap().refused_page = Some(0);
    let kubernetes = Server::start(kubernetes, 100).await;
    let arm = azure.arm();
    let snapshot = observe(&targets(), Some(&kubernetes.kubernetes().await), &arm).await;
    for name in ["e1", "e29", "none"] {
        let id = ResourceId::in_group("s", "g", "Microsoft.Network/privateEndpoints", name);
        let Observation::Unreadable(why) = snapshot.resource(&id) else {
            panic!("{name}: {:?}", snapshot.resource(&id));
        };
        assert!(why.contains("AuthorizationFailed (403)") && why.contains("token"), "{why}");
    }
    assert!(matches!(snapshot.kubernetes.services, Reading::Present(_)));
    assert!(matches!(snapshot.kubernetes.events, Reading::Unreadable(_)));
}

/// The number of calls follows pages, not resources.
#[tokio::test]
async fn calls_follow_pages() {
    let mut calls = Vec::new();
    for count in [10, 1_000, 10_000] {
        let azure = Server::start(azure_lists(count), 1_000).await;
        let client = azure.arm();
        let read = observe_azure(&targets(), &client).await;
        assert!(matches!(&read[ENDPOINTS], Reading::Present(list) if list.len() == count));
        assert_eq!(client.calls().reads, u64::try_from(azure.asked.lock().unwrap().len()).unwrap());
        calls.push(client.calls().reads);
    }
    // The cluster's group and load balancers, endpoints, interfaces, six lists of the node group; then pages.
    assert_eq!(calls, [10, 10, 28]);
}

#[tokio::test]
async fn nothing_there_is_unreadable_with_the_reason() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let gone = Server { url, asked: Arc::default() };
    let arm = gone.arm();
    let snapshot = observe(&targets(), Some(&gone.kubernetes().await), &arm).await;
    assert_eq!(snapshot.azure.len(), 3);
    for reading in snapshot.azure.values() {
        assert!(
            matches!(reading, Reading::Unreadable(why) if why.contains("refused")),
            "{reading:?}"
        );
    }
    let Reading::Unreadable(why) = &snapshot.kubernetes.services else { panic!("{snapshot:?}") };
    assert!(why.contains("cannot reach the API server") && why.contains("refused"), "{why}");
}

/// Stacks whose clusters are in one subscription, by the names of their groups.
fn of_groups(names: &[&str]) -> (BTreeMap<String, List>, Vec<Targets>) {
    let mut lists = BTreeMap::from([
        (ENDPOINTS.to_owned(), endpoints(3)),
        (INTERFACES.to_owned(), endpoints(3)),
    ]);
    let mut all = Vec::new();
    let mut clusters = Vec::new();
    let mut balancers = Vec::new();
    let mut groups = Vec::new();
    for name in names {
        let id =
            ResourceId::in_group("s", name, "Microsoft.ContainerService/managedClusters", "aks");
        let node_group = format!("mc_{name}");
        clusters.push(json!({"id": id.as_str(), "name": "aks", "properties": {"nodeResourceGroup": node_group}}));
        let id = ResourceId::in_group("s", &node_group, "Microsoft.Network/loadBalancers", "lb");
        balancers.push(json!({"id": id.as_str(), "name": "lb"}));
        groups.push(json!({"name": name}));
        groups.push(json!({"name": node_group}));
        let cluster = Cluster { group: Group::new("S", *name), name: String::from("aks") };
        all.push(Targets { cluster: Some(cluster), ..targets() });
    }
    for (list, kind) in [
        (&clusters, "Microsoft.ContainerService/managedClusters"),
        (&balancers, "Microsoft.Network/loadBalancers"),
    ] {
        lists.insert(
            format!("/subscriptions/s/providers/{kind}").to_lowercase(),
            List::of(list.clone()),
        );
        for resource in list {
            let id = ResourceId::new(resource["id"].as_str().unwrap());
            let own = id.collection().unwrap().as_str().to_lowercase();
            lists.insert(own, List::of(vec![resource.clone()]));
        }
    }
    for kind in
        ["privateLinkServices", "virtualNetworks", "publicIPAddresses", "networkSecurityGroups"]
    {
        lists.insert(
            format!("/subscriptions/s/providers/microsoft.network/{}", kind.to_lowercase()),
            List::of(Vec::new()),
        );
    }
    let machines = "/subscriptions/s/providers/microsoft.compute/virtualmachinescalesets";
    lists.insert(machines.to_owned(), List::of(Vec::new()));
    lists.insert(String::from("/subscriptions/s/resourcegroups"), List::of(groups));
    (lists, all)
}

/// What one reads alone, all read together, whichever comes first; and each list once.
#[tokio::test]
async fn stacks_of_a_subscription_share_its_lists() {
    let (lists, all) = of_groups(&["a", "b", "c", "d"]);
    let azure = Server::start(lists, 100).await;
    let arm = azure.arm();
    let shared = Arc::new(SharedLists::new(arm.clone()));
    let read = all.iter().map(|targets| observe_azure(targets, Lists::shared(&shared)));
    let together = futures::future::join_all(read).await;
    let asked = std::mem::take(&mut *azure.asked.lock().unwrap());
    let times = |path: &str| asked.iter().filter(|it| *it == path).count();
    for path in
        [ENDPOINTS, INTERFACES, "/subscriptions/s/providers/microsoft.network/loadbalancers"]
    {
        assert_eq!(times(path), 1, "{asked:#?}");
    }
    assert_eq!(times("/subscriptions/s/resourcegroups"), 1, "{asked:#?}");
    for (targets, together) in all.iter().zip(&together) {
        let alone = observe_azure(targets, &arm).await;
        let balancers =
            Group::new("s", format!("mc_{}", targets.cluster.as_ref().unwrap().group.name));
        let balancers = balancers.list(ArmType::LoadBalancer).to_lowercase();
        assert!(matches!(&alone[&balancers], Reading::Present(list) if list.len() == 1));
        let held = |read: &BTreeMap<String, Reading<_>>| -> Vec<(String, Vec<Value>)> {
            read.iter()
                .map(|(path, list)| (path.clone(), list.objects().cloned().collect()))
                .collect()
        };
        assert_eq!(held(&alone), held(together));
    }
    let networks =
        |group: &str| Group::new("s", group).list(ArmType::VirtualNetwork).to_lowercase();
    let empty = ["mc_a", "mc_b", "mc_c", "mc_d"].map(networks);
    let empty = together.iter().zip(&empty).filter(|(read, path)| read[*path] == Reading::of([]));
    assert_eq!(empty.count(), 3, "but for the first, whose group was asked for itself");
    // What is shared is not copied.
    let first = |read: &BTreeMap<String, Reading<Vec<Arc<Value>>>>| match &read[ENDPOINTS] {
        Reading::Present(list) => Arc::clone(&list[0]),
        other => panic!("{other:?}"),
    };
    assert!(Arc::ptr_eq(&first(&together[0]), &first(&together[3])));
}

/// A group that is not there is absent, and one that holds nothing is empty.
#[tokio::test]
async fn a_group_of_which_a_subscription_shows_nothing_is_looked_for() {
    let (mut lists, mut all) = of_groups(&["a", "b"]);
    let cluster = Cluster { group: Group::new("S", "nowhere"), name: String::from("aks") };
    all.push(Targets { cluster: Some(cluster), ..targets() });
    lists.remove(
        "/subscriptions/s/resourcegroups/a/providers/microsoft.containerservice/managedclusters",
    );
    let azure = Server::start(lists, 100).await;
    let shared = Arc::new(SharedLists::new(azure.arm()));
    let mut read = Vec::new();
    for targets in &all {
        read.push(observe_azure(targets, Lists::shared(&shared)).await);
    }
    let clusters =
        |group: &str| Group::new("s", group).list(ArmType::ManagedCluster).to_lowercase();
    let networks = Group::new("s", "mc_b").list(ArmType::VirtualNetwork).to_lowercase();
    assert!(matches!(&read[1][&clusters("b")], Reading::Present(list) if list.len() == 1));
    assert_eq!(read[2][&clusters("nowhere")], Reading::Absent);
    assert_eq!(
        read[1][&networks],
        Reading::Absent,
        "the first to be asked for is asked for itself"
    );
}

/// What others asked for before is told to be older, is not given where that will not do, and not for longer than a minute.
#[tokio::test]
async fn a_list_is_given_to_others_for_a_minute() {
    let (lists, all) = of_groups(&["a", "b"]);
    let azure = Server::start(lists, 100).await;
    let shared = Arc::new(SharedLists::new(azure.arm()));
    let first = Lists::shared(&shared);
    observe(&all[0], None, &first).await;
    assert!(!first.were_older());
    let asked = |path: &str| azure.asked.lock().unwrap().iter().filter(|it| *it == path).count();
    assert_eq!(asked(ENDPOINTS), 1);
    let second = Lists::shared(&shared);
    observe(&all[1], None, &second).await;
    assert!(second.were_older());
    assert_eq!(asked(ENDPOINTS), 1);
    let again = second.without_older();
    observe(&all[1], None, &again).await;
    assert!(!again.were_older());
    assert_eq!(asked(ENDPOINTS), 2);
    observe(&all[0], None, Lists::shared(&shared)).await;
    assert_eq!(asked(ENDPOINTS), 2);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    observe(&all[0], None, Lists::shared(&shared)).await;
    assert_eq!(asked(ENDPOINTS), 3);
}
