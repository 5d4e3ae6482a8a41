//! An Event on a Service whose write made use of consent: who disconnects whom shows where people look.

use k8s_openapi::api::core::v1::Event;
use privlink_core::guard::review::Request;
use privlink_core::guard::{Decision, Outcome};
use privlink_kubernetes::params::PostParams;
use privlink_kubernetes::{Call, Doing, KubernetesClient, requests};
use serde_json::{Value, json};

/// The Event of a decision, if there is something to keep: the write is let through by consent, and is no dry run.
pub(crate) fn of(request: &Request, decision: &Decision) -> Option<Value> {
    let Outcome::Judged(judgement) = &decision.outcome else { return None };
    if judgement.consents.is_empty() || request.dry_run || !decision.verdict.is_allowed() {
        return None;
    }
    let object = request.object.as_ref().or(request.old_object.as_ref())?;
    let consents: Vec<String> =
        judgement.consents.iter().map(|it| format!("{} until {}", it.endpoint, it.until)).collect();
    let now = format!("{:.0}", jiff::Timestamp::now());
    let (namespace, name) = (&request.key.namespace, &request.key.name);
    Some(json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"generateName": format!("{name}."), "namespace": namespace},
        "involvedObject": {
            "apiVersion": "v1", "kind": "Service", "namespace": namespace, "name": name,
            "uid": object.pointer("/metadata/uid"),
        },
        "type": "Warning",
        "reason": "DisconnectAllowed",
        "message": format!("{} writes it with consent to disconnect {}", request.user, consents.join(", ")),
        "source": {"component": "privlink-guard"},
        "reportingComponent": "privlink-guard",
        "firstTimestamp": now, "lastTimestamp": now, "count": 1,
    }))
}

/// Writes an Event; a failure is told in the log alone.
pub(crate) async fn write(kubernetes: KubernetesClient, namespace: String, event: Value) {
    let request = requests::<Event>(Some(&namespace))
        .create(&PostParams::default(), event.to_string().into_bytes());
    let call = Call::new(Doing::Update, format!("an Event in {namespace}"), request);
    if let Err(error) = kubernetes.call(&call).await {
        tracing::warn!(%error, "the Event of a consent was not written");
    }
}
