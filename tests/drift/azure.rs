//! Differences that begin in Azure.

use serde_json::{Value, json};

use crate::world::{Applied, SUBSCRIPTION, classes, network, of_nodes, told};

const LINK: &str = "PrivateLinkService/default/internal-app";
const FRONTEND: &str = "FrontendIp/default/internal-app";
const CONNECTION: &str = "EndpointConnection/myAKSServicePE";

fn link() -> String {
    of_nodes("privateLinkServices/my-pls")
}

fn balancer() -> String {
    of_nodes("loadBalancers/kubernetes-internal")
}

fn endpoint() -> String {
    network(SUBSCRIPTION, "myOtherResourceGroup", "privateEndpoints/myAKSServicePE")
}

#[test]
fn a_link_changed_in_azure_stays_so_until_the_next_sync() {
    let applied = Applied::private_link();
    applied.edit(&link(), |link| {
        link["properties"]["visibility"] = json!({"subscriptions": ["*"]});
        link["systemData"] =
            json!({"lastModifiedBy": "eve@contoso.com", "lastModifiedAt": "2026-01-01T00:00:00Z"});
    });
    let differences = applied.differences(2, "");
    assert_eq!(classes(&differences), [told("changed-in-azure", LINK)]);
    let it = &differences[0];
    assert_eq!(it["cause"]["by"], "azure-or-somebody-in-it");
    assert_eq!(it["cause"]["event"]["reason"], "EnsuredLoadBalancer");
    assert_eq!(it["cause"]["lastModified"]["by"], "eve@contoso.com");
    assert_eq!(it["heals"], "next-sync");
    assert!(it["repair"]["commands"][0].as_str().unwrap().contains("privlink.dev/sync="), "{it}");
    // What the repair does: the controller syncs when an annotation changes.
    applied.meanwhile(|somebody| async move {
        let patch = json!({"metadata": {"annotations": {"privlink.dev/sync": "1"}}});
        somebody.patch_service("privlink-sync", patch).await;
    });
    applied.run("drift", "").expect(0);
}

#[test]
fn a_rule_taken_away_in_azure_shows_at_its_frontend() {
    let applied = Applied::private_link();
    let before = applied.snapshot("before.json");
    applied.edit(&balancer(), |balancer| {
        balancer["properties"]["loadBalancingRules"] = json!([]);
    });
    let differences = applied.differences(2, "--since before.json");
    assert_eq!(classes(&differences), [told("changed-in-azure", FRONTEND)]);
    let fields = differences[0]["fields"].as_array().unwrap();
    assert!(
        fields.iter().any(|it| it["path"] == "loadBalancingRules[\"TCP-80\"]")
            || fields
                .iter()
                .any(|it| it["path"].as_str().unwrap().starts_with("loadBalancingRules")),
        "{fields:?}"
    );
    assert_eq!(differences[0]["cause"]["after"], before["takenAt"]);
}

/// A public Service has an address and a rule of the cluster's security group.
#[test]
fn a_public_services_address_and_security_rule_are_looked_at() {
    let applied = Applied::bare("internal-load-balancer", |_| {});
    applied.run("drift", "").expect(0);
    let group = of_nodes("networkSecurityGroups/aks-agentpool-nsg");
    let mut rules = Value::Null;
    applied.edit(&group, |group| {
        let rule = &mut group["properties"]["securityRules"][0];
        rule["properties"]["sourceAddressPrefix"] = json!("10.0.0.0/8");
        rules = group["properties"]["securityRules"].clone();
    });
    let differences = applied.differences(2, "");
    let rule = format!("SecurityRule/aks-agentpool-nsg/{}", rules[0]["name"].as_str().unwrap());
    assert_eq!(classes(&differences), [told("changed-in-azure", &rule)]);
    let field = &differences[0]["fields"][0];
    assert_eq!(field["path"], "properties.sourceAddressPrefix");
    applied.edit(&group, |group| group["properties"]["securityRules"] = json!([]));
    let differences = applied.differences(2, "");
    assert_eq!(classes(&differences), [told("deleted-in-azure", &rule)]);
    assert!(
        differences[0]["repair"]["commands"][0].as_str().unwrap().contains("privlink.dev/sync=")
    );
    // The repair brings it back, and the address is as it was.
    let sync = json!({"metadata": {"annotations": {"privlink.dev/sync": "1"}}});
    applied
        .meanwhile(|somebody| async move { somebody.patch_service("privlink-sync", sync).await });
    applied.run("drift", "").expect(0);
    // The address goes: what leads to it differs too.
    let public = applied.snapshot("now.json");
    let lists = public["azure"].as_object().unwrap();
    let addresses = lists.iter().find(|(path, _)| path.ends_with("/publicipaddresses")).unwrap().1;
    let id = addresses["present"][0]["id"].as_str().unwrap().to_owned();
    applied.edit_world(|world| {
        let is_it = |it: &Value| it["id"].as_str().unwrap().eq_ignore_ascii_case(&id);
        world["azure"].as_array_mut().unwrap().retain(|it| !is_it(it));
    });
    let found = classes(&applied.differences(2, ""));
    let address = told("deleted-in-azure", "PublicIp/default/internal-app");
    assert!(found.contains(&address), "{found:?}");
}

