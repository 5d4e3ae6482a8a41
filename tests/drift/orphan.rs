//! What nothing wants any more, and what somebody still uses.

use serde_json::{Value, json};

use crate::support::Workplace;
use crate::world::{Applied, LINK, balancer, classes, link, of_nodes, told};

#[test]
fn an_endpoint_of_the_stack_that_it_no_longer_wants_is_an_orphan() {
    let applied = Applied::private_link();
    let file = applied.place.path().join("examples/private-link/endpoint.yaml");
    std::fs::remove_file(file).unwrap();
    let differences = applied.differences(2, "");
    assert_eq!(classes(&differences), [told("orphan", "PrivateEndpoint/myAKSServicePE")]);
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

const APPLY: &str = "--auto-approve --max-disconnects 1 --controller-timeout 20";

/// The AKS documentation's scenario with another Service on the frontend.
fn shared_with(name: &str) -> Applied {
    let applied = Applied::private_link();
    let annotation = "azure-pls-name: my-pls";
    let address = format!(
        "{annotation}\n    service.beta.kubernetes.io/azure-load-balancer-ipv4: 10.240.0.25"
    );
    applied.rewrite("internal-app.yaml", annotation, &address);
    let folder = applied.place.path().join("examples/private-link");
    let first = std::fs::read_to_string(folder.join("internal-app.yaml")).unwrap();
    let other = first
        .replace("name: internal-app", &format!("name: {name}"))
        .replace("port: 80", "port: 443");
    let plain: Vec<&str> = other.lines().filter(|line| !line.contains("azure-pls")).collect();
    std::fs::write(folder.join(format!("{name}.yaml")), plain.join("\n")).unwrap();
    applied.run("apply", APPLY).expect(0);
    applied
}

/// The tag names a Service that is gone, and two share the frontend: the one that asks for it is to have it.
#[test]
fn a_tag_of_nobody_is_given_to_the_service_that_asks_for_the_link() {
    let applied = shared_with("aside");
    applied.edit(&link(), |link| link["tags"]["k8s-azure-owner-service"] = json!("default/gone"));
    let differences = applied.differences(2, "");
    let repairs = serde_json::to_string(&differences).unwrap();
    assert!(repairs.contains("k8s-azure-owner-service=default/internal-app"), "{repairs}");
    assert!(!repairs.contains("k8s-azure-owner-service=default/aside"), "{repairs}");
}

/// The Service that gave a shared frontend its name goes, and another serves on (recording 238): nothing was
/// left behind, and no command that deletes it is printed.
#[test]
fn what_another_service_serves_on_is_no_orphan() {
    let applied = shared_with("second");
    let folder = applied.place.path().join("examples/private-link");
    std::fs::remove_file(folder.join("internal-app.yaml")).unwrap();
    applied.rewrite("endpoint.yaml", "name: internal-app", "name: second");
    applied.run("apply", APPLY).expect(0);
    applied.run("plan", "--detailed-exitcode").expect(0);
    let run = applied.run("drift", "").expect(0);
    assert!(!run.stdout.contains("delete"), "{}", run.stdout);
}

/// Whoever turns floating IP on leaves the rules for the nodes behind: the plan says so, and drift until they are gone.
#[test]
fn security_rules_for_nodes_stay_when_packets_go_to_the_frontend_again() {
    const EXAMPLE: &str = "internal-load-balancer";
    let applied = Applied { name: EXAMPLE, place: Workplace::with_example(EXAMPLE) };
    let internal = "azure-load-balancer-internal: \"true\"";
    let restricted = [
        internal,
        "azure-allowed-ip-ranges: 10.1.0.0/24",
        "azure-deny-all-except-load-balancer-source-ranges: \"true\"",
    ]
    .join("\n    service.beta.kubernetes.io/");
    let off = "\n    service.beta.kubernetes.io/azure-disable-load-balancer-floating-ip: \"true\"";
    applied.rewrite("internal-app.yaml", internal, &format!("{restricted}{off}"));
    let apply = "--auto-approve --controller-timeout 20";
    applied.run("apply", apply).expect(0);
    let report = applied.report(2, "").to_string();
    assert!(!report.contains("orphan"), "{report}");
    applied.rewrite("internal-app.yaml", off, "");
    let plan = applied.run("plan", "").expect(0).stdout;
    assert!(plan.contains("warning[rules-left-behind]"), "{plan}");
    applied.run("apply", apply).expect(0);
    let plan = applied.run("plan", "--detailed-exitcode").expect(0).stdout;
    assert!(!plan.contains("rules-left-behind"), "{plan}");
    let differences = applied.differences(2, "");
    let commands: Vec<&str> = differences
        .iter()
        .filter(|it| it["class"] == "orphan")
        .map(|it| it["repair"]["commands"][0].as_str().unwrap())
        .collect();
    let [allow, deny] = commands[..] else { panic!("{differences:#?}") };
    let of_group = |verb: &str| {
        format!(
            "az network nsg rule {verb} -g MC_myResourceGroup_myAKSCluster_eastus --nsg-name aks-agentpool-nsg -n "
        )
    };
    assert!(allow.starts_with(&of_group("delete")), "{allow}");
    // The rule that denies the rest is the frontend's too now: the nodes are taken out of it.
    let rest = deny.strip_prefix(&of_group("update")).unwrap_or_else(|| panic!("{deny}"));
    let (rule, address) = rest.split_once(" --destination-address-prefixes ").unwrap();
    let name = allow.rsplit_once(' ').unwrap().1;
    applied.edit(&of_nodes("networkSecurityGroups/aks-agentpool-nsg"), |group| {
        let rules = group["properties"]["securityRules"].as_array_mut().unwrap();
        rules.retain(|it| it["name"] != name);
        let deny = rules.iter_mut().find(|it| it["name"] == rule).unwrap();
        let properties = deny["properties"].as_object_mut().unwrap();
        properties.remove("destinationAddressPrefixes");
        properties.insert("destinationAddressPrefix".to_owned(), json!(address));
    });
    assert_eq!(applied.differences(0, ""), [] as [Value; 0]);
}
