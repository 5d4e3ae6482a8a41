//! What Azure Resource Graph shows of many subscriptions at once, given out as the lists that ARM would give.
//!
//! Resource Graph is a copy that lags behind Azure without an upper bound, so this is a screen for drift and nothing else:
//! where it shows a difference, ARM is asked, and plans, applies and waits never look at it.
//!
//! Which types are in which table: Microsoft Learn, "Azure Resource Graph table and resource type reference". Zone groups
//! of endpoints are in none, and are read from ARM.

use privlink_core::arm::arm_type::ArmType;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use privlink_azure::{ArmClient, ArmError};
use privlink_core::resource_id::ResourceId;
use privlink_core::snapshot::List;
use serde_json::{Map, Value};

use super::lists::Answer;
use super::targets::Targets;

/// The types that are read, spelled as ARM spells them.
const TYPES: [ArmType; 11] = [
    ArmType::ScaleSet,
    ArmType::ManagedCluster,
    ArmType::LoadBalancer,
    ArmType::NetworkInterface,
    ArmType::NetworkSecurityGroup,
    ArmType::PrivateDnsZone,
    ArmType::ZoneLink,
    ArmType::PrivateEndpoint,
    ArmType::PrivateLinkService,
    ArmType::PublicIpAddress,
    ArmType::VirtualNetwork,
];
const SUBSCRIPTION: &str = "microsoft.resources/subscriptions";
const GROUP: &str = "microsoft.resources/subscriptions/resourcegroups";

/// The columns of a row that a resource has too; others are Resource Graph's own.
const COLUMNS: [&str; 9] =
    ["id", "name", "location", "tags", "sku", "zones", "identity", "kind", "properties"];

/// The load balancers of a cluster that is not told to have several.
const SINGLE: [&str; 2] = ["kubernetes", "kubernetes-internal"];

/// What Azure Resource Graph showed of some subscriptions.
#[derive(Debug, Default)]
pub struct Graph {
    read_at: String,
    /// By the path of the list that has them, in lower case.
    resources: HashMap<String, List>,
    /// Subscriptions and resource groups, by id in lower case.
    containers: HashSet<String>,
}

impl Graph {
    /// Asks Resource Graph for all that stacks are compared with in these subscriptions.
    ///
    /// # Errors
    /// A query that was not answered whole.
    pub async fn read(arm: &ArmClient, subscriptions: &BTreeSet<String>) -> Result<Self, ArmError> {
        let kinds: Vec<String> = TYPES.iter().map(|it| format!("'{}'", it.key())).collect();
        let resources = format!(
            "resources | where type in~ ({}) | project id, name, type, location, tags, sku, zones, identity, kind, properties \
             | order by id asc",
            kinds.join(", ")
        );
        let records = format!(
            "dnsresources | where type =~ '{}' | project id, name, type, properties | order by id asc",
            ArmType::RecordSet.key()
        );
        let containers = format!(
            "resourcecontainers | where type in~ ('{SUBSCRIPTION}', '{GROUP}') | project id, type | order by id asc"
        );
        let mut graph = Self {
            // Before they are asked for: what is shown is at least as old.
            read_at: format!("{:.0}", jiff::Timestamp::now()),
            ..Self::default()
        };
        let (resources, records, containers) = futures::try_join!(
            arm.query(&resources, subscriptions),
            arm.query(&records, subscriptions),
            arm.query(&containers, subscriptions),
        )?;
        resources.into_iter().chain(records).for_each(|row| graph.take(row));
        let ids = containers.iter().filter_map(|row| row.get("id")?.as_str());
        graph.containers.extend(ids.map(str::to_lowercase));
        Ok(graph)
    }

    /// When it was read, in RFC 3339. What it shows is older.
    pub fn read_at(&self) -> &str {
        &self.read_at
    }

