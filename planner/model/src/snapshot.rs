//! One observation of both control planes, savable, usable offline.
//!
//! Azure is observed by lists, so a snapshot holds lists: each is present, absent (its resource group
//! or parent is not there) or unreadable. A resource is absent only if a list that would hold it was
//! read and does not; what no list covers was not observed, and what could not be read is never
//! taken for absent.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kubernetes::service::Key;
use crate::resource_id::{ResourceId, segments};

/// The version of the format this build writes. Minor: a new optional field; major: all else.
pub const FORMAT_VERSION: &str = "1.0";

/// What one read gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Reading<T> {
    /// It was read.
    Present(T),
    /// What holds it is not there.
    Absent,
    /// It could not be read; why, for a person.
    Unreadable(String),
}

impl Reading<List> {
    /// A list with these objects.
    pub fn of(objects: impl IntoIterator<Item = Value>) -> Self {
        Self::Present(objects.into_iter().map(Arc::new).collect())
    }

    /// The objects of a list; none where it is absent or could not be read.
    pub fn objects(&self) -> impl Iterator<Item = &Value> + Clone {
        let list = match self {
            Self::Present(list) => list.as_slice(),
            Self::Absent | Self::Unreadable(_) => &[],
        };
        list.iter().map(AsRef::as_ref)
    }
}

/// What a list showed. Its items are shared with what is worked out from them.
pub type List = Vec<Arc<Value>>;

/// One observation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// See [`FORMAT_VERSION`].
    pub format_version: String,
    /// When, in RFC 3339.
    pub taken_at: String,
    /// Whether what other owners have was replaced by pseudonyms or left out ([`redact`]). Such a snapshot can
    /// be planned from, and no plan made from it can be applied.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redacted: bool,
    /// What the Kubernetes API showed.
    pub kubernetes: Kubernetes,
    /// What Azure showed: readings of lists by the list's path, in lower case
    /// (`/subscriptions/s/resourcegroups/g/providers/microsoft.network/loadbalancers`).
    pub azure: BTreeMap<String, Reading<List>>,
    /// Where resources are in long lists. Made when first asked for: lists do not change from then on.
    #[serde(skip)]
    pub index: Index,
}

/// Where the resources of long lists are: by the list's path, then by the resource's id in lower case.
/// A clone starts with an empty one, and it is no part of what a snapshot says.
#[derive(Debug, Default)]
pub struct Index(OnceLock<BTreeMap<String, HashMap<String, usize>>>);

impl Clone for Index {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Index {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// From how many resources on a list is worth an index.
const LONG: usize = 64;

/// What the Kubernetes API showed. Objects are kept as the API server gave them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Kubernetes {
    /// The server's version, such as `v1.33.1`.
    pub version: Reading<String>,
    /// The namespace of the context in use.
    pub namespace: String,
    /// All Services of all namespaces.
    pub services: Reading<List>,
    /// All Nodes.
    pub nodes: Reading<List>,
    /// Events whose object is a Service.
    pub events: Reading<List>,
    /// All Namespaces; nothing where an older version observed, which did not ask for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<Reading<List>>,
}

impl Kubernetes {
    /// What is there where there is no cluster.
    pub fn none() -> Self {
        Self {
            version: Reading::Absent,
            namespace: "default".to_owned(),
            services: Reading::Absent,
            nodes: Reading::Absent,
            events: Reading::Absent,
            namespaces: None,
        }
    }

    /// Whether there is a cluster.
    pub fn is_there(&self) -> bool {
        self.services != Reading::Absent || self.nodes != Reading::Absent
    }

