//! What the API server does to an object on its way in: it must fit its kind, be named as the path
//! says, and gets its defaults.

use std::collections::BTreeSet;

use privlink_model::kubernetes::defaults::{self, Network};
use privlink_model::kubernetes::service::Key;
use privlink_model::kubernetes::validation::minor_version;
use privlink_model::kubernetes::validation::{self, Cause, Cluster, NODE_PORTS, Taken};
use serde_json::{Value, json};

use crate::state::State;
use crate::world::allocator::Allocator;

use super::resource::Resource;
use super::status::Refusal;
use super::write::Write;
use super::{service, store};

/// The ranges of cluster IPs (`--service-cluster-ip-range`): AKS's default of IPv4, and one of IPv6.
const SERVICE_RANGES: [&str; 2] = ["10.0.0.0/16", "fd00:10::/108"];
/// How many node ports there are.
const NODE_PORT_COUNT: u32 = 2_768;

/// The object with the kind, name and namespace of its path, which it must not contradict.
pub(super) fn named(state: &mut State, write: &Write, mut object: Value) -> Result<Value, Refusal> {
    let resource = write.target.resource;
    if !object.is_object() {
        return Err(Refusal::bad_request(format!(
            "the object provided is unrecognized (must be of type {})",
            resource.kind
        )));
    }
    let version = resource.api_version();
    for (field, expected) in [("apiVersion", version.as_str()), ("kind", resource.kind)] {
        match object.get(field).and_then(Value::as_str) {
            None => super::object::set(&mut object, field, json!(expected)),
            Some(found) if found == expected => {}
            Some(found) => {
                return Err(Refusal::bad_request(format!(
                    "the {field} in the data ({found}) does not match the expected {field} \
                     ({expected})"
                )));
            }
        }
    }
    let name = write.target.name.clone();
    let namespace = write.target.namespace.clone().filter(|_| resource.namespaced);
    let Some(metadata) = store::metadata(&mut object) else {
        return Err(Refusal::bad_request("metadata must be an object"));
    };
    for (field, expected) in [("name", name), ("namespace", namespace)] {
        let Some(expected) = expected else { continue };
        match metadata.get(field).and_then(Value::as_str).filter(|found| !found.is_empty()) {
            None => drop(metadata.insert(field.to_owned(), json!(expected))),
            Some(found) if found == expected => {}
            Some(found) if field == "name" => {
                return Err(Refusal::bad_request(format!(
                    "the name of the object ({found}) does not match the name on the URL \
                     ({expected})"
                )));
            }
            Some(_) => {
                return Err(Refusal::bad_request(
                    "the namespace of the provided object does not match the namespace sent on \
                     the request",
                ));
            }
        }
    }
    let has_name =
        metadata.get("name").and_then(Value::as_str).is_some_and(|name| !name.is_empty());
    if !has_name {
        let Some(prefix) = metadata.get("generateName").and_then(Value::as_str) else {
            return Err(Refusal::invalid(
                resource.kind,
                "",
                &[Cause {
                    reason: "FieldValueRequired",
                    message: "Required value: name or generateName is required".to_owned(),
                    field: "metadata.name".to_owned(),
                }],
            ));
        };
        let guid = state.world.allocator.guid(&format!("{}/{prefix}", resource.kind));
        let name = format!("{prefix}{}", guid.get(..5).unwrap_or_default());
        metadata.insert("name".to_owned(), json!(name));
    }
    Ok(object)
}

/// The object without fields its kind does not have, if its values are of the right types.
pub(super) fn checked(write: &Write, object: Value) -> Result<Value, Refusal> {
    let resource = write.target.resource;
    let (known, unknown) = resource.schema.known(&object);
    if write.strict && !unknown.is_empty() {
        let fields: Vec<String> =
            unknown.iter().map(|field| format!("unknown field {field:?}")).collect();
        return Err(Refusal::bad_request(format!(
            "{} in version \"v1\" cannot be handled as a {}: strict decoding error: {}",
            resource.kind,
            resource.kind,
            fields.join(", ")
        )));
    }
    if resource.kind == "Service"
        && let Some(wrong) = service::wrong_type(&known)
    {
        return Err(Refusal::bad_request(format!(
            "Service in version \"v1\" cannot be handled as a Service: json: cannot unmarshal \
             {} into Go struct field {} of type {}",
            wrong.found, wrong.go_field, wrong.expected
        )));
    }
    Ok(known)
}

/// The object as a request is read, unless it is an apply: what it leaves out has its default, and is
/// its writer's as well.
pub(super) fn read(resource: &Resource, object: Value) -> Value {
    if resource.kind == "Service" { defaults::read(object) } else { object }
}

