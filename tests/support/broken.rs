//! Worlds that somebody broke, as edits of a snapshot's JSON.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here fails the test")]

use serde_json::{Value, json};

/// A world that somebody broke.
pub(crate) struct Broken {
    pub(crate) name: &'static str,
    pub(crate) by: fn(&mut Value),
}

pub(crate) fn lists<'a>(snapshot: &'a mut Value, kind: &str) -> Vec<&'a mut Value> {
    let suffix = format!("/{kind}");
    let lists = snapshot["azure"].as_object_mut().unwrap().iter_mut();
    lists.filter(|(path, _)| path.ends_with(&suffix)).map(|(_, reading)| reading).collect()
}

pub(crate) fn each(snapshot: &mut Value, kind: &str, edit: impl Fn(&mut Value)) {
    for reading in lists(snapshot, kind) {
        let list = reading.get_mut("present").and_then(Value::as_array_mut);
        list.into_iter().flatten().for_each(&edit);
    }
}

pub(crate) fn none(snapshot: &mut Value, kind: &str) {
    for reading in lists(snapshot, kind) {
        if let Some(list) = reading.get_mut("present").and_then(Value::as_array_mut) {
            list.clear();
        }
    }
}

pub(crate) fn services(snapshot: &mut Value, edit: impl Fn(&mut Value)) {
    let list = snapshot["kubernetes"]["services"]["present"].as_array_mut().unwrap();
    list.iter_mut().filter(|it| it["spec"]["type"] == "LoadBalancer").for_each(edit);
}

pub(crate) fn connections(snapshot: &mut Value, status: &str) {
    for (kind, list) in [
        ("privateendpoints", "privateLinkServiceConnections"),
        ("privateendpoints", "manualPrivateLinkServiceConnections"),
        ("privatelinkservices", "privateEndpointConnections"),
    ] {
        each(snapshot, kind, |resource| {
            let all = resource["properties"][list].as_array_mut();
            for connection in all.into_iter().flatten() {
                connection["properties"]["privateLinkServiceConnectionState"]["status"] =
                    json!(status);
            }
        });
    }
}

/// Somebody else's endpoint beside the stack's, in a state.
fn stranger(snapshot: &mut Value, status: &str) {
    each(snapshot, "privatelinkservices", |it| {
        let name = it["name"].as_str().unwrap_or_default().to_owned();
        let all = &mut it["properties"]["privateEndpointConnections"];
        if !all.is_array() {
            *all = json!([]);
        }
        all.as_array_mut().unwrap().push(json!({"name": "stranger.1", "properties": {
            "privateEndpoint": {"id": format!("/subscriptions/99999999-9999-9999-9999-999999999999/\
                resourceGroups/theirs/providers/Microsoft.Network/privateEndpoints/of-{name}")},
            "privateLinkServiceConnectionState": {"status": status, "description": ""}}}));
    });
}

pub(crate) fn on_balancers(snapshot: &mut Value, list: &str) {
    each(snapshot, "loadbalancers", |it| it["properties"][list] = json!([]));
}

/// Sets the provisioning state of all resources of a kind.
pub(crate) fn state(snapshot: &mut Value, kind: &str, state: &str) {
    each(snapshot, kind, |it| it["properties"]["provisioningState"] = json!(state));
}

/// Takes a field away, wherever it is.
pub(crate) fn without(value: &mut Value, field: &str) {
    match value {
        Value::Object(fields) => {
            fields.remove(field);
            fields.values_mut().for_each(|it| without(it, field));
        }
        Value::Array(items) => items.iter_mut().for_each(|it| without(it, field)),
        _ => {}
    }
}

/// Makes the lists of a kind ones that could not be read.
pub(crate) fn unread(snapshot: &mut Value, kind: &str) {
    for reading in lists(snapshot, kind) {
        *reading = json!({"unreadable": "403 AuthorizationFailed: it may not"});
    }
}

