//! Worlds in which the two ends of connections differ, marks and annotations are lost, or a consumer's network could not
//! be read.

use serde_json::{Value, json};

use crate::broken::{Broken, each, none, services, state};

/// Sets the state of connections at one end.
pub(crate) fn one_end(snapshot: &mut Value, kind: &str, status: &str) {
    let lists = [
        "privateLinkServiceConnections",
        "manualPrivateLinkServiceConnections",
        "privateEndpointConnections",
    ];
    each(snapshot, kind, |resource| {
        for list in lists {
            let all = resource["properties"].get_mut(list).and_then(Value::as_array_mut);
            for connection in all.into_iter().flatten() {
                connection["properties"]["privateLinkServiceConnectionState"]["status"] =
                    json!(status);
            }
        }
    });
}

/// Makes the virtual networks of consumers ones that could not be read.
pub(crate) fn consumers_unread(snapshot: &mut Value) {
    for (path, reading) in snapshot["azure"].as_object_mut().unwrap() {
        let is_own = path.contains("/resourcegroups/mc_");
        if path.ends_with("/virtualnetworks") && !is_own {
            *reading = json!({"unreadable": "403 AuthorizationFailed: it may not"});
        }
    }
}

/// Takes the annotation that asks for a Private Link Service from the live Services.
pub(crate) fn unasked(snapshot: &mut Value) {
    services(snapshot, |it| {
        let annotations = it["metadata"]["annotations"].as_object_mut();
        let create = "service.beta.kubernetes.io/azure-pls-create";
        annotations.into_iter().for_each(|all| all.retain(|name, _| name != create));
    });
}

/// Has Azure fail what was decided on connections.
pub(crate) fn failed(snapshot: &mut Value) {
    each(snapshot, "privatelinkservices", |it| {
        let all = it["properties"]["privateEndpointConnections"].as_array_mut();
        for connection in all.into_iter().flatten() {
            connection["properties"]["provisioningState"] = json!("Failed");
        }
    });
}

/// Marks endpoints and records as those of another stack.
pub(crate) fn of_another(snapshot: &mut Value) {
    each(snapshot, "privateendpoints", |it| it["tags"]["privlink-stack"] = json!("other"));
    each(snapshot, "a", |it| it["properties"]["metadata"]["privlink-stack"] = json!("other"));
}

/// Makes the Services ones that somebody took the load balancer from, with all that the controller then deletes.
pub(crate) fn unbalanced(snapshot: &mut Value) {
    services(snapshot, |it| {
        it["spec"]["type"] = json!("ClusterIP");
        for port in it["spec"]["ports"].as_array_mut().unwrap() {
            port.as_object_mut().unwrap().remove("nodePort");
        }
        it["status"] = json!({"loadBalancer": {}});
        let managers = it["metadata"]["managedFields"].as_array_mut().unwrap();
        for own in managers.iter_mut().filter(|it| it["manager"] == "privlink") {
            own["fieldsV1"]["f:spec"].as_object_mut().unwrap().remove("f:type");
        }
        managers.push(json!({
            "manager": "kubectl-patch", "operation": "Update", "apiVersion": "v1",
            "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:type": {}}}}));
    });
    none(snapshot, "privatelinkservices");
    none(snapshot, "loadbalancers");
}

pub(crate) const ENDS: &[Broken] = &[
    Broken { name: "endpoints show Pending", by: |it| one_end(it, "privateendpoints", "Pending") },
    Broken { name: "links show Pending", by: |it| one_end(it, "privatelinkservices", "Pending") },
    Broken { name: "links show Rejected", by: |it| one_end(it, "privatelinkservices", "Rejected") },
    Broken { name: "connections failed", by: failed },
    Broken { name: "networks of consumers unread", by: consumers_unread },
    Broken { name: "no link asked for", by: unasked },
    Broken { name: "of another stack", by: of_another },
    Broken {
        name: "failed without marks",
        by: |it| {
            each(it, "privateendpoints", |it| it["tags"] = json!({}));
            state(it, "privateendpoints", "Failed");
        },
    },
];
