//! What kinds of objects are, and where to read more of them.

use crate::node_id::Kind;
use crate::rule::basis::link::{
    APPROVE, BALANCER, DNS, ENDPOINT, INTERNAL, KUBERNETES, LINK, PUBLIC_IP, SECURITY, SERVICE,
    SUBNET,
};

/// What an object of a kind is.
pub(super) const fn what(kind: Kind) -> &'static str {
    match kind {
        Kind::Service => {
            "a Kubernetes Service; the cloud controller creates what is in Azure from it"
        }
        Kind::PublicIp => "a public IP address that the controller creates for a public Service",
        Kind::LoadBalancer => "a load balancer, shared by the Services of its kind",
        Kind::FrontendIp => "a Service's address on a load balancer, with its rules and probes",
        Kind::BackendPool => "the machines behind a load balancer's rules",
        Kind::SecurityRule => "a rule of the nodes' network security group",
        Kind::Subnet => "a subnet, of which the controller sets the Private Link Service policy",
        Kind::PrivateLinkService => {
            "the Private Link Service on a Service's frontend, to which consumers connect"
        }
        Kind::PrivateEndpoint => {
            "a private endpoint: an address in another network that leads to a Service"
        }
        Kind::EndpointConnection => "the provider's side of a private endpoint",
        Kind::DnsRecord => "the name of a private endpoint in private DNS",
    }
}

/// Where to read more of a kind of object.
pub(super) const fn links(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Service => &[KUBERNETES, INTERNAL],
        Kind::PublicIp => &[PUBLIC_IP, BALANCER],
        Kind::LoadBalancer | Kind::FrontendIp | Kind::BackendPool => &[BALANCER, INTERNAL],
        Kind::SecurityRule => &[SECURITY, BALANCER],
        Kind::Subnet => &[SUBNET],
        Kind::PrivateLinkService => &[LINK, SERVICE],
        Kind::PrivateEndpoint => &[ENDPOINT],
        Kind::EndpointConnection => &[APPROVE, ENDPOINT],
        Kind::DnsRecord => &[DNS],
    }
}