    /// The list that ARM would give at a path; nothing where ARM has to be asked.
    pub(super) fn list(&self, path: &str) -> Option<Answer> {
        let path = path.to_lowercase();
        let (holder, rest) = path.split_once("/providers/")?;
        let subscription = holder.split("/resourcegroups/").next()?;
        if !self.containers.contains(subscription) {
            return None;
        }
        let is_there = self.containers.contains(holder);
        let parts: Vec<&str> = rest.split('/').collect();
        match parts.as_slice() {
            [namespace, kind] => {
                let wanted = format!("{namespace}/{kind}");
                TYPES.iter().find(|it| it.is_named(&wanted))?;
                Some(if is_there { self.held(&path) } else { Answer::absent() })
            }
            ["microsoft.network", "privatednszones", zone, "a" | "virtualnetworklinks"] => {
                let zones = ArmType::PrivateDnsZone.list_in(holder).to_lowercase();
                Some(if self.has(&zones, zone) { self.held(&path) } else { Answer::absent() })
            }
            ["microsoft.containerservice", "managedclusters", cluster, "loadbalancers"] => {
                self.has_one_load_balancer(holder, cluster)?.then(|| Answer::present(Vec::new()))
            }
            _ => None,
        }
    }

    fn held(&self, path: &str) -> Answer {
        Answer::present(self.resources.get(path).cloned().unwrap_or_default())
    }

    fn named(&self, path: &str, name: &str) -> Option<&Value> {
        let is_it = |it: &&Arc<Value>| {
            it.get("name").and_then(Value::as_str).is_some_and(|it| it.eq_ignore_ascii_case(name))
        };
        self.resources.get(path)?.iter().find(is_it).map(AsRef::as_ref)
    }

    fn has(&self, path: &str, name: &str) -> bool {
        self.named(path, name).is_some()
    }

    /// Whether the cluster has none of the load balancers that only a cluster with several of them has. The
    /// configurations themselves are in no table.
    fn has_one_load_balancer(&self, group: &str, cluster: &str) -> Option<bool> {
        let clusters = ArmType::ManagedCluster.list_in(group).to_lowercase();
        let live = self.named(&clusters, cluster)?;
        let nodes = live.pointer("/properties/nodeResourceGroup")?.as_str()?.to_lowercase();
        let subscription = group.split("/resourcegroups/").next()?;
        let nodes = format!("{subscription}/resourcegroups/{nodes}");
        let balancers = ArmType::LoadBalancer.list_in(&nodes).to_lowercase();
        let mut names = self.resources.get(&balancers).into_iter().flatten();
        Some(names.all(|it| {
            let name = it.get("name").and_then(Value::as_str).unwrap_or_default();
            SINGLE.iter().any(|single| single.eq_ignore_ascii_case(name))
        }))
    }

    /// Takes a row as the resource that it is about.
    fn take(&mut self, row: Value) {
        let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
        let id = ResourceId::new(text("id"));
        let kind = ArmType::named(text("type"));
        if !TYPES.contains(&kind) && kind != ArmType::RecordSet {
            return;
        }
        let Some(collection) = id.collection().map(|it| it.key()) else { return };
        let Value::Object(mut columns) = row else { return };
        let mut resource = Map::new();
        for column in COLUMNS {
            // A column without a value is null, or empty.
            let value = columns.remove(column).filter(|it| !it.is_null() && it != "");
            if let Some(value) = value {
                resource.insert(column.to_owned(), value);
            }
        }
        resource.insert("type".to_owned(), Value::from(kind.shown()));
        let resource = Arc::new(Value::Object(resource));
        if let (Some((holder, _)), Some((_, rest))) =
            (collection.split_once("/resourcegroups/"), collection.rsplit_once("/providers/"))
        {
            let whole = format!("{holder}/providers/{rest}");
            self.resources.entry(whole).or_default().push(Arc::clone(&resource));
        }
        self.resources.entry(collection).or_default().push(resource);
    }
}

