//! The provider's side: connections, who may see a PLS, and who is approved.

use std::sync::Arc;

use serde_json::Value;

use crate::arm::arm_type::ArmType;
use crate::arm::azure::{Azure, Done, check_match, not_found};
use crate::arm::error::ArmError;
use crate::arm::resource::{
    ConnectionState, EndpointConnection, EndpointConnectionProperties, PrivateLinkService,
    Reference,
};
use crate::arm::world::World;
use crate::arm::write::set_etags;
use crate::pointer::{At, text};
use crate::resource_id::ResourceId;

use super::{AWAITING, Directory, Request, bad_request};

impl Azure<'_> {
    /// Shows a new endpoint on the provider's side. The connection is named for the endpoint and its
    /// guid.
    pub(super) fn add_connection(
        &mut self,
        id: &ResourceId,
        request: &Request,
        service: Arc<PrivateLinkService>,
        status: &str,
    ) {
        let endpoint = self.world.private_endpoints.get(&id.key()).cloned().unwrap_or_default();
        let guid = endpoint.properties.resource_guid.as_deref().unwrap_or_default();
        let service_id = ResourceId::new(service.id());
        let mut service = Arc::unwrap_or_clone(service);
        let etag = self.allocator.etag(&service_id);
        let name = format!("{}.{guid}", id.name());
        let description = match (status, request.message.as_str()) {
            ("Approved", _) => "Auto Approved".to_owned(),
            (_, "") => AWAITING.to_owned(),
            (_, message) => message.to_owned(),
        };
        let connection = EndpointConnection {
            id: Some(service_id.child("privateEndpointConnections", &name).as_str().to_owned()),
            name: Some(name),
            etag: Some(etag.clone()),
            kind: Some(ArmType::EndpointConnection.name().to_owned()),
            properties: EndpointConnectionProperties {
                private_endpoint: Some(Reference::to(id.as_str())),
                private_link_service_connection_state: Some(ConnectionState {
                    status: Some(status.to_owned()),
                    description: Some(description),
                    actions_required: Some("None".to_owned()),
                    ..ConnectionState::default()
                }),
                provisioning_state: Some("Succeeded".to_owned()),
                link_identifier: Some(link_identifier(guid)),
                private_endpoint_location: endpoint.location.clone(),
                ..EndpointConnectionProperties::default()
            },
            ..EndpointConnection::default()
        };
        service.properties.private_endpoint_connections.get_or_insert_default().push(connection);
        set_etags(&mut service, &etag);
        self.world.private_link_services.insert(service_id.key(), Arc::new(service));
    }

    /// Changes the provider's view of an endpoint's connection.
    pub(super) fn set_connection_state(&mut self, endpoint: &ResourceId, change: &Change<'_>) {
        for service in self.world.private_link_services.values_mut() {
            let connections = service.properties.private_endpoint_connections.as_deref();
            let Some(at) = connections.unwrap_or_default().iter().position(|connection| {
                let of = connection.properties.private_endpoint.as_ref();
                of.is_some_and(|of| of.id().eq_ignore_ascii_case(endpoint.as_str()))
            }) else {
                continue;
            };
            let etag = self.allocator.etag(&ResourceId::new(service.id()));
            let service = Arc::make_mut(service);
            set_etags(service, &etag);
            let connections = service.properties.private_endpoint_connections.as_deref_mut();
            if let Some(connection) = connections.unwrap_or_default().get_mut(at) {
                let state = connection
                    .properties
                    .private_link_service_connection_state
                    .get_or_insert_default();
                let or =
                    |new: Option<&str>, old: Option<String>| new.map(ToOwned::to_owned).or(old);
                state.status = or(change.status, state.status.take());
                state.description = or(change.description, state.description.take());
                state.actions_required = or(change.actions, state.actions_required.take());
                if change.status.is_some() {
                    // A decision that goes through makes good what an earlier one failed.
                    connection.properties.provisioning_state = Some("Succeeded".to_owned());
                }
            }
        }
    }

    /// A PUT of a connection by the provider: approves or rejects it, on both sides. A description that
    /// is not sent becomes empty (recorded).
    ///
    /// # Errors
    /// 404 without the PLS, 400 without the connection, 412, 400 for any other state than `Approved` and
    /// `Rejected`, or of a connection that is `Disconnected`.
    pub fn put_endpoint_connection(
        &mut self,
        id: &ResourceId,
        body: &Value,
        if_match: Option<&str>,
    ) -> Result<Done, ArmError> {
        self.strike("PUT", id.as_str())?;
        let parent = id.parent().unwrap_or_default();
        if !self.world.private_link_services.contains_key(&parent.key()) {
            return Err(not_found(&parent));
        }
        let existing = self.world.get(id).ok_or_else(|| {
            // The code is quoted, the words only in part.
            bad_request(
                "PrivateEndpointConnectionCannotBeCreatedByServiceProvider",
                format!(
                    "Private endpoint connection {id} cannot be created by the service provider."
                ),
            )
        })?;
        check_match(id, Some(text(&existing, "/etag")), if_match)?;
        let state = "/properties/privateLinkServiceConnectionState";
        let status = text(body, &format!("{state}/status"));
        let status = match status.to_lowercase().as_str() {
            "approved" => "Approved",
            "rejected" => "Rejected",
            _ => {
                // Synthetic.
                return Err(bad_request(
                    "InvalidPrivateLinkServiceConnectionState",
                    format!(
                        "The status '{status}' of connection {id} is not valid. It can be 'Approved' or 'Rejected'."
                    ),
                ));
            }
        };
        if text(&existing, &format!("{state}/status")) == "Disconnected" {
            // Synthetic.
            return Err(bad_request(
                "PrivateEndpointConnectionIsDisconnected",
                format!(
                    "The connection {id} is disconnected. Its endpoint has to be created again."
                ),
            ));
        }
        let actions = body.at(&format!("{state}/actionsRequired")).and_then(Value::as_str);
        let change = Change {
            status: Some(status),
            description: Some(text(body, &format!("{state}/description"))),
            actions: Some(actions.unwrap_or("None")),
        };
        let endpoint = ResourceId::new(text(&existing, "/properties/privateEndpoint/id"));
        self.set_connection_state(&endpoint, &change);
        self.mirror_to_endpoint(&endpoint, &change);
        Ok(Done::Updated)
    }

    /// Shows a state on the endpoint's side.
    fn mirror_to_endpoint(&mut self, endpoint: &ResourceId, change: &Change<'_>) {
        let Some(resource) = self.world.private_endpoints.get_mut(&endpoint.key()) else { return };
        for connection in Arc::make_mut(resource).connections_mut() {
            let own = |text: Option<&str>| text.map(ToOwned::to_owned);
            connection.properties.private_link_service_connection_state = Some(ConnectionState {
                status: own(change.status),
                description: own(change.description),
                actions_required: own(change.actions),
                ..ConnectionState::default()
            });
        }
        self.renew_etag(endpoint);
    }
}