/// A pool of addresses is the controller's to fill.
#[test]
fn members_of_a_pool_of_addresses_are_looked_at() {
    let pool_type = "/properties/networkProfile/loadBalancerProfile/backendPoolType";
    let applied = Applied::bare("internal-load-balancer", |world| {
        world["facts"]["backendPoolType"] = json!("nodeIp");
        for resource in world["azure"].as_array_mut().unwrap() {
            if let Some(kind) = resource.pointer_mut(pool_type) {
                *kind = json!("nodeIP");
            }
        }
    });
    applied.run("drift", "").expect(0);
    applied.edit(&of_nodes("loadBalancers/kubernetes"), |balancer| {
        let pool = &mut balancer["properties"]["backendAddressPools"][0]["properties"];
        let members = pool["loadBalancerBackendAddresses"].as_array_mut().unwrap();
        assert_eq!(members.len(), 2, "{members:?}");
        members.pop();
    });
    let differences = applied.differences(2, "");
    let pool = "BackendPool/kubernetes/kubernetes";
    assert_eq!(classes(&differences), [told("changed-in-azure", pool)]);
    let text = differences[0]["fields"].to_string();
    assert!(text.contains("aks-nodepool1-vmss000001") && text.contains("10.240.0.5"), "{text}");
}

#[test]
fn a_link_deleted_in_azure_is_gone_and_cuts_its_endpoint_off() {
    let applied = Applied::private_link();
    applied.meanwhile(|somebody| async move {
        let connections = somebody.read(&link()).await["properties"]["privateEndpointConnections"]
            .as_array()
            .unwrap()
            .clone();
        for connection in connections {
            somebody.write("DELETE", connection["id"].as_str().unwrap(), None).await;
        }
        somebody.write("DELETE", &link(), None).await;
    });
    let differences = applied.differences(2, "");
    assert_eq!(
        classes(&differences),
        [told("deleted-in-azure", LINK), told("disconnected", CONNECTION)]
    );
    assert_eq!(differences[0]["heals"], "next-sync");
    assert_eq!(differences[1]["heals"], "no");
}

/// The controller has made it again: by name all is well.
#[test]
fn a_link_made_anew_is_told_by_its_endpoint_and_by_an_earlier_look() {
    let applied = Applied::private_link();
    let before = applied.snapshot("before.json");
    applied.run("plan", "--out before.plan").expect(0);
    applied.meanwhile(|somebody| async move {
        let connections = somebody.read(&link()).await["properties"]["privateEndpointConnections"]
            .as_array()
            .unwrap()
            .clone();
        for connection in connections {
            somebody.write("DELETE", connection["id"].as_str().unwrap(), None).await;
        }
        somebody.write("DELETE", &link(), None).await;
        let patch = json!({"metadata": {"annotations": {"privlink.dev/sync": "1"}}});
        // The controller trusts its copy for 120 s, 2.4 s in the sandbox.
        tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
        somebody.patch_service("privlink-sync", patch).await;
    });
    let differences = applied.differences(2, "");
    assert_eq!(classes(&differences), [told("disconnected", CONNECTION)]);
    assert!(differences[0]["message"].as_str().unwrap().contains("re-created"));
    let differences = applied.differences(2, "--since before.json");
    assert_eq!(classes(&differences), [told("recreated", LINK), told("disconnected", CONNECTION)]);
    let lists = before["azure"].as_object().unwrap();
    let (_, links) = lists.iter().find(|(path, _)| path.ends_with("/privatelinkservices")).unwrap();
    let alias = &links["present"][0]["properties"]["alias"];
    assert_eq!(&differences[0]["fields"][0]["wanted"], alias);
    applied.run("apply", "--auto-approve --controller-timeout 20 --max-disconnects 1").expect(0);
    applied.run("drift", "").expect(0);
}

