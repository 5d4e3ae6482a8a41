//! An Event on a Service whose write made use of consent: who disconnects whom shows where people look.

use http::Method;
use privlink_core::guard::review::Request;
use privlink_core::plan::Consent;
use privlink_kubernetes::{Call, Doing, KubernetesClient};
use serde_json::{Value, json};

/// An Event, not written yet.
#[derive(Debug)]
pub(crate) struct Event {
    namespace: String,
    body: Value,
}

/// The Event of a write to an object that made use of consents.
pub(crate) fn of_consent(request: &Request, object: &Value, consents: &[Consent]) -> Event {
    let consents: Vec<String> =
        consents.iter().map(|it| format!("{} until {}", it.endpoint, it.until)).collect();
    let now = format!("{:.0}", jiff::Timestamp::now());
    let (namespace, name) = (&request.key.namespace, &request.key.name);
    let body = json!({
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
    });
    Event { namespace: namespace.clone(), body }
}

/// Writes an Event; a failure is told in the log alone.
pub(crate) async fn write(kubernetes: KubernetesClient, event: Event) {
    let Event { namespace, body } = event;
    let object = format!("an Event in {namespace}");
    let call = Call {
        doing: Doing::Update,
        object: &object,
        method: Method::POST,
        path: format!("/api/v1/namespaces/{namespace}/events"),
        content_type: "application/json",
        body: Some(&body),
    };
    if let Err(error) = kubernetes.call(&call).await {
        tracing::warn!(%error, "the Event of a consent was not written");
    }
}
