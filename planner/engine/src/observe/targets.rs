//! Which lists are read.

mod desired;

use privlink_core::arm::arm_type::ArmType;
use std::collections::{BTreeMap, BTreeSet};

use privlink_core::facts::{self, Facts, Place, find, node_subnets};
use privlink_core::group::{Cluster, Group};
use privlink_core::marks::{DNS_TAG, STACK_TAG};
use privlink_core::resource_id::ResourceId;
use privlink_core::snapshot::{List, Reading, Snapshot};
use serde_json::Value;

pub use desired::{Said, Unsaid};

/// What is to be observed in Azure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// The cluster.
    pub cluster: Option<Cluster>,
    /// Its node resource group, where it is known; read from the cluster otherwise.
    pub node_resource_group: Option<Group>,
    /// Further groups that hold load balancers.
    pub load_balancer_groups: BTreeSet<Group>,
    /// Further groups that hold Private Link Services.
    pub private_link_service_groups: BTreeSet<Group>,
    /// Groups that hold virtual networks: the cluster's, where pinned, and the endpoints'.
    pub virtual_network_groups: BTreeSet<Group>,
    /// Subscriptions whose private endpoints and network interfaces are read.
    pub endpoint_subscriptions: BTreeSet<String>,
    /// Private DNS zones whose A records, and links to virtual networks, are read.
    pub zones: BTreeSet<ResourceId>,
    /// Endpoints whose DNS zone groups are read.
    pub zone_group_endpoints: BTreeSet<ResourceId>,
    /// Groups whose private DNS zones are listed, since zone groups name some.
    pub zone_groups: BTreeSet<Group>,
    /// The stack whose live endpoints say by a tag where their names are kept.
    pub stack: String,
}

/// What the controller makes and uses in the node resource group.
const OF_NODE_GROUP: [ArmType; 6] = [
    ArmType::LoadBalancer,
    ArmType::PrivateLinkService,
    ArmType::VirtualNetwork,
    ArmType::PublicIpAddress,
    ArmType::NetworkSecurityGroup,
    ArmType::ScaleSet,
];

const OF_SUBSCRIPTION: [ArmType; 2] = [ArmType::PrivateEndpoint, ArmType::NetworkInterface];

impl Targets {
    /// The lists that are known before anything was read.
    pub(super) fn lists(&self) -> BTreeSet<String> {
        let mut lists = BTreeSet::new();
        lists.extend(self.list_of_clusters());
        lists.extend(self.node_resource_group.iter().flat_map(of_node_group));
        lists.extend(
            self.load_balancer_groups.iter().map(|group| group.list(ArmType::LoadBalancer)),
        );
        let services = self.private_link_service_groups.iter();
        lists.extend(services.map(|group| group.list(ArmType::PrivateLinkService)));
        lists.extend(
            self.virtual_network_groups.iter().map(|group| group.list(ArmType::VirtualNetwork)),
        );
        for subscription in &self.endpoint_subscriptions {
            lists.extend(
                OF_SUBSCRIPTION.map(|of| of.list_in(&format!("/subscriptions/{subscription}"))),
            );
        }
        lists.extend(self.zone_groups.iter().map(|group| group.list(ArmType::PrivateDnsZone)));
        let of_zone = |zone| ["A", "virtualNetworkLinks"].map(|list| format!("{zone}/{list}"));
        lists.extend(self.zones.iter().flat_map(of_zone));
        let endpoints = self.zone_group_endpoints.iter();
        lists.extend(endpoints.map(|endpoint| format!("{endpoint}/privateDnsZoneGroups")));
        lists
    }

    /// The facts about the cluster, from what was observed and what is pinned.
    pub fn facts(&self, snapshot: &Snapshot, pinned: &Facts) -> Facts {
        let place = Place {
            cluster: self.cluster.as_ref(),
            node_resource_group: self.node_resource_group.as_ref(),
        };
        facts::infer(snapshot, place, pinned)
    }

