//! The HTTP servers and their life.

mod call;
mod certificate;
mod loopback;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State as Extracted};
use axum::response::Response;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

pub(crate) use call::{Answer, Call, Content};
use loopback::{Loopback, Wire};

use crate::api_server::ApiServer;
use crate::fault::{Effect, Fault};
use crate::request_log::Entry;
use crate::state::{Shared, State};
use crate::{Error, SandboxOptions, azure, controller, kubernetes};

/// The largest body read, in bytes: what etcd takes and more.
const BODY_LIMIT: usize = 8 * 1024 * 1024;

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
        let (arm_url, arm_task) = serve(Side::Azure, ports.1, tls, &shared).await?;
        let mut tasks = vec![arm_task];
        let kubernetes_url = match &api_server {
            Some(other) => other.name().to_owned(),
            None => {
                let (url, task) = serve(Side::Kubernetes, ports.0, None, &shared).await?;
                tasks.push(task);
                url
            }
        };
        tasks.push(tokio::spawn(controller::run(Arc::clone(&shared), api_server)));
        Ok(Running { kubernetes_url, arm_url, shared, tasks })
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

    /// A kubeconfig for the Kubernetes API, with one context named `sandbox`.
    pub fn kubeconfig(&self) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: sandbox\nclusters:\n- name: sandbox\n  \
             cluster:\n    server: {}\ncontexts:\n- name: sandbox\n  context:\n    cluster: sandbox\n    \
             user: sandbox\n    namespace: default\nusers:\n- name: sandbox\n  user:\n    token: sandbox\n",
            self.kubernetes_url
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
    side: Side,
    port: u16,
    tls: Option<TlsAcceptor>,
    shared: &Arc<Shared>,
) -> Result<(String, JoinHandle<()>), Error> {
    let listen = |source| Error::Listen { port, source };
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let listener = tokio::net::TcpListener::bind(address).await.map_err(listen)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}", listener.local_addr().map_err(listen)?);
    let server = Server { side, url: url.as_str().into(), shared: Arc::clone(shared) };
    let app = Router::new()
        .fallback(handle)
        .with_state(server)
        .into_make_service_with_connect_info::<Wire>();
    let cancel = shared.cancel.clone();
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

async fn handle(
    Extracted(server): Extracted<Server>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let method = parts.method.as_str().to_owned();
    let user_agent = parts
        .headers
        .get(http::header::USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .map(ToOwned::to_owned);
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        let text = format!("the body is not whole, or larger than {BODY_LIMIT} bytes");
        return Answer::text(413, "text/plain", &text).into_response(&server.shared);
    };
    let mut call = Call::new(&parts, body.to_vec(), &server.url);
    if let Some(answer) = administer(&server.shared, &call) {
        return answer.into_response(&server.shared);
    }
    let (sequence, struck, latency) = {
        let mut state = server.shared.lock();
        let sequence = state.log.begin();
        (sequence, state.faults.strike(&method, &path), state.options.latency)
    };
    let (fault, effect) = match struck {
        Some((index, effect)) => (Some(index), effect),
        None => (None, Effect::None),
    };
    let wait = latency + effect.latency();
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    if effect == Effect::Hang {
        return hang(&server.shared).await;
    }
    call.effect = effect.clone();
    let answer = match &effect {
        Effect::Reset => Answer::status_only(0),
        Effect::Status { status, code, message, retry_after } => {
            let answer = match server.side {
                Side::Kubernetes => kubernetes::status::injected(*status, message),
                Side::Azure => azure::error::injected(&path, *status, code, message),
            };
            match retry_after {
                Some(seconds) => answer.header("Retry-After", &seconds.to_string()),
                None => answer,
            }
        }
        _ => dispatch(&server, &call),
    };
    let answer = match server.side {
        Side::Kubernetes => answer,
        Side::Azure => with_request_id(answer, &call, sequence),
    };
    let answer = match effect.clock() {
        0 => answer,
        seconds => answer.header("Date", &crate::clock::http_date(seconds)),
    };
    let cut = matches!(effect, Effect::Reset | Effect::LostAnswer | Effect::HangAnswer);
    server.shared.lock().log.add(Entry {
        sequence,
        side: match server.side {
            Side::Kubernetes => "kubernetes".to_owned(),
            Side::Azure => "azure".to_owned(),
        },
        method,
        path,
        status: if cut { 0 } else { answer.status },
        user_agent,
        fault,
    });
    if effect == Effect::HangAnswer {
        return hang(&server.shared).await;
    }
    if cut {
        wire.reset();
        return Response::new(Body::empty());
    }
    let answer = if effect == Effect::WrongContentType {
        Answer::text(answer.status, "text/html", "<html><body>Sign in</body></html>")
    } else {
        answer
    };
    let response = answer.into_response(&server.shared);
    if effect == Effect::HalfAnswer { half(response).await } else { response }
}

