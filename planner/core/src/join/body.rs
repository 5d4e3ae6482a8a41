//! An endpoint's body: made from its document, compared with the live one, edited.

use serde_json::{Value, json};

use crate::address::Address;
use crate::change::FieldDiff;
use crate::desired::{Approval, PrivateEndpoint};
use crate::field_diff;
use crate::input::Input;
use crate::location;
use crate::marks::{DNS_TAG, PROTECT_TAG, STACK_TAG};
use crate::node::dns_record;
use crate::node::private_endpoint::OWN_TAGS;
use crate::node::private_endpoint::{comparable, live_connection};
use crate::plan::Finding;
use crate::pointer::At;
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
) -> Value {
    let mut connection = json!({
        "name": endpoint.connection_name,
        "properties": {"privateLinkServiceId": reached.target, "groupIds": []},
    });
    if let Some(message) = &endpoint.request_message
        && let Some(properties) = connection.get_mut("properties").and_then(Value::as_object_mut)
    {
        properties.insert("requestMessage".to_owned(), message.value.clone().into());
    }
    let (automatic, manual) = match endpoint.approval {
        Approval::Automatic => (json!([connection]), json!([])),
        Approval::Manual => (json!([]), json!([connection])),
    };
    let addresses: Vec<Value> = endpoint
        .address
        .iter()
        .map(|address| {
            json!({
                "name": format!("{}-ip", endpoint.resource_name().value),
                "properties": {"privateIPAddress": address.value.to_string()},
            })
        })
        .collect();
    json!({
        "location": location,
        "tags": tags(input, endpoint),
        "properties": {
            "subnet": {"id": subnet.as_str()},
            "privateLinkServiceConnections": automatic,
            "manualPrivateLinkServiceConnections": manual,
            "ipConfigurations": addresses,
        },
    })
}

/// privlink's own tags: whose it is, whether it is protected, where its name is kept.
fn tags(input: &Input<'_>, endpoint: &PrivateEndpoint) -> Value {
    let mut tags = json!({STACK_TAG: input.wanted.name()});
    if let Some(tags) = tags.as_object_mut() {
        if endpoint.protect {
            tags.insert(PROTECT_TAG.to_owned(), "true".into());
        }
        let id = input.id(endpoint);
        if let Some(place) = dns_record::place(endpoint, &id) {
            tags.insert(DNS_TAG.to_owned(), place.into());
        }
    }
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

pub(super) fn compare(live: &Value, body: &Value) -> Vec<FieldDiff> {
    let failure = provisioning::field(live);
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
pub(crate) fn unlanded(live: &Value, body: &Value) -> Vec<FieldDiff> {
    let mut fields = compare(live, body);
    fields.retain(|field| field.path != "requestMessage" || takes_message(live));
    fields
}

/// Whether Azure takes another request message of an endpoint: while nobody decided on its connection. It
/// keeps what it has from then on (ARM contract, table "In place?").
fn takes_message(live: &Value) -> bool {
    live_connection(live).is_none_or(|it| it.manual && it.status == "Pending")
}

/// What is found where the request message is another one, and would not land.
pub(super) fn message_that_stays(
    (at, wanted): (&Address, &PrivateEndpoint),
    live: &Value,
    body: &Value,
) -> Option<Finding> {
    let differs = compare(live, body).iter().any(|field| field.path == "requestMessage");
    if !differs || takes_message(live) {
        return None;
    }
    let place = wanted.request_message.as_ref().map_or(&wanted.name.span, |it| &it.span);
    Some(Finding::new(MESSAGE_STAYS, at.clone(), "its requestMessage is other than the live one, which Azure keeps once a connection is decided on").help("Write the live message into the document, or re-create the endpoint with --replace.").at(place))
}

/// The live endpoint with what can change in place changed.
pub(crate) fn updated(live: &Value, body: &Value) -> Value {
    let mut updated = live.clone();
    if let (Some(tags), Some(wanted)) = (
        updated.as_object_mut().map(|fields| fields.entry("tags").or_insert_with(|| json!({}))),
        body.get("tags").and_then(Value::as_object),
    ) && let Some(tags) = tags.as_object_mut()
    {
        tags.retain(|tag, _| !OWN_TAGS.contains(&tag.as_str()));
        tags.extend(wanted.clone());
    }
    if !takes_message(live) {
        return updated;
    }
    for list in ["privateLinkServiceConnections", "manualPrivateLinkServiceConnections"] {
        let pointer = format!("/properties/{list}/0/properties");
        let message = body.at(&pointer).and_then(|it| it.get("requestMessage")).cloned();
        let Some(properties) = updated.pointer_mut(&pointer).and_then(Value::as_object_mut) else {
            continue;
        };
        // A message that is left out stays as it was; an empty one takes it back.
        properties.insert("requestMessage".to_owned(), message.unwrap_or_else(|| "".into()));
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
