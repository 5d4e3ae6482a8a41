//! What a sync did.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::arm::error::ArmError;
use crate::controller::failure::Failure;
use crate::evidence::Evidence;
use crate::kubernetes::service::Key;
use crate::resource_id::ResourceId;

/// The method of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Create or replace.
    Put,
    /// Delete.
    Delete,
}

impl Method {
    /// As HTTP spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// A body that is made when asked for.
#[derive(Clone)]
pub struct Body(std::sync::Arc<dyn Fn() -> Value + Send + Sync>);

impl Body {
    /// A body of something that serializes.
    pub fn of<T: Serialize + Send + Sync + 'static>(value: std::sync::Arc<T>) -> Self {
        Self(std::sync::Arc::new(move || serde_json::to_value(value.as_ref()).unwrap_or_default()))
    }

    /// The body's JSON.
    pub fn to_value(&self) -> Value {
        (self.0)()
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Body")
    }
}

/// A write to ARM.
#[derive(Clone, Debug)]
pub struct Write {
    /// The method.
    pub method: Method,
    /// What is written.
    pub id: ResourceId,
    /// The body of a PUT.
    pub body: Option<Body>,
    /// The `If-Match` header.
    pub if_match: Option<String>,
    /// ARM's answer: the status, or the refusal.
    pub answer: Result<u16, ArmError>,
}

/// `Normal` or `Warning`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EventType {
    /// All is well.
    Normal,
    /// Something is wrong.
    Warning,
}

/// A Kubernetes event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The Service it is about.
    pub service: Key,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// Its reason.
    pub reason: String,
    /// Its message.
    pub message: String,
    /// Who sends it: `service-controller` or `azure-cloud-provider`.
    pub source: String,
}

/// What a sync did to one thing, for plans.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// What was done.
    pub action: Action,
    /// To what: a frontend, a PLS, a load balancer, a connection of a PLS, a subnet, a public IP.
    pub id: ResourceId,
    /// Why.
    pub reason: Reason,
    /// How sure that is.
    pub evidence: Evidence,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Re-created.
    Created,
    /// Changed in place.
    Updated,
    /// Deleted and re-created.
    Recreated,
    /// Deleted.
    Deleted,
}

/// Why the controller did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reason {
    /// The Service needs it.
    Wanted,
    /// The Service needs it no more, or is gone.
    Unwanted,
    /// The frontend's name changed: the Service's subnet or IP families changed.
    NameChanged,
    /// The frontend's subnet changed.
    SubnetChanged,
    /// The address asked for is another.
    AddressChanged,
    /// The public IP is another.
    PublicIpChanged,
    /// The frontend it was on went away.
    FrontendWent,
    /// Fields differ from what the Service says.
    Differs,
    /// It was in state `Failed`.
    Failed,
    /// The Service became public, or internal.
    LoadBalancerChanged,
    /// Its name was in use on another frontend: it is taken over.
    TakenOver,
    /// A PLS needs its subnet's policy disabled.
    PolicyEnabled,
}

/// What one sync of one Service did.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The Service.
    pub service: Key,
    /// The writes, in order.
    pub writes: Vec<Write>,
    /// The events, in order.
    pub events: Vec<Event>,
    /// The status the controller set: addresses, in order. `None`: it left it as it was.
    pub status: Option<Vec<String>>,
    /// The finalizers the Service has afterwards.
    pub finalizers: Vec<String>,
    /// Why it failed.
    pub error: Option<Failure>,
    /// What it did to frontends, PLS and others.
    pub effects: Vec<Effect>,
}

/// What the controller did upon one trigger.
#[derive(Clone, Debug, Default)]
pub struct Reaction {
    /// The syncs, in order. Empty: it did nothing.
    pub outcomes: Vec<Outcome>,
}
