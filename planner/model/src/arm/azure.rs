//! A world and the rules it obeys.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::pointer::text;
use crate::resource_id::ResourceId;

use super::allocator::Allocator;
use super::arm_type::{ArmType, is_private_dns, is_zone_group, type_of};
use super::error::ArmError;
use super::name::check_name;
use super::resource::Reference;
use super::rules::{Fault, Rules};
use super::world::{World, group_key};

/// A world, its rules, and the allocator of what Azure allocates.
pub struct Azure<'a> {
    /// What is held.
    pub world: &'a mut World,
    /// The rules obeyed.
    pub rules: Rules,
    /// Gives out etags, addresses, guids.
    pub allocator: &'a mut dyn Allocator,
    /// Failures to come.
    pub faults: &'a mut Vec<Fault>,
    /// The world after each write of the controller, where somebody wants to show a sync under way.
    pub passed: Option<Vec<World>>,
}

/// What a write that was not refused did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// 201.
    Created,
    /// 200.
    Updated,
    /// 200 of a DELETE.
    Deleted,
    /// 204 of a DELETE: it was not there.
    Absent,
}

impl Done {
    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::Created => 201,
            Self::Updated | Self::Deleted => 200,
            Self::Absent => 204,
        }
    }
}

impl<'a> Azure<'a> {
    /// A world with its rules.
    pub fn new(
        world: &'a mut World,
        rules: Rules,
        allocator: &'a mut dyn Allocator,
        faults: &'a mut Vec<Fault>,
    ) -> Self {
        Self { world, rules, allocator, faults, passed: None }
    }

    /// Keeps the world as it is after a write of the controller.
    pub(crate) fn pass(&mut self) {
        if let Some(passed) = &mut self.passed {
            passed.push(self.world.clone());
        }
    }
}

