//! Annotation keys that code asks for by name.

/// Whether the load balancer is internal.
pub const INTERNAL: &str = "service.beta.kubernetes.io/azure-load-balancer-internal";
/// The subnet of an internal frontend.
pub const INTERNAL_SUBNET: &str = "service.beta.kubernetes.io/azure-load-balancer-internal-subnet";
/// The frontend's IPv4 address.
pub const IPV4: &str = "service.beta.kubernetes.io/azure-load-balancer-ipv4";
/// The frontend's IPv6 address.
pub const IPV6: &str = "service.beta.kubernetes.io/azure-load-balancer-ipv6";
/// Whether rules go without floating IP.
pub const DISABLE_FLOATING_IP: &str =
    "service.beta.kubernetes.io/azure-disable-load-balancer-floating-ip";
/// Whether one rule serves all ports.
pub const HIGH_AVAILABILITY_PORTS: &str =
    "service.beta.kubernetes.io/azure-load-balancer-enable-high-availability-ports";
/// Whether no security rules are written.
pub const DISABLE_NSG_RULE: &str =
    "service.beta.kubernetes.io/azure-disable-load-balancer-nsg-rule";
/// The probes' protocol.
pub const PROBE_PROTOCOL: &str =
    "service.beta.kubernetes.io/azure-load-balancer-health-probe-protocol";
/// The probes' path.
pub const PROBE_PATH: &str =
    "service.beta.kubernetes.io/azure-load-balancer-health-probe-request-path";
/// Seconds between probes.
pub const PROBE_INTERVAL: &str =
    "service.beta.kubernetes.io/azure-load-balancer-health-probe-interval";
/// Probes that must fail.
pub const PROBE_COUNT: &str =
    "service.beta.kubernetes.io/azure-load-balancer-health-probe-num-of-probe";
/// Ranges that may reach the Service.
pub const ALLOWED_IP_RANGES: &str = "service.beta.kubernetes.io/azure-allowed-ip-ranges";
/// The same, older.
pub const SOURCE_RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
/// Asks for a Private Link Service.
pub const PLS_CREATE: &str = "service.beta.kubernetes.io/azure-pls-create";
/// The Private Link Service's name.
pub const PLS_NAME: &str = "service.beta.kubernetes.io/azure-pls-name";
/// Its resource group.
pub const PLS_RESOURCE_GROUP: &str = "service.beta.kubernetes.io/azure-pls-resource-group";
/// How many NAT addresses it has.
pub const PLS_ADDRESS_COUNT: &str =
    "service.beta.kubernetes.io/azure-pls-ip-configuration-ip-address-count";
/// Its static NAT addresses.
pub const PLS_ADDRESSES: &str = "service.beta.kubernetes.io/azure-pls-ip-configuration-ip-address";
/// Who sees it.
pub const PLS_VISIBILITY: &str = "service.beta.kubernetes.io/azure-pls-visibility";
/// Who is approved without asking.
pub const PLS_AUTO_APPROVAL: &str = "service.beta.kubernetes.io/azure-pls-auto-approval";
/// Whether connections begin with a PROXY protocol header.
pub const PLS_PROXY_PROTOCOL: &str = "service.beta.kubernetes.io/azure-pls-proxy-protocol";
