//! What Azure adds to a load balancer.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::arm::azure::{Azure, succeeded};
use crate::arm::backend::with_members;
use crate::arm::error::ArmError;
use crate::arm::resource::{BackendPool, LoadBalancer, Reference, Resource, RuleProperties};
use crate::arm::rules::Rules;
use crate::pointer::{At, text};
use crate::resource_id::ResourceId;

use super::KIND;
use super::users::show_rules;

impl Azure<'_> {
    /// What Azure adds to a load balancer: ids, types, states, defaults, addresses, back references.
    pub(super) fn fill_load_balancer(
        &mut self,
        id: &ResourceId,
        balancer: &mut LoadBalancer,
        existing: Option<&LoadBalancer>,
    ) -> Result<(), ArmError> {
        balancer.id = Some(id.as_str().to_owned());
        balancer.name = Some(id.name().to_owned());
        balancer.kind = Some(KIND.to_owned());
        let guid = existing.and_then(|it| it.properties.resource_guid.clone());
        let properties = &mut balancer.properties;
        properties.provisioning_state = succeeded();
        properties.resource_guid = Some(guid.unwrap_or_else(|| self.allocator.guid(id)));
        properties.inbound_nat_rules.get_or_insert_default();
        properties.inbound_nat_pools.get_or_insert_default();
        properties.outbound_rules.get_or_insert_default();
        properties.load_balancing_rules.get_or_insert_default();
        properties.probes.get_or_insert_default();
        properties.backend_address_pools.get_or_insert_default();
        if self.rules == Rules::Azure {
            // One that is put again without a SKU keeps its own.
            let before = existing.and_then(|it| it.sku.clone());
            let sku = balancer.sku.get_or_insert_with(|| before.unwrap_or_default());
            sku.name.get_or_insert_with(|| "Basic".to_owned());
            sku.tier.get_or_insert_with(|| "Regional".to_owned());
        }
        let before = existing.and_then(|it| it.properties.frontend_ip_configurations.as_deref());
        self.fill_frontends(id, balancer, before.unwrap_or_default())?;
        fill_rules(id, balancer, self.rules);
        fill_probes(id, balancer, self.rules);
        self.fill_pools(id, balancer);
        show_rules(balancer);
        if self.rules == Rules::Azure {
            fill_as_azure(id, balancer);
        }
        self.show_private_link_services(balancer);
        let etag = self.allocator.etag(id);
        let of_children = self.allocator.etag_of_children(&etag);
        set_etags(balancer, etag, &of_children);
        Ok(())
    }

    fn fill_pools(&self, id: &ResourceId, balancer: &mut LoadBalancer) {
        let nics = self.world.knows_instances().then(|| self.world.nics());
        let pools = balancer.properties.backend_address_pools.get_or_insert_default();
        for pool in pools {
            if !is_filled(pool, id, "backendAddressPools") || needs_mapping(pool) {
                let own_id = id.child("backendAddressPools", pool.name());
                let pool = Arc::make_mut(pool);
                envelope(pool, &own_id, "backendAddressPools");
                pool.properties.provisioning_state = succeeded();
                let addresses =
                    pool.properties.load_balancer_backend_addresses.iter_mut().flatten();
                for address in addresses {
                    add_mapping(address);
                }
            }
            if let Some(nics) = &nics {
                *pool = with_members(pool, nics);
            }
        }
    }

    /// Azure shows on a frontend which PLS is on it; the fake of the recordings does not.
    pub(super) fn show_private_link_services(&self, balancer: &mut LoadBalancer) {
        if self.rules != Rules::Azure {
            return;
        }
        let mut on: BTreeMap<String, &str> = BTreeMap::new();
        for service in self.world.private_link_services.values() {
            for frontend in
                service.properties.load_balancer_frontend_ip_configurations.iter().flatten()
            {
                on.insert(frontend.id().to_ascii_lowercase(), service.id());
            }
        }
        for frontend in balancer.properties.frontend_ip_configurations.iter_mut().flatten() {
            let service = on.get(&frontend.id().to_ascii_lowercase()).copied();
            let shown = frontend.properties.private_link_service.as_ref().map(Reference::id);
            if shown != service {
                Arc::make_mut(frontend).properties.private_link_service =
                    service.map(Reference::to);
            }
        }
    }
}

pub(super) fn envelope<P>(child: &mut Resource<P>, id: &ResourceId, kind: &str) {
    child.id = Some(id.as_str().to_owned());
    child.kind = Some(format!("{KIND}/{kind}"));
}

/// Whether a child came from a GET of this load balancer, so that Azure adds nothing to it. Its etag
/// and back references are set anyway.
pub(super) fn is_filled<P>(child: &Resource<P>, balancer: &ResourceId, kind: &str) -> bool {
    let of_balancer = child.id().strip_prefix(balancer.as_str());
    let of_kind = of_balancer.and_then(|it| it.strip_prefix('/')?.strip_prefix(kind));
    let name = of_kind.and_then(|it| it.strip_prefix('/'));
    child.etag.is_some() && child.kind.is_some() && name == Some(child.name())
}

