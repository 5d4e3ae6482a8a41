//! Frontends of load balancers, with the rules and probes on them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::arm::resource::{Frontend, LoadBalancer, Probe, Resource, Rule};
use crate::node::fields::clean;
use crate::node::{Node, Owners, plain};
use crate::node_id::{Kind, NodeId};
use crate::resource_id::ResourceId;

/// The id of a frontend.
pub(crate) fn id(balancer: &LoadBalancer, frontend: &Frontend) -> ResourceId {
    ResourceId::new(balancer.id()).child("frontendIPConfigurations", frontend.name())
}

pub(crate) fn node(
    balancer: &LoadBalancer,
    frontend: &Arc<Frontend>,
    rules: &Rules<'_>,
    owners: &Arc<Owners>,
) -> (NodeId, Node) {
    let name = frontend.name();
    let id = id(balancer, frontend);
    let service = owners.of_frontend(&id);
    let address = match service {
        Some(key) if name.ends_with("-IPv6") => format!("{key}/IPv6"),
        Some(key) => key.to_string(),
        None => format!("{}/{name}", balancer.name()),
    };
    let on_it = OnFrontend {
        frontend: Arc::clone(frontend),
        balancer: balancer.name().to_owned(),
        rules: rules.on(&id),
        owners: Arc::clone(owners),
    };
    let mut node = plain(id.as_str(), service, move || on_it.fields());
    let subnet = frontend.properties.subnet.as_ref();
    node.subnet = subnet.map(|subnet| ResourceId::new(subnet.id()));
    (NodeId::new(Kind::FrontendIp, address), node)
}

/// A rule, with its probe's name and the probe, as far as it has one.
type Ruled = (Arc<Rule>, Option<String>, Option<Arc<Probe>>);

/// A frontend, with what is on it.
struct OnFrontend {
    frontend: Arc<Frontend>,
    balancer: String,
    rules: Vec<Ruled>,
    owners: Arc<Owners>,
}

impl OnFrontend {
    /// What is compared and shown.
    fn fields(&self) -> Value {
        let mut fields = clean(self.frontend.as_ref());
        if let Some(fields) = fields.as_object_mut() {
            fields.insert("name".to_owned(), self.frontend.name().into());
            fields.insert("loadBalancer".to_owned(), self.balancer.as_str().into());
            let (rules, probes) = self.rules();
            fields.insert("loadBalancingRules".to_owned(), rules);
            fields.insert("probes".to_owned(), probes);
        }
        fields
    }

    /// The rules, and the probes they use. They are named by what follows the Service's part of their name
    /// (`TCP-80`), so that they can be compared across a change of the frontend's name.
    fn rules(&self) -> (Value, Value) {
        let mut rules = Map::new();
        let mut probes = Map::new();
        for (rule, probe, live) in &self.rules {
            let mut properties = properties(rule.as_ref());
            if let Some(fields) = properties.as_object_mut() {
                fields.shift_remove("frontendIPConfiguration");
                fields.shift_remove("backendAddressPools");
                if let Some(probe) = probe {
                    fields.insert("probe".to_owned(), short_name(probe, &self.owners).into());
                }
            }
            rules.insert(short_name(rule.name(), &self.owners), properties);
            if let Some(live) = live {
                let properties = self::properties(live.as_ref());
                probes.insert(short_name(live.name(), &self.owners), properties);
            }
        }
        (Value::Object(rules), Value::Object(probes))
    }
}

/// The rules of a load balancer by their frontend's id in lower case, and its probes by name.
pub(crate) struct Rules<'a> {
    by_frontend: BTreeMap<String, Vec<&'a Arc<Rule>>>,
    probes: BTreeMap<&'a str, &'a Arc<Probe>>,
}

impl<'a> Rules<'a> {
    pub(crate) fn of(balancer: &'a LoadBalancer) -> Self {
        let mut by_frontend: BTreeMap<String, Vec<&Arc<Rule>>> = BTreeMap::new();
        for rule in balancer.properties.load_balancing_rules.iter().flatten() {
            if let Some(frontend) = &rule.properties.frontend_ip_configuration {
                by_frontend.entry(frontend.id().to_ascii_lowercase()).or_default().push(rule);
            }
        }
        let probes = balancer.properties.probes.iter().flatten();
        let probes = probes.map(|probe| (probe.name(), probe)).collect();
        Self { by_frontend, probes }
    }

    /// Whether what is on a frontend are the very rules and probes that others are.
    pub(crate) fn are_those_of(&self, others: &Self, frontend: &ResourceId) -> bool {
        let key = frontend.key();
        let (own, other) = (self.by_frontend.get(&key), others.by_frontend.get(&key));
        let (own, other) = (own.into_iter().flatten(), other.into_iter().flatten());
        let parts = |rules: &Self, rule: &'a Arc<Rule>| {
            let probe = probe_of(rule).and_then(|probe| rules.probes.get(probe).copied());
            (Arc::as_ptr(rule), probe.map(Arc::as_ptr))
        };
        own.map(|it| parts(self, it)).eq(other.map(|it| parts(others, it)))
    }

    /// The rules on a frontend, and the probes they use.
    fn on(&self, frontend: &ResourceId) -> Vec<Ruled> {
        let rules = self.by_frontend.get(&frontend.key()).into_iter().flatten();
        let with_probe = |rule: &&Arc<Rule>| {
            let probe = probe_of(rule);
            let live = probe.and_then(|probe| self.probes.get(probe).copied());
            (Arc::clone(rule), probe.map(ToOwned::to_owned), live.cloned())
        };
        rules.map(with_probe).collect()
    }
}

/// The name of a rule's probe.
fn probe_of(rule: &Rule) -> Option<&str> {
    rule.properties.probe.as_ref()?.id().rsplit('/').next()
}

/// The properties of a resource, cleaned.
fn properties<P: Serialize>(resource: &Resource<P>) -> Value {
    match clean(&resource.properties) {
        Value::Object(fields) if fields.is_empty() => Value::Null,
        properties => properties,
    }
}

/// What tells a rule or probe from others of its Service: `TCP-80` of `a257b...-apps-subnet-TCP-80`.
fn short_name(name: &str, owners: &Owners) -> String {
    if owners.of_name(name).is_none() {
        return name.to_owned();
    }
    let start = ["-TCP-", "-UDP-", "-SCTP-"].iter().find_map(|protocol| name.rfind(protocol));
    start.and_then(|at| name.get(at + 1..)).unwrap_or(name).to_owned()
}
