//! `preflight` against the sandbox: what is missing there is found before anything is written.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here fails the test")]

mod support;

use std::fs;

use serde_json::{Value, json};
use support::{Workplace, assert_fits, edit_json};

const STACK: &str = "-f examples/private-link --sandbox=world.json";
const SUBSCRIPTION: &str = "/subscriptions/00000000-0000-0000-0000-000000000000";

/// A workplace whose sandbox was changed.
fn place(edit: impl FnOnce(&mut Value)) -> Workplace {
    let place = Workplace::with_example("private-link");
    place.run("sandbox init world.json").expect(0);
    edit_json(&place.path().join("world.json"), edit);
    place
}

/// Changes an input file of the example.
fn rewrite(place: &Workplace, file: &str, from: &str, to: &str) {
    let file = place.path().join("examples/private-link").join(file);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(file, text.replace(from, to)).unwrap();
}

/// What is not met, as area and requirement.
fn unmet(place: &Workplace, code: i32) -> Vec<(String, String, String)> {
    let report = place.run(&format!("preflight {STACK} -o json")).expect(code).stdout;
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_fits("preflight", &report);
    let text = |check: &Value, field: &str| check[field].as_str().unwrap().to_owned();
    report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["verdict"] != "met")
        .map(|check| (text(check, "area"), text(check, "requirement"), text(check, "verdict")))
        .collect()
}

fn expected(area: &str, requirement: &str, verdict: &str) -> (String, String, String) {
    (area.to_owned(), requirement.to_owned(), verdict.to_owned())
}

#[test]
fn the_first_world_has_all_that_the_documentations_scenario_needs() {
    let place = place(|_| {});
    assert_eq!(unmet(&place, 0), []);
    let text = place.run(&format!("preflight {STACK}")).expect(0);
    assert!(text.last_line().ends_with("0 missing, 0 unknown."), "{}", text.stdout);
}

#[test]
fn a_missing_action_is_named_with_its_scope() {
    let place = place(|world| {
        world["directory"]["permissions"] = json!({
            SUBSCRIPTION: [{"actions": ["*"], "notActions": ["*/subnets/join/action"]}],
        });
    });
    let action = "Microsoft.Network/virtualNetworks/subnets/join/action";
    assert_eq!(unmet(&place, 1), [expected("own-rights", action, "missing")]);
    let text = place.run(&format!("preflight {STACK}")).expect(1).stdout;
    assert!(text.contains("virtualnetworks/myothervnet/subnets/pe-subnet"), "{text}");
    // A plan needs no join.
    place.run(&format!("preflight {STACK} --for plan")).expect(0);
    let apply = place.run(&format!("apply {STACK} -y --preflight")).expect(1);
    assert!(apply.stderr.contains(action), "{}", apply.stderr);
    let output = place.run(&format!("plan {STACK} --detailed-exitcode")).expect(2).stdout;
    assert!(output.contains(" created"), "nothing was applied: {output}");
}

#[test]
fn the_clusters_identity_needs_to_write_the_subnet() {
    let node_group =
        format!("{SUBSCRIPTION}/resourceGroups/MC_myResourceGroup_myAKSCluster_eastus");
    let assigned = |role: &str| {
        let assignment = json!({
            "role": role, "principal": "cccccccc-cccc-cccc-cccc-cccccccccccc", "scope": node_group,
        });
        place(|world| world["directory"]["roleAssignments"] = json!([assignment]))
    };
    let missing = unmet(&assigned("Reader"), 1);
    let write = "Microsoft.Network/virtualNetworks/subnets/write";
    assert!(missing.contains(&expected("cluster-rights", write, "missing")), "{missing:?}");
    assert!(missing.iter().all(|(area, ..)| area == "cluster-rights"), "{missing:?}");
    assert_eq!(unmet(&assigned("Contributor"), 0), []);
    // A role whose definition cannot be read.
    let unknown = unmet(&assigned("99999999-0000-0000-0000-000000000000"), 0);
    assert!(!unknown.is_empty());
    assert!(unknown.iter().all(|(_, _, verdict)| verdict == "unknown"), "{unknown:?}");
}

