//! An Event on a Service whose write made use of consent: who disconnects whom shows where people look.

use k8s_openapi::api::core::v1::Event as Stored;
use privlink_core::guard::review::Request;
use privlink_core::plan::Consent;
use privlink_kubernetes::params::PostParams;
use privlink_kubernetes::{Call, Doing, KubernetesClient, requests};
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
    let request = requests::<Stored>(Some(&namespace))
        .create(&PostParams::default(), body.to_string().into_bytes());
    let call = Call::new(Doing::Update, format!("an Event in {namespace}"), request);
    if let Err(error) = kubernetes.call(&call).await {
        tracing::warn!(%error, "the Event of a consent was not written");
    }
}