/// The endpoint's own record says Approved; its target has never heard of it.
#[test]
fn an_endpoint_that_remembers_what_its_target_does_not_is_told() {
    let applied = Applied::private_link();
    applied.edit(&link(), |link| {
        link["properties"]["privateEndpointConnections"] = json!([]);
    });
    let differences = applied.differences(2, "");
    assert_eq!(classes(&differences), [told("recreated", CONNECTION)]);
}

#[test]
fn a_rejected_endpoint_is_disconnected_by_the_provider() {
    let applied = Applied::private_link();
    let state = json!({"status": "Rejected", "description": "no", "actionsRequired": "None"});
    applied.edit(&endpoint(), |endpoint| {
        endpoint["properties"]["privateLinkServiceConnections"][0]["properties"]
            ["privateLinkServiceConnectionState"] = state.clone();
    });
    applied.edit(&link(), |link| {
        link["properties"]["privateEndpointConnections"][0]["properties"]
            ["privateLinkServiceConnectionState"] = state;
    });
    let differences = applied.differences(2, "");
    assert_eq!(classes(&differences), [told("disconnected", CONNECTION)]);
    assert_eq!(differences[0]["cause"]["by"], "provider");
}

#[test]
fn a_deleted_endpoint_is_missing() {
    let applied = Applied::private_link();
    applied.snapshot("before.json");
    applied.meanwhile(|somebody| async move {
        somebody.write("DELETE", &endpoint(), None).await;
    });
    let differences = applied.differences(2, "");
    assert_eq!(classes(&differences), [told("missing", "PrivateEndpoint/myAKSServicePE")]);
    assert_eq!(differences[0]["cause"]["by"], "unknown");
    let differences = applied.differences(2, "--since before.json");
    assert_eq!(differences[0]["cause"]["by"], "azure-or-somebody-in-it");
    assert!(differences[0]["cause"]["after"].is_string(), "{}", differences[0]);
}

#[test]
fn an_endpoint_of_the_stack_that_it_no_longer_wants_is_an_orphan() {
    let applied = Applied::private_link();
    let file = applied.place.path().join("examples/private-link/endpoint.yaml");
    std::fs::remove_file(file).unwrap();
    let differences = applied.differences(2, "");
    assert_eq!(classes(&differences), [told("orphan", "PrivateEndpoint/myAKSServicePE")]);
}

/// Somebody else's endpoint on the stack's Private Link Service, which then goes.
#[test]
fn a_consumer_that_goes_is_told_by_an_earlier_look() {
    let consumer = "11111111-1111-1111-1111-111111111111";
    let theirs = network(consumer, "consumerResourceGroup", "privateEndpoints/theirs");
    let applied = Applied::private_link();
    let body = json!({
        "location": "eastus",
        "properties": {
            "subnet": {"id": network(
                consumer, "consumerResourceGroup", "virtualNetworks/consumer-vnet/subnets/pe-subnet")},
            "manualPrivateLinkServiceConnections": [{"name": "theirs", "properties": {
                "privateLinkServiceId": link(), "groupIds": [], "requestMessage": "let me in"}}],
        },
    });
    applied.meanwhile(|somebody| {
        let theirs = theirs.clone();
        async move { somebody.write("PUT", &theirs, Some(&body)).await }
    });
    let address = format!("EndpointConnection/{consumer}/consumerResourceGroup/theirs");
    let differences = applied.differences(0, "");
    assert_eq!(classes(&differences), [told("awaiting-approval", &address)]);
    for id in [&theirs, &link()] {
        applied.edit(id, |resource| {
            let text = resource.to_string().replace("\"Pending\"", "\"Approved\"");
            *resource = serde_json::from_str(&text).unwrap();
        });
    }
    assert_eq!(applied.differences(0, ""), [] as [Value; 0]);
    applied.snapshot("before.json");
    applied.meanwhile(|somebody| {
        let theirs = theirs.clone();
        async move { somebody.write("DELETE", &theirs, None).await }
    });
    assert_eq!(applied.differences(0, ""), [] as [Value; 0]);
    let differences = applied.differences(2, "--since before.json");
    assert_eq!(classes(&differences), [told("consumer-gone", &address)]);
    assert_eq!(differences[0]["cause"]["by"], "consumer");
}

