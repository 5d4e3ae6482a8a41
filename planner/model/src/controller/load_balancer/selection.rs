//! Which load balancer (reference: cloud-controller, section 2; `getAzureLoadBalancerName`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::arm::resource::{Frontend, LoadBalancer, Reference};
use crate::facts::LoadBalancerConfiguration;
use crate::kubernetes::node::Node;
use crate::kubernetes::service::Service;

use crate::annotation;
use crate::controller::cloud::Cloud;
use crate::controller::failure::Failure;
use crate::controller::name;
use crate::controller::probe::owns;
use crate::controller::public_ip;
use crate::controller::public_ip::asked;
use crate::controller::public_ip::asked::all_pinned;
use crate::controller::value::{get, is_internal, quote, same};

/// A load balancer with so many rules is never chosen.
const TOO_MANY_RULES: usize = 301;

/// The status of a Service on a load balancer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Status {
    /// The addresses to announce, in order.
    pub(crate) ingress: Vec<String>,
    /// Those of the frontends alone.
    pub(crate) addresses: Vec<String>,
    /// The Service's frontends.
    pub(crate) frontends: Vec<Arc<Frontend>>,
}

/// The load balancer of a Service.
pub(crate) struct Found {
    pub(crate) balancer: LoadBalancer,
    /// The load balancers there are; some may have gone meanwhile.
    pub(crate) existing: Vec<Arc<LoadBalancer>>,
    pub(crate) status: Option<Status>,
    pub(crate) exists: bool,
    /// A PLS was deleted on the way: all has to be read again.
    pub(crate) deleted_link: bool,
}

impl Found {
    pub(crate) fn there(
        balancer: LoadBalancer,
        existing: Vec<Arc<LoadBalancer>>,
        status: Option<Status>,
    ) -> Self {
        Self { balancer, existing, status, exists: true, deleted_link: false }
    }

    pub(crate) fn after_deletion(
        balancer: Arc<LoadBalancer>,
        existing: Vec<Arc<LoadBalancer>>,
    ) -> Self {
        let balancer = balancer.as_ref().clone();
        Self { balancer, existing, status: None, exists: false, deleted_link: true }
    }
}

/// Whether a Service asks for an address, or names a public IP.
pub(crate) fn pins(service: &Service) -> bool {
    !all_pinned(service).is_empty() || asked::names(service).iter().any(|name| !name.is_empty())
}

/// The load balancers a Service names (`GetLoadBalancerConfigurationsNames`): the key in any case.
fn annotated(service: &Service) -> Vec<String> {
    let keys = service.annotations.iter();
    let values = keys.filter(|(key, _)| same(key, annotation::CONFIGURATIONS));
    values.flat_map(|(_, value)| value.split(',')).map(|it| it.trim().to_lowercase()).collect()
}

/// The scale sets nodes are in, in order.
pub(crate) fn vm_sets(nodes: &[Arc<Node>]) -> Vec<String> {
    let of = |node: &Arc<Node>| {
        let machine = node.machine.as_deref()?;
        let lower = machine.to_lowercase();
        let (_, path) = lower.split_once("/virtualmachinescalesets/")?;
        path.split('/').next().map(ToOwned::to_owned)
    };
    nodes.iter().filter_map(of).collect::<BTreeSet<_>>().into_iter().collect()
}

impl Cloud<'_, '_> {
    /// The name of the load balancer a Service belongs on.
    pub(crate) fn load_balancer_name(
        &mut self,
        service: &Service,
        existing: &[Arc<LoadBalancer>],
        want: bool,
    ) -> Result<String, Failure> {
        let facts = self.facts;
        let own = facts.load_balancer_name.as_deref().filter(|name| !name.is_empty());
        let mut prefix = own.unwrap_or(&facts.cluster_name).to_owned();
        if facts.has_several_load_balancers() {
            prefix = self.one_of_several(service, existing, want)?;
        }
        Ok(if is_internal(service) { format!("{prefix}{}", name::INTERNAL_SUFFIX) } else { prefix })
    }

