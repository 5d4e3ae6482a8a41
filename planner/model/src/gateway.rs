//! The Services that controllers of the Gateway API make of Gateways.
//!
//! One table by controller: which Service comes of a Gateway, with its name and namespace, the annotations and labels that
//! are copied, ports from listeners, and what the parameters of a class or a Gateway change. All of it was read in the
//! controllers' sources; of Istio and Envoy Gateway it is recorded too (`tests/recordings/gateways`). What a controller makes
//! that nobody can tell from a Gateway and its parameters is said to be unknown.

mod envoy;
mod envoy_listener;
mod istio;
mod nginx;
mod patch;

use serde_json::{Map, Value, json};

use crate::evidence::Evidence;
use crate::kubernetes::managers::{Tool, author};
use crate::pointer::{At, text};

pub use patch::{laid, merged};

/// The group of Gateways and their classes.
pub const GROUP: &str = "gateway.networking.k8s.io";

/// The label that says of which Gateway a Service was made.
pub const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

/// A controller that makes Services of Gateways.
#[derive(Debug)]
pub struct Controller {
    /// Its name.
    pub name: &'static str,
    /// The tool that it is, as a writer of Services.
    pub tool: Tool,
    /// The names it goes by in `spec.controllerName` of a GatewayClass.
    pub controllers: &'static [&'static str],
    /// The names of classes that are its own where no GatewayClass says whose they are.
    pub classes: &'static [&'static str],
    /// Whether it makes these classes itself, so that nobody writes them down.
    pub makes_classes: bool,
    /// Parameters that may decide about the Service: group and kind.
    pub parameters: (&'static str, &'static str),
    /// Whether annotations of the Gateway itself are copied where it has none under `spec.infrastructure`.
    pub copies_metadata: bool,
    /// Whether a Service stays when its Gateway, which is still there, comes to another or to none.
    pub leaves: bool,
    /// How sure the row is.
    pub evidence: Evidence,
    /// What it was read in.
    pub source: &'static str,
    make: fn(&Controller, &Given<'_>) -> Made,
}

/// What a Service is made of.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// The Gateway, its namespace filled in.
    pub gateway: &'a Value,
    /// The parameters of its class: an EnvoyProxy, a NginxProxy, or of a ConfigMap what Istio lays over objects, by entry, its
    /// entry `service` read as YAML.
    pub of_class: Option<&'a Value>,
    /// Its own parameters.
    pub of_gateway: Option<&'a Value>,
}

