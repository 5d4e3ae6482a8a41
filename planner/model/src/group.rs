//! Places of ARM: resource groups, and AKS clusters in them.

use crate::arm::arm_type::ArmType;
use crate::resource_id::ResourceId;

/// A resource group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// Its subscription.
    pub subscription: String,
    /// Its name.
    pub name: String,
}

impl Group {
    /// A group of a subscription.
    pub fn new(subscription: impl Into<String>, name: impl Into<String>) -> Self {
        Self { subscription: subscription.into(), name: name.into() }
    }

    /// The path of the list of this type of resource (`Microsoft.Network/loadBalancers`) in it.
    pub fn list(&self, of: ArmType) -> String {
        let Self { subscription, name } = self;
        of.list_in(&format!("/subscriptions/{subscription}/resourceGroups/{name}"))
    }

    /// The group of a resource.
    pub fn of(id: &ResourceId) -> Option<Self> {
        Some(Self::new(id.subscription()?, id.resource_group()?))
    }
}

/// An AKS cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// The group it is in.
    pub group: Group,
    /// Its name.
    pub name: String,
}

impl Cluster {
    /// The path of the list that has it.
    pub fn list(&self) -> String {
        self.group.list(ArmType::ManagedCluster)
    }

    /// The path of the list of its load balancers' configurations, where it has several
    /// (`managedClusters/loadBalancers`).
    pub fn list_of_load_balancers(&self) -> String {
        format!("{}/{}/loadBalancers", self.list(), self.name)
    }
}
