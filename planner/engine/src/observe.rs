//! Observation: both control planes, by lists, into a [`Snapshot`].
//!
//! What is read is a set of lists, so the number of calls follows pages and not resources. DNS zone
//! groups are the exception: ARM lists them per endpoint only, so they are read for the endpoints that
//! want one. A list that fails is recorded as unreadable, with the reason, and never as empty.

mod graph;
mod lists;
mod shared;
mod targets;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt;
use privlink_azure::ArmClient;
use privlink_core::snapshot::{FORMAT_VERSION, Index, Kubernetes, List, Reading, Snapshot};
use privlink_core::unread;
use privlink_kubernetes::{KubernetesClient, KubernetesError};
use serde_json::Value;
use tracing::Instrument;

use crate::retry::retried;
use crate::span;

pub use graph::Graph;
pub use lists::{Lists, Share};
pub use shared::SharedLists;
pub use targets::{Said, Targets, Unsaid};

/// How many lists are read at once.
const AT_ONCE: usize = 8;

/// Observes all that the targets ask for.
pub async fn observe(
    targets: &Targets,
    kubernetes: Option<&KubernetesClient>,
    lists: impl Into<Lists>,
) -> Snapshot {
    let reading = async {
        // Events first: what they say is done then shows in all that is read behind them. Read meanwhile, a
        // sync that just ended would look like one that left Azure half done.
        let events = events(kubernetes).await;
        let lists = lists.into().since_now();
        let (kubernetes, azure) =
            futures::join!(beside_events(kubernetes, events), observe_azure(targets, lists));
        Snapshot {
            format_version: FORMAT_VERSION.to_owned(),
            taken_at: format!("{:.0}", jiff::Timestamp::now()),
            redacted: false,
            kubernetes,
            azure,
            index: Index::default(),
        }
    };
    Box::pin(reading).instrument(span::read()).await
}

/// Observes the cluster, and just these lists of Azure.
pub async fn observe_lists(
    lists: &[String],
    kubernetes: Option<&KubernetesClient>,
    arm: &ArmClient,
) -> Snapshot {
    let reading = async {
        let from = Lists::from(arm);
        let (kubernetes, azure) =
            futures::join!(observe_kubernetes(kubernetes), read(lists.to_vec(), &from));
        Snapshot {
            format_version: FORMAT_VERSION.to_owned(),
            taken_at: format!("{:.0}", jiff::Timestamp::now()),
            redacted: false,
            kubernetes,
            azure: azure.into_iter().collect(),
            index: Index::default(),
        }
    };
    Box::pin(reading).instrument(span::read()).await
}

/// Reads more lists into a snapshot.
pub async fn extend(snapshot: &mut Snapshot, lists: BTreeSet<String>, arm: &ArmClient) {
    let (paths, lists) = (lists.into_iter().collect(), &arm.into());
    let reading = Box::pin(read(paths, lists)).instrument(span::read());
    snapshot.azure.extend(reading.await);
}

/// Reads lists, several at once; each under its path in lower case. A subscription that Azure does not know is absent
/// itself, under its own path.
async fn read(paths: Vec<String>, lists: &Lists) -> Vec<(String, Reading<List>)> {
    let read = futures::stream::iter(paths).map(|path| async move {
        let answer = lists.list(&path).await;
        let path = path.to_lowercase();
        let missing = unread::subscription(&path).filter(|_| answer.has_no_subscription);
        let missing = missing.map(|it| (it.to_owned(), Reading::Absent));
        (missing, (path, answer.reading))
    });
    let read: Vec<_> = read.buffer_unordered(AT_ONCE).collect().await;
    read.into_iter().flat_map(|(missing, list)| missing.into_iter().chain([list])).collect()
}

/// Observes Kubernetes.
async fn observe_kubernetes(client: Option<&KubernetesClient>) -> Kubernetes {
    let events = events(client).await;
    beside_events(client, events).await
}

/// Reads the Events of Services.
async fn events(client: Option<&KubernetesClient>) -> Reading<List> {
    let Some(client) = client else { return Reading::Absent };
    objects(retried(async || client.service_events().await).await)
}

/// Observes what of Kubernetes is not Events.
async fn beside_events(client: Option<&KubernetesClient>, events: Reading<List>) -> Kubernetes {
    let Some(client) = client else { return Kubernetes::none() };
    let (version, services, nodes, namespaces) = futures::join!(
        retried(async || client.version().await),
        retried(async || client.services().await),
        retried(async || client.nodes().await),
        retried(async || client.namespaces().await),
    );
    Kubernetes {
        version: from_kubernetes(version),
        namespace: client.default_namespace().to_owned(),
        services: objects(services),
        nodes: objects(nodes),
        events,
        namespaces: Some(objects(namespaces)),
    }
}

/// Observes Azure: the lists by their key. The node resource group and the cluster's virtual network
/// are known only when the cluster was read, and where names are kept only when the endpoints were: those
/// lists are read behind the ones that name them, all others meanwhile.
pub async fn observe_azure(
    targets: &Targets,
    lists: impl Into<Lists>,
) -> BTreeMap<String, Reading<List>> {
    let lists = &lists.into();
    // One list may be named in several spellings.
    let by_key = |paths: BTreeSet<String>| -> BTreeMap<String, String> {
        paths.into_iter().map(|path| (path.to_lowercase(), path)).collect()
    };
    let known = by_key(targets.lists());
    let of_clusters = targets.list_of_clusters().map(|path| path.to_lowercase());
    let (first, rest): (Vec<_>, Vec<_>) =
        known.iter().partition(|(key, _)| of_clusters.as_ref() == Some(*key));
    let paths = |some: Vec<(&String, &String)>| -> Vec<String> {
        some.into_iter().map(|(_, path)| path.clone()).collect()
    };
    let behind = async {
        let mut read: BTreeMap<_, _> = self::read(paths(first), lists).await.into_iter().collect();
        let mut more = by_key(targets.lists_of_cluster(&read));
        more.retain(|key, _| !known.contains_key(key));
        read.extend(self::read(more.into_values().collect(), lists).await);
        read
    };
    let (mut read, others) = futures::join!(behind, self::read(paths(rest), lists));
    read.extend(others);
    let mut more = by_key(targets.lists_of_endpoints(&read));
    more.retain(|key, _| !read.contains_key(key));
    read.extend(self::read(more.into_values().collect(), lists).await);
    read
}

fn from_kubernetes<T>(outcome: Result<T, KubernetesError>) -> Reading<T> {
    match outcome {
        Ok(value) => Reading::Present(value),
        Err(why) => Reading::Unreadable(format!("{why}; {}", why.help())),
    }
}

fn objects(outcome: Result<Vec<Value>, KubernetesError>) -> Reading<List> {
    from_kubernetes(outcome.map(|objects| objects.into_iter().map(Arc::new).collect()))
}