/// What Azure shows of a rule besides (a load balancer of AKS that a user pasted, of February 2026): switches that nobody
/// touched, and the list of its one pool.
fn fill_rule_as_azure(rule: &mut RuleProperties) {
    rule.disable_outbound_snat.get_or_insert(false);
    for name in ["enableDestinationServiceEndpoint", "allowBackendPortConflict"] {
        rule.other.entry(name).or_insert(Value::Bool(false));
    }
    if let Some(pool) = &rule.backend_address_pool {
        rule.other.entry("backendAddressPools").or_insert_with(|| json!([{"id": pool.id()}]));
    }
}

fn fill_rules(id: &ResourceId, balancer: &mut LoadBalancer, rules: Rules) {
    for rule in balancer.properties.load_balancing_rules.get_or_insert_default() {
        if is_filled(rule, id, "loadBalancingRules") {
            continue;
        }
        let own_id = id.child("loadBalancingRules", rule.name());
        let rule = Arc::make_mut(rule);
        envelope(rule, &own_id, "loadBalancingRules");
        let properties = &mut rule.properties;
        properties.provisioning_state = succeeded();
        properties.enable_tcp_reset.get_or_insert(false);
        properties.enable_floating_ip.get_or_insert(false);
        properties.idle_timeout_in_minutes.get_or_insert(4);
        properties.load_distribution.get_or_insert_with(|| "Default".to_owned());
        if rules == Rules::Azure {
            fill_rule_as_azure(properties);
        }
    }
}

fn fill_probes(id: &ResourceId, balancer: &mut LoadBalancer, rules: Rules) {
    for probe in balancer.properties.probes.get_or_insert_default() {
        if is_filled(probe, id, "probes") {
            continue;
        }
        let own_id = id.child("probes", probe.name());
        let probe = Arc::make_mut(probe);
        envelope(probe, &own_id, "probes");
        probe.properties.provisioning_state = succeeded();
        let default = Value::from("AllProbedDown");
        probe.properties.other.entry("noHealthyBackendsBehavior").or_insert(default);
        if rules == Rules::Azure {
            // As users paste them: one of `az network lb probe create`, one of AKS, which sends a threshold.
            probe.properties.interval_in_seconds.get_or_insert(15);
            probe.properties.number_of_probes.get_or_insert(2);
            probe.properties.probe_threshold.get_or_insert(1);
        }
    }
}

/// What Azure adds besides (recorded; of NAT and outbound rules documented): pools that say they are
/// empty, references to public addresses with nothing but their id, NAT pools, NAT rules and outbound
/// rules with what every child has, and where frontends and pools are used by them.
fn fill_as_azure(id: &ResourceId, balancer: &mut LoadBalancer) {
    let properties = &mut balancer.properties;
    for pool in properties.backend_address_pools.iter_mut().flatten() {
        if pool.properties.load_balancer_backend_addresses.is_none() {
            Arc::make_mut(pool).properties.load_balancer_backend_addresses = Some(Vec::new());
        }
    }
    let inbound = [
        ("idleTimeoutInMinutes", json!(4)),
        ("enableFloatingIP", json!(false)),
        ("enableDestinationServiceEndpoint", json!(false)),
        ("enableTcpReset", json!(false)),
        ("allowBackendPortConflict", json!(false)),
    ];
    let outbound = [
        ("idleTimeoutInMinutes", json!(4)),
        ("enableTcpReset", json!(false)),
        ("allocatedOutboundPorts", json!(0)),
    ];
    let nat_pools = &mut properties.inbound_nat_pools;
    let nat_pools = fill_children(nat_pools, id, "inboundNatPools", &inbound);
    let nat_rules =
        fill_children(&mut properties.inbound_nat_rules, id, "inboundNatRules", &inbound);
    let outbound = fill_children(&mut properties.outbound_rules, id, "outboundRules", &outbound);
    let none = nat_pools.is_empty() && nat_rules.is_empty() && outbound.is_empty();
    for frontend in properties.frontend_ip_configurations.iter_mut().flatten() {
        let own = if none { String::new() } else { frontend.id().to_ascii_lowercase() };
        let it = &frontend.properties;
        let shown = (&it.inbound_nat_pools, &it.inbound_nat_rules, &it.outbound_rules);
        let users = (nat_pools.get(&own), nat_rules.get(&own), outbound.get(&own));
        let public = it.public_ip_address.as_ref().filter(|public| !public.other.is_empty());
        let public = public.map(|public| Reference::to(public.id()));
        if public.is_none() && shown == (&users.0.cloned(), &users.1.cloned(), &users.2.cloned()) {
            continue;
        }
        let it = &mut Arc::make_mut(frontend).properties;
        it.inbound_nat_pools = users.0.cloned();
        it.inbound_nat_rules = users.1.cloned();
        it.outbound_rules = users.2.cloned();
        it.public_ip_address = public.or(it.public_ip_address.take());
    }
}

