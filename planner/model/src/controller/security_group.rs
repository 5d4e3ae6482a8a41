//! What the security group lets through (reference: cloud-controller, section 10;
//! `reconcileSecurityGroup`, `loadbalancer/accesscontrol.go`).

mod left;
mod rules;

use std::collections::BTreeMap;

use ipnet::IpNet;

use crate::arm::address::is_ipv4;
use crate::arm::allocator::{Family, family};
use crate::arm::resource::LoadBalancer;
use crate::facts::BackendPoolType;
use crate::kubernetes::service::{Number, Service};
use crate::pointer::At;
use crate::unknown;

use super::cloud::Cloud;
use super::failure::Failure;
use super::name;
use super::prefix;
use super::tags;
use super::value::{get, is_internal_in_rules, is_true, quote, same};
use crate::annotation;
pub use left::{LeftRule, left_rules};
use rules::SecurityRules;
pub use rules::{digest_once_known, is_deny_all};

/// The protocols of security rules, in the order they are patched.
pub(crate) const PROTOCOLS: [&str; 3] = ["Tcp", "Udp", "*"];

/// Ports by protocol of security rules.
pub(crate) type Ports = BTreeMap<&'static str, Vec<Number>>;

/// Addresses of both families, in order.
#[derive(Clone, Debug, Default)]
struct Addresses {
    ipv4: Vec<String>,
    ipv6: Vec<String>,
}

impl Addresses {
    fn add(&mut self, address: &str) {
        let address = if unknown::is_unknown(address) {
            address.to_owned()
        } else if let Some(parsed) = prefix::parse_address(address) {
            parsed.to_string()
        } else {
            return;
        };
        match family(&address) {
            Some(Family::V6) => self.ipv6.push(address),
            _ => self.ipv4.push(address),
        }
    }

    fn extend<'a>(&mut self, addresses: impl IntoIterator<Item = &'a str>) {
        addresses.into_iter().for_each(|address| self.add(address));
    }

    /// All of a list, or none if any is no address (`iputil.ParseAddresses`, its error dropped).
    fn extend_with_all(&mut self, addresses: &[String]) {
        let is_address =
            |it: &String| unknown::is_unknown(it) || prefix::parse_address(it).is_some();
        if addresses.iter().all(is_address) {
            self.extend(addresses.iter().map(String::as_str));
        }
    }
}

/// The ports security rules open for a Service: node ports where nothing floats.
fn ports(service: &Service) -> Result<Ports, Failure> {
    let mut ports = Ports::new();
    for port in &service.ports {
        let protocol = match port.protocol.as_str() {
            "TCP" => "Tcp",
            "UDP" => "Udp",
            "SCTP" => "*",
            other => return Err(Failure::new(format!("unsupported protocol {other}"))),
        };
        let number = if is_true(service, annotation::DISABLE_FLOATING_IP) {
            port.node_port.clone()
        } else {
            Number::Known(port.port)
        };
        ports.entry(protocol).or_default().push(number);
    }
    Ok(ports)
}

/// More addresses of a Service (`AdditionalPublicIPs`). Blanks are not trimmed.
pub(crate) fn additional(service: &Service) -> Result<Vec<String>, Failure> {
    let Some(value) = get(service, annotation::ADDITIONAL_PUBLIC_IPS) else {
        return Ok(Vec::new());
    };
    let mut addresses = Vec::new();
    for text in value.trim().split(',') {
        let Some(address) = prefix::parse_address(text) else {
            return Err(Failure::new(format!(
                "invalid service annotation {}:{value}: invalid CIDR `{text}`: {}",
                annotation::ADDITIONAL_PUBLIC_IPS,
                prefix::address_error(text)
            )));
        };
        addresses.push(address.to_string());
    }
    Ok(addresses)
}

/// What a Service lets in.
struct Allowed {
    source_ranges: Vec<IpNet>,
    allowed_ranges: Vec<IpNet>,
    has_invalid: bool,
    tags: Vec<String>,
    deny_others: bool,
    internal: bool,
}

