//! A Service as the API server stores it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::pointer::At;

/// A namespace and a name. Ordered by namespace, then by name.
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Key {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Key {
    /// A key of its two parts.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A number the API server hands out, or the mark of one that it has not handed out yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Number {
    /// Known.
    Known(i64),
    /// A mark, see [`crate::unknown`].
    Unknown(String),
}

impl Default for Number {
    fn default() -> Self {
        Self::Known(0)
    }
}

impl Number {
    /// A number or a mark from JSON; anything else counts as 0.
    pub fn from_value(value: Option<&Value>) -> Self {
        match value {
            Some(Value::String(mark)) => Self::Unknown(mark.clone()),
            Some(value) => Self::Known(value.as_i64().unwrap_or_default()),
            None => Self::default(),
        }
    }

    /// As JSON.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Known(number) => Value::from(*number),
            Self::Unknown(mark) => Value::from(mark.clone()),
        }
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Known(number) => write!(f, "{number}"),
            Self::Unknown(mark) => f.write_str(mark),
        }
    }
}

/// A port of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServicePort {
    /// Its name, empty if it has none.
    pub name: String,
    /// `TCP`, `UDP`, `SCTP`.
    pub protocol: String,
    /// The port.
    pub port: i64,
    /// The node port; 0 if none was allocated.
    pub node_port: Number,
    /// `http`, `https` and others.
    pub app_protocol: Option<String>,
}

/// A Service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Service {
    /// Namespace and name.
    pub key: Key,
    /// Its uid, possibly a mark.
    pub uid: String,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its finalizers.
    pub finalizers: Vec<String>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// `spec.type`.
    pub kind: String,
    /// `spec.ports`.
    pub ports: Vec<ServicePort>,
    /// `spec.ipFamilies`.
    pub ip_families: Vec<String>,
    /// `spec.loadBalancerIP`.
    pub load_balancer_ip: String,
    /// `spec.loadBalancerClass`.
    pub load_balancer_class: Option<String>,
    /// `spec.loadBalancerSourceRanges`.
    pub source_ranges: Vec<String>,
    /// `spec.externalIPs`.
    pub external_ips: Vec<String>,
    /// `spec.externalTrafficPolicy`.
    pub external_traffic_policy: String,
    /// `spec.healthCheckNodePort`.
    pub health_check_node_port: Number,
    /// `spec.sessionAffinity`.
    pub session_affinity: String,
    /// `spec.sessionAffinityConfig`.
    pub session_affinity_config: Option<Value>,
    /// The addresses of `status.loadBalancer.ingress`.
    pub ingress: Vec<String>,
    /// The whole object.
    pub object: Arc<Value>,
}

impl Service {
    /// A Service from its object. Fields of a wrong type count as absent: the API server would have
    /// refused them.
    ///
    /// # Errors
    /// What is missing: a name.
    pub fn from_value(object: impl Into<Arc<Value>>) -> Result<Self, String> {
        let object = object.into();
        let text =
            |pointer: &str| object.at(pointer).and_then(Value::as_str).map(ToOwned::to_owned);
        let texts = |pointer: &str| -> Vec<String> {
            object
                .at(pointer)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|item| item.as_str().map(ToOwned::to_owned))
                .collect()
        };
        let map = |pointer: &str| -> BTreeMap<String, String> {
            object
                .at(pointer)
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
                .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
                .collect()
        };
        let array = |pointer: &str| {
            object.at(pointer).and_then(Value::as_array).map_or(&[][..], Vec::as_slice)
        };
        let name = text("/metadata/name").ok_or("the Service has no name")?;
        let namespace = text("/metadata/namespace").unwrap_or_else(|| "default".to_owned());
        Ok(Self {
            key: Key { namespace, name },
            uid: text("/metadata/uid").unwrap_or_default(),
            annotations: map("/metadata/annotations"),
            labels: map("/metadata/labels"),
            finalizers: texts("/metadata/finalizers"),
            deleting: object.at("/metadata/deletionTimestamp").is_some(),
            kind: text("/spec/type").unwrap_or_else(|| "ClusterIP".to_owned()),
            ports: array("/spec/ports").iter().map(port).collect(),
            ip_families: texts("/spec/ipFamilies"),
            load_balancer_ip: text("/spec/loadBalancerIP").unwrap_or_default(),
            load_balancer_class: text("/spec/loadBalancerClass"),
            source_ranges: texts("/spec/loadBalancerSourceRanges"),
            external_ips: texts("/spec/externalIPs"),
            external_traffic_policy: text("/spec/externalTrafficPolicy").unwrap_or_default(),
            health_check_node_port: Number::from_value(object.at("/spec/healthCheckNodePort")),
            session_affinity: text("/spec/sessionAffinity").unwrap_or_default(),
            session_affinity_config: object.at("/spec/sessionAffinityConfig").cloned(),
            ingress: array("/status/loadBalancer/ingress")
                .iter()
                .filter_map(|ingress| ingress.get("ip")?.as_str().map(ToOwned::to_owned))
                .collect(),
            object,
        })
    }

    /// The object, with this Service's status, finalizers and nothing else changed.
    pub fn to_value(&self) -> Value {
        self.object.as_ref().clone()
    }

    /// Whether the controller looks after it: type `LoadBalancer` without a class.
    pub fn wants_load_balancer(&self) -> bool {
        self.kind == "LoadBalancer" && self.load_balancer_class.is_none()
    }
}

fn port(value: &Value) -> ServicePort {
    let text = |field: &str| value.get(field).and_then(Value::as_str).map(ToOwned::to_owned);
    ServicePort {
        name: text("name").unwrap_or_default(),
        protocol: text("protocol").unwrap_or_else(|| "TCP".to_owned()),
        port: value.field("port").and_then(Value::as_i64).unwrap_or_default(),
        node_port: Number::from_value(value.field("nodePort")),
        app_protocol: text("appProtocol"),
    }
}