    fn one_of_several(
        &mut self,
        service: &Service,
        existing: &[Arc<LoadBalancer>],
        want: bool,
    ) -> Result<String, Failure> {
        let annotated = annotated(service);
        let pins = pins(service);
        let own_name = quote(&service.key.name);
        if want && pins && !annotated.is_empty() {
            let key = annotation::CONFIGURATIONS;
            return Err(Failure::new(format!(
                "service {own_name} has conflicting load balancer configuration: both a load balancer name ({key}) and an IP address are specified. When an IP address is specified (via spec.loadBalancerIP, azure-load-balancer-ipv4/ipv6, or azure-pip-name), the service must use the load balancer where that IP resides. To fix, either (1) remove the {key} annotation to stay on the load balancer where the IP resides, or (2) remove the IP annotation to move to the specified load balancer (external services only)"
            )));
        }
        let eligible = self.eligible(service)?;
        let key = service.key.to_string();
        let placements = &self.memory.placements;
        let mut current = self
            .facts
            .load_balancer_configurations
            .iter()
            .find(|it| placements.get(&it.name).is_some_and(|services| services.contains(&key)))
            .map(|it| it.name.clone())
            .unwrap_or_default();
        if want && !pins && annotated.is_empty() {
            let found = by_frontend_name(service, existing);
            current = found.unwrap_or(current);
        }
        if want && pins {
            current = if is_internal(service) {
                by_private_address(service, existing).unwrap_or_default()
            } else {
                self.by_public_address(service)?.unwrap_or_default()
            };
            let is_eligible = eligible.iter().any(|it| same(it, &current));
            if !current.is_empty() && !is_eligible {
                return Err(Failure::new(format!(
                    "service {own_name} specifies an IP that resides on load balancer {}, which is not in the eligible set [{}]; check or adjust the load balancer eligibility configuration (ServiceLabelSelector, ServiceNamespaceSelector, or AllowServicePlacement)",
                    quote(&current),
                    eligible.join(" ")
                )));
            }
        }
        Ok(most_eligible(&current, &eligible, existing, is_internal(service)))
    }

    /// The load balancers a Service may be on, by annotation, placement and selectors
    /// (`getEligibleLoadBalancersForService`).
    fn eligible(&self, service: &Service) -> Result<Vec<String>, Failure> {
        let named = annotated(service);
        let all = &self.facts.load_balancer_configurations;
        let chosen: Vec<&LoadBalancerConfiguration> = all
            .iter()
            .filter(|it| named.is_empty() || named.iter().any(|name| same(name, &it.name)))
            .collect();
        if chosen.is_empty() {
            return Err(Failure::new(format!(
                "service {} selects {} load balancers by annotation, but none of them is defined in cloud provider configuration",
                quote(&service.key.name),
                named.len()
            )));
        }
        let key = service.key.to_string();
        let (mut closed, mut by_label, mut by_namespace) = (Vec::new(), Vec::new(), Vec::new());
        let mut eligible = Vec::new();
        let mut matched = false;
        for it in chosen.iter().rev() {
            let in_use = self.memory.placements.get(&it.name);
            let in_use = in_use.is_some_and(|services| services.contains(&key));
            if !it.allow_service_placement.unwrap_or(true) && !in_use {
                closed.push(it.name.as_str());
                continue;
            }
            if let Some(selector) = &it.service_label_selector {
                if !selects(selector, &service.labels) {
                    by_label.push(it.name.as_str());
                    continue;
                }
                matched = true;
            }
            if let Some(selector) = &it.service_namespace_selector {
                let labels = self.cluster.namespaces.get(&service.key.namespace);
                if !selects(selector, &labels.cloned().unwrap_or_default()) {
                    by_namespace.push(it.name.as_str());
                    continue;
                }
                matched = true;
            }
            eligible.push(*it);
        }
        if eligible.is_empty() {
            let names: Vec<&str> = chosen.iter().map(|it| it.name.as_str()).collect();
            return Err(Failure::new(format!(
                "service {} selects {} load balancers ({}), but {} of them ({}) have AllowServicePlacement set to false and the service is not using any of them, {} of them ({}) do not match the service label selector, and {} of them ({}) do not match the service namespace selector",
                quote(&key),
                names.len(),
                names.join(", "),
                closed.len(),
                closed.join(", "),
                by_label.len(),
                by_label.join(", "),
                by_namespace.len(),
                by_namespace.join(", ")
            )));
        }
        eligible.reverse();
        eligible.retain(|it| {
            let open =
                it.service_label_selector.is_none() && it.service_namespace_selector.is_none();
            !(matched && open)
        });
        Ok(eligible.into_iter().map(|it| it.name.clone()).collect())
    }

