//! The known annotations.

use super::keys::suffix;
use super::value::{Item, Kind};
use super::{PREFIX, Scope};
use crate::schema::Text;

/// An annotation that the controller knows.
#[derive(Debug)]
pub struct Known {
    /// Its key behind [`PREFIX`]; for one that is written per port, behind `port_<port>_`.
    pub suffix: &'static str,
    /// What its value may be, and how the controller reads it.
    pub kind: Kind,
    /// Where it is read.
    pub scope: Scope,
    /// What holds without it, in words; empty if nothing does.
    pub default: &'static str,
    /// What it does.
    pub doc: &'static str,
}

impl Known {
    /// The whole key.
    pub fn key(&self) -> String {
        format!("{PREFIX}{}", self.suffix)
    }
}

/// The known annotation with a key. Keys are compared byte for byte, but for one
/// (`GetLoadBalancerConfigurationsNames`).
pub fn find(key: &str) -> Option<&'static Known> {
    let suffix = key.strip_prefix(PREFIX)?;
    KNOWN.iter().find(|known| {
        known.suffix == suffix
            || (known.suffix == suffix::CONFIGURATIONS && known.suffix.eq_ignore_ascii_case(suffix))
    })
}

/// The port and the known annotation of a key written per port.
pub fn find_per_port(key: &str) -> Option<(&str, Option<&'static Known>)> {
    let (port, rest) = key.strip_prefix(PREFIX)?.strip_prefix("port_")?.split_once('_')?;
    Some((port, PER_PORT.iter().find(|known| known.suffix == rest)))
}

const fn known(
    suffix: &'static str,
    kind: Kind,
    scope: Scope,
    default: &'static str,
    doc: &'static str,
) -> Known {
    Known { suffix, kind, scope, default, doc }
}

const NAME: Text = Text::ResourceName(1, 80);