    /// The Services that were read, by namespace and name.
    pub fn services_by_key(&self) -> BTreeMap<Key, &Value> {
        let key = |object: &Value| {
            let text = |name: &str| object.get("metadata")?.get(name)?.as_str();
            Some(Key::new(text("namespace")?, text("name")?))
        };
        self.services.objects().filter_map(|object| Some((key(object)?, object))).collect()
    }
}

/// What a snapshot says of one resource.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Observation<'a> {
    /// It is there.
    Present(&'a Value),
    /// A list that would hold it was read, and does not.
    Absent,
    /// A list that would hold it could not be read.
    Unreadable(&'a str),
    /// No list that would hold it was asked for.
    NotObserved,
}

impl<'a> Observation<'a> {
    /// The resource, if it is there.
    ///
    /// # Errors
    ///
    /// Why nobody knows whether it is.
    pub fn known(self) -> Result<Option<&'a Value>, &'a str> {
        match self {
            Self::Present(resource) => Ok(Some(resource)),
            Self::Absent => Ok(None),
            Self::Unreadable(why) => Err(why),
            Self::NotObserved => Err("it was not asked for"),
        }
    }
}

impl Snapshot {
    /// What the snapshot says of the resource with this id.
    pub fn resource(&self, id: &ResourceId) -> Observation<'_> {
        let mut found = Observation::NotObserved;
        for path in covering_lists(id) {
            match self.azure.get(&path) {
                None => {}
                Some(Reading::Absent) => found = Observation::Absent,
                Some(Reading::Unreadable(why)) if found == Observation::NotObserved => {
                    found = Observation::Unreadable(why);
                }
                Some(Reading::Unreadable(_)) => {}
                Some(Reading::Present(list)) => match self.on(&path, list, id) {
                    Some(resource) => return Observation::Present(resource),
                    None => found = Observation::Absent,
                },
            }
        }
        found
    }

    /// The first resource with this id on a list.
    fn on<'a>(&self, path: &str, list: &'a [Arc<Value>], id: &ResourceId) -> Option<&'a Value> {
        if list.len() < LONG {
            return list.iter().map(AsRef::as_ref).find(|resource| {
                id_of(resource).is_some_and(|text| text.eq_ignore_ascii_case(id.as_str()))
            });
        }
        let at = self.index.0.get_or_init(|| self.indexed()).get(path)?.get(&id.key())?;
        list.get(*at).map(AsRef::as_ref)
    }

    fn indexed(&self) -> BTreeMap<String, HashMap<String, usize>> {
        let mut index = BTreeMap::new();
        for (path, reading) in &self.azure {
            let Reading::Present(list) = reading else { continue };
            if list.len() < LONG {
                continue;
            }
            let mut of_list = HashMap::with_capacity(list.len());
            for (at, resource) in list.iter().enumerate() {
                if let Some(id) = id_of(resource) {
                    of_list.entry(id.to_ascii_lowercase()).or_insert(at);
                }
            }
            index.insert(path.clone(), of_list);
        }
        index
    }

    /// All resources of one type (`Microsoft.Network/loadBalancers`) in all lists read.
    pub fn resources_of_type<'a>(&'a self, provider_type: &str) -> impl Iterator<Item = &'a Value> {
        let suffix = format!("/providers/{}", provider_type.to_lowercase());
        self.azure
            .iter()
            .filter(move |(path, _)| path.ends_with(&suffix))
            .flat_map(|(_, reading)| reading.objects())
    }
}

fn id_of(resource: &Value) -> Option<&str> {
    resource.get("id").and_then(Value::as_str)
}

/// The paths of the lists that would hold a resource: its collection, and for a top-level resource
/// also the list of the whole subscription.
fn covering_lists(id: &ResourceId) -> Vec<String> {
    let Some(collection) = id.collection().map(|collection| collection.key()) else {
        return Vec::new();
    };
    let mut segments = segments(&collection);
    let group = segments.find(|(_, segment)| *segment == "resourcegroups");
    let provider = segments.filter(|(_, segment)| *segment == "providers").last();
    let of_subscription = group.zip(provider).and_then(|((group, _), (provider, _))| {
        let (before, behind) = (collection.get(..group)?, collection.get(provider..)?);
        Some([before, behind].concat())
    });
    of_subscription.into_iter().chain([collection]).collect()
}