/// What changes of a connection's state; what is `None` stays.
pub(super) struct Change<'a> {
    status: Option<&'a str>,
    description: Option<&'a str>,
    actions: Option<&'a str>,
}

impl<'a> Change<'a> {
    /// Of the description alone.
    pub(super) const fn description(description: &'a str) -> Self {
        Self { status: None, description: Some(description), actions: None }
    }
}

/// Whether a PLS is visible to a subscription by its own list, or belongs to it.
pub(super) fn is_visible(service: &PrivateLinkService, subscription: &str) -> bool {
    let own = ResourceId::new(service.id());
    let lists = service.properties.visibility.as_ref();
    own.subscription().is_some_and(|own| own.eq_ignore_ascii_case(subscription))
        || lists
            .and_then(|lists| lists.subscriptions.as_deref())
            .unwrap_or_default()
            .iter()
            .any(|listed| listed == "*" || listed.eq_ignore_ascii_case(subscription))
}

/// Whether a PLS with this alias may be used by a subscription
/// (`checkPrivateLinkServiceVisibility`).
pub fn alias_is_visible(world: &World, alias: &str, subscription: &str) -> bool {
    world.private_link_services.values().any(|service| {
        let is_it = service.properties.alias.as_deref();
        is_it.is_some_and(|it| it.eq_ignore_ascii_case(alias)) && is_visible(service, subscription)
    })
}

/// Whether a PLS approves a subscription at once.
pub fn approves_at_once(service: &PrivateLinkService, subscription: &str) -> bool {
    let lists = service.properties.auto_approval.as_ref();
    let listed = lists.and_then(|lists| lists.subscriptions.as_deref()).unwrap_or_default();
    listed.iter().any(|listed| listed == "*" || listed.eq_ignore_ascii_case(subscription))
}

/// The state a new connection begins in.
pub(super) fn initial_status(
    id: &ResourceId,
    request: &Request,
    service: &PrivateLinkService,
    directory: &dyn Directory,
) -> Result<&'static str, ArmError> {
    let subscription = id.subscription().unwrap_or_default();
    let service_id = ResourceId::new(service.id());
    let provider = service_id.subscription().unwrap_or_default();
    let approved = approves_at_once(service, subscription);
    if request.manual {
        return Ok(if approved { "Approved" } else { "Pending" });
    }
    let tenant = directory.tenant_of(subscription);
    if tenant != directory.tenant_of(provider) {
        return Err(ArmError::new(
            403,
            "LinkedAuthorizationFailed",
            format!(
                "The client has permission to perform action 'Microsoft.Network/privateLinkServices/PrivateEndpointConnectionsApproval/action' on scope '{id}', however the current tenant '{}' is not authorized to access linked subscription '{provider}'.",
                tenant.unwrap_or_default()
            ),
        ));
    }
    if approved || directory.may_approve(&service_id) {
        return Ok("Approved");
    }
    Err(ArmError::new(
        403,
        "LinkedAuthorizationFailed",
        format!(
            "The client has permission to perform action 'Microsoft.Network/privateEndpoints/write' on scope '{id}'; however, it does not have permission to perform action(s) 'Microsoft.Network/privateLinkServices/PrivateEndpointConnectionsApproval/action' on the linked scope(s) '{service_id}' or the linked scope(s) are invalid."
        ),
    ))
}

/// A number that tells consumers apart, made of the endpoint's guid: Azure's are of this size
/// (520137877 is recorded).
fn link_identifier(guid: &str) -> String {
    let digits = guid.get(..6).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    digits.map_or_else(|| guid.to_owned(), |number| (0x1f00_0000 + number).to_string())
}
