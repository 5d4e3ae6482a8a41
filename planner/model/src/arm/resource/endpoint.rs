//! Typed resources of the consumer's side: private endpoints, their interfaces, and private DNS.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ConnectionState, Reference, Resource};

properties! {
    /// Properties of a private endpoint.
    PrivateEndpointProperties {
        /// The subnet its interface is in.
        subnet: Reference,
        /// Connections that the consumer's rights approve.
        private_link_service_connections: Vec<ServiceConnection>,
        /// Connections that wait for the provider, unless its list approves them.
        manual_private_link_service_connections: Vec<ServiceConnection>,
        /// The addresses asked for.
        ip_configurations: Vec<EndpointAddress>,
        /// The name asked for its interface.
        custom_network_interface_name: String,
        /// Its interfaces: one.
        network_interfaces: Vec<Reference>,
        /// The names that the Private Link Service has, with the endpoint's address.
        custom_dns_configs: Vec<DnsConfig>,
        /// The application security groups it is in, which the model only keeps.
        application_security_groups: Vec<Value>,
        /// How it is provisioned.
        provisioning_state: String,
        /// Its guid.
        resource_guid: String,
    }
}
properties! {
    /// Properties of a connection, the consumer's side of a private endpoint.
    ServiceConnectionProperties {
        /// What it reaches: the id or the alias of a PLS.
        private_link_service_id: String,
        /// The sub-resources it reaches: those of a PLS are none.
        group_ids: Vec<String>,
        /// The consumer's words to the provider.
        request_message: String,
        /// Its state.
        private_link_service_connection_state: ConnectionState,
        /// How it is provisioned.
        provisioning_state: String,
    }
}
properties! {
    /// Properties of an address that is asked for an endpoint.
    EndpointAddressProperties {
        /// The address.
        #[serde(rename = "privateIPAddress")]
        private_ip_address: String,
    }
}
properties! {
    /// A name of an endpoint.
    DnsConfig {
        /// The name, without a dot at its end.
        fqdn: String,
        /// Its addresses.
        ip_addresses: Vec<String>,
    }
}
properties! {
    /// Properties of a network interface.
    NetworkInterfaceProperties {
        /// Its addresses.
        ip_configurations: Vec<InterfaceAddress>,
        /// The private endpoint it belongs to.
        private_endpoint: Reference,
        /// The PLS it belongs to.
        private_link_service: Reference,
        /// How it is provisioned.
        provisioning_state: String,
        /// Its guid.
        resource_guid: String,
    }
}
properties! {
    /// Properties of an address of a network interface.
    InterfaceAddressProperties {
        /// The address.
        #[serde(rename = "privateIPAddress")]
        private_ip_address: String,
        /// `Static` or `Dynamic`.
        #[serde(rename = "privateIPAllocationMethod")]
        private_ip_allocation_method: String,
        /// `IPv4`.
        #[serde(rename = "privateIPAddressVersion")]
        private_ip_address_version: String,
        /// Its subnet.
        subnet: Reference,
        /// Whether it is the primary one.
        primary: bool,
        /// The names that are reached by it.
        private_link_connection_properties: Value,
        /// How it is provisioned.
        provisioning_state: String,
    }
}
properties! {
    /// Properties of a zone group of a private endpoint.
    ZoneGroupProperties {
        /// The zones that Azure keeps the endpoint's names in.
        private_dns_zone_configs: Vec<ZoneConfig>,
        /// How it is provisioned.
        provisioning_state: String,
    }
}
properties! {
    /// Properties of a zone in a zone group.
    ZoneConfigProperties {
        /// The zone's id.
        private_dns_zone_id: String,
        /// The records that the group made there.
        record_sets: Vec<GroupRecord>,
        /// How it is provisioned.
        provisioning_state: String,
    }
}
properties! {
    /// A record that a zone group made.
    GroupRecord {
        /// `A`.
        record_type: String,
        /// The name within the zone.
        record_set_name: String,
        /// The whole name.
        fqdn: String,
        /// Seconds.
        ttl: u64,
        /// Its addresses.
        ip_addresses: Vec<String>,
        /// How it is provisioned.
        provisioning_state: String,
    }
}
properties! {
    /// Properties of a private DNS zone.
    PrivateDnsZoneProperties {
        /// Its guid.
        internal_id: String,
        /// How many records it holds.
        number_of_record_sets: u64,
        /// How many virtual networks are linked to it.
        number_of_virtual_network_links: u64,
        /// How many of those have their machines registered in it.
        number_of_virtual_network_links_with_registration: u64,
        /// How many records it may hold.
        max_number_of_record_sets: u64,
        /// How many virtual networks may be linked to it.
        max_number_of_virtual_network_links: u64,
        /// How many of those may have their machines registered in it.
        max_number_of_virtual_network_links_with_registration: u64,
        /// How it is provisioned.
        provisioning_state: String,
    }
}
properties! {
    /// Properties of a link of a private DNS zone to a virtual network.
    ZoneLinkProperties {
        /// Whether the network's machines are registered in the zone.
        registration_enabled: bool,
        /// The network.
        virtual_network: Reference,
        /// `Completed`, `InProgress`.
        virtual_network_link_state: String,
        /// `Default`, `NxDomainRedirect`.
        resolution_policy: String,
        /// How it is provisioned.
        provisioning_state: String,
    }
}
properties! {
    /// Properties of a record set of a private DNS zone.
    RecordSetProperties {
        /// How long resolvers may keep it, in seconds. Azure spells it both ways, by API version.
        #[serde(alias = "TTL")]
        ttl: u64,
        /// The addresses of an A record. Azure spells it both ways, by API version.
        #[serde(alias = "ARecords")]
        a_records: Vec<ARecord>,
        /// What its owners noted.
        metadata: BTreeMap<String, String>,
        /// The whole name.
        fqdn: String,
        /// Whether it is the record of a machine.
        is_auto_registered: bool,
    }
}
properties! {
    /// An address of an A record.
    ARecord {
        /// The address.
        ipv4_address: String,
    }
}