#[test]
fn what_no_service_owns_was_left_behind_and_what_others_put_there_is_noted() {
    let applied = Applied::private_link();
    let left = "a00000000000000000000000000000bad";
    applied.edit(&balancer(), |it| {
        let frontends = it["properties"]["frontendIPConfigurations"].as_array_mut().unwrap();
        let mut frontend = frontends[0].clone();
        for (name, address) in [(left, "10.240.0.200"), ("by-terraform", "10.240.0.201")] {
            let properties = frontend["properties"].as_object_mut().unwrap();
            properties.retain(|key, _| key.starts_with("privateIP") || key == "subnet");
            frontend["properties"]["privateIPAddress"] = json!(address);
            frontend["name"] = json!(name);
            frontend["id"] = json!(format!("{}/frontendIPConfigurations/{name}", balancer()));
            frontends.push(frontend.clone());
        }
    });
    let differences = applied.differences(2, "");
    assert_eq!(
        classes(&differences),
        [
            told("foreign", "LoadBalancer/kubernetes-internal"),
            told("orphan", &format!("FrontendIp/kubernetes-internal/{left}")),
        ]
    );
    assert!(differences[0]["message"].as_str().unwrap().contains("by-terraform"));
    assert!(differences[1]["repair"]["commands"][0].as_str().unwrap().contains(left));
}

#[test]
fn a_link_whose_service_is_gone_is_an_orphan() {
    let applied = Applied::private_link();
    let other = of_nodes("privateLinkServices/old");
    applied.edit(&link(), |link| {
        let text = link.to_string();
        assert!(text.contains("default/internal-app"));
        link["tags"]["k8s-azure-owner-service"] = json!("default/gone");
    });
    let differences = applied.differences(2, "");
    let found = classes(&differences);
    assert!(found.contains(&told("orphan", LINK)), "{differences:#?}");
    let orphan = differences.iter().find(|it| it["class"] == "orphan").unwrap();
    assert!(
        orphan["repair"]["commands"][0].as_str().unwrap().starts_with("az tag update"),
        "{other} {orphan}"
    );
}

#[test]
fn a_network_policy_that_is_on_again_is_not_healed() {
    let applied = Applied::private_link();
    let subnet = of_nodes("virtualNetworks/aks-vnet/subnets/aks-subnet");
    applied.edit(&subnet, |subnet| {
        subnet["properties"]["privateLinkServiceNetworkPolicies"] = json!("Enabled");
    });
    let differences = applied.differences(2, "");
    assert_eq!(classes(&differences), [told("changed-in-azure", "Subnet/aks-vnet/aks-subnet")]);
    assert_eq!(differences[0]["heals"], "no");
    assert!(
        differences[0]["repair"]["commands"][0]
            .as_str()
            .unwrap()
            .contains("--private-link-service-network-policies Disabled")
    );
}

#[test]
fn what_azure_failed_to_provision_is_told() {
    let applied = Applied::private_link();
    applied.edit(&link(), |link| link["properties"]["provisioningState"] = json!("Failed"));
    applied.edit(&endpoint(), |it| it["properties"]["provisioningState"] = json!("Failed"));
    let differences = applied.differences(2, "");
    assert_eq!(
        classes(&differences),
        [
            told("provisioning-failed", LINK),
            told("provisioning-failed", "PrivateEndpoint/myAKSServicePE"),
        ]
    );
}

/// Nobody knows whether outbound SNAT is off once no live rule tells, and the prediction hangs on it.
#[test]
fn what_hangs_on_an_assumed_fact_is_unverified() {
    let applied = Applied::private_link();
    let mut snapshot = applied.snapshot("now.json");
    let text = snapshot.to_string();
    assert!(text.contains("\"disableOutboundSnat\":true"), "{text}");
    // A rule that does not say it, as older API versions show one.
    snapshot = serde_json::from_str(&text.replace("\"disableOutboundSnat\":true,", "")).unwrap();
    applied.save("now.json", &snapshot);
    let run = applied.place.run("drift -f examples/private-link --observed now.json -o json");
    let report = crate::world::checked(&run.expect(0).stdout);
    let differences = report["stacks"][0]["differences"].as_array().unwrap();
    assert_eq!(classes(differences), [told("unverified", FRONTEND)]);
    assert_eq!(differences[0]["dependsOn"], "disableOutboundSnat");
    // Pinned, it is known, and the difference is one.
    applied.rewrite(
        "stack.yaml",
        "  cluster: myAKSCluster",
        "  cluster: myAKSCluster\n  facts: {disableOutboundSnat: true}",
    );
    let run = applied.place.run("drift -f examples/private-link --observed now.json -o json");
    let report = crate::world::checked(&run.expect(2).stdout);
    let differences = report["stacks"][0]["differences"].as_array().unwrap();
    assert_eq!(classes(differences), [told("changed-in-azure", FRONTEND)]);
}

