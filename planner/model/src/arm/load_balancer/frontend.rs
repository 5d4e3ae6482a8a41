//! What Azure adds to the frontends of a load balancer: their addresses above all.

use std::net::IpAddr;
use std::sync::Arc;

use crate::arm::address::ranges;
use crate::arm::azure::{Azure, succeeded};
use crate::arm::error::ArmError;
use crate::arm::resource::{Frontend, LoadBalancer, Reference};
use crate::arm::rules::Rules;
use crate::arm::world::World;
use crate::resource_id::ResourceId;

use super::fill::{envelope, is_filled};

/// An address that nobody else gets while a write is under way.
pub(super) struct Held {
    subnet: String,
    address: IpAddr,
    /// Whether nothing of the subnet was held before.
    is_first: bool,
}

impl Azure<'_> {
    /// What Azure adds to frontends. The addresses that it gives in one write differ from each other, and from
    /// those that the write asks for.
    pub(super) fn fill_frontends(
        &mut self,
        id: &ResourceId,
        balancer: &mut LoadBalancer,
        before: &[Arc<Frontend>],
    ) -> Result<(), ArmError> {
        let mut held = Vec::new();
        let filled = self.fill_each_frontend(id, balancer, before, &mut held);
        self.let_go(held);
        filled
    }

    fn fill_each_frontend(
        &mut self,
        id: &ResourceId,
        balancer: &mut LoadBalancer,
        before: &[Arc<Frontend>],
        held: &mut Vec<Held>,
    ) -> Result<(), ArmError> {
        let frontends = balancer.properties.frontend_ip_configurations.get_or_insert_default();
        if frontends.iter().any(|it| needs_address(it)) {
            for (frontend, subnet, address) in asked(id, frontends) {
                held.extend(self.hold(&ResourceId::new(subnet), address, &frontend));
            }
        }
        for frontend in frontends {
            if is_filled(frontend, id, "frontendIPConfigurations") {
                continue;
            }
            let own_id = id.child("frontendIPConfigurations", frontend.name());
            let frontend = Arc::make_mut(frontend);
            envelope(frontend, &own_id, "frontendIPConfigurations");
            let properties = &mut frontend.properties;
            properties.provisioning_state = succeeded();
            properties.private_ip_allocation_method.get_or_insert_with(|| "Dynamic".to_owned());
            let Some(subnet) = properties.subnet.as_mut() else {
                continue;
            };
            *subnet = Reference::to(subnet.id());
            let subnet_id = ResourceId::new(subnet.id());
            let version = properties
                .private_ip_address_version
                .get_or_insert_with(|| "IPv4".to_owned())
                .clone();
            if properties.private_ip_address.is_none() {
                let kept = before.iter().find(|old| {
                    old.name().eq_ignore_ascii_case(own_id.name())
                        && old.properties.subnet.as_ref().map(Reference::id)
                            == Some(subnet_id.as_str())
                });
                let kept = kept.and_then(|old| old.properties.private_ip_address.clone());
                let given = match kept {
                    Some(address) => Some(address),
                    None => {
                        self.allocator.private_address(self.world, &subnet_id, &version, &own_id)
                    }
                };
                let given = given.ok_or_else(|| subnet_is_full(self.world, &subnet_id))?;
                held.extend(self.hold(&subnet_id, &given, &own_id));
                properties.private_ip_address = Some(given);
            }
        }
        Ok(())
    }

    /// Keeps an address of this write from what is allocated for the rest of it. Nothing for one that is held
    /// already or not known. The fake of the recordings looks at what it stores alone.
    fn hold(&mut self, subnet: &ResourceId, address: &str, by: &ResourceId) -> Option<Held> {
        let address = address.parse().ok().filter(|_| self.rules == Rules::Azure)?;
        let subnet = subnet.key();
        let is_first = !self.world.taken.contains_key(&subnet);
        let taken = self.world.taken.entry(subnet.clone()).or_default();
        if taken.contains_key(&address) {
            return None;
        }
        taken.insert(address, by.as_str().to_owned());
        Some(Held { subnet, address, is_first })
    }

    fn let_go(&mut self, held: Vec<Held>) {
        for it in held.into_iter().rev() {
            if let Some(taken) = self.world.taken.get_mut(&it.subnet) {
                taken.remove(&it.address);
            }
            if it.is_first {
                self.world.taken.remove(&it.subnet);
            }
        }
    }
}

/// The addresses that frontends ask for, each with the frontend's id and the subnet.
pub(super) fn asked<'a>(
    balancer: &ResourceId,
    frontends: &'a [Arc<Frontend>],
) -> Vec<(ResourceId, &'a str, &'a str)> {
    let asked = frontends.iter().filter_map(|frontend| {
        let id = balancer.child("frontendIPConfigurations", frontend.name());
        let subnet = frontend.properties.subnet.as_ref()?;
        Some((id, subnet.id(), frontend.properties.private_ip_address.as_deref()?))
    });
    asked.collect()
}

fn needs_address(frontend: &Frontend) -> bool {
    frontend.properties.subnet.is_some() && frontend.properties.private_ip_address.is_none()
}

/// ARM's refusal when a subnet has no free address.
fn subnet_is_full(world: &World, id: &ResourceId) -> ArmError {
    let subnet = world.subnets.get(&id.key());
    let range = subnet.and_then(|it| ranges(it).next()).unwrap_or_default();
    ArmError::new(
        400,
        "SubnetIsFull",
        format!(
            "Subnet {} with address prefix {range} does not have enough capacity for 1 IP addresses.",
            id.name()
        ),
    )
}
