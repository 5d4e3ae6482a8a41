//! Whether what a step writes is what its change shows: worked out once more from what the plan is bound
//! to. Of a Service that changes in place that takes its live field managers, so it is looked at when it
//! is written ([`crate::landed::beyond_service`]).

use serde_json::Value;

use crate::change::{Action, Change, FieldDiff};
use crate::diff::service::created;
use crate::field_diff;
use crate::join;
use crate::join::service::made_anew;
use crate::node::{dns_record, private_endpoint};
use crate::node_id::Kind;
use crate::pointer::At;
use crate::token;

/// A field that a Service's manifest would set and the change does not show.
pub(super) fn of_service(
    change: &Change,
    manifest: &Value,
    observed: Option<&Value>,
) -> Option<String> {
    let fields = match change.action {
        Action::Create => created(manifest),
        Action::Replace => {
            let live = observed?.get("object")?;
            join::service::changed(live, &made_anew(manifest, live)?)
        }
        _ => return None,
    };
    hidden(change, fields)
}

/// A field that a resource's body would set and the change does not show.
pub(super) fn of_resource(
    change: &Change,
    (body, is_there): (&Value, bool),
    observed: Option<&Value>,
) -> Option<String> {
    let live = observed.filter(|it| !it.is_null() && change.action != Action::Create);
    if change.address.kind == Kind::DnsRecord {
        let wanted = dns_record::comparable(body);
        let fields = field_diff::fields(live, Some(&wanted));
        return unknown_field(body, RECORD).or_else(|| hidden(change, fields));
    }
    if change.address.kind != Kind::PrivateEndpoint {
        return Some("a resource that privlink does not write".to_owned());
    }
    let wanted = private_endpoint::comparable(&private_endpoint::parsed(body));
    let fields = match live.and_then(|it| it.get("fields")) {
        Some(live) => join::body::differing(live, &wanted),
        None => field_diff::fields(None, Some(&wanted)),
    };
    // Of one that is there, what privlink does not know stays, and is compared when it is written.
    let unknown = (!is_there).then(|| unknown_field(body, ENDPOINT)).flatten();
    unknown.or_else(|| hidden(change, fields))
}

/// The first field that the change does not show as it would become.
fn hidden(change: &Change, fields: Vec<FieldDiff>) -> Option<String> {
    let is_shown = |field: &FieldDiff| {
        let mut shown = change.fields.iter().filter(|it| it.path == field.path);
        shown.any(|it| it.after == field.after || token::is_hidden(it))
    };
    let mut fields = fields.into_iter().map(FieldDiff::shown);
    fields.find(|field| !is_shown(field)).map(|field| field.path)
}

/// The fields of a body of a private endpoint that is created; a star stands for the name of an entry.
const ENDPOINT: &[&str] = &[
    "location",
    "tags.*",
    "properties.subnet.id",
    "properties.privateLinkServiceConnections",
    "properties.privateLinkServiceConnections[*].name",
    "properties.privateLinkServiceConnections[*].properties.*",
    "properties.manualPrivateLinkServiceConnections",
    "properties.manualPrivateLinkServiceConnections[*].name",
    "properties.manualPrivateLinkServiceConnections[*].properties.*",
    "properties.ipConfigurations",
    "properties.ipConfigurations[*].name",
    "properties.ipConfigurations[*].properties.privateIPAddress",
];

/// The fields of a body of a record or a zone group.
const RECORD: &[&str] = &[
    "properties.ttl",
    "properties.aRecords",
    "properties.metadata.*",
    "properties.privateDnsZoneConfigs[*].name",
    "properties.privateDnsZoneConfigs[*].properties.privateDnsZoneId",
];

/// What a connection of an endpoint that is created may say.
const OF_CONNECTION: [&str; 3] = ["privateLinkServiceId", "groupIds", "requestMessage"];

/// The first field of a body that privlink does not write. Fields that changes show as one are compared by
/// their first entry, so there may be no second.
fn unknown_field(body: &Value, known: &[&str]) -> Option<String> {
    for list in
        ["privateLinkServiceConnections", "manualPrivateLinkServiceConnections", "ipConfigurations"]
    {
        let path = format!("/properties/{list}");
        let entries = body.at(&path).and_then(Value::as_array).map_or(0, Vec::len);
        if entries > 1 {
            return Some(format!("properties.{list}"));
        }
    }
    let fields = field_diff::fields(None, Some(body)).into_iter().map(|field| field.path);
    let mut fields = fields.filter(|path| !known.iter().any(|known| fits(path, known)));
    fields.next()
}

/// Whether a path is one with names for stars. Tags and metadata are privlink's marks only.
fn fits(path: &str, known: &str) -> bool {
    let Some((head, tail)) = known.split_once('*') else { return path == known };
    let Some(rest) = path.strip_prefix(head) else { return false };
    match tail {
        "" => crate::marks::MARKS.contains(&rest),
        _ => match tail.split_once('*') {
            Some((tail, "")) => OF_CONNECTION
                .iter()
                .any(|field| rest.strip_suffix(field).is_some_and(|rest| rest.ends_with(tail))),
            _ => rest.ends_with(tail),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource_id::ResourceId;
    use serde_json::json;

    #[test]
    fn a_body_has_no_field_that_privlink_does_not_write() {
        let plain = json!({
            "location": "eastus",
            "tags": {"privlink-stack": "shop"},
            "properties": {
                "subnet": {"id": "/s"},
                "privateLinkServiceConnections": [{"name": "c", "properties": {
                    "privateLinkServiceId": "/l", "groupIds": [], "requestMessage": "please",
                }}],
                "manualPrivateLinkServiceConnections": [],
                "ipConfigurations": [{"name": "i", "properties": {"privateIPAddress": "10.0.0.4"}}],
            },
        });
        assert_eq!(unknown_field(&plain, ENDPOINT), None);
        for (pointer, field, value) in [
            ("/properties", "customNetworkInterfaceName", json!("n")),
            ("/properties", "applicationSecurityGroups", json!([{"id": "/a"}])),
            ("/tags", "owner", json!("x")),
            ("/properties/privateLinkServiceConnections/0/properties", "x", json!("y")),
            ("", "zones", json!(["1"])),
        ] {
            let mut body = plain.clone();
            body.pointer_mut(pointer).unwrap()[field] = value;
            assert!(unknown_field(&body, ENDPOINT).is_some(), "{pointer}/{field}");
        }
        let mut two = plain;
        let list = two.pointer_mut("/properties/privateLinkServiceConnections").unwrap();
        let second = json!({"name": "d", "properties": {"privateLinkServiceId": "/other"}});
        list.as_array_mut().unwrap().push(second);
        assert!(unknown_field(&two, ENDPOINT).is_some());
        let record = serde_json::to_value(dns_record::record("10.0.0.4", "shop")).unwrap();
        assert_eq!(unknown_field(&record, RECORD), None);
        let group = dns_record::group(&[ResourceId::new("/z/privateDnsZones/a.b")]);
        let group = serde_json::to_value(group).unwrap();
        assert_eq!(unknown_field(&group, RECORD), None);
    }
}