/// The annotations, as the controller of commit 7b31c76 reads them.
pub static KNOWN: &[Known] = &[
    known(
        suffix::INTERNAL,
        Kind::ExactlyTrue,
        Scope::Any,
        "public",
        "Makes the load balancer internal. Only \"true\", in lower case and without blanks, does: \
         \"True\" makes it public.",
    ),
    known(
        suffix::INTERNAL_SUBNET,
        Kind::Raw(NAME),
        Scope::Internal,
        "the cluster's subnet",
        "The subnet, in the cluster's virtual network, that the frontend's address is from. Changing \
         it re-creates the frontend and its Private Link Service, which disconnects every consumer.",
    ),
    known(
        suffix::IPV4,
        Kind::Raw(Text::Ipv4),
        Scope::Any,
        "an address that Azure chooses",
        "The frontend's IPv4 address. It replaces spec.loadBalancerIP and wins over it. Services of \
         one address share a frontend. Changing it re-creates the frontend and its Private Link \
         Service, which disconnects every consumer; removing it changes nothing.",
    ),
    known(
        suffix::IPV6,
        Kind::Raw(Text::Ipv6),
        Scope::Any,
        "an address that Azure chooses",
        "The frontend's IPv6 address, for IPv6 and dual-stack Services.",
    ),
    known(
        suffix::IDLE_TIMEOUT,
        Kind::Integer { min: 4, max: 100 },
        Scope::Any,
        "4",
        "Minutes after which an idle connection is dropped, 4 to 100. Despite its name it holds for \
         every protocol.",
    ),
    known(
        suffix::DISABLE_TCP_RESET,
        Kind::Boolean { trimmed: false },
        Scope::Any,
        "false",
        "Whether the load balancer stays silent, rather than sending a TCP reset, when a connection \
         was idle for too long.",
    ),
    known(
        suffix::DISABLE_FLOATING_IP,
        Kind::Boolean { trimmed: false },
        Scope::Any,
        "false",
        "Whether rules go to the nodes' ports rather than to the frontend's address (no floating \
         IP). With it, a public load balancer can have a Private Link Service.",
    ),
    known(
        suffix::HIGH_AVAILABILITY_PORTS,
        Kind::Boolean { trimmed: false },
        Scope::Internal,
        "false",
        "Whether one rule serves all ports and protocols, instead of one rule for each port.",
    ),
    known(
        suffix::PROBE_PROTOCOL,
        Kind::Words(&["Tcp", "Http", "Https"]),
        Scope::Any,
        "a port's appProtocol, or Tcp",
        "The protocol of health probes: Tcp, Http or Https. A port's appProtocol wins over it.",
    ),
    known(
        suffix::PROBE_REQUEST_PATH,
        Kind::Free,
        Scope::Any,
        "/",
        "The path of HTTP and HTTPS health probes.",
    ),
    known(
        suffix::PROBE_INTERVAL,
        Kind::Integer { min: 5, max: i32::MAX as i64 },
        Scope::Any,
        "5",
        "Seconds between two health probes, at least 5. Together with the number of probes it must \
         stay below 120.",
    ),
    known(
        suffix::PROBE_COUNT,
        Kind::Integer { min: 2, max: i32::MAX as i64 },
        Scope::Any,
        "2",
        "How many health probes must fail before a node is taken out, at least 2.",
    ),
    known(
        suffix::MODE,
        Kind::Free,
        Scope::Basic,
        "the primary scale set",
        "Which scale sets or availability sets serve, on Basic load balancers only: names separated \
         by commas, or __auto__.",
    ),
    known(
        suffix::CONFIGURATIONS,
        Kind::CommaList(Item::Name),
        Scope::Any,
        "any",
        "Which of a cluster's several Standard load balancers may be used: names separated by commas.",
    ),
    known(
        suffix::RESOURCE_GROUP,
        Kind::Trimmed(Text::ResourceGroup),
        Scope::Public,
        "the nodes'",
        "The resource group of the public IP. It does not move the load balancer.",
    ),
    known(
        suffix::ADDITIONAL_PUBLIC_IPS,
        Kind::CommaList(Item::Address),
        Scope::Any,
        "none",
        "Further public addresses that reach the Service: written into its status and the security \
         rules. Addresses separated by commas, without blanks.",
    ),
    known(
        suffix::ALLOWED_SERVICE_TAGS,
        Kind::CommaList(Item::Word),
        Scope::Any,
        "none",
        "Service tags that may reach the Service, separated by commas. With any, the Internet no \
         longer may.",
    ),
    known(
        suffix::ALLOWED_IP_RANGES,
        Kind::CommaList(Item::Cidr),
        Scope::Any,
        "none",
        "Address ranges that may reach the Service, separated by commas. Cannot be used together \
         with spec.loadBalancerSourceRanges. One range that is malformed shuts everybody out.",
    ),
    known(
        suffix::SOURCE_RANGES,
        Kind::CommaList(Item::Cidr),
        Scope::Any,
        "none",
        "Address ranges that may reach the Service, separated by commas: the older name of \
         azure-allowed-ip-ranges.",
    ),
    known(
        suffix::DENY_ALL_EXCEPT_SOURCE_RANGES,
        Kind::Boolean { trimmed: false },
        Scope::Any,
        "false",
        "Whether everything but the given source ranges is denied, traffic within the virtual \
         network included.",
    ),
    known(
        suffix::DISABLE_NSG_RULE,
        Kind::Boolean { trimmed: false },
        Scope::Any,
        "false",
        "Whether no security rules are written for the Service. Known since Kubernetes 1.35.",
    ),
    known(
        suffix::SHARED_SECURITY_RULE,
        Kind::Boolean { trimmed: false },
        Scope::Nowhere,
        "",
        "Still documented, but read no longer: security rules are always shared.",
    ),
    known(suffix::DNS_LABEL, Kind::Free, Scope::Public, "none", "The DNS label of the public IP."),
    known(suffix::PIP_NAME, Kind::Free, Scope::Public, "a new one", "The public IP, by name."),
    known(
        suffix::PIP_NAME_IPV6,
        Kind::Free,
        Scope::Public,
        "a new one",
        "The IPv6 public IP, by name.",
    ),
    known(
        suffix::PIP_PREFIX_ID,
        Kind::Free,
        Scope::Public,
        "none",
        "The id of the public IP prefix that the public IP is from.",
    ),
    known(
        suffix::PIP_PREFIX_ID_IPV6,
        Kind::Free,
        Scope::Public,
        "none",
        "The id of the public IP prefix that the IPv6 public IP is from.",
    ),
    known(suffix::PIP_TAGS, Kind::Free, Scope::Public, "none", "Tags of the public IP: a=b,c=d."),
    known(
        suffix::PIP_IP_TAGS,
        Kind::Free,
        Scope::Public,
        "none",
        "IP tags of the public IP, such as RoutingPreference=Internet.",
    ),
    known(
        suffix::PLS_CREATE,
        Kind::Boolean { trimmed: true },
        Scope::Any,
        "false",
        "Whether the frontend gets a Private Link Service. Removing it later deletes nothing: the \
         Private Link Service is deleted with its frontend.",
    ),
    known(
        suffix::PLS_NAME,
        Kind::PrivateLinkName,
        Scope::PrivateLink,
        "pls- and the frontend's name, which derives from the Service's uid",
        "The Private Link Service's name. It cannot be changed later.",
    ),
    known(
        suffix::PLS_RESOURCE_GROUP,
        Kind::Trimmed(Text::ResourceGroup),
        Scope::PrivateLink,
        "the nodes'",
        "The resource group of the Private Link Service. It cannot be changed later.",
    ),
    known(
        suffix::PLS_SUBNET,
        Kind::Raw(NAME),
        Scope::PrivateLink,
        "the frontend's",
        "The subnet of the NAT addresses, in the cluster's virtual network. The controller disables \
         its Private Link Service network policies and never enables them again.",
    ),
    known(
        suffix::PLS_ADDRESS_COUNT,
        Kind::Integer { min: 1, max: 8 },
        Scope::PrivateLink,
        "1",
        "How many NAT addresses the Private Link Service has, 1 to 8.",
    ),
    known(
        suffix::PLS_ADDRESS,
        Kind::BlankList(Item::Ipv4),
        Scope::PrivateLink,
        "dynamic addresses",
        "Static NAT addresses, IPv4, separated by blanks; the first is the primary one. No more than \
         the count.",
    ),
    known(
        suffix::PLS_FQDNS,
        Kind::BlankList(Item::Fqdn),
        Scope::PrivateLink,
        "none",
        "Names that the Private Link Service is known by, separated by blanks.",
    ),
    known(
        suffix::PLS_PROXY_PROTOCOL,
        Kind::Boolean { trimmed: true },
        Scope::PrivateLink,
        "false",
        "Whether connections begin with a PROXY protocol header, which tells the consumer's address. \
         The backend must understand it.",
    ),
    known(
        suffix::PLS_VISIBILITY,
        Kind::BlankList(Item::SubscriptionOrAnyone),
        Scope::PrivateLink,
        "none: only who has rights on it",
        "Who may ask for a connection: subscription GUIDs separated by blanks, or * for anyone who \
         knows the alias.",
    ),
    known(
        suffix::PLS_AUTO_APPROVAL,
        Kind::BlankList(Item::SubscriptionOrAnyone),
        Scope::PrivateLink,
        "none",
        "Whose connections are approved without asking: subscription GUIDs separated by blanks. They \
         must be visible too.",
    ),
];

