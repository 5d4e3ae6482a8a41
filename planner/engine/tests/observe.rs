//! Observation through the real clients, of servers on loopback.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

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
use privlink_engine::observe::{Targets, observe};
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
        list(
            Group::new("s", "rg").list("Microsoft.ContainerService/managedClusters"),
            vec![cluster],
        ),
        list(Group::new("s", "mc_rg").list("Microsoft.Network/loadBalancers"), vec![balancer]),
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
    let balancers = Group::new("s", "mc_rg").list("Microsoft.Network/loadBalancers").to_lowercase();
    assert!(matches!(&snapshot.azure[&balancers], Reading::Present(list) if list.len() == 1));
    let networks =
        Group::new("s", "mc_rg").list("Microsoft.Network/virtualNetworks").to_lowercase();
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
        let read = privlink_engine::observe::observe_azure(&targets(), &client).await;
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