#[test]
fn no_azure_list_that_could_not_be_read_is_taken_for_empty() {
    let applied = Applied::private_link();
    let snapshot = applied.snapshot("now.json");
    let lists: Vec<String> = snapshot["azure"].as_object().unwrap().keys().cloned().collect();
    for list in lists {
        let mut snapshot = snapshot.clone();
        snapshot["azure"][&list] = json!({"unreadable": "AuthorizationFailed"});
        applied.save("now.json", &snapshot);
        let run = applied.place.run("drift -f examples/private-link --observed now.json -o json");
        let report = crate::world::checked(&run.expect(1).stdout);
        let stack = &report["stacks"][0];
        let drift = stack["differences"].as_array().unwrap().iter();
        let drift: Vec<&Value> = drift.filter(|it| it["weight"] == "drift").collect();
        assert!(drift.is_empty(), "without {list}: {drift:#?}");
        assert!(
            stack["unreadable"].as_array().unwrap().iter().any(|it| it["what"] == list.as_str())
        );
    }
}

/// The Service that gave a shared frontend its name goes, and another serves on (recording 238): nothing was
/// left behind, and no command that deletes it is printed.
#[test]
fn what_another_service_serves_on_is_no_orphan() {
    let applied = Applied::private_link();
    let annotation = "azure-pls-name: my-pls";
    let address = format!(
        "{annotation}\n    service.beta.kubernetes.io/azure-load-balancer-ipv4: 10.240.0.25"
    );
    applied.rewrite("internal-app.yaml", annotation, &address);
    let folder = applied.place.path().join("examples/private-link");
    let first = std::fs::read_to_string(folder.join("internal-app.yaml")).unwrap();
    let second = first
        .replace("name: internal-app", "name: second")
        .replace("port: 80", "port: 443")
        .lines()
        .filter(|line| !line.contains("azure-pls"))
        .collect::<Vec<_>>()
        .join("\n");
    std::fs::write(folder.join("second.yaml"), second).unwrap();
    let apply = "--auto-approve --max-disconnects 1 --controller-timeout 20";
    applied.run("apply", apply).expect(0);
    std::fs::remove_file(folder.join("internal-app.yaml")).unwrap();
    applied.rewrite("endpoint.yaml", "name: internal-app", "name: second");
    applied.run("apply", apply).expect(0);
    applied.run("plan", "--detailed-exitcode").expect(0);
    let run = applied.run("drift", "").expect(0);
    assert!(!run.stdout.contains("delete"), "{}", run.stdout);
}

/// What Azure failed is a change too, until it is written again.
#[test]
fn what_azure_failed_is_planned_and_written_again() {
    let applied = Applied::private_link();
    for state in ["Failed", "Canceled"] {
        applied.edit(&endpoint(), |it| it["properties"]["provisioningState"] = json!(state));
        let differences = applied.differences(2, "");
        assert_eq!(
            classes(&differences),
            [told("provisioning-failed", "PrivateEndpoint/myAKSServicePE")]
        );
        let plan = applied.run("plan", "--detailed-exitcode").expect(2);
        let row = format!("provisioningState {state} -> Succeeded");
        assert!(plan.stdout.contains(&row), "{}", plan.stdout);
        applied.run("apply", "--auto-approve --controller-timeout 20").expect(0);
        assert_eq!(applied.differences(0, ""), [] as [Value; 0]);
    }
}

