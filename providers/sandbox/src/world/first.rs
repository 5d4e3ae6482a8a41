//! The first world: what the AKS documentation assumes, with a second subscription and a second
//! tenant for consumers.

use privlink_model::arm::arm_type::ArmType;
use privlink_model::arm::world::Malformed;
use privlink_model::facts::{Fact, Facts, Origin};
use serde_json::{Value, json};

use crate::azure;
use crate::azure::directory::{Directory, Subscription, Tenant};

use super::World;
use super::allocator::Allocator;

/// The subscription of the cluster.
pub const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000000";
/// Another subscription of the same tenant.
const OTHER_SUBSCRIPTION: &str = "11111111-1111-1111-1111-111111111111";
/// A subscription of another tenant.
const FOREIGN_SUBSCRIPTION: &str = "99999999-9999-9999-9999-999999999999";
const TENANT: &str = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa";
const FOREIGN_TENANT: &str = "bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb";
/// The cluster's own identity.
const CLUSTER_IDENTITY: &str = "cccccccc-cccc-cccc-cccc-cccccccccccc";
const LOCATION: &str = "eastus";
/// The resource group of the cluster.
pub const GROUP: &str = "myResourceGroup";
const NODE_GROUP: &str = "MC_myResourceGroup_myAKSCluster_eastus";
const SCALE_SET: &str = "aks-nodepool1-vmss";
/// Everything in the first world was made then.
const THEN: &str = "2025-01-01T00:00:00Z";

fn network(subscription: &str, group: &str, kind: &str, name: &str) -> String {
    format!(
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Network/{kind}/{name}"
    )
}

impl World {
    /// The world that the AKS documentation assumes: `myAKSCluster` with AKS's defaults in
    /// `myResourceGroup`, its nodes in 10.240.0.0/16, `apps-subnet` and `pls-subnet` beside them;
    /// `myOtherVNET` for endpoints; and virtual networks of consumers in a second subscription and in
    /// a second tenant. It has no load balancer and no Service of type `LoadBalancer`.
    pub fn first() -> Self {
        let mut world = Self {
            allocator: Allocator::new("first world"),
            directory: directory(),
            facts: facts(),
            ..Self::default()
        };
        world.kubernetes.version = "v1.33.1".to_owned();
        for object in cluster_objects() {
            // The kinds are the sandbox's own.
            let known = world.insert_object(object);
            debug_assert_eq!(known, Ok(()));
        }
        world.kubernetes.resource_version = 100;
        for resource in azure_resources() {
            let known: Result<(), Malformed> = world.azure.insert(resource);
            debug_assert_eq!(known, Ok(()));
        }
        world.add_machines();
        azure::reflect(&mut world);
        world
    }
}

fn facts() -> Facts {
    let mut facts = Facts {
        subscription: SUBSCRIPTION.to_owned(),
        resource_group: NODE_GROUP.to_owned(),
        location: LOCATION.to_owned(),
        virtual_network: "aks-vnet".to_owned(),
        virtual_network_resource_group: Some(NODE_GROUP.to_owned()),
        subnet: "aks-subnet".to_owned(),
        security_group: "aks-agentpool-nsg".to_owned(),
        zones: ["1", "2", "3"].map(ToOwned::to_owned).to_vec(),
        ..Facts::default()
    };
    let read = [
        Fact::Subscription,
        Fact::ResourceGroup,
        Fact::Location,
        Fact::VirtualNetwork,
        Fact::Subnet,
    ];
    facts.sources = read.into_iter().map(|fact| (fact, Origin::Read)).collect();
    facts
}

fn directory() -> Directory {
    let subscription = |id: &str, tenant: &str, name: &str| Subscription {
        id: id.to_owned(),
        tenant: tenant.to_owned(),
        display_name: name.to_owned(),
    };
    let tenant = |id: &str, name: &str| Tenant { id: id.to_owned(), display_name: name.to_owned() };
    let mut directory = Directory {
        tenants: vec![tenant(TENANT, "Contoso"), tenant(FOREIGN_TENANT, "Fabrikam")],
        subscriptions: vec![
            subscription(SUBSCRIPTION, TENANT, "Production"),
            subscription(OTHER_SUBSCRIPTION, TENANT, "Consumers"),
            subscription(FOREIGN_SUBSCRIPTION, FOREIGN_TENANT, "Partner"),
        ],
        locations: ["eastus", "eastus2", "westeurope", "northeurope"]
            .map(ToOwned::to_owned)
            .to_vec(),
        ..Directory::default()
    };
    for (subscription, group) in [
        (SUBSCRIPTION, GROUP),
        (SUBSCRIPTION, NODE_GROUP),
        (SUBSCRIPTION, "myOtherResourceGroup"),
        (OTHER_SUBSCRIPTION, "consumerResourceGroup"),
        (FOREIGN_SUBSCRIPTION, "partnerResourceGroup"),
    ] {
        directory.put_group(subscription, group, LOCATION);
    }
    let node_group = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{NODE_GROUP}");
    directory.assign("Network Contributor", CLUSTER_IDENTITY, &node_group);
    directory
}