/// Fills children that the model does not type. Answers which of them use each frontend.
fn fill_children(
    children: &mut Option<Vec<Value>>,
    balancer: &ResourceId,
    kind: &str,
    defaults: &[(&str, Value)],
) -> BTreeMap<String, Vec<Reference>> {
    let mut users: BTreeMap<String, Vec<Reference>> = BTreeMap::new();
    for child in children.iter_mut().flatten() {
        let id = balancer.child(kind, text(child, "/name"));
        let Some(fields) = child.as_object_mut() else { continue };
        fields.insert("id".to_owned(), json!(id.as_str()));
        fields.insert("type".to_owned(), json!(format!("{KIND}/{kind}")));
        let properties = fields.entry("properties").or_insert_with(|| json!({}));
        if let Some(properties) = properties.as_object_mut() {
            properties.insert("provisioningState".to_owned(), json!("Succeeded"));
            for (name, default) in defaults {
                properties.entry(*name).or_insert_with(|| default.clone());
            }
        }
        let one = child.at("/properties/frontendIPConfiguration");
        let several = child.at("/properties/frontendIPConfigurations").and_then(Value::as_array);
        for frontend in one.into_iter().chain(several.into_iter().flatten()) {
            let frontend = text(frontend, "/id").to_ascii_lowercase();
            users.entry(frontend).or_default().push(Reference::to(id.as_str()));
        }
    }
    users
}

fn needs_mapping(pool: &BackendPool) -> bool {
    let addresses = pool.properties.load_balancer_backend_addresses.iter().flatten();
    addresses.into_iter().any(|address| {
        address.at("/properties/ipAddress").is_some()
            && address.at("/properties/inboundNatRulesPortMapping").is_none()
    })
}

fn add_mapping(address: &mut Value) {
    let by_address = address.at("/properties/ipAddress").is_some();
    let properties = address.get_mut("properties").and_then(Value::as_object_mut);
    if let Some(properties) = properties.filter(|_| by_address) {
        properties.entry("inboundNatRulesPortMapping").or_insert(json!([]));
    }
}

/// `of_children`: the etag children show; the fewer differ, the fewer are copied.
pub(super) fn set_etags(balancer: &mut LoadBalancer, etag: String, of_children: &str) {
    fn set<P: Clone>(children: &mut Option<Vec<Arc<Resource<P>>>>, etag: &str) {
        for child in children.iter_mut().flatten() {
            if child.etag.as_deref() != Some(etag) {
                Arc::make_mut(child).etag = Some(etag.to_owned());
            }
        }
    }
    balancer.etag = Some(etag);
    let properties = &mut balancer.properties;
    let untyped = [
        &mut properties.inbound_nat_pools,
        &mut properties.inbound_nat_rules,
        &mut properties.outbound_rules,
    ];
    for child in untyped.into_iter().flatten().flatten() {
        // Those that Azure did not fill show none.
        if let Some(child) = child.as_object_mut().filter(|it| it.contains_key("type")) {
            child.insert("etag".to_owned(), Value::from(of_children));
        }
    }
    set(&mut properties.frontend_ip_configurations, of_children);
    set(&mut properties.backend_address_pools, of_children);
    set(&mut properties.load_balancing_rules, of_children);
    set(&mut properties.probes, of_children);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::allocator::Unknowns;
    use crate::arm::azure::parse;
    use crate::arm::world::World;

    /// What a rule and a probe show that were put so.
    fn shown(rules: Rules, rule: Value, probe: Value) -> [Value; 2] {
        let id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/loadBalancers/lb";
        let body = json!({"properties": {
            "loadBalancingRules": [{"name": "r", "properties": rule}],
            "probes": [{"name": "p", "properties": probe}],
        }});
        let (mut world, mut allocator, mut faults) =
            (World::default(), Unknowns::default(), Vec::new());
        let mut azure = Azure::new(&mut world, rules, &mut allocator, &mut faults);
        let id = ResourceId::new(id);
        azure.put_load_balancer(&id, &parse(body).unwrap(), None).unwrap();
        let live = world.get(&id).unwrap();
        ["loadBalancingRules", "probes"]
            .map(|list| live["properties"][list][0]["properties"].clone())
    }

    #[test]
    fn rules_and_probes_show_what_nobody_sent() {
        let rule = json!({"frontendPort": 80, "disableOutboundSnat": true});
        let probe = json!({"port": 80, "probeThreshold": 3});
        let [rule, probe] = shown(Rules::Azure, rule, probe);
        for (field, value) in [
            ("enableDestinationServiceEndpoint", json!(false)),
            ("allowBackendPortConflict", json!(false)),
            ("disableOutboundSnat", json!(true)),
            ("enableTcpReset", json!(false)),
        ] {
            assert_eq!(rule[field], value, "{field}");
        }
        assert_eq!(rule.get("backendAddressPools"), None);
        let times = ["intervalInSeconds", "numberOfProbes", "probeThreshold"];
        assert_eq!(times.map(|field| probe[field].clone()), [json!(15), json!(2), json!(3)]);
        // The fake of the recordings shows less.
        let [rule, probe] = shown(Rules::RecordedStrict, json!({}), json!({"port": 80}));
        assert_eq!(rule.get("allowBackendPortConflict"), None);
        assert_eq!(probe.get("numberOfProbes"), None);
    }
}
