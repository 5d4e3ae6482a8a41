//! The rules of a security group under edit (`loadbalancer/securitygroup`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use md5::{Digest, Md5};

use crate::arm::resource::{NetworkSecurityGroup, SecurityRule, SecurityRuleProperties};
use crate::kubernetes::service::Number;
use crate::unknown;

use crate::controller::failure::Failure;

const PREFIX: &str = "k8s-azure-lb";
const DENY_ALL: &str = "k8s-azure-lb_deny-all";
const LOWEST: i64 = 500;
const HIGHEST: i64 = 4096;

/// Whether a name is one of the rules with which the controller denies what a Service does not let in.
pub fn is_deny_all(rule: &str) -> bool {
    rule.starts_with(DENY_ALL)
}

/// Whether a rule is one that the controller cleans up: by its name, in its range of priorities.
pub(super) fn is_managed(rule: &SecurityRule) -> bool {
    let priority = rule.properties.priority;
    rule.name().starts_with(PREFIX)
        && priority.is_some_and(|priority| (LOWEST..=HIGHEST).contains(&priority))
}

/// The rules of a security group under edit.
pub(crate) struct SecurityRules {
    group: NetworkSecurityGroup,
    before: Vec<SecurityRule>,
    rules: BTreeMap<String, SecurityRule>,
    priorities: BTreeSet<i64>,
}

fn sorted(rules: impl IntoIterator<Item = SecurityRule>) -> Vec<SecurityRule> {
    let mut rules: Vec<SecurityRule> = rules.into_iter().collect();
    rules.sort_by_key(|rule| rule.properties.priority);
    rules
}

pub(super) fn destinations(rule: &SecurityRule) -> Vec<String> {
    let it = &rule.properties;
    let one = it.destination_address_prefix.iter().filter(|prefix| !prefix.is_empty());
    one.chain(it.destination_address_prefixes.iter().flatten()).cloned().collect()
}

fn sources(rule: &SecurityRule) -> Vec<String> {
    let it = &rule.properties;
    it.source_address_prefix
        .iter()
        .chain(it.source_address_prefixes.iter().flatten())
        .cloned()
        .collect()
}

/// Writes destinations: each once, sorted; one by itself, several (or none) as a list.
fn set_destinations(rule: &mut SecurityRule, prefixes: Vec<String>) {
    let unique: BTreeSet<String> = prefixes.into_iter().collect();
    let mut unique: Vec<String> = unique.into_iter().collect();
    let it = &mut rule.properties;
    if unique.len() == 1 {
        it.destination_address_prefix = unique.pop();
        it.destination_address_prefixes = None;
    } else {
        it.destination_address_prefix = None;
        it.destination_address_prefixes = Some(unique);
    }
}

/// The ports of a rule; `None` if they are not all numbers.
pub(super) fn port_list(rule: &SecurityRule) -> Option<Vec<String>> {
    let it = &rule.properties;
    let all: Vec<String> = it
        .destination_port_range
        .iter()
        .chain(it.destination_port_ranges.iter().flatten())
        .cloned()
        .collect();
    let is_number = |port: &String| {
        unknown::is_unknown(port) || crate::controller::value::parse_int32(port).is_ok()
    };
    all.iter().all(is_number).then_some(all)
}

impl SecurityRules {
    pub(crate) fn new(group: &NetworkSecurityGroup) -> Self {
        let existing = group.properties.security_rules.iter().flatten();
        let rules: Vec<SecurityRule> = existing.map(|rule| rule.as_ref().clone()).collect();
        Self {
            group: group.clone(),
            priorities: rules.iter().filter_map(|rule| rule.properties.priority).collect(),
            before: sorted(rules.clone()),
            rules: rules.into_iter().map(|rule| (rule.name().to_owned(), rule)).collect(),
        }
    }

    fn rule(&mut self, name: String, from_end: bool) -> Result<&mut SecurityRule, Failure> {
        if !self.rules.contains_key(&name) {
            let free = |priority: &i64| !self.priorities.contains(priority);
            let priority = if from_end {
                (LOWEST..HIGHEST).rev().find(free)
            } else {
                (LOWEST..HIGHEST).find(free)
            };
            let priority =
                priority.ok_or_else(|| Failure::new("security rule priority exhausted"))?;
            self.priorities.insert(priority);
            let properties = SecurityRuleProperties {
                priority: Some(priority),
                ..SecurityRuleProperties::default()
            };
            let rule =
                SecurityRule { name: Some(name.clone()), properties, ..SecurityRule::default() };
            self.rules.insert(name.clone(), rule);
        }
        Ok(self.rules.entry(name).or_default())
    }