/// States that no field tells: plan and drift say them from one rule.
#[test]
fn what_is_silent_in_the_fields_is_told_by_plan_and_drift() {
    type Break = fn(&mut Value);
    let silent: [(&str, &str, Break); 8] = [
        ("connection-unknown", "disconnected", |world| status(world, "Removed")),
        ("connection-unknown", "disconnected", |world| status(world, "")),
        ("stranger-approved", "foreign", |world| {
            let connections = resource(world, "privateLinkServices")
                .pointer_mut("/properties/privateEndpointConnections")
                .unwrap();
            let mut other = connections[0].clone();
            other["name"] = json!("partner");
            other["properties"]["privateEndpoint"]["id"] = json!(network(
                "99999999-9999-9999-9999-999999999999",
                "partner",
                "privateEndpoints/x"
            ));
            connections.as_array_mut().unwrap().push(other);
        }),
        ("cleanup-lost", "unhealthy", |world| service(world)["metadata"]["finalizers"] = json!([])),
        ("external-addresses", "unhealthy", |world| {
            service(world)["spec"]["externalIPs"] = json!(["1.2.3.4"]);
        }),
        ("no-ready-node", "unhealthy", |world| {
            let objects = world["kubernetes"]["objects"].as_array_mut().unwrap();
            for node in objects.iter_mut().filter(|it| it["kind"] == "Node") {
                node["status"]["conditions"] = json!([{"type": "Ready", "status": "Unknown"}]);
            }
        }),
        ("empty-pool", "unhealthy", |world| {
            for pool in resource(world, "loadBalancers")["properties"]["backendAddressPools"]
                .as_array_mut()
                .unwrap()
            {
                pool["properties"]["backendIPConfigurations"] = json!([]);
                pool["properties"]["loadBalancerBackendAddresses"] = json!([]);
            }
        }),
        ("traffic-denied", "unhealthy", |world| {
            let group = resource(world, "networkSecurityGroups");
            let id = format!("{}/securityRules/deny", group["id"].as_str().unwrap());
            let rules = &mut group["properties"]["securityRules"];
            let rule = json!({"name": "deny", "id": id, "properties": {
                "priority": 100, "direction": "Inbound", "access": "Deny", "protocol": "*",
                "sourceAddressPrefix": "*", "sourcePortRange": "*",
                "destinationAddressPrefix": "*", "destinationPortRange": "*",
            }});
            match rules.as_array_mut() {
                Some(rules) => rules.push(rule),
                None => *rules = json!([rule]),
            }
        }),
    ];
    let applied = Applied::private_link();
    let approval = "apiVersion: privlink.dev/v1alpha1\nkind: EndpointApproval\nmetadata: {name: ok}\n\
                    spec: {service: {namespace: default, name: internal-app}, approve: [{subscription: \
                    11111111-1111-1111-1111-111111111111}]}\n";
    let folder = applied.place.path().join("examples/private-link");
    std::fs::write(folder.join("approval.yaml"), approval).unwrap();
    let mut kept = Value::Null;
    applied.edit_world(|world| kept = world.clone());
    assert_eq!(applied.differences(0, ""), [] as [Value; 0]);
    for (code, class, break_it) in silent {
        applied.edit_world(|world| {
            *world = kept.clone();
            break_it(world);
        });
        let plan = applied.run("plan", "");
        assert!(plan.stdout.contains(&format!("[{code}]")), "{code}: {}", plan.stdout);
        let code_of_drift = if class == "foreign" { 0 } else { 2 };
        let differences = applied.differences(code_of_drift, "");
        assert!(differences.iter().any(|it| it["class"] == class), "{code}: {differences:#?}");
    }
}

