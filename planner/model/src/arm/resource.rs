//! Typed resources in ARM's JSON spelling. Fields the model does not read are kept in `other`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A reference to another resource: `{"id": ...}`. Whatever else a client sends along is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// The id; absent in some broken bodies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Reference {
    /// A reference to an id.
    pub fn to(id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), other: Map::new() }
    }

    /// The id, empty if there is none.
    pub fn id(&self) -> &str {
        self.id.as_deref().unwrap_or_default()
    }
}

/// A resource or a child of one: the envelope, and properties of its kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[serde(bound(deserialize = "P: Default + Deserialize<'de>"))]
pub struct Resource<P> {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Its type.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Its region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Its edge zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extended_location: Option<Value>,
    /// Its tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
    /// Its SKU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<Sku>,
    /// Its availability zones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zones: Option<Vec<String>>,
    /// What is its kind's own.
    #[serde(default)]
    pub properties: P,
    /// Fields the model does not read.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl<P> Resource<P> {
    /// The name, empty if there is none.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    /// The id, empty if there is none.
    pub fn id(&self) -> &str {
        self.id.as_deref().unwrap_or_default()
    }
}

/// A SKU.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sku {
    /// `Standard`, `Basic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `Regional`, `Global`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

macro_rules! properties {
    ($(#[doc = $doc:literal])+ $name:ident { $($(#[doc = $field_doc:literal])+ $(#[serde($attribute:meta)])* $field:ident: $type:ty,)+ }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            $(
                $(#[doc = $field_doc])+
                $(#[serde($attribute)])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $field: Option<$type>,
            )+
            /// Fields the model does not read.
            #[serde(flatten)]
            pub other: Map<String, Value>,
        }
    };
}

mod endpoint;

pub use endpoint::*;

properties! {
    /// Properties of a load balancer.
    LoadBalancerProperties {
        /// Its frontends.
        #[serde(rename = "frontendIPConfigurations")]
        frontend_ip_configurations: Vec<Arc<Frontend>>,
        /// Its backend pools.
        backend_address_pools: Vec<Arc<BackendPool>>,
        /// Its rules.
        load_balancing_rules: Vec<Arc<Rule>>,
        /// Its probes.
        probes: Vec<Arc<Probe>>,
        /// Its inbound NAT rules, which the model only reads.
        inbound_nat_rules: Vec<Value>,
        /// Its inbound NAT pools, which the model only reads.
        inbound_nat_pools: Vec<Value>,
        /// Its outbound rules, which the model only reads.
        outbound_rules: Vec<Value>,
        /// How it is provisioned.
        provisioning_state: String,
        /// Its guid.
        resource_guid: String,
    }
}
properties! {
    /// Properties of a frontend IP configuration.
    FrontendProperties {
        /// `Static` or `Dynamic`.
        #[serde(rename = "privateIPAllocationMethod")]
        private_ip_allocation_method: String,
        /// Its private address.
        #[serde(rename = "privateIPAddress")]
        private_ip_address: String,
        /// `IPv4` or `IPv6`.
        #[serde(rename = "privateIPAddressVersion")]
        private_ip_address_version: String,
        /// Its subnet, if private.
        subnet: Reference,
        /// Its public IP, if public.
        #[serde(rename = "publicIPAddress")]
        public_ip_address: Reference,
        /// Its public IP prefix, which the model only reads.
        #[serde(rename = "publicIPPrefix")]
        public_ip_prefix: Reference,
        /// How it is provisioned.
        provisioning_state: String,
        /// The rules on it.
        load_balancing_rules: Vec<Reference>,
        /// The inbound NAT rules on it.
        inbound_nat_rules: Vec<Reference>,
        /// The inbound NAT pools on it.
        inbound_nat_pools: Vec<Reference>,
        /// The outbound rules on it.
        outbound_rules: Vec<Reference>,
        /// The PLS on it.
        private_link_service: Reference,
    }
}
properties! {
    /// Properties of a backend address pool.
    BackendPoolProperties {
        /// Its members by address.
        load_balancer_backend_addresses: Vec<Value>,
        /// Its members by network interface.
        #[serde(rename = "backendIPConfigurations")]
        backend_ip_configurations: Vec<Reference>,
        /// Its virtual network.
        virtual_network: Reference,
        /// How it is provisioned.
        provisioning_state: String,
        /// The rules on it.
        load_balancing_rules: Vec<Reference>,
    }
}
properties! {
    /// Properties of a load balancing rule.
    RuleProperties {
        /// Its frontend.
        #[serde(rename = "frontendIPConfiguration")]
        frontend_ip_configuration: Reference,
        /// Its pool.
        backend_address_pool: Reference,
        /// Its probe.
        probe: Reference,
        /// `Tcp`, `Udp`, `All`.
        protocol: String,
        /// `Default`, `SourceIP`.
        load_distribution: String,
        /// The port at the frontend.
        frontend_port: i64,
        /// The port at the backend; text if it is a node port that is not known yet.
        backend_port: Value,
        /// Minutes.
        idle_timeout_in_minutes: i64,
        /// Floating IP.
        #[serde(rename = "enableFloatingIP")]
        enable_floating_ip: bool,
        /// TCP reset on idle timeout.
        enable_tcp_reset: bool,
        /// No outbound SNAT through it.
        disable_outbound_snat: bool,
        /// How it is provisioned.
        provisioning_state: String,
    }
}
properties! {
    /// Properties of a probe.
    ProbeProperties {
        /// `Tcp`, `Http`, `Https`.
        protocol: String,
        /// The port probed; text if it is not known yet.
        port: Value,
        /// The path, of Http and Https.
        request_path: String,
        /// Seconds.
        interval_in_seconds: i64,
        /// How many failures count.
        probe_threshold: i64,
        /// The older form of the threshold.
        number_of_probes: i64,
        /// How it is provisioned.
        provisioning_state: String,
        /// The rules that use it.
        load_balancing_rules: Vec<Reference>,
    }
}
properties! {
    /// Properties of a private link service.
    PrivateLinkServiceProperties {
        /// The frontend it is on: one.
        load_balancer_frontend_ip_configurations: Vec<Reference>,
        /// Its NAT addresses.
        ip_configurations: Vec<NatAddress>,
        /// Who may see it.
        visibility: Subscriptions,
        /// Who is approved at once.
        auto_approval: Subscriptions,
        /// Its names.
        fqdns: Vec<String>,
        /// Proxy protocol.
        enable_proxy_protocol: bool,
        /// Its alias.
        alias: String,
        /// The connections of private endpoints.
        private_endpoint_connections: Vec<EndpointConnection>,
        /// Its network interfaces.
        network_interfaces: Vec<Reference>,
        /// Its guid.
        resource_guid: String,
        /// How it is provisioned.
        provisioning_state: String,
    }
}
properties! {
    /// A list of subscriptions.
    Subscriptions {
        /// Their ids, or `*`.
        subscriptions: Vec<String>,
    }
}
properties! {
    /// Properties of a NAT address of a PLS.
    NatAddressProperties {
        /// `Static` or `Dynamic`.
        #[serde(rename = "privateIPAllocationMethod")]
        private_ip_allocation_method: String,
        /// The address; Azure does not show dynamic ones.
        #[serde(rename = "privateIPAddress")]
        private_ip_address: String,
        /// `IPv4`.
        #[serde(rename = "privateIPAddressVersion")]
        private_ip_address_version: String,
        /// Whether it is the primary one.
        primary: bool,
        /// Its subnet.
        subnet: Reference,
        /// How it is provisioned.
        provisioning_state: String,
    }
}
properties! {
    /// Properties of a connection, the provider's side of a private endpoint.
    EndpointConnectionProperties {
        /// The endpoint.
        private_endpoint: Reference,
        /// Its state.
        private_link_service_connection_state: ConnectionState,
        /// How it is provisioned.
        provisioning_state: String,
        /// A number that tells consumers apart.
        link_identifier: String,
        /// Where the endpoint is.
        private_endpoint_location: String,
    }
}
properties! {
    /// The state of a connection.
    ConnectionState {
        /// `Pending`, `Approved`, `Rejected`, `Disconnected`.
        status: String,
        /// The provider's words, or the consumer's request.
        description: String,
        /// What is to be done.
        actions_required: String,
    }
}
properties! {
    /// Properties of a public IP address.
    PublicIpAddressProperties {
        /// `Static` or `Dynamic`.
        #[serde(rename = "publicIPAllocationMethod")]
        public_ip_allocation_method: String,
        /// `IPv4` or `IPv6`.
        #[serde(rename = "publicIPAddressVersion")]
        public_ip_address_version: String,
        /// The address.
        ip_address: String,
        /// Minutes.
        idle_timeout_in_minutes: i64,
        /// What uses it.
        ip_configuration: Reference,
        /// Its DNS name.
        dns_settings: Value,
        /// Its IP tags.
        ip_tags: Vec<Value>,
        /// The prefix it comes from.
        #[serde(rename = "publicIPPrefix")]
        public_ip_prefix: Reference,
        /// How it is provisioned.
        provisioning_state: String,
    }
}
properties! {
    /// Properties of a network security group.
    NetworkSecurityGroupProperties {
        /// Its rules.
        security_rules: Vec<Arc<SecurityRule>>,
        /// How it is provisioned.
        provisioning_state: String,
    }
}
properties! {
    /// Properties of a security rule.
    SecurityRuleProperties {
        /// `Allow`, `Deny`.
        access: String,
        /// `Inbound`, `Outbound`.
        direction: String,
        /// Lower comes first.
        priority: i64,
        /// `Tcp`, `Udp`, `*`.
        protocol: String,
        /// One source.
        source_address_prefix: String,
        /// Several sources.
        source_address_prefixes: Vec<String>,
        /// One destination.
        destination_address_prefix: String,
        /// Several destinations.
        destination_address_prefixes: Vec<String>,
        /// One source port range.
        source_port_range: String,
        /// Several source port ranges.
        source_port_ranges: Vec<String>,
        /// One port range.
        destination_port_range: String,
        /// Several port ranges.
        destination_port_ranges: Vec<String>,
        /// Words for people.
        description: String,
        /// How it is provisioned.
        provisioning_state: String,
    }
}
properties! {
    /// Properties of a virtual network. Its subnets are held apart, see [`super::world::World`].
    VirtualNetworkProperties {
        /// Its address space.
        address_space: Value,
        /// How it is provisioned.
        provisioning_state: String,
    }
}
properties! {
    /// Properties of a subnet.
    SubnetProperties {
        /// Its range, if it has one.
        address_prefix: String,
        /// Its ranges, if it has several.
        address_prefixes: Vec<String>,
        /// `Enabled` or `Disabled`.
        private_link_service_network_policies: String,
        /// `Enabled` or `Disabled`.
        private_endpoint_network_policies: String,
        /// How it is provisioned.
        provisioning_state: String,
    }
}

/// A load balancer.
pub type LoadBalancer = Resource<LoadBalancerProperties>;
/// A frontend IP configuration.
pub type Frontend = Resource<FrontendProperties>;
/// A backend address pool.
pub type BackendPool = Resource<BackendPoolProperties>;
/// A load balancing rule.
pub type Rule = Resource<RuleProperties>;
/// A probe.
pub type Probe = Resource<ProbeProperties>;
/// A private link service.
pub type PrivateLinkService = Resource<PrivateLinkServiceProperties>;
/// A NAT address of a PLS.
pub type NatAddress = Resource<NatAddressProperties>;
/// A connection of a private endpoint to a PLS.
pub type EndpointConnection = Resource<EndpointConnectionProperties>;
/// A public IP address.
pub type PublicIpAddress = Resource<PublicIpAddressProperties>;
/// A network security group.
pub type NetworkSecurityGroup = Resource<NetworkSecurityGroupProperties>;
/// A security rule.
pub type SecurityRule = Resource<SecurityRuleProperties>;
/// A virtual network.
pub type VirtualNetwork = Resource<VirtualNetworkProperties>;
/// A subnet.
pub type Subnet = Resource<SubnetProperties>;
