//! The names of the annotations that the controller reads (reference: cloud-controller, section 9). What
//! their values may be is in `privlink-input`'s table, which has a row for each.

/// What all keys begin with.
pub const PREFIX: &str = "service.beta.kubernetes.io/";

macro_rules! keys {
    ($($(#[doc = $doc:literal])+ $name:ident = $suffix:literal;)+) => {
        $($(#[doc = $doc])+ pub const $name: &str = concat!("service.beta.kubernetes.io/", $suffix);)+

        /// All keys, but for those that are written per port.
        pub const ALL: &[&str] = &[$($name),+];

        /// The keys behind [`PREFIX`].
        pub mod suffix {
            $($(#[doc = $doc])+ pub const $name: &str = $suffix;)+
        }
    };
}

keys! {
    /// Exactly `true`: an internal load balancer.
    INTERNAL = "azure-load-balancer-internal";
    /// The frontend's subnet.
    INTERNAL_SUBNET = "azure-load-balancer-internal-subnet";
    /// The IPv4 address.
    IPV4 = "azure-load-balancer-ipv4";
    /// The IPv6 address.
    IPV6 = "azure-load-balancer-ipv6";
    /// Minutes, 4 to 100.
    IDLE_TIMEOUT = "azure-load-balancer-tcp-idle-timeout";
    /// No TCP reset.
    DISABLE_TCP_RESET = "azure-load-balancer-disable-tcp-reset";
    /// No floating IP.
    DISABLE_FLOATING_IP = "azure-disable-load-balancer-floating-ip";
    /// One rule for all ports.
    HIGH_AVAILABILITY_PORTS = "azure-load-balancer-enable-high-availability-ports";
    /// The protocol of probes.
    PROBE_PROTOCOL = "azure-load-balancer-health-probe-protocol";
    /// The path of probes.
    PROBE_REQUEST_PATH = "azure-load-balancer-health-probe-request-path";
    /// Seconds between probes.
    PROBE_INTERVAL = "azure-load-balancer-health-probe-interval";
    /// How many failures count.
    PROBE_COUNT = "azure-load-balancer-health-probe-num-of-probe";
    /// The scale set, of Basic load balancers.
    MODE = "azure-load-balancer-mode";
    /// The load balancers to choose from.
    CONFIGURATIONS = "azure-load-balancer-configurations";
    /// The group of the public IP.
    RESOURCE_GROUP = "azure-load-balancer-resource-group";
    /// More addresses.
    ADDITIONAL_PUBLIC_IPS = "azure-additional-public-ips";
    /// Service tags let in.
    ALLOWED_SERVICE_TAGS = "azure-allowed-service-tags";
    /// Ranges let in.
    ALLOWED_IP_RANGES = "azure-allowed-ip-ranges";
    /// Ranges let in, Kubernetes' own annotation.
    SOURCE_RANGES = "load-balancer-source-ranges";
    /// Nobody else let in.
    DENY_ALL_EXCEPT_SOURCE_RANGES = "azure-deny-all-except-load-balancer-source-ranges";
    /// No security rules.
    DISABLE_NSG_RULE = "azure-disable-load-balancer-nsg-rule";
    /// Read no longer: security rules are always shared.
    SHARED_SECURITY_RULE = "azure-shared-securityrule";
    /// The name of the public IP.
    PIP_NAME = "azure-pip-name";
    /// The name of the public IPv6 address.
    PIP_NAME_IPV6 = "azure-pip-name-ipv6";
    /// The prefix of the public IP.
    PIP_PREFIX_ID = "azure-pip-prefix-id";
    /// The prefix of the public IPv6 address.
    PIP_PREFIX_ID_IPV6 = "azure-pip-prefix-id-ipv6";
    /// Tags of the public IP.
    PIP_TAGS = "azure-pip-tags";
    /// IP tags of the public IP.
    PIP_IP_TAGS = "azure-pip-ip-tags";
    /// The DNS label of the public IP.
    DNS_LABEL = "azure-dns-label-name";
    /// A PLS is wanted.
    PLS_CREATE = "azure-pls-create";
    /// Its name.
    PLS_NAME = "azure-pls-name";
    /// Its group.
    PLS_RESOURCE_GROUP = "azure-pls-resource-group";
    /// Its subnet.
    PLS_SUBNET = "azure-pls-ip-configuration-subnet";
    /// How many NAT addresses.
    PLS_ADDRESS_COUNT = "azure-pls-ip-configuration-ip-address-count";
    /// Static NAT addresses.
    PLS_ADDRESS = "azure-pls-ip-configuration-ip-address";
    /// Its names.
    PLS_FQDNS = "azure-pls-fqdns";
    /// Proxy protocol.
    PLS_PROXY_PROTOCOL = "azure-pls-proxy-protocol";
    /// Who may see it.
    PLS_VISIBILITY = "azure-pls-visibility";
    /// Who is approved at once.
    PLS_AUTO_APPROVAL = "azure-pls-auto-approval";
}

/// The PLS annotations that only the owner of a shared PLS may set (`serviceHasAdditionalConfigs`).
pub const OWNERS_ONLY: [&str; 8] = [
    PLS_NAME,
    PLS_SUBNET,
    PLS_ADDRESS_COUNT,
    PLS_ADDRESS,
    PLS_FQDNS,
    PLS_PROXY_PROTOCOL,
    PLS_VISIBILITY,
    PLS_AUTO_APPROVAL,
];

/// The key of a per-port annotation: `port_80_health-probe_protocol`.
pub fn of_port(port: &str, parameter: &str) -> String {
    [PREFIX, "port_", port, "_", parameter].concat()
}