    /// Lets sources through to destinations and ports (`addAllowRule`): one rule per protocol, sources
    /// and ports; further destinations join it.
    pub(crate) fn allow(
        &mut self,
        protocol: &str,
        family: &str,
        mut sources: Vec<String>,
        to: &[String],
        ports: &[Number],
    ) -> Result<(), Failure> {
        let mut ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
        ports.sort();
        sources.sort();
        let digest = digest(&format!("{protocol}_{}_{}", sources.join(","), ports.join(",")));
        let name = format!("{PREFIX}_allow_{family}_{digest}");
        let rule = self.rule(name, false)?;
        let it = &mut rule.properties;
        it.protocol = Some(protocol.to_owned());
        it.access = Some("Allow".to_owned());
        it.direction = Some("Inbound".to_owned());
        if sources.len() == 1 {
            it.source_address_prefix = sources.pop();
        } else {
            it.source_address_prefixes = Some(sources);
        }
        it.source_port_range = Some("*".to_owned());
        it.destination_port_range = None;
        it.destination_port_ranges = Some(ports);
        let mut all = destinations(rule);
        all.extend(to.iter().cloned());
        set_destinations(rule, all);
        Ok(())
    }

    /// Keeps everything else from destinations (`AddRuleForDenyAll`).
    pub(crate) fn deny_all(&mut self, family: &str, to: &[String]) -> Result<(), Failure> {
        let rule = self.rule(format!("{DENY_ALL}_{family}"), true)?;
        let it = &mut rule.properties;
        let star = || Some("*".to_owned());
        it.protocol = star();
        it.access = Some("Deny".to_owned());
        it.direction = Some("Inbound".to_owned());
        it.source_address_prefix = star();
        it.source_port_range = star();
        it.destination_port_range = star();
        it.destination_port_ranges = None;
        let mut all = to.to_vec();
        all.extend(destinations(rule));
        set_destinations(rule, all);
        Ok(())
    }

    /// Takes destinations out of the rules of a protocol, but for ports that others need
    /// (`RemoveDestinationFromRules`).
    pub(crate) fn remove_destinations(
        &mut self,
        protocol: &str,
        family: &str,
        gone: &[String],
        kept_ports: &[Number],
    ) -> Result<(), Failure> {
        let kept_ports: Vec<String> = kept_ports.iter().map(ToString::to_string).collect();
        let concerned = |rule: &SecurityRule| {
            let it = &rule.properties;
            it.priority.is_some_and(|priority| (LOWEST..=HIGHEST).contains(&priority))
                && it.protocol.as_deref() == Some(protocol)
        };
        let names: Vec<String> = self
            .rules
            .iter()
            .filter(|(_, rule)| concerned(rule))
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            let Some(rule) = self.rules.get_mut(&name) else {
                continue;
            };
            let current = destinations(rule);
            let left: Vec<String> =
                current.iter().filter(|it| !gone.contains(it)).cloned().collect();
            if rule.properties.access.as_deref() == Some("Deny") && kept_ports.is_empty() {
                set_destinations(rule, left);
                continue;
            }
            let Some(ports) = port_list(rule) else {
                continue;
            };
            let still: Vec<String> =
                ports.iter().filter(|port| kept_ports.contains(port)).cloned().collect();
            if left.len() == current.len() || still.len() == ports.len() {
                continue;
            }
            set_destinations(rule, left);
            if !still.is_empty() {
                let sources = sources(rule);
                let ports: Vec<Number> = still.into_iter().map(number).collect();
                self.allow(protocol, family, sources, gone, &ports)?;
            }
        }
        Ok(())
    }

    /// Leaves in the managed rules only destinations that are in use (`RetainDestinationFromRules`).
    pub(crate) fn retain_destinations(&mut self, ipv4: &[String], ipv6: &[String]) {
        for rule in self.rules.values_mut().filter(|rule| is_managed(rule)) {
            let all = destinations(rule);
            // An address counts as often as it is among those in use (`fnutil.Intersection`): as many as there were
            // may be others, and what is stale stays (recording 402).
            let in_use = ipv4.iter().chain(ipv6).filter(|it| all.contains(it));
            let left: Vec<String> = in_use.cloned().collect();
            // A rule all of whose destinations stay is not written anew (recording 301).
            if left.len() != all.len() {
                set_destinations(rule, left);
            }
        }
    }

    /// The group as edited, and whether it differs. Rules without destinations are gone.
    pub(crate) fn finish(self) -> Result<(NetworkSecurityGroup, bool), Failure> {
        let has_destination = |rule: &SecurityRule| {
            let groups = rule.properties.other.get("destinationApplicationSecurityGroups");
            let groups = groups.and_then(|groups| groups.as_array());
            !destinations(rule).is_empty() || groups.is_some_and(|groups| !groups.is_empty())
        };
        let rules = sorted(self.rules.into_values().filter(has_destination));
        let count = |one: &Option<String>, several: &Option<Vec<String>>| {
            usize::from(one.is_some()) + several.as_ref().map_or(0, Vec::len)
        };
        let sum = |of: &dyn Fn(&SecurityRuleProperties) -> usize| -> usize {
            rules.iter().map(|rule| of(&rule.properties)).sum()
        };
        let from = sum(&|it| count(&it.source_address_prefix, &it.source_address_prefixes));
        let to = sum(&|it| count(&it.destination_address_prefix, &it.destination_address_prefixes));
        for (number, limit, what) in [
            (rules.len(), 1000, "rules"),
            (from, 4000, "source IP addresses"),
            (to, 4000, "destination IP addresses"),
        ] {
            if number > limit {
                return Err(Failure::new(format!(
                    "unable to apply access control configuration to security group: exceeds the maximum number of {what} ({number} > {limit})"
                )));
            }
        }
        let changed = rules != self.before;
        let mut group = self.group;
        group.properties.security_rules = Some(rules.into_iter().map(Arc::new).collect());
        Ok((group, changed))
    }
}