impl Azure<'_> {
    /// Strikes with an injected failure, if one waits for this request, or with the refusal of a resource
    /// group that does not exist. Requests made by the typed and the generic methods do this by
    /// themselves; reads that bypass them have to ask.
    ///
    /// # Errors
    /// The injected one, or 404 `ResourceGroupNotFound` (recorded from Azure).
    pub fn strike(&mut self, method: &str, path: &str) -> Result<(), ArmError> {
        self.check_group(path)?;
        let path = path.to_ascii_lowercase();
        let fault = self.faults.iter_mut().find(|fault| {
            fault.times > 0
                && fault.method.eq_ignore_ascii_case(method)
                && path.contains(&fault.path.to_ascii_lowercase())
        });
        match fault {
            None => Ok(()),
            Some(fault) => {
                fault.times -= 1;
                Err(ArmError::new(fault.status, fault.code.clone(), fault.message.clone()))
            }
        }
    }

    /// Refuses what is in a resource group that is known not to exist.
    fn check_group(&self, path: &str) -> Result<(), ArmError> {
        if self.world.missing_groups.is_empty() {
            return Ok(());
        }
        let id = ResourceId::new(path);
        if group_key(&id).is_some_and(|key| self.world.missing_groups.contains(&key)) {
            let group = id.resource_group().unwrap_or_default();
            let message = format!("Resource group '{group}' could not be found.");
            return Err(ArmError::new(404, "ResourceGroupNotFound", message));
        }
        Ok(())
    }

    /// A GET.
    ///
    /// # Errors
    /// 404 in ARM's words.
    pub fn get(&self, id: &ResourceId) -> Result<Value, ArmError> {
        self.check_group(id.as_str())?;
        self.world.get(id).ok_or_else(|| not_found(id))
    }

    /// A PUT of a resource: load balancers and their backend pools, private link services, public IPs,
    /// security groups, virtual networks, subnets, scale sets and instances. Resources of other types
    /// are stored as they are.
    ///
    /// # Errors
    /// ARM's refusal.
    pub fn put(
        &mut self,
        id: &ResourceId,
        body: Value,
        if_match: Option<&str>,
    ) -> Result<Done, ArmError> {
        if self.rules == Rules::Azure {
            check_name(id)?;
        }
        match type_of(&id.key()) {
            ArmType::LoadBalancer => self.put_load_balancer(id, &parse(body)?, if_match),
            ArmType::BackendPool => self.put_backend_pool(id, &parse(body)?, if_match),
            ArmType::PrivateLinkService => {
                self.put_private_link_service(id, &parse(body)?, if_match)
            }
            ArmType::PublicIpAddress => self.put_public_ip_address(id, &parse(body)?, if_match),
            ArmType::NetworkSecurityGroup => {
                self.put_network_security_group(id, &parse(body)?, if_match)
            }
            ArmType::InboundNatRule => self.put_inbound_nat_rule(id, body, if_match),
            ArmType::SecurityRule => self.put_security_rule(id, parse(body)?, if_match),
            ArmType::VirtualNetwork => self.put_virtual_network(id, body, if_match),
            ArmType::Subnet => self.put_subnet(id, &parse(body)?, if_match),
            ArmType::ScaleSet | ArmType::Instance => self.put_machine(id, &body, if_match),
            ArmType::NetworkInterface if self.rules == Rules::Azure => {
                self.put_network_interface(id, parse(body)?, if_match)
            }
            // What a type has rules of its own for comes by a function of its own.
            _ => self.put_other(id, body, if_match),
        }
    }

    /// A DELETE of a resource.
    ///
    /// # Errors
    /// ARM's refusal.
    pub fn delete(&mut self, id: &ResourceId, if_match: Option<&str>) -> Result<Done, ArmError> {
        match type_of(&id.key()) {
            ArmType::LoadBalancer => self.delete_load_balancer(id),
            ArmType::BackendPool => self.delete_backend_pool(id),
            ArmType::PrivateLinkService => self.delete_private_link_service(id),
            ArmType::EndpointConnection => self.delete_endpoint_connection(id),
            ArmType::PublicIpAddress => self.delete_public_ip_address(id),
            ArmType::InboundNatRule => self.delete_inbound_nat_rule(id, if_match),
            ArmType::SecurityRule => self.delete_security_rule(id, if_match),
            ArmType::Subnet => self.delete_subnet(id),
            ArmType::VirtualNetwork => self.delete_virtual_network(id, if_match),
            _ => {
                self.strike("DELETE", id.as_str())?;
                let existing = self.world.get(id);
                check_match(id, existing.as_ref().and_then(etag_of), if_match)?;
                if existing.is_some() && self.rules == Rules::Azure {
                    self.check_unused(id)?;
                }
                self.world.remove(id);
                Ok(if existing.is_some() { Done::Deleted } else { Done::Absent })
            }
        }
    }

    /// An interface of a private endpoint or a PLS is deleted with it, and not before (the first code is
    /// quoted, the second synthetic); a security group not while a subnet has it.
    fn check_unused(&self, id: &ResourceId) -> Result<(), ArmError> {
        if let Some(interface) = self.world.network_interfaces.get(&id.key()) {
            let properties = &interface.properties;
            let owners = [
                (&properties.private_endpoint, "NicInUseWithPrivateEndpoint", "private endpoint"),
                (
                    &properties.private_link_service,
                    "NicInUseWithPrivateLinkService",
                    "private link service",
                ),
            ];
            for (owner, code, what) in owners {
                let Some(owner) = owner.as_ref().map(Reference::id).filter(|it| !it.is_empty())
                else {
                    continue;
                };
                return Err(ArmError::new(
                    400,
                    code,
                    format!(
                        "Network interface {id} cannot be deleted because it is currently in use with an {what} ({owner})."
                    ),
                ));
            }
        }
        let mut subnets = self.world.subnets.values();
        let user = subnets.find(|subnet| {
            let group = subnet.properties.other.get("networkSecurityGroup");
            group.is_some_and(|group| text(group, "/id").eq_ignore_ascii_case(id.as_str()))
        });
        match user {
            None => Ok(()),
            Some(subnet) => Err(ArmError::new(
                400,
                "InUseNetworkSecurityGroupCannotBeDeleted",
                format!(
                    "Network security group {id} cannot be deleted because it is in use by the following resources: {}. In order to delete the Network security group, remove the association with the resource(s). To learn how to do this, see aka.ms/deletensg.",
                    subnet.id()
                ),
            )),
        }
    }

    /// Stores a resource as somebody edited it behind everybody's back: nothing is checked, but ids,
    /// defaults and back references are filled in as ever. `keep_state`: a provisioning state other
    /// than `Succeeded` stays, and so do connections of a PLS.
    ///
    /// # Errors
    /// A body that does not fit its type.
    pub fn edit(&mut self, id: &ResourceId, body: Value, keep_state: bool) -> Result<(), ArmError> {
        let rules = std::mem::replace(&mut self.rules, Rules::RecordedLenient);
        let faults = std::mem::take(self.faults);
        let connections = body.pointer("/properties/privateEndpointConnections").cloned();
        let state = body.pointer("/properties/provisioningState").cloned();
        let done = self.put(id, body, None);
        self.rules = rules;
        *self.faults = faults;
        done?;
        let Some(mut stored) = self.world.get(id) else {
            return Ok(());
        };
        if let Some(properties) = stored.get_mut("properties").and_then(Value::as_object_mut) {
            if let Some(connections) = connections {
                properties.insert("privateEndpointConnections".to_owned(), connections);
            }
            if let Some(state) = state.filter(|_| keep_state) {
                properties.insert("provisioningState".to_owned(), state);
            }
        }
        self.take_in(stored)
    }

    fn take_in(&mut self, resource: Value) -> Result<(), ArmError> {
        self.world.insert(resource).map_err(|error| {
            ArmError::new(400, "InvalidRequestFormat", format!("Cannot parse the request. {error}"))
        })
    }

    /// Removes a resource as if by hand, with what depends on it.
    pub fn edit_away(&mut self, id: &ResourceId) {
        let rules = std::mem::replace(&mut self.rules, Rules::RecordedLenient);
        let faults = std::mem::take(self.faults);
        if self.delete(id, None).is_err() {
            self.world.remove(id);
        }
        self.rules = rules;
        *self.faults = faults;
    }

    fn put_other(
        &mut self,
        id: &ResourceId,
        mut body: Value,
        if_match: Option<&str>,
    ) -> Result<Done, ArmError> {
        self.strike("PUT", id.as_str())?;
        let existing = self.world.get(id);
        check_match(id, existing.as_ref().and_then(etag_of), if_match)?;
        let etag = self.allocator.etag(id);
        if let Some(body) = body.as_object_mut() {
            body.insert("id".to_owned(), Value::from(id.as_str()));
            body.insert("name".to_owned(), Value::from(id.name()));
            body.insert("etag".to_owned(), Value::from(etag));
        }
        self.take_in(body)?;
        Ok(if existing.is_some() { Done::Updated } else { Done::Created })
    }
}