pub(crate) const BROKEN: &[Broken] = &[
    Broken { name: "nothing", by: |_| {} },
    Broken { name: "no links", by: |it| none(it, "privatelinkservices") },
    Broken { name: "no endpoints", by: |it| none(it, "privateendpoints") },
    Broken { name: "no balancers", by: |it| none(it, "loadbalancers") },
    Broken { name: "no records", by: |it| none(it, "a") },
    Broken { name: "no rules", by: |it| on_balancers(it, "loadBalancingRules") },
    Broken { name: "no frontends", by: |it| on_balancers(it, "frontendIPConfigurations") },
    Broken { name: "rejected", by: |it| connections(it, "Rejected") },
    Broken { name: "disconnected", by: |it| connections(it, "Disconnected") },
    Broken { name: "removed", by: |it| connections(it, "Removed") },
    Broken { name: "no status", by: |it| connections(it, "") },
    Broken {
        name: "endpoints failed",
        by: |it| {
            each(it, "privateendpoints", |it| {
                it["properties"]["provisioningState"] = json!("Failed");
            });
        },
    },
    Broken {
        name: "links failed",
        by: |it| {
            each(it, "privatelinkservices", |it| {
                it["properties"]["provisioningState"] = json!("Failed");
            });
        },
    },
    Broken {
        name: "visible to nobody",
        by: |it| {
            each(it, "privatelinkservices", |it| {
                it["properties"]["visibility"] = json!({"subscriptions": ["x"]});
            });
        },
    },
    Broken {
        name: "forgotten by their links",
        by: |it| {
            each(it, "privatelinkservices", |it| {
                it["properties"]["privateEndpointConnections"] = json!([]);
            });
        },
    },
    Broken {
        name: "records elsewhere",
        by: |it| {
            each(it, "a", |it| {
                it["properties"]["aRecords"] = json!([{"ipv4Address": "10.9.9.9"}]);
            });
        },
    },
    Broken {
        name: "no finalizers",
        by: |it| services(it, |it| it["metadata"]["finalizers"] = json!([])),
    },
    Broken {
        name: "external addresses",
        by: |it| services(it, |it| it["spec"]["externalIPs"] = json!(["1.2.3.4"])),
    },
    Broken {
        name: "another selector",
        by: |it| services(it, |it| it["spec"]["selector"] = json!({"app": "other"})),
    },
    Broken {
        name: "no announced addresses",
        by: |it| services(it, |it| it["status"] = json!({"loadBalancer": {}})),
    },
    Broken {
        name: "endpoints without marks",
        by: |it| each(it, "privateendpoints", |it| it["tags"] = json!({})),
    },
    Broken {
        name: "services without marks",
        by: |it| services(it, |it| it["metadata"]["labels"] = json!({})),
    },
    Broken {
        name: "records kept longer",
        by: |it| each(it, "a", |it| it["properties"]["ttl"] = json!(3600)),
    },
    Broken {
        name: "endpoints elsewhere",
        by: |it| {
            each(it, "privateendpoints", |it| {
                let subnet = it["properties"]["subnet"]["id"].as_str().unwrap_or_default();
                let elsewhere = format!("{subnet}-of-others");
                it["properties"]["subnet"]["id"] = json!(elsewhere);
            });
        },
    },
    Broken {
        name: "records failed",
        by: |it| each(it, "a", |it| it["properties"]["provisioningState"] = json!("Failed")),
    },
    Broken {
        name: "balancers failed",
        by: |it| {
            each(it, "loadbalancers", |it| {
                it["properties"]["provisioningState"] = json!("Failed");
            });
        },
    },
    Broken {
        name: "probes of others",
        by: |it| {
            each(it, "loadbalancers", |it| {
                for probe in it["properties"]["probes"].as_array_mut().into_iter().flatten() {
                    probe["properties"]["intervalInSeconds"] = json!(77);
                }
            });
        },
    },
    Broken {
        name: "frontends moved",
        by: |it| {
            each(it, "loadbalancers", |it| {
                let all = it["properties"]["frontendIPConfigurations"].as_array_mut();
                for frontend in all.into_iter().flatten() {
                    frontend["properties"]["privateIPAddress"] = json!("10.240.0.222");
                }
            });
        },
    },
    Broken {
        name: "more NAT addresses",
        by: |it| {
            each(it, "privatelinkservices", |it| {
                let all = it["properties"]["ipConfigurations"].as_array_mut().unwrap();
                let mut another = all[0].clone();
                another["name"] = json!("another");
                another["properties"]["primary"] = json!(false);
                all.push(another);
            });
        },
    },
    Broken {
        name: "proxy protocol",
        by: |it| {
            each(it, "privatelinkservices", |it| {
                it["properties"]["enableProxyProtocol"] = json!(true);
            });
        },
    },
    Broken {
        name: "annotated by hand",
        by: |it| {
            services(it, |it| {
                it["metadata"]["annotations"]["service.beta.kubernetes.io/azure-pls-name"] =
                    json!("by-hand");
                it["metadata"]["managedFields"].as_array_mut().unwrap().push(json!({
                    "manager": "kubectl-edit", "operation": "Update", "apiVersion": "v1",
                    "fieldsType": "FieldsV1", "fieldsV1": {"f:metadata": {"f:annotations": {
                        "f:service.beta.kubernetes.io/azure-pls-name": {}}}}}));
            });
        },
    },
    Broken {
        name: "links on other frontends",
        by: |it| {
            each(it, "privatelinkservices", |it| {
                let on = &mut it["properties"]["loadBalancerFrontendIpConfigurations"][0]["id"];
                *on = json!(on.as_str().unwrap_or_default().replace("/a", "/b"));
            });
        },
    },
    Broken {
        name: "left behind with its consumers",
        by: |it| {
            services(it, |it| {
                let uid = it["metadata"]["uid"].as_str().unwrap().replace('1', "2");
                it["metadata"]["uid"] = json!(uid);
            });
        },
    },
    Broken { name: "a stranger asks", by: |it| stranger(it, "Pending") },
    Broken { name: "a stranger is connected", by: |it| stranger(it, "Approved") },
    Broken { name: "a stranger went", by: |it| stranger(it, "Disconnected") },
    Broken { name: "a stranger in no state", by: |it| stranger(it, "Odd") },
    Broken {
        name: "services of another uid",
        by: |it| {
            services(it, |it| {
                let uid = it["metadata"]["uid"].as_str().unwrap().to_owned();
                it["metadata"]["uid"] = json!(format!("99999999{}", &uid[8..]));
            });
        },
    },
    Broken {
        name: "all is denied",
        by: |it| {
            each(it, "networksecuritygroups", |it| {
                let all = it["properties"]["securityRules"].as_array_mut().unwrap();
                all.push(json!({"name": "deny", "properties": {
                    "protocol": "*", "sourcePortRange": "*", "destinationPortRange": "*",
                    "sourceAddressPrefix": "*", "destinationAddressPrefix": "*", "access": "Deny",
                    "priority": 100, "direction": "Inbound"}}));
            });
        },
    },
    Broken {
        name: "no services",
        by: |it| {
            let list = it["kubernetes"]["services"]["present"].as_array_mut().unwrap();
            list.retain(|it| it["spec"]["type"] != "LoadBalancer");
        },
    },
    Broken {
        name: "no ready nodes",
        by: |it| {
            let list = it["kubernetes"]["nodes"]["present"].as_array_mut().unwrap();
            for node in list {
                node["status"]["conditions"] = json!([{"type": "Ready", "status": "False"}]);
            }
        },
    },
    Broken { name: "endpoints deleting", by: |it| state(it, "privateendpoints", "Deleting") },
    Broken { name: "endpoints in no known state", by: |it| state(it, "privateendpoints", "Odd") },
    Broken { name: "links deleting", by: |it| state(it, "privatelinkservices", "Deleting") },
    Broken { name: "links canceled", by: |it| state(it, "privatelinkservices", "Canceled") },
    Broken { name: "balancers in no known state", by: |it| state(it, "loadbalancers", "") },
    Broken { name: "records in no known state", by: |it| state(it, "a", "Odd") },
    Broken {
        name: "frontends failed",
        by: |it| {
            each(it, "loadbalancers", |it| {
                let all = it["properties"]["frontendIPConfigurations"].as_array_mut();
                for frontend in all.into_iter().flatten() {
                    frontend["properties"]["provisioningState"] = json!("Failed");
                }
            });
        },
    },
    Broken {
        name: "services deleting",
        by: |it| {
            services(it, |it| it["metadata"]["deletionTimestamp"] = json!("2026-11-29T00:00:00Z"));
        },
    },
    Broken {
        name: "the second service deleting",
        by: |it| {
            services(it, |it| {
                if it["metadata"]["name"] == "web" {
                    it["metadata"]["deletionTimestamp"] = json!("2026-11-29T00:00:00Z");
                }
            });
        },
    },
    Broken {
        name: "addresses of endpoints moved",
        by: |it| {
            each(it, "networkinterfaces", |it| {
                let all = it["properties"]["ipConfigurations"].as_array_mut();
                for of in all.into_iter().flatten() {
                    of["properties"]["privateIPAddress"] = json!("10.1.0.99");
                }
            });
        },
    },
    Broken {
        name: "zone groups without records",
        by: |it| {
            each(it, "privatednszonegroups", |it| {
                let all = it["properties"]["privateDnsZoneConfigs"].as_array_mut();
                for config in all.into_iter().flatten() {
                    config["properties"]["recordSets"] = json!([]);
                }
            });
        },
    },
    Broken {
        name: "consumers shut out",
        by: |it| {
            each(it, "networksecuritygroups", |it| {
                let all = it["properties"]["securityRules"].as_array_mut().unwrap();
                all.push(json!({"name": "deny", "properties": {
                    "protocol": "*", "sourcePortRange": "*", "destinationPortRange": "*",
                    "sourceAddressPrefix": "VirtualNetwork", "destinationAddressPrefix": "*",
                    "access": "Deny", "priority": 100, "direction": "Inbound"}}));
            });
        },
    },
    Broken {
        name: "probes shut out",
        by: |it| {
            each(it, "networksecuritygroups", |it| {
                let all = it["properties"]["securityRules"].as_array_mut().unwrap();
                all.push(json!({"name": "deny", "properties": {
                    "protocol": "*", "sourcePortRange": "*", "destinationPortRange": "*",
                    "sourceAddressPrefix": "AzureLoadBalancer", "destinationAddressPrefix": "*",
                    "access": "Deny", "priority": 100, "direction": "Inbound"}}));
            });
        },
    },
    Broken {
        name: "links without a frontend",
        by: |it| {
            each(it, "privatelinkservices", |it| {
                it["properties"]["destinationIPAddress"] = json!("10.240.0.77");
                it["properties"]["loadBalancerFrontendIpConfigurations"] = json!([]);
            });
        },
    },
    Broken {
        name: "other messages",
        by: |it| {
            each(it, "privateendpoints", |it| {
                let all = it["properties"]["manualPrivateLinkServiceConnections"].as_array_mut();
                for connection in all.into_iter().flatten() {
                    connection["properties"]["requestMessage"] = json!("something else");
                }
            });
        },
    },
    Broken {
        name: "machines in no pool",
        by: |it| {
            each(it, "virtualmachinescalesets", |it| {
                without(it, "loadBalancerBackendAddressPools");
            });
        },
    },
    Broken {
        name: "a rule of nobody",
        by: |it| {
            each(it, "loadbalancers", |it| {
                let all = it["properties"]["loadBalancingRules"].as_array_mut();
                let Some(all) = all.filter(|all| !all.is_empty()) else { return };
                let mut another = all[0].clone();
                let name = "a0123456789abcdef0123456789abcde-TCP-4444";
                let id = another["id"].as_str().unwrap_or_default().to_owned();
                let id = id.rsplit_once('/').map_or("", |(below, _)| below).to_owned();
                another["id"] = json!(format!("{id}/{name}"));
                another["name"] = json!(name);
                another["properties"]["frontendPort"] = json!(4444);
                all.push(another);
            });
        },
    },
    Broken {
        name: "names in capitals",
        by: |it| {
            each(it, "privatelinkservices", |it| {
                let on = &mut it["properties"]["loadBalancerFrontendIpConfigurations"][0]["id"];
                if let Some(id) = on.as_str().map(str::to_uppercase) {
                    *on = json!(id);
                }
            });
        },
    },
    Broken {
        name: "the controller fails",
        by: |it| {
            let mut events = Vec::new();
            let all = it["kubernetes"]["services"]["present"].as_array().unwrap().clone();
            for service in all.iter().filter(|it| it["spec"]["type"] == "LoadBalancer") {
                let meta = &service["metadata"];
                events.push(json!({"metadata": {"name": "failed"}, "type": "Warning",
                    "reason": "SyncLoadBalancerFailed", "message": "AuthorizationFailed: it may not",
                    "lastTimestamp": "2999-01-01T00:00:00Z", "involvedObject": {
                        "kind": "Service", "namespace": meta["namespace"], "name": meta["name"],
                        "uid": meta["uid"]}}));
            }
            it["kubernetes"]["events"]["present"].as_array_mut().unwrap().extend(events);
        },
    },
    Broken { name: "interfaces unread", by: |it| unread(it, "networkinterfaces") },
    Broken { name: "records unread", by: |it| unread(it, "a") },
    Broken { name: "zone groups unread", by: |it| unread(it, "privatednszonegroups") },
    Broken { name: "machines unread", by: |it| unread(it, "virtualmachinescalesets") },
];
