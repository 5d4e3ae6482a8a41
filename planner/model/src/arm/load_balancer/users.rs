//! Which rules use a frontend, a pool and a probe of a load balancer, as Azure shows it on them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::arm::resource::{
    BackendPoolProperties, FrontendProperties, LoadBalancer, LoadBalancerProperties,
    ProbeProperties, Reference, Resource, Rule,
};

/// The ids of the rules that use what has an id, in the order of the rules.
type Users<'a> = BTreeMap<Cow<'a, str>, Vec<&'a str>>;

/// How ids are spelled where they are looked up.
type Spelling = for<'a> fn(&'a str) -> Cow<'a, str>;

/// Writes the back references of rules into frontends, pools and probes.
pub(super) fn show_rules(balancer: &mut LoadBalancer) {
    let properties = &mut balancer.properties;
    let rules = properties.load_balancing_rules.clone().unwrap_or_default();
    // Ids are compared whatever their case; mostly they are spelled alike, and need no copy.
    let mut spelling: Spelling = |id| Cow::Borrowed(id);
    let mut users = users_of(&rules, spelling);
    let ids = ids_of_children(properties);
    if users.keys().any(|id| !ids.contains(id.as_ref())) {
        spelling = |id| Cow::Owned(id.to_ascii_lowercase());
        users = users_of(&rules, spelling);
    }
    show(&mut properties.frontend_ip_configurations, &users, spelling);
    show(&mut properties.backend_address_pools, &users, spelling);
    show(&mut properties.probes, &users, spelling);
}

fn users_of(rules: &[Arc<Rule>], spelling: Spelling) -> Users<'_> {
    let mut users = Users::new();
    for rule in rules {
        let it = &rule.properties;
        let targets = [&it.frontend_ip_configuration, &it.backend_address_pool, &it.probe];
        for target in targets.into_iter().flatten() {
            users.entry(spelling(target.id())).or_default().push(rule.id());
        }
    }
    users
}

fn ids_of_children(properties: &LoadBalancerProperties) -> BTreeSet<&str> {
    let frontends = properties.frontend_ip_configurations.iter().flatten().map(|it| it.id());
    let pools = properties.backend_address_pools.iter().flatten().map(|it| it.id());
    let probes = properties.probes.iter().flatten().map(|it| it.id());
    frontends.chain(pools).chain(probes).collect()
}

/// What shows the rules that use it.
trait ShowsRules: Clone {
    fn shown(&self) -> Option<&[Reference]>;
    fn shown_mut(&mut self) -> &mut Option<Vec<Reference>>;
}

macro_rules! shows_rules {
    ($($properties:ty),+) => {
        $(impl ShowsRules for $properties {
            fn shown(&self) -> Option<&[Reference]> {
                self.load_balancing_rules.as_deref()
            }

            fn shown_mut(&mut self) -> &mut Option<Vec<Reference>> {
                &mut self.load_balancing_rules
            }
        })+
    };
}

shows_rules!(FrontendProperties, BackendPoolProperties, ProbeProperties);

/// Writes the rules that use each of these children. One that shows them is not copied.
fn show<P: ShowsRules>(
    children: &mut Option<Vec<Arc<Resource<P>>>>,
    users: &Users<'_>,
    spelling: Spelling,
) {
    for child in children.iter_mut().flatten() {
        let rules = users.get(spelling(child.id()).as_ref());
        let is_it = |(shown, id): (&Reference, &&str)| shown.id() == *id && shown.other.is_empty();
        let is_shown = match (child.properties.shown(), rules) {
            (None, None) => true,
            (Some(shown), Some(rules)) => {
                shown.len() == rules.len() && shown.iter().zip(rules).all(is_it)
            }
            _ => false,
        };
        if !is_shown {
            let rules = rules.map(|ids| ids.iter().map(|id| Reference::to(*id)).collect());
            *Arc::make_mut(child).properties.shown_mut() = rules;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::pointer::At;

    /// What a frontend shows, whose rule names it so.
    fn shown(named: &str) -> Option<Value> {
        let balancer = json!({"properties": {
            "frontendIPConfigurations": [{"name": "f", "id": "/lb/f"}, {"name": "g", "id": "/lb/g"}],
            "loadBalancingRules": [
                {"name": "r", "id": "/lb/r", "properties": {"frontendIPConfiguration": {"id": named}}},
            ],
        }});
        let mut balancer: LoadBalancer = serde_json::from_value(balancer).unwrap();
        show_rules(&mut balancer);
        let balancer = serde_json::to_value(&balancer).unwrap();
        let other = "/properties/frontendIPConfigurations/1/properties/loadBalancingRules";
        assert_eq!(balancer.at(other), None);
        balancer.at("/properties/frontendIPConfigurations/0/properties/loadBalancingRules").cloned()
    }

    #[test]
    fn a_rule_is_shown_on_its_frontend_however_it_spells_that() {
        assert_eq!(shown("/lb/f"), Some(json!([{"id": "/lb/r"}])));
        assert_eq!(shown("/LB/F"), Some(json!([{"id": "/lb/r"}])));
        assert_eq!(shown("/lb/h"), None);
    }
}