fn etag_of(resource: &Value) -> Option<&str> {
    resource.get("etag").and_then(Value::as_str)
}

/// The state every resource at rest is in.
pub(crate) fn succeeded() -> Option<String> {
    Some("Succeeded".to_owned())
}

/// A body as its type.
///
/// # Errors
/// ARM's 400 for one that does not fit.
pub fn parse<T: DeserializeOwned>(body: Value) -> Result<T, ArmError> {
    serde_json::from_value(body).map_err(|error| {
        ArmError::new(400, "InvalidRequestFormat", format!("Cannot parse the request. {error}"))
    })
}

/// 412 unless `If-Match` is absent, `*`, or the etag.
///
/// # Errors
/// ARM's 412.
pub fn check_match(
    id: &ResourceId,
    etag: Option<&str>,
    if_match: Option<&str>,
) -> Result<(), ArmError> {
    match if_match {
        None | Some("" | "*") => Ok(()),
        Some(wanted) if Some(wanted) == etag => Ok(()),
        Some(wanted) => Err(ArmError::new(
            412,
            "PreconditionFailed",
            format!(
                "Etag provided in if-match header {} does not match etag {} of resource {id} in NRP data store.",
                quoted(wanted),
                etag.unwrap_or_default()
            ),
        )),
    }
}

/// An etag as Azure repeats it: what is not quoted is.
fn quoted(etag: &str) -> String {
    if etag.contains('"') { etag.to_owned() } else { format!("W/\"{etag}\"") }
}

/// ARM's 400 for a reference to something that is not there.
pub(crate) fn missing_reference(referenced: &str, by: &ResourceId) -> ArmError {
    ArmError::new(
        400,
        "InvalidResourceReference",
        format!(
            "Resource {referenced} referenced by resource {by} was not found. Please make sure that the referenced resource exists, and that both resources are in the same region."
        ),
    )
}

/// ARM's 404 for an id (recorded): the resource manager's own for what it tracks, which links of private
/// DNS are too; the provider's for children, which names a zone group by its name alone. Records of private
/// DNS have words of their own (Azure/azure-cli#27374).
pub fn not_found(id: &ResourceId) -> ArmError {
    let key = id.key();
    let depth = key.rsplit_once("/providers/").map_or(0, |(_, path)| path.split('/').count());
    let tracked = id.segment("virtualNetworkLinks").is_some();
    if depth > 3 && !tracked {
        if is_zone_group(id) {
            return ArmError::new(404, "NotFound", format!("Resource {} not found.", id.name()));
        }
        if is_private_dns(id) {
            let message = format!(
                "The resource record '{}' does not exist in resource group '{}' of subscription '{}'.",
                id.name(),
                id.resource_group().unwrap_or_default().to_lowercase(),
                id.subscription().unwrap_or_default()
            );
            return ArmError::new(404, "NotFound", message);
        }
        return ArmError::new(404, "NotFound", format!("Resource {id} not found."));
    }
    let provider = id.as_str().rsplit_once("/providers/").map_or(id.as_str(), |(_, path)| path);
    ArmError::new(
        404,
        "ResourceNotFound",
        format!(
            "The Resource '{provider}' under resource group '{}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
            id.resource_group().unwrap_or_default()
        ),
    )
}
