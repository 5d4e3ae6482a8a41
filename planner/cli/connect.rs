//! Clients of a cluster and of Azure, or of the sandbox.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use privlink_azure::{ArmClient, ArmError, Cloud, Environment, Identity};
use privlink_core::desired::{self, Desired};
use privlink_core::facts::Facts;
use privlink_core::saved::SavedPlan;
use privlink_core::snapshot::Snapshot;
use privlink_engine::observe::{self, Graph, Lists, SharedLists, Targets};
use privlink_engine::session::{Patience, Session};
use privlink_kubernetes::{Connection, KubernetesClient};
use privlink_sandbox::{Running, Sandbox, SandboxOptions};

use crate::args::TargetFlags;
use crate::command_error::CommandError;
use crate::progress::Passing;

/// Clients, what they are for, and the sandbox behind them if it is one.
#[derive(Debug)]
pub(crate) struct Connected {
    /// The clients.
    pub(crate) session: Session,
    /// What is to be observed.
    pub(crate) targets: Targets,
    /// The pinned facts.
    pub(crate) pinned: Facts,
    /// Where lists of Azure are read, by commands that change nothing.
    lists: Lists,
    sandbox: Option<Running>,
    /// The AKS cluster's name, where it is said.
    cluster: Option<String>,
    /// Whether no other stack is read at the same time.
    is_alone: bool,
}

/// What the stacks of a run have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Common<'a> {
    /// A client of ARM: its budget counts by identity and subscription.
    Client(&'a ArmClient),
    /// Lists that are read once for all of them, and their client: for commands that change nothing.
    Lists(&'a Arc<SharedLists>),
}

impl<'a> Common<'a> {
    fn arm(self) -> &'a ArmClient {
        match self {
            Self::Client(arm) => arm,
            Self::Lists(lists) => lists.arm(),
        }
    }
}

/// The sandbox's cluster, named as in the AKS documentation.
const SANDBOX_CLUSTER: &str = "myAKSCluster";

/// Connects to where desired state belongs.
pub(crate) async fn connect(
    desired: &Desired,
    place: &TargetFlags,
    patience: Patience,
) -> Result<Connected, CommandError> {
    connect_sharing(desired, place, patience, None).await
}

/// Connects to where desired state belongs, with what several stacks have in common.
pub(crate) async fn connect_sharing(
    desired: &Desired,
    place: &TargetFlags,
    patience: Patience,
    common: Option<Common<'_>>,
) -> Result<Connected, CommandError> {
    let mut place = place.clone();
    let sandbox = sandbox(desired, &place).await?;
    if sandbox.is_some() {
        // Without a Stack, the sandbox's own cluster is meant.
        place.subscription.get_or_insert_with(|| privlink_sandbox::world::SUBSCRIPTION.to_owned());
        if !Targets::have_no_cluster(desired, &place.said()) {
            place.resource_group.get_or_insert_with(|| privlink_sandbox::world::GROUP.to_owned());
            place.cluster.get_or_insert_with(|| SANDBOX_CLUSTER.to_owned());
        }
    }
    let said = place.said();
    let pinned = desired::pinned(desired, said.subscription(desired).as_deref());
    let targets = Targets::of(desired, &said, &pinned)?;
    let mut session = session(&place, (sandbox.as_ref(), common.map(Common::arm)), patience)?;
    if !Targets::have_no_cluster(desired, &said) {
        session.kubernetes = Some(kubernetes(desired, &place, sandbox.as_ref()).await?);
    }
    let cluster = place.cluster.clone().or_else(|| {
        let said = desired.stack.as_ref()?.cluster.as_ref()?;
        Some(said.value.clone())
    });
    let lists = match common {
        Some(Common::Lists(lists)) => Lists::shared(lists),
        Some(Common::Client(_)) | None => Lists::from(&session.arm),
    };
    let is_alone = common.is_none();
    Ok(Connected { session, targets, pinned, lists, sandbox, cluster, is_alone })
}

