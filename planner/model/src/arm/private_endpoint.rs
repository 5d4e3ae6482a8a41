//! Private endpoints and both views of their connections.
//!
//! A connection is one thing seen from two sides: an item of the endpoint's connection lists, and an
//! item of the PLS's `privateEndpointConnections`. The functions here keep the two in step
//! (arm-contract, section 2, "States and mirroring"; `tests/recordings/azure`). Error codes marked
//! *synthetic* are made up, since nobody has written down Azure's.

mod connection;
mod interface;

use std::sync::Arc;

use crate::arm::arm_type::ArmType;
use crate::location;
use crate::resource_id::ResourceId;

use super::azure::{Azure, Done, check_match, missing_reference, succeeded};
use super::delegation;
use super::error::ArmError;
use super::name::check_name;
use super::resource::{
    ConnectionState, DnsConfig, EndpointConnection, PrivateEndpoint, PrivateEndpointProperties,
    PrivateLinkService, Reference, ServiceConnection, ServiceConnectionProperties,
};
use super::write::set_etags;

pub use connection::{alias_is_visible, approves_at_once};
pub use interface::{addresses_of, reflect};
pub(super) use interface::{not_in_subnet, subnet_is_full};

use connection::{Change, initial_status, is_visible};

const KIND: &str = ArmType::PrivateEndpoint.name();
const AUTOMATIC: &str = "privateLinkServiceConnections";
const MANUAL: &str = "manualPrivateLinkServiceConnections";
/// What a connection says while nobody approved it and no message was sent.
const AWAITING: &str = "Awaiting Approval";

/// Who asks, and whose things are whose.
pub trait Directory {
    /// The tenant of a subscription.
    fn tenant_of(&self, subscription: &str) -> Option<String>;
    /// Whether the caller may see a PLS by its role.
    fn may_read(&self, service: &ResourceId) -> bool;
    /// Whether the caller may approve connections to a PLS
    /// (`Microsoft.Network/privateLinkServices/PrivateEndpointConnectionsApproval/action`).
    fn may_approve(&self, service: &ResourceId) -> bool;
}

/// The one connection a body asks for. Its message may be longer than the 140 characters of ARM's description:
/// Azure takes 1,000 (Azure/azure-sdk-for-go#14739).
#[derive(Debug, PartialEq)]
struct Request {
    manual: bool,
    name: String,
    target: String,
    message: String,
    groups: Vec<String>,
}

fn bad_request(code: &str, message: impl Into<String>) -> ArmError {
    ArmError::new(400, code, message)
}

impl Request {
    fn parse(id: &ResourceId, body: &PrivateEndpoint) -> Result<Self, ArmError> {
        let properties = &body.properties;
        let automatic = properties.private_link_service_connections.iter().flatten();
        let manual = properties.manual_private_link_service_connections.iter().flatten();
        let found = automatic.map(|it| (it, false)).chain(manual.map(|it| (it, true)));
        let [(item, manual)] = found.collect::<Vec<_>>()[..] else {
            return Err(bad_request(
                "InvalidRequestFormat",
                format!(
                    "Private endpoint {id} must have exactly one private link service connection."
                ),
            ));
        };
        let request = Self {
            manual,
            name: item.name().to_owned(),
            target: item.target().to_owned(),
            message: item.properties.request_message.clone().unwrap_or_default(),
            groups: item.properties.group_ids.clone().unwrap_or_default(),
        };
        if request.target.is_empty() || request.name.is_empty() {
            return Err(bad_request(
                "InvalidRequestFormat",
                "Cannot parse the request. A private link service connection needs a name and a privateLinkServiceId.",
            ));
        }
        Ok(request)
    }

    fn list(&self) -> &'static str {
        if self.manual { MANUAL } else { AUTOMATIC }
    }

    /// Whether the target is an alias and no id.
    fn by_alias(&self) -> bool {
        !self.target.starts_with('/')
    }
}