/// Who writes a subnet needs to join all that it refers to: what an egress firewall's owner put on it, in a group of
/// their own. Nothing is missing where the identity may.
#[test]
fn the_clusters_identity_needs_to_join_what_the_subnet_refers_to() {
    let node_group =
        format!("{SUBSCRIPTION}/resourceGroups/MC_myResourceGroup_myAKSCluster_eastus");
    let other = format!("{SUBSCRIPTION}/resourceGroups/egress-rg");
    let place = |scopes: &[&String]| {
        let assignments: Vec<Value> = scopes
            .iter()
            .map(|scope| {
                json!({"role": "Contributor", "principal": "cccccccc-cccc-cccc-cccc-cccccccccccc",
                       "scope": scope})
            })
            .collect();
        place(|world| {
            world["directory"]["roleAssignments"] = json!(assignments);
            let ours = |it: &&mut Value| it["name"] == "aks-subnet" || it["name"] == "pls-subnet";
            for subnet in world["azure"].as_array_mut().unwrap().iter_mut().filter(ours) {
                for (field, kind) in [
                    ("natGateway", "natGateways"),
                    ("routeTable", "routeTables"),
                    ("networkSecurityGroup", "networkSecurityGroups"),
                ] {
                    let id = format!("{other}/providers/Microsoft.Network/{kind}/egress");
                    subnet["properties"][field] = json!({"id": id});
                }
            }
        })
    };
    let missing = unmet(&place(&[&node_group]), 1);
    for kind in ["natGateways", "routeTables", "networkSecurityGroups"] {
        let join = format!("Microsoft.Network/{kind}/join/action");
        assert!(missing.contains(&expected("cluster-rights", &join, "missing")), "{missing:?}");
    }
    assert_eq!(missing.len(), 3, "{missing:?}");
    assert_eq!(unmet(&place(&[&node_group, &other]), 0), []);
}

#[test]
fn a_provider_that_is_not_registered_is_missing() {
    let place = place(|world| world["directory"]["unregistered"] = json!(["microsoft.network"]));
    let requirement = "Microsoft.Network is registered";
    assert_eq!(unmet(&place, 1), [expected("provider", requirement, "missing")]);
}

#[test]
fn a_static_address_must_be_free_and_in_its_subnet() {
    for (address, met) in
        [("10.1.0.9", true), ("10.1.0.3", false), ("10.1.0.255", false), ("10.2.0.9", false)]
    {
        let place = place(|_| {});
        let to = format!("approval: Automatic\n  address: {address}");
        rewrite(&place, "endpoint.yaml", "approval: Automatic", &to);
        let requirement = format!("{address} is free in pe-subnet");
        let missing = [expected("address", &requirement, "missing")];
        assert_eq!(unmet(&place, i32::from(!met)), missing[usize::from(met)..], "{address}");
    }
}

#[test]
fn an_endpoint_is_in_its_networks_region_and_for_automatic_approval_in_its_tenant() {
    let place = place(|_| {});
    let file = "endpoint.yaml";
    rewrite(&place, file, "approval: Automatic", "approval: Automatic\n  location: westeurope");
    let requirement = "is in its virtual network's region (westeurope wanted)";
    assert_eq!(unmet(&place, 1), [expected("region", requirement, "missing")]);
    rewrite(&place, file, "\n  location: westeurope", "");
    rewrite(&place, file, "myOtherResourceGroup", "partnerResourceGroup");
    rewrite(&place, file, "myOtherVNET", "partner-vnet");
    let foreign = "spec:\n  subscription: 99999999-9999-9999-9999-999999999999";
    rewrite(&place, file, "spec:", foreign);
    let requirement = "one tenant, for approval: Automatic";
    assert_eq!(unmet(&place, 1), [expected("tenant", requirement, "missing")]);
    let manual = "approval: Manual\n  requestMessage: please";
    rewrite(&place, file, "approval: Automatic", manual);
    assert_eq!(unmet(&place, 0), []);
}

#[test]
fn the_ninth_link_on_a_load_balancer_is_one_too_many() {
    let place = place(|_| {});
    for number in 1..=8 {
        let folder = place.path().join("examples/private-link");
        let text = fs::read_to_string(folder.join("internal-app.yaml")).unwrap();
        let text = text
            .replace("name: internal-app", &format!("name: internal-{number}"))
            .replace("my-pls", &format!("my-pls-{number}"));
        fs::write(folder.join(format!("service-{number}.yaml")), text).unwrap();
    }
    let missing = unmet(&place, 1);
    let requirement = "at most 8 Private Link Services on a load balancer";
    assert_eq!(missing, [expected("quota", requirement, "missing")]);
}

/// Azure takes 1000 endpoints on a Private Link Service and in a network; there is one, and others come.
#[test]
fn endpoints_are_counted_against_azures_limits() {
    let place = place(|_| {});
    place.run(&format!("apply {STACK} --auto-approve")).expect(0);
    let file = place.path().join("world.json");
    let crowd = |world: &mut Value, others: usize| {
        let resources = world["azure"].as_array_mut().unwrap();
        let at = |resources: &[Value], end: &str| {
            resources.iter().position(|it| it["id"].as_str().unwrap().ends_with(end)).unwrap()
        };
        let endpoint = resources[at(resources, "/myAKSServicePE")].clone();
        let link = at(resources, "/my-pls");
        let own = resources[link]["properties"]["privateEndpointConnections"][0].clone();
        let known = resources.len();
        for number in
            resources[link]["properties"]["privateEndpointConnections"].as_array().unwrap().len()
                ..=others
        {
            let renamed = |value: &Value, name: &str| -> Value {
                let text = value.to_string().replace(name, &format!("other-{number}"));
                serde_json::from_str(&text).unwrap()
            };
            let mut other = renamed(&endpoint, "myAKSServicePE");
            other["properties"]["networkInterfaces"] = json!([]);
            other.as_object_mut().unwrap().remove("tags");
            resources.push(other);
            let connections = &mut resources[link]["properties"]["privateEndpointConnections"];
            connections.as_array_mut().unwrap().push(renamed(&own, "myAKSServicePE"));
        }
        assert!(resources.len() > known);
    };
    edit_json(&file, |world| crowd(world, 999));
    assert_eq!(unmet(&place, 0), []);
    edit_json(&file, |world| crowd(world, 1000));
    let limits = [
        "at most 1000 endpoints of a Private Link Service",
        "at most 1000 endpoints in a virtual network",
    ];
    assert_eq!(unmet(&place, 1), limits.map(|it| expected("quota", it, "missing")));
}

