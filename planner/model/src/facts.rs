//! Facts about a cluster that the controller's behaviour depends on.
//!
//! A fact is a field of [`Facts`], named as the controller's cloud configuration names it. [`TABLE`]
//! says of each under which name a Stack pins it, where it is read, and whether plans list it. Where the
//! values of a cluster came from is kept beside them in [`Facts::sources`]; a fact that is not in there is
//! assumed.

mod load_balancer;
mod observed;
mod table;

pub use load_balancer::{LoadBalancerConfiguration, POOL_TAG};
pub(crate) use observed::SHARED_PROBE;
pub use observed::{Missing, Place, find, infer, missing_cluster, node_subnets};
pub use table::{Fact, Facts, Read, Row, TABLE};

use serde::{Deserialize, Serialize};

use crate::arm::arm_type::ArmType;
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

impl Origin {
    /// As it is printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pinned => "pinned",
            Self::Read => "read",
            Self::Inferred => "inferred",
            Self::Assumed => "assumed",
        }
    }
}

/// How load balancers know their backends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum BackendPoolType {
    /// By network interface: AKS's default.
    #[default]
    #[serde(rename = "nodeIPConfiguration", alias = "nodeIpConfiguration")]
    NodeIpConfiguration,
    /// By the node's address.
    #[serde(rename = "nodeIP", alias = "nodeIp")]
    NodeIp,
    /// By the pod's address.
    #[serde(rename = "podIP", alias = "podIp")]
    PodIp,
}

/// How Services with `externalTrafficPolicy: Cluster` are probed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthProbeMode {
    /// Each port on its node port: AKS's default.
    #[default]
    ServiceNodePort,
    /// All Services by one probe of kube-proxy.
    Shared,
}

/// How what nodes send reaches the Internet (AKS's `outboundType`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutboundType {
    /// By a public load balancer that AKS makes: its default.
    #[default]
    #[serde(rename = "loadBalancer")]
    LoadBalancer,
    /// By a NAT gateway of AKS.
    #[serde(rename = "managedNATGateway")]
    ManagedNatGateway,
    /// By a NAT gateway of the subnet's owner.
    #[serde(rename = "userAssignedNATGateway")]
    UserAssignedNatGateway,
    /// By the routes of the subnet, mostly through a firewall.
    #[serde(rename = "userDefinedRouting")]
    UserDefinedRouting,
    /// AKS makes no way out.
    #[serde(rename = "none")]
    None,
    /// AKS closes all ways out.
    #[serde(rename = "block")]
    Block,
}

impl OutboundType {
    /// As the AKS API spells them.
    pub const NAMES: &[&str] = &[
        "loadBalancer",
        "managedNATGateway",
        "userAssignedNATGateway",
        "userDefinedRouting",
        "none",
        "block",
    ];
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

impl Facts {
    /// Where a fact came from.
    pub fn source(&self, fact: Fact) -> Origin {
        self.sources.get(&fact).copied().unwrap_or_default()
    }

    /// Whether Services with `externalTrafficPolicy: Cluster` share one probe.
    pub fn is_probe_shared(&self) -> bool {
        self.health_probe_mode == HealthProbeMode::Shared
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
            ArmType::VirtualNetwork.name(),
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
