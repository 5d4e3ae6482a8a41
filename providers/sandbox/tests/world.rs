//! The world file: what one process leaves, the next finds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::Duration;

use privlink_model::snapshot::{FORMAT_VERSION, Kubernetes, Reading, Snapshot};
use privlink_sandbox::{ControllerMode, Error, Sandbox, SandboxOptions, World};
use serde_json::{Value, json};
use support::{Arm, NODE_GROUP, SUBSCRIPTION, apply, internal_app, network, services};

fn options(path: &std::path::Path) -> SandboxOptions {
    let mut options = SandboxOptions::in_file(path);
    options.controller = ControllerMode::None;
    options.lock_wait = Duration::ZERO;
    options
}

#[tokio::test]
async fn a_world_outlives_its_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sandbox/shop.json");
    let running = Sandbox::start(options(&path)).await.unwrap();
    let service = apply(&services(&running), &internal_app(json!({}))).await.unwrap();
    let balancer = network(SUBSCRIPTION, NODE_GROUP, "loadBalancers/lb");
    let body = json!({"location": "eastus", "sku": {"name": "Standard"}, "properties": {}});
    let arm = Arm::new(&running);
    assert_eq!(arm.send("PUT", &balancer, Some(&body)).await.status, 201);
    let put = arm.get(&balancer).await.body;
    // As by a SIGKILL: nothing is flushed from here on.
    let saved = std::fs::read(&path).unwrap();
    drop(running);
    assert_eq!(std::fs::read(&path).unwrap(), saved);
    assert_eq!(std::fs::read_to_string(path.with_file_name(".gitignore")).unwrap(), "*\n");

    let running = Sandbox::start(options(&path)).await.unwrap();
    let found = services(&running).get("internal-app").await.unwrap();
    assert_eq!(found, service);
    let arm = Arm::new(&running);
    assert_eq!(arm.get(&balancer).await.body, put, "its operation still runs");
    running.shutdown().await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn a_world_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.json");
    let running = Sandbox::start(options(&path)).await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    running.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_world_is_used_by_one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.json");
    let running = Sandbox::start(options(&path)).await.unwrap();
    let error = Sandbox::start(options(&path)).await.unwrap_err();
    assert!(matches!(&error, Error::InUse { .. }), "{error}");
    assert!(error.to_string().contains(&format!("pid {}", std::process::id())), "{error}");
    let mut patient = options(&path);
    patient.lock_wait = Duration::from_secs(10);
    let (second, first) = tokio::join!(Sandbox::start(patient), running.shutdown());
    first.unwrap();
    second.unwrap().shutdown().await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_world_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.json");
    for (text, expected) in [
        ("{\"a\": 1}", "it has no formatVersion"),
        ("{\"formatVersion\": \"99.0\"}", "has format version 99.0; this build reads 2.0"),
        ("half", "is not a sandbox world"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = Sandbox::start(options(&path)).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn a_world_survives_its_own_format() {
    let world = World::first();
    let json = world.to_json();
    let again = World::from_json(json.clone(), std::path::Path::new("w")).unwrap();
    assert_eq!(again.to_json(), json);
    assert!(again.azure == world.azure);
}

/// A world as version 1.0 wrote it, with only what that version always wrote.
fn world_of_version_1() -> Value {
    json!({
        "formatVersion": "1.0",
        "issuer": {"seed": "old", "issued": {"guid etag /subscriptions/s-1": 3}},
        "kubernetes": {"version": "v1.33.1", "resourceVersion": 100, "objects": [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}},
        ]},
        "azure": [{"id": network("s-1", "group", "loadBalancers/lb"), "name": "lb",
            "location": "eastus", "type": "Microsoft.Network/loadBalancers", "properties": {}}],
        "directory": World::first().to_json()["directory"],
        "operations": {},
        "facts": {"clusterName": "kubernetes", "resourceGroup": "group"},
        "controller": {"epoch": 1, "now": 2, "seen": [], "synced": []},
    })
}

#[test]
fn a_world_of_version_1_is_read_and_written_in_the_current_one() {
    let world = World::from_json(world_of_version_1(), std::path::Path::new("w")).unwrap();
    let now = world.to_json();
    assert_eq!(now["formatVersion"], "2.0");
    assert_eq!(now["allocator"], world_of_version_1()["issuer"], "it allocates where it left off");
    assert_eq!(now["issuer"], Value::Null);
    assert_eq!(now["kubernetes"]["resourceVersion"], 100);
    assert_eq!(now["azure"][0]["name"], "lb");
    assert_eq!(now["facts"]["resourceGroup"], "group");
}