/// A private endpoint.
pub type PrivateEndpoint = Resource<PrivateEndpointProperties>;
/// A connection to a PLS, as the private endpoint shows it.
pub type ServiceConnection = Resource<ServiceConnectionProperties>;
/// An address that is asked for an endpoint.
pub type EndpointAddress = Resource<EndpointAddressProperties>;
/// A network interface.
pub type NetworkInterface = Resource<NetworkInterfaceProperties>;
/// An address of a network interface.
pub type InterfaceAddress = Resource<InterfaceAddressProperties>;
/// A zone group of a private endpoint.
pub type ZoneGroup = Resource<ZoneGroupProperties>;
/// A zone in a zone group.
pub type ZoneConfig = Resource<ZoneConfigProperties>;
/// A private DNS zone.
pub type PrivateDnsZone = Resource<PrivateDnsZoneProperties>;
/// A link of a private DNS zone to a virtual network.
pub type ZoneLink = Resource<ZoneLinkProperties>;
/// A record set of a private DNS zone.
pub type RecordSet = Resource<RecordSetProperties>;

impl Resource<PrivateEndpointProperties> {
    /// The connection it has, and whether it waited for the provider's approval. Azure takes one at most.
    pub fn connection(&self) -> Option<(&ServiceConnection, bool)> {
        let lists = &self.properties;
        let automatic = lists.private_link_service_connections.iter().flatten();
        let manual = lists.manual_private_link_service_connections.iter().flatten();
        automatic.map(|it| (it, false)).chain(manual.map(|it| (it, true))).next()
    }

    /// Its connections, to be changed.
    pub fn connections_mut(&mut self) -> impl Iterator<Item = &mut ServiceConnection> {
        let lists = &mut self.properties;
        let automatic = lists.private_link_service_connections.iter_mut().flatten();
        automatic.chain(lists.manual_private_link_service_connections.iter_mut().flatten())
    }

    /// The id of its subnet, empty if there is none.
    pub fn subnet(&self) -> &str {
        self.properties.subnet.as_ref().map(Reference::id).unwrap_or_default()
    }

    /// The address that it asks for, if it asks for one.
    pub fn asked_address(&self) -> Option<&str> {
        let asked = self.properties.ip_configurations.as_ref()?.first()?;
        asked.properties.private_ip_address.as_deref()
    }
}

impl Resource<ServiceConnectionProperties> {
    /// What it reaches: the id or the alias of a PLS; empty if it says nothing.
    pub fn target(&self) -> &str {
        self.properties.private_link_service_id.as_deref().unwrap_or_default()
    }

    /// The state it shows: `Approved`, `Pending`; empty if it shows none.
    pub fn status(&self) -> &str {
        let state = self.properties.private_link_service_connection_state.as_ref();
        state.and_then(|state| state.status.as_deref()).unwrap_or_default()
    }
}

impl Resource<InterfaceAddressProperties> {
    /// The address, empty if it has none.
    pub fn address(&self) -> &str {
        self.properties.private_ip_address.as_deref().unwrap_or_default()
    }
}

impl Resource<ZoneConfigProperties> {
    /// The id of the zone, empty if there is none.
    pub fn zone(&self) -> &str {
        self.properties.private_dns_zone_id.as_deref().unwrap_or_default()
    }
}

impl ARecord {
    /// An entry for an address.
    pub fn to(address: impl Into<String>) -> Self {
        Self { ipv4_address: Some(address.into()), other: Map::new() }
    }

    /// The address, empty if it has none.
    pub fn address(&self) -> &str {
        self.ipv4_address.as_deref().unwrap_or_default()
    }
}
