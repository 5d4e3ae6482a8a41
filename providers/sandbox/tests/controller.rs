//! The whole chain: a Service is applied, the controller acts, Azure shows it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, Service};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use privlink_sandbox::{Effect, Fault, Running, Sandbox, SandboxOptions};
use serde_json::{Value, json};
use support::{
    Arm, NODE_GROUP, SUBSCRIPTION, apply, first, internal_app, kube, network, pls_app, services,
    settle, start,
};

fn balancers() -> String {
    network(SUBSCRIPTION, NODE_GROUP, "loadBalancers")
}

fn private_link_services() -> String {
    network(SUBSCRIPTION, NODE_GROUP, "privateLinkServices")
}

async fn list(arm: &Arm, path: &str) -> Vec<Value> {
    arm.get(path).await.body["value"].as_array().unwrap().clone()
}

fn address(service: &Service) -> Option<String> {
    let ingress = service.status.as_ref()?.load_balancer.as_ref()?.ingress.as_ref()?;
    ingress.first()?.ip.clone()
}

async fn reasons(running: &Running) -> Vec<String> {
    let events: Api<Event> = Api::default_namespaced(kube(running));
    let params = ListParams::default().fields("involvedObject.kind=Service");
    let mut events = events.list(&params).await.unwrap().items;
    events.sort_by_key(|event| {
        event.metadata.resource_version.as_ref().unwrap().parse::<u64>().unwrap()
    });
    events.into_iter().map(|event| event.reason.unwrap()).collect()
}

#[tokio::test]
async fn an_internal_service_gets_a_load_balancer() {
    let running = first().await;
    let api = services(&running);
    apply(&api, &internal_app(json!({}))).await.unwrap();
    settle(&running).await;
    let service = api.get("internal-app").await.unwrap();
    assert_eq!(address(&service).as_deref(), Some("10.240.0.6"), "after the two nodes");
    assert_eq!(
        service.metadata.finalizers.clone().unwrap(),
        ["service.kubernetes.io/load-balancer-cleanup"]
    );
    assert_eq!(reasons(&running).await, ["EnsuringLoadBalancer", "EnsuredLoadBalancer"]);
    let arm = Arm::new(&running);
    let balancers = list(&arm, &balancers()).await;
    assert_eq!(balancers.len(), 1);
    assert_eq!(balancers[0]["name"], "kubernetes-internal");
    let rule = &balancers[0]["properties"]["loadBalancingRules"][0];
    let uid = service.metadata.uid.as_ref().unwrap().replace('-', "");
    assert_eq!(rule["name"], format!("a{}-TCP-80", &uid[..31]));
    let pool = &balancers[0]["properties"]["backendAddressPools"][0];
    assert_eq!(pool["properties"]["backendIPConfigurations"].as_array().unwrap().len(), 2);
    let managers: Vec<String> = service
        .metadata
        .managed_fields
        .unwrap()
        .into_iter()
        .map(|entry| entry.manager.unwrap())
        .collect();
    assert_eq!(managers, ["privlink", "cloud-controller-manager"]);
}

#[tokio::test]
async fn a_private_link_service_follows_its_annotation() {
    let running = first().await;
    let api = services(&running);
    apply(&api, &pls_app()).await.unwrap();
    settle(&running).await;
    let arm = Arm::new(&running);
    let found = list(&arm, &private_link_services()).await;
    assert_eq!(found.len(), 1);
    let pls = &found[0];
    let balancer = &list(&arm, &balancers()).await[0];
    let frontend = &balancer["properties"]["frontendIPConfigurations"][0];
    assert_eq!(pls["name"], format!("pls-{}", frontend["name"].as_str().unwrap()));
    assert_eq!(pls["tags"]["k8s-azure-owner-service"], "default/internal-app");
    // The NAT address is on the interface, not in the PLS.
    let interface =
        arm.get(pls["properties"]["networkInterfaces"][0]["id"].as_str().unwrap()).await;
    let nat = &interface.body["properties"]["ipConfigurations"][0]["properties"];
    assert_eq!(nat["privateIPAddress"], "10.240.0.7");
    let subnet = network(SUBSCRIPTION, NODE_GROUP, "virtualNetworks/aks-vnet/subnets/aks-subnet");
    let subnet = arm.get(&subnet).await.body;
    assert_eq!(subnet["properties"]["privateLinkServiceNetworkPolicies"], "Disabled");
}