#[tokio::test]
async fn a_world_is_made_from_a_snapshot() {
    let balancer = network("s-1", "group", "loadBalancers/lb");
    let collection = network("s-1", "group", "loadBalancers").to_lowercase();
    let service = json!({
        "metadata": {"name": "web", "namespace": "shop", "resourceVersion": "700", "uid": "u"},
        "spec": {"type": "ClusterIP", "clusterIP": "10.0.0.9", "clusterIPs": ["10.0.0.9"],
            "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}]},
    });
    let resource = json!({"id": balancer, "name": "lb", "location": "westeurope",
        "type": "Microsoft.Network/loadBalancers", "properties": {}});
    let snapshot = Snapshot {
        format_version: FORMAT_VERSION.into(),
        taken_at: "2026-11-23T00:00:00Z".into(),
        redacted: false,
        kubernetes: Kubernetes {
            version: Reading::Present("v1.35.0".into()),
            namespace: "shop".into(),
            services: Reading::of([service]),
            nodes: Reading::Absent,
            events: Reading::Unreadable("forbidden".into()),
            namespaces: None,
        },
        azure: [(collection, Reading::of([resource]))].into(),
        index: privlink_model::snapshot::Index::default(),
    };
    let world = World::from_snapshot(&snapshot).unwrap();
    let mut options = SandboxOptions::new(privlink_sandbox::WorldSource::Memory(Box::new(world)));
    options.controller = ControllerMode::None;
    let running = support::start(options).await;
    let client = support::kube(&running);
    assert_eq!(client.apiserver_version().await.unwrap().git_version, "v1.35.0");
    let api: kube::Api<k8s_openapi::api::core::v1::Service> = kube::Api::namespaced(client, "shop");
    assert_eq!(api.get("web").await.unwrap().metadata.resource_version.as_deref(), Some("700"));
    let reply = Arm::new(&running).get(&balancer).await;
    assert_eq!((reply.status, &reply.body["location"]), (200, &json!("westeurope")));
}

/// The first world's cluster, as somebody who may not read much of it would have observed it, in
/// another network and with two families.
fn dual_stack_snapshot() -> Snapshot {
    let subscription = "00000000-0000-0000-0000-00000000000d";
    let node_group = "MC_g_dual_westeurope";
    let vnet = network(subscription, "networks", "virtualNetworks/corp");
    let subnet = json!({
        "id": format!("{vnet}/subnets/nodes"), "name": "nodes",
        "properties": {"addressPrefixes": ["10.9.0.0/24", "fd00:9::/64"],
            "privateLinkServiceNetworkPolicies": "Enabled"},
    });
    let vnets = network(subscription, "networks", "virtualNetworks").to_lowercase();
    let machine = format!(
        "/subscriptions/{subscription}/resourceGroups/{node_group}/providers/Microsoft.Compute/virtualMachineScaleSets/aks-np-vmss/virtualMachines/0"
    );
    let cluster = json!({
        "id": format!("/subscriptions/{subscription}/resourcegroups/g/providers/Microsoft.ContainerService/managedClusters/dual"),
        "name": "dual", "location": "westeurope",
        "properties": {"nodeResourceGroup": node_group,
            "networkProfile": {"ipFamilies": ["IPv4", "IPv6"]}},
    });
    let clusters = format!(
        "/subscriptions/{subscription}/resourcegroups/g/providers/microsoft.containerservice/managedclusters"
    );
    let node = json!({
        "metadata": {"name": "aks-np-vmss000000", "resourceVersion": "3"},
        "spec": {"providerID": format!("azure://{machine}")},
        "status": {"addresses": [
            {"type": "InternalIP", "address": "10.9.0.4"},
            {"type": "InternalIP", "address": "fd00:9::4"},
        ]},
    });
    Snapshot {
        format_version: FORMAT_VERSION.into(),
        taken_at: "2026-11-23T00:00:00Z".into(),
        redacted: false,
        kubernetes: Kubernetes {
            version: Reading::Present("v1.33.2".into()),
            namespace: "default".into(),
            services: Reading::Present(Vec::new()),
            nodes: Reading::of([node]),
            events: Reading::Present(Vec::new()),
            namespaces: None,
        },
        azure: [
            (
                vnets,
                Reading::of([json!({"id": vnet, "name": "corp",
                "location": "westeurope", "properties": {"subnets": [subnet]}})]),
            ),
            (clusters, Reading::of([cluster])),
        ]
        .into(),
        index: privlink_model::snapshot::Index::default(),
    }
}

#[tokio::test]
async fn the_controller_serves_a_cluster_from_a_snapshot() {
    let world = World::from_snapshot(&dual_stack_snapshot()).unwrap();
    let options = SandboxOptions::new(privlink_sandbox::WorldSource::Memory(Box::new(world)));
    let running = support::start(options).await;
    let mut object = internal_app(json!({}));
    object["spec"]["ipFamilyPolicy"] = json!("RequireDualStack");
    apply(&services(&running), &object).await.unwrap();
    support::settle(&running).await;
    let service = services(&running).get("internal-app").await.unwrap();
    let ingress = service.status.unwrap().load_balancer.unwrap().ingress.unwrap();
    let addresses: Vec<String> = ingress.into_iter().map(|ingress| ingress.ip.unwrap()).collect();
    assert_eq!(addresses, ["10.9.0.5", "fd00:9::5"]);
    let balancers = "/subscriptions/00000000-0000-0000-0000-00000000000d/providers/Microsoft.Network/loadBalancers";
    let list = Arm::new(&running).get(balancers).await.body;
    let pools = list["value"][0]["properties"]["backendAddressPools"].as_array().unwrap();
    assert_eq!(pools.len(), 2);
    for pool in pools {
        assert_eq!(pool["properties"]["backendIPConfigurations"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_cluster_of_one_family_refuses_two() {
    let running = support::first().await;
    let mut object = internal_app(json!({}));
    object["spec"]["ipFamilyPolicy"] = json!("RequireDualStack");
    let refused = apply(&services(&running), &object).await.unwrap_err().to_string();
    assert!(
        refused.contains("this cluster is not configured for dual-stack services"),
        "{refused}"
    );
}

/// What was observed is served from there on: a Service that a sandbox served before is not served
/// anew, until it changes.
#[tokio::test]
async fn an_observed_service_is_known_to_the_controller() {
    let running = support::first().await;
    apply(&services(&running), &internal_app(json!({}))).await.unwrap();
    support::settle(&running).await;
    let arm = Arm::new(&running);
    let lists = ["loadBalancers", "virtualNetworks"];
    let mut azure = std::collections::BTreeMap::new();
    for kind in lists {
        let path = network(SUBSCRIPTION, NODE_GROUP, kind);
        let list = arm.get(&path).await.body["value"].as_array().unwrap().clone();
        azure.insert(path.to_lowercase(), Reading::of(list));
    }
    let objects = |kind: &str| {
        let world = running.edit(|world| world.to_json()).unwrap();
        let objects = world["kubernetes"]["objects"].as_array().unwrap().clone();
        Reading::of(objects.into_iter().filter(|object| object["kind"] == kind))
    };
    let snapshot = Snapshot {
        format_version: FORMAT_VERSION.into(),
        taken_at: "2026-11-23T00:00:00Z".into(),
        redacted: false,
        kubernetes: Kubernetes {
            version: Reading::Present("v1.33.1".into()),
            namespace: "default".into(),
            services: objects("Service"),
            nodes: objects("Node"),
            events: Reading::Present(Vec::new()),
            namespaces: None,
        },
        azure,
        index: privlink_model::snapshot::Index::default(),
    };
    let path = network(SUBSCRIPTION, NODE_GROUP, "loadBalancers/kubernetes-internal");
    let before = arm.get(&path).await.body;
    let world = World::from_snapshot(&snapshot).unwrap();
    let options = SandboxOptions::new(privlink_sandbox::WorldSource::Memory(Box::new(world)));
    let copy = support::start(options).await;
    support::settle(&copy).await;
    let arm = Arm::new(&copy);
    assert_eq!(arm.get(&path).await.body, before);
    let moved = internal_app(json!({
        "service.beta.kubernetes.io/azure-load-balancer-ipv4": "10.240.0.77",
    }));
    apply(&services(&copy), &moved).await.unwrap();
    support::settle(&copy).await;
    let after = arm.get(&path).await.body;
    let frontend = &after["properties"]["frontendIPConfigurations"][0]["properties"];
    assert_eq!(frontend["privateIPAddress"], "10.240.0.77");
    let members = |balancer: &Value| {
        balancer["properties"]["backendAddressPools"][0]["properties"]["backendIPConfigurations"]
            .clone()
    };
    assert_eq!(members(&after), members(&before));
}