impl Azure<'_> {
    /// A PUT of a private endpoint. A new one gets an address, an interface, and a connection whose
    /// state follows from the two subscriptions and the PLS's lists; of a live one only tags, the
    /// request message and security groups may change.
    ///
    /// # Errors
    /// ARM's refusal: 412, missing references, a delegated subnet, a target that is missing or hidden,
    /// another tenant, the address, an interface of the name asked for, a change that needs another endpoint.
    pub fn put_private_endpoint(
        &mut self,
        id: &ResourceId,
        body: &PrivateEndpoint,
        if_match: Option<&str>,
        directory: &dyn Directory,
    ) -> Result<Done, ArmError> {
        self.strike("PUT", id.as_str())?;
        check_name(id)?;
        let existing = self.world.private_endpoints.get(&id.key()).cloned();
        check_match(id, existing.as_ref().and_then(|it| it.etag.as_deref()), if_match)?;
        let request = Request::parse(id, body)?;
        let subnet = self.subnet_of_endpoint(id, body)?;
        match existing {
            Some(existing) => {
                self.change_endpoint(id, Arc::unwrap_or_clone(existing), body, &request, &subnet)?;
                Ok(Done::Updated)
            }
            None => {
                self.create_endpoint(id, body, &request, &subnet, directory)?;
                Ok(Done::Created)
            }
        }
    }

    /// The endpoint's subnet, as it spells itself.
    fn subnet_of_endpoint(
        &self,
        id: &ResourceId,
        body: &PrivateEndpoint,
    ) -> Result<ResourceId, ArmError> {
        let wanted = body.subnet();
        if wanted.is_empty() {
            return Err(bad_request(
                "InvalidRequestFormat",
                "Cannot parse the request. The property 'subnet' is required.",
            ));
        }
        let subnet = self.world.subnets.get(&wanted.to_lowercase());
        let subnet = subnet.ok_or_else(|| missing_reference(wanted, id))?;
        let subnet = ResourceId::new(subnet.id());
        let network = subnet.parent().unwrap_or_default();
        let network = self.world.virtual_networks.get(&network.key());
        let location = network.and_then(|network| network.location.as_deref());
        let wanted = body.location.as_deref().unwrap_or_default();
        if !location.is_some_and(|it| location::is_same(it, wanted)) {
            return Err(missing_reference(subnet.as_str(), id));
        }
        Ok(subnet)
    }

    fn create_endpoint(
        &mut self,
        id: &ResourceId,
        body: &PrivateEndpoint,
        request: &Request,
        subnet: &ResourceId,
        directory: &dyn Directory,
    ) -> Result<(), ArmError> {
        if let Some(subnet) = self.world.subnets.get(&subnet.key()) {
            delegation::check_endpoint(id, subnet)?;
        }
        let service = self.target(request, id, directory)?;
        let state = service.properties.provisioning_state.as_deref();
        self.check_provisioned((service.id(), state), id)?;
        let status = initial_status(id, request, &service, directory)?;
        self.check_interface_name(id, body)?;
        let (interface, name) = self.interface_of(id, body);
        let by = interface.child("ipConfigurations", &name);
        let address = self.address_of_endpoint(id, body, (subnet, &by))?;
        self.create_interface(id, body, &by, &address, &service);
        let etag = self.allocator.etag(id);
        let guid = self.allocator.guid(id);
        let awaiting = if status == "Approved" { "Auto Approved" } else { AWAITING };
        let mut connection = connection_item(id, request, &etag, status, awaiting);
        if request.manual && !request.message.is_empty() {
            connection.properties.request_message = Some(request.message.clone());
        }
        let names = service.properties.fqdns.iter().flatten().map(|fqdn| DnsConfig {
            fqdn: Some(fqdn.clone()),
            ip_addresses: Some(vec![address.clone()]),
            ..DnsConfig::default()
        });
        let (automatic, manual) = match request.manual {
            false => (vec![connection], Vec::new()),
            true => (Vec::new(), vec![connection]),
        };
        let asked = &body.properties;
        let interface_name = asked.custom_network_interface_name.clone().unwrap_or_default();
        let mut endpoint = PrivateEndpoint {
            name: Some(id.name().to_owned()),
            id: Some(id.as_str().to_owned()),
            etag: Some(etag),
            kind: Some(KIND.to_owned()),
            location: Some(body.location.clone().unwrap_or_default()),
            properties: PrivateEndpointProperties {
                resource_guid: Some(guid),
                private_link_service_connections: Some(automatic),
                manual_private_link_service_connections: Some(manual),
                custom_network_interface_name: Some(interface_name),
                subnet: Some(Reference::to(subnet.as_str())),
                ip_configurations: Some(asked.ip_configurations.clone().unwrap_or_default()),
                network_interfaces: Some(vec![Reference::to(interface.as_str())]),
                custom_dns_configs: Some(names.collect()),
                ..PrivateEndpointProperties::default()
            },
            ..PrivateEndpoint::default()
        };
        copy_changeable(&mut endpoint, body);
        self.world.private_endpoints.insert(id.key(), Arc::new(endpoint));
        self.add_connection(id, request, service, status);
        Ok(())
    }

    /// The PLS a request names, if the endpoint's subscription may see it.
    fn target(
        &self,
        request: &Request,
        id: &ResourceId,
        directory: &dyn Directory,
    ) -> Result<Arc<PrivateLinkService>, ArmError> {
        if request.by_alias() && !request.manual {
            // Synthetic: an alias has to be in the manual list.
            return Err(bad_request(
                "PrivateLinkServiceAliasRequiresManualConnection",
                format!(
                    "The alias {} can be used in manualPrivateLinkServiceConnections only.",
                    request.target
                ),
            ));
        }
        let remote = ResourceId::new(request.target.as_str());
        let remote = remote.subscription().unwrap_or_default();
        if !request.by_alias() && directory.tenant_of(remote).is_none() {
            // The words are quoted, the code is synthetic.
            return Err(bad_request(
                "RemoteSubscriptionNotRegistered",
                format!(
                    "Subscription {remote} of remote resource {} is not registered with Microsoft.Network resource provider.",
                    request.target
                ),
            ));
        }
        let services = &self.world.private_link_services;
        let found = if request.by_alias() {
            services.values().find(|service| {
                let alias = service.properties.alias.as_deref();
                alias.is_some_and(|alias| alias.eq_ignore_ascii_case(&request.target))
            })
        } else {
            services.get(&request.target.to_lowercase())
        };
        let subscription = id.subscription().unwrap_or_default();
        found
            .filter(|service| {
                let service_id = ResourceId::new(service.id());
                let same_tenant = directory.tenant_of(subscription).is_some()
                    && directory.tenant_of(subscription)
                        == directory.tenant_of(service_id.subscription().unwrap_or_default());
                is_visible(service, subscription)
                    || (same_tenant && directory.may_read(&service_id))
            })
            .cloned()
            .ok_or_else(|| {
                // One code for missing and hidden, so that nobody can probe for the hidden.
                bad_request(
                    "ThirdPartyPrivateLinkServiceProvidedDuringPrivateEndpointCreationDoesNotExistOrIsNotVisible",
                    format!(
                        "Third-party Private Link Service Id {} provided during Private Endpoint creation does not exist or is not visible.",
                        request.target
                    ),
                )
            })
    }

    fn change_endpoint(
        &mut self,
        id: &ResourceId,
        mut endpoint: PrivateEndpoint,
        body: &PrivateEndpoint,
        request: &Request,
        subnet: &ResourceId,
    ) -> Result<(), ArmError> {
        let live = Request::parse(id, &endpoint)?;
        if !endpoint.subnet().eq_ignore_ascii_case(subnet.as_str()) {
            // The code is quoted by pulumi/pulumi-azure-native#3883, the words by Microsoft's page on private
            // endpoints of PostgreSQL.
            return Err(bad_request(
                "CannotChangeSubnetOnExistingPrivateEndpoint",
                format!(
                    "Cannot change the subnet in which the network interface for private endpoint {id} is created. Current subnet: '{}.' Requested subnet: '{subnet}.'",
                    endpoint.subnet()
                ),
            ));
        }
        let same = live.manual == request.manual
            && live.target.eq_ignore_ascii_case(&request.target)
            && live.name == request.name
            && live.groups == request.groups;
        if !same {
            return Err(bad_request(
                "CannotChangePrivateLinkConnectionOnPrivateEndpoint",
                format!(
                    "Cannot change the private link connection on private endpoint {id}. Please ensure you are not updating the details of existing private link connection: '{}'. That is not allowed.",
                    id.child(live.list(), &live.name)
                ),
            ));
        }
        copy_changeable(&mut endpoint, body);
        let connection = endpoint.connections_mut().next();
        let pending = connection.filter(|it| request.manual && it.status() == "Pending");
        if let Some(connection) = pending
            && live.message != request.message
        {
            let message = Some(request.message.as_str()).filter(|it| !it.is_empty());
            connection.properties.request_message = message.map(ToOwned::to_owned);
            self.set_connection_state(id, &Change::description(message.unwrap_or(AWAITING)));
        }
        self.world.private_endpoints.insert(id.key(), Arc::new(endpoint));
        self.renew_etag(id);
        Ok(())
    }

    /// A DELETE of a private endpoint: its interface, its DNS zone groups and the PLS's view of its
    /// connection go with it.
    ///
    /// # Errors
    /// 412.
    pub fn delete_private_endpoint(
        &mut self,
        id: &ResourceId,
        if_match: Option<&str>,
    ) -> Result<Done, ArmError> {
        self.strike("DELETE", id.as_str())?;
        let Some(existing) = self.world.private_endpoints.get(&id.key()).cloned() else {
            return Ok(Done::Absent);
        };
        check_match(id, existing.etag.as_deref(), if_match)?;
        let groups = format!("{}/privatednszonegroups/", id.key());
        let groups = self.world.keys_below(&groups);
        for group in groups.map(ResourceId::new).collect::<Vec<_>>() {
            self.delete_zone_group(&group)?;
        }
        for interface in existing.properties.network_interfaces.iter().flatten() {
            self.world.remove(&ResourceId::new(interface.id()));
        }
        self.world.remove(id);
        let reached = Request::parse(id, &existing).map(|request| request.target);
        let reached = reached.ok().filter(|target| target.starts_with('/'));
        let services = &mut self.world.private_link_services;
        // Where the id says which one it is, no other has to be asked.
        let one = reached.map(|target| services.get_mut(&target.to_lowercase()));
        let asked: Vec<_> = match one {
            Some(one) => one.into_iter().collect(),
            None => services.values_mut().collect(),
        };
        for service in asked {
            let is_its = |connection: &EndpointConnection| {
                let of = connection.properties.private_endpoint.as_ref();
                of.is_some_and(|of| of.id().eq_ignore_ascii_case(id.as_str()))
            };
            let connections = service.properties.private_endpoint_connections.as_deref();
            if !connections.unwrap_or_default().iter().any(is_its) {
                continue;
            }
            let etag = self.allocator.etag(&ResourceId::new(service.id()));
            let service = Arc::make_mut(service);
            set_etags(service, &etag);
            if let Some(connections) = &mut service.properties.private_endpoint_connections {
                connections.retain(|connection| !is_its(connection));
            }
        }
        Ok(Done::Deleted)
    }
}

