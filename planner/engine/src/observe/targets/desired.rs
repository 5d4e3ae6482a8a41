//! Which lists desired state asks for.

use privlink_core::arm::arm_type::ArmType;
use std::fmt;

use privlink_core::annotation::keys::PLS_RESOURCE_GROUP;
use privlink_core::desired::{Desired, Dns, Stack, Subnet, Target};
use privlink_core::diagnostic::Spanned;
use privlink_core::facts::Facts;
use privlink_core::group::{Cluster, Group};
use privlink_core::node::dns_record;
use privlink_core::resource_id::ResourceId;
use privlink_core::snapshot::Snapshot;

use super::Targets;

/// Which cluster is meant, where no Stack says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// The subscription of the cluster.
    pub subscription: Option<String>,
    /// Its resource group.
    pub resource_group: Option<String>,
    /// Its name.
    pub cluster: Option<String>,
}

/// Neither a Stack nor anybody else says where desired state belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsaid {
    /// Which cluster is meant.
    Cluster,
    /// Which subscription a private endpoint of a consumer's is in, by its name; nothing where there is no endpoint.
    Subscription(Option<String>),
}

impl Said {
    /// The subscription of the cluster: the Stack's, or else this.
    pub fn subscription(&self, desired: &Desired) -> Option<String> {
        first(stated(desired, |stack| &stack.subscription), &self.subscription)
    }
}

impl Targets {
    /// What is to be observed for desired state.
    ///
    /// # Errors
    ///
    /// When it is not said which cluster it is for.
    pub fn of(desired: &Desired, said: &Said, facts: &Facts) -> Result<Self, Unsaid> {
        let subscription = &facts.subscription;
        let group = first(stated(desired, |stack| &stack.resource_group), &said.resource_group);
        let cluster = first(stated(desired, |stack| &stack.cluster), &said.cluster);
        let mut targets = Self::default();
        if Self::have_no_cluster(desired, said) {
            let mut endpoints = desired.endpoints.values();
            let homeless = endpoints.find(|it| it.subscription.is_none());
            if subscription.is_empty() && (homeless.is_some() || desired.endpoints.is_empty()) {
                return Err(Unsaid::Subscription(homeless.map(|it| it.name.value.clone())));
            }
            targets.extend(desired, facts);
            return Ok(targets);
        }
        if let (Some(group), Some(name)) = (group, cluster) {
            targets.cluster = Some(Cluster { group: Group::new(subscription, group), name });
        }
        if !facts.resource_group.is_empty() {
            targets.node_resource_group = Some(Group::new(subscription, &facts.resource_group));
        }
        if subscription.is_empty()
            || targets.cluster.is_none() && targets.node_resource_group.is_none()
        {
            return Err(Unsaid::Cluster);
        }
        targets.extend(desired, facts);
        Ok(targets)
    }

    /// Whether desired state is a consumer's, and nobody says a cluster all the same.
    pub fn have_no_cluster(desired: &Desired, said: &Said) -> bool {
        desired.is_of_a_consumer() && said.cluster.is_none()
    }

    /// The cluster of a snapshot: what desired state says, and else the only one in it.
    pub fn of_snapshot(desired: &Desired, said: &Said, facts: &Facts, snapshot: &Snapshot) -> Self {
        if let Ok(targets) = Self::of(desired, said, facts) {
            return targets;
        }
        let mut found = Self::default();
        let ids = snapshot
            .resources_of_type(ArmType::ManagedCluster.name())
            .filter_map(|cluster| cluster.get("id")?.as_str().map(ResourceId::new));
        if let Some(id) = ids.min()
            && let Some(group) = Group::of(&id)
        {
            found.cluster = Some(Cluster { group, name: id.name().to_owned() });
        }
        found
    }

    /// Lists that Services, endpoints and pinned facts ask for.
    fn extend(&mut self, desired: &Desired, facts: &Facts) {
        let subscription = &facts.subscription;
        self.stack.clone_from(&desired.name);
        let network = facts.network_subscription();
        if let Some(group) = &facts.load_balancer_resource_group {
            self.load_balancer_groups.insert(Group::new(network, group));
        }
        if let Some(group) = &facts.private_link_service_resource_group {
            self.private_link_service_groups.insert(Group::new(subscription, group));
        }
        if let Some(group) = &facts.virtual_network_resource_group {
            self.virtual_network_groups.insert(Group::new(network, group));
        }
        for service in desired.services.values() {
            if let Some(group) =
                service.annotation(PLS_RESOURCE_GROUP).map(|group| group.trim().to_owned())
                && !group.is_empty()
            {
                self.private_link_service_groups.insert(Group::new(subscription, group));
            }
        }
        if !subscription.is_empty() {
            self.endpoint_subscriptions.insert(subscription.clone());
        }
        for wanted in desired.endpoints.values() {
            let of = wanted.subscription.as_ref().map_or(subscription.as_str(), |it| it.as_str());
            self.endpoint_subscriptions.insert(of.to_owned());
            // Its own group too, where its network is elsewhere: a list of it says whether it is there.
            let own = Group::new(of, wanted.resource_group.value.clone());
            self.virtual_network_groups.insert(own);
            if let Subnet::Id(id) = &wanted.subnet {
                self.virtual_network_groups.extend(Group::of(id));
            }
            if let Target::Id(id) = &wanted.target {
                self.private_link_service_groups.extend(Group::of(id));
            }
            let id = ResourceId::in_group(
                of,
                &wanted.resource_group,
                ArmType::PrivateEndpoint.name(),
                wanted.resource_name(),
            );
            match &wanted.dns {
                Some(Dns::Record { zone, .. }) => {
                    self.zones.insert(dns_record::zone_id(zone, &id));
                }
                Some(Dns::ZoneGroup { zones, .. }) => {
                    self.zones.extend(zones.iter().map(|zone| dns_record::zone_id(zone, &id)));
                    let groups =
                        zones.iter().filter_map(|zone| Group::of(&dns_record::zone_id(zone, &id)));
                    self.zone_groups.extend(groups);
                    self.zone_group_endpoints.insert(id);
                }
                None => {}
            }
        }
    }
}

/// What the Stack says.
fn stated<'a>(
    desired: &'a Desired,
    field: impl Fn(&'a Stack) -> &'a Option<Spanned<String>>,
) -> Option<&'a str> {
    Some(field(desired.stack.as_ref()?).as_ref()?.value.as_str())
}

fn first(stated: Option<&str>, said: &Option<String>) -> Option<String> {
    stated.map(ToOwned::to_owned).or_else(|| said.clone())
}

impl Unsaid {
    /// What to do.
    pub const fn help(&self) -> [&'static str; 2] {
        match self {
            Self::Cluster => [
                "Write a Stack document with subscription, resourceGroup and cluster,",
                "or give --subscription, --resource-group and --cluster.",
            ],
            Self::Subscription(_) => [
                "Write spec.subscription in the PrivateEndpoint or in a Stack document,",
                "or give --subscription.",
            ],
        }
    }
}

impl fmt::Display for Unsaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster => f.write_str("no cluster is named"),
            Self::Subscription(None) => f.write_str("no subscription is named"),
            Self::Subscription(Some(endpoint)) => {
                write!(f, "PrivateEndpoint/{endpoint} names no subscription")
            }
        }
    }
}

impl std::error::Error for Unsaid {}
