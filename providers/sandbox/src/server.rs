//! The HTTP servers and their life.

mod call;
mod certificate;
mod loopback;
mod request;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

pub(crate) use call::{Answer, Call, Content};
use loopback::{Loopback, Wire};

use crate::api_server::ApiServer;
use crate::fault::Fault;
use crate::request_log::Entry;
use crate::state::{Shared, State};
use crate::{Error, SandboxOptions, controller};

/// The token that kubeconfigs of a sandbox hold. Any other bearer token is as good: it keeps out who cannot
/// choose a request's headers, such as a page in a browser.
pub const TOKEN: &str = "sandbox";

/// The simulator; see [`Sandbox::start`].
#[derive(Debug)]
pub struct Sandbox;

/// A sandbox that serves until it is shut down or dropped.
#[derive(Debug)]
pub struct Running {
    /// Where the Kubernetes API is served: `http://127.0.0.1:PORT`; or what the API server that
    /// somebody else runs is called.
    pub kubernetes_url: String,
    /// Where ARM is served: `http://127.0.0.1:PORT`, or `https` with TLS.
    pub arm_url: String,
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
    secret: Arc<str>,
}

/// Which API a server serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Kubernetes,
    Azure,
}

#[derive(Clone)]
struct Server {
    side: Side,
    url: Arc<str>,
    shared: Arc<Shared>,
    /// The first segment of paths that need no token.
    secret: Arc<str>,
}

/// A word that nobody guesses.
fn secret() -> Arc<str> {
    use std::hash::{BuildHasher, RandomState};
    // Every RandomState has keys of its own, which come from the operating system.
    let part = || RandomState::new().hash_one(std::process::id());
    format!("{:016x}{:016x}", part(), part()).into()
}

impl Sandbox {
    /// Reads or makes the world, and serves it. Must run within a tokio runtime.
    ///
    /// # Errors
    /// The world cannot be read, locked or saved, or no port can be opened.
    pub async fn start(options: SandboxOptions) -> Result<Running, Error> {
        let ports = (options.kubernetes_port, options.arm_port);
        let authority_file = options.tls.clone();
        let mut state = State::open(options).await?;
        let api_server = match state.options.api_server.clone() {
            Some(connection) => Some(ApiServer::connect(&connection, &mut state).await?),
            None => None,
        };
        // Only now: another process that serves this world may use the file.
        let tls = authority_file.as_deref().map(certificate::acceptor).transpose()?;
        let cancel = CancellationToken::new();
        let shared = Arc::new(Shared::new(state, cancel));
        let secret = secret();
        let azure = (Side::Azure, &secret);
        let (arm_url, arm_task) = serve(azure, ports.1, tls, &shared).await?;
        let mut tasks = vec![arm_task];
        let kubernetes_url = match &api_server {
            Some(other) => other.name().to_owned(),
            None => {
                let kubernetes = (Side::Kubernetes, &secret);
                let (url, task) = serve(kubernetes, ports.0, None, &shared).await?;
                tasks.push(task);
                url
            }
        };
        tasks.push(tokio::spawn(controller::run(Arc::clone(&shared), api_server)));
        Ok(Running { kubernetes_url, arm_url, shared, tasks, secret })
    }
}

impl Running {
    /// All requests answered so far, in the order of arrival.
    pub fn requests(&self) -> Vec<Entry> {
        self.shared.lock().log.entries()
    }

    /// The requests answered since they were last taken, in the order of arrival; they are forgotten.
    pub fn take_requests(&self) -> Vec<Entry> {
        self.shared.lock().log.take()
    }

    /// Adds faults to those of the options.
    pub fn add_faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.shared.lock().faults.add(faults);
    }

    /// How often each fault struck so far, in their order.
    pub fn struck(&self) -> Vec<u32> {
        self.shared.lock().faults.list().map(|(_, struck)| struck).collect()
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.shared.lock().faults.clear();
    }

    /// Looks at the world or changes it behind every client's back, as somebody else would. What was
    /// changed is saved.
    ///
    /// # Errors
    /// The world file cannot be written.
    pub fn edit<T>(&self, edit: impl FnOnce(&mut crate::World) -> T) -> Result<T, Error> {
        let mut state = self.shared.lock();
        let result = edit(&mut state.world);
        state.touch();
        state.save()?;
        Ok(result)
    }

    /// Lets the controller start anew: it forgets its caches and syncs every Service.
    pub fn restart_controller(&self) {
        let mut state = self.shared.lock();
        controller::restart(&mut state);
        self.shared.wake_controller();
    }

    /// Waits until the controller has nothing to do now, or the time is over. A failed sync that is
    /// due again later does not count: it may go on for ever. Answers whether it is idle.
    pub async fn controller_idle(&self, at_most: Duration) -> bool {
        controller::idle(&self.shared, at_most, false).await
    }

    /// Waits until the controller has nothing to do now nor later, or the time is over. Answers
    /// whether that is so.
    pub async fn controller_settled(&self, at_most: Duration) -> bool {
        controller::idle(&self.shared, at_most, true).await
    }

    /// A kubeconfig for the Kubernetes API, with one context named `sandbox`. It is a secret: kubectl sends no
    /// token without TLS, so the address itself says that the client was let in.
    pub fn kubeconfig(&self) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: sandbox\nclusters:\n- name: sandbox\n  \
             cluster:\n    server: {}/{}\ncontexts:\n- name: sandbox\n  context:\n    cluster: sandbox\n    \
             user: sandbox\n    namespace: default\nusers:\n- name: sandbox\n  user:\n    token: {TOKEN}\n",
            self.kubernetes_url, self.secret
        )
    }

    /// Stops serving, saves, and lets go of the world file.
    ///
    /// # Errors
    /// The world file cannot be written.
    pub async fn shutdown(mut self) -> Result<(), Error> {
        self.shared.cancel.cancel();
        for task in self.tasks.drain(..) {
            // A task that panicked has nothing left to save.
            let _ = task.await;
        }
        let mut state = self.shared.lock();
        let saved = state.save();
        state.release();
        saved
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.cancel.cancel();
        for task in &self.tasks {
            task.abort();
        }
        self.shared.lock().release();
    }
}

async fn serve(
    (side, secret): (Side, &Arc<str>),
    port: u16,
    tls: Option<TlsAcceptor>,
    shared: &Arc<Shared>,
) -> Result<(String, JoinHandle<()>), Error> {
    let listen = |source| Error::Listen { port, source };
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let listener = tokio::net::TcpListener::bind(address).await.map_err(listen)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}", listener.local_addr().map_err(listen)?);
    let (url_of_it, shared, secret) = (url.as_str().into(), Arc::clone(shared), secret.clone());
    let cancel = shared.cancel.clone();
    let server = Server { side, url: url_of_it, shared, secret };
    let app = Router::new()
        .fallback(request::handle)
        .with_state(server)
        .into_make_service_with_connect_info::<Wire>();
    let task = tokio::spawn(async move {
        let serving = axum::serve(Loopback::new(listener, tls), app);
        // Connections are dropped, not drained: an idle keep-alive connection would hold the
        // process for ever.
        tokio::select! {
            result = serving => if let Err(error) = result {
                tracing::error!(%error, "the sandbox stopped serving");
            },
            () = cancel.cancelled() => {}
        }
    });
    Ok((url, task))
}
