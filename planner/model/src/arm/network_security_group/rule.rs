//! Security rules: their priorities, and rules that are written one by one.

use std::sync::Arc;

use crate::arm::azure::{Azure, Done, check_match};
use crate::arm::error::{ArmError, missing_parent};
use crate::arm::resource::{NetworkSecurityGroup, SecurityRule};
use crate::resource_id::ResourceId;

/// Rules have priorities from 100 to 4096, and those of one direction each another (users paste code and words). Rules that
/// are there are not looked at again.
pub(super) fn check(
    body: &NetworkSecurityGroup,
    existing: Option<&NetworkSecurityGroup>,
) -> Result<(), ArmError> {
    let rules = body.properties.security_rules.as_deref().unwrap_or_default();
    let before = existing.and_then(|it| it.properties.security_rules.as_deref());
    let before = before.unwrap_or_default();
    for (at, rule) in rules.iter().enumerate() {
        let Some(priority) = rule.properties.priority else { continue };
        if before.get(at).is_some_and(|it| Arc::ptr_eq(it, rule)) {
            continue;
        }
        if !(100..=4096).contains(&priority) {
            let message = format!(
                "Security rule has invalid Priority. Value provided: {priority} Allowed range 100-4096. To learn more, see aka.ms/nsgrules."
            );
            return Err(ArmError::new(400, "SecurityRuleInvalidPriority", message));
        }
        let direction = rule.properties.direction.as_deref().unwrap_or_default();
        let is_twin = |other: &&Arc<SecurityRule>| {
            let it = &other.properties;
            !Arc::ptr_eq(other, rule)
                && it.priority == Some(priority)
                && it.direction.as_deref().unwrap_or_default().eq_ignore_ascii_case(direction)
        };
        if let Some(other) = rules.iter().find(is_twin) {
            let message = format!(
                "Security rule {} conflicts with rule {}. Rules cannot have the same Priority and Direction. To learn more, see aka.ms/nsgrules.",
                rule.name(),
                other.name()
            );
            return Err(ArmError::new(400, "SecurityRuleConflict", message));
        }
    }
    Ok(())
}

impl Azure<'_> {
    /// A PUT of a security rule: the group is written with it.
    ///
    /// # Errors
    /// As for a PUT of the group.
    pub(crate) fn put_security_rule(
        &mut self,
        id: &ResourceId,
        mut rule: SecurityRule,
        if_match: Option<&str>,
    ) -> Result<Done, ArmError> {
        let (group_id, mut group) = self.group_of(id)?;
        rule.name = Some(id.name().to_owned());
        let rules = group.properties.security_rules.get_or_insert_default();
        let at = position(rules, id);
        let before = at.and_then(|at| rules.get(at));
        check_match(id, before.and_then(|it| it.etag.as_deref()), if_match)?;
        let done = match at.and_then(|at| rules.get_mut(at)) {
            Some(slot) => {
                *slot = Arc::new(rule);
                Done::Updated
            }
            None => {
                rules.push(Arc::new(rule));
                Done::Created
            }
        };
        self.put_network_security_group(&group_id, &group, None)?;
        Ok(done)
    }

    /// A DELETE of a security rule.
    ///
    /// # Errors
    /// 404 without its group, 412.
    pub(crate) fn delete_security_rule(
        &mut self,
        id: &ResourceId,
        if_match: Option<&str>,
    ) -> Result<Done, ArmError> {
        let (group_id, mut group) = self.group_of(id)?;
        let rules = group.properties.security_rules.get_or_insert_default();
        let Some(at) = position(rules, id) else { return Ok(Done::Absent) };
        let rule = rules.remove(at);
        check_match(id, rule.etag.as_deref(), if_match)?;
        self.put_network_security_group(&group_id, &group, None)?;
        Ok(Done::Deleted)
    }

    fn group_of(&self, id: &ResourceId) -> Result<(ResourceId, NetworkSecurityGroup), ArmError> {
        let parent = id.parent().unwrap_or_default();
        match self.world.network_security_groups.get(&parent.key()) {
            Some(group) => Ok((ResourceId::new(group.id()), group.as_ref().clone())),
            None => {
                let kind = "networkSecurityGroups/securityRules";
                Err(missing_parent("write", kind, parent.as_str()))
            }
        }
    }
}

fn position(rules: &[Arc<SecurityRule>], id: &ResourceId) -> Option<usize> {
    rules.iter().position(|rule| rule.name().eq_ignore_ascii_case(id.name()))
}
