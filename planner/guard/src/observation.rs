//! What is known of the cluster and of Azure, kept fresh beside the answers.
//!
//! Azure is read every so often, and again a while after a write that the controller carries out: one that was let through
//! here, or that shows among the Services. Services, Nodes and the labels of namespaces are read again when a watch says that
//! something changed, and with Azure. What was read well stays until it is too old: one failed read makes nobody blind.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use privlink_azure::ArmClient;
use privlink_core::annotation::keys::PLS_RESOURCE_GROUP;
use privlink_core::facts::Facts;
use privlink_core::group::Group;
use privlink_core::guard::policy::Mode;
use privlink_core::inventory::{Azure, Inventory};
use privlink_core::kubernetes::service::Key;
use privlink_core::marks::GUARD_LABEL;
use privlink_core::snapshot::{Reading, Snapshot};
use privlink_core::unread;
use privlink_engine::observe::{self, Targets};
use privlink_kubernetes::{KubernetesClient, KubernetesError, Watched};
use serde_json::Value;
use tokio::sync::{Notify, watch};

use crate::consents::Consents;
use crate::event;
use crate::metrics::{Failure, Metrics};

/// How long wake-ups are gathered before objects are read again: a review carries the Service it is about, and Nodes come
/// many at a time.
const GATHERED: Duration = Duration::from_secs(2);

/// How long after a write Azure is read again: the controller takes some seconds to begin.
const AFTER_WRITE: Duration = Duration::from_secs(15);

/// What is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observation {
    /// What was read well last.
    pub(crate) read: Option<Arc<Read>>,
    /// Why the last read failed, if it did.
    pub(crate) failure: Option<String>,
    /// What the labels of namespaces say.
    pub(crate) namespaces: Arc<BTreeMap<String, Mode>>,
}

/// What was read well.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    /// Both control planes.
    pub(crate) snapshot: Snapshot,
    /// Azure in it.
    pub(crate) azure: Azure,
    /// What the cluster is taken to be.
    pub(crate) facts: Facts,
    /// When Azure was read.
    pub(crate) at: Instant,
}

impl Observation {
    /// How old what is known of Azure is.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.read.as_ref().map(|read| read.at.elapsed())
    }

    /// Why it is not to be relied on, if it is not.
    pub(crate) fn trouble(&self, max_age: Duration) -> Option<String> {
        let because = self.failure.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        match self.age() {
            None => Some(format!("the cluster and Azure could not be read yet{because}")),
            Some(age) if age > max_age => Some(format!(
                "the cluster and Azure were read {} s ago, and {} s is the most{because}",
                age.as_secs(),
                max_age.as_secs()
            )),
            Some(_) => None,
        }
    }
}

/// Reads both control planes.
pub(crate) struct Observer {
    pub(crate) kubernetes: KubernetesClient,
    pub(crate) arm: ArmClient,
    pub(crate) targets: Targets,
    pub(crate) pinned: Facts,
    pub(crate) refresh: Duration,
    pub(crate) known: watch::Sender<Observation>,
    pub(crate) metrics: Arc<Metrics>,
    /// Rung when a write was let through.
    pub(crate) written: Arc<Notify>,
    /// Consents whose writes are looked for among the Services.
    pub(crate) consents: Arc<Consents>,
}

impl Observer {
    /// Keeps what is known fresh, for ever.
    pub(crate) async fn run(&self) {
        self.read_namespaces().await;
        self.read_all().await;
        tokio::join!(
            self.follow_azure(),
            self.follow(Watched::Services),
            self.follow(Watched::Nodes),
            self.follow(Watched::Namespaces),
        );
    }

