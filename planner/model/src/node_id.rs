//! Addresses: the stable identity of a node of the graph.
//!
//! An address follows from desired state alone, never from what Azure or the API server hand out, so
//! it can be typed before anything exists: what the controller makes for a Service carries the
//! Service's name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a node is. The order is that of the chain from the Service to its consumers, and the order
/// in which things are printed.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
pub enum Kind {
    /// A Kubernetes Service; `Service/<namespace>/<name>`.
    Service,
    /// A public IP address the controller makes for a public Service.
    PublicIp,
    /// A load balancer; `LoadBalancer/<name>`.
    LoadBalancer,
    /// A frontend of a load balancer with its rules and probes; `FrontendIp/<namespace>/<name>` of its
    /// Service, with `/IPv6` for the second family of a dual-stack Service.
    FrontendIp,
    /// A backend pool; `BackendPool/<load balancer>/<pool>`.
    BackendPool,
    /// A rule of the cluster's network security group; `SecurityRule/<group>/<rule>`.
    SecurityRule,
    /// A subnet, for its Private Link Service policy flag; `Subnet/<network>/<subnet>`.
    Subnet,
    /// A Private Link Service; `PrivateLinkService/<namespace>/<name>` of its Service.
    PrivateLinkService,
    /// A private endpoint; `PrivateEndpoint/<document's name>`.
    PrivateEndpoint,
    /// The provider's side of a private endpoint; `EndpointConnection/<endpoint>`.
    EndpointConnection,
    /// A DNS record or zone group of an endpoint; `DnsRecord/<zone>/<name>`.
    DnsRecord,
}

impl Kind {
    /// All kinds, in order.
    pub const ALL: [Self; 11] = [
        Self::Service,
        Self::PublicIp,
        Self::LoadBalancer,
        Self::FrontendIp,
        Self::BackendPool,
        Self::SecurityRule,
        Self::Subnet,
        Self::PrivateLinkService,
        Self::PrivateEndpoint,
        Self::EndpointConnection,
        Self::DnsRecord,
    ];

    /// As people call it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Service => "Service",
            Self::PublicIp => "Public IP",
            Self::LoadBalancer => "Load balancer",
            Self::FrontendIp => "Frontend",
            Self::BackendPool => "Backend pool",
            Self::SecurityRule => "Security rule",
            Self::Subnet => "Subnet",
            Self::PrivateLinkService => "Private Link Service",
            Self::PrivateEndpoint => "Endpoint",
            Self::EndpointConnection => "Connection of",
            Self::DnsRecord => "DNS record",
        }
    }

    /// As it is written in an address.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Service => "Service",
            Self::PublicIp => "PublicIp",
            Self::LoadBalancer => "LoadBalancer",
            Self::FrontendIp => "FrontendIp",
            Self::BackendPool => "BackendPool",
            Self::SecurityRule => "SecurityRule",
            Self::Subnet => "Subnet",
            Self::PrivateLinkService => "PrivateLinkService",
            Self::PrivateEndpoint => "PrivateEndpoint",
            Self::EndpointConnection => "EndpointConnection",
            Self::DnsRecord => "DnsRecord",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The identity of a node: its kind and its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    /// What it is.
    pub kind: Kind,
    /// Its name; see [`Kind`] for the form each kind has.
    pub name: String,
}

impl NodeId {
    /// An address.
    pub fn new(kind: Kind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into() }
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.kind, self.name))
    }
}

/// A text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address; one looks like `PrivateLinkService/default/internal-app`")]
pub struct NotAnAddress(String);

impl FromStr for NodeId {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let no = || NotAnAddress(text.to_owned());
        let (kind, name) = text.split_once('/').ok_or_else(no)?;
        let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind).ok_or_else(no)?;
        if name.is_empty() { Err(no()) } else { Ok(Self::new(kind, name)) }
    }
}

impl Serialize for NodeId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NodeId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for NodeId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "An object's identity, such as `PrivateLinkService/default/internal-app`.",
            "pattern": "^[A-Za-z]+/.+$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_its_text() {
        for kind in Kind::ALL {
            let address = NodeId::new(kind, "default/web");
            assert_eq!(address.to_string().parse(), Ok(address));
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "Service", "Service/", "service/default/web", "Pod/default/web"] {
            assert!(text.parse::<NodeId>().is_err(), "{text}");
        }
    }
}
