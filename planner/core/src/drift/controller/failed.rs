//! What Azure failed of what the controller wrote, and the policy of its subnets.

use std::collections::BTreeMap;

use crate::drift::gathered::difference;
use crate::drift::repair::{self, Repair};
use crate::drift::report::{By, Cause, Difference, Heals};
use crate::drift::{Class, Field};
use crate::kubernetes::service::Key;
use crate::node::Node;
use crate::node_id::{Kind, NodeId};
use crate::provisioning;
use crate::resource_id::ResourceId;
use crate::sync_progress::Progress;

use super::{Work, last_modified};

impl Work<'_> {
    /// Subnets under a Private Link Service whose network policy is on again. The controller turns it
    /// off only when the Private Link Service itself needs a write (finding 13, recording 317).
    pub(super) fn subnets(&self) -> Vec<Difference> {
        let mut found = BTreeMap::new();
        for node in self.nodes.0.values().filter(|node| node.service.is_some()) {
            let Some(link) = self.world.private_link_services.get(&node.id.key()) else { continue };
            for nat in link.properties.ip_configurations.iter().flatten() {
                let Some(subnet) = nat.properties.subnet.as_ref() else { continue };
                let Some(live) = self.world.subnets.get(&subnet.id().to_lowercase()) else {
                    continue;
                };
                let policy = live.properties.private_link_service_network_policies.as_deref();
                if policy != Some("Enabled") {
                    continue;
                }
                let id = ResourceId::new(live.id());
                let network = id.parent().map(|it| it.name().to_owned()).unwrap_or_default();
                let at = NodeId::new(Kind::Subnet, format!("{network}/{}", id.name()));
                let message = format!(
                    "its Private Link Service policy is on again under {}; Azure then refuses changes of it",
                    link.name()
                );
                let mut cause = Cause::by(By::AzureOrSomebodyInIt);
                cause.last_modified = last_modified(self.world, &id);
                let mut difference =
                    difference(Class::ChangedInAzure, &at, Some(id.as_str()), message, cause);
                difference.fields = vec![Field {
                    path: "properties.privateLinkServiceNetworkPolicies".to_owned(),
                    wanted_unknown: false,
                    wanted: Some("Disabled".into()),
                    found: policy.map(Into::into),
                }];
                difference.repair = Some(repair::disable_policy(id.as_str()));
                found.insert(at, difference);
            }
        }
        found.into_values().collect()
    }

    /// How what Azure failed is provisioned again: by the next sync, if that writes it, and else by a write of what it
    /// is.
    fn provisioning(&self, kind: Kind, node: &Node) -> (Heals, Option<Repair>) {
        let writes = |key: &&Key| {
            let outcome = self.prediction.outcome(key);
            let is_it = |id: &ResourceId| node.id.key().starts_with(&id.key());
            outcome.is_some_and(|outcome| outcome.writes.iter().any(|write| is_it(&write.id)))
        };
        let writers: Vec<&Key> = self.progress(node).0.into_iter().filter(writes).collect();
        if !writers.is_empty() {
            return (Heals::NextSync, Some(repair::nudge_all(&writers)));
        }
        let held = if kind == Kind::FrontendIp { node.id.parent() } else { None };
        let (kind, id) = held.map_or((kind, node.id.clone()), |it| (Kind::LoadBalancer, it));
        (Heals::No, repair::provision_again(kind, id.as_str()))
    }

    /// Resources of the stack that Azure failed to provision.
    pub(super) fn unprovisioned(&self) -> Vec<Difference> {
        let failed = |id: &ResourceId| {
            let live = self.world.get(id)?;
            provisioning::failed(&live).map(ToOwned::to_owned)
        };
        let ours = |node: &Node| {
            let key = node.service.as_ref();
            key.is_some_and(|key| self.changes.iter().any(|change| change.key() == key))
        };
        let nodes = self.nodes.0.iter().filter(|(at, node)| {
            ours(node)
                || at.kind == Kind::LoadBalancer && !self.progress(node).1.eq(&Progress::Unknown)
        });
        nodes
            .filter_map(|(at, node)| {
                let state = failed(&node.id)?;
                let mut cause = Cause::by(By::AzureOrSomebodyInIt);
                cause.last_modified = last_modified(self.world, &node.id);
                let message =
                    format!("Azure failed to provision it: its provisioningState is {state}");
                let object = Some(node.id.as_str());
                let mut difference =
                    difference(Class::ProvisioningFailed, at, object, message, cause);
                (difference.heals, difference.repair) = self.provisioning(at.kind, node);
                Some(difference)
            })
            .collect()
    }
}
