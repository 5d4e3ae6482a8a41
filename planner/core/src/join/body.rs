//! An endpoint's body: made from its document, compared with the live one, edited.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::arm::resource::{
    EndpointAddress, EndpointAddressProperties, PrivateEndpoint as Live, PrivateEndpointProperties,
    Reference, ServiceConnection, ServiceConnectionProperties,
};
use crate::change::FieldDiff;
use crate::connection_status::ConnectionStatus;
use crate::desired::{Approval, PrivateEndpoint};
use crate::field_diff;
use crate::input::Input;
use crate::location;
use crate::marks::{DNS_TAG, PROTECT_TAG, STACK_TAG};
use crate::node::dns_record;
use crate::node::private_endpoint::{self, OWN_TAGS, comparable, live_connection};
use crate::node_id::NodeId;
use crate::plan::Finding;
use crate::provisioning;
use crate::resource_id::ResourceId;
use crate::rule::{Example, basis, rules};

use super::target::Reached;

/// The body that is written.
pub(super) fn body(
    input: &Input<'_>,
    endpoint: &PrivateEndpoint,
    reached: &Reached<'_>,
    subnet: &ResourceId,
    location: &str,
) -> Live {
    let connection = ServiceConnection {
        name: Some(endpoint.connection_name.clone()),
        properties: ServiceConnectionProperties {
            private_link_service_id: Some(reached.target.clone()),
            group_ids: Some(Vec::new()),
            request_message: endpoint.request_message.as_ref().map(|message| message.value.clone()),
            ..ServiceConnectionProperties::default()
        },
        ..ServiceConnection::default()
    };
    let (automatic, manual) = match endpoint.approval {
        Approval::Automatic => (vec![connection], Vec::new()),
        Approval::Manual => (Vec::new(), vec![connection]),
    };
    let asked = endpoint.address.iter().map(|address| EndpointAddress {
        name: Some(format!("{}-ip", endpoint.resource_name().value)),
        properties: EndpointAddressProperties {
            private_ip_address: Some(address.value.to_string()),
            ..EndpointAddressProperties::default()
        },
        ..EndpointAddress::default()
    });
    Live {
        location: Some(location.to_owned()),
        tags: Some(tags(input, endpoint)),
        properties: PrivateEndpointProperties {
            subnet: Some(Reference::to(subnet.as_str())),
            private_link_service_connections: Some(automatic),
            manual_private_link_service_connections: Some(manual),
            ip_configurations: Some(asked.collect()),
            ..PrivateEndpointProperties::default()
        },
        ..Live::default()
    }
}

/// privlink's own tags: whose it is, whether it is protected, where its name is kept.
fn tags(input: &Input<'_>, endpoint: &PrivateEndpoint) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::from([(STACK_TAG.to_owned(), input.wanted.name().to_owned())]);
    if endpoint.protect {
        tags.insert(PROTECT_TAG.to_owned(), "true".to_owned());
    }
    let id = private_endpoint::id(endpoint, &input.facts.subscription);
    tags.extend(dns_record::place(endpoint, &id).map(|place| (DNS_TAG.to_owned(), place)));
    tags
}

/// The fields of an endpoint that cannot change in place (ARM contract, table "In place?").
const IMMUTABLE: [&str; 6] = [
    "location",
    "subnet",
    "approval",
    "connectionName",
    "privateLinkServiceId",
    "privateIPAddress",
];

/// Whether two spellings mean the same: ids in any case, `East US` and `eastus`.
fn is_same(field: &FieldDiff) -> bool {
    let text = |side: &Option<Value>| side.as_ref().and_then(Value::as_str).map(location::plain);
    let by_case = ["location", "subnet", "privateLinkServiceId"];
    by_case.contains(&field.path.as_str()) && text(&field.before) == text(&field.after)
}

pub(super) fn compare(live: &Live, body: &Live) -> Vec<FieldDiff> {
    let failure = provisioning::field(live.properties.provisioning_state.as_deref());
    differing(&comparable(live), &comparable(body)).into_iter().chain(failure).collect()
}

/// What differs between what is compared of two endpoints.
pub(crate) fn differing(live: &Value, wanted: &Value) -> Vec<FieldDiff> {
    field_diff::fields(Some(live), Some(wanted))
        .into_iter()
        .map(|mut field| {
            field.forces_replacement = IMMUTABLE.contains(&field.path.as_str());
            field
        })
        .filter(|field| !is_same(field))
        // An address that was not asked for is Azure's choice, not a difference.
        .filter(|field| !(field.path == "privateIPAddress" && field.after.is_none()))
        .collect()
}

/// What a live endpoint shows otherwise than was written, as far as it can change.
pub(crate) fn unlanded(live: &Live, body: &Live) -> Vec<FieldDiff> {
    let mut fields = compare(live, body);
    fields.retain(|field| field.path != "requestMessage" || takes_message(live));
    fields
}

/// Whether Azure takes another request message of an endpoint: while nobody decided on its connection. It
/// keeps what it has from then on (ARM contract, table "In place?").
fn takes_message(live: &Live) -> bool {
    live_connection(live).is_none_or(|it| it.manual && it.status == ConnectionStatus::Pending)
}

/// What is found where the request message is another one, and would not land.
pub(super) fn message_that_stays(
    (at, wanted): (&NodeId, &PrivateEndpoint),
    live: &Live,
    body: &Live,
) -> Option<Finding> {
    let differs = compare(live, body).iter().any(|field| field.path == "requestMessage");
    if !differs || takes_message(live) {
        return None;
    }
    let place = wanted.request_message.as_ref().map_or(&wanted.name.span, |it| &it.span);
    Some(Finding::new(MESSAGE_STAYS, at.clone(), "its requestMessage is other than the live one, which Azure keeps once a connection is decided on").help("Write the live message into the document, or re-create the endpoint with --replace.").at(place))
}

/// The live endpoint with what can change in place changed.
pub(crate) fn updated(live: &Live, body: &Live) -> Live {
    let mut updated = live.clone();
    let tags = updated.tags.get_or_insert_default();
    tags.retain(|tag, _| !OWN_TAGS.contains(&tag.as_str()));
    tags.extend(body.tags.clone().unwrap_or_default());
    if !takes_message(live) {
        return updated;
    }
    let message = body.connection().and_then(|(it, _)| it.properties.request_message.clone());
    if let Some(connection) = updated.connections_mut().next() {
        // A message that is left out stays as it was; an empty one takes it back.
        connection.properties.request_message = Some(message.unwrap_or_default());
    }
    updated
}

rules! {
    /// The `requestMessage` of a document differs from the live endpoint's, whose connection is decided on already.
    /// Azure takes another message while a connection is Pending, and keeps the old one from then on, so it is not
    /// written.
    MESSAGE_STAYS = "message-stays", Note, [Desired, Live], {
        basis: basis::CONNECTION,
        advice: "Write the live message into the document, or make another request with \
            `--replace PrivateEndpoint/NAME`.",
        example: Example::live("requestMessage: please, once more   # live: please, and approved"),
    }
}
