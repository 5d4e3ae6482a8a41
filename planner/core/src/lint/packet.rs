//! What a network security group does with packets: rules count in order of their priority, and the first that
//! is about a packet decides.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::arm::address::parse_range;
use crate::arm::resource::{NetworkSecurityGroup, SecurityRule};

/// A set of IPv4 addresses: ranges from first to last, in order, none touching another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Addresses(Vec<(u32, u32)>);

impl Addresses {
    /// All addresses.
    pub(super) fn everywhere() -> Self {
        Self(vec![(0, u32::MAX)])
    }

    /// The union of ranges. Those of IPv6 are left out.
    pub(super) fn of(ranges: impl IntoIterator<Item = IpNet>) -> Self {
        let bounds = |range: IpNet| match range {
            IpNet::V4(range) => Some((range.network().to_bits(), range.broadcast().to_bits())),
            IpNet::V6(_) => None,
        };
        let mut all: Vec<(u32, u32)> = ranges.into_iter().filter_map(bounds).collect();
        all.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::new();
        for (first, last) in all {
            match merged.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => merged.push((first, last)),
            }
        }
        Self(merged)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is in both.
    fn and(&self, other: &Self) -> Self {
        let overlap = |&(first, last): &(u32, u32)| {
            let clipped = move |&(a, b): &(u32, u32)| (a.max(first), b.min(last));
            other.0.iter().map(clipped).filter(|(first, last)| first <= last)
        };
        Self(self.0.iter().flat_map(overlap).collect())
    }

    /// What is not in the other.
    pub(super) fn without(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        for &(first, last) in &self.0 {
            let mut next = Some(first);
            for &(from, to) in other.0.iter().filter(|(from, to)| *from <= last && *to >= first) {
                if let Some(start) = next.filter(|start| *start < from) {
                    left.push((start, from - 1));
                }
                next = to.checked_add(1);
            }
            left.extend(next.filter(|start| *start <= last).map(|start| (start, last)));
        }
        Self(left)
    }

    fn contains(&self, address: IpAddr) -> bool {
        let IpAddr::V4(address) = address else {
            return false;
        };
        let bits = address.to_bits();
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&bits))
    }
}

/// How much of some traffic is lost, and what takes it away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Loss<T> {
    /// Whether nothing gets through.
    pub(super) whole: bool,
    /// Why.
    pub(super) by: T,
}

/// All losses of several kinds of traffic as one: nothing gets through where nothing of any kind does.
pub(super) fn together<T>(losses: impl IntoIterator<Item = Option<Loss<T>>>) -> Option<Loss<T>> {
    let (mut whole, mut first) = (true, None);
    for loss in losses {
        whole &= loss.as_ref().is_some_and(|it| it.whole);
        first = first.or(loss);
    }
    first.map(|first| Loss { whole, ..first })
}

/// Packets of one kind.
pub(super) struct Traffic<'a> {
    /// Where they come from.
    pub(super) from: &'a Addresses,
    /// The service tags that hold all of that.
    pub(super) tags: &'a [&'a str],
    /// Where they go: addresses that are known, or unknown.
    pub(super) to: &'a [String],
    /// The port, if it is known.
    pub(super) port: &'a str,
    /// The protocol: `TCP`, `UDP` or `SCTP`.
    pub(super) protocol: &'a str,
}

/// A rule that is about the protocol and the port of some traffic.
struct Met<'a> {
    rule: &'a SecurityRule,
    from: Addresses,
    to: Vec<&'a str>,
    ranges: Addresses,
}

/// What rules do with the traffic to one address.
struct Way<'a> {
    /// The first that denies any of it.
    denied_by: Option<&'a str>,
    /// Whether any lets some of it in.
    is_let_in: bool,
    /// The sources of which no rule says anything.
    left: Addresses,
}

fn is(text: Option<&str>, word: &str) -> bool {
    text.is_some_and(|text| text.eq_ignore_ascii_case(word))
}