fn cluster_objects() -> Vec<Value> {
    let mut objects = Vec::new();
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        objects.push(json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {
                "name": name,
                "uid": format!("00000000-0000-4000-8000-{:012x}", objects.len() + 1),
                "resourceVersion": "1", "creationTimestamp": THEN,
                "labels": {"kubernetes.io/metadata.name": name},
            },
            "spec": {"finalizers": ["kubernetes"]},
            "status": {"phase": "Active"},
        }));
    }
    for (index, zone) in ["1", "2"].iter().enumerate() {
        objects.push(node(index, zone));
    }
    objects.push(json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": "kubernetes", "namespace": "default",
            "uid": "00000000-0000-4000-8000-000000000031",
            "resourceVersion": "30", "creationTimestamp": THEN,
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"],
            "internalTrafficPolicy": "Cluster", "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 443}],
            "sessionAffinity": "None", "type": "ClusterIP",
        },
        "status": {"loadBalancer": {}},
    }));
    objects
}

fn instance(index: usize) -> String {
    format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/{NODE_GROUP}/providers/Microsoft.Compute/virtualMachineScaleSets/{SCALE_SET}/virtualMachines/{index}"
    )
}

fn node(index: usize, zone: &str) -> Value {
    let name = format!("{SCALE_SET}00000{index}");
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {
            "name": name,
            "uid": format!("00000000-0000-4000-8000-{:012x}", 32 + index),
            "resourceVersion": (20 + index).to_string(), "creationTimestamp": THEN,
            "labels": {
                "kubernetes.azure.com/agentpool": "nodepool1",
                "kubernetes.azure.com/cluster": NODE_GROUP,
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "topology.kubernetes.io/region": LOCATION,
                "topology.kubernetes.io/zone": format!("{LOCATION}-{zone}"),
            },
        },
        "spec": {"providerID": format!("azure://{}", instance(index))},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": format!("10.240.0.{}", 4 + index)},
                {"type": "Hostname", "address": name},
            ],
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
            "nodeInfo": {"kubeletVersion": "v1.33.1"},
        },
    })
}

fn azure_resources() -> Vec<Value> {
    let mut resources = vec![
        virtual_network(SUBSCRIPTION, NODE_GROUP, "aks-vnet", "10.240.0.0/12"),
        virtual_network(SUBSCRIPTION, "myOtherResourceGroup", "myOtherVNET", "10.1.0.0/16"),
        virtual_network(
            OTHER_SUBSCRIPTION,
            "consumerResourceGroup",
            "consumer-vnet",
            "10.2.0.0/16",
        ),
        virtual_network(
            FOREIGN_SUBSCRIPTION,
            "partnerResourceGroup",
            "partner-vnet",
            "10.3.0.0/16",
        ),
        security_group(),
    ];
    for (name, prefix) in [
        ("aks-subnet", "10.240.0.0/16"),
        ("apps-subnet", "10.241.0.0/24"),
        ("pls-subnet", "10.242.0.0/24"),
    ] {
        let mut subnet = subnet(SUBSCRIPTION, NODE_GROUP, "aks-vnet", name, prefix);
        let group = network(SUBSCRIPTION, NODE_GROUP, "networkSecurityGroups", "aks-agentpool-nsg");
        if let Some(properties) = subnet.get_mut("properties").and_then(Value::as_object_mut) {
            properties.insert("networkSecurityGroup".to_owned(), json!({"id": group}));
        }
        resources.push(subnet);
    }
    for (subscription, group, network, prefix) in [
        (SUBSCRIPTION, "myOtherResourceGroup", "myOtherVNET", "10.1.0.0/24"),
        (OTHER_SUBSCRIPTION, "consumerResourceGroup", "consumer-vnet", "10.2.0.0/24"),
        (FOREIGN_SUBSCRIPTION, "partnerResourceGroup", "partner-vnet", "10.3.0.0/24"),
    ] {
        resources.push(subnet(subscription, group, network, "pe-subnet", prefix));
    }
    resources.push(managed_cluster());
    resources.extend(private_dns());
    resources
}

fn etag() -> &'static str {
    "W/\"00000000-0000-4000-8000-000000000000\""
}

fn virtual_network(subscription: &str, group: &str, name: &str, prefix: &str) -> Value {
    json!({
        "name": name,
        "id": network(subscription, group, "virtualNetworks", name),
        "etag": etag(),
        "type": ArmType::VirtualNetwork.name(),
        "location": LOCATION,
        "properties": {
            "provisioningState": "Succeeded",
            "addressSpace": {"addressPrefixes": [prefix]},
            "subnets": [],
            "virtualNetworkPeerings": [],
            "enableDdosProtection": false,
        },
    })
}

