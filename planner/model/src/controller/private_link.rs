//! Private link services (reference: cloud-controller, section 8; `azure_privatelinkservice.go`).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::json;

use crate::arm::allocator::{Family, family};
use crate::arm::arm_type::ArmType;
use crate::arm::resource::{
    Frontend, NatAddress, NatAddressProperties, PrivateLinkService, PrivateLinkServiceProperties,
    Reference, Subnet, Subscriptions,
};
use crate::evidence::Evidence;
use crate::facts::TakenPlsName;
use crate::kubernetes::service::Service;
use crate::resource_id::ResourceId;

use super::cloud::Cloud;
use super::failure::{Cause, Failure};
use super::memory::{CACHE_SECONDS, Cached};
use super::name;
use super::outcome::{Action, Reason};
use super::tags;
use super::value::{
    get, int32, internal_subnet, is_dual_stack, is_internal, is_true, is_true_trimmed, not_blank,
    same, words,
};
use crate::annotation;

/// The tag of a Private Link Service that names the cluster (`consts.go`).
pub const CLUSTER_TAG: &str = "k8s-azure-cluster-name";
/// The tag of a Private Link Service that names the Service it was made for, `namespace/name` (`consts.go`).
pub const OWNER_TAG: &str = "k8s-azure-owner-service";