fn all<'a>(
    one: &'a Option<String>,
    many: &'a Option<Vec<String>>,
) -> impl Iterator<Item = &'a str> {
    let several = many.iter().flatten();
    one.iter().chain(several).map(String::as_str).filter(|text| !text.is_empty())
}

/// A range, or an address as a range of one.
fn range(text: &str) -> Option<IpNet> {
    parse_range(text).or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// Whether a rule denies what it is about.
pub(super) fn denies(rule: &SecurityRule) -> bool {
    is(rule.properties.access.as_deref(), "Deny")
}

impl<'a> Traffic<'a> {
    /// What a group takes of it. What no rule is about gets through: of Azure's default rules one lets the
    /// virtual network in, and one the load balancer's probes.
    pub(super) fn denied_by<'r>(&self, group: &'r NetworkSecurityGroup) -> Option<Loss<&'r str>> {
        let rules = group.properties.security_rules.iter().flatten().map(AsRef::as_ref);
        let mut rules: Vec<&SecurityRule> =
            rules.filter(|it: &&SecurityRule| self.is_of_port(it)).collect();
        // Most groups deny nothing of it, and what they let in is then not looked at.
        let may_deny = |rule: &&SecurityRule| denies(rule) && !self.sources(rule).is_empty();
        if !rules.iter().any(may_deny) {
            return None;
        }
        rules.sort_by_key(|rule| rule.properties.priority);
        let met: Vec<Met<'r>> = rules.into_iter().map(|rule| self.met(rule)).collect();
        together(self.to.iter().map(|to| self.lost_on_the_way_to(to, &met)))
    }

    fn is_of_port(&self, rule: &SecurityRule) -> bool {
        let it = &rule.properties;
        let is_port = |text: &str| {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            let number = |text: &str| text.trim().parse::<u32>().ok();
            let within = |port: u32| {
                number(first).zip(number(last)).is_some_and(|(a, b)| (a..=b).contains(&port))
            };
            text == "*" || text == self.port || number(self.port).is_some_and(within)
        };
        let protocol = it.protocol.as_deref();
        is(it.direction.as_deref(), "Inbound")
            && (is(protocol, "*") || is(protocol, self.protocol))
            && all(&it.destination_port_range, &it.destination_port_ranges).any(is_port)
    }

    /// Which of its sources a rule is about.
    fn sources(&self, rule: &SecurityRule) -> Addresses {
        let it = &rule.properties;
        let texts = || all(&it.source_address_prefix, &it.source_address_prefixes);
        let holds_all = |text: &str| text == "*" || self.tags.iter().any(|tag| is(Some(text), tag));
        if texts().any(holds_all) {
            return self.from.clone();
        }
        self.from.and(&Addresses::of(texts().filter_map(range)))
    }

    fn met<'r>(&self, rule: &'r SecurityRule) -> Met<'r> {
        let it = &rule.properties;
        let to: Vec<&str> =
            all(&it.destination_address_prefix, &it.destination_address_prefixes).collect();
        let ranges = Addresses::of(to.iter().filter_map(|text| range(text)));
        Met { rule, from: self.sources(rule), to, ranges }
    }

    /// Whether rules of a group deny all of it that others do not let in expressly.
    pub(super) fn rest_is_denied(&self, group: &NetworkSecurityGroup) -> bool {
        let rules = group.properties.security_rules.iter().flatten().map(AsRef::as_ref);
        let mut rules: Vec<&SecurityRule> =
            rules.filter(|it: &&SecurityRule| self.is_of_port(it)).collect();
        rules.sort_by_key(|rule| rule.properties.priority);
        let met: Vec<Met<'_>> = rules.into_iter().map(|rule| self.met(rule)).collect();
        self.to.iter().all(|to| {
            let way = self.way_to(to, &met);
            way.denied_by.is_some() && way.left.is_empty()
        })
    }

    fn lost_on_the_way_to<'r>(&self, to: &str, rules: &[Met<'r>]) -> Option<Loss<&'r str>> {
        let way = self.way_to(to, rules);
        way.denied_by.map(|by| Loss { whole: !way.is_let_in && way.left.is_empty(), by })
    }

    fn way_to<'r>(&self, to: &str, rules: &[Met<'r>]) -> Way<'r> {
        let address = to.parse::<IpAddr>().ok();
        let mut way = Way { denied_by: None, is_let_in: false, left: self.from.clone() };
        for met in rules {
            let is_whole = |text: &&str| *text == "*" || is(Some(text), "VirtualNetwork");
            let is_there =
                met.to.iter().any(|text| is_whole(text) || text.eq_ignore_ascii_case(to))
                    || address.is_some_and(|address| met.ranges.contains(address));
            let taken = way.left.and(&met.from);
            if !is_there || taken.is_empty() {
                continue;
            }
            way.left = way.left.without(&taken);
            if denies(met.rule) {
                way.denied_by = way.denied_by.or(Some(met.rule.name()));
            } else {
                way.is_let_in = true;
            }
        }
        way
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn addresses(ranges: &[&str]) -> Addresses {
        Addresses::of(ranges.iter().filter_map(|text| range(text)))
    }

    #[test]
    fn ranges_count_as_their_union() {
        let whole = addresses(&["10.242.0.0/24"]);
        assert_eq!(addresses(&["10.242.0.128/25", "10.242.0.0/25", "fd00::/8"]), whole);
        let half = addresses(&["10.242.0.0/25"]);
        assert_eq!(whole.without(&half), addresses(&["10.242.0.128/25"]));
        assert_eq!(whole.and(&half), half);
        assert!(
            half.without(&whole).is_empty() && whole.without(&addresses(&["0.0.0.0/0"])).is_empty()
        );
        let holes = whole.without(&addresses(&["10.242.0.0", "10.242.0.255", "10.242.0.16/28"]));
        assert!(!holes.contains("10.242.0.20".parse().unwrap()));
        assert!(holes.contains("10.242.0.32".parse().unwrap()));
    }

    #[test]
    fn the_first_rule_about_a_packet_decides() {
        let rule = |priority: i64, access: &str, from: &str, to: &str, port: &str| {
            json!({"name": format!("{access}-{priority}"), "properties": {
                "priority": priority, "access": access, "direction": "Inbound", "protocol": "*",
                "sourceAddressPrefix": from, "destinationAddressPrefix": to,
                "destinationPortRange": port}})
        };
        let lost = |rules: &[serde_json::Value], to: &[&str]| {
            let group = json!({"properties": {"securityRules": rules}});
            let group: NetworkSecurityGroup = serde_json::from_value(group).unwrap();
            let from = addresses(&["10.242.0.0/24"]);
            let to: Vec<String> = to.iter().map(|it| (*it).to_owned()).collect();
            let traffic = Traffic {
                from: &from,
                tags: &["VirtualNetwork"],
                to: &to,
                port: "443",
                protocol: "TCP",
            };
            traffic.denied_by(&group).map(|it| (it.whole, it.by.to_owned()))
        };
        let frontend = ["10.240.0.6"];
        let deny = rule(4095, "Deny", "*", "10.240.0.0/16", "*");
        let told = |whole: bool, by: &str| Some((whole, by.to_owned()));
        let only = [deny.clone()];
        assert_eq!(lost(&only, &frontend), told(true, "Deny-4095"));
        assert_eq!(lost(&only, &["10.241.0.6"]), None);
        assert_eq!(lost(&only, &["10.240.0.6", "10.241.0.6"]), told(false, "Deny-4095"));
        let half = rule(500, "Allow", "10.242.0.0/25", "*", "400-500");
        assert_eq!(lost(&[deny.clone(), half.clone()], &frontend), told(false, "Deny-4095"));
        let other = rule(501, "Allow", "10.242.0.128/25", "*", "443");
        assert_eq!(lost(&[deny.clone(), half, other], &frontend), None);
        let elsewhere = rule(500, "Allow", "VirtualNetwork", "*", "80");
        assert_eq!(lost(&[deny, elsewhere], &frontend), told(true, "Deny-4095"));
    }
}