/// Names that nobody resolves: plan, drift and preflight say so, each by the same rule.
#[test]
fn names_that_nobody_resolves_are_told_by_plan_drift_and_preflight() {
    type Break = fn(&mut Value);
    let unlinked: [(&str, Option<&str>, Break); 6] = [
        ("linked to no virtual network", Some("zone-unlinked"), |world| {
            let resources = world["azure"].as_array_mut().unwrap();
            resources.retain(|it| !it["type"].as_str().unwrap().ends_with("/virtualNetworkLinks"));
        }),
        ("is not linked to virtual network myOtherVNET", Some("zone-unlinked"), |world| {
            let link = resource(world, "privateDnsZones/virtualNetworkLinks");
            link["properties"]["virtualNetwork"]["id"] =
                json!(of_nodes("virtualNetworks/aks-vnet"));
        }),
        ("virtual network myOtherVNET is InProgress", Some("zone-unlinked"), |world| {
            let link = resource(world, "privateDnsZones/virtualNetworkLinks");
            link["properties"]["virtualNetworkLinkState"] = json!("InProgress");
        }),
        ("", None, |world| {
            // Servers of its own may ask in another network that is linked.
            let link = resource(world, "privateDnsZones/virtualNetworkLinks");
            link["properties"]["virtualNetwork"]["id"] =
                json!(of_nodes("virtualNetworks/aks-vnet"));
            for network in world["azure"].as_array_mut().unwrap() {
                if network["name"] == "myOtherVNET" {
                    network["properties"]["dhcpOptions"] = json!({"dnsServers": ["10.9.0.4"]});
                }
            }
        }),
        ("its record shop in", Some("record-lost"), |world| {
            let resources = world["azure"].as_array_mut().unwrap();
            resources.retain(|it| it["name"] != "shop");
        }),
        ("leads to 10.9.9.9", Some("record-lost"), |world| {
            for record in world["azure"].as_array_mut().unwrap() {
                if record["name"] == "shop" {
                    record["properties"]["aRecords"] = json!([{"ipv4Address": "10.9.9.9"}]);
                }
            }
        }),
    ];
    let applied = Applied::new("private-dns", 0);
    let mut kept = Value::Null;
    applied.edit_world(|world| kept = world.clone());
    for (words, code, break_it) in unlinked {
        applied.edit_world(|world| {
            *world = kept.clone();
            break_it(world);
        });
        let plan = applied.run("plan", "-o json").expect(0).stdout;
        let plan: Value = serde_json::from_str(&plan).unwrap();
        let told = plan["findings"].as_array().unwrap().iter();
        let told: Vec<&str> = told.filter_map(|it| it["code"].as_str()).collect();
        let differences = applied.differences(if code.is_some() { 2 } else { 0 }, "");
        let Some(code) = code else {
            assert!(told.is_empty() && differences.is_empty(), "{told:?} {differences:#?}");
            continue;
        };
        assert!(told.contains(&code), "{words}: {told:?}");
        let is_told = |it: &Value| it["class"] == "unhealthy" && it.to_string().contains(words);
        assert!(differences.iter().any(is_told), "{words}: {differences:#?}");
        if code == "zone-unlinked" {
            let preflight = applied.run("preflight", "").expect(1).stdout;
            assert!(preflight.contains(words), "{preflight}");
        }
    }
}

/// What a rule looks at and could not read is told, and is nobody's fault.
#[test]
fn links_and_namespaces_that_could_not_be_read_are_told() {
    let applied = Applied::new("private-dns", 0);
    let mut snapshot = applied.snapshot("now.json");
    let denied = json!({"unreadable": "AuthorizationFailed"});
    let lists = snapshot["azure"].as_object_mut().unwrap();
    let links = lists.iter_mut().find(|(path, _)| path.ends_with("/virtualnetworklinks"));
    *links.unwrap().1 = denied.clone();
    snapshot["kubernetes"]["namespaces"] = denied;
    applied.save("now.json", &snapshot);
    let run = applied.place.run("plan -f examples/private-dns --observed now.json").expect(0);
    assert_eq!(run.stdout.matches("note[unchecked]").count(), 3, "{}", run.stdout);
    let run = applied.place.run("drift -f examples/private-dns --observed now.json").expect(1);
    assert!(run.stdout.contains("Namespaces"), "{}", run.stdout);
}

/// A namespace that goes, or is not there, is known to whoever plans from a snapshot too.
#[test]
fn a_namespace_that_goes_is_told_by_plan_drift_and_preflight() {
    let applied = Applied::private_link();
    applied.edit_world(|world| {
        let objects = world["kubernetes"]["objects"].as_array_mut().unwrap().iter_mut();
        let is_it =
            |it: &&mut Value| it["kind"] == "Namespace" && it["metadata"]["name"] == "default";
        for namespace in objects.filter(is_it) {
            namespace["metadata"]["deletionTimestamp"] = json!("2026-11-28T00:00:00Z");
            namespace["status"]["phase"] = json!("Terminating");
        }
    });
    let plan = applied.run("plan", "").expect(0).stdout;
    assert!(plan.contains("warning[namespace-terminating]"), "{plan}");
    let differences = applied.differences(2, "");
    assert_eq!(classes(&differences), [told("unhealthy", "Service/default/internal-app")]);
    let preflight = applied.run("preflight", "").expect(1).stdout;
    assert!(preflight.contains("namespace default is being deleted"), "{preflight}");

    // From a snapshot: what goes, what takes nothing new, what is not there, and what the input makes.
    applied.snapshot("now.json");
    let offline = |more: &str, code: i32| {
        let run =
            applied.place.run(&format!("plan -f examples/private-link {more} --observed now.json"));
        run.expect(code).stdout
    };
    let plan = offline("", 0);
    assert!(plan.contains("warning[namespace-terminating]"), "{plan}");
    let service = |namespace: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: more\n  namespace: {namespace}\n  annotations:\n    \
             service.beta.kubernetes.io/azure-load-balancer-internal: \"true\"\nspec:\n  type: LoadBalancer\n  \
             selector: {{app: more}}\n  ports: [{{port: 8080}}]\n"
        )
    };
    let write = |text: &str| std::fs::write(applied.place.path().join("more.yaml"), text).unwrap();
    write(&service("default"));
    let plan = offline("-f more.yaml", 3);
    assert!(plan.contains("namespace-missing") && plan.contains("is being deleted"), "{plan}");
    write(&service("new"));
    let plan = offline("-f more.yaml", 3);
    assert!(plan.contains("its namespace new is not there"), "{plan}");
    let namespace = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: new}\n";
    write(&(service("new") + namespace));
    let plan = offline("-f more.yaml", 0);
    assert!(!plan.contains("namespace-missing"), "{plan}");
}

