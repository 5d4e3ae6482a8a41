//! What the controller's source says of cases that no recording at hand shows. Each test names the
//! function it comes from.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod run;

use privlink_model::recording::shape::StepPrediction;
use run::{PREFIX, Run, failure, internal, messages, service, written};
use serde_json::{Value, json};

#[test]
fn a_change_of_the_application_protocol_is_synced() {
    // `portEqualForLB`.
    let before = internal("web", &[]);
    let mut after = before.clone();
    after["spec"]["ports"][0]["appProtocol"] = json!("http");
    let last = Run::new().apply(&[before]).apply(&[after]).last();
    assert_eq!(written(&last), ["PUT loadBalancers/kubernetes-internal"]);
    let probe = &last.load_balancers[0]["properties"]["probes"][0]["properties"];
    assert_eq!(probe["protocol"], "Http");
}

const SECOND: &str = "aks-nodepool1-vmss000001";
const SECOND_MACHINE: &str = "virtualMachineScaleSets/aks-nodepool1-vmss/virtualMachines/1";

/// The second Node of the cluster. One that a step applies was not there before.
fn second_node() -> Value {
    let group =
        "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/MC_rg_aks_eastus";
    json!({
        "kind": "Node",
        "metadata": {"name": SECOND},
        "spec": {"providerID": format!("azure://{group}/providers/Microsoft.Compute/{SECOND_MACHINE}")},
        "status": {"addresses": [
            {"type": "InternalIP", "address": "10.240.0.5"},
            {"type": "InternalIP", "address": "fd00:db8:deca::5"},
        ]},
    })
}

#[test]
fn a_failed_update_of_nodes_is_followed_by_a_sync() {
    // `lockedUpdateLoadBalancerHosts`, `processNextNodeItem`.
    let web = internal("web", &[]);
    let gone = json!({"delete": [{"kind": "Node", "metadata": {"name": SECOND}}]});
    let fault = |times: u32| {
        let path = "/backendAddressPools/";
        json!({"method": "PUT", "path": path, "status": 400, "code": "Bad", "times": times})
    };
    // Of two faults the first strikes the first sync, whose retry is due after 5 s, and the second
    // the update of nodes.
    let mut run = Run::new()
        .fault(fault(1))
        .apply(std::slice::from_ref(&web))
        .step(gone.clone(), std::slice::from_ref(&web));
    run.recording.steps[0].wait = Some(6.0);
    let first = &run.predictions()[0];
    let failed = "bi.EnsureHostsInPool: failed to update backend pool kubernetes: PUT https://";
    assert!(failure(first).starts_with(failed), "{}", failure(first));
    assert_eq!(messages(first, "EnsuredLoadBalancer").len(), 1);

    let last =
        Run::new().fault(fault(2)).apply(std::slice::from_ref(&web)).step(gone, &[web]).last();
    let found = messages(&last, "UpdateLoadBalancerFailed");
    let words = "Error updating load balancer with new hosts [aks-nodepool1-vmss000000] [node names limited, total number of nodes: 1], error: bi.EnsureHostsInPool: ";
    assert!(found[0].starts_with(words), "{found:?}");
    let reasons: Vec<&str> =
        last.events.iter().map(|event| event["reason"].as_str().unwrap()).collect();
    assert_eq!(
        reasons,
        ["UpdateLoadBalancerFailed", "EnsuringLoadBalancer", "EnsuredLoadBalancer"]
    );
}

#[test]
fn nodes_count_as_synced_though_the_sync_failed() {
    // `ensureLoadBalancer` stores them before it asks the cloud.
    let count = "azure-pls-ip-configuration-ip-address-count";
    let web = internal("web", &[("azure-pls-create", "true"), (count, "9")]);
    let node = json!({"apply": [second_node()]});
    let last = Run::new()
        .step(node.clone(), &[])
        .apply(std::slice::from_ref(&web))
        .step(node, &[web])
        .last();
    assert!(last.events.is_empty(), "{:?}", last.events);
}

