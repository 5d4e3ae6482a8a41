use serde_json::json;

use super::*;
use crate::snapshot::FORMAT_VERSION;

const OWN: &str = "00000000-0000-0000-0000-000000000001";
const THEIRS: &str = "99999999-aaaa-bbbb-cccc-dddddddddddd";

fn snapshot(uid: &str) -> Snapshot {
    let theirs = format!(
        "/subscriptions/{THEIRS}/resourceGroups/secret-group/providers/Microsoft.Network/privateEndpoints/secret-pe"
    );
    let group = format!("/subscriptions/{OWN}/resourceGroups/mc_own/providers/Microsoft.Network");
    let link = json!({
        "id": format!("{group}/privateLinkServices/pls"),
        "name": "pls",
        "tags": {"k8s-azure-owner-service": "secret-ns/secret-app", "owner": "eve@example.com"},
        "systemData": {"lastModifiedBy": "eve@example.com"},
        "properties": {
            "alias": format!("pls.{THEIRS}.eastus.azure.privatelinkservice"),
            "visibility": {"subscriptions": [THEIRS, "*"]},
            "privateEndpointConnections": [{
                "id": format!("{group}/privateLinkServices/pls/privateEndpointConnections/secret-pe.guid"),
                "name": "secret-pe.guid",
                "properties": {
                    "privateEndpoint": {"id": theirs},
                    "linkIdentifier": "5368",
                    "privateLinkServiceConnectionState":
                        {"status": "Approved", "description": "secret words"},
                },
            }],
        },
    });
    let service = |namespace: &str, name: &str, uid: &str| {
        json!({
            "metadata": {"namespace": namespace, "name": name, "uid": uid,
                         "labels": {"team": format!("{namespace}-team")}},
            "spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.1",
                     "loadBalancerSourceRanges": ["203.0.113.7/32", "10.1.0.0/16", "2a01:111::7/128"]},
        })
    };
    Snapshot {
        format_version: FORMAT_VERSION.to_owned(),
        taken_at: "2026-01-01T00:00:00Z".to_owned(),
        redacted: false,
        kubernetes: Kubernetes {
            version: Reading::Present("v1.33.1".to_owned()),
            namespace: "default".to_owned(),
            services: Reading::of([
                service("default", "kubernetes", uid),
                service("secret-ns", "secret-app", "u1"),
                service("default", "own-app", "u2"),
            ]),
            nodes: Reading::Unreadable("the client 'eve@example.com' may not".to_owned()),
            events: Reading::Absent,
            namespaces: None,
        },
        azure: BTreeMap::from([
            (format!("{group}/privateLinkServices").to_lowercase(), Reading::of([link])),
            (
                format!("/subscriptions/{THEIRS}/providers/microsoft.network/privateendpoints"),
                Reading::of([json!({"id": theirs, "name": "secret-pe", "properties": {
                    "customNetworkInterfaceName": "secret-nic", "provisioningState": "Succeeded",
                    "manualPrivateLinkServiceConnections": [{"name": "c", "properties":
                        {"requestMessage": "secret words"}}]}})]),
            ),
        ]),
        index: crate::snapshot::Index::default(),
    }
}

fn own() -> Own {
    let facts = Facts {
        subscription: OWN.to_owned(),
        resource_group: "MC_own".to_owned(),
        ..Facts::default()
    };
    Own::of(&["name: own-app".to_owned()], [Key::new("default", "own-app")], &facts)
}

fn text(snapshot: &Snapshot) -> String {
    serde_json::to_string_pretty(snapshot).unwrap()
}

#[test]
fn nothing_foreign_is_left_and_references_still_lead_where_they_led() {
    let redacted = redact(&snapshot("uid-of-the-cluster"), &own());
    let shown = text(&redacted);
    for word in
        ["secret", THEIRS, "eve@example", "uid-of-the-cluster", "203.0.113", "2a01:111", "5368"]
    {
        assert!(!shown.contains(word), "{word} is in {shown}");
    }
    for word in ["own-app", OWN, "mc_own", "pls", "10.1.0.0/16", "\"*\""] {
        assert!(shown.contains(word), "{word} is not in {shown}");
    }
    // The endpoint is the same on both sides, and in the path of its list.
    let lists = redacted.azure.iter();
    let (path, endpoints) =
        lists.clone().find(|(path, _)| path.ends_with("/privateendpoints")).unwrap();
    let Reading::Present(endpoints) = endpoints else { panic!("{endpoints:?}") };
    let id = endpoints[0]["id"].as_str().unwrap();
    assert!(id.to_lowercase().starts_with(path.split("/providers").next().unwrap()));
    assert_eq!(endpoints[0]["name"], id.rsplit('/').next().unwrap());
    let link = redacted.resources_of_type("Microsoft.Network/privateLinkServices").next().unwrap();
    let connection = &link["properties"]["privateEndpointConnections"][0];
    assert_eq!(connection["properties"]["privateEndpoint"]["id"], id);
    assert_eq!(
        connection["properties"]["privateLinkServiceConnectionState"]["description"],
        endpoints[0]["properties"]["manualPrivateLinkServiceConnections"][0]["properties"]["requestMessage"]
    );
    // The owner's tag names the Service by its pseudonym.
    let Reading::Present(services) = &redacted.kubernetes.services else { panic!("unread") };
    let other = kubernetes::key(&services[1]).unwrap();
    assert_eq!(link["tags"]["k8s-azure-owner-service"], other.to_string());
    assert_eq!(services[1]["metadata"]["uid"], "u1");
}

#[test]
fn pseudonyms_are_stable_within_a_cluster_and_other_elsewhere() {
    let own = own();
    let first = text(&redact(&snapshot("one"), &own));
    assert_eq!(first, text(&redact(&snapshot("one"), &own)));
    assert_ne!(first, text(&redact(&snapshot("two"), &own)));
}
