//! Security rules of network security groups.

use std::sync::Arc;

use crate::arm::resource::{NetworkSecurityGroup, SecurityRule};
use crate::node::fields::clean;
use crate::node::{Node, plain};
use crate::node_id::{Kind, NodeId};
use crate::resource_id::ResourceId;

pub(crate) fn nodes(group: &NetworkSecurityGroup) -> Vec<(NodeId, Node)> {
    let rules = group.properties.security_rules.iter().flatten();
    let rule = |rule: &Arc<SecurityRule>| {
        let name = format!("{}/{}", group.name(), rule.name());
        let id = ResourceId::new(group.id()).child("securityRules", rule.name());
        let own = Arc::clone(rule);
        let node = plain(id.as_str(), None, move || clean(own.as_ref()));
        (NodeId::new(Kind::SecurityRule, name), node)
    };
    rules.map(rule).collect()
}