/// What is to be observed for desired state, where that can be said without contacting anything.
pub(crate) fn targets(desired: &Desired, place: &TargetFlags) -> Option<Targets> {
    let said = place.said();
    let pinned = desired::pinned(desired, said.subscription(desired).as_deref());
    Targets::of(desired, &said, &pinned).ok()
}

/// Connects to where a saved plan belongs.
pub(crate) async fn connect_saved(
    saved: &SavedPlan,
    place: &TargetFlags,
    patience: Patience,
) -> Result<Connected, CommandError> {
    let mut place = place.clone();
    place.context = place.context.or_else(|| saved.context.clone());
    let desired = Desired { name: saved.plan.stack.clone(), ..Desired::default() };
    let sandbox = sandbox(&desired, &place).await?;
    let mut session = session(&place, (sandbox.as_ref(), None), patience)?;
    if !saved.without_cluster {
        session.kubernetes = Some(kubernetes(&desired, &place, sandbox.as_ref()).await?);
    }
    let lists = Lists::from(&session.arm);
    Ok(Connected {
        session,
        targets: Targets::default(),
        pinned: Facts::default(),
        lists,
        sandbox,
        cluster: None,
        is_alone: true,
    })
}

/// The sandbox that is asked for, if one is.
async fn sandbox(desired: &Desired, place: &TargetFlags) -> Result<Option<Running>, CommandError> {
    match &place.sandbox {
        None => Ok(None),
        Some(file) => start(file.as_deref(), &desired.name).await.map(Some),
    }
}

/// A session with Azure.
fn session(
    place: &TargetFlags,
    (sandbox, shared): (Option<&Running>, Option<&ArmClient>),
    mut patience: Patience,
) -> Result<Session, CommandError> {
    let cloud = place.cloud.parse::<Cloud>();
    if sandbox.is_some() || cloud.is_ok_and(|cloud| cloud.is_loopback()) {
        patience.hurry();
    }
    let arm = match shared {
        Some(shared) => shared.clone(),
        None => arm(place, sandbox)?,
    };
    let mut session = Session::new(None, arm, patience);
    session.is_sandbox = sandbox.is_some();
    Ok(session)
}

impl Connected {
    /// Observes both control planes, and tells the facts.
    pub(crate) async fn observe(&self) -> (Snapshot, Facts) {
        self.observe_by(&self.lists).await
    }

    /// Observes by what Azure Resource Graph shows, of all stacks or, if nobody asked it for those, of this one.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub(crate) async fn screen(
        &self,
        of_all: Option<&Arc<Graph>>,
    ) -> Result<(Snapshot, Facts, Arc<Graph>), ArmError> {
        let graph = match of_all {
            Some(graph) => Arc::clone(graph),
            None => {
                let subscriptions = self.targets.subscriptions();
                Arc::new(Graph::read(&self.session.arm, &subscriptions).await?)
            }
        };
        let (snapshot, facts) = self.observe_by(&self.lists.by_graph(&graph)).await;
        Ok((snapshot, facts, graph))
    }

    /// Observes again if it was not all read by requests of this stack's own: what happened since the others asked
    /// would look like a difference.
    pub(crate) async fn observe_again(&self) -> Option<(Snapshot, Facts)> {
        match self.lists.were_older() {
            false => None,
            true => Some(self.observe_by(&self.lists.without_older()).await),
        }
    }

    async fn observe_by(&self, lists: &Lists) -> (Snapshot, Facts) {
        let kubernetes = self.session.kubernetes.as_ref();
        let _passing = self.is_alone.then(|| Passing::show(&self.reading()));
        let snapshot = observe::observe(&self.targets, kubernetes, lists).await;
        let facts = self.targets.facts(&snapshot, &self.pinned);
        (snapshot, facts)
    }

    /// What is being read, in words.
    pub(crate) fn reading(&self) -> String {
        match &self.cluster {
            None if self.session.kubernetes.is_none() => "Reading Azure".to_owned(),
            None => "Reading the cluster and Azure".to_owned(),
            Some(name) => format!("Reading cluster {name} and Azure"),
        }
    }

    /// Ends: a sandbox is kept in its file.
    pub(crate) async fn close(self) -> Result<(), CommandError> {
        match self.sandbox {
            None => Ok(()),
            Some(running) => {
                // The controller may still be writing status and events of its last sync.
                running.controller_idle(Duration::from_secs(10)).await;
                running.shutdown().await.map_err(sandbox_error)
            }
        }
    }
}

