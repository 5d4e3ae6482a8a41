//! The provider's side: connections, who may see a PLS, and who is approved.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::arm::azure::{Azure, Done, check_match, not_found};
use crate::arm::error::ArmError;
use crate::arm::resource::{
    ConnectionState, EndpointConnection, EndpointConnectionProperties, PrivateLinkService,
    Reference,
};
use crate::arm::world::World;
use crate::resource_id::ResourceId;

use super::{AUTOMATIC, Directory, MANUAL, Request, bad_request, set, text};

impl Azure<'_> {
    /// Shows a new endpoint on the provider's side.
    pub(super) fn add_connection(
        &mut self,
        id: &ResourceId,
        body: &Value,
        request: &Request,
        service: Arc<PrivateLinkService>,
        status: &str,
    ) {
        let service_id = ResourceId::new(service.id());
        let mut service = Arc::unwrap_or_clone(service);
        let guid = self.hand.guid(id);
        let etag = self.hand.etag(&service_id);
        let name = format!("{}.{guid}", id.name());
        let description = match (status, request.message.as_str()) {
            ("Approved", _) => "Auto Approved".to_owned(),
            (_, "") => "Awaiting approval".to_owned(),
            (_, message) => message.to_owned(),
        };
        let connection = EndpointConnection {
            id: Some(service_id.child("privateEndpointConnections", &name).as_str().to_owned()),
            name: Some(name),
            etag: Some(etag.clone()),
            kind: Some(
                "Microsoft.Network/privateLinkServices/privateEndpointConnections".to_owned(),
            ),
            properties: EndpointConnectionProperties {
                private_endpoint: Some(Reference::to(id.as_str())),
                private_link_service_connection_state: Some(ConnectionState {
                    status: Some(status.to_owned()),
                    description: Some(description),
                    actions_required: Some("None".to_owned()),
                    ..ConnectionState::default()
                }),
                provisioning_state: Some("Succeeded".to_owned()),
                link_identifier: Some(link_identifier(&guid)),
                private_endpoint_location: Some(text(body, "/location").to_owned()),
                ..EndpointConnectionProperties::default()
            },
            ..EndpointConnection::default()
        };
        service.etag = Some(etag);
        service.properties.private_endpoint_connections.get_or_insert_default().push(connection);
        self.world.private_link_services.insert(service_id.key(), Arc::new(service));
    }

    /// Changes the provider's view of an endpoint's connection.
    pub(super) fn set_connection_state(
        &mut self,
        endpoint: &ResourceId,
        status: Option<&str>,
        description: Option<&str>,
    ) {
        for service in self.world.private_link_services.values_mut() {
            let connections = service.properties.private_endpoint_connections.as_deref();
            let Some(at) = connections.unwrap_or_default().iter().position(|connection| {
                let of = connection.properties.private_endpoint.as_ref();
                of.is_some_and(|of| of.id().eq_ignore_ascii_case(endpoint.as_str()))
            }) else {
                continue;
            };
            let etag = self.hand.etag(&ResourceId::new(service.id()));
            let service = Arc::make_mut(service);
            service.etag = Some(etag.clone());
            let connections = service.properties.private_endpoint_connections.as_deref_mut();
            if let Some(connection) = connections.unwrap_or_default().get_mut(at) {
                connection.etag = Some(etag);
                let state = connection
                    .properties
                    .private_link_service_connection_state
                    .get_or_insert_default();
                state.status = status.map(ToOwned::to_owned).or(state.status.take());
                state.description = description.map(ToOwned::to_owned).or(state.description.take());
            }
        }
    }

    /// A PUT of a connection by the provider: approves or rejects it, on both sides.
    ///
    /// # Errors
    /// 404 without the PLS or the connection, 412, 400 for any other state than `Approved` and
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
        let existing = self.world.get(id).ok_or_else(|| not_found(id))?;
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
        let description = match text(body, &format!("{state}/description")) {
            "" => status,
            given => given,
        };
        let endpoint = ResourceId::new(text(&existing, "/properties/privateEndpoint/id"));
        self.set_connection_state(&endpoint, Some(status), Some(description));
        self.mirror_to_endpoint(&endpoint, status, description);
        Ok(Done::Updated)
    }

    /// Shows a state on the endpoint's side.
    fn mirror_to_endpoint(&mut self, endpoint: &ResourceId, status: &str, description: &str) {
        let Some(resource) = self.world.others.get(&endpoint.key()) else { return };
        let mut resource = resource.as_ref().clone();
        let etag = self.hand.etag(endpoint);
        set(&mut resource, "", "etag", json!(etag));
        for list in [AUTOMATIC, MANUAL] {
            let items = resource.pointer_mut(&format!("/properties/{list}"));
            for item in items.and_then(Value::as_array_mut).into_iter().flatten() {
                let state = json!({
                    "status": status, "description": description, "actionsRequired": "None",
                });
                set(item, "/properties", "privateLinkServiceConnectionState", state);
                set(item, "", "etag", json!(etag));
            }
        }
        self.world.others.insert(endpoint.key(), Arc::new(resource));
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

/// A number that tells consumers apart, made of the connection's guid: Azure's are of this size.
fn link_identifier(guid: &str) -> String {
    let digits = guid.get(..4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    digits.map_or_else(|| guid.to_owned(), |number| (536_870_912 + number).to_string())
}