impl Allowed {
    fn of(service: &Service) -> Result<Self, Failure> {
        let mut has_invalid = false;
        let mut ranges = |texts: Vec<&str>| {
            let mut found = Vec::new();
            for text in texts {
                match prefix::parse(text.trim()) {
                    Some(prefix) => found.push(prefix),
                    None => has_invalid = true,
                }
            }
            found
        };
        let source_ranges = ranges(service.source_ranges.iter().map(String::as_str).collect());
        let annotated = [annotation::ALLOWED_IP_RANGES, annotation::SOURCE_RANGES];
        let annotated = annotated.into_iter().filter_map(|key| get(service, key));
        let allowed_ranges = ranges(annotated.flat_map(|value| value.trim().split(',')).collect());
        if !source_ranges.is_empty() && !allowed_ranges.is_empty() {
            return Err(Failure::new(format!(
                "cannot set both spec.LoadBalancerSourceRanges and service annotation {}",
                annotation::ALLOWED_IP_RANGES
            )));
        }
        let tags = get(service, annotation::ALLOWED_SERVICE_TAGS);
        let tags = tags.into_iter().flat_map(|value| value.trim().split(','));
        let asked = is_true(service, annotation::DENY_ALL_EXCEPT_SOURCE_RANGES);
        let any = !source_ranges.is_empty() || !allowed_ranges.is_empty();
        Ok(Self {
            deny_others: (asked && any) || has_invalid,
            has_invalid,
            tags: tags.map(|tag| tag.trim().to_owned()).collect(),
            internal: is_internal_in_rules(service),
            source_ranges,
            allowed_ranges,
        })
    }

    /// Whether all the Internet is let in: of public Services that name nobody. Ranges that hold
    /// everything stand for themselves (recording 166).
    fn opens_to_internet(&self) -> bool {
        !self.internal
            && self.tags.is_empty()
            && self.source_ranges.is_empty()
            && self.allowed_ranges.is_empty()
            && !self.has_invalid
    }

    /// Opens the ports, and closes all else if that is asked for (`PatchSecurityGroup`).
    fn patch(
        &self,
        rules: &mut SecurityRules,
        to: &Addresses,
        ports: &Ports,
    ) -> Result<(), Failure> {
        let mut tags = self.tags.clone();
        if self.opens_to_internet() {
            tags.push("Internet".to_owned());
        }
        let all: Vec<IpNet> =
            self.source_ranges.iter().chain(&self.allowed_ranges).copied().collect();
        let merged = IpNet::aggregate(&all);
        for protocol in PROTOCOLS {
            let Some(ports) = ports.get(protocol) else {
                continue;
            };
            for (family, addresses, ipv6) in [("IPv4", &to.ipv4, false), ("IPv6", &to.ipv6, true)] {
                if addresses.is_empty() {
                    continue;
                }
                for tag in &tags {
                    rules.allow(protocol, family, vec![tag.clone()], addresses, ports)?;
                }
                let ranges: Vec<String> = merged
                    .iter()
                    .filter(|range| is_ipv4(range) != ipv6)
                    .map(ToString::to_string)
                    .collect();
                if !ranges.is_empty() {
                    rules.allow(protocol, family, ranges, addresses, ports)?;
                }
            }
        }
        if self.deny_others {
            for (family, addresses) in [("IPv4", &to.ipv4), ("IPv6", &to.ipv6)] {
                if !addresses.is_empty() {
                    rules.deny_all(family, addresses)?;
                }
            }
        }
        Ok(())
    }
}