    /// The load balancer of the public IP asked for, by address or by name.
    fn by_public_address(&mut self, service: &Service) -> Result<Option<String>, Failure> {
        let group = self.public_ip_group(service);
        let of = |address: &crate::arm::resource::PublicIpAddress, cluster: &str| {
            let tag = address.tags.as_ref().and_then(|tags| {
                tags.get("k8s-azure-cluster-name").or_else(|| tags.get("kubernetes-cluster-name"))
            });
            let foreign = tag.is_some_and(|tag| !tag.is_empty() && !same(tag, cluster));
            let user = address.properties.ip_configuration.as_ref().map(Reference::id)?;
            let id = crate::resource_id::ResourceId::new(user);
            id.segment("loadBalancers").filter(|_| !foreign).map(ToOwned::to_owned)
        };
        for address in all_pinned(service) {
            let words = format!(
                "look up load balancer by public IP for service {}: find public IP by address {}",
                quote(&service.key.name),
                quote(address)
            );
            let found = self.find_public_ip_by_address(&group, address).map_err(|failure| {
                public_ip::asked_address_error(service, address, failure).within(&words)
            })?;
            if let Some(balancer) = of(&found, &self.facts.cluster_name) {
                return Ok(Some(balancer));
            }
        }
        for wanted in asked::names(service).into_iter().filter(|name| !name.is_empty()) {
            let words = format!(
                "look up load balancer by public IP for service {}: find public IP by name {}",
                quote(&service.key.name),
                quote(wanted)
            );
            let found = self
                .find_public_ip_by_name(&group, wanted)
                .map_err(|failure| failure.within(&words))?;
            if let Some(balancer) = of(&found, &self.facts.cluster_name) {
                return Ok(Some(balancer));
            }
        }
        Ok(None)
    }

    /// A Basic cluster's load balancer: the named scale set's, else the primary one's, else of all the
    /// one with the fewest rules (`selectLoadBalancer`).
    pub(crate) fn select_basic(
        &mut self,
        service: &Service,
        existing: Vec<Arc<LoadBalancer>>,
        nodes: &[Arc<Node>],
    ) -> Result<Found, Failure> {
        let mode = get(service, annotation::MODE).map(str::trim);
        let candidates = match mode {
            None => vec![self.facts.primary_vm_set.clone()],
            Some(mode) if same(mode, "__auto__") => vm_sets(nodes),
            Some(mode) => vec![mode.to_owned()],
        };
        let mut best: Option<(usize, Arc<LoadBalancer>)> = None;
        for vm_set in &candidates {
            let prefix = if same(vm_set, &self.facts.primary_vm_set) {
                self.facts.cluster_name.as_str()
            } else {
                vm_set.as_str()
            };
            let suffix = if is_internal(service) { name::INTERNAL_SUFFIX } else { "" };
            let wanted = format!("{prefix}{suffix}");
            let Some(found) = existing.iter().find(|it| it.name() == wanted) else {
                let mut balancer = self.new_load_balancer(&wanted);
                let sku = balancer.sku.get_or_insert_default();
                sku.name = Some("Basic".to_owned());
                return Ok(Found {
                    balancer,
                    existing,
                    status: None,
                    exists: false,
                    deleted_link: false,
                });
            };
            let rules = found.properties.load_balancing_rules.as_ref().map_or(0, Vec::len);
            if best.as_ref().is_none_or(|(fewest, _)| rules < *fewest) {
                best = Some((rules, found.clone()));
            }
        }
        let words = format!(
            "selectLoadBalancer: cluster({}) service({}) isInternal({})",
            self.facts.cluster_name,
            service.key,
            is_internal(service)
        );
        let list = candidates.join(" ");
        let Some((rules, balancer)) = best else {
            return Err(Failure::new(format!(
                "{words} - unable to find load balancer for selected VM sets [{list}]"
            )));
        };
        let limit = usize::try_from(self.facts.maximum_rules).unwrap_or_default();
        if limit != 0 && rules >= limit {
            return Err(Failure::new(format!(
                "{words} -  all available load balancers have exceeded maximum rule limit {rules}, vmSetNames ([{list}])"
            )));
        }
        let balancer = balancer.as_ref().clone();
        Ok(Found { balancer, existing, status: None, exists: false, deleted_link: false })
    }
}