#[test]
fn the_address_of_a_node_in_another_group_stays_in_its_pool() {
    // `backendPoolTypeNodeIP.ReconcileBackendPools` goes by the list of excluded nodes alone.
    let mut node = second_node();
    node["metadata"]["labels"] = json!({"kubernetes.azure.com/resource-group": "other-rg"});
    let web = |touch: &'static str| internal("web", &[("touch", touch)]);
    let last =
        Run::new().step(json!({"apply": [node]}), &[]).apply(&[web("1")]).apply(&[web("2")]).last();
    assert!(written(&last).is_empty(), "{:?}", written(&last));
    let pool = &last.load_balancers[0]["properties"]["backendAddressPools"][0]["properties"];
    assert_eq!(pool["loadBalancerBackendAddresses"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_service_that_goes_without_its_finalizer_is_not_noticed() {
    // The controller has no handler for deletions (`controllers/service/controller.go`, `New`).
    use privlink_model::arm::allocator::Unknowns;
    use privlink_model::arm::azure::Azure;
    use privlink_model::arm::rules::Rules;
    use privlink_model::arm::world::World;
    use privlink_model::controller::cluster::Cluster;
    use privlink_model::controller::memory::Memory;
    use privlink_model::controller::sync::{Trigger, sync};
    use privlink_model::kubernetes::service::Service;

    let web = std::sync::Arc::new(Service::from_value(service("web", &[])).unwrap());
    let mut memory = Memory::default();
    memory.synced.insert(web.key.clone(), web.clone());
    memory.seen.insert(web.key.clone(), web.clone());
    let (mut world, mut allocator, mut faults) =
        (World::default(), Unknowns::default(), Vec::new());
    let mut azure = Azure::new(&mut world, Rules::Azure, &mut allocator, &mut faults);
    let mut cluster = Cluster::default();
    let gone = Trigger::Service(web.key.clone());
    assert!(sync(&mut azure, &mut cluster, &mut memory, &gone).outcomes.is_empty());
    // A retry that was due does notice (`processServiceDeletion`).
    let retry = Trigger::Retry(web.key.clone());
    let reaction = sync(&mut azure, &mut cluster, &mut memory, &retry);
    let reasons: Vec<&str> =
        reaction.outcomes[0].events.iter().map(|event| event.reason.as_str()).collect();
    // There is no security group: deletion fails, and is tried again.
    assert_eq!(reasons, ["DeletingLoadBalancer", "DeleteLoadBalancerFailed"]);
    assert!(memory.next_retry().is_some());
}

#[test]
fn a_link_keeps_its_name_as_it_is_spelled() {
    // `getExpectedPrivateLinkService`: a name that differs only in case is left.
    let link = |name: &str, more: &[(&str, &str)]| {
        let mut all = vec![("azure-pls-create", "true"), ("azure-pls-name", name)];
        all.extend_from_slice(more);
        internal("web", &all)
    };
    let last = Run::new()
        .apply(&[link("Mine", &[])])
        .apply(&[link("mine", &[("azure-pls-ip-configuration-ip-address-count", "2")])])
        .last();
    assert_eq!(written(&last), ["PUT privateLinkServices/Mine"]);
    let addresses = &last.private_link_services[0]["properties"]["ipConfigurations"];
    assert_eq!(addresses[0]["name"], "aks-subnet-Mine-dynamic-0");
}

#[test]
fn the_policy_is_written_to_the_subnet_as_the_service_spells_it() {
    // `disablePLSNetworkPolicy` builds the path of the annotation.
    let web = internal(
        "web",
        &[("azure-pls-create", "true"), ("azure-pls-ip-configuration-subnet", "PLS-Subnet")],
    );
    let last = Run::new().apply(&[web]).last();
    let path = last.arm_writes.iter().find_map(|it| {
        let path = it["path"].as_str().unwrap();
        path.contains("/subnets/").then_some(path)
    });
    assert!(path.unwrap().ends_with("/virtualNetworks/aks-vnet/subnets/PLS-Subnet"), "{path:?}");
    // Names of NAT addresses are made of the subnet's own name.
    let address = &last.private_link_services[0]["properties"]["ipConfigurations"][0];
    assert!(address["name"].as_str().unwrap().starts_with("pls-subnet-pls-"));
}

#[test]
fn links_that_cannot_be_listed_fail_only_those_that_ask() {
    // `reconcilePrivateLinkService`; on deletion the error is only logged (`reconcileLoadBalancer`).
    let fault =
        || json!({"method": "GET", "path": "/privateLinkServices", "status": 403, "times": 99});
    let asks = internal("web", &[("azure-pls-create", "true")]);
    let gone = json!({"delete": [{"kind": "Service", "metadata": {"name": "web"}}]});
    let steps = Run::new().fault(fault()).apply(&[asks]).step(gone, &[]).predictions();
    assert!(failure(&steps[0]).starts_with("get PLS: GET https://"), "{}", failure(&steps[0]));
    assert!(written(&steps[1]).contains(&"DELETE loadBalancers/kubernetes-internal".to_owned()));
    assert_eq!(messages(&steps[1], "DeletedLoadBalancer"), ["Deleted load balancer"]);
    let plain = Run::new().fault(fault()).apply(&[internal("web", &[])]).last();
    assert_eq!(messages(&plain, "EnsuredLoadBalancer").len(), 1);
}

#[test]
fn a_list_of_links_that_is_404_fails_the_sync() {
    // As recorded of a group that does not exist (180): it is no empty list.
    let web = internal("web", &[("azure-pls-create", "true")]);
    let fault = json!({"method": "GET", "path": "/privateLinkServices", "status": 404});
    let last = Run::new().fault(fault).apply(&[web]).last();
    let failed = messages(&last, "SyncLoadBalancerFailed");
    assert!(failed.len() == 1 && failed[0].contains("get PLS: GET "), "{:?}", last.events);
}

#[test]
fn addresses_asked_for_in_public_must_be_public_and_there() {
    // `determinePublicIPName`, `findMatchedPIP`, `validatePublicIPCandidate`.
    let group = "mc_rg_aks_eastus";
    let not_public = |address: &str| {
        format!(
            "external Service \"default/web\" cannot use non-public LoadBalancer IP \"{address}\"; use an internal LoadBalancer annotation or a valid Azure Public IP address"
        )
    };
    let cases = [
        (
            "20.1.2.3",
            format!(
                "findMatchedPIPByLoadBalancerIP: cannot find public IP with IP address 20.1.2.3 in resource group {group}: getExpectedPIPFromListByIPAddress: cannot find public IP with IP address 20.1.2.3"
            ),
        ),
        (
            "nonsense",
            "external Service \"default/web\" has invalid LoadBalancer IP \"nonsense\"".to_owned(),
        ),
        ("10.0.0.9", not_public("10.0.0.9")),
        ("100.64.0.1", not_public("100.64.0.1")),
        ("168.63.129.16", not_public("168.63.129.16")),
        ("255.255.255.255", not_public("255.255.255.255")),
        ("::ffff:10.0.0.9", not_public("::ffff:10.0.0.9")),
    ];
    for (address, error) in cases {
        let last =
            Run::new().apply(&[service("web", &[("azure-load-balancer-ipv4", address)])]).last();
        assert_eq!(failure(&last), error);
        assert!(last.arm_writes.is_empty(), "{address}");
    }
}

#[test]
fn a_node_leaves_the_pools_of_both_families_in_one_write() {
    // `backendPoolTypeNodeIPConfig.ReconcileBackendPools` collects the pools before it takes machines
    // out of them.
    let mut web = internal("web", &[]);
    web["spec"]["ipFamilies"] = json!(["IPv4", "IPv6"]);
    let gone = json!({"delete": [{"kind": "Node", "metadata": {"name": SECOND}}]});
    let steps = Run::on("140-dual-stack.nicpool")
        .apply(std::slice::from_ref(&web))
        .step(gone, &[web])
        .predictions();
    let of_machine = |step: &StepPrediction| {
        written(step).into_iter().filter(|it| it.ends_with(SECOND_MACHINE)).count()
    };
    // Each family's pool is joined by itself.
    assert_eq!(of_machine(&steps[0]), 2, "{:?}", written(&steps[0]));
    assert_eq!(of_machine(&steps[1]), 1, "{:?}", written(&steps[1]));
}

/// Annotations that the controller refuses, with its words.
#[test]
fn what_is_refused_is_refused_in_the_controllers_words() {
    let idle = "error generate lb rule for ha mod loadbalancer. err: error parsing idle timeout key: service.beta.kubernetes.io/azure-load-balancer-tcp-idle-timeout, err: ";
    let whole = |text: &str| {
        format!(
            "error value: strconv.ParseInt: parsing \"{text}\": invalid syntax: {text} value must be a whole number"
        )
    };
    let link = ("azure-pls-create", "true");
    let count = "azure-pls-ip-configuration-ip-address-count";
    let address = "azure-pls-ip-configuration-ip-address";
    let cases: Vec<(Vec<(&str, &str)>, String)> = vec![
        // `getExpectedLoadBalancingRulePropertiesForPort`.
        (vec![("azure-load-balancer-tcp-idle-timeout", "x")], format!("{idle}{}", whole("x"))),
        // `getExpectedHAModeLoadBalancingRuleProperties` says it twice.
        (
            vec![
                ("azure-load-balancer-tcp-idle-timeout", "x"),
                ("azure-load-balancer-enable-high-availability-ports", "true"),
            ],
            format!("error generate lb rule for ha mod loadbalancer. err: {idle}{}", whole("x")),
        ),
        // `reconcileFrontendIPConfigs`.
        (
            vec![("azure-load-balancer-internal-subnet", " apps-subnet")],
            "ensure(default/web): lb(kubernetes-internal) - failed to get subnet: aks-vnet/ apps-subnet"
                .to_owned(),
        ),
        // `getHealthProbeConfigProbeInterval`: the port's key has no blank behind it.
        (
            vec![("port_80_health-probe_interval", "4")],
            "failed to parse health probe config for port 80: failed to parse annotation service.beta.kubernetes.io/port_80_health-probe_interval:error parsing value: the minimum value of interval is 5"
                .to_owned(),
        ),
        // `buildHealthProbeRulesForPort`.
        (
            vec![("port_80_health-probe_port", "nothere")],
            "failed to parse annotation service.beta.kubernetes.io/port_80_health-probe_port: port nothere not found in service"
                .to_owned(),
        ),
        (
            vec![("port_80_health-probe_port", "70000")],
            "failed to parse annotation service.beta.kubernetes.io/port_80_health-probe_port: port 70000 is out of range"
                .to_owned(),
        ),
        // `getPLSIPConfigCount`.
        (
            vec![link, (count, "0")],
            "error parsing value: minimum number of private link service ipConfig is 1, 0 provided"
                .to_owned(),
        ),
        (vec![link, (count, "1.5")], whole("1.5")),
        // `reconcilePLSIpConfigs`.
        (
            vec![link, (address, "10.240.0.50 10.240.0.51")],
            "checkAndUpdatePLSIPConfigs: ipConfigCount(1) must be no smaller than number of static IPs specified(2)"
                .to_owned(),
        ),
        (
            vec![link, (address, "10.240.0.50,10.240.0.51")],
            "getPLSStaticIPs: 10.240.0.50,10.240.0.51 is not a valid IP address".to_owned(),
        ),
    ];
    for (annotations, error) in cases {
        let last = Run::new().apply(&[internal("web", &annotations)]).last();
        assert_eq!(failure(&last), error, "{annotations:?}");
        // PLS annotations are read when the load balancer is there.
        assert_eq!(last.load_balancers.is_empty(), !annotations.contains(&link), "{annotations:?}");
    }
}

#[test]
fn a_malformed_range_is_said_only_on_deletion() {
    // `NewAccessControl` gets an emitter only when nothing is wanted.
    let web = internal("web", &[("azure-allowed-ip-ranges", "10.0.0.1/8, 10.0.0.0/8")]);
    let gone = json!({"delete": [{"kind": "Service", "metadata": {"name": "web"}}]});
    let steps = Run::new().apply(&[web]).step(gone, &[]).predictions();
    assert_eq!(messages(&steps[0], "EnsuredLoadBalancer").len(), 1);
    assert!(messages(&steps[0], "InvalidAllowedIPRanges").is_empty());
    let rules = steps[0].network_security_groups[0]["properties"]["securityRules"].clone();
    let named: Vec<(&str, i64)> = rules
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| {
            let priority = rule["properties"]["priority"].as_i64().unwrap();
            (rule["name"].as_str().unwrap(), priority)
        })
        .collect();
    assert_eq!(named.len(), 2);
    assert_eq!(named[1], ("k8s-azure-lb_deny-all_IPv4", 4095));
    assert_eq!(
        messages(&steps[1], "InvalidAllowedIPRanges"),
        [format!(
            "Found invalid {PREFIX}azure-allowed-ip-ranges [\"10.0.0.1/8\"], ignoring and adding a default DenyAll rule in security group."
        )]
    );
    assert_eq!(messages(&steps[1], "DeletedLoadBalancer").len(), 1);
}
