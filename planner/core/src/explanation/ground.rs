//! What is said rests on: the rule behind a code or a kind of node, how sure it is, and where to read
//! more.

use crate::address::Kind;
use crate::code::Code;
use crate::evidence::Evidence;

const KUBERNETES: &str =
    "https://kubernetes.io/docs/concepts/services-networking/service/#loadbalancer";
const APPLY: &str = "https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts";
const YAML: &str = "https://yaml.org/spec/1.2.2/";
const INTERNAL: &str = "https://learn.microsoft.com/azure/aks/internal-lb";
const BALANCER: &str = "https://cloud-provider-azure.sigs.k8s.io/topics/loadbalancer/";
const LINK: &str = "https://cloud-provider-azure.sigs.k8s.io/topics/pls-integration/";
const SERVICE: &str =
    "https://learn.microsoft.com/azure/private-link/private-link-service-overview";
const ENDPOINT: &str = "https://learn.microsoft.com/azure/private-link/private-endpoint-overview";
const APPROVE: &str = "https://learn.microsoft.com/azure/private-link/manage-private-endpoint";
const DNS: &str = "https://learn.microsoft.com/azure/private-link/private-endpoint-dns";
const SUBNET: &str =
    "https://learn.microsoft.com/azure/private-link/disable-private-link-service-network-policy";
const PUBLIC_IP: &str =
    "https://learn.microsoft.com/azure/virtual-network/ip-services/public-ip-addresses";
const SECURITY: &str =
    "https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview";

/// How sure a rule is, in words.
pub const fn certainty(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Recorded => "recorded: seen in recordings of the real controller",
        Evidence::RecordedFromAzure => "recorded from Azure: seen in answers of Azure itself",
        Evidence::Documented => "documented: read in the controller's source or in documentation",
        Evidence::Guessed => "guessed: neither recorded nor documented",
    }
}

/// What a kind of node is.
pub const fn what(kind: Kind) -> &'static str {
    match kind {
        Kind::Service => "a Kubernetes Service; the cloud controller makes all in Azure after it",
        Kind::PublicIp => "a public IP address that the controller makes for a public Service",
        Kind::LoadBalancer => "a load balancer, shared by the Services of its kind",
        Kind::FrontendIp => "a Service's address on a load balancer, with its rules and probes",
        Kind::BackendPool => "the nodes behind a load balancer's rules",
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

/// Where to read more of a kind of node.
pub const fn links(kind: Kind) -> &'static [&'static str] {
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

/// What a code rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ground {
    /// The rule.
    pub rule: &'static str,
    /// How sure it is; nothing for privlink's own rules.
    pub evidence: Option<Evidence>,
    /// Where to read more.
    pub link: &'static str,
}

const fn ground(rule: &'static str, evidence: Option<Evidence>, link: &'static str) -> Ground {
    Ground { rule, evidence, link }
}

