//! What is live, worked out once from a snapshot: Azure, the Services, whose is what, and the nodes; and what could not
//! be read.
//!
//! Nobody else looks into a snapshot, so that ownership is worked out once. What few ask for is made when it is first
//! asked for.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::arm::arm_type::ArmType;
use crate::arm::resource::{PrivateEndpoint, ZoneGroup};
use crate::arm::world::{World, group_key};
use crate::facts::{Missing, missing_cluster};
use crate::group::Cluster;
use crate::kubernetes::defaults::key_of;
use crate::kubernetes::node::Node;
use crate::kubernetes::service::{Key, Service};
use crate::node::sides::{LiveNodes, Nodes};
use crate::node::{Owners, sides};
use crate::resource_id::ResourceId;
use crate::snapshot::{List, Observation, Reading, Snapshot};

/// Azure as a snapshot shows it.
#[derive(Clone, Debug, Default)]
pub struct Azure {
    /// All that fits its type.
    pub world: World,
    /// Resources that do not, with why.
    pub malformed: Vec<String>,
    /// Its nodes, where they were worked out for many predictions.
    pub(crate) live_nodes: Option<Arc<LiveNodes>>,
}

impl Azure {
    /// What a snapshot shows. Resources that do not fit their type are left out of the world, and named.
    pub fn of(snapshot: &Snapshot) -> Self {
        let mut azure = Self::default();
        for (path, reading) in &snapshot.azure {
            let Reading::Present(resources) = reading else {
                azure.world.missing_groups.extend(missing_group(path, reading));
                continue;
            };
            for resource in resources {
                if let Err(error) = azure.world.insert_shared(resource) {
                    azure.malformed.push(error.to_string());
                }
            }
        }
        azure
    }

    /// It with its nodes worked out, for many predictions that begin with it and with the Services of this snapshot.
    #[must_use]
    pub fn with_views(self, snapshot: &Snapshot) -> Self {
        let services = services(snapshot);
        let owners = Owners::of(services.values().map(AsRef::as_ref), &[&self.world]);
        let live_nodes = LiveNodes::of(&self.world, owners, self.live_nodes.as_deref());
        Self { live_nodes: Some(Arc::new(live_nodes)), ..self }
    }
}

/// The resource group that a list says is not there: ARM answers 404 to a list of a group's resources
/// for no other reason (recorded: `ResourceGroupNotFound`).
fn missing_group(path: &str, reading: &Reading<List>) -> Option<String> {
    let (_, collection) = path.rsplit_once("/providers/")?;
    let of_group = collection.split('/').count() == 2;
    (of_group && *reading == Reading::Absent).then(|| group_key(&ResourceId::new(path))).flatten()
}

/// The Services of a snapshot; those that could not be read are none.
fn services(snapshot: &Snapshot) -> BTreeMap<Key, Arc<Service>> {
    let Reading::Present(objects) = &snapshot.kubernetes.services else { return BTreeMap::new() };
    objects
        .iter()
        .filter_map(|object| Service::from_value(object.clone()).ok())
        .map(|service| (service.key.clone(), Arc::new(service)))
        .collect()
}

/// What is live.
#[derive(Clone, Debug)]
pub struct Inventory<'a> {
    snapshot: Cow<'a, Snapshot>,
    /// Azure, where somebody worked it out before.
    known: Option<&'a Azure>,
    azure: OnceLock<Azure>,
    objects: OnceLock<BTreeMap<Key, Arc<Value>>>,
    services: OnceLock<BTreeMap<Key, Arc<Service>>>,
    owners: OnceLock<Owners>,
    nodes: OnceLock<Nodes>,
}

impl<'a> Inventory<'a> {
    /// What a snapshot shows.
    pub const fn of(snapshot: &'a Snapshot) -> Self {
        Self::over(Cow::Borrowed(snapshot), None)
    }

    /// What a snapshot shows whose Azure was worked out before.
    pub const fn with_azure(snapshot: &'a Snapshot, azure: &'a Azure) -> Self {
        Self::over(Cow::Borrowed(snapshot), Some(azure))
    }

    const fn over(snapshot: Cow<'a, Snapshot>, known: Option<&'a Azure>) -> Self {
        Self {
            snapshot,
            known,
            azure: OnceLock::new(),
            objects: OnceLock::new(),
            services: OnceLock::new(),
            owners: OnceLock::new(),
            nodes: OnceLock::new(),
        }
    }