impl Cloud<'_, '_> {
    /// Brings the PLS of a frontend in line, or deletes it (`reconcilePrivateLinkService`). Whether one
    /// was deleted.
    pub(crate) fn reconcile_private_link(
        &mut self,
        service: &Service,
        frontend: &Frontend,
        want: bool,
    ) -> Result<bool, Failure> {
        let owned = self.owns_frontend(frontend, service);
        let ipv6 = self.frontend_is_ipv6(frontend, owned, service);
        let create = want && is_true_trimmed(service, annotation::PLS_CREATE);
        if ipv6 {
            if is_dual_stack(service) || !create {
                return Ok(false);
            }
            return Err(Failure::new("IPv6 is not supported for private link service"));
        }
        if create {
            self.ensure_private_link(service, frontend)?;
        } else if !want && let Some(existing) = self.private_link_of(service, frontend.id())? {
            self.delete_private_link(service, &existing)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// The group of a Service's PLS (`getPLSResourceGroup`).
    fn private_link_group(&self, service: &Service) -> String {
        let annotated = get(service, annotation::PLS_RESOURCE_GROUP).map(str::trim);
        annotated
            .filter(|group| !group.is_empty())
            .map_or_else(|| self.facts.private_link_service_group(), ToOwned::to_owned)
    }

    fn private_link_id(&self, group: &str, name: &str) -> ResourceId {
        ResourceId::in_group(
            &self.facts.subscription,
            group,
            ArmType::PrivateLinkService.name(),
            name,
        )
    }

    /// The PLS on a frontend: the first in the group's list, from a cache keyed by group and id as they
    /// are spelled.
    fn private_link_of(
        &mut self,
        service: &Service,
        frontend: &str,
    ) -> Result<Option<Arc<PrivateLinkService>>, Failure> {
        let group = self.private_link_group(service);
        let key = cache_key(&group, frontend);
        let now = self.memory.now;
        if let Some(cached) = self.memory.private_link_services.get(&key)
            && now.saturating_sub(cached.at) < CACHE_SECONDS
        {
            return Ok(cached.value.clone());
        }
        let collection = self.private_link_id(&group, "").collection().unwrap_or_default();
        // Whatever the failure, the sync fails with it: a group that does not exist (404) too.
        self.read(&collection).map_err(|failure| {
            let is_missing =
                failure.arm.as_ref().is_some_and(|arm| arm.code == "ResourceGroupNotFound");
            let cause = if is_missing { Cause::LinkGroupMissing } else { failure.cause };
            Failure { cause, ..failure.within("get PLS") }
        })?;
        let prefix = format!("{}/", collection.key());
        let all = self.azure.world.private_link_services.range(prefix.clone()..);
        let value = all
            .take_while(|(key, _)| key.starts_with(&prefix))
            .map(|(_, it)| it)
            .find(|it| {
                let on = it.properties.load_balancer_frontend_ip_configurations.iter().flatten();
                on.into_iter().any(|it| same(it.id(), frontend))
            })
            .cloned();
        let cached = Cached { at: now, value: value.clone() };
        self.memory.private_link_services.insert(key, cached);
        Ok(value)
    }

    fn forget_private_link(&mut self, group: &str, link: &PrivateLinkService) {
        self.memory.private_link_services.remove(&cache_key(group, first_frontend(link)));
    }

    fn ensure_private_link(
        &mut self,
        service: &Service,
        frontend: &Frontend,
    ) -> Result<(), Failure> {
        if !is_internal(service) && !is_true(service, annotation::DISABLE_FLOATING_IP) {
            return Err(Failure::new(format!(
                "reconcilePrivateLinkService for service({}): service requiring private link service must be internal or disable floating ip",
                service.key
            )));
        }
        let existing = self.private_link_of(service, frontend.id())?;
        if let Some(existing) = &existing {
            let words = format!(
                "reconcilePrivateLinkService for service({}) failed: LB frontend({}) already has",
                service.key,
                frontend.id()
            );
            let tag = |key: &str| existing.tags.as_ref().and_then(|tags| tags.get(key));
            let managed =
                tag(CLUSTER_TAG).is_some_and(|it| same(it.trim(), &self.facts.cluster_name));
            if !managed {
                let text = format!("{words} unmanaged private link service({})", existing.id());
                return Err(Failure::about(Cause::LinkInTheWay, text));
            }
            let owner = tag(OWNER_TAG).cloned().unwrap_or_default();
            if !same(&owner, &service.key.to_string()) {
                let own = annotation::OWNERS_ONLY;
                if own.iter().any(|key| service.annotations.contains_key(*key)) {
                    let text = format!(
                        "{words} existing private link service({}) owned by service({owner})",
                        existing.name()
                    );
                    return Err(Failure::about(Cause::LinkInTheWay, text));
                }
                return Ok(());
            }
        }
        self.write_private_link(service, frontend, existing)
    }

    fn write_private_link(
        &mut self,
        service: &Service,
        frontend: &Frontend,
        existing: Option<Arc<PrivateLinkService>>,
    ) -> Result<(), Failure> {
        let group = self.private_link_group(service);
        let mut link = match &existing {
            Some(existing) => existing.as_ref().clone(),
            None => self.new_private_link(),
        };
        let mut wanted = private_link_name(service, &link, frontend)?;
        if existing.is_none() && self.facts.taken_pls_name == TakenPlsName::Refused {
            self.refuse_taken_name(service, &group, &wanted)?;
        }
        // One that exists keeps its name as it is spelled.
        wanted = link.name.clone().unwrap_or(wanted);
        if !self.fill_private_link(service, frontend, &mut link, &wanted)? {
            return Ok(());
        }
        self.disable_policy(service)?;
        link.etag = Some(String::new());
        if wanted.is_empty() {
            return Err(Failure::new(
                "create or update PLS: parameter serviceName cannot be empty",
            ));
        }
        let id = self.private_link_id(&group, &wanted);
        let before = self.azure.world.private_link_services.get(&id.key()).cloned();
        let sent = link.clone();
        let result = self
            .put(&id, link, None, |azure, body| azure.put_private_link_service(&id, body, None));
        result.map_err(|failure| failure.within("create or update PLS"))?;
        self.forget_private_link(&group, &sent);
        let (action, reason) = match (&existing, before) {
            (None, None) => (Action::Created, Reason::Wanted),
            (None, Some(_)) => (Action::Updated, Reason::TakenOver),
            (Some(existing), _) => {
                let failed = existing.properties.provisioning_state.as_deref() == Some("Failed");
                (Action::Updated, if failed { Reason::Failed } else { Reason::Differs })
            }
        };
        self.effect(action, &id, reason, Evidence::Recorded);
        Ok(())
    }

    fn new_private_link(&self) -> PrivateLinkService {
        let edge = self.facts.extended_location.as_deref();
        PrivateLinkService {
            location: Some(self.facts.location.clone()),
            extended_location: edge.map(|name| json!({"name": name, "type": "EdgeZone"})),
            ..PrivateLinkService::default()
        }
    }

    /// Since September 2026 a name in use on another frontend is refused.
    fn refuse_taken_name(
        &self,
        service: &Service,
        group: &str,
        wanted: &str,
    ) -> Result<(), Failure> {
        let id = self.private_link_id(group, wanted);
        match self.azure.world.private_link_services.get(&id.key()) {
            None => Ok(()),
            Some(taken) => Err(Failure::new(format!(
                "reconcilePrivateLinkService for service({}) failed: private link service({wanted}) is already in use by LB frontend({})",
                service.key,
                first_frontend(taken)
            ))),
        }
    }

    /// Sets the fields a Service decides (`getExpectedPrivateLinkService`). Whether any changed.
    fn fill_private_link(
        &mut self,
        service: &Service,
        frontend: &Frontend,
        link: &mut PrivateLinkService,
        wanted: &str,
    ) -> Result<bool, Failure> {
        let mut dirty = link.properties.provisioning_state.as_deref() == Some("Failed");
        if link.name.as_deref().is_none_or(|name| !same(name, wanted)) {
            link.name = Some(wanted.to_owned());
            dirty = true;
        }
        if link.properties.load_balancer_frontend_ip_configurations.is_none() {
            let reference = Reference::to(frontend.id());
            link.properties.load_balancer_frontend_ip_configurations = Some(vec![reference]);
            dirty = true;
        }
        dirty |= self.fill_nat_addresses(service, link, wanted)?;
        let properties = &mut link.properties;
        dirty |= fill_proxy_protocol(properties, service);
        let fqdns = list(service, annotation::PLS_FQDNS);
        if !same_content(properties.fqdns.as_deref().unwrap_or_default(), &fqdns) {
            properties.fqdns = Some(fqdns);
            dirty = true;
        }
        dirty |= fill_subscriptions(properties, service);
        let mut wanted_tags = self.facts.tags.clone();
        let current = link.tags.get_or_insert_default();
        let own =
            [(CLUSTER_TAG, self.facts.cluster_name.clone()), (OWNER_TAG, service.key.to_string())];
        for (key, value) in own {
            let value = current.get(key).cloned().unwrap_or(value);
            wanted_tags.insert(key.to_owned(), value);
        }
        dirty |= tags::reconcile(self.facts, current, &wanted_tags);
        Ok(dirty)
    }

    /// The name of the subnet of the NAT addresses (`getPLSSubnetName`).
    fn nat_subnet_name(&self, service: &Service) -> String {
        let named = not_blank(service, annotation::PLS_SUBNET).or_else(|| internal_subnet(service));
        named.unwrap_or(&self.facts.subnet).to_owned()
    }

    fn nat_subnet(&mut self, service: &Service, words: &str) -> Result<Arc<Subnet>, Failure> {
        let wanted = self.nat_subnet_name(service);
        self.subnet(&wanted)?.ok_or_else(|| {
            let text = format!(
                "{words}: failed to get private link service subnet({wanted}) for service({})",
                service.key
            );
            Failure::about(Cause::SubnetMissing, text)
        })
    }

    /// The NAT addresses (`reconcilePLSIpConfigs`): if anything about them differs, all are re-created.
    fn fill_nat_addresses(
        &mut self,
        service: &Service,
        link: &mut PrivateLinkService,
        wanted: &str,
    ) -> Result<bool, Failure> {
        let subnet = self.nat_subnet(service, "checkAndUpdatePLSIPConfigs")?;
        let count = int32(service, annotation::PLS_ADDRESS_COUNT, |count| {
            let (limit, which) = match count {
                ..1 => (1, "minimum"),
                9.. => (8, "maximum"),
                _ => return Ok(()),
            };
            Err(format!(
                "{which} number of private link service ipConfig is {limit}, {count} provided"
            ))
        })
        .map_err(Failure::new)?;
        let count = usize::try_from(count.unwrap_or(1)).unwrap_or_default();
        let statics = static_addresses(service)?;
        if count < statics.len() {
            return Err(Failure::new(format!(
                "checkAndUpdatePLSIPConfigs: ipConfigCount({count}) must be no smaller than number of static IPs specified({})",
                statics.len()
            )));
        }
        let existing = link.properties.ip_configurations.as_deref();
        if existing.is_some_and(|it| !nat_changed(it, &subnet, count, &statics)) {
            return Ok(false);
        }
        let addresses = nat_addresses(&subnet, wanted, count, &statics);
        link.properties.ip_configurations = Some(addresses);
        Ok(true)
    }

    /// Disables the policy of the PLS's subnet, if it is not (`disablePLSNetworkPolicy`).
    fn disable_policy(&mut self, service: &Service) -> Result<(), Failure> {
        let subnet = self.nat_subnet(service, "disablePLSNetworkPolicy")?;
        let policy = subnet.properties.private_link_service_network_policies.as_deref();
        if policy == Some("Disabled") {
            return Ok(());
        }
        // Written at the name as the Service spells it.
        let id = self.facts.subnet_id(&self.nat_subnet_name(service));
        let mut changed = subnet.as_ref().clone();
        let policy = &mut changed.properties.private_link_service_network_policies;
        *policy = Some("Disabled".to_owned());
        self.put(&id, changed, None, |azure, body| azure.put_subnet(&id, body, None))?;
        self.effect(Action::Updated, &id, Reason::PolicyEnabled, Evidence::Recorded);
        Ok(())
    }

    /// Deletes a PLS, its connections first, whoever made it (`safeDeletePLS`).
    fn delete_private_link(
        &mut self,
        service: &Service,
        link: &PrivateLinkService,
    ) -> Result<(), Failure> {
        let group = self.private_link_group(service);
        let id = self.private_link_id(&group, link.name());
        for connection in link.properties.private_endpoint_connections.iter().flatten() {
            let connection = id.child("privateEndpointConnections", connection.name());
            self.delete(&connection)
                .map_err(|failure| failure.within("delete PLS PE connection"))?;
            self.effect(Action::Deleted, &connection, Reason::FrontendWent, Evidence::Recorded);
        }
        self.delete(&id).map_err(|failure| failure.within("delete PLS"))?;
        self.forget_private_link(&group, link);
        self.effect(Action::Deleted, &id, Reason::FrontendWent, Evidence::Recorded);
        Ok(())
    }
}

fn cache_key(group: &str, frontend: &str) -> String {
    format!("{group}*{frontend}")
}

fn first_frontend(link: &PrivateLinkService) -> &str {
    let frontends = link.properties.load_balancer_frontend_ip_configurations.as_deref();
    frontends.and_then(<[Reference]>::first).map(Reference::id).unwrap_or_default()
}

/// The PLS's name: the annotation, else the one it has, else the frontend's with `pls-` before it.
fn private_link_name(
    service: &Service,
    existing: &PrivateLinkService,
    frontend: &Frontend,
) -> Result<String, Failure> {
    if let Some(wanted) = get(service, annotation::PLS_NAME).map(str::trim) {
        if let Some(existing) = existing.name.as_deref().filter(|it| !same(it, wanted)) {
            let text = format!(
                "getPrivateLinkServiceName({}) failed: cannot change existing private link service name ({existing}) to ({wanted})",
                service.key
            );
            return Err(Failure::about(Cause::LinkNameFixed, text));
        }
        return Ok(wanted.to_owned());
    }
    Ok(existing.name.clone().unwrap_or_else(|| format!("pls-{}", frontend.name())))
}

/// The static addresses in their order, each once; the first is primary.
fn static_addresses(service: &Service) -> Result<Vec<String>, Failure> {
    let mut addresses: Vec<String> = Vec::new();
    for word in words(get(service, annotation::PLS_ADDRESS).unwrap_or_default()) {
        if word.parse::<IpAddr>().is_err() {
            return Err(Failure::new(format!("getPLSStaticIPs: {word} is not a valid IP address")));
        }
        if family(word) != Some(Family::V4) {
            return Err(Failure::new(format!(
                "getPLSStaticIPs: private link service ip config only supports IPv4, {word} provided"
            )));
        }
        if !addresses.iter().any(|address| address == word) {
            addresses.push(word.to_owned());
        }
    }
    Ok(addresses)
}

fn nat_changed(existing: &[NatAddress], subnet: &Subnet, count: usize, statics: &[String]) -> bool {
    if existing.len() != count {
        return true;
    }
    let mut kept = 0;
    for address in existing {
        let it = &address.properties;
        let in_subnet = it.subnet.as_ref().is_some_and(|it| same(it.id(), subnet.id()));
        let text = it.private_ip_address.as_deref().unwrap_or_default();
        let is_static = it.private_ip_allocation_method.as_deref() == Some("Static");
        if !in_subnet || (is_static && !statics.iter().any(|wanted| wanted == text)) {
            return true;
        }
        kept += usize::from(is_static);
        let primary = statics.first().map(String::as_str).unwrap_or_default();
        let right = if is_static { same(primary, text) } else { primary.is_empty() };
        if it.primary == Some(true) && !right {
            return true;
        }
    }
    kept != statics.len()
}

fn nat_addresses(subnet: &Subnet, link: &str, count: usize, statics: &[String]) -> Vec<NatAddress> {
    let address = |suffix: String, address: Option<&String>, primary: bool| {
        let method = if address.is_some() { "Static" } else { "Dynamic" };
        NatAddress {
            name: Some(name::nat_address(subnet.name(), link, &suffix)),
            properties: NatAddressProperties {
                private_ip_allocation_method: Some(method.to_owned()),
                private_ip_address: address.cloned(),
                private_ip_address_version: Some("IPv4".to_owned()),
                primary: Some(primary),
                subnet: Some(Reference::to(subnet.id())),
                ..NatAddressProperties::default()
            },
            ..NatAddress::default()
        }
    };
    let fixed = statics
        .iter()
        .enumerate()
        .map(|(at, text)| address(format!("-static-{text}"), Some(text), at == 0));
    let dynamic = (0..count.saturating_sub(statics.len()))
        .map(|at| address(format!("-dynamic-{at}"), None, statics.is_empty() && at == 0));
    fixed.chain(dynamic).collect()
}

fn fill_proxy_protocol(properties: &mut PrivateLinkServiceProperties, service: &Service) -> bool {
    let wanted = is_true_trimmed(service, annotation::PLS_PROXY_PROTOCOL);
    if properties.enable_proxy_protocol.unwrap_or(false) == wanted {
        return false;
    }
    properties.enable_proxy_protocol = Some(wanted);
    true
}

/// Visibility and auto-approval: if either differs, both are written.
fn fill_subscriptions(properties: &mut PrivateLinkServiceProperties, service: &Service) -> bool {
    let mut visible = list(service, annotation::PLS_VISIBILITY);
    if visible.iter().any(|it| it == "*") {
        visible = vec!["*".to_owned()];
    }
    let approved = list(service, annotation::PLS_AUTO_APPROVAL);
    let current = |list: &Option<Subscriptions>| {
        list.as_ref().and_then(|list| list.subscriptions.clone()).unwrap_or_default()
    };
    let unchanged = same_content(&current(&properties.visibility), &visible)
        && same_content(&current(&properties.auto_approval), &approved);
    if unchanged {
        return false;
    }
    let wanted =
        |list| Some(Subscriptions { subscriptions: Some(list), ..Subscriptions::default() });
    properties.visibility = wanted(visible);
    properties.auto_approval = wanted(approved);
    true
}

fn list(service: &Service, key: &str) -> Vec<String> {
    words(get(service, key).unwrap_or_default()).map(ToOwned::to_owned).collect()
}

/// Whether two lists hold the same entries as often, in any order.
fn same_content(one: &[String], other: &[String]) -> bool {
    let count = |list: &[String]| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for entry in list {
            *counts.entry(entry.clone()).or_default() += 1;
        }
        counts
    };
    one.len() == other.len() && count(one) == count(other)
}
