//! Another API server in place of the sandbox's own: a real one beside ARM and the controller.
//!
//! Its Services, Nodes and Namespaces are copied into the store, where the controller model reads
//! them; what the controller says of a Service is written to the API server with the requests that
//! the real controller makes. One task does both, in turns, so a copy is never older than a write.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use privlink_kubernetes::params::{Patch, PatchParams, PostParams};
use privlink_kubernetes::{
    Call, Connection, Doing, ErrorKind, KubernetesClient, KubernetesError, Settings, Wakeups,
    escape, requests,
};
use privlink_model::controller::outcome::{Event, Outcome};
use privlink_model::controller::sync::FINALIZER;
use privlink_model::kubernetes::node::Node;
use privlink_model::kubernetes::service::Key;
use privlink_model::resource_id::ResourceId;
use serde_json::{Value, json};

use crate::Error;
use crate::clock;
use crate::controller::{noticed, report};
use crate::kubernetes::resource::Resource;
use crate::kubernetes::{object, store};
use crate::state::{Shared, State};

/// How often is looked without a wake-up: no watch tells of Nodes and Namespaces.
const INTERVAL: Duration = Duration::from_secs(5);
/// The pause after a request that failed.
const PAUSE: Duration = Duration::from_millis(500);

/// An API server that somebody else runs.
#[derive(Debug)]
pub(crate) struct ApiServer {
    client: KubernetesClient,
    wakeups: Wakeups,
    /// Events told, by Service, type, reason and message, with their names and counts.
    told: BTreeMap<[String; 4], (String, u64)>,
}

impl ApiServer {
    /// Connects. An API server without Nodes gets those of the world, which nobody else would
    /// register: their kubelets are simulated.
    pub(crate) async fn connect(connection: &Connection, state: &mut State) -> Result<Self, Error> {
        let client = KubernetesClient::connect(connection, Settings::default()).await?;
        let found = client.nodes().await?;
        for node in found.iter().filter_map(Node::from_value) {
            let machine = node.machine.as_deref().map(ResourceId::new);
            if machine.is_some_and(|id| state.world.azure.get(&id).is_none()) {
                let cluster = client.name().to_owned();
                return Err(Error::OtherController { cluster, node: node.name });
            }
        }
        if found.is_empty() {
            for (_, node) in kind("nodes").flat_map(|nodes| state.world.kubernetes.shelf(nodes)) {
                register(&client, node).await?;
            }
        }
        let wakeups = client.watch();
        Ok(Self { client, wakeups, told: BTreeMap::new() })
    }

    /// What it is called in messages.
    pub(crate) fn name(&self) -> &str {
        self.client.name()
    }

    /// Waits until there may be something new.
    pub(crate) async fn changed(&mut self) {
        let _ = tokio::time::timeout(INTERVAL, self.wakeups.next()).await;
    }