#[test]
fn a_full_subnet_has_no_room() {
    let place = place(|world| {
        let text = world["azure"].to_string();
        // 8 addresses, of which Azure keeps 5; the frontend, the NAT address and 2 nodes want 4.
        world["azure"] =
            serde_json::from_str(&text.replace("10.240.0.0/16", "10.240.0.0/29")).unwrap();
    });
    let missing = unmet(&place, 1);
    assert_eq!(missing, [expected("subnet", "2 more addresses", "missing")]);
}

#[test]
fn a_delegated_subnet_takes_no_endpoint() {
    let place = place(|world| {
        let subnets = world["azure"].as_array_mut().unwrap();
        let subnet = subnets.iter_mut().find(|it| {
            it["name"] == "pe-subnet" && { it["id"].as_str().unwrap().contains("/myOtherVNET/") }
        });
        subnet.unwrap()["properties"]["delegations"] =
            json!([{"name": "d", "properties": {"serviceName": "Microsoft.Web/serverFarms"}}]);
    });
    assert_eq!(
        unmet(&place, 1),
        [expected("policy", "no delegation, for private endpoints", "missing")]
    );
    let text = place.run(&format!("preflight {STACK}")).expect(1).stdout;
    assert!(text.contains("it is delegated to Microsoft.Web/serverFarms"), "{text}");
}

#[test]
fn roles_are_printed_without_contacting_anything() {
    let place = place(|_| {});
    for subscription in ["", "--subscription 00000000-0000-0000-0000-000000000000"] {
        let run = place.run(&format!("preflight --role azure {subscription}")).expect(1);
        assert!(run.stderr.contains("the role is for no subscription"), "{}", run.stderr);
    }
    let subscription = "11111111-1111-1111-1111-111111111111";
    let role = place.run(&format!("preflight --role azure --subscription {subscription}"));
    let role = role.expect(0).stdout;
    assert!(role.contains(&format!("\"/subscriptions/{subscription}\"")), "{role}");
    assert!(role.contains("listClusterUserCredential/action"), "{role}");
    let role: Value = serde_json::from_str(&role).unwrap();
    assert_eq!(role["IsCustom"], true);
    assert!(role["Actions"].as_array().unwrap().len() > 15, "{role}");
    let roles = place.run("preflight --role kubernetes --for plan").expect(0).stdout;
    assert_eq!(roles.matches("kind: ClusterRole").count(), 1, "{roles}");
    let bound = place.run("preflight --role kubernetes --user 1d -n shop").expect(0).stdout;
    assert!(
        bound.contains("kind: ClusterRoleBinding\n") && bound.contains("name: \"1d\""),
        "{bound}"
    );
    assert_eq!(bound.matches("kind: RoleBinding").count(), 2, "{bound}");
    place.run("preflight --role azure --user 1d").expect(1);
}

/// Each fact that predictions rest on is shown with where it is from.
#[test]
fn facts_are_shown_with_their_sources() {
    let place = place(|_| {});
    let pinned = "cluster: myAKSCluster\n  facts: {disableOutboundSnat: true}\n";
    rewrite(&place, "stack.yaml", "cluster: myAKSCluster\n", pinned);
    let text = place.run(&format!("preflight {STACK}")).expect(0).stdout;
    for (fact, source) in [
        ("disableOutboundSnat = true", "pinned"),
        ("backendPoolType = nodeIPConfiguration", "read"),
        ("securityGroup = aks-agentpool-nsg", "inferred"),
        ("zones = ", "assumed"),
    ] {
        let line = text.lines().find(|line| line.trim_start().starts_with(fact));
        assert!(line.is_some_and(|it| it.ends_with(&format!("({source})"))), "{fact}:\n{text}");
    }
    let report = place.run(&format!("preflight {STACK} -o json")).expect(0).stdout;
    let report: Value = serde_json::from_str(&report).unwrap();
    let sources: std::collections::BTreeSet<&str> =
        report["facts"].as_array().unwrap().iter().filter_map(|it| it["source"].as_str()).collect();
    assert_eq!(sources.into_iter().collect::<Vec<_>>(), ["assumed", "inferred", "pinned", "read"]);
}
