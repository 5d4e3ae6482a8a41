//! Public IPs (`ensurePublicIPExists`, `reconcilePublicIPs`).

pub(crate) mod asked;
mod tag;

use std::sync::Arc;

use serde_json::{Value, json};

use crate::arm::resource::{
    LoadBalancer, PublicIpAddress, PublicIpAddressProperties, Reference, Sku,
};
use crate::evidence::Evidence;
use crate::facts::{Facts, LoadBalancerSku};
use crate::kubernetes::service::Service;
use crate::resource_id::ResourceId;
use crate::unknown;

use super::cloud::Cloud;
use super::failure::Failure;
use super::name::{self, IsIpv6};
use super::outcome::{Action, Reason};
use super::private_link::CLUSTER_TAG;
use super::tags::{self, Tags};
use super::value::{families, get, is_internal, same};
use crate::annotation;
use crate::controller::public_ip::asked::{by_family, named, pinned};
pub(crate) use asked::asked_address_error;
use asked::check_public;
use tag::{
    DNS_TAG, OLD_CLUSTER_TAG, OLD_DNS_TAG, OLD_SERVICE_TAG, SERVICE_TAG, bind, services_in_tag,
    tag, unbind,
};

fn prefix_id(service: &Service, ipv6: IsIpv6) -> &str {
    by_family(service, annotation::PIP_PREFIX_ID, annotation::PIP_PREFIX_ID_IPV6, ipv6)
}

/// Whether a public IP is a Service's, and whether a user made it (`serviceOwnsPublicIP`).
fn ownership(service: &Service, address: &PublicIpAddress, cluster: &str) -> (bool, bool) {
    let ipv6 = address.properties.public_ip_address_version.as_deref() == Some("IPv6");
    let given = address.properties.ip_address.as_deref().unwrap_or_default();
    let selected = !given.is_empty()
        && (same(given, pinned(service, ipv6)) || same(address.name(), named(service, ipv6)));
    let names = services_in_tag(address.tags.as_ref());
    if names.is_empty() {
        return (selected, true);
    }
    let own = service.key.to_string();
    if names.iter().any(|name| same(name, &own)) {
        let of = tag(address.tags.as_ref(), [CLUSTER_TAG, OLD_CLUSTER_TAG]);
        return (of.is_empty() || same(of, cluster), false);
    }
    (selected, false)
}

/// The group of a Service's public IPs (`getPublicIPAddressResourceGroup`).
pub(crate) fn group(facts: &Facts, service: &Service) -> String {
    let annotated = get(service, annotation::RESOURCE_GROUP).map(str::trim);
    annotated
        .filter(|group| !group.is_empty())
        .map_or_else(|| facts.controller_resource_group(), ToOwned::to_owned)
}

impl Cloud<'_, '_> {
    /// The group of a Service's public IPs, see [`group`].
    pub(crate) fn public_ip_group(&self, service: &Service) -> String {
        group(self.facts, service)
    }

