//! Facts about a cluster that the controller's behaviour hangs on.
//!
//! A fact is a field of [`Facts`], named as the controller's cloud configuration names it. Where each
//! came from is kept beside them, by field name, in [`Facts::sources`]; a field that is not in there
//! is assumed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::resource_id::ResourceId;

/// Where a fact came from.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Written in the Stack.
    Pinned,
    /// Read from the AKS API, or from the controller's own configuration.
    Read,
    /// Inferred from live rules and nodes.
    Inferred,
    /// Assumed: AKS does so by default.
    #[default]
    Assumed,
}

/// How load balancers know their backends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BackendPoolType {
    /// By network interface: AKS's default.
    #[default]
    NodeIpConfiguration,
    /// By the node's address.
    NodeIp,
    /// By the pod's address.
    PodIp,
}

/// The SKU of load balancers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LoadBalancerSku {
    /// Standard.
    #[default]
    Standard,
    /// Basic, which Azure retired.
    Basic,
}

/// What the controller does with a PLS name that another frontend's PLS already has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TakenPlsName {
    /// It takes the PLS over: releases up to August 2026 (recorded).
    #[default]
    TakenOver,
    /// It refuses: releases since September 2026 (pull request 10943 of cloud-provider-azure).
    Refused,
}

/// One of several standard load balancers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LoadBalancerConfiguration {
    /// Its name, without `-internal`.
    pub name: String,
    /// The scale set whose nodes are its own.
    pub primary_vm_set: String,
    /// Whether new Services may be placed on it; yes if not said.
    pub allow_service_placement: Option<bool>,
    /// Services it takes, by label.
    pub service_label_selector: Option<serde_json::Value>,
    /// Services it takes, by their namespace's labels.
    pub service_namespace_selector: Option<serde_json::Value>,
    /// Nodes it takes, by label.
    pub node_selector: Option<serde_json::Value>,
}

/// The facts about one cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Facts {
    /// `--cluster-name`; AKS: `kubernetes`.
    pub cluster_name: String,
    /// `subscriptionId`.
    pub subscription: String,
    /// `networkResourceSubscriptionID`; the subscription if absent.
    pub network_subscription: Option<String>,
    /// `resourceGroup`: the node resource group, as configured. The controller lowers its case.
    pub resource_group: String,
    /// `location`.
    pub location: String,
    /// `extendedLocationName`, of an edge zone.
    pub extended_location: Option<String>,
    /// `vnetName`.
    pub virtual_network: String,
    /// `vnetResourceGroup`; the resource group if absent.
    pub virtual_network_resource_group: Option<String>,
    /// `subnetName`.
    pub subnet: String,
    /// `securityGroupName`.
    pub security_group: String,
    /// `securityGroupResourceGroup`; the resource group if absent.
    pub security_group_resource_group: Option<String>,
    /// `loadBalancerSku`.
    pub load_balancer_sku: LoadBalancerSku,
    /// `loadBalancerName`; the cluster name if absent.
    pub load_balancer_name: Option<String>,
    /// `loadBalancerResourceGroup`; the resource group if absent.
    pub load_balancer_resource_group: Option<String>,
    /// `privateLinkServiceResourceGroup`; the resource group if absent.
    pub private_link_service_resource_group: Option<String>,
    /// `loadBalancerBackendPoolConfigurationType`.
    pub backend_pool_type: BackendPoolType,
    /// `preConfiguredBackendPoolLoadBalancerTypes`: `internal`, `external`, `all` or nothing.
    pub pre_configured_backend_pools: String,
    /// `disableOutboundSNAT`.
    pub disable_outbound_snat: bool,
    /// `excludeMasterFromStandardLB`.
    pub exclude_control_plane: bool,
    /// `clusterServiceLoadBalancerHealthProbeMode: shared`.
    pub shared_probe: bool,
    /// `clusterServiceSharedLoadBalancerHealthProbePort`.
    pub shared_probe_port: i64,
    /// `clusterServiceSharedLoadBalancerHealthProbePath`.
    pub shared_probe_path: String,
    /// `tags` and `tagsMap`, put on what the controller makes.
    pub tags: BTreeMap<String, String>,
    /// `systemTags`: prefixes of tags the controller leaves alone; when set, it removes others.
    pub system_tags: Option<String>,
    /// `maximumLoadBalancerRuleCount`.
    pub maximum_rules: i64,
    /// `primaryScaleSetName` or `primaryAvailabilitySetName`.
    pub primary_vm_set: String,
    /// `multipleStandardLoadBalancerConfigurations`; empty for a single one.
    pub load_balancer_configurations: Vec<LoadBalancerConfiguration>,
    /// The zones the region has for virtual machines.
    pub zones: Vec<String>,
    /// The IP families of Services; the first is the default.
    pub ip_families: Vec<String>,
    /// How the controller's version treats a PLS name in use elsewhere.
    pub taken_pls_name: TakenPlsName,
    /// Whether the controller's version knows `azure-disable-load-balancer-nsg-rule` (1.35 and later).
    pub knows_disable_nsg_rule: bool,
    /// `resourceManagerEndpoint`, shown in errors.
    pub endpoint: String,
    /// Where each fact came from, by field name (`clusterName`).
    pub sources: BTreeMap<String, Origin>,
}