    /// Copies what it holds; what is new wakes the controller. What cannot be read stays as it was.
    pub(crate) async fn copy(&self, shared: &Shared) {
        let lists = futures::try_join!(
            self.client.services(),
            self.client.nodes(),
            self.client.namespaces()
        );
        match lists {
            Ok((services, nodes, namespaces)) => {
                let mut state = shared.lock();
                replace(&mut state, "services", services);
                replace(&mut state, "nodes", nodes);
                replace(&mut state, "namespaces", namespaces);
            }
            Err(error) => {
                tracing::warn!(%error, "the API server cannot be read");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Writes what a sync said. A request that fails for the moment is made again; one that is
    /// refused is let be, as the Service is gone or somebody took the right away.
    pub(crate) async fn write(&mut self, shared: &Shared, outcome: &Outcome) {
        let live = {
            let state = shared.lock();
            let services = kind("services").next();
            services.and_then(|kind| state.world.kubernetes.get(kind, &outcome.service).cloned())
        };
        let Some(live) = live else { return };
        for event in &outcome.events {
            self.tell(event, &live).await;
        }
        if let Some(status) = status_patch(outcome, &live) {
            self.patch(outcome, &Patch::Merge(status)).await;
        }
        if let Some(finalizers) = finalizer_patch(outcome, &live) {
            self.patch(outcome, &Patch::Strategic(finalizers)).await;
        }
    }

    /// Status and finalizers alike go through `status` (`PatchService` of k8s.io/cloud-provider).
    async fn patch(&self, outcome: &Outcome, patch: &Patch<Value>) {
        let Key { namespace, name } = &outcome.service;
        let params = PatchParams::apply(report::MANAGER);
        let request = requests::<Service>(Some(namespace)).patch_subresource(
            "status",
            &escape(name),
            &params,
            patch,
        );
        let object = format!("the status of Service {}", outcome.service);
        repeated(&self.client, &Call::new(Doing::Update, object, request)).await;
    }

    /// Creates an event; one that was told before is counted, as client-go's recorder does.
    async fn tell(&mut self, event: &Event, service: &Value) {
        let now = clock::now();
        let key = [
            event.service.to_string(),
            format!("{:?}", event.kind),
            event.reason.clone(),
            event.message.clone(),
        ];
        let events = requests::<k8s_openapi::api::core::v1::Event>(Some(&event.service.namespace));
        let about = format!("an event of Service {}", event.service);
        if let Some((name, count)) = self.told.get_mut(&key) {
            *count += 1;
            let counted = Patch::Merge(json!({"count": count, "lastTimestamp": now}));
            let request = events.patch(name, &PatchParams::apply(report::MANAGER), &counted);
            let call = Call::new(Doing::Update, &about, request);
            if repeated(&self.client, &call).await {
                return;
            }
        }
        let number = self.told.len();
        let suffix = format!("{:x}{number:04x}", clock::millis());
        let object = report::event_object(event, service, &suffix, &now);
        let request = events.create(&by(report::MANAGER), object.to_string().into_bytes());
        let call = Call::new(Doing::Apply, about, request);
        if repeated(&self.client, &call).await {
            self.told.insert(key, (store::key_of(&object).name, 1));
        }
    }
}

/// A kind by its plural.
fn kind(plural: &str) -> impl Iterator<Item = &'static Resource> {
    Resource::find("", plural).into_iter()
}

/// Makes a request until it is answered. Whether it was accepted.
async fn repeated(client: &KubernetesClient, call: &Call) -> bool {
    loop {
        match client.call(call).await {
            Ok(_) => return true,
            Err(error) if error.is_retryable() => {
                tracing::warn!(%error, "the controller tries again");
                tokio::time::sleep(error.retry_after.unwrap_or(PAUSE)).await;
            }
            Err(error) if error.kind == ErrorKind::Missing => return false,
            Err(error) => {
                tracing::error!(%error, "the controller is refused");
                return false;
            }
        }
    }
}

/// Written as this field manager.
fn by(manager: &str) -> PostParams {
    PostParams { field_manager: Some(manager.to_owned()), dry_run: false }
}

/// Creates a Node, with its status: of Nodes, the API server takes both at once.
async fn register(client: &KubernetesClient, node: &Value) -> Result<(), KubernetesError> {
    let mut node = node.clone();
    if let Some(metadata) = store::metadata(&mut node) {
        for served in ["uid", "resourceVersion", "creationTimestamp", "managedFields"] {
            metadata.shift_remove(served);
        }
    }
    let object = format!("Node {}", store::key_of(&node).name);
    let request = requests::<k8s_openapi::api::core::v1::Node>(None)
        .create(&by("kubelet"), node.to_string().into_bytes());
    let call = Call::new(Doing::Apply, object, request);
    client.call(&call).await.map(|_| ())
}

/// Replaces all objects of a kind by those of a list, and tells the controller of the differences.
fn replace(state: &mut State, plural: &str, list: Vec<Value>) {
    let Some(resource) = Resource::find("", plural) else { return };
    let mut listed = BTreeMap::new();
    for mut item in list {
        // Items of a list do not repeat their kind.
        object::set(&mut item, "apiVersion", json!(resource.api_version()));
        object::set(&mut item, "kind", json!(resource.kind));
        listed.insert(store::key_of(&item), item);
    }
    let shelf = state.world.kubernetes.objects.entry(resource.qualified()).or_default();
    if *shelf == listed {
        return;
    }
    let keys: BTreeSet<Key> = shelf.keys().chain(listed.keys()).cloned().collect();
    let differs: Vec<Key> =
        keys.into_iter().filter(|key| shelf.get(key) != listed.get(key)).collect();
    *shelf = listed;
    state.touch();
    if resource.kind != "Namespace" {
        for key in differs {
            noticed(state, resource, &key);
        }
    }
}

/// What changes the status, unless it is as it should be.
fn status_patch(outcome: &Outcome, live: &Value) -> Option<Value> {
    let addresses = outcome.status.as_ref()?;
    let found = live.pointer("/status/loadBalancer/ingress").and_then(Value::as_array);
    let found = found.into_iter().flatten().filter_map(|ingress| ingress.get("ip")?.as_str());
    if found.eq(addresses.iter().map(String::as_str)) {
        return None;
    }
    let ingress: Vec<Value> =
        addresses.iter().map(|address| json!({"ip": address, "ipMode": "VIP"})).collect();
    let ingress = if ingress.is_empty() { Value::Null } else { Value::Array(ingress) };
    Some(json!({"status": {"loadBalancer": {"ingress": ingress}}}))
}

/// What adds or removes the controller's finalizer, unless it is as it should be. Others' stay.
fn finalizer_patch(outcome: &Outcome, live: &Value) -> Option<Value> {
    let wanted = outcome.finalizers.iter().any(|it| it == FINALIZER);
    let found = object::finalizers(live).iter().any(|it| it == FINALIZER);
    match (wanted, found) {
        (true, false) => Some(json!({"metadata": {"finalizers": [FINALIZER]}})),
        (false, true) => {
            Some(json!({"metadata": {"$deleteFromPrimitiveList/finalizers": [FINALIZER]}}))
        }
        (true, true) | (false, false) => None,
    }
}