    /// The list that has the cluster.
    pub(super) fn list_of_clusters(&self) -> Option<String> {
        self.cluster.as_ref().map(Cluster::list)
    }

    /// The lists that the cluster names: those of its node resource group, and of its virtual network's,
    /// and its load balancer configurations.
    pub(super) fn lists_of_cluster(
        &self,
        read: &BTreeMap<String, Reading<List>>,
    ) -> BTreeSet<String> {
        let mut lists = BTreeSet::new();
        let Some(cluster) = &self.cluster else { return lists };
        let list = read.get(&cluster.list().to_lowercase());
        let clusters = list.into_iter().flat_map(Reading::objects);
        let Some(live) = find(clusters, &cluster.name) else { return lists };
        lists.insert(cluster.list_of_load_balancers());
        if self.node_resource_group.is_none()
            && let Some(group) = node_resource_group(live)
        {
            let group = Group::new(&cluster.group.subscription, group);
            lists.extend(of_node_group(&group));
        }
        let networks = node_subnets(live).filter_map(|subnet| Group::of(&subnet));
        lists.extend(networks.map(|group| group.list(ArmType::VirtualNetwork)));
        lists
    }

    /// The lists that this stack's live endpoints name: where the names that privlink gave them are kept,
    /// whether or not their documents still say so.
    pub(super) fn lists_of_endpoints(
        &self,
        read: &BTreeMap<String, Reading<List>>,
    ) -> BTreeSet<String> {
        let lists = read.iter().filter(|(path, _)| path.ends_with("/privateendpoints"));
        let endpoints = lists.flat_map(|(_, reading)| reading.objects());
        let named = endpoints.filter_map(|endpoint| {
            let tags = endpoint.get("tags")?;
            if tags.get(STACK_TAG)?.as_str() != Some(self.stack.as_str()) {
                return None;
            }
            let place = tags.get(DNS_TAG)?.as_str()?;
            if place.starts_with('/') {
                return Some(ResourceId::new(place).collection()?.as_str().to_owned());
            }
            Some(format!("{}/privateDnsZoneGroups", endpoint.get("id")?.as_str()?))
        });
        named.collect()
    }
}

fn of_node_group(group: &Group) -> impl Iterator<Item = String> {
    OF_NODE_GROUP.into_iter().map(|kind| group.list(kind))
}

/// The node resource group of an AKS cluster.
fn node_resource_group(cluster: &Value) -> Option<&str> {
    cluster.pointer("/properties/nodeResourceGroup").and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cluster() -> Targets {
        let group = Group::new("S1", "rg");
        Targets {
            cluster: Some(Cluster { group, name: String::from("aks") }),
            endpoint_subscriptions: BTreeSet::from([String::from("S1"), String::from("S2")]),
            ..Targets::default()
        }
    }

    #[test]
    fn the_number_of_lists_does_not_follow_resources() {
        let lists = cluster().lists();
        assert_eq!(lists.len(), 5);
        assert!(lists.contains("/subscriptions/S2/providers/Microsoft.Network/privateEndpoints"));
    }

    #[test]
    fn the_cluster_names_its_node_group_and_its_network() {
        let targets = cluster();
        let key = "/subscriptions/s1/resourcegroups/rg/providers/microsoft.containerservice/managedclusters";
        let subnet = "/subscriptions/S1/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/v/subnets/s";
        let live = json!({"name": "AKS", "properties": {
            "nodeResourceGroup": "MC_rg",
            "agentPoolProfiles": [{"vnetSubnetID": subnet}, {"name": "second"}],
        }});
        let read = BTreeMap::from([(key.to_owned(), Reading::of([live]))]);
        let lists = targets.lists_of_cluster(&read);
        assert_eq!(lists.len(), OF_NODE_GROUP.len() + 2);
        assert!(lists.contains(&Group::new("S1", "net").list(ArmType::VirtualNetwork)));
        let unread = BTreeMap::from([(key.to_owned(), Reading::Unreadable(String::from("403")))]);
        assert!(targets.lists_of_cluster(&unread).is_empty());
    }
}
