//! Private Link Services.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::arm::resource::PrivateLinkService;
use crate::arm::world::World;
use crate::connection_status::ConnectionStatus;
use crate::consumer::Consumer;
use crate::controller::OWNER_TAG;
use crate::kubernetes::service::Key;
use crate::node::fields::clean;
use crate::node::{Node, Owners, plain};
use crate::node_id::{Kind, NodeId};
use crate::resource_id::ResourceId;

/// The address of a Private Link Service: its frontend's Service, or where it lies.
pub(crate) fn address(service: &PrivateLinkService, owners: &Owners) -> NodeId {
    let id = ResourceId::new(service.id());
    let owner = owners.of_link(service);
    let name = owner.map_or_else(
        || format!("{}/{}", id.resource_group().unwrap_or_default(), id.name()),
        ToString::to_string,
    );
    NodeId::new(Kind::PrivateLinkService, name)
}

pub(crate) fn node(service: &Arc<PrivateLinkService>, owners: &Owners) -> (NodeId, Node) {
    let own = Arc::clone(service);
    let mut node = plain(service.id(), owners.of_link(service), move || clean(own.as_ref()));
    let nat = service.properties.ip_configurations.iter().flatten().next();
    let subnet = nat.and_then(|nat| nat.properties.subnet.as_ref());
    node.subnet = subnet.map(|subnet| ResourceId::new(subnet.id()));
    node.frontend = frontend(service);
    node.identity = identity(service).map(ToOwned::to_owned);
    node.consumers = consumers(service);
    (address(service, owners), node)
}

/// The frontend a Private Link Service is on.
pub(crate) fn frontend(service: &PrivateLinkService) -> Option<ResourceId> {
    let frontends = service.properties.load_balancer_frontend_ip_configurations.as_deref()?;
    frontends.first().map(|frontend| ResourceId::new(frontend.id()))
}

/// The Service that the controller's tag names as its owner.
pub(crate) fn owner(service: &PrivateLinkService) -> Option<Key> {
    let owner = tag(service, OWNER_TAG)?.to_ascii_lowercase();
    let (namespace, name) = owner.split_once('/')?;
    Some(Key::new(namespace, name))
}

/// The value of a tag; names of tags have no case to Azure.
pub(crate) fn tag<'a>(service: &'a PrivateLinkService, name: &str) -> Option<&'a str> {
    let mut tags = service.tags.iter().flatten();
    tags.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// The address that a Private Link Service leads to by itself, without a load balancer (Direct Connect). It has no
/// frontend, so that no Service owns it and nothing is compared with one.
pub(crate) fn destination(service: &PrivateLinkService) -> Option<&str> {
    service.properties.other.get("destinationIPAddress")?.as_str()
}

/// What tells a Private Link Service from another of the same name: its alias, which is made with it
/// and never changes, and else its guid.
pub(crate) fn identity(service: &PrivateLinkService) -> Option<&str> {
    let guid = || service.properties.resource_guid.as_deref();
    service.properties.alias.as_deref().or_else(guid)
}

/// What Azure and privlink write where nobody wrote anything.
const NO_MESSAGE: [&str; 4] = ["", "Auto Approved", "Awaiting Approval", "Approved by privlink"];

/// Whether Azure failed what was last decided on the connection of an endpoint, so that it is not in force.
pub(crate) fn has_failed(service: &PrivateLinkService, endpoint: &ResourceId) -> bool {
    let connections = service.properties.private_endpoint_connections.iter().flatten();
    let mut of_endpoint = connections.filter(|connection| {
        let id = connection.properties.private_endpoint.as_ref();
        id.is_some_and(|id| ResourceId::new(id.id()) == *endpoint)
    });
    of_endpoint.any(|connection| {
        let state = connection.properties.provisioning_state.as_deref();
        state.is_some_and(crate::provisioning::is_failure)
    })
}

/// A port of a load balancer's address, as rules spell it: protocol in capitals, and number.
pub(crate) type Port = (String, i64);

/// The ports that are served through a Private Link Service, each with the rule that serves it.
pub(crate) fn served(world: &World, link: &PrivateLinkService) -> BTreeMap<Port, String> {
    let Some(on) = frontend(link) else { return BTreeMap::new() };
    let rules = world
        .load_balancers
        .values()
        .flat_map(|balancer| balancer.properties.load_balancing_rules.iter().flatten());
    let on_it = rules.filter(|rule| {
        let at = rule.properties.frontend_ip_configuration.as_ref();
        at.is_some_and(|at| at.id().eq_ignore_ascii_case(on.as_str()))
    });
    on_it
        .filter_map(|rule| {
            let protocol = rule.properties.protocol.as_deref()?.to_uppercase();
            Some(((protocol, rule.properties.frontend_port?), rule.name().to_owned()))
        })
        .collect()
}

/// Who is connected to a Private Link Service, in order of their endpoints' ids.
pub(crate) fn consumers(service: &PrivateLinkService) -> Vec<Consumer> {
    let connections = service.properties.private_endpoint_connections.iter().flatten();
    let mut consumers: Vec<Consumer> = connections
        .map(|connection| {
            let properties = &connection.properties;
            let endpoint = properties.private_endpoint.as_ref().map(|endpoint| endpoint.id());
            let state = properties.private_link_service_connection_state.as_ref();
            let id = ResourceId::new(endpoint.unwrap_or_default());
            Consumer {
                endpoint: id.as_str().to_owned(),
                subscription: id.subscription().unwrap_or_default().to_owned(),
                request_message: state
                    .and_then(|state| state.description.clone())
                    .filter(|description| !NO_MESSAGE.contains(&description.as_str()))
                    .unwrap_or_default(),
                status: state
                    .and_then(|state| state.status.as_deref())
                    .map(ConnectionStatus::from)
                    .unwrap_or_default(),
                own: false,
                owner: None,
            }
        })
        .collect();
    consumers.sort();
    consumers
}