/// What comes of a Gateway.
#[derive(Clone, Debug, PartialEq)]
pub enum Made {
    /// This Service, without what depends on the controller's version or on other objects: the Gateway's uid, labels that
    /// some versions write.
    Service {
        /// The Service.
        service: Box<Value>,
        /// What was assumed that no document says, in words.
        assumed: Vec<&'static str>,
    },
    /// None: why, in words that stand after "because".
    Nothing(&'static str),
    /// Nobody can tell: why, in words that stand after "because".
    Unknown(&'static str),
}

/// The controllers that are known.
pub const TABLE: [Controller; 4] = [
    Controller {
        name: "Istio",
        tool: Tool::Istio,
        controllers: &["istio.io/gateway-controller"],
        classes: &["istio"],
        makes_classes: true,
        parameters: ("", "ConfigMap"),
        copies_metadata: true,
        leaves: true,
        evidence: Evidence::Recorded,
        source: "istio 1.31.0, recorded; 1.26 to 1.31: files/kube-gateway.yaml of the chart istiod, pilot's deploymentcontroller.go",
        make: istio::make,
    },
    // AKS runs Istio's controller for its class; under which name is not documented.
    Controller {
        name: "AKS application routing (Istio)",
        tool: Tool::Istio,
        controllers: &[],
        classes: &["approuting-istio"],
        makes_classes: true,
        parameters: ("", "ConfigMap"),
        copies_metadata: true,
        leaves: true,
        evidence: Evidence::Documented,
        source: "learn.microsoft.com/azure/aks/app-routing-gateway-api, and Istio's source as above",
        make: istio::make,
    },
    Controller {
        name: "Envoy Gateway",
        tool: Tool::EnvoyGateway,
        controllers: &["gateway.envoyproxy.io/gatewayclass-controller"],
        classes: &["eg", "envoy", "envoy-gateway"],
        makes_classes: false,
        parameters: ("gateway.envoyproxy.io", "EnvoyProxy"),
        copies_metadata: false,
        leaves: false,
        evidence: Evidence::Recorded,
        source: "envoyproxy/gateway v1.9.0, recorded: internal/infrastructure/kubernetes/proxy/resource_provider.go",
        make: envoy::make,
    },
    Controller {
        name: "NGINX Gateway Fabric",
        tool: Tool::NginxGateway,
        controllers: &["gateway.nginx.org/nginx-gateway-controller"],
        classes: &["nginx"],
        makes_classes: false,
        parameters: ("gateway.nginx.org", "NginxProxy"),
        copies_metadata: false,
        leaves: false,
        evidence: Evidence::Documented,
        source: "nginx/nginx-gateway-fabric v2.6.7: internal/controller/provisioner/objects.go",
        make: nginx::make,
    },
];

/// Classes and controllers that make no Service with a load balancer: Application Gateway for Containers, Istio's
/// waypoints.
const WITHOUT: [(&str, &str); 2] = [
    ("azure-alb-external", "alb.networking.azure.io/alb-controller"),
    ("istio-waypoint", "istio.io/mesh-controller"),
];

/// The controller of a class: by the name that its GatewayClass gives, or else by the class's own.
pub fn controller(class: &str, named: Option<&str>) -> Option<&'static Controller> {
    let by_class = TABLE.iter().find(|row| row.classes.contains(&class));
    match named {
        // A class that its controller makes is that controller's, whatever name a copy of it has.
        Some(named) => TABLE
            .iter()
            .find(|row| row.controllers.contains(&named))
            .or_else(|| by_class.filter(|row| row.makes_classes)),
        None => by_class,
    }
}

/// Whether a class is known to make no Service with a load balancer.
pub fn makes_none(class: &str, named: Option<&str>) -> bool {
    WITHOUT.iter().any(|(own, controller)| named.map_or(*own == class, |it| it == *controller))
}

impl Controller {
    /// The Service that comes of a Gateway.
    pub fn make(&self, given: &Given<'_>) -> Made {
        (self.make)(self, given)
    }
}

/// The Gateway that a live Service was made of, as `namespace/name`, and whose it is: by its owner, which is a Gateway or
/// the class of one, and by labels.
pub fn made_of(service: &Value) -> Option<String> {
    let labels = service.at("/metadata/labels");
    let label = |name: &str| labels?.get(name)?.as_str();
    let owners = service.at("/metadata/ownerReferences").and_then(Value::as_array);
    let is_gateways = |owner: &&Value| {
        text(owner, "/apiVersion").starts_with(GROUP) && text(owner, "/kind") == "Gateway"
    };
    let owner = owners.into_iter().flatten().find(is_gateways).map(|it| text(it, "/name"));
    let namespace = text(service, "/metadata/namespace");
    if let Some(owner) = owner {
        return Some(format!("{namespace}/{owner}"));
    }
    let owning = |part: &str| label(&format!("gateway.envoyproxy.io/owning-gateway-{part}"));
    Some(format!("{}/{}", owning("namespace")?, owning("name")?))
}

/// Whether a live Service stays when its Gateway, which is still there, comes to another or to none: Istio writes what a Gateway
/// comes to, and deletes nothing.
pub fn is_left_behind(service: &Value) -> bool {
    let tool = author(service).tool;
    TABLE.iter().any(|row| row.leaves && Some(row.tool) == tool)
}

/// The entries of `spec.infrastructure` or `metadata` of a Gateway that are text.
fn texts(value: Option<&Value>) -> Map<String, Value> {
    let entries = value.and_then(Value::as_object).into_iter().flatten();
    entries.filter(|(_, it)| it.is_string()).map(|(key, it)| (key.clone(), it.clone())).collect()
}

/// The listeners of a Gateway that have a port: name, protocol, port.
fn listeners(gateway: &Value) -> impl Iterator<Item = (&str, &str, i64)> {
    let all = gateway.at("/spec/listeners").and_then(Value::as_array).into_iter().flatten();
    all.filter_map(|it| Some((text(it, "/name"), text(it, "/protocol"), it.get("port")?.as_i64()?)))
}

/// The IP addresses that a Gateway asks for; an address without a type is one.
fn addresses(gateway: &Value) -> Vec<&str> {
    let all = gateway.at("/spec/addresses").and_then(Value::as_array).into_iter().flatten();
    let is_ip = |it: &&Value| matches!(text(it, "/type"), "" | "IPAddress");
    all.filter(is_ip).map(|it| text(it, "/value")).filter(|it| !it.is_empty()).collect()
}

/// A Service of these parts.
fn service(metadata: Value, spec: Map<String, Value>) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
}

/// Metadata, without empty parts.
fn metadata(
    (namespace, name): (&str, &str),
    annotations: Map<String, Value>,
    labels: Map<String, Value>,
) -> Value {
    let mut metadata = json!({"name": name, "namespace": namespace});
    if let Some(metadata) = metadata.as_object_mut() {
        if !annotations.is_empty() {
            metadata.insert("annotations".to_owned(), annotations.into());
        }
        if !labels.is_empty() {
            metadata.insert("labels".to_owned(), labels.into());
        }
    }
    metadata
}

/// The first eight digits of a text's SHA-256.
fn short_hash(text: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(text).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