/// What a code rests on. Numbers are those of `docs/controller-findings.md`.
pub fn of_code(code: Code) -> Ground {
    use Evidence::{Documented, Guessed, Recorded, RecordedFromAzure};
    let own = |rule| ground(rule, None, KUBERNETES);
    match code {
        Code::YamlSyntax
        | Code::YamlUnsupported
        | Code::DuplicateKey
        | Code::NotUtf8
        | Code::AmbiguousText
        | Code::TooManyAliases
        | Code::NestedTooDeep
        | Code::FileTooLarge
        | Code::TooManyDocuments => {
            ground("YAML 1.2, and bounds that keep a file from taking the machine", None, YAML)
        }
        Code::InternalNotTrue | Code::BecomesPublic => {
            ground("only exactly \"true\" is internal (finding 17)", Some(Recorded), INTERNAL)
        }
        Code::LinkRecreated => ground(
            "a Private Link Service goes with its frontend (finding 6)",
            Some(Recorded),
            LINK,
        ),
        Code::LinkStays => {
            ground("removing azure-pls-create deletes nothing (finding 2)", Some(Recorded), LINK)
        }
        Code::LinkTakenOver => {
            ground("a name in use elsewhere is taken over (finding 3)", Some(Recorded), LINK)
        }
        Code::LinkCannotMove => {
            ground("a Private Link Service keeps name and group (finding 9)", Some(Recorded), LINK)
        }
        Code::ResourceGroupMissing => ground(
            "a list of Private Link Services that fails ends the sync (finding 42)",
            Some(Recorded),
            LINK,
        ),
        Code::LinkBlocked => {
            ground("a frontend has one Private Link Service", Some(Documented), LINK)
        }
        Code::ControllerFails | Code::PartlyMade => {
            ground("errors come late in a sync (findings 11 to 16)", Some(Recorded), LINK)
        }
        Code::SubnetChanged => {
            ground("the policy is set and never set back (finding 13)", Some(Recorded), SUBNET)
        }
        Code::ServiceInvalid | Code::NamespaceMissing | Code::NotRehearsed => {
            ground("what the API server refuses (ValidateService)", Some(Documented), APPLY)
        }
        Code::ProbeWithoutPath => {
            ground("appProtocol makes a probe of GET / (finding 26)", Some(Recorded), BALANCER)
        }
        Code::NatAddressesShutOut | Code::RangesKeepNobodyOut => {
            ground("which packets security rules and kube-proxy drop", Some(Documented), LINK)
        }
        Code::LimitExceeded => ground("Azure's limits", Some(Documented), BALANCER),
        Code::ZoneGroupEmpty => {
            ground("a zone group writes what its target announces", Some(Guessed), DNS)
        }
        Code::NatAddressesRewritten => {
            ground("NAT addresses can be added, not taken away", Some(Documented), SERVICE)
        }
        Code::ProxyProtocolProbe | Code::NatSubnetOfPods => {
            ground("limits of Private Link Services on AKS", Some(Documented), LINK)
        }
        Code::BasicLoadBalancer | Code::IpBasedPool | Code::Ipv6PrivateLink => {
            ground("what Azure puts Private Link Services on", Some(Documented), SERVICE)
        }
        Code::PublicPrivateLink => ground(
            "a public Service gets no Private Link Service (finding 12)",
            Some(Recorded),
            LINK,
        ),
        Code::PrivateLinkOff => ground(
            "without azure-pls-create the rest does nothing (finding 24)",
            Some(Recorded),
            LINK,
        ),
        Code::ListSeparator | Code::MisreadBoolean | Code::AnnotationOutOfRange => {
            ground("how the controller reads values (findings 17 to 24)", Some(Recorded), BALANCER)
        }
        Code::UnknownAnnotation | Code::AnnotationIgnored => {
            ground("the annotations the controller knows", Some(Documented), BALANCER)
        }
        Code::FieldConflict => ground("server-side apply", Some(Documented), APPLY),
        Code::NetworkMissing
        | Code::NoPrivateLinkService
        | Code::DuplicateEndpoint
        | Code::TargetWithoutPrivateLink => {
            ground("what a private endpoint needs", Some(Documented), ENDPOINT)
        }
        Code::ZoneMissing | Code::DuplicateRecord => {
            ground("a record needs its zone", Some(Documented), DNS)
        }
        Code::OwnEndpointRejected | Code::ConnectionDisagrees => ground(
            "a connection's state is the provider's word, and both sides show it",
            Some(RecordedFromAzure),
            APPROVE,
        ),
        Code::StrangerPending
        | Code::ConflictingApproval
        | Code::AliasNeedsManual
        | Code::UnreadMessage => ground("states of a connection", Some(Documented), APPROVE),
        Code::ConnectionUnknown | Code::StrangerApproved => {
            ground("states of a connection", Some(Documented), APPROVE)
        }
        Code::TrafficDenied => {
            ground("the first rule that fits decides", Some(Documented), SECURITY)
        }
        Code::RecordLost => ground("a zone group keeps its records", Some(Documented), DNS),
        Code::SetByHand => ground("server-side apply", Some(Documented), APPLY),
        Code::TooManyDisconnects
        | Code::TooManyDeletes
        | Code::Protected
        | Code::NotAdopted
        | Code::NotReplaceable
        | Code::LeftBehind
        | Code::ClusterMissing
        | Code::Unreadable => own("a safety rule of privlink"),
        _ => own("what the API server, the controller or Azure would refuse or misread"),
    }
}