impl Cloud<'_, '_> {
    /// Brings the security group in line with a Service (`reconcileSecurityGroup`). `addresses`: those
    /// of its frontends.
    pub(crate) fn reconcile_security_group(
        &mut self,
        service: &Service,
        balancer: &str,
        addresses: &[String],
        want: bool,
    ) -> Result<(), Failure> {
        if want && addresses.is_empty() {
            return Err(Failure::new(format!(
                "no load balancer IP for setting up security rules for service {}",
                service.key.name
            )));
        }
        let additional = match additional(service) {
            Ok(additional) => additional,
            Err(failure) if want => {
                return Err(failure.within("unable to get additional public IPs"));
            }
            Err(_) => Vec::new(),
        };
        let group = self.security_group()?;
        if group.properties.security_rules.is_none() {
            return Err(Failure::new("invalid SecurityGroup object"));
        }
        let allowed = self.access(service, want)?;
        let ports = ports(service)?;
        let balancer = self.load_balancer(balancer, false)?;
        if want && balancer.is_none() {
            return Err(Failure::new("unable to get lb "));
        }
        let mut to = Addresses::default();
        to.extend(additional.iter().map(String::as_str));
        if is_true(service, annotation::DISABLE_FLOATING_IP) {
            let nodes = balancer.as_deref().map(|it| self.addresses_in_pools(service, it));
            to.extend(nodes.unwrap_or_default().iter().map(String::as_str));
        } else {
            to.extend_with_all(addresses);
        }
        let mut rules = SecurityRules::new(&group);
        let shared = self.ports_of_others(service, &to)?;
        for protocol in PROTOCOLS {
            let kept = shared.get(protocol).cloned().unwrap_or_default();
            rules.remove_destinations(protocol, "IPv4", &to.ipv4, &kept)?;
            rules.remove_destinations(protocol, "IPv6", &to.ipv6, &kept)?;
        }
        let skipped =
            self.facts.knows_disable_nsg_rule && is_true(service, annotation::DISABLE_NSG_RULE);
        if want && !skipped {
            allowed.patch(&mut rules, &to, &ports)?;
        }
        let retained = self.managed_destinations(addresses, &additional);
        rules.retain_destinations(&retained.ipv4, &retained.ipv6);
        let (mut changed_group, mut changed) = rules.finish()?;
        changed |= tags::ensure(self.facts, &mut changed_group.tags);
        if changed {
            let id = self.security_group_id();
            let etag = changed_group.etag.clone();
            let sent = etag.clone();
            let result = self.put(&id, changed_group, etag.as_deref(), |azure, body| {
                azure.put_network_security_group(&id, body, sent.as_deref())
            });
            match &result {
                Err(failure) if failure.status() != Some(412) => {}
                _ => {
                    let key = self.facts.security_group.to_lowercase();
                    self.memory.security_groups.remove(&key);
                }
            }
            result?;
        }
        Ok(())
    }

    /// What a Service lets in. On deletion what is wrong with it is said in events.
    fn access(&mut self, service: &Service, want: bool) -> Result<Allowed, Failure> {
        if !want {
            let bad = |texts: Vec<&str>| -> Vec<String> {
                let bad = texts.into_iter().map(str::trim).filter(|it| prefix::parse(it).is_none());
                bad.map(quote).collect()
            };
            let ranges = bad(service.source_ranges.iter().map(String::as_str).collect());
            let ignored = "ignoring and adding a default DenyAll rule in security group.";
            if !ranges.is_empty() {
                let ranges = ranges.join(" ");
                self.warn(
                    service,
                    "InvalidSourceRanges",
                    format!("Found invalid spec.LoadBalancerSourceRanges [{ranges}], {ignored}"),
                );
            }
            let keys = [annotation::ALLOWED_IP_RANGES, annotation::SOURCE_RANGES];
            let values = keys.into_iter().filter_map(|key| get(service, key));
            let ranges = bad(values.flat_map(|value| value.trim().split(',')).collect());
            if !ranges.is_empty() {
                let (key, ranges) = (annotation::ALLOWED_IP_RANGES, ranges.join(" "));
                let message = format!("Found invalid {key} [{ranges}], {ignored}");
                self.warn(service, "InvalidAllowedIPRanges", message);
            }
            let valid = service.source_ranges.iter().any(|it| prefix::parse(it.trim()).is_some());
            let has_tags = get(service, annotation::ALLOWED_SERVICE_TAGS).is_some();
            // Both kinds of ranges are refused before that is said (`NewAccessControl`).
            if valid && has_tags && Allowed::of(service).is_ok() {
                let message = format!(
                    "Please use annotation {} instead of spec.loadBalancerSourceRanges while using {} annotation at the same time.",
                    annotation::ALLOWED_IP_RANGES,
                    annotation::ALLOWED_SERVICE_TAGS
                );
                self.warn(service, "ConflictConfiguration", message);
            }
        }
        Allowed::of(service)
    }

