//! One review: read, judged within its deadline, answered, counted and told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Json, Response};
use http::StatusCode;
use privlink_core::guard::policy::Policy;
use privlink_core::guard::review::{self, Request};
use privlink_core::guard::{self, Decision, Outcome, Seen};
use privlink_core::inventory::Inventory;
use privlink_render as render;

use crate::decided::Decided;
use crate::metrics::Failure;
use crate::observation::Observation;
use crate::server::Shared;

/// Answers a review.
pub(crate) async fn answer(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let began = Instant::now();
    let request = match review::read(&body) {
        Ok(request) => Arc::new(request),
        Err(why) => {
            shared.metrics.failed(Failure::Body);
            return (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response();
        }
    };
    let today = (shared.options.today)();
    let decision = match judged(&shared, &request, began).await {
        Some(decision) => decision,
        None => {
            shared.metrics.failed(Failure::Deadline);
            let most = shared.options.deadline.as_secs_f64();
            let trouble = format!("there was no answer within {most} s");
            decide(&shared, &request, &Observation::default(), Some(trouble))
        }
    };
    let answer = render::guard::answer(&request, &decision, today).to_value();
    let took = began.elapsed();
    shared.metrics.decided(request.operation, &decision, took);
    (shared.options.told)(&Decided::new(&request, &decision, took));
    shared.consents.expect(&request, &decision);
    let is_judged = matches!(decision.outcome, Outcome::Judged(_));
    if is_judged && decision.verdict.is_allowed() && !request.dry_run {
        shared.written.notify_one();
    }
    Json(answer).into_response()
}

/// A decision, if there is one by the deadline. It is worked out beside the connections: a large world takes a processor
/// for a while.
async fn judged(shared: &Arc<Shared>, request: &Arc<Request>, began: Instant) -> Option<Decision> {
    let left = || shared.options.deadline.saturating_sub(began.elapsed());
    let permit = tokio::time::timeout(left(), Arc::clone(&shared.permits).acquire_owned());
    let permit = permit.await.ok()?.ok()?;
    let known = shared.known.borrow().clone();
    let (own, request) = (Arc::clone(shared), Arc::clone(request));
    let work = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let trouble = known.trouble(own.options.max_age);
        decide(&own, &request, &known, trouble)
    });
    tokio::time::timeout(left().max(Duration::from_millis(1)), work).await.ok()?.ok()
}

fn decide(
    shared: &Shared,
    request: &Request,
    known: &Observation,
    trouble: Option<String>,
) -> Decision {
    let options = &shared.options;
    let nothing;
    let read = match &known.read {
        Some(read) => read,
        None => {
            nothing = shared.nothing();
            &nothing
        }
    };
    let policy = Policy { namespaces: known.namespaces.as_ref().clone(), ..options.policy.clone() };
    let seen = Seen {
        live: &Inventory::with_azure(&read.snapshot, &read.azure),
        facts: &read.facts,
        stack: options.stack.as_ref(),
        trouble: trouble.as_deref(),
        today: (options.today)(),
        tool_version: options.tool_version,
    };
    guard::decide(request, &policy, &seen)
}
