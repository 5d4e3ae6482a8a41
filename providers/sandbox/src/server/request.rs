//! One request: what strikes it, what is answered, what is noted of it.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State as Extracted};
use axum::response::Response;
use futures::StreamExt;
use serde_json::{Value, json};

use super::call::{Answer, Call};
use super::loopback::Wire;
use super::{Server, Side};
use crate::fault::{Effect, Fault};
use crate::request_log::Entry;
use crate::state::Shared;
use crate::{azure, controller, kubernetes};

/// The largest body read, in bytes: what etcd takes and more.
const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// Answers a request, unless a fault keeps the answer.
pub(super) async fn handle(
    Extracted(server): Extracted<Server>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    request: Request,
) -> Response {
    let shared = &server.shared;
    let (parts, body) = request.into_parts();
    if let Some(why) = foreign(&parts) {
        return Answer::text(403, "text/plain", why).into_response(shared);
    }
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        let text = format!("the body is not whole, or larger than {BODY_LIMIT} bytes");
        return Answer::text(413, "text/plain", &text).into_response(shared);
    };
    let mut call = Call::new(&parts, body.to_vec(), &server.url, &server.secret);
    if let Some(answer) = administer(shared, &call) {
        return answer.into_response(shared);
    }
    let (sequence, struck, latency) = {
        let mut state = shared.lock();
        let sequence = state.log.begin();
        (sequence, state.faults.strike(&call.method, &call.target), state.options.latency)
    };
    let (fault, effect) = struck.unzip();
    call.effect = effect.unwrap_or_default();
    let wait = latency + call.effect.latency();
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    if call.effect == Effect::Hang {
        return hang(shared).await;
    }
    let answer = answered(&server, &call, sequence);
    let cut = matches!(call.effect, Effect::Reset | Effect::LostAnswer | Effect::HangAnswer);
    shared.lock().log.add(Entry {
        sequence,
        side: match server.side {
            Side::Kubernetes => "kubernetes".to_owned(),
            Side::Azure => "azure".to_owned(),
        },
        user_agent: call.header("user-agent").map(ToOwned::to_owned),
        method: call.method,
        path: call.target,
        status: if cut { 0 } else { answer.status },
        fault,
    });
    match call.effect {
        Effect::HangAnswer => hang(shared).await,
        Effect::Reset | Effect::LostAnswer => {
            wire.reset();
            Response::new(Body::empty())
        }
        Effect::WrongContentType => {
            Answer::text(answer.status, "text/html", "<html><body>Sign in</body></html>")
                .into_response(shared)
        }
        Effect::HalfAnswer => half(answer.into_response(shared)).await,
        _ => answer.into_response(shared),
    }
}

/// Why a request is refused that a page in a browser may have made: a world may hold what was observed of a
/// real cluster, and a page may send requests to loopback addresses, or have a name of its own lead there.
fn foreign(parts: &http::request::Parts) -> Option<&'static str> {
    let header = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let is_own = |host: &str| {
        let name = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
        let name = name.map_or(host, |(name, _)| name);
        name.eq_ignore_ascii_case("localhost") || privlink_http::is_loopback(name)
    };
    let hosts = [header("host"), parts.uri.authority().map(|it| it.as_str())];
    if !hosts.into_iter().flatten().all(is_own) {
        return Some("the sandbox answers to loopback addresses and to localhost");
    }
    if header("origin").is_some() {
        return Some("the sandbox answers no page of a browser");
    }
    // What a user types into a browser's address field is `none`.
    let site = header("sec-fetch-site").unwrap_or("none");
    (site != "none").then_some("the sandbox answers no page of a browser")
}

/// The answer: of who is asked, or of the fault in their place.
fn answered(server: &Server, call: &Call, sequence: u64) -> Answer {
    let answer = match (&call.effect, server.side) {
        (Effect::Reset, _) => Answer::status_only(0),
        (Effect::Status { status, code, message, retry_after }, side) => {
            let answer = match side {
                Side::Kubernetes => kubernetes::status::injected(*status, message),
                Side::Azure => azure::error::injected(&call.target, *status, code, message),
            };
            match retry_after {
                Some(seconds) => answer.header("Retry-After", &seconds.to_string()),
                None => answer,
            }
        }
        _ => dispatch(server, call),
    };
    let answer = match server.side {
        Side::Kubernetes => answer,
        Side::Azure => with_request_id(answer, call, sequence),
    };
    match call.effect.clock() {
        0 => answer,
        seconds => answer.header("Date", &crate::clock::http_date(seconds)),
    }
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
    if !call.is_let_in() {
        return Some(Answer::text(401, "text/plain", "the sandbox wants a bearer token"));
    }
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
