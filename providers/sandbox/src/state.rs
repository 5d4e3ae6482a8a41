//! What a running sandbox holds, and how it was asked to behave.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use privlink_kubernetes::Connection;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::azure::graph::Graph;
use crate::fault::{Fault, Faults};
use crate::kubernetes::watch::History;
use crate::request_log::RequestLog;
use crate::world::WorldFile;
use crate::{Error, World};

/// Where the world is kept.
#[derive(Clone, Debug)]
pub enum WorldSource {
    /// In a file: read if it is there, else made by [`World::first`]. Saved after every write.
    File(PathBuf),
    /// In memory.
    Memory(Box<World>),
}

/// Who plays the cloud controller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ControllerMode {
    /// The controller model, in a task of its own.
    #[default]
    Model,
    /// Nobody here: a real controller is pointed at the sandbox, or none is wanted.
    None,
}

/// How a sandbox is to behave.
#[derive(Clone, Debug)]
pub struct SandboxOptions {
    /// Where the world is kept.
    pub world: WorldSource,
    /// Who plays the controller.
    pub controller: ControllerMode,
    /// The API server that the controller works with, in place of the sandbox's own, which then is
    /// not served.
    pub api_server: Option<Connection>,
    /// Whether the controller starts anew with this process: empty caches, every Service synced. By
    /// default the simulated controller outlives the process, and only goes on with what waits.
    pub restart_controller: bool,
    /// How long the controller waits after a change before it syncs. Changes that come within it are
    /// synced in the order of namespace and name, whichever came first.
    pub controller_delay: Duration,
    /// How the controller's waits between tries (5, 10, 20 s ...) are scaled: 0.01 makes them 50 ms,
    /// 100 ms, 200 ms.
    pub backoff_scale: f64,
    /// Faults from the start.
    pub faults: Vec<Fault>,
    /// How long every request waits.
    pub latency: Duration,
    /// How often the status of an operation is `InProgress` before it is done.
    pub operation_polls: u32,
    /// What clients are told to wait between polls, as `retry-after-ms`. `Retry-After` has Azure's own seconds, unless this
    /// is a second or more.
    pub retry_after: Duration,
    /// How many items a page of an ARM list has at most.
    pub page_size: usize,
    /// How long after Azure itself Azure Resource Graph shows what happened.
    pub graph_lag: Duration,
    /// Every request is appended to this file, one JSON object a line.
    pub request_log: Option<PathBuf>,
    /// The port of the Kubernetes API; 0 is any.
    pub kubernetes_port: u16,
    /// The port of ARM; 0 is any.
    pub arm_port: u16,
    /// ARM, metadata and tokens are served with TLS, and the certificate of the authority that vouches
    /// for it is written to this file.
    pub tls: Option<PathBuf>,
    /// How long to wait for another process to let go of the world file.
    pub lock_wait: Duration,
}

impl SandboxOptions {
    /// Fast answers, the controller model, no faults, any port.
    pub fn new(world: WorldSource) -> Self {
        Self {
            world,
            controller: ControllerMode::Model,
            api_server: None,
            restart_controller: false,
            controller_delay: Duration::from_millis(20),
            backoff_scale: 0.02,
            faults: Vec::new(),
            latency: Duration::ZERO,
            operation_polls: 1,
            retry_after: Duration::from_millis(20),
            page_size: 200,
            graph_lag: Duration::ZERO,
            request_log: None,
            kubernetes_port: 0,
            arm_port: 0,
            tls: None,
            lock_wait: Duration::from_secs(5),
        }
    }

    /// A world in memory, the first one.
    pub fn in_memory() -> Self {
        Self::new(WorldSource::Memory(Box::new(World::first())))
    }

    /// A world in a file.
    pub fn in_file(path: impl Into<PathBuf>) -> Self {
        Self::new(WorldSource::File(path.into()))
    }
}

/// The world with all that surrounds it while it is served.
#[derive(Debug)]
pub(crate) struct State {
    /// All that is known.
    pub world: World,
    /// How to behave.
    pub options: SandboxOptions,
    /// What goes wrong.
    pub faults: Faults,
    /// What was asked.
    pub log: RequestLog,
    /// What Azure Resource Graph shows.
    pub graph: Graph,
    /// What changed in Kubernetes, for watches.
    pub history: History,
    /// Set by a write that the controller may react to.
    pub controller_has_work: bool,
    file: Option<WorldFile>,
    dirty: bool,
}

impl State {
    /// Reads or makes the world.
    ///
    /// # Errors
    /// It cannot be read, locked or saved.
    pub(crate) async fn open(options: SandboxOptions) -> Result<Self, Error> {
        let (file, world) = match &options.world {
            WorldSource::Memory(world) => (None, (**world).clone()),
            WorldSource::File(path) => {
                let file = WorldFile::lock(path, options.lock_wait).await?;
                let world = match file.read()? {
                    Some(world) => world,
                    None => World::first(),
                };
                (Some(file), world)
            }
        };
        let mut faults = Faults::default();
        faults.add(options.faults.clone());
        let history = History::from(world.kubernetes.resource_version);
        let mut state = Self {
            faults,
            log: RequestLog::open(options.request_log.as_deref())?,
            history,
            graph: Graph::default(),
            controller_has_work: false,
            file,
            dirty: true,
            world,
            options,
        };
        if state.options.restart_controller {
            crate::controller::restart(&mut state);
        }
        state.save()?;
        Ok(state)
    }

    /// Says that the world was changed.
    pub(crate) fn touch(&mut self) {
        self.dirty = true;
    }

    /// Saves the world if it was changed.
    ///
    /// # Errors
    /// The world file cannot be written.
    pub(crate) fn save(&mut self) -> Result<(), Error> {
        if !self.dirty {
            return Ok(());
        }
        self.graph.note(&self.world, self.options.graph_lag);
        if let Some(file) = &self.file {
            file.write(&self.world)?;
        }
        self.dirty = false;
        Ok(())
    }

    /// Lets go of the world file; nothing is saved from here on.
    pub(crate) fn release(&mut self) {
        self.file = None;
    }
}

/// The state, shared between the servers, the watches and the controller.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Ends everything.
    pub cancel: CancellationToken,
    /// The newest resource version, for watches to wait on.
    pub changed: watch::Sender<u64>,
    controller: Notify,
}

impl Shared {
    /// Shares a state.
    pub(crate) fn new(mut state: State, cancel: CancellationToken) -> Self {
        let changed = watch::Sender::new(state.world.kubernetes.resource_version);
        state.history.announce(changed.clone());
        Self { state: Mutex::new(state), cancel, changed, controller: Notify::new() }
    }

    /// The state, for as long as the guard lives. Never held across an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the controller that there may be work.
    pub(crate) fn wake_controller(&self) {
        self.controller.notify_one();
    }

    /// Waits until there may be work for the controller.
    pub(crate) async fn controller_work(self: &Arc<Self>) {
        self.controller.notified().await;
    }
}