fn number(text: String) -> Number {
    text.parse().map_or(Number::Unknown(text), Number::Known)
}

/// The MD5 digest in hexadecimal digits, which the controller names rules with. That of a node port that is
/// not known yet is unknown too.
fn digest(text: &str) -> String {
    if unknown::is_unknown(text) {
        return unknown::mark(DIGEST, text);
    }
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

const DIGEST: &str = "digest";

/// The digest that a mark stands for, once the node ports in it are known: `node_port` knows them by what
/// their own marks are of.
pub fn digest_once_known<V: AsRef<str>>(
    mark: &unknown::Unknown<'_>,
    node_port: impl Fn(&str) -> Option<V>,
) -> Option<String> {
    // Ports come last, and hold no underscore.
    let (rest, ports) = mark.of.rsplit_once('_').filter(|_| mark.what == DIGEST)?;
    let port = |text: &str| match text.strip_prefix("node port|") {
        Some(of) => node_port(of).map(|port| port.as_ref().to_owned()),
        None => Some(text.to_owned()),
    };
    let mut ports: Vec<String> = ports.split(',').map(port).collect::<Option<_>>()?;
    ports.sort();
    Some(digest(&format!("{rest}_{}", ports.join(","))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The only mark of a text.
    fn only(text: &str) -> unknown::Unknown<'_> {
        let mut segments = unknown::segments(text).into_iter();
        let mark = segments.find_map(|segment| match segment {
            unknown::Segment::Unknown(unknown) => Some(unknown),
            _ => None,
        });
        mark.unwrap()
    }

    #[test]
    fn a_name_is_known_once_the_node_ports_in_it_are() {
        let mark = unknown::mark("node port", "default/web 443/TCP");
        let group = NetworkSecurityGroup::default();
        let name = |ports: &[Number]| {
            let mut rules = SecurityRules::new(&group);
            let (from, to) = (vec!["10.1.0.0/24".to_owned()], ["10.240.0.4".to_owned()]);
            rules.allow("Tcp", "IPv4", from, &to, ports).unwrap();
            rules.rules.into_keys().next().unwrap()
        };
        let unknown = name(&[Number::Known(32000), Number::Unknown(mark)]);
        let node_port = |of: &str| (of == "default/web 443/TCP").then_some("30001");
        let digest = digest_once_known(&only(&unknown), node_port).unwrap();
        let known = name(&[Number::Known(32000), Number::Known(30001)]);
        assert_eq!(known, format!("k8s-azure-lb_allow_IPv4_{digest}"));
        assert_eq!(digest_once_known(&only(&unknown), |_| None::<&str>), None);
    }
}
