//! Differences that begin in Azure.

use serde_json::{Value, json};

use crate::world::{
    Applied, LINK, SUBSCRIPTION, balancer, classes, endpoint, link, network, of_nodes, told,
};

const FRONTEND: &str = "FrontendIp/default/internal-app";
const CONNECTION: &str = "EndpointConnection/myAKSServicePE";

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