    /// The addresses of the nodes in a Service's pools (`GetBackendPrivateIPs`).
    fn addresses_in_pools(&self, service: &Service, balancer: &LoadBalancer) -> Vec<String> {
        let names = [false, true].map(|ipv6| match self.facts.backend_pool_type {
            BackendPoolType::NodeIp => name::pool(self.facts, service, ipv6),
            _ => name::cluster_pool(self.facts, ipv6),
        });
        let mut addresses = std::collections::BTreeSet::new();
        for pool in balancer.properties.backend_address_pools.iter().flatten() {
            if !names.iter().any(|name| same(name, pool.name())) {
                continue;
            }
            let members = pool.properties.load_balancer_backend_addresses.iter().flatten();
            for member in members {
                let address = member.at("/properties/ipAddress");
                addresses.extend(address.and_then(|it| it.as_str()).map(ToOwned::to_owned));
            }
            for interface in pool.properties.backend_ip_configurations.iter().flatten() {
                let machine = crate::kubernetes::node::machine_of(interface.id());
                let node = self
                    .cluster
                    .nodes
                    .iter()
                    .find(|node| node.machine.as_deref().map(str::to_lowercase) == machine);
                addresses.extend(node.into_iter().flat_map(|node| node.internal_addresses.clone()));
            }
        }
        addresses.into_iter().collect()
    }

    /// The ports that other Services open for the same destinations (`listSharedIPPortMapping`).
    fn ports_of_others(&self, service: &Service, to: &Addresses) -> Result<Ports, Failure> {
        let mut shared = Ports::new();
        let by_nodes = is_true(service, annotation::DISABLE_FLOATING_IP);
        for (key, other) in &self.cluster.services {
            if *key == service.key {
                continue;
            }
            let concerned = if by_nodes {
                is_true(other, annotation::DISABLE_FLOATING_IP)
            } else {
                let reached =
                    |address: &String| to.ipv4.contains(address) || to.ipv6.contains(address);
                other.ingress.iter().any(reached)
            };
            if concerned {
                let found = ports(other).map_err(|why| {
                    why.within(&format!("fetch security rule dst ports for {}", key.name))
                })?;
                for (protocol, ports) in found {
                    shared.entry(protocol).or_default().extend(ports);
                }
            }
        }
        Ok(shared)
    }

    /// All destinations that managed rules may have (`listAvailableSecurityGroupDestinations`).
    fn managed_destinations(&self, addresses: &[String], more: &[String]) -> Addresses {
        let mut all = Addresses::default();
        for service in self.cluster.services.values() {
            if let Ok(addresses) = additional(service) {
                all.extend(addresses.iter().map(String::as_str));
            }
            all.extend(service.ingress.iter().map(String::as_str));
        }
        let unmanaged = |label: Option<&String>| label.is_some_and(|value| same(value, "false"));
        for node in &self.cluster.nodes {
            if !unmanaged(node.labels.get("kubernetes.azure.com/managed")) {
                all.extend(node.internal_addresses.iter().map(String::as_str));
            }
        }
        all.extend_with_all(addresses);
        all.extend(more.iter().map(String::as_str));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_that_is_none_spoils_the_list() {
        // `reconcileSecurityGroup` drops the error of `iputil.ParseAddresses`, and the list with it.
        let mut addresses = Addresses::default();
        addresses.extend_with_all(&["10.240.0".to_owned(), "fd00::1".to_owned()]);
        assert!(addresses.ipv4.is_empty() && addresses.ipv6.is_empty());
        addresses.extend_with_all(&["10.240.0.6".to_owned(), "fd00::1".to_owned()]);
        assert_eq!((addresses.ipv4.len(), addresses.ipv6.len()), (1, 1));
    }
}
