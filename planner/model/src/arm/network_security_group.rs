//! Network security groups.

mod default_rules;
mod rule;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::arm::arm_type::ArmType;
use crate::resource_id::ResourceId;

use super::azure::{Azure, Done, check_match, succeeded};
use super::error::ArmError;
use super::resource::{NetworkSecurityGroup, SecurityRule};
use super::rules::Rules;
use super::write::set_all;
use crate::pointer::text;

/// The field that shows the rules that every group has.
const DEFAULTS: &str = "defaultSecurityRules";

impl Azure<'_> {
    /// A PUT of a security group. Lists that are not sent come back empty (recording 007).
    ///
    /// # Errors
    /// 412; 400 for priorities that rules cannot have.
    pub fn put_network_security_group(
        &mut self,
        id: &ResourceId,
        body: &NetworkSecurityGroup,
        if_match: Option<&str>,
    ) -> Result<Done, ArmError> {
        self.strike("PUT", id.as_str())?;
        let existing = self.world.network_security_groups.get(&id.key()).cloned();
        let existing = existing.as_deref();
        check_match(id, existing.and_then(|group| group.etag.as_deref()), if_match)?;
        if self.rules == Rules::Azure {
            rule::check(body, existing)?;
        }
        let created = existing.is_none();
        let own_id = existing.map_or(id.as_str(), |group| group.id()).to_owned();
        let etag = self.allocator.etag(id);
        let mut group = body.clone();
        group.name = Some(id.name().to_owned());
        group.kind = Some(ArmType::NetworkSecurityGroup.name().to_owned());
        group.properties.provisioning_state = succeeded();
        let rules = group.properties.security_rules.get_or_insert_default();
        for rule in rules.iter_mut() {
            fill(Arc::make_mut(rule), &own_id, &etag);
        }
        if self.rules == Rules::Azure {
            let guid = existing.and_then(|it| it.properties.other.get("resourceGuid").cloned());
            let guid = guid.unwrap_or_else(|| Value::from(self.allocator.guid(id)));
            let other = &mut group.properties.other;
            other.insert("resourceGuid".to_owned(), guid);
            match existing.and_then(|it| it.properties.other.get("subnets")) {
                Some(subnets) => drop(other.insert("subnets".to_owned(), subnets.clone())),
                None => drop(other.shift_remove("subnets")),
            }
            if let Some(defaults) = other.get_mut(DEFAULTS) {
                set_all(defaults, "etag", &etag);
            }
        }
        group.id = Some(own_id);
        group.etag = Some(etag);
        self.world.network_security_groups.insert(id.key(), Arc::new(group));
        Ok(if created { Done::Created } else { Done::Updated })
    }
}

fn fill(rule: &mut SecurityRule, group: &str, etag: &str) {
    rule.id = Some(format!("{group}/securityRules/{}", rule.name()));
    rule.kind = Some(ArmType::NetworkSecurityGroup.child("securityRules"));
    rule.etag = Some(etag.to_owned());
    let properties = &mut rule.properties;
    properties.provisioning_state = succeeded();
    properties.source_address_prefixes.get_or_insert_default();
    properties.destination_address_prefixes.get_or_insert_default();
    properties.source_port_ranges.get_or_insert_default();
    properties.destination_port_ranges.get_or_insert_default();
}

/// Shows on security groups which subnets have them, and the rules that every one has.
pub(super) fn reflect_groups(azure: &mut Azure<'_>) {
    let mut subnets: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for subnet in azure.world.subnets.values() {
        if let Some(group) = subnet.properties.other.get("networkSecurityGroup") {
            let group = text(group, "/id").to_ascii_lowercase();
            subnets.entry(group).or_default().push(json!({"id": subnet.id()}));
        }
    }
    for (key, group) in &mut azure.world.network_security_groups {
        let after = subnets.remove(key).map(Value::Array);
        let other = &group.properties.other;
        if other.get("subnets") == after.as_ref() && other.contains_key(DEFAULTS) {
            continue;
        }
        let (id, etag) = (group.id().to_owned(), group.etag.clone().unwrap_or_default());
        let shown = &mut Arc::make_mut(group).properties.other;
        match after {
            Some(after) => drop(shown.insert("subnets".to_owned(), after)),
            None => drop(shown.shift_remove("subnets")),
        }
        shown.entry(DEFAULTS).or_insert_with(|| default_rules::of(&id, &etag));
    }
}