impl Default for Facts {
    /// What AKS does by default. Names and ids are empty.
    fn default() -> Self {
        Self {
            cluster_name: "kubernetes".to_owned(),
            subscription: String::new(),
            network_subscription: None,
            resource_group: String::new(),
            location: String::new(),
            extended_location: None,
            virtual_network: String::new(),
            virtual_network_resource_group: None,
            subnet: String::new(),
            security_group: String::new(),
            security_group_resource_group: None,
            load_balancer_sku: LoadBalancerSku::Standard,
            load_balancer_name: None,
            load_balancer_resource_group: None,
            private_link_service_resource_group: None,
            backend_pool_type: BackendPoolType::NodeIpConfiguration,
            pre_configured_backend_pools: String::new(),
            disable_outbound_snat: true,
            exclude_control_plane: true,
            shared_probe: false,
            shared_probe_port: 10256,
            shared_probe_path: "/healthz".to_owned(),
            tags: BTreeMap::new(),
            system_tags: None,
            maximum_rules: 250,
            primary_vm_set: String::new(),
            load_balancer_configurations: Vec::new(),
            zones: Vec::new(),
            ip_families: vec!["IPv4".to_owned()],
            taken_pls_name: TakenPlsName::TakenOver,
            knows_disable_nsg_rule: true,
            endpoint: "https://management.azure.com".to_owned(),
            sources: BTreeMap::new(),
        }
    }
}

impl Facts {
    /// Where a fact came from, by field name.
    pub fn source(&self, field: &str) -> Origin {
        self.sources.get(field).copied().unwrap_or_default()
    }

    /// The subscription of load balancers, subnets, public IPs and security groups.
    pub fn network_subscription(&self) -> &str {
        self.network_subscription.as_deref().unwrap_or(&self.subscription)
    }

    /// The resource group in the controller's spelling: it lowers the case of the configured one.
    pub fn controller_resource_group(&self) -> String {
        self.resource_group.to_lowercase()
    }

    /// The group of load balancers.
    pub fn load_balancer_group(&self) -> String {
        non_empty(&self.load_balancer_resource_group)
            .map_or_else(|| self.controller_resource_group(), ToOwned::to_owned)
    }

    /// The group of the virtual network.
    pub fn virtual_network_group(&self) -> String {
        non_empty(&self.virtual_network_resource_group)
            .map_or_else(|| self.controller_resource_group(), ToOwned::to_owned)
    }

    /// The group of the security group.
    pub fn security_group_group(&self) -> String {
        non_empty(&self.security_group_resource_group)
            .map_or_else(|| self.controller_resource_group(), ToOwned::to_owned)
    }

    /// The group of PLS of Services that do not say theirs.
    pub fn private_link_service_group(&self) -> String {
        non_empty(&self.private_link_service_resource_group)
            .map_or_else(|| self.controller_resource_group(), ToOwned::to_owned)
    }

    /// The id of the virtual network.
    pub fn virtual_network_id(&self) -> ResourceId {
        ResourceId::in_group(
            self.network_subscription(),
            &self.virtual_network_group(),
            "Microsoft.Network/virtualNetworks",
            &self.virtual_network,
        )
    }

    /// The id of a subnet of the cluster's virtual network.
    pub fn subnet_id(&self, subnet: &str) -> ResourceId {
        self.virtual_network_id().child("subnets", subnet)
    }

    /// Whether the cluster has several standard load balancers.
    pub fn has_several_load_balancers(&self) -> bool {
        self.load_balancer_sku == LoadBalancerSku::Standard
            && !self.load_balancer_configurations.is_empty()
    }
}

fn non_empty(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}