fn connection_item(
    id: &ResourceId,
    request: &Request,
    etag: &str,
    status: &str,
    description: &str,
) -> ServiceConnection {
    let list = request.list();
    ServiceConnection {
        name: Some(request.name.clone()),
        id: Some(id.child(list, &request.name).as_str().to_owned()),
        etag: Some(etag.to_owned()),
        kind: Some(format!("{KIND}/{list}")),
        properties: ServiceConnectionProperties {
            provisioning_state: succeeded(),
            private_link_service_id: Some(request.target.clone()),
            group_ids: Some(request.groups.clone()).filter(|groups| !groups.is_empty()),
            private_link_service_connection_state: Some(ConnectionState {
                status: Some(status.to_owned()),
                description: Some(description.to_owned()),
                actions_required: Some("None".to_owned()),
                ..ConnectionState::default()
            }),
            ..ServiceConnectionProperties::default()
        },
        ..ServiceConnection::default()
    }
}

/// What of an endpoint may change while it lives.
fn copy_changeable(endpoint: &mut PrivateEndpoint, body: &PrivateEndpoint) {
    endpoint.tags = body.tags.clone().filter(|tags| !tags.is_empty());
    if let Some(groups) = &body.properties.application_security_groups {
        endpoint.properties.application_security_groups = Some(groups.clone());
    }
    // A write that goes through makes good what an earlier one failed.
    endpoint.properties.provisioning_state = succeeded();
}

#[cfg(test)]
mod tests;