fn resource<'a>(world: &'a mut Value, kind: &str) -> &'a mut Value {
    let kind = format!("Microsoft.Network/{kind}");
    let mut resources = world["azure"].as_array_mut().unwrap().iter_mut();
    resources.find(|it| it["type"] == kind.as_str()).unwrap()
}

fn service(world: &mut Value) -> &mut Value {
    let mut objects = world["kubernetes"]["objects"].as_array_mut().unwrap().iter_mut();
    objects.find(|it| it["kind"] == "Service" && it["metadata"]["name"] == "internal-app").unwrap()
}

/// Both ends of every connection show this state.
fn status(world: &mut Value, status: &str) {
    for resource in world["azure"].as_array_mut().unwrap() {
        for list in [
            "privateLinkServiceConnections",
            "manualPrivateLinkServiceConnections",
            "privateEndpointConnections",
        ] {
            let connections = resource.pointer_mut(&format!("/properties/{list}"));
            for connection in connections.and_then(Value::as_array_mut).into_iter().flatten() {
                connection["properties"]["privateLinkServiceConnectionState"]["status"] =
                    json!(status);
            }
        }
    }
}

/// Azure Policy's zone group is never touched, and drift names its maker.
#[test]
fn a_zone_group_that_azure_policy_deployed_instead_is_told_with_its_maker() {
    let applied = Applied::new("private-dns", 0);
    let endpoint = network(SUBSCRIPTION, "myOtherResourceGroup", "privateEndpoints/by-zone-group");
    let zone =
        network(SUBSCRIPTION, "myOtherResourceGroup", "privateDnsZones/privatelink.contoso.com");
    let policys = format!("{endpoint}/privateDnsZoneGroups/deployedByPolicy");
    let group = json!({"properties": {"privateDnsZoneConfigs": [
        {"name": "contoso", "properties": {"privateDnsZoneId": zone}},
    ]}});
    let own = format!("{endpoint}/privateDnsZoneGroups/default");
    let (deleted, deployed) = (own.clone(), policys.clone());
    applied.meanwhile(|somebody| async move {
        somebody.write("DELETE", &deleted, None).await;
        somebody.write("PUT", &deployed, Some(&group)).await;
    });
    let found = applied.differences(2, "");
    assert_eq!(found.len(), 1, "{found:#?}");
    let message = found[0]["message"].as_str().unwrap();
    assert!(
        message.contains("the zone group deployedByPolicy already, which Azure Policy made"),
        "{message}"
    );
    let line = crate::support::flat(&applied.run("drift", "").expect(2).stdout);
    assert!(line.contains("deployedByPolicy already, which Azure Policy made"), "{line}");
    assert!(line.contains("exempt the endpoint first"), "{line}");
    // The repair is not to apply, which is refused and touches nothing.
    applied.run("apply", "--auto-approve").expect(3);
    // Left to its maker, it is no concern of the stack any more, whose end leaves it too.
    let dns = "  dns:\n    zoneGroup: {zones: [privatelink.contoso.com]}\n";
    applied.rewrite("endpoints.yaml", dns, "");
    let taken_out = applied.run("apply", "--auto-approve").expect(0).stdout;
    assert!(!taken_out.contains("deployedByPolicy"), "{taken_out}");
    assert_eq!(applied.differences(0, ""), Vec::<Value>::new());
    applied.edit(&policys, |group| assert_eq!(group["name"], "deployedByPolicy"));
    let plan = applied.run("plan", "--destroy -o json").expect(0);
    assert!(!plan.stdout.contains("deployedByPolicy"), "{}", plan.stdout);
}