    /// The same with one Service as somebody who knows better says it is stored, or without it. Where the Services were
    /// not read, they stay so.
    #[must_use]
    pub(crate) fn with_service(&self, key: &Key, stored: Option<&Value>) -> Inventory<'_> {
        let Reading::Present(services) = &self.snapshot.kubernetes.services else {
            return Inventory::over(Cow::Borrowed(&self.snapshot), Some(self.azure()));
        };
        let others = services.iter().filter(|it| key_of(it) != *key).cloned();
        let services = others.chain(stored.cloned().map(Arc::new)).collect();
        let mut snapshot = self.snapshot.as_ref().clone();
        snapshot.kubernetes.services = Reading::Present(services);
        Inventory::over(Cow::Owned(snapshot), Some(self.azure()))
    }

    /// When it was observed, in RFC 3339.
    pub fn taken_at(&self) -> &str {
        &self.snapshot.taken_at
    }

    /// Whether what other owners have was replaced by pseudonyms or left out.
    pub fn is_redacted(&self) -> bool {
        self.snapshot.redacted
    }

    fn azure(&self) -> &Azure {
        self.known.unwrap_or_else(|| self.azure.get_or_init(|| Azure::of(&self.snapshot)))
    }

    /// Azure.
    pub fn world(&self) -> &World {
        &self.azure().world
    }

    /// Resources that do not fit their type, which [`Self::world`] leaves out, with why.
    pub fn malformed(&self) -> &[String] {
        &self.azure().malformed
    }

    /// Azure's nodes, where they were worked out for many predictions.
    pub(crate) fn live_nodes(&self) -> Option<Arc<LiveNodes>> {
        self.azure().live_nodes.clone()
    }

    /// Azure's nodes by address.
    pub(crate) fn nodes(&self) -> &Nodes {
        self.nodes.get_or_init(|| {
            let owners = Arc::new(self.owners().clone());
            sides::nodes(self.world(), &World::default(), &owners, None).0
        })
    }

    /// Which Service Azure's resources belong to.
    pub fn owners(&self) -> &Owners {
        self.owners.get_or_init(|| {
            Owners::of(self.services().values().map(AsRef::as_ref), &[self.world()])
        })
    }

    /// What is known of the resource with this id.
    pub fn resource(&self, id: &ResourceId) -> Observation<'_> {
        self.snapshot.resource(id)
    }

    /// The private endpoints, as ARM shows them.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &Value> {
        self.resources_of_type(ArmType::PrivateEndpoint.name())
    }

    /// The address of an endpoint in its subnet, by its network interface; nothing while it has none.
    ///
    /// # Errors
    ///
    /// Why nobody knows: the interface could not be read.
    pub(crate) fn address_of(&self, endpoint: &PrivateEndpoint) -> Result<Option<&str>, &str> {
        let interfaces = endpoint.properties.network_interfaces.as_ref();
        let Some(interface) = interfaces.and_then(|it| it.first()) else { return Ok(None) };
        let id = interface.id();
        let Some(seen) = self.world().network_interfaces.get(&id.to_ascii_lowercase()) else {
            return self.resource(&ResourceId::new(id)).known().map(|_| None);
        };
        let addresses = seen.properties.ip_configurations.as_ref();
        Ok(addresses.and_then(|it| it.first()?.properties.private_ip_address.as_deref()))
    }

    /// The zone groups of an endpoint.
    pub(crate) fn zone_groups(&self, endpoint: &ResourceId) -> impl Iterator<Item = &ZoneGroup> {
        let below = format!("{}/", endpoint.key());
        let from = self.world().zone_groups.range(below.clone()..);
        from.take_while(move |(key, _)| key.starts_with(&below)).map(|(_, group)| group.as_ref())
    }

    /// The A records of private DNS zones, as ARM shows them.
    pub(crate) fn records(&self) -> impl Iterator<Item = &Value> {
        let lists = self
            .lists()
            .filter(|(path, _)| path.contains("/privatednszones/") && path.ends_with("/a"));
        lists.flat_map(|(_, reading)| reading.objects())
    }

    /// The AKS clusters whose machines are in this resource group.
    pub(crate) fn clusters_of(&self, group: &str) -> impl Iterator<Item = &Value> {
        let clusters = self.resources_of_type(ArmType::ManagedCluster.name());
        clusters.filter(move |cluster| {
            let nodes = cluster.pointer("/properties/nodeResourceGroup").and_then(Value::as_str);
            nodes.is_some_and(|nodes| nodes.eq_ignore_ascii_case(group))
        })
    }

    /// All resources of one type (`Microsoft.Network/privateEndpoints`) in all lists read.
    pub(crate) fn resources_of_type(&self, arm_type: &str) -> impl Iterator<Item = &Value> {
        self.snapshot.resources_of_type(arm_type)
    }

    /// The lists of Azure that were asked for, by their path in lower case.
    pub(crate) fn lists(&self) -> impl Iterator<Item = (&str, &Reading<List>)> {
        self.snapshot.azure.iter().map(|(path, reading)| (path.as_str(), reading))
    }

    /// What the list of this path in lower case gave; nothing if it was not asked for.
    pub(crate) fn list(&self, path: &str) -> Option<&Reading<List>> {
        self.snapshot.azure.get(path)
    }

    /// Whether the cluster is missing where it was looked for, and what is there instead.
    pub(crate) fn missing_cluster(&self, cluster: &Cluster) -> Option<Missing> {
        missing_cluster(&self.snapshot, cluster)
    }

    /// Whether there is a cluster.
    pub(crate) fn has_cluster(&self) -> bool {
        self.snapshot.kubernetes.is_there()
    }

    /// The version of the API server, if it was read.
    pub(crate) fn version(&self) -> Option<&str> {
        match &self.snapshot.kubernetes.version {
            Reading::Present(version) => Some(version),
            Reading::Absent | Reading::Unreadable(_) => None,
        }
    }

    /// The Services; none, if they could not be read.
    pub fn services(&self) -> &BTreeMap<Key, Arc<Service>> {
        self.services.get_or_init(|| services(&self.snapshot))
    }

    fn objects(&self) -> &BTreeMap<Key, Arc<Value>> {
        self.objects.get_or_init(|| {
            let Reading::Present(services) = &self.snapshot.kubernetes.services else {
                return BTreeMap::new();
            };
            let text = |object: &Value, name: &str| {
                object.get("metadata")?.get(name)?.as_str().map(ToOwned::to_owned)
            };
            let key = |it: &Value| Some(Key::new(text(it, "namespace")?, text(it, "name")?));
            services.iter().filter_map(|it| Some((key(it)?, Arc::clone(it)))).collect()
        })
    }

    /// A Service as the API server has it.
    pub(crate) fn service(&self, key: &Key) -> Option<&Value> {
        self.objects().get(key).map(AsRef::as_ref)
    }

    /// The Services as the API server has them.
    pub(crate) fn service_objects(&self) -> impl Iterator<Item = (&Key, &Value)> {
        self.objects().iter().map(|(key, object)| (key, object.as_ref()))
    }

    /// Why the Services could not be read, if they could not.
    pub(crate) fn services_unread(&self) -> Option<&str> {
        match &self.snapshot.kubernetes.services {
            Reading::Unreadable(why) => Some(why),
            Reading::Present(_) | Reading::Absent => None,
        }
    }

    /// Whether the Services were read.
    pub(crate) fn has_read_services(&self) -> bool {
        matches!(self.snapshot.kubernetes.services, Reading::Present(_))
    }

    /// The lists of the cluster that were asked for, each with what it holds.
    pub(crate) fn kubernetes(&self) -> impl Iterator<Item = (&str, &Reading<List>)> {
        let kubernetes = &self.snapshot.kubernetes;
        let lists = [
            ("Services", &kubernetes.services),
            ("Nodes", &kubernetes.nodes),
            ("Events", &kubernetes.events),
        ];
        lists.into_iter().chain(kubernetes.namespaces.iter().map(|list| ("Namespaces", list)))
    }

    /// The Nodes.
    pub(crate) fn machines(&self) -> &Reading<List> {
        &self.snapshot.kubernetes.nodes
    }

    /// The Nodes as the controller sees them.
    pub(crate) fn controller_nodes(&self) -> impl Iterator<Item = Node> {
        self.machines().objects().filter_map(Node::from_value)
    }

    /// Events whose object is a Service.
    pub(crate) fn events(&self) -> &Reading<List> {
        &self.snapshot.kubernetes.events
    }

    /// The Namespaces; nothing where they were not asked for.
    pub(crate) fn namespaces(&self) -> Option<&Reading<List>> {
        self.snapshot.kubernetes.namespaces.as_ref()
    }
}
