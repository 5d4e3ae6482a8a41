//! What the children of a load balancer refer to.

use std::sync::Arc;

use serde_json::Value;

use crate::arm::azure::missing_reference;
use crate::arm::error::ArmError;
use crate::arm::resource::{LoadBalancerProperties, Resource};
use crate::pointer::{At, text};
use crate::resource_id::{ResourceId, split_last};

/// Rules of a load balancer use frontends, pools and probes that it has: a write replaces all of them
/// (arm-contract, sections 2 and 3; Azure/ResourceModules#1803 has the words).
pub(super) fn check_references(
    id: &ResourceId,
    properties: &LoadBalancerProperties,
) -> Result<(), ArmError> {
    let own = format!("{id}/");
    let children = Children::of(properties);
    let check = |target: &str, by: &dyn Fn() -> ResourceId| {
        let is_own = target.get(..own.len()).is_some_and(|it| it.eq_ignore_ascii_case(&own));
        let child = target.get(own.len()..).filter(|_| is_own);
        match child.and_then(split_last) {
            Some((kind, name)) if !children.have(kind, name) => {
                Err(missing_reference(target, &by()))
            }
            _ => Ok(()),
        }
    };
    for rule in properties.load_balancing_rules.iter().flatten() {
        let it = &rule.properties;
        let targets = [&it.frontend_ip_configuration, &it.backend_address_pool, &it.probe];
        for target in targets.into_iter().flatten() {
            check(target.id(), &|| id.child("loadBalancingRules", rule.name()))?;
        }
    }
    let untyped = [
        ("inboundNatRules", &properties.inbound_nat_rules),
        ("inboundNatPools", &properties.inbound_nat_pools),
        ("outboundRules", &properties.outbound_rules),
    ];
    for (kind, list) in untyped {
        for child in list.iter().flatten() {
            for target in targets_of(child) {
                check(target, &|| id.child(kind, text(child, "/name")))?;
            }
        }
    }
    Ok(())
}

/// The names of the frontends, pools and probes that a load balancer has.
struct Children<'a>([(&'static str, Vec<&'a str>); 3]);

impl<'a> Children<'a> {
    fn of(properties: &'a LoadBalancerProperties) -> Self {
        fn names<P>(children: &Option<Vec<Arc<Resource<P>>>>) -> Vec<&str> {
            children.iter().flatten().map(|it| it.name()).collect()
        }
        Self([
            ("frontendIPConfigurations", names(&properties.frontend_ip_configurations)),
            ("backendAddressPools", names(&properties.backend_address_pools)),
            ("probes", names(&properties.probes)),
        ])
    }

    /// Whether there is one of a name. Names have no case, and are mostly spelled as they are.
    fn have(&self, kind: &str, name: &str) -> bool {
        let of_kind = self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(kind));
        of_kind.is_some_and(|(_, names)| {
            names.contains(&name) || names.iter().any(|it| it.eq_ignore_ascii_case(name))
        })
    }
}

/// What a NAT rule, a NAT pool or an outbound rule refers to.
fn targets_of(child: &Value) -> impl Iterator<Item = &str> {
    let one = ["frontendIPConfiguration", "backendAddressPool"];
    let one = one.into_iter().filter_map(|name| child.at(&format!("/properties/{name}")));
    let several = child.at("/properties/frontendIPConfigurations").and_then(Value::as_array);
    let all = one.chain(several.into_iter().flatten());
    all.map(|target| text(target, "/id")).filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::arm::azure::parse;
    use crate::arm::resource::LoadBalancer;

    fn id(rest: &str) -> String {
        format!(
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/loadBalancers/lb{rest}"
        )
    }

    fn checked(kind: &str, properties: Value) -> Result<(), ArmError> {
        let balancer = json!({"properties": {
            "frontendIPConfigurations": [{"name": "f"}],
            "backendAddressPools": [{"name": "p"}],
            "probes": [{"name": "q"}],
            kind: [{"name": "r", "properties": properties}],
        }});
        let balancer: LoadBalancer = parse(balancer).unwrap();
        check_references(&ResourceId::new(id("")), &balancer.properties)
    }

    #[test]
    fn rules_refer_to_what_the_load_balancer_has() {
        let good = json!({
            "frontendIPConfiguration": {"id": id("/frontendIpConfigurations/F")},
            "backendAddressPool": {"id": id("/backendAddressPools/p")},
            "probe": {"id": id("/probes/q")},
        });
        assert_eq!(checked("loadBalancingRules", good.clone()), Ok(()));
        for (field, missing) in [
            ("frontendIPConfiguration", id("/frontendIPConfigurations/x")),
            ("backendAddressPool", id("/backendAddressPools/x")),
            ("probe", id("/probes/x")),
        ] {
            let mut bad = good.clone();
            bad[field] = json!({"id": missing});
            let refused = checked("loadBalancingRules", bad).unwrap_err();
            assert_eq!(refused.code, "InvalidResourceReference");
            let by = id("/loadBalancingRules/r");
            let words = format!("Resource {missing} referenced by resource {by} was not found.");
            assert!(refused.message.starts_with(&words), "{}", refused.message);
        }
        let one = json!({"frontendIPConfiguration": {"id": id("/frontendIPConfigurations/x")}});
        assert!(checked("inboundNatRules", one).is_err());
        let several =
            json!({"frontendIPConfigurations": [{"id": id("/frontendIPConfigurations/x")}]});
        assert!(checked("outboundRules", several).is_err());
    }
}
