//! Whether a write landed: what Azure and the API server show of it once it is done. A webhook may rewrite a
//! Service, and Azure drops what it does not take; a plan made afterwards would ask for it again.

use serde_json::Value;

use crate::change::{FieldDiff, show_value};
use crate::field_diff;
use crate::join;
use crate::kubernetes::server_side_apply::{SERVICE, Writer, applied};
use crate::marks::{FIELD_MANAGER, MARKS};
use crate::node::dns_record;
use crate::node::private_endpoint::parsed;
use crate::node::service::comparable;
use crate::resource_id::ResourceId;

/// What Azure shows otherwise of a private endpoint, DNS record or zone group than was written.
pub fn resource(id: &ResourceId, body: &Value, live: &Value) -> Option<String> {
    let is_dns = ["privateDnsZones", "privateDnsZoneGroups"];
    let is_dns = is_dns.iter().any(|collection| id.segment(collection).is_some());
    let fields = match is_dns {
        true => {
            let (live, body) = (dns_record::comparable(live), dns_record::comparable(body));
            field_diff::fields(Some(&live), Some(&body))
        }
        false => join::unlanded(&parsed(live), &parsed(body)),
    };
    said(&fields)
}

/// What the API server stores otherwise of a Service than was applied.
pub fn service(manifest: &Value, stored: &Value) -> Option<String> {
    let writer = Writer { manager: FIELD_MANAGER, api_version: "v1", time: "", subresource: None };
    let merged = applied(&SERVICE, Some(stored), manifest, &writer, true).ok()?;
    said(&field_diff::fields(Some(&comparable(stored)), Some(&comparable(&merged))))
}

/// A field that an apply would change of a live Service and a plan does not show.
pub fn beyond_service(live: &Value, manifest: &Value, shown: &[FieldDiff]) -> Option<String> {
    let stored = join::service::stored_over(live, manifest)?;
    let is_shown = |field: &FieldDiff| {
        let is_it =
            |it: &FieldDiff| it.after == field.after || it.after_unknown || field.after_unknown;
        shown.iter().any(|it| it.path == field.path && is_it(it))
    };
    let mut changed = join::service::changed(live, &stored).into_iter();
    changed.find(|field| !is_shown(field)).map(|field| field.path)
}

/// A field that a write would change of a live private endpoint although privlink does not know it. Its own
/// tags and the request message were compared with what the plan shows when it was read.
pub fn beyond_endpoint(live: &Value, body: &Value) -> Option<String> {
    let is_own = |path: &str| {
        path.starts_with("tags") && MARKS.iter().any(|mark| path.contains(mark))
            || path.ends_with(".properties.requestMessage")
    };
    let fields = field_diff::fields(Some(live), Some(body)).into_iter();
    fields.map(|field| field.path).find(|path| !is_own(path))
}

fn said(fields: &[FieldDiff]) -> Option<String> {
    let first = fields.first()?;
    let side = |value: &Option<Value>| {
        value.clone().map_or_else(|| "not set".to_owned(), |it| show_value(it).to_string())
    };
    let FieldDiff { path, before, after, .. } = first;
    Some(format!("{path} is {}, and {} was written", side(before), side(after)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn endpoint(message: Option<&str>, status: &str) -> Value {
        json!({"location": "eastus", "properties": {
            "provisioningState": "Succeeded",
            "manualPrivateLinkServiceConnections": [{"name": "c", "properties": {
                "privateLinkServiceId": "/x", "requestMessage": message,
                "privateLinkServiceConnectionState": {"status": status},
            }}],
        }})
    }

    #[test]
    fn a_message_that_did_not_land_is_told_while_it_could() {
        let id = ResourceId::new(
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/privateEndpoints/e",
        );
        let body = endpoint(Some("new"), "Pending");
        assert_eq!(resource(&id, &body, &body), None);
        let told = resource(&id, &body, &endpoint(Some("old"), "Pending")).unwrap();
        assert!(told.contains("requestMessage is \"old\", and \"new\" was written"), "{told}");
        assert_eq!(resource(&id, &body, &endpoint(Some("old"), "Approved")), None);
    }

    #[test]
    fn a_record_that_leads_elsewhere_is_told() {
        let id = ResourceId::new(
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/privateDnsZones/z/A/n",
        );
        let record = |address| serde_json::to_value(dns_record::record(address, "shop")).unwrap();
        assert_eq!(resource(&id, &record("10.0.0.4"), &record("10.0.0.4")), None);
        assert!(resource(&id, &record("10.0.0.4"), &record("10.0.0.5")).is_some());
    }

    #[test]
    fn a_field_that_a_webhook_rewrote_is_told() {
        let service = |weight: &str| {
            json!({"apiVersion": "v1", "kind": "Service",
                "metadata": {"name": "a", "namespace": "d", "annotations": {"x": weight}},
                "spec": {"type": "LoadBalancer", "ports": [{"port": 80, "protocol": "TCP"}]}})
        };
        assert_eq!(super::service(&service("1"), &service("1")), None);
        assert!(super::service(&service("1"), &service("2")).is_some());
    }
}
