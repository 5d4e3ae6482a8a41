//! The types of resources that the model knows: each is declared once, with its name and the ids it has.

use crate::resource_id::{ResourceId, split_last};

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident = $name:literal [$($segment:pat),+];)+) => {
        /// A type of ARM's resources.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ArmType {
            $($(#[doc = $doc])+ $kind,)+
            /// A type that the model knows nothing of.
            Other,
        }

        impl ArmType {
            /// All of them, but for those the model knows nothing of.
            pub const ALL: &[Self] = &[$(Self::$kind,)+];

            /// Its name in ARM's spelling, such as `Microsoft.Network/loadBalancers`; empty for types the model
            /// knows nothing of.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                    Self::Other => "",
                }
            }
        }

        /// The kind of resource that an id in lower case names, by the types in its last provider's path.
        pub fn type_of(key: &str) -> ArmType {
            // No type has more segments. They are taken from the end, where they are.
            let mut parts = [""; 8];
            let mut first = parts.len();
            let mut rest = key;
            loop {
                let Some((before, part)) = split_last(rest) else { return ArmType::Other };
                if part == "providers" && first < parts.len() {
                    break;
                }
                let Some(place) = first.checked_sub(1) else { return ArmType::Other };
                let Some(free) = parts.get_mut(place) else { return ArmType::Other };
                (*free, first, rest) = (part, place, before);
            }
            match parts.get(first..).unwrap_or_default() {
                $([$($segment),+] => ArmType::$kind,)+
                _ => ArmType::Other,
            }
        }
    };
}

kinds! {
    /// A load balancer.
    LoadBalancer = "Microsoft.Network/loadBalancers" ["microsoft.network", "loadbalancers", _];
    /// A backend pool, which its load balancer holds.
    BackendPool = "Microsoft.Network/loadBalancers/backendAddressPools"
        ["microsoft.network", "loadbalancers", _, "backendaddresspools", _];
    /// An inbound NAT rule, which its load balancer holds.
    InboundNatRule = "Microsoft.Network/loadBalancers/inboundNatRules"
        ["microsoft.network", "loadbalancers", _, "inboundnatrules", _];
    /// A private link service.
    PrivateLinkService = "Microsoft.Network/privateLinkServices"
        ["microsoft.network", "privatelinkservices", _];
    /// A connection of a private endpoint, which its private link service holds.
    EndpointConnection = "Microsoft.Network/privateLinkServices/privateEndpointConnections"
        ["microsoft.network", "privatelinkservices", _, "privateendpointconnections", _];
    /// A public IP address.
    PublicIpAddress = "Microsoft.Network/publicIPAddresses"
        ["microsoft.network", "publicipaddresses", _];
    /// A network security group.
    NetworkSecurityGroup = "Microsoft.Network/networkSecurityGroups"
        ["microsoft.network", "networksecuritygroups", _];
    /// A security rule, which its network security group holds.
    SecurityRule = "Microsoft.Network/networkSecurityGroups/securityRules"
        ["microsoft.network", "networksecuritygroups", _, "securityrules", _];
    /// A virtual network.
    VirtualNetwork = "Microsoft.Network/virtualNetworks" ["microsoft.network", "virtualnetworks", _];
    /// A subnet.
    Subnet = "Microsoft.Network/virtualNetworks/subnets"
        ["microsoft.network", "virtualnetworks", _, "subnets", _];
    /// A private endpoint.
    PrivateEndpoint = "Microsoft.Network/privateEndpoints"
        ["microsoft.network", "privateendpoints", _];
    /// A zone group of a private endpoint.
    ZoneGroup = "Microsoft.Network/privateEndpoints/privateDnsZoneGroups"
        ["microsoft.network", "privateendpoints", _, "privatednszonegroups", _];
    /// A network interface, those of scale sets apart.
    NetworkInterface = "Microsoft.Network/networkInterfaces"
        ["microsoft.network", "networkinterfaces", _];
    /// A private DNS zone.
    PrivateDnsZone = "Microsoft.Network/privateDnsZones" ["microsoft.network", "privatednszones", _];
    /// A link of a private DNS zone to a virtual network.
    ZoneLink = "Microsoft.Network/privateDnsZones/virtualNetworkLinks"
        ["microsoft.network", "privatednszones", _, "virtualnetworklinks", _];
    /// A record set of a private DNS zone, of whatever type: its name is that of A records.
    RecordSet = "Microsoft.Network/privateDnsZones/A" ["microsoft.network", "privatednszones", _, _, _];
    /// A scale set.
    ScaleSet = "Microsoft.Compute/virtualMachineScaleSets"
        ["microsoft.compute", "virtualmachinescalesets", _];
    /// An instance of a scale set.
    Instance = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines"
        ["microsoft.compute", "virtualmachinescalesets", _, "virtualmachines", _];
    /// A cluster.
    ManagedCluster = "Microsoft.ContainerService/managedClusters"
        ["microsoft.containerservice", "managedclusters", _];
}

impl ArmType {
    /// Its name in lower case, as it stands in the key of a list.
    pub fn key(self) -> String {
        self.name().to_ascii_lowercase()
    }

    /// Whether resources of the type are held in their parent.
    pub const fn is_held_in_parent(self) -> bool {
        use ArmType as T;
        matches!(self, T::BackendPool | T::EndpointConnection | T::InboundNatRule | T::SecurityRule)
    }

    /// As ARM's lists show it: the type of a cluster is not spelled as in its id.
    pub const fn shown(self) -> &'static str {
        match self {
            Self::ManagedCluster => "Microsoft.ContainerService/ManagedClusters",
            _ => self.name(),
        }
    }

    /// Whether a type is named so, in any case.
    pub fn is_named(self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name)
    }

    /// The type by its name in any case.
    pub fn named(name: &str) -> Self {
        Self::ALL.iter().copied().find(|kind| kind.is_named(name)).unwrap_or(Self::Other)
    }

    /// A right on resources of the type, such as `Microsoft.Network/loadBalancers/read`.
    pub fn right(self, verb: &str) -> String {
        format!("{}/{verb}", self.name())
    }

    /// The type of a child that the model has no kind for, such as
    /// `Microsoft.Network/networkInterfaces/ipConfigurations`.
    pub fn child(self, name: &str) -> String {
        format!("{}/{name}", self.name())
    }

    /// The list of the resources of a type that are right in a subscription or a resource group.
    pub fn list_in(self, holder: &str) -> String {
        format!("{holder}/providers/{}", self.name())
    }
}

/// Whether an id names a private DNS zone, a link or a record.
pub fn is_private_dns(id: &ResourceId) -> bool {
    id.segment("privateDnsZones").is_some()
}

/// Whether an id names a zone group of an endpoint.
pub fn is_zone_group(id: &ResourceId) -> bool {
    id.segment("privateDnsZoneGroups").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_type_that_their_name_says() {
        for kind in ArmType::ALL {
            let mut path = String::from("/subscriptions/s/resourceGroups/g/providers");
            for (at, part) in kind.name().split('/').enumerate() {
                let name = if at == 0 { "" } else { "/x" };
                path.push_str(&format!("/{part}{name}"));
            }
            assert_eq!(type_of(&path.to_lowercase()), *kind, "{path}");
            assert_eq!(ArmType::named(&kind.key()), *kind);
        }
        let deep = "/subscriptions/s/providers/microsoft.network/a/b/c/d/e/f/g/h/i";
        assert_eq!(type_of(deep), ArmType::Other);
        assert_eq!(type_of("/subscriptions/s"), ArmType::Other);
    }
}
