//! States that plan and drift report alike.

use serde_json::{Value, json};

use crate::world::{Applied, classes, endpoint, network, of_nodes, told};

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