#[tokio::test]
async fn an_endpoint_reaches_the_service_and_is_cut_off_with_it() {
    let running = first().await;
    let api = services(&running);
    apply(&api, &pls_app()).await.unwrap();
    settle(&running).await;
    let arm = Arm::new(&running);
    let pls = list(&arm, &private_link_services()).await.remove(0);
    let group = "myOtherResourceGroup";
    let path = network(SUBSCRIPTION, group, "privateEndpoints/myAKSServicePE");
    let subnet = network(SUBSCRIPTION, group, "virtualNetworks/myOtherVNET/subnets/pe-subnet");
    let body = json!({
        "location": "eastus",
        "properties": {
            "subnet": {"id": subnet},
            "privateLinkServiceConnections": [{
                "name": "connectToMyK8sService",
                "properties": {"privateLinkServiceId": pls["id"]},
            }],
        },
    });
    let done = arm.finish("PUT", &path, Some(&body)).await;
    assert_eq!(done.body["status"], "Succeeded", "{done:?}");
    let state = |endpoint: &Value| {
        endpoint["properties"]["privateLinkServiceConnections"][0]["properties"]
            ["privateLinkServiceConnectionState"]["status"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(state(&arm.get(&path).await.body), "Approved");
    // Another address means another frontend, another PLS, and an end for every consumer.
    let moved = internal_app(json!({
        "service.beta.kubernetes.io/azure-pls-create": "true",
        "service.beta.kubernetes.io/azure-load-balancer-ipv4": "10.240.0.25",
    }));
    apply(&api, &moved).await.unwrap();
    settle(&running).await;
    assert_eq!(address(&api.get("internal-app").await.unwrap()).as_deref(), Some("10.240.0.25"));
    let again = list(&arm, &private_link_services()).await.remove(0);
    assert_eq!(again["name"], pls["name"]);
    assert_ne!(again["properties"]["alias"], pls["properties"]["alias"]);
    assert_eq!(again["properties"]["privateEndpointConnections"], json!([]));
    assert_eq!(state(&arm.get(&path).await.body), "Disconnected");
}

#[tokio::test]
async fn a_deleted_service_takes_everything_with_it() {
    let running = first().await;
    let api = services(&running);
    apply(&api, &pls_app()).await.unwrap();
    settle(&running).await;
    api.delete("internal-app", &DeleteParams::default()).await.unwrap();
    settle(&running).await;
    assert_eq!(api.get_opt("internal-app").await.unwrap(), None);
    let arm = Arm::new(&running);
    assert_eq!(list(&arm, &balancers()).await, Vec::<Value>::new());
    assert_eq!(list(&arm, &private_link_services()).await, Vec::<Value>::new());
    let interfaces = network(SUBSCRIPTION, NODE_GROUP, "networkInterfaces");
    assert_eq!(list(&arm, &interfaces).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_label_is_no_reason_to_act_and_an_annotation_is() {
    let running = first().await;
    let api = services(&running);
    apply(&api, &internal_app(json!({}))).await.unwrap();
    settle(&running).await;
    let before = reasons(&running).await.len();
    let edit = |patch: Value| {
        let api = api.clone();
        async move {
            let params = PatchParams::default();
            api.patch("internal-app", &params, &Patch::Merge(&patch)).await.unwrap()
        }
    };
    let events: Api<Event> = Api::default_namespaced(kube(&running));
    let ensured = || async {
        let all = events.list(&ListParams::default()).await.unwrap().items;
        let ensured =
            all.iter().filter(|event| event.reason.as_deref() == Some("EnsuredLoadBalancer"));
        ensured.map(|event| event.count.unwrap()).sum::<i32>()
    };
    edit(json!({"metadata": {"labels": {"a": "b"}}})).await;
    settle(&running).await;
    assert_eq!((reasons(&running).await.len(), ensured().await), (before, 1));
    edit(json!({"metadata": {"annotations": {"privlink.dev/sync": "1"}}})).await;
    settle(&running).await;
    assert_eq!(ensured().await, 2);
}

#[tokio::test]
async fn a_failed_sync_is_retried() {
    let mut options = SandboxOptions::in_memory();
    options.faults = vec![Fault {
        times: 1,
        effect: Effect::FailedSync {
            method: None,
            write: String::new(),
            status: 409,
            code: "AnotherOperationInProgress".into(),
            message: "try again".into(),
        },
        ..Fault::default()
    }];
    let running = start(options).await;
    let api = services(&running);
    apply(&api, &internal_app(json!({}))).await.unwrap();
    settle(&running).await;
    let reasons = reasons(&running).await;
    assert!(reasons.contains(&"SyncLoadBalancerFailed".to_owned()), "{reasons:?}");
    assert!(reasons.contains(&"EnsuredLoadBalancer".to_owned()), "{reasons:?}");
    assert!(address(&api.get("internal-app").await.unwrap()).is_some());
}

#[tokio::test]
async fn two_services_share_a_load_balancer_whichever_is_written_first() {
    let mut seen = Vec::new();
    for names in [["one", "two"], ["two", "one"]] {
        let running = first().await;
        let api = services(&running);
        for name in names {
            let mut object = internal_app(json!({}));
            object["metadata"]["name"] = json!(name);
            apply(&api, &object).await.unwrap();
        }
        settle(&running).await;
        let arm = Arm::new(&running);
        assert_eq!(list(&arm, &balancers()).await.len(), 1);
        let one = address(&api.get("one").await.unwrap());
        let two = address(&api.get("two").await.unwrap());
        seen.push((one, two));
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn a_controller_goes_on_where_a_killed_process_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.json");
    let mut options = SandboxOptions::in_file(&path);
    options.controller_delay = Duration::from_secs(3600);
    let running = Sandbox::start(options).await.unwrap();
    apply(&services(&running), &internal_app(json!({}))).await.unwrap();
    drop(running);
    let running = Sandbox::start(SandboxOptions::in_file(&path)).await.unwrap();
    settle(&running).await;
    let api = services(&running);
    assert!(address(&api.get("internal-app").await.unwrap()).is_some());
    running.shutdown().await.unwrap();
    // The next process has nothing to do, unless the controller is to start anew.
    let running = Sandbox::start(SandboxOptions::in_file(&path)).await.unwrap();
    settle(&running).await;
    assert_eq!(reasons(&running).await.len(), 2);
    running.restart_controller();
    settle(&running).await;
    let events: Api<Event> = Api::default_namespaced(kube(&running));
    let events = events.list(&ListParams::default()).await.unwrap().items;
    assert!(events.iter().all(|event| event.count == Some(2)), "{events:?}");
    running.shutdown().await.unwrap();
}

#[tokio::test]
async fn somebody_else_may_edit_azure_and_the_controller_does_not_notice() {
    let running = first().await;
    let api = services(&running);
    apply(&api, &internal_app(json!({}))).await.unwrap();
    settle(&running).await;
    let arm = Arm::new(&running);
    let path = network(SUBSCRIPTION, NODE_GROUP, "loadBalancers/kubernetes-internal");
    let mut balancer = arm.get(&path).await.body;
    balancer["properties"]["loadBalancingRules"] = json!([]);
    let done = arm.finish("PUT", &path, Some(&balancer)).await;
    assert_eq!(done.body["status"], "Succeeded", "{done:?}");
    tokio::time::sleep(Duration::from_millis(200)).await;
    settle(&running).await;
    let rules = &arm.get(&path).await.body["properties"]["loadBalancingRules"];
    assert_eq!(rules, &json!([]));
}

/// The controller's cached PLS does not show consumers that came since, so its deletion leaves their
/// connections and is refused, until the cache ages (recording 278).
#[tokio::test]
async fn a_stale_cache_holds_a_deletion_up() {
    let running = first().await;
    let api = services(&running);
    apply(&api, &pls_app()).await.unwrap();
    settle(&running).await;
    // The first sync writes the PLS and forgets it; the next one reads it.
    let mut touched = pls_app();
    touched["metadata"]["annotations"]["privlink.dev/sync"] = json!("1");
    apply(&api, &touched).await.unwrap();
    settle(&running).await;
    let arm = Arm::new(&running);
    let pls = list(&arm, &private_link_services()).await.remove(0);
    let group = "myOtherResourceGroup";
    let path = network(SUBSCRIPTION, group, "privateEndpoints/pe");
    let subnet = network(SUBSCRIPTION, group, "virtualNetworks/myOtherVNET/subnets/pe-subnet");
    let body = json!({
        "location": "eastus",
        "properties": {
            "subnet": {"id": subnet},
            "privateLinkServiceConnections":
                [{"name": "c", "properties": {"privateLinkServiceId": pls["id"]}}],
        },
    });
    arm.finish("PUT", &path, Some(&body)).await;
    running.add_faults([Fault { times: 1, effect: Effect::StaleCache, ..Fault::default() }]);
    api.delete("internal-app", &DeleteParams::default()).await.unwrap();
    settle(&running).await;
    assert_eq!(api.get_opt("internal-app").await.unwrap(), None);
    assert_eq!(list(&arm, &private_link_services()).await, Vec::<Value>::new());
    let events: Api<Event> = Api::default_namespaced(kube(&running));
    let events = events.list(&ListParams::default()).await.unwrap().items;
    let refused = events.iter().any(|event| {
        event.reason.as_deref() == Some("SyncLoadBalancerFailed")
            && event
                .message
                .as_deref()
                .unwrap_or_default()
                .contains("CannotDeleteLoadBalancerWithPrivateLinkService")
    });
    assert!(refused, "{events:?}");
}

#[tokio::test]
async fn a_late_controller_leaves_clients_waiting() {
    let mut options = SandboxOptions::in_memory();
    options.faults = vec![Fault {
        path: Some("default/internal-app".into()),
        times: 1,
        effect: Effect::LateController { milliseconds: 300 },
        ..Fault::default()
    }];
    let running = start(options).await;
    let api = services(&running);
    apply(&api, &internal_app(json!({}))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(address(&api.get("internal-app").await.unwrap()), None);
    settle(&running).await;
    assert!(address(&api.get("internal-app").await.unwrap()).is_some());
}

#[tokio::test]
async fn a_service_that_cannot_be_served_leaves_the_controller_idle_between_tries() {
    let running = first().await;
    let api = services(&running);
    let bad = internal_app(json!({
        "service.beta.kubernetes.io/azure-pls-create": "true",
        "service.beta.kubernetes.io/azure-pls-ip-configuration-ip-address-count": "9",
    }));
    apply(&api, &bad).await.unwrap();
    assert!(running.controller_idle(Duration::from_secs(10)).await);
    assert!(!running.controller_settled(Duration::ZERO).await, "it will try again");
    assert!(reasons(&running).await.contains(&"SyncLoadBalancerFailed".to_owned()));
    // The load balancer is there all the same, and no address is announced (recording 024).
    assert_eq!(list(&Arm::new(&running), &balancers()).await.len(), 1);
    assert_eq!(address(&api.get("internal-app").await.unwrap()), None);
}