impl Targets {
    /// The subscriptions that the lists are in which are known before anything was read.
    pub fn subscriptions(&self) -> BTreeSet<String> {
        let lists = self.lists();
        let ids = lists.iter().map(|path| ResourceId::new(path.as_str()));
        ids.filter_map(|id| id.subscription().map(str::to_lowercase)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use privlink_core::snapshot::Reading;
    use serde_json::json;

    const GROUP_S: &str = "/subscriptions/S/resourceGroups/MC";

    fn graph() -> Graph {
        let mut graph = Graph::default();
        for (kind, name) in [
            ("microsoft.network/loadbalancers", "kubernetes-internal"),
            ("microsoft.network/privateendpoints", "e"),
            ("microsoft.network/privatednszones", "z"),
            ("microsoft.sql/servers", "other"),
        ] {
            let id = format!("{GROUP_S}/providers/{kind}/{name}");
            graph.take(json!({
                "id": id, "name": name, "type": kind, "location": "eastus", "kind": "", "tags": null,
                "resourceGroup": "mc", "properties": {"a": 1},
            }));
        }
        let cluster = format!("{GROUP_S}/providers/Microsoft.ContainerService/managedClusters/aks");
        let properties = json!({"nodeResourceGroup": "Mc"});
        graph.take(json!({
            "id": cluster, "name": "aks", "type": "microsoft.containerservice/managedclusters",
            "properties": properties,
        }));
        graph.take(json!({
            "id": format!("{GROUP_S}/providers/Microsoft.Network/privateDnsZones/z/A/app"), "name": "app",
            "type": "microsoft.network/privatednszones/a", "properties": {},
        }));
        graph.containers =
            ["/subscriptions/s", "/subscriptions/s/resourcegroups/mc"].map(str::to_owned).into();
        graph
    }

    fn list(graph: &Graph, path: &str) -> Option<Reading<List>> {
        graph.list(path).map(|it| it.reading)
    }

    #[test]
    fn rows_are_given_as_arms_lists() {
        let graph = graph();
        let network = format!("{GROUP_S}/providers/Microsoft.Network");
        let Some(Reading::Present(balancers)) = list(&graph, &format!("{network}/loadBalancers"))
        else {
            panic!("a list is there")
        };
        let id = format!("{GROUP_S}/providers/microsoft.network/loadbalancers/kubernetes-internal");
        assert_eq!(
            *balancers[0],
            json!({
                "id": id, "name": "kubernetes-internal", "type": ArmType::LoadBalancer.name(),
                "location": "eastus", "properties": {"a": 1},
            })
        );
        let whole = "/subscriptions/S/providers/Microsoft.Network/privateEndpoints";
        let count = |path: &str| list(&graph, path).map(|it| it.objects().count());
        assert_eq!(count(whole), Some(1));
        assert_eq!(count(&format!("{network}/privateDnsZones/Z/A")), Some(1));
        assert_eq!(count(&format!("{network}/privateDnsZones/z/virtualNetworkLinks")), Some(0));
        assert_eq!(count(&format!("{network}/publicIPAddresses")), Some(0));
    }

    #[test]
    fn what_is_not_there_is_absent_and_what_is_not_held_is_asked_for() {
        let graph = graph();
        let gone = "/subscriptions/s/resourceGroups/gone/providers/Microsoft.Network/loadBalancers";
        assert_eq!(list(&graph, gone), Some(Reading::Absent));
        let zone = format!("{GROUP_S}/providers/Microsoft.Network/privateDnsZones/none/A");
        assert_eq!(list(&graph, &zone), Some(Reading::Absent));
        for path in [
            "/subscriptions/t/providers/Microsoft.Network/privateEndpoints".to_owned(),
            format!(
                "{GROUP_S}/providers/Microsoft.Network/privateEndpoints/e/privateDnsZoneGroups"
            ),
            format!("{GROUP_S}/providers/Microsoft.Sql/servers"),
        ] {
            assert_eq!(list(&graph, &path), None, "{path}");
        }
    }

    #[test]
    fn configurations_of_load_balancers_are_asked_for_where_there_are_several() {
        let mut graph = graph();
        let cluster = format!(
            "{GROUP_S}/providers/Microsoft.ContainerService/managedClusters/aks/loadBalancers"
        );
        assert_eq!(list(&graph, &cluster), Some(Reading::Present(Vec::new())));
        graph.take(json!({
            "id": format!("{GROUP_S}/providers/Microsoft.Network/loadBalancers/second-internal"),
            "name": "second-internal", "type": "microsoft.network/loadbalancers", "properties": {},
        }));
        assert_eq!(list(&graph, &cluster), None);
    }
}