pub(crate) fn has_own(balancer: &LoadBalancer, service: &Service) -> bool {
    let rules = balancer.properties.load_balancing_rules.iter().flatten();
    let probes = balancer.properties.probes.iter().flatten();
    let not_shared = |name: &&str| !same(name, name::SHARED_PROBE);
    rules.map(|rule| rule.name()).any(|name| owns(service, name))
        || probes.map(|probe| probe.name()).filter(not_shared).any(|name| owns(service, name))
}

fn by_frontend_name(service: &Service, existing: &[Arc<LoadBalancer>]) -> Option<String> {
    let base = name::base(service);
    let of_kind =
        |it: &&Arc<LoadBalancer>| name::is_internal_balancer(it.name()) == is_internal(service);
    let found = existing.iter().filter(of_kind).find(|it| {
        let mut frontends = it.properties.frontend_ip_configurations.iter().flatten();
        frontends.any(|frontend| frontend.name().starts_with(&base))
    });
    found.map(|it| name::without_internal(it.name()).to_lowercase())
}

fn by_private_address(service: &Service, existing: &[Arc<LoadBalancer>]) -> Option<String> {
    let pinned = all_pinned(service);
    let found = existing.iter().filter(|it| name::is_internal_balancer(it.name())).find(|it| {
        let mut frontends = it.properties.frontend_ip_configurations.iter().flatten();
        frontends.any(|frontend| {
            let address = frontend.properties.private_ip_address.as_deref().unwrap_or_default();
            !address.is_empty() && pinned.iter().any(|it| same(it, address))
        })
    });
    found.map(|it| name::without_internal(it.name()).to_lowercase())
}

/// The current one if it is eligible, else one without rules, else one that does not exist yet, else
/// the one with the fewest rules (`getMostEligibleLBForService`).
fn most_eligible(
    current: &str,
    eligible: &[String],
    existing: &[Arc<LoadBalancer>],
    internal: bool,
) -> String {
    if eligible.iter().any(|it| same(it, current)) {
        return current.to_owned();
    }
    let of_kind = |it: &Arc<LoadBalancer>| name::is_internal_balancer(it.name()) == internal;
    let is = |it: &Arc<LoadBalancer>, wanted: &str| {
        of_kind(it) && same(name::without_internal(it.name()), wanted)
    };
    let mut new = None;
    for wanted in eligible {
        match existing.iter().find(|it| is(it, wanted)) {
            Some(found) => {
                let rules = found.properties.load_balancing_rules.as_ref();
                if rules.is_none_or(Vec::is_empty) {
                    return wanted.clone();
                }
            }
            None => new = new.or(Some(wanted)),
        }
    }
    if let Some(new) = new {
        return new.clone();
    }
    let mut fewest = TOO_MANY_RULES;
    let mut chosen = String::new();
    for balancer in existing {
        let rules = balancer.properties.load_balancing_rules.as_ref().map(Vec::len);
        let rules = rules.unwrap_or(TOO_MANY_RULES);
        if eligible.iter().any(|it| is(balancer, it)) && rules < fewest {
            fewest = rules;
            // `trimSuffixIgnoreCase` lowers the case of what it trims.
            chosen = name::without_internal(balancer.name()).to_lowercase();
        }
    }
    chosen
}

/// Whether a label selector matches (`metav1.LabelSelector`).
pub(super) fn selects(selector: &Value, labels: &BTreeMap<String, String>) -> bool {
    let exact = selector.get("matchLabels").and_then(Value::as_object);
    let exact = exact
        .into_iter()
        .flatten()
        .all(|(key, value)| labels.get(key).map(String::as_str) == value.as_str());
    let expressions = selector.get("matchExpressions").and_then(Value::as_array);
    exact
        && expressions.into_iter().flatten().all(|expression| {
            let text =
                |field: &str| expression.get(field).and_then(Value::as_str).unwrap_or_default();
            let values = expression.get("values").and_then(Value::as_array);
            let has = |wanted: &str| {
                values.into_iter().flatten().any(|value| value.as_str() == Some(wanted))
            };
            let label = labels.get(text("key"));
            match text("operator") {
                "In" => label.is_some_and(|label| has(label)),
                "NotIn" => label.is_none_or(|label| !has(label)),
                "Exists" => label.is_some(),
                "DoesNotExist" => label.is_none(),
                _ => false,
            }
        })
}
