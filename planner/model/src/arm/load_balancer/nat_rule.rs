//! Inbound NAT rules of a load balancer, written one by one.

use serde_json::{Value, json};

use crate::arm::azure::{Azure, Done, check_match};
use crate::arm::error::ArmError;
use crate::pointer::text;
use crate::resource_id::ResourceId;

impl Azure<'_> {
    /// A PUT of an inbound NAT rule: the load balancer is written with it.
    ///
    /// # Errors
    /// As for a PUT of the load balancer.
    pub(crate) fn put_inbound_nat_rule(
        &mut self,
        id: &ResourceId,
        mut body: Value,
        if_match: Option<&str>,
    ) -> Result<Done, ArmError> {
        let (balancer_id, existing) = self.pool_parent(id)?;
        let mut balancer = existing.as_ref().clone();
        let rules = balancer.properties.inbound_nat_rules.get_or_insert_default();
        let at = position(rules, id);
        let before = at.and_then(|at| rules.get(at)).map(|rule| text(rule, "/etag"));
        check_match(id, before, if_match)?;
        if let Some(body) = body.as_object_mut() {
            body.insert("name".to_owned(), json!(id.name()));
        }
        let done = match at.and_then(|at| rules.get_mut(at)) {
            Some(slot) => {
                *slot = body;
                Done::Updated
            }
            None => {
                rules.push(body);
                Done::Created
            }
        };
        self.put_load_balancer(&balancer_id, &balancer, None)?;
        Ok(done)
    }

    /// A DELETE of an inbound NAT rule.
    ///
    /// # Errors
    /// 404 without its load balancer, 412.
    pub(crate) fn delete_inbound_nat_rule(
        &mut self,
        id: &ResourceId,
        if_match: Option<&str>,
    ) -> Result<Done, ArmError> {
        let (balancer_id, existing) = self.pool_parent(id)?;
        let mut balancer = existing.as_ref().clone();
        let rules = balancer.properties.inbound_nat_rules.get_or_insert_default();
        let Some(at) = position(rules, id) else { return Ok(Done::Absent) };
        let rule = rules.remove(at);
        check_match(id, Some(text(&rule, "/etag")), if_match)?;
        self.put_load_balancer(&balancer_id, &balancer, None)?;
        Ok(Done::Deleted)
    }
}

fn position(rules: &[Value], id: &ResourceId) -> Option<usize> {
    rules.iter().position(|rule| text(rule, "/name").eq_ignore_ascii_case(id.name()))
}
