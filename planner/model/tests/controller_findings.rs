//! Findings about the controller that the recordings at hand do not show, run on the model. Each test
//! names the controller's function that it comes from.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod run;

use run::{Run, failure, internal, messages, service, written};
use serde_json::{Value, json};

const ADDRESS: (&str, &str) = ("azure-load-balancer-ipv4", "10.240.0.25");
const LINK: (&str, &str) = ("azure-pls-create", "true");
const LOAD_BALANCER: &str = "loadBalancers/kubernetes-internal";

fn on_port(mut service: Value, port: u16) -> Value {
    service["spec"]["ports"][0]["port"] = json!(port);
    service["spec"]["ports"][0]["nodePort"] = json!(30000 + port);
    service
}

fn rules(step: &privlink_model::recording::shape::StepPrediction) -> Vec<String> {
    let rules = step.load_balancers.iter().flat_map(|it| {
        it["properties"]["loadBalancingRules"].as_array().cloned().unwrap_or_default()
    });
    rules.map(|rule| rule["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn who_asks_first_owns_the_link_of_a_shared_frontend() {
    // `reconcilePrivateLinkService`: named after the frontend, owned by who asked.
    let one = internal("one", &[ADDRESS]);
    let two = on_port(internal("two", &[ADDRESS, LINK]), 81);
    let last = Run::new().apply(std::slice::from_ref(&one)).apply(&[one, two]).last();
    let link = &last.private_link_services[0];
    let frontend = &last.load_balancers[0]["properties"]["frontendIPConfigurations"][0]["name"];
    assert_eq!(link["name"], format!("pls-{}", frontend.as_str().unwrap()));
    assert_eq!(link["tags"]["k8s-azure-owner-service"], "default/two");
}

#[test]
fn a_link_is_looked_for_in_the_services_own_group() {
    // `getPLSResourceGroup`: who shares the frontend and does not repeat the group makes one more.
    let one = internal("one", &[ADDRESS, LINK, ("azure-pls-resource-group", "other-rg")]);
    let two = on_port(internal("two", &[ADDRESS, LINK]), 81);
    let mut run = Run::new().apply(std::slice::from_ref(&one)).apply(&[one, two]);
    run.recording.arm_fake.strict = false;
    let last = run.last();
    assert_eq!(last.private_link_services.len(), 2);
    run.recording.arm_fake.strict = true;
    assert!(failure(&run.last()).starts_with("create or update PLS: PUT https://"));
}

#[test]
fn a_link_without_its_tags_is_nobodys() {
    // `isManagedPrivateLinkSerivce`.
    let web = |touch: &'static str| {
        internal("web", &[LINK, ("azure-pls-name", "mine"), ("touch", touch)])
    };
    let id = "${base}/Microsoft.Network/privateLinkServices/mine";
    let edit = json!({"id": id, "ops": [{"op": "remove", "path": "/tags"}]});
    let last = Run::new()
        .apply(&[web("1")])
        .step(json!({"armEdit": edit, "apply": [web("2")]}), &[web("2")])
        .last();
    let error = failure(&last);
    assert!(
        error.contains(" already has unmanaged private link service(/subscriptions/"),
        "{error}"
    );
    assert!(last.arm_writes.is_empty());
}

#[test]
fn the_annotation_beats_the_address_in_the_spec() {
    // `getServiceLoadBalancerIP`.
    let mut web = internal("web", &[ADDRESS]);
    web["spec"]["loadBalancerIP"] = json!("10.240.0.77");
    let last = Run::new().apply(&[web]).last();
    assert_eq!(last.service_status["web"]["loadBalancer"]["ingress"][0]["ip"], ADDRESS.1);
}

#[test]
fn blank_annotations_of_a_link_are_none_but_for_its_name() {
    // `getPLSSubnetName`, `getPLSFqdns`, `getPLSStaticIPs`; `getPrivateLinkServiceName`.
    let blank = [
        LINK,
        ("azure-pls-ip-configuration-subnet", " "),
        ("azure-pls-ip-configuration-ip-address", " "),
        ("azure-pls-fqdns", " "),
        ("azure-pls-visibility", " "),
        ("azure-pls-auto-approval", ""),
        ("azure-pls-resource-group", " "),
        ("azure-pls-proxy-protocol", ""),
    ];
    let last = Run::new().apply(&[internal("web", &blank)]).last();
    assert_eq!(last.private_link_services.len(), 1, "{:?}", last.events);
    let mut named = blank.to_vec();
    named.push(("azure-pls-name", " "));
    let last = Run::new().apply(&[internal("web", &named)]).last();
    assert_eq!(failure(&last), "create or update PLS: parameter serviceName cannot be empty");
    assert!(written(&last).iter().any(|it| it.contains("/subnets/")), "{:?}", written(&last));
}

#[test]
fn what_may_pass_is_tried_again_by_the_sdk_and_a_conflict_by_the_next_sync() {
    // azcore's retry policy; `controllers/service/controller.go`, `processNextServiceItem`.
    let web = || internal("web", &[]);
    let put = format!("PUT {LOAD_BALANCER}");
    let pool = format!("PUT {LOAD_BALANCER}/backendAddressPools/kubernetes");
    let fault =
        |status: u16| json!({"method": "PUT", "path": "/kubernetes-internal", "status": status});
    let last = Run::new().fault(fault(500)).apply(&[web()]).last();
    assert_eq!(written(&last), [put.clone(), put.clone(), pool.clone()]);
    assert!(messages(&last, "SyncLoadBalancerFailed").is_empty());
    let mut run = Run::new().fault(fault(409)).apply(&[web()]);
    assert_eq!(written(&run.last()), std::slice::from_ref(&put));
    run.recording.steps[0].wait = Some(6.0);
    assert_eq!(written(&run.last()), [put.clone(), put, pool]);
}

#[test]
fn security_rules_can_be_done_without() {
    // `reconcileSecurityGroup`, `IsK8sServiceDisableLoadBalancerNSGRule`.
    let rule = |annotations: &[(&str, &str)]| {
        let last = Run::new().apply(&[service("web", annotations)]).last();
        written(&last).iter().any(|it| it.contains("networkSecurityGroups/"))
    };
    assert!(rule(&[]));
    assert!(!rule(&[("azure-disable-load-balancer-nsg-rule", "True")]));
    assert!(rule(&[("azure-disable-load-balancer-nsg-rule", "yes")]));
}

#[test]
fn without_floating_ip_security_rules_are_for_nodes_and_node_ports() {
    // `reconcileSecurityGroup`, `SecurityRuleDestinationPortsByProtocol`.
    let web = internal(
        "web",
        &[
            ("azure-disable-load-balancer-floating-ip", "true"),
            ("azure-allowed-ip-ranges", "10.8.0.0/16"),
        ],
    );
    let last = Run::new().apply(&[web]).last();
    let rule = &last.network_security_groups[0]["properties"]["securityRules"][0]["properties"];
    assert_eq!(rule["destinationAddressPrefixes"], json!(["10.240.0.4", "10.240.0.5"]));
    assert_eq!(rule["destinationPortRanges"], json!(["30080"]));
    assert_eq!(rule["sourceAddressPrefix"], "10.8.0.0/16");
}

#[test]
fn high_availability_ports_are_for_internal_services_with_one_rule() {
    // `getExpectedLBRules`.
    let key = ("azure-load-balancer-enable-high-availability-ports", "true");
    let with_ports = |mut service: Value| {
        service["spec"]["ports"] = json!([
            {"name": "a", "port": 80, "protocol": "TCP", "nodePort": 30080},
            {"name": "b", "port": 81, "protocol": "TCP", "nodePort": 30081},
        ]);
        service
    };
    let public = Run::new().apply(&[with_ports(service("web", &[key]))]).last();
    assert_eq!(rules(&public).len(), 2);
    let internal = Run::new().apply(&[with_ports(internal("web", &[key]))]).last();
    let [rule] = &rules(&internal)[..] else { panic!("{:?}", rules(&internal)) };
    assert!(rule.ends_with("-TCP-80"));
    let properties =
        &internal.load_balancers[0]["properties"]["loadBalancingRules"][0]["properties"];
    assert_eq!(properties["protocol"], "All");
    assert_eq!((&properties["frontendPort"], &properties["backendPort"]), (&json!(0), &json!(0)));
}

#[test]
fn the_owner_of_a_shared_address_takes_the_rules_of_others_with_it() {
    // `isFrontendIPChanged`: the frontend is made anew at its name; rules of others name it by id.
    let two = on_port(internal("two", &[ADDRESS]), 81);
    let one =
        |address: &'static str| internal("one", &[("azure-load-balancer-ipv4", address), LINK]);
    let last = Run::new()
        .apply(&[one(ADDRESS.1)])
        .apply(&[one(ADDRESS.1), two.clone()])
        .step(json!({"apply": [one("10.240.0.26")]}), &[one("10.240.0.26"), two])
        .last();
    let writes = written(&last);
    assert!(writes[0].starts_with("DELETE privateLinkServices/pls-"), "{writes:?}");
    assert_eq!(writes[1], format!("PUT {LOAD_BALANCER}"));
    assert!(writes[2].starts_with("PUT privateLinkServices/pls-"), "{writes:?}");
    assert_eq!(rules(&last).len(), 2);
    assert_eq!(last.service_status["two"]["loadBalancer"]["ingress"][0]["ip"], ADDRESS.1);
}

#[test]
fn what_a_change_to_public_leaves_goes_with_the_next_sync() {
    // `reconcileService` drops the wish of the flipped pass for another one.
    let public = |touch: &'static str| service("web", &[("touch", touch)]);
    let steps = Run::new()
        .apply(&[internal("web", &[LINK])])
        .apply(&[public("1")])
        .apply(&[public("2")])
        .predictions();
    let has =
        |at: usize| steps[at].load_balancers.iter().any(|it| it["name"] == "kubernetes-internal");
    assert!(has(1));
    assert!(steps[1].private_link_services.is_empty());
    assert!(!has(2));
    assert!(written(&steps[2]).contains(&format!("DELETE {LOAD_BALANCER}")));
}

#[test]
fn datagrams_have_neither_probe_nor_reset() {
    // `buildHealthProbeRulesForPort`, `getExpectedLoadBalancingRulePropertiesForPort`.
    let mut web = internal("web", &[]);
    web["spec"]["ports"][0]["protocol"] = json!("UDP");
    let last = Run::new().apply(&[web]).last();
    let properties = &last.load_balancers[0]["properties"];
    assert!(properties["probes"].as_array().is_none_or(Vec::is_empty));
    let rule = &properties["loadBalancingRules"][0]["properties"];
    assert!(rule.get("probe").is_none());
    assert_eq!(rule["protocol"], "Udp");
}

#[test]
fn what_is_not_the_controllers_keeps_the_load_balancer() {
    // `reconcileFrontendIPConfigs`, `reconcileLBRules`: what is not owned stays.
    let web = internal("web", &[]);
    let id = "${base}/Microsoft.Network/loadBalancers/kubernetes-internal";
    let frontend = json!({
        "name": "foreign",
        "id": format!("{id}/frontendIPConfigurations/foreign"),
        "properties": {
            "privateIPAllocationMethod": "Static",
            "privateIPAddress": "10.240.0.99",
            "subnet": {"id": "${vnet}/subnets/aks-subnet"},
        },
    });
    let operation =
        json!({"op": "add", "path": "/properties/frontendIPConfigurations/-", "value": frontend});
    let gone = json!({"delete": [{"kind": "Service", "metadata": {"name": "web"}}]});
    let last = Run::new()
        .apply(std::slice::from_ref(&web))
        .step(json!({"armEdit": {"id": id, "ops": [operation]}}), std::slice::from_ref(&web))
        .step(gone, &[])
        .last();
    assert_eq!(written(&last), [format!("PUT {LOAD_BALANCER}")], "{:?}", last.events);
    let frontends = &last.load_balancers[0]["properties"]["frontendIPConfigurations"];
    assert_eq!(frontends.as_array().unwrap().len(), 1);
    assert_eq!(frontends[0]["name"], "foreign");
}