/// The configuration of an apply, which may name no field its kind does not have, and must have
/// values of the right types. The API server's words for it, and its status, are these.
pub(super) fn applied(write: &Write, config: Value) -> Result<Value, Refusal> {
    let resource = write.target.resource;
    let key = store::key_of(&config);
    let refuse = |why: String| Refusal {
        code: 500,
        reason: "",
        message: format!(
            "failed to create typed patch object ({}; {}, Kind={}): {why}",
            if key.namespace.is_empty() { key.name.clone() } else { key.to_string() },
            if resource.group.is_empty() { "/v1".to_owned() } else { resource.api_version() },
            resource.kind,
        ),
        details: None,
    };
    let (known, unknown) = resource.schema.known(&config);
    if let Some(field) = unknown.first() {
        return Err(refuse(format!(".{field}: field not declared in schema")));
    }
    if resource.kind == "Service"
        && let Some(wrong) = service::wrong_type(&known)
    {
        return Err(refuse(format!(
            ".{}: expected {}, got {}",
            wrong.path, wrong.expected, wrong.value
        )));
    }
    if let Some(key) = service::port_twice(&known).filter(|_| resource.kind == "Service") {
        return Err(refuse(format!(".spec.ports: duplicate entries for key {key}")));
    }
    Ok(known)
}

/// The object with its defaults, if it is valid.
pub(super) fn completed(
    state: &mut State,
    resource: &Resource,
    object: Value,
    live: Option<&Value>,
) -> Result<Value, Refusal> {
    if resource.kind == "Lease" {
        let key = store::key_of(&object);
        let causes = lease_causes(&object);
        return if causes.is_empty() {
            Ok(object)
        } else {
            Err(Refusal::invalid("Lease.coordination.k8s.io", &key.name, &causes))
        };
    }
    if resource.kind != "Service" {
        return Ok(object);
    }
    let network = Network { ip_families: state.world.facts.ip_families.clone() };
    let taken = taken(state, &store::key_of(&object));
    let causes = service::before_defaults(&object);
    let name = store::key_of(&object).name;
    if !causes.is_empty() {
        return Err(Refusal::invalid("Service", &name, &causes));
    }
    let own_ports = [Some(&object), live].into_iter().flatten().flat_map(node_ports).collect();
    let allocator = &mut state.world.allocator;
    let mut allocator = ServiceAllocator { allocator, taken: &taken, own_ports };
    let completed = match live {
        Some(live) => defaults::update(object, live, &network, &mut allocator),
        None => defaults::create(object, &network, &mut allocator),
    };
    let ranges = SERVICE_RANGES.map(str::to_owned);
    let cluster = Cluster { families: &network.ip_families, ranges: &ranges, taken: &taken };
    let mut causes = validation::allocated(&completed, live, &cluster);
    if causes.is_empty() {
        let version = minor_version(&state.world.kubernetes.version);
        causes.extend(validation::replaced(&completed, live, version));
    }
    if causes.is_empty() { Ok(completed) } else { Err(Refusal::invalid("Service", &name, &causes)) }
}

/// What is wrong with a Lease (`pkg/apis/coordination/validation`).
fn lease_causes(object: &Value) -> Vec<Cause> {
    let seconds = object.pointer("/spec/leaseDurationSeconds").filter(|value| !value.is_null());
    let wrong = seconds.filter(|value| value.as_i64().is_none_or(|seconds| seconds <= 0));
    let why = "must be greater than 0";
    let field = "spec.leaseDurationSeconds";
    wrong.map(|value| Cause::invalid(field, value, why)).into_iter().collect()
}

/// What Services other than this one have.
fn taken(state: &State, own: &Key) -> Taken {
    let Some(services) = Resource::find("", "services") else { return Taken::default() };
    let others = state.world.kubernetes.shelf(services).filter(|(key, _)| *key != own);
    Taken::of(others.map(|(_, object)| object))
}

/// The node ports of a Service, its health check's included.
fn node_ports(service: &Value) -> impl Iterator<Item = i64> {
    let ports = service.pointer("/spec/ports").and_then(Value::as_array);
    let ports = ports.into_iter().flatten().filter_map(|port| port.get("nodePort"));
    ports.chain(service.pointer("/spec/healthCheckNodePort")).filter_map(Value::as_i64)
}

/// Gives out what an API server gives out to Services.
struct ServiceAllocator<'a> {
    allocator: &'a mut Allocator,
    taken: &'a Taken,
    /// The node ports of the Service itself: those it has or asks for, and those drawn for it.
    own_ports: BTreeSet<i64>,
}

impl defaults::Allocator for ServiceAllocator<'_> {
    fn uid(&mut self, service: &Key) -> Value {
        json!(self.allocator.guid(&format!("Service/{service}")))
    }

    fn cluster_ip(&mut self, service: &Key, family: &str) -> Value {
        let of = format!("clusterIP {family} {service}");
        loop {
            let number = self.allocator.number(&of, 60_000) + 256;
            let address = if family == "IPv6" {
                format!("fd00:10::{number:x}")
            } else {
                format!("10.0.{}.{}", number / 256, number % 256)
            };
            if !self.taken.cluster_ips.contains(&address) {
                return json!(address);
            }
        }
    }

    fn node_port(&mut self, service: &Key, port: &str) -> Value {
        let of = format!("nodePort {service} {port}");
        let start = self.allocator.number(&of, NODE_PORT_COUNT);
        let free = (0..NODE_PORT_COUNT)
            .map(|step| NODE_PORTS.start() + i64::from((start + step) % NODE_PORT_COUNT))
            .find(|number| {
                !self.taken.node_ports.contains(number) && !self.own_ports.contains(number)
            });
        self.own_ports.extend(free);
        json!(free.unwrap_or(0))
    }
}
