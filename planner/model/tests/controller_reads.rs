//! How every read that fails ends a sync: as the controller's source has it (404 is told apart where
//! it looks at it), and recordings 180 and 181.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod run;

use privlink_model::recording::shape::StepPrediction;
use run::{Run, failure, internal, messages, service, written};
use serde_json::{Value, json};

/// A Service with a Private Link Service, synced while reads of a path are answered so.
fn sync(path: &str, status: u16) -> StepPrediction {
    let fault = json!({"method": "GET", "path": path, "status": status, "code": "Why", "times": 9});
    Run::new().fault(fault).apply(&[web()]).last()
}

fn web() -> Value {
    internal(
        "web",
        &[("azure-pls-create", "true"), ("azure-pls-ip-configuration-subnet", "pls-subnet")],
    )
}

/// What is left of a failure before Azure's answer.
fn own_words(prediction: &StepPrediction) -> String {
    let failure = failure(prediction);
    failure.lines().next().unwrap().split("GET https://").next().unwrap().to_owned()
}

fn made(prediction: &StepPrediction) -> bool {
    written(prediction).iter().any(|it| it.starts_with("PUT loadBalancers/kubernetes-internal"))
}

const OTHERS: [u16; 4] = [403, 429, 500, 503];

#[test]
fn a_list_of_load_balancers_that_is_not_there_is_empty_and_any_other_failure_ends_the_sync() {
    let list = "/providers/microsoft.network/loadbalancers";
    for status in OTHERS {
        let prediction = sync(list, status);
        assert_eq!(own_words(&prediction), "reconcileLoadBalancer: failed to list managed LB: ");
        assert_eq!(messages(&prediction, "ListLoadBalancers").len(), 1);
        assert!(written(&prediction).is_empty());
    }
}

/// `ListLB`: a group of load balancers that is not there has none.
#[test]
fn a_list_of_load_balancers_that_is_404_is_empty() {
    let fault = json!({"method": "GET", "path": "/providers/microsoft.network/loadbalancers",
        "status": 404, "code": "ResourceGroupNotFound", "times": 1});
    let prediction = Run::new().fault(fault).apply(&[web()]).last();
    assert!(messages(&prediction, "ListLoadBalancers").is_empty());
    assert!(messages(&prediction, "SyncLoadBalancerFailed").is_empty());
    assert!(made(&prediction) && prediction.private_link_services.len() == 1);
}

/// `getAzureLoadBalancer`, once it was written.
#[test]
fn a_load_balancer_that_cannot_be_read_back_ends_the_sync_behind_its_write() {
    let own = "/loadbalancers/kubernetes-internal";
    assert_eq!(failure(&sync(own, 404)), "load balancer \"kubernetes-internal\" not found");
    for status in [404].into_iter().chain(OTHERS) {
        let prediction = sync(own, status);
        assert!(made(&prediction) && prediction.private_link_services.is_empty());
        assert_eq!(status == 404, own_words(&prediction).contains("not found"), "{status}");
    }
}

/// `ensurePublicIPExists`: the list of addresses comes first, and the new address is read back.
#[test]
fn the_address_of_a_public_service_is_read_before_its_load_balancer_is_written() {
    for path in ["/providers/microsoft.network/publicipaddresses", "/publicipaddresses/kubernetes-"]
    {
        for status in [404].into_iter().chain(OTHERS) {
            let fault = json!({"method": "GET", "path": path, "status": status, "code": "Why", "times": 99});
            let prediction = Run::new().fault(fault).apply(&[service("web", &[])]).last();
            assert!(!failure(&prediction).is_empty(), "{path} {status}");
            let writes = written(&prediction);
            assert!(
                !writes.iter().any(|it| it.contains("loadBalancers")),
                "{path} {status} {writes:?}"
            );
            let wrote = writes.iter().any(|it| it.contains("publicIPAddresses"));
            assert_eq!(wrote, path.ends_with('-'), "{path} {status} {writes:?}");
        }
    }
}

#[test]
fn a_subnet_that_is_not_there_is_told_by_name() {
    let subnet = "/subnets/aks-subnet";
    let words =
        "ensure(default/web): lb(kubernetes-internal) - failed to get subnet: aks-vnet/aks-subnet";
    assert_eq!(failure(&sync(subnet, 404)), words);
    for status in OTHERS {
        let prediction = sync(subnet, status);
        assert_eq!(own_words(&prediction), "");
        assert!(written(&prediction).is_empty());
    }
}

#[test]
fn a_security_group_that_cannot_be_read_leaves_the_load_balancer_behind() {
    let group = "/networksecuritygroups/";
    let prediction = sync(group, 404);
    assert_eq!(failure(&prediction), "nsg \"aks-agentpool-nsg\" not found");
    assert!(made(&prediction));
    for status in OTHERS {
        let prediction = sync(group, status);
        assert_eq!(own_words(&prediction), "");
        assert!(made(&prediction));
    }
}

#[test]
fn a_list_of_private_link_services_fails_the_sync_whatever_the_answer() {
    for status in [404].into_iter().chain(OTHERS) {
        let prediction = sync("/privatelinkservices", status);
        assert_eq!(own_words(&prediction), "get PLS: ");
        assert!(made(&prediction));
        assert!(prediction.private_link_services.is_empty());
    }
}

#[test]
fn the_subnet_of_nat_addresses_is_read_before_anything_is_said_of_them() {
    let subnet = "/subnets/pls-subnet";
    let words = "checkAndUpdatePLSIPConfigs: failed to get private link service subnet(pls-subnet) for service(default/web)";
    assert_eq!(failure(&sync(subnet, 404)), words);
    for status in OTHERS {
        let prediction = sync(subnet, status);
        assert_eq!(own_words(&prediction), "");
        assert!(made(&prediction) && prediction.private_link_services.is_empty());
    }
}

#[test]
fn public_addresses_that_cannot_be_read_fail_the_end_of_the_sync() {
    for status in [404].into_iter().chain(OTHERS) {
        let prediction = sync("/publicipaddresses", status);
        assert!(!failure(&prediction).is_empty());
        // The Private Link Service is made before public addresses are looked at.
        assert_eq!(prediction.private_link_services.len(), 1);
    }
}

#[test]
fn what_may_pass_is_tried_four_times() {
    for (status, times, ends_well) in
        [(429, 3, true), (429, 4, false), (500, 3, true), (403, 1, false)]
    {
        let fault = json!({"method": "GET", "path": "/privatelinkservices", "status": status,
            "code": "Why", "times": times});
        let prediction = Run::new().fault(fault).apply(&[web()]).last();
        let failed = !messages(&prediction, "SyncLoadBalancerFailed").is_empty();
        assert_eq!(!failed, ends_well, "{status} {times} times");
    }
}