    /// A public IP by its name; what the cache does not have is looked for once more.
    pub(crate) fn public_ip(
        &mut self,
        group: &str,
        wanted: &str,
    ) -> Result<Option<Arc<PublicIpAddress>>, Failure> {
        for afresh in [false, true] {
            let all = self.public_ips(group, afresh)?;
            if let Some(found) = all.into_iter().find(|address| same(address.name(), wanted)) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The list in which one is looked for, and looked for once more (`findMatchedPIP`). `by` is the function of the
    /// second look.
    fn listed(
        &mut self,
        group: &str,
        afresh: bool,
        by: &str,
    ) -> Result<Vec<Arc<PublicIpAddress>>, Failure> {
        self.public_ips(group, afresh).map_err(|failure| match afresh {
            true => failure.within(&format!("{by}: failed to listPIP force refresh")),
            false => failure.within("findMatchedPIP: failed to listPIP"),
        })
    }

    pub(crate) fn find_public_ip_by_name(
        &mut self,
        group: &str,
        wanted: &str,
    ) -> Result<Arc<PublicIpAddress>, Failure> {
        for afresh in [false, true] {
            let all = self.listed(group, afresh, "findMatchedPIPByName")?;
            if let Some(found) = all.into_iter().find(|address| same(address.name(), wanted)) {
                return Ok(found);
            }
        }
        let words =
            format!("findMatchedPIPByName: failed to find PIP {wanted} in resource group {group}");
        Err(Failure::new(words))
    }

    pub(crate) fn find_public_ip_by_address(
        &mut self,
        group: &str,
        wanted: &str,
    ) -> Result<Arc<PublicIpAddress>, Failure> {
        if !unknown::is_unknown(wanted) {
            check_public(wanted)?;
        }
        for afresh in [false, true] {
            let all = self.listed(group, afresh, "findMatchedPIPByLoadBalancerIP")?;
            let is_it =
                |it: &Arc<PublicIpAddress>| it.properties.ip_address.as_deref() == Some(wanted);
            if let Some(found) = all.into_iter().find(is_it) {
                return Ok(found);
            }
        }
        Err(Failure::new(format!(
            "findMatchedPIPByLoadBalancerIP: cannot find public IP with IP address {wanted} in resource group {group}: getExpectedPIPFromListByIPAddress: cannot find public IP with IP address {wanted}"
        )))
    }

    /// The name of the public IP a Service is to have, and whether it must be there already
    /// (`determinePublicIPName`).
    pub(crate) fn public_ip_name(
        &mut self,
        service: &Service,
        ipv6: IsIpv6,
    ) -> Result<(String, bool), Failure> {
        let named = named(service, ipv6);
        if !named.is_empty() {
            return Ok((named.to_owned(), true));
        }
        let prefix = Some(prefix_id(service, ipv6)).filter(|id| !id.is_empty());
        let asked = pinned(service, ipv6);
        if prefix.is_some() || asked.is_empty() {
            return Ok((name::public_ip(self.facts, service, prefix, ipv6), false));
        }
        let group = self.public_ip_group(service);
        let found = self
            .find_public_ip_by_address(&group, asked)
            .map_err(|failure| asked_address_error(service, asked, failure))?;
        Ok((found.name().to_owned(), false))
    }

    /// Makes sure a public IP is there and is the Service's (`ensurePublicIPExists`).
    pub(crate) fn ensure_public_ip(
        &mut self,
        service: &Service,
        wanted: &str,
        must_exist: bool,
        ipv6: IsIpv6,
    ) -> Result<Arc<PublicIpAddress>, Failure> {
        let group = self.public_ip_group(service);
        let existing = self.public_ip(&group, wanted)?;
        if existing.is_none() && must_exist {
            return Err(Failure::new(format!(
                "PublicIP from annotation azure-pip-name(-IPv6)={wanted} for service {} doesn't exist",
                service.key
            )));
        }
        let created = existing.is_none();
        let (mut address, mut changed, users) = match existing {
            Some(existing) => self.existing_public_ip(service, &existing),
            None => (self.new_public_ip(service, wanted, ipv6), true, false),
        };
        let label = get(service, annotation::DNS_LABEL);
        let settled = !created && self.is_settled(service, &address, label.unwrap_or_default());
        if !settled {
            if !users && self.tag_public_ip(service, &mut address) {
                changed = true;
            }
            if let Some(label) = label {
                changed |= reconcile_dns(&mut address, label, service, wanted, users)?;
            }
            changed |= reconcile_family(&mut address, ipv6);
        }
        if changed {
            let id = self.public_ip_id(&group, address.name());
            let action = if created { Action::Created } else { Action::Updated };
            self.put_public_ip(service, &group, address)?;
            self.effect(action, &id, Reason::Wanted, Evidence::Recorded);
        }
        let id = self.public_ip_id(&group, wanted);
        self.read(&id)?;
        self.azure.world.public_ip_addresses.get(&id.key()).cloned().ok_or_else(|| {
            let error = crate::arm::azure::not_found(&id);
            Failure::refused("GET", &self.facts.endpoint, id.as_str(), error)
        })
    }

    /// An existing one with the Service bound to it; whether that changed it, and whether a user made it.
    fn existing_public_ip(
        &self,
        service: &Service,
        existing: &Arc<PublicIpAddress>,
    ) -> (PublicIpAddress, bool, bool) {
        let mut address = existing.as_ref().clone();
        let (owns, users) = ownership(service, &address, &self.facts.cluster_name);
        let mut changed = false;
        if owns && !users {
            changed = bind(&mut address, &service.key.to_string());
        }
        address.tags.get_or_insert_default();
        if self.facts.load_balancer_sku == LoadBalancerSku::Standard {
            let sku = address.sku.get_or_insert_default();
            if !sku.name.as_deref().is_some_and(|name| same(name, "Standard")) {
                sku.name = Some("Standard".to_owned());
                changed = true;
            }
        }
        (address, changed, users)
    }

    fn is_settled(&self, service: &Service, address: &PublicIpAddress, label: &str) -> bool {
        let user = tag(address.tags.as_ref(), [DNS_TAG, OLD_DNS_TAG]);
        same(dns_label(address), label) && same(user, &service.key.to_string())
    }

    fn new_public_ip(&self, service: &Service, wanted: &str, ipv6: IsIpv6) -> PublicIpAddress {
        let standard = self.facts.load_balancer_sku == LoadBalancerSku::Standard;
        let prefix = prefix_id(service, ipv6);
        let properties = PublicIpAddressProperties {
            public_ip_allocation_method: Some("Static".to_owned()),
            public_ip_address_version: Some(if ipv6 { "IPv6" } else { "IPv4" }.to_owned()),
            ip_tags: ip_tags(service),
            public_ip_prefix: (standard && !prefix.is_empty()).then(|| Reference::to(prefix)),
            ..PublicIpAddressProperties::default()
        };
        let tags = Tags::from([
            (SERVICE_TAG.to_owned(), service.key.to_string()),
            (CLUSTER_TAG.to_owned(), self.facts.cluster_name.clone()),
        ]);
        let edge = self.facts.extended_location.as_deref();
        let zones = standard && edge.is_none() && !self.facts.zones.is_empty();
        PublicIpAddress {
            name: Some(wanted.to_owned()),
            location: Some(self.facts.location.clone()),
            extended_location: edge.map(|name| json!({"name": name, "type": "EdgeZone"})),
            tags: Some(tags),
            sku: standard.then(|| Sku { name: Some("Standard".to_owned()), ..Sku::default() }),
            zones: zones.then(|| self.facts.zones.clone()),
            properties,
            ..PublicIpAddress::default()
        }
    }

    /// The tags configured and annotated (`ensurePIPTagged`).
    fn tag_public_ip(&self, service: &Service, address: &mut PublicIpAddress) -> bool {
        let mut wanted = self.facts.tags.clone();
        let annotated = get(service, annotation::PIP_TAGS).map(tags::parse).unwrap_or_default();
        for (key, value) in annotated {
            match tags::find(&wanted, &key).map(ToOwned::to_owned) {
                None => {
                    wanted.insert(key, value);
                }
                Some(found) => {
                    if wanted.get(&found).is_none_or(|existing| !same(existing, &value)) {
                        wanted.insert(found, value);
                    }
                }
            }
        }
        let current = address.tags.as_ref();
        let own = [
            (CLUSTER_TAG, tag(current, [CLUSTER_TAG, OLD_CLUSTER_TAG])),
            (SERVICE_TAG, tag(current, [SERVICE_TAG, OLD_SERVICE_TAG])),
            (DNS_TAG, tag(current, [DNS_TAG, OLD_DNS_TAG])),
        ];
        for (key, value) in own.into_iter().filter(|(_, value)| !value.is_empty()) {
            wanted.insert(key.to_owned(), value.to_owned());
        }
        tags::reconcile(self.facts, address.tags.get_or_insert_default(), &wanted)
    }

    fn put_public_ip(
        &mut self,
        service: &Service,
        group: &str,
        address: PublicIpAddress,
    ) -> Result<(), Failure> {
        let id = self.public_ip_id(group, address.name());
        let etag = address.etag.clone();
        let sent = etag.clone();
        let result = self.put(&id, address, etag.as_deref(), |azure, body| {
            azure.put_public_ip_address(&id, body, sent.as_deref())
        });
        match result {
            Ok(()) => {
                self.memory.public_ips.remove(group);
                Ok(())
            }
            Err(failure) => {
                self.warn(service, "CreateOrUpdatePublicIPAddress", failure.text.clone());
                if failure.status() == Some(412) {
                    self.memory.public_ips.remove(group);
                }
                Err(failure)
            }
        }
    }

    /// Releases what the Service needs no more and makes sure of what it needs (`reconcilePublicIPs`).
    pub(crate) fn reconcile_public_ips(
        &mut self,
        service: &Service,
        balancer: &str,
        want: bool,
    ) -> Result<(), Failure> {
        let group = self.public_ip_group(service);
        let own_group = self.facts.controller_resource_group();
        let mut all = self.public_ips(&group, false)?;
        if !same(&own_group, &group) {
            all.extend(self.public_ips(&own_group, false)?);
        }
        let (ipv4, ipv6) = families(service);
        for family in [false, true] {
            if (family && ipv6) || (!family && ipv4) {
                self.reconcile_public_ip(service, &all, balancer, want, family)?;
            }
        }
        Ok(())
    }

    fn reconcile_public_ip(
        &mut self,
        service: &Service,
        all: &[Arc<PublicIpAddress>],
        balancer: &str,
        want: bool,
        ipv6: IsIpv6,
    ) -> Result<(), Failure> {
        let needed = want && !is_internal(service);
        let (wanted, must_exist) =
            if needed { self.public_ip_name(service, ipv6)? } else { (String::new(), false) };
        let balancer =
            if balancer.is_empty() { None } else { self.load_balancer(balancer, false)? };
        let mut found = false;
        let (mut updated, mut deleted, mut deleted_wanted) = (Vec::new(), Vec::new(), false);
        let of_family = |address: &&Arc<PublicIpAddress>| {
            let version = address.properties.public_ip_address_version.as_deref();
            (version == Some("IPv6")) == ipv6
        };
        for existing in all.iter().filter(of_family) {
            found |= needed && existing.name() == wanted;
            let (owns, users) = ownership(service, existing, &self.facts.cluster_name);
            if !owns {
                continue;
            }
            let mut address = existing.as_ref().clone();
            let mut dirty = false;
            if !users {
                if !want {
                    unbind(&mut address, &service.key.to_string());
                    dirty = true;
                }
                dirty |= self.tag_public_ip(service, &mut address);
            }
            if !users && is_released(service, &address, want, &wanted) {
                deleted_wanted |= address.name() == wanted;
                deleted.push(address);
            } else if dirty {
                updated.push(address);
            }
        }
        if needed && must_exist && !found {
            return Err(Failure::new(format!(
                "reconcilePublicIP for service({}): pip({wanted}) not found",
                service.key
            )));
        }
        let group = self.public_ip_group(service);
        for address in updated {
            self.put_public_ip(service, &group, address)?;
        }
        for address in deleted {
            self.release_public_ip(service, &address, balancer.as_deref())?;
        }
        if needed {
            let must_exist = must_exist && found && !deleted_wanted;
            self.ensure_public_ip(service, &wanted, must_exist, ipv6)?;
        }
        Ok(())
    }

    /// Deletes a public IP, taking it off the load balancer first (`safeDeletePublicIP`).
    fn release_public_ip(
        &mut self,
        service: &Service,
        address: &PublicIpAddress,
        balancer: Option<&LoadBalancer>,
    ) -> Result<(), Failure> {
        let id = ResourceId::new(address.id());
        let group = id.resource_group().unwrap_or_default().to_lowercase();
        if let Some(user) = &address.properties.ip_configuration {
            let all = self.public_ips(&group, true)?;
            let latest = all.into_iter().find(|it| same(it.name(), address.name()));
            let is_used = latest.is_some_and(|it| it.properties.ip_configuration.is_some());
            if let Some(balancer) = balancer.filter(|_| is_used)
                && let Some(balancer) = without_frontend(balancer, user.id())
            {
                self.put_load_balancer(balancer)?;
            }
        }
        let id = self.public_ip_id(&group, address.name());
        match self.delete(&id) {
            Ok(()) => {
                self.memory.public_ips.remove(&group);
                self.effect(Action::Deleted, &id, Reason::Unwanted, Evidence::Recorded);
                Ok(())
            }
            Err(failure) => {
                self.warn(service, "DeletePublicIPAddress", failure.text.clone());
                if failure.text.contains("PublicIPAddressCannotBeDeleted") {
                    return Ok(());
                }
                Err(failure)
            }
        }
    }
}

/// The load balancer without a frontend and its rules, if it has it.
fn without_frontend(balancer: &LoadBalancer, id: &str) -> Option<LoadBalancer> {
    let frontends = balancer.properties.frontend_ip_configurations.as_deref().unwrap_or_default();
    let at = frontends.iter().position(|frontend| same(frontend.id(), id))?;
    let mut balancer = balancer.clone();
    let frontends = balancer.properties.frontend_ip_configurations.get_or_insert_default();
    let frontend = frontends.remove(at);
    let rules = frontend.properties.load_balancing_rules.clone().unwrap_or_default();
    if let Some(existing) = &mut balancer.properties.load_balancing_rules {
        existing.retain(|rule| !rules.iter().any(|gone| gone.id() == rule.id()));
    }
    Some(balancer)
}

/// Whether a managed public IP that is the Service's is deleted (`shouldReleaseExistingOwnedPublicIP`).
fn is_released(service: &Service, address: &PublicIpAddress, want: bool, wanted: &str) -> bool {
    let users = services_in_tag(address.tags.as_ref()).len();
    if (!want && users > 0) || (want && users > 1) {
        return false;
    }
    let other_tags = ip_tags(service).is_some_and(|wanted| {
        let sorted = |tags: &[Value]| {
            let mut tags: Vec<(String, String)> = tags
                .iter()
                .map(|tag| {
                    let text = |field: &str| {
                        tag.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
                    };
                    (text("ipTagType"), text("tag"))
                })
                .collect();
            tags.sort();
            tags
        };
        sorted(&wanted) != sorted(address.properties.ip_tags.as_deref().unwrap_or_default())
    });
    !want || is_internal(service) || address.name() != wanted || other_tags
}

fn dns_label(address: &PublicIpAddress) -> &str {
    let settings = address.properties.dns_settings.as_ref();
    settings.and_then(|it| it.get("domainNameLabel")?.as_str()).unwrap_or_default()
}

fn reconcile_dns(
    address: &mut PublicIpAddress,
    label: &str,
    service: &Service,
    wanted: &str,
    users: bool,
) -> Result<bool, Failure> {
    let own = service.key.to_string();
    let user = tag(address.tags.as_ref(), [DNS_TAG, OLD_DNS_TAG]).to_owned();
    if !user.is_empty() && !same(&user, &own) {
        return Err(Failure::new(format!(
            "ensurePublicIPExists for service({own}): failed to reconcileDNSSettings: ensurePublicIPExists for service({own}): pip({wanted}) - there is an existing service {user} consuming the DNS label on the public IP, so the service cannot set the DNS label annotation with this value"
        )));
    }
    if label.is_empty() {
        return Ok(address.properties.dns_settings.take().is_some());
    }
    let mut changed = false;
    if !same(dns_label(address), label) {
        match &mut address.properties.dns_settings {
            Some(Value::Object(settings)) if settings.contains_key("domainNameLabel") => {
                settings.insert("domainNameLabel".to_owned(), Value::from(label));
            }
            settings => *settings = Some(json!({"domainNameLabel": label})),
        }
        changed = true;
    }
    if !same(&user, &own) && !users {
        address.tags.get_or_insert_default().insert(DNS_TAG.to_owned(), own);
        changed = true;
    }
    Ok(changed)
}

fn reconcile_family(address: &mut PublicIpAddress, ipv6: IsIpv6) -> bool {
    let wanted = if ipv6 { "IPv6" } else { "IPv4" };
    let version = &mut address.properties.public_ip_address_version;
    let mut changed = false;
    if !version.as_deref().is_some_and(|version| same(version, wanted)) {
        *version = Some(wanted.to_owned());
        changed = true;
    }
    let method = &mut address.properties.public_ip_allocation_method;
    if ipv6 && !method.as_deref().is_some_and(|method| same(method, "Static")) {
        *method = Some("Static".to_owned());
        changed = true;
    }
    changed
}

/// The IP tags asked for, `type=tag,...`; the last of a type counts.
fn ip_tags(service: &Service) -> Option<Vec<Value>> {
    let text = get(service, annotation::PIP_IP_TAGS)?;
    let mut tags = Tags::new();
    for pair in text.trim().split(',') {
        if let [key, value] = pair.split('=').collect::<Vec<_>>().as_slice() {
            tags.insert(key.trim().to_owned(), value.trim().to_owned());
        }
    }
    Some(tags.into_iter().map(|(kind, tag)| json!({"ipTagType": kind, "tag": tag})).collect())
}