/// The namespace of the context that is meant. Contacts nothing.
pub(crate) async fn namespace(
    desired: &Desired,
    place: &TargetFlags,
) -> Result<String, CommandError> {
    Ok(kubernetes(desired, place, None).await?.default_namespace().to_owned())
}

/// A sandbox's failure.
pub(crate) fn sandbox_error(error: privlink_sandbox::Error) -> CommandError {
    use privlink_sandbox::Error;
    let hint = match &error {
        Error::Format { path, .. } | Error::Version { path, .. } => {
            let shown = path.display();
            Some(format!("Name another file, or remove {shown} if nobody needs it."))
        }
        Error::InUse { .. } => {
            Some("Wait until the other one is done, or use another file.".to_owned())
        }
        Error::ApiServer(error) => Some(error.help().to_owned()),
        Error::OtherController { .. } => {
            Some("Use an API server of its own, such as one of kind.".to_owned())
        }
        Error::File { .. }
        | Error::Listen { .. }
        | Error::Certificate { .. }
        | Error::Snapshot(_) => None,
    };
    let mut failure = CommandError::new(format!("the sandbox: {error}"));
    failure.hints.extend(hint);
    failure
}

/// The world file of a stack.
pub(crate) fn world_file(stack: &str) -> PathBuf {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: String = stack.chars().map(safe).collect();
    Path::new(".privlink").join("sandbox").join(format!("{name}.json"))
}

async fn start(file: Option<&Path>, stack: &str) -> Result<Running, CommandError> {
    let file = file.map_or_else(|| world_file(stack), Path::to_owned);
    Sandbox::start(SandboxOptions::in_file(file)).await.map_err(sandbox_error)
}

async fn kubernetes(
    desired: &Desired,
    place: &TargetFlags,
    sandbox: Option<&Running>,
) -> Result<KubernetesClient, CommandError> {
    let said = desired.stack.as_ref().and_then(|stack| stack.context.as_ref());
    let context = place.context.clone().or_else(|| said.map(|context| context.value.clone()));
    let connection = match (sandbox, &place.kubeconfig) {
        (Some(running), _) => Connection::Url {
            url: running.kubernetes_url.clone(),
            token: Some(privlink_sandbox::TOKEN.to_owned()),
            namespace: "default".to_owned(),
        },
        (None, Some(path)) => Connection::Kubeconfig { path: path.clone(), context },
        (None, None) => Connection::Default { context },
    };
    KubernetesClient::connect(&connection, privlink_kubernetes::Settings::default())
        .await
        .map_err(|error| CommandError::new(error.to_string()).hint(error.help()))
}

/// A client of ARM.
pub(crate) fn arm(
    place: &TargetFlags,
    sandbox: Option<&Running>,
) -> Result<ArmClient, CommandError> {
    let environment = Environment::process();
    let mut settings = privlink_azure::Settings {
        told: crate::ui::beside,
        share: place.arm_share,
        ..privlink_azure::Settings::default()
    };
    let (cloud, identity) = match sandbox {
        Some(running) => {
            settings.poll_interval = Duration::from_millis(50);
            let url = &running.arm_url;
            // Credentials of a real cloud are never sent to the sandbox.
            (Cloud::custom(url, url, url), Identity::Token("sandbox".into()))
        }
        None => {
            let identity =
                Identity::choose(&place.auth, &environment).map_err(CommandError::new)?;
            (place.cloud.parse(), identity)
        }
    };
    let cloud = cloud.map_err(CommandError::new)?;
    tracing::info!(
        identity = identity.describe(&environment),
        endpoint = cloud.endpoint(),
        "Azure is called"
    );
    ArmClient::new(&cloud, &identity, &environment, settings)
        .map_err(|error| CommandError::new(error.to_string()).hint(error.help()))
}
