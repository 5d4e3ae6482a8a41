//! What rules rest on, how sure that is, and where to read more.

use privlink_model::evidence::Evidence;

/// What a rule rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Basis {
    /// The fact behind it. Numbers are those of `docs/controller-findings.md`.
    pub fact: &'static str,
    /// How sure it is; nothing for privlink's own rules.
    pub evidence: Option<Evidence>,
    /// Where to read more.
    pub link: &'static str,
}

impl Basis {
    /// How sure it is, in words.
    pub const fn certainty(self) -> &'static str {
        match self.evidence {
            None => "privlink's own rule",
            Some(evidence) => evidence.in_words(),
        }
    }
}

/// What was seen in recordings of the real controller.
pub const fn recorded(fact: &'static str, link: &'static str) -> Basis {
    Basis { fact, evidence: Some(Evidence::Recorded), link }
}

/// What was seen in answers of Azure itself.
pub const fn recorded_from_azure(fact: &'static str, link: &'static str) -> Basis {
    Basis { fact, evidence: Some(Evidence::RecordedFromAzure), link }
}

/// What Azure, Kubernetes or the controller's source say.
pub const fn documented(fact: &'static str, link: &'static str) -> Basis {
    Basis { fact, evidence: Some(Evidence::Documented), link }
}

/// What is neither recorded nor documented.
pub const fn guessed(fact: &'static str, link: &'static str) -> Basis {
    Basis { fact, evidence: Some(Evidence::Guessed), link }
}

/// A rule of privlink's own.
pub const fn own(fact: &'static str, link: &'static str) -> Basis {
    Basis { fact, evidence: None, link }
}

/// YAML.
pub const YAML: Basis = own(
    "YAML 1.2, and bounds that keep a file from exhausting memory",
    "https://yaml.org/spec/1.2.2/",
);
/// The shapes of documents.
pub const SHAPE: Basis =
    own("what the API server, the controller or Azure would refuse or misread", link::KUBERNETES);
/// What keeps a plan from doing harm.
pub const SAFETY: Basis = own("a safety rule of privlink", link::KUBERNETES);
/// How the controller reads annotations.
pub const VALUES: Basis =
    recorded("how the controller reads values (findings 17 to 24)", link::BALANCER);
/// Which annotations there are.
pub const ANNOTATIONS: Basis = documented("the annotations the controller knows", link::BALANCER);
/// What Azure makes Private Link Services on.
pub const LINK_NEEDS: Basis = documented("what Azure puts Private Link Services on", link::SERVICE);
/// The API server.
pub const API_SERVER: Basis =
    documented("what the API server refuses (ValidateService)", link::APPLY);
/// Server-side apply.
pub const APPLY: Basis = documented("server-side apply", link::APPLY);
/// Private endpoints.
pub const ENDPOINT: Basis = documented("what a private endpoint needs", link::ENDPOINT);
/// Names of private endpoints.
pub const RECORD: Basis = documented("a record needs its zone", link::DNS);
/// Connections of private endpoints.
pub const CONNECTION: Basis = documented("states of a connection", link::APPROVE);

/// Services of Gateways.
pub const GATEWAY: Basis = documented(
    "what controllers make of Gateways (their sources, and recordings of two)",
    link::GATEWAY,
);

/// Pages.
pub mod link {
    /// What a Gateway passes on.
    pub const GATEWAY: &str = "https://gateway-api.sigs.k8s.io/guides/infrastructure/";
    /// Services of type LoadBalancer.
    pub const KUBERNETES: &str =
        "https://kubernetes.io/docs/concepts/services-networking/service/#loadbalancer";
    /// Server-side apply.
    pub const APPLY: &str =
        "https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts";
    /// Internal load balancers of AKS.
    pub const INTERNAL: &str = "https://learn.microsoft.com/azure/aks/internal-lb";
    /// The controller's load balancers.
    pub const BALANCER: &str = "https://cloud-provider-azure.sigs.k8s.io/topics/loadbalancer/";
    /// The controller's Private Link Services.
    pub const LINK: &str = "https://cloud-provider-azure.sigs.k8s.io/topics/pls-integration/";
    /// Private Link Services.
    pub const SERVICE: &str =
        "https://learn.microsoft.com/azure/private-link/private-link-service-overview";
    /// Private endpoints.
    pub const ENDPOINT: &str =
        "https://learn.microsoft.com/azure/private-link/private-endpoint-overview";
    /// Approving connections.
    pub const APPROVE: &str =
        "https://learn.microsoft.com/azure/private-link/manage-private-endpoint";
    /// Names of private endpoints.
    pub const DNS: &str = "https://learn.microsoft.com/azure/private-link/private-endpoint-dns";
    /// Links of private DNS zones to virtual networks.
    pub const ZONE_LINK: &str =
        "https://learn.microsoft.com/azure/dns/private-dns-virtual-network-links";
    /// Namespaces.
    pub const NAMESPACE: &str =
        "https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/";
    /// Policies of subnets.
    pub const SUBNET: &str = "https://learn.microsoft.com/azure/private-link/disable-private-link-service-network-policy";
    /// Public IP addresses.
    pub const PUBLIC_IP: &str =
        "https://learn.microsoft.com/azure/virtual-network/ip-services/public-ip-addresses";
    /// Network security groups.
    pub const SECURITY: &str =
        "https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview";
    /// Limits of Azure.
    pub const LIMITS: &str = "https://learn.microsoft.com/azure/azure-resource-manager/management/azure-subscription-service-limits#azure-load-balancer-limits";
    /// What clusters need to reach outside.
    pub const EGRESS: &str = "https://learn.microsoft.com/azure/aks/limit-egress-traffic";
    /// Gateways of the Istio add-on.
    pub const MESH: &str = "https://learn.microsoft.com/azure/aks/istio-deploy-ingress";
    /// Roles.
    pub const ROLES: &str =
        "https://learn.microsoft.com/azure/role-based-access-control/built-in-roles";
    /// What is in this repository about drift.
    pub const DRIFT: &str = "https://cloud-provider-azure.sigs.k8s.io/topics/loadbalancer/";
}