/// The annotations that are written per port, as `port_<port>_<suffix>`.
pub static PER_PORT: &[Known] = &[
    known(
        "no_lb_rule",
        Kind::Boolean { trimmed: false },
        Scope::Any,
        "false",
        "Whether the port gets neither rule nor health probe.",
    ),
    known(
        "no_probe_rule",
        Kind::Boolean { trimmed: false },
        Scope::Any,
        "false",
        "Whether the port gets no health probe.",
    ),
    known(
        "health-probe_protocol",
        Kind::Words(&["Tcp", "Http", "Https"]),
        Scope::Any,
        "its appProtocol",
        "The protocol of the port's health probe: Tcp, Http or Https.",
    ),
    known(
        "health-probe_port",
        Kind::Port,
        Scope::Any,
        "its node port",
        "The port that is probed: the name or number of a port of the Service, whose node port is \
         taken, or another number.",
    ),
    known(
        "health-probe_interval",
        Kind::Integer { min: 5, max: i32::MAX as i64 },
        Scope::Any,
        "the Service's",
        "Seconds between two probes of the port, at least 5.",
    ),
    known(
        "health-probe_num-of-probe",
        Kind::Integer { min: 2, max: i32::MAX as i64 },
        Scope::Any,
        "the Service's",
        "How many probes of the port must fail, at least 2.",
    ),
    known(
        "health-probe_request-path",
        Kind::Free,
        Scope::Any,
        "the Service's",
        "The path of the port's HTTP or HTTPS health probe.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_annotation_that_has_a_name_has_a_row() {
        for key in crate::annotation::keys::ALL {
            assert!(find(key).is_some(), "KNOWN has no row for {key}");
        }
        assert_eq!(KNOWN.len(), crate::annotation::keys::ALL.len());
    }
}