fn subnet(subscription: &str, group: &str, vnet: &str, name: &str, prefix: &str) -> Value {
    json!({
        "name": name,
        "id": format!("{}/subnets/{name}", network(subscription, group, "virtualNetworks", vnet)),
        "etag": etag(),
        "type": ArmType::Subnet.name(),
        "properties": {
            "provisioningState": "Succeeded",
            "addressPrefix": prefix,
            "delegations": [],
            "privateEndpointNetworkPolicies": "Disabled",
            "privateLinkServiceNetworkPolicies": "Enabled",
        },
    })
}

fn security_group() -> Value {
    json!({
        "name": "aks-agentpool-nsg",
        "id": network(SUBSCRIPTION, NODE_GROUP, "networkSecurityGroups", "aks-agentpool-nsg"),
        "etag": etag(),
        "type": ArmType::NetworkSecurityGroup.name(),
        "location": LOCATION,
        "properties": {"provisioningState": "Succeeded", "securityRules": []},
    })
}

fn managed_cluster() -> Value {
    let id = format!(
        "/subscriptions/{SUBSCRIPTION}/resourcegroups/{GROUP}/providers/Microsoft.ContainerService/managedClusters/myAKSCluster"
    );
    json!({
        "id": id,
        "name": "myAKSCluster",
        "type": ArmType::ManagedCluster.shown(),
        "location": LOCATION,
        "identity": {"type": "SystemAssigned", "principalId": CLUSTER_IDENTITY, "tenantId": TENANT},
        "properties": {
            "provisioningState": "Succeeded",
            "powerState": {"code": "Running"},
            "kubernetesVersion": "1.33",
            "currentKubernetesVersion": "1.33.1",
            "dnsPrefix": "myakscluster",
            "fqdn": "myakscluster-00000000.hcp.eastus.azmk8s.io",
            "nodeResourceGroup": NODE_GROUP,
            "enableRBAC": true,
            "agentPoolProfiles": [{
                "name": "nodepool1", "count": 2, "vmSize": "Standard_D4s_v5", "osType": "Linux",
                "type": "VirtualMachineScaleSets", "mode": "System",
                "availabilityZones": ["1", "2", "3"],
                "orchestratorVersion": "1.33", "provisioningState": "Succeeded",
            }],
            "networkProfile": {
                "networkPlugin": "azure",
                "networkPluginMode": "overlay",
                "loadBalancerSku": "standard",
                "loadBalancerProfile": {
                    "backendPoolType": "nodeIPConfiguration",
                    "clusterServiceLoadBalancerHealthProbeMode": "ServiceNodePort",
                },
                "podCidr": "10.244.0.0/16",
                "serviceCidr": "10.0.0.0/16",
                "dnsServiceIP": "10.0.0.10",
                "outboundType": "loadBalancer",
                "ipFamilies": ["IPv4"],
            },
            "identityProfile": {"kubeletidentity": {"objectId": CLUSTER_IDENTITY}},
        },
        "sku": {"name": "Base", "tier": "Free"},
    })
}

fn private_dns() -> Vec<Value> {
    // Azure's private DNS shows the group's name in lower case.
    let group = "myotherresourcegroup";
    let zone = network(SUBSCRIPTION, group, "privateDnsZones", "privatelink.contoso.com");
    let network = network(SUBSCRIPTION, "myOtherResourceGroup", "virtualNetworks", "myOtherVNET");
    vec![
        json!({
            "id": zone,
            "name": "privatelink.contoso.com",
            "type": ArmType::PrivateDnsZone.name(),
            "etag": "00000000-0000-4000-8000-000000000000",
            "location": "global",
            "properties": {
                "provisioningState": "Succeeded",
                "maxNumberOfRecordSets": 25000,
                "maxNumberOfVirtualNetworkLinks": 1000,
                "maxNumberOfVirtualNetworkLinksWithRegistration": 100,
                "numberOfRecordSets": 1,
                "numberOfVirtualNetworkLinks": 1,
                "numberOfVirtualNetworkLinksWithRegistration": 0,
            },
        }),
        json!({
            "id": format!("{zone}/virtualNetworkLinks/myothervnet"),
            "name": "myothervnet",
            "type": ArmType::ZoneLink.name(),
            "etag": "00000000-0000-4000-8000-000000000000",
            "location": "global",
            "properties": {
                "provisioningState": "Succeeded",
                "registrationEnabled": false,
                "virtualNetwork": {"id": network},
                "virtualNetworkLinkState": "Completed",
            },
        }),
    ]
}