/// Never an answer. A client that goes takes this wait along; the end of the sandbox ends it too.
async fn hang(shared: &Shared) -> Response {
    shared.cancel.cancelled().await;
    Response::new(Body::empty())
}

/// Carries a request out, and saves what it changed before its answer is sent.
fn dispatch(server: &Server, call: &Call) -> Answer {
    let mut state = server.shared.lock();
    let answer = match server.side {
        Side::Kubernetes => kubernetes::answer(&mut state, call),
        Side::Azure => azure::answer(&mut state, call),
    };
    let saved = state.save();
    let wake = std::mem::take(&mut state.controller_has_work);
    drop(state);
    if wake {
        server.shared.wake_controller();
    }
    match saved {
        Ok(()) => answer,
        Err(error) => {
            tracing::error!(%error, "the world cannot be saved");
            Answer::text(500, "text/plain", &error.to_string())
        }
    }
}

/// The headers every answer of ARM has.
fn with_request_id(answer: Answer, call: &Call, sequence: u64) -> Answer {
    let id = format!("00000000-0000-4000-8000-{sequence:012x}");
    let answer = answer
        .header("x-ms-request-id", &id)
        .header("x-ms-correlation-request-id", &id)
        .header("x-ms-routing-request-id", &format!("SANDBOX:{id}"));
    let answer = match call.header("x-ms-client-request-id") {
        Some(id) => answer.header("x-ms-client-request-id", id),
        None => answer,
    };
    match call.method.as_str() {
        "GET" | "HEAD" => {
            answer.header("x-ms-ratelimit-remaining-subscription-global-reads", "16499")
        }
        "DELETE" => answer.header("x-ms-ratelimit-remaining-subscription-global-deletes", "11999"),
        _ => answer.header("x-ms-ratelimit-remaining-subscription-global-writes", "11999"),
    }
}

/// The sandbox's own endpoints, on both servers, neither logged nor struck by faults.
fn administer(shared: &Shared, call: &Call) -> Option<Answer> {
    let ["sandbox", what] = call.segments()[..] else { return None };
    let mut state = shared.lock();
    let answer = match (call.method.as_str(), what) {
        ("GET", "faults") => {
            let list: Vec<Value> = state
                .faults
                .list()
                .map(|(fault, struck)| json!({"fault": fault, "struck": struck}))
                .collect();
            Answer::json(200, Value::Array(list))
        }
        ("POST", "faults") => match serde_json::from_slice::<Vec<Fault>>(&call.body) {
            Ok(faults) => {
                state.faults.add(faults);
                Answer::status_only(204)
            }
            Err(error) => {
                Answer::text(400, "text/plain", &format!("not a list of faults: {error}"))
            }
        },
        ("DELETE", "faults") => {
            state.faults.clear();
            Answer::status_only(204)
        }
        ("GET", "requests") => Answer::json(200, json!(state.log.entries())),
        ("GET", "world") => Answer::json(200, state.world.to_json()),
        ("GET", "controller") => {
            Answer::json(200, json!({"settled": controller::is_settled(&mut state)}))
        }
        ("POST", "restart-controller") => {
            controller::restart(&mut state);
            drop(state);
            shared.wake_controller();
            Answer::status_only(204)
        }
        _ => Answer::text(404, "text/plain", "no such endpoint of the sandbox"),
    };
    Some(answer)
}

/// The answer cut off in the middle of its body.
async fn half(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, BODY_LIMIT).await.unwrap_or_default();
    parts.headers.insert(http::header::CONTENT_LENGTH, bytes.len().into());
    let half = bytes.slice(..bytes.len() / 2);
    // The pause lets the first half out before the connection is given up.
    let broken = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
    };
    let stream = futures::stream::once(async { Ok(half) }).chain(futures::stream::once(broken));
    Response::from_parts(parts, Body::from_stream(stream))
}
