//! The rules of a preflight: its areas. Their codes are the names of [`super::Area`].

use crate::rule::{Example, basis, rules};

rules! {
    /// The identity that plans and applies lacks rights in Azure that this takes.
    OWN_RIGHTS = "own-rights", Error, [Desired, Predicted, Rights], {
        basis: basis::documented("actions of roles", basis::link::ROLES),
        advice: "Give it the role that `privlink preflight --role azure` prints.",
        example: Example::live("Microsoft.Network/privateEndpoints/write   # not in any role of the identity"),
    }

    /// The cluster's identity, and so the controller, may not do in Azure what the stack asks it for.
    CLUSTER_RIGHTS = "cluster-rights", Error, [Desired, Predicted, Rights], {
        basis: basis::documented("actions of roles", basis::link::ROLES),
        advice: "Give the cluster's identity the role that is named, at the scope that is named.",
        example: Example::live("Microsoft.Network/virtualNetworks/subnets/join/action   # of a subnet of your own network"),
    }

    /// The identity lacks rights in the cluster that a plan or an apply takes.
    KUBERNETES_RIGHTS = "kubernetes", Error, [Desired, Rights], {
        basis: basis::documented("roles of Kubernetes", basis::link::KUBERNETES),
        advice: "Bind the roles that `privlink preflight --role kubernetes` prints.",
        example: Example::live("kubectl auth can-i patch services   # no"),
    }

    /// `Microsoft.Network` is not registered in a subscription that the stack uses.
    PROVIDER = "provider", Error, [Desired, Rights], {
        basis: basis::documented("registrations of resource providers", basis::link::ROLES),
        advice: "`az provider register --namespace Microsoft.Network`.",
        example: Example::live("registrationState: NotRegistered"),
    }

    /// A subnet has too few free addresses for what would be created in it.
    SUBNET_ROOM = "subnet", Error, [Desired, Live, Predicted, Rights], {
        basis: basis::documented("Azure keeps five addresses of each subnet", basis::link::SUBNET),
        advice: "Use a larger subnet.",
        example: Example::live("addressPrefix: 10.1.0.0/29   # three addresses, and four endpoints"),
    }

    /// A static address is taken, or is not in its subnet.
    STATIC_ADDRESS = "address", Error, [Desired, Live, Rights], {
        basis: basis::documented("addresses of subnets", basis::link::INTERNAL),
        advice: "Choose a free address of the subnet.",
        example: Example::live("service.beta.kubernetes.io/azure-load-balancer-ipv4: 10.240.0.4   # of a virtual machine"),
    }

    /// A policy of a subnet stands in the way of a Private Link Service, or a delegation in that of an endpoint.
    SUBNET_POLICY = "policy", Error, [Desired, Live, Rights], {
        basis: basis::documented("network policies of subnets", basis::link::SUBNET),
        advice: "Set the policy that is named to `Disabled`, or use a subnet that is not delegated.",
        example: Example::live("privateLinkServiceNetworkPolicies: Enabled"),
    }

    /// There would be more of something than Azure allows.
    QUOTA = "quota", Error, [Desired, Live, Predicted, Rights], {
        basis: basis::documented("Azure's limits", basis::link::LIMITS),
        advice: "Use fewer, or several load balancers.",
        example: Example::live("privateLinkServices: 8 on one load balancer   # and one more is asked for"),
    }

    /// An endpoint is not in the region of its virtual network.
    REGION = "region", Error, [Desired, Live, Rights], {
        basis: basis::ENDPOINT,
        advice: "Leave `location` out, or write the region of the virtual network.",
        example: Example::live("location: westeurope   # and the virtual network is in eastus"),
    }

    /// An endpoint and what it reaches are in different tenants, and automatic approval is asked for.
    TENANT = "tenant", Error, [Desired, Live, Rights], {
        basis: basis::CONNECTION,
        advice: "Use `approval: Manual`.",
        example: Example::live("approval: Automatic   # to a Private Link Service of another tenant"),
    }

    /// Something around the stack keeps it from serving, and an apply does not fix it: no Node is
    /// ready, a namespace is missing or being deleted, a security rule lets nothing in, a pool has no member, or nobody
    /// in an endpoint's network resolves its name.
    SERVING = "serving", Error, [Desired, Live, Rights], {
        basis: basis::own("what a plan and drift warn of", basis::link::KUBERNETES),
        advice: "Do what the requirement names.",
        example: Example::live("kubectl get nodes   # none is Ready"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Area;
    use super::*;

    #[test]
    fn every_area_is_a_rule() {
        let areas = [
            Area::OwnRights,
            Area::ClusterRights,
            Area::Kubernetes,
            Area::Provider,
            Area::Subnet,
            Area::Address,
            Area::Policy,
            Area::Quota,
            Area::Region,
            Area::Tenant,
            Area::Serving,
        ];
        for area in areas {
            let name = serde_json::to_value(area).unwrap();
            assert!(RULES.iter().any(|rule| name == rule.code.as_str()), "{name}");
        }
        assert_eq!(RULES.len(), areas.len());
    }
}