    async fn follow_azure(&self) {
        loop {
            let next = tokio::time::Instant::now() + self.refresh;
            let again = async {
                self.written.notified().await;
                tokio::time::sleep(AFTER_WRITE).await;
                // The same write rings when it is answered and when it shows.
                let _ = tokio::time::timeout(Duration::ZERO, self.written.notified()).await;
            };
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = again => {}
            }
            self.read_namespaces().await;
            self.read_all().await;
        }
    }

    async fn follow(&self, watched: Watched) {
        let mut wakeups = self.kubernetes.changes(watched);
        loop {
            wakeups.next().await;
            tokio::time::sleep(GATHERED).await;
            match watched {
                Watched::Services => self.read_services().await,
                Watched::Nodes => self.read_nodes().await,
                Watched::Namespaces => self.read_namespaces().await,
            }
        }
    }

    /// Reads everything.
    async fn read_all(&self) {
        let targets = self.targets_of_live().await;
        let began = Instant::now();
        let snapshot = observe::observe(&targets, Some(&self.kubernetes), &self.arm).await;
        let facts = targets.facts(&snapshot, &self.pinned);
        let failure = unread::essential(&Inventory::of(&snapshot), &facts)
            .first()
            .map(|why| (*why).to_owned());
        if let Some(why) = &failure {
            self.metrics.failed(Failure::Refresh);
            tracing::warn!(%why, "the cluster or Azure could not be read");
        }
        let azure = Azure::of(&snapshot).with_views(&snapshot);
        let mut is_written = false;
        self.known.send_modify(|known| {
            known.failure.clone_from(&failure);
            if failure.is_none() {
                let before = known.read.as_ref().map(|it| &it.snapshot);
                is_written = before.is_some_and(|it| asked(it) != asked(&snapshot));
                known.read = Some(Arc::new(Read { snapshot, azure, facts, at: began }));
            }
        });
        self.wrote(is_written);
    }

    /// Has Azure read again in a while, if something was written that the controller carries out.
    fn wrote(&self, is_written: bool) {
        if is_written {
            self.written.notify_one();
        }
    }

    /// What to read: with the groups that live Services name for their Private Link Services.
    async fn targets_of_live(&self) -> Targets {
        let mut targets = self.targets.clone();
        let services = self.kubernetes.services().await.unwrap_or_default();
        let subscription = &self.pinned.subscription;
        for service in services {
            let annotations = service.pointer("/metadata/annotations");
            let group = annotations.and_then(|it| it.get(PLS_RESOURCE_GROUP)?.as_str());
            let group = group.map(str::trim).filter(|it| !it.is_empty());
            let group = group.map(|group| Group::new(subscription, group));
            targets.private_link_service_groups.extend(group);
        }
        targets
    }

    /// Reads the Services again; those that were read last stay if that fails.
    async fn read_services(&self) {
        match self.kubernetes.services().await {
            Ok(services) => {
                for event in self.consents.carried_out(&services) {
                    tokio::spawn(event::write(self.kubernetes.clone(), event));
                }
                let mut is_written = false;
                self.amend(|snapshot| {
                    let before = snapshot.clone();
                    snapshot.kubernetes.services = Reading::of(services);
                    is_written = asked(&before) != asked(snapshot);
                });
                self.wrote(is_written);
            }
            Err(error) => self.unread("the Services", &error),
        }
    }

    /// Reads the Nodes again; those that were read last stay if that fails.
    async fn read_nodes(&self) {
        match self.kubernetes.nodes().await {
            Ok(nodes) => self.amend(|snapshot| snapshot.kubernetes.nodes = Reading::of(nodes)),
            Err(error) => self.unread("the Nodes", &error),
        }
    }

    /// Changes what was read well last, if anything was. What follows from it is worked out beside those who read it.
    fn amend(&self, change: impl FnOnce(&mut Snapshot)) {
        let Some(read) = self.known.borrow().read.clone() else { return };
        let Read { mut snapshot, azure, at, .. } = Read::clone(&read);
        change(&mut snapshot);
        let facts = self.targets.facts(&snapshot, &self.pinned);
        let azure = azure.with_views(&snapshot);
        let read = Arc::new(Read { snapshot, azure, facts, at });
        self.known.send_modify(|known| known.read = Some(read));
    }

    fn unread(&self, what: &str, error: &KubernetesError) {
        self.metrics.failed(Failure::Refresh);
        tracing::warn!(%error, "{what} could not be read");
    }

    /// Reads the labels of namespaces; those that were read last stay if that fails.
    async fn read_namespaces(&self) {
        match self.kubernetes.namespaces().await {
            Ok(namespaces) => {
                let modes = Arc::new(modes(&namespaces));
                self.known.send_modify(|known| known.namespaces = modes);
            }
            Err(error) => self.unread("the labels of namespaces", &error),
        }
    }
}

/// What load balancers ask of the controller: it syncs when that changes.
fn asked(snapshot: &Snapshot) -> BTreeMap<Key, [Option<&Value>; 3]> {
    let is_balancer = |it: &&Value| it.pointer("/spec/type").is_some_and(|it| it == "LoadBalancer");
    let read = ["/spec", "/metadata/annotations", "/metadata/deletionTimestamp"];
    let services = snapshot.kubernetes.services_by_key();
    let balancers = services.into_iter().filter(|(_, service)| is_balancer(service));
    balancers.map(|(key, service)| (key, read.map(|pointer| service.pointer(pointer)))).collect()
}

/// What the labels of namespaces say; another value says nothing.
fn modes(namespaces: &[Value]) -> BTreeMap<String, Mode> {
    let mode = |namespace: &Value| {
        let metadata = namespace.get("metadata")?;
        let label = metadata.get("labels")?.get(GUARD_LABEL)?.as_str()?;
        Some((metadata.get("name")?.as_str()?.to_owned(), Mode::of(label)?))
    };
    namespaces.iter().filter_map(mode).collect()
}
